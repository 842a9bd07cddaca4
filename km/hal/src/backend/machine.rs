//! The guest's side: memory through the direct map, the program through the page tables in use, doorbells by `OUT`.

use crate::cpu::XState;
use crate::frames::Frames;
use crate::guest::{Global, KM_ROOT};
use crate::records;
use crate::user::Fault;
use core::arch::{asm, x86_64 as intrinsics};
use core::slice;
use km_abi::hypercall::Port;
use km_abi::layout::{CODE_BYTES, DATA_GPA, DIRECT_MAP, IMAGE_BASE};
use km_abi::layout::{RECORDS_GPA, ROOTFS_GPA, TABLES_GPA};
use km_abi::records::BootRecord;

unsafe extern "C" {
    /// End of the image, from the linker.
    static km_image_end: u8;
    fn km_copy(target: *mut u8, source: *const u8, len: usize) -> usize;
    fn km_copy_zero(target: *mut u8, unused: usize, len: usize) -> usize;
    fn km_flush();
    fn km_ring_idle();
}

/// The sizes that are fixed at boot, and the frame allocator.
struct ArenaState {
    memory_bytes: u64,
    rootfs_mapped: u64,
    frames: Frames,
}

static STATE: Global<ArenaState> =
    Global::new(ArenaState { memory_bytes: 0, rootfs_mapped: 0, frames: Frames::EMPTY });

fn state() -> &'static mut ArenaState {
    // SAFETY: one flow of control; no caller in this file keeps the reference while another one is made.
    unsafe { &mut *STATE.pointer() }
}

/// Reads the record of this boot. Before it there is neither a heap nor memory to speak of.
pub(crate) fn boot() {
    // SAFETY: the monitor maps all of slot 0 and has written the record.
    let record = unsafe { ((DIRECT_MAP + RECORDS_GPA) as *const BootRecord).read() };
    let state = state();
    state.memory_bytes = record.memory_bytes;
    state.rootfs_mapped = record.rootfs_mapped;
    // Stored only once it is complete: making it reads nothing of the state.
    state.frames = Frames::new(record.free_gpa, record.memory_bytes);
}

pub(crate) fn memory_bytes() -> u64 {
    state().memory_bytes
}

/// Checks a range of slot 0 and says where it is. The image's data and the heap are out of bounds: they are Rust's.
pub(crate) fn phys_pointer(gpa: u64, len: u64) -> *mut u8 {
    let state = state();
    let floor = state.frames.floor_gpa();
    let data_end = DATA_GPA + (&raw const km_image_end as u64 - IMAGE_BASE - CODE_BYTES);
    let inside = gpa >= TABLES_GPA && gpa <= floor && len <= floor - gpa;
    assert!(inside && (gpa >= data_end || gpa + len <= DATA_GPA), "{gpa:#x}+{len:#x} is not memory for all");
    (DIRECT_MAP + gpa) as *mut u8
}

pub(crate) fn rootfs() -> &'static [u8] {
    // SAFETY: the monitor maps that much of slot 1, read-only and for the life of the machine.
    unsafe { slice::from_raw_parts((DIRECT_MAP + ROOTFS_GPA) as *const u8, state().rootfs_mapped as usize) }
}

/// Calls `work` with a copy of the frame allocator and stores it back: `work` uses other functions of this file, which
/// borrow the state.
pub(crate) fn with_frames<R>(work: impl FnOnce(&mut Frames) -> R) -> R {
    let mut frames = state().frames;
    let result = work(&mut frames);
    state().frames = frames;
    result
}

pub(crate) fn current_root() -> u64 {
    // SAFETY: one flow of control.
    unsafe { KM_ROOT.pointer().read() }
}

pub(crate) fn load_root(root: u64) {
    // SAFETY: one flow of control. The flush gate loads CR3 with a root that shares the library OS's part, so execution
    // goes on here.
    unsafe {
        KM_ROOT.pointer().write(root);
        km_flush();
    }
}

fn result(va: u64, len: usize, left: usize, write: bool) -> Result<(), Fault> {
    if left == 0 { Ok(()) } else { Err(Fault { address: va + (len - left) as u64, write }) }
}

/// # Safety
/// `va` and the `len` bytes from it are in the program's half; `target` takes `len` bytes.
pub(crate) unsafe fn user_read(va: u64, target: *mut u8, len: usize) -> Result<(), Fault> {
    // SAFETY: a fault in `km_copy` ends it early; the rest is the caller's word.
    let left = unsafe { km_copy(target, va as *const u8, len) };
    result(va, len, left, false)
}

/// # Safety
/// `va` and the `len` bytes from it are in the program's half; `source` has `len` bytes.
pub(crate) unsafe fn user_write(va: u64, source: *const u8, len: usize) -> Result<(), Fault> {
    // SAFETY: as in `user_read`.
    let left = unsafe { km_copy(va as *mut u8, source, len) };
    result(va, len, left, true)
}

/// # Safety
/// `va` and the `len` bytes from it are in the program's half.
pub(crate) unsafe fn user_zero(va: u64, len: usize) -> Result<(), Fault> {
    // SAFETY: as in `user_read`.
    let left = unsafe { km_copy_zero(va as *mut u8, 0, len) };
    result(va, len, left, true)
}

/// Reads or writes the page at `va` without changing it. One instruction: a byte that is read and written back by two
/// could be one of the stack that the second has changed.
pub(crate) fn touch(va: u64, write: bool) {
    // SAFETY: neither access changes memory. The tables in use show the page, or the monitor says so, and a page that they
    // do not show ends this machine and no other.
    unsafe {
        if write {
            asm!("lock or byte ptr [{}], 0", in(reg) va, options(nostack));
        } else {
            asm!("mov {}, byte ptr [{}]", out(reg_byte) _, in(reg) va, options(nostack, readonly));
        }
    }
}

pub(crate) fn ring(port: Port) {
    // SAFETY: the monitor reads and writes slot 0 as the hypercall page says, and registers stay as they are.
    unsafe { asm!("out dx, eax", in("dx") port as u16, in("eax") 0) };
}

pub(crate) fn ring_idle() {
    // SAFETY: as in `ring`; a C function by its use of registers.
    unsafe { km_ring_idle() };
}

pub(crate) fn ring_last(port: Port) -> ! {
    loop {
        ring(port);
    }
}

pub(crate) fn xsave(state: &mut XState) {
    let (low, high) = vector_components();
    // SAFETY: the area is aligned and as long as the monitor said that these components need.
    unsafe {
        asm!("xsave64 [{}]", in(reg) state.pointer_mut(), in("eax") low, in("edx") high, options(nostack))
    };
}

pub(crate) fn xrstor(state: &XState) {
    let (low, high) = vector_components();
    // SAFETY: as in `xsave`; `XState` keeps its contents loadable. No register of Rust's is vector state here.
    unsafe {
        asm!("xrstor64 [{}]", in(reg) state.pointer(), in("eax") low, in("edx") high, options(nostack))
    };
}

/// The components that the area has room for, in two halves. Never all that the CPU has enabled: where KVM runs guests without
/// hardware virtualization, XCR0 is the host's, with AMX's eight kibibytes for instance.
fn vector_components() -> (u32, u32) {
    let all = records::vector_components();
    (all as u32, (all >> 32) as u32)
}

pub(crate) fn fs_base() -> u64 {
    let base: u64;
    // SAFETY: the monitor enables the instruction (CR4.FSGSBASE); Rust uses no FS here.
    unsafe { asm!("rdfsbase {}", out(reg) base, options(nomem, nostack, preserves_flags)) };
    base
}

pub(crate) fn set_fs_base(base: u64) {
    // SAFETY: as in `fs_base`; the caller has checked that the address is canonical.
    unsafe { asm!("wrfsbase {}", in(reg) base, options(nomem, nostack, preserves_flags)) };
}

pub(crate) fn gs_base() -> u64 {
    let base: u64;
    // SAFETY: as in `fs_base`.
    unsafe { asm!("rdgsbase {}", out(reg) base, options(nomem, nostack, preserves_flags)) };
    base
}

pub(crate) fn set_gs_base(base: u64) {
    // SAFETY: as in `set_fs_base`.
    unsafe { asm!("wrgsbase {}", in(reg) base, options(nomem, nostack, preserves_flags)) };
}

pub(crate) fn rdtsc() -> u64 {
    // SAFETY: nothing forbids the instruction in ring 3.
    unsafe { intrinsics::_rdtsc() }
}
