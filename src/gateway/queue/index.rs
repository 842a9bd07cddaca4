//! What is queued, in memory: what is due, of whom, how much each function has. Pure bookkeeping: no disk, no network.

use std::collections::btree_map::Entry as Slot;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use api::FunctionName;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::record::{Id, Record, Stage};

/// Callbacks of one function that are sent at once.
const CALLBACKS_OF_ONE: usize = 16;

/// What a call waits for. Receivers that are slow hold up no calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// For the function.
    Call,
    /// For the receiver of its answer.
    Callback,
}

/// Where a call is.
#[derive(Debug)]
enum State {
    Waiting(Lane),
    Running(Lane, CancellationToken),
    Dead,
}

#[derive(Debug)]
struct Entry {
    function: FunctionName,
    state: State,
    accepted: u64,
    due: u64,
    size: u64,
}

/// The calls of one function.
#[derive(Debug, Default)]
struct Line {
    lanes: [Queue; 2],
    dead: BTreeSet<(u64, Id)>,
    /// Bytes of all of its calls.
    bytes: u64,
    dead_bytes: u64,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: BTreeSet<(u64, Id)>,
    running: usize,
}

#[derive(Debug, Default)]
struct Inner {
    entries: HashMap<Id, Entry>,
    lines: BTreeMap<FunctionName, Line>,
    running: [usize; 2],
    /// The function that was served last.
    last: Option<FunctionName>,
}

/// A call that begins.
#[derive(Debug)]
pub struct Begun {
    /// Which.
    pub id: Id,
    /// Ends it when it is cancelled.
    pub cancelled: CancellationToken,
}

/// What a function has in the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Depth {
    /// The function.
    pub function: FunctionName,
    /// Calls that wait, for the function or for the receiver of the answer.
    pub waiting: usize,
    /// Calls that are under way.
    pub running: usize,
    /// Dead letters.
    pub dead: usize,
    /// Bytes of all of them.
    pub bytes: u64,
    /// When the oldest that is no dead letter was accepted, in milliseconds since 1970.
    pub oldest: Option<u64>,
}

/// A call in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Which.
    pub id: Id,
    /// Whose.
    pub function: FunctionName,
    /// `waiting`, `running` or `dead`.
    pub state: &'static str,
    /// When it was accepted.
    pub accepted: u64,
}

/// The queue in memory.
#[derive(Debug, Default)]
pub struct Index {
    inner: Mutex<Inner>,
    /// Told when something may be due that was not.
    pub changed: Notify,
}

impl Index {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Charges a call to its function before it is written; `false` where that has `quota` already.
    pub fn reserve(&self, function: &FunctionName, size: u64, quota: u64) -> bool {
        let mut inner = self.lock();
        match inner.lines.entry(function.clone()) {
            Slot::Vacant(slot) if size <= quota => slot.insert(Line::default()).bytes += size,
            Slot::Occupied(slot) if slot.get().bytes.saturating_add(size) <= quota => {
                slot.into_mut().bytes += size;
            }
            _ => return false,
        }
        true
    }

    /// Takes back what was reserved for a call that is not written.
    pub fn release(&self, function: &FunctionName, size: u64) {
        self.lock().uncharge(function, size);
    }

    /// A call is in the file; `reserved`: it is charged already.
    pub fn insert(&self, id: Id, record: &Record, reserved: bool) {
        let mut inner = self.lock();
        let Record { function, accepted, due, size, .. } = record;
        let line = inner.lines.entry(function.clone()).or_default();
        if !reserved {
            line.bytes += size;
        }
        let state = match lane(record) {
            Some(lane) => {
                line.lanes[lane as usize].waiting.insert((*due, id));
                State::Waiting(lane)
            }
            None => {
                line.dead.insert((*accepted, id));
                line.dead_bytes += size;
                State::Dead
            }
        };
        let entry = Entry { function: function.clone(), state, accepted: *accepted, due: *due, size: *size };
        inner.entries.insert(id, entry);
        drop(inner);
        self.changed.notify_one();
    }

    /// Begins what is due, the functions in turns; and says when the next is. `at_once`: calls of a function at once; `most`: of all.
    pub fn take(
        &self,
        now: u64,
        at_once: impl Fn(&FunctionName) -> usize,
        most: usize,
    ) -> (Vec<Begun>, Option<u64>) {
        let mut inner = self.lock();
        let (mut begun, mut next) = (Vec::new(), None);
        for lane in [Lane::Call, Lane::Callback] {
            let room = |function: &FunctionName| match lane {
                Lane::Call => at_once(function),
                Lane::Callback => CALLBACKS_OF_ONE,
            };
            while inner.running[lane as usize] < most {
                let Some((function, id)) = inner.first_due(lane, now, room) else { break };
                begun.push(inner.begin(lane, function, id));
            }
            let due = |(function, line): (&FunctionName, &Line)| {
                let queue = &line.lanes[lane as usize];
                let first = queue.waiting.first().filter(|_| queue.running < room(function));
                first.map(|(due, _)| *due)
            };
            let later = inner.lines.iter().filter_map(due).min();
            if inner.running[lane as usize] < most {
                next = [next, later].into_iter().flatten().min();
            }
        }
        (begun, next)
    }

    /// An attempt is over, and what the record says is next.
    pub fn settle(&self, id: Id, record: &Record) {
        let mut inner = self.lock();
        if inner.take_out(id).is_some() {
            drop(inner);
            self.insert(id, record, false);
        }
    }

    /// An attempt is over without another record: it is made again then.
    pub fn delay(&self, id: Id, due: u64) {
        let mut guard = self.lock();
        let inner = &mut *guard;
        let Some(entry) = inner.entries.get_mut(&id) else { return };
        let State::Running(lane, _) = entry.state else { return };
        (entry.state, entry.due) = (State::Waiting(lane), due);
        inner.running[lane as usize] -= 1;
        if let Some(line) = inner.lines.get_mut(&entry.function) {
            let queue = &mut line.lanes[lane as usize];
            queue.running -= 1;
            queue.waiting.insert((due, id));
        }
        drop(guard);
        self.changed.notify_one();
    }

    /// A call is gone.
    pub fn remove(&self, id: Id) {
        self.lock().take_out(id);
        self.changed.notify_one();
    }

    /// Takes a call out that somebody does not want any more: `true` if it was there. What is under way of it ends.
    pub fn cancel(&self, id: Id) -> bool {
        let taken = self.lock().take_out(id);
        if let Some(State::Running(_, cancelled)) = &taken.as_ref().map(|entry| &entry.state) {
            cancelled.cancel();
        }
        self.changed.notify_one();
        taken.is_some()
    }

    /// Whether it is a dead letter, if it is there.
    pub fn is_dead(&self, id: Id) -> Option<bool> {
        self.lock().entries.get(&id).map(|entry| matches!(entry.state, State::Dead))
    }

    /// The oldest dead letters of a function that go beyond so many bytes.
    pub fn surplus(&self, function: &FunctionName, most: u64) -> Vec<Id> {
        let inner = self.lock();
        let Some(line) = inner.lines.get(function) else { return Vec::new() };
        let (mut over, mut surplus) = (line.dead_bytes.saturating_sub(most), Vec::new());
        for (_, id) in &line.dead {
            if over == 0 {
                break;
            }
            over = over.saturating_sub(inner.entries.get(id).map_or(0, |entry| entry.size));
            surplus.push(*id);
        }
        surplus
    }

    /// Bytes of all calls.
    pub fn bytes(&self) -> u64 {
        self.lock().lines.values().map(|line| line.bytes).sum()
    }

    /// What each function has.
    pub fn depths(&self) -> Vec<Depth> {
        let inner = self.lock();
        let mut oldest: HashMap<&FunctionName, u64> = HashMap::new();
        for entry in inner.entries.values().filter(|entry| !matches!(entry.state, State::Dead)) {
            let first = oldest.entry(&entry.function).or_insert(entry.accepted);
            *first = entry.accepted.min(*first);
        }
        let depth = |(function, line): (&FunctionName, &Line)| Depth {
            function: function.clone(),
            waiting: line.lanes.iter().map(|queue| queue.waiting.len()).sum(),
            running: line.lanes.iter().map(|queue| queue.running).sum(),
            dead: line.dead.len(),
            bytes: line.bytes,
            oldest: oldest.get(function).copied(),
        };
        inner.lines.iter().map(depth).collect()
    }

    /// Calls that are wanted, the oldest first.
    pub fn list(&self, wants: impl Fn(&Listed) -> bool, most: usize) -> Vec<Listed> {
        let inner = self.lock();
        let listed = |(id, entry): (&Id, &Entry)| Listed {
            id: *id,
            function: entry.function.clone(),
            state: match entry.state {
                State::Waiting(_) => "waiting",
                State::Running(..) => "running",
                State::Dead => "dead",
            },
            accepted: entry.accepted,
        };
        let mut all: Vec<Listed> = inner.entries.iter().map(listed).filter(wants).collect();
        all.sort_by_key(|one| (one.accepted, one.id));
        all.truncate(most);
        all
    }
}

impl Inner {
    /// The next call that may begin, of the first function after the last one that has any.
    fn first_due(
        &self,
        lane: Lane,
        now: u64,
        room: impl Fn(&FunctionName) -> usize,
    ) -> Option<(FunctionName, Id)> {
        use std::ops::Bound::{Excluded, Included, Unbounded};
        let due = |(function, line): (&FunctionName, &Line)| {
            let queue = &line.lanes[lane as usize];
            let (due, id) = queue.waiting.first()?;
            (*due <= now && queue.running < room(function)).then(|| (function.clone(), *id))
        };
        match &self.last {
            None => self.lines.iter().find_map(due),
            Some(last) => {
                let after = self.lines.range((Excluded(last), Unbounded));
                after.chain(self.lines.range((Unbounded, Included(last)))).find_map(due)
            }
        }
    }

    fn begin(&mut self, lane: Lane, function: FunctionName, id: Id) -> Begun {
        let cancelled = CancellationToken::new();
        if let (Some(entry), Some(line)) = (self.entries.get_mut(&id), self.lines.get_mut(&function)) {
            let queue = &mut line.lanes[lane as usize];
            queue.waiting.remove(&(entry.due, id));
            queue.running += 1;
            self.running[lane as usize] += 1;
            entry.state = State::Running(lane, cancelled.clone());
        }
        self.last = Some(function);
        Begun { id, cancelled }
    }

    /// Takes a call out of all books.
    fn take_out(&mut self, id: Id) -> Option<Entry> {
        let entry = self.entries.remove(&id)?;
        if let Some(line) = self.lines.get_mut(&entry.function) {
            match entry.state {
                State::Waiting(lane) => drop(line.lanes[lane as usize].waiting.remove(&(entry.due, id))),
                State::Running(lane, _) => {
                    line.lanes[lane as usize].running -= 1;
                    self.running[lane as usize] -= 1;
                }
                State::Dead => {
                    line.dead.remove(&(entry.accepted, id));
                    line.dead_bytes = line.dead_bytes.saturating_sub(entry.size);
                }
            }
        }
        self.uncharge(&entry.function, entry.size);
        Some(entry)
    }

    fn uncharge(&mut self, function: &FunctionName, size: u64) {
        let Some(line) = self.lines.get_mut(function) else { return };
        line.bytes = line.bytes.saturating_sub(size);
        if line.bytes == 0 {
            self.lines.remove(function);
        }
    }
}

/// What a call waits for; nothing if it is a dead letter.
fn lane(record: &Record) -> Option<Lane> {
    match record.stage {
        Stage::Call => Some(Lane::Call),
        Stage::Callback(_) => Some(Lane::Callback),
        Stage::Dead(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::{Death, Fields};
    use super::*;

    fn record(function: &str, due: u64, size: u64) -> Record {
        Record {
            function: function.parse().unwrap(),
            named: String::new(),
            label: String::new(),
            rest: String::new(),
            headers: Fields::default(),
            callback: None,
            accepted: due,
            due,
            tries: 0,
            runs: 0,
            size,
            stage: Stage::Call,
        }
    }

    fn dead(record: &Record) -> Record {
        Record { stage: Stage::Dead(Death { reason: String::new(), untold: None }), ..record.clone() }
    }

    #[test]
    fn functions_take_turns_within_their_limits() {
        let index = Index::default();
        for id in 0..10 {
            index.insert(Id(id), &record("n/a", 1, 1), false);
        }
        index.insert(Id(100), &record("n/b", 1, 1), false);
        index.insert(Id(101), &record("n/c", 50, 1), false);
        let ids = |begun: &[Begun]| begun.iter().map(|one| one.id.0).collect::<Vec<_>>();
        let (begun, next) = index.take(10, |_| 3, 100);
        assert_eq!((ids(&begun), next), (vec![0, 100, 1, 2], Some(50)));
        assert_eq!(index.take(10, |_| 3, 100).0.len(), 0, "the function has its limit");
        assert_eq!(index.take(10, |_| 9, 5).0.len(), 1, "all have theirs");
        index.remove(Id(0));
        index.settle(Id(1), &record("n/a", 90, 1));
        let (begun, _) = index.take(60, |_| 3, 100);
        assert_eq!(ids(&begun), [101, 4]);
        assert_eq!(index.take(60, |_| 0, 100).1, None, "what has no room is not waited for");
    }

    #[test]
    fn bytes_are_charged_and_come_back() {
        let index = Index::default();
        let (function, one) = ("n/a".parse().unwrap(), record("n/a", 1, 40));
        assert!(index.reserve(&function, 40, 100) && index.reserve(&function, 40, 100));
        assert!(!index.reserve(&function, 40, 100));
        index.release(&function, 40);
        index.insert(Id(1), &one, true);
        assert_eq!(index.bytes(), 40);
        let begun = index.take(1, |_| 1, 1).0;
        index.settle(Id(1), &dead(&one));
        assert_eq!((index.bytes(), index.is_dead(Id(1))), (40, Some(true)));
        assert!(!begun[0].cancelled.is_cancelled());
        index.insert(Id(2), &dead(&record("n/a", 2, 40)), false);
        assert_eq!(index.surplus(&function, 80), []);
        assert_eq!(index.surplus(&function, 50), [Id(1)]);
        let depth = &index.depths()[0];
        assert_eq!((depth.dead, depth.waiting, depth.oldest), (2, 0, None));
        assert!(index.cancel(Id(1)) && index.cancel(Id(2)) && !index.cancel(Id(2)));
        assert_eq!((index.bytes(), index.depths()), (0, Vec::new()));
    }

    #[test]
    fn what_is_cancelled_ends() {
        let index = Index::default();
        index.insert(Id(1), &record("n/a", 1, 1), false);
        let begun = index.take(1, |_| 1, 1).0;
        assert!(index.cancel(Id(1)) && begun[0].cancelled.is_cancelled());
        index.settle(Id(1), &record("n/a", 1, 1));
        assert_eq!(index.is_dead(Id(1)), None, "it does not come back");
        index.insert(Id(2), &record("n/a", 1, 1), false);
        assert_eq!(index.take(1, |_| 1, 1).0.len(), 1, "its place is free");
        index.delay(Id(2), 5);
        assert_eq!(index.take(4, |_| 1, 1).1, Some(5));
        assert_eq!(index.take(5, |_| 1, 1).0.len(), 1);
    }
}
