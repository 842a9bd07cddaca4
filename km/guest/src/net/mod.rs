//! Sockets within the guest, and the connections that the monitor opens to the program.
//!
//! * [`socket`]: a socket as an open file, and the [`socket::Protocol`] behind it.
//! * [`tcp`], [`udp`], [`unix`], [`netlink`]: the protocols. There is no IP stack: a connection is a pair of queues.
//! * [`inet`]: addresses and ports of TCP and UDP; [`address`]: `sockaddr`.
//! * [`options`], [`ip_options`], [`numbers`]: socket options. [`ip_control`]: ancillary data of datagrams. [`ioctl`]: interfaces and queue lengths.
//! * [`ring`], [`inbox`], [`budget`]: bounded buffers.

pub mod address;
pub mod budget;
pub mod inbox;
pub mod inet;
pub mod ioctl;
pub mod ip_control;
pub mod ip_options;
pub mod message;
pub mod netlink;
pub mod numbers;
pub mod options;
pub mod ring;
pub mod socket;
pub mod tcp;
pub mod udp;
pub mod unix;

use crate::errno::{Errno, Result};
use crate::host::console::Stdio;
use crate::host::{Arrival, Host};
use crate::wait::{WaitKey, watch};
use alloc::rc::Rc;
use alloc::vec::Vec;
use budget::Budget;
use core::cell::Cell;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use inet::Ports;
use km_abi::hypercall::{End, Event, IDLE_READS_STDIN, Idle, LISTENERS_MAX, Listener};
use linux_raw_sys::net as raw;
use message::Peer;
use netlink::Netlink;
use socket::{Protocol, SocketKind};
use tcp::Tcp;
use udp::Udp;
use unix::Unix;
use unix::names::UnixNames;

/// Socket buffers may take the machine's memory divided by this.
const MEMORY_SHARE: u64 = 4;

/// What all sockets of the machine share.
pub struct Shared {
    /// How much memory the buffers of all sockets may still take.
    pub budget: Rc<Budget>,
    /// Which TCP socket has which port.
    pub tcp_ports: Ports<Tcp>,
    /// Which UDP socket has which port.
    pub udp_ports: Ports<Udp>,
    /// Names of unix sockets.
    pub unix_names: UnixNames,
    /// Netlink sockets that have a port number.
    pub netlink_sockets: Cell<u32>,
    /// The monitor, which carries connections from outside and to there.
    pub host: Rc<Host>,
    /// The monitor takes wishes for connections to peers beyond the machine.
    pub outward: bool,
}

/// All sockets that have a name, and the streams to the monitor.
pub struct Net {
    shared: Rc<Shared>,
    stdio: Stdio,
}

impl Default for Net {
    fn default() -> Self {
        Self::new(false, false)
    }
}

impl Net {
    /// No sockets yet; standard input and output may be a terminal, and peers beyond the machine may be reachable.
    #[must_use]
    pub fn new(is_terminal: bool, outward: bool) -> Self {
        let budget = Budget::new((km_hal::phys::memory_bytes() / MEMORY_SHARE) as usize);
        let host = Host::new(&budget);
        let stdio = Stdio::new(&host, is_terminal);
        let shared = Shared {
            budget,
            tcp_ports: Ports::default(),
            udp_ports: Ports::default(),
            unix_names: UnixNames::default(),
            netlink_sockets: Cell::new(0),
            host,
            outward,
        };
        Self { shared: Rc::new(shared), stdio }
    }

    /// Standard input, output and error of the first process.
    #[must_use]
    pub fn stdio(&self) -> &Stdio {
        &self.stdio
    }

    /// A new socket (socket(2)).
    ///
    /// # Errors
    /// EAFNOSUPPORT, ESOCKTNOSUPPORT, EPROTONOSUPPORT, EPERM; ENOBUFS without memory.
    pub fn socket(&self, kind: SocketKind, owner: Peer) -> Result<Rc<dyn Protocol>> {
        self.check_room()?;
        match kind.domain {
            raw::AF_INET | raw::AF_INET6 => self.inet_socket(kind, owner),
            raw::AF_UNIX => Ok(Unix::new(&self.shared, unix_kind(kind)?, owner)),
            raw::AF_NETLINK => match (kind.kind, kind.protocol) {
                (raw::SOCK_RAW | raw::SOCK_DGRAM, NETLINK_ROUTE) => {
                    Ok(Netlink::new(&self.shared, kind, owner))
                }
                (raw::SOCK_RAW | raw::SOCK_DGRAM, _) => Err(Errno::EPROTONOSUPPORT),
                _ => Err(Errno::ESOCKTNOSUPPORT),
            },
            // Packet sockets need CAP_NET_RAW, which exists in no container of ours.
            raw::AF_PACKET => Err(Errno::EPERM),
            _ => Err(Errno::EAFNOSUPPORT),
        }
    }

    /// Bounds the sockets: a program that opens them without end fails with ENOBUFS before the memory is used up.
    fn check_room(&self) -> Result<()> {
        if self.shared.budget.has(2 * socket::COST) { Ok(()) } else { Err(Errno::ENOBUFS) }
    }

    fn inet_socket(&self, kind: SocketKind, owner: Peer) -> Result<Rc<dyn Protocol>> {
        match (kind.kind, kind.protocol) {
            (_, IPPROTO_MAX..) => Err(Errno::EINVAL),
            (raw::SOCK_STREAM, 0 | raw::SOL_TCP) => {
                Ok(Tcp::new(&self.shared, SocketKind { protocol: raw::SOL_TCP, ..kind }, owner))
            }
            (raw::SOCK_DGRAM, 0 | raw::SOL_UDP) => {
                Ok(Udp::new(&self.shared, SocketKind { protocol: raw::SOL_UDP, ..kind }, owner))
            }
            // ICMP echo sockets are for the groups of net.ipv4.ping_group_range, which are none.
            (raw::SOCK_DGRAM, IPPROTO_ICMP | raw::SOL_ICMPV6) => Err(Errno::EACCES),
            (raw::SOCK_STREAM | raw::SOCK_DGRAM, _) => Err(Errno::EPROTONOSUPPORT),
            (raw::SOCK_RAW, 0) => Err(Errno::EPROTONOSUPPORT),
            (raw::SOCK_RAW, _) => Err(Errno::EPERM),
            _ => Err(Errno::ESOCKTNOSUPPORT),
        }
    }

    /// Two sockets that are connected to each other (socketpair(2)).
    ///
    /// # Errors
    /// As [`Self::socket`]; EOPNOTSUPP for all but unix sockets.
    pub fn socket_pair(&self, kind: SocketKind, owner: Peer) -> Result<(Rc<dyn Protocol>, Rc<dyn Protocol>)> {
        if kind.domain != raw::AF_UNIX {
            self.socket(kind, owner)?;
            return Err(Errno::EOPNOTSUPP);
        }
        self.check_room()?;
        let (first, second) = Unix::pair(&self.shared, unix_kind(kind)?, owner);
        Ok((first, second))
    }

    /// Hands output over and waits for an event or the deadline of `idle`. The events that are not about streams are
    /// returned. When connections came meanwhile, it returns at once. For `present` see [`km_hal::hyper::idle`].
    pub fn idle(&self, idle: Idle, present: &mut dyn FnMut(u64, bool) -> bool) -> Vec<Event> {
        if self.settle() {
            return Vec::new();
        }
        let others = self.shared.host.idle(idle, present);
        self.settle();
        others
    }

    /// Hands output over and takes events without waiting (done at each tick).
    pub fn tick(&self) {
        self.shared.host.submit();
        self.settle();
    }

    /// Hands output over and ends the machine, once the monitor has taken all of it: what a program wrote before it ended
    /// is not lost to a slow reader.
    pub fn exit(&self, end: End) -> ! {
        self.shared.host.drain();
        self.shared.host.exit(end)
    }

    /// The streams and what was written to them.
    #[must_use]
    pub fn host(&self) -> &Rc<Host> {
        &self.shared.host
    }

    /// Fills in what the monitor is told before a wait: ports with a listener, and whether someone reads standard
    /// input. `is_awaited` tells whether a blocked thread waits for a key.
    pub fn describe(&self, idle: &mut Idle, is_awaited: impl Fn(WaitKey) -> bool) {
        let reaches_thread = |key| watch::reached(key).into_iter().any(&is_awaited);
        if reaches_thread(self.stdio.input.key()) {
            idle.flags |= IDLE_READS_STDIN;
        }
        let sockets = self.shared.tcp_ports.all();
        let listening = sockets.iter().filter(|(_, socket)| socket.listener().is_some());
        idle.listener_count = 0;
        for (port, socket) in listening {
            let awaited = u16::from(reaches_thread(socket.common.queue.key()));
            note_listener(idle, Listener { port: *port, awaited });
        }
    }

    /// Deals with connections that came.
    fn settle(&self) -> bool {
        let arrivals = self.shared.host.take_arrivals();
        let came = !arrivals.is_empty();
        for arrival in arrivals {
            self.open(arrival);
        }
        came
    }

    /// A client of the monitor connects: the program sees one from this machine, `127.0.0.1` or `::1`, since nothing else
    /// is reachable from it. Without a listener the connection is closed.
    fn open(&self, arrival: Arrival) {
        let stream = self.shared.host.stream(arrival.stream);
        let ports = &self.shared.tcp_ports;
        let locals = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
        let found = locals.into_iter().find_map(|ip| {
            let sockets = ports.matching(ip, arrival.port, |socket| socket.listener().is_some());
            Some((ip, sockets.first()?.listener()?))
        });
        let child = found.and_then(|(ip, listener)| {
            let (local, remote) =
                (SocketAddr::new(ip, arrival.port), SocketAddr::new(ip, ports.next_ephemeral()));
            Some((listener.child(local, remote, Rc::clone(&stream) as Rc<dyn tcp::wire::Wire>)?, listener))
        });
        match child {
            Some((child, listener)) => {
                child.follow(&stream);
                listener.push(child);
            }
            None => tcp::wire::Wire::close(&*stream, tcp::wire::Manner::Abort),
        }
    }
}

/// Adds a listener to what the monitor is told; of two with one port (IPv4 and IPv6, SO_REUSEPORT) one.
fn note_listener(idle: &mut Idle, listener: Listener) {
    let count = idle.listener_count as usize;
    if let Some(known) = idle.listeners[..count].iter_mut().find(|known| known.port == listener.port) {
        known.awaited |= listener.awaited;
    } else if count < LISTENERS_MAX {
        idle.listeners[count] = listener;
        idle.listener_count += 1;
    }
}

/// Checks type and protocol of a unix socket; a raw one is a datagram socket.
fn unix_kind(kind: SocketKind) -> Result<SocketKind> {
    if !matches!(kind.protocol, 0 | raw::AF_UNIX) {
        return Err(Errno::EPROTONOSUPPORT);
    }
    match kind.kind {
        raw::SOCK_STREAM | raw::SOCK_DGRAM | raw::SOCK_SEQPACKET => Ok(SocketKind { protocol: 0, ..kind }),
        raw::SOCK_RAW => Ok(SocketKind { kind: unix::DATAGRAM, protocol: 0, ..kind }),
        _ => Err(Errno::ESOCKTNOSUPPORT),
    }
}

/// The one protocol of netlink(7) that there is.
const NETLINK_ROUTE: u32 = 0;
/// One more than the largest number of a protocol (IPPROTO_MPTCP).
const IPPROTO_MAX: u32 = 263;
/// Asked for by programs that want to send echo requests (icmp(7)).
const IPPROTO_ICMP: u32 = 1;
#[cfg(test)]
mod tests;
