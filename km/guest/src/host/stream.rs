//! One stream of the monitor: a connection from outside or to there, or standard input or output.
//!
//! Bytes that come in are fetched when the program asks for them, bytes that go out wait in the output buffer. When the
//! monitor takes a write in part, the rest is kept in `backlog` and the program finds no room until it takes more.

use super::Host;
use crate::errno::{Errno, Result};
use crate::fs::io::{Sink, Source};
use crate::net::budget::Budget;
use crate::net::ring::Ring;
use crate::net::tcp::wire::{Manner, Peek, Wire};
use alloc::rc::{Rc, Weak};
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::net::SocketAddr;
use km_abi::hypercall::{AGAIN, FIRST_OUTBOUND, OWN_BYTES, Op, OpCode};
use km_abi::layout::{READ_GPA, READ_SIZE};
use km_abi::outbound::Endpoint;
use km_hal::phys;
use linux_raw_sys::net as raw;
use zerocopy::FromBytes;

/// Bytes of the first fetch: a program that reads byte by byte must not cost an exit for each.
const FETCH_FIRST: u64 = 16 << 10;
/// Most bytes of a fetch. The size grows up to this while every fetch is filled: a large body costs few exits, and a
/// small one little memory.
const FETCH_MOST: u64 = 256 << 10;
/// Bytes from which on it pays to name the program's pages instead of copying.
const IN_PLACE_MIN: u64 = 16 << 10;
/// Bytes that are moved at a time.
const PIECE: usize = 4096;

/// Who is told what happens to a stream.
pub trait Watcher {
    /// Bytes or the end have come.
    fn came(&self);
    /// There is room again.
    fn drained(&self);
    /// The peer is gone.
    fn gone(&self);
    /// A connection that the program has opened is there, with this end of its own.
    fn connected(&self, _local: SocketAddr) {}
    /// A connection that the program has opened has an error; one of datagrams goes on.
    fn failed(&self, _errno: Errno) {
        self.gone();
    }
}

/// A connection from outside or a standard stream; the monitor has the other end.
pub struct Stream {
    number: u32,
    host: Weak<Host>,
    watcher: RefCell<Option<Weak<dyn Watcher>>>,
    incoming: RefCell<Ring>,
    backlog: RefCell<Ring>,
    /// The monitor has bytes or the end.
    is_readable: Cell<bool>,
    has_ended: Cell<bool>,
    is_probed: Cell<bool>,
    /// The least that the next fetch asks for.
    ahead: Cell<u64>,
    /// Much comes at a time.
    is_bulk: Cell<bool>,
    /// The monitor takes nothing until it says so.
    is_stopped: Cell<bool>,
    is_gone: Cell<bool>,
    /// What is to be done once the backlog is handed over.
    last: Cell<Option<OpCode>>,
}

impl Stream {
    /// A stream of which nothing has come yet.
    pub fn new(host: Weak<Host>, number: u32, budget: &Rc<Budget>) -> Rc<Self> {
        Rc::new(Self {
            number,
            host,
            watcher: RefCell::new(None),
            incoming: RefCell::new(Ring::new(budget)),
            backlog: RefCell::new(Ring::new(budget)),
            is_readable: Cell::new(false),
            has_ended: Cell::new(false),
            is_probed: Cell::new(false),
            ahead: Cell::new(FETCH_FIRST),
            is_bulk: Cell::new(false),
            is_stopped: Cell::new(false),
            is_gone: Cell::new(false),
            last: Cell::new(None),
        })
    }

    /// Says who is told of changes.
    pub fn watch(&self, watcher: Weak<dyn Watcher>) {
        *self.watcher.borrow_mut() = Some(watcher);
    }

    fn tell(&self, what: impl FnOnce(&dyn Watcher)) {
        let watcher = self.watcher.borrow().as_ref().and_then(Weak::upgrade);
        if let Some(watcher) = watcher {
            what(&*watcher);
        }
    }

    /// Bytes that came without being asked for.
    pub fn put(&self, bytes: &[u8]) {
        if !self.incoming.borrow_mut().push(bytes) {
            self.hung_up();
        }
    }

    /// The event of that name.
    pub fn readable(&self, bytes: &[u8]) {
        self.put(bytes);
        self.is_readable.set(true);
        self.tell(|watcher| watcher.came());
    }

    /// The event of that name.
    pub fn writable(&self) {
        self.is_stopped.set(false);
        let Some(host) = self.host.upgrade() else { return };
        while !self.is_stopped.get() && !self.backlog.borrow().is_empty() {
            if self.move_backlog(&host) == 0 {
                host.submit();
            }
        }
        if self.is_stopped.get() {
            return;
        }
        if let Some(code) = self.last.take() {
            host.control(code, self.number);
        }
        self.tell(|watcher| watcher.drained());
    }

    /// Puts what it can of the backlog into the output buffer.
    fn move_backlog(&self, host: &Host) -> usize {
        let mut backlog = self.backlog.borrow_mut();
        let mut source = Front(&mut backlog);
        host.output.borrow_mut().write(self.number, &mut source).unwrap_or(0)
    }

    /// The event of that name.
    pub fn connected(&self, bytes: &[u8]) {
        let end = Endpoint::read_from_bytes(bytes).ok().and_then(|end| end.read());
        match end {
            Some((_, local)) => self.tell(|watcher| watcher.connected(local)),
            None => self.failed(Errno::EIO),
        }
    }

    /// The event of that name: these bytes are all that there were.
    pub fn arrived(&self, bytes: &[u8]) {
        self.put(bytes);
        self.tell(|watcher| watcher.came());
    }

    /// The event of that name.
    pub fn ended(&self) {
        self.has_ended.set(true);
        self.tell(|watcher| watcher.came());
    }

    /// The event of that name. Nothing that waits is sent any more.
    pub fn failed(&self, errno: Errno) {
        let left = self.backlog.borrow().len();
        self.backlog.borrow_mut().skip(left);
        self.is_stopped.set(false);
        if let (Some(code), Some(host)) = (self.last.take(), self.host.upgrade()) {
            host.control(code, self.number);
        }
        self.tell(|watcher| watcher.failed(errno));
    }

    /// Bytes that the monitor has not taken.
    pub fn waiting(&self) -> usize {
        self.backlog.borrow().len()
    }

    /// Sends one datagram, or nothing where there is no room now.
    ///
    /// # Errors
    /// EAGAIN.
    pub fn send_datagram(&self, bytes: &[u8]) -> Result<()> {
        let host = self.host.upgrade().ok_or(Errno::EPIPE)?;
        if self.is_stopped.get() {
            return Err(Errno::EAGAIN);
        }
        let mut framed = Vec::with_capacity(2 + bytes.len());
        framed.extend_from_slice(&(bytes.len() as u16).to_le_bytes());
        framed.extend_from_slice(bytes);
        // It must be whole in one operation.
        if host.output.borrow().is_full_with(framed.len() as u64) {
            host.submit();
        }
        host.output.borrow_mut().write(self.number, &mut &framed[..]).map(drop)
    }

    /// Takes the next datagram that has come.
    ///
    /// # Errors
    /// EAGAIN.
    pub fn receive_datagram(&self) -> Result<Vec<u8>> {
        while self.incoming.borrow().is_empty() && self.is_readable.get() {
            self.fetch(READ_SIZE as usize, |piece| self.put(piece))?;
        }
        let mut incoming = self.incoming.borrow_mut();
        let mut length = [0; 2];
        if incoming.drain(&mut super::output::Slice::new(&mut length))? < length.len() {
            return Err(Errno::EAGAIN);
        }
        let mut bytes = alloc::vec![0; usize::from(u16::from_le_bytes(length))];
        let count = incoming.drain(&mut super::output::Slice::new(&mut bytes))?;
        bytes.truncate(count);
        Ok(bytes)
    }

    /// Whether the program has opened it.
    fn is_outbound(&self) -> bool {
        self.number >= FIRST_OUTBOUND
    }

    /// The event of that name.
    pub fn hung_up(&self) {
        if !self.is_gone.replace(true) {
            let left = self.backlog.borrow().len();
            self.backlog.borrow_mut().skip(left);
            self.tell(|watcher| watcher.gone());
        }
    }

    /// A write was carried out.
    pub fn written(&self, op: &Op) {
        let taken = match u64::try_from(op.result) {
            Ok(taken) => taken.min(op.len),
            Err(_) if op.result == AGAIN => 0,
            Err(_) if self.is_outbound() => return self.failed(super::errno_of(op.result)),
            Err(_) => return self.hung_up(),
        };
        if taken < op.len {
            self.is_stopped.set(true);
            self.keep(op.gpa + taken, op.len - taken);
        }
    }

    /// Keeps bytes of the output buffer that were not taken.
    fn keep(&self, gpa: u64, len: u64) {
        let mut fits = true;
        each_piece(gpa, len, &mut |piece| fits = fits && self.backlog.borrow_mut().push(piece));
        if !fits {
            self.hung_up();
        }
    }

    /// After a shutdown or close was carried out: whether the stream is gone.
    pub fn controlled(&self, code: OpCode, result: i64) -> bool {
        if result == AGAIN {
            self.last.set(Some(code));
            return false;
        }
        code == OpCode::Close
    }

    fn control(&self, code: OpCode) {
        if self.is_stopped.get() {
            self.last.set(Some(code));
        } else if let Some(host) = self.host.upgrade() {
            host.control(code, self.number);
        }
    }

    /// Fetches bytes for a reader with `room` and hands them over piece by piece.
    fn fetch(&self, room: usize, mut each: impl FnMut(&[u8])) -> Result<()> {
        let host = self.host.upgrade().ok_or(Errno::EIO)?;
        let len = (room as u64).clamp(self.ahead.get(), READ_SIZE);
        let op = Op { code: OpCode::Read as u32, stream: self.number, gpa: READ_GPA, len, ..Op::default() };
        let mut outcome = Ok(());
        host.call(op, |result| {
            let count = u64::try_from(result).unwrap_or(0).min(len);
            self.is_readable.set(count == len);
            if count > 0 {
                self.note_fetch(count);
            }
            self.ahead.set(if count == len { (self.ahead.get() * 2).min(FETCH_MOST) } else { FETCH_FIRST });
            self.has_ended.set(result == 0 || (result < 0 && result != AGAIN));
            match result {
                AGAIN => outcome = Err(Errno::EAGAIN),
                // The error waits at the socket, for whatever the program does next.
                result if result < 0 && self.is_outbound() => {
                    self.failed(super::errno_of(result));
                    outcome = Err(Errno::EAGAIN);
                }
                result if result < 0 => outcome = Err(Errno::ECONNRESET),
                _ => each_piece(READ_GPA, count, &mut each),
            }
        });
        outcome
    }

    fn note_fetch(&self, count: u64) {
        self.is_bulk.set(count >= 2 * IN_PLACE_MIN || (self.is_bulk.get() && count >= IN_PLACE_MIN));
    }

    /// Fetches bytes to where they belong; `None` where they have to be copied there. That is dearer for much, but cheaper for little,
    /// and it makes no page of the program present that no byte comes to.
    fn fetch_in_place(&self, sink: &mut dyn Sink) -> Option<Result<usize>> {
        let host = self.host.upgrade()?;
        let room = (sink.room() as u64).min(READ_SIZE);
        if !self.is_bulk.get() || room < IN_PLACE_MIN {
            return None;
        }
        let places = sink.places(room as usize);
        let wanted: u64 = places.iter().map(|place| place.1).sum();
        // Scattered pages: a copy is cheaper than another exit.
        if wanted < room / 2 {
            return None;
        }
        let code = OpCode::Read as u32;
        let mut ops: Vec<Op> = places
            .iter()
            .map(|&(gpa, len)| Op { code, stream: self.number, gpa, len, ..Op::default() })
            .collect();
        let (count, last) = host.carry_out(&mut ops, |ops| {
            let count = ops.iter().map(|op| u64::try_from(op.result).unwrap_or(0).min(op.len)).sum::<u64>();
            // After one that was not filled all others bring nothing.
            let last = ops.iter().find(|op| op.result != op.len as i64).map(|op| op.result);
            // Before the events of the same exit are heard: they are news.
            self.is_readable.set(count == wanted);
            (count, last)
        });
        if count > 0 {
            self.note_fetch(count);
        }
        sink.put_in_place(count as usize);
        match last {
            Some(0) => self.has_ended.set(true),
            Some(AGAIN) if count == 0 => return Some(Err(Errno::EAGAIN)),
            Some(result) if result < 0 && result != AGAIN => {
                self.has_ended.set(true);
                if !self.is_outbound() {
                    return Some(if count > 0 { Ok(count as usize) } else { Err(Errno::ECONNRESET) });
                }
                // The error waits at the socket, for whatever the program does next.
                self.failed(super::errno_of(result));
                if count == 0 {
                    return Some(Err(Errno::EAGAIN));
                }
            }
            _ => {}
        }
        Some(Ok(count as usize))
    }

    /// Hands over bytes from where they are; `None` where they have to be copied first.
    fn send_in_place(&self, host: &Host, source: &mut dyn Source) -> Option<usize> {
        if !self.is_outbound() || source.left() < IN_PLACE_MIN as usize {
            return None;
        }
        let room = (source.left() as u64).min(READ_SIZE);
        let places = source.places(room as usize);
        if places.iter().map(|place| place.1).sum::<u64>() < room / 2 {
            return None;
        }
        let (code, offset) = (OpCode::Write as u32, OWN_BYTES);
        let mut ops: Vec<Op> = places
            .iter()
            .map(|&(gpa, len)| Op { code, stream: self.number, gpa, len, offset, ..Op::default() })
            .collect();
        // What was written before may be taken in part now: then these must wait.
        host.flush();
        if self.is_stopped.get() || self.is_gone.get() {
            return Some(0);
        }
        let (count, error) = host.carry_out(&mut ops, |ops| {
            let count = ops.iter().map(|op| u64::try_from(op.result).unwrap_or(0).min(op.len)).sum::<u64>();
            let error = ops.iter().map(|op| op.result).find(|result| *result < 0 && *result != AGAIN);
            self.is_stopped.set(ops.iter().any(|op| op.result != op.len as i64));
            (count, error)
        });
        source.take_in_place(count as usize);
        if let Some(result) = error {
            self.failed(super::errno_of(result));
        }
        Some(count as usize)
    }

    /// Fetches bytes and gives them to `sink`; what it does not take stays here.
    fn pull(&self, sink: &mut dyn Sink) -> Result<usize> {
        if let Some(fetched) = self.fetch_in_place(sink) {
            return fetched;
        }
        let (mut given, mut kept) = (0, 0);
        self.fetch(sink.room(), |piece| {
            let taken = if kept == 0 { sink.put(piece).unwrap_or(0) } else { 0 };
            given += taken;
            kept += piece.len() - taken;
            self.put(&piece[taken..]);
        })?;
        if given == 0 && kept > 0 { Err(Errno::EFAULT) } else { Ok(given) }
    }

    /// Shows what came to `sink`, which takes nothing.
    fn look(&self, sink: &mut dyn Sink) -> Result<usize> {
        while self.incoming.borrow().is_empty() && self.is_readable.get() {
            match self.fill() {
                Ok(()) if self.has_ended.get() => break,
                // As in `receive`.
                Ok(()) | Err(Errno::EAGAIN) => {}
                Err(errno) => return Err(errno),
            }
        }
        if self.incoming.borrow().is_empty() && !self.has_ended.get() {
            return Err(Errno::EAGAIN);
        }
        self.incoming.borrow().peek(sink)
    }

    /// Asks the monitor once whether there are bytes. Standard input needs this: it exists before anything can be
    /// announced.
    pub fn probe(&self) {
        if !self.is_probed.replace(true) {
            // EAGAIN is an answer.
            let _ = self.fill();
        }
    }

    /// Makes sure that there is a byte or that the end is known, or fails.
    fn fill(&self) -> Result<()> {
        self.fetch(0, |piece| self.put(piece))
    }
}

impl Wire for Stream {
    /// Fills all the room: to a program that waits for edges, a short read means that nothing is left.
    fn receive(&self, sink: &mut dyn Sink, peek: Peek) -> Result<usize> {
        if peek == Peek::Yes {
            return self.look(sink);
        }
        let mut done = self.incoming.borrow_mut().drain(sink)?;
        while sink.room() > 0 && self.is_readable.get() {
            match self.pull(sink) {
                // At the end, stop: the monitor may announce the end again with the same exit, and another turn would
                // find it again.
                Ok(0) => break,
                Ok(count) => done += count,
                Err(_) if done > 0 => break,
                // Bytes may have come with the very exit that found none: a thread that blocked now would miss their
                // event.
                Err(Errno::EAGAIN) => {}
                Err(errno) => return Err(errno),
            }
            // What came with that exit goes before what the next one fetches.
            done += self.incoming.borrow_mut().drain(sink).unwrap_or(0);
        }
        if done > 0 || self.has_ended.get() { Ok(done) } else { Err(Errno::EAGAIN) }
    }

    fn send(&self, source: &mut dyn Source) -> Result<usize> {
        let host = self.host.upgrade().ok_or(Errno::EPIPE)?;
        let mut done = 0;
        while source.left() > 0 && !self.is_stopped.get() && !self.is_gone.get() {
            match self.send_in_place(&host, source) {
                Some(0) => break,
                Some(count) => {
                    done += count;
                    continue;
                }
                None => {}
            }
            match host.output.borrow_mut().write(self.number, source) {
                Err(errno) if done == 0 => return Err(errno),
                Err(_) => break,
                Ok(count) => done += count,
            }
            if source.left() > 0 {
                host.submit();
            }
        }
        match done {
            0 if self.is_gone.get() => Err(Errno::EPIPE),
            0 if source.left() > 0 => Err(Errno::EAGAIN),
            done => Ok(done),
        }
    }

    fn finish(&self) {
        self.control(OpCode::ShutdownWrite);
    }

    fn close(&self, manner: Manner) {
        if manner == Manner::Abort {
            if self.is_outbound()
                && let Some(host) = self.host.upgrade()
            {
                host.option(self.number, raw::SOL_SOCKET, raw::SO_LINGER, 1);
            }
            let left = self.backlog.borrow().len();
            self.backlog.borrow_mut().skip(left);
            self.is_stopped.set(false);
        }
        *self.watcher.borrow_mut() = None;
        self.control(OpCode::Close);
    }

    fn has_bytes(&self, least: usize) -> bool {
        self.is_readable.get() || self.incoming.borrow().len() >= least
    }

    fn readable_bytes(&self) -> usize {
        if self.incoming.borrow().is_empty() && self.is_readable.get() {
            // EAGAIN is 0 bytes.
            let _ = self.fill();
        }
        self.incoming.borrow().len()
    }

    fn unsent_bytes(&self) -> usize {
        self.backlog.borrow().len()
    }

    fn peer_finished(&self) -> bool {
        self.has_ended.get()
    }

    fn has_room(&self) -> bool {
        !self.is_stopped.get()
    }

    fn set_option(&self, level: u32, name: u32, value: u32) {
        if self.is_outbound()
            && let Some(host) = self.host.upgrade()
        {
            host.option(self.number, level, name, value);
        }
    }
}

/// Hands memory at `gpa` over in pieces.
fn each_piece(gpa: u64, len: u64, each: &mut dyn FnMut(&[u8])) {
    let mut piece = [0; PIECE];
    for at in (0..len).step_by(PIECE) {
        let count = PIECE.min((len - at) as usize);
        phys::read(gpa + at, &mut piece[..count]);
        each(&piece[..count]);
    }
}

/// The front of a ring as a source.
struct Front<'a>(&'a mut Ring);

impl Source for Front<'_> {
    fn left(&self) -> usize {
        self.0.len()
    }

    fn take(&mut self, buffer: &mut [u8]) -> Result<usize> {
        self.0.drain(&mut super::output::Slice::new(buffer))
    }
}
