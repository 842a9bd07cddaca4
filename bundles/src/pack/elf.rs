//! What an ELF file asks of the loader: its interpreter, the libraries it needs and where to look for them.

use std::ffi::OsString;
use std::fs::File;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use object::elf::{self, FileHeader64};
use object::read::elf::{Dyn, FileHeader, ProgramHeader};
use object::{Endianness, ReadCache, ReadRef};

use super::{PackError, io_error};

/// What a program or library says about itself.
#[derive(Debug, Default)]
pub(super) struct Facts {
    /// The dynamic loader (PT_INTERP); static programs have none.
    pub(super) interpreter: Option<PathBuf>,
    /// Names of libraries (DT_NEEDED), in the order of the file.
    pub(super) needed: Vec<String>,
    /// Search path of the file and of what it loads (DT_RPATH), with `$ORIGIN` as it stands.
    pub(super) rpath: Option<String>,
    /// Search path of the file alone (DT_RUNPATH), with `$ORIGIN` as it stands.
    pub(super) runpath: Option<String>,
}

/// Reads the facts of a file; `Err` with the reason if it cannot run on x86-64 Linux.
pub(super) fn facts(path: &Path) -> Result<Facts, PackError> {
    let file = File::open(path).map_err(io_error(path))?;
    let bad = |reason: String| PackError::BadElf { path: path.to_owned(), reason };
    let data = &ReadCache::new(file);
    check_machine(path, data)?;
    let header = FileHeader64::<Endianness>::parse(data).map_err(|error| bad(error.to_string()))?;
    read_facts(header, data).map_err(|error| bad(error.to_string()))
}

/// Whether the loader would take this file for a library of a 64-bit program.
pub(super) fn is_library(path: &Path) -> bool {
    path.is_file() && facts(path).is_ok()
}

fn check_machine<'data>(path: &Path, data: impl ReadRef<'data>) -> Result<(), PackError> {
    let bad = |reason: &str| PackError::BadElf { path: path.to_owned(), reason: reason.to_owned() };
    let ident = data.read_bytes_at(0, 20).map_err(|()| bad("the file is too short"))?;
    if !ident.starts_with(b"\x7fELF") {
        return Err(bad("it does not start with the ELF magic"));
    }
    let machine = u16::from_le_bytes([ident[18], ident[19]]);
    let found = match (ident[4], ident[5], machine) {
        (2, 1, 62) => return Ok(()),
        (1, ..) => "a 32-bit machine".to_owned(),
        (_, 2, _) => "a big-endian machine".to_owned(),
        (_, _, 183) => "64-bit Arm".to_owned(),
        (_, _, 243) => "RISC-V".to_owned(),
        (_, _, other) => format!("another machine (ELF number {other})"),
    };
    Err(PackError::WrongMachine { path: path.to_owned(), found })
}

fn read_facts<'data>(
    header: &FileHeader64<Endianness>,
    data: impl ReadRef<'data>,
) -> object::read::Result<Facts> {
    let endian = header.endian()?;
    let segments = header.program_headers(endian, data)?;
    let mut facts = Facts::default();
    for segment in segments {
        if let Some(path) = segment.interpreter(endian, data)? {
            facts.interpreter = Some(PathBuf::from(OsString::from_vec(path.to_vec())));
        }
    }
    let dynamic =
        segments.iter().find_map(|segment| segment.dynamic(endian, data).transpose()).transpose()?;
    let Some(dynamic) = dynamic else { return Ok(facts) };
    let value =
        |tag| dynamic.iter().find(|entry| entry.d_tag(endian) == tag).map(|entry| entry.d_val(endian));
    let Some(table) = value(elf::DT_STRTAB) else { return Ok(facts) };
    let text = |offset: u64| {
        let address = table.checked_add(offset)?;
        segments.iter().find_map(|segment| string_at(segment, endian, data, address))
    };
    facts.needed = dynamic
        .iter()
        .filter(|entry| entry.d_tag(endian) == elf::DT_NEEDED)
        .filter_map(|entry| text(entry.d_val(endian)))
        .collect();
    facts.rpath = value(elf::DT_RPATH).and_then(text);
    facts.runpath = value(elf::DT_RUNPATH).and_then(text);
    Ok(facts)
}

/// The NUL-terminated text at a virtual address, if the segment has it in the file.
fn string_at<'data>(
    segment: &elf::ProgramHeader64<Endianness>,
    endian: Endianness,
    data: impl ReadRef<'data>,
    address: u64,
) -> Option<String> {
    if segment.p_type(endian) != elf::PT_LOAD {
        return None;
    }
    let within = address.checked_sub(segment.p_vaddr(endian))?;
    if within >= segment.p_filesz(endian) {
        return None;
    }
    let start = segment.p_offset(endian).checked_add(within)?;
    let end = segment.p_offset(endian).checked_add(segment.p_filesz(endian))?;
    let bytes = data.read_bytes_at_until(start..end, 0).ok()?;
    Some(String::from_utf8_lossy(bytes).into_owned())
}
