//! Options of TCP sockets: levels IPPROTO_TCP, IPPROTO_IP and IPPROTO_IPV6.

use super::{Tcp, TcpState};
use crate::errno::{Errno, Result};
use crate::net::ip_options::{self, IpOptions};
use crate::net::numbers::{Number, Numbers};
use crate::net::options;
use alloc::vec::Vec;
use core::cell::Cell;
use linux_raw_sys::net as raw;

/// Data in the SYN (TCP Fast Open); refused.
pub const MSG_FASTOPEN: u32 = 0x2000_0000;
/// `TCP_ESTABLISHED`, `TCP_CLOSE`, `TCP_LISTEN`, `TCP_SYN_SENT`, `TCP_CLOSE_WAIT` and `TCP_FIN_WAIT2` of TCP_INFO.
const STATES: [u8; 6] = [1, 7, 10, 2, 8, 5];
/// Largest segment on the loopback device.
const LOOPBACK_SEGMENT: u32 = 65_483;
/// `sizeof(struct tcp_info)` of Linux 6.1; older programs ask for less.
const INFO_SIZE: usize = 240;

/// What has no effect within one machine is kept, in Linux's bounds, for the program to read back.
const NUMBERS: &[Number] = &[
    Number::switch(raw::TCP_NODELAY, 0),
    Number::new(raw::TCP_MAXSEG, 536, 88, 32767),
    Number::switch(raw::TCP_CORK, 0),
    Number::new(raw::TCP_KEEPIDLE, 7200, 1, 32767),
    Number::new(raw::TCP_KEEPINTVL, 75, 1, 32767),
    Number::new(raw::TCP_KEEPCNT, 9, 1, 127),
    Number::new(raw::TCP_SYNCNT, 6, 1, 127),
    Number::new(raw::TCP_LINGER2, 60, -1, i32::MAX),
    Number::new(raw::TCP_DEFER_ACCEPT, 0, 0, i32::MAX),
    Number::new(raw::TCP_WINDOW_CLAMP, 0, 0, i32::MAX),
    Number::switch(raw::TCP_QUICKACK, 1),
    Number::new(raw::TCP_USER_TIMEOUT, 0, 0, i32::MAX),
    Number::new(raw::TCP_FASTOPEN, 0, 0, i32::MAX),
    Number::switch(raw::TCP_FASTOPEN_CONNECT, 0),
    Number::new(raw::TCP_NOTSENT_LOWAT, -1, i32::MIN, i32::MAX),
    Number::switch(raw::TCP_SAVE_SYN, 0),
    Number::switch(raw::TCP_INQ, 0),
];

/// Options that change what goes over a network: the monitor sets them on the connections that it carries.
pub const PASSED_ON: [(u32, u32); 6] = [
    (raw::SOL_TCP, raw::TCP_NODELAY),
    (raw::SOL_TCP, raw::TCP_KEEPIDLE),
    (raw::SOL_TCP, raw::TCP_KEEPINTVL),
    (raw::SOL_TCP, raw::TCP_KEEPCNT),
    (raw::SOL_TCP, raw::TCP_USER_TIMEOUT),
    (raw::SOL_SOCKET, raw::SO_KEEPALIVE),
];

/// The options of a TCP socket.
pub struct TcpOptions {
    numbers: Numbers,
    ip: IpOptions,
    congestion: Cell<&'static str>,
}

impl Default for TcpOptions {
    fn default() -> Self {
        Self { numbers: Numbers::new(NUMBERS), ip: IpOptions::default(), congestion: Cell::new("cubic") }
    }
}

impl TcpOptions {
    /// IPV6_V6ONLY: whether IPv4 is refused (ipv6(7)).
    pub fn only_v6(&self) -> bool {
        self.ip.only_v6()
    }

    /// What an accepted socket has of its listener's.
    pub fn inherit(&self, listener: &Self) {
        self.numbers.copy(&listener.numbers);
        self.ip.inherit(&listener.ip);
        self.congestion.set(listener.congestion.get());
    }
}

impl Tcp {
    /// Tells whatever carries the connection of an option.
    pub(super) fn pass_on(&self, level: u32, name: u32) {
        let Some(wire) = self.wire().filter(|_| PASSED_ON.contains(&(level, name))) else { return };
        let value = match level {
            raw::SOL_SOCKET => i32::from(self.common.options.is_on(name)),
            _ => self.options.numbers.get(name).unwrap_or_default(),
        };
        wire.set_option(level, name, value.cast_unsigned());
    }

    /// The same of all that the program has set before there was a connection.
    pub(super) fn pass_all_on(&self) {
        for (level, name) in PASSED_ON {
            let is_set = match level {
                raw::SOL_SOCKET => self.common.options.is_on(name),
                _ => self.options.numbers.is_changed(name),
            };
            if is_set {
                self.pass_on(level, name);
            }
        }
    }

    pub(super) fn set_tcp_option(&self, level: u32, name: u32, value: &[u8]) -> Result<()> {
        match (level, name) {
            (raw::SOL_TCP, raw::TCP_CONGESTION) => self.set_congestion(value),
            // Kernel TLS: as on a kernel without the module.
            (raw::SOL_TCP, raw::TCP_ULP) => Err(Errno::ENOENT),
            (raw::SOL_TCP, raw::TCP_REPAIR) => Err(Errno::EPERM),
            (raw::SOL_TCP, name) => self.options.numbers.set(name, options::int(value)?),
            (level, name) => {
                self.options.ip.set(&self.common, self.claimed.get().is_some(), level, name, value)
            }
        }
    }

    pub(super) fn tcp_option(&self, level: u32, name: u32) -> Result<Vec<u8>> {
        match (level, name) {
            (raw::SOL_TCP, raw::TCP_CONGESTION) => Ok(padded(self.options.congestion.get())),
            (raw::SOL_TCP, raw::TCP_INFO) => Ok(self.info()),
            (raw::SOL_TCP, raw::TCP_MAXSEG) if self.wire().is_some() => {
                Ok(options::bytes(LOOPBACK_SEGMENT.cast_signed()))
            }
            (raw::SOL_TCP, name) => self.options.numbers.get(name).map(options::bytes),
            (level, name) => self.options.ip.get(&self.common, level, name),
        }
    }

    fn set_congestion(&self, value: &[u8]) -> Result<()> {
        let name = value.split(|byte| *byte == 0).next().unwrap_or_default();
        let known = ["cubic", "reno"].into_iter().find(|known| known.as_bytes() == name);
        self.options.congestion.set(known.ok_or(Errno::ENOENT)?);
        Ok(())
    }

    /// `struct tcp_info`: the state, and the figures of an undisturbed loopback connection.
    fn info(&self) -> Vec<u8> {
        let mut info = alloc::vec![0; INFO_SIZE];
        info[0] = self.state_number();
        let mut word = |offset: usize, value: u32| {
            info[offset..offset + 4].copy_from_slice(&value.to_ne_bytes());
        };
        word(8, 204_000); // rto, µs
        word(12, 40_000); // ato, µs
        word(16, LOOPBACK_SEGMENT); // snd_mss
        word(20, LOOPBACK_SEGMENT); // rcv_mss
        if let Some(listener) = self.listener() {
            // For listeners these two are the length of the accept queue and its limit.
            let (waiting, backlog) = listener.fill();
            word(24, waiting as u32);
            word(28, backlog as u32);
        }
        word(60, ip_options::LOOPBACK_MTU); // pmtu
        word(64, LOOPBACK_SEGMENT); // rcv_ssthresh
        word(68, 50); // rtt, µs
        word(72, 20); // rttvar, µs
        word(76, i32::MAX.cast_unsigned()); // snd_ssthresh
        word(80, 10); // snd_cwnd
        word(84, LOOPBACK_SEGMENT); // advmss
        word(88, 3); // reordering
        info
    }

    fn state_number(&self) -> u8 {
        let index = match &*self.state.borrow() {
            _ if self.is_reset.get() => 1,
            TcpState::Closed => 1,
            TcpState::Listening(_) => 2,
            TcpState::Connecting | TcpState::Reaching(_) => 3,
            TcpState::Connected(wire) if self.is_over(&**wire) => 1,
            TcpState::Connected(wire) if wire.peer_finished() => 4,
            TcpState::Connected(_) if self.shut.get().contains(super::Halves::WRITE) => 5,
            TcpState::Connected(_) => 0,
        };
        STATES[index]
    }
}

/// A name in the 16 bytes that TCP_CONGESTION has for it.
fn padded(name: &str) -> Vec<u8> {
    let mut bytes = name.as_bytes().to_vec();
    bytes.resize(16, 0);
    bytes
}
