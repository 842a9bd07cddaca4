//! Watching files and directories (inotify(7)).
//!
//! An [`Inotify`] keeps the nodes that it watches; a node knows its watches by [`NodeWatches`]. What changes the tree calls
//! [`notify`] and [`notify_entry`], which cost a comparison while a file system has no watch at all.

use super::file::{File, Ready};
use super::io::{Sink, put_record};
use super::node::Node;
use crate::errno::{Errno, Result};
use crate::wait::{WaitKey, WaitQueue};
use alloc::collections::{BTreeMap, VecDeque};
use alloc::format;
use alloc::rc::{Rc, Weak};
use alloc::string::String;
use alloc::vec::Vec;
use core::any::Any;
use core::cell::{Cell, RefCell};

/// Event and option bits of inotify(7).
#[expect(missing_docs, reason = "inotify(7) describes them")]
pub mod event {
    pub const ACCESS: u32 = 0x1;
    pub const MODIFY: u32 = 0x2;
    pub const ATTRIB: u32 = 0x4;
    pub const CLOSE_WRITE: u32 = 0x8;
    pub const CLOSE_NOWRITE: u32 = 0x10;
    pub const OPEN: u32 = 0x20;
    pub const MOVED_FROM: u32 = 0x40;
    pub const MOVED_TO: u32 = 0x80;
    pub const CREATE: u32 = 0x100;
    pub const DELETE: u32 = 0x200;
    pub const DELETE_SELF: u32 = 0x400;
    pub const MOVE_SELF: u32 = 0x800;
    pub const ALL: u32 = 0xfff;
    pub const OVERFLOW: u32 = 0x4000;
    pub const IGNORED: u32 = 0x8000;
    pub const ONLYDIR: u32 = 0x0100_0000;
    pub const DONT_FOLLOW: u32 = 0x0200_0000;
    pub const MASK_CREATE: u32 = 0x1000_0000;
    pub const MASK_ADD: u32 = 0x2000_0000;
    pub const ISDIR: u32 = 0x4000_0000;
    pub const ONESHOT: u32 = 0x8000_0000;
}

/// Events that one instance keeps (/proc/sys/fs/inotify/max_queued_events).
const QUEUE_MAX: usize = 16_384;
/// Watches of one instance (/proc/sys/fs/inotify/max_user_watches).
const WATCHES_MAX: usize = 65_536;

/// A watch, as the node knows it.
struct Watch {
    instance: Weak<Inotify>,
    number: i32,
    mask: u32,
}

/// The watches of a node.
#[derive(Default)]
pub struct NodeWatches(RefCell<Vec<Watch>>);

#[derive(Clone, PartialEq, Eq)]
struct InotifyEvent {
    watch: i32,
    mask: u32,
    cookie: u32,
    name: Vec<u8>,
}

impl InotifyEvent {
    /// The `struct inotify_event`; the name is padded so that the next one is aligned.
    fn encode(&self) -> Vec<u8> {
        let len = if self.name.is_empty() { 0 } else { (self.name.len() + 1).next_multiple_of(16) };
        let mut bytes = Vec::with_capacity(16 + len);
        for word in [self.watch.cast_unsigned(), self.mask, self.cookie, len as u32] {
            bytes.extend(word.to_le_bytes());
        }
        bytes.extend(&self.name);
        bytes.resize(16 + len, 0);
        bytes
    }
}

/// An inotify instance: its watches, and the events that wait to be read.
pub struct Inotify {
    me: Weak<Self>,
    events: RefCell<VecDeque<InotifyEvent>>,
    watched: RefCell<BTreeMap<i32, Rc<Node>>>,
    last_number: Cell<i32>,
    queue: WaitQueue,
}

impl Inotify {
    /// An instance that watches nothing.
    #[must_use]
    pub fn new() -> Rc<Self> {
        Rc::new_cyclic(|me| Self {
            me: me.clone(),
            events: RefCell::default(),
            watched: RefCell::default(),
            last_number: Cell::new(0),
            queue: WaitQueue::default(),
        })
    }

    /// Watches a node, or changes the watch that there is.
    ///
    /// # Errors
    /// EEXIST when there is one and `mask` has MASK_CREATE, ENOSPC at the limit.
    pub fn add(&self, node: &Rc<Node>, mask: u32) -> Result<i32> {
        let kept = mask & (event::ALL | event::ONESHOT);
        let mut watches = node.watches.0.borrow_mut();
        let own = |watch: &&mut Watch| core::ptr::eq(watch.instance.as_ptr(), self.me.as_ptr());
        if let Some(watch) = watches.iter_mut().find(own) {
            if mask & event::MASK_CREATE != 0 {
                return Err(Errno::EEXIST);
            }
            watch.mask = if mask & event::MASK_ADD != 0 { watch.mask | kept } else { kept };
            return Ok(watch.number);
        }
        if self.watched.borrow().len() >= WATCHES_MAX {
            return Err(Errno::ENOSPC);
        }
        let number = self.last_number.get() + 1;
        self.last_number.set(number);
        watches.push(Watch { instance: self.me.clone(), number, mask: kept });
        self.watched.borrow_mut().insert(number, Rc::clone(node));
        node.volume.watches.set(node.volume.watches.get() + 1);
        Ok(number)
    }

    /// What is woken by its events.
    #[must_use]
    pub fn key(&self) -> WaitKey {
        self.queue.key()
    }

    /// Takes the events that wait to be read: what happened, and what ties the two parts of a move together.
    pub fn take_events(&self) -> Vec<(u32, u32)> {
        self.events.borrow_mut().drain(..).map(|event| (event.mask, event.cookie)).collect()
    }

    /// Ends a watch.
    ///
    /// # Errors
    /// EINVAL for an unknown one.
    pub fn remove(&self, number: i32) -> Result<()> {
        let node = self.watched.borrow_mut().remove(&number).ok_or(Errno::EINVAL)?;
        self.detach(&node);
        self.push(InotifyEvent { watch: number, mask: event::IGNORED, cookie: 0, name: Vec::new() });
        Ok(())
    }

    /// The events that it wants to know of a node.
    fn mask_of(&self, node: &Node) -> u32 {
        let watches = node.watches.0.borrow();
        let own = watches.iter().find(|watch| core::ptr::eq(watch.instance.as_ptr(), self.me.as_ptr()));
        own.map_or(0, |watch| watch.mask)
    }

    fn detach(&self, node: &Node) {
        let other = |watch: &Watch| !core::ptr::eq(watch.instance.as_ptr(), self.me.as_ptr());
        node.watches.0.borrow_mut().retain(other);
        node.volume.watches.set(node.volume.watches.get().saturating_sub(1));
    }

    /// Adds an event, unless it equals the last one that waits (inotify(7), coalescing).
    fn push(&self, event: InotifyEvent) {
        let mut events = self.events.borrow_mut();
        if events.back() == Some(&event) {
            return;
        }
        if events.len() < QUEUE_MAX {
            events.push_back(event);
        } else if events.back().is_none_or(|last| last.mask != event::OVERFLOW) {
            events.push_back(InotifyEvent { watch: -1, mask: event::OVERFLOW, cookie: 0, name: Vec::new() });
        }
        self.queue.wake_for(Ready::IN.bits());
    }
}

impl File for Inotify {
    fn read(&self, _: u64, out: &mut dyn Sink) -> Result<usize> {
        let mut done = 0;
        loop {
            let Some(bytes) = self.events.borrow().front().map(InotifyEvent::encode) else { break };
            if bytes.len() > out.room() {
                if done == 0 {
                    return Err(Errno::EINVAL);
                }
                break;
            }
            // It is taken even where it cannot be told.
            self.events.borrow_mut().pop_front();
            put_record(out, &bytes)?;
            done += bytes.len();
        }
        if done == 0 { Err(Errno::EAGAIN) } else { Ok(done) }
    }

    fn ready(&self) -> Ready {
        if self.events.borrow().is_empty() { Ready::empty() } else { Ready::IN }
    }

    fn queue(&self) -> Option<&WaitQueue> {
        Some(&self.queue)
    }

    fn readable_bytes(&self) -> Option<u64> {
        Some(self.events.borrow().iter().map(|event| event.encode().len() as u64).sum())
    }

    fn close(&self) {
        let watched = core::mem::take(&mut *self.watched.borrow_mut());
        for node in watched.values() {
            self.detach(node);
        }
    }

    fn label(&self) -> Vec<u8> {
        b"anon_inode:inotify".to_vec()
    }

    /// One line for each watch, the newest first (proc_pid_fdinfo(5)); files have no handles to show.
    fn describe(&self) -> String {
        let watched = self.watched.borrow();
        let line = |(number, node): (&i32, &Rc<Node>)| {
            format!(
                "inotify wd:{number:x} ino:{:x} sdev:{:x} mask:{:x} ignored_mask:0 \n",
                node.ino,
                node.volume.dev,
                self.mask_of(node),
            )
        };
        watched.iter().rev().map(line).collect()
    }

    fn stays_at_start(&self) -> bool {
        true
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// Tells the watches of a node, and of its directory by its name there.
pub fn notify(node: &Rc<Node>, mask: u32) {
    if node.volume.watches.get() == 0 {
        return;
    }
    let mask = if node.meta.get().is_dir() { mask | event::ISDIR } else { mask };
    if let Some(place) = node.place() {
        tell(&place.parent, mask, 0, &place.name);
    }
    tell(node, mask, 0, &[]);
}

/// Tells the watches of a node alone: it got or lost a name (ATTRIB), or was moved (MOVE_SELF, which never has ISDIR).
pub fn notify_self(node: &Node, mask: u32) {
    if node.volume.watches.get() != 0 {
        let is_dir = mask & event::MOVE_SELF == 0 && node.meta.get().is_dir();
        tell(node, if is_dir { mask | event::ISDIR } else { mask }, 0, &[]);
    }
}

/// Tells the watches of a directory what happened to an entry of it.
pub fn notify_entry(dir: &Rc<Node>, name: &[u8], child: &Node, mask: u32, cookie: u32) {
    if dir.volume.watches.get() != 0 {
        let kind = if child.meta.get().is_dir() { event::ISDIR } else { 0 };
        tell(dir, mask | kind, cookie, name);
    }
}

/// A node was removed for good: its watches end.
pub fn notify_gone(node: &Rc<Node>) {
    if node.volume.watches.get() == 0 {
        return;
    }
    tell(node, event::DELETE_SELF, 0, &[]);
    let ended: Vec<(Weak<Inotify>, i32)> =
        node.watches.0.borrow().iter().map(|watch| (watch.instance.clone(), watch.number)).collect();
    end(&ended);
}

fn tell(node: &Node, mask: u32, cookie: u32, name: &[u8]) {
    let mut ended = Vec::new();
    for watch in &*node.watches.0.borrow() {
        if watch.mask & mask & event::ALL == 0 {
            continue;
        }
        if let Some(instance) = watch.instance.upgrade() {
            instance.push(InotifyEvent { watch: watch.number, mask, cookie, name: name.to_vec() });
        }
        if watch.mask & event::ONESHOT != 0 {
            ended.push((watch.instance.clone(), watch.number));
        }
    }
    end(&ended);
}

fn end(watches: &[(Weak<Inotify>, i32)]) {
    for (instance, number) in watches {
        if let Some(instance) = instance.upgrade() {
            // It was there a moment ago.
            let _ = instance.remove(*number);
        }
    }
}
