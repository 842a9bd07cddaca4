//! What carries the bytes of a TCP connection: a pair of queues within the machine ([`Loop`]), or a stream of the monitor
//! ([`crate::host::stream::Stream`]).

use super::Tcp;
use super::urgent::Urgent;
use crate::errno::{Errno, Result};
use crate::fs::io::{Capped, Sink, Source};
use crate::net::budget::Budget;
use crate::net::ring::Ring;
use alloc::rc::{Rc, Weak};
use core::cell::{Cell, RefCell};
use linux_raw_sys::net::SO_OOBINLINE;

/// One end of a connection's transport.
pub trait Wire {
    /// Takes bytes that came in, or copies them without taking (MSG_PEEK).
    ///
    /// # Errors
    /// EAGAIN when there are none and may be; 0 bytes are the end.
    fn receive(&self, sink: &mut dyn Sink, peek: Peek) -> Result<usize>;

    /// Gives bytes to the peer.
    ///
    /// # Errors
    /// EAGAIN when there is no room.
    fn send(&self, source: &mut dyn Source) -> Result<usize>;

    /// Nothing more is sent.
    fn finish(&self);

    /// This end is gone.
    fn close(&self, manner: Manner);

    /// Whether a read would give `least` bytes; may be true for a stream whose bytes are still with the monitor.
    fn has_bytes(&self, least: usize) -> bool;

    /// Bytes that came in.
    fn readable_bytes(&self) -> usize;

    /// Bytes that the peer has not taken.
    fn unsent_bytes(&self) -> usize;

    /// Whether the peer has finished sending; bytes from before may still wait.
    fn peer_finished(&self) -> bool;

    /// Gives bytes to the peer, the last of which is urgent.
    ///
    /// # Errors
    /// EOPNOTSUPP where the transport knows no urgent data, else as [`Self::send`].
    fn send_urgent(&self, bytes: &[u8]) -> Result<usize> {
        let _ = bytes;
        Err(Errno::EOPNOTSUPP)
    }

    /// The urgent data that came, where the transport knows it.
    fn urgent(&self) -> Option<&Urgent> {
        None
    }

    /// Whether there is enough room that waking a writer pays.
    fn has_room(&self) -> bool;

    /// Passes on a socket option that changes what goes over a network, where there is one.
    fn set_option(&self, level: u32, name: u32, value: u32) {
        let _ = (level, name, value);
    }
}

/// Whether received bytes stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peek {
    /// The bytes are taken out.
    No,
    /// The bytes stay and are read again (MSG_PEEK).
    Yes,
}

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// With a FIN after the last byte.
    Orderly,
    /// With a RST: the peer reads ECONNRESET.
    Abort,
}

/// One direction's state and one end's.
struct WireSide {
    end: RefCell<Weak<Tcp>>,
    /// Bytes for this end.
    incoming: RefCell<Ring>,
    /// Which of them is urgent.
    urgent: Urgent,
    /// This end sends nothing more.
    finished: Cell<bool>,
    /// The socket of this end is closed.
    closed: Cell<bool>,
}

/// A connection between two sockets of the machine.
pub struct Link {
    sides: [WireSide; 2],
}

/// One end of a [`Link`].
pub struct Loop {
    link: Rc<Link>,
    side: usize,
}

/// Both ends of a new connection.
pub fn pair(budget: &Rc<Budget>) -> (Loop, Loop) {
    let side = || WireSide {
        end: RefCell::new(Weak::new()),
        incoming: RefCell::new(Ring::new(budget)),
        urgent: Urgent::default(),
        finished: Cell::new(false),
        closed: Cell::new(false),
    };
    let link = Rc::new(Link { sides: [side(), side()] });
    (Loop { link: Rc::clone(&link), side: 0 }, Loop { link, side: 1 })
}

impl Loop {
    /// Says which socket has this end.
    pub fn attach(&self, socket: &Weak<Tcp>) {
        *self.mine().end.borrow_mut() = socket.clone();
    }

    fn mine(&self) -> &WireSide {
        &self.link.sides[self.side]
    }

    fn other(&self) -> &WireSide {
        &self.link.sides[1 - self.side]
    }

    fn limit(&self) -> usize {
        let (mine, other) = (self.mine().end.borrow().upgrade(), self.other().end.borrow().upgrade());
        let Some(mine) = mine else { return 0 };
        let reader = other.as_ref().unwrap_or(&mine);
        reader.common.options.stream_limit(&mine.common.options)
    }

    /// Whether urgent bytes stay among the others (SO_OOBINLINE).
    fn is_inline(&self) -> bool {
        let end = self.mine().end.borrow().upgrade();
        end.is_some_and(|end| end.common.options.is_on(SO_OOBINLINE))
    }

    /// Puts bytes into the peer's queue: how many were there before, and how many came.
    pub(super) fn fill_peer(&self, mut bytes: &[u8]) -> Result<(usize, usize)> {
        let mut incoming = self.other().incoming.borrow_mut();
        let before = incoming.len();
        match incoming.fill(&mut bytes, self.limit())? {
            0 => Err(Errno::EAGAIN),
            count => Ok((before, count)),
        }
    }

    /// The urgent data of the other end.
    pub(super) fn peer_urgent(&self) -> &Urgent {
        &self.other().urgent
    }

    /// Tells the other end that something came.
    pub(super) fn tell_peer(&self) {
        self.with_peer(|peer| peer.common.queue.wake());
    }

    fn with_peer(&self, act: impl FnOnce(&Tcp)) {
        let peer = self.other().end.borrow().upgrade();
        if let Some(peer) = peer {
            act(&peer);
        }
    }

    /// A closed peer answers what the queue holds with a RST. After its FIN that is EPIPE (tcp(7)).
    fn send_to_closed(&self, source: &mut dyn Source) -> Result<usize> {
        let mut scrap = [0; 512];
        let (mut count, limit) = (0, self.limit());
        while count < limit && source.left() > 0 {
            let wanted = scrap.len().min(limit - count);
            match source.take(&mut scrap[..wanted])? {
                0 => break,
                taken => count += taken,
            }
        }
        if let Some(me) = self.mine().end.borrow().upgrade() {
            me.reset(Errno::EPIPE);
        }
        Ok(count)
    }
}

impl Wire for Loop {
    fn receive(&self, sink: &mut dyn Sink, peek: Peek) -> Result<usize> {
        let mut incoming = self.mine().incoming.borrow_mut();
        let urgent = &self.mine().urgent;
        if urgent.is_next() && !self.is_inline() && sink.room() > 0 {
            // The byte was received beside the stream, or is lost.
            incoming.skip(1);
            urgent.advance(1);
        }
        if incoming.is_empty() {
            return if self.other().finished.get() { Ok(0) } else { Err(Errno::EAGAIN) };
        }
        if peek == Peek::Yes {
            return incoming.peek(&mut Capped { limit: urgent.limit(), sink });
        }
        let count = incoming.drain(&mut Capped { limit: urgent.limit(), sink })?;
        urgent.advance(count);
        drop(incoming);
        self.with_peer(|peer| {
            if peer.common.no_space.get() && peer.wire_has_room() {
                peer.common.wake_writers();
            }
        });
        Ok(count)
    }

    fn send(&self, source: &mut dyn Source) -> Result<usize> {
        if self.other().closed.get() {
            return self.send_to_closed(source);
        }
        if source.left() == 0 {
            return Ok(0);
        }
        match self.other().incoming.borrow_mut().fill(source, self.limit())? {
            0 => Err(Errno::EAGAIN),
            count => {
                self.with_peer(|peer| peer.common.wake_readers());
                Ok(count)
            }
        }
    }

    fn finish(&self) {
        if !self.mine().finished.replace(true) {
            self.with_peer(|peer| peer.common.wake_readers());
        }
    }

    fn close(&self, manner: Manner) {
        self.mine().closed.set(true);
        let unread = !self.mine().incoming.borrow().is_empty();
        if (manner == Manner::Abort || unread) && !self.other().closed.get() {
            // The peer reads ECONNRESET; if a FIN came before the RST, it has its end of file already and writes fail
            // with EPIPE.
            let errno = if self.mine().finished.get() { Errno::EPIPE } else { Errno::ECONNRESET };
            self.with_peer(|peer| peer.reset(errno));
        } else {
            self.mine().finished.set(true);
            self.with_peer(|peer| peer.common.wake_readers());
        }
    }

    fn has_bytes(&self, least: usize) -> bool {
        let beside = usize::from(self.mine().urgent.is_next() && !self.is_inline());
        self.readable_bytes() >= least + beside
    }

    fn send_urgent(&self, bytes: &[u8]) -> Result<usize> {
        if self.other().closed.get() {
            return self.send_to_closed(&mut &*bytes);
        }
        self.send_marked(bytes)
    }

    fn urgent(&self) -> Option<&Urgent> {
        Some(&self.mine().urgent)
    }

    fn readable_bytes(&self) -> usize {
        self.mine().incoming.borrow().len()
    }

    fn unsent_bytes(&self) -> usize {
        // What the peer's queue holds is acknowledged.
        0
    }

    fn peer_finished(&self) -> bool {
        self.other().finished.get()
    }

    fn has_room(&self) -> bool {
        self.other().incoming.borrow().len() <= self.limit() / 3 * 2
    }
}
