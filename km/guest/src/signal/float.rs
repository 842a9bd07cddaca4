//! Floating-point exceptions: which one it was, from the status words of x87 and SSE (AMD64 Architecture Programmer's Manual,
//! volume 1, chapters 4.10 and 6.8).

use super::info::code;
use km_hal::cpu::XState;

/// Vector of x87 exceptions; those of SSE and AVX have another one.
pub const X87: u8 = 16;
/// Vector of SSE and AVX exceptions.
pub const SIMD: u8 = 19;

/// Bits of both status words.
const INVALID: u32 = 1;
const DENORMAL: u32 = 1 << 1;
const ZERO_DIVIDE: u32 = 1 << 2;
const OVERFLOW: u32 = 1 << 3;
const UNDERFLOW: u32 = 1 << 4;
const INEXACT: u32 = 1 << 5;
/// Distance of the masks from the status bits in MXCSR.
const MASKS: u32 = 7;

/// `si_code` of an exception; `None` when no exception is raised that is not masked.
#[must_use]
pub fn reason(vector: u8, state: &XState) -> Option<i32> {
    let (control, status, mxcsr) = state.exception_words();
    let raised = if vector == X87 { u32::from(status & !control) } else { mxcsr & !(mxcsr >> MASKS) };
    let codes = [
        (INVALID, code::FPE_FLTINV),
        (ZERO_DIVIDE, code::FPE_FLTDIV),
        (OVERFLOW, code::FPE_FLTOVF),
        (UNDERFLOW | DENORMAL, code::FPE_FLTUND),
        (INEXACT, code::FPE_FLTRES),
    ];
    codes.into_iter().find(|(bits, _)| raised & bits != 0).map(|(_, code)| code)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(control: u16, status: u16, mxcsr: u32) -> XState {
        km_hal::host::reset(16 << 20);
        let mut bytes = [0; 512];
        bytes[0..2].copy_from_slice(&control.to_le_bytes());
        bytes[2..4].copy_from_slice(&status.to_le_bytes());
        bytes[24..28].copy_from_slice(&mxcsr.to_le_bytes());
        let mut state = XState::fresh();
        state.load_bytes(&bytes);
        state
    }

    #[test]
    fn masked_ones_are_no_reason() {
        assert_eq!(reason(X87, &state(0x37f, 0x3f, 0x1f80)), None);
        assert_eq!(reason(X87, &state(0x37b, 0x24, 0x1f80)), Some(code::FPE_FLTDIV));
        assert_eq!(reason(SIMD, &state(0x37f, 0, 0x1fbf)), None);
        assert_eq!(reason(SIMD, &state(0x37f, 0, 0x1f80 & !(1 << 8) | 2)), Some(code::FPE_FLTUND));
    }

    #[test]
    fn the_first_of_several_counts() {
        assert_eq!(reason(SIMD, &state(0x37f, 0, 0x3f)), Some(code::FPE_FLTINV));
        assert_eq!(reason(SIMD, &state(0x37f, 0, 0x28)), Some(code::FPE_FLTOVF));
    }
}
