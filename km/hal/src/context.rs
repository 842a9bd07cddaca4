//! The interrupted thread, and what a library OS has to offer to be entered by it.

/// The registers of a thread of the program that every entry saves and every return loads.
///
/// Vector state and segment bases are not among them: the library OS uses neither, so they stay in the CPU until it
/// switches threads ([`crate::cpu`]).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
#[expect(missing_docs, reason = "the fields are the registers of their names")]
pub struct UserContext {
    pub rax: u64,
    pub rbx: u64,
    pub rcx: u64,
    pub rdx: u64,
    pub rsi: u64,
    pub rdi: u64,
    pub rbp: u64,
    pub r8: u64,
    pub r9: u64,
    pub r10: u64,
    pub r11: u64,
    pub r12: u64,
    pub r13: u64,
    pub r14: u64,
    pub r15: u64,
    pub rip: u64,
    pub rflags: u64,
    pub rsp: u64,
}

/// Flags that a thread may have set when it runs: the arithmetic ones, single step, direction, nested task, alignment
/// check, identification.
pub const RFLAGS_USER: u64 = 0x24_4dd5;
/// The trap flag: an exception follows each instruction.
pub const RFLAGS_TRAP: u64 = 0x100;
/// Flags that are set in every thread: reserved bit 1 and interrupts enabled, as Linux shows them.
pub const RFLAGS_FIXED: u64 = 0x202;

impl UserContext {
    /// Flags as a thread may have them, whatever was asked for: no I/O privilege, no virtual interrupts.
    #[must_use]
    pub const fn sanitized_rflags(rflags: u64) -> u64 {
        rflags & RFLAGS_USER | RFLAGS_FIXED
    }
}

/// Why the library OS is entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trap {
    /// The program executed `syscall`; `rip` is behind it, `rcx` and `r11` are as the instruction left them.
    Syscall,
    /// The program met a CPU exception; `rip` is as the CPU reports it (at the instruction, for faults).
    Exception {
        /// Vector number, 0 to 31.
        vector: u8,
        /// Error code, 0 for vectors without one.
        error: u64,
        /// Faulting address for page faults (vector 14), else 0.
        address: u64,
    },
    /// The monitor interrupted the program: another thread's turn, or an event waits.
    Interrupt,
}

/// A library OS: made once at boot, entered at every trap of the program.
///
/// `context` is *the* live context: what it holds when a function returns is what runs next. A switch of
/// threads stores a copy of it in the old thread and overwrites it with the new thread's.
pub trait LibOs: Sized + 'static {
    /// Reads [`crate::records`], loads the first program and leaves its first thread in `context`.
    fn boot(context: &mut UserContext) -> Self;

    /// Handles one trap of the program that `context` was interrupted in.
    fn trap(&mut self, context: &mut UserContext, trap: Trap);
}
