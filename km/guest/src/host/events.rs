//! Events that came with a doorbell and wait to be dispatched, with their bytes.
//!
//! Code that rings a doorbell stores the events here at once: the next doorbell overwrites the input buffer, and code
//! that reads the rootfs cannot reach the streams.

use crate::state::machine_state;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use km_abi::hypercall::{Event, EventKind};
use km_abi::layout::{INPUT_GPA, INPUT_SIZE};
use km_hal::hyper::Events;
use km_hal::phys;

machine_state! {
    fn queue -> VecDeque<(Event, Vec<u8>)> = VecDeque::new()
}

/// Keeps events for later.
pub fn keep(events: &Events) {
    let mut position = 0;
    for event in events.as_slice() {
        let has_bytes = matches!(
            EventKind::try_from(event.kind),
            Ok(EventKind::Open | EventKind::Readable | EventKind::Connected | EventKind::Arrived)
        );
        let bytes = if has_bytes { input(&mut position, event.value) } else { Vec::new() };
        queue(|queue| queue.push_back((*event, bytes)));
    }
}

/// Whether no event waits to be dispatched.
pub(super) fn is_empty() -> bool {
    queue(|queue| queue.is_empty())
}

/// Takes the oldest event, and the bytes that came with it.
pub(super) fn next() -> Option<(Event, Vec<u8>)> {
    queue(VecDeque::pop_front)
}

/// The next `len` bytes of the input buffer.
fn input(position: &mut u64, len: u64) -> Vec<u8> {
    let len = len.min(INPUT_SIZE - *position);
    let mut bytes = alloc::vec![0; len as usize];
    phys::read(INPUT_GPA + *position, &mut bytes);
    *position += len;
    bytes
}
