//! Why a file is no program: what stands behind ENOEXEC, for people.

use alloc::string::{String, ToString};

/// Bytes of a file that tell.
pub const HEAD: usize = 256;

/// `e_machine` of programs for other processors (elf(5)), with the names that image builders use.
const MACHINES: [(u16, &str); 9] = [
    (3, "32-bit x86 (386)"),
    (8, "MIPS"),
    (20, "PowerPC"),
    (21, "PowerPC (ppc64le)"),
    (22, "IBM Z (s390x)"),
    (40, "32-bit ARM (arm)"),
    (183, "ARM (arm64)"),
    (243, "RISC-V (riscv64)"),
    (258, "LoongArch (loong64)"),
];

/// What is wrong with a file that begins with `head`, and what to do; nothing where its beginning is sound.
#[must_use]
pub fn of(head: &[u8]) -> Option<String> {
    let text = match head {
        [0x7f, b'E', b'L', b'F', ..] => return of_elf(head),
        [] => "it is empty",
        [b'#', b'!', ..] => "its first line (#!) names no interpreter",
        [b'M', b'Z', ..] => "it is a program for Windows: build it for Linux on amd64",
        [0xcf, 0xfa, 0xed, 0xfe, ..] | [0xca, 0xfe, 0xba, 0xbe, ..] => {
            "it is a program for macOS, or a class of Java: build it for Linux on amd64, or start it with java"
        }
        _ if head.iter().all(|&byte| is_text(byte)) => {
            "it is a script without a first line that names its interpreter: begin it with #!/bin/sh"
        }
        _ => "it is neither a program (ELF) nor a script",
    };
    Some(text.to_string())
}

fn of_elf(head: &[u8]) -> Option<String> {
    const BITS_64: u8 = 2;
    const LITTLE_ENDIAN: u8 = 1;
    const AMD64: u16 = 62;
    const HEADER: usize = 64;
    let number = |at: usize| -> Option<u16> {
        let bytes = *head.get(at..)?.first_chunk()?;
        Some(if head.get(5) == Some(&LITTLE_ENDIAN) {
            u16::from_le_bytes(bytes)
        } else {
            u16::from_be_bytes(bytes)
        })
    };
    let (Some(kind), Some(machine)) = (number(16), number(18)) else {
        return Some("it is cut off".to_string());
    };
    if machine != AMD64 {
        let name = MACHINES.iter().find(|(number, _)| *number == machine);
        let name = name.map_or("another processor", |(_, name)| name);
        return Some(alloc::format!("it is a program for {name}: build the image for linux/amd64"));
    }
    let text = match kind {
        _ if head.get(4) != Some(&BITS_64) => "it is a 32-bit program (x32): build it for linux/amd64",
        1 => "it is an object file that was not linked",
        4 => "it is a memory dump (core)",
        _ if head.len() < HEADER => "it is cut off",
        _ => return None,
    };
    Some(text.to_string())
}

fn is_text(byte: u8) -> bool {
    matches!(byte, b'\t' | b'\n' | b'\r' | 0x20..=0x7e | 0x80..)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn elf(class: u8, order: u8, kind: u8, machine: [u8; 2]) -> Vec<u8> {
        let mut head = alloc::vec![0; 64];
        head[..6].copy_from_slice(&[0x7f, b'E', b'L', b'F', class, order]);
        head[16] = kind;
        head[18..20].copy_from_slice(&machine);
        head
    }

    #[test]
    fn the_cause_is_named() {
        let amd64 = [62, 0];
        for (head, word) in [
            (b"".to_vec(), "empty"),
            (b"#!  \n".to_vec(), "names no interpreter"),
            (b"echo hello\n".to_vec(), "#!/bin/sh"),
            ("écho\n".as_bytes().to_vec(), "#!/bin/sh"),
            (b"MZ\x90\0".to_vec(), "Windows"),
            (b"\xcf\xfa\xed\xfe\x07".to_vec(), "macOS"),
            (b"PK\x03\x04\0".to_vec(), "neither"),
            (b"\x7fELF".to_vec(), "cut off"),
            (elf(2, 1, 2, amd64)[..40].to_vec(), "cut off"),
            (elf(2, 1, 2, [183, 0]), "arm64"),
            (elf(1, 1, 2, [40, 0]), "32-bit ARM"),
            (elf(1, 1, 2, [3, 0]), "386"),
            (elf(2, 2, 2, [0, 22]), "s390x"),
            (elf(2, 1, 2, [1, 1]), "another processor"),
            (elf(1, 1, 2, amd64), "x32"),
            (elf(2, 1, 1, amd64), "object file"),
            (elf(2, 1, 4, amd64), "core"),
        ] {
            let told = of(&head).unwrap();
            assert!(told.contains(word), "{word}: {told}");
        }
        assert_eq!(of(&elf(2, 1, 3, amd64)), None);
    }
}
