//! Replacing the program of a process (execve(2)): everything that can fail happens before anything is given up.

use super::process::Program;
use super::thread::Vectors;
use super::timers::TimerId;
use super::{Credentials, Pid, Tid};
use crate::errno::{Errno, Result};
use crate::fs::file::Pages;
use crate::fs::program::{self, Executable};
use crate::kernel::Kernel;
use crate::load::elf::{ElfImage, Loaded, Mapper};
use crate::load::script;
use crate::load::stack::{self, Contents, Stack, at};
use crate::mm::user::UserMemory;
use crate::mm::vma::{Backing, Prot, Traits};
use crate::mm::{AddressSpace, MapRequest, Placement, is_relocated};
use crate::random;
use crate::signal::{AltStack, frame};
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::RefCell;
use km_abi::layout::{PAGE_SIZE, PROGRAM_END};
use km_hal::UserContext;

/// Where relocatable programs go (as Linux without randomization: two thirds of the address space).
const PROGRAM_BASE: u64 = 0x5555_5555_4000;
/// Room that the first stack has at most when its limit is infinite.
const STACK_MAX: u64 = 8 << 20;
/// End of the first stack; the page above it stays free.
pub(super) const STACK_TOP: u64 = PROGRAM_END - PAGE_SIZE;
/// EDX of CPUID leaf 1 as every x86-64 CPU with SSE2 has it, for AT_HWCAP.
const HWCAP: u32 = 0x178b_fbff;

/// What execve(2) and execveat(2) were asked.
pub struct ExecRequest {
    /// Directory descriptor, or AT_FDCWD.
    pub dir: i64,
    /// The path as given; empty for the descriptor itself.
    pub path: Vec<u8>,
    /// A link in the last component is followed.
    pub follow: bool,
    /// `argv`, without NULs.
    pub args: Vec<Vec<u8>>,
    /// `NAME=value` strings, without NULs.
    pub env: Vec<Vec<u8>>,
}

/// A program in an address space of its own that nobody uses yet.
struct Prepared {
    space: Rc<RefCell<AddressSpace>>,
    program: Program,
    entry: u64,
    executable: Executable,
}

impl Kernel {
    /// Replaces the program of the process of `tid`.
    ///
    /// # Errors
    /// As execve(2); the old program is untouched then.
    pub fn exec(&mut self, tid: Tid, request: ExecRequest) -> Result<()> {
        let pid = self.tasks.process_of_mut(tid).pid;
        let prepared = self.prepare_program(pid, request)?;
        self.exit_other_threads(pid, tid);
        self.release_memory_words(tid);
        self.forget_live(tid);
        self.tasks.renumber(tid, pid);
        if self.current == Some(tid) {
            self.current = Some(pid);
        }
        self.commit(pid, prepared);
        self.trace_exec(tid, pid);
        Ok(())
    }

    fn commit(&mut self, pid: Pid, prepared: Prepared) {
        let credentials = self.credentials_after(pid, &prepared.executable);
        let name = prepared.program.path.rsplit(|byte| *byte == b'/').next().unwrap_or_default().to_vec();
        let thread = self.tasks.thread_mut(pid);
        thread.set_name(&name);
        thread.context = UserContext {
            rip: prepared.entry,
            rsp: prepared.program.stack,
            rflags: km_hal::context::RFLAGS_FIXED,
            ..UserContext::default()
        };
        thread.vectors = Vectors::fresh();
        thread.forget_call();
        thread.rseq = None;
        let process = self.tasks.process_of_mut(pid);
        process.program = prepared.program;
        process.has_executed = true;
        process.exit_signal = u32::from(crate::signal::Signal::CHLD.number());
        process.settings.barriers = 0;
        process.settings.not_dumpable = false;
        process.borrows_space = false;
        process.left.queue.wake();
        process.credentials = credentials;
        let old = core::mem::replace(&mut process.space, prepared.space);
        if old.borrow().is_active() {
            // Switch to the new tables now: those in use cannot be freed.
            process.space.borrow().activate();
        }
        let files = Rc::new(RefCell::new(process.files.borrow().clone()));
        files.borrow_mut().close_on_exec();
        let closed = core::mem::replace(&mut process.files, files);
        self.signals_at_exec(pid);
        self.timers.forget(pid, TimerId::Posix(0));
        drop((old, closed));
    }

    fn prepare_program(&mut self, pid: Pid, request: ExecRequest) -> Result<Prepared> {
        let (executable, mut args) = self.resolve_scripts(pid, &request)?;
        if args.is_empty() {
            args.push(Vec::new());
        }
        let image = ElfImage::read(&*executable.file)?;
        let interpreter = match &image.interpreter {
            Some(path) => Some(self.open_interpreter(pid, path)?),
            None => None,
        };
        let limits = self.tasks.process(pid).map(|process| process.limits.clone()).unwrap_or_default();
        let mut space = AddressSpace::new()?;
        space.limits.total = limits.current(super::limits::resource::AS);
        space.limits.data = limits.current(super::limits::resource::DATA);
        let stack_limit = limits.current(super::limits::resource::STACK);
        map_stack(&mut space, stack_limit.clamp(128 << 10, STACK_MAX), image.executable_stack)?;
        let bias = if image.relocatable { image.bias_for(PROGRAM_BASE) } else { 0 };
        let main = load(&mut space, &image, &executable, bias)?;
        let (entry, base) = match &interpreter {
            Some((image, executable)) => load_interpreter(&mut space, image, executable)?,
            None => (main.entry, 0),
        };
        space.set_brk_start(main.end);
        let vdso = self.map_vdso(&mut space)?;
        let auxv =
            self.auxiliary_vector(&self.credentials_after(pid, &executable), &image, &main, base, vdso);
        let mut random = [0; 16];
        random::fill(&mut random);
        let path = &request.path;
        let contents = Contents { path, args: &args, env: &request.env, random, auxv: &auxv };
        let stack = stack::build(&contents, STACK_TOP, stack::strings_max(stack_limit))?;
        let space = Rc::new(RefCell::new(space));
        UserMemory::new(Rc::clone(&space)).write(stack.pointer, &stack.bytes).map_err(|_| Errno::E2BIG)?;
        let program = program_of(&executable, stack);
        Ok(Prepared { space, program, entry, executable })
    }

    /// Who the process is when it runs this file.
    fn credentials_after(&self, pid: Pid, executable: &Executable) -> Credentials {
        let Some(process) = self.tasks.process(pid) else { return Credentials::default() };
        let mut credentials = process.credentials.clone();
        if !process.settings.no_new_privs {
            credentials.uid = executable.set_uid.unwrap_or(credentials.uid);
            credentials.gid = executable.set_gid.unwrap_or(credentials.gid);
        }
        credentials.executed();
        credentials
    }

    /// Follows `#!` lines to a program that is none, and puts their arguments in front.
    fn resolve_scripts(&mut self, pid: Pid, request: &ExecRequest) -> Result<(Executable, Vec<Vec<u8>>)> {
        let mut args = request.args.clone();
        let mut script_path = self.name_for_interpreter(pid, request);
        let mut executable = program::open(self, pid, request.dir, &request.path, request.follow)?;
        for _ in 0..script::DEPTH_MAX {
            let Some(line) = script::read(&*executable.file)? else { return Ok((executable, args)) };
            // An interpreter could not open a descriptor that execve(2) closes.
            let script_path_now = script_path.ok_or(Errno::ENOENT)?;
            let rest = args.split_off(args.len().min(1));
            args = alloc::vec![line.interpreter.clone()];
            args.extend(line.argument);
            args.push(script_path_now);
            args.extend(rest);
            executable = program::open(self, pid, program::AT_FDCWD, &line.interpreter, true)?;
            script_path = Some(line.interpreter);
        }
        Err(Errno::ELOOP)
    }

    /// By what name an interpreter finds the script; `None` for a descriptor that is closed on exec.
    fn name_for_interpreter(&self, pid: Pid, request: &ExecRequest) -> Option<Vec<u8>> {
        let path = &request.path;
        if request.dir == program::AT_FDCWD || path.first() == Some(&b'/') {
            return Some(path.clone());
        }
        let process = self.tasks.process(pid)?;
        let files = process.files.borrow();
        let descriptor = files.descriptor(request.dir.cast_unsigned())?;
        let mut name = alloc::format!("/dev/fd/{}", request.dir).into_bytes();
        if !path.is_empty() {
            name.push(b'/');
            name.extend_from_slice(path);
        }
        (!descriptor.close_on_exec).then_some(name)
    }

    fn open_interpreter(&mut self, pid: Pid, path: &[u8]) -> Result<(ElfImage, Executable)> {
        let executable = program::open(self, pid, program::AT_FDCWD, path, true)?;
        let image = ElfImage::read(&*executable.file)
            .map_err(|errno| if errno == Errno::ENOEXEC { Errno::ELIBBAD } else { errno })?;
        if image.interpreter.is_some() {
            return Err(Errno::EINVAL);
        }
        Ok((image, executable))
    }

    /// Shows the clock page and, above it, the vDSO; returns the vDSO's address.
    fn map_vdso(&self, space: &mut AddressSpace) -> Result<u64> {
        let Some(vdso) = &self.vdso else { return Ok(0) };
        let pages: Rc<dyn Pages> = Rc::clone(vdso) as Rc<dyn Pages>;
        let start = space.map(MapRequest {
            placement: Placement::Hint(0),
            len: 2 * PAGE_SIZE,
            prot: Prot::READ | Prot::EXEC,
            traits: Traits::empty(),
            backing: Backing::File { pages, offset: 0 },
            populate: true,
            no_reserve: true,
        })?;
        space.protect(start, PAGE_SIZE, Prot::READ)?;
        Ok(start + PAGE_SIZE)
    }

    fn auxiliary_vector(
        &self,
        credentials: &Credentials,
        image: &ElfImage,
        main: &Loaded,
        base: u64,
        vdso: u64,
    ) -> Vec<(u64, u64)> {
        let secure = credentials.uid != credentials.real_uid || credentials.gid != credentials.real_gid;
        let mut auxv = Vec::with_capacity(20);
        if vdso != 0 {
            auxv.push((at::SYSINFO_EHDR, vdso));
        }
        auxv.extend([
            (at::HWCAP, u64::from(HWCAP)),
            (at::PAGESZ, PAGE_SIZE),
            (at::CLKTCK, 100),
            (at::PHDR, main.program_headers),
            (at::PHENT, 56),
            (at::PHNUM, u64::from(image.program_header_count)),
            (at::BASE, base),
            (at::FLAGS, 0),
            (at::ENTRY, main.entry),
            (at::UID, u64::from(credentials.real_uid)),
            (at::EUID, u64::from(credentials.uid)),
            (at::GID, u64::from(credentials.real_gid)),
            (at::EGID, u64::from(credentials.gid)),
            (at::SECURE, u64::from(secure)),
            // Ring 3 may use rdfsbase and its siblings.
            (at::HWCAP2, 2),
            (at::MINSIGSTKSZ, frame::frame_bytes_max()),
        ]);
        auxv
    }

    /// Handlers are gone with the program that had them.
    fn signals_at_exec(&mut self, pid: Pid) {
        let (thread, process) = self.tasks.pair_mut(pid);
        thread.signals.alt_stack = AltStack::default();
        let mut actions = process.signals.actions.borrow().clone();
        actions.reset_handlers();
        process.signals.actions = Rc::new(RefCell::new(actions));
    }
}

fn program_of(executable: &Executable, stack: Stack) -> Program {
    Program {
        path: executable.path.clone(),
        args: stack.args,
        env: stack.env,
        auxv: stack.auxv,
        stack: stack.pointer,
        running: Some(Rc::clone(&executable.running)),
    }
}

/// The first stack: all of it is mapped at once, its pages come when they are touched.
fn map_stack(space: &mut AddressSpace, room: u64, executable: bool) -> Result<()> {
    let mut prot = Prot::READ | Prot::WRITE;
    prot.set(Prot::EXEC, executable);
    let request = MapRequest {
        placement: Placement::Exact(STACK_TOP - room),
        len: room,
        prot,
        traits: Traits::STACK,
        backing: Backing::Anonymous,
        populate: false,
        no_reserve: true,
    };
    space.map(request).map(|_| ())
}

fn load(space: &mut AddressSpace, image: &ElfImage, executable: &Executable, bias: u64) -> Result<Loaded> {
    let pages = executable.file.pages().ok_or(Errno::ENOEXEC)?;
    image.load(bias, &mut SpaceMapper { space, pages })
}

/// Loads the dynamic linker where there is room; returns its entry and its base.
fn load_interpreter(
    space: &mut AddressSpace,
    image: &ElfImage,
    executable: &Executable,
) -> Result<(u64, u64)> {
    let (start, end) = image.span();
    let bias = if image.relocatable {
        let room = end - start + image.align;
        image.bias_for(space.reserve(room)?)
    } else {
        0
    };
    let loaded = load(space, image, executable, bias)?;
    Ok((loaded.entry, loaded.bias))
}

/// Maps a file's segments.
struct SpaceMapper<'a> {
    space: &'a mut AddressSpace,
    pages: Rc<dyn Pages>,
}

impl SpaceMapper<'_> {
    fn map(&mut self, address: u64, len: u64, prot: u32, backing: Backing) -> Result<()> {
        let prot = Prot::from_bits_truncate(prot);
        let request = MapRequest {
            placement: Placement::Replace(address),
            len,
            prot,
            traits: Traits::empty(),
            populate: is_relocated(prot, len),
            backing,
            no_reserve: false,
        };
        self.space.map(request).map(|_| ())
    }
}

impl Mapper for SpaceMapper<'_> {
    fn map_file(&mut self, address: u64, len: u64, prot: u32, offset: u64) -> Result<()> {
        self.map(address, len, prot, Backing::File { pages: Rc::clone(&self.pages), offset })
    }

    fn map_zeros(&mut self, address: u64, len: u64, prot: u32) -> Result<()> {
        self.map(address, len, prot, Backing::Anonymous)
    }

    fn clear(&mut self, address: u64, len: u64) -> Result<()> {
        self.space.clear_bytes(address, len)
    }
}
