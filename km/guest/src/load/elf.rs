//! ELF programs: what Linux's `binfmt_elf` accepts, as a plan that is carried out only when all of it is sound.

use super::{read_exact, read_up_to};
use crate::errno::{Errno, Result};
use crate::fs::file::File;
use alloc::vec::Vec;
use km_abi::layout::{PAGE_SIZE, PROGRAM_END, PROGRAM_START};
use object::elf::{self, FileHeader64, ProgramHeader64};
use object::{LittleEndian as LE, pod};

/// Size of an `Elf64_Ehdr`.
const HEADER_BYTES: usize = size_of::<FileHeader64<LE>>();
/// Size of an `Elf64_Phdr`.
const PROGRAM_HEADER_BYTES: usize = size_of::<ProgramHeader64<LE>>();
/// Most bytes of program headers (Linux allows 64 KiB).
const PROGRAM_HEADERS_MAX: usize = 65536;

/// `PROT_*` bits of mmap(2).
pub mod prot {
    /// The program may read (PROT_READ).
    pub const READ: u32 = 1;
    /// The program may write (PROT_WRITE).
    pub const WRITE: u32 = 2;
    /// The program may execute (PROT_EXEC).
    pub const EXEC: u32 = 4;
}

/// A PT_LOAD segment: bytes of the file, then zeros, at one place in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Virtual address before the load bias is added.
    pub address: u64,
    /// First byte in the file; congruent to `address` modulo the page size.
    pub offset: u64,
    /// Bytes that come from the file.
    pub file_len: u64,
    /// Bytes in memory; those beyond `file_len` are zero.
    pub memory_len: u64,
    /// Bits of [`prot`].
    pub prot: u32,
}

/// What a file asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ElfImage {
    /// ET_DYN: it may go anywhere.
    pub relocatable: bool,
    /// First instruction, before the load bias is added.
    pub entry: u64,
    /// In ascending order, never overlapping.
    pub segments: Vec<Segment>,
    /// Path of the dynamic linker (PT_INTERP); `None` for a static program.
    pub interpreter: Option<Vec<u8>>,
    /// Where the program headers are in memory before the load bias, 0 when no segment holds them.
    pub program_headers: u64,
    /// How many program headers there are (AT_PHNUM).
    pub program_header_count: u16,
    /// The largest alignment that a segment asks for, a power of two and at least a page.
    pub align: u64,
    /// PT_GNU_STACK asks for an executable stack.
    pub executable_stack: bool,
}

/// Where an [`ElfImage`] was put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// Load bias: what was added to the file's addresses.
    pub bias: u64,
    /// Address of the first instruction, load bias added.
    pub entry: u64,
    /// Program headers in memory, for AT_PHDR.
    pub program_headers: u64,
    /// First page after the last segment, where the heap may begin.
    pub end: u64,
}

/// The address space that a program is loaded into.
pub trait Mapper {
    /// Maps `len` bytes (whole pages) of the file from `offset` on at `address`, private, replacing what is there.
    ///
    /// # Errors
    /// As mmap(2).
    fn map_file(&mut self, address: u64, len: u64, prot: u32, offset: u64) -> Result<()>;

    /// Maps `len` bytes (whole pages) of zeros at `address`, replacing what is there.
    ///
    /// # Errors
    /// As mmap(2).
    fn map_zeros(&mut self, address: u64, len: u64, prot: u32) -> Result<()>;

    /// Zeros bytes of a page that [`Self::map_file`] mapped, writable or not.
    ///
    /// # Errors
    /// EFAULT, ENOMEM.
    fn clear(&mut self, address: u64, len: u64) -> Result<()>;
}

impl ElfImage {
    /// Reads and checks the headers of a program or an interpreter.
    ///
    /// # Errors
    /// ENOEXEC for what is no x86-64 ELF program; EINVAL for one whose headers contradict each other; ENOMEM when it wants
    /// addresses that no program has.
    pub fn read(file: &dyn File) -> Result<Self> {
        let head = read_up_to(file, 0, HEADER_BYTES)?;
        let (header, _) = pod::from_bytes::<FileHeader64<LE>>(&head).map_err(|()| Errno::ENOEXEC)?;
        let headers = program_headers(file, header)?;
        let segments = segments(&headers)?;
        let offset = header.e_phoff.get(LE);
        Ok(Self {
            relocatable: header.e_type.get(LE) == elf::ET_DYN,
            entry: header.e_entry.get(LE),
            interpreter: interpreter(file, &headers)?,
            program_headers: address_of(&segments, offset),
            program_header_count: header.e_phnum.get(LE),
            align: alignment(&headers),
            executable_stack: headers.iter().any(|entry| {
                entry.p_type.get(LE) == elf::PT_GNU_STACK && entry.p_flags.get(LE).0 & elf::PF_X.0 != 0
            }),
            segments,
        })
    }

    /// First and last page boundary of its segments, before the load bias is added.
    #[must_use]
    pub fn span(&self) -> (u64, u64) {
        let start = self.segments.first().map_or(0, |first| page_down(first.address));
        let end = self.segments.last().map_or(0, |last| page_up(last.address + last.memory_len));
        (start, end)
    }

    /// The load bias that puts a relocatable image at `address` or, where its alignment asks for it, above.
    #[must_use]
    pub fn bias_for(&self, address: u64) -> u64 {
        let start = self.span().0;
        address.next_multiple_of(self.align).wrapping_sub(start - start % self.align)
    }

    /// Maps the segments.
    ///
    /// # Errors
    /// What the mapper answers; the address space is then not usable.
    pub fn load(&self, bias: u64, mapper: &mut dyn Mapper) -> Result<Loaded> {
        for segment in &self.segments {
            segment.load(bias, mapper)?;
        }
        let placed = |address: u64| address.wrapping_add(bias);
        Ok(Loaded {
            bias,
            entry: placed(self.entry),
            program_headers: if self.program_headers == 0 { 0 } else { placed(self.program_headers) },
            end: placed(self.span().1),
        })
    }
}

impl Segment {
    fn load(&self, bias: u64, mapper: &mut dyn Mapper) -> Result<()> {
        let address = self.address.wrapping_add(bias);
        let start = page_down(address);
        let file_end = address + self.file_len;
        let mapped_end = if self.file_len == 0 { start } else { page_up(file_end) };
        if mapped_end > start {
            mapper.map_file(start, mapped_end - start, self.prot, page_down(self.offset))?;
        }
        let memory_end = page_up(address + self.memory_len);
        if self.memory_len > self.file_len && mapped_end > file_end && self.file_len != 0 {
            mapper.clear(file_end, mapped_end - file_end)?;
        }
        if memory_end > mapped_end {
            mapper.map_zeros(mapped_end, memory_end - mapped_end, self.prot)?;
        }
        Ok(())
    }
}

fn program_headers(file: &dyn File, header: &FileHeader64<LE>) -> Result<Vec<ProgramHeader64<LE>>> {
    let ident = &header.e_ident;
    let sound = ident.magic == elf::ELFMAG
        && ident.class == elf::ELFCLASS64
        && ident.data == elf::ELFDATA2LSB
        && header.e_machine.get(LE) == elf::EM_X86_64
        && matches!(header.e_type.get(LE), elf::ET_EXEC | elf::ET_DYN)
        && usize::from(header.e_phentsize.get(LE)) == PROGRAM_HEADER_BYTES;
    let count = usize::from(header.e_phnum.get(LE));
    let len = count * PROGRAM_HEADER_BYTES;
    if !sound || count == 0 || len > PROGRAM_HEADERS_MAX {
        return Err(Errno::ENOEXEC);
    }
    let bytes = read_exact(file, header.e_phoff.get(LE), len)?;
    let (headers, _) =
        pod::slice_from_bytes::<ProgramHeader64<LE>>(&bytes, count).map_err(|()| Errno::ENOEXEC)?;
    Ok(headers.to_vec())
}

fn segments(headers: &[ProgramHeader64<LE>]) -> Result<Vec<Segment>> {
    let mut segments: Vec<Segment> = Vec::new();
    for header in headers.iter().filter(|header| header.p_type.get(LE) == elf::PT_LOAD) {
        let segment = segment(header)?;
        if segment.memory_len == 0 {
            continue;
        }
        let before = segments.last().map_or(0, |last| last.address + last.memory_len);
        if segment.address < before {
            return Err(Errno::EINVAL);
        }
        segments.push(segment);
    }
    if segments.is_empty() { Err(Errno::ENOEXEC) } else { Ok(segments) }
}

fn segment(header: &ProgramHeader64<LE>) -> Result<Segment> {
    let flags = header.p_flags.get(LE).0;
    let bit = |flag: u32, prot: u32| if flags & flag == 0 { 0 } else { prot };
    let segment = Segment {
        address: header.p_vaddr.get(LE),
        offset: header.p_offset.get(LE),
        file_len: header.p_filesz.get(LE),
        memory_len: header.p_memsz.get(LE),
        prot: bit(elf::PF_R.0, prot::READ) | bit(elf::PF_W.0, prot::WRITE) | bit(elf::PF_X.0, prot::EXEC),
    };
    let end = segment.address.checked_add(segment.memory_len).ok_or(Errno::EINVAL)?;
    let file_end = segment.offset.checked_add(segment.file_len).ok_or(Errno::EINVAL)?;
    if segment.file_len > segment.memory_len
        || i64::try_from(file_end).is_err()
        || segment.address % PAGE_SIZE != segment.offset % PAGE_SIZE
    {
        return Err(Errno::EINVAL);
    }
    if end > PROGRAM_END - PROGRAM_START { Err(Errno::ENOMEM) } else { Ok(segment) }
}

fn interpreter(file: &dyn File, headers: &[ProgramHeader64<LE>]) -> Result<Option<Vec<u8>>> {
    let Some(header) = headers.iter().find(|header| header.p_type.get(LE) == elf::PT_INTERP) else {
        return Ok(None);
    };
    let len = usize::try_from(header.p_filesz.get(LE)).map_err(|_| Errno::ENOEXEC)?;
    if !(2..=PAGE_SIZE as usize).contains(&len) {
        return Err(Errno::ENOEXEC);
    }
    let path = read_exact(file, header.p_offset.get(LE), len)?;
    let end = path.iter().position(|&byte| byte == 0).ok_or(Errno::ENOEXEC)?;
    Ok(Some(path[..end].to_vec()))
}

/// Where the byte at `offset` of the file is in memory; 0 when no segment holds it.
fn address_of(segments: &[Segment], offset: u64) -> u64 {
    segments
        .iter()
        .find(|segment| (segment.offset..segment.offset + segment.file_len).contains(&offset))
        .map_or(0, |segment| segment.address + (offset - segment.offset))
}

fn alignment(headers: &[ProgramHeader64<LE>]) -> u64 {
    let wanted = headers.iter().filter(|header| header.p_type.get(LE) == elf::PT_LOAD);
    wanted
        .map(|header| header.p_align.get(LE))
        .filter(|align| align.is_power_of_two() && *align <= 1 << 30)
        .fold(PAGE_SIZE, u64::max)
}

fn page_down(address: u64) -> u64 {
    address & !(PAGE_SIZE - 1)
}

fn page_up(address: u64) -> u64 {
    address.next_multiple_of(PAGE_SIZE)
}

#[cfg(test)]
mod tests;
