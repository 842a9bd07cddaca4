//! Memory of a program as a handler reads and writes it. Every access checks the range, makes lazy pages present and
//! breaks copy-on-write first; a bad pointer is EFAULT.
//!
//! Pages are reached through the direct map, so this works for processes that are not running as well.

use super::{AddressSpace, bytes};
use crate::errno::{Errno, Result};
use crate::fs::io::{PLACES_MAX, Place, Sink, Source};
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::RefCell;
use km_abi::layout::PAGE_SIZE;
use km_hal::phys;
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// Most entries of an iovec array (UIO_MAXIOV).
pub const VECTOR_MAX: u64 = 1024;
/// Most bytes that one read or write moves (read(2)).
pub(crate) const TRANSFER_MAX: u64 = 0x7fff_f000;
/// End of the addresses that a program may name; the last page of its half is never mapped (TASK_SIZE_MAX).
pub(super) const NAMEABLE_END: u64 = 0x7fff_ffff_f000;

/// Whether a range lies in a program's half of the addresses, whatever is mapped there: what calls look at before they do
/// anything.
#[must_use]
pub const fn is_nameable(address: u64, len: u64) -> bool {
    match address.checked_add(len) {
        Some(end) => end <= NAMEABLE_END,
        None => false,
    }
}

/// The memory of one process.
#[derive(Clone)]
pub struct UserMemory {
    space: Rc<RefCell<AddressSpace>>,
}

impl UserMemory {
    /// The memory of the process that has `space`.
    #[must_use]
    pub fn new(space: Rc<RefCell<AddressSpace>>) -> Self {
        Self { space }
    }

    /// Calls `each` with the guest-physical address and length of every piece of a range that lies in one page, and with
    /// its offset from the start.
    fn pieces(
        &self,
        address: u64,
        len: usize,
        write: bool,
        mut each: impl FnMut(u64, usize, usize),
    ) -> Result<()> {
        let mut done = 0;
        while done < len {
            let at = address.checked_add(done as u64).ok_or(Errno::EFAULT)?;
            let count = (len - done).min((PAGE_SIZE - at % PAGE_SIZE) as usize);
            let gpa = self.space.borrow_mut().resolve(at, write)?;
            each(gpa, done, count);
            done += count;
        }
        Ok(())
    }

    /// Fills `buffer` from `address` on.
    ///
    /// # Errors
    /// EFAULT.
    pub fn read(&self, address: u64, buffer: &mut [u8]) -> Result<()> {
        self.pieces(address, buffer.len(), false, |gpa, at, count| {
            bytes::read(gpa, &mut buffer[at..at + count])
        })
    }

    /// Writes `bytes` to `address`.
    ///
    /// # Errors
    /// EFAULT; bytes before the bad page may have been written.
    pub fn write(&self, address: u64, bytes: &[u8]) -> Result<()> {
        self.pieces(address, bytes.len(), true, |gpa, at, count| phys::write(gpa, &bytes[at..at + count]))
    }

    /// As [`Self::write`], where a program may not write its own memory as well: a private page is copied first (ptrace(2)).
    ///
    /// # Errors
    /// EFAULT.
    pub fn write_forced(&self, address: u64, bytes: &[u8]) -> Result<()> {
        let end = address.checked_add(bytes.len() as u64).ok_or(Errno::EFAULT)?;
        let mut at = address;
        while at < end {
            let next = (at + PAGE_SIZE - at % PAGE_SIZE).min(end);
            let part = &bytes[(at - address) as usize..(next - address) as usize];
            if self.write(at, part).is_err() {
                self.space.borrow_mut().force_writable(at)?;
                phys::write(self.physical(at)?, part);
            }
            at = next;
        }
        Ok(())
    }

    /// As [`Self::read`], up to the first bad page; the number of bytes.
    fn read_some(&self, address: u64, buffer: &mut [u8]) -> usize {
        let mut done = 0;
        // An error only ends the transfer early.
        let _ = self.pieces(address, buffer.len(), false, |gpa, at, count| {
            bytes::read(gpa, &mut buffer[at..at + count]);
            done = at + count;
        });
        done
    }

    /// As [`Self::write`], up to the first bad page; the number of bytes.
    fn write_some(&self, address: u64, bytes: &[u8]) -> usize {
        let mut done = 0;
        // An error only ends the transfer early.
        let _ = self.pieces(address, bytes.len(), true, |gpa, at, count| {
            phys::write(gpa, &bytes[at..at + count]);
            done = at + count;
        });
        done
    }

    /// Whether a program may write `len` bytes, as few as a structure has, at `address`. Nothing changes.
    #[must_use]
    pub fn is_writable(&self, address: u64, len: usize) -> bool {
        let mut there = alloc::vec![0; len];
        self.read(address, &mut there).and_then(|()| self.write(address, &there)).is_ok()
    }

    /// Reads a plain structure.
    ///
    /// # Errors
    /// EFAULT.
    pub fn load<T: FromBytes + IntoBytes>(&self, address: u64) -> Result<T> {
        let mut value = T::new_zeroed();
        self.read(address, value.as_mut_bytes())?;
        Ok(value)
    }

    /// Writes a plain structure.
    ///
    /// # Errors
    /// EFAULT.
    pub fn store<T: IntoBytes + Immutable>(&self, address: u64, value: &T) -> Result<()> {
        self.write(address, value.as_bytes())
    }

    /// Reads a string that ends with NUL (not included).
    ///
    /// # Errors
    /// EFAULT; ENAMETOOLONG when there is no NUL within `limit` bytes.
    pub fn string(&self, address: u64, limit: usize) -> Result<Vec<u8>> {
        let mut string = Vec::new();
        while string.len() < limit {
            let at = address.checked_add(string.len() as u64).ok_or(Errno::EFAULT)?;
            let count = (limit - string.len()).min((PAGE_SIZE - at % PAGE_SIZE) as usize).min(256);
            let mut piece = [0; 256];
            self.read(at, &mut piece[..count])?;
            if let Some(end) = piece[..count].iter().position(|byte| *byte == 0) {
                string.extend_from_slice(&piece[..end]);
                return Ok(string);
            }
            string.extend_from_slice(&piece[..count]);
        }
        Err(Errno::ENAMETOOLONG)
    }

    /// An identifier of the address space, unique while it exists (it names futex words).
    pub(crate) fn identity(&self) -> usize {
        Rc::as_ptr(&self.space).addr()
    }

    /// Whether `address` lies in memory that other processes may see.
    pub(crate) fn is_shared(&self, address: u64) -> bool {
        self.space.borrow().mappings().find(address).is_some_and(super::vma::Vma::shared)
    }

    /// The guest-physical address of the byte at `address`, which is the same for all processes that share it (shared
    /// futexes).
    ///
    /// # Errors
    /// EFAULT.
    pub fn physical(&self, address: u64) -> Result<u64> {
        self.space.borrow_mut().resolve(address, false)
    }
}

/// Addresses and lengths of an iovec array.
fn pieces(memory: &UserMemory, address: u64, count: u64) -> Result<Vec<(u64, u64)>> {
    if count > VECTOR_MAX {
        return Err(Errno::EINVAL);
    }
    let mut pieces = Vec::with_capacity(count as usize);
    for index in 0..count {
        let [base, len]: [u64; 2] = memory.load(address.wrapping_add(index * 16))?;
        if len > i64::MAX as u64 {
            return Err(Errno::EINVAL);
        }
        pieces.push((base, len));
    }
    Ok(pieces)
}

/// A list of ranges of a program's memory: the destination of a read, the origin of a write.
pub struct UserRanges {
    memory: UserMemory,
    /// Address and length of what is left, the next range last.
    ranges: Vec<(u64, u64)>,
    /// A transfer ended at memory that is not there.
    met_fault: bool,
}

impl UserRanges {
    /// One range. At most 0x7ffff000 bytes of it are used (read(2)).
    #[must_use]
    pub fn one(memory: UserMemory, address: u64, len: u64) -> Self {
        Self { memory, ranges: alloc::vec![(address, len.min(TRANSFER_MAX))], met_fault: false }
    }

    /// An array of `count` iovec structures at `address`; of `count`, Linux looks at 32 bits. What is beyond 0x7ffff000 bytes of them is not used (read(2)).
    ///
    /// # Errors
    /// EFAULT; EINVAL for more than 1024, or a length beyond i64.
    pub fn vector(memory: UserMemory, address: u64, count: u64) -> Result<Self> {
        let mut ranges = pieces(&memory, address, u64::from(count as u32))?;
        let mut left = TRANSFER_MAX;
        for (base, len) in &mut ranges {
            if !is_nameable(*base, *len) {
                return Err(Errno::EFAULT);
            }
            *len = left.min(*len);
            left -= *len;
        }
        ranges.reverse();
        Ok(Self { memory, ranges, met_fault: false })
    }

    /// The same ranges of another process's memory.
    #[must_use]
    pub fn of(self, memory: UserMemory) -> Self {
        Self { memory, ..self }
    }

    /// Address and length of every range that is left, in order.
    pub fn pieces(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.ranges.iter().rev().copied()
    }

    /// Leaves out the first bytes: an earlier run of the call moved them.
    pub fn skip(&mut self, len: usize) {
        // A piece that says it moved everything never fails.
        let _ = self.transfer(len, |_, _, _, count| count);
    }

    /// Whether a transfer ended at memory that is not there: more of it will never move, so a call must not wait to go on.
    #[must_use]
    pub fn has_met_fault(&self) -> bool {
        self.met_fault
    }

    /// Where the first bytes are in RAM, made present. It ends early at memory that is not there, and at pages of the rootfs.
    fn physical(&self, most: usize, write: bool) -> Vec<Place> {
        let mut places: Vec<Place> = Vec::new();
        let mut left = most as u64;
        for (start, len) in self.pieces() {
            let mut done = 0;
            while done < len && left > 0 {
                let at = start + done;
                let count = (len - done).min(PAGE_SIZE - at % PAGE_SIZE).min(left);
                let gpa = self.memory.space.borrow_mut().resolve(at, write);
                let Some(gpa) = gpa.ok().filter(|gpa| *gpa < phys::memory_bytes()) else { return places };
                let is_full = places.len() == PLACES_MAX;
                match places.last_mut() {
                    Some(last) if last.0 + last.1 == gpa => last.1 += count,
                    _ if is_full => return places,
                    _ => places.push((gpa, count)),
                }
                done += count;
                left -= count;
            }
        }
        places
    }

    /// Moves up to `len` bytes, a piece of a range at a time. `piece` gets address, offset and length, and says how
    /// much it moved.
    fn transfer(
        &mut self,
        len: usize,
        mut piece: impl FnMut(&UserMemory, u64, usize, usize) -> usize,
    ) -> Result<usize> {
        let mut done = 0;
        while done < len
            && let Some(range) = self.ranges.last_mut()
        {
            if range.1 == 0 {
                self.ranges.pop();
                continue;
            }
            let count = (len - done).min(range.1 as usize);
            let moved = piece(&self.memory, range.0, done, count);
            range.0 += moved as u64;
            range.1 -= moved as u64;
            done += moved;
            if moved < count {
                self.met_fault = true;
                return if done == 0 { Err(Errno::EFAULT) } else { Ok(done) };
            }
        }
        Ok(done)
    }
}

impl UserRanges {
    /// Whether all that is left can be read.
    #[must_use]
    pub fn is_readable(&self) -> bool {
        let mut page = [0; PAGE_SIZE as usize];
        let mut is_there = |address: u64, len: u64| {
            let at = address % PAGE_SIZE;
            (0..(at + len).div_ceil(PAGE_SIZE)).all(|index| {
                let start = (address - at + index * PAGE_SIZE).max(address);
                let end = (address - at + (index + 1) * PAGE_SIZE).min(address + len);
                self.memory.read(start, &mut page[..(end - start) as usize]).is_ok()
            })
        };
        self.pieces().all(|(address, len)| is_nameable(address, len) && is_there(address, len))
    }
}

impl Sink for UserRanges {
    fn room(&self) -> usize {
        self.ranges.iter().map(|range| range.1 as usize).sum()
    }

    fn put(&mut self, bytes: &[u8]) -> Result<usize> {
        self.transfer(bytes.len(), |memory, address, at, count| {
            memory.write_some(address, &bytes[at..at + count])
        })
    }

    fn places(&mut self, most: usize) -> Vec<Place> {
        self.physical(most, true)
    }

    fn put_in_place(&mut self, count: usize) {
        self.skip(count);
    }
}

impl Source for UserRanges {
    fn left(&self) -> usize {
        self.room()
    }

    fn take(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let len = buffer.len();
        self.transfer(len, |memory, address, at, count| {
            memory.read_some(address, &mut buffer[at..at + count])
        })
    }

    fn places(&mut self, most: usize) -> Vec<Place> {
        self.physical(most, false)
    }

    fn take_in_place(&mut self, count: usize) {
        self.skip(count);
    }
}
