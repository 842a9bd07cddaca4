//! Signals through a descriptor: signalfd(2).

use super::row::Row;
use crate::errno::{Errno, Result};
use crate::fs::file::{File, OpenFile, Ready};
use crate::fs::io::{Sink, put_record};
use crate::fs::synthetic::View;
use crate::kernel::{Args, Ctx};
use crate::signal::info::{Info, Origin};
use crate::signal::pending::Pending;
use crate::signal::{SigSet, take_first};
use crate::wait::{SysResult, WaitQueue};
use alloc::rc::Rc;
use core::any::Any;
use core::cell::{Cell, RefCell};

pub const ROWS: &[Row] = &[
    Row::partial(282, "signalfd", sys_signalfd, OF_MAKER),
    Row::partial(289, "signalfd4", sys_signalfd4, OF_MAKER),
];

const OF_MAKER: &str = "poll in a child looks at the parent's signals until the child has read once";
/// SFD_NONBLOCK, and SFD_CLOEXEC below.
const NONBLOCK: u64 = 0x800;
const CLOEXEC: u64 = 0x8_0000;
/// O_RDWR, the access mode that Linux gives such a descriptor.
const READ_WRITE: u32 = 2;
/// Size of a signalfd_siginfo.
const RECORD_BYTES: usize = 128;

struct SignalFile {
    wanted: Cell<SigSet>,
    /// The signals of the thread and the process that used it last.
    of: RefCell<[Pending; 2]>,
    arrived: Rc<WaitQueue>,
}

impl SignalFile {
    fn take(&self) -> Option<Info> {
        let [of_thread, of_process] = &*self.of.borrow();
        take_first(of_thread, of_process, self.wanted.get())
    }
}

impl File for SignalFile {
    fn read(&self, _: u64, out: &mut dyn Sink) -> Result<usize> {
        if out.room() < RECORD_BYTES {
            return Err(Errno::EINVAL);
        }
        let mut done = 0;
        while out.room() >= RECORD_BYTES
            && let Some(info) = self.take()
        {
            // It is taken even where it cannot be told.
            match put_record(out, &record(&info)) {
                Ok(()) => done += RECORD_BYTES,
                Err(errno) if done == 0 => return Err(errno),
                Err(_) => break,
            }
        }
        if done == 0 { Err(Errno::EAGAIN) } else { Ok(done) }
    }

    /// A signalfd reads the signals of whoever reads it.
    fn prepare(&self, view: View<'_>, _: u64) -> Result<()> {
        let thread = view.kernel.tasks.thread(view.tid).ok_or(Errno::ESRCH)?;
        let process = view.kernel.tasks.process(thread.pid).ok_or(Errno::ESRCH)?;
        *self.of.borrow_mut() = [thread.signals.pending.share(), process.signals.pending.share()];
        Ok(())
    }

    fn ready(&self) -> Ready {
        let pending = self.of.borrow().iter().fold(0, |all, pending| all | pending.set().0);
        if pending & self.wanted.get().0 == 0 { Ready::empty() } else { Ready::IN }
    }

    fn queue(&self) -> Option<&WaitQueue> {
        Some(&self.arrived)
    }

    fn label(&self) -> alloc::vec::Vec<u8> {
        b"anon_inode:[signalfd]".to_vec()
    }

    fn stays_at_start(&self) -> bool {
        true
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// The signalfd_siginfo of a signal.
fn record(info: &Info) -> [u8; RECORD_BYTES] {
    let mut bytes = [0; RECORD_BYTES];
    let mut put = |offset: usize, value: u64, len: usize| {
        bytes[offset..offset + len].copy_from_slice(&value.to_le_bytes()[..len]);
    };
    put(0, u64::from(info.signal.number()), 4);
    put(8, info.code as u64, 4);
    match info.origin {
        Origin::None => {}
        Origin::Sender { pid, uid, value } => {
            put(12, pid as u64, 4);
            put(16, u64::from(uid), 4);
            put(44, value, 4);
            put(48, value, 8);
        }
        Origin::Fault { address } => put(72, address, 8),
        Origin::Child { pid, uid, status } => {
            put(12, pid as u64, 4);
            put(16, u64::from(uid), 4);
            put(40, status as u64, 4);
        }
        Origin::Timer { id, overrun, value } => {
            put(24, id as u64, 4);
            put(32, overrun as u64, 4);
            put(44, value, 4);
            put(48, value, 8);
        }
        Origin::Poll { band, fd } => {
            put(20, fd as u64, 4);
            put(28, band as u64, 4);
        }
        Origin::Raw(rest) => {
            // pid, uid and value lie behind the padding after si_code.
            let word = |at: usize| {
                u64::from(u32::from_le_bytes([rest[at], rest[at + 1], rest[at + 2], rest[at + 3]]))
            };
            put(12, word(4), 4);
            put(16, word(8), 4);
            put(44, word(12), 4);
            put(48, word(12) | word(16) << 32, 8);
        }
    }
    bytes
}

fn sys_signalfd(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    open(ctx, args, 0)
}

fn sys_signalfd4(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    open(ctx, args, args[3])
}

fn open(ctx: &mut Ctx<'_>, args: &Args, flags: u64) -> SysResult {
    let [fd, set, size, ..] = *args;
    if size != 8 {
        return Err(Errno::EINVAL.into());
    }
    let wanted = SigSet::mask(ctx.memory().load(set)?);
    if flags & 0xffff_ffff & !(NONBLOCK | CLOEXEC) != 0 {
        return Err(Errno::EINVAL.into());
    }
    if fd as i32 != -1 {
        let open = ctx.file(fd)?;
        let file = open.file.as_any().downcast_ref::<SignalFile>().ok_or(Errno::EINVAL)?;
        file.wanted.set(wanted);
        file.arrived.wake();
        return Ok(fd);
    }
    let (thread, process) = ctx.kernel.tasks.pair_mut(ctx.tid);
    let file = Rc::new(SignalFile {
        wanted: Cell::new(wanted),
        of: RefCell::new([thread.signals.pending.share(), process.signals.pending.share()]),
        arrived: Rc::clone(&process.signal_arrived),
    });
    let flags_now = READ_WRITE | (flags & NONBLOCK) as u32;
    let open = OpenFile::new(file, flags_now);
    Ok(ctx.files().borrow_mut().insert(open, flags & CLOEXEC != 0, 0)?)
}
