//! How much the volume holds, and how much it may: at most the size of its file system. A pod's emptyDir may hold less:
//! statvfs(2) does not show its limit, and the kubelet evicts the pod that exceeds it.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Unit of [`MetadataExt::blocks`].
const BLOCK: u64 = 512;

/// How much a volume may hold when an image is fetched.
#[derive(Clone, Copy, Debug)]
pub struct Ceiling {
    /// Bytes that it may hold at all.
    pub volume_bytes: u64,
    /// So many per cent of them; the rest is for what is being unpacked and written.
    pub high_water_percent: u8,
}

/// The room of a volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Bytes in use.
    pub used: u64,
    /// Bytes that may be in use before something has to go.
    pub mark: u64,
}

impl Room {
    /// Looks at a volume: at its file system, and, where it may hold `limit` bytes, at what lies on it.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn look(root: &Path, limit: Option<u64>, high_water_percent: u8) -> io::Result<Self> {
        let system = nix::sys::statvfs::statvfs(root)?;
        let size = system.blocks().saturating_mul(system.fragment_size());
        let free = system.blocks_free().saturating_mul(system.fragment_size());
        let disk = Self::of(size, size.saturating_sub(free), high_water_percent);
        let Some(limit) = limit else { return Ok(disk) };
        Ok(disk.or_tighter(Self::of(limit, usage(root)?, high_water_percent)))
    }

    fn of(size: u64, used: u64, percent: u8) -> Self {
        // A disk of so many bytes that they cannot be multiplied is measured a little less exactly.
        Self { used, mark: size / 100 * u64::from(percent) + size % 100 * u64::from(percent) / 100 }
    }

    /// The one of the two that has less left.
    fn or_tighter(self, other: Self) -> Self {
        let left = |room: &Self| i128::from(room.mark) - i128::from(room.used);
        if left(&other) < left(&self) { other } else { self }
    }

    /// More is in use than should be.
    pub const fn is_full(&self) -> bool {
        self.used > self.mark
    }

    /// How many bytes something may have that has `bytes` now, so that all is below the mark.
    pub const fn share(&self, bytes: u64) -> u64 {
        self.mark.saturating_sub(self.used.saturating_sub(bytes))
    }
}

/// Bytes on disk of all files below a folder; of its own file system, since what is mounted there is not of the volume.
///
/// # Errors
/// When a folder cannot be read. What goes away meanwhile does not count.
fn usage(root: &Path) -> io::Result<u64> {
    let device = fs::metadata(root)?.dev();
    let mut folders = vec![root.to_owned()];
    let mut total = 0;
    while let Some(folder) = folders.pop() {
        total += usage_of_folder(&folder, device, &mut folders)?;
    }
    Ok(total)
}

fn usage_of_folder(folder: &Path, device: u64, folders: &mut Vec<PathBuf>) -> io::Result<u64> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        entries => entries?,
    };
    let mut total = 0;
    for entry in entries {
        let entry = entry?;
        // Of the entry itself: a symbolic link leads to what is counted where it lies.
        let Ok(meta) = entry.metadata() else { continue };
        if meta.dev() != device {
            continue;
        }
        total += meta.blocks() * BLOCK;
        if meta.is_dir() {
            folders.push(entry.path());
        }
    }
    Ok(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tighter_of_disk_and_limit_counts() {
        let disk = Room::of(1000, 100, 80);
        assert_eq!(disk, Room { used: 100, mark: 800 });
        let limit = Room::of(200, 150, 80);
        assert_eq!(disk.or_tighter(limit), limit);
        assert_eq!(limit.or_tighter(disk), limit);
        assert!(!limit.is_full() && Room::of(200, 161, 80).is_full());
        assert_eq!((limit.share(50), Room::of(200, 190, 80).share(50)), (60, 20));
        assert_eq!(Room::of(100, 500, 80).share(50), 0);
    }

    #[test]
    fn what_lies_on_the_volume_is_counted_and_not_the_disk() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("store")).unwrap();
        fs::write(folder.path().join("store/a"), vec![1; 300_000]).unwrap();
        std::os::unix::fs::symlink("store/a", folder.path().join("link")).unwrap();
        let used = usage(folder.path()).unwrap();
        assert!((300_000..400_000).contains(&used), "{used}");
        let room = Room::look(folder.path(), Some(100_000), 85).unwrap();
        assert_eq!((room.used, room.mark, room.is_full()), (used, 85_000, true));
    }
}
