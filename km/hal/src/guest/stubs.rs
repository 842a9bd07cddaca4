//! Ring 0: the targets of `syscall`, of the exceptions and of the flush gate.
//!
//! Every instruction here is emulated where KVM has no hardware to lean on, at up to half a microsecond, so a stub
//! only loads a prepared frame and leaves. `iretq`, because `sysretq` is refused on such hosts. No vector
//! instruction may appear. The CPU pushes its own frames at the end of the exception-stack page.

use super::{ExceptionRecord, KM_CONTEXT, KM_EXCEPTION, KM_ROOT};
use crate::context::UserContext;
use core::arch::global_asm;
use core::mem::offset_of;
use km_abi::layout::{USER_CS, USER_SS};

/// Bytes between the stubs of two vectors.
pub(super) const VECTOR_STRIDE: u32 = 32;

global_asm!(
    ".section .km.ring0, \"ax\"",
    ".balign 32",
    ".global km_syscall_stub",
    "km_syscall_stub:",
    "mov [rip + {context} + {rsp}], rsp",
    "lea rsp, [rip + km_frame_syscall]",
    "iretq",
    // The page-fault stub leaves CR2 in RAX for the ring-3 entry. Vector 4 is the flush gate. A program may execute the
    // instruction as well, so nothing of its registers counts here, and the ring-3 entry finds out who it was.
    ".balign 32",
    ".global km_vector_stubs",
    "km_vector_stubs:",
    ".set vector, 0",
    ".rept 32",
    ".balign 32",
    ".if vector == 4",
    "mov rsp, [rip + {root}]",
    "mov cr3, rsp",
    ".endif",
    ".if vector == 14",
    "mov [rip + {exception} + {saved_rax}], rax",
    "mov rax, cr2",
    ".endif",
    "lea rsp, [rip + km_frame_vectors + vector * 40]",
    "iretq",
    ".set vector, vector + 1",
    ".endr",
    ".balign 32",
    // Frames that the stubs return by: into ring 3, with the stack of that entry.
    ".section .km.frames, \"a\"",
    ".balign 16",
    "km_frame_syscall:",
    ".quad km_syscall_entry, {cs}, 0x202, km_stack_top, {ss}",
    "km_frame_vectors:",
    ".set vector, 0",
    ".rept 32",
    ".quad km_vector_entries + vector * 32, {cs}, 0x202, km_fault_stack_top, {ss}",
    ".set vector, vector + 1",
    ".endr",
    ".text",
    context = sym KM_CONTEXT,
    root = sym KM_ROOT,
    rsp = const offset_of!(UserContext, rsp),
    exception = sym KM_EXCEPTION,
    saved_rax = const offset_of!(ExceptionRecord, rax),
    cs = const USER_CS,
    ss = const USER_SS,
);
