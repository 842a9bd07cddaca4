//! Epoll instances (epoll(7)).
//!
//! An instance watches the queues of its descriptors ([`crate::wait::watch`]): a wake leaves a note, a note puts the item
//! on the ready list, and [`Epoll::collect`] looks at that list only. A level-triggered item stays on the list until it
//! is found not ready; an edge-triggered one leaves it at once and comes back with the next wake.

pub mod nesting;

use crate::errno::{Errno, Result};
use crate::fs::file::{File, OpenFile, Ready};
use crate::wait::{WaitKey, WaitQueue, watch};
use alloc::collections::{BTreeMap, VecDeque};
use alloc::rc::{Rc, Weak};
use alloc::vec::Vec;
use core::any::Any;
use core::cell::RefCell;
use linux_raw_sys::general as raw;
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// `struct epoll_event`, which is packed on this architecture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable)]
#[repr(C, packed)]
pub struct EpollEvent {
    /// `EPOLL*` bits: the poll(2) bits of interest, or those that are ready, with EPOLLET and its like.
    pub events: u32,
    /// What the program gave with epoll_ctl(2); it comes back unread with each event.
    pub data: u64,
}

/// Always reported, asked for or not.
const ALWAYS: u32 = raw::EPOLLERR | raw::EPOLLHUP;
/// What may go along with EPOLLEXCLUSIVE.
const WITH_EXCLUSIVE: u32 =
    ALWAYS | raw::EPOLLIN | raw::EPOLLOUT | raw::EPOLLEXCLUSIVE | raw::EPOLLWAKEUP | raw::EPOLLET;

struct Item {
    fd: u32,
    file: Weak<OpenFile>,
    key: WaitKey,
    wanted: EpollEvent,
    is_listed: bool,
    /// EPOLLONESHOT has fired: nothing is reported until EPOLL_CTL_MOD arms the item again.
    is_spent: bool,
}

#[derive(Default)]
struct EpollState {
    items: BTreeMap<u64, Item>,
    /// By descriptor and identity of its open file.
    tokens: BTreeMap<(u32, usize), u64>,
    ready: VecDeque<u64>,
    next_token: u64,
}

/// What epoll_create(2) makes: the watched descriptors and the list of those that may be ready.
#[derive(Default)]
pub struct Epoll {
    queue: WaitQueue,
    state: RefCell<EpollState>,
}

/// The bits of poll(2) for what is ready: bytes that can be read are normal data.
#[must_use]
pub fn poll_bits(ready: Ready) -> u32 {
    let mut bits = ready.bits();
    if ready.contains(Ready::IN) {
        bits |= raw::POLLRDNORM;
    }
    if ready.contains(Ready::OUT) {
        bits |= raw::POLLWRNORM;
    }
    bits
}

impl EpollState {
    /// Puts an item on the ready list, if it is interested in the change.
    fn list(&mut self, token: u64, changed: u32) {
        if let Some(item) = self.items.get_mut(&token)
            && !item.is_listed
            && !item.is_spent
            && changed & ({ item.wanted.events } | ALWAYS) != 0
        {
            item.is_listed = true;
            self.ready.push_back(token);
        }
    }

    fn remove(&mut self, token: u64, queue: WaitKey) {
        if let Some(item) = self.items.remove(&token) {
            watch::remove(item.key, queue, token);
            self.tokens.remove(&(item.fd, item.file.as_ptr().addr()));
        }
    }

    /// What of an item is to be reported. Items of closed files are dropped.
    fn check(&mut self, token: u64, queue: WaitKey) -> Option<EpollEvent> {
        let item = self.items.get(&token)?;
        let Some(file) = item.file.upgrade() else {
            self.remove(token, queue);
            return None;
        };
        let wanted = item.wanted;
        let events = poll_bits(file.file.ready()) & (wanted.events | ALWAYS);
        (events != 0).then_some(EpollEvent { events, ..wanted })
    }
}

impl Epoll {
    /// Adds a descriptor (EPOLL_CTL_ADD).
    ///
    /// # Errors
    /// EEXIST; EPERM for files that are always ready; EINVAL for impossible flags.
    pub fn add(&self, fd: u32, file: &Rc<OpenFile>, wanted: EpollEvent) -> Result<()> {
        let key = file.file.queue().ok_or(Errno::EPERM)?.key();
        let events = wanted.events;
        let is_exclusive = events & raw::EPOLLEXCLUSIVE != 0;
        if is_exclusive && (events & !WITH_EXCLUSIVE != 0 || file.file.as_any().is::<Self>()) {
            return Err(Errno::EINVAL);
        }
        self.drop_closed(fd);
        let mut state = self.state.borrow_mut();
        let identity = (fd, Rc::as_ptr(file).addr());
        if state.tokens.contains_key(&identity) {
            return Err(Errno::EEXIST);
        }
        let token = state.next_token;
        state.next_token += 1;
        state.tokens.insert(identity, token);
        let item = Item { fd, file: Rc::downgrade(file), key, wanted, is_listed: false, is_spent: false };
        state.items.insert(token, item);
        drop(state);
        watch::add(key, self.queue.key(), token);
        self.look(token);
        Ok(())
    }

    /// The open file that is watched as this descriptor; `skip` of several that had its number after each other (kcmp(2)).
    #[must_use]
    pub fn target(&self, fd: u32, skip: usize) -> Option<Rc<OpenFile>> {
        let state = self.state.borrow();
        state.items.values().filter(|item| item.fd == fd).filter_map(|item| item.file.upgrade()).nth(skip)
    }

    /// Changes what is wanted of a descriptor (EPOLL_CTL_MOD).
    ///
    /// # Errors
    /// ENOENT; EINVAL when EPOLLEXCLUSIVE is or was wanted.
    pub fn modify(&self, fd: u32, file: &Rc<OpenFile>, wanted: EpollEvent) -> Result<()> {
        let token = self.token(fd, file)?;
        if let Some(item) = self.state.borrow_mut().items.get_mut(&token) {
            if (wanted.events | { item.wanted.events }) & raw::EPOLLEXCLUSIVE != 0 {
                return Err(Errno::EINVAL);
            }
            item.wanted = wanted;
            item.is_spent = false;
        }
        self.look(token);
        Ok(())
    }

    /// Removes a descriptor (EPOLL_CTL_DEL).
    ///
    /// # Errors
    /// ENOENT.
    pub fn remove(&self, fd: u32, file: &Rc<OpenFile>) -> Result<()> {
        let token = self.token(fd, file)?;
        self.state.borrow_mut().remove(token, self.queue.key());
        Ok(())
    }

    /// Up to `limit` events.
    pub fn collect(&self, limit: usize) -> Vec<EpollEvent> {
        let mut state = self.state.borrow_mut();
        self.absorb(&mut state);
        let mut events = Vec::new();
        for _ in 0..state.ready.len() {
            if events.len() == limit {
                break;
            }
            let Some(token) = state.ready.pop_front() else { break };
            let event = state.check(token, self.queue.key());
            let Some(item) = state.items.get_mut(&token) else { continue };
            let wanted = item.wanted.events;
            let stays = event.is_some() && wanted & (raw::EPOLLET | raw::EPOLLONESHOT) == 0;
            item.is_listed = stays;
            item.is_spent |= event.is_some() && wanted & raw::EPOLLONESHOT != 0;
            if stays {
                state.ready.push_back(token);
            }
            events.extend(event);
        }
        events
    }

    /// The open files in it that are epoll instances.
    pub(crate) fn inner(&self) -> Vec<Rc<OpenFile>> {
        let state = self.state.borrow();
        let files = state.items.values().filter_map(|item| item.file.upgrade());
        files.filter(|file| file.file.as_any().is::<Self>()).collect()
    }

    fn token(&self, fd: u32, file: &Rc<OpenFile>) -> Result<u64> {
        let identity = (fd, Rc::as_ptr(file).addr());
        self.state.borrow().tokens.get(&identity).copied().ok_or(Errno::ENOENT)
    }

    /// Forgets items of `fd` whose open file is gone.
    fn drop_closed(&self, fd: u32) {
        let mut state = self.state.borrow_mut();
        let tokens = state.tokens.range((fd, 0)..=(fd, usize::MAX)).map(|(_, token)| *token);
        let closed: Vec<u64> = tokens.filter(|token| state.items[token].file.strong_count() == 0).collect();
        for token in closed {
            state.remove(token, self.queue.key());
        }
    }

    /// Lists an item that is ready already.
    fn look(&self, token: u64) {
        let mut state = self.state.borrow_mut();
        if state.check(token, self.queue.key()).is_some() {
            state.list(token, watch::ANYTHING);
            drop(state);
            self.queue.wake_for(Ready::IN.bits());
        }
    }

    fn absorb(&self, state: &mut EpollState) {
        for note in watch::take_notes(self.queue.key()) {
            state.list(note.token, note.changed);
        }
    }
}

impl File for Epoll {
    fn ready(&self) -> Ready {
        let mut state = self.state.borrow_mut();
        self.absorb(&mut state);
        while let Some(token) = state.ready.front().copied() {
            if state.check(token, self.queue.key()).is_some() {
                return Ready::IN;
            }
            state.ready.pop_front();
            if let Some(item) = state.items.get_mut(&token) {
                item.is_listed = false;
            }
        }
        Ready::empty()
    }

    fn queue(&self) -> Option<&WaitQueue> {
        Some(&self.queue)
    }

    fn close(&self) {
        let state = self.state.take();
        for (token, item) in state.items {
            watch::remove(item.key, self.queue.key(), token);
        }
    }

    fn label(&self) -> Vec<u8> {
        b"anon_inode:[eventpoll]".to_vec()
    }

    fn stays_at_start(&self) -> bool {
        true
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

#[cfg(test)]
mod tests;
