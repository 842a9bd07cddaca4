//! Snapshot files: a trailer out of fuzz, and whole files with a few pages out of fuzz. Nothing may panic, and no file
//! whose bytes differ from what was written may pass.
#![no_main]

use km_abi::layout::MEMORY_MIN;
use km_vmm::snapshot::format::{State, Trailer};
use km_vmm::snapshot::{Expected, Identity, RamSource, Moment, PAGE, Page, Snapshot, write};
use libfuzzer_sys::fuzz_target;
use nix::sys::memfd::{MFdFlags, memfd_create};
use std::fs::{File, Permissions};
use std::io;
use std::ops::Range;
use std::os::unix::fs::{FileExt, PermissionsExt};

struct OnePage;

impl RamSource for OnePage {
    fn populated(&self) -> io::Result<Vec<Range<u64>>> {
        Ok(vec![0x5000..0x6000])
    }

    fn read_page(&self, _gpa: u64, page: &mut Page) -> io::Result<()> {
        page.fill(7);
        Ok(())
    }
}

fn expected() -> Expected {
    Expected {
        identity: Identity { build: [1; 32], host: [2; 32] },
        key: String::new(),
        memory_bytes: MEMORY_MIN,
        rootfs_bytes: 0,
        moment: Moment::Ready,
    }
}

fuzz_target!(|bytes: &[u8]| {
    let mut page = [0; PAGE];
    let count = bytes.len().min(PAGE);
    page[..count].copy_from_slice(&bytes[..count]);
    let _ = Trailer::decode(&page, &expected());

    let [at @ .., value] = bytes else { return };
    let at = at.iter().take(8).fold(0u64, |at, &byte| at << 8 | u64::from(byte));
    let file = File::from(memfd_create("snapshot", MFdFlags::MFD_CLOEXEC).unwrap());
    file.set_permissions(Permissions::from_mode(0o600)).unwrap();
    let state = State { cr3: 0x1000, ..State::default() };
    write(&file, &OnePage, &expected(), state).unwrap();
    let at = at % (MEMORY_MIN + PAGE as u64);
    let mut before = [0];
    file.read_exact_at(&mut before, at).unwrap();
    file.write_all_at(&[*value], at).unwrap();
    let seen = Snapshot::open(file, &expected()).and_then(|snapshot| snapshot.verify());
    assert_eq!(seen.is_ok(), before == [*value]);
});
