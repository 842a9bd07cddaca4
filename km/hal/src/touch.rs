//! Touching pages of the working set, so that the host has them ready before a call needs them.
//!
//! Nothing changes by it: a page that will be written is written with what it holds. Addresses come from the monitor's
//! list; one that the page tables in use do not map (any more) is skipped.

use crate::paging::current_root;
use crate::{backend, phys, user};
use km_abi::layout::PROGRAM_END;

const PRESENT: u64 = 1;
const WRITE: u64 = 1 << 1;
const LARGE: u64 = 1 << 7;
const ADDRESS: u64 = 0x000f_ffff_ffff_f000;

/// Reads a byte of the page at `address`, and writes it back if the page is to be `written`.
pub fn page(address: u64, written: bool) {
    if address < PROGRAM_END {
        let mut byte = [0];
        // A fault means that the page is not as it was when the list was made: its call will fault as well.
        if user::copy_in(address, &mut byte).is_ok() && written {
            let _ = user::copy_out(address, &byte);
        }
    } else if let Some(writable) = mapped(address) {
        // SAFETY: the tables map the address; the access changes nothing, and nothing else runs between its read and its write.
        unsafe { backend::touch(address, written && writable) };
    }
}

/// Whether the library OS's half of the page tables maps an address, and then whether it may be written.
fn mapped(address: u64) -> Option<bool> {
    if address >> 47 != 0 {
        return None;
    }
    let mut table = current_root();
    let mut writable = true;
    for level in (0..4).rev() {
        let index = address >> (12 + 9 * level) & 511;
        let entry = phys::read_u64(table + index * 8);
        if entry & PRESENT == 0 {
            return None;
        }
        writable &= entry & WRITE != 0;
        if level > 0 && entry & LARGE != 0 {
            break;
        }
        table = entry & ADDRESS;
    }
    Some(writable)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host;
    use crate::paging::{self, Flags, Pool};

    #[test]
    fn contents_stay_and_strange_addresses_are_skipped() {
        host::reset(16 << 20);
        let root = paging::new_root(&mut Pool).unwrap();
        let frame = crate::frames::alloc().unwrap();
        paging::map(root, 0x40_0000, frame, Flags::BASE | Flags::WRITE, &mut Pool).unwrap();
        paging::switch(root);
        phys::write_u64(frame, 7);
        for address in [0x40_0000, 0x50_0000, PROGRAM_END, 1 << 47, u64::MAX & !0xfff] {
            page(address, true);
        }
        assert_eq!(phys::read_u64(frame), 7);
    }
}
