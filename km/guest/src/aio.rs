//! Native asynchronous I/O (io_submit(2)): contexts and the events that wait in them. Files are memory, so every request is
//! complete when it has been submitted; what is left is the order of events and who waits for them.

use crate::errno::{Errno, Result};
use crate::wait::WaitQueue;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::rc::Rc;
use core::cell::{Cell, RefCell};
use km_abi::layout::PAGE_SIZE;
use zerocopy::{Immutable, IntoBytes};

/// Most events of all contexts of a machine (/proc/sys/fs/aio-max-nr).
pub const EVENTS_MAX: u64 = 65_536;

/// `struct io_event`: how a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoBytes, Immutable)]
#[repr(C)]
pub struct Event {
    /// What the program gave with the request.
    pub data: u64,
    /// Address of the request.
    pub request: u64,
    /// Bytes that were moved, or a negated error.
    pub result: i64,
    /// Always 0 for files.
    pub second_result: i64,
}

/// What io_setup(2) makes.
pub struct Context {
    /// Bytes of the mapping that names it.
    pub len: u64,
    /// Events that may wait.
    room: usize,
    events: RefCell<VecDeque<Event>>,
    /// Woken by every event, and when the context goes.
    pub queue: WaitQueue,
}

impl Context {
    /// A context for so many events. As on Linux there is room for more: twice as many, and what fills the last page of the
    /// ring that libaio expects.
    #[must_use]
    pub fn new(events: u64) -> Self {
        const RING_HEADER: u64 = 32;
        const EVENT_BYTES: u64 = 32;
        const LEAST: u64 = 4;
        let wanted = events.max(LEAST) * 2 + 2;
        let len = (RING_HEADER + wanted * EVENT_BYTES).next_multiple_of(PAGE_SIZE);
        let room = ((len - RING_HEADER) / EVENT_BYTES - 1) as usize;
        Self { len, room, events: RefCell::default(), queue: WaitQueue::default() }
    }

    /// Whether one more request may be submitted.
    ///
    /// # Errors
    /// EAGAIN when nobody has taken the events of earlier ones.
    pub fn check_room(&self) -> Result<()> {
        if self.events.borrow().len() < self.room { Ok(()) } else { Err(Errno::EAGAIN) }
    }

    /// How many requests io_submit(2) looks at in one call.
    #[must_use]
    pub fn most(&self) -> u64 {
        self.room as u64 + 1
    }

    /// A request has ended.
    pub fn push(&self, event: Event) {
        self.events.borrow_mut().push_back(event);
        self.queue.wake();
    }

    /// The oldest event, which stays.
    #[must_use]
    pub fn first(&self) -> Option<Event> {
        self.events.borrow().front().copied()
    }

    /// Takes the oldest event away.
    pub fn pop(&self) {
        self.events.borrow_mut().pop_front();
    }
}

/// The contexts of an address space, by the address of their mappings.
#[derive(Default)]
pub struct Contexts {
    by_address: BTreeMap<u64, (Rc<Context>, Reserved)>,
}

/// Events that were asked for, as they count for [`EVENTS_MAX`].
struct Reserved(u64);

crate::state::machine_state! {
    /// Events that all contexts were asked for.
    fn reserved -> Cell<u64> = Cell::new(0)
}

/// Events that all contexts of the machine were asked for (/proc/sys/fs/aio-nr).
#[must_use]
pub fn events_reserved() -> u64 {
    reserved(|sum| sum.get())
}

impl Reserved {
    fn new(events: u64) -> Result<Self> {
        reserved(|sum| {
            let total = sum.get().checked_add(events).filter(|total| *total <= EVENTS_MAX);
            sum.set(total.ok_or(Errno::EAGAIN)?);
            Ok(Self(events))
        })
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        reserved(|sum| sum.set(sum.get() - self.0));
    }
}

impl Contexts {
    /// Adds a context whose mapping is at `address`.
    pub fn insert(&mut self, address: u64, new: NewContext) {
        self.by_address.insert(address, (Rc::new(new.context), new.reserved));
    }

    /// The context with a name.
    ///
    /// # Errors
    /// EINVAL.
    pub fn get(&self, address: u64) -> Result<Rc<Context>> {
        self.by_address.get(&address).map(|(context, _)| Rc::clone(context)).ok_or(Errno::EINVAL)
    }

    /// Takes a context away.
    ///
    /// # Errors
    /// EINVAL.
    pub fn remove(&mut self, address: u64) -> Result<Rc<Context>> {
        let (context, _) = self.by_address.remove(&address).ok_or(Errno::EINVAL)?;
        context.queue.wake();
        Ok(context)
    }
}

/// A context that has no address yet.
pub struct NewContext {
    context: Context,
    reserved: Reserved,
}

impl NewContext {
    /// A context for so many events.
    ///
    /// # Errors
    /// EAGAIN beyond [`EVENTS_MAX`].
    pub fn new(events: u64) -> Result<Self> {
        Ok(Self { reserved: Reserved::new(events)?, context: Context::new(events) })
    }

    /// Bytes of the mapping that names it.
    #[must_use]
    pub fn mapping_bytes(&self) -> u64 {
        self.context.len
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_counted_until_their_context_goes() {
        let mut contexts = Contexts::default();
        contexts.insert(0x1000, NewContext::new(EVENTS_MAX).unwrap());
        assert_eq!(NewContext::new(1).err(), Some(Errno::EAGAIN));
        contexts.remove(0x1000).unwrap();
        drop(NewContext::new(1).unwrap());
        assert_eq!(events_reserved(), 0);
    }

    #[test]
    fn a_context_takes_no_more_than_its_ring_holds() {
        let context = Context::new(1);
        assert_eq!(context.len, 4096);
        let event = Event { data: 1, request: 2, result: 3, second_result: 0 };
        while context.check_room().is_ok() {
            context.push(event);
        }
        assert_eq!(context.events.borrow().len(), 126);
        context.pop();
        assert!(context.check_room().is_ok());
    }
}
