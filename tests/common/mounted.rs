//! A small volume on a file system of its own, for tests of what happens when it is full.

use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

const PAGE: [u8; 4096] = [1; 4096];

/// A file system of a size of its own; it is unmounted with this value.
pub struct Mounted(PathBuf);

impl Mounted {
    /// Makes and mounts an ext4 of so many bytes at a folder, as disks have it, its image beside it. Says so and gives
    /// nothing where that is not allowed.
    pub fn at_or_skip(folder: &Path, bytes: u64, what: &str) -> Option<Self> {
        std::fs::create_dir_all(folder).expect("a folder can be made");
        let image = folder.with_extension("ext4");
        let file = std::fs::File::create(&image).expect("a file can be made");
        file.set_len(bytes).expect("it can be sparse");
        // Nothing is kept for root, who runs this.
        let mut make = Command::new("mkfs.ext4");
        make.args(["-q", "-F", "-m", "0", "-O", "^has_journal"]).arg(&image);
        let mut mount = Command::new("mount");
        mount.args(["-o", "loop"]).arg(&image).arg(folder);
        Self::by(&mut [make, mount], folder, what)
    }

    /// The same with a tmpfs, which is what a volume in memory is.
    pub fn in_memory_or_skip(folder: &Path, bytes: u64, what: &str) -> Option<Self> {
        std::fs::create_dir_all(folder).expect("a folder can be made");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={bytes}"), "tmpfs"]).arg(folder);
        Self::by(&mut [mount], folder, what)
    }

    fn by(commands: &mut [Command], folder: &Path, what: &str) -> Option<Self> {
        let well = |command: &mut Command| command.output().is_ok_and(|ended| ended.status.success());
        if commands.iter_mut().all(well) {
            return Some(Self(folder.to_owned()));
        }
        eprintln!("\n*** SKIPPED: {what}: a file system cannot be made or mounted here ***\n");
        None
    }

    /// Fills it but for some bytes; gives the file that has to go.
    pub fn fill(&self, but: u64) -> PathBuf {
        let path = self.0.join("filler");
        let mut file = std::fs::File::create(&path).expect("a file can be made");
        let mut written: u64 = 0;
        // Page by page, until there is no other one: what was set aside for writing them may be free afterwards.
        loop {
            let before = written;
            while file.write_all(&PAGE).is_ok() {
                written += PAGE.len() as u64;
            }
            if written == before {
                break;
            }
            file.set_len(written).and_then(|()| file.sync_all()).expect("it can be written");
            file.seek(SeekFrom::End(0)).expect("it can be moved");
        }
        file.set_len(written.saturating_sub(but)).expect("it can be shortened");
        path
    }

    /// How much of it is in use.
    pub fn used_percent(&self) -> u64 {
        let system = nix::sys::statvfs::statvfs(&self.0).expect("it is mounted");
        100 - system.blocks_free() * 100 / system.blocks()
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // Lazily: when an assertion failed, processes are still on it.
        Command::new("umount").arg("-l").arg(&self.0).status().ok();
    }
}
