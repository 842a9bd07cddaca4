//! The end of a library OS that cannot go on: a panic, or an exception inside of it.

use super::{Global, KM_EXCEPTION, heap};
use crate::{backend, hyper};
use core::panic::PanicInfo;
use km_abi::hypercall::{End, Port};

/// Set while the last message is written: a failure now ends the machine without another message.
static ENDING: Global<bool> = Global::new(false);

/// The CPU's frame of an exception.
#[repr(C)]
pub(super) struct CpuFrame {
    error: u64,
    rip: u64,
    cs: u64,
    rflags: u64,
    rsp: u64,
    ss: u64,
}

fn end_if_ending() {
    // SAFETY: one flow of control.
    let before = unsafe { ENDING.pointer().replace(true) };
    if before {
        backend::ring_last(Port::Panic);
    }
}

/// An exception inside the library OS.
pub(super) extern "C" fn exception(frame: &CpuFrame, rdx: u64) -> ! {
    end_if_ending();
    // SAFETY: the entry has filled it in.
    let entry = unsafe { &*KM_EXCEPTION.pointer() };
    hyper::panic(
        &format_args!(
            "exception {} (error {:#x}, address {:#x}) in the library OS\n rip {:#018x} rsp {:#018x} rflags {:#x} \
         rax {:#x} rcx {:#x} rdx {rdx:#x}\n",
            entry.vector,
            frame.error,
            entry.address,
            frame.rip,
            frame.rsp,
            frame.rflags,
            entry.rax,
            entry.rcx,
        ),
        None,
    )
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    end_if_ending();
    // The standard library's handler of failed allocations panics at once: nothing was allocated in between.
    let cause = heap::last_failed().then_some(End::OutOfMemory);
    hyper::panic(&format_args!("the library OS stopped: {info}\n"), cause)
}
