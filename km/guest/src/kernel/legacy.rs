//! `int 0x80`: the way of 32-bit programs into the kernel, which 64-bit programs may take too (Linux with IA32_EMULATION).
//! Numbers are those of i386, and arguments are the lower halves of EBX, ECX, EDX, ESI, EDI and EBP. There are the calls whose
//! arguments mean the same in both worlds; the others are ENOSYS.

use super::Kernel;
use crate::errno::Errno;
use crate::task::Tid;
use crate::task::thread::Call;

/// Error code of a protection fault at this gate.
pub(super) const GATE_ERROR: u64 = 0x80 << 3 | 2;
/// The instruction.
pub(super) const INSTRUCTION: [u8; 2] = [0xcd, 0x80];
/// lseek of i386, whose offset is signed.
const LSEEK: u32 = 19;

/// Numbers of i386 (`asm/unistd_32.h`) and of x86-64 for the same call, in order.
const CALLS: [(u32, u64); 53] = [
    (1, 60),    // exit
    (2, 57),    // fork
    (3, 0),     // read
    (4, 1),     // write
    (5, 2),     // open
    (6, 3),     // close
    (8, 85),    // creat
    (9, 86),    // link
    (10, 87),   // unlink
    (12, 80),   // chdir
    (15, 90),   // chmod
    (19, 8),    // lseek
    (20, 39),   // getpid
    (27, 37),   // alarm
    (29, 34),   // pause
    (33, 21),   // access
    (37, 62),   // kill
    (38, 82),   // rename
    (39, 83),   // mkdir
    (40, 84),   // rmdir
    (41, 32),   // dup
    (42, 22),   // pipe
    (57, 109),  // setpgid
    (60, 95),   // umask
    (63, 33),   // dup2
    (64, 110),  // getppid
    (65, 111),  // getpgrp
    (66, 112),  // setsid
    (83, 88),   // symlink
    (85, 89),   // readlink
    (91, 11),   // munmap
    (94, 91),   // fchmod
    (118, 74),  // fsync
    (122, 63),  // uname
    (125, 10),  // mprotect
    (132, 121), // getpgid
    (133, 81),  // fchdir
    (148, 75),  // fdatasync
    (158, 24),  // sched_yield
    (183, 79),  // getcwd
    (199, 102), // getuid32
    (200, 104), // getgid32
    (201, 107), // geteuid32
    (202, 108), // getegid32
    (219, 28),  // madvise
    (224, 186), // gettid
    (238, 200), // tkill
    (252, 231), // exit_group
    (270, 234), // tgkill
    (330, 292), // dup3
    (331, 293), // pipe2
    (355, 318), // getrandom
    (356, 319), // memfd_create
];

impl Kernel {
    /// Makes the call of a thread that has executed `int 0x80`.
    pub(super) fn legacy_call(&mut self, tid: Tid) {
        let thread = self.tasks.thread_mut(tid);
        let context = &mut thread.context;
        context.rip = context.rip.wrapping_add(INSTRUCTION.len() as u64);
        let (entry, number) = (context.rax, context.rax as u32);
        let registers = [context.rbx, context.rcx, context.rdx, context.rsi, context.rdi, context.rbp];
        let mut args = registers.map(|register| register & 0xffff_ffff);
        if number == LSEEK {
            args[1] = i64::from(args[1] as i32).cast_unsigned();
        }
        thread.forget_call();
        let Ok(index) = CALLS.binary_search_by_key(&number, |call| call.0) else {
            return thread.finish_call(Errno::ENOSYS.as_return_value());
        };
        let number = CALLS[index].1;
        thread.call = Some(Call { number, entry, args });
        self.run_call(tid, number, args);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::syscall::table;

    #[test]
    fn the_calls_are_in_order_and_there() {
        assert!(CALLS.is_sorted_by(|one, next| one.0 < next.0));
        assert!(
            CALLS.iter().all(|(_, number)| table::find(*number).is_some_and(|row| row.handler.is_some()))
        );
    }
}
