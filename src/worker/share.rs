//! A worker's share of the processors.
//!
//! Each worker is a session, and so a group of its own to Linux's scheduler (sched(7), autogroup): groups share the
//! processors evenly, however many threads they have. A function with more workers than others would have as many shares;
//! so each of its workers gets a part of one. The group's nice value does that. Anybody may change it in either direction
//! as long as it is not negative, at most ten times a second.
//!
//! Where the kernel has no such groups, or puts the process into a control group of its own (as containers are), nothing
//! of this has an effect; there a call that computes for long still gives way (`km/vmm/src/worker/stride.rs`).

use std::fs::File;
use std::io::Write;
use std::sync::atomic::{AtomicU8, Ordering};

/// What a step of nice is worth: each makes the weight so much smaller.
const STEP: f64 = 1.25;
/// The largest nice value.
const NICE_MAX: u8 = 19;
/// A bake has this part of a function's share: nobody waits for it but its owner.
const BAKES_PART: usize = 4;

/// The share of one worker.
#[derive(Debug)]
pub struct Share {
    /// Opened at once: a worker that is jailed is no process of ours any more to `/proc`.
    group: Option<File>,
    nice: AtomicU8,
}

impl Share {
    /// Of a process that has just been started.
    #[must_use]
    pub fn of(pid: u32) -> Self {
        let group = File::options().write(true).open(format!("/proc/{pid}/autogroup")).ok();
        Self { group, nice: AtomicU8::new(0) }
    }

    /// One of so many workers that have one share together. Refused where it comes too soon after the last change, and
    /// then the next try does it.
    pub fn divide(&self, workers: usize) {
        let nice = nice_for(workers);
        if self.nice.load(Ordering::Relaxed) == nice {
            return;
        }
        let written = self.group.as_ref().map(|mut file| file.write_all(nice.to_string().as_bytes()));
        if matches!(written, Some(Ok(()))) {
            self.nice.store(nice, Ordering::Relaxed);
        }
    }

    /// The smaller share of a worker that bakes.
    pub fn bake(&self) {
        self.divide(BAKES_PART);
    }
}

/// The nice value of each of so many groups that together weigh as much as one of nice 0.
fn nice_for(workers: usize) -> u8 {
    let steps = (workers.max(1) as f64).ln() / STEP.ln();
    (0..NICE_MAX).find(|nice| f64::from(*nice) >= steps.round()).unwrap_or(NICE_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_workers_of_a_function_weigh_as_much_as_one() {
        assert_eq!([0, 1, 2, 4, 8, 16, 32].map(nice_for), [0, 0, 3, 6, 9, 12, 16]);
        assert_eq!(nice_for(usize::MAX), NICE_MAX);
        for workers in 1..64 {
            let together = workers as f64 * STEP.powi(-i32::from(nice_for(workers)));
            assert!((0.85..1.2).contains(&together), "{workers}: {together}");
        }
    }
}
