//! Open files: the [`File`] trait that every kind implements, and [`OpenFile`], the description that descriptors share.

use super::attributes::Attributes;
use super::inotify::{event, notify};
use super::io::{Sink, Source};
use super::locks::Owner;
use super::node::Node;
use super::synthetic::View;
use crate::errno::{Errno, Result};
use crate::kernel::Ctx;
use crate::mm::frame::PageFrame;
use crate::wait::{SysResult, WaitQueue};
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use bitflags::bitflags;
use core::any::Any;
use core::cell::Cell;
use core::sync::atomic::{AtomicUsize, Ordering};

bitflags! {
    /// Readiness, with poll(2)'s bits.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Ready: u32 {
        /// A read would not block.
        const IN = 0x001;
        /// POLLPRI: urgent data (MSG_OOB), or an event of a terminal in packet mode.
        const PRI = 0x002;
        /// A write would not block.
        const OUT = 0x004;
        /// An error is pending; always reported.
        const ERR = 0x008;
        /// The peer is gone; always reported.
        const HUP = 0x010;
        /// The peer writes no more.
        const RDHUP = 0x2000;
    }
}

/// What is behind an open file: a regular file, a pipe end, a socket, an epoll instance, …
///
/// Methods take `&self`: state is in cells, never borrowed across a call to another object. None of them waits: what
/// would is `EAGAIN`, and the caller waits for [`File::queue`] unless the file is O_NONBLOCK.
pub trait File: Any {
    /// Reads at `offset` where the file has positions, else what comes next.
    ///
    /// # Errors
    /// As read(2); `EAGAIN` when there is nothing yet.
    fn read(&self, offset: u64, out: &mut dyn Sink) -> Result<usize> {
        let _ = (offset, out);
        Err(Errno::EINVAL)
    }

    /// Writes at `offset` where the file has positions, else at the end of what was written.
    ///
    /// # Errors
    /// As write(2); `EAGAIN` when there is no room yet.
    fn write(&self, offset: u64, from: &mut dyn Source) -> Result<usize> {
        let _ = (offset, from);
        Err(Errno::EINVAL)
    }

    /// What would not block now.
    fn ready(&self) -> Ready {
        Ready::IN | Ready::OUT
    }

    /// The queue that is woken when [`Self::ready`] may have changed; `None` for files that are always ready.
    fn queue(&self) -> Option<&WaitQueue> {
        None
    }

    /// How long a blocking read and a blocking write wait at most, in nanoseconds (SO_RCVTIMEO, SO_SNDTIMEO); then
    /// they are EAGAIN.
    fn timeouts_ns(&self) -> (Option<u64>, Option<u64>) {
        (None, None)
    }

    /// The last descriptor of an open file is closed.
    fn close(&self) {}

    /// A descriptor table closes one of its descriptors, which need not be the last.
    fn let_go(&self, table: Owner) {
        let _ = table;
    }

    /// Whether it has positions: lseek(2), pread(2) and the offset of [`OpenFile`] make sense.
    fn seekable(&self) -> bool {
        false
    }

    /// Whether lseek(2) answers 0 whatever is asked, as Linux has it for event files and the memory devices.
    fn stays_at_start(&self) -> bool {
        false
    }

    /// What mmap(2) maps; `None` is ENODEV.
    fn pages(&self) -> Option<Rc<dyn Pages>> {
        None
    }

    /// The inode that it was opened from.
    fn node(&self) -> Option<&Rc<Node>> {
        None
    }

    /// Called before a read at `offset` by the thread of `view`: files that are computed are computed here.
    ///
    /// # Errors
    /// As the object says (ESRCH of a process that is gone).
    fn prepare(&self, view: View<'_>, offset: u64) -> Result<()> {
        let _ = (view, offset);
        Ok(())
    }

    /// Whether open(2) of its link in /proc/PID/fd gives it once more, for an object without an inode.
    fn can_reopen(&self) -> bool {
        false
    }

    /// Bytes that a read would give now, for FIONREAD; `None` where that means nothing.
    fn readable_bytes(&self) -> Option<u64> {
        None
    }

    /// File type and permission bits that fstat(2) reports of an object without an inode.
    fn mode(&self) -> u32 {
        0o600
    }

    /// Owner and mode of an object without an inode, where it has its own.
    fn attributes(&self) -> Option<&Attributes> {
        None
    }

    /// Inode number that fstat(2) reports of an object without an inode.
    fn number(&self) -> u64 {
        1
    }

    /// What the link in /proc/PID/fd says of an object without a path: `socket:[7]`, `anon_inode:[eventpoll]`, …
    fn label(&self) -> Vec<u8> {
        b"anon_inode:[unknown]".to_vec()
    }

    /// What /proc/PID/fdinfo says of it besides its position and its flags, in whole lines.
    fn describe(&self) -> String {
        String::new()
    }

    /// Control operations of this kind of file.
    ///
    /// # Errors
    /// ENOTTY for requests that it does not know.
    fn ioctl(&self, ctx: &mut Ctx<'_>, request: u32, argument: u64) -> SysResult {
        let _ = (ctx, request, argument);
        Err(Errno::ENOTTY.into())
    }

    /// The object itself, for calls that only one kind has (sockets, epoll, directories, timers).
    fn as_any(&self) -> &dyn Any;
}

/// What a mapping wants of a page of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageUse {
    /// Reads it, or copies it before the first write (MAP_PRIVATE).
    Read,
    /// Writes to the file through it (MAP_SHARED).
    Write,
}

/// Where a page of a file lies.
#[derive(Clone, Debug)]
pub enum FilePage {
    /// In the read-only rootfs slot, at this guest-physical address. Never writable.
    Rootfs(u64),
    /// In a frame that belongs to the file; a mapping holds a clone for as long as it shows it.
    Frame(PageFrame),
}

/// The pages of a file that can be mapped. Mappings keep it alive after the descriptor is closed.
///
/// When a write or a truncation replaces or drops a page that was handed out, the range is reported by
/// [`super::stale::take`]; the owner of the page tables removes its translations.
pub trait Pages {
    /// Device and inode number; equal for two mappings of the same file (shared futexes, /proc/PID/maps).
    fn id(&self) -> (u64, u64);

    /// The path for /proc/PID/maps.
    fn path(&self) -> Vec<u8>;

    /// The page with this index.
    ///
    /// # Errors
    /// ENXIO beyond the end of the file, ENOSPC and ENOMEM without room for a copy: all of them are SIGBUS.
    fn page(&self, index: u64, usage: PageUse) -> Result<FilePage>;
}

/// An open file description (open(2)): what `dup` and `fork` share.
pub struct OpenFile {
    /// The object; open files that were opened apart may share it.
    pub file: Rc<dyn File>,
    /// O_ACCMODE, O_APPEND, O_NONBLOCK, O_DIRECT, O_PATH and their like; F_SETFL changes them.
    pub flags: Cell<u32>,
    /// File offset, for files that have one.
    pub offset: Cell<u64>,
    /// Whom F_SETOWN_EX named: its kind (F_OWNER_TID, F_OWNER_PID, F_OWNER_PGRP) and its number.
    pub owner: Cell<[i32; 2]>,
    /// The signal of F_SETSIG, 0 for SIGIO.
    pub signal: Cell<u8>,
}

/// O_ACCMODE: access bits of the flags.
pub const O_ACCMODE: u32 = 3;
/// Writing without reading.
pub const O_WRONLY: u32 = 1;
/// Reading and writing.
pub const O_RDWR: u32 = 2;
/// Writes go to the end.
pub const O_APPEND: u32 = 0o2000;
/// What would wait fails with EAGAIN (open(2)).
pub const O_NONBLOCK: u32 = 0o4000;
/// Signals when it becomes ready ([`super::sigio`]).
pub const O_ASYNC: u32 = 0o20_000;
/// The file may be larger than 2 GiB: open(2) and its relatives set it on x86-64, and F_GETFL shows it.
pub const O_LARGEFILE: u32 = 0o100_000;
/// Reading leaves the access time alone.
pub const O_NOATIME: u32 = 0o1_000_000;
/// A handle for paths only.
pub const O_PATH: u32 = 0o10_000_000;

/// How many open files there are.
static COUNT: AtomicUsize = AtomicUsize::new(0);

/// How many open files there are in the machine.
#[must_use]
pub fn open_files() -> usize {
    COUNT.load(Ordering::Relaxed)
}

/// Most open files of the machine: a tenth of the memory at 1 KiB for each, as on Linux (/proc/sys/fs/file-max).
#[must_use]
pub fn open_files_max() -> usize {
    const LEAST: u64 = 8192;
    const BYTES_PER_FILE: u64 = 10 << 10;
    (km_hal::phys::memory_bytes() / BYTES_PER_FILE).max(LEAST) as usize
}

impl OpenFile {
    /// An open file at offset 0.
    #[must_use]
    pub fn new(file: Rc<dyn File>, flags: u32) -> Rc<Self> {
        COUNT.fetch_add(1, Ordering::Relaxed);
        let (flags, offset) = (Cell::new(flags), Cell::new(0));
        Rc::new(Self { file, flags, offset, owner: Cell::default(), signal: Cell::default() })
    }

    /// Whether a flag is set.
    #[must_use]
    pub fn has(&self, flag: u32) -> bool {
        self.flags.get() & flag != 0
    }

    /// Checks that it may be read.
    ///
    /// # Errors
    /// EBADF.
    pub fn check_readable(&self) -> Result<()> {
        let readable = matches!(self.flags.get() & O_ACCMODE, 0 | O_RDWR);
        if !readable || self.has(O_PATH) { Err(Errno::EBADF) } else { Ok(()) }
    }

    /// Checks that it may be written.
    ///
    /// # Errors
    /// EBADF.
    pub fn check_writable(&self) -> Result<()> {
        let writable = matches!(self.flags.get() & O_ACCMODE, O_WRONLY | O_RDWR);
        if !writable || self.has(O_PATH) { Err(Errno::EBADF) } else { Ok(()) }
    }

    /// What identifies it as a holder of locks.
    #[must_use]
    pub fn identity(&self) -> usize {
        core::ptr::from_ref(self).addr()
    }
}

impl Drop for OpenFile {
    fn drop(&mut self) {
        COUNT.fetch_sub(1, Ordering::Relaxed);
        if let Some(node) = self.file.node() {
            let me = self.identity();
            node.locks.unlock_whole(me);
            node.locks.unlock_owner(Owner::Open(me));
            let wrote = self.flags.get() & O_ACCMODE != 0;
            let closed = if wrote { event::CLOSE_WRITE } else { event::CLOSE_NOWRITE };
            if !self.has(O_PATH) {
                notify(node, closed);
            }
        }
        self.file.close();
    }
}
