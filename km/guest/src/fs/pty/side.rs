//! The two sides of a pseudo-terminal as open files.

use super::discipline::output;
use super::{Pty, Ptys, control};
use crate::errno::{Errno, Result};
use crate::fs::file::{File, Ready};
use crate::fs::io::{Sink, Source};
use crate::fs::node::{Node, dir};
use crate::kernel::Ctx;
use crate::signal::Signal;
use crate::wait::{SysResult, WaitQueue};
use alloc::rc::Rc;
use alloc::string::ToString;
use core::any::Any;

/// Bytes that wait for the master at most.
const SHOWN_MAX: usize = 64 << 10;

/// The side that plays the terminal.
pub struct Master {
    pty: Rc<Pty>,
    node: Rc<Node>,
    pts: Option<Rc<Node>>,
}

impl Master {
    /// A new terminal, opened through `/dev/ptmx`.
    ///
    /// # Errors
    /// ENOSPC at the limit.
    pub fn open(ptys: &Ptys, node: &Rc<Node>, who: &crate::task::Credentials) -> Result<Rc<Self>> {
        let pty = ptys.create(who)?;
        Ok(Rc::new(Self { pty, node: Rc::clone(node), pts: ptys.dir() }))
    }
}

impl File for Master {
    fn read(&self, _: u64, out: &mut dyn Sink) -> Result<usize> {
        let mut shown = self.pty.shown.borrow_mut();
        if shown.is_empty() {
            let hung_up = self.pty.used.get() && self.pty.slaves.get() == 0;
            return Err(if hung_up { Errno::EIO } else { Errno::EAGAIN });
        }
        let count = out.put(shown.make_contiguous())?;
        shown.drain(..count);
        self.pty.queue.wake();
        Ok(count)
    }

    fn write(&self, _: u64, from: &mut dyn Source) -> Result<usize> {
        let mut bytes = alloc::vec![0; from.left().min(4096)];
        let count = from.take(&mut bytes)?;
        let settings = self.pty.settings.get();
        for &byte in &bytes[..count] {
            let typed = self.pty.input.borrow_mut().take(byte, &settings);
            self.pty.shown.borrow_mut().extend(&typed.echo);
            if let Some(signal) = typed.signal {
                self.pty.signal(signal);
            }
        }
        self.pty.queue.wake();
        Ok(count)
    }

    fn ready(&self) -> Ready {
        let mut ready = Ready::OUT;
        ready.set(Ready::IN, !self.pty.shown.borrow().is_empty());
        ready.set(Ready::HUP, self.pty.used.get() && self.pty.slaves.get() == 0);
        ready
    }

    fn queue(&self) -> Option<&WaitQueue> {
        Some(&self.pty.queue)
    }

    fn close(&self) {
        self.pty.master_open.set(false);
        self.pty.signal(Signal::HUP);
        self.pty.signal(Signal::CONT);
        self.pty.session.set(0);
        self.pty.queue.wake();
        if let Some(pts) = &self.pts {
            // The name may be gone with its directory already.
            let _ = dir::remove(pts, self.pty.number.to_string().as_bytes());
        }
    }

    fn node(&self) -> Option<&Rc<Node>> {
        Some(&self.node)
    }

    fn readable_bytes(&self) -> Option<u64> {
        Some(self.pty.shown.borrow().len() as u64)
    }

    fn ioctl(&self, ctx: &mut Ctx<'_>, request: u32, argument: u64) -> SysResult {
        control::master(&self.pty, ctx, request, argument)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// The side that programs have as their terminal.
pub struct Slave {
    pty: Rc<Pty>,
    node: Rc<Node>,
}

impl Slave {
    /// Opens a terminal through a node.
    ///
    /// # Errors
    /// EIO while it is locked or when its master is gone.
    pub fn open(pty: Rc<Pty>, node: &Rc<Node>) -> Result<Rc<Self>> {
        if pty.locked.get() || !pty.master_open.get() {
            return Err(Errno::EIO);
        }
        pty.slaves.set(pty.slaves.get() + 1);
        pty.used.set(true);
        Ok(Rc::new(Self { pty, node: Rc::clone(node) }))
    }

    /// The terminal that this is a side of.
    #[must_use]
    pub fn pty(&self) -> &Rc<Pty> {
        &self.pty
    }

    /// Makes it the controlling terminal of a session leader that has none.
    pub fn adopt(&self, session: crate::task::Pid) {
        if self.pty.session.get() == 0 {
            self.pty.session.set(session);
            self.pty.foreground.set(session);
        }
    }
}

impl File for Slave {
    fn read(&self, _: u64, out: &mut dyn Sink) -> Result<usize> {
        let settings = self.pty.settings.get();
        let mut input = self.pty.input.borrow_mut();
        if input.readable(&settings).is_none() {
            return if self.pty.master_open.get() { Err(Errno::EAGAIN) } else { Ok(0) };
        }
        let bytes = input.read(out.room(), &settings);
        if bytes.is_empty() { Ok(0) } else { out.put(&bytes) }
    }

    fn write(&self, _: u64, from: &mut dyn Source) -> Result<usize> {
        if !self.pty.master_open.get() {
            return Err(Errno::EIO);
        }
        let room = SHOWN_MAX.saturating_sub(self.pty.shown.borrow().len());
        if room == 0 {
            return Err(Errno::EAGAIN);
        }
        let mut bytes = alloc::vec![0; from.left().min(room)];
        let count = from.take(&mut bytes)?;
        self.pty.shown.borrow_mut().extend(output(&bytes[..count], &self.pty.settings.get()));
        self.pty.queue.wake();
        Ok(count)
    }

    fn ready(&self) -> Ready {
        let mut ready = Ready::empty();
        let readable = self.pty.input.borrow().readable(&self.pty.settings.get()).is_some();
        ready.set(Ready::IN, readable || !self.pty.master_open.get());
        ready.set(Ready::OUT, self.pty.shown.borrow().len() < SHOWN_MAX);
        ready.set(Ready::HUP, !self.pty.master_open.get());
        ready
    }

    fn queue(&self) -> Option<&WaitQueue> {
        Some(&self.pty.queue)
    }

    fn close(&self) {
        self.pty.slaves.set(self.pty.slaves.get() - 1);
        self.pty.queue.wake();
    }

    fn node(&self) -> Option<&Rc<Node>> {
        Some(&self.node)
    }

    fn readable_bytes(&self) -> Option<u64> {
        Some(self.pty.input.borrow().readable(&self.pty.settings.get()).unwrap_or(0) as u64)
    }

    fn ioctl(&self, ctx: &mut Ctx<'_>, request: u32, argument: u64) -> SysResult {
        control::slave(&self.pty, ctx, request, argument)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
