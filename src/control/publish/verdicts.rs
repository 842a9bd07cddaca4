//! Images that can never be published, by their digests: the same bytes get the same verdict, so they are not fetched and
//! unpacked again to find that out.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use bundles::digest::Digest;
use bundles::reason::Reason;

/// Verdicts that are kept; beyond, the oldest one goes, and its image is tried once more.
const VERDICTS_MAX: usize = 4096;

/// Why an image is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The word for the status.
    pub reason: Reason,
    /// What went wrong, in one line.
    pub message: String,
}

/// The verdicts of this process.
#[derive(Debug, Default)]
pub struct Verdicts(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    by_digest: HashMap<Digest, Verdict>,
    order: VecDeque<Digest>,
}

impl Verdicts {
    /// The verdict on an image, if there is one.
    pub fn get(&self, digest: Digest) -> Option<Verdict> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).by_digest.get(&digest).cloned()
    }

    /// Keeps a verdict.
    pub fn insert(&self, digest: Digest, verdict: Verdict) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.by_digest.insert(digest, verdict).is_some() {
            return;
        }
        kept.order.push_back(digest);
        if kept.order.len() > VERDICTS_MAX
            && let Some(oldest) = kept.order.pop_front()
        {
            kept.by_digest.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(number: usize) -> Digest {
        format!("sha256:{number:064x}").parse().unwrap()
    }

    #[test]
    fn the_oldest_verdict_goes() {
        let verdicts = Verdicts::default();
        let verdict = Verdict { reason: Reason::ImageInvalid, message: "no".into() };
        for number in 0..=VERDICTS_MAX {
            verdicts.insert(digest(number), verdict.clone());
        }
        assert_eq!(verdicts.get(digest(0)), None);
        assert_eq!(verdicts.get(digest(1)), Some(verdict));
    }
}
