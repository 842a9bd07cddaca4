//! Pipes, with and without a name (pipe(7)).
//!
//! Both ends share a [`Pipe`]; an open file is a [`PipeEnd`] that counts as reader, writer or both. In packet mode
//! (O_DIRECT) each write is one packet.

use super::attributes::Attributes;
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

/// PIPE_BUF: writes of up to this many bytes are atomic (pipe(7)).
pub const PIPE_BUF: usize = 4096;
/// Bytes that a pipe holds unless F_SETPIPE_SZ changes it.
const CAPACITY: usize = 65_536;
/// Most bytes that F_SETPIPE_SZ can ask for (/proc/sys/fs/pipe-max-size).
pub const CAPACITY_MAX: usize = 1 << 20;

/// A thread that has opened one end of a named pipe and waits for the other.
struct OpenWaiter {
    tid: Tid,
    access: u32,
    end: Rc<PipeEnd>,
    /// How often the other end had been opened when it came.
    seen: u64,
}

/// Bytes that were written together and lie in one page.
#[derive(Clone, Copy)]
struct Page {
    /// Bytes that are left.
    len: usize,
    /// Bytes of the page that are used: a later write may go on behind them.
    end: usize,
    /// It is a packet (O_DIRECT).
    packet: bool,
}

/// What both ends share.
pub struct Pipe {
    number: u64,
    attributes: Attributes,
    bytes: RefCell<VecDeque<u8>>,
    /// How `bytes` are divided into pages. The capacity counts pages, full or not.
    pages: RefCell<VecDeque<Page>>,
    capacity: Cell<usize>,
    readers: Cell<usize>,
    writers: Cell<usize>,
    /// How often an end was opened for reading and for writing.
    opened: Cell<(u64, u64)>,
    /// Threads that wait in open(2) for the other end of a named pipe.
    waiting: RefCell<Vec<OpenWaiter>>,
    queue: WaitQueue,
}

impl Pipe {
    /// An empty pipe without ends.
    #[must_use]
    pub fn new(number: u64, attributes: Attributes) -> Rc<Self> {
        Rc::new(Self {
            number,
            attributes,
            bytes: RefCell::default(),
            pages: RefCell::default(),
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
        // Its node has the attributes.
        let pipe = Self::new(node.ino, Attributes::new(0, 0));
        *slot = Some(Rc::clone(&pipe) as Rc<dyn Any>);
        pipe
    }

    /// Forgets threads that wait no more (a signal or their end took them out of open(2)), and closes their ends.
    pub fn keep_waiting(&self, waits: impl Fn(Tid) -> bool) {
        let gone: Vec<OpenWaiter> = self.waiting.borrow_mut().extract_if(.., |one| !waits(one.tid)).collect();
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
        self.waiting.borrow_mut().push(OpenWaiter { tid, access, end, seen });
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

    /// Bytes that wait to be read.
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
    /// EINVAL for what no pipe can have, EPERM beyond the limit, EBUSY below what is in it.
    pub fn set_capacity(&self, wanted: u64) -> Result<usize> {
        // Linux takes the lower half of the number alone.
        let wanted = wanted as u32 as usize;
        if wanted > 1 << 31 {
            return Err(Errno::EINVAL);
        }
        let size = wanted.next_power_of_two();
        if size > CAPACITY_MAX {
            return Err(Errno::EPERM);
        }
        let size = size.max(PIPE_BUF);
        if size / PIPE_BUF < self.pages.borrow().len() {
            return Err(Errno::EBUSY);
        }
        self.capacity.set(size);
        self.queue.wake();
        Ok(size)
    }

    /// Bytes that a write is sure to find room for.
    #[must_use]
    pub fn room(&self) -> usize {
        self.free_pages() * PIPE_BUF
    }

    /// Pages that a write can still fill.
    fn free_pages(&self) -> usize {
        (self.capacity.get() / PIPE_BUF).saturating_sub(self.pages.borrow().len())
    }

    /// Bytes at the start of a write of `len` that go into the last page: what is no whole page of it, if it fits.
    fn merged(&self, len: usize) -> usize {
        let odd = len % PIPE_BUF;
        let last = self.pages.borrow().back().copied();
        if last.is_some_and(|last| !last.packet && last.end + odd <= PIPE_BUF) { odd } else { 0 }
    }

    /// Copies bytes from the front without taking them (tee(2)).
    #[must_use]
    pub fn peek(&self, limit: usize) -> Vec<u8> {
        self.bytes.borrow().iter().take(limit).copied().collect()
    }

    fn take(&self, out: &mut dyn Sink) -> Result<usize> {
        let mut done = 0;
        while out.room() > 0 {
            let Some(page) = self.pages.borrow().front().copied() else { break };
            let wanted = page.len.min(out.room());
            match self.take_from_page(out, wanted) {
                Ok(()) => done += wanted,
                Err(errno) if done == 0 => return Err(errno),
                Err(_) => break,
            }
            if page.packet {
                // What did not fit of a packet is lost.
                self.bytes.borrow_mut().drain(..page.len - wanted);
                self.pages.borrow_mut().pop_front();
                break;
            }
            self.shorten(wanted);
        }
        Ok(done)
    }

    /// Hands out and removes the first `wanted` bytes: all of them or none.
    fn take_from_page(&self, out: &mut dyn Sink, wanted: usize) -> Result<()> {
        let mut bytes = self.bytes.borrow_mut();
        let (front, back) = bytes.as_slices();
        let first = front.len().min(wanted);
        put_all(out, &front[..first])?;
        put_all(out, &back[..wanted - first])?;
        bytes.drain(..wanted);
        Ok(())
    }

    /// Bytes of the first page were taken.
    fn shorten(&self, count: usize) {
        let mut pages = self.pages.borrow_mut();
        let Some(page) = pages.front_mut() else { return };
        page.len -= count;
        if page.len == 0 {
            pages.pop_front();
        }
    }

    /// Writes what there is room for.
    fn append(&self, from: &mut dyn Source, packet: bool) -> Result<usize> {
        // The heap may be full while the pipe is not: without memory for all bytes, write none.
        let merged = self.merged(from.left());
        let limit = from.left().min(merged + self.free_pages() * PIPE_BUF);
        self.bytes.borrow_mut().try_reserve(limit).map_err(|_| Errno::ENOMEM)?;
        let mut done = 0;
        while done < limit && from.left() > 0 {
            let merges = done == 0 && merged > 0;
            let wanted = if merges { merged } else { PIPE_BUF.min(limit - done) };
            match self.append_page(from, wanted) {
                Ok(()) => done += wanted,
                Err(errno) if done == 0 => return Err(errno),
                Err(_) => break,
            }
            let mut pages = self.pages.borrow_mut();
            match pages.back_mut().filter(|_| merges) {
                Some(last) => {
                    last.len += wanted;
                    last.end += wanted;
                }
                None => pages.push_back(Page { len: wanted, end: wanted, packet }),
            }
        }
        Ok(done)
    }

    /// Adds bytes to the end, all that are wanted or none.
    fn append_page(&self, from: &mut dyn Source, wanted: usize) -> Result<()> {
        let mut page = [0; PIPE_BUF];
        let mut done = 0;
        while done < wanted {
            done += from.take(&mut page[done..wanted])?;
        }
        self.bytes.borrow_mut().extend(&page[..wanted]);
        Ok(())
    }
}

fn put_all(out: &mut dyn Sink, mut bytes: &[u8]) -> Result<()> {
    while !bytes.is_empty() {
        let count = out.put(bytes)?;
        bytes = &bytes[count..];
    }
    Ok(())
}

/// A pipe as an open file: its reader, its writer or, for a named pipe, both.
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
        let wanted = from.left();
        if wanted == 0 {
            return Ok(0);
        }
        if self.pipe.readers.get() == 0 {
            return Err(Errno::EPIPE);
        }
        if self.pipe.free_pages() == 0 && self.pipe.merged(wanted) == 0 {
            return Err(Errno::EAGAIN);
        }
        let count = self.pipe.append(from, self.packets)?;
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
            ready.set(Ready::OUT, self.pipe.free_pages() > 0);
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
            self.pipe.pages.borrow_mut().clear();
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

    fn attributes(&self) -> Option<&Attributes> {
        Some(&self.pipe.attributes)
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
    let bytes = from.pipe.peek(limit.min((to.pipe.free_pages() * PIPE_BUF).max(1)));
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
    for part in rest.chunks(PIPE_BUF).rev() {
        let page = Page { len: part.len(), end: PIPE_BUF, packet: false };
        to.pipe.pages.borrow_mut().push_front(page);
    }
    let mut bytes = to.pipe.bytes.borrow_mut();
    for &byte in rest.iter().rev() {
        bytes.push_front(byte);
    }
}
