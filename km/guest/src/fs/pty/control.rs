//! Control operations of pseudo-terminals (ioctl_tty(2)).

use super::background;
use super::side::Slave;
use super::{Pty, SLAVE_MAJOR};
use crate::errno::{Errno, Result};
use crate::fs::file::{O_RDWR, OpenFile};
use crate::fs::node::meta::{Meta, S_IFCHR};
use crate::fs::node::{Body, Node, dir};
use crate::fs::open::O_CLOEXEC;
use crate::kernel::Ctx;
use crate::signal::Signal;
use crate::task::Pid;
use crate::wait::SysResult;
use alloc::rc::Rc;
use alloc::string::ToString;
use linux_raw_sys::ioctl as raw;

const TIOCGPTN: u32 = 0x8004_5430;
const TIOCSPTLCK: u32 = 0x4004_5431;
const TIOCGPTLCK: u32 = 0x8004_5439;
const TIOCGPTPEER: u32 = 0x5441;

/// What both sides know.
fn common(pty: &Pty, ctx: &mut Ctx<'_>, request: u32, argument: u64) -> SysResult {
    let memory = ctx.memory();
    match request {
        raw::TCGETS => memory.store(argument, &pty.settings.get())?,
        raw::TCSETS | raw::TCSETSW | raw::TCSETSF => {
            let settings = memory.load(argument)?;
            if request == raw::TCSETSF {
                pty.input.borrow_mut().flush();
            }
            pty.settings.set(settings);
            pty.input.borrow_mut().settings_changed(&settings);
            pty.queue.wake();
        }
        raw::TIOCGWINSZ => memory.store(argument, &pty.size.get())?,
        raw::TIOCSWINSZ => {
            let size = memory.load(argument)?;
            if pty.size.replace(size) != size {
                pty.signal(Signal::WINCH);
            }
        }
        raw::TCFLSH => {
            if argument != 1 {
                pty.input.borrow_mut().flush();
            }
            if argument != 0 {
                pty.shown.borrow_mut().clear();
            }
            pty.queue.wake();
        }
        raw::TIOCOUTQ => memory.store(argument, &(pty.shown.borrow().len() as u32))?,
        // Output is never slow and never stopped, so there is nothing to wait for.
        raw::TCSBRK | raw::TCSBRKP | raw::TCXONC | raw::TIOCEXCL | raw::TIOCNXCL => {}
        _ => return Err(Errno::ENOTTY.into()),
    }
    Ok(0)
}

/// Operations of the master.
pub(super) fn master(pty: &Rc<Pty>, ctx: &mut Ctx<'_>, request: u32, argument: u64) -> SysResult {
    let memory = ctx.memory();
    match request {
        TIOCGPTN => memory.store(argument, &pty.number)?,
        TIOCSPTLCK => {
            let lock: i32 = memory.load(argument)?;
            pty.locked.set(lock != 0);
        }
        TIOCGPTLCK => memory.store(argument, &i32::from(pty.locked.get()))?,
        TIOCGPTPEER => return open_peer(pty, ctx, argument as u32),
        raw::TIOCGPGRP => memory.store(argument, &pty.foreground.get())?,
        raw::TIOCGSID => memory.store(argument, &session(pty)?)?,
        _ => return common(pty, ctx, request, argument),
    }
    Ok(0)
}

/// Opens the other side without its name.
fn open_peer(pty: &Rc<Pty>, ctx: &mut Ctx<'_>, flags: u32) -> SysResult {
    let known = ctx
        .kernel
        .vfs
        .ptys
        .dir()
        .and_then(|pts| dir::lookup(&pts, pty.number.to_string().as_bytes()).ok().flatten());
    let node = known.unwrap_or_else(|| {
        let mut meta = Meta::new(S_IFCHR | 0o620, 0, 0);
        meta.rdev = crate::fs::dev::number(SLAVE_MAJOR, pty.number);
        Node::new(&ctx.kernel.vfs.nameless, meta, Body::Special)
    });
    let file = OpenFile::new(Slave::open(Rc::clone(pty), &node)?, O_RDWR | flags & !O_CLOEXEC);
    Ok(ctx.files().borrow_mut().insert(file, flags & O_CLOEXEC != 0, 0)?)
}

fn session(pty: &Pty) -> Result<Pid> {
    if pty.session.get() == 0 { Err(Errno::ENOTTY) } else { Ok(pty.session.get()) }
}

/// What a background job may not do without being stopped (tty_ioctl(4)).
const CHANGES: [u32; 8] = [
    raw::TCSETS,
    raw::TCSETSW,
    raw::TCSETSF,
    raw::TCFLSH,
    raw::TCSBRK,
    raw::TCSBRKP,
    raw::TCXONC,
    raw::TIOCSPGRP,
];

/// Operations of a slave.
pub(super) fn slave(pty: &Pty, ctx: &mut Ctx<'_>, request: u32, argument: u64) -> SysResult {
    if CHANGES.contains(&request) {
        background::check(ctx, pty, Signal::TTOU)?;
    }
    let memory = ctx.memory();
    let (pid, own) = (ctx.process().pid, ctx.process().session);
    match request {
        raw::TIOCSCTTY => {
            if own != pid || pty.session.get() != 0 && pty.session.get() != own {
                return Err(Errno::EPERM.into());
            }
            pty.session.set(own);
            pty.foreground.set(ctx.process().group);
        }
        raw::TIOCNOTTY => {
            if session(pty)? != own {
                return Err(Errno::ENOTTY.into());
            }
            if own == pid {
                pty.release();
            }
        }
        raw::TIOCGPGRP | raw::TIOCGSID | raw::TIOCSPGRP if session(pty)? != own => {
            return Err(Errno::ENOTTY.into());
        }
        raw::TIOCGPGRP => memory.store(argument, &pty.foreground.get())?,
        raw::TIOCGSID => memory.store(argument, &own)?,
        raw::TIOCSPGRP => {
            let group: Pid = memory.load(argument)?;
            let mut members = ctx.kernel.tasks.processes().filter(|process| process.group == group);
            let member = members.next().ok_or(if group < 0 { Errno::EINVAL } else { Errno::ESRCH })?;
            if member.session != own {
                return Err(Errno::EPERM.into());
            }
            pty.foreground.set(group);
        }
        _ => return common(pty, ctx, request, argument),
    }
    Ok(0)
}
