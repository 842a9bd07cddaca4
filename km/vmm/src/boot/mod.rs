//! A machine's first state: tables, page tables, the library OS's data and the records, written by the monitor.
//!
//! * [`image`]: the library OS as an ELF file, checked once ([`image::GuestImage`]).
//! * [`tables`]: GDT, TSS with its I/O bitmap, IDT.
//! * [`paging`]: the page tables of the direct map and the image; accessed and dirty bits are set already, which saves
//!   every walk from setting them.
//! * [`registers`]: where a boot and a clone begin.
//! * [`strings`]: how long arguments and environment may be.

pub mod image;
mod paging;
pub mod registers;
pub mod strings;
mod tables;

use crate::kvm::KvmError;
use crate::memory::{GuestMemory, MemoryError, Rootfs};
use image::GuestImage;
use km_abi::layout::{CLOCK_GPA, CLONE_RECORD_OFFSET, DATA_GPA, PAGE_SIZE, RECORDS_GPA};
use km_abi::records::{BootConfig, BootRecord, CONFIG_MAX, ClockPage, CloneRecord};
use strings::StringsError;

/// Why a machine cannot be prepared.
#[derive(Debug, thiserror::Error)]
pub enum BootError {
    /// The library OS and the process's arguments do not fit.
    #[error(
        "memory of {memory} bytes is too small: the library OS and the process's arguments need {needed}"
    )]
    TooSmall {
        /// What the VM has, in bytes.
        memory: u64,
        /// What is needed at least.
        needed: u64,
    },
    /// Arguments or environment are too long.
    #[error(transparent)]
    Strings(#[from] StringsError),
    /// Groups or names are too many or too long.
    #[error("the process's description takes {0} bytes, at most {CONFIG_MAX} are allowed")]
    ConfigTooLong(u64),
    /// Arguments and environment cannot be encoded.
    #[error("encode the process's description: {0}")]
    Config(#[from] postcard::Error),
    /// Guest memory cannot be mapped or written.
    #[error(transparent)]
    Memory(#[from] MemoryError),
    /// A request to KVM failed.
    #[error(transparent)]
    Kvm(#[from] KvmError),
}

/// What differs between boots.
#[derive(Debug)]
pub struct BootParameters<'a> {
    /// The process to start, and its surroundings.
    pub config: &'a BootConfig,
    /// Seed of the random generator; the generation is 0.
    pub clone: CloneRecord,
    /// The clocks at this moment.
    pub clock: ClockPage,
    /// Vector features of the vCPU.
    pub vector: VectorState,
    /// Whether the host shadows page tables ([`BootRecord::shadowed`]).
    pub shadowed: bool,
}

/// XSAVE features that guests use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VectorState {
    /// Features whose state the vCPU has (XCR0).
    pub xcr0: u64,
    /// Size of the XSAVE area for them in bytes.
    pub xsave_bytes: u64,
}

/// Fills the memory of a machine that is to boot.
///
/// # Errors
/// What does not fit.
pub fn prepare(
    memory: &GuestMemory,
    rootfs: &Rootfs,
    image: &GuestImage,
    parameters: &BootParameters<'_>,
) -> Result<(), BootError> {
    strings::check(&parameters.config.args, &parameters.config.env)?;
    let config = parameters.config.encode()?;
    let config_len = config.len() as u64;
    if config_len > CONFIG_MAX {
        return Err(BootError::ConfigTooLong(config_len));
    }
    let config_gpa = DATA_GPA + image.data_bytes();
    let free_gpa = (config_gpa + config_len).next_multiple_of(PAGE_SIZE);
    // Page tables and heap of the smallest program.
    let needed = free_gpa + (4 << 20);
    if needed > memory.size() {
        return Err(BootError::TooSmall { memory: memory.size(), needed });
    }
    tables::write(memory, image)?;
    paging::write(memory, rootfs, image)?;
    image.load_data(memory)?;
    memory.write(config_gpa, &config)?;
    let record = BootRecord {
        memory_bytes: memory.size(),
        free_gpa,
        rootfs_mapped: rootfs.mapped(),
        rootfs_bytes: rootfs.bytes(),
        config_gpa,
        config_len,
        xsave_bytes: parameters.vector.xsave_bytes,
        xcr0: parameters.vector.xcr0,
        shadowed: u64::from(parameters.shadowed),
    };
    memory.store(RECORDS_GPA, &record)?;
    memory.store(RECORDS_GPA + CLONE_RECORD_OFFSET, &parameters.clone)?;
    memory.store(CLOCK_GPA, &parameters.clock)?;
    Ok(())
}
