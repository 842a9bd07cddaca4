//! select(2) and pselect6(2).

use super::row::Row;
use super::waiting;
use crate::errno::{Errno, Result};
use crate::fs::fd::FdTable;
use crate::fs::file::Ready;
use crate::kernel::{Args, Ctx};
use crate::wait::{Stop, SysResult, WaitKey};
use alloc::vec::Vec;

pub const ROWS: &[Row] = &[Row::full(23, "select", sys_select), Row::full(270, "pselect6", sys_pselect6)];

/// What the three sets ask for (POLLIN_SET, POLLOUT_SET and POLLEX_SET of Linux).
const MEANINGS: [Ready; 3] =
    [Ready::IN.union(Ready::HUP).union(Ready::ERR), Ready::OUT.union(Ready::ERR), Ready::PRI];

/// The three sets of a call: addresses and, where one is not null, bits.
struct Sets {
    addresses: [u64; 3],
    bits: [Vec<u8>; 3],
    /// Descriptors that are looked at.
    count: usize,
}

impl Sets {
    fn load(ctx: &mut Ctx<'_>, args: &Args) -> Result<Self> {
        let count = usize::try_from(args[0] as i32).map_err(|_| Errno::EINVAL)?;
        let highest = ctx.files().borrow().numbers().last().map_or(0, |fd| fd + 1);
        // Bits beyond the table are not looked at, but at least one word of a set is.
        let count = count.min(highest.next_multiple_of(64).max(64));
        let addresses = [args[1], args[2], args[3]];
        let mut bits = [Vec::new(), Vec::new(), Vec::new()];
        for (bits, address) in bits.iter_mut().zip(addresses).filter(|(_, address)| *address != 0) {
            bits.resize(count.div_ceil(64) * 8, 0);
            ctx.memory().read(address, bits)?;
        }
        Ok(Self { addresses, bits, count })
    }

    fn has(&self, set: usize, fd: usize) -> bool {
        self.bits[set].get(fd / 8).is_some_and(|byte| byte >> (fd % 8) & 1 == 1)
    }

    /// The descriptors that are in a set.
    fn wanted(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.count).filter(|fd| (0..3).any(|set| self.has(set, *fd)))
    }

    /// The sets of what is ready, and how many bits they have.
    fn ready(&self, files: &FdTable) -> Result<(u64, [Vec<u8>; 3])> {
        let mut result = self.bits.clone();
        result.iter_mut().for_each(|bits| bits.fill(0));
        let mut count = 0;
        for fd in self.wanted() {
            let ready = files.descriptor(fd as u64).ok_or(Errno::EBADF)?.file.file.ready();
            for set in (0..3).filter(|set| self.has(*set, fd) && ready.intersects(MEANINGS[*set])) {
                result[set][fd / 8] |= 1 << (fd % 8);
                count += 1;
            }
        }
        Ok((count, result))
    }

    fn keys(&self, files: &FdTable) -> Vec<WaitKey> {
        let queues = self.wanted().filter_map(|fd| files.descriptor(fd as u64));
        queues.filter_map(|descriptor| Some(descriptor.file.file.queue()?.key())).collect()
    }
}

fn wait(ctx: &mut Ctx<'_>, args: &Args, timeout_ns: Option<u64>) -> SysResult {
    let sets = Sets::load(ctx, args)?;
    let files = ctx.files();
    let (count, result) = sets.ready(&files.borrow())?;
    let deadline_ns = waiting::deadline(ctx, timeout_ns);
    if count == 0 && !waiting::is_over(timeout_ns, deadline_ns) {
        return Err(waiting::block(sets.keys(&files.borrow()), deadline_ns));
    }
    for (bits, address) in result.iter().zip(sets.addresses).filter(|(_, address)| *address != 0) {
        ctx.memory().write(address, bits)?;
    }
    Ok(count)
}

/// The time that is left is written back, in units of `unit_ns`.
fn put_left(ctx: &mut Ctx<'_>, address: u64, timeout_ns: Option<u64>, unit_ns: u64) {
    if let Some(deadline) = waiting::deadline(ctx, timeout_ns) {
        let left = waiting::left(deadline);
        // A time-out in read-only memory is no error (poll_select_finish of Linux).
        let _ = ctx.memory().store(address, &[left / 1_000_000_000, left % 1_000_000_000 / unit_ns]);
    }
}

fn sys_select(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let timeout_ns = select_timeout(ctx, args[4])?;
    let result = wait(ctx, args, timeout_ns);
    if !matches!(result, Err(Stop::Block(_))) {
        put_left(ctx, args[4], timeout_ns, 1000);
    }
    result
}

/// Microseconds may be more than a second's here (select(2) of Linux adds them up).
fn select_timeout(ctx: &mut Ctx<'_>, address: u64) -> Result<Option<u64>> {
    if address == 0 {
        return Ok(None);
    }
    let [seconds, micros]: [i64; 2] = ctx.memory().load(address)?;
    let whole = seconds.saturating_add(micros / 1_000_000);
    match (u64::try_from(whole), u64::try_from(micros % 1_000_000)) {
        (Ok(seconds), Ok(micros)) => {
            Ok(Some(seconds.saturating_mul(1_000_000_000).saturating_add(micros * 1000)))
        }
        _ => Err(Errno::EINVAL),
    }
}

fn sys_pselect6(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let timeout_ns = waiting::timespec(ctx, args[4])?;
    let [mask, size]: [u64; 2] = if args[5] == 0 { [0, 0] } else { ctx.memory().load(args[5])? };
    waiting::with_mask(ctx, mask, size, |ctx| {
        let result = wait(ctx, args, timeout_ns);
        if !matches!(result, Err(Stop::Block(_))) {
            put_left(ctx, args[4], timeout_ns, 1);
        }
        result
    })
}
