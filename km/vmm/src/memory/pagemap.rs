//! Which pages of a mapping the kernel has given frames, and whether they are private copies.
//!
//! Asked by PAGEMAP_SCAN (Linux 6.7) or, on older kernels, by the entries of `/proc/self/pagemap`. Either way the answer is
//! complete: a list cut short would leak one call's pages into the next.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;

use km_abi::layout::PAGE_SIZE;

use super::GuestMemory;

/// Regions that one scan request returns at most; the scan goes on where a full answer ended.
const REGIONS: usize = 512;

/// The process's page map, opened before a jail hides `/proc`.
#[derive(Debug)]
pub struct PageMap {
    file: File,
    scans: bool,
}

/// Pages of one mapping, as offsets from its start; ascending, neighbours joined.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pages {
    /// Private copies and anonymous pages.
    pub private: Vec<Range<u64>>,
    /// Pages of the mapped file.
    pub file: Vec<Range<u64>>,
}

impl PageMap {
    /// Opens the page map and tries whether it can be scanned.
    ///
    /// # Errors
    /// `/proc` is not there.
    pub fn open() -> io::Result<Self> {
        let file = File::open("/proc/self/pagemap")?;
        let mut map = Self { file, scans: true };
        let probe = [0u8; 8];
        let page = probe.as_ptr().addr() as u64 & !(PAGE_SIZE - 1);
        map.scans = map.scan(page, PAGE_SIZE).is_ok();
        Ok(map)
    }

    /// The pages of a machine's RAM.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn of(&self, memory: &GuestMemory) -> io::Result<Pages> {
        self.range(memory.host_address(), memory.size())
    }

    /// The pages of `len` bytes from `address` on, whatever lies there.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn range(&self, address: u64, len: u64) -> io::Result<Pages> {
        if len == 0 {
            return Ok(Pages::default());
        }
        if self.scans { self.scan(address, len) } else { self.entries(address, len) }
    }

    fn scan(&self, address: u64, len: u64) -> io::Result<Pages> {
        let mut pages = Pages::default();
        let mut at = address;
        let end = address + len;
        let mut regions = [Region::default(); REGIONS];
        while at < end {
            let mut request = ScanRequest {
                size: size_of::<ScanRequest>() as u64,
                start: at,
                end,
                vec: regions.as_mut_ptr().addr() as u64,
                vec_len: REGIONS as u64,
                anyof: PRESENT | SWAPPED,
                returned: FILE | PRESENT | SWAPPED,
                ..ScanRequest::default()
            };
            // SAFETY: the request is laid out as `struct pm_scan_arg`; the kernel writes at most `vec_len` regions to
            // `vec`, which is an array of that length that lives through the call, and `walk_end`.
            let count = unsafe { libc::ioctl(self.file.as_raw_fd(), PAGEMAP_SCAN as _, &raw mut request) };
            let count = usize::try_from(count).map_err(|_| io::Error::last_os_error())?;
            for region in &regions[..count.min(REGIONS)] {
                pages.add(region.categories & FILE != 0, region.start - address..region.end - address);
            }
            if request.walk_end <= at {
                return Err(io::ErrorKind::InvalidData.into());
            }
            at = request.walk_end;
        }
        Ok(pages)
    }

    /// Reads the entries one by one (Documentation/admin-guide/mm/pagemap.rst).
    fn entries(&self, address: u64, len: u64) -> io::Result<Pages> {
        const ENTRY_FILE: u64 = 1 << 61;
        const ENTRY_THERE: u64 = 1 << 62 | 1 << 63;
        let mut pages = Pages::default();
        let mut buffer = vec![0; 64 << 10];
        let count = len / PAGE_SIZE;
        let mut done = 0;
        while done < count {
            let some = ((count - done) as usize).min(buffer.len() / 8);
            let bytes = &mut buffer[..some * 8];
            self.file.read_exact_at(bytes, (address / PAGE_SIZE + done) * 8)?;
            let (entries, _) = bytes.as_chunks::<8>();
            for (page, entry) in (done..).zip(entries) {
                let entry = u64::from_le_bytes(*entry);
                if entry & ENTRY_THERE != 0 {
                    pages.add(entry & ENTRY_FILE != 0, page * PAGE_SIZE..(page + 1) * PAGE_SIZE);
                }
            }
            done += some as u64;
        }
        Ok(pages)
    }
}

impl Pages {
    fn add(&mut self, of_file: bool, range: Range<u64>) {
        let list = if of_file { &mut self.file } else { &mut self.private };
        match list.last_mut() {
            Some(last) if last.end == range.start => last.end = range.end,
            _ => list.push(range),
        }
    }
}

/// `PAGEMAP_SCAN`, `_IOWR('f', 16, struct pm_scan_arg)`.
pub(crate) const PAGEMAP_SCAN: u32 =
    3 << 30 | (size_of::<ScanRequest>() as u32) << 16 | (b'f' as u32) << 8 | 16;

const FILE: u64 = 1 << 2;
const PRESENT: u64 = 1 << 3;
const SWAPPED: u64 = 1 << 4;

/// `struct pm_scan_arg` of linux/fs.h.
#[derive(Default)]
#[repr(C)]
struct ScanRequest {
    size: u64,
    flags: u64,
    start: u64,
    end: u64,
    walk_end: u64,
    vec: u64,
    vec_len: u64,
    max_pages: u64,
    inverted: u64,
    mask: u64,
    anyof: u64,
    returned: u64,
}

/// `struct page_region` of linux/fs.h.
#[derive(Clone, Copy, Default)]
#[repr(C)]
struct Region {
    start: u64,
    end: u64,
    categories: u64,
}

const _: () = assert!(size_of::<ScanRequest>() == 96 && size_of::<Region>() == 24);

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::memfd::{MFdFlags, memfd_create};

    const SIZE: u64 = 16 << 20;

    fn clone() -> GuestMemory {
        let file = File::from(memfd_create("pages", MFdFlags::MFD_CLOEXEC).unwrap());
        file.set_len(SIZE).unwrap();
        file.write_all_at(&vec![1; SIZE as usize], 0).unwrap();
        GuestMemory::clone_of(file, 0, SIZE).unwrap()
    }

    #[test]
    fn copies_are_told_from_file_pages_however_many_there_are() {
        let map = PageMap::open().unwrap();
        let memory = clone();
        assert_eq!(map.of(&memory).unwrap(), Pages::default());
        // Every other page, so that no two join and several requests are needed.
        for page in (0..SIZE / PAGE_SIZE).step_by(2) {
            memory.write(page * PAGE_SIZE, &[7]).unwrap();
        }
        let mut byte = [0];
        memory.read(PAGE_SIZE, &mut byte).unwrap();
        let pages = map.of(&memory).unwrap();
        assert_eq!(pages.private.len() as u64, SIZE / PAGE_SIZE / 2);
        assert!(pages.private.iter().all(|range| range.end - range.start == PAGE_SIZE));
        assert_eq!(pages.file.first().unwrap().start, PAGE_SIZE);
    }

    #[test]
    fn both_ways_of_asking_give_the_same_answer() {
        let map = PageMap::open().unwrap();
        if !map.scans {
            eprintln!("SKIPPED: this kernel has no PAGEMAP_SCAN");
            return;
        }
        let memory = clone();
        for page in [0, 1, 2, 9, 100, SIZE / PAGE_SIZE - 1] {
            memory.write(page * PAGE_SIZE + 5, &[7]).unwrap();
        }
        memory.read(50 * PAGE_SIZE, &mut [0]).unwrap();
        let (address, len) = (memory.host_address(), memory.size());
        assert_eq!(map.scan(address, len).unwrap(), map.entries(address, len).unwrap());
    }
}
