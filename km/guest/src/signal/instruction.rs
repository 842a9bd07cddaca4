//! Which exception an instruction raises on the CPUs that Linux runs on, where a machine's own CPU raises another one: without
//! hardware virtualization KVM emulates what the CPU refused, and refuses some of it in its own way.

use km_hal::records;

/// Bit of XCR0 for the upper halves of the vector registers.
const AVX_STATE: u64 = 4;
/// Longest instruction in bytes.
pub const LONGEST: usize = 15;
/// Vector of invalid opcodes.
pub const INVALID_OPCODE: u8 = 6;
/// Vector of general-protection faults.
pub const PROTECTION: u8 = 13;
/// Bit of an error code: it names a gate of the interrupt table.
const OF_TABLE: u64 = 2;

/// The exception that `code`, an instruction, raises instead of the one that it raised in the machine.
#[must_use]
pub fn as_on_hardware(vector: u8, error: u64, code: &[u8]) -> (u8, u64) {
    let (extends_register, opcode) = without_prefixes(code);
    match (vector, error, opcode) {
        // A gate that programs may not use.
        (INVALID_OPCODE, _, [0xcd, gate, ..]) => (PROTECTION, u64::from(*gate) << 3 | OF_TABLE),
        // A vector or x87 instruction that the CPU has refused for its operand, and that KVM cannot emulate.
        (INVALID_OPCODE, _, opcode) if has_vector_operand(opcode) => (PROTECTION, 0),
        // monitor and mwait
        (PROTECTION, 0, [0x0f, 0x01, 0xc8 | 0xc9, ..]) => (INVALID_OPCODE, 0),
        (PROTECTION, 0, [0x0f, 0x20 | 0x22, registers, ..]) => {
            let control_register = registers >> 3 & 7 | u8::from(extends_register) << 3;
            let exists = matches!(control_register, 0 | 2 | 3 | 4 | 8);
            (if exists { PROTECTION } else { INVALID_OPCODE }, 0)
        }
        _ => (vector, error),
    }
}

/// Whether it is an instruction of x87, SSE or AVX that reads or writes memory. All encodings of these exist, up to a few.
fn has_vector_operand(opcode: &[u8]) -> bool {
    let in_memory = |operands: &u8| operands >> 6 != 3;
    match opcode {
        // Neither of these exists.
        [0xd9, operands, ..] if operands >> 3 & 7 == 1 => false,
        [0xdb, operands, ..] if matches!(operands >> 3 & 7, 4 | 6) => false,
        [0xdd, operands, ..] if operands >> 3 & 7 == 5 => false,
        [0xd8..=0xdf, operands, ..] => in_memory(operands),
        [0x0f, 0x38 | 0x3a, _, operands, ..] => in_memory(operands),
        [0x0f, 0x10..=0x17 | 0x28..=0x2f | 0x50..=0x76 | 0x7c..=0x7f, operands, ..]
        | [0x0f, 0xae | 0xc2 | 0xc4..=0xc6 | 0xd0..=0xfe, operands, ..] => in_memory(operands),
        // AVX, which a program can use once the state is enabled.
        [0xc5, _, _, operands, ..] | [0xc4, _, _, _, operands, ..] => {
            // The longer form names one of three maps of opcodes.
            let has_map = opcode[0] == 0xc5 || matches!(opcode[1] & 0x1f, 1..=3);
            has_map && records::boot().xcr0 & AVX_STATE != 0 && in_memory(operands)
        }
        _ => false,
    }
}

/// An instruction behind its prefixes, and whether one of them makes another register of the first operand (REX.R). LOCK is
/// none here: it makes the instructions above invalid.
fn without_prefixes(code: &[u8]) -> (bool, &[u8]) {
    let is_prefix = |byte: &u8| matches!(byte, 0x26 | 0x2e | 0x36 | 0x3e | 0x64..=0x67 | 0xf2 | 0xf3);
    let start = code.iter().position(|byte| !is_prefix(byte)).unwrap_or(code.len());
    match &code[start..] {
        [rex @ 0x40..=0x4f, opcode @ ..] => (rex & 4 != 0, opcode),
        opcode => (false, opcode),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gates_are_protected_whatever_stands_before() {
        for code in [&[0xcd, 0x21][..], &[0x48, 0xcd, 0x21], &[0xf3, 0x66, 0xcd, 0x21, 0x90]] {
            assert_eq!(as_on_hardware(INVALID_OPCODE, 0, code), (PROTECTION, 0x10a));
        }
        assert_eq!(as_on_hardware(INVALID_OPCODE, 0, &[0xf0, 0xcd, 0x21]), (INVALID_OPCODE, 0));
        assert_eq!(as_on_hardware(INVALID_OPCODE, 0, &[0xcd]), (INVALID_OPCODE, 0));
    }

    #[test]
    fn only_control_registers_that_exist_are_protected() {
        let read = |number: u8| {
            let rex = 0x40 | (number >> 3) << 2;
            as_on_hardware(PROTECTION, 0, &[rex, 0x0f, 0x20, 0xc0 | (number & 7) << 3]).0
        };
        let protected: std::vec::Vec<u8> = (0..16).filter(|number| read(*number) == PROTECTION).collect();
        assert_eq!(protected, [0, 2, 3, 4, 8]);
    }

    #[test]
    fn vector_instructions_are_refused_for_what_they_access() {
        km_hal::host::reset(16 << 20);
        // addps [rdi], ldmxcsr [rdi], vmovaps ymm0, [rdi], fld tbyte [rdi], and addps of two registers.
        for code in [&[0x0f, 0x58, 0x07][..], &[0x0f, 0xae, 0x17], &[0xc5, 0xfc, 0x28, 0x07], &[0xdb, 0x2f]] {
            assert_eq!(as_on_hardware(INVALID_OPCODE, 0, code), (PROTECTION, 0), "{code:x?}");
        }
        for code in [&[0x0f, 0x58, 0xc0][..], &[0xd9, 0x0f], &[0x0f, 0x0b], &[0x0f, 0xff, 0x07], &[0xc5]] {
            assert_eq!(as_on_hardware(INVALID_OPCODE, 0, code), (INVALID_OPCODE, 0), "{code:x?}");
        }
    }

    #[test]
    fn others_stay_as_they_are() {
        assert_eq!(as_on_hardware(PROTECTION, 0x33, &[0x0f, 0x20, 0xc8]), (PROTECTION, 0x33));
        assert_eq!(as_on_hardware(INVALID_OPCODE, 0, &[0x0f, 0x0b]), (INVALID_OPCODE, 0));
        assert_eq!(as_on_hardware(0, 0, &[]), (0, 0));
    }
}
