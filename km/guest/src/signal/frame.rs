//! The frame that a signal handler runs on (`struct rt_sigframe` of x86-64), and the return from it.
//!
//! ```text
//! top of the stack in use, less the red zone of 128 bytes
//!   XSAVE image, 64-byte aligned, with Linux's software bytes in it and a magic word behind it
//!   siginfo_t                128 bytes
//!   ucontext_t               304 bytes: flags, link, stack_t, registers, mask
//!   return address             8 bytes: the restorer of the action
//! rsp → (16-byte aligned, less 8, as after a call)
//! ```

use super::action::{Action, flag};
use super::info::{INFO_BYTES, Info};
use super::{AltStack, SigSet, Signal, ThreadSignals};
use crate::errno::{Errno, Result};
use crate::mm::user::UserMemory;
use alloc::vec::Vec;
use km_abi::layout::{USER_CS, USER_SS};
use km_hal::UserContext;
use km_hal::context::RFLAGS_TRAP;
use km_hal::cpu::XState;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Bytes below the stack pointer that a leaf function may use (System V ABI).
const RED_ZONE: u64 = 128;
/// Offset of the software bytes in the FXSAVE part (`struct _fpx_sw_bytes`).
const SOFTWARE_BYTES: usize = 464;
const XSTATE_MAGIC1: u32 = 0x4650_5853;
const XSTATE_MAGIC2: u32 = 0x4650_5845;
/// UC_FP_XSTATE | UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS.
const CONTEXT_FLAGS: u64 = 7;
const SS_ONSTACK: i32 = 1;
const SS_DISABLE: i32 = 2;
const SS_AUTODISARM: i32 = i32::MIN;

/// `stack_t` (sigaltstack(2)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct StackT {
    /// `ss_sp`: lowest address.
    pub start: u64,
    /// `ss_flags`: SS_DISABLE, SS_ONSTACK, SS_AUTODISARM.
    pub flags: i32,
    /// Padding of the C structure, 0.
    pub reserved: i32,
    /// `ss_size`, in bytes.
    pub size: u64,
}

/// `ucontext_t` as the kernel writes it, with `struct sigcontext` inside.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct UContext {
    flags: u64,
    link: u64,
    stack: StackT,
    /// r8 to r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip.
    registers: [u64; 17],
    rflags: u64,
    selectors: [u16; 4],
    error: u64,
    trap: u64,
    old_mask: u64,
    cr2: u64,
    xstate: u64,
    reserved: [u64; 8],
    mask: u64,
}

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct SignalFrame {
    restorer: u64,
    context: UContext,
    info: [u8; INFO_BYTES],
}

const _: () = assert!(size_of::<UContext>() == 304 && size_of::<SignalFrame>() == 440);

/// Vector, error code and address of a thread's last CPU exception, which the frame of its handler reports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LastException {
    /// Vector number (`trapno` of the sigcontext).
    pub vector: u64,
    /// Error code, 0 for exceptions without one.
    pub error: u64,
    /// CR2: the address whose access faulted, for page faults.
    pub address: u64,
}

impl StackT {
    /// The alternate stack of a thread as sigaltstack(2) reports it to a program on `pointer`.
    #[must_use]
    pub fn report(stack: &AltStack, pointer: u64) -> Self {
        let state = match (stack.size, stack.holds(pointer)) {
            (0, _) => SS_DISABLE,
            (_, true) => SS_ONSTACK,
            (_, false) => 0,
        };
        let flags = state | if stack.disarm { SS_AUTODISARM } else { 0 };
        Self { start: stack.start, flags, reserved: 0, size: stack.size }
    }

    /// The alternate stack that a program asks for.
    ///
    /// # Errors
    /// EINVAL for unknown flags, ENOMEM for a stack that holds no frame.
    pub fn request(self) -> Result<AltStack> {
        match self.flags & !SS_AUTODISARM {
            SS_DISABLE => Ok(AltStack::default()),
            // SS_ONSTACK is accepted and means nothing, as on Linux.
            0 | SS_ONSTACK if self.size < minimum_stack() => Err(Errno::ENOMEM),
            0 | SS_ONSTACK => {
                Ok(AltStack { start: self.start, size: self.size, disarm: self.flags & SS_AUTODISARM != 0 })
            }
            _ => Err(Errno::EINVAL),
        }
    }
}

/// Least size of an alternate stack that sigaltstack(2) accepts (MINSIGSTKSZ).
fn minimum_stack() -> u64 {
    2048
}

/// What AT_MINSIGSTKSZ says: the most that a frame takes.
#[must_use]
pub fn frame_bytes_max() -> u64 {
    (size_of::<SignalFrame>() + km_hal::cpu::size_bytes() + 4) as u64 + RED_ZONE + 64 + 16
}

/// Writes the frame for a handler and points the thread at it.
///
/// # Errors
/// EFAULT when the stack cannot be written: the thread gets SIGSEGV instead.
pub fn enter(
    memory: &UserMemory,
    context: &mut UserContext,
    signals: &mut ThreadSignals,
    xstate: &XState,
    action: &Action,
    info: &Info,
    exception: LastException,
) -> Result<()> {
    let on_alternate = signals.alt_stack.holds(context.rsp);
    let switch = action.flags & flag::ONSTACK != 0 && signals.alt_stack.size != 0 && !on_alternate;
    let top = if switch {
        signals.alt_stack.start.checked_add(signals.alt_stack.size)
    } else {
        context.rsp.checked_sub(RED_ZONE)
    };
    let mut image = xstate_image(xstate);
    image.extend(XSTATE_MAGIC2.to_le_bytes());
    let below = |top: u64| {
        let at = top.checked_sub(image.len() as u64)? & !63;
        let frame = (at.checked_sub(size_of::<SignalFrame>() as u64)? & !15).checked_sub(8)?;
        Some((at, frame))
    };
    let (image_at, frame_at) = top.and_then(below).ok_or(Errno::EFAULT)?;
    if (switch || on_alternate) && frame_at <= signals.alt_stack.start {
        return Err(Errno::EFAULT);
    }
    let mask = signals.saved_mask.unwrap_or(signals.mask);
    let mut saved = UContext::of(context, mask, exception);
    saved.stack = StackT::report(&signals.alt_stack, context.rsp);
    saved.xstate = image_at;
    memory.write(image_at, &image)?;
    memory
        .store(frame_at, &SignalFrame { restorer: action.restorer, context: saved, info: info.encode() })?;

    start_handler(context, action, info.signal, frame_at);
    signals.saved_mask = None;
    signals.mask = handler_mask(signals.mask, action, info.signal);
    if signals.alt_stack.disarm {
        signals.alt_stack = AltStack::default();
    }
    Ok(())
}

fn start_handler(context: &mut UserContext, action: &Action, signal: Signal, frame: u64) {
    const DIRECTION: u64 = 1 << 10;
    const RESUME: u64 = 1 << 16;
    context.rip = action.handler;
    context.rsp = frame;
    context.rax = 0;
    context.rdi = u64::from(signal.number());
    context.rsi = frame + 8 + size_of::<UContext>() as u64;
    context.rdx = frame + 8;
    context.rflags &= !(DIRECTION | RESUME | RFLAGS_TRAP);
}

fn handler_mask(mask: SigSet, action: &Action, signal: Signal) -> SigSet {
    let more = SigSet::mask(mask.0 | action.mask);
    if action.flags & flag::NODEFER == 0 { more.with(signal) } else { more }
}

/// The return from a handler: takes registers, mask, alternate stack and vector state from the frame below the stack
/// pointer.
///
/// # Errors
/// EFAULT when there is no readable frame: the thread gets SIGSEGV.
pub fn leave(
    memory: &UserMemory,
    context: &mut UserContext,
    signals: &mut ThreadSignals,
    xstate: &mut XState,
) -> Result<()> {
    // The handler's `ret` has taken the return address.
    let saved: UContext = memory.load(context.rsp)?;
    restore_xstate(memory, saved.xstate, xstate)?;
    saved.restore(context);
    signals.mask = SigSet::mask(saved.mask);
    if let Ok(stack) = saved.stack.request() {
        signals.alt_stack = stack;
    }
    Ok(())
}

/// The vector state with Linux's software bytes in it, which say how long it is and what is in it.
#[must_use]
pub fn xstate_image(xstate: &XState) -> Vec<u8> {
    let mut image = xstate.as_bytes().to_vec();
    let len = image.len() as u32;
    let features = km_hal::records::boot().xcr0;
    let mut put = |at: usize, value: &[u8]| image[at..at + value.len()].copy_from_slice(value);
    put(SOFTWARE_BYTES, &XSTATE_MAGIC1.to_le_bytes());
    put(SOFTWARE_BYTES + 4, &(len + 4).to_le_bytes());
    put(SOFTWARE_BYTES + 8, &features.to_le_bytes());
    put(SOFTWARE_BYTES + 16, &len.to_le_bytes());
    image
}

fn restore_xstate(memory: &UserMemory, address: u64, xstate: &mut XState) -> Result<()> {
    if address == 0 {
        *xstate = XState::fresh();
        return Ok(());
    }
    let mut legacy = [0; 512];
    memory.read(address, &mut legacy)?;
    let word = |at: usize| u32::from_le_bytes([legacy[at], legacy[at + 1], legacy[at + 2], legacy[at + 3]]);
    if word(SOFTWARE_BYTES) != XSTATE_MAGIC1 {
        xstate.load_bytes(&legacy);
        return Ok(());
    }
    let len = (word(SOFTWARE_BYTES + 16) as usize).clamp(legacy.len(), xstate.as_bytes().len());
    let mut image = alloc::vec![0; len];
    memory.read(address, &mut image)?;
    xstate.load_bytes(&image);
    Ok(())
}

impl UContext {
    fn of(context: &UserContext, mask: SigSet, exception: LastException) -> Self {
        let c = context;
        Self {
            flags: CONTEXT_FLAGS,
            registers: [
                c.r8, c.r9, c.r10, c.r11, c.r12, c.r13, c.r14, c.r15, c.rdi, c.rsi, c.rbp, c.rbx, c.rdx,
                c.rax, c.rcx, c.rsp, c.rip,
            ],
            rflags: c.rflags,
            selectors: [USER_CS, 0, 0, USER_SS],
            error: exception.error,
            trap: exception.vector,
            cr2: exception.address,
            old_mask: mask.0,
            mask: mask.0,
            ..Self::default()
        }
    }

    fn restore(&self, context: &mut UserContext) {
        let [r8, r9, r10, r11, r12, r13, r14, r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip] =
            self.registers;
        let rflags = UserContext::sanitized_rflags(self.rflags);
        *context = UserContext {
            rax,
            rbx,
            rcx,
            rdx,
            rsi,
            rdi,
            rbp,
            r8,
            r9,
            r10,
            r11,
            r12,
            r13,
            r14,
            r15,
            rip,
            rflags,
            rsp,
        };
    }
}
