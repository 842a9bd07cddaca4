//! What a build says of itself while it goes on.

use std::time::Duration;

/// What happens.
#[derive(Debug)]
pub enum Event<'a> {
    /// A step begins: its number, and what it is called.
    Begin {
        /// Number of the step, from 1.
        step: usize,
        /// `[stage 2/4] RUN make`.
        name: &'a str,
    },
    /// The program of a step wrote something.
    Output {
        /// Number of the step.
        step: usize,
        /// Time since the step began.
        after: Duration,
        /// What it wrote; lines may be in parts.
        bytes: &'a [u8],
    },
    /// A step is done.
    Done {
        /// Number of the step.
        step: usize,
        /// How long it took.
        took: Duration,
        /// It was not carried out: it had been before.
        cached: bool,
    },
    /// A connection was refused; with the fix.
    Denied {
        /// Number of the step.
        step: usize,
        /// What to tell.
        message: &'a str,
    },
}

/// Hears of it.
pub trait Progress: Send + Sync {
    /// Something happens.
    fn event(&self, event: &Event<'_>);
}
