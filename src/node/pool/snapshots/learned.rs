//! What calls use of a snapshot, in a file beside it: written when a worker has learned, read for each new one.
//!
//! The file says the digest of the snapshot that it belongs to. One of another snapshot is not written, and whoever reads
//! one finds out ([`PageList`]).

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use km_vmm::protocol::Learned;
use km_vmm::snapshot::PAGE;
use km_vmm::snapshot::format::stated_digest;
use km_vmm::snapshot::page_list::{BYTES_MAX, PageList};

use super::names::NAMES;
use super::{Snapshots, TEMPORARY};

/// Ending of its name.
const PAGES: &str = ".pages";

impl Snapshots {
    /// What calls of a snapshot use, for a worker that is to make machines of it. What it says is checked there.
    pub fn learned(&self, key: &str) -> Option<Learned> {
        let mut bytes = Vec::new();
        let file = File::open(self.pages_path(key)).ok()?;
        file.take(BYTES_MAX as u64 + 1).read_to_end(&mut bytes).ok()?;
        (bytes.len() <= BYTES_MAX).then(|| Learned::new(&bytes))
    }

    /// Keeps what a worker has learned, in place of what was there.
    ///
    /// # Errors
    /// Those of the file system, and `InvalidData` where it is no page list for so much memory, or one of another snapshot
    /// than the one that is there.
    pub fn keep(&self, key: &str, learned: &Learned, memory_bytes: u64) -> io::Result<()> {
        self.write_pages(key, &page_list(learned, memory_bytes)?)
    }

    /// Keeps what requests of the server's own have taught: the first calls teach as much as if there had been none.
    ///
    /// # Errors
    /// As [`Self::keep`].
    pub fn seed(&self, key: &str, learned: &Learned, memory_bytes: u64) -> io::Result<()> {
        self.write_pages(key, &PageList { calls: 0, ..page_list(learned, memory_bytes)? })
    }

    fn write_pages(&self, key: &str, list: &PageList) -> io::Result<()> {
        if self.digest(key)? != Some(list.snapshot) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it is of another snapshot"));
        }
        self.write_beside(&self.pages_path(key), &list.encode())
    }

    /// Writes a file beside a snapshot, in place of what was there.
    pub(super) fn write_beside(&self, place: &Path, bytes: &[u8]) -> io::Result<()> {
        let path = self.folder.join(format!("{TEMPORARY}{:016x}", fastrand::u64(..)));
        let write = || {
            let mut file = File::options().write(true).create_new(true).mode(0o600).open(&path)?;
            file.write_all(bytes)?;
            file.sync_data()?;
            fs::rename(&path, place)
        };
        write().inspect_err(|_| {
            let _ = volume::remove(&path);
        })
    }

    /// The digest that a snapshot states in its trailer, the file's last page.
    pub(super) fn digest(&self, key: &str) -> io::Result<Option<[u8; 32]>> {
        let file = File::open(self.path(key))?;
        let Some(at) = file.metadata()?.len().checked_sub(PAGE as u64) else { return Ok(None) };
        let mut page = [0; PAGE];
        file.read_exact_at(&mut page, at)?;
        Ok(stated_digest(&page))
    }

    /// Removes what lies beside a snapshot that is gone.
    pub(super) fn forget(&self, key: &str) {
        let _ = volume::remove(&self.pages_path(key));
        let _ = volume::remove(&self.names_path(key));
    }

    /// Removes what lies beside snapshots that are gone.
    pub(super) fn forget_the_gone(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.folder)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            match name.strip_suffix(PAGES).or_else(|| name.strip_suffix(NAMES)) {
                Some(key) if !self.contains(key) => self.forget(key),
                _ => {}
            }
        }
        Ok(())
    }

    fn pages_path(&self, key: &str) -> PathBuf {
        beside(&self.path(key))
    }
}

/// Where what was learned of a snapshot lies.
pub(super) fn beside(snapshot: &Path) -> PathBuf {
    snapshot.with_extension(&PAGES[1..])
}

fn page_list(learned: &Learned, memory_bytes: u64) -> io::Result<PageList> {
    let invalid = |error: String| io::Error::new(io::ErrorKind::InvalidData, error);
    let bytes = learned.bytes().ok_or_else(|| invalid("it is not base64".to_owned()))?;
    PageList::decode(&bytes, memory_bytes).map_err(|error| invalid(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use km_vmm::snapshot::format::{Expected, Moment, State, Trailer};
    use km_vmm::snapshot::identity::Identity;
    use km_vmm::snapshot::page_list::ListedPage;

    const MEMORY: u64 = 16 << 20;

    /// Publishes a snapshot without pages, of which nothing but the trailer counts here; gives its digest.
    fn publish(snapshots: &Snapshots, key: &str, moment: u64) -> [u8; 32] {
        let expected = Expected {
            identity: Identity { build: [1; 32], host: [2; 32] },
            key: key.to_owned(),
            memory_bytes: MEMORY,
            rootfs_bytes: 0,
            moment: Moment::Ready,
        };
        let state = State { cr3: 0x1000, monotonic_ns: moment, realtime_ns: 0 };
        let trailer = Trailer::new(&expected, state).seal(Default::default());
        let draft = snapshots.draft().unwrap();
        draft.file.write_all_at(&trailer.encode(), MEMORY).unwrap();
        snapshots.publish(draft, key).unwrap();
        trailer.digest()
    }

    fn list(snapshot: [u8; 32], calls: u32) -> PageList {
        PageList { snapshot, calls, pages: vec![ListedPage { va: 0x1000, gpa: 0x9000, write: true }] }
    }

    fn kept(snapshots: &Snapshots, key: &str) -> PageList {
        let bytes = snapshots.learned(key).unwrap().bytes().unwrap();
        PageList::decode(&bytes, MEMORY).unwrap()
    }

    #[test]
    fn what_was_learned_lies_beside_its_snapshot_and_goes_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let snapshots = Snapshots::open(folder.path().to_owned(), 1 << 30).unwrap();
        let digest = publish(&snapshots, "a", 1);
        assert!(snapshots.learned("a").is_none());
        let learned = |list: &PageList| Learned::new(&list.encode());
        snapshots.seed("a", &learned(&list(digest, 3)), MEMORY).unwrap();
        assert_eq!(kept(&snapshots, "a"), list(digest, 0));
        snapshots.keep("a", &learned(&list(digest, 3)), MEMORY).unwrap();
        assert_eq!(kept(&snapshots, "a"), list(digest, 3));

        let other = learned(&list([9; 32], 3));
        assert_eq!(snapshots.keep("a", &other, MEMORY).unwrap_err().kind(), io::ErrorKind::InvalidData);
        assert!(snapshots.keep("a", &Learned::new(b"no list"), MEMORY).is_err());
        assert!(snapshots.keep("b", &learned(&list(digest, 3)), MEMORY).is_err());
        assert_eq!(kept(&snapshots, "a"), list(digest, 3));

        // The old one is of no use to a new snapshot of the same key.
        publish(&snapshots, "a", 2);
        assert!(snapshots.learned("a").is_none());
        publish(&snapshots, "a", 1);
        snapshots.keep("a", &learned(&list(digest, 3)), MEMORY).unwrap();
        snapshots.discard("a");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn names_are_those_of_the_very_snapshot() {
        let folder = tempfile::tempdir().unwrap();
        let snapshots = Snapshots::open(folder.path().to_owned(), 1 << 30).unwrap();
        publish(&snapshots, "a", 1);
        assert!(snapshots.names("a").is_empty());
        let text = r#"[{"address":"192.0.2.1","name":"db.test","direct":true}]"#;
        let names: Vec<egress::KnownName> = serde_json::from_str(text).unwrap();
        snapshots.keep_names("a", names.clone()).unwrap();
        assert_eq!(snapshots.names("a"), names);
        // A file that was left by a crash in between is of another one.
        let old = fs::read(snapshots.names_path("a")).unwrap();
        publish(&snapshots, "a", 2);
        assert!(snapshots.names("a").is_empty() && !snapshots.names_path("a").exists());
        fs::write(snapshots.names_path("a"), old).unwrap();
        assert!(snapshots.names("a").is_empty());
        snapshots.discard("a");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn the_next_start_clears_what_has_no_snapshot_and_long_files_are_not_read() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a.pages"), b"x").unwrap();
        fs::write(folder.path().join("b.pages"), vec![0; BYTES_MAX + 1]).unwrap();
        fs::write(folder.path().join("b.snap"), b"x").unwrap();
        let snapshots = Snapshots::open(folder.path().to_owned(), 1 << 30).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
        assert!(snapshots.learned("b").is_none());
        let written = list([0; 32], 1).encode();
        assert!(
            snapshots.keep("b", &Learned::new(&written), MEMORY).is_err(),
            "what is there is no snapshot"
        );
    }
}
