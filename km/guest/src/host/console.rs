//! Standard input, output and error of the first process: streams 0 to 2, as a pipe or a terminal would look.

use super::Host;
use super::stream::{Stream, Watcher};
use super::terminal::Terminal;
use crate::errno::{Errno, Result};
use crate::fs::file::{File, OpenFile, Ready};
use crate::fs::io::{Sink, Source};
use crate::kernel::Ctx;
use crate::net::tcp::wire::{Peek, Wire};
use crate::wait::{SysResult, WaitKey, WaitQueue};
use alloc::rc::{Rc, Weak};
use alloc::vec::Vec;
use core::any::Any;
use km_abi::hypercall::REPLY;
use linux_raw_sys::general as raw;

/// One of the three.
pub struct Console {
    stream: Rc<Stream>,
    is_input: bool,
    queue: WaitQueue,
    terminal: Option<Rc<Terminal>>,
}

/// The three files, for descriptors 0 to 2.
pub struct Stdio {
    /// Standard input, stream 0.
    pub input: Rc<Console>,
    /// Standard output, stream 1.
    pub output: Rc<Console>,
    /// Standard error, stream 2.
    pub error: Rc<Console>,
    /// Where the answer goes of a program that takes its call by a system call; no descriptor of it exists.
    pub reply: Rc<Console>,
}

impl Stdio {
    /// As the boot configuration wants them.
    #[must_use]
    pub fn new(host: &Rc<Host>, is_terminal: bool) -> Self {
        let terminal = is_terminal.then(Rc::<Terminal>::default);
        let console = |number| Console::new(host, number, terminal.clone());
        let reply = Console::new(host, REPLY, None);
        Self { input: console(0), output: console(1), error: console(2), reply }
    }

    /// Open files for descriptors 0 to 2.
    #[must_use]
    pub fn open(&self) -> [Rc<OpenFile>; 3] {
        [&self.input, &self.output, &self.error].map(Console::open)
    }
}

impl Console {
    /// An open file of it.
    #[must_use]
    pub fn open(self: &Rc<Self>) -> Rc<OpenFile> {
        let access = match self.terminal {
            Some(_) => raw::O_RDWR,
            None if self.is_input => raw::O_RDONLY,
            None => raw::O_WRONLY,
        };
        let file = Rc::clone(self) as Rc<dyn File>;
        OpenFile::new(file, access)
    }

    /// Nothing more will be written.
    pub fn finish(&self) {
        self.stream.finish();
    }

    fn new(host: &Rc<Host>, number: u32, terminal: Option<Rc<Terminal>>) -> Rc<Self> {
        let console = Rc::new(Self {
            stream: host.stream(number),
            is_input: number == 0,
            queue: WaitQueue::default(),
            terminal,
        });
        let watcher: Weak<dyn Watcher> = Rc::downgrade(&console) as Weak<dyn Watcher>;
        console.stream.watch(watcher);
        console
    }

    /// The name of the queue that readers wait for.
    #[must_use]
    pub fn key(&self) -> WaitKey {
        self.queue.key()
    }
}

impl Watcher for Console {
    fn came(&self) {
        self.queue.wake_for((Ready::IN | Ready::HUP).bits());
    }

    fn drained(&self) {
        self.queue.wake_for(Ready::OUT.bits());
    }

    fn gone(&self) {
        self.queue.wake();
    }
}

impl File for Console {
    fn read(&self, _offset: u64, out: &mut dyn Sink) -> Result<usize> {
        if !self.is_input {
            // A terminal is one device however it was opened; what is typed comes by the input.
            return Err(Errno::EAGAIN);
        }
        self.stream.probe();
        self.stream.receive(out, Peek::No)
    }

    fn write(&self, _offset: u64, from: &mut dyn Source) -> Result<usize> {
        self.stream.send(from)
    }

    fn ready(&self) -> Ready {
        let mut ready = Ready::empty();
        if self.is_input {
            self.stream.probe();
            if self.stream.has_bytes(1) {
                ready |= Ready::IN;
            }
            if self.stream.peer_finished() {
                ready |= if self.terminal.is_some() { Ready::IN } else { Ready::HUP };
            }
        }
        if (!self.is_input || self.terminal.is_some()) && self.stream.has_room() {
            ready |= Ready::OUT;
        }
        ready
    }

    fn queue(&self) -> Option<&WaitQueue> {
        Some(&self.queue)
    }

    fn mode(&self) -> u32 {
        if self.terminal.is_some() { raw::S_IFCHR | 0o620 } else { raw::S_IFIFO | 0o600 }
    }

    fn number(&self) -> u64 {
        self.queue.key()
    }

    fn can_reopen(&self) -> bool {
        true
    }

    fn label(&self) -> Vec<u8> {
        match self.terminal {
            Some(_) => b"/dev/console".to_vec(),
            None => alloc::format!("pipe:[{}]", self.queue.key()).into_bytes(),
        }
    }

    fn ioctl(&self, ctx: &mut Ctx<'_>, request: u32, argument: u64) -> SysResult {
        let memory = ctx.memory();
        if request == linux_raw_sys::ioctl::FIONREAD {
            let count = i32::try_from(self.stream.readable_bytes()).unwrap_or(i32::MAX);
            memory.store(argument, &count)?;
            return Ok(0);
        }
        match &self.terminal {
            Some(terminal) => terminal.ioctl(&memory, request, argument),
            None => Err(Errno::ENOTTY.into()),
        }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
