//! The file systems as a whole, on an image with an overlay.

mod changes;
mod model;
mod tree;

use super::Vfs;
use super::erofs::tests::IMAGE;
use super::file::OpenFile;
use super::image::RootfsImage;
use super::io::Collect;
use super::node::Node;
use super::open;
use super::ops;
use super::synthetic::View;
use super::vfs::Setup;
use super::walk::{Found, Restrict, Walk};
use crate::errno::{Errno, Result};
use crate::kernel::Kernel;
use crate::task::Credentials;
use crate::wait::Stop;
use alloc::rc::Rc;

/// A machine with the test image, and who acts in it.
struct World {
    kernel: Kernel,
    who: Credentials,
}

impl World {
    fn new() -> Self {
        // Directories and their entries hold each other, so a world is never given back piece by piece.
        km_hal::host::reset(24 << 20);
        let setup =
            Setup { image: Some(RootfsImage::whole(IMAGE)), memory_bytes: 16 << 20, ..Setup::default() };
        let mut kernel = Kernel::default();
        kernel.vfs = Vfs::new(setup);
        Self { kernel, who: Credentials::container(0, 0, Vec::new()) }
    }

    fn walk(&self, restrict: Restrict) -> Walk<'_> {
        let root = Rc::clone(self.kernel.vfs.root());
        let view = View { kernel: &self.kernel, tid: 1 };
        Walk { view, who: &self.who, start: Rc::clone(&root), root, restrict }
    }

    fn find(&self, path: &str) -> Result<Rc<Node>> {
        self.walk(Restrict::empty()).find(path.as_bytes())?.node()
    }

    fn place(&self, path: &str) -> Result<Found> {
        self.walk(Restrict::NO_FOLLOW).find(path.as_bytes())
    }

    fn open(&self, path: &str, flags: u32) -> Result<Rc<OpenFile>> {
        open::open(&mut self.walk(Restrict::empty()), path.as_bytes(), flags, 0o644).map_err(
            |stop| match stop {
                Stop::Errno(errno) => errno,
                _ => Errno::EAGAIN,
            },
        )
    }

    fn read(&self, path: &str) -> Result<Vec<u8>> {
        let file = self.open(path, 0)?;
        read_all(self, &file)
    }

    fn write(&self, path: &str, bytes: &[u8]) -> Result<()> {
        let file = self.open(path, open::O_CREAT | open::O_TRUNC | 1)?;
        file.file.write(0, &mut { bytes }).map(drop)
    }

    fn unlink(&self, path: &str) -> Result<()> {
        ops::unlink(&self.walk(Restrict::NO_FOLLOW), &self.place(path)?)
    }

    fn mkdir(&self, path: &str) -> Result<()> {
        ops::make_dir(&self.walk(Restrict::NO_FOLLOW), &self.place(path)?, 0o755)
    }

    fn rmdir(&self, path: &str) -> Result<()> {
        ops::remove_dir(&self.walk(Restrict::NO_FOLLOW), &self.place(path)?, path.as_bytes())
    }

    fn rename(&self, from: &str, to: &str, flags: u64) -> Result<()> {
        ops::rename(&self.walk(Restrict::NO_FOLLOW), &self.place(from)?, &self.place(to)?, flags)
    }

    fn link(&self, from: &str, to: &str) -> Result<()> {
        let node = self.place(from)?.node()?;
        ops::hard_link(&self.walk(Restrict::NO_FOLLOW), &node, &self.place(to)?)
    }

    fn symlink(&self, target: &str, path: &str) -> Result<()> {
        ops::make_link(&self.walk(Restrict::NO_FOLLOW), &self.place(path)?, target.as_bytes())
    }
}

fn read_all(world: &World, file: &OpenFile) -> Result<Vec<u8>> {
    let mut collect = Collect { bytes: Vec::new(), limit: 1 << 20 };
    file.file.prepare(View { kernel: &world.kernel, tid: 1 }, 0)?;
    file.file.read(0, &mut collect)?;
    Ok(collect.bytes)
}
