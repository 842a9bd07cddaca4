//! The ELF reader against images that are right, odd and hostile.

use super::*;
use crate::fs::io::Sink;
use core::any::Any;

struct Bytes(Vec<u8>);

impl File for Bytes {
    fn read(&self, offset: u64, out: &mut dyn Sink) -> Result<usize> {
        out.put(self.0.get(offset as usize..).unwrap_or_default())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

#[derive(Default)]
struct Calls(Vec<(&'static str, u64, u64)>);

impl Mapper for Calls {
    fn map_file(&mut self, address: u64, len: u64, _prot: u32, _offset: u64) -> Result<()> {
        self.0.push(("file", address, len));
        Ok(())
    }

    fn map_zeros(&mut self, address: u64, len: u64, _prot: u32) -> Result<()> {
        self.0.push(("zeros", address, len));
        Ok(())
    }

    fn clear(&mut self, address: u64, len: u64) -> Result<()> {
        self.0.push(("clear", address, len));
        Ok(())
    }
}

/// A program header as the words that it is made of.
#[derive(Clone, Copy)]
struct ProgramHeader {
    kind: u32,
    flags: u32,
    offset: u64,
    address: u64,
    file_len: u64,
    memory_len: u64,
}

const TEXT: ProgramHeader =
    ProgramHeader { kind: 1, flags: 5, offset: 0, address: 0x40_0000, file_len: 0x1234, memory_len: 0x1234 };
const DATA: ProgramHeader = ProgramHeader {
    kind: 1,
    flags: 6,
    offset: 0x1e00,
    address: 0x40_3e00,
    file_len: 0x300,
    memory_len: 0x5000,
};

fn program(kind: u16, headers: &[ProgramHeader]) -> Vec<u8> {
    let mut bytes = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    bytes.extend(kind.to_le_bytes());
    bytes.extend(62u16.to_le_bytes());
    bytes.extend(1u32.to_le_bytes());
    bytes.extend([0x40_1000u64, 64, 0].iter().flat_map(|word| word.to_le_bytes()));
    bytes.extend(0u32.to_le_bytes());
    bytes.extend([64, 56, headers.len() as u16, 0, 0, 0].iter().flat_map(|half| half.to_le_bytes()));
    for header in headers {
        bytes.extend(header.kind.to_le_bytes());
        bytes.extend(header.flags.to_le_bytes());
        let ProgramHeader { offset, address, file_len, memory_len, .. } = *header;
        let words = [offset, address, address, file_len, memory_len, 4096];
        bytes.extend(words.iter().flat_map(|word| word.to_le_bytes()));
    }
    bytes
}

fn read(kind: u16, headers: &[ProgramHeader]) -> Result<ElfImage> {
    ElfImage::read(&Bytes(program(kind, headers)))
}

#[test]
fn a_static_program_is_mapped_where_it_says() {
    let image = read(2, &[TEXT, DATA]).unwrap();
    assert!(!image.relocatable);
    assert_eq!(image.program_headers, 0x40_0040);
    let mut calls = Calls::default();
    let loaded = image.load(0, &mut calls).unwrap();
    assert_eq!(loaded.end, 0x40_9000);
    let expected = [
        ("file", 0x40_0000, 0x2000),
        ("file", 0x40_3000, 0x2000),
        ("clear", 0x40_4100, 0xf00),
        ("zeros", 0x40_5000, 0x4000),
    ];
    assert_eq!(calls.0, expected);
}

#[test]
fn a_relocatable_program_moves_as_one() {
    let image = read(3, &[TEXT]).unwrap();
    let bias = image.bias_for(0x5555_0000_0000);
    let loaded = image.load(bias, &mut Calls::default()).unwrap();
    assert_eq!(loaded.entry - image.entry, bias);
    assert_eq!(bias + 0x40_0000, 0x5555_0000_0000);
}

#[test]
fn what_is_no_program_is_refused() {
    assert_eq!(ElfImage::read(&Bytes(Vec::new())).err(), Some(Errno::ENOEXEC));
    assert_eq!(read(1, &[TEXT]).err(), Some(Errno::ENOEXEC));
    assert_eq!(read(2, &[]).err(), Some(Errno::ENOEXEC));
    for (at, value) in [(4, 1), (5, 2), (18, 3), (54, 1)] {
        let mut bytes = program(2, &[TEXT]);
        bytes[at] = value;
        assert_eq!(ElfImage::read(&Bytes(bytes)).err(), Some(Errno::ENOEXEC), "byte {at}");
    }
    let bytes = program(2, &[TEXT, DATA]);
    assert_eq!(ElfImage::read(&Bytes(bytes[..100].to_vec())).err(), Some(Errno::ENOEXEC));
}

#[test]
fn headers_that_contradict_themselves_are_refused() {
    let wrong = [
        ProgramHeader { file_len: 0x2000, ..TEXT },
        ProgramHeader { memory_len: u64::MAX, ..TEXT },
        ProgramHeader { offset: 1, ..TEXT },
        ProgramHeader { offset: 1 << 63, file_len: 0, ..TEXT },
    ];
    for header in wrong {
        assert_eq!(read(2, &[header]).err(), Some(Errno::EINVAL));
    }
    assert_eq!(read(2, &[DATA, TEXT]).err(), Some(Errno::EINVAL));
    assert_eq!(read(2, &[ProgramHeader { address: 0x7fff_ffff_0000, ..TEXT }]).err(), Some(Errno::ENOMEM));
}

#[test]
fn an_interpreter_is_a_path_that_ends() {
    let interp = |file_len| ProgramHeader {
        kind: 3,
        flags: 4,
        offset: 232,
        address: 0,
        file_len,
        memory_len: file_len,
    };
    let with = |file_len, path: &[u8]| {
        let mut bytes = program(3, &[TEXT, interp(file_len), DATA]);
        bytes.extend(path);
        ElfImage::read(&Bytes(bytes)).map(|image| image.interpreter)
    };
    assert_eq!(with(8, b"/ld.so.1"), Err(Errno::ENOEXEC));
    assert_eq!(with(7, b"/ld.so\0"), Ok(Some(b"/ld.so".to_vec())));
    assert_eq!(with(1, b"\0"), Err(Errno::ENOEXEC));
    assert_eq!(with(100, b"/short\0"), Err(Errno::ENOEXEC));
}
