//! One Image in the books: what is known of it, and the judgement where this replica stands with it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use api::ImageObject;
use api::record::{BakeReport, Phase};
use api::status::{ImageStatus, Replica, ReplicaPhase, SERVED};

use super::aggregate::{Aggregate, aggregate};
use super::failure::{Failure, one_line};
use crate::source::Note;

/// A phase that is left again within this time is not worth a write.
const PASSING: Duration = Duration::from_millis(400);
/// Characters of a digest that people read.
const SHORT_DIGEST: usize = 19;

/// What is published of an Image: names the record on the volume, and the reports that are about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publication {
    /// Digest of the image.
    pub digest: String,
    /// Generation of the record, which is not that of the object.
    pub generation: i64,
}

/// An Image.
#[derive(Debug)]
pub struct Entry {
    /// What the source has, without its status.
    pub object: Arc<ImageObject>,
    /// The registry that its image is in, if it is in one.
    pub registry: Option<String>,
    /// What is published of it.
    pub publication: Option<Publication>,
    /// Why the last attempt failed, if it did.
    pub failure: Option<Failure>,
    /// The server's last word.
    pub report: Option<BakeReport>,
    /// What was published came by this process, so that its bake is news.
    pub fresh: bool,
    /// Where this replica stands.
    pub standing: Replica,
    /// Since when it stands there.
    pub since: Instant,
    /// It was in the first list.
    pub first: bool,
    /// It was worked on once.
    pub tried: bool,
    /// When work is due; never before the Image changes where trying again cannot help.
    pub due: Option<Instant>,
    /// The pause after the next failure.
    pub pause: Duration,
    /// The number of its last turn.
    pub started: u64,
    /// Work is under way.
    pub busy: bool,
    /// What it refers to may have changed since that work began.
    pub touched: bool,
    /// It is gone, and only waits for its work to come back.
    pub removed: bool,
    /// The status as it is known.
    pub status: ImageStatus,
    /// Version of the object that the status is of.
    pub version: u64,
    /// The status says what it should, until something changes.
    pub clean: bool,
    /// What happened and is not told yet.
    pub notes: Vec<Note>,
    /// Its status is being written.
    pub writing: bool,
    /// When it may be written again.
    pub write_due: Instant,
    /// The pause after the next write that fails.
    pub write_pause: Duration,
}

impl Entry {
    /// Where this replica stands with the Image.
    pub fn judge(&self, replica: &str) -> Replica {
        let report = self.report.as_ref();
        let served = report.and_then(|report| report.serving.clone());
        let served = served.or_else(|| {
            // Before the server's first word it is what the status said last.
            report.is_none().then(|| self.standing.digest.clone()).flatten()
        });
        let (phase, reason, message) = self.word(report);
        let target = self.publication.as_ref().map(|publication| publication.digest.as_str());
        let message = match &served {
            Some(served)
                if phase != ReplicaPhase::Ready
                    && (target != Some(served) || phase == ReplicaPhase::Stale) =>
            {
                let short = served.get(..SHORT_DIGEST).unwrap_or(served);
                format!("{message}; {short} is served meanwhile")
            }
            _ => message,
        };
        Replica {
            name: replica.to_owned(),
            digest: served,
            phase,
            reason,
            message: one_line(&message),
            observed_generation: self.object.generation,
        }
    }

    fn word(&self, report: Option<&BakeReport>) -> (ReplicaPhase, String, String) {
        let image = self.object.reference();
        match (&self.publication, &self.failure) {
            (None, Some(failure)) => {
                (ReplicaPhase::PullFailed, failure.reason.word().to_owned(), failure.message.clone())
            }
            (None, None) => (ReplicaPhase::Pulling, "Pulling".into(), format!("{image} is being pulled")),
            (Some(publication), failure) => {
                let Some(report) = report.filter(|report| is_about(report, publication)) else {
                    return (ReplicaPhase::Baking, "Baking".into(), "the program is being made ready".into());
                };
                match (report.phase, failure) {
                    (Phase::Baking, _) => (ReplicaPhase::Baking, "Baking".into(), report.message.clone()),
                    (Phase::Failed, _) => {
                        (ReplicaPhase::BakeFailed, report.reason.clone(), report.message.clone())
                    }
                    (Phase::Ready, Some(failure)) => {
                        (ReplicaPhase::Stale, failure.reason.word().to_owned(), failure.message.clone())
                    }
                    (Phase::Ready, None) => ready(report),
                }
            }
        }
    }

    /// Whether the status says something else than it should.
    pub fn is_due(&mut self, now: Instant) -> bool {
        let passing = matches!(self.standing.phase, ReplicaPhase::Pulling | ReplicaPhase::Baking);
        if passing && now < self.since + PASSING {
            return false;
        }
        let own = self.status.replicas.contains(&self.standing);
        self.clean = own && self.notes.is_empty() && self.aggregate().is_in(&self.status);
        !self.clean
    }

    fn aggregate(&self) -> Aggregate {
        aggregate(&self.status.replicas, self.object.generation, &self.status.conditions, "")
    }
}

/// Where a replica stands whose server calls the newest version ready.
pub fn ready(report: &BakeReport) -> (ReplicaPhase, String, String) {
    match report.is_unbaked() {
        true => (ReplicaPhase::Ready, report.reason.clone(), report.message.clone()),
        // What the owner could do better is told as well.
        false => {
            let is_advice = report.message.strip_prefix(SERVED).is_some_and(|advice| !advice.is_empty());
            let message = if is_advice { report.message.clone() } else { String::new() };
            (ReplicaPhase::Ready, "Ready".into(), message)
        }
    }
}

/// Whether a report is about a publication.
pub fn is_about(report: &BakeReport, publication: &Publication) -> bool {
    report.generation == publication.generation && report.digest == publication.digest
}

/// The entry of a replica that knows nothing yet.
pub fn blank(replica: &str) -> Replica {
    Replica {
        name: replica.to_owned(),
        digest: None,
        phase: ReplicaPhase::Pulling,
        reason: String::new(),
        message: String::new(),
        observed_generation: -1,
    }
}
