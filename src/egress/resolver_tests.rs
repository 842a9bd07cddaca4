//! The resolver as programs see it: DNS over both kinds of socket.

use hickory_resolver::proto::op::{Edns, Message, OpCode, ResponseCode};
use hickory_resolver::proto::rr::{DNSClass, RecordType};
use km_abi::outbound::Transport;

use crate::broker::Broker;
use crate::policy::Policy;
use crate::settings::{Limits, Settings};
use crate::test_slot::{Bench, addresses, query};

#[tokio::test(flavor = "multi_thread")]
async fn both_transports_answer_alike() {
    let bench = Bench::new(Limits::default()).await;
    let mut slot = bench.slot(&["*.example.com:443"]);
    slot.session.begin("call", 0);
    for transport in [Transport::Udp, Transport::Tcp] {
        let names = slot.resolver(transport);
        for _ in 0..3 {
            let answer = names.ask("Api.Example.com.", RecordType::A);
            assert_eq!(answer.metadata.id, 77);
            assert_eq!(answer.queries, query("Api.Example.com.", RecordType::A).queries);
            assert_eq!(addresses(&answer).len(), 1);
            let metadata = answer.metadata;
            assert!(metadata.recursion_available && metadata.recursion_desired && !metadata.authoritative);
            assert!(!metadata.authentic_data && !metadata.checking_disabled && answer.edns.is_none());
        }
    }
    assert_eq!(bench.asked(), 1);
    assert_eq!(slot.session.end().queries, 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn codes_say_what_is_the_matter() {
    let bench = Bench::new(Limits::default()).await;
    let mut slot = bench.slot(&["*.example.com:443"]);
    slot.session.begin("call", 0);
    let names = slot.resolver(Transport::Udp);
    for (name, kind, code) in [
        ("api.example.com.", RecordType::A, ResponseCode::NoError),
        ("api.example.com.", RecordType::AAAA, ResponseCode::NoError),
        ("api.example.com.", RecordType::HTTPS, ResponseCode::NoError),
        ("none.example.com.", RecordType::A, ResponseCode::NXDomain),
        ("broken.example.com.", RecordType::A, ResponseCode::ServFail),
        ("example.com.", RecordType::A, ResponseCode::Refused),
        ("evil.org.", RecordType::TXT, ResponseCode::Refused),
        (".", RecordType::A, ResponseCode::Refused),
        ("34.216.184.93.in-addr.arpa.", RecordType::A, ResponseCode::NoError),
        ("1.0.0.10.in-addr.arpa.", RecordType::PTR, ResponseCode::Refused),
        ("184.93.in-addr.arpa.", RecordType::PTR, ResponseCode::Refused),
        ("34.216.184.93.in-addr.arpa.", RecordType::PTR, ResponseCode::NXDomain),
    ] {
        let answer = names.ask(name, kind);
        assert_eq!(answer.metadata.response_code, code, "{name} {kind}");
    }
    let denied = bench.denied();
    assert!(denied[0].ends_with("egress to example.com is not allowed; add it to spec.egress"), "{denied:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_simple_query_is_refused() {
    let bench = Bench::new(Limits::default()).await;
    let mut slot = bench.slot(&["*:443"]);
    slot.session.begin("call", 0);
    let names = slot.resolver(Transport::Udp);
    let code = |message: Message| {
        let answer = Message::from_vec(&names.exchange(&message.to_vec().unwrap())).unwrap();
        answer.metadata.response_code
    };
    let plain = || query("api.example.com.", RecordType::A);
    let mut chaos = plain();
    chaos.queries[0].set_query_class(DNSClass::CH);
    assert_eq!(code(chaos), ResponseCode::Refused);
    let mut twice = plain();
    twice.add_query(plain().queries[0].clone());
    assert_eq!(code(twice), ResponseCode::FormErr);
    let mut none = plain();
    none.queries.clear();
    assert_eq!(code(none), ResponseCode::FormErr);
    let mut update = plain();
    update.metadata.op_code = OpCode::Status;
    assert_eq!(code(update), ResponseCode::NotImp);
    let mut edns = plain();
    edns.set_edns(Edns::new()).edns.as_mut().unwrap().set_version(1);
    // Of the two names of number 16, the library reads the other one.
    assert_eq!(u16::from(code(edns)), u16::from(ResponseCode::BADVERS));
    // Garbage with the head of a query has its number; what is an answer, or shorter, has none.
    rustix::net::send(&names.socket, b"short", rustix::net::SendFlags::empty()).unwrap();
    let mut answer = plain().to_vec().unwrap();
    answer[2] |= 0x80;
    rustix::net::send(&names.socket, &answer, rustix::net::SendFlags::empty()).unwrap();
    let garbage = names.exchange(&[&[1, 2, 0, 0, 255, 255][..], &[255; 20]].concat());
    let garbage = Message::from_vec(&garbage).unwrap();
    assert_eq!((garbage.metadata.id, garbage.metadata.response_code), (0x0102, ResponseCode::FormErr));
    assert_eq!(bench.asked(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn long_answers_are_cut_at_the_size_of_the_client() {
    let bench = Bench::new(Limits::default()).await;
    let mut slot = bench.slot(&["*.example.com:443"]);
    slot.session.begin("call", 0);
    let names = slot.resolver(Transport::Udp);
    let cut = names.ask("big.example.com.", RecordType::TXT);
    assert!(cut.metadata.truncation && cut.answers.is_empty(), "{cut:?}");
    let mut with_edns = query("big.example.com.", RecordType::TXT);
    for (size, cut) in [(600, true), (4096, false), (65_535, false)] {
        with_edns.set_edns(Edns::new()).edns.as_mut().unwrap().set_max_payload(size);
        let bytes = names.exchange(&with_edns.to_vec().unwrap());
        let answer = Message::from_vec(&bytes).unwrap();
        assert_eq!((answer.metadata.truncation, answer.edns.is_some()), (cut, true), "{size}");
        assert!(bytes.len() <= usize::from(size));
    }
    let whole = slot.resolver(Transport::Tcp).ask("big.example.com.", RecordType::TXT);
    assert_eq!((whole.metadata.truncation, whole.answers.len()), (false, 6));
}

#[tokio::test(flavor = "multi_thread")]
async fn queries_of_a_call_are_bounded() {
    let bench = Bench::new(Limits { queries: 3, ..Limits::default() }).await;
    let mut slot = bench.slot(&["*:443"]);
    for _ in 0..2 {
        slot.session.begin("call", 0);
        let names = slot.resolver(Transport::Udp);
        let code = |_| names.ask("api.example.com.", RecordType::A).metadata.response_code;
        let codes: Vec<_> = (0..4).map(code).collect();
        assert_eq!(codes[2..], [ResponseCode::NoError, ResponseCode::Refused]);
        assert_eq!(slot.session.end().queries, 4);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_resolver_ends_with_the_call_and_with_its_connection() {
    let bench = Bench::new(Limits::default()).await;
    let mut slot = bench.slot(&["*:443"]);
    slot.session.begin("call", 0);
    let ended = |names: &crate::test_slot::Names| {
        let mut byte = [0; 1];
        matches!(rustix::net::recv(&names.socket, &mut byte, rustix::net::RecvFlags::empty()), Ok((0, _)))
    };
    let (first, second) = (slot.resolver(Transport::Udp), slot.resolver(Transport::Tcp));
    slot.close(slot.next - 1);
    assert!(ended(&first));
    slot.session.end();
    assert!(ended(&second));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_list_does_not_stop_programs() {
    let policy = Policy { cluster_domain: Some("cluster.local".parse().unwrap()), ..Policy::default() };
    let bench = Bench::with_policy(policy, Limits::default()).await;
    let mut slot = bench.slot(&["api.example.com:443"]);
    slot.session.begin("call", 0);
    assert_eq!(slot.look_up("api.example.com.shop.svc.cluster.local").0, ResponseCode::NXDomain);
    assert_eq!(bench.asked(), 0);
    assert_eq!(slot.look_up("api.example.com").0, ResponseCode::NoError);
    let conf = bench.broker.resolv_conf("shop");
    let expected = "nameserver 127.0.0.53\nsearch shop.svc.cluster.local svc.cluster.local cluster.local\noptions ndots:1\n";
    assert_eq!(conf, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_says_which_cluster_it_is_in() {
    let folder = tempfile::tempdir().unwrap();
    let resolv_conf = folder.path().join("resolv.conf");
    let text = "nameserver 10.96.0.10\nsearch faas.svc.corp.example svc.corp.example corp.example\noptions ndots:5\n";
    std::fs::write(&resolv_conf, text).unwrap();
    let conf = |is_in_cluster| {
        let settings = Settings { resolv_conf: resolv_conf.clone(), is_in_cluster, ..Settings::default() };
        Broker::new(settings).unwrap().resolv_conf("shop")
    };
    let of_cluster = "nameserver 127.0.0.53\nsearch shop.svc.corp.example svc.corp.example corp.example\noptions ndots:5\n";
    assert_eq!(conf(true), of_cluster);
    assert_eq!(conf(false), of_cluster.replace("shop.", "faas."));
}
