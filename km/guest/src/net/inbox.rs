//! Messages that wait to be received: unix sockets of every type, UDP and netlink.

use super::address::Address;
use super::budget::Budget;
use super::message::{Incoming, Outgoing, Peer};
use crate::errno::{Errno, Result};
use crate::fs::file::OpenFile;
use crate::fs::io::{Sink, Source};
use alloc::collections::VecDeque;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::net::SocketAddr;
use linux_raw_sys::net::MSG_TRUNC;

/// What a message costs beside its bytes.
const OVERHEAD: usize = 256;
/// Bytes of a stream that go into one message, so that an allocation stays small.
pub const PIECE_MAX: usize = 32 << 10;

/// One message, or one piece of a stream.
pub struct Message {
    bytes: Vec<u8>,
    /// Bytes of a stream that are received already.
    start: usize,
    /// The sender's address, if it has one.
    pub from: Option<Address>,
    /// Where it was sent to.
    pub to: Option<SocketAddr>,
    /// Hop limit and traffic class of its IP header.
    pub header: (u8, u8),
    /// How many messages the receiver had lost when it came (SO_RXQ_OVFL).
    pub lost_before: u32,
    /// Who sent it.
    pub sender: Peer,
    files: Vec<Rc<OpenFile>>,
    arrived_ns: u64,
    charge: usize,
    budget: Rc<Budget>,
}

impl Message {
    /// Takes up to `len` bytes of what is sent.
    ///
    /// # Errors
    /// ENOBUFS without memory for it, EFAULT.
    pub fn of(outgoing: &mut Outgoing<'_>, len: usize, budget: &Rc<Budget>) -> Result<Self> {
        let len = len.min(outgoing.data.left());
        let charge = len + OVERHEAD;
        if !budget.take(charge) {
            return Err(Errno::ENOBUFS);
        }
        let mut message = Self {
            bytes: alloc::vec![0; len],
            start: 0,
            from: None,
            to: None,
            header: (0, 0),
            lost_before: 0,
            files: core::mem::take(&mut outgoing.files),
            sender: outgoing.sender,
            arrived_ns: crate::time::realtime_ns(),
            charge,
            budget: Rc::clone(budget),
        };
        let count = take_all(outgoing.data, &mut message.bytes)?;
        message.bytes.truncate(count);
        Ok(message)
    }

    /// A datagram that has come from beyond the machine.
    ///
    /// # Errors
    /// ENOBUFS without memory for it.
    pub fn arrived(bytes: Vec<u8>, from: SocketAddr, to: SocketAddr, budget: &Rc<Budget>) -> Result<Self> {
        let charge = bytes.len() + OVERHEAD;
        if !budget.take(charge) {
            return Err(Errno::ENOBUFS);
        }
        Ok(Self {
            bytes,
            start: 0,
            from: Some(Address::Ip(from)),
            to: Some(to),
            header: (64, 0),
            lost_before: 0,
            files: Vec::new(),
            sender: super::message::NOBODY,
            arrived_ns: crate::time::realtime_ns(),
            charge,
            budget: Rc::clone(budget),
        })
    }

    /// Takes up to `len` more bytes to the end of the message.
    ///
    /// # Errors
    /// As [`Self::of`]; the message is then of no use.
    pub fn append(&mut self, outgoing: &mut Outgoing<'_>, len: usize) -> Result<()> {
        let len = len.min(outgoing.data.left());
        if !self.budget.take(len) {
            return Err(Errno::ENOBUFS);
        }
        self.charge += len;
        let start = self.bytes.len();
        self.bytes.resize(start + len, 0);
        let count = take_all(outgoing.data, &mut self.bytes[start..])?;
        self.bytes.truncate(start + count);
        Ok(())
    }

    /// Bytes of data, without what goes with them.
    pub fn size(&self) -> usize {
        self.bytes.len() - self.start
    }

    /// Its bytes that were not received yet.
    pub fn rest(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    /// Hands over what goes along with the first byte.
    fn give_extras(&mut self, incoming: &mut Incoming<'_>) {
        incoming.from = self.from.clone();
        incoming.sender = Some(self.sender);
        incoming.arrived_ns = Some(self.arrived_ns);
        incoming.files = if incoming.peeks() { self.files.clone() } else { core::mem::take(&mut self.files) };
    }
}

impl Drop for Message {
    fn drop(&mut self) {
        self.budget.give_back(self.charge);
    }
}

/// Fills `buffer`, piece by piece: user memory comes in ranges.
fn take_all(source: &mut dyn Source, buffer: &mut [u8]) -> Result<usize> {
    let mut done = 0;
    while done < buffer.len() {
        match source.take(&mut buffer[done..])? {
            0 => break,
            count => done += count,
        }
    }
    Ok(done)
}

/// Hands over as many bytes as there is room for. A message that ends in memory that is not there is EFAULT as a whole.
fn put_all(sink: &mut dyn Sink, bytes: &[u8]) -> Result<usize> {
    let bytes = &bytes[..bytes.len().min(sink.room())];
    let mut done = 0;
    while done < bytes.len() {
        match sink.put(&bytes[done..])? {
            0 => break,
            count => done += count,
        }
    }
    Ok(done)
}

/// Messages that wait for one receiver, the oldest first.
#[derive(Default)]
pub struct Inbox {
    messages: VecDeque<Message>,
    bytes: usize,
}

impl Inbox {
    /// Whether nothing is there.
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// How many messages are there.
    pub fn count(&self) -> usize {
        self.messages.len()
    }

    /// Bytes of all messages.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Bytes of the first message.
    pub fn first_len(&self) -> usize {
        self.messages.front().map_or(0, Message::size)
    }

    /// Appends a message; the caller has checked that there is room.
    pub fn push(&mut self, message: Message) {
        self.bytes += message.size();
        self.messages.push_back(message);
    }

    /// The first message.
    pub fn first(&self) -> Option<&Message> {
        self.messages.front()
    }

    /// Receives the first message whole: what does not fit is lost and MSG_TRUNC set.
    ///
    /// # Errors
    /// EAGAIN without one, EFAULT.
    pub fn receive(&mut self, incoming: &mut Incoming<'_>) -> Result<usize> {
        let message = self.messages.front_mut().ok_or(Errno::EAGAIN)?;
        let len = message.size();
        let room = incoming.data.room();
        let put = put_all(incoming.data, message.rest());
        message.give_extras(incoming);
        if !incoming.peeks() {
            self.bytes -= len;
            self.messages.pop_front();
        }
        put?;
        if len > room {
            incoming.result_flags |= MSG_TRUNC;
        }
        Ok(if incoming.flags & MSG_TRUNC != 0 { len } else { len.min(room) })
    }

    /// Receives bytes across messages, up to and with the first one with open files. With `by_sender` they are of one
    /// sender.
    ///
    /// # Errors
    /// EAGAIN without bytes, EFAULT.
    pub fn receive_stream(&mut self, incoming: &mut Incoming<'_>, by_sender: bool) -> Result<usize> {
        if self.messages.is_empty() {
            return Err(Errno::EAGAIN);
        }
        let mut done = 0;
        let mut index = 0;
        while let Some(message) = self.messages.get_mut(index) {
            if done > 0 && (!incoming.files.is_empty() || incoming.data.room() == 0) {
                break;
            }
            if by_sender && incoming.sender.is_some_and(|sender| sender != message.sender) {
                break;
            }
            let count = match put_all(incoming.data, message.rest()) {
                Ok(count) => count,
                Err(_) if done > 0 => break,
                Err(errno) => return Err(errno),
            };
            if done == 0 || !message.files.is_empty() {
                message.give_extras(incoming);
            }
            done += count;
            if incoming.peeks() {
                index += 1;
            } else {
                message.start += count;
                self.bytes -= count;
                if message.size() > 0 {
                    break;
                }
                self.messages.pop_front();
            }
        }
        Ok(done)
    }
}
