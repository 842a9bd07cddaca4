//! Clocks and timers.
//!
//! Clocks are computed from the page that the monitor writes and the time-stamp counter, as the vDSO does it. Timers
//! wake keys of wait queues; [`crate::kernel`] calls [`expire`] after every trap and takes [`next_deadline`] with it
//! when it goes idle.

mod clock;
mod timers;

pub use clock::{
    Clock, Deadline, NANOS_PER_SECOND, Timespec, Timeval, boottime_ns, monotonic_ns, realtime_ns,
};
pub use timers::{arm, disarm, expire, next_deadline};
