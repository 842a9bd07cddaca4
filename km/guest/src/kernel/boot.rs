//! From the monitor's records to the first instruction of the first process.

use super::Kernel;
use crate::errno::{Errno, Result};
use crate::fs::file::FilePage;
use crate::fs::program;
use crate::fs::{Vfs, changes};
use crate::load::elf::ElfImage;
use crate::load::{read_up_to, refusal, script, vdso};
use crate::mm::AddressSpace;
use crate::mm::frame::PageFrame;
use crate::mm::shared::FixedPages;
use crate::random;
use crate::task::exec::ExecRequest;
use crate::task::thread::{Thread, Vectors};
use crate::task::{Credentials, Pid, Process, Status};
use alloc::rc::Rc;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use km_abi::hypercall::End;
use km_abi::layout::CLOCK_GPA;
use km_hal::{LibOs, Trap, UserContext, records};

/// Where a command without a slash is looked for when the environment has no PATH.
const DEFAULT_PATH: &[u8] = b"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// Status of a shell when a command is not found, and when it cannot be executed.
const NOT_FOUND: i32 = 127;
const NOT_EXECUTABLE: i32 = 126;

impl LibOs for Kernel {
    fn boot(context: &mut UserContext) -> Self {
        random::rekey(&records::call().seed);
        records::wipe_seed();
        let config = records::config();
        let mut kernel = Self {
            net: crate::net::Net::new(config.terminal, config.resolv_conf.is_some()),
            vfs: Vfs::boot(&config),
            config,
            vdso: vdso_pages().ok(),
            ..Self::default()
        };
        if kernel.config.tells_changes {
            changes::begin(&kernel.vfs);
        }
        if let Err(errno) = kernel.start_first_process() {
            kernel.report_start(errno);
        }
        kernel.idle_at_start();
        kernel.enter(context, Trap::Interrupt);
        kernel
    }

    fn trap(&mut self, context: &mut UserContext, trap: Trap) {
        self.enter(context, trap);
    }
}

/// The clock page, and the vDSO that reads it.
fn vdso_pages() -> Result<Rc<FixedPages>> {
    let code = PageFrame::zeroed()?;
    code.write(0, &vdso::image());
    let pages = alloc::vec![FilePage::Rootfs(CLOCK_GPA), FilePage::Frame(code)];
    Ok(Rc::new(FixedPages { name: "[vdso]", pages }))
}

impl Kernel {
    fn start_first_process(&mut self) -> Result<()> {
        let config = self.config.clone();
        let pid = self.tasks.new_number().ok_or(Errno::EAGAIN)?;
        let mut process = Process::new(pid, AddressSpace::new()?, self.vfs.context());
        process.credentials = Credentials::container(config.uid, config.gid, config.groups.clone());
        for stream in self.net.stdio().open() {
            process.files.borrow_mut().insert(stream, false, 0)?;
        }
        self.tasks.add_process(process);
        self.tasks.add_thread(Thread::new(pid, pid, UserContext::default(), Vectors::fresh()));
        program::enter(self, pid, if config.cwd.is_empty() { b"/" } else { &config.cwd })?;
        let command = config.args.first().cloned().ok_or(Errno::ENOENT)?;
        let (args, env) = (config.args, config.env);
        let mut last = Errno::ENOENT;
        for path in candidates(&command, &env) {
            let request = ExecRequest {
                dir: program::AT_FDCWD,
                path,
                follow: true,
                args: args.clone(),
                env: env.clone(),
            };
            match self.exec(pid, request) {
                Ok(()) => return Ok(()),
                // As execvp(3): EACCES is remembered, and the search goes on in the next folder of PATH.
                Err(errno @ (Errno::ENOENT | Errno::ENOTDIR)) => {
                    last = if last == Errno::EACCES { last } else { errno }
                }
                Err(Errno::EACCES) => last = Errno::EACCES,
                Err(errno) => return Err(errno),
            }
        }
        Err(last)
    }

    /// The first program cannot be started: the machine ends as a shell would.
    fn report_start(&mut self, errno: Errno) {
        let command = self.config.args.first().cloned().unwrap_or_default();
        let why = self.why_not(&command, errno).map(|why| alloc::format!(": {why}")).unwrap_or_default();
        crate::log!("cannot start {}: {errno:?}{why}", text(&command));
        let status = if errno == Errno::ENOENT { NOT_FOUND } else { NOT_EXECUTABLE };
        self.end_machine(Status::Exited(status));
    }

    /// What about the command, or what it needs, makes it fail with `errno`; and what to do about it.
    fn why_not(&self, command: &[u8], errno: Errno) -> Option<String> {
        let pid = self.tasks.processes().next()?.pid;
        let open = |path: &[u8]| program::open(self, pid, program::AT_FDCWD, path, true);
        let paths = candidates(command, &self.config.env);
        let mut found = paths.iter().filter_map(|path| open(path).ok());
        let Some(executable) = found.next() else {
            return Some(match errno {
                Errno::EACCES => {
                    "the image's user may not execute it: chmod +x it when the image is built".to_string()
                }
                Errno::ENOENT if command.contains(&b'/') => "it is not in the image".to_string(),
                Errno::ENOENT => "it is in no folder of the image's PATH".to_string(),
                _ => return None,
            });
        };
        if errno == Errno::E2BIG {
            return Some(
                "its arguments and environment, with what its interpreters add, are longer than 2 MiB".into(),
            );
        }
        self.why_no_program(pid, executable)
    }

    /// The same of a file that is there: itself, its interpreter, or that one's.
    fn why_no_program(&self, pid: Pid, mut executable: program::Executable) -> Option<String> {
        for _ in 0..script::DEPTH_MAX {
            let line = match script::read(&*executable.file) {
                Ok(None) => break,
                Ok(Some(line)) => line,
                Err(_) => return refusal::of(b"#!"),
            };
            let name = text(&line.interpreter).trim_end_matches('\r').to_string();
            executable = match program::open(self, pid, program::AT_FDCWD, &line.interpreter, true) {
                Ok(executable) => executable,
                Err(_) if line.interpreter.ends_with(b"\r") => {
                    return Some(
                        "its first line ends with a carriage return: save it with the line ends of Unix"
                            .into(),
                    );
                }
                Err(errno) => return Some(alloc::format!("its interpreter {name} cannot be had: {errno:?}")),
            };
        }
        let head = read_up_to(&*executable.file, 0, refusal::HEAD).ok()?;
        let image = match (refusal::of(&head), ElfImage::read(&*executable.file)) {
            (Some(why), _) => return Some(alloc::format!("{}: {why}", text(&executable.path))),
            (None, Err(_)) => {
                return Some(alloc::format!("{}: its headers are damaged", text(&executable.path)));
            }
            (None, Ok(image)) => image,
        };
        let linker = image.interpreter?;
        let errno = program::open(self, pid, program::AT_FDCWD, &linker, true).err()?;
        Some(alloc::format!(
            "its dynamic linker {} cannot be had: {errno:?}; the image lacks its libraries",
            text(&linker)
        ))
    }

    /// Ends the machine: the first process has ended.
    pub fn end_machine(&mut self, status: Status) -> ! {
        if self.config.tells_changes && matches!(status, Status::Exited(0)) {
            self.tell_changes();
        }
        self.write_log();
        let end = match status {
            Status::Signaled(signal) => End::Killed { signal: signal as u8 },
            Status::Exited(status) => End::Exited { status: status as u8 },
            Status::OutOfMemory => End::OutOfMemory,
            Status::Stopped(_) | Status::Continued | Status::Trapped(_) => End::Exited { status: 0 },
        };
        self.net.exit(end)
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Paths at which a command may be.
fn candidates(command: &[u8], env: &[Vec<u8>]) -> Vec<Vec<u8>> {
    if command.contains(&b'/') {
        return alloc::vec![command.to_vec()];
    }
    let path = env.iter().find_map(|variable| variable.strip_prefix(b"PATH=")).unwrap_or(DEFAULT_PATH);
    let place = |dir: &[u8]| [if dir.is_empty() { b"." } else { dir }, b"/", command].concat();
    path.split(|byte| *byte == b':').map(place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_looked_for_in_the_path_of_the_environment() {
        let env = [b"A=1".to_vec(), b"PATH=/a::/b/c".to_vec()];
        assert_eq!(candidates(b"x", &env), [b"/a/x".to_vec(), b"./x".to_vec(), b"/b/c/x".to_vec()]);
        assert_eq!(candidates(b"./x", &env), [b"./x".to_vec()]);
        assert_eq!(candidates(b"x", &[]).len(), 6);
    }
}
