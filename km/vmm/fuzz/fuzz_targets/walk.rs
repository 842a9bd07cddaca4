//! Page tables out of fuzz: the walk ends, and every answer is an address that a guest may touch.
#![no_main]

use km_vmm::snapshot::walk::{Leaf, TableSource, leaves};
use km_vmm::snapshot::{PAGE, Page};
use libfuzzer_sys::fuzz_target;

/// Memory that repeats the input, so that every address has a table.
struct Tables<'a>(&'a [u8]);

impl TableSource for Tables<'_> {
    fn table(&self, gpa: u64, page: &mut Page) -> bool {
        let start = gpa as usize / PAGE * 64 % self.0.len();
        let front = &self.0[start..(start + PAGE).min(self.0.len())];
        page.fill(0);
        page[..front.len()].copy_from_slice(front);
        gpa < 1 << 30
    }
}

fuzz_target!(|bytes: &[u8]| {
    if bytes.len() < 16 {
        return;
    }
    let mut count = 0;
    leaves(&Tables(bytes), 0x1000, &mut |leaf: &Leaf| {
        assert!(leaf.va < 1 << 47 && leaf.va % 4096 == 0 && leaf.gpa % leaf.len == 0);
        count += 1;
        count < 1 << 16
    });
});
