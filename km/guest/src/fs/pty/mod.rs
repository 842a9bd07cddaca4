//! Pseudo-terminals (pty(7)).
//!
//! ```text
//! Master (ptmx) ── write ─► discipline::Input ─► read ── Slave (/dev/pts/N)
//!      ▲                         │ echo                      │
//!      └────────── read ◄── shown ◄──── discipline::output ◄─┘ write
//! ```
//! [`Pty`] is what both sides share; [`Ptys`] numbers them. Signals for the foreground group wait in [`take_signals`]
//! for the kernel.

pub mod background;
pub mod control;
pub mod discipline;
pub mod side;
pub mod termios;

use super::node::meta::{Meta, S_IFCHR};
use super::node::{Body, Node, dir};
use crate::errno::{Errno, Result};
use crate::signal::Signal;
use crate::state::machine_state;
use crate::task::{Credentials, Pid};
use crate::wait::WaitQueue;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::rc::{Rc, Weak};
use alloc::string::ToString;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use discipline::Input;
use termios::{Termios, WindowSize};

/// Major device number of the slaves.
pub const SLAVE_MAJOR: u32 = 136;
/// Pseudo-terminals that a machine has at most.
const COUNT_MAX: u32 = 1024;
/// Group of terminals (`tty` in Debian and its descendants).
const TTY_GROUP: u32 = 5;

machine_state! {
    fn signals -> Vec<(Pid, Signal)> = Vec::new()
}

/// Signals that terminals sent to process groups since the last call.
#[must_use]
pub fn take_signals() -> Vec<(Pid, Signal)> {
    signals(core::mem::take)
}

/// A pseudo-terminal: what its master and its slaves share.
pub struct Pty {
    number: u32,
    input: RefCell<Input>,
    shown: RefCell<VecDeque<u8>>,
    settings: Cell<Termios>,
    size: Cell<WindowSize>,
    locked: Cell<bool>,
    /// The session whose controlling terminal it is.
    session: Cell<Pid>,
    foreground: Cell<Pid>,
    master_open: Cell<bool>,
    slaves: Cell<usize>,
    /// Whether a slave was ever open; from then on a master without slaves reads EIO.
    used: Cell<bool>,
    queue: WaitQueue,
}

impl Pty {
    /// Whether a process with this session and group is a background job of this terminal.
    #[must_use]
    pub fn is_background(&self, session: Pid, group: Pid) -> bool {
        self.session.get() == session && self.foreground.get() != group
    }

    /// Whether background jobs may not write (TOSTOP).
    #[must_use]
    pub fn stops_writers(&self) -> bool {
        self.settings.get().has(termios::flag::TOSTOP)
    }

    /// Its session gives it up (TIOCNOTTY in tty_ioctl(4)): the foreground process group is told, and another session may have it.
    pub fn release(&self) {
        self.signal(Signal::HUP);
        self.signal(Signal::CONT);
        self.session.set(0);
        self.foreground.set(0);
    }

    /// Sends a signal to the foreground process group.
    fn signal(&self, signal: Signal) {
        let group = self.foreground.get();
        if group > 0 {
            signals(|all| all.push((group, signal)));
        }
    }
}

/// The pseudo-terminals of a machine.
#[derive(Default)]
pub struct Ptys {
    all: RefCell<BTreeMap<u32, Weak<Pty>>>,
    /// `/dev/pts`, where each terminal gets its name; none before it is mounted.
    dir: RefCell<Option<Rc<Node>>>,
}

impl Ptys {
    /// Has the slaves appear in a directory.
    pub fn show_in(&self, dir: &Rc<Node>) {
        *self.dir.borrow_mut() = Some(Rc::clone(dir));
    }

    /// A new one, with its name in `/dev/pts`.
    ///
    /// # Errors
    /// ENOSPC at the limit.
    pub fn create(&self, who: &Credentials) -> Result<Rc<Pty>> {
        let mut all = self.all.borrow_mut();
        let free = |number: &u32| all.get(number).is_none_or(|pty| pty.strong_count() == 0);
        let number = (0..COUNT_MAX).find(free).ok_or(Errno::ENOSPC)?;
        let pty = Rc::new(Pty {
            number,
            input: RefCell::default(),
            shown: RefCell::default(),
            settings: Cell::default(),
            size: Cell::default(),
            locked: Cell::new(true),
            session: Cell::new(0),
            foreground: Cell::new(0),
            master_open: Cell::new(true),
            slaves: Cell::new(0),
            used: Cell::new(false),
            queue: WaitQueue::default(),
        });
        all.insert(number, Rc::downgrade(&pty));
        if let Some(dir) = &*self.dir.borrow() {
            let mut meta = Meta::new(S_IFCHR | 0o620, who.uid, TTY_GROUP);
            meta.rdev = super::dev::number(SLAVE_MAJOR, number);
            let node = Node::new(&dir.volume, meta, Body::Special);
            dir::insert(dir, number.to_string().as_bytes(), &node)?;
        }
        Ok(pty)
    }

    /// The one with a number, while its master is open.
    #[must_use]
    pub fn find(&self, number: u32) -> Option<Rc<Pty>> {
        self.all.borrow().get(&number).and_then(Weak::upgrade).filter(|pty| pty.master_open.get())
    }

    /// The controlling terminal of a session.
    #[must_use]
    pub fn of_session(&self, session: Pid) -> Option<Rc<Pty>> {
        let all = self.all.borrow();
        all.values().filter_map(Weak::upgrade).find(|pty| pty.session.get() == session)
    }

    fn dir(&self) -> Option<Rc<Node>> {
        self.dir.borrow().clone()
    }
}
