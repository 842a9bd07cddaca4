//! Descriptor tables.

use super::file::OpenFile;
use crate::errno::{Errno, Result};
use alloc::rc::Rc;
use alloc::vec::Vec;

/// A used entry of a descriptor table.
#[derive(Clone)]
pub struct Descriptor {
    /// The open file, shared with duplicates.
    pub file: Rc<OpenFile>,
    /// FD_CLOEXEC.
    pub close_on_exec: bool,
}

/// The descriptors of a process; fork copies it, threads share it.
#[derive(Clone)]
pub struct FdTable {
    entries: Vec<Option<Descriptor>>,
    /// RLIMIT_NOFILE: no descriptor is this or higher.
    pub limit: usize,
}

impl Default for FdTable {
    fn default() -> Self {
        Self { entries: Vec::new(), limit: 1_048_576 }
    }
}

impl FdTable {
    /// The open file behind a system call's argument (Linux looks at its low 32 bits only).
    #[must_use]
    pub fn get(&self, fd: u64) -> Option<Rc<OpenFile>> {
        self.descriptor(fd).map(|descriptor| Rc::clone(&descriptor.file))
    }

    /// The entry behind a system call's argument.
    #[must_use]
    pub fn descriptor(&self, fd: u64) -> Option<&Descriptor> {
        self.entries.get(fd as u32 as usize)?.as_ref()
    }

    /// Puts an open file at the lowest free number that is at least `lowest`.
    ///
    /// # Errors
    /// EMFILE at the limit.
    pub fn insert(&mut self, file: Rc<OpenFile>, close_on_exec: bool, lowest: usize) -> Result<u64> {
        let free = (lowest..self.entries.len()).find(|&fd| self.entries[fd].is_none());
        let fd = free.unwrap_or(self.entries.len().max(lowest));
        self.replace(fd, file, close_on_exec).map(|_| fd as u64)
    }

    /// Puts an open file at `fd`, and returns what was there (dup2(2)).
    ///
    /// # Errors
    /// EMFILE at the limit.
    pub fn replace(
        &mut self,
        fd: usize,
        file: Rc<OpenFile>,
        close_on_exec: bool,
    ) -> Result<Option<Descriptor>> {
        if fd >= self.limit {
            return Err(Errno::EMFILE);
        }
        if fd >= self.entries.len() {
            self.entries.resize_with(fd + 1, || None);
        }
        Ok(self.entries[fd].replace(Descriptor { file, close_on_exec }))
    }

    /// Takes an entry out.
    pub fn remove(&mut self, fd: u64) -> Option<Descriptor> {
        self.entries.get_mut(fd as u32 as usize)?.take()
    }

    /// Drops the entries that execve(2) closes.
    pub fn close_on_exec(&mut self) {
        for entry in &mut self.entries {
            if entry.as_ref().is_some_and(|descriptor| descriptor.close_on_exec) {
                *entry = None;
            }
        }
    }

    /// The used numbers in order (for /proc/self/fd and close_range).
    pub fn numbers(&self) -> impl Iterator<Item = usize> + '_ {
        self.entries.iter().enumerate().filter_map(|(fd, entry)| entry.is_some().then_some(fd))
    }
}
