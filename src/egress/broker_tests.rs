//! Sessions as slots see them: real socket pairs, real connections, hostile workers.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::AsFd;
use std::time::Duration;

use hickory_resolver::proto::op::ResponseCode;
use km_abi::outbound::{RESOLVER, Transport};
use km_vmm::protocol::outbound::{Ask, PACKET_LEN, Wish};
use nix::errno::Errno;

use crate::call::Usage;
use crate::settings::{Limits, Outcome};
use crate::test_slot::{Bench, PUBLIC};

const REFUSED: u32 = Errno::ENETUNREACH as u32;
const LIMITED: u32 = Errno::EADDRNOTAVAIL as u32;

/// A peer on this machine that answers each byte by itself, and the address at which the broker finds it.
fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            std::thread::spawn(move || {
                let mut bytes = [0; 1024];
                while let Ok(len @ 1..) = stream.read(&mut bytes) {
                    if stream.write_all(&bytes[..len]).is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn a_granted_stream_carries_bytes_and_ends_with_its_call() {
    let bench = Bench::new(Limits::default()).await;
    bench.route(PUBLIC, echo());
    let mut slot = bench.slot(&["*:443"]);
    slot.session.begin("call-1", 0);
    let id = slot.ask(Transport::Tcp, PUBLIC);
    let (grant, socket) = slot.answer().unwrap();
    let local = grant.outcome.unwrap().read().unwrap().1;
    assert_eq!((grant.id, local.ip().to_string()), (id, "192.0.0.2".to_owned()));
    let mut stream = std::net::TcpStream::from(socket.unwrap());
    assert_eq!(local.port(), stream.local_addr().unwrap().port());
    stream.set_nonblocking(false).unwrap();
    stream.write_all(b"hello").unwrap();
    stream.read_exact(&mut [0; 5]).unwrap();
    assert_eq!(bench.broker.open(), 1);
    let usage = slot.session.end();
    assert_eq!(usage, Usage { connections: 1, sent: 5, received: 5, ..Usage::default() });
    // The slot still has its descriptor, and nothing goes through it.
    assert_eq!(stream.read(&mut [0; 1]).unwrap(), 0);
    assert_eq!(stream.write(b"x").unwrap_err().kind(), std::io::ErrorKind::BrokenPipe);
    assert_eq!(bench.broker.open(), 0);
    assert_eq!(*bench.recorder.closed.lock().unwrap(), [(5, 5)]);
    assert_eq!(*bench.recorder.opened.lock().unwrap(), [Outcome::Connected]);
    assert_eq!(slot.session.end(), Usage::default());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_slot_closes_is_counted_and_ended() {
    let bench = Bench::new(Limits::default()).await;
    bench.route(PUBLIC, echo());
    let mut slot = bench.slot(&["*:443"]);
    slot.session.begin("call-1", 0);
    let mut stream = slot.tcp(PUBLIC).unwrap();
    stream.write_all(b"hello").unwrap();
    stream.read_exact(&mut [0; 5]).unwrap();
    slot.close(slot.next);
    // A slot that says so and keeps it has nothing of it.
    assert_eq!(stream.read(&mut [0; 1]).unwrap(), 0);
    // Twice is once; and so is one that was never granted.
    slot.close(slot.next);
    assert_eq!(slot.tcp("10.0.0.1:443").map(|_| ()), Err(REFUSED));
    slot.close(slot.next);
    assert!(slot.tcp(PUBLIC).is_ok());
    let usage = slot.session.end();
    assert_eq!((usage.connections, usage.sent, usage.refused), (2, 5, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn datagrams_go_to_one_peer() {
    let bench = Bench::new(Limits::default()).await;
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    bench.route(PUBLIC, peer.local_addr().unwrap());
    let mut slot = bench.slot(&["*:443/udp"]);
    slot.session.begin("call-1", 0);
    assert_eq!(slot.tcp(PUBLIC).map(|_| ()), Err(REFUSED));
    let socket = UdpSocket::from(slot.connect(Transport::Udp, PUBLIC).unwrap());
    socket.set_nonblocking(false).unwrap();
    socket.send(b"ping").unwrap();
    let (len, from) = peer.recv_from(&mut [0; 16]).unwrap();
    assert_eq!(len, 4);
    peer.send_to(b"pong!", from).unwrap();
    assert_eq!(socket.recv(&mut [0; 16]).unwrap(), 5);
    slot.session.end();
    assert!(socket.send(b"ping").is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_answered_outside_of_a_call() {
    let bench = Bench::new(Limits::default()).await;
    bench.route(PUBLIC, echo());
    let mut slot = bench.slot(&["*:443"]);
    assert_eq!(slot.tcp(PUBLIC).map(|_| ()), Err(REFUSED));
    assert_eq!(slot.connect(Transport::Udp, &RESOLVER.to_string()).map(|_| ()), Err(REFUSED));
    slot.session.begin("call-1", 0);
    assert!(slot.tcp(PUBLIC).is_ok());
    assert_eq!(slot.session.end().connections, 1);
    assert_eq!(slot.tcp(PUBLIC).map(|_| ()), Err(REFUSED));
    slot.session.begin("call-2", 0);
    assert_eq!(slot.session.end(), Usage::default());
    assert!(bench.denied().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ask_belongs_to_the_call_in_which_it_was_sent() {
    let bench = Bench::new(Limits::default()).await;
    bench.route(PUBLIC, echo());
    let mut slot = bench.slot(&["*:443"]);
    for _ in 0..200 {
        slot.session.begin("one", 0);
        let id = slot.ask(Transport::Tcp, PUBLIC);
        let usage = slot.session.end();
        slot.session.begin("two", 0);
        assert_eq!(slot.session.end(), Usage::default());
        // It was heard in time, or refused, or its call was over before the peer answered.
        assert!(usage.connections + usage.failed <= 1, "{usage:?}");
        if usage.failed == 0 {
            assert_eq!(slot.answer().unwrap().0.id, id);
        }
    }
    assert_eq!(bench.broker.open(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_owner_is_told_once_with_the_fix() {
    let bench = Bench::new(Limits::default()).await;
    let mut slot = bench.slot(&["api.example.com:443"]);
    slot.session.begin("call-1", 0);
    for _ in 0..3 {
        assert_eq!(slot.tcp("8.8.8.8:443").map(|_| ()), Err(REFUSED));
    }
    assert_eq!(slot.tcp("169.254.169.254:80").map(|_| ()), Err(REFUSED));
    let usage = slot.session.end();
    assert_eq!((usage.refused, usage.connections), (4, 0));
    let denied = bench.denied();
    assert_eq!(denied.len(), 2, "{denied:?}");
    assert_eq!(denied[0], "shop/cart call-1: egress to 8.8.8.8:443 is not allowed; add it to spec.egress");
    // What was said of one call is said of the next.
    slot.session.begin("call-2", 0);
    assert_eq!(slot.tcp("8.8.8.8:443").map(|_| ()), Err(REFUSED));
    assert_eq!(bench.denied().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_nodes_own_addresses_are_no_peers() {
    let bench = Bench::new(Limits::default()).await;
    let mut slot = bench.slot(&["0.0.0.0/0:1-65535", "[::/0]:1-65535"]);
    slot.session.begin("call-1", 0);
    let peer = echo();
    for to in
        [peer.to_string(), format!("[::ffff:127.0.0.1]:{}", peer.port()), format!("0.0.0.0:{}", peer.port())]
    {
        assert_eq!(slot.tcp(&to).map(|_| ()), Err(REFUSED), "{to}");
    }
    for net in crate::own::addresses().unwrap() {
        let to = SocketAddr::new(net.addr(), peer.port());
        assert_eq!(slot.tcp(&to.to_string()).map(|_| ()), Err(REFUSED), "{to}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_peers_errors_are_the_programs() {
    let bench = Bench::new(Limits::default()).await;
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    bench.route(PUBLIC, closed);
    let mut slot = bench.slot(&["*:443"]);
    slot.session.begin("call-1", 0);
    assert_eq!(slot.tcp(PUBLIC).map(|_| ()), Err(Errno::ECONNREFUSED as u32));
    assert_eq!(slot.session.end(), Usage { failed: 1, ..Usage::default() });
    assert_eq!(bench.broker.open(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_hold_and_give_back() {
    let limits = Limits { per_machine: 3, per_function: 5, per_node: 6, ..Limits::default() };
    let bench = Bench::new(limits).await;
    bench.route(PUBLIC, echo());
    let function = bench.function(&["*:443"]);
    let mut slots = [bench.slot_of(&function), bench.slot_of(&function), bench.slot(&["*:443"])];
    let mut kept = Vec::new();
    for (slot, most) in slots.iter_mut().zip([3, 2, 1]) {
        slot.session.begin("call", 0);
        kept.extend((0..most).map(|_| slot.tcp(PUBLIC).unwrap()));
        assert_eq!(slot.tcp(PUBLIC).map(|_| ()), Err(LIMITED));
        assert_eq!(slot.connect(Transport::Udp, &RESOLVER.to_string()).map(|_| ()), Err(LIMITED));
    }
    assert_eq!(bench.broker.open(), 6);
    let said = bench.denied().join("\n");
    for part in ["3 connections of one call", "5 connections of one function", "6 connections of one node"] {
        assert!(said.contains(part), "{said}");
    }
    let id = slots[0].next - 2;
    slots[0].close(id);
    assert!(slots[0].tcp(PUBLIC).is_ok());
    drop(slots);
    assert_eq!(bench.broker.open(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn new_connections_come_at_a_rate() {
    let bench = Bench::new(Limits { rate: 1, burst: 3, ..Limits::default() }).await;
    bench.route(PUBLIC, echo());
    let mut slot = bench.slot(&["*:443"]);
    slot.session.begin("call", 0);
    let granted = (0..20).filter(|_| slot.tcp(PUBLIC).is_ok()).count();
    assert!((3..20).contains(&granted), "{granted}");
    assert!(bench.denied()[0].contains("is more than 1 new connections in a second"));
    // Other functions have their own.
    let mut other = bench.slot(&["*:443"]);
    other.session.begin("call", 0);
    assert!(other.tcp(PUBLIC).is_ok());
}

/// Sends hostile packets to a session with a granted connection: it ends, and the connection with it.
async fn ends(packets: impl FnOnce(u64) -> Vec<Vec<u8>>) {
    let bench = Bench::new(Limits::default()).await;
    bench.route(PUBLIC, echo());
    let mut slot = bench.slot(&["*:443"]);
    slot.session.begin("call", 0);
    let mut stream = slot.tcp(PUBLIC).unwrap();
    for packet in packets(slot.next) {
        slot.send(&packet);
    }
    assert_eq!(stream.read(&mut [0; 1]).unwrap(), 0);
    while slot.answer().is_some() {}
    assert!(slot.session.is_over());
    assert_eq!(bench.broker.open(), 0);
    assert!(slot.session.end().connections >= 1);
    // It stays over.
    slot.session.begin("next", 0);
    assert_eq!(slot.session.end(), Usage::default());
}

fn ask(id: u64) -> Vec<u8> {
    let end = km_abi::outbound::Endpoint::new(Transport::Tcp, PUBLIC.parse().unwrap());
    Ask { id, wish: Wish::Connect(end) }.encode().to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_breaks_the_protocol_is_not_heard_any_more() {
    ends(|_| vec![vec![0; PACKET_LEN]]).await;
    ends(|_| vec![b"short".to_vec()]).await;
    ends(|last| vec![[ask(last + 1), vec![0]].concat()]).await;
    ends(|_| vec![vec![1; 4000]]).await;
    // A number again, or a smaller one.
    ends(|last| vec![ask(last)]).await;
    ends(|last| vec![ask(last + 7), ask(last + 3)]).await;
    // The end of what never was.
    ends(|last| vec![Ask { id: last + 1, wish: Wish::Closed }.encode().to_vec()]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slot_that_reads_no_answers_ends() {
    let bench = Bench::new(Limits::default()).await;
    let mut slot = bench.slot(&[]);
    slot.session.begin("call", 0);
    rustix::io::ioctl_fionbio(&slot.socket, true).unwrap();
    for id in 1..100_000 {
        match km_vmm::protocol::packet::send(&slot.socket, &ask(id), &[]) {
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            Err(_) => break,
            Ok(()) => slot.next = id,
        }
    }
    assert!(slot.session.is_over());
}

#[tokio::test(flavor = "multi_thread")]
async fn descriptors_of_a_slot_are_closed() {
    let bench = Bench::new(Limits::default()).await;
    let mut slot = bench.slot(&[]);
    slot.session.begin("call", 0);
    let (mut reader, writer) = std::io::pipe().unwrap();
    km_vmm::protocol::packet::send(&slot.socket, &ask(1), &[writer.as_fd()]).unwrap();
    drop(writer);
    assert_eq!(slot.answer().unwrap().0.outcome, Err(REFUSED));
    assert_eq!(reader.read(&mut [0; 1]).unwrap(), 0);
    slot.next = 1;
    assert_eq!(slot.tcp(PUBLIC).map(|_| ()), Err(REFUSED));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_session_and_a_gone_worker_leave_nothing() {
    let bench = Bench::new(Limits::default()).await;
    bench.route(PUBLIC, echo());
    let mut slot = bench.slot(&["*:443"]);
    slot.session.begin("call", 0);
    let mut stream = slot.tcp(PUBLIC).unwrap();
    drop(slot.session);
    assert_eq!(stream.read(&mut [0; 1]).unwrap(), 0);
    assert!(km_vmm::protocol::packet::receive(&slot.socket).unwrap().bytes.is_empty());

    let mut slot = bench.slot(&["*:443"]);
    slot.session.begin("call", 0);
    let mut stream = slot.tcp(PUBLIC).unwrap();
    drop(slot.socket);
    assert_eq!(stream.read(&mut [0; 1]).unwrap(), 0);
    assert_eq!(slot.session.end().connections, 1);
    assert_eq!(bench.broker.open(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_opens_what_this_call_resolved() {
    let bench = Bench::new(Limits::default()).await;
    bench.route(PUBLIC, echo());
    let mut slot = bench.slot(&["api.example.com:443"]);
    slot.session.begin("one", 0);
    assert_eq!(slot.tcp(PUBLIC).map(|_| ()), Err(REFUSED));
    let (code, addresses) = slot.look_up("api.example.com");
    assert_eq!((code, addresses.len()), (ResponseCode::NoError, 1));
    assert!(slot.tcp(PUBLIC).is_ok());
    assert_eq!(slot.tcp("93.184.216.34:80").map(|_| ()), Err(REFUSED));
    assert!(bench.denied().last().unwrap().contains("egress to api.example.com:80 is not allowed"));
    assert_eq!(slot.session.end().queries, 1);
    // Another call has not resolved it, though the function's cache has it.
    slot.session.begin("two", 0);
    assert_eq!(slot.tcp(PUBLIC).map(|_| ()), Err(REFUSED));
    slot.look_up("API.example.com.");
    assert_eq!(bench.asked(), 1);
    assert!(slot.tcp(PUBLIC).is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alias_opens_its_own_addresses_alone_and_rebinding_opens_nothing() {
    let bench = Bench::new(Limits::default()).await;
    for public in ["93.184.216.34:443", "93.184.216.35:443", "93.184.216.36:443"] {
        bench.route(public, echo());
    }
    let mut slot = bench.slot(&["www.example.com:443", "rebind.example.com:443"]);
    slot.session.begin("one", 0);
    let (_, addresses) = slot.look_up("www.example.com");
    assert_eq!(addresses, ["93.184.216.35".parse::<std::net::IpAddr>().unwrap()]);
    assert!(slot.tcp("93.184.216.35:443").is_ok());
    // A record that came along, and the alias's own name.
    assert_eq!(slot.tcp("93.184.216.36:443").map(|_| ()), Err(REFUSED));
    assert_eq!(slot.look_up("cdn.example.net").0, ResponseCode::Refused);
    let first = slot.look_up("rebind.example.com").1[0].to_string();
    let second = slot.look_up("rebind.example.com").1[0].to_string();
    assert_ne!(first, second);
    assert_eq!(slot.tcp("127.0.0.1:443").map(|_| ()), Err(REFUSED));
    assert!(bench.denied().last().unwrap().contains("rebind.example.com:443 leads to the loopback network"));
}

#[tokio::test(flavor = "multi_thread")]
async fn functions_of_the_node_are_reached_by_a_rule() {
    let bench = Bench::new(Limits::default()).await;
    let mut slot = bench.slot(&["functions.internal:80", "*.internal:1-65535"]);
    slot.session.begin("call-1", 3);
    let (code, addresses) = slot.look_up("Functions.internal.");
    assert_eq!((code, addresses[0].to_string()), (ResponseCode::NoError, "192.0.0.3".to_owned()));
    assert_eq!(bench.asked(), 0, "nobody is asked for it");
    let mut stream = slot.tcp("192.0.0.3:80").unwrap();
    let caller = bench.recorder.callers.lock().unwrap().pop().unwrap();
    assert_eq!((caller.function.name(), caller.hops), ("cart", 3));
    assert!(caller.function.may_call("shop") && !caller.function.may_call("bank"));
    let mut server = std::os::unix::net::UnixStream::from(caller.socket);
    server.set_nonblocking(false).unwrap();
    stream.write_all(b"GET").unwrap();
    server.read_exact(&mut [0; 3]).unwrap();
    assert_eq!(slot.tcp("192.0.0.3:81").map(|_| ()), Err(REFUSED));
    assert_eq!(slot.connect(Transport::Udp, "192.0.0.3:80").map(|_| ()), Err(REFUSED));
    assert!(!caller.over.is_cancelled());
    assert_eq!(slot.session.end().connections, 1);
    assert!(caller.over.is_cancelled());
    assert_eq!(server.read(&mut [0; 1]).unwrap(), 0);

    // Every public address, and whatever is below a name, is not the node itself.
    let mut other = bench.slot(&["*:1-65535", "*.internal:1-65535"]);
    other.session.begin("call-2", 0);
    assert_eq!(other.look_up("functions.internal.").0, ResponseCode::Refused);
    assert_eq!(other.tcp("192.0.0.3:80").map(|_| ()), Err(REFUSED));
    assert!(bench.recorder.callers.lock().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_resolved_before_the_snapshot_is_as_if_this_call_had() {
    let bench = Bench::new(Limits::default()).await;
    bench.route(PUBLIC, echo());
    let rules = ["api.example.com:443"];
    let mut baking = bench.slot(&rules);
    baking.session.begin("bake", 0);
    assert_eq!(baking.look_up("api.example.com.").0, ResponseCode::NoError);
    let before = baking.session.names();
    assert_eq!(before.len(), 1);
    let function = |before| {
        let rules = rules.iter().map(|text| text.parse().unwrap()).collect();
        bench.broker.function("shop", "cart", rules, before).unwrap()
    };
    let mut clone = bench.slot_of(&function(before));
    clone.session.begin("call-1", 0);
    assert!(clone.tcp(PUBLIC).is_ok());
    assert_eq!(clone.tcp("93.184.216.35:443").map(|_| ()), Err(REFUSED), "another address");
    let mut other = bench.slot_of(&function(Vec::new()));
    other.session.begin("call-2", 0);
    assert_eq!(other.tcp(PUBLIC).map(|_| ()), Err(REFUSED), "what another machine resolved");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_clusters_own_addresses_are_kept_from_functions() {
    let bench = Bench::new(Limits::default()).await;
    bench.route(PUBLIC, echo());
    let mut slot = bench.slot(&["*:443"]);
    slot.session.begin("call-1", 0);
    assert!(slot.tcp(PUBLIC).is_ok());
    let node: SocketAddr = PUBLIC.parse().unwrap();
    bench.broker.know_cluster(&[node.ip()]);
    assert_eq!(slot.tcp(PUBLIC).map(|_| ()), Err(REFUSED));
    let denied = bench.denied();
    assert!(denied[0].contains("leads to an address of the node"), "{denied:?}");
    bench.broker.know_cluster(&[]);
    assert!(slot.tcp(PUBLIC).is_ok(), "the node is gone");
}
