//! Descriptor tables.

use super::file::{OpenFile, open_files, open_files_max};
use super::locks::Owner;
use crate::errno::{Errno, Result};
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering};

/// A used entry of a descriptor table.
#[derive(Clone)]
pub struct Descriptor {
    /// The open file, shared with duplicates.
    pub file: Rc<OpenFile>,
    /// FD_CLOEXEC: execve(2) closes it.
    pub close_on_exec: bool,
}

/// The descriptors of a process; fork copies it, threads share it.
pub struct FdTable {
    entries: Vec<Option<Descriptor>>,
    /// RLIMIT_NOFILE: no descriptor is this or higher.
    pub limit: usize,
    /// Numbers below this one are in use.
    lowest_free: usize,
    /// Names the table as an owner of fcntl(2) locks.
    number: u64,
    /// Whether fcntl(2) locks were ever taken; only then closing a file must look for them.
    pub has_locks: bool,
}

static NEXT_NUMBER: AtomicU64 = AtomicU64::new(1);

impl Default for FdTable {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
            limit: 1_048_576,
            lowest_free: 0,
            number: NEXT_NUMBER.fetch_add(1, Ordering::Relaxed),
            has_locks: false,
        }
    }
}

/// A copy, as fork(2) makes it, holds no locks.
impl Clone for FdTable {
    fn clone(&self) -> Self {
        Self {
            entries: self.entries.clone(),
            limit: self.limit,
            lowest_free: self.lowest_free,
            ..Self::default()
        }
    }
}

impl Drop for FdTable {
    fn drop(&mut self) {
        for fd in 0..self.entries.len() {
            drop(self.remove(fd as u64));
        }
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

    /// Whether no further file fits.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.lowest_free >= self.limit
    }

    /// Puts an open file at the lowest free number that is at least `lowest`.
    ///
    /// # Errors
    /// EMFILE at the limit, ENFILE at that of the machine, ENOMEM.
    pub fn insert(&mut self, file: Rc<OpenFile>, close_on_exec: bool, lowest: usize) -> Result<u64> {
        if open_files() > open_files_max() {
            return Err(Errno::ENFILE);
        }
        let from = lowest.max(self.lowest_free);
        let free = (from..self.entries.len()).find(|&fd| self.entries[fd].is_none());
        let fd = free.unwrap_or(self.entries.len().max(from));
        self.replace(fd, file, close_on_exec)?;
        if lowest <= self.lowest_free {
            self.lowest_free = fd + 1;
        }
        Ok(fd as u64)
    }

    /// Puts an open file at `fd`, and returns what was there (dup2(2)).
    ///
    /// # Errors
    /// EMFILE at the limit, ENOMEM.
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
            let more = fd + 1 - self.entries.len();
            self.entries.try_reserve(more).map_err(|_| Errno::ENOMEM)?;
            self.entries.resize_with(fd + 1, || None);
        }
        let old = self.remove(fd as u64);
        self.entries[fd] = Some(Descriptor { file, close_on_exec });
        Ok(old)
    }

    /// Sets or clears FD_CLOEXEC.
    pub fn set_close_on_exec(&mut self, fd: u64, close: bool) {
        if let Some(Some(descriptor)) = self.entries.get_mut(fd as u32 as usize) {
            descriptor.close_on_exec = close;
        }
    }

    /// What it is as an owner of fcntl(2) locks.
    #[must_use]
    pub fn owner(&self) -> Owner {
        Owner::Table(self.number)
    }

    /// Removes a descriptor. This also drops all fcntl(2) locks that the process has on the file, even if it has other
    /// descriptors for it (fcntl(2), "Record locks").
    pub fn remove(&mut self, fd: u64) -> Option<Descriptor> {
        let index = fd as u32 as usize;
        let removed = self.entries.get_mut(index)?.take()?;
        self.lowest_free = self.lowest_free.min(index);
        if self.has_locks
            && let Some(node) = removed.file.file.node()
        {
            node.locks.unlock_owner(self.owner());
        }
        removed.file.file.let_go(self.owner());
        Some(removed)
    }

    /// Drops the entries that execve(2) closes.
    pub fn close_on_exec(&mut self) {
        for fd in 0..self.entries.len() {
            if self.entries[fd].as_ref().is_some_and(|descriptor| descriptor.close_on_exec) {
                drop(self.remove(fd as u64));
            }
        }
    }

    /// The used numbers in order (for /proc/self/fd and close_range).
    pub fn numbers(&self) -> impl Iterator<Item = usize> + '_ {
        self.entries.iter().enumerate().filter_map(|(fd, entry)| entry.is_some().then_some(fd))
    }
}
