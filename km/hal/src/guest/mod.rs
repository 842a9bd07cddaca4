//! The machine's way into and out of the library OS.
//!
//! ```text
//!  program ── syscall ──► ring 0: stubs.rs ── iretq ──┐
//!          ── exception ► ring 0: stubs.rs ── iretq ──┤
//!          ── kick (the monitor sets rip) ────────────┼─► entries.rs ─► trap::<T> ─► LibOs::trap
//!  boot, clone (the monitor sets rip and rsp) ────────┘                     │
//!  program ◄─────────────── jmp, still in ring 3 ◄──────────────────────────┘
//! ```
//! Ring 0 is nothing but the stubs; the library OS and the program are both ring 3.

mod entries;
mod fatal;
mod header;
mod heap;
mod stubs;

use crate::context::{LibOs, RFLAGS_FIXED, Trap, UserContext};
use crate::{backend, phys};
use alloc::boxed::Box;
use core::cell::UnsafeCell;
use core::mem::offset_of;
use core::ptr;
use km_abi::hypercall::{HyperPage, Interrupted};
use km_abi::layout::{BOOT_TABLES_GPA, HYPER_GPA};

/// A global without a lock. There is one CPU, and the only entry that interrupts the library OS is the one that ends it
/// ([`fatal`]), so one flow of control uses it.
pub(crate) struct Global<T>(UnsafeCell<T>);

// SAFETY: there is one CPU and no second flow of control, see the type.
unsafe impl<T> Sync for Global<T> {}

impl<T> Global<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(UnsafeCell::new(value))
    }

    pub(crate) const fn pointer(&self) -> *mut T {
        self.0.get()
    }
}

/// The interrupted thread: the entries store here, the way back loads from here.
#[unsafe(no_mangle)]
pub(crate) static KM_CONTEXT: Global<UserContext> = Global::new(UserContext {
    rax: 0,
    rbx: 0,
    rcx: 0,
    rdx: 0,
    rsi: 0,
    rdi: 0,
    rbp: 0,
    r8: 0,
    r9: 0,
    r10: 0,
    r11: 0,
    r12: 0,
    r13: 0,
    r14: 0,
    r15: 0,
    rip: 0,
    rflags: RFLAGS_FIXED,
    rsp: 0,
});

/// What an exception entry keeps beside the context.
#[repr(C)]
pub(crate) struct ExceptionRecord {
    /// The program's RAX while the entry uses the register.
    rax: u64,
    /// The program's RCX, until it is in the context.
    rcx: u64,
    /// Number of the exception.
    vector: u64,
    /// Error code, for vectors that have one.
    error: u64,
    /// CR2 of the last page fault.
    address: u64,
}

/// The exception that is being handled.
#[unsafe(no_mangle)]
pub(crate) static KM_EXCEPTION: Global<ExceptionRecord> =
    Global::new(ExceptionRecord { rax: 0, rcx: 0, vector: 0, error: 0, address: 0 });

/// Root of the page tables in use, which the flush gate loads.
#[unsafe(no_mangle)]
pub(crate) static KM_ROOT: Global<u64> = Global::new(BOOT_TABLES_GPA);

/// The library OS, once it has booted. Its type is known to the two functions below alone.
static LIBRARY: Global<*mut ()> = Global::new(ptr::null_mut());

/// Vectors with an error code.
const WITH_ERROR: u32 =
    1 << 8 | 1 << 10 | 1 << 11 | 1 << 12 | 1 << 13 | 1 << 14 | 1 << 17 | 1 << 21 | 1 << 29 | 1 << 30;

/// Kinds of entry, as the assembly names them.
const KIND_SYSCALL: u32 = 0;
const KIND_EXCEPTION: u32 = 1;
const KIND_INTERRUPT: u32 = 2;

/// Boots the library OS; called once, by [`crate::entry!`].
pub fn boot<T: LibOs>() {
    backend::boot();
    // SAFETY: this is the only flow of control, and nothing else borrows the context.
    let context = unsafe { &mut *KM_CONTEXT.pointer() };
    let library = Box::new(T::boot(context));
    // SAFETY: as above.
    unsafe { *LIBRARY.pointer() = Box::into_raw(library).cast() };
    check(context);
}

/// Hands an entry to the library OS; called by [`crate::entry!`] with the type that was booted.
pub fn trap<T: LibOs>(kind: u32) {
    // SAFETY: `boot::<T>` made it, and entries do not nest.
    let (library, context) = unsafe { (&mut *(*LIBRARY.pointer()).cast::<T>(), &mut *KM_CONTEXT.pointer()) };
    let trap = match kind {
        KIND_SYSCALL => Trap::Syscall,
        KIND_INTERRUPT => {
            let place = HYPER_GPA + offset_of!(HyperPage, interrupted) as u64;
            let interrupted: Interrupted = phys::read_value(place);
            context.rip = interrupted.rip;
            context.rflags = interrupted.rflags;
            Trap::Interrupt
        }
        _ => exception(),
    };
    library.trap(context, trap);
    check(context);
}

fn exception() -> Trap {
    // SAFETY: the entry has filled it in, and entries do not nest.
    let entry = unsafe { &*KM_EXCEPTION.pointer() };
    let vector = entry.vector as u8;
    let error = if WITH_ERROR >> vector & 1 == 1 { entry.error } else { 0 };
    let address = if vector == 14 { entry.address } else { 0 };
    Trap::Exception { vector, error, address }
}

/// Makes sure that the way back to the program can be taken with this context.
fn check(context: &mut UserContext) {
    context.rflags = UserContext::sanitized_rflags(context.rflags);
}

/// Makes `$library`, a [`crate::LibOs`], the program of the guest image.
#[macro_export]
macro_rules! entry {
    ($library:ty) => {
        #[unsafe(no_mangle)]
        extern "C" fn km_boot() {
            $crate::guest::boot::<$library>();
        }

        #[unsafe(no_mangle)]
        extern "C" fn km_trap(kind: u32) {
            $crate::guest::trap::<$library>(kind);
        }
    };
}
