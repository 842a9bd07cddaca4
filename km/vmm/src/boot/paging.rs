//! The page tables of a boot: the direct map of RAM and ROM, and the image (AMD64 manual, volume 2, chapter 5).

use super::image::GuestImage;
use crate::memory::{GuestMemory, MemoryError, Rootfs};
use km_abi::layout::{
    BOOT_TABLES_END, BOOT_TABLES_GPA, CODE_BYTES, CODE_GPA, DATA_GPA, DIRECT_MAP, IMAGE_BASE, PAGE_SIZE,
    ROOTFS_GPA,
};

const PRESENT: u64 = 1;
const WRITABLE: u64 = 1 << 1;
const USER: u64 = 1 << 2;
const ACCESSED: u64 = 1 << 5;
const DIRTY: u64 = 1 << 6;
const LARGE: u64 = 1 << 7;
const NO_EXECUTE: u64 = 1 << 63;
const ADDRESS: u64 = 0x000f_ffff_ffff_f000;
/// Rights of an entry that leads to another table: those of the pages decide.
const TABLE: u64 = PRESENT | WRITABLE | USER | ACCESSED;
const LARGE_PAGE: u64 = 2 << 20;

/// Root of the tables that [`write()`] makes.
pub(super) const ROOT: u64 = BOOT_TABLES_GPA;

pub(super) fn write(memory: &GuestMemory, rootfs: &Rootfs, image: &GuestImage) -> Result<(), MemoryError> {
    let mut tables = Tables { memory, next: BOOT_TABLES_GPA + PAGE_SIZE };
    let data = PRESENT | USER | ACCESSED | DIRTY | NO_EXECUTE;
    for gpa in (0..LARGE_PAGE).step_by(PAGE_SIZE as usize) {
        tables.map(DIRECT_MAP + gpa, gpa | data | WRITABLE, PAGE_SIZE)?;
    }
    for gpa in (LARGE_PAGE..memory.size()).step_by(LARGE_PAGE as usize) {
        tables.map(DIRECT_MAP + gpa, gpa | data | WRITABLE, LARGE_PAGE)?;
    }
    for offset in (0..rootfs.mapped()).step_by(LARGE_PAGE as usize) {
        let gpa = ROOTFS_GPA + offset;
        tables.map(DIRECT_MAP + gpa, gpa | data, LARGE_PAGE)?;
    }
    tables.map(IMAGE_BASE, CODE_GPA | PRESENT | USER | ACCESSED | DIRTY, CODE_BYTES)?;
    for offset in (0..image.data_bytes()).step_by(PAGE_SIZE as usize).filter(|offset| image.is_data(*offset))
    {
        tables.map(IMAGE_BASE + CODE_BYTES + offset, (DATA_GPA + offset) | data | WRITABLE, PAGE_SIZE)?;
    }
    Ok(())
}

struct Tables<'a> {
    memory: &'a GuestMemory,
    next: u64,
}

impl Tables<'_> {
    fn map(&mut self, address: u64, entry: u64, size: u64) -> Result<(), MemoryError> {
        let (levels, entry) = if size == LARGE_PAGE {
            ([39, 30].as_slice(), entry | LARGE)
        } else {
            ([39, 30, 21].as_slice(), entry)
        };
        let mut table = ROOT;
        for shift in levels {
            table = self.descend(table + index(address, *shift))?;
        }
        self.memory.store(table + index(address, size.trailing_zeros()), &entry)
    }

    fn descend(&mut self, place: u64) -> Result<u64, MemoryError> {
        let entry: u64 = self.memory.load(place)?;
        if entry & PRESENT != 0 {
            return Ok(entry & ADDRESS);
        }
        let table = self.next;
        self.next += PAGE_SIZE;
        if self.next > BOOT_TABLES_END {
            return Err(MemoryError::Range { gpa: table, len: PAGE_SIZE });
        }
        self.memory.store(place, &(table | TABLE))?;
        Ok(table)
    }
}

fn index(address: u64, shift: u32) -> u64 {
    (address >> shift & 511) * 8
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boot::image::tests::of_code;
    use km_abi::layout::{MEMORY_MAX, MEMORY_MIN, ROOTFS_MAPPED_MAX};

    /// What `address` leads to: its guest-physical address and the rights on the way.
    fn walk(memory: &GuestMemory, address: u64) -> Option<(u64, u64)> {
        let mut table = ROOT;
        for shift in [39, 30, 21, 12] {
            let entry: u64 = memory.load(table + index(address, shift)).unwrap();
            if entry & PRESENT == 0 {
                return None;
            }
            if shift == 12 || entry & LARGE != 0 {
                return Some((entry & ADDRESS | address & ((1 << shift) - 1), entry));
            }
            table = entry & ADDRESS;
        }
        None
    }

    fn rootfs(bytes: u64) -> Rootfs {
        let file = tempfile::tempfile().unwrap();
        file.set_len(bytes).unwrap();
        Rootfs::open(file, of_code(&[0xf4]).code()).unwrap()
    }

    #[test]
    fn the_direct_map_shows_both_slots_and_the_image_its_segments() {
        let memory = GuestMemory::anonymous(MEMORY_MIN).unwrap();
        write(&memory, &rootfs(PAGE_SIZE), &of_code(&[0xf4])).unwrap();
        for gpa in [0, 0x5000, LARGE_PAGE - 1, LARGE_PAGE, MEMORY_MIN - 1] {
            let (found, entry) = walk(&memory, DIRECT_MAP + gpa).unwrap();
            assert_eq!(found, gpa);
            assert_eq!(entry & (WRITABLE | NO_EXECUTE), WRITABLE | NO_EXECUTE);
        }
        assert_eq!(walk(&memory, DIRECT_MAP + MEMORY_MIN), None);
        let (gpa, entry) = walk(&memory, DIRECT_MAP + ROOTFS_GPA + 5).unwrap();
        assert_eq!((gpa, entry & WRITABLE), (ROOTFS_GPA + 5, 0));
        let (gpa, entry) = walk(&memory, IMAGE_BASE).unwrap();
        assert_eq!((gpa, entry & (WRITABLE | NO_EXECUTE)), (CODE_GPA, 0));
        assert_eq!(
            walk(&memory, IMAGE_BASE + CODE_BYTES).unwrap().1 & (WRITABLE | NO_EXECUTE),
            WRITABLE | NO_EXECUTE
        );
        assert_eq!(walk(&memory, IMAGE_BASE + CODE_BYTES + PAGE_SIZE), None);
        assert_eq!(walk(&memory, 0x40_0000), None);
    }

    #[test]
    fn the_largest_machine_fits_its_tables() {
        let memory = GuestMemory::anonymous(MEMORY_MAX).unwrap();
        write(&memory, &rootfs(ROOTFS_MAPPED_MAX), &of_code(&[0xf4])).unwrap();
        assert_eq!(walk(&memory, DIRECT_MAP + MEMORY_MAX - 1).unwrap().0, MEMORY_MAX - 1);
    }
}
