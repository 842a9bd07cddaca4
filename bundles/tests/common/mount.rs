//! Loop mounts of EROFS images by the kernel's own driver.

use std::path::{Path, PathBuf};
use std::process::Command;

/// An image mounted read-only until dropped.
pub struct Mounted {
    dir: tempfile::TempDir,
}

impl Mounted {
    /// Mounts an image; `None` where this user or kernel cannot.
    pub fn new(image: &Path) -> Option<Self> {
        let supported = std::fs::read_to_string("/proc/filesystems").is_ok_and(|list| list.contains("erofs"));
        if !nix::unistd::geteuid().is_root() || !supported || !Path::new("/dev/loop-control").exists() {
            return None;
        }
        let dir = tempfile::tempdir().unwrap();
        let status =
            Command::new("mount").args(["-t", "erofs", "-o", "loop,ro"]).arg(image).arg(dir.path()).status();
        assert!(status.unwrap().success(), "the kernel refuses to mount {}", image.display());
        Some(Self { dir })
    }

    /// Where it is mounted.
    pub fn path(&self) -> PathBuf {
        self.dir.path().to_owned()
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.dir.path()).status();
    }
}
