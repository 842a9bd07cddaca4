//! Who is told when a queue is woken: threads by its name, and watchers (epoll instances) by a note.
//!
//! A watcher is a queue itself. When a queue is woken, each of its watchers gets a note with the token that it gave, and
//! is woken as well, and so on through nested instances (the caller of [`add`] keeps them free of loops).

use super::WaitKey;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use spin::Mutex;

/// The watcher that sends signals; no queue has this name.
pub const SIGNALS: WaitKey = 0;
/// The change is not known more closely.
pub const ANYTHING: u32 = u32::MAX;

/// What a watcher is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Note {
    /// As given to [`add`].
    pub token: u64,
    /// What changed, in poll(2)'s bits; of several wakes together.
    pub changed: u32,
}

struct QueueWatches {
    woken: Vec<WaitKey>,
    watchers: BTreeMap<WaitKey, Vec<(WaitKey, u64)>>,
    notes: BTreeMap<WaitKey, Vec<Note>>,
}

static WATCHES: Mutex<QueueWatches> =
    Mutex::new(QueueWatches { woken: Vec::new(), watchers: BTreeMap::new(), notes: BTreeMap::new() });

impl QueueWatches {
    fn wake(&mut self, key: WaitKey, changed: u32) {
        if !self.woken.contains(&key) {
            self.woken.push(key);
        }
        let count = self.watchers.get(&key).map_or(0, Vec::len);
        for index in 0..count {
            let (by, token) = self.watchers[&key][index];
            self.note(by, Note { token, changed });
            self.wake(by, ANYTHING);
        }
    }

    fn note(&mut self, by: WaitKey, note: Note) {
        let notes = self.notes.entry(by).or_default();
        match notes.iter_mut().find(|known| known.token == note.token) {
            Some(known) => known.changed |= note.changed,
            None => notes.push(note),
        }
    }
}

/// Wakes a queue by name.
pub fn wake(key: WaitKey, changed: u32) {
    WATCHES.lock().wake(key, changed);
}

/// The names woken since the last call.
#[must_use]
pub fn take_woken() -> Vec<WaitKey> {
    core::mem::take(&mut WATCHES.lock().woken)
}

/// Whether a name was woken since then.
#[must_use]
pub fn has_woken() -> bool {
    !WATCHES.lock().woken.is_empty()
}

/// From now on, a wake of `key` leaves a note with `token` for `by`, and wakes `by`.
pub fn add(key: WaitKey, by: WaitKey, token: u64) {
    WATCHES.lock().watchers.entry(key).or_default().push((by, token));
}

/// Undoes [`add`], and drops the note if there is one.
pub fn remove(key: WaitKey, by: WaitKey, token: u64) {
    let mut watches = WATCHES.lock();
    if let Some(watchers) = watches.watchers.get_mut(&key) {
        watchers.retain(|watcher| *watcher != (by, token));
        if watchers.is_empty() {
            watches.watchers.remove(&key);
        }
    }
    if let Some(notes) = watches.notes.get_mut(&by) {
        notes.retain(|note| note.token != token);
        if notes.is_empty() {
            watches.notes.remove(&by);
        }
    }
}

/// The notes for `by` since the last call, in the order of their first wake.
#[must_use]
pub fn take_notes(by: WaitKey) -> Vec<Note> {
    WATCHES.lock().notes.remove(&by).unwrap_or_default()
}

/// Whether there are notes for `by`.
#[must_use]
pub fn has_notes(by: WaitKey) -> bool {
    WATCHES.lock().notes.contains_key(&by)
}

/// The names that a wake of `key` wakes: itself, its watchers, and theirs.
#[must_use]
pub fn reached(key: WaitKey) -> Vec<WaitKey> {
    let watches = WATCHES.lock();
    let mut keys = alloc::vec![key];
    let mut next = 0;
    while let Some(key) = keys.get(next).copied() {
        for (by, _) in watches.watchers.get(&key).into_iter().flatten() {
            if !keys.contains(by) {
                keys.push(*by);
            }
        }
        next += 1;
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wait::WaitQueue;

    #[test]
    fn a_wake_passes_through_nested_watchers() {
        let (file, inner, outer) = (WaitQueue::default(), WaitQueue::default(), WaitQueue::default());
        add(file.key(), inner.key(), 7);
        add(inner.key(), outer.key(), 9);
        file.wake_for(1);
        file.wake_for(4);
        assert_eq!(take_notes(inner.key()), [Note { token: 7, changed: 5 }]);
        assert_eq!(take_notes(outer.key()), [Note { token: 9, changed: ANYTHING }]);
        assert_eq!(reached(file.key()), [file.key(), inner.key(), outer.key()]);
        remove(file.key(), inner.key(), 7);
        file.wake();
        assert!(!has_notes(inner.key()));
        remove(inner.key(), outer.key(), 9);
    }
}
