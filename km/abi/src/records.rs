//! What the monitor tells a machine: once at boot, and once more in every clone.

use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Fixed-size facts of this boot, at [`crate::layout::RECORDS_GPA`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct BootRecord {
    /// Size of RAM in bytes.
    pub memory_bytes: u64,
    /// First byte of RAM that nothing uses.
    pub free_gpa: u64,
    /// Bytes of the rootfs image that ROM shows.
    pub rootfs_mapped: u64,
    /// Bytes of the whole rootfs image.
    pub rootfs_bytes: u64,
    /// Where the [`BootConfig`] lies (postcard encoding).
    pub config_gpa: u64,
    /// Its length in bytes.
    pub config_len: u64,
    /// Size of the XSAVE area in bytes, as CPUID leaf 0xD says for the features in `xcr0`.
    pub xsave_bytes: u64,
    /// XCR0 of the vCPU.
    pub xcr0: u64,
    /// 1 where the host shadows the guest's page tables, since the CPU cannot walk them: whatever makes the host look at
    /// them again is dear there, and a stale translation is only ever the host's.
    pub shadowed: u64,
}

impl BootRecord {
    /// Whether the host shadows the guest's page tables.
    #[must_use]
    pub const fn is_shadowed(&self) -> bool {
        self.shadowed != 0
    }
}

/// What is fresh in every machine and every clone, at [`crate::layout::CLONE_RECORD_OFFSET`] of the records page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct CloneRecord {
    /// Random bytes of the host; the library OS wipes them once its generator is keyed.
    pub seed: [u8; 32],
    /// Another number for every clone, never 0 in a clone and 0 at boot.
    pub generation: u64,
}

/// Clock parameters, at [`crate::layout::CLOCK_GPA`]; the vDSO reads them as well.
///
/// `ns(tsc) = base_ns + (((tsc - tsc_base) as u128 * mult as u128) >> shift)`, for each of the three clocks. In a clone they
/// are what Linux has after a suspension for as long as the snapshot is old: CLOCK_MONOTONIC stood still meanwhile.
/// The vCPU is stopped while the monitor writes, so there is no sequence lock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct ClockPage {
    /// Counter value at which both bases hold.
    pub tsc_base: u64,
    /// Nanoseconds per count, shifted left by `shift`.
    pub mult: u32,
    /// How far a product of counts and `mult` is shifted right.
    pub shift: u32,
    /// CLOCK_MONOTONIC in nanoseconds at `tsc_base`.
    pub monotonic_ns: u64,
    /// CLOCK_REALTIME in nanoseconds since 1970 at `tsc_base`.
    pub realtime_ns: u64,
    /// CLOCK_BOOTTIME in nanoseconds at `tsc_base`: CLOCK_MONOTONIC and the snapshot's age.
    pub boottime_ns: u64,
}

/// The process to start, and its surroundings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BootConfig {
    /// Command and arguments; the first is looked up in PATH of `env` if it has no slash.
    pub args: Vec<Vec<u8>>,
    /// Environment of the first process, entries `NAME=value`.
    pub env: Vec<Vec<u8>>,
    /// Working directory of the first process; empty for `/`.
    pub cwd: Vec<u8>,
    /// User id of the first process.
    pub uid: u32,
    /// Group id of the first process.
    pub gid: u32,
    /// Supplementary groups of the first process.
    pub groups: Vec<u32>,
    /// What uname(2) and gethostname(2) show.
    pub hostname: String,
    /// The program may ask for connections to peers beyond its machine; this is its /etc/resolv.conf.
    pub resolv_conf: Option<String>,
    /// Standard input, output and error are a terminal.
    pub terminal: bool,
    /// Go idle with [`crate::hypercall::IDLE_AT_START`] before the first instruction of the program.
    pub stop_at_start: bool,
    /// Tell what is changed in the rootfs once the program has ended with status 0 ([`crate::changes`]).
    pub tells_changes: bool,
}

/// What a machine gets for its call beside the request: nothing of it was ever in a snapshot. Announced by
/// [`crate::hypercall::EventKind::Inlay`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inlay {
    /// Variables added to the environment of a program that has not executed an instruction yet, `NAME=value`.
    pub env: Vec<Vec<u8>>,
    /// Files, put over what the image has at their paths; folders that are missing are made.
    pub files: Vec<InlayFile>,
}

/// A file of an [`Inlay`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InlayFile {
    /// Absolute path within the rootfs.
    pub path: Vec<u8>,
    /// Permission bits, as chmod(2) takes them.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// All bytes of the file.
    pub content: Vec<u8>,
}

/// Longest [`Inlay`] in bytes.
pub const INLAY_MAX: u64 = 4 << 20;

impl Inlay {
    /// Nothing to put in.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.env.is_empty() && self.files.is_empty()
    }

    /// The bytes that the library OS reads.
    ///
    /// # Errors
    /// Only when memory for the bytes cannot be had.
    pub fn encode(&self) -> Result<Vec<u8>, postcard::Error> {
        postcard::to_allocvec(self)
    }

    /// Reads what [`Self::encode`] wrote.
    ///
    /// # Errors
    /// When the bytes are not such an encoding.
    pub fn decode(bytes: &[u8]) -> Result<Self, postcard::Error> {
        postcard::from_bytes(bytes)
    }
}

/// Longest [`BootConfig`] in bytes: 2 MiB of arguments and environment, and as many groups as Linux lets a process have.
pub const CONFIG_MAX: u64 = 3 << 20;

impl BootConfig {
    /// The bytes that go to [`BootRecord::config_gpa`].
    ///
    /// # Errors
    /// Only when memory for the bytes cannot be had.
    pub fn encode(&self) -> Result<Vec<u8>, postcard::Error> {
        postcard::to_allocvec(self)
    }

    /// Reads what [`Self::encode`] wrote.
    ///
    /// # Errors
    /// When the bytes are not such an encoding.
    pub fn decode(bytes: &[u8]) -> Result<Self, postcard::Error> {
        postcard::from_bytes(bytes)
    }
}
