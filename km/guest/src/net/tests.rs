//! Sockets of a machine talking to each other, and what Linux answers when they cannot.

use super::address::{Address, UnixName};
use super::message::{Incoming, Outgoing, Peer};
use super::socket::{Halves, Protocol, SocketKind};
use super::{Net, options, raw};
use crate::errno::Errno;
use crate::fs::file::Ready;
use crate::fs::io::Collect;
use std::rc::Rc;

const STREAM: u32 = 1;
const DATAGRAM: u32 = 2;
const PACKET: u32 = 5;

fn make(net: &Net, domain: u32, kind: u32) -> Rc<dyn Protocol> {
    net.socket(SocketKind { domain, kind, protocol: 0 }, Peer { pid: 7, uid: 1000, gid: 1000 }).unwrap()
}

fn ip(text: &str) -> Address {
    Address::Ip(text.parse().unwrap())
}

fn named(name: &[u8]) -> Address {
    Address::Unix(UnixName::Abstract(name.to_vec()))
}

fn bind(socket: &Rc<dyn Protocol>, address: &Address) -> Result<(), Errno> {
    socket.bind(Peer::default(), address)
}

fn connect(socket: &Rc<dyn Protocol>, address: &Address) -> Result<(), Errno> {
    match socket.connect(Peer { pid: 8, uid: 5, gid: 5 }, address) {
        Err(Errno::EINPROGRESS) => socket.connect(Peer::default(), address),
        result => result,
    }
}

fn write(socket: &Rc<dyn Protocol>, mut bytes: &[u8]) -> Result<usize, Errno> {
    socket.send(&mut Outgoing::plain(&mut bytes, Peer { pid: 9, uid: 1, gid: 2 }))
}

fn send_to(socket: &Rc<dyn Protocol>, mut bytes: &[u8], to: &Address) -> Result<usize, Errno> {
    let mut message = Outgoing { to: Some(to.clone()), ..Outgoing::plain(&mut bytes, Peer::default()) };
    socket.send(&mut message)
}

fn read_with(
    socket: &Rc<dyn Protocol>,
    limit: usize,
    flags: u32,
) -> Result<(Vec<u8>, Option<Address>, u32), Errno> {
    let mut out = Collect { bytes: Vec::new(), limit };
    let mut incoming = Incoming { flags, ..Incoming::plain(&mut out) };
    socket.receive(&mut incoming)?;
    let (from, result_flags) = (incoming.from.clone(), incoming.result_flags);
    Ok((out.bytes, from, result_flags))
}

fn read(socket: &Rc<dyn Protocol>, limit: usize) -> Result<Vec<u8>, Errno> {
    read_with(socket, limit, 0).map(|read| read.0)
}

/// A listener at `address` and both ends of a connection to it.
fn tcp(net: &Net, domain: u32, address: &Address) -> (Rc<dyn Protocol>, Rc<dyn Protocol>, Rc<dyn Protocol>) {
    let listener = make(net, domain, STREAM);
    bind(&listener, address).unwrap();
    listener.listen(Peer::default(), 1).unwrap();
    let client = make(net, domain, STREAM);
    connect(&client, &listener.local()).unwrap();
    let server = listener.accept().unwrap();
    (listener, client, server)
}

#[test]
fn tcp_carries_bytes_both_ways_and_ends_in_order() {
    let net = Net::default();
    let (_, client, server) = tcp(&net, raw::AF_INET, &ip("127.0.0.1:0"));
    assert_eq!(client.peer().unwrap(), server.local());
    assert_eq!(server.peer().unwrap(), client.local());
    write(&client, b"hello").unwrap();
    assert_eq!(server.ready(), Ready::IN | Ready::OUT);
    assert_eq!(read_with(&server, 3, raw::MSG_PEEK).unwrap().0, b"hel");
    assert_eq!(server.readable_bytes(), 5);
    assert_eq!(read(&server, 10).unwrap(), b"hello");
    assert_eq!(read(&server, 10), Err(Errno::EAGAIN));
    client.shutdown(Halves::WRITE).unwrap();
    assert_eq!(server.ready(), Ready::IN | Ready::OUT | Ready::RDHUP);
    assert_eq!(read(&server, 10).unwrap(), b"");
    write(&server, b"bye").unwrap();
    server.close();
    assert_eq!(write(&client, b"x"), Err(Errno::EPIPE));
    assert_eq!(read(&client, 10).unwrap(), b"bye");
    assert_eq!(read(&client, 10).unwrap(), b"");
}

#[test]
fn tcp_close_with_unread_bytes_resets() {
    let net = Net::default();
    let (_, client, server) = tcp(&net, raw::AF_INET, &ip("127.0.0.1:0"));
    write(&client, b"unread").unwrap();
    server.close();
    assert!(client.ready().contains(Ready::ERR | Ready::HUP));
    assert_eq!(read(&client, 1), Err(Errno::ECONNRESET));
    assert_eq!(read(&client, 1).unwrap(), b"");
    assert_eq!(write(&client, b"x"), Err(Errno::EPIPE));
}

#[test]
fn tcp_write_to_a_closed_peer_breaks_the_pipe_the_second_time() {
    let net = Net::default();
    let (_, client, server) = tcp(&net, raw::AF_INET, &ip("127.0.0.1:0"));
    server.close();
    assert_eq!(write(&client, b"x"), Ok(1));
    assert_eq!(write(&client, b"x"), Err(Errno::EPIPE));
}

#[test]
fn tcp_buffers_are_bounded_and_room_wakes_the_writer() {
    let net = Net::default();
    let (_, client, server) = tcp(&net, raw::AF_INET, &ip("127.0.0.1:0"));
    let block = vec![7; 100_000];
    let mut sent = 0;
    while let Ok(count) = write(&client, &block) {
        sent += count;
    }
    assert_eq!(sent, 256 << 10);
    assert!(!client.ready().contains(Ready::OUT));
    let before = client.common().queue.wakes();
    assert_eq!(read(&server, 1000).unwrap().len(), 1000);
    assert_eq!(client.common().queue.wakes(), before);
    assert_eq!(read(&server, 200_000).unwrap().len(), 200_000);
    assert!(client.common().queue.wakes() > before);
    assert!(client.ready().contains(Ready::OUT));
}

#[test]
fn tcp_backlog_makes_clients_wait() {
    let net = Net::default();
    let listener = make(&net, raw::AF_INET, STREAM);
    bind(&listener, &ip("127.0.0.1:4000")).unwrap();
    listener.listen(Peer::default(), 0).unwrap();
    let clients: Vec<_> = (0..3).map(|_| make(&net, raw::AF_INET, STREAM)).collect();
    let results: Vec<_> = clients.iter().map(|client| connect(client, &listener.local())).collect();
    assert_eq!(results, [Ok(()), Err(Errno::EALREADY), Err(Errno::EALREADY)]);
    listener.accept().unwrap();
    assert_eq!(connect(&clients[1], &listener.local()), Ok(()));
    listener.close();
    assert_eq!(connect(&clients[2], &ip("127.0.0.1:4000")), Err(Errno::ECONNREFUSED));
    assert_eq!(read(&clients[1], 1), Err(Errno::ECONNRESET));
}

#[test]
fn tcp_refusals() {
    let net = Net::default();
    let client = make(&net, raw::AF_INET, STREAM);
    assert_eq!(client.ready(), Ready::OUT | Ready::HUP);
    assert_eq!(connect(&client, &ip("127.0.0.1:1")), Err(Errno::ECONNREFUSED));
    assert_eq!(connect(&client, &ip("93.184.216.34:80")), Err(Errno::ENETUNREACH));
    assert_eq!(connect(&client, &ip("[::1]:80")), Err(Errno::EAFNOSUPPORT));
    assert_eq!(bind(&client, &ip("10.0.0.1:80")), Err(Errno::EADDRNOTAVAIL));
    assert_eq!(read(&client, 1), Err(Errno::ENOTCONN));
    assert_eq!(write(&client, b"x"), Err(Errno::EPIPE));
    assert_eq!(client.shutdown(Halves::all()), Err(Errno::ENOTCONN));
    assert_eq!(client.accept().err(), Some(Errno::EINVAL));
    assert_eq!(client.peer(), Err(Errno::ENOTCONN));
    let error = client.common().error.get();
    assert_eq!(error, None);
}

#[test]
fn a_connection_that_is_not_waited_for_reports_by_its_error() {
    let net = Net::default();
    let client = make(&net, raw::AF_INET, STREAM);
    assert_eq!(client.connect(Peer::default(), &ip("127.0.0.1:1")), Err(Errno::EINPROGRESS));
    assert!(client.ready().contains(Ready::OUT | Ready::ERR | Ready::HUP));
    let error = options::get(&*client, raw::SO_ERROR).unwrap();
    assert_eq!(error, Errno::ECONNREFUSED.number().to_ne_bytes());
}

#[test]
fn ports_are_shared_as_the_options_have_it() {
    let net = Net::default();
    let on = 1i32.to_ne_bytes();
    let sockets: Vec<_> = (0..6).map(|_| make(&net, raw::AF_INET6, STREAM)).collect();
    bind(&sockets[0], &ip("[::]:80")).unwrap();
    let four = make(&net, raw::AF_INET, STREAM);
    assert_eq!(bind(&four, &ip("127.0.0.1:80")), Err(Errno::EADDRINUSE));
    sockets[0].close();
    bind(&four, &ip("0.0.0.0:80")).unwrap();
    assert_eq!(bind(&sockets[1], &ip("[::]:80")), Err(Errno::EADDRINUSE));
    sockets[1].set_option(raw::SOL_IPV6, raw::IPV6_V6ONLY, &on).unwrap();
    bind(&sockets[1], &ip("[::]:80")).unwrap();
    for socket in &sockets[2..4] {
        options::set(&**socket, raw::SO_REUSEADDR, &on).unwrap();
        bind(socket, &ip("[::]:81")).unwrap();
    }
    sockets[2].listen(Peer::default(), 1).unwrap();
    assert_eq!(sockets[3].listen(Peer::default(), 1), Err(Errno::EADDRINUSE));
    for socket in &sockets[4..6] {
        options::set(&**socket, raw::SO_REUSEPORT, &on).unwrap();
        bind(socket, &ip("[::]:82")).unwrap();
        socket.listen(Peer::default(), 1).unwrap();
    }
}

#[test]
fn an_ipv6_listener_takes_ipv4_clients() {
    let net = Net::default();
    let listener = make(&net, raw::AF_INET6, STREAM);
    bind(&listener, &ip("[::]:8080")).unwrap();
    listener.listen(Peer::default(), 5).unwrap();
    let client = make(&net, raw::AF_INET, STREAM);
    connect(&client, &ip("127.0.0.1:8080")).unwrap();
    let server = listener.accept().unwrap();
    let shown = server.peer().unwrap().encode(raw::AF_INET6);
    assert_eq!(&shown.as_bytes()[18..24], &[255, 255, 127, 0, 0, 1]);
}

#[test]
fn udp_datagrams_keep_their_bounds() {
    let net = Net::default();
    let (one, two) = (make(&net, raw::AF_INET, DATAGRAM), make(&net, raw::AF_INET, DATAGRAM));
    bind(&one, &ip("127.0.0.1:53")).unwrap();
    send_to(&two, b"question", &ip("127.0.0.1:53")).unwrap();
    send_to(&two, b"", &ip("127.0.0.1:53")).unwrap();
    let (bytes, from, flags) = read_with(&one, 4, 0).unwrap();
    assert_eq!((bytes.as_slice(), flags), (&b"ques"[..], raw::MSG_TRUNC));
    assert_eq!(read(&one, 4).unwrap(), b"");
    send_to(&one, b"answer", &from.unwrap()).unwrap();
    assert_eq!(read(&two, 100).unwrap(), b"answer");
    assert_eq!(send_to(&two, b"x", &ip("8.8.8.8:53")), Err(Errno::ENETUNREACH));
    assert_eq!(write(&two, b"x"), Err(Errno::EDESTADDRREQ));
}

#[test]
fn udp_to_nobody_is_refused_when_connected() {
    let net = Net::default();
    let socket = make(&net, raw::AF_INET, DATAGRAM);
    connect(&socket, &ip("127.0.0.1:53")).unwrap();
    assert_eq!(write(&socket, b"query"), Ok(5));
    assert!(socket.ready().contains(Ready::ERR));
    assert_eq!(read(&socket, 10), Err(Errno::ECONNREFUSED));
    assert_eq!(read(&socket, 10), Err(Errno::EAGAIN));
}

#[test]
fn unix_streams_connect_by_abstract_name() {
    let net = Net::default();
    let listener = make(&net, raw::AF_UNIX, STREAM);
    bind(&listener, &named(b"door")).unwrap();
    let client = make(&net, raw::AF_UNIX, STREAM);
    assert_eq!(connect(&client, &named(b"door")), Err(Errno::ECONNREFUSED));
    listener.listen(Peer { pid: 1, uid: 2, gid: 3 }, 5).unwrap();
    connect(&client, &named(b"door")).unwrap();
    let server = listener.accept().unwrap();
    assert_eq!(client.peer_credentials(), Some(Peer { pid: 1, uid: 2, gid: 3 }));
    assert_eq!(server.peer_credentials(), Some(Peer { pid: 8, uid: 5, gid: 5 }));
    write(&client, b"ab").unwrap();
    write(&client, b"cd").unwrap();
    assert_eq!(read(&server, 3).unwrap(), b"abc");
    assert_eq!(connect(&client, &named(b"door")), Err(Errno::EISCONN));
    server.close();
    assert_eq!(read(&client, 1), Err(Errno::ECONNRESET));
    assert_eq!(read(&client, 1).unwrap(), b"");
    assert_eq!(write(&client, b"x"), Err(Errno::EPIPE));
    assert!(client.ready().contains(Ready::HUP | Ready::IN));
}

#[test]
fn unix_packets_keep_their_bounds_and_files() {
    let net = Net::default();
    let kind = SocketKind { domain: raw::AF_UNIX, kind: PACKET, protocol: 0 };
    let (one, two) = net.socket_pair(kind, Peer::default()).unwrap();
    let file = crate::fs::file::OpenFile::new(Rc::new(crate::epoll::Epoll::default()), 0);
    let mut bytes = &b"first"[..];
    let mut message = Outgoing { files: vec![file], ..Outgoing::plain(&mut bytes, Peer::default()) };
    one.send(&mut message).unwrap();
    write(&one, b"second").unwrap();
    let mut out = Collect { bytes: Vec::new(), limit: 2 };
    let mut incoming = Incoming::plain(&mut out);
    assert_eq!(two.receive(&mut incoming), Ok(2));
    assert_eq!((incoming.files.len(), incoming.result_flags), (1, raw::MSG_TRUNC));
    assert_eq!(read(&two, 10).unwrap(), b"second");
    one.close();
    assert_eq!(read(&two, 10).unwrap(), b"");
}

#[test]
fn unix_datagrams_wait_for_room() {
    let net = Net::default();
    let (one, two) = (make(&net, raw::AF_UNIX, DATAGRAM), make(&net, raw::AF_UNIX, DATAGRAM));
    bind(&one, &named(b"box")).unwrap();
    assert_eq!(send_to(&two, b"x", &named(b"none")), Err(Errno::ECONNREFUSED));
    connect(&two, &named(b"box")).unwrap();
    let sent = (0..10_000).take_while(|_| write(&two, b"letter").is_ok()).count();
    assert_eq!(sent, 512);
    assert!(!two.ready().contains(Ready::OUT));
    let before = two.common().queue.wakes();
    assert_eq!(read(&one, 100).unwrap(), b"letter");
    assert!(two.common().queue.wakes() > before && two.ready().contains(Ready::OUT));
    one.close();
    assert_eq!(write(&two, b"x"), Err(Errno::ECONNREFUSED));
}

#[test]
fn netlink_lists_the_loopback_interface() {
    let net = Net::default();
    let socket =
        net.socket(SocketKind { domain: raw::AF_NETLINK, kind: 3, protocol: 0 }, Peer::default()).unwrap();
    for (kind, expected) in [(18u16, 16u16), (22, 20)] {
        let mut request = vec![20, 0, 0, 0];
        request.extend_from_slice(&kind.to_ne_bytes());
        request.extend_from_slice(&0x301u16.to_ne_bytes());
        request.extend_from_slice(&[0; 12]);
        write(&socket, &request).unwrap();
        let answer = read(&socket, 4096).unwrap();
        assert_eq!(u16::from_ne_bytes([answer[4], answer[5]]), expected);
        let done = read(&socket, 4096).unwrap();
        assert_eq!(u16::from_ne_bytes([done[4], done[5]]), 3);
    }
}

#[test]
fn unknown_sockets_are_refused_with_linux_errors() {
    let net = Net::default();
    let refusal = |domain, kind, protocol| {
        net.socket(SocketKind { domain, kind, protocol }, Peer::default()).err().unwrap()
    };
    assert_eq!(refusal(raw::AF_PACKET, 3, 0), Errno::EPERM);
    assert_eq!(refusal(raw::AF_INET, 3, 1), Errno::EPERM);
    assert_eq!(refusal(raw::AF_INET, 1, 17), Errno::EPROTONOSUPPORT);
    assert_eq!(refusal(raw::AF_INET, 9, 0), Errno::ESOCKTNOSUPPORT);
    assert_eq!(refusal(raw::AF_VSOCK, 1, 0), Errno::EAFNOSUPPORT);
    let kind = SocketKind { domain: raw::AF_INET, kind: 1, protocol: 0 };
    assert_eq!(net.socket_pair(kind, Peer::default()).err(), Some(Errno::EOPNOTSUPP));
}

#[test]
fn sockets_without_end_meet_a_limit_and_give_it_back() {
    km_hal::host::reset(16 << 20);
    let net = Net::default();
    let kind = SocketKind { domain: raw::AF_INET, kind: STREAM, protocol: 0 };
    let mut sockets = Vec::new();
    while let Ok(socket) = net.socket(kind, Peer::default()) {
        sockets.push(socket);
    }
    assert!((1000..10_000).contains(&sockets.len()), "{}", sockets.len());
    assert_eq!(net.socket(kind, Peer::default()).err(), Some(Errno::ENOBUFS));
    drop(sockets);
    assert!(net.socket(kind, Peer::default()).is_ok());
}
