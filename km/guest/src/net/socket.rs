//! Sockets as open files: [`Socket`] in front, a [`Protocol`] behind it, and what all protocols have in [`Common`].

use super::address::Address;
use super::budget::Budget;
use super::message::{Incoming, Outgoing, Peer};
use super::options::Options;
use crate::errno::{Errno, Result};
use crate::fs::attributes::Attributes;
use crate::fs::file::{File, Ready};
use crate::fs::io::{Sink, Source};
use crate::kernel::Ctx;
use crate::wait::{SysResult, WaitQueue};
use alloc::rc::Rc;
use alloc::vec::Vec;
use bitflags::bitflags;
use core::any::Any;
use core::cell::Cell;
use core::sync::atomic::{AtomicU64, Ordering};

bitflags! {
    /// Directions of a connection, for shutdown(2).
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Halves: u32 {
        /// The receiving half (SHUT_RD).
        const READ = 1;
        /// The sending half (SHUT_WR).
        const WRITE = 2;
    }
}

/// Domain, type and protocol of a socket (socket(2)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketKind {
    /// `AF_*` number of the address family.
    pub domain: u32,
    /// `SOCK_*` without its flags.
    pub kind: u32,
    /// `IPPROTO_*` number, 0 for the type's own.
    pub protocol: u32,
}

/// What every socket has.
pub struct Common {
    /// What kind it is.
    pub kind: SocketKind,
    /// Woken when readiness may have changed.
    pub queue: WaitQueue,
    /// What SO_ERROR or the next operation reports.
    pub error: Cell<Option<Errno>>,
    /// When the message came that was received last, CLOCK_REALTIME (SIOCGSTAMP).
    pub last_arrival_ns: Cell<Option<u64>>,
    /// Somebody found no room: room is worth a wake.
    pub no_space: Cell<bool>,
    /// Options of level SOL_SOCKET.
    pub options: Options,
    /// Inode number, as in `socket:[7]`.
    pub number: u64,
    /// The process that made it, with its credentials then.
    pub owner: Peer,
    attributes: Attributes,
    /// Its own memory, as part of the machine's socket memory.
    budget: Rc<Budget>,
    charge: usize,
}

/// What a socket costs beside its buffers.
pub const COST: usize = 2048;

static NEXT_NUMBER: AtomicU64 = AtomicU64::new(1);

impl Common {
    /// Of a new socket.
    pub fn new(kind: SocketKind, owner: Peer, budget: &Rc<Budget>) -> Self {
        // Never fails: a socket that an accepted connection needs is made even over budget. socket(2) enforces the
        // bound.
        let charge = if budget.take(COST) { COST } else { 0 };
        Self {
            kind,
            queue: WaitQueue::default(),
            error: Cell::new(None),
            last_arrival_ns: Cell::new(None),
            no_space: Cell::new(false),
            options: Options::new(kind),
            number: NEXT_NUMBER.fetch_add(1, Ordering::Relaxed),
            owner,
            attributes: Attributes::new(owner.uid, owner.gid),
            budget: Rc::clone(budget),
            charge,
        }
    }

    /// Fails with the pending error, if there is one, and clears it.
    pub fn take_error(&self) -> Result<()> {
        self.error.take().map_or(Ok(()), Err)
    }

    /// Tells waiters that something came in.
    pub fn wake_readers(&self) {
        self.queue.wake_for((Ready::IN | Ready::RDHUP | Ready::HUP | Ready::ERR).bits());
    }

    /// Wakes writers, but only if one had found no room.
    pub fn wake_writers(&self) {
        if self.no_space.replace(false) {
            self.queue.wake_for(Ready::OUT.bits());
        }
    }
}

impl Drop for Common {
    fn drop(&mut self) {
        self.budget.give_back(self.charge);
    }
}

/// A kind of sockets. Nothing in here waits: what would is EAGAIN.
pub trait Protocol: Any {
    /// What every socket has.
    fn common(&self) -> &Common;

    /// Gives the socket an address of its own (bind(2)).
    fn bind(&self, caller: Peer, address: &Address) -> Result<()>;

    /// connect(2). EAGAIN says that the connection is on its way: wait for the queue and ask again.
    fn connect(&self, caller: Peer, address: &Address) -> Result<()>;

    /// Lets clients connect to it; `backlog` of them may wait (listen(2)).
    fn listen(&self, caller: Peer, backlog: usize) -> Result<()> {
        let _ = (caller, backlog);
        Err(Errno::EOPNOTSUPP)
    }

    /// Takes the connection that has waited longest (accept(2)).
    fn accept(&self) -> Result<Rc<dyn Protocol>> {
        Err(Errno::EOPNOTSUPP)
    }

    /// An option of level SOL_SOCKET was set.
    fn option_changed(&self, name: u32) {
        let _ = name;
    }

    /// Sends; a stream may take less than there is.
    fn send(&self, message: &mut Outgoing<'_>) -> Result<usize>;

    /// Receives one message, or what there is of a stream; the length of the whole message with MSG_TRUNC.
    fn receive(&self, message: &mut Incoming<'_>) -> Result<usize>;

    /// Ends one or both directions for all descriptors (shutdown(2)).
    fn shutdown(&self, halves: Halves) -> Result<()>;

    /// The address that it is bound to (getsockname(2)).
    fn local(&self) -> Address;

    /// The address that it is connected to (getpeername(2)).
    fn peer(&self) -> Result<Address>;

    /// What would not block.
    fn ready(&self) -> Ready;

    /// The last descriptor is closed.
    fn close(&self);

    /// Whether listen(2) was called (SO_ACCEPTCONN).
    fn is_listening(&self) -> bool {
        false
    }

    /// Whether the next byte is an urgent one (SIOCATMARK).
    fn is_at_mark(&self) -> bool {
        false
    }

    /// Who is at the other end, for SO_PEERCRED.
    fn peer_credentials(&self) -> Option<Peer> {
        None
    }

    /// Bytes that a read would give (FIONREAD).
    fn readable_bytes(&self) -> usize {
        0
    }

    /// Bytes that the peer has not taken (TIOCOUTQ).
    fn unsent_bytes(&self) -> usize {
        0
    }

    /// setsockopt(2) for levels but SOL_SOCKET.
    fn set_option(&self, level: u32, name: u32, value: &[u8]) -> Result<()> {
        let _ = (level, name, value);
        Err(Errno::EOPNOTSUPP)
    }

    /// getsockopt(2) for levels but SOL_SOCKET.
    fn option(&self, level: u32, name: u32) -> Result<Vec<u8>> {
        let _ = (level, name);
        Err(Errno::EOPNOTSUPP)
    }

    /// For calls that only one protocol has.
    fn as_any(&self) -> &dyn Any;
}

/// A socket behind a descriptor.
pub struct Socket {
    /// What the calls on it do.
    pub protocol: Rc<dyn Protocol>,
}

impl Socket {
    /// A file for a socket.
    pub fn file(protocol: Rc<dyn Protocol>) -> Rc<dyn File> {
        Rc::new(Self { protocol })
    }
}

impl File for Socket {
    fn read(&self, _offset: u64, out: &mut dyn Sink) -> Result<usize> {
        if out.room() == 0 {
            return Ok(0);
        }
        self.protocol.receive(&mut Incoming::plain(out))
    }

    fn write(&self, _offset: u64, from: &mut dyn Source) -> Result<usize> {
        // write(2) names the writer itself; this is for callers without a process.
        self.protocol.send(&mut Outgoing::plain(from, self.protocol.common().owner))
    }

    fn ready(&self) -> Ready {
        self.protocol.ready()
    }

    fn queue(&self) -> Option<&WaitQueue> {
        Some(&self.protocol.common().queue)
    }

    fn timeouts_ns(&self) -> (Option<u64>, Option<u64>) {
        let options = &self.protocol.common().options;
        (options.receive_timeout_ns.get(), options.send_timeout_ns.get())
    }

    fn close(&self) {
        self.protocol.close();
    }

    fn mode(&self) -> u32 {
        linux_raw_sys::general::S_IFSOCK | 0o777
    }

    fn attributes(&self) -> Option<&Attributes> {
        Some(&self.protocol.common().attributes)
    }

    fn label(&self) -> Vec<u8> {
        alloc::format!("socket:[{}]", self.protocol.common().number).into_bytes()
    }

    fn ioctl(&self, ctx: &mut Ctx<'_>, request: u32, argument: u64) -> SysResult {
        super::ioctl::socket(&*self.protocol, &ctx.memory(), request, argument)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
