//! What a process takes: bytes of its files that have no name or are in its folder, and of its memory.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// What a process takes.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Bytes on the disk.
    pub disk: u64,
    /// Bytes of memory that are its own.
    pub memory: u64,
}

/// Looks. A process that has ended takes nothing any more.
pub fn look(pid: u32, folder: &Path) -> Usage {
    let mut usage = Usage { disk: of_folder(folder), memory: memory(pid).unwrap_or_default() };
    for entry in fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten() {
        // What a descriptor leads to, with a name or without.
        if let Ok(metadata) = fs::metadata(entry.path())
            && metadata.is_file()
            && metadata.nlink() == 0
        {
            usage.disk += bytes(&metadata);
        }
    }
    usage
}

fn of_folder(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let size = |entry: fs::DirEntry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => of_folder(&entry.path()),
        Ok(metadata) => bytes(&metadata),
        Err(_) => 0,
    };
    entries.map(size).sum()
}

/// What is really there of a file.
fn bytes(metadata: &Metadata) -> u64 {
    metadata.blocks().saturating_mul(512)
}

fn memory(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib << 10)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn files_count_with_a_name_and_without() {
        let folder = tempfile::tempdir().unwrap();
        let pid = std::process::id();
        let before = look(pid, folder.path());
        assert!(before.memory > 0);
        let mut nameless = tempfile::tempfile_in(folder.path()).unwrap();
        nameless.write_all(&[1; 8 << 20]).unwrap();
        fs::create_dir(folder.path().join("d")).unwrap();
        fs::write(folder.path().join("d/f"), [1; 1 << 20]).unwrap();
        let after = look(pid, folder.path());
        // Other tests of this process have files as well.
        assert!(after.disk >= 9 << 20, "{before:?} {after:?}");
        assert_eq!(look(u32::MAX, Path::new("/nowhere")), Usage::default());
    }
}
