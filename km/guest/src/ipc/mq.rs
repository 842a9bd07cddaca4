//! POSIX message queues (mq_overview(7)): queues by name whose messages have priorities. A descriptor of one is an open
//! file, so poll(2), fork(2) and close-on-exec are those of files.

use crate::errno::{Errno, Result};
use crate::fs::file::{File, Ready};
use crate::fs::io::Sink;
use crate::fs::locks::Owner;
use crate::fs::node::meta::{self, Meta, S_IFREG, S_ISVTX};
use crate::signal::Signal;
use crate::task::{Credentials, Pid, Tid};
use crate::wait::WaitQueue;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::format;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::any::Any;
use core::cell::{Cell, RefCell};

/// Most queues without CAP_SYS_RESOURCE (`queues_max`).
pub const QUEUES_MAX: usize = 256;
/// Messages of a queue: the default, and the most without CAP_SYS_RESOURCE (`msg_default`, `msg_max`).
pub const MESSAGES: i64 = 10;
/// Bytes of a message: the default, and the most without CAP_SYS_RESOURCE (`msgsize_default`, `msgsize_max`).
pub const MESSAGE_BYTES: i64 = 8192;
/// Priorities are below this one (MQ_PRIO_MAX).
pub const PRIORITIES: u32 = 32_768;
/// Most messages of a queue whoever makes it.
const MESSAGES_HARD: i64 = 65_536;
/// Most bytes of a message whoever makes the queue.
const MESSAGE_BYTES_HARD: i64 = 16 << 20;
/// What Linux charges for each message, and for each priority that can be in use, beside the bytes (getrlimit(2),
/// RLIMIT_MSGQUEUE).
const MESSAGE_OVERHEAD: u64 = 48;
const PRIORITY_OVERHEAD: u64 = 48;

/// How large a queue is: `mq_maxmsg` and `mq_msgsize`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Messages that it holds at most.
    pub messages: i64,
    /// Bytes of its longest message.
    pub bytes: i64,
}

impl Default for Size {
    fn default() -> Self {
        Self { messages: MESSAGES, bytes: MESSAGE_BYTES }
    }
}

impl Size {
    /// Checks it, and says how many bytes of RLIMIT_MSGQUEUE it takes.
    fn charge(self, unlimited: bool) -> Result<u64> {
        let (messages, bytes) =
            if unlimited { (MESSAGES_HARD, MESSAGE_BYTES_HARD) } else { (MESSAGES, MESSAGE_BYTES) };
        if !(1..=messages).contains(&self.messages) || !(1..=bytes).contains(&self.bytes) {
            return Err(Errno::EINVAL);
        }
        let (messages, bytes) = (self.messages.cast_unsigned(), self.bytes.cast_unsigned());
        let priorities = messages.min(u64::from(PRIORITIES));
        Ok(messages * (bytes + MESSAGE_OVERHEAD) + priorities * PRIORITY_OVERHEAD)
    }
}

/// A message and its priority.
pub type Message = (u32, Vec<u8>);

/// Who is told of the next message that comes into the empty queue (mq_notify(3)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Notification {
    /// The process.
    pub pid: Pid,
    /// Its descriptors: closing any of them for the queue takes the notification back.
    pub table: Owner,
    /// The signal, if there is one (SIGEV_SIGNAL).
    pub signal: Option<Signal>,
    /// `si_value` of the signal.
    pub value: u64,
}

/// A queue. It lives as long as its name or a descriptor of it.
pub struct PosixQueue {
    name: Vec<u8>,
    meta: Meta,
    size: Size,
    messages: RefCell<BTreeMap<u32, VecDeque<Vec<u8>>>>,
    count: Cell<i64>,
    bytes: Cell<usize>,
    /// Threads that wait for a message, first come first.
    receivers: RefCell<VecDeque<Tid>>,
    /// Messages for receivers that waited; nobody else gets them.
    handed: RefCell<BTreeMap<Tid, Message>>,
    notification: Cell<Option<Notification>>,
    /// Bytes that its user's queues take of RLIMIT_MSGQUEUE, and its own part.
    charged: (Rc<Cell<u64>>, u64),
    /// Threads that wait for a message or for room.
    pub queue: WaitQueue,
}

impl PosixQueue {
    /// Its limits.
    #[must_use]
    pub fn size(&self) -> Size {
        self.size
    }

    /// Messages in it.
    #[must_use]
    pub fn count(&self) -> i64 {
        self.count.get()
    }

    /// Adds a message; gives the notification that is due now, which is then used up.
    ///
    /// # Errors
    /// EAGAIN when it is full.
    pub fn send(&self, message: Message) -> Result<Option<Notification>> {
        if self.count.get() >= self.size.messages {
            return Err(Errno::EAGAIN);
        }
        if let Some(tid) = self.receivers.borrow_mut().pop_front() {
            self.handed.borrow_mut().insert(tid, message);
            self.queue.wake();
            return Ok(None);
        }
        let (priority, bytes) = message;
        self.bytes.set(self.bytes.get() + bytes.len());
        self.messages.borrow_mut().entry(priority).or_default().push_back(bytes);
        self.count.set(self.count.get() + 1);
        self.queue.wake_for(Ready::IN.bits());
        Ok(if self.count.get() == 1 { self.notification.take() } else { None })
    }

    /// Takes the oldest message of the highest priority, or what was handed to this thread while it waited.
    ///
    /// # Errors
    /// EAGAIN when there is none.
    pub fn receive(&self, tid: Tid) -> Result<Message> {
        self.receivers.borrow_mut().retain(|waiting| *waiting != tid);
        if let Some(message) = self.handed.borrow_mut().remove(&tid) {
            return Ok(message);
        }
        let mut messages = self.messages.borrow_mut();
        let mut last = messages.last_entry().ok_or(Errno::EAGAIN)?;
        let priority = *last.key();
        let bytes = last.get_mut().pop_front().ok_or(Errno::EAGAIN)?;
        if last.get().is_empty() {
            last.remove();
        }
        self.count.set(self.count.get() - 1);
        self.bytes.set(self.bytes.get() - bytes.len());
        self.queue.wake_for(Ready::OUT.bits());
        Ok((priority, bytes))
    }

    /// Asks to be told of the next message.
    ///
    /// # Errors
    /// EBUSY when somebody else has asked.
    pub fn notify(&self, notification: Notification) -> Result<()> {
        if self.notification.get().is_some() {
            return Err(Errno::EBUSY);
        }
        self.notification.set(Some(notification));
        Ok(())
    }

    /// Takes back what a process has asked for.
    pub fn forget(&self, pid: Pid) {
        if self.notification.get().is_some_and(|notification| notification.pid == pid) {
            self.notification.set(None);
        }
    }
}

impl Drop for PosixQueue {
    fn drop(&mut self) {
        let (all, own) = &self.charged;
        all.set(all.get() - own);
    }
}

/// A descriptor's end of a queue.
pub struct QueueFile(pub Rc<PosixQueue>);

impl File for QueueFile {
    fn read(&self, offset: u64, out: &mut dyn Sink) -> Result<usize> {
        let told = self.0.notification.get();
        let signal = told.and_then(|told| told.signal);
        // SIGEV_SIGNAL is 0, SIGEV_NONE is 1.
        let kind = i32::from(told.is_some() && signal.is_none());
        let number = signal.map_or(0, |signal| i32::from(signal.number()));
        let pid = told.map_or(0, |told| told.pid);
        let size = self.0.bytes.get();
        let text = format!("QSIZE:{size:<10} NOTIFY:{kind:<5} SIGNO:{number:<5} NOTIFY_PID:{pid:<6}\n");
        let start = text.len().min(usize::try_from(offset).unwrap_or(usize::MAX));
        out.put(&text.as_bytes()[start..])
    }

    fn ready(&self) -> Ready {
        let mut ready = Ready::empty();
        ready.set(Ready::IN, self.0.count() > 0);
        ready.set(Ready::OUT, self.0.count() < self.0.size.messages);
        ready
    }

    fn queue(&self) -> Option<&WaitQueue> {
        Some(&self.0.queue)
    }

    fn seekable(&self) -> bool {
        true
    }

    fn let_go(&self, table: Owner) {
        if self.0.notification.get().is_some_and(|told| told.table == table) {
            self.0.notification.set(None);
        }
    }

    fn mode(&self) -> u32 {
        self.0.meta.mode
    }

    fn label(&self) -> Vec<u8> {
        [b"/", self.0.name.as_slice()].concat()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// The queues that have a name.
#[derive(Default)]
pub struct Queues {
    by_name: BTreeMap<Vec<u8>, Rc<PosixQueue>>,
    charges: BTreeMap<u32, Rc<Cell<u64>>>,
    /// Threads that wait for a message, and where.
    waiting: RefCell<BTreeMap<Tid, Rc<PosixQueue>>>,
}

/// A queue to be made.
pub struct NewQueue<'a> {
    /// Its permission bits, without those of the umask.
    pub mode: u32,
    /// Its limits.
    pub size: Size,
    /// Whether the caller may go beyond the limits of everybody (CAP_SYS_RESOURCE).
    pub unlimited: bool,
    /// RLIMIT_MSGQUEUE of the caller.
    pub limit: u64,
    /// Who makes it.
    pub who: &'a Credentials,
}

impl Queues {
    /// The queue with a name.
    #[must_use]
    pub fn get(&self, name: &[u8]) -> Option<Rc<PosixQueue>> {
        self.by_name.get(name).cloned()
    }

    /// Makes a queue.
    ///
    /// # Errors
    /// ENOSPC when there are too many, EINVAL for its size, EMFILE beyond RLIMIT_MSGQUEUE.
    pub fn create(&mut self, name: Vec<u8>, new: &NewQueue<'_>) -> Result<Rc<PosixQueue>> {
        if self.by_name.len() >= QUEUES_MAX && !new.unlimited {
            return Err(Errno::ENOSPC);
        }
        let own = new.size.charge(new.unlimited)?;
        let all = self.charges.entry(new.who.uid).or_default();
        let sum = all.get().saturating_add(own);
        if sum > new.limit {
            return Err(Errno::EMFILE);
        }
        all.set(sum);
        let queue = Rc::new(PosixQueue {
            name: name.clone(),
            meta: Meta::new(S_IFREG | new.mode & 0o7777, new.who.fs_uid, new.who.fs_gid),
            size: new.size,
            messages: RefCell::default(),
            count: Cell::new(0),
            bytes: Cell::new(0),
            receivers: RefCell::default(),
            handed: RefCell::default(),
            notification: Cell::new(None),
            charged: (Rc::clone(all), own),
            queue: WaitQueue::default(),
        });
        self.by_name.insert(name, Rc::clone(&queue));
        Ok(queue)
    }

    /// Checks whether a queue may be opened for `want` (`MAY_*`).
    ///
    /// # Errors
    /// EACCES.
    pub fn check(queue: &PosixQueue, who: &Credentials, want: u32) -> Result<()> {
        meta::check(who, &queue.meta, want)
    }

    /// Takes a name away; descriptors of the queue stay good.
    ///
    /// # Errors
    /// ENOENT; EPERM for somebody else's queue.
    pub fn unlink(&mut self, name: &[u8], who: &Credentials) -> Result<()> {
        let queue = self.by_name.get(name).ok_or(Errno::ENOENT)?;
        // Their directory is everybody's, and only owners remove.
        meta::check_sticky(who, &Meta { mode: 0o777 | S_ISVTX, ..Meta::default() }, &queue.meta)?;
        self.by_name.remove(name);
        Ok(())
    }

    /// A thread waits for a message of a queue from now on.
    pub fn wait(&self, tid: Tid, queue: &Rc<PosixQueue>) {
        queue.receivers.borrow_mut().push_back(tid);
        self.waiting.borrow_mut().insert(tid, Rc::clone(queue));
    }

    /// A thread waits no more: it looks again, a signal took it out of its call, or it ended.
    pub fn leave(&self, tid: Tid) {
        if let Some(queue) = self.waiting.borrow_mut().remove(&tid) {
            queue.receivers.borrow_mut().retain(|waiting| *waiting != tid);
            queue.handed.borrow_mut().remove(&tid);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(queues: &mut Queues, messages: i64) -> Result<Rc<PosixQueue>> {
        let who = Credentials::default();
        let size = Size { messages, bytes: 8 };
        queues
            .create(b"q".to_vec(), &NewQueue { mode: 0o600, size, unlimited: false, limit: 2000, who: &who })
    }

    #[test]
    fn the_highest_priority_comes_first_and_the_oldest_of_it() {
        let mut queues = Queues::default();
        let queue = queue(&mut queues, 4).unwrap();
        for (priority, byte) in [(1, 1), (5, 2), (1, 3), (5, 4)] {
            queue.send((priority, alloc::vec![byte])).unwrap();
        }
        assert_eq!(queue.send((9, Vec::new())), Err(Errno::EAGAIN));
        let order: Vec<u8> =
            core::iter::from_fn(|| queue.receive(1).ok()).map(|(_, bytes)| bytes[0]).collect();
        assert_eq!(order, [2, 4, 1, 3]);
    }

    #[test]
    fn who_waited_gets_the_message_and_nobody_else() {
        let mut queues = Queues::default();
        let queue = queue(&mut queues, 4).unwrap();
        let told = Notification { pid: 1, table: Owner::Table(1), signal: None, value: 0 };
        queue.notify(told).unwrap();
        queues.wait(7, &queue);
        assert_eq!(queue.send((0, alloc::vec![1])), Ok(None));
        assert_eq!((queue.count(), queue.receive(8)), (0, Err(Errno::EAGAIN)));
        assert_eq!(queue.receive(7), Ok((0, alloc::vec![1])));
        assert_eq!(queue.send((0, alloc::vec![2])), Ok(Some(told)));
    }

    #[test]
    fn a_queue_that_is_gone_gives_its_bytes_back() {
        let mut queues = Queues::default();
        let first = queue(&mut queues, 10).unwrap();
        queues.unlink(b"q", &Credentials::default()).unwrap();
        assert_eq!(queue(&mut queues, 10).err(), Some(Errno::EMFILE));
        drop(first);
        assert!(queue(&mut queues, 10).is_ok());
    }
}
