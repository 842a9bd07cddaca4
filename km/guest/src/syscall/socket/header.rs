//! `struct msghdr` and what it points to.

use super::name;
use crate::errno::{Errno, Result};
use crate::kernel::Ctx;
use crate::mm::user::UserRanges;
use crate::net::address::{Address, LONGEST};
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// `struct msghdr` (recvmsg(2)).
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub(super) struct MessageHeader {
    pub name: u64,
    pub name_len: u32,
    padding: u32,
    pub vector: u64,
    pub vector_count: u64,
    pub control: u64,
    pub control_len: u64,
    pub flags: u32,
    padding_end: u32,
}

/// Offsets of the fields that recvmsg(2) writes back.
const NAME_LEN: u64 = 8;
const CONTROL_LEN: u64 = 40;
const FLAGS: u64 = 48;

impl MessageHeader {
    /// Reads the structure at `address`.
    pub(super) fn load(ctx: &mut Ctx<'_>, address: u64) -> Result<Self> {
        let header: Self = ctx.memory().load(address)?;
        if header.name_len.cast_signed() < 0 {
            return Err(Errno::EINVAL);
        }
        Ok(header)
    }

    /// The bytes of the message.
    pub(super) fn ranges(&self, ctx: &mut Ctx<'_>) -> Result<UserRanges> {
        if self.vector_count > 1024 {
            return Err(Errno::EMSGSIZE);
        }
        UserRanges::vector(ctx.memory(), self.vector, self.vector_count)
    }

    /// Where a message goes to, if it says so.
    pub(super) fn destination(&self, ctx: &mut Ctx<'_>) -> Result<Option<Address>> {
        if self.name == 0 || self.name_len == 0 {
            return Ok(None);
        }
        let len = u64::from(self.name_len).min(LONGEST as u64);
        name::read(ctx, self.name, len).map(Some)
    }

    /// Writes back what recvmsg(2) returns beside the bytes.
    pub(super) fn put_results(
        ctx: &mut Ctx<'_>,
        address: u64,
        name_len: Option<u32>,
        control_len: u64,
        flags: u32,
    ) -> Result<()> {
        let memory = ctx.memory();
        if let Some(len) = name_len {
            memory.store(address + NAME_LEN, &len)?;
        }
        memory.store(address + CONTROL_LEN, &control_len)?;
        memory.store(address + FLAGS, &flags)
    }
}
