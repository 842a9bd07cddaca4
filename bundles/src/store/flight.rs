//! One assembly per bundle: whoever wants the same one waits and finds it in the store.
//!
//! This is about work, not about safety: two processes may assemble the same bundle, and one of the two is dropped.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Store;
use crate::digest::Digest;

/// The bundles that are on their way in this process.
pub(super) type Flights = Arc<Mutex<HashMap<Digest, Arc<Mutex<()>>>>>;

/// A bundle that someone is about to assemble.
#[derive(Debug)]
pub struct Flight {
    /// Digest of the manifest whose bundle it is.
    pub digest: Digest,
    turn: Arc<Mutex<()>>,
}

impl Flight {
    /// Waits until nobody else assembles it.
    pub fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store {
    /// What everybody who wants this bundle waits for; clones of a store share it.
    #[must_use]
    pub fn flight(&self, digest: Digest) -> Flight {
        let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
        flights.retain(|_, turn| Arc::strong_count(turn) > 1);
        Flight { digest, turn: Arc::clone(flights.entry(digest).or_default()) }
    }
}
