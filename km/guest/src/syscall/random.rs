//! getrandom(2).

use super::row::Row;
use crate::errno::Errno;
use crate::fs::io::Sink;
use crate::kernel::{Args, Ctx};
use crate::mm::user::UserRanges;
use crate::random;
use crate::wait::SysResult;

pub const ROWS: &[Row] = &[Row::full(318, "getrandom", sys_getrandom)];

/// GRND_NONBLOCK, GRND_RANDOM and GRND_INSECURE: the generator is always ready, so none changes an answer.
const FLAGS: u64 = 7;
const RANDOM_AND_INSECURE: u64 = 6;
/// Most bytes of one call (random(4)).
const MAX: u64 = 33_554_431;

fn sys_getrandom(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let [address, len, flags, ..] = *args;
    if flags & !FLAGS != 0 || flags & RANDOM_AND_INSECURE == RANDOM_AND_INSECURE {
        return Err(Errno::EINVAL.into());
    }
    let mut ranges = UserRanges::one(ctx.memory(), address, len.min(MAX));
    // A clone is never the origin of others.
    let baking = ctx.kernel.generation == 0;
    let mut done = 0;
    let mut piece = [0; 256];
    while ranges.room() > 0 {
        let count = ranges.room().min(piece.len());
        random::fill(&mut piece[..count]);
        if let (true, Ok(seed)) = (baking, piece[..count].try_into()) {
            random::note_seed(seed);
        }
        match ranges.put(&piece[..count]) {
            Ok(moved) => done += moved as u64,
            Err(errno) if done == 0 => return Err(errno.into()),
            Err(_) => break,
        }
    }
    piece.fill(0);
    Ok(done)
}
