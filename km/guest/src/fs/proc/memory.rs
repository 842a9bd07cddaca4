//! `/proc/PID/mem` and `/proc/PID/pagemap`: a process's memory and which of its pages are present, by address.

use super::Subject;
use super::process::process;
use crate::errno::{Errno, Result};
use crate::fs::file::File;
use crate::fs::io::{Sink, Source};
use crate::fs::node::Node;
use crate::fs::synthetic::View;
use crate::mm::AddressSpace;
use crate::mm::user::UserMemory;
use alloc::rc::{Rc, Weak};
use alloc::vec::Vec;
use core::any::Any;
use core::cell::RefCell;
use km_abi::layout::{PAGE_SIZE, PROGRAM_END};

/// What is shown of each page.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Shows {
    /// Its bytes.
    Bytes,
    /// A word (proc_pid_pagemap(5)); where the page lies is told to nobody.
    State,
}

/// Bytes of a page's word.
const WORD: u64 = 8;
/// The page is present.
const PRESENT: u64 = 1 << 63;
/// It is of a file, or shared.
const FILE: u64 = 1 << 61;

/// An open file of one of the two. It shows the program that ran when it was opened, and nothing once that is gone.
struct Window {
    node: Rc<Node>,
    space: Weak<RefCell<AddressSpace>>,
    shows: Shows,
}

/// Opens one of them.
///
/// # Errors
/// ESRCH when the process has ended, EACCES for who could not trace it.
pub(super) fn open(node: &Rc<Node>, view: View<'_>, subject: Subject, shows: Shows) -> Result<Rc<dyn File>> {
    let tasks = &view.kernel.tasks;
    let own = tasks.thread(view.tid).and_then(|thread| tasks.process(thread.pid)).ok_or(Errno::ESRCH)?;
    let other = process(view, subject)?;
    if !own.may_trace(other) {
        return Err(Errno::EACCES);
    }
    Ok(Rc::new(Window { node: Rc::clone(node), space: Rc::downgrade(&other.space), shows }))
}

/// Up to the end of the page that `address` is in.
fn within_page(address: u64, len: usize) -> usize {
    len.min((PAGE_SIZE - address % PAGE_SIZE) as usize)
}

fn read_bytes(memory: &UserMemory, start: u64, out: &mut dyn Sink) -> Result<usize> {
    let mut buffer = [0; PAGE_SIZE as usize];
    let mut done = 0;
    while out.room() > 0 {
        let at = start.checked_add(done as u64).ok_or(Errno::EIO)?;
        let part = &mut buffer[..within_page(at, out.room())];
        match memory.read(at, part) {
            Ok(()) => done += out.put(part)?,
            Err(_) if done > 0 => break,
            Err(_) => return Err(Errno::EIO),
        }
    }
    Ok(done)
}

fn state_of(space: &AddressSpace, page: u64) -> u64 {
    let address = page * PAGE_SIZE;
    let present = space.residency(address, PAGE_SIZE).is_ok_and(|pages| pages[0] != 0);
    let of_file = space.mappings().find(address).is_some_and(|vma| vma.file_page(address).is_some());
    match (present, of_file) {
        (false, _) => 0,
        (true, false) => PRESENT,
        (true, true) => PRESENT | FILE,
    }
}

/// The words from byte `start` of the file on, no more than fill a page.
fn states(space: &AddressSpace, start: u64, len: u64) -> Result<Vec<u8>> {
    if !start.is_multiple_of(WORD) || !len.is_multiple_of(WORD) {
        return Err(Errno::EINVAL);
    }
    let first = start / WORD;
    let end = (first + len.min(PAGE_SIZE) / WORD).min(PROGRAM_END / PAGE_SIZE);
    Ok((first..end).flat_map(|page| state_of(space, page).to_le_bytes()).collect())
}

impl File for Window {
    fn read(&self, offset: u64, out: &mut dyn Sink) -> Result<usize> {
        let Some(space) = self.space.upgrade() else { return Ok(0) };
        match self.shows {
            Shows::Bytes => read_bytes(&UserMemory::new(space), offset, out),
            Shows::State => {
                let words = states(&space.borrow(), offset, out.room() as u64)?;
                if words.is_empty() { Ok(0) } else { out.put(&words) }
            }
        }
    }

    fn write(&self, offset: u64, from: &mut dyn Source) -> Result<usize> {
        let Some(space) = self.space.upgrade() else { return Ok(0) };
        if self.shows == Shows::State {
            return Err(Errno::EINVAL);
        }
        let memory = UserMemory::new(space);
        let mut buffer = [0; PAGE_SIZE as usize];
        let mut done = 0;
        while from.left() > 0 {
            let at = offset.checked_add(done as u64).ok_or(Errno::EIO)?;
            let count = from.take(&mut buffer[..within_page(at, from.left())])?;
            match memory.write_forced(at, &buffer[..count]) {
                Ok(()) => done += count,
                Err(_) if done > 0 => break,
                Err(_) => return Err(Errno::EIO),
            }
        }
        Ok(done)
    }

    fn seekable(&self) -> bool {
        true
    }

    fn node(&self) -> Option<&Rc<Node>> {
        Some(&self.node)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
