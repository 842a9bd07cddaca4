//! The library OS's image: an ELF file that the build made, taken apart once per process.

use crate::memory::{GuestMemory, MemoryError};
use km_abi::ABI_VERSION;
use km_abi::image::{IMAGE_MAGIC, ImageHeader};
use km_abi::layout::{CODE_BYTES, DATA_GPA, IMAGE_BASE, PAGE_SIZE};
use object::elf::{self, FileHeader64};
use object::read::elf::{ElfFile64, ProgramHeader};
use object::{LittleEndian, Object, ObjectSymbol};
use zerocopy::FromBytes;

/// Largest image in bytes: the room for its page tables.
const IMAGE_MAX: u64 = 64 << 20;

/// Why a file is not an image of the library OS.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// Not an ELF file.
    #[error("the library OS's image is not a readable ELF file: {0}")]
    Elf(#[from] object::Error),
    /// It does not begin with the header.
    #[error("the library OS's image has no header")]
    NoHeader,
    /// It is of another build.
    #[error("the library OS's image has ABI version {found}, this monitor has {ABI_VERSION}")]
    Version {
        /// What the header says.
        found: u32,
    },
    /// A segment lies outside of the image.
    #[error("the library OS's image has a segment at {address:#x} that is out of place")]
    Segment {
        /// Where it begins, guest-virtual.
        address: u64,
    },
}

/// A loadable part of the image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Offset from the image's start.
    pub offset: u64,
    /// Bytes that it takes in memory; what the file does not give is zero.
    pub len: u64,
    /// Its bytes in the file; the rest is zero.
    pub bytes: Vec<u8>,
    /// The guest may write it: data. Other segments are code and constants.
    pub writable: bool,
}

/// The library OS, ready to be loaded.
#[derive(Clone, Debug)]
pub struct GuestImage {
    header: ImageHeader,
    /// Its code and constants: the first [`CODE_BYTES`] of its addresses.
    code: Vec<u8>,
    data: Vec<Segment>,
    symbols: Vec<(u64, String)>,
}

impl GuestImage {
    /// Takes an image apart.
    ///
    /// # Errors
    /// See [`ImageError`].
    pub fn parse(file: &[u8]) -> Result<Self, ImageError> {
        let elf = ElfFile64::<LittleEndian>::parse(file)?;
        let mut segments = Vec::new();
        for header in elf.elf_program_headers() {
            segments.extend(segment(header, file)?);
        }
        let mut symbols: Vec<(u64, String)> = elf
            .symbols()
            .filter(|symbol| symbol.address() >= IMAGE_BASE)
            .filter_map(|symbol| Some((symbol.address(), symbol.name().ok()?.to_owned())))
            .collect();
        symbols.sort();
        Self::from_parts(segments, symbols)
    }

    fn from_parts(segments: Vec<Segment>, symbols: Vec<(u64, String)>) -> Result<Self, ImageError> {
        let first = segments.iter().find(|segment| segment.offset == 0).ok_or(ImageError::NoHeader)?;
        let (header, _) = ImageHeader::read_from_prefix(&first.bytes).map_err(|_| ImageError::NoHeader)?;
        if header.magic != IMAGE_MAGIC {
            return Err(ImageError::NoHeader);
        }
        if header.abi_version != ABI_VERSION {
            return Err(ImageError::Version { found: header.abi_version });
        }
        if !(IMAGE_BASE + CODE_BYTES..=IMAGE_BASE + IMAGE_MAX).contains(&header.image_end) {
            return Err(ImageError::Segment { address: header.image_end });
        }
        let (data, constant): (Vec<_>, Vec<_>) = segments.into_iter().partition(|segment| segment.writable);
        let mut code = vec![0; CODE_BYTES as usize];
        for segment in &constant {
            let out_of_place = ImageError::Segment { address: IMAGE_BASE + segment.offset };
            let start = segment.offset as usize;
            let place = code.get_mut(start..start + segment.bytes.len()).ok_or(out_of_place)?;
            place.copy_from_slice(&segment.bytes);
        }
        if let Some(segment) = data.iter().find(|segment| segment.offset < CODE_BYTES) {
            return Err(ImageError::Segment { address: IMAGE_BASE + segment.offset });
        }
        Ok(Self { header, code, data, symbols })
    }

    /// Where to enter it.
    #[must_use]
    pub fn header(&self) -> &ImageHeader {
        &self.header
    }

    /// Its code and constants, [`CODE_BYTES`].
    #[must_use]
    pub fn code(&self) -> &[u8] {
        &self.code
    }

    /// Size of its data in memory, in whole pages.
    #[must_use]
    pub fn data_bytes(&self) -> u64 {
        (self.header.image_end - IMAGE_BASE - CODE_BYTES).next_multiple_of(PAGE_SIZE)
    }

    /// Whether a page of the data belongs to a segment: there are gaps between them. `offset` counts from the data's start.
    pub(super) fn is_data(&self, offset: u64) -> bool {
        let offset = CODE_BYTES + offset;
        self.data.iter().any(|segment| {
            let start = segment.offset & !(PAGE_SIZE - 1);
            (start..segment.offset + segment.len).contains(&offset)
        })
    }

    /// The function of the library OS that an address lies in, for messages.
    #[must_use]
    pub fn symbol(&self, address: u64) -> Option<(&str, u64)> {
        let after = self.symbols.partition_point(|symbol| symbol.0 <= address);
        let (start, name) = self.symbols.get(after.checked_sub(1)?)?;
        (address < self.header.image_end).then_some((name.as_str(), address - start))
    }

    pub(super) fn load_data(&self, memory: &GuestMemory) -> Result<(), MemoryError> {
        for segment in &self.data {
            memory.write(DATA_GPA + segment.offset - CODE_BYTES, &segment.bytes)?;
        }
        Ok(())
    }
}

fn segment(
    header: &<FileHeader64<LittleEndian> as object::read::elf::FileHeader>::ProgramHeader,
    file: &[u8],
) -> Result<Option<Segment>, ImageError> {
    let endian = LittleEndian;
    let len = header.p_memsz(endian);
    if header.p_type(endian) != elf::PT_LOAD || len == 0 {
        return Ok(None);
    }
    let address = header.p_vaddr(endian);
    let out_of_place = || ImageError::Segment { address };
    let offset = address.checked_sub(IMAGE_BASE).ok_or_else(out_of_place)?;
    let bytes = header.data(endian, file).map_err(|()| out_of_place())?.to_vec();
    let fits = offset.checked_add(len).is_some_and(|end| end <= IMAGE_MAX) && bytes.len() as u64 <= len;
    let flags = header.p_flags(endian);
    if !fits {
        return Err(out_of_place());
    }
    Ok(Some(Segment { offset, len, bytes, writable: flags.0 & elf::PF_W.0 != 0 }))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use zerocopy::IntoBytes;

    /// An image of one page of code, entered behind the header.
    pub(crate) fn of_code(code: &[u8]) -> GuestImage {
        let entry = IMAGE_BASE + size_of::<ImageHeader>() as u64;
        let header = ImageHeader {
            magic: IMAGE_MAGIC,
            abi_version: ABI_VERSION,
            vector_stride: 16,
            boot_entry: entry,
            restore_entry: entry,
            interrupt_entry: entry,
            syscall_stub: entry,
            vector_stubs: entry,
            stack_top: IMAGE_BASE + CODE_BYTES + PAGE_SIZE,
            image_end: IMAGE_BASE + CODE_BYTES + PAGE_SIZE,
        };
        let bytes = [header.as_bytes(), code].concat();
        let text = Segment { offset: 0, len: PAGE_SIZE, bytes, writable: false };
        let stack = Segment { offset: CODE_BYTES, len: PAGE_SIZE, bytes: Vec::new(), writable: true };
        GuestImage::from_parts(vec![text, stack], Vec::new()).unwrap()
    }

    #[test]
    fn other_files_are_no_images() {
        assert!(matches!(GuestImage::parse(b"#!/bin/sh"), Err(ImageError::Elf(_))));
        assert!(matches!(GuestImage::from_parts(Vec::new(), Vec::new()), Err(ImageError::NoHeader)));
    }

    #[test]
    fn data_among_the_code_and_code_among_the_data_are_refused() {
        for (writable, offset) in [(true, CODE_BYTES - PAGE_SIZE), (false, CODE_BYTES - 1)] {
            let GuestImage { code, data, .. } = of_code(&[0xf4]);
            let first = Segment {
                offset: 0,
                len: PAGE_SIZE,
                bytes: code[..PAGE_SIZE as usize].to_vec(),
                writable: false,
            };
            let odd = Segment { offset, len: PAGE_SIZE, bytes: vec![1; 2], writable };
            let segments = [vec![first, odd], data].concat();
            let refused = GuestImage::from_parts(segments, Vec::new());
            assert!(matches!(refused, Err(ImageError::Segment { .. })), "{refused:?}");
        }
    }
}
