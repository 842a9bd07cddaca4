//! Loading programs: what execve(2) and the boot need to know of a file, and the memory that a program starts with.
//!
//! * [`elf`]: which parts of a file go where ([`elf::ElfImage`]), and mapping them through a [`elf::Mapper`].
//! * [`script`]: `#!` lines.
//! * [`refusal`]: why a file is no program, for people.
//! * [`symbol`]: names of functions, for messages about crashes.
//! * [`stack`]: arguments, environment and auxiliary vector as they lie on the first stack.
//! * [`vdso`]: the shared object that every process finds in its memory.
//!
//! Files are hostile: each error is an errno of execve(2), and nothing is mapped before the whole file was understood.

pub mod elf;
pub mod refusal;
pub mod script;
pub mod stack;
pub mod symbol;
pub mod vdso;

use crate::errno::{Errno, Result};
use crate::fs::file::File;
use crate::fs::io::Collect;
use alloc::vec::Vec;

/// Reads up to `len` bytes of a regular file.
pub(crate) fn read_up_to(file: &dyn File, mut offset: u64, len: usize) -> Result<Vec<u8>> {
    let mut collect = Collect { bytes: Vec::with_capacity(len), limit: len };
    while collect.bytes.len() < len {
        let count = file.read(offset, &mut collect)?;
        if count == 0 {
            break;
        }
        offset += count as u64;
    }
    Ok(collect.bytes)
}

/// Reads `len` bytes of a regular file, or says that it is no program.
fn read_exact(file: &dyn File, offset: u64, len: usize) -> Result<Vec<u8>> {
    let bytes = read_up_to(file, offset, len)?;
    if bytes.len() == len { Ok(bytes) } else { Err(Errno::ENOEXEC) }
}
