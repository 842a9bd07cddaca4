//! Signal-driven I/O (fcntl(2), O_ASYNC): an open file that becomes ready sends its owner a signal.
//!
//! Such a file is watched like one in an epoll instance ([`crate::wait::watch`]), by a watcher that has a name of its own,
//! [`watch::SIGNALS`]: where woken names are looked at, that one sends what is due. Files without O_ASYNC cost nothing.

use super::dnotify::Notices;
use super::file::{OpenFile, Ready};
use crate::errno::Result;
use crate::kernel::Kernel;
use crate::signal::Signal;
use crate::signal::info::{Info, Origin, code};
use crate::wait::{WaitKey, watch};
use alloc::collections::BTreeMap;
use alloc::rc::{Rc, Weak};

/// Kinds of owners (`struct f_owner_ex` of fcntl(2)).
pub mod owner {
    /// F_OWNER_TID: one thread.
    pub const THREAD: i32 = 0;
    /// F_OWNER_PID.
    pub const PROCESS: i32 = 1;
    /// F_OWNER_PGRP.
    pub const GROUP: i32 = 2;
}

struct Watched {
    file: Weak<OpenFile>,
    fd: i32,
    key: WaitKey,
}

/// The open files with O_ASYNC, and the directories with F_NOTIFY.
#[derive(Default)]
pub struct AsyncFiles {
    notices: Notices,
    watched: BTreeMap<u64, Watched>,
    next_token: u64,
}

impl AsyncFiles {
    /// O_ASYNC was set, through this descriptor, or cleared.
    pub fn set(&mut self, file: &Rc<OpenFile>, fd: u64, on: bool) {
        let gone =
            |watched: &Watched| watched.file.strong_count() == 0 || watched.file.as_ptr() == Rc::as_ptr(file);
        self.watched.retain(|token, watched| {
            let gone = gone(watched);
            if gone {
                watch::remove(watched.key, watch::SIGNALS, *token);
            }
            !gone
        });
        if let Some(queue) = file.file.queue().filter(|_| on) {
            let (token, key) = (self.next_token, queue.key());
            self.next_token += 1;
            self.watched.insert(token, Watched { file: Rc::downgrade(file), fd: fd as i32, key });
            watch::add(key, watch::SIGNALS, token);
        }
    }
}

impl AsyncFiles {
    /// F_NOTIFY of an open directory, through this descriptor.
    ///
    /// # Errors
    /// As [`Notices::set`].
    pub fn notify(&mut self, file: &Rc<OpenFile>, fd: u64, asked: u32) -> Result<()> {
        self.next_token += 1;
        self.notices.set(file, fd, asked, self.next_token - 1)
    }
}

/// Why a file sends a signal: `si_code` and `si_band` (sigaction(2)).
fn reason(ready: Ready, changed: u32) -> Option<(i32, i64)> {
    const IN: (i32, i64) = (1, 0x41);
    const OUT: (i32, i64) = (2, 0x304);
    const PRI: (i32, i64) = (5, 0x82);
    const HUP: (i32, i64) = (6, 0x18);
    // Room for writing is told only where that is what has changed.
    let changed = if changed == watch::ANYTHING { changed & !Ready::OUT.bits() } else { changed };
    let now = ready & Ready::from_bits_truncate(changed);
    let reasons = [(Ready::PRI, PRI), (Ready::IN, IN), (Ready::HUP, HUP), (Ready::OUT, OUT)];
    reasons.into_iter().find(|(bit, _)| now.contains(*bit)).map(|(_, reason)| reason)
}

impl Kernel {
    /// Sends the signals of files that have become ready.
    pub(crate) fn send_io_signals(&mut self) {
        /// POLL_MSG, and what comes with it.
        const MESSAGE: i32 = 3;
        const MESSAGE_BAND: i64 = 0x441;
        for note in watch::take_notes(watch::SIGNALS) {
            if let Some((file, fd, count)) = self.async_files.notices.take(note.token) {
                for _ in 0..count {
                    self.send_io_signal(&file, MESSAGE, Origin::Poll { band: MESSAGE_BAND, fd });
                }
                continue;
            }
            let Some(watched) = self.async_files.watched.get(&note.token) else { continue };
            let (fd, Some(file)) = (watched.fd, watched.file.upgrade()) else { continue };
            if let Some((code, band)) = reason(file.file.ready(), note.changed) {
                self.send_io_signal(&file, code, Origin::Poll { band, fd });
            }
        }
    }

    /// SIGIO without more, or the signal of F_SETSIG with what has happened; SIGIO as well where that one's queue is full.
    fn send_io_signal(&mut self, file: &OpenFile, code: i32, origin: Origin) {
        let plain = Info { signal: Signal::IO, code: code::KERNEL, origin: Origin::None };
        let chosen = Signal::new(u64::from(file.signal.get())).map(|signal| Info { signal, code, origin });
        let [kind, number] = file.owner.get();
        let mut send = |info: Info| match kind {
            _ if number == 0 => true,
            owner::THREAD => self.signal_thread(number, info),
            owner::PROCESS => self.signal_process(number, info),
            _ => {
                let members = self.tasks.processes().filter(|process| process.group == number);
                let members: alloc::vec::Vec<_> = members.map(|process| process.pid).collect();
                members.into_iter().all(|pid| self.signal_process(pid, info))
            }
        };
        if !chosen.is_some_and(&mut send) {
            send(plain);
        }
    }
}
