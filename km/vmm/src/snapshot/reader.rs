//! Checks a snapshot file and reads pages of it.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use nix::errno::Errno;
use nix::sys::stat::{SFlag, fstat};
use nix::unistd::{Whence, lseek};

use super::format::{ContentHash, Expected, SnapshotError, Trailer};
use super::holes;
use super::walk::TableSource;
use super::writer::check_mode;
use super::{PAGE, Page};

/// A snapshot file whose trailer is what was wanted.
#[derive(Debug)]
pub struct Snapshot {
    file: File,
    trailer: Trailer,
}

impl Snapshot {
    /// Checks length, mode and trailer of `file`, but not its pages: see [`Self::verify`].
    ///
    /// # Errors
    /// When it is not a snapshot, or one of another build, host or function.
    pub fn open(file: File, expected: &Expected) -> Result<Self, SnapshotError> {
        // Not `File::metadata`, which is statx(2): that takes a path, and workers may not.
        let about = fstat(&file).map_err(io::Error::from)?;
        if SFlag::from_bits_truncate(about.st_mode) & SFlag::S_IFMT != SFlag::S_IFREG {
            return Err(SnapshotError::Malformed("not a regular file"));
        }
        check_mode(about.st_mode)?;
        if about.st_size.unsigned_abs() != expected.memory_bytes.saturating_add(PAGE as u64) {
            return Err(SnapshotError::Malformed("wrong length"));
        }
        let mut page = [0; PAGE];
        file.read_exact_at(&mut page, expected.memory_bytes)?;
        let trailer = Trailer::decode(&page, expected)?;
        Ok(Self { file, trailer })
    }

    /// Reads all pages and holds them against the digest.
    ///
    /// # Errors
    /// When a bit differs, or the file cannot be read.
    pub fn verify(&self) -> Result<(), SnapshotError> {
        let mut hash = ContentHash::default();
        let mut buffer = vec![0; 256 * PAGE];
        for range in self.data() {
            let range = range?;
            let mut at = range.start;
            while at < range.end {
                let len = buffer.len().min(usize::try_from(range.end - at).unwrap_or(usize::MAX));
                self.file.read_exact_at(&mut buffer[..len], at)?;
                for (page, gpa) in buffer[..len].chunks_exact(PAGE).zip((at..).step_by(PAGE)) {
                    hash.page(gpa, page);
                }
                at += len as u64;
            }
        }
        self.trailer.check_content(hash)
    }

    /// The pieces of the memory that have to be mapped one by one, where reading a hole would fill it (see
    /// [`super::holes`]). `None` where the file can be mapped as a whole.
    ///
    /// # Errors
    /// The file cannot be looked at.
    pub fn pieces(&self) -> Result<Option<Vec<Range<u64>>>, SnapshotError> {
        if !holes::are_filled(&self.file)? {
            return Ok(None);
        }
        let pieces = self.data().take(holes::PIECES_MAX + 1).collect::<io::Result<Vec<_>>>()?;
        Ok((pieces.len() <= holes::PIECES_MAX).then_some(pieces))
    }

    /// The ranges of the memory that are not holes, in whole pages.
    fn data(&self) -> impl Iterator<Item = io::Result<Range<u64>>> {
        let end = self.trailer.memory_bytes();
        let mut at = 0;
        std::iter::from_fn(move || {
            let range = next_data(&self.file, at, end).transpose()?;
            at = range.as_ref().map_or(end, |range| range.end);
            Some(range)
        })
    }

    /// What the trailer says.
    #[must_use]
    pub fn trailer(&self) -> &Trailer {
        &self.trailer
    }

    /// The file; guest memory is at its beginning.
    #[must_use]
    pub fn file(&self) -> &File {
        &self.file
    }
}

/// The first range from `at` on and before `end` that is no hole.
fn next_data(file: &File, at: u64, end: u64) -> io::Result<Option<Range<u64>>> {
    if at >= end {
        return Ok(None);
    }
    let seek = |at: u64, whence| {
        let at = i64::try_from(at).map_err(|_| Errno::EOVERFLOW)?;
        lseek(file, at, whence).map(i64::cast_unsigned)
    };
    let data = match seek(at, Whence::SeekData) {
        Ok(data) => data,
        Err(Errno::ENXIO) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    if data >= end {
        return Ok(None);
    }
    let hole = seek(data, Whence::SeekHole)?;
    // Data may begin and end inside a page where the file system's blocks are smaller.
    let start = data - data % PAGE as u64;
    Ok(Some(start..hole.next_multiple_of(PAGE as u64).min(end)))
}

impl TableSource for Snapshot {
    fn table(&self, gpa: u64, page: &mut Page) -> bool {
        gpa < self.trailer.memory_bytes() && self.file.read_exact_at(page, gpa).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::super::format::tests::{expected, state};
    use super::super::writer::{RamSource, write};
    use super::*;
    use nix::sys::memfd::{MFdFlags, memfd_create};
    use proptest::prelude::*;
    use std::fs::Permissions;
    use std::io;
    use std::ops::Range;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    struct Memory(Vec<u8>);

    impl RamSource for Memory {
        #[expect(clippy::single_range_in_vec_init, reason = "one range is meant")]
        fn populated(&self) -> io::Result<Vec<Range<u64>>> {
            Ok(vec![0..self.0.len() as u64])
        }

        fn read_page(&self, gpa: u64, page: &mut Page) -> io::Result<()> {
            let at = usize::try_from(gpa).unwrap();
            page.copy_from_slice(&self.0[at..at + PAGE]);
            Ok(())
        }
    }

    fn file() -> File {
        let file = File::from(memfd_create("snapshot", MFdFlags::MFD_CLOEXEC).unwrap());
        file.set_permissions(Permissions::from_mode(0o600)).unwrap();
        file
    }

    fn memory() -> Memory {
        let mut bytes = vec![0; usize::try_from(expected().memory_bytes).unwrap()];
        for page in [1, 2, 3, 700, 4095] {
            bytes[page * PAGE + page % 4000] = 7;
        }
        Memory(bytes)
    }

    #[test]
    fn a_snapshot_is_sparse_and_reads_as_written() {
        let file = file();
        let written = write(&file, &memory(), &expected(), state()).unwrap();
        assert_eq!(written.data_bytes, 6 * PAGE as u64);
        assert!(file.metadata().unwrap().blocks() * 512 <= 16 * PAGE as u64);
        let snapshot = Snapshot::open(file, &expected()).unwrap();
        snapshot.verify().unwrap();
        assert_eq!(snapshot.trailer().state(), state());
        assert_eq!(snapshot.trailer().data_pages(), 5);
        let mut page = [0; PAGE];
        assert!(snapshot.table(700 * PAGE as u64, &mut page));
        assert_eq!(page[700], 7);
        assert!(!snapshot.table(expected().memory_bytes, &mut page));
    }

    #[test]
    fn a_second_snapshot_replaces_all_of_the_first() {
        let file = file();
        file.write_all_at(&[1; PAGE], 0).unwrap();
        write(&file, &memory(), &expected(), state()).unwrap();
        Snapshot::open(file, &expected()).unwrap().verify().unwrap();
    }

    #[test]
    fn a_file_that_others_may_read_or_of_another_length_is_refused() {
        let file = file();
        write(&file, &memory(), &expected(), state()).unwrap();
        file.set_permissions(Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(
            Snapshot::open(file.try_clone().unwrap(), &expected()),
            Err(SnapshotError::Mode(0o640))
        ));
        file.set_permissions(Permissions::from_mode(0o600)).unwrap();
        file.set_len(expected().memory_bytes).unwrap();
        assert!(Snapshot::open(file.try_clone().unwrap(), &expected()).is_err());
        file.set_len(expected().memory_bytes + PAGE as u64).unwrap();
        assert!(matches!(Snapshot::open(file, &expected()), Err(SnapshotError::Malformed(_))));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]
        #[test]
        fn a_flipped_bit_anywhere_is_refused(at in 0..expected().memory_bytes + PAGE as u64, bit in 0u8..8) {
            let file = file();
            write(&file, &memory(), &expected(), state()).unwrap();
            let mut byte = [0];
            file.read_exact_at(&mut byte, at).unwrap();
            file.write_all_at(&[byte[0] ^ (1 << bit)], at).unwrap();
            let seen = Snapshot::open(file, &expected()).and_then(|snapshot| snapshot.verify());
            prop_assert!(seen.is_err());
        }
    }
}
