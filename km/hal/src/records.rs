//! What the monitor has written down for the guest.

use crate::phys;
use alloc::vec;
use core::mem::offset_of;
use km_abi::layout::{CLOCK_GPA, CLONE_RECORD_OFFSET, RECORDS_GPA};
use km_abi::records::{BootConfig, BootRecord, CONFIG_MAX, ClockPage, CloneRecord};

/// Facts of this boot.
#[must_use]
pub fn boot() -> BootRecord {
    phys::read_value(RECORDS_GPA)
}

/// The components of vector state that this machine has, as bits of XCR0.
#[must_use]
pub fn vector_components() -> u64 {
    phys::read_u64(RECORDS_GPA + offset_of!(BootRecord, xcr0) as u64)
}

/// The process to start.
///
/// # Panics
/// When the record is not readable: monitor and image are built from one tree, so this is a bug.
#[must_use]
pub fn config() -> BootConfig {
    let record = boot();
    assert!(record.config_len <= CONFIG_MAX, "boot configuration of {} bytes", record.config_len);
    let mut bytes = vec![0; record.config_len as usize];
    phys::read(record.config_gpa, &mut bytes);
    match BootConfig::decode(&bytes) {
        Ok(config) => config,
        Err(error) => panic!("boot configuration: {error}"),
    }
}

/// What is fresh in this clone.
#[must_use]
pub fn call() -> CloneRecord {
    phys::read_value(RECORDS_GPA + CLONE_RECORD_OFFSET)
}

/// Wipes the seed of the call, once a generator is keyed with it.
pub fn wipe_seed() {
    let record = CloneRecord { seed: [0; 32], ..call() };
    phys::write_value(RECORDS_GPA + CLONE_RECORD_OFFSET, &record);
}

/// The parameters from which clocks are computed, as the monitor writes them.
#[must_use]
pub fn clock() -> ClockPage {
    phys::read_value(CLOCK_GPA)
}
