//! Breakpoints of debug registers, as tracers set them (ptrace(2), `u_debugreg`; gdb's `watch` and `hbreak`).
//!
//! A machine has no such registers. A thread with breakpoints runs in single steps instead, and after each the library OS looks
//! at the bytes that are watched for writing, and at where the thread has come to.

use super::Tid;
use crate::errno::{Errno, Result};
use crate::kernel::Kernel;
use crate::mm::user::UserMemory;
use alloc::rc::Rc;
use km_hal::context::RFLAGS_TRAP;

/// How many addresses there are.
const POINTS: usize = 4;
/// Index of the register that says what was met, and of the one that says what is watched.
const STATUS: usize = 6;
const CONTROL: usize = 7;
/// Bits of the status register that are 1 where nothing has happened.
const STATUS_FIXED: u64 = 0xffff_0ff0;
/// The bit of the status register for a single step.
const STATUS_STEP: u64 = 1 << 14;

/// What a breakpoint waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// The instruction there is next.
    Execute,
    /// So many bytes there were changed.
    Write(usize),
}

/// What a step of a traced thread was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stepped {
    /// One that its tracer, or the program itself, has asked for.
    Wanted,
    /// A breakpoint was met.
    Met,
    /// One on the way to a breakpoint.
    OnTheWay,
}

/// The debug registers of a traced thread.
#[derive(Clone, Copy, Debug, Default)]
pub struct DebugRegisters {
    addresses: [u64; POINTS],
    met: u64,
    control: u64,
    /// The bytes at the addresses when they were looked at last.
    seen: [u64; POINTS],
}

impl DebugRegisters {
    /// A register as PTRACE_PEEKUSER shows it.
    #[must_use]
    pub fn get(&self, index: usize) -> u64 {
        match index {
            STATUS => self.met ^ STATUS_FIXED,
            CONTROL => self.control,
            index => self.addresses.get(index).copied().unwrap_or(0),
        }
    }

    /// Sets a register (PTRACE_POKEUSER).
    ///
    /// # Errors
    /// EIO for a register that there is not; EINVAL for what no CPU watches; ENOSPC for reading, which cannot be seen.
    pub fn set(&mut self, index: usize, value: u64) -> Result<()> {
        match index {
            STATUS => self.met = value ^ STATUS_FIXED,
            CONTROL => {
                (0..POINTS).try_for_each(|point| self.kind(point, value).map(|_| ()))?;
                self.control = value;
            }
            index => *self.addresses.get_mut(index).ok_or(Errno::EIO)? = value,
        }
        Ok(())
    }

    /// Whether anything is watched.
    #[must_use]
    pub fn are_used(&self) -> bool {
        const ENABLED: u64 = 0xff;
        self.control & ENABLED != 0
    }

    /// What `control` says of a breakpoint, if it is enabled.
    fn kind(&self, point: usize, control: u64) -> Result<Option<Kind>> {
        if control >> (2 * point) & 3 == 0 {
            return Ok(None);
        }
        let bits = control >> (16 + 4 * point) & 0xf;
        let len = [1, 2, 8, 4][(bits >> 2) as usize];
        let is_aligned = self.addresses[point].is_multiple_of(len as u64);
        match bits & 3 {
            0 if len == 1 => Ok(Some(Kind::Execute)),
            1 if is_aligned => Ok(Some(Kind::Write(len))),
            3 if is_aligned => Err(Errno::ENOSPC),
            _ => Err(Errno::EINVAL),
        }
    }

    /// Looks at what is watched: a bit for each breakpoint that was met.
    fn look(&mut self, memory: &UserMemory, rip: u64) -> u64 {
        let mut met = 0;
        for point in 0..POINTS {
            let is_met = match self.kind(point, self.control) {
                Ok(Some(Kind::Execute)) => rip == self.addresses[point],
                Ok(Some(Kind::Write(len))) => {
                    let mut bytes = [0; 8];
                    // What is not there has no value, which is one as well.
                    let _ = memory.read(self.addresses[point], &mut bytes[..len]);
                    let now = u64::from_le_bytes(bytes);
                    core::mem::replace(&mut self.seen[point], now) != now
                }
                _ => false,
            };
            met |= u64::from(is_met) << point;
        }
        met
    }
}

impl Kernel {
    /// A traced thread is about to run: where it has breakpoints, by steps. What others have written meanwhile, the kernel
    /// among them, is not told.
    pub(super) fn arm_watchpoints(&mut self, tid: Tid) {
        let Some((thread, process, trace)) = self.tasks.traced_mut(tid) else { return };
        if trace.debug.are_used() {
            thread.context.rflags |= RFLAGS_TRAP;
            trace.debug.look(&UserMemory::new(Rc::clone(&process.space)), 0);
        }
    }

    /// A traced thread has made a step.
    pub(crate) fn stepped(&mut self, tid: Tid) -> Stepped {
        let Some((thread, process, trace)) = self.tasks.traced_mut(tid) else { return Stepped::Wanted };
        if !trace.debug.are_used() {
            return Stepped::Wanted;
        }
        let wanted = trace.steps();
        let met = trace.debug.look(&UserMemory::new(Rc::clone(&process.space)), thread.context.rip);
        if met == 0 && !wanted {
            return Stepped::OnTheWay;
        }
        trace.debug.met = met | if wanted { STATUS_STEP } else { 0 };
        if wanted { Stepped::Wanted } else { Stepped::Met }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registers_take_what_can_be_watched() {
        let mut registers = DebugRegisters::default();
        assert_eq!(registers.get(STATUS), STATUS_FIXED);
        assert_eq!(registers.set(0, 0x1004), Ok(()));
        // Four bytes that are written; eight do not fit there; reading cannot be seen; ports are none of a program's.
        assert_eq!(registers.set(CONTROL, 0xd_0001), Ok(()));
        assert!(registers.are_used());
        assert_eq!(registers.set(CONTROL, 0x9_0001), Err(Errno::EINVAL));
        assert_eq!(registers.set(CONTROL, 0xf_0001), Err(Errno::ENOSPC));
        assert_eq!(registers.set(CONTROL, 0xe_0001), Err(Errno::EINVAL));
        assert_eq!(registers.get(CONTROL), 0xd_0001);
        assert_eq!([4, 5].map(|index| registers.set(index, 0)), [Err(Errno::EIO); 2]);
    }
}
