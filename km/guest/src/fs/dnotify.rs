//! Signals for changes of a directory (fcntl(2), F_NOTIFY): what inotify(7) came after.
//!
//! An instance of inotify that no descriptor leads to does the watching. Its events are never read: each wakes the watcher of
//! signals, as a file with O_ASYNC does ([`super::sigio`]).

use super::file::{File, OpenFile};
use super::inotify::{Inotify, event};
use crate::errno::{Errno, Result};
use crate::wait::watch;
use alloc::collections::BTreeMap;
use alloc::rc::{Rc, Weak};

/// DN_MULTISHOT: the signals go on until they are taken back.
const MULTISHOT: u32 = 0x8000_0000;
/// DN_RENAME: a move within the directory.
const RENAME: u32 = 0x10;
/// DN_ACCESS to DN_ATTRIB, each with the events of inotify(7) that it means.
const MEANINGS: [(u32, u32); 6] = [
    (0x01, event::ACCESS),
    (0x02, event::MODIFY),
    (0x04, event::CREATE | event::MOVED_TO),
    (0x08, event::DELETE | event::MOVED_FROM),
    (RENAME, event::MOVED_FROM | event::MOVED_TO),
    (0x20, event::ATTRIB),
];

/// How many of the events were asked for.
fn told(asked: u32, events: &[(u32, u32)]) -> usize {
    let is_asked = |&&(mask, cookie): &&(u32, u32)| {
        let other = events.iter().any(|event| event.1 == cookie && event.0 & mask & event::ALL == 0);
        let is_rename = mask & event::MOVED_TO != 0 && other;
        MEANINGS.iter().any(|(bit, events)| match *bit {
            RENAME => asked & RENAME != 0 && is_rename,
            bit => asked & bit != 0 && mask & events != 0,
        })
    };
    events.iter().filter(is_asked).count()
}

struct Notice {
    file: Weak<OpenFile>,
    fd: i32,
    asked: u32,
    watches: Rc<Inotify>,
}

impl Drop for Notice {
    fn drop(&mut self) {
        self.watches.close();
    }
}

/// The open directories with F_NOTIFY, by the token of their watches.
#[derive(Default)]
pub struct Notices(BTreeMap<u64, Notice>);

impl Notices {
    /// F_NOTIFY of an open file, through this descriptor; what is asked for comes to what was before, and 0 ends it all.
    /// `token` is a name for its watch.
    ///
    /// # Errors
    /// ENOTDIR; ENOSPC.
    pub fn set(&mut self, file: &Rc<OpenFile>, fd: u64, asked: u32, token: u64) -> Result<()> {
        let mut before = 0;
        self.keep(|notice| {
            let is_own = notice.file.as_ptr() == Rc::as_ptr(file);
            before |= if is_own { notice.asked } else { 0 };
            !is_own && notice.file.strong_count() > 0
        });
        if asked & !MULTISHOT == 0 {
            return Ok(());
        }
        let node = file.file.node().filter(|node| node.meta.get().is_dir()).ok_or(Errno::ENOTDIR)?;
        let asked = before | asked;
        let meant =
            MEANINGS.iter().filter(|(bit, _)| asked & bit != 0).fold(0, |mask, (_, events)| mask | events);
        let watches = Inotify::new();
        watches.add(node, meant)?;
        watch::add(watches.key(), watch::SIGNALS, token);
        self.0.insert(token, Notice { file: Rc::downgrade(file), fd: fd as i32, asked, watches });
        Ok(())
    }

    fn keep(&mut self, mut stays: impl FnMut(&Notice) -> bool) {
        self.0.retain(|token, notice| {
            let stays = stays(notice);
            if !stays {
                watch::remove(notice.watches.key(), watch::SIGNALS, *token);
            }
            stays
        });
    }

    /// The open file of a token, its descriptor, and how many changes there were: each is told once, and the first one alone
    /// without DN_MULTISHOT.
    pub fn take(&mut self, token: u64) -> Option<(Rc<OpenFile>, i32, usize)> {
        let notice = self.0.get(&token)?;
        let (fd, asked) = (notice.fd, notice.asked);
        let count = told(asked, &notice.watches.take_events());
        let file = notice.file.upgrade();
        let goes_on = (asked & MULTISHOT != 0 || count == 0) && file.is_some();
        if !goes_on {
            let watches = Rc::clone(&notice.watches);
            self.keep(|notice| !Rc::ptr_eq(&notice.watches, &watches));
        }
        Some((file?, fd, if goes_on { count } else { count.min(1) }))
    }
}
