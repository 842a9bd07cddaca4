//! What tells one state of a file from the next without reading it.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;

/// Inode, time of the last change of its content, and length: a file that is replaced by rename gets another inode, one
/// that is written in place another time or length.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileStamp {
    inode: u64,
    mtime_secs: i64,
    mtime_nanos: i64,
    bytes: u64,
}

impl FileStamp {
    /// The stamp of a file or folder.
    #[must_use]
    pub fn of(data: &Metadata) -> Self {
        Self {
            inode: data.ino(),
            mtime_secs: data.mtime(),
            mtime_nanos: data.mtime_nsec(),
            bytes: data.size(),
        }
    }

    /// Length of the file in bytes when the stamp was taken.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The time of the last change in microseconds since 1970, which fits a number of JSON.
    #[must_use]
    pub const fn mtime_micros(&self) -> i64 {
        self.mtime_secs.saturating_mul(1_000_000).saturating_add(self.mtime_nanos / 1000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_file_that_is_replaced_or_written_has_another_stamp() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let stamp = || FileStamp::of(&fs::metadata(&path).unwrap());
        fs::write(&path, "one").unwrap();
        let first = stamp();
        assert_eq!((first, first.bytes()), (stamp(), 3));
        fs::write(&path, "three").unwrap();
        let second = stamp();
        assert_ne!(first, second);
        crate::replace(&path, b"three").unwrap();
        assert_ne!(second, stamp());
    }
}
