//! The vsyscall page of old programs: three calls at fixed addresses that can be called and not read, as Linux has it by
//! default (`vsyscall=xonly`). Nothing is mapped there; the fault of the fetch makes the call.

use super::Kernel;
use crate::errno::Errno;
use crate::mm::user::UserMemory;
use crate::signal::Signal;
use crate::signal::frame::LastException;
use crate::signal::info::{Info, code};
use crate::task::Tid;
use crate::wait::Stop;
use alloc::rc::Rc;

/// Address of the page.
const PAGE: u64 = 0xffff_ffff_ff60_0000;
/// Bits of an address within the page that say which call it is.
const CALL: u64 = 0xc00;
/// Error code of a write by the program.
const USER_WRITE: u64 = 6;
/// End of the addresses that a program can have.
const USER_END: u64 = 0x7fff_ffff_f000;

/// gettimeofday, time, getcpu: the number of each, and the sizes of what its first two arguments point to.
const CALLS: [(u64, [u64; 2]); 3] = [(96, [16, 8]), (201, [8, 0]), (309, [4, 4])];

/// Whether `address` is in the page.
pub(super) fn holds(address: u64) -> bool {
    address & !0xfff == PAGE
}

impl Kernel {
    /// Makes the call at `address` of the page for a thread that has jumped there, and returns from it.
    pub(super) fn vsyscall(&mut self, tid: Tid, address: u64) {
        let call = CALLS.get((address >> 10 & 3) as usize).filter(|_| address & !CALL == PAGE);
        let memory = UserMemory::new(Rc::clone(&self.tasks.process_of_mut(tid).space));
        let context = self.tasks.thread_mut(tid).context;
        let (Some((number, sizes)), Ok(caller)) = (call, memory.load::<u64>(context.rsp)) else {
            return self.force_signal(tid, Info::kernel(Signal::SEGV));
        };
        let pointers = [context.rdi, context.rsi].into_iter().zip(*sizes);
        if let Some(bad) = pointers.filter(|(_, size)| *size > 0).find_map(beyond_end) {
            let thread = self.tasks.thread_mut(tid);
            thread.fault = LastException { vector: 14, error: USER_WRITE, address: bad };
            return self.force_signal(tid, Info::fault(Signal::SEGV, code::SEGV_MAPERR, bad));
        }
        // The calls never wait.
        let result = match self.dispatch(tid, *number, &[context.rdi, context.rsi, context.rdx, 0, 0, 0]) {
            Ok(value) => value,
            Err(Stop::Errno(errno)) if errno != Errno::EFAULT => errno.as_return_value(),
            Err(_) => return self.force_signal(tid, Info::kernel(Signal::SEGV)),
        };
        let context = &mut self.tasks.thread_mut(tid).context;
        context.rax = result;
        context.rip = caller;
        context.rsp = context.rsp.wrapping_add(8);
    }
}

/// The pointer, if what it points to is not memory that a program can have.
fn beyond_end((pointer, size): (u64, u64)) -> Option<u64> {
    let fits = pointer.checked_add(size).is_some_and(|end| end <= USER_END);
    (pointer != 0 && !fits).then_some(pointer)
}
