//! The memory map of a guest.
//!
//! ```text
//! guest-physical, RAM                              guest-virtual
//! 0000_0000  never used                            0000_0000_0001_0000  the program
//! 0000_1000  GDT, TSS, I/O bitmap   monitor        …                    (static ELF, heap, mmap, stack)
//! 0000_2000  IDT                    monitor        7eff_ffff_f000       end of the program's half
//! 0000_3000  exception frames       CPU            7f00_0000_0000       direct map of RAM    (2 MiB pages,
//! 0000_4000  never used                                                 the first 2 MiB in 4 KiB pages)
//! 0000_5000  hypercall page         both           7f08_0000_0000       direct map of ROM,    read-only
//! 0000_6000  boot and call records  monitor        7f80_0000_0000       library OS: code, then data
//! 0000_7000  clock page (vvar)      monitor
//! 0001_0000  input buffer, 64 KiB   monitor        The two top regions are PML4 entries 254 and 255. They
//! 0002_0000  output buffer, 256 KiB library OS     are the same in every process. Addresses with bit 47 set
//! 0006_0000  read buffer, 512 KiB   library OS     belong to the host where KVM runs guests deprivileged,
//! 0010_0000  first page tables      monitor        so nothing of a guest lies there.
//! 0020_0000  library OS data, boot blob
//! …          free: FIRST_FREE to the end
//!
//! ROM (a second, read-only memory slot: the same memory in all machines of a process)
//! 8_0000_0000  library OS code and constants, mapped by one large page
//! 8_0020_0000  the rootfs image, at most ROOTFS_MAPPED_MAX of it
//! ```

/// Bytes in a page; the only size that mappings of the program use.
pub const PAGE_SIZE: u64 = 4096;

/// Page with the GDT, the TSS and its I/O permission bitmap.
pub const TABLES_GPA: u64 = 0x1000;
/// Offset of the TSS in the page at [`TABLES_GPA`]; the GDT is at offset 0.
pub const TSS_OFFSET: u64 = 0x100;
/// Page with the interrupt descriptor table (32 gates).
pub const IDT_GPA: u64 = 0x2000;
/// Page that holds the ring-0 stack: the CPU pushes exception frames at its end.
pub const EXCEPTION_STACK_GPA: u64 = 0x3000;
/// Page with the [`crate::hypercall::HyperPage`].
pub const HYPER_GPA: u64 = 0x5000;
/// Page with the [`crate::records::BootRecord`] and, at [`CLONE_RECORD_OFFSET`], the clone record.
pub const RECORDS_GPA: u64 = 0x6000;
/// Offset of the [`crate::records::CloneRecord`] in the page at [`RECORDS_GPA`].
pub const CLONE_RECORD_OFFSET: u64 = 0x800;
/// Page with the [`crate::records::ClockPage`]; also mapped read-only into every process for the vDSO.
pub const CLOCK_GPA: u64 = 0x7000;
/// Buffer that the monitor fills: the first bytes of a request, touch lists.
pub const INPUT_GPA: u64 = 0x1_0000;
/// Size of the input buffer in bytes.
pub const INPUT_SIZE: u64 = 0x1_0000;
/// Buffer that the library OS may use for output that is handed over at the next doorbell.
pub const OUTPUT_GPA: u64 = 0x2_0000;
/// Size of the output buffer in bytes.
pub const OUTPUT_SIZE: u64 = 0x4_0000;
/// Buffer into which the library OS reads streams.
pub const READ_GPA: u64 = 0x6_0000;
/// Size of the read buffer in bytes.
pub const READ_SIZE: u64 = 0x8_0000;
/// The page tables that the monitor prepares; the PML4 is the first of them.
pub const BOOT_TABLES_GPA: u64 = 0x10_0000;
/// End of the room for those page tables.
pub const BOOT_TABLES_END: u64 = 0x20_0000;
/// Where the library OS's data is loaded: what its image has behind the first [`CODE_BYTES`].
pub const DATA_GPA: u64 = 0x20_0000;

/// Guest-physical address of ROM, and of the library OS's code and constants at its start.
pub const CODE_GPA: u64 = 0x8_0000_0000;
/// Bytes of code and constants: one large page, so that a machine maps all of them at once.
pub const CODE_BYTES: u64 = 2 << 20;
/// Guest-physical address of the rootfs image, in ROM.
pub const ROOTFS_GPA: u64 = CODE_GPA + CODE_BYTES;
/// Bytes of the rootfs that are mapped at most; the rest is read by hypercall.
pub const ROOTFS_MAPPED_MAX: u64 = 1 << 30;

/// Smallest memory of a VM in bytes.
pub const MEMORY_MIN: u64 = 16 << 20;
/// Largest memory of a VM in bytes.
pub const MEMORY_MAX: u64 = 16 << 30;

/// Lowest address that a program may map (Linux's default `vm.mmap_min_addr`).
pub const PROGRAM_START: u64 = 0x1_0000;
/// First address after the program's half.
pub const PROGRAM_END: u64 = 0x7eff_ffff_f000;
/// Where all of guest-physical memory appears to the library OS: `DIRECT_MAP + gpa`.
pub const DIRECT_MAP: u64 = 0x7f00_0000_0000;
/// Where the library OS's image is linked to and mapped.
pub const IMAGE_BASE: u64 = 0x7f80_0000_0000;
/// PML4 entry of the direct map; shared by all processes.
pub const DIRECT_MAP_PML4: usize = 254;
/// PML4 entry of the library OS's image and heap; shared by all processes.
pub const IMAGE_PML4: usize = 255;

/// Ring-0 code selector (Linux's numbering).
pub const KERNEL_CS: u16 = 0x10;
/// Selector of the ring-0 data segment in the GDT.
pub const KERNEL_SS: u16 = 0x18;
/// Ring-3 data selector, RPL included. KVM on deprivileged hosts shows these two whatever is asked for.
pub const USER_SS: u16 = 0x2b;
/// Ring-3 code selector, RPL included.
pub const USER_CS: u16 = 0x33;
/// Selector of the task-state segment in the GDT.
pub const TSS_SELECTOR: u16 = 0x40;
/// The exception vector whose gate rings 3 may use to flush or change translations (`int 4`).
pub const FLUSH_VECTOR: u8 = 4;

const _: () = {
    assert!(DIRECT_MAP >> 39 == DIRECT_MAP_PML4 as u64);
    assert!(IMAGE_BASE >> 39 == IMAGE_PML4 as u64);
    assert!(PROGRAM_END < DIRECT_MAP);
    assert!(INPUT_GPA + INPUT_SIZE <= OUTPUT_GPA && OUTPUT_GPA + OUTPUT_SIZE <= READ_GPA);
    assert!(READ_GPA + READ_SIZE <= BOOT_TABLES_GPA);
    assert!(MEMORY_MAX <= CODE_GPA);
    assert!(CODE_GPA.is_multiple_of(CODE_BYTES) && IMAGE_BASE.is_multiple_of(CODE_BYTES));
    assert!(CLONE_RECORD_OFFSET < PAGE_SIZE);
};
