//! Which threads give way to which: a thread that answers a call runs before one that makes or destroys machines, and a
//! call that has just begun before one that has computed for long.
//!
//! Linux's fair scheduler lets a thread that wakes up take the processor from one with a longer slice (Linux 6.12 and
//! later; older kernels ignore the slice of a fair thread). That is any thread's own to choose, since it takes no more
//! than its share of time (sched_setattr(2)).
#![allow(unsafe_code, reason = "no crate has sched_setattr(2) and getpriority(2)")]

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use nix::errno::Errno;
use nix::time::{ClockId, clock_gettime};

/// The shortest slice that Linux grants.
const SHORT_SLICE_NS: u64 = 100_000;

/// How soon a thread wants the processor when it has work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Urgency {
    /// Somebody waits for it.
    Prompt,
    /// Nobody waits: it makes or destroys machines. Or the call has taken long already.
    Patient,
}

/// How urgent the calling thread is; stays in that thread, where each copy is the same.
#[derive(Clone, Debug)]
pub struct Pace {
    nice: i32,
    now: Rc<Cell<Option<Urgency>>>,
}

impl Pace {
    /// Of the calling thread, as it was started.
    #[must_use]
    pub fn new() -> Self {
        Self { nice: nice(), now: Rc::default() }
    }

    /// Makes the calling thread that urgent. If the kernel refuses, the thread stays as it was, and only time is lost.
    pub fn set(&self, urgency: Urgency) {
        if self.now.replace(Some(urgency)) != Some(urgency) {
            let _ = apply(urgency, self.nice);
        }
    }
}

/// Processor time of the calling thread; 0 where the kernel does not tell.
#[must_use]
pub fn thread_time() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map_or(Duration::ZERO, Duration::from)
}

impl Default for Pace {
    fn default() -> Self {
        Self::new()
    }
}

/// The nice value of the calling thread (getpriority(2)); 0, which nearly all have, where the kernel does not tell.
fn nice() -> i32 {
    // -1 is a value as well as the sign of an error.
    Errno::clear();
    // SAFETY: the system call takes two integers; 0 is the calling thread.
    let nice = unsafe { libc::getpriority(libc::PRIO_PROCESS as _, 0) };
    if nice == -1 && Errno::last_raw() != 0 { 0 } else { nice }
}

fn apply(urgency: Urgency, nice: i32) -> Result<(), std::io::Error> {
    let slice = match urgency {
        Urgency::Prompt => SHORT_SLICE_NS,
        // The kernel's usual one. Not a batch thread: it would get shells made too late on a node that is full of others.
        Urgency::Patient => 0,
    };
    let attributes = libc::sched_attr {
        size: size_of::<libc::sched_attr>() as u32,
        sched_policy: libc::SCHED_OTHER.unsigned_abs(),
        sched_flags: 0,
        sched_nice: nice,
        sched_priority: 0,
        sched_runtime: slice,
        sched_deadline: 0,
        sched_period: 0,
    };
    // SAFETY: sched_setattr(2) reads as many bytes as the structure says it has, which lives until the call returns; 0 is
    // the calling thread.
    let result = unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0) };
    if result == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_may_change_its_mind() {
        for urgency in [Urgency::Patient, Urgency::Prompt, Urgency::Patient] {
            apply(urgency, Pace::new().nice).unwrap();
        }
    }

    #[test]
    fn processor_time_is_what_the_thread_has_used() {
        let before = thread_time();
        while thread_time() <= before {
            std::hint::spin_loop();
        }
        let other = std::thread::spawn(thread_time).join().unwrap();
        assert!(other < thread_time() + before + Duration::from_secs(1));
    }
}
