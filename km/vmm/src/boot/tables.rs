//! GDT, TSS and IDT (AMD64 Architecture Programmer's Manual, volume 2, chapters 4, 8 and 12).

use super::image::GuestImage;
use crate::memory::{GuestMemory, MemoryError};
use km_abi::hypercall::{PORT_FIRST, PORT_LAST};
use km_abi::layout::{
    DIRECT_MAP, EXCEPTION_STACK_GPA, FLUSH_VECTOR, IDT_GPA, KERNEL_CS, KERNEL_SS, PAGE_SIZE, TABLES_GPA,
    TSS_OFFSET, TSS_SELECTOR, USER_CS, USER_SS,
};

/// Entries of the GDT, the two of the TSS descriptor included.
const GDT_ENTRIES: usize = 10;
/// Size of the TSS before its I/O permission bitmap.
const TSS_BYTES: usize = 0x68;
/// Bytes of the bitmap, and the byte of ones that must follow it.
const BITMAP_BYTES: usize = PORT_LAST as usize / 8 + 2;
/// Exception vectors, and gates of the IDT.
const VECTORS: usize = 32;
/// The vector of `int3`, which programs may raise.
const BREAKPOINT_VECTOR: usize = 3;

/// Limit of the GDT.
pub(super) const GDT_LIMIT: u16 = (GDT_ENTRIES * 8 - 1) as u16;
/// Limit of the IDT.
pub(super) const IDT_LIMIT: u16 = (VECTORS * 16 - 1) as u16;
/// Limit of the TSS, bitmap included.
pub(super) const TSS_LIMIT: u32 = (TSS_BYTES + BITMAP_BYTES - 1) as u32;
/// Address of the TSS.
pub(super) const TSS_ADDRESS: u64 = DIRECT_MAP + TABLES_GPA + TSS_OFFSET;

const _: () = assert!(GDT_ENTRIES * 8 <= TSS_OFFSET as usize);
const _: () = assert!(TSS_OFFSET as usize + TSS_LIMIT as usize <= PAGE_SIZE as usize);

pub(super) fn write(memory: &GuestMemory, image: &GuestImage) -> Result<(), MemoryError> {
    memory.write(TABLES_GPA, &gdt())?;
    memory.write(TABLES_GPA + TSS_OFFSET, &tss())?;
    memory.write(IDT_GPA, &idt(image))
}

fn gdt() -> Vec<u8> {
    let mut entries = [0u64; GDT_ENTRIES];
    entries[usize::from(KERNEL_CS / 8)] = 0x00af_9b00_0000_ffff;
    entries[usize::from(KERNEL_SS / 8)] = 0x00cf_9300_0000_ffff;
    entries[usize::from(USER_SS / 8)] = 0x00cf_f300_0000_ffff;
    entries[usize::from(USER_CS / 8)] = 0x00af_fb00_0000_ffff;
    let (base, limit) = (TSS_ADDRESS, u64::from(TSS_LIMIT));
    let tss = usize::from(TSS_SELECTOR / 8);
    // Present, busy 64-bit TSS.
    entries[tss] = limit | (base & 0xff_ffff) << 16 | 0x8b << 40 | (base >> 24 & 0xff) << 56;
    entries[tss + 1] = base >> 32;
    entries.iter().flat_map(|entry| entry.to_le_bytes()).collect()
}

fn tss() -> Vec<u8> {
    let mut bytes = vec![0; TSS_BYTES];
    bytes[4..12].copy_from_slice(&(DIRECT_MAP + EXCEPTION_STACK_GPA + PAGE_SIZE).to_le_bytes());
    bytes[0x66..0x68].copy_from_slice(&(TSS_BYTES as u16).to_le_bytes());
    let mut bitmap = [0xff; BITMAP_BYTES];
    for port in PORT_FIRST..=PORT_LAST {
        // A 32-bit access asks for four consecutive bits.
        for bit in port..port + 4 {
            if let Some(byte) = bitmap.get_mut(usize::from(bit / 8)) {
                *byte &= !(1 << (bit % 8));
            }
        }
    }
    bytes.extend(bitmap);
    bytes
}

fn idt(image: &GuestImage) -> Vec<u8> {
    let header = image.header();
    (0..VECTORS)
        .flat_map(|vector| {
            gate(header.vector_stubs + vector as u64 * u64::from(header.vector_stride), vector)
        })
        .collect()
}

fn gate(target: u64, vector: usize) -> [u8; 16] {
    let open_to_programs = vector == BREAKPOINT_VECTOR || vector == usize::from(FLUSH_VECTOR);
    // Present interrupt gate, of privilege level 3 or 0.
    let kind: u64 = if open_to_programs { 0xee } else { 0x8e };
    let low = target & 0xffff | u64::from(KERNEL_CS) << 16 | kind << 40 | (target >> 16 & 0xffff) << 48;
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&low.to_le_bytes());
    bytes[8..].copy_from_slice(&(target >> 32).to_le_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_may_ring_the_doorbells_and_use_no_other_port() {
        let tss = tss();
        let denied = |port: u16| tss[TSS_BYTES + usize::from(port / 8)] >> (port % 8) & 1 == 1;
        for port in PORT_FIRST..=PORT_LAST {
            assert!((port..port + 4).all(|bit| bit > PORT_LAST + 3 || !denied(bit)), "{port:#x}");
        }
        assert!((0..PORT_FIRST).all(denied));
    }
}
