//! Names of functions in ELF files, for messages about programs that crashed.
//!
//! The file belongs to the program, so nothing in it is trusted: whatever does not add up gives no name.

use alloc::vec::Vec;

/// Entries of a table that are looked at, at most.
const ENTRIES_MAX: u64 = 1 << 20;
/// Longest name in bytes.
const NAME_MAX: usize = 128;
/// Bytes that are read at once.
const CHUNK: u64 = 4096;
/// Section types SHT_SYMTAB and SHT_DYNSYM: all symbols, and those that other files see.
const TABLES: [u32; 2] = [2, 11];
/// Size of an `Elf64_Sym`.
const SYMBOL_BYTES: u64 = 24;
/// STT_FUNC of a symbol's type.
const FUNCTION: u8 = 2;
/// PT_LOAD of a segment's type.
const LOAD: u32 = 1;

/// Reads bytes of a file; `false` when they are not there.
pub type Read<'a> = &'a dyn Fn(u64, &mut [u8]) -> bool;

/// A place within a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SymbolOffset {
    /// The function's name as the linker knows it.
    pub name: Vec<u8>,
    /// Distance from its first byte.
    pub offset: u64,
}

/// The function that the byte at `file_offset` belongs to.
#[must_use]
pub fn find(read: Read<'_>, file_offset: u64) -> Option<SymbolOffset> {
    let header = record::<64>(read, 0)?;
    if header[..5] != *b"\x7fELF\x02" {
        return None;
    }
    let address = address_of(read, &header, file_offset)?;
    let sections = Sections { read, start: long(&header, 40), count: u64::from(half(&header, 60)) };
    TABLES.iter().find_map(|kind| sections.search(*kind, address))
}

/// The virtual address of a byte of the file, before the load bias.
fn address_of(read: Read<'_>, header: &[u8], file_offset: u64) -> Option<u64> {
    (0..u64::from(half(header, 56))).find_map(|index| {
        let segment = record::<56>(read, long(header, 32).checked_add(index * 56)?)?;
        let distance = file_offset.checked_sub(long(&segment, 8))?;
        let within = word(&segment, 0) == LOAD && distance < long(&segment, 32);
        if within { long(&segment, 16).checked_add(distance) } else { None }
    })
}

/// The section headers of a file.
struct Sections<'a> {
    read: Read<'a>,
    start: u64,
    count: u64,
}

impl Sections<'_> {
    fn get(&self, index: u64) -> Option<[u8; 64]> {
        if index < self.count { record(self.read, self.start.checked_add(index * 64)?) } else { None }
    }

    /// Looks for the function in the first table of a kind.
    fn search(&self, kind: u32, address: u64) -> Option<SymbolOffset> {
        let table =
            (0..self.count).filter_map(|index| self.get(index)).find(|table| word(table, 4) == kind)?;
        let names = self.get(u64::from(word(&table, 40)))?;
        let (name, offset) = self.closest(long(&table, 24), long(&table, 32), address)?;
        let name = string(self.read, long(&names, 24).checked_add(u64::from(name))?)?;
        Some(SymbolOffset { name, offset })
    }

    /// The name's index, and the distance, of the function in the table at `start` that contains `address`.
    fn closest(&self, start: u64, len: u64, address: u64) -> Option<(u32, u64)> {
        let count = (len / SYMBOL_BYTES).min(ENTRIES_MAX);
        let at_once = CHUNK / SYMBOL_BYTES;
        let mut buffer = [0; CHUNK as usize];
        for first in (0..count).step_by(at_once as usize) {
            let bytes = ((count - first).min(at_once) * SYMBOL_BYTES) as usize;
            let part = &mut buffer[..bytes];
            if !(self.read)(start.checked_add(first * SYMBOL_BYTES)?, part) {
                return None;
            }
            let found = part.chunks_exact(SYMBOL_BYTES as usize).find_map(|symbol| {
                let offset = address.checked_sub(long(symbol, 8))?;
                (symbol[4] & 15 == FUNCTION && offset < long(symbol, 16)).then(|| (word(symbol, 0), offset))
            });
            if found.is_some() {
                return found;
            }
        }
        None
    }
}

fn record<const N: usize>(read: Read<'_>, offset: u64) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    read(offset, &mut bytes).then_some(bytes)
}

fn string(read: Read<'_>, offset: u64) -> Option<Vec<u8>> {
    let mut name = Vec::new();
    while name.len() < NAME_MAX {
        match record::<1>(read, offset.checked_add(name.len() as u64)?)?[0] {
            0 => break,
            byte if byte.is_ascii_graphic() => name.push(byte),
            _ => return None,
        }
    }
    Some(name)
}

fn half(bytes: &[u8], at: usize) -> u16 {
    u16::from(bytes[at]) | u16::from(bytes[at + 1]) << 8
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from(half(bytes, at)) | u32::from(half(bytes, at + 2)) << 16
}

fn long(bytes: &[u8], at: usize) -> u64 {
    u64::from(word(bytes, at)) | u64::from(word(bytes, at + 4)) << 32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_from(file: &[u8]) -> impl Fn(u64, &mut [u8]) -> bool {
        |offset, buffer| {
            let start = usize::try_from(offset).unwrap_or(usize::MAX);
            let part = start.checked_add(buffer.len()).and_then(|end| file.get(start..end));
            part.map(|part| buffer.copy_from_slice(part)).is_some()
        }
    }

    #[test]
    fn functions_of_this_very_program_have_names() {
        let file = std::fs::read("/proc/self/exe").unwrap();
        let named = (0..file.len() as u64)
            .step_by(4099)
            .filter_map(|offset| find(&read_from(&file), offset))
            .any(|place| place.name.windows(8).any(|part| part == b"km_guest"));
        assert!(named);
    }

    #[test]
    fn broken_files_have_no_names_and_break_nothing() {
        let mut file = std::fs::read("/proc/self/exe").unwrap();
        file.truncate(64);
        assert_eq!(find(&read_from(&file), 0x1000), None);
        file.iter_mut().skip(5).for_each(|byte| *byte = 0xff);
        file.resize(8192, 0xff);
        assert_eq!(find(&read_from(&file), 0x1000), None);
        assert_eq!(find(&read_from(b"#!/bin/sh"), 0), None);
    }
}
