//! Hypercall pages out of fuzz, one after the other on the same machine: any operation, any sequence of them.
#![no_main]

use km_abi::hypercall::{End, Exit, HyperPage};
use km_abi::layout::{HYPER_GPA, MEMORY_MIN};
use km_vmm::memory::{GuestMemory, Rootfs};
use km_vmm::vm::{Arrivals, DoorbellRinger, GuestStreams, Transfer};
use libfuzzer_sys::fuzz_target;
use nix::sys::memfd::{MFdFlags, memfd_create};
use std::fs::File;
use std::os::unix::fs::FileExt;

/// Streams that do whatever their number says, more than was asked for included.
struct Streams;

impl Streams {
    fn whatever(stream: u32) -> Transfer {
        match stream % 5 {
            0 => Transfer::Done(stream as usize),
            1 => Transfer::Again,
            2 => Transfer::Broken,
            3 => Transfer::Unknown,
            _ => Transfer::Done(0),
        }
    }
}

impl GuestStreams for Streams {
    fn write(&mut self, stream: u32, _bytes: &[u8]) -> Transfer {
        Self::whatever(stream)
    }

    fn read(&mut self, stream: u32, _buffer: &mut [u8]) -> Transfer {
        Self::whatever(stream)
    }

    fn shutdown_write(&mut self, stream: u32) -> Transfer {
        Self::whatever(stream)
    }

    fn close(&mut self, stream: u32) -> Transfer {
        Self::whatever(stream)
    }

    fn poll(&mut self, arrivals: &mut Arrivals) {
        arrivals.open(16, 80, &[1; 100]);
    }
}

fuzz_target!(|bytes: &[u8]| {
    let memory = GuestMemory::anonymous(MEMORY_MIN).unwrap();
    let file = File::from(memfd_create("rootfs", MFdFlags::MFD_CLOEXEC).unwrap());
    file.write_all_at(&[3; 9000], 0).unwrap();
    let rootfs = Rootfs::open(file, &[]).unwrap();
    let mut ringer = DoorbellRinger::default();
    for page in bytes.chunks(size_of::<HyperPage>()) {
        memory.write(HYPER_GPA, page).unwrap();
        let exit = memory.load::<HyperPage>(HYPER_GPA).unwrap().exit;
        assert!(End::try_from(exit).is_ok_and(|end| Exit::from(end) == exit) || End::try_from(exit).is_err());
        if ringer.ring(&memory, &rootfs, &mut Streams).is_err() {
            return;
        }
    }
});
