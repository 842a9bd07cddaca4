//! Whether control has gone through its first list: traffic comes to a node only then.
//!
//! One process hands the same [`Readiness`] to both halves; of two processes, each answers its own `/readyz`.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// How a node that is ready begins the line about what its workers' jail lacks; `doctor` looks for it.
pub const JAIL_LACKS: &str = "the workers' jail lacks";

/// A latch: once every Image of the first list was tried, this is ready and stays so.
#[derive(Debug, Default)]
pub struct Readiness {
    tried: AtomicBool,
    listed: AtomicBool,
    images: AtomicUsize,
    untried: AtomicUsize,
    away: Mutex<Option<String>>,
}

impl Readiness {
    /// Every Image of the first list was tried once.
    pub fn set_tried(&self) {
        self.tried.store(true, Ordering::Relaxed);
    }

    /// The Images were listed.
    pub fn set_listed(&self) {
        self.listed.store(true, Ordering::Relaxed);
        self.set_away(None);
    }

    /// Why the source does not answer; `None` when it does again.
    pub fn set_away(&self, why: Option<String>) {
        *self.away.lock().unwrap_or_else(PoisonError::into_inner) = why;
    }

    /// How many Images there are, and how many of them were not tried yet.
    pub fn set_counts(&self, images: usize, untried: usize) {
        self.images.store(images, Ordering::Relaxed);
        self.untried.store(untried, Ordering::Relaxed);
    }

    /// Why traffic should not come yet, if so.
    pub fn unready(&self) -> Option<String> {
        if self.tried.load(Ordering::Relaxed) {
            return None;
        }
        if self.listed.load(Ordering::Relaxed) {
            let (untried, images) =
                (self.untried.load(Ordering::Relaxed), self.images.load(Ordering::Relaxed));
            return Some(format!("{untried} of {images} Images were not tried yet"));
        }
        let away = self.away.lock().unwrap_or_else(PoisonError::into_inner);
        Some(away.clone().map_or_else(
            || "the Images are not listed yet".to_owned(),
            |why| format!("the Images cannot be listed: {why}"),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_comes_after_the_first_list_and_stays() {
        let readiness = Readiness::default();
        readiness.set_away(Some("refused".into()));
        assert!(readiness.unready().unwrap().contains("refused"));
        readiness.set_listed();
        readiness.set_counts(3, 2);
        assert_eq!(readiness.unready().unwrap(), "2 of 3 Images were not tried yet");
        readiness.set_tried();
        readiness.set_away(Some("refused".into()));
        assert_eq!(readiness.unready(), None);
    }
}
