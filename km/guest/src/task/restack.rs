//! Adds environment variables to a program that has not executed an instruction yet, by building its first stack again.
//!
//! The strings are taken from the stack that is there, so a script's arguments stay as execve(2) made them. The random
//! bytes are drawn anew, so that clones do not share the values that a C library makes of them.

use super::Pid;
use crate::errno::{Errno, Result};
use crate::kernel::Kernel;
use crate::load::stack::{self, Contents, at};
use crate::mm::user::UserMemory;
use crate::random;
use alloc::rc::Rc;
use alloc::vec::Vec;

/// What the builder of a stack adds itself.
const ADDED: [u64; 4] = [at::RANDOM, at::EXECFN, at::PLATFORM, 0];

impl Kernel {
    /// Adds variables to the environment of a process before its program runs; a variable that is there is replaced.
    ///
    /// # Errors
    /// E2BIG when they do not fit, EFAULT when the stack is not the first one any more.
    pub fn restack(&mut self, pid: Pid, added: Vec<Vec<u8>>) -> Result<()> {
        let process = self.tasks.process(pid).ok_or(Errno::ESRCH)?;
        let old = &process.program;
        let memory = UserMemory::new(Rc::clone(&process.space));
        let args = strings(&memory, old.args)?;
        let mut env = strings(&memory, old.env)?;
        added.into_iter().for_each(|variable| set(&mut env, variable));
        let path = memory.string(old.env.1, crate::fs::walk::PATH_MAX)?;
        let auxv: Vec<_> = old.auxv.iter().copied().filter(|(key, _)| !ADDED.contains(key)).collect();
        let mut random = [0; 16];
        random::fill(&mut random);
        let contents = Contents { path: &path, args: &args, env: &env, random, auxv: &auxv };
        let stack_limit = process.limits.current(super::limits::resource::STACK);
        let stack = stack::build(&contents, super::exec::STACK_TOP, stack::strings_max(stack_limit))?;
        memory.write(stack.pointer, &stack.bytes).map_err(|_| Errno::E2BIG)?;
        let thread = self.tasks.thread_mut(pid);
        thread.context.rsp = stack.pointer;
        let program = &mut self.tasks.process_of_mut(pid).program;
        (program.args, program.env, program.auxv, program.stack) =
            (stack.args, stack.env, stack.auxv, stack.pointer);
        Ok(())
    }
}

/// Strings that follow each other in memory, each with its NUL.
fn strings(memory: &UserMemory, (start, end): (u64, u64)) -> Result<Vec<Vec<u8>>> {
    let mut bytes = alloc::vec![0; usize::try_from(end.saturating_sub(start)).map_err(|_| Errno::EFAULT)?];
    memory.read(start, &mut bytes)?;
    let whole = bytes.strip_suffix(b"\0").unwrap_or(&bytes);
    let list = whole.split(|byte| *byte == 0).map(<[u8]>::to_vec);
    Ok(if bytes.is_empty() { Vec::new() } else { list.collect() })
}

fn set(env: &mut Vec<Vec<u8>>, variable: Vec<u8>) {
    let name = variable.iter().position(|byte| *byte == b'=').map_or(&variable[..], |end| &variable[..=end]);
    match env.iter_mut().find(|old| old.starts_with(name)) {
        Some(old) => *old = variable,
        None => env.push(variable),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_is_there_once() {
        let mut env = alloc::vec![b"A=1".to_vec(), b"AB=2".to_vec()];
        set(&mut env, b"A=3".to_vec());
        set(&mut env, b"C=4".to_vec());
        assert_eq!(env, [b"A=3".to_vec(), b"AB=2".to_vec(), b"C=4".to_vec()]);
    }
}
