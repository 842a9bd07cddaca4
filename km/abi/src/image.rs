//! The first bytes of the library OS's image, at [`crate::layout::IMAGE_BASE`].

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// First word of an image.
pub const IMAGE_MAGIC: u64 = u64::from_le_bytes(*b"km-guest");

/// Where the monitor enters the image. All addresses are guest-virtual.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct ImageHeader {
    /// [`IMAGE_MAGIC`], or the file is no library OS.
    pub magic: u64,
    /// [`crate::ABI_VERSION`] of the tree that the image was built from.
    pub abi_version: u32,
    /// Distance in bytes between the stubs of two exception vectors.
    pub vector_stride: u32,
    /// First instruction at boot, in ring 3, with `stack_top` as stack pointer.
    pub boot_entry: u64,
    /// First instruction of a clone, in ring 3, with `stack_top`: what follows the doorbell of an idle guest. No
    /// other register is looked at.
    pub restore_entry: u64,
    /// Where the guest goes on after a kick that met the program (not the image, not ring 0). All registers are the
    /// program's but the instruction pointer; what it was is in [`crate::hypercall::HyperPage::interrupted`].
    pub interrupt_entry: u64,
    /// Ring-0 target of `syscall` (LSTAR).
    pub syscall_stub: u64,
    /// Ring-0 stub of exception vector 0; 32 of them, `vector_stride` apart.
    pub vector_stubs: u64,
    /// Stack pointer at both entries.
    pub stack_top: u64,
    /// First address after the image's loaded bytes (bss included).
    pub image_end: u64,
}
