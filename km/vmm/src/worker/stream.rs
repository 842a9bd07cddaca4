//! A slot's stream: frames in and out of a non-blocking socket, with bounded memory; and what else the slot waits for.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use serde::Serialize;

use super::outbound::Outbound;
use crate::protocol::{ConnectionId, Frame, FrameDecoder, FrameError, Header, Kind};

/// Bytes taken from the socket at once.
const INPUT_MAX: usize = 64 << 10;
/// Output that waits for the server; beyond it the program has to wait.
pub const OUTPUT_MAX: usize = 512 << 10;

/// The worker's end of a slot's stream.
#[derive(Debug)]
pub struct SlotStream {
    socket: OwnedFd,
    decoder: FrameDecoder,
    input: Box<[u8]>,
    taken: usize,
    filled: usize,
    output: Vec<u8>,
    sent: usize,
    ended: bool,
    /// The connections that the slot's machine has opened.
    pub outbound: Outbound,
}

impl SlotStream {
    /// Takes over a socket, and the way to the broker.
    #[must_use]
    pub fn new(socket: OwnedFd, outbound: Outbound) -> Self {
        Self {
            socket,
            decoder: FrameDecoder::new(),
            input: vec![0; INPUT_MAX].into_boxed_slice(),
            taken: 0,
            filled: 0,
            output: Vec::new(),
            sent: 0,
            ended: false,
            outbound,
        }
    }

    /// The next frame that is there; nothing when none is whole yet or the peer is gone.
    ///
    /// # Errors
    /// The peer sends no frames, or the socket failed.
    pub fn next(&mut self) -> Result<Option<Frame>, FrameError> {
        loop {
            let mut rest = &self.input[self.taken..self.filled];
            let frame = self.decoder.decode(&mut rest)?;
            self.taken = self.filled - rest.len();
            if frame.is_some() || !self.fill()? {
                return Ok(frame);
            }
        }
    }

    /// Takes what the socket has; false when that is nothing.
    fn fill(&mut self) -> io::Result<bool> {
        if self.ended {
            return Ok(false);
        }
        (self.taken, self.filled) = (0, 0);
        let got = loop {
            match recv(&self.socket, &mut *self.input, RecvFlags::DONTWAIT) {
                Err(Errno::INTR) => {}
                other => break other.map(|(_, len)| len),
            }
        };
        self.filled = got.unwrap_or(0);
        match got {
            Ok(0) | Err(Errno::CONNRESET) => {
                self.ended = true;
                Ok(false)
            }
            Ok(_) => Ok(true),
            Err(Errno::AGAIN) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// The server has closed the stream and everything it sent was taken.
    #[must_use]
    pub fn ended(&self) -> bool {
        self.ended
    }

    /// Bytes that wait for the server.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.output.len() - self.sent
    }

    /// Adds a frame whose payload is `first` and `bytes`; it goes out with [`Self::flush`].
    ///
    /// # Errors
    /// The payload is too long.
    pub fn queue(&mut self, kind: Kind, first: &[u8], bytes: &[u8]) -> Result<(), FrameError> {
        self.push(Header::new(kind, first.len() + bytes.len())?, first, bytes);
        Ok(())
    }

    /// Adds a frame of a connection; it goes out with [`Self::flush`].
    ///
    /// # Errors
    /// The payload is too long.
    pub fn queue_of(&mut self, id: ConnectionId, kind: Kind, bytes: &[u8]) -> Result<(), FrameError> {
        self.push(Header::of_connection(id, kind, bytes.len())?, &[], bytes);
        Ok(())
    }

    fn push(&mut self, header: Header, first: &[u8], bytes: &[u8]) {
        self.output.extend_from_slice(&header.encode());
        self.output.extend_from_slice(first);
        self.output.extend_from_slice(bytes);
    }

    /// Adds a frame with a record.
    ///
    /// # Errors
    /// The record is too long.
    pub fn queue_record<T: Serialize>(&mut self, kind: Kind, record: &T) -> Result<(), FrameError> {
        self.queue(kind, &[], &Frame::json(kind, record)?.payload)
    }

    /// Sends what the socket takes. A peer that is gone takes everything.
    ///
    /// # Errors
    /// The socket failed.
    pub fn flush(&mut self) -> io::Result<()> {
        while self.sent < self.output.len() {
            match send(&self.socket, &self.output[self.sent..], SendFlags::NOSIGNAL | SendFlags::DONTWAIT) {
                Ok(count) => self.sent += count,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(()),
                Err(Errno::PIPE | Errno::CONNRESET) => {
                    self.ended = true;
                    self.sent = self.output.len();
                }
                Err(error) => return Err(error.into()),
            }
        }
        self.output.clear();
        self.sent = 0;
        // A burst should not be paid for by every later call.
        self.output.shrink_to(INPUT_MAX);
        Ok(())
    }

    /// Waits until everything is sent, for at most `limit`; without one, for ever.
    ///
    /// # Errors
    /// The socket failed.
    pub fn flush_within(&mut self, limit: Option<Duration>) -> io::Result<()> {
        let end = limit.map(|limit| std::time::Instant::now() + limit);
        self.flush()?;
        while self.waiting() > 0 {
            let left = end.map(|end| end.saturating_duration_since(std::time::Instant::now()));
            if left == Some(Duration::ZERO) {
                return Ok(());
            }
            self.wait(false, left)?;
            self.flush()?;
        }
        Ok(())
    }

    /// Waits until there is input (when `input` is wanted) or, with output waiting, room for it, or the peer is gone, or there
    /// is news of a connection that the machine has opened. Says whether something of that is so.
    ///
    /// # Errors
    /// As poll(2).
    pub fn wait(&self, input: bool, limit: Option<Duration>) -> io::Result<bool> {
        let mut events = PollFlags::RDHUP;
        events.set(PollFlags::IN, input);
        events.set(PollFlags::OUT, self.waiting() > 0);
        let limit = limit.map(|limit| Timespec {
            tv_sec: i64::try_from(limit.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: limit.subsec_nanos().into(),
        });
        let own = PollFd::from_borrowed_fd(self.socket.as_fd(), events);
        let polled = if self.outbound.is_empty() {
            poll(&mut [own], limit.as_ref())
        } else {
            let mut all: Vec<_> = std::iter::once(own).chain(self.outbound.poll_fds()).collect();
            poll(&mut all, limit.as_ref())
        };
        match polled {
            Ok(count) => Ok(count > 0),
            Err(Errno::INTR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether the server has closed its end, even if bytes of it were not taken yet.
    #[must_use]
    pub fn hung_up(&self) -> bool {
        let gone = PollFlags::RDHUP | PollFlags::HUP | PollFlags::ERR;
        let mut about = [PollFd::from_borrowed_fd(self.socket.as_fd(), PollFlags::RDHUP)];
        self.ended
            || (poll(&mut about, Some(&Timespec::default())).is_ok() && about[0].revents().intersects(gone))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::packet::slot_pair;

    #[test]
    fn frames_pass_both_ways_and_an_end_is_seen() {
        let (a, b) = slot_pair().unwrap();
        let [mut a, mut b] = [a, b].map(|socket| SlotStream::new(socket, Outbound::default()));
        assert!(b.next().unwrap().is_none());
        a.queue(Kind::Log, &[1], b"words").unwrap();
        a.queue(Kind::Eof, &[], &[]).unwrap();
        a.flush().unwrap();
        assert_eq!(b.next().unwrap().unwrap().payload, b"\x01words");
        assert_eq!(b.next().unwrap().unwrap().kind, Kind::Eof);
        assert!(b.next().unwrap().is_none() && !b.ended() && !b.hung_up());
        drop(a);
        assert!(b.hung_up());
        assert!(b.next().unwrap().is_none() && b.ended());
    }

    #[test]
    fn a_peer_that_does_not_read_makes_output_wait() {
        let (a, b) = slot_pair().unwrap();
        let [mut a, mut b] = [a, b].map(|socket| SlotStream::new(socket, Outbound::default()));
        for _ in 0..8 {
            a.queue(Kind::Data, &[], &[7; 200_000]).unwrap();
        }
        a.flush().unwrap();
        assert!(a.waiting() > 0);
        a.flush_within(Some(Duration::from_millis(1))).unwrap();
        assert!(a.waiting() > 0);
        let mut frames = 0;
        while a.waiting() > 0 || b.wait(true, Some(Duration::ZERO)).unwrap() {
            a.flush().unwrap();
            while b.next().unwrap().is_some() {
                frames += 1;
            }
        }
        assert_eq!(frames, 8);
        drop(b);
        a.queue(Kind::Data, &[], &[7; 9]).unwrap();
        a.flush().unwrap();
        assert!(a.ended() && a.waiting() == 0);
    }
}
