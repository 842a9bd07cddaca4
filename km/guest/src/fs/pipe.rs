//! Pipes, with and without a name (pipe(7)).
//!
//! Both ends share a [`Pipe`]; an open file is a [`PipeEnd`] that counts as reader, writer or both. In packet mode
//! (O_DIRECT) each write is one packet.

use super::file::{File, Ready};
use super::io::{Collect, Sink, Source};
use super::node::{Node, meta};
use crate::errno::{Errno, Result};
use crate::task::Tid;
use crate::wait::WaitQueue;
use alloc::collections::VecDeque;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::any::Any;
use core::cell::{Cell, RefCell};

/// Writes of up to so many bytes are never torn.
pub const PIPE_BUF: usize = 4096;
/// Bytes that a pipe holds unless F_SETPIPE_SZ changes it.
const CAPACITY: usize = 65_536;
/// Largest capacity (/proc/sys/fs/pipe-max-size).
pub const CAPACITY_MAX: usize = 1 << 20;

/// A thread that has opened one end of a named pipe and waits for the other.
struct Waiting {
    tid: Tid,
    access: u32,
    end: Rc<PipeEnd>,
    /// How often the other end had been opened when it came.
    seen: u64,
}

/// What both ends share.
pub struct Pipe {
    number: u64,
    bytes: RefCell<VecDeque<u8>>,
    /// Lengths of the packets at the front of `bytes`; empty for a stream.
    packets: RefCell<VecDeque<usize>>,
    capacity: Cell<usize>,
    readers: Cell<usize>,
    writers: Cell<usize>,
    /// How often an end was opened for reading and for writing.
    opened: Cell<(u64, u64)>,
    /// Threads that wait in open(2) for the other end of a named pipe.
    waiting: RefCell<Vec<Waiting>>,
    queue: WaitQueue,
}

impl Pipe {
    /// An empty pipe without ends.
    #[must_use]
    pub fn new(number: u64) -> Rc<Self> {
        Rc::new(Self {
            number,
            bytes: RefCell::default(),
            packets: RefCell::default(),
            capacity: Cell::new(CAPACITY),
            readers: Cell::new(0),
            writers: Cell::new(0),
            opened: Cell::new((0, 0)),
            waiting: RefCell::default(),
            queue: WaitQueue::default(),
        })
    }

    /// The pipe of a named-pipe node.
    #[must_use]
    pub fn of_node(node: &Rc<Node>) -> Rc<Self> {
        let mut slot = node.attachment.borrow_mut();
        if let Some(pipe) = slot.clone().and_then(|any| any.downcast::<Self>().ok()) {
            return pipe;
        }
        let pipe = Self::new(node.ino);
        *slot = Some(Rc::clone(&pipe) as Rc<dyn Any>);
        pipe
    }

    /// Forgets threads that wait no more (a signal or their end took them out of open(2)), and closes their ends.
    pub fn keep_waiting(&self, waits: impl Fn(Tid) -> bool) {
        let gone: Vec<Waiting> = self.waiting.borrow_mut().extract_if(.., |one| !waits(one.tid)).collect();
        drop(gone);
    }

    /// The end that a thread opens, once the other end is open or was opened since the thread first asked.
    pub fn rendezvous(
        &self,
        tid: Tid,
        access: u32,
        new: impl FnOnce() -> Rc<PipeEnd>,
    ) -> Option<Rc<PipeEnd>> {
        let other = |(readers, writers): (u64, u64)| if access == 0 { writers } else { readers };
        let known = self.waiting.borrow().iter().position(|one| one.tid == tid && one.access == access);
        if let Some(index) = known {
            let met = self.waiting.borrow()[index].seen != other(self.opened.get());
            return met.then(|| self.waiting.borrow_mut().swap_remove(index).end);
        }
        let (readers, writers) = self.ends();
        let end = new();
        if other((readers as u64, writers as u64)) > 0 {
            return Some(end);
        }
        let seen = other(self.opened.get());
        self.waiting.borrow_mut().push(Waiting { tid, access, end, seen });
        None
    }

    /// Readers and writers now.
    #[must_use]
    pub fn ends(&self) -> (usize, usize) {
        (self.readers.get(), self.writers.get())
    }

    /// Woken when anything changes.
    #[must_use]
    pub fn queue(&self) -> &WaitQueue {
        &self.queue
    }

    /// Bytes in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.borrow().len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes that it holds at most.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.capacity.get()
    }

    /// F_SETPIPE_SZ.
    ///
    /// # Errors
    /// EINVAL for 0, EPERM beyond the limit, EBUSY below what is in it.
    pub fn set_capacity(&self, wanted: u64) -> Result<usize> {
        let size =
            usize::try_from(wanted).ok().and_then(usize::checked_next_power_of_two).ok_or(Errno::EINVAL)?;
        if wanted == 0 || wanted > u64::from(u32::MAX) >> 1 {
            return Err(Errno::EINVAL);
        }
        if size > CAPACITY_MAX {
            return Err(Errno::EPERM);
        }
        let size = size.max(PIPE_BUF);
        if size < self.len() {
            return Err(Errno::EBUSY);
        }
        self.capacity.set(size);
        self.queue.wake();
        Ok(size)
    }

    fn room(&self) -> usize {
        self.capacity.get().saturating_sub(self.len())
    }

    /// Copies bytes from the front without taking them (tee(2)).
    #[must_use]
    pub fn peek(&self, limit: usize) -> Vec<u8> {
        self.bytes.borrow().iter().take(limit).copied().collect()
    }

    fn take(&self, out: &mut dyn Sink) -> Result<usize> {
        let mut bytes = self.bytes.borrow_mut();
        let mut packets = self.packets.borrow_mut();
        let packet = packets.front().copied().unwrap_or(bytes.len());
        let wanted = packet.min(out.room());
        let mut done = 0;
        while done < wanted {
            let front = bytes.as_slices().0;
            let count = match out.put(&front[..front.len().min(wanted - done)]) {
                Ok(count) => count,
                Err(errno) if done == 0 => return Err(errno),
                Err(_) => break,
            };
            bytes.drain(..count);
            done += count;
        }
        if packets.pop_front().is_some() {
            // What did not fit of a packet is lost.
            bytes.drain(..packet - done);
        }
        Ok(done)
    }

    fn append(&self, from: &mut dyn Source, limit: usize, packet: bool) -> Result<usize> {
        // The library OS's memory is not the program's: without room for all of it nothing is written.
        let room = self.bytes.borrow_mut().try_reserve(limit.min(from.left()));
        room.map_err(|_| Errno::ENOMEM)?;
        let mut done = 0;
        let mut page = [0; 4096];
        while done < limit && from.left() > 0 {
            let len = page.len().min(limit - done);
            match from.take(&mut page[..len]) {
                Ok(count) => {
                    self.bytes.borrow_mut().extend(&page[..count]);
                    done += count;
                    if packet {
                        self.packets.borrow_mut().push_back(count);
                    }
                }
                Err(errno) if done == 0 => return Err(errno),
                Err(_) => break,
            }
        }
        Ok(done)
    }
}

/// An open end.
pub struct PipeEnd {
    pipe: Rc<Pipe>,
    node: Option<Rc<Node>>,
    reads: bool,
    writes: bool,
    /// O_DIRECT when it was opened.
    packets: bool,
}

impl PipeEnd {
    /// Opens an end of a pipe; `node` is its name if it has one.
    #[must_use]
    pub fn open(pipe: &Rc<Pipe>, node: Option<Rc<Node>>, access: u32, packets: bool) -> Rc<Self> {
        let (reads, writes) = (access != 1, access != 0);
        let end = Self { pipe: Rc::clone(pipe), node, reads, writes, packets };
        let (opened_r, opened_w) = pipe.opened.get();
        pipe.opened.set((opened_r + u64::from(reads), opened_w + u64::from(writes)));
        pipe.readers.set(pipe.readers.get() + usize::from(reads));
        pipe.writers.set(pipe.writers.get() + usize::from(writes));
        pipe.queue.wake();
        Rc::new(end)
    }

    /// What it is an end of.
    #[must_use]
    pub fn pipe(&self) -> &Rc<Pipe> {
        &self.pipe
    }
}

impl File for PipeEnd {
    fn read(&self, _: u64, out: &mut dyn Sink) -> Result<usize> {
        if out.room() == 0 {
            return Ok(0);
        }
        if self.pipe.is_empty() {
            return if self.pipe.writers.get() == 0 { Ok(0) } else { Err(Errno::EAGAIN) };
        }
        let count = self.pipe.take(out)?;
        self.pipe.queue.wake_for((Ready::OUT).bits());
        Ok(count)
    }

    fn write(&self, _: u64, from: &mut dyn Source) -> Result<usize> {
        let (wanted, room) = (from.left(), self.pipe.room());
        if wanted == 0 {
            return Ok(0);
        }
        if self.pipe.readers.get() == 0 {
            return Err(Errno::EPIPE);
        }
        if room == 0 || wanted <= PIPE_BUF && room < wanted {
            return Err(Errno::EAGAIN);
        }
        let count = self.pipe.append(from, wanted.min(room), self.packets)?;
        self.pipe.queue.wake_for((Ready::IN).bits());
        Ok(count)
    }

    fn ready(&self) -> Ready {
        let mut ready = Ready::empty();
        if self.reads {
            ready.set(Ready::IN, !self.pipe.is_empty());
            ready.set(Ready::HUP, self.pipe.writers.get() == 0);
        }
        if self.writes {
            ready.set(Ready::OUT, self.pipe.room() >= PIPE_BUF);
            ready.set(Ready::ERR, self.pipe.readers.get() == 0);
        }
        ready
    }

    fn queue(&self) -> Option<&WaitQueue> {
        Some(&self.pipe.queue)
    }

    fn close(&self) {
        self.pipe.readers.set(self.pipe.readers.get() - usize::from(self.reads));
        self.pipe.writers.set(self.pipe.writers.get() - usize::from(self.writes));
        if self.pipe.ends() == (0, 0) {
            self.pipe.bytes.borrow_mut().clear();
            self.pipe.packets.borrow_mut().clear();
        }
        self.pipe.queue.wake();
    }

    fn node(&self) -> Option<&Rc<Node>> {
        self.node.as_ref()
    }

    fn readable_bytes(&self) -> Option<u64> {
        Some(self.pipe.len() as u64)
    }

    fn mode(&self) -> u32 {
        meta::S_IFIFO | 0o600
    }

    fn number(&self) -> u64 {
        self.pipe.number
    }

    fn label(&self) -> Vec<u8> {
        alloc::format!("pipe:[{}]", self.pipe.number).into_bytes()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// Copies up to `limit` bytes of one pipe to the end of another (tee(2)).
///
/// # Errors
/// EAGAIN when the first is empty or the second full, EPIPE without readers.
pub fn duplicate(from: &PipeEnd, to: &PipeEnd, limit: usize) -> Result<usize> {
    let bytes = from.pipe.peek(limit.min(to.pipe.room().max(1)));
    if bytes.is_empty() {
        return if from.pipe.writers.get() == 0 { Ok(0) } else { Err(Errno::EAGAIN) };
    }
    to.write(0, &mut bytes.as_slice())
}

/// Takes up to `limit` bytes out of a pipe, for a destination that may take fewer: the caller puts back the rest.
///
/// # Errors
/// EAGAIN when it is empty.
pub fn drain(from: &PipeEnd, limit: usize) -> Result<Vec<u8>> {
    let mut collect = Collect { bytes: Vec::new(), limit };
    from.read(0, &mut collect)?;
    Ok(collect.bytes)
}

/// Puts bytes back to the front.
pub fn put_back(to: &PipeEnd, rest: &[u8]) {
    let mut bytes = to.pipe.bytes.borrow_mut();
    for &byte in rest.iter().rev() {
        bytes.push_front(byte);
    }
}
