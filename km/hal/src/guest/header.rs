//! The image's header, at its first byte.

use super::stubs::VECTOR_STRIDE;
use core::arch::global_asm;
use km_abi::ABI_VERSION;
use km_abi::image::IMAGE_MAGIC;

// In the order of `km_abi::image::ImageHeader`. It is written in assembly because only the linker knows the values.
global_asm!(
    ".section .km.header, \"a\"",
    ".global km_image_header",
    "km_image_header:",
    ".quad {magic}",
    ".long {version}",
    ".long {stride}",
    ".quad km_boot_entry",
    ".quad km_restore_entry",
    ".quad km_interrupt_entry",
    ".quad km_syscall_stub",
    ".quad km_vector_stubs",
    ".quad km_stack_top",
    ".quad km_image_end",
    ".text",
    magic = const IMAGE_MAGIC,
    version = const ABI_VERSION,
    stride = const VECTOR_STRIDE,
);
