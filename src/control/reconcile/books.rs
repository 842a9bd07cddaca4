//! The books: one entry per Image, with what it is, how it stands, and what is due. No I/O here.
//!
//! ```text
//!             note                 done(ok)               reported
//!  (new) ──────────► Pulling ──────────────► Baking ──────────────────► Ready | BakeFailed
//!                       │ done(error)                                      │ done(error) at a resync
//!                       ▼                                                  ▼
//!                  PullFailed ── again after a pause that doubles ──►   Stale: serves what it has
//! ```

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use api::record::{BakeReport, Phase};
use api::status::{ImageStatus, ReplicaPhase};
use api::{FunctionName, ImageObject};
use bundles::reference::Reference;

use super::Parallel;
use super::entry::{Entry, Publication, blank, is_about};
use super::failure::{Failure, Retry, one_line};
use crate::source::{Note, Wanted, Write};

/// First and longest pause after a status could not be written.
const WRITE_PAUSE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// What publishing changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing.
    None,
    /// The record; the bundle was there.
    Recorded,
    /// The bundle came.
    Pulled,
}

/// All of them.
#[derive(Debug)]
pub struct Books {
    replica: String,
    resync: Duration,
    retry: (Duration, Duration),
    parallel: Parallel,
    entries: HashMap<FunctionName, Entry>,
    /// How often work was begun.
    starts: u64,
    listed: bool,
}

impl Books {
    /// Empty ones, for this replica.
    pub fn new(replica: String, resync: Duration, retry: (Duration, Duration), parallel: Parallel) -> Self {
        Self { replica, resync, retry, parallel, entries: HashMap::new(), starts: 0, listed: false }
    }

    /// Takes an Image as it is now; `published` tells what the volume has of it, asked for Images that are new here.
    pub fn note(
        &mut self,
        mut object: ImageObject,
        published: impl FnOnce(&ImageObject) -> Option<Publication>,
    ) {
        let now = Instant::now();
        let (name, version) = (object.name.clone(), object.version);
        let status = object.status.take();
        match self.entries.get_mut(&name) {
            Some(entry) => {
                // A source that keeps no status has none to tell.
                if let Some(status) = status.filter(|_| version >= entry.version) {
                    (entry.status, entry.version) = (status, version);
                }
                let other = entry.object.uid != object.uid;
                if other || !entry.object.asks_for_same_as(&object) || entry.removed {
                    entry.removed = false;
                    (entry.publication, entry.failure) = (None, None);
                    (entry.due, entry.pause) = (Some(now), self.retry.0);
                }
                entry.registry = registry_of(&object);
                entry.object = Arc::new(object);
            }
            None => {
                let entry = self.first_entry(object, status.unwrap_or_default(), published, now);
                self.entries.insert(name.clone(), entry);
            }
        }
        self.stand(&name);
    }

    fn first_entry(
        &self,
        object: ImageObject,
        status: ImageStatus,
        published: impl FnOnce(&ImageObject) -> Option<Publication>,
        now: Instant,
    ) -> Entry {
        let standing = status.replicas.iter().find(|replica| replica.name == self.replica).cloned();
        Entry {
            publication: published(&object),
            failure: None,
            report: None,
            fresh: false,
            standing: standing.unwrap_or_else(|| blank(&self.replica)),
            since: now,
            first: !self.listed,
            tried: false,
            due: Some(now),
            pause: self.retry.0,
            started: 0,
            busy: false,
            touched: false,
            removed: false,
            status,
            version: object.version,
            registry: registry_of(&object),
            object: Arc::new(object),
            clean: false,
            notes: Vec::new(),
            writing: false,
            write_due: now,
            write_pause: WRITE_PAUSE.0,
        }
    }

    /// What an Image refers to may be another one: work on it is due now.
    pub fn touch(&mut self, name: &FunctionName) {
        if let Some(entry) = self.entries.get_mut(name) {
            (entry.due, entry.pause) = (Some(Instant::now()), self.retry.0);
            entry.touched = entry.busy;
        }
    }

    /// The Images were listed; tells which known ones the list does not name.
    pub fn listed(&mut self, names: &HashSet<FunctionName>) -> Vec<FunctionName> {
        self.listed = true;
        let gone = |(name, entry): (&FunctionName, &Entry)| {
            (!names.contains(name) && !entry.removed).then(|| name.clone())
        };
        self.entries.iter().filter_map(gone).collect()
    }

    /// An Image is gone. Work that is under way for it comes back to [`Books::done`], which says what to do then.
    pub fn remove(&mut self, name: &FunctionName) {
        if let Some(entry) = self.entries.get_mut(name) {
            entry.removed = true;
            if !entry.busy {
                self.entries.remove(name);
            }
        }
    }

    /// Every Image that was in the first list was tried.
    pub fn first_tried(&self) -> bool {
        self.listed && self.entries.values().all(|entry| entry.tried || !entry.first)
    }

    /// How many there are, and how many of them are not tried yet.
    pub fn counts(&self) -> (usize, usize) {
        (self.entries.len(), self.entries.values().filter(|entry| !entry.tried).count())
    }

    /// How many Images stand in each phase.
    pub fn phases(&self) -> HashMap<ReplicaPhase, usize> {
        let mut counts = HashMap::new();
        for entry in self.entries.values() {
            *counts.entry(entry.standing.phase).or_default() += 1;
        }
        counts
    }

    /// The Image whose turn it is, if one is due and may be worked on; it counts as busy from now on.
    ///
    /// It is one of the namespace that has the fewest in work, and of these of the one whose last turn is longest ago.
    pub fn start(&mut self) -> Option<Arc<ImageObject>> {
        let now = Instant::now();
        let load = Load::of(self.entries.values());
        if load.all >= self.parallel.all {
            return None;
        }
        let due =
            |entry: &&mut Entry| entry.due.is_some_and(|due| due <= now) && !entry.busy && !entry.removed;
        let waiting =
            self.entries.values_mut().filter(due).filter(|entry| load.leaves(entry, &self.parallel));
        let entry = waiting.min_by_key(|entry| {
            let (in_work, last_turn) = load.of_namespace(entry);
            // What never was tried or changed a moment ago goes before what is only looked at again.
            (in_work, entry.publication.is_some(), last_turn, entry.due)
        })?;
        self.starts += 1;
        (entry.busy, entry.started) = (true, self.starts);
        Some(entry.object.clone())
    }

    /// Work came to its end. `false` when the Image is gone: what was published of it has to go as well.
    pub fn done(&mut self, object: &ImageObject, result: Result<(Publication, Change), Failure>) -> bool {
        let (first_pause, last_pause) = self.retry;
        let name = &object.name;
        let Some(entry) = self.entries.get_mut(name) else { return false };
        entry.busy = false;
        if entry.removed {
            self.entries.remove(name);
            return false;
        }
        if !entry.object.asks_for_same_as(object) {
            // It changed meanwhile and is due again.
            return true;
        }
        entry.tried = true;
        let touched = std::mem::take(&mut entry.touched);
        let now = Instant::now();
        match result {
            Ok((publication, change)) => {
                let image = entry.object.reference();
                if change != Change::None {
                    entry.fresh = true;
                    let how = if change == Change::Pulled { "was pulled" } else { "was there already" };
                    let text = one_line(&format!("{image} is {}, which {how}", publication.digest));
                    entry.notes.push(Note { warning: false, reason: "Pulled".into(), text, action: "Pull" });
                }
                entry.publication = Some(publication);
                entry.failure = None;
                (entry.due, entry.pause) = (Some(now + jittered(self.resync)), first_pause);
            }
            Err(failure) => {
                entry.due = match failure.retry() {
                    Retry::Never => None,
                    Retry::AtResync => Some(now + jittered(self.resync)),
                    Retry::Soon => Some(now + jittered(entry.pause)),
                };
                entry.pause = (entry.pause * 2).min(last_pause);
                if failure.transient {
                    return true;
                }
                if !failure.repeated && entry.failure.as_ref() != Some(&failure) {
                    let (reason, text) = (failure.reason.word().to_owned(), failure.message.clone());
                    entry.notes.push(Note { warning: true, reason, text, action: "Pull" });
                }
                entry.failure = Some(failure);
            }
        }
        if touched {
            entry.due = Some(now);
        }
        self.stand(name);
        true
    }

    /// The Images whose reports are looked at: all of them, or only those that wait for one.
    pub fn awaiting(&self, all: bool) -> Vec<FunctionName> {
        let waits =
            |entry: &Entry| entry.publication.is_some() && entry.standing.phase == ReplicaPhase::Baking;
        self.entries.iter().filter(|(_, entry)| all || waits(entry)).map(|(name, _)| name.clone()).collect()
    }

    /// The server's word on an Image.
    pub fn reported(&mut self, name: &FunctionName, report: BakeReport) {
        let Some(entry) = self.entries.get_mut(name) else { return };
        if entry.report.as_ref() == Some(&report) {
            return;
        }
        let about_this = entry.publication.as_ref().is_some_and(|publication| is_about(&report, publication));
        if about_this && entry.fresh {
            match report.phase {
                Phase::Baking => {}
                Phase::Ready if !report.is_unbaked() => {
                    entry.fresh = false;
                    let text = format!("{} is ready to be called", report.digest);
                    entry.notes.push(Note { warning: false, reason: "Baked".into(), text, action: "Bake" });
                }
                Phase::Ready | Phase::Failed => {
                    let (reason, text) = (report.reason.clone(), one_line(&report.message));
                    entry.notes.push(Note { warning: true, reason, text, action: "Bake" });
                }
            }
        }
        entry.report = Some(report);
        self.stand(name);
    }

    /// The statuses that have to be written now; each counts as being written.
    pub fn due_writes(&mut self, most: usize) -> Vec<Write> {
        let now = Instant::now();
        let mut writes = Vec::new();
        for entry in self.entries.values_mut() {
            if writes.len() >= most {
                break;
            }
            if entry.clean || entry.writing || entry.removed || entry.write_due > now || !entry.is_due(now) {
                continue;
            }
            entry.writing = true;
            writes.push(Write {
                object: entry.object.clone(),
                replica: entry.standing.clone(),
                status: entry.status.clone(),
                notes: std::mem::take(&mut entry.notes),
            });
        }
        writes
    }

    /// What came of a write: the object's status and version then, or the notes that are still to be told.
    pub fn written(&mut self, name: &FunctionName, uid: &str, result: Result<(ImageStatus, u64), Vec<Note>>) {
        let Some(entry) = self.entries.get_mut(name) else { return };
        (entry.writing, entry.clean) = (false, false);
        if entry.object.uid != uid {
            return;
        }
        match result {
            Ok((status, version)) => {
                if version >= entry.version {
                    (entry.status, entry.version) = (status, version);
                }
                (entry.write_due, entry.write_pause) = (Instant::now(), WRITE_PAUSE.0);
            }
            Err(notes) => {
                entry.notes.splice(0..0, notes);
                entry.write_due = Instant::now() + jittered(entry.write_pause);
                entry.write_pause = (entry.write_pause * 2).min(WRITE_PAUSE.1);
            }
        }
    }

    /// What is still wanted of secrets and replicas.
    pub fn wanted(&self) -> Wanted {
        let mut wanted = Wanted::default();
        for (name, entry) in &self.entries {
            let namespace = name.namespace();
            wanted.secrets.extend(entry.object.secrets().map(|name| (namespace.to_owned(), name.to_owned())));
            for replica in entry.status.replicas.iter().filter(|replica| replica.name != self.replica) {
                wanted.others.entry(replica.name.clone()).or_default().push(name.clone());
            }
        }
        wanted
    }

    /// Puts an Image's standing right after something changed.
    fn stand(&mut self, name: &FunctionName) {
        let Some(entry) = self.entries.get_mut(name) else { return };
        let standing = entry.judge(&self.replica);
        if standing.phase != entry.standing.phase
            || standing.observed_generation != entry.standing.observed_generation
        {
            entry.since = Instant::now();
        }
        (entry.standing, entry.clean) = (standing, false);
    }
}

/// What is in work.
#[derive(Default)]
struct Load {
    all: usize,
    /// With the number of the last turn.
    namespaces: HashMap<String, (usize, u64)>,
    registries: HashMap<String, usize>,
}

impl Load {
    fn of<'a>(entries: impl Iterator<Item = &'a Entry>) -> Self {
        let mut load = Self::default();
        for entry in entries {
            let namespace = load.namespaces.entry(entry.object.name.namespace().to_owned()).or_default();
            *namespace = (namespace.0 + usize::from(entry.busy), namespace.1.max(entry.started));
            if let Some(registry) = entry.registry.as_ref().filter(|_| entry.busy) {
                *load.registries.entry(registry.clone()).or_default() += 1;
            }
            load.all += usize::from(entry.busy);
        }
        load
    }

    fn of_namespace(&self, entry: &Entry) -> (usize, u64) {
        self.namespaces.get(entry.object.name.namespace()).copied().unwrap_or_default()
    }

    /// Whether namespace and registry of an Image have room for it.
    fn leaves(&self, entry: &Entry, parallel: &Parallel) -> bool {
        let registry = entry.registry.as_ref().and_then(|name| self.registries.get(name));
        self.of_namespace(entry).0 < parallel.per_namespace
            && registry.is_none_or(|&in_work| in_work < parallel.per_registry)
    }
}

/// The registry of an Image; local ones have none.
fn registry_of(object: &ImageObject) -> Option<String> {
    match object.reference().parse() {
        Ok(Reference::Registry(reference)) => Some(reference.host),
        _ => None,
    }
}

/// Up to a quarter off, so that what failed together is not tried again together.
fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(0.75 + fastrand::f64() / 4.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::FailureReason;
    use bundles::reason::Reason;
    use serde_json::{Value, json};

    fn books() -> Books {
        let second = Duration::from_secs(1);
        let parallel = Parallel { all: 4, per_namespace: 2, per_registry: 2 };
        Books::new("me".into(), 60 * second, (2 * second, 30 * second), parallel)
    }

    fn object(name: &str, image: &str) -> ImageObject {
        ImageObject {
            name: name.parse().unwrap(),
            uid: "1".into(),
            generation: 1,
            version: 1,
            spec: json!({"image": image, "secrets": [{"name": "db"}]}),
            problem: None,
            place: None,
            metadata: Value::Null,
            status: None,
        }
    }

    fn publication() -> Publication {
        Publication { digest: "sha256:a".into(), generation: 1 }
    }

    fn report(phase: Phase) -> BakeReport {
        let (reason, message) = (format!("{phase:?}"), "a word".to_owned());
        let digest = "sha256:a".to_owned();
        BakeReport { generation: 1, digest: digest.clone(), phase, reason, message, serving: Some(digest) }
    }

    fn phase(books: &Books, name: &str) -> ReplicaPhase {
        books.entries[&name.parse().unwrap()].standing.phase
    }

    #[test]
    fn an_image_goes_from_pulling_to_ready() {
        let mut books = books();
        books.note(object("a/b", "x"), |_| None);
        assert!(!books.first_tried(), "before the list nothing is known");
        assert!(books.listed(&HashSet::from(["a/b".parse().unwrap()])).is_empty());
        let work = books.start().unwrap();
        assert!(books.start().is_none() && !books.first_tried());
        assert_eq!(phase(&books, "a/b"), ReplicaPhase::Pulling);
        assert!(books.done(&work, Ok((publication(), Change::Pulled))));
        assert!(books.first_tried() && books.start().is_none());
        assert_eq!(phase(&books, "a/b"), ReplicaPhase::Baking);
        books.reported(&work.name, report(Phase::Ready));
        assert_eq!(phase(&books, "a/b"), ReplicaPhase::Ready);
        let writes = books.due_writes(8);
        let told: Vec<_> = writes[0].notes.iter().map(|note| note.reason.as_str()).collect();
        assert_eq!(told, ["Pulled", "Baked"]);
        assert!(books.due_writes(8).is_empty(), "one write at a time");
        books.written(&work.name, "1", Err(writes.into_iter().next().unwrap().notes));
        assert_eq!(books.entries[&work.name].notes.len(), 2, "what was not told is told again");
    }

    #[test]
    fn what_may_pass_is_tried_again_and_what_stays_is_not() {
        let mut books = books();
        books.note(object("a/b", "x"), |_| None);
        let work = books.start().unwrap();
        books.done(&work, Err(Failure::new(FailureReason::Disk, "full")));
        assert!(books.entries[&work.name].due.is_some());
        assert_eq!(phase(&books, "a/b"), ReplicaPhase::PullFailed);
        books.touch(&work.name);
        let work = books.start().unwrap();
        books.done(&work, Err(Failure::invalid("spec.port: no")));
        assert!(books.entries[&work.name].due.is_none() && books.start().is_none());
        books.touch(&work.name);
        let work = books.start().unwrap();
        books.done(&work, Err(Failure::new(FailureReason::Image(Reason::ImageInvalid), "a layer is no tar")));
        let due = books.entries[&work.name].due.unwrap();
        assert!(due > Instant::now() + Duration::from_secs(40), "not before the tag may have moved");
        // Another specification is another chance.
        books.note(object("a/b", "y"), |_| None);
        assert_eq!(books.start().unwrap().reference(), "y");
    }

    #[test]
    fn a_resync_that_fails_leaves_what_is_served() {
        let mut books = books();
        books.note(object("a/b", "x"), |_| Some(publication()));
        books.reported(&"a/b".parse().unwrap(), report(Phase::Ready));
        assert_eq!(phase(&books, "a/b"), ReplicaPhase::Ready);
        let work = books.start().unwrap();
        books.done(&work, Err(Failure::new(FailureReason::ApiServer, "gone")));
        assert_eq!(phase(&books, "a/b"), ReplicaPhase::Stale);
    }

    #[test]
    fn what_changes_or_goes_while_it_is_worked_on_is_not_recorded() {
        let mut books = books();
        books.note(object("a/b", "x"), |_| None);
        let work = books.start().unwrap();
        books.note(object("a/b", "y"), |_| None);
        assert!(books.done(&work, Ok((publication(), Change::Pulled))));
        assert_eq!(phase(&books, "a/b"), ReplicaPhase::Pulling);
        let work = books.start().unwrap();
        books.remove(&work.name);
        assert!(!books.done(&work, Ok((publication(), Change::Pulled))), "it has to be withdrawn");
        assert_eq!(books.counts(), (0, 0));
    }

    #[test]
    fn what_is_touched_while_it_is_worked_on_is_worked_on_again() {
        let mut books = books();
        books.note(object("a/b", "x"), |_| None);
        let work = books.start().unwrap();
        books.touch(&work.name);
        books.done(&work, Ok((publication(), Change::Recorded)));
        assert!(books.start().is_some());
    }

    #[test]
    fn namespaces_and_registries_take_turns() {
        let mut books = books();
        for (name, image) in [
            ("a/1", "slow.example/x"),
            ("a/2", "slow.example/x"),
            ("a/3", "good.example/x"),
            ("b/1", "slow.example/x"),
            ("b/2", "good.example/x"),
            ("c/1", "oci:x"),
        ] {
            books.note(object(name, image), |_| None);
        }
        let started = |books: &mut Books| books.start().map(|work| work.name.to_string());
        let four: Vec<_> = (0..4).map(|_| started(&mut books).unwrap()).collect();
        // Each namespace has one before one has two, and the slow registry has two at most.
        assert_eq!(four, ["a/1", "b/1", "c/1", "a/3"]);
        assert_eq!(books.start(), None, "four in all");
    }

    #[test]
    fn a_namespace_with_many_is_worked_on_by_turns() {
        let mut books = books();
        for number in 0..20 {
            books.note(object(&format!("many/{number}"), "oci:x"), |_| None);
        }
        let one = |books: &mut Books| {
            let work = books.start().unwrap();
            books.done(&work, Err(Failure::new(FailureReason::Disk, "full")));
            work.name.namespace().to_owned()
        };
        assert_eq!(one(&mut books), "many");
        books.note(object("few/1", "oci:x"), |_| None);
        books.note(object("few/2", "oci:x"), |_| None);
        let turns: Vec<String> = (0..4).map(|_| one(&mut books)).collect();
        assert_eq!(turns, ["few", "many", "few", "many"]);
    }

    #[test]
    fn a_list_names_what_is_gone_and_what_is_wanted() {
        let mut books = books();
        books.note(object("a/b", "x"), |_| None);
        books.note(object("a/c", "x"), |_| None);
        assert_eq!(books.listed(&HashSet::from(["a/b".parse().unwrap()])), ["a/c".parse().unwrap()]);
        assert_eq!(books.wanted().secrets, HashSet::from([("a".to_owned(), "db".to_owned())]));
    }
}
