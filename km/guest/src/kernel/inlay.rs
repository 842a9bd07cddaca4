//! What the monitor puts into a machine for its call: files and variables that no snapshot has ever held.

use super::Kernel;
use crate::errno::{Errno, Result};
use crate::fs::ops;
use crate::fs::synthetic::View;
use crate::fs::walk::{Restrict, Walk};
use crate::task::{Credentials, Pid, Status};
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use km_abi::hypercall::{INLAY, Op, OpCode};
use km_abi::layout::{READ_GPA, READ_SIZE};
use km_abi::records::{INLAY_MAX, Inlay, InlayFile};
use km_hal::phys;

/// The process that the monitor's record started.
const FIRST: Pid = 1;
/// Exit status when a file or variable cannot be put in: that of a program that cannot be executed.
const CANNOT: i32 = 126;

impl Kernel {
    /// Reads the files and variables that the monitor announced and puts them in. The machine ends if one of them
    /// fails: a program that lacks a part must not run.
    pub(super) fn take_inlay(&mut self, bytes: u64) {
        let put = self.read_inlay(bytes).and_then(|inlay| self.put_inlay(inlay));
        if let Err(errno) = put {
            crate::log!("what the call needs cannot be put in: {errno:?}");
            self.end_machine(Status::Exited(CANNOT));
        }
    }

    fn read_inlay(&self, bytes: u64) -> Result<Inlay> {
        let mut encoded = alloc::vec![0; bytes.min(INLAY_MAX) as usize];
        let mut filled = 0;
        while filled < encoded.len() {
            let len = READ_SIZE.min((encoded.len() - filled) as u64);
            let op = Op { code: OpCode::Read as u32, stream: INLAY, gpa: READ_GPA, len, ..Op::default() };
            let mut count = 0;
            self.net.host().call(op, |result| count = usize::try_from(result).unwrap_or(0).min(len as usize));
            if count == 0 {
                return Err(Errno::EIO);
            }
            phys::read(READ_GPA, &mut encoded[filled..filled + count]);
            filled += count;
        }
        Inlay::decode(&encoded).map_err(|_| Errno::EINVAL)
    }

    fn put_inlay(&mut self, inlay: Inlay) -> Result<()> {
        for file in &inlay.files {
            self.put_file(file).inspect_err(|errno| {
                crate::log!("cannot write {}: {errno:?}", String::from_utf8_lossy(&file.path));
            })?;
        }
        if inlay.env.is_empty() { Ok(()) } else { self.restack(FIRST, inlay.env) }
    }

    /// Puts a file over whatever has its path, as root would.
    fn put_file(&self, file: &InlayFile) -> Result<()> {
        let who = Credentials::container(0, 0, Vec::new());
        let root = self.vfs.root();
        let walk = Walk {
            view: View { kernel: self, tid: FIRST },
            who: &who,
            root: Rc::clone(root),
            start: Rc::clone(root),
            restrict: Restrict::empty(),
        };
        for (end, _) in file.path.iter().enumerate().skip(1).filter(|(_, byte)| **byte == b'/') {
            let found = walk.find(&file.path[..end])?;
            if found.node.is_none() {
                ops::make_dir(&walk, &found, 0o755)?;
            }
        }
        let walk = Walk { restrict: Restrict::NO_FOLLOW, ..walk };
        let mut found = walk.find(&file.path)?;
        if found.node.is_some() {
            ops::unlink(&walk, &found)?;
            found.node = None;
        }
        let node = ops::create_file(&walk, &found, file.mode)?;
        node.update(|meta| (meta.uid, meta.gid) = (file.uid, file.gid));
        let data = node.data().ok_or(Errno::EIO)?;
        data.write(&node.volume, 0, &mut &file.content[..]).map(drop)
    }
}
