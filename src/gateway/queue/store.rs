//! The file of the queue: one writer, a thread of its own, which puts all that waits into one transaction and one `fsync`.
//!
//! Each change is on disk when its future ends, or it failed and nothing of it is. After a failure the file is closed and opened
//! again, since what the kernel has of it is not known then.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::Duration;

use bytes::Bytes;
use redb::backends::FileBackend;
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use tokio::sync::oneshot;

use super::record::{Id, Record};

const RECORDS: TableDefinition<'_, u128, &[u8]> = TableDefinition::new("records");
const BODIES: TableDefinition<'_, u128, &[u8]> = TableDefinition::new("bodies");
const ANSWERS: TableDefinition<'_, u128, &[u8]> = TableDefinition::new("answers");
/// Changes of one transaction at most.
const BATCH: usize = 256;
/// Memory for pages of the file.
const CACHE: usize = 16 << 20;
/// The file is made smaller when nothing was asked for so long,
const QUIET: Duration = Duration::from_secs(1);
/// and it is longer than twice what is in it and this.
const SLACK: u64 = 4 << 20;

/// Why the queue's file cannot be used.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// It cannot be read or written.
    #[error("the queue {path}: {why}")]
    File {
        /// The file.
        path: Arc<Path>,
        /// Why not.
        why: Arc<str>,
    },
    /// Its thread has ended.
    #[error("the queue is closed")]
    Closed,
}

/// A part of a call beside its record.
#[derive(Debug, Default)]
pub enum Part {
    /// It stays as it is.
    #[default]
    Keep,
    /// It becomes this.
    Put(Bytes),
    /// It goes.
    Remove,
}

/// A change of one call: all of it or nothing.
#[derive(Debug)]
pub struct Change {
    id: Id,
    is_new: bool,
    /// Nothing: the call goes with all of its parts.
    record: Option<Vec<u8>>,
    body: Part,
    answer: Part,
}

impl Change {
    /// A new call.
    pub fn add(id: Id, record: &Record, body: Bytes) -> Self {
        Self { is_new: true, body: Part::Put(body), ..Self::update(id, record) }
    }

    /// Another record for a call that is there.
    pub fn update(id: Id, record: &Record) -> Self {
        // Texts, numbers and lists of them always have a JSON form.
        let record = Some(serde_json::to_vec(record).unwrap_or_default());
        Self { id, is_new: false, record, body: Part::Keep, answer: Part::Keep }
    }

    /// The end of a call.
    pub fn remove(id: Id) -> Self {
        Self { id, is_new: false, record: None, body: Part::Remove, answer: Part::Remove }
    }

    /// The same with this for its bodies.
    pub fn with(self, body: Part, answer: Part) -> Self {
        Self { body, answer, ..self }
    }
}

/// A call with its bodies; one that it has not is empty.
#[derive(Debug)]
pub struct Stored {
    /// The record.
    pub record: Record,
    /// Body of the request.
    pub body: Bytes,
    /// Body of the answer.
    pub answer: Bytes,
}

type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

enum Order {
    Change(Change, Reply<bool>),
    Read(Id, Reply<Option<Stored>>),
}

/// The queue's file.
#[derive(Debug)]
pub struct Store {
    orders: Sender<Order>,
    /// Bytes of the calls that are in it, as they are charged.
    live: Arc<AtomicU64>,
}

impl Store {
    /// Opens the file or makes it; gives every call that is in it.
    ///
    /// # Errors
    /// When it cannot be used; another process may have it.
    pub fn open(path: &Path) -> Result<(Self, Vec<(Id, Record)>), StoreError> {
        let (orders, receiver) = mpsc::channel();
        let live = Arc::<AtomicU64>::default();
        let mut file = File { path: path.to_owned(), database: None, live: live.clone(), changed: true };
        let records = file.all().map_err(|error| file.failed(&error))?;
        std::thread::Builder::new()
            .name("queue".to_owned())
            .spawn(move || file.run(&receiver))
            .map_err(|error| StoreError::File { path: path.into(), why: error.to_string().into() })?;
        Ok((Self { orders, live }, records))
    }

    /// Says how many bytes the calls have that are in it.
    pub fn set_live(&self, bytes: u64) {
        self.live.store(bytes, Ordering::Relaxed);
    }

    /// Carries a change out; `false` where the call is not there any more.
    ///
    /// # Errors
    /// When it is not on disk.
    pub async fn change(&self, change: Change) -> Result<bool, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.ask(Order::Change(change, reply), answer).await
    }

    /// Reads a call.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn read(&self, id: Id) -> Result<Option<Stored>, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.ask(Order::Read(id, reply), answer).await
    }

    async fn ask<T>(
        &self,
        order: Order,
        answer: oneshot::Receiver<Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        self.orders.send(order).map_err(|_| StoreError::Closed)?;
        answer.await.unwrap_or(Err(StoreError::Closed))
    }
}

/// The file as its thread has it.
struct File {
    path: PathBuf,
    /// None before it is opened, and after a failure.
    database: Option<Database>,
    live: Arc<AtomicU64>,
    /// Something was written since it was made smaller.
    changed: bool,
}

impl File {
    fn run(mut self, orders: &Receiver<Order>) {
        loop {
            let first = match orders.recv_timeout(QUIET) {
                Ok(first) => first,
                Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => {
                    if let Err(error) = self.shrink() {
                        let failed = self.failed(&error);
                        tracing::warn!("cannot make the queue's file smaller: {failed}");
                    }
                    let Ok(first) = orders.recv() else { return };
                    first
                }
            };
            let (mut changes, mut reads) = (Vec::new(), Vec::new());
            for order in std::iter::once(first).chain(orders.try_iter().take(BATCH - 1)) {
                match order {
                    Order::Change(change, reply) => changes.push((change, reply)),
                    Order::Read(id, reply) => reads.push((id, reply)),
                }
            }
            if !changes.is_empty() {
                self.change(changes);
            }
            for (id, reply) in reads {
                let read = self.read(id).map_err(|error| self.failed(&error));
                // Whoever asked may be gone.
                let _ = reply.send(read);
            }
        }
    }

    fn change(&mut self, changes: Vec<(Change, Reply<bool>)>) {
        self.changed = true;
        match self.write(changes.iter().map(|(change, _)| change)) {
            Ok(done) => {
                for ((_, reply), done) in changes.into_iter().zip(done) {
                    let _ = reply.send(Ok(done));
                }
            }
            Err(error) => {
                let error = self.failed(&error);
                tracing::error!("nothing can be queued: {error}");
                for (_, reply) in changes {
                    let _ = reply.send(Err(error.clone()));
                }
            }
        }
    }

    /// Writes all of them, or none.
    fn write<'a>(&mut self, changes: impl Iterator<Item = &'a Change>) -> Result<Vec<bool>, redb::Error> {
        let transaction = self.database()?.begin_write()?;
        let mut done = Vec::new();
        {
            let mut records = transaction.open_table(RECORDS)?;
            let mut bodies = transaction.open_table(BODIES)?;
            let mut answers = transaction.open_table(ANSWERS)?;
            for Change { id, is_new, record, body, answer } in changes {
                if !is_new && records.get(id.0)?.is_none() {
                    done.push(false);
                    continue;
                }
                match record {
                    Some(record) => drop(records.insert(id.0, record.as_slice())?),
                    None => drop(records.remove(id.0)?),
                }
                for (table, part) in [(&mut bodies, body), (&mut answers, answer)] {
                    match part {
                        Part::Keep => {}
                        Part::Put(bytes) => drop(table.insert(id.0, &**bytes)?),
                        Part::Remove => drop(table.remove(id.0)?),
                    }
                }
                done.push(true);
            }
        }
        transaction.commit()?;
        Ok(done)
    }

    fn read(&mut self, id: Id) -> Result<Option<Stored>, redb::Error> {
        let transaction = self.database()?.begin_read()?;
        let Some(record) =
            transaction.open_table(RECORDS)?.get(id.0)?.and_then(|record| parse(id, record.value()))
        else {
            return Ok(None);
        };
        let part = |table| -> Result<Bytes, redb::Error> {
            let found = transaction.open_table(table)?.get(id.0)?;
            Ok(found.map(|found| Bytes::copy_from_slice(found.value())).unwrap_or_default())
        };
        Ok(Some(Stored { record, body: part(BODIES)?, answer: part(ANSWERS)? }))
    }

    fn all(&mut self) -> Result<Vec<(Id, Record)>, redb::Error> {
        // The tables are made, so that readers find them.
        self.write(std::iter::empty())?;
        let transaction = self.database()?.begin_read()?;
        let table = transaction.open_table(RECORDS)?;
        let mut all = Vec::new();
        for entry in table.iter()? {
            let (id, record) = entry?;
            let id = Id(id.value());
            all.extend(parse(id, record.value()).map(|record| (id, record)));
        }
        Ok(all)
    }

    fn database(&mut self) -> Result<&mut Database, redb::Error> {
        let database = match self.database.take() {
            Some(database) => database,
            None => {
                let mut options = OpenOptions::new();
                options.read(true).write(true).create(true).truncate(false).mode(0o600);
                let backend = FileBackend::new(options.open(&self.path)?)?;
                Database::builder().set_cache_size(CACHE).create_with_backend(backend)?
            }
        };
        Ok(self.database.insert(database))
    }

    /// Gives the space of calls that are gone back to the disk.
    fn shrink(&mut self) -> Result<(), redb::Error> {
        let length = std::fs::metadata(&self.path)?.len();
        let wanted = self.live.load(Ordering::Relaxed).saturating_mul(2).saturating_add(SLACK);
        if std::mem::take(&mut self.changed) && length > wanted {
            self.database()?.compact()?;
        }
        Ok(())
    }

    /// The failure for those who asked; the file is opened anew by the next one.
    fn failed(&mut self, error: &redb::Error) -> StoreError {
        self.database = None;
        StoreError::File { path: self.path.as_path().into(), why: error.to_string().into() }
    }
}

/// A record as it lies in the file; one that another version wrote and that cannot be read stays there and is told of.
fn parse(id: Id, bytes: &[u8]) -> Option<Record> {
    match serde_json::from_slice(bytes) {
        Ok(record) => Some(record),
        Err(error) => {
            tracing::error!(call = %id, "a queued call cannot be read: {error}");
            None
        }
    }
}

/// Makes the folder of a file that is not there yet.
///
/// # Errors
/// When it cannot.
pub fn make_folder(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => std::fs::create_dir_all(folder),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::{Fields, Stage};
    use super::*;

    pub fn record(function: &str) -> Record {
        Record {
            function: function.parse().unwrap(),
            named: "f".to_owned(),
            label: "l".to_owned(),
            rest: "/".to_owned(),
            headers: Fields::default(),
            callback: None,
            accepted: 1,
            due: 1,
            tries: 0,
            runs: 0,
            size: 1,
            stage: Stage::Call,
        }
    }

    #[tokio::test]
    async fn what_is_accepted_is_there_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("queue");
        let (id, gone) = (Id::new(), Id::new());
        let mut one = record("n/f");
        {
            let (store, all) = Store::open(&path).unwrap();
            assert!(all.is_empty());
            for id in [id, gone] {
                assert!(store.change(Change::add(id, &one, Bytes::from_static(b"body"))).await.unwrap());
            }
            one.runs = 1;
            let change = Change::update(id, &one).with(Part::Keep, Part::Put(Bytes::from_static(b"answer")));
            assert!(store.change(change).await.unwrap());
            assert!(store.change(Change::remove(gone)).await.unwrap());
            assert!(!store.change(Change::update(gone, &one)).await.unwrap(), "it does not come back");
            assert!(Store::open(&path).is_err(), "one process has it");
        }
        let (store, all) = loop {
            // The former thread lets go of the file when it notices.
            match Store::open(&path) {
                Ok(opened) => break opened,
                Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        };
        assert_eq!(all, [(id, one.clone())]);
        let stored = store.read(id).await.unwrap().unwrap();
        assert_eq!((stored.record, &*stored.body, &*stored.answer), (one, &b"body"[..], &b"answer"[..]));
        assert!(store.read(gone).await.unwrap().is_none());
    }

    #[test]
    fn the_file_goes_back_to_its_floor() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("queue");
        let live = Arc::<AtomicU64>::default();
        let mut file = File { path: path.clone(), database: None, live, changed: true };
        assert!(file.all().unwrap().is_empty());
        let body = Bytes::from(vec![7; 1 << 20]);
        let ids: Vec<Id> = (0..32).map(|_| Id::new()).collect();
        let adds: Vec<Change> = ids.iter().map(|id| Change::add(*id, &record("n/f"), body.clone())).collect();
        file.write(adds.iter()).unwrap();
        assert!(std::fs::metadata(&path).unwrap().len() > 32 << 20);
        let ends: Vec<Change> = ids.iter().map(|id| Change::remove(*id)).collect();
        file.write(ends.iter()).unwrap();
        file.changed = true;
        file.shrink().unwrap();
        let length = std::fs::metadata(&path).unwrap().len();
        assert!(length <= SLACK, "{length}");
    }
}
