//! The streams that whoever runs a machine provides for it, and news of them.

use km_abi::hypercall::{EVENTS_MAX, Event, EventKind, INLAY, TouchEntry};
use km_abi::layout::INPUT_SIZE;
use km_abi::outbound::Endpoint;
use zerocopy::IntoBytes;

use crate::memory::{GuestMemory, MemoryError};

/// No way leads there (errno(3)).
pub const ENETUNREACH: u32 = 101;

/// What became of a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transfer {
    /// So many bytes; for a read, 0 is the end, for a write, 0 means "later".
    Done(usize),
    /// A read has nothing yet; an event follows.
    Again,
    /// The peer is gone.
    Broken,
    /// There is no such stream.
    Unknown,
    /// An error of Linux, by its number.
    Failed(u32),
}

/// The streams of a machine. Numbers come from the guest and may be anything.
pub trait GuestStreams {
    /// Takes bytes that the program wrote. When it takes fewer than it is given, an event tells the guest when there is
    /// room again.
    fn write(&mut self, stream: u32, bytes: &[u8]) -> Transfer;

    /// Gives bytes that the program reads. When it gives fewer than there is room for, an event tells the guest when
    /// there are more.
    fn read(&mut self, stream: u32, buffer: &mut [u8]) -> Transfer;

    /// As [`Self::read`], straight into guest memory, for streams that are sockets; `None` of all others.
    ///
    /// # Errors
    /// [`MemoryError::Range`]; nothing was taken from the stream.
    fn read_into(
        &mut self,
        _stream: u32,
        _memory: &GuestMemory,
        _gpa: u64,
        _len: usize,
    ) -> Result<Option<Transfer>, MemoryError> {
        Ok(None)
    }

    /// As [`Self::write`], straight from the program's memory, for streams that are sockets; `None` of all others. What is not taken stays
    /// the program's.
    ///
    /// # Errors
    /// [`MemoryError::Range`]; nothing was given to the stream.
    fn write_from(
        &mut self,
        _stream: u32,
        _memory: &GuestMemory,
        _gpa: u64,
        _len: usize,
    ) -> Result<Option<Transfer>, MemoryError> {
        Ok(None)
    }

    /// The program writes no more.
    fn shutdown_write(&mut self, stream: u32) -> Transfer;

    /// The program closed the stream.
    fn close(&mut self, stream: u32) -> Transfer;

    /// The program wants a new stream connected to this end, which may be anything. An event says what comes of it.
    fn connect(&mut self, _stream: u32, _to: Endpoint) -> Transfer {
        Transfer::Failed(ENETUNREACH)
    }

    /// The program sets an option of a stream that it has opened: level, name and value may be anything.
    fn set_option(&mut self, _stream: u32, _level: u32, _name: u32, _value: u32) -> Transfer {
        Transfer::Unknown
    }

    /// Adds what happened since the last doorbell, without waiting.
    fn poll(&mut self, arrivals: &mut Arrivals);

    /// The tick has interrupted the guest: a chance to see that it must not go on, and how much of its memory it uses. `false`
    /// ends its run with [`super::Stop::Cancelled`].
    fn interrupted(&mut self, _memory: &GuestMemory) -> bool {
        true
    }
}

/// Events for a guest, with the bytes that go along in the input buffer.
#[derive(Clone, Debug, Default)]
pub struct Arrivals {
    events: Vec<Event>,
    input: Vec<u8>,
}

impl Arrivals {
    /// Adds an event without bytes; `false` when there is no room for it now.
    pub fn push(&mut self, kind: EventKind, stream: u32) -> bool {
        self.push_event(Event { kind: kind as u32, stream, ..Event::default() })
    }

    /// Announces an inlay of `bytes` bytes; nothing when that is 0.
    pub fn inlay(&mut self, bytes: usize) {
        if bytes > 0 {
            let (kind, stream, value) = (EventKind::Inlay as u32, INLAY, bytes as u64);
            self.push_event(Event { kind, stream, value, ..Event::default() });
        }
    }

    /// A client connects to `port` of the program; returns how many of `bytes` go along, `None` when there is no room
    /// for the event.
    pub fn open(&mut self, stream: u32, port: u16, bytes: &[u8]) -> Option<usize> {
        let count = self.room(bytes);
        let event = Event {
            kind: EventKind::Open as u32,
            stream,
            value: count as u64,
            port: u32::from(port),
            ..Event::default()
        };
        self.push_with(event, &bytes[..count])
    }

    /// An event with all of `bytes`; `false` when there is no room for it now.
    pub fn bring(&mut self, kind: EventKind, stream: u32, bytes: &[u8]) -> bool {
        let event = Event { kind: kind as u32, stream, value: bytes.len() as u64, ..Event::default() };
        self.room(bytes) == bytes.len() && self.push_with(event, bytes).is_some()
    }

    /// An event with a number; `false` when there is no room for it now.
    pub fn tell(&mut self, kind: EventKind, stream: u32, value: u32) -> bool {
        self.push_event(Event { kind: kind as u32, stream, value: value.into(), ..Event::default() })
    }

    /// How many events fit, and how many bytes with them.
    #[must_use]
    pub fn left(&self) -> (usize, usize) {
        (EVENTS_MAX - self.events.len(), INPUT_SIZE as usize - self.input.len())
    }

    /// Pages to touch; returns how many of `entries` go along, `None` when there is no room for the event.
    pub fn touch(&mut self, entries: &[TouchEntry]) -> Option<usize> {
        let bytes = entries.as_bytes();
        let count = self.room(bytes) / size_of::<TouchEntry>();
        let event = Event { kind: EventKind::Touch as u32, value: count as u64, ..Event::default() };
        self.push_with(event, &bytes[..count * size_of::<TouchEntry>()])?;
        Some(count)
    }

    /// Whether there is nothing to tell.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// Forgets everything, keeping the room.
    pub fn clear(&mut self) {
        self.events.clear();
        self.input.clear();
    }

    pub(crate) fn parts(&self) -> (&[Event], &[u8]) {
        (&self.events, &self.input)
    }

    fn push_event(&mut self, event: Event) -> bool {
        let room = self.events.len() < EVENTS_MAX;
        if room {
            self.events.push(event);
        }
        room
    }

    /// How many of `bytes` fit behind what earlier events bring.
    fn room(&self, bytes: &[u8]) -> usize {
        bytes.len().min(INPUT_SIZE as usize - self.input.len())
    }

    fn push_with(&mut self, event: Event, bytes: &[u8]) -> Option<usize> {
        if !self.push_event(event) {
            return None;
        }
        self.input.extend_from_slice(bytes);
        Some(bytes.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_of_several_events_follow_each_other() {
        let mut arrivals = Arrivals::default();
        assert_eq!(arrivals.open(16, 80, &[1; 100]), Some(100));
        assert_eq!(arrivals.open(17, 80, &[2; 100]), Some(100));
        assert_eq!(arrivals.parts().1[99..101], [1, 2]);
    }

    #[test]
    fn events_and_bytes_are_bounded() {
        let mut arrivals = Arrivals::default();
        assert_eq!(arrivals.open(16, 80, &vec![0; 1 << 20]), Some(INPUT_SIZE as usize));
        for _ in 1..EVENTS_MAX {
            assert!(arrivals.push(EventKind::Writable, 16));
        }
        assert!(!arrivals.push(EventKind::Writable, 16));
        assert_eq!(arrivals.open(17, 80, &[]), None);
    }
}
