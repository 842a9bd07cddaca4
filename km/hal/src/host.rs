//! The machine of a test: memory, registers and doorbells of one thread on the host.

use crate::backend;
use km_abi::hypercall::{HyperPage, Port};
use km_abi::layout::{CLOCK_GPA, RECORDS_GPA};
use km_abi::records::{BootConfig, BootRecord, ClockPage};

/// Payload of the unwinding that ends a machine on the host ([`crate::hyper::exit`], [`crate::hyper::panic`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended(pub Port);

/// Makes a new machine for this thread with `memory_bytes` of zeroed memory, records that describe it, and an idle
/// doorbell that answers nothing. Without it a thread gets 64 MiB at first use.
pub fn reset(memory_bytes: u64) {
    backend::reset(memory_bytes);
}

/// Gives the machine a process to start.
pub fn set_config(config: &BootConfig) {
    let bytes = match config.encode() {
        Ok(bytes) => bytes,
        Err(error) => panic!("boot configuration: {error}"),
    };
    let mut record: BootRecord = crate::phys::read_value(RECORDS_GPA);
    record.config_gpa = backend::CONFIG_GPA;
    record.config_len = bytes.len() as u64;
    assert!(bytes.len() as u64 <= backend::CONFIG_ROOM, "boot configuration of {} bytes", bytes.len());
    crate::phys::write(record.config_gpa, &bytes);
    crate::phys::write_value(RECORDS_GPA, &record);
}

/// Gives the machine a rootfs image; it stays in memory until the test process ends.
pub fn set_rootfs(image: Vec<u8>) {
    let mut record: BootRecord = crate::phys::read_value(RECORDS_GPA);
    record.rootfs_mapped = image.len() as u64;
    record.rootfs_bytes = image.len() as u64;
    crate::phys::write_value(RECORDS_GPA, &record);
    backend::set_rootfs(image);
}

/// Sets the clock parameters.
pub fn set_clock(clock: &ClockPage) {
    crate::phys::write_value(CLOCK_GPA, clock);
}

/// Answers every doorbell from now on: the closure sees the port and the page, and may write results and events to it.
pub fn on_doorbell(answer: impl FnMut(Port, &mut HyperPage) + 'static) {
    backend::on_doorbell(Box::new(answer));
}
