//! Job control: signals for a background job that uses its terminal (termios(3), `TOSTOP`).

use super::Pty;
use super::side::Slave;
use crate::errno::Errno;
use crate::fs::file::File;
use crate::kernel::Ctx;
use crate::signal::Signal;
use crate::signal::action::IGNORE;
use crate::wait::{Interruption, Stop, Wait};

/// Checks a read from a terminal.
///
/// # Errors
/// As [`check`].
pub fn check_read(ctx: &mut Ctx<'_>, file: &dyn File) -> Result<(), Stop> {
    match file.as_any().downcast_ref::<Slave>() {
        Some(slave) => check(ctx, slave.pty(), Signal::TTIN),
        None => Ok(()),
    }
}

/// Checks a write to a terminal.
///
/// # Errors
/// As [`check`].
pub fn check_write(ctx: &mut Ctx<'_>, file: &dyn File) -> Result<(), Stop> {
    match file.as_any().downcast_ref::<Slave>() {
        Some(slave) if slave.pty().stops_writers() => check(ctx, slave.pty(), Signal::TTOU),
        _ => Ok(()),
    }
}

/// Sends SIGTTIN or SIGTTOU to the group of a background job. Its call is made again when the job goes on.
///
/// # Errors
/// EIO for a reader that blocks or ignores the signal (a writer goes on), and for an orphaned group; otherwise the call
/// waits for the signal.
pub(super) fn check(ctx: &mut Ctx<'_>, pty: &Pty, signal: Signal) -> Result<(), Stop> {
    let (session, group) = (ctx.process().session, ctx.process().group);
    if !pty.is_background(session, group) {
        return Ok(());
    }
    let ignored = ctx.process().signals.actions.borrow().get(signal).handler == IGNORE;
    if ignored || ctx.thread().signals.mask.contains(signal) {
        return if signal == Signal::TTIN { Err(Errno::EIO.into()) } else { Ok(()) };
    }
    if ctx.kernel.is_orphaned(group, session) {
        return Err(Errno::EIO.into());
    }
    ctx.kernel.signal_group(group, signal);
    let wait = Wait { interruption: Interruption::Restart, ..Wait::on(&pty.queue) };
    Err(Stop::Block(wait))
}
