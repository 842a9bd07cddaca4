//! A slot's connections, with the broker played by the test.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};

use km_abi::hypercall::Event;
use zerocopy::FromBytes;

use super::*;

const STREAM: u32 = FIRST_OUTBOUND + 7;

fn end(transport: Transport, address: SocketAddr) -> Endpoint {
    Endpoint::new(transport, address)
}

fn asked(broker: &OwnedFd) -> Ask {
    Ask::decode(&packet::receive(broker).unwrap().bytes).unwrap()
}

fn news(outbound: &mut Outbound) -> Vec<(EventKind, u32, Vec<u8>)> {
    let mut arrivals = Arrivals::default();
    outbound.announce(&mut arrivals);
    let (events, mut input) = arrivals.parts();
    let one = |event: &Event| {
        let kind = EventKind::try_from(event.kind).unwrap();
        let brings = matches!(kind, EventKind::Connected | EventKind::Readable | EventKind::Arrived);
        let (bytes, rest) = input.split_at(if brings { event.value as usize } else { 0 });
        input = rest;
        (kind, event.stream, if brings { bytes.to_vec() } else { event.value.to_le_bytes().to_vec() })
    };
    events.iter().map(one).collect()
}

/// Waits for news: what peers do over the loopback network takes a moment.
fn wait(outbound: &mut Outbound) -> Vec<(EventKind, u32, Vec<u8>)> {
    for _ in 0..1000 {
        let came = news(outbound);
        if !came.is_empty() {
            return came;
        }
        let mut fds: Vec<_> = outbound.poll_fds().collect();
        let limit = Timespec { tv_sec: 0, tv_nsec: 10_000_000 };
        poll(&mut fds, Some(&limit)).unwrap();
    }
    panic!("no news");
}

/// A stream of the machine that is connected to the other end.
fn connected(transport: Transport, socket: OwnedFd) -> (OwnedFd, Outbound) {
    let (broker, mut outbound) = broker();
    let to = end(transport, "192.0.2.1:80".parse().unwrap());
    assert_eq!(outbound.connect(STREAM, to), Transfer::Done(0));
    let ask = asked(&broker);
    assert_eq!(ask.wish, Wish::Connect(to));
    let local = end(transport, "192.0.0.2:4000".parse().unwrap());
    let grant = Grant { id: ask.id, outcome: Ok(local) };
    packet::send(&broker, &grant.encode(), &[socket.as_fd()]).unwrap();
    let came = wait(&mut outbound);
    assert_eq!((came.len(), came[0].0, came[0].1), (1, EventKind::Connected, STREAM));
    assert_eq!(Endpoint::read_from_bytes(&came[0].2).unwrap(), local);
    (broker, outbound)
}

fn tcp() -> (TcpStream, OwnedFd, Outbound) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (far, _) = listener.accept().unwrap();
    let (broker, outbound) = connected(Transport::Tcp, near.into());
    (far, broker, outbound)
}

#[test]
fn without_a_broker_nothing_is_reached() {
    let mut outbound = Outbound::default();
    let to = end(Transport::Tcp, "192.0.2.1:80".parse().unwrap());
    assert_eq!(outbound.connect(STREAM, to), Transfer::Failed(ENETUNREACH));
    assert_eq!(outbound.read(STREAM, &mut [0; 9]), Transfer::Unknown);
}

#[test]
fn wrong_wishes_of_the_guest_reach_no_broker() {
    let (broker, mut outbound) = broker();
    let to = end(Transport::Tcp, "192.0.2.1:80".parse().unwrap());
    assert_eq!(outbound.connect(FIRST_OUTBOUND - 1, to), Transfer::Unknown);
    assert_eq!(outbound.connect(STREAM, Endpoint { transport: 1, ..to }), Transfer::Unknown);
    assert_eq!(outbound.connect(STREAM, to), Transfer::Done(0));
    assert_eq!(outbound.connect(STREAM, to), Transfer::Unknown, "the stream is there");
    for stream in 1..OUTBOUND_MAX as u32 {
        assert_eq!(outbound.connect(STREAM + stream, to), Transfer::Done(0));
    }
    assert_eq!(outbound.connect(STREAM + 1000, to), Transfer::Failed(EMFILE));
    let ids: std::collections::BTreeSet<_> = (0..OUTBOUND_MAX).map(|_| asked(&broker).id).collect();
    assert_eq!(ids.len(), OUTBOUND_MAX);
    assert!(packet::receive_now(&broker).is_err(), "no further question");
}

#[test]
fn bytes_pass_both_ways_and_the_ends_are_told() {
    let (mut far, broker, mut outbound) = tcp();
    assert_eq!(outbound.write(STREAM, b"question"), Transfer::Done(8));
    let mut buffer = [0; 64];
    assert_eq!(far.read(&mut buffer).unwrap(), 8);
    assert_eq!(outbound.read(STREAM, &mut buffer), Transfer::Again);
    far.write_all(b"answer").unwrap();
    assert_eq!(wait(&mut outbound), [(EventKind::Arrived, STREAM, b"answer".to_vec())]);
    assert!(news(&mut outbound).is_empty(), "told once");
    far.write_all(b"more").unwrap();
    assert_eq!(
        wait(&mut outbound),
        [(EventKind::Readable, STREAM, Vec::new())],
        "bytes of one answer go along"
    );
    far.write_all(b" and more").unwrap();
    assert!(news(&mut outbound).is_empty(), "the guest knows");
    assert_eq!(outbound.read(STREAM, &mut buffer), Transfer::Done(13));
    assert_eq!(outbound.read(STREAM, &mut buffer), Transfer::Again);
    assert_eq!(outbound.shutdown_write(STREAM), Transfer::Done(0));
    assert_eq!(far.read(&mut buffer).unwrap(), 0, "the end is seen");
    drop(far);
    assert_eq!(wait(&mut outbound), [(EventKind::Ended, STREAM, 0u64.to_le_bytes().to_vec())]);
    assert_eq!(outbound.read(STREAM, &mut buffer), Transfer::Done(0));
    assert_eq!(outbound.close(STREAM), Transfer::Done(0));
    assert!(outbound.is_empty());
    assert_eq!(asked(&broker).wish, Wish::Closed);
}

#[test]
fn a_reset_is_an_error_of_the_stream() {
    let (far, _broker, mut outbound) = tcp();
    sockopt::set_socket_linger(&far, Some(Duration::ZERO)).unwrap();
    drop(far);
    let reset = u64::from(number(Errno::CONNRESET)).to_le_bytes().to_vec();
    assert_eq!(wait(&mut outbound), [(EventKind::Failed, STREAM, reset)]);
    assert_eq!(outbound.write(STREAM, b"x"), Transfer::Broken);
    assert!(news(&mut outbound).is_empty());
}

#[test]
fn a_peer_that_does_not_read_stops_the_stream() {
    let (mut far, _broker, mut outbound) = tcp();
    let block = vec![7; 1 << 20];
    let mut sent = 0;
    loop {
        match outbound.write(STREAM, &block) {
            Transfer::Done(count) if count < block.len() => {
                sent += count;
                break;
            }
            Transfer::Done(count) => sent += count,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(outbound.close(STREAM), Transfer::Again, "what waits goes first");
    assert!(news(&mut outbound).is_empty());
    let mut left = sent;
    let mut buffer = vec![0; 1 << 20];
    while left > 0 {
        left -= far.read(&mut buffer).unwrap();
    }
    assert_eq!(wait(&mut outbound)[0].0, EventKind::Writable);
}

#[test]
fn datagrams_stay_whole() {
    let far = UdpSocket::bind("127.0.0.1:0").unwrap();
    let near = UdpSocket::bind("127.0.0.1:0").unwrap();
    near.connect(far.local_addr().unwrap()).unwrap();
    far.connect(near.local_addr().unwrap()).unwrap();
    let (_broker, mut outbound) = connected(Transport::Udp, near.into());
    let framed = [&[3, 0][..], b"one", &[0, 0], &[4, 0], b"four"].concat();
    assert_eq!(outbound.write(STREAM, &framed), Transfer::Done(framed.len()));
    let mut buffer = vec![0; 128 << 10];
    for expected in [&b"one"[..], b"", b"four"] {
        let count = far.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..count], expected);
    }
    for bytes in [&b"ab"[..], b"", &[9; DATAGRAM_MAX]] {
        far.send(bytes).unwrap();
    }
    assert_eq!(wait(&mut outbound), [(EventKind::Arrived, STREAM, vec![2, 0, b'a', b'b'])]);
    let Transfer::Done(count) = outbound.read(STREAM, &mut buffer) else { panic!() };
    assert_eq!((count, &buffer[..4]), (2 + 2 + DATAGRAM_MAX, &[0, 0, 0xe3, 0xff][..]));
}

#[test]
fn answers_that_nobody_waits_for_are_dropped() {
    let (broker, mut outbound) = broker();
    let to = end(Transport::Tcp, "192.0.2.1:80".parse().unwrap());
    outbound.connect(STREAM, to);
    let first = asked(&broker).id;
    outbound.clear();
    outbound.connect(STREAM, to);
    let second = asked(&broker).id;
    assert_ne!(first, second);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let late = Grant { id: first, outcome: Ok(to) };
    packet::send(&broker, &late.encode(), &[listener.as_fd()]).unwrap();
    packet::send(&broker, &Grant { id: second, outcome: Err(111) }.encode(), &[]).unwrap();
    assert_eq!(wait(&mut outbound), [(EventKind::Failed, STREAM, 111u64.to_le_bytes().to_vec())]);
}

#[test]
fn a_broker_that_is_gone_or_talks_nonsense_reaches_nothing_more() {
    for nonsense in [&b"what?"[..], &[]] {
        let (broker, mut outbound) = broker();
        outbound.connect(STREAM, end(Transport::Tcp, "192.0.2.1:80".parse().unwrap()));
        if nonsense.is_empty() {
            drop(broker);
        } else {
            packet::send(&broker, nonsense, &[]).unwrap();
        }
        assert_eq!(wait(&mut outbound)[0].0, EventKind::Failed);
        let to = end(Transport::Tcp, "192.0.2.1:81".parse().unwrap());
        assert_eq!(outbound.connect(STREAM + 1, to), Transfer::Failed(ENETUNREACH));
    }
}

#[test]
fn news_that_finds_no_room_is_told_later() {
    let (broker, mut outbound) = broker();
    let to = end(Transport::Tcp, "192.0.2.1:80".parse().unwrap());
    outbound.connect(STREAM, to);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (mut far, _) = listener.accept().unwrap();
    let grant = Grant { id: asked(&broker).id, outcome: Ok(to) };
    packet::send(&broker, &grant.encode(), &[near.as_fd()]).unwrap();
    // Neither an event nor, beside a long request, its bytes find room.
    let mut full = Arrivals::default();
    assert!(full.open(16, 80, &vec![0; 1 << 20]).is_some());
    outbound.announce(&mut full);
    assert_eq!(full.parts().0.len(), 1);
    assert_eq!(wait(&mut outbound)[0].0, EventKind::Connected);
    far.write_all(b"x").unwrap();
    assert_eq!(wait(&mut outbound)[0].0, EventKind::Arrived);
    drop(far);
    let mut full = Arrivals::default();
    while full.push(EventKind::Writable, 16) {}
    while !outbound.poll_fds().any(|fd| poll(&mut [fd], Some(&Timespec::default())).unwrap() > 0) {}
    outbound.announce(&mut full);
    assert_eq!(wait(&mut outbound)[0].0, EventKind::Ended);
}

#[test]
fn what_was_sent_before_the_grant_is_owed_until_it_left() {
    let (broker, mut outbound) = broker();
    let to = end(Transport::Udp, "192.0.2.1:8125".parse().unwrap());
    assert_eq!(outbound.connect(STREAM, to), Transfer::Done(0));
    assert!(!outbound.owes(), "nothing was sent");
    let datagram = [&2u16.to_le_bytes()[..], b"hi"].concat();
    assert_eq!(outbound.write(STREAM, &datagram), Transfer::Done(0));
    assert!(outbound.owes());
    let ask = asked(&broker);
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(peer.local_addr().unwrap()).unwrap();
    let socket = OwnedFd::from(socket);
    let grant = Grant { id: ask.id, outcome: Ok(end(Transport::Udp, "192.0.0.2:4000".parse().unwrap())) };
    packet::send(&broker, &grant.encode(), &[socket.as_fd()]).unwrap();
    while !wait(&mut outbound).iter().any(|(kind, ..)| *kind == EventKind::Writable) {}
    assert!(outbound.owes(), "the guest knows of the room, and has not used it");
    assert_eq!(outbound.write(STREAM, &datagram), Transfer::Done(datagram.len()));
    assert!(!outbound.owes());
    assert_eq!(peer.recv(&mut [0; 9]).unwrap(), 2);

    // Of a connection that failed nothing is owed.
    assert_eq!(outbound.connect(STREAM + 1, to), Transfer::Done(0));
    assert_eq!(outbound.write(STREAM + 1, &datagram), Transfer::Done(0));
    let refusal = Grant { id: asked(&broker).id, outcome: Err(ENETUNREACH) };
    packet::send(&broker, &refusal.encode(), &[]).unwrap();
    wait(&mut outbound);
    assert!(!outbound.owes());
}

#[test]
fn much_passes_between_socket_and_memory() {
    let (mut far, _broker, mut outbound) = tcp();
    let memory = GuestMemory::anonymous(km_abi::layout::MEMORY_MIN).unwrap();
    let gpa = 0x40_0001;
    let question: Vec<u8> = (0..100_000u32).map(|index| (index * 3) as u8).collect();
    memory.write(gpa, &question).unwrap();
    assert_eq!(
        outbound.write_from(STREAM, &memory, gpa, question.len()).unwrap(),
        Some(Transfer::Done(100_000))
    );
    let mut seen = vec![0; 100_000];
    far.read_exact(&mut seen).unwrap();
    assert!(seen == question);
    // A peer that does not read: what it does not take stays the program's, and the call does not wait for it.
    let written = loop {
        match outbound.write_from(STREAM, &memory, gpa, 1 << 20).unwrap() {
            Some(Transfer::Done(count)) if count == 1 << 20 => {}
            other => break other,
        }
    };
    assert!(matches!(written, Some(Transfer::Done(count)) if count < 1 << 20));
    assert!(!outbound.owes() && outbound.find(STREAM).unwrap().stopped);
    far.write_all(&question).unwrap();
    assert!(!wait(&mut outbound).is_empty());
    // The first bytes came along with the news of them, and the rest is fetched.
    let mut done = AHEAD_MAX;
    while done < question.len() {
        match outbound.read_into(STREAM, &memory, gpa, 1 << 20).unwrap() {
            Some(Transfer::Done(count)) => {
                let mut bytes = vec![0; count];
                memory.read(gpa, &mut bytes).unwrap();
                assert!(bytes == question[done..done + count]);
                done += count;
            }
            other => assert_eq!(other, Some(Transfer::Again)),
        }
    }
    let beyond = km_abi::layout::MEMORY_MIN - 5;
    assert!(outbound.read_into(STREAM, &memory, beyond, 6).is_err());
    assert!(outbound.write_from(STREAM, &memory, beyond, 6).is_err());
    // The next much is only announced.
    outbound.find(STREAM).unwrap().is_bulk = true;
    far.write_all(b"x").unwrap();
    assert_eq!(wait(&mut outbound), [(EventKind::Readable, STREAM, Vec::new())]);
    assert_eq!(outbound.read_into(STREAM + 1, &memory, gpa, 1).unwrap(), None);
}
