//! The vDSO's ELF image: a shared object in one page, as vdso(7) has it, around the code of [`km_hal::vdso`].
//!
//! It has what loaders look at and no more: PT_LOAD and PT_DYNAMIC, a symbol table with a System V hash table, and no
//! section headers. All symbols have the version LINUX_2.6: Go walks the version definitions without asking whether there
//! are any.

use alloc::vec::Vec;
use km_hal::vdso::{TEXT_OFFSET, functions, text};
use object::elf;

/// Size of the image: one page. The page below it must be the clock page.
pub const IMAGE_BYTES: usize = 4096;

const HEADER: usize = 64;
const PROGRAM_HEADER: usize = 56;
const SYMBOL: usize = 24;
const NAME: &[u8] = b"linux-vdso.so.1\0";
const VERSION: &[u8] = b"LINUX_2.6\0";
/// ELF hashes of the two names above.
const NAME_HASH: u32 = 0xdee_bfa1;
const VERSION_HASH: u32 = 0x03ae_75f6;

/// The bytes of the page, the same for every process.
#[must_use]
pub fn image() -> Vec<u8> {
    let tables = Tables::new();
    let dynamic = tables.dynamic();
    let mut bytes = header();
    bytes.extend(program_header(elf::PT_LOAD.0, elf::PF_R.0 | elf::PF_X.0, 0, IMAGE_BYTES));
    bytes.extend(program_header(elf::PT_DYNAMIC.0, elf::PF_R.0, tables.dynamic_offset(), dynamic.len()));
    bytes.extend(&tables.symbols);
    bytes.extend(&tables.hash);
    bytes.extend(&tables.definitions);
    bytes.extend(&tables.versions);
    bytes.extend(dynamic);
    bytes.extend(&tables.strings);
    bytes.resize(TEXT_OFFSET as usize, 0);
    bytes.extend(text());
    bytes.resize(IMAGE_BYTES, 0);
    bytes
}

struct Tables {
    symbols: Vec<u8>,
    hash: Vec<u8>,
    /// The section `.gnu.version_d`.
    definitions: Vec<u8>,
    /// The version of each symbol.
    versions: Vec<u8>,
    strings: Vec<u8>,
}

impl Tables {
    fn new() -> Self {
        let mut strings = alloc::vec![0];
        strings.extend(NAME);
        strings.extend(VERSION);
        let mut symbols = alloc::vec![0; SYMBOL];
        for function in functions() {
            for prefix in ["__vdso_", ""] {
                let name = strings.len() as u32;
                strings.extend(prefix.bytes().chain(function.name.bytes()).chain([0]));
                symbols.extend(symbol(name, TEXT_OFFSET + function.offset));
            }
        }
        let count = symbols.len() / SYMBOL;
        Self {
            hash: hash_table(count),
            definitions: definitions(),
            versions: versions(count),
            symbols,
            strings,
        }
    }

    fn symbols_offset() -> usize {
        HEADER + 2 * PROGRAM_HEADER
    }

    fn hash_offset(&self) -> usize {
        Self::symbols_offset() + self.symbols.len()
    }

    fn definitions_offset(&self) -> usize {
        self.hash_offset() + self.hash.len()
    }

    fn versions_offset(&self) -> usize {
        self.definitions_offset() + self.definitions.len()
    }

    fn dynamic_offset(&self) -> usize {
        self.versions_offset() + self.versions.len()
    }

    /// The dynamic section. Its length does not depend on its values.
    fn dynamic(&self) -> Vec<u8> {
        const ENTRIES: usize = 10;
        let strings = self.dynamic_offset() + ENTRIES * 16;
        let entries: [(i64, usize); ENTRIES] = [
            (elf::DT_SONAME.0, 1),
            (elf::DT_HASH.0, self.hash_offset()),
            (elf::DT_STRTAB.0, strings),
            (elf::DT_STRSZ.0, self.strings.len()),
            (elf::DT_SYMTAB.0, Self::symbols_offset()),
            (elf::DT_SYMENT.0, SYMBOL),
            (elf::DT_VERSYM.0, self.versions_offset()),
            (elf::DT_VERDEF.0, self.definitions_offset()),
            (elf::DT_VERDEFNUM.0, 2),
            (elf::DT_NULL.0, 0),
        ];
        entries.iter().flat_map(|&(tag, value)| words(&[tag.cast_unsigned(), value as u64])).collect()
    }
}

fn words(words: &[u64]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

fn header() -> Vec<u8> {
    let mut bytes = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    bytes.extend(elf::ET_DYN.0.to_le_bytes());
    bytes.extend(elf::EM_X86_64.0.to_le_bytes());
    bytes.extend(1u32.to_le_bytes());
    bytes.extend(words(&[0, HEADER as u64, 0]));
    bytes.extend(0u32.to_le_bytes());
    let halves = [HEADER, PROGRAM_HEADER, 2, 0, 0, 0];
    bytes.extend(halves.iter().flat_map(|&half| (half as u16).to_le_bytes()));
    bytes
}

fn program_header(kind: u32, flags: u32, offset: usize, len: usize) -> Vec<u8> {
    let mut bytes = kind.to_le_bytes().to_vec();
    bytes.extend(flags.to_le_bytes());
    let (offset, len) = (offset as u64, len as u64);
    bytes.extend(words(&[offset, offset, offset, len, len, if offset == 0 { 4096 } else { 8 }]));
    bytes
}

fn symbol(name: u32, address: u64) -> Vec<u8> {
    let mut bytes = name.to_le_bytes().to_vec();
    bytes.push((elf::STB_GLOBAL.0 << 4) | elf::STT_FUNC.0);
    bytes.push(elf::STV_DEFAULT.0);
    // Any section that is defined; there is no table of them.
    bytes.extend(1u16.to_le_bytes());
    bytes.extend(words(&[address, 1]));
    bytes
}

/// One bucket that chains all symbols: there are a dozen.
fn hash_table(symbols: usize) -> Vec<u8> {
    let symbols = symbols as u32;
    let mut values = alloc::vec![1, symbols, 1, 0];
    values.extend((1..symbols).map(|index| if index + 1 < symbols { index + 1 } else { 0 }));
    if values.len() % 2 == 1 {
        values.push(0);
    }
    values.iter().flat_map(|value: &u32| value.to_le_bytes()).collect()
}

/// Two version definitions with one name each: the object's own, and that of its symbols.
fn definitions() -> Vec<u8> {
    const SIZE: u32 = 20;
    const SIZE_WITH_NAME: u32 = 28;
    let definition = |flags: u16, index: u16, hash: u32, next: u32, name: u32| {
        let halves = [elf::VER_DEF_CURRENT, flags, index, 1];
        let mut bytes: Vec<u8> = halves.iter().flat_map(|half| half.to_le_bytes()).collect();
        bytes.extend([hash, SIZE, next, name, 0].iter().flat_map(|word| word.to_le_bytes()));
        bytes
    };
    let mut bytes = definition(elf::VER_FLG_BASE.0, 1, NAME_HASH, SIZE_WITH_NAME, 1);
    bytes.extend(definition(0, 2, VERSION_HASH, 0, 1 + NAME.len() as u32));
    bytes
}

/// The first symbol is none; all others are of the second definition.
fn versions(symbols: usize) -> Vec<u8> {
    let mut bytes: Vec<u8> =
        (0..symbols).flat_map(|index| if index == 0 { [0, 0] } else { [2, 0] }).collect();
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use object::{Object, ObjectSymbol};

    #[test]
    fn the_image_is_a_shared_object_with_the_functions() {
        let bytes = image();
        assert_eq!(bytes.len(), IMAGE_BYTES);
        let file = object::read::elf::ElfFile64::<object::LittleEndian>::parse(&*bytes).unwrap();
        let program_headers = file.elf_program_headers();
        assert_eq!(program_headers.len(), 2);
        assert_eq!(file.entry(), 0);
        assert_eq!(file.symbols().count(), 0);
        let tables = Tables::new();
        let names: Vec<&[u8]> = tables.strings.split(|&byte| byte == 0).collect();
        assert!(names.contains(&b"__vdso_clock_gettime".as_slice()) && names.contains(&b"getcpu".as_slice()));
        assert!(
            tables.dynamic_offset() + tables.dynamic().len() + tables.strings.len() <= TEXT_OFFSET as usize
        );
        let hash = |name: &[u8]| object::elf::hash(&name[..name.len() - 1]);
        assert_eq!((hash(NAME), hash(VERSION)), (NAME_HASH, VERSION_HASH));
        let first = &file.symbols().next();
        assert!(first.is_none_or(|symbol| symbol.address() == 0));
    }
}
