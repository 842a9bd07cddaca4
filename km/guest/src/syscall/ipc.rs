//! What the calls of System V IPC share: their structures, and commands that all kinds have.

use crate::errno::{Errno, Result};
use crate::ipc::registry::{Object, Permissions};
use crate::kernel::Ctx;
use alloc::vec::Vec;

/// Commands that semctl(2), shmctl(2) and msgctl(2) have in common.
pub(super) mod command {
    pub const REMOVE: u64 = 0;
    pub const SET: u64 = 1;
    pub const STAT: u64 = 2;
    pub const INFO: u64 = 3;
}

/// IPC_NOWAIT: fail instead of waiting.
pub(super) const NO_WAIT: u64 = 0o4000;
/// Permission bits for reading and for writing, in every class.
pub(super) const READ: u32 = 0o444;
pub(super) const WRITE: u32 = 0o222;

/// An object's structure as the calls give it: permissions, then 64-bit words.
pub(super) fn structure(permissions: Permissions, words: &[u64]) -> Vec<u8> {
    let mut bytes = permissions.encode().to_vec();
    bytes.extend(words.iter().flat_map(|word| word.to_le_bytes()));
    bytes
}

/// Two 32-bit numbers as one word of a structure.
pub(super) fn pair(first: i32, second: i32) -> u64 {
    u64::from(first.cast_unsigned()) | u64::from(second.cast_unsigned()) << 32
}

/// 32-bit numbers as bytes.
pub(super) fn numbers(words: &[i32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// IPC_SET: the owner changes owner and permission bits, as `given` has them.
pub(super) fn set_permissions<T: Object>(ctx: &mut Ctx<'_>, object: &T, given: &[u8; 48]) -> Result<()> {
    let mut permissions = object.permissions().get();
    permissions.check_owner(&ctx.process().credentials)?;
    permissions.set(given);
    object.permissions().set(permissions);
    Ok(())
}

/// Lets threads run whose wait for an object is over.
pub(super) fn resume(ctx: &mut Ctx<'_>, threads: Vec<crate::task::Tid>) {
    for tid in threads {
        ctx.kernel.tasks.interrupt(tid);
    }
}

/// What a call that has waited for an object answers if the object is gone.
pub(super) fn removed<T>(found: Result<T>, has_waited: bool) -> Result<T> {
    found.map_err(|errno| if has_waited { Errno::EIDRM } else { errno })
}
