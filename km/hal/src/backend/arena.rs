//! The host's side: memory is a thread-local arena, page tables are walked in software, doorbells are a closure.

use crate::cpu::XState;
use crate::frames::Frames;
use crate::host::Ended;
use crate::paging::{Flags, Mapping};
use crate::user::Fault;
use crate::{paging, phys};
use km_abi::hypercall::{HyperPage, Port};
use km_abi::layout::{BOOT_TABLES_GPA, CLOCK_GPA, DATA_GPA, HYPER_GPA, PAGE_SIZE, RECORDS_GPA};
use km_abi::layout::{ROOTFS_GPA, TABLES_GPA};
use km_abi::records::{BootRecord, ClockPage};
use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::cell::{Cell, RefCell};

/// Bytes of memory of a machine whose test did not ask for a size.
const DEFAULT_BYTES: u64 = 64 << 20;
/// Where the boot configuration lies.
pub(crate) const CONFIG_GPA: u64 = DATA_GPA;
/// Most bytes that the boot record may have.
pub(crate) const CONFIG_ROOM: u64 = 1 << 20;
/// Vector state of the pretended CPU: x87, SSE and AVX.
const XSAVE_BYTES: u64 = 832;

type Doorbell = Box<dyn FnMut(Port, &mut HyperPage)>;

/// Zeroed memory, aligned to pages.
struct Memory {
    pointer: *mut u8,
    layout: Layout,
}

impl Memory {
    fn new(bytes: u64) -> Self {
        let Ok(layout) = Layout::from_size_align(bytes as usize, PAGE_SIZE as usize) else {
            panic!("no memory has {bytes} bytes");
        };
        assert!(layout.size() > 0, "a machine has memory");
        // SAFETY: the layout has a size.
        let pointer = unsafe { alloc_zeroed(layout) };
        assert!(!pointer.is_null(), "the host has no {bytes} bytes");
        Self { pointer, layout }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: allocated in `new` with this layout.
        unsafe { dealloc(self.pointer, self.layout) }
    }
}

thread_local! {
    static MEMORY: RefCell<Memory> = RefCell::new(Memory::new(DEFAULT_BYTES));
    static READY: Cell<bool> = const { Cell::new(false) };
    static FRAMES: Cell<Frames> = const { Cell::new(Frames::EMPTY) };
    static ROOT: Cell<u64> = const { Cell::new(BOOT_TABLES_GPA) };
    static ROOTFS: Cell<&'static [u8]> = const { Cell::new(&[]) };
    static BASES: Cell<[u64; 2]> = const { Cell::new([0; 2]) };
    static VECTOR: RefCell<Option<XState>> = const { RefCell::new(None) };
    static DOORBELL: RefCell<Option<Doorbell>> = const { RefCell::new(None) };
}

pub(crate) fn reset(memory_bytes: u64) {
    assert!(memory_bytes > CONFIG_GPA + CONFIG_ROOM, "too small for the layout");
    MEMORY.set(Memory::new(memory_bytes));
    initialize();
}

fn initialize() {
    READY.set(true);
    let memory_bytes = memory_bytes();
    let free_gpa = CONFIG_GPA + CONFIG_ROOM;
    FRAMES.set(Frames::new(free_gpa, memory_bytes));
    ROOT.set(BOOT_TABLES_GPA);
    ROOTFS.set(&[]);
    BASES.set([0; 2]);
    VECTOR.set(None);
    DOORBELL.set(None);
    let boot =
        BootRecord { memory_bytes, free_gpa, xsave_bytes: XSAVE_BYTES, xcr0: 7, ..BootRecord::default() };
    phys::write_value(RECORDS_GPA, &boot);
    let clock = ClockPage { mult: 1 << 31, shift: 31, tsc_base: rdtsc(), ..ClockPage::default() };
    phys::write_value(CLOCK_GPA, &clock);
}

pub(crate) fn set_rootfs(image: Vec<u8>) {
    ROOTFS.set(image.leak());
}

pub(crate) fn on_doorbell(answer: Doorbell) {
    DOORBELL.set(Some(answer));
}

pub(crate) fn memory_bytes() -> u64 {
    if !READY.get() {
        initialize();
    }
    MEMORY.with_borrow(|memory| memory.layout.size() as u64)
}

/// Checks a range of slot 0 and says where it is.
pub(crate) fn phys_pointer(gpa: u64, len: u64) -> *mut u8 {
    let bytes = memory_bytes();
    assert!(
        gpa >= TABLES_GPA && gpa <= bytes && len <= bytes - gpa,
        "{gpa:#x}+{len:#x} is not memory of the guest"
    );
    // SAFETY: the range lies in the arena.
    MEMORY.with_borrow(|memory| unsafe { memory.pointer.add(gpa as usize) })
}

pub(crate) fn rootfs() -> &'static [u8] {
    ROOTFS.get()
}

pub(crate) fn with_frames<R>(work: impl FnOnce(&mut Frames) -> R) -> R {
    memory_bytes();
    let mut frames = FRAMES.get();
    let result = work(&mut frames);
    FRAMES.set(frames);
    result
}

pub(crate) fn current_root() -> u64 {
    ROOT.get()
}

pub(crate) fn load_root(root: u64) {
    ROOT.set(root);
}

/// Where the byte at `va` is on the host, if the tables allow the access.
fn translate(va: u64, write: bool) -> Result<*mut u8, Fault> {
    let wanted = if write { Flags::BASE | Flags::WRITE } else { Flags::PRESENT | Flags::USER };
    let offset = va % PAGE_SIZE;
    match paging::query(current_root(), va) {
        Some(Mapping { gpa, flags }) if flags.contains(wanted) => {
            if gpa < ROOTFS_GPA {
                return Ok(phys_pointer(gpa + offset, 1));
            }
            let at = (gpa - ROOTFS_GPA + offset) as usize;
            Ok(rootfs()[at..].as_ptr().cast_mut())
        }
        _ => Err(Fault { address: va, write }),
    }
}

/// Calls `each` with the place of every piece of `[va, va + len)` that lies in one page.
fn pieces(
    va: u64,
    len: usize,
    write: bool,
    mut each: impl FnMut(*mut u8, usize, usize),
) -> Result<(), Fault> {
    let mut done = 0;
    while done < len {
        let at = va + done as u64;
        let piece = ((PAGE_SIZE - at % PAGE_SIZE) as usize).min(len - done);
        each(translate(at, write)?, done, piece);
        done += piece;
    }
    Ok(())
}

/// # Safety
/// `target` takes `len` bytes.
pub(crate) unsafe fn user_read(va: u64, target: *mut u8, len: usize) -> Result<(), Fault> {
    // SAFETY: `translate` gives a place inside one page; the caller vouches for the target.
    pieces(va, len, false, |place, done, piece| unsafe { place.copy_to(target.add(done), piece) })
}

/// # Safety
/// `source` has `len` bytes.
pub(crate) unsafe fn user_write(va: u64, source: *const u8, len: usize) -> Result<(), Fault> {
    // SAFETY: as in `user_read`.
    pieces(va, len, true, |place, done, piece| unsafe { place.copy_from(source.add(done), piece) })
}

/// # Safety
/// None beyond that of `user_write`; the signature is the machine's.
pub(crate) unsafe fn user_zero(va: u64, len: usize) -> Result<(), Fault> {
    // SAFETY: as in `user_read`.
    pieces(va, len, true, |place, _, piece| unsafe { place.write_bytes(0, piece) })
}

pub(crate) fn touch(_va: u64, _write: bool) {}

pub(crate) fn ring(port: Port) {
    let mut page: HyperPage = phys::read_value(HYPER_GPA);
    // Taken out of its cell while it runs, so that the closure may use this crate.
    let mut doorbell = DOORBELL.take();
    if let Some(answer) = &mut doorbell {
        answer(port, &mut page);
    }
    DOORBELL.set(doorbell);
    phys::write_value(HYPER_GPA, &page);
}

pub(crate) fn ring_idle() {
    ring(Port::Idle);
}

pub(crate) fn ring_last(port: Port) -> ! {
    ring(port);
    std::panic::panic_any(Ended(port))
}

pub(crate) fn xsave(state: &mut XState) {
    *state = VECTOR.with_borrow(Clone::clone).unwrap_or_else(XState::fresh);
}

pub(crate) fn xrstor(state: &XState) {
    VECTOR.set(Some(state.clone()));
}

pub(crate) fn fs_base() -> u64 {
    BASES.get()[0]
}

pub(crate) fn set_fs_base(base: u64) {
    BASES.set([base, BASES.get()[1]]);
}

pub(crate) fn gs_base() -> u64 {
    BASES.get()[1]
}

pub(crate) fn set_gs_base(base: u64) {
    BASES.set([BASES.get()[0], base]);
}

pub(crate) fn rdtsc() -> u64 {
    // SAFETY: every x86-64 CPU has the instruction, and nothing forbids it here.
    unsafe { core::arch::x86_64::_rdtsc() }
}
