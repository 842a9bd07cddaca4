//! A monitor in a closure, and a listening socket that serves its connections.

use crate::errno::Errno;
use crate::fs::io::{Collect, Place, Sink};
use crate::net::Net;
use crate::net::address::Address;
use crate::net::message::{Incoming, Outgoing, Peer};
use crate::net::socket::{Halves, Protocol, SocketKind};
use km_abi::hypercall::{AGAIN, Event, EventKind, HyperPage, Idle, OpCode, Port};
use km_abi::layout::INPUT_GPA;
use km_hal::phys;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

/// What the monitor of a test has got and has to give.
#[derive(Default)]
struct Monitor {
    exits: usize,
    /// Operation codes in order.
    seen: Vec<u32>,
    received: Vec<u8>,
    /// Bytes it takes before it is full.
    room: Option<usize>,
    to_send: VecDeque<u8>,
    has_ended: bool,
    /// Announces the end again to whoever has read it.
    insists: bool,
    /// What comes just after a read has found nothing, and is announced with the same exit.
    late: Vec<u8>,
    events: Vec<(Event, Vec<u8>)>,
}

impl Monitor {
    fn start() -> Rc<RefCell<Self>> {
        km_hal::host::reset(16 << 20);
        let monitor = Rc::new(RefCell::new(Self::default()));
        let shared = Rc::clone(&monitor);
        km_hal::host::on_doorbell(move |port, page| shared.borrow_mut().answer(port, page));
        monitor
    }

    fn answer(&mut self, _port: Port, page: &mut HyperPage) {
        self.exits += 1;
        let (mut is_stopped, mut is_drained) = (false, false);
        for index in 0..page.op_count as usize {
            let op = &mut page.ops[index];
            self.seen.push(op.code);
            op.result = match OpCode::try_from(op.code).unwrap() {
                _ if is_stopped => AGAIN,
                OpCode::Read if is_drained => AGAIN,
                OpCode::Write => {
                    let count = self.room.unwrap_or(usize::MAX).min(op.len as usize);
                    let mut bytes = vec![0; count];
                    phys::read(op.gpa, &mut bytes);
                    self.received.extend(bytes);
                    self.room = self.room.map(|room| room - count);
                    is_stopped = count < op.len as usize;
                    count as i64
                }
                OpCode::Read => {
                    let count = self.to_send.len().min(op.len as usize);
                    let bytes: Vec<u8> = self.to_send.drain(..count).collect();
                    phys::write(op.gpa, &bytes);
                    is_drained = count < op.len as usize;
                    if count == 0 && !self.has_ended { AGAIN } else { count as i64 }
                }
                _ => 0,
            };
            if self.insists && op.code == OpCode::Read as u32 && op.result == 0 && self.exits < 100 {
                self.event(EventKind::Readable, b"");
            }
            if op.result == AGAIN && !self.late.is_empty() {
                self.to_send.extend(self.late.drain(..));
                self.event(EventKind::Readable, b"");
            }
        }
        let mut position = INPUT_GPA;
        for (index, (event, bytes)) in self.events.drain(..).enumerate() {
            phys::write(position, &bytes);
            position += bytes.len() as u64;
            page.events[index] = Event { value: bytes.len() as u64, ..event };
            page.event_count = index as u32 + 1;
        }
    }

    fn event(&mut self, kind: EventKind, bytes: &[u8]) {
        let event = Event { kind: kind as u32, stream: 16, port: 8080, ..Event::default() };
        self.events.push((event, bytes.to_vec()));
    }
}

fn listen(net: &Net) -> Rc<dyn Protocol> {
    let kind = SocketKind { domain: 2, kind: 1, protocol: 0 };
    let listener = net.socket(kind, Peer::default()).unwrap();
    listener.bind(Peer::default(), &Address::Ip("0.0.0.0:8080".parse().unwrap())).unwrap();
    listener.listen(Peer::default(), 5).unwrap();
    listener
}

fn read(socket: &dyn Protocol, limit: usize) -> Result<Vec<u8>, Errno> {
    let mut out = Collect { bytes: Vec::new(), limit };
    socket.receive(&mut Incoming::plain(&mut out))?;
    Ok(out.bytes)
}

fn write(socket: &dyn Protocol, mut bytes: &[u8]) -> Result<usize, Errno> {
    socket.send(&mut Outgoing::plain(&mut bytes, Peer::default()))
}

#[test]
fn a_call_takes_one_exit_in_and_one_out() {
    let monitor = Monitor::start();
    let net = Net::default();
    let listener = listen(&net);
    assert_eq!(listener.accept().err(), Some(Errno::EAGAIN));
    monitor.borrow_mut().event(EventKind::Open, b"GET / HTTP/1.1\r\n\r\n");
    net.idle(Idle::default(), &mut |_, _| false);
    let client = listener.accept().unwrap();
    assert_eq!(read(&*client, 100).unwrap(), b"GET / HTTP/1.1\r\n\r\n");
    assert_eq!(read(&*client, 100), Err(Errno::EAGAIN));
    write(&*client, b"HTTP/1.1 200 OK\r\n").unwrap();
    write(&*client, b"\r\n").unwrap();
    client.shutdown(Halves::WRITE).unwrap();
    client.close();
    net.idle(Idle::default(), &mut |_, _| false);
    let monitor = monitor.borrow();
    assert_eq!(monitor.received, b"HTTP/1.1 200 OK\r\n\r\n");
    assert_eq!(monitor.seen, [OpCode::Write as u32, OpCode::ShutdownWrite as u32, OpCode::Close as u32]);
    assert_eq!(monitor.exits, 2);
}

#[test]
fn a_large_body_is_fetched_as_it_is_read() {
    let monitor = Monitor::start();
    let net = Net::default();
    let listener = listen(&net);
    monitor.borrow_mut().to_send = (0..3_000_000u32).map(|index| (index * 7) as u8).collect();
    monitor.borrow_mut().event(EventKind::Open, b"head");
    monitor.borrow_mut().event(EventKind::Readable, b"more");
    net.idle(Idle::default(), &mut |_, _| false);
    let client = listener.accept().unwrap();
    // One read returns the bytes that came with the event and those that are fetched.
    let first = read(&*client, 100).unwrap();
    assert_eq!((&first[..8], first.len()), (&b"headmore"[..], 100));
    let mut body = first[8..].to_vec();
    while body.len() < 3_000_000 {
        body.extend(read(&*client, 1 << 16).unwrap());
    }
    assert!(body.iter().enumerate().all(|(index, byte)| *byte == (index as u32 * 7) as u8));
    assert_eq!(read(&*client, 10), Err(Errno::EAGAIN));
    monitor.borrow_mut().has_ended = true;
    monitor.borrow_mut().event(EventKind::Readable, b"");
    net.idle(Idle::default(), &mut |_, _| false);
    assert_eq!(read(&*client, 10).unwrap(), b"");
    assert!(monitor.borrow().exits < 60, "{} exits", monitor.borrow().exits);
}

#[test]
fn an_end_that_is_announced_again_is_read_once() {
    let monitor = Monitor::start();
    let net = Net::default();
    let listener = listen(&net);
    monitor.borrow_mut().event(EventKind::Open, b"x");
    monitor.borrow_mut().event(EventKind::Readable, b"");
    (monitor.borrow_mut().has_ended, monitor.borrow_mut().insists) = (true, true);
    net.idle(Idle::default(), &mut |_, _| false);
    let client = listener.accept().unwrap();
    assert_eq!(read(&*client, 10).unwrap(), b"x");
    assert_eq!(read(&*client, 10).unwrap(), b"");
    assert!(monitor.borrow().exits < 5, "{} exits", monitor.borrow().exits);
}

#[test]
fn bytes_that_come_with_the_exit_that_found_none_are_read() {
    let monitor = Monitor::start();
    let net = Net::default();
    let listener = listen(&net);
    // As much as the first fetch asks for: the library OS has to ask again to know that there is no more.
    monitor.borrow_mut().to_send = [b'a'; 16 << 10].into();
    monitor.borrow_mut().event(EventKind::Open, b"");
    monitor.borrow_mut().event(EventKind::Readable, b"");
    net.idle(Idle::default(), &mut |_, _| false);
    let client = listener.accept().unwrap();
    assert_eq!(read(&*client, 16 << 10).unwrap().len(), 16 << 10);
    monitor.borrow_mut().late = b"late".to_vec();
    assert_eq!(read(&*client, 100).unwrap(), b"late");
    assert_eq!(read(&*client, 100), Err(Errno::EAGAIN));
}

#[test]
fn what_the_monitor_does_not_take_is_kept_and_sent_before_the_close() {
    let monitor = Monitor::start();
    let net = Net::default();
    let listener = listen(&net);
    monitor.borrow_mut().room = Some(300_000);
    monitor.borrow_mut().event(EventKind::Open, b"");
    net.idle(Idle::default(), &mut |_, _| false);
    let client = listener.accept().unwrap();
    let body: Vec<u8> = (0..400_000u32).map(|index| (index * 11) as u8).collect();
    let taken = write(&*client, &body).unwrap();
    assert!((300_000..=400_000).contains(&taken));
    client.close();
    net.idle(Idle::default(), &mut |_, _| false);
    assert_eq!(monitor.borrow().received.len(), 300_000);
    monitor.borrow_mut().room = None;
    monitor.borrow_mut().event(EventKind::Writable, b"");
    net.idle(Idle::default(), &mut |_, _| false);
    net.idle(Idle::default(), &mut |_, _| false);
    let monitor = monitor.borrow();
    assert_eq!(monitor.received, body[..taken]);
    assert_eq!(monitor.seen.last(), Some(&(OpCode::Close as u32)));
}

#[test]
fn listeners_are_reported_and_connections_without_one_are_closed() {
    let monitor = Monitor::start();
    let net = Net::default();
    monitor.borrow_mut().event(EventKind::Open, b"x");
    net.idle(Idle::default(), &mut |_, _| false);
    net.idle(Idle::default(), &mut |_, _| false);
    assert_eq!(monitor.borrow().seen, [OpCode::Close as u32]);
    let listener = listen(&net);
    let mut idle = Idle::default();
    let key = listener.common().queue.key();
    net.describe(&mut idle, |waited| waited == key);
    assert_eq!((idle.listener_count, idle.listeners[0].port, idle.listeners[0].awaited), (1, 8080, 1));
}

#[test]
fn a_client_that_hangs_up_breaks_the_pipe() {
    let monitor = Monitor::start();
    let net = Net::default();
    let listener = listen(&net);
    monitor.borrow_mut().event(EventKind::Open, b"x");
    net.idle(Idle::default(), &mut |_, _| false);
    let client = listener.accept().unwrap();
    monitor.borrow_mut().event(EventKind::Hangup, b"");
    net.idle(Idle::default(), &mut |_, _| false);
    assert_eq!(read(&*client, 10).unwrap(), b"x");
    assert_eq!(write(&*client, b"y"), Err(Errno::ECONNRESET));
    assert_eq!(write(&*client, b"y"), Err(Errno::EPIPE));
    assert_eq!(read(&*client, 10).unwrap(), b"");
}

/// Memory of a program in pieces that do not lie beside each other.
struct Scattered {
    pieces: Vec<Place>,
    done: u64,
}

impl Scattered {
    fn left(&self) -> Vec<Place> {
        let mut skip = self.done;
        let rest = self.pieces.iter().filter_map(|&(gpa, len)| {
            let gone = skip.min(len);
            skip -= gone;
            (gone < len).then_some((gpa + gone, len - gone))
        });
        rest.collect()
    }

    fn bytes(&self) -> Vec<u8> {
        let mut all = Vec::new();
        for &(gpa, len) in &self.pieces {
            let mut bytes = vec![0; len as usize];
            phys::read(gpa, &mut bytes);
            all.extend(bytes);
        }
        all.truncate(self.done as usize);
        all
    }
}

impl Sink for Scattered {
    fn room(&self) -> usize {
        self.left().iter().map(|piece| piece.1 as usize).sum()
    }

    fn put(&mut self, bytes: &[u8]) -> crate::errno::Result<usize> {
        let mut bytes = &bytes[..bytes.len().min(self.room())];
        let count = bytes.len();
        for (gpa, len) in self.left() {
            let (now, rest) = bytes.split_at(bytes.len().min(len as usize));
            phys::write(gpa, now);
            bytes = rest;
        }
        self.done += count as u64;
        Ok(count)
    }

    fn places(&mut self, most: usize) -> Vec<Place> {
        let mut left = most as u64;
        let piece = |(gpa, len): Place| {
            let len = len.min(left);
            left -= len;
            (gpa, len)
        };
        self.left().into_iter().map(piece).filter(|place| place.1 > 0).collect()
    }

    fn put_in_place(&mut self, count: usize) {
        self.done += count as u64;
    }
}

#[test]
fn much_is_fetched_to_where_it_belongs() {
    let monitor = Monitor::start();
    let net = Net::default();
    let listener = listen(&net);
    let body: Vec<u8> = (0..300_000u32).map(|index| (index * 13) as u8).collect();
    monitor.borrow_mut().event(EventKind::Open, b"");
    monitor.borrow_mut().event(EventKind::Readable, b"");
    // What fills a fetch says that much comes at a time.
    monitor.borrow_mut().to_send = [7; 100_000].into_iter().chain(body.iter().copied()).collect();
    net.idle(Idle::default(), &mut |_, _| false);
    let client = listener.accept().unwrap();
    assert_eq!(read(&*client, 100_000).unwrap().len(), 100_000);
    let mut sink = Scattered {
        pieces: vec![(0x40_0000, 4096), (0x50_0003, 100_000), (0x60_0000, 150_000), (0x70_0000, 100_000)],
        done: 0,
    };
    let before = monitor.borrow().exits;
    let count = client.receive(&mut Incoming::plain(&mut sink)).unwrap();
    assert_eq!(count, 300_000);
    assert!(sink.bytes() == body);
    assert!(monitor.borrow().exits - before < 4, "{} exits", monitor.borrow().exits - before);
    assert_eq!(read(&*client, 10), Err(Errno::EAGAIN));
}
