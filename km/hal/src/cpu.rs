//! What of a thread stays in the CPU while the library OS works: vector state and segment bases.

use crate::{backend, records};
use alloc::boxed::Box;
use alloc::vec;

/// 64 bytes, aligned as XSAVE wants its area.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([u8; 64]);

/// Offset of MXCSR in the area.
const MXCSR: usize = 24;
/// Offset of the header: which components are there, and in what form.
const HEADER: usize = 512;
/// Offsets of the x87 control and status word in the area.
const CONTROL: usize = 0;
const STATUS: usize = 2;
/// Bits of MXCSR that the CPU accepts.
const MXCSR_MASK: u32 = 0xffff;
/// Smallest area: x87 and SSE, and the header.
const SMALLEST: usize = 576;

/// The vector state of a thread, as XSAVE writes it (standard form).
#[derive(Clone)]
pub struct XState(Box<[Line]>);

impl XState {
    /// The state of a new thread: everything in its initial configuration.
    #[must_use]
    pub fn fresh() -> Self {
        let mut area = Self(vec![Line([0; 64]); size_bytes().div_ceil(64)].into_boxed_slice());
        area.bytes_mut()[MXCSR..MXCSR + 4].copy_from_slice(&0x1f80u32.to_le_bytes());
        area
    }

    /// The bytes of the area, for signal frames.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_flattened_bytes()
    }

    /// Control and status word of the x87, and MXCSR: which floating-point exceptions there are, and which are masked.
    #[must_use]
    pub fn exception_words(&self) -> (u16, u16, u32) {
        let bytes = self.as_bytes();
        (word(bytes, CONTROL) as u16, word(bytes, STATUS) as u16, word(bytes, MXCSR))
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        self.0.as_flattened_bytes_mut()
    }

    /// Takes over bytes that a program prepared, with everything cleared that the CPU would refuse.
    pub fn load_bytes(&mut self, bytes: &[u8]) {
        let xcr0 = records::boot().xcr0;
        let area = self.bytes_mut();
        let len = bytes.len().min(area.len());
        area[..len].copy_from_slice(&bytes[..len]);
        let mxcsr = word(area, MXCSR) & MXCSR_MASK;
        area[MXCSR..MXCSR + 4].copy_from_slice(&mxcsr.to_le_bytes());
        let components = if len < SMALLEST { 3 } else { long(area, HEADER) & xcr0 };
        area[HEADER..SMALLEST].fill(0);
        area[HEADER..HEADER + 8].copy_from_slice(&components.to_le_bytes());
    }

    #[cfg(target_os = "none")]
    pub(crate) fn pointer(&self) -> *const u8 {
        self.0.as_ptr().cast()
    }

    #[cfg(target_os = "none")]
    pub(crate) fn pointer_mut(&mut self) -> *mut u8 {
        self.0.as_mut_ptr().cast()
    }
}

/// A slice of lines as the bytes that it is.
trait Flatten {
    fn as_flattened_bytes(&self) -> &[u8];
    fn as_flattened_bytes_mut(&mut self) -> &mut [u8];
}

impl Flatten for Box<[Line]> {
    fn as_flattened_bytes(&self) -> &[u8] {
        // SAFETY: a `Line` is 64 bytes without padding, so the slice is that many initialized bytes.
        unsafe { core::slice::from_raw_parts(self.as_ptr().cast(), self.len() * 64) }
    }

    fn as_flattened_bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above, and any bytes are a valid `Line`.
        unsafe { core::slice::from_raw_parts_mut(self.as_mut_ptr().cast(), self.len() * 64) }
    }
}

fn word(bytes: &[u8], at: usize) -> u32 {
    bytes[at..at + 4].iter().rev().fold(0, |word, byte| word << 8 | u32::from(*byte))
}

fn long(bytes: &[u8], at: usize) -> u64 {
    u64::from(word(bytes, at)) | u64::from(word(bytes, at + 4)) << 32
}

/// Size of the vector state in bytes.
#[must_use]
pub fn size_bytes() -> usize {
    (records::boot().xsave_bytes as usize).max(SMALLEST)
}

/// Stores the vector state that is in the CPU.
pub fn save(state: &mut XState) {
    backend::xsave(state);
}

/// Loads a vector state into the CPU.
pub fn restore(state: &XState) {
    backend::xrstor(state);
}

/// The FS base in the CPU: the thread pointer of the thread that runs.
#[must_use]
pub fn fs_base() -> u64 {
    backend::fs_base()
}

/// Loads the FS base. A value that is no lower-half address is refused (`false`).
pub fn set_fs_base(base: u64) -> bool {
    let valid = base >> 47 == 0;
    if valid {
        backend::set_fs_base(base);
    }
    valid
}

/// The GS base in the CPU.
#[must_use]
pub fn gs_base() -> u64 {
    backend::gs_base()
}

/// Loads the GS base. A value that is no lower-half address is refused (`false`).
pub fn set_gs_base(base: u64) -> bool {
    let valid = base >> 47 == 0;
    if valid {
        backend::set_gs_base(base);
    }
    valid
}

/// The CPU's time-stamp counter, in cycles; [`crate::records::clock`] says how they become a time.
#[must_use]
pub fn rdtsc() -> u64 {
    backend::rdtsc()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host;

    #[test]
    fn a_hostile_area_is_made_loadable() {
        host::reset(16 << 20);
        let mut state = XState::fresh();
        state.load_bytes(&[0xff; 4096]);
        let area = state.as_bytes();
        assert_eq!(word(area, MXCSR), MXCSR_MASK);
        assert_eq!(long(area, HEADER), records::boot().xcr0);
        assert!(area[HEADER + 8..SMALLEST].iter().all(|byte| *byte == 0));
    }

    #[test]
    fn states_travel_through_the_cpu() {
        host::reset(16 << 20);
        let mut first = XState::fresh();
        first.load_bytes(&[3; 512]);
        restore(&first);
        let mut second = XState::fresh();
        save(&mut second);
        assert_eq!(first.as_bytes(), second.as_bytes());
    }

    #[test]
    fn upper_half_bases_are_refused() {
        host::reset(16 << 20);
        assert!(set_fs_base(0x7000));
        assert!(!set_fs_base(1 << 47));
        assert!(!set_gs_base(u64::MAX));
        assert_eq!(fs_base(), 0x7000);
    }
}
