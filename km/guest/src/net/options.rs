//! Socket options at level SOL_SOCKET (socket(7)), and how options of any level are read and written.

use super::socket::{Common, Protocol, SocketKind};
use crate::errno::{Errno, Result};
use alloc::vec::Vec;
use core::cell::Cell;
use linux_raw_sys::net as raw;

/// Options that are on or off, get and set alike. Those that only matter on real networks are kept for the caller.
const SWITCHES: &[u32] = &[
    raw::SO_REUSEADDR,
    raw::SO_DONTROUTE,
    raw::SO_BROADCAST,
    raw::SO_KEEPALIVE,
    raw::SO_OOBINLINE,
    raw::SO_NO_CHECK,
    raw::SO_REUSEPORT,
    raw::SO_PASSCRED,
    raw::SO_PASSSEC,
    raw::SO_RXQ_OVFL,
    raw::SO_SELECT_ERR_QUEUE,
];

/// Time-stamp options, which exclude each other: the one that was set last counts, and setting any to 0 ends them all.
const STAMPS: [u32; 4] =
    [raw::SO_TIMESTAMP_OLD, raw::SO_TIMESTAMPNS_OLD, raw::SO_TIMESTAMP_NEW, raw::SO_TIMESTAMPNS_NEW];

/// Largest SO_SNDBUF and SO_RCVBUF before doubling (net.core.wmem_max, rmem_max).
const BUFFER_MAX: u32 = 212_992;
/// Smallest SO_SNDBUF after doubling.
const SEND_BUFFER_MIN: u32 = 4608;
/// Smallest SO_RCVBUF after doubling.
const RECEIVE_BUFFER_MIN: u32 = 2304;
/// What a connection buffers per direction unless the program sets a size.
const STREAM_BUFFER: usize = 256 << 10;

/// The options of a socket.
pub struct Options {
    switches: Cell<u64>,
    /// Which of [`STAMPS`] is on.
    stamp: Cell<Option<u32>>,
    priority: Cell<i32>,
    pacing: Cell<u32>,
    send_buffer: Cell<u32>,
    receive_buffer: Cell<u32>,
    buffers_are_set: Cell<bool>,
    /// SO_RCVLOWAT: bytes below which poll(2) does not call a stream readable.
    pub low_water: Cell<usize>,
    /// SO_LINGER: seconds, when it is on.
    pub linger: Cell<Option<i32>>,
    linger_seconds: Cell<i32>,
    /// SO_RCVTIMEO: how long a receiving call waits; `None` is without end.
    pub receive_timeout_ns: Cell<Option<u64>>,
    /// SO_SNDTIMEO: how long a sending call waits; `None` is without end.
    pub send_timeout_ns: Cell<Option<u64>>,
}

impl Options {
    /// What a new socket has.
    pub fn new(kind: SocketKind) -> Self {
        let is_tcp = kind.kind == raw::SOCK_STREAM && kind.domain != raw::AF_UNIX;
        Self {
            switches: Cell::new(0),
            stamp: Cell::new(None),
            priority: Cell::new(0),
            pacing: Cell::new(u32::MAX),
            send_buffer: Cell::new(if is_tcp { 16384 } else { BUFFER_MAX }),
            receive_buffer: Cell::new(if is_tcp { 131_072 } else { BUFFER_MAX }),
            buffers_are_set: Cell::new(false),
            low_water: Cell::new(1),
            linger: Cell::new(None),
            linger_seconds: Cell::new(0),
            receive_timeout_ns: Cell::new(None),
            send_timeout_ns: Cell::new(None),
        }
    }

    /// What an accepted socket has of its listener's.
    pub fn inherit(&self, listener: &Self) {
        self.switches.set(listener.switches.get());
        self.stamp.set(listener.stamp.get());
        self.priority.set(listener.priority.get());
        self.send_buffer.set(listener.send_buffer.get());
        self.receive_buffer.set(listener.receive_buffer.get());
        self.buffers_are_set.set(listener.buffers_are_set.get());
        self.low_water.set(listener.low_water.get());
        self.linger.set(listener.linger.get());
        self.linger_seconds.set(listener.linger_seconds.get());
        self.receive_timeout_ns.set(listener.receive_timeout_ns.get());
        self.send_timeout_ns.set(listener.send_timeout_ns.get());
    }

    /// Whether an option of [`SWITCHES`] is on.
    pub fn is_on(&self, name: u32) -> bool {
        self.switches.get() & (1 << name) != 0
    }

    /// The time-stamp option that was set last; it is also the type of the ancillary data.
    pub fn stamp(&self) -> Option<u32> {
        self.stamp.get()
    }

    /// Whether a time stamp is in microseconds (SO_TIMESTAMP) rather than nanoseconds.
    pub fn stamps_in_micros(stamp: u32) -> bool {
        matches!(stamp, raw::SO_TIMESTAMP_OLD | raw::SO_TIMESTAMP_NEW)
    }

    /// What getsockopt(2) says of a time-stamp option. The new one in microseconds is also on with the one in nanoseconds.
    fn is_stamp(&self, name: u32) -> bool {
        self.stamp.get().is_some_and(|stamp| {
            stamp == name || (name == raw::SO_TIMESTAMP_NEW && stamp == raw::SO_TIMESTAMPNS_NEW)
        })
    }

    /// Most bytes that may wait in a connection: what the reader's options and those of its `sender` allow together.
    pub fn stream_limit(&self, sender: &Self) -> usize {
        if self.buffers_are_set.get() || sender.buffers_are_set.get() {
            (self.receive_buffer.get() + sender.send_buffer.get()) as usize
        } else {
            STREAM_BUFFER
        }
    }

    /// Bytes of messages that may wait to be received.
    pub fn message_limit(&self) -> usize {
        self.receive_buffer.get() as usize
    }

    /// The longest message that may be sent.
    pub fn longest_message(&self) -> usize {
        self.send_buffer.get() as usize
    }

    fn switch(&self, name: u32, on: bool) {
        let bit = 1 << name;
        self.switches.set(if on { self.switches.get() | bit } else { self.switches.get() & !bit });
    }

    fn set_linger(&self, value: &[u8]) -> Result<()> {
        let on = int(value)? != 0;
        let seconds = int(value.get(4..).ok_or(Errno::EINVAL)?)?;
        self.linger_seconds.set(seconds);
        self.linger.set(on.then_some(seconds));
        Ok(())
    }
}

/// An option's value as an `int`.
pub fn int(value: &[u8]) -> Result<i32> {
    value.first_chunk().map(|bytes| i32::from_ne_bytes(*bytes)).ok_or(Errno::EINVAL)
}

/// An `int` as an option's value.
pub fn bytes(value: i32) -> Vec<u8> {
    value.to_ne_bytes().to_vec()
}

/// A `struct timeval` (or the 64-bit `__kernel_sock_timeval`, which is the same here) as a time-out; zero is none.
fn timeout(value: &[u8]) -> Result<Option<u64>> {
    let second: &[u8; 8] = value.first_chunk().ok_or(Errno::EINVAL)?;
    let micros: &[u8; 8] = value.get(8..).and_then(<[u8]>::first_chunk).ok_or(Errno::EINVAL)?;
    let (seconds, micros) = (i64::from_ne_bytes(*second), i64::from_ne_bytes(*micros));
    if !(0..1_000_000).contains(&micros) {
        return Err(Errno::EDOM);
    }
    let Ok(seconds) = u64::try_from(seconds) else {
        // A negative time-out is over at once (socket(7) does not say so, sock_set_timeout does).
        return Ok(Some(1));
    };
    let ns = seconds.saturating_mul(1_000_000_000).saturating_add(micros.cast_unsigned() * 1000);
    Ok((ns > 0).then_some(ns))
}

fn timeval(timeout_ns: Option<u64>) -> Vec<u8> {
    let ns = timeout_ns.unwrap_or(0);
    [(ns / 1_000_000_000).to_ne_bytes(), (ns % 1_000_000_000 / 1000).to_ne_bytes()].concat()
}

/// Sets an option of SOL_SOCKET (setsockopt(2), socket(7)).
pub fn set(socket: &dyn Protocol, name: u32, value: &[u8]) -> Result<()> {
    let options = &socket.common().options;
    if name == raw::SO_BINDTODEVICE {
        return bind_to_device(value);
    }
    let number = int(value)?;
    match name {
        _ if STAMPS.contains(&name) => options.stamp.set((number != 0).then_some(name)),
        _ if SWITCHES.contains(&name) => options.switch(name, number != 0),
        raw::SO_TYPE | raw::SO_ERROR | raw::SO_ACCEPTCONN | raw::SO_PROTOCOL | raw::SO_DOMAIN => {
            return Err(Errno::ENOPROTOOPT);
        }
        raw::SO_SNDBUF => {
            options.send_buffer.set((number.cast_unsigned().min(BUFFER_MAX) * 2).max(SEND_BUFFER_MIN));
            options.buffers_are_set.set(true);
        }
        raw::SO_RCVBUF => {
            options.receive_buffer.set((number.cast_unsigned().min(BUFFER_MAX) * 2).max(RECEIVE_BUFFER_MIN));
            options.buffers_are_set.set(true);
        }
        raw::SO_PRIORITY if (0..=6).contains(&number) => options.priority.set(number),
        raw::SO_MAX_PACING_RATE => options.pacing.set(number.cast_unsigned()),
        raw::SO_LINGER => return options.set_linger(value),
        raw::SO_RCVLOWAT => {
            let low_water = if number < 0 { i32::MAX } else { number.max(1) };
            options.low_water.set(low_water.cast_unsigned() as usize);
        }
        raw::SO_RCVTIMEO_OLD | raw::SO_RCVTIMEO_NEW => options.receive_timeout_ns.set(timeout(value)?),
        raw::SO_SNDTIMEO_OLD | raw::SO_SNDTIMEO_NEW => options.send_timeout_ns.set(timeout(value)?),
        raw::SO_DEBUG if number == 0 => {}
        raw::SO_DEBUG => return Err(Errno::EACCES),
        // What needs CAP_NET_ADMIN, which no container has.
        raw::SO_PRIORITY | raw::SO_MARK | raw::SO_SNDBUFFORCE | raw::SO_RCVBUFFORCE => {
            return Err(Errno::EPERM);
        }
        _ => return Err(Errno::ENOPROTOOPT),
    }
    Ok(())
}

/// SO_BINDTODEVICE: there is `lo`, and no device undoes it.
fn bind_to_device(value: &[u8]) -> Result<()> {
    match value.split(|byte| *byte == 0).next().unwrap_or_default() {
        b"" | b"lo" => Ok(()),
        _ => Err(Errno::ENODEV),
    }
}

/// The value of an option of SOL_SOCKET (getsockopt(2), socket(7)).
pub fn get(socket: &dyn Protocol, name: u32) -> Result<Vec<u8>> {
    let common = socket.common();
    let options = &common.options;
    Ok(match name {
        _ if SWITCHES.contains(&name) => bytes(i32::from(options.is_on(name))),
        _ if STAMPS.contains(&name) => bytes(i32::from(options.is_stamp(name))),
        raw::SO_DEBUG | raw::SO_MARK | raw::SO_BUSY_POLL | raw::SO_INCOMING_CPU => bytes(0),
        raw::SO_TYPE => bytes(common.kind.kind.cast_signed()),
        raw::SO_ERROR => bytes(common.error.take().map_or(0, Errno::number)),
        raw::SO_ACCEPTCONN => bytes(i32::from(socket.is_listening())),
        raw::SO_PROTOCOL => bytes(common.kind.protocol.cast_signed()),
        raw::SO_DOMAIN => bytes(common.kind.domain.cast_signed()),
        raw::SO_SNDBUF => bytes(options.send_buffer.get().cast_signed()),
        raw::SO_RCVBUF => bytes(options.receive_buffer.get().cast_signed()),
        raw::SO_PRIORITY => bytes(options.priority.get()),
        raw::SO_MAX_PACING_RATE => bytes(options.pacing.get().cast_signed()),
        raw::SO_RCVLOWAT => bytes(i32::try_from(options.low_water.get()).unwrap_or(i32::MAX)),
        raw::SO_SNDLOWAT => bytes(1),
        raw::SO_LINGER => {
            [bytes(i32::from(options.linger.get().is_some())), bytes(options.linger_seconds.get())].concat()
        }
        raw::SO_RCVTIMEO_OLD | raw::SO_RCVTIMEO_NEW => timeval(options.receive_timeout_ns.get()),
        raw::SO_SNDTIMEO_OLD | raw::SO_SNDTIMEO_NEW => timeval(options.send_timeout_ns.get()),
        raw::SO_BINDTODEVICE => Vec::new(),
        raw::SO_COOKIE => common.number.to_ne_bytes().to_vec(),
        raw::SO_PEERCRED => peer_credentials(socket, common),
        _ => return Err(Errno::ENOPROTOOPT),
    })
}

/// SO_PEERCRED; without a peer pid 0 and ids -1, as Linux has it.
fn peer_credentials(socket: &dyn Protocol, common: &Common) -> Vec<u8> {
    let nobody = super::message::Peer { pid: 0, uid: u32::MAX, gid: u32::MAX };
    let peer = if common.kind.domain == raw::AF_UNIX { socket.peer_credentials() } else { None };
    zerocopy::IntoBytes::as_bytes(&peer.unwrap_or(nobody)).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_are_read_as_linux_reads_them() {
        let value = |seconds: i64, micros: i64| [seconds.to_ne_bytes(), micros.to_ne_bytes()].concat();
        assert_eq!(timeout(&value(1, 500_000)), Ok(Some(1_500_000_000)));
        assert_eq!(timeout(&value(0, 0)), Ok(None));
        assert_eq!(timeout(&value(0, 1_000_000)), Err(Errno::EDOM));
        assert_eq!(timeout(&[0; 8]), Err(Errno::EINVAL));
        assert_eq!(timeval(Some(1_500_000_000)), value(1, 500_000));
    }
}
