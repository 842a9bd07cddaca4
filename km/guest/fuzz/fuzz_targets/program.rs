//! Files that are to be executed: ELF headers, `#!` lines and symbol tables. What is refused maps nothing; what is accepted
//! maps whole pages, in ascending order, and clears only bytes of pages that it has just mapped.
#![no_main]

use km_abi::layout::PAGE_SIZE;
use km_guest::errno::Result;
use km_guest::fs::file::File;
use km_guest::fs::io::Sink;
use km_guest::load::elf::{ElfImage, Mapper};
use km_guest::load::{script, symbol};
use libfuzzer_sys::fuzz_target;
use std::any::Any;

/// Where relocatable programs go.
const BASE: u64 = 0x5555_5555_4000;

struct Bytes(Vec<u8>);

impl File for Bytes {
    fn read(&self, offset: u64, out: &mut dyn Sink) -> Result<usize> {
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        out.put(self.0.get(start..).unwrap_or_default())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// What was mapped last.
#[derive(Default)]
struct Last {
    start: u64,
    end: u64,
}

impl Last {
    fn map(&mut self, address: u64, len: u64) {
        assert!(address.is_multiple_of(PAGE_SIZE) && len.is_multiple_of(PAGE_SIZE) && len > 0);
        assert!(address + PAGE_SIZE >= self.end, "only the page where two segments meet is mapped twice");
        *self = Self { start: address, end: address + len };
    }
}

impl Mapper for Last {
    fn map_file(&mut self, address: u64, len: u64, prot: u32, offset: u64) -> Result<()> {
        assert!(prot < 8 && offset.is_multiple_of(PAGE_SIZE) && i64::try_from(offset).is_ok());
        self.map(address, len);
        Ok(())
    }

    fn map_zeros(&mut self, address: u64, len: u64, prot: u32) -> Result<()> {
        assert!(prot < 8);
        self.map(address, len);
        Ok(())
    }

    fn clear(&mut self, address: u64, len: u64) -> Result<()> {
        assert!(self.start <= address && address + len == self.end && len < PAGE_SIZE);
        Ok(())
    }
}

/// An ELF header that is right, before `rest`: so that what follows is reached by chance.
fn behind_header(kind: u8, count: u8, rest: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 64];
    bytes[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
    // e_type (EXEC or DYN), e_machine, e_version, e_entry, e_phoff, e_ehsize, e_phentsize, e_phnum
    for (at, value) in
        [(16, 2 + kind % 2), (18, 62), (20, 1), (26, 0x40), (32, 64), (52, 64), (54, 56), (56, count % 8)]
    {
        bytes[at] = value;
    }
    bytes.extend_from_slice(rest);
    bytes
}

fuzz_target!(|input: &[u8]| {
    let bytes = match input {
        [kind, count, rest @ ..] if kind & 0x80 != 0 => behind_header(*kind, *count, rest),
        _ => input.to_vec(),
    };
    let bytes = &bytes[..];
    let file = Bytes(bytes.to_vec());
    if let Ok(Some(script)) = script::read(&file) {
        assert!(
            !script.interpreter.is_empty() && script.argument.is_none_or(|argument| !argument.is_empty())
        );
    }
    let read = |offset: u64, out: &mut [u8]| {
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let from = bytes.get(start..).and_then(|rest| rest.get(..out.len()));
        from.is_some_and(|from| {
            out.copy_from_slice(from);
            true
        })
    };
    for offset in [0, bytes.len() as u64 / 2, u64::MAX] {
        let _ = symbol::find(&read, offset);
    }
    if let Ok(image) = ElfImage::read(&file) {
        let bias = if image.relocatable { image.bias_for(BASE) } else { 0 };
        let loaded = image.load(bias, &mut Last::default()).unwrap();
        assert!(loaded.end > 0 && loaded.bias == bias);
    }
});
