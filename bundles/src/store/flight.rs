//! One assembly per bundle and queue: whoever wants the same one waits and finds it in the store. Queues do not wait for each
//! other, since one of them may be slow.
//!
//! This is about work, not about safety: two processes may assemble the same bundle, and one of the two is dropped.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Store;
use crate::digest::Digest;

/// The bundles that are on their way in this process.
pub(super) type Flights = Arc<Mutex<HashMap<(Digest, String), Arc<Mutex<()>>>>>;

/// A bundle that someone is about to assemble.
#[derive(Debug)]
pub struct Flight {
    /// Digest of the manifest whose bundle it is.
    pub digest: Digest,
    turn: Arc<Mutex<()>>,
}

impl Flight {
    /// Waits until nobody else of its queue assembles it.
    pub fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store {
    /// What everybody of a queue who wants this bundle waits for; clones of a store share it.
    #[must_use]
    pub fn flight(&self, digest: Digest, queue: String) -> Flight {
        let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
        flights.retain(|_, turn| Arc::strong_count(turn) > 1);
        Flight { digest, turn: Arc::clone(flights.entry((digest, queue)).or_default()) }
    }
}
