//! For tests: a slot's side of a session, a server of names, and an observer that writes down what it is told.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig, ResolverOpts};
use hickory_resolver::proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_resolver::proto::rr::rdata::{A, CNAME, TXT};
use hickory_resolver::proto::rr::{Name as DnsName, RData, Record, RecordType};
use km_abi::outbound::{Endpoint, RESOLVER, Transport};
use km_vmm::protocol::outbound::{Ask, Grant, Wish};
use km_vmm::protocol::packet;
use rustix::net::{RecvFlags, SendFlags, SocketType};
use tokio::net::UdpSocket;
use tokio::runtime::Handle;

use crate::broker::{Broker, Function};
use crate::policy::Policy;
use crate::session::Session;
use crate::settings::{Caller, Functions, Limits, Observer, Outcome, Settings};
use crate::upstream::Upstream;

/// A public address that the tests' broker takes to a peer on this machine.
pub(crate) const PUBLIC: &str = "93.184.216.34:443";

/// What an observer was told.
#[derive(Default)]
pub(crate) struct Recorder {
    pub(crate) denied: Mutex<Vec<String>>,
    pub(crate) opened: Mutex<Vec<Outcome>>,
    pub(crate) closed: Mutex<Vec<(u64, u64)>>,
    pub(crate) callers: Mutex<Vec<Caller>>,
}

impl Functions for Recorder {
    fn serve(&self, caller: Caller) {
        self.callers.lock().unwrap().push(caller);
    }
}

impl Observer for Recorder {
    fn denied(&self, function: &Function, call_id: &str, message: &str) {
        let line = format!("{}/{} {call_id}: {message}", function.namespace(), function.name());
        self.denied.lock().unwrap().push(line);
    }

    fn opened(&self, _: &Function, outcome: Outcome) {
        self.opened.lock().unwrap().push(outcome);
    }

    fn closed(&self, _: &Function, sent: u64, received: u64) {
        self.closed.lock().unwrap().push((sent, received));
    }
}

/// A broker with its server of names.
pub(crate) struct Bench {
    pub(crate) broker: Arc<Broker>,
    pub(crate) recorder: Arc<Recorder>,
    /// Queries that the server of names got.
    pub(crate) asked: Arc<AtomicU32>,
}

impl Bench {
    pub(crate) async fn new(limits: Limits) -> Self {
        Self::with_policy(Policy::default(), limits).await
    }

    pub(crate) async fn with_policy(policy: Policy, limits: Limits) -> Self {
        let recorder = Arc::new(Recorder::default());
        let asked = Arc::new(AtomicU32::new(0));
        let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let mut connection = ConnectionConfig::udp();
        connection.port = server.local_addr().unwrap().port();
        let server_config = NameServerConfig::new(Ipv4Addr::LOCALHOST.into(), true, vec![connection]);
        tokio::spawn(serve_names(server, asked.clone()));
        let config = ResolverConfig::from_parts(None, vec![], vec![server_config]);
        let mut options = ResolverOpts::default();
        options.timeout = Duration::from_secs(2);
        let upstream = Upstream::new(config, options).unwrap();
        let functions = Some(recorder.clone() as Arc<dyn Functions>);
        let settings =
            Settings { policy, limits, observer: recorder.clone(), functions, ..Settings::default() };
        let broker = Broker::with_upstream(settings, upstream, Handle::current()).unwrap();
        Self { broker, recorder, asked }
    }

    pub(crate) fn function(&self, rules: &[&str]) -> Arc<Function> {
        let rules = rules.iter().map(|text| text.parse().unwrap()).collect();
        self.broker.function("shop", "cart", rules, Vec::new()).unwrap()
    }

    pub(crate) fn slot(&self, rules: &[&str]) -> Slot {
        self.slot_of(&self.function(rules))
    }

    pub(crate) fn slot_of(&self, function: &Arc<Function>) -> Slot {
        let (session, socket) = self.broker.attach(function).unwrap();
        // A test that waits for nothing fails.
        let limit = Some(Duration::from_secs(20));
        rustix::net::sockopt::set_socket_timeout(&socket, rustix::net::sockopt::Timeout::Recv, limit)
            .unwrap();
        Slot { session, socket, next: 0 }
    }

    /// Takes connections to `public` to `peer`.
    pub(crate) fn route(&self, public: &str, peer: SocketAddr) {
        self.broker.routes.lock().unwrap().insert(public.parse().unwrap(), peer);
    }

    pub(crate) fn denied(&self) -> Vec<String> {
        std::mem::take(&mut *self.recorder.denied.lock().unwrap())
    }

    pub(crate) fn asked(&self) -> u32 {
        self.asked.load(Ordering::Relaxed)
    }
}

/// A slot of a worker.
pub(crate) struct Slot {
    pub(crate) session: Session,
    pub(crate) socket: OwnedFd,
    pub(crate) next: u64,
}

impl Slot {
    pub(crate) fn send(&self, bytes: &[u8]) {
        packet::send(&self.socket, bytes, &[]).unwrap();
    }

    pub(crate) fn ask(&mut self, transport: Transport, to: &str) -> u64 {
        self.next += 1;
        let wish = Wish::Connect(Endpoint::new(transport, to.parse().unwrap()));
        self.send(&Ask { id: self.next, wish }.encode());
        self.next
    }

    pub(crate) fn close(&self, id: u64) {
        self.send(&Ask { id, wish: Wish::Closed }.encode());
    }

    /// The next answer with its descriptor; nothing when the session is over.
    pub(crate) fn answer(&self) -> Option<(Grant, Option<OwnedFd>)> {
        let mut packet = packet::receive(&self.socket).unwrap();
        (!packet.bytes.is_empty()).then(|| (Grant::decode(&packet.bytes).unwrap(), packet.fds.pop()))
    }

    /// Asks and waits for the answer: a connection, or an error number.
    pub(crate) fn connect(&mut self, transport: Transport, to: &str) -> Result<OwnedFd, u32> {
        let id = self.ask(transport, to);
        let (grant, socket) = self.answer().unwrap();
        assert_eq!(grant.id, id);
        grant.outcome.map(|_| socket.unwrap())
    }

    pub(crate) fn tcp(&mut self, to: &str) -> Result<std::net::TcpStream, u32> {
        self.connect(Transport::Tcp, to).map(|socket| {
            let stream = std::net::TcpStream::from(socket);
            stream.set_nonblocking(false).unwrap();
            stream
        })
    }

    pub(crate) fn resolver(&mut self, transport: Transport) -> Names {
        let socket = self.connect(transport, &RESOLVER.to_string()).unwrap();
        rustix::io::ioctl_fionbio(&socket, false).unwrap();
        let kind = rustix::net::sockopt::socket_type(&socket).unwrap();
        let expected = if transport == Transport::Udp { SocketType::SEQPACKET } else { SocketType::STREAM };
        assert_eq!(kind, expected);
        Names { socket, transport }
    }

    /// Asks the resolver for addresses of a name.
    pub(crate) fn look_up(&mut self, name: &str) -> (ResponseCode, Vec<IpAddr>) {
        let names = self.resolver(Transport::Udp);
        let answer = names.ask(name, RecordType::A);
        (answer.metadata.response_code, addresses(&answer))
    }
}

pub(crate) fn addresses(message: &Message) -> Vec<IpAddr> {
    let address = |record: &Record| match record.data {
        RData::A(ip) => Some(IpAddr::V4(ip.0)),
        _ => None,
    };
    message.answers.iter().filter_map(address).collect()
}

/// A connection to the resolver.
pub(crate) struct Names {
    pub(crate) socket: OwnedFd,
    transport: Transport,
}

impl Names {
    pub(crate) fn ask(&self, name: &str, kind: RecordType) -> Message {
        Message::from_vec(&self.exchange(&query(name, kind).to_vec().unwrap())).unwrap()
    }

    pub(crate) fn exchange(&self, query: &[u8]) -> Vec<u8> {
        let mut answer = vec![0; 1 << 16];
        match self.transport {
            Transport::Udp => {
                rustix::net::send(&self.socket, query, SendFlags::empty()).unwrap();
                let (len, _) = rustix::net::recv(&self.socket, &mut answer[..], RecvFlags::empty()).unwrap();
                answer.truncate(len);
            }
            Transport::Tcp => {
                let mut stream = std::os::unix::net::UnixStream::from(self.socket.try_clone().unwrap());
                stream.write_all(&(query.len() as u16).to_be_bytes()).unwrap();
                stream.write_all(query).unwrap();
                let mut len = [0; 2];
                stream.read_exact(&mut len).unwrap();
                answer.truncate(u16::from_be_bytes(len).into());
                stream.read_exact(&mut answer).unwrap();
            }
        }
        answer
    }
}

pub(crate) fn query(name: &str, kind: RecordType) -> Message {
    let mut message = Message::new(77, MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(DnsName::from_ascii(name).unwrap(), kind));
    message
}

/// The world's names, as the tests have them.
async fn serve_names(socket: UdpSocket, asked: Arc<AtomicU32>) {
    let mut bytes = [0; 4096];
    loop {
        let (len, from) = socket.recv_from(&mut bytes).await.unwrap();
        let query = Message::from_vec(&bytes[..len]).unwrap();
        let count = asked.fetch_add(1, Ordering::Relaxed);
        let question = query.queries[0].clone();
        let mut answer = Message::new(query.metadata.id, MessageType::Response, OpCode::Query);
        answer.metadata.recursion_available = true;
        answer.add_query(question.clone());
        match records(&question, count) {
            Ok(records) => answer.answers = records,
            Err(code) => answer.metadata.response_code = code,
        }
        socket.send_to(&answer.to_vec().unwrap(), from).await.unwrap();
    }
}

fn records(question: &Query, count: u32) -> Result<Vec<Record>, ResponseCode> {
    let name = question.name().clone();
    let record = |name: &DnsName, ttl, data| Record::from_rdata(name.clone(), ttl, data);
    let a = |name: &DnsName, ttl, ip: [u8; 4]| record(name, ttl, RData::A(A(ip.into())));
    match (&*name.to_lowercase().to_ascii(), question.query_type()) {
        ("api.example.com.", RecordType::A) => Ok(vec![a(&name, 60, [93, 184, 216, 34])]),
        ("www.example.com.", RecordType::A) => {
            let target = DnsName::from_ascii("cdn.example.net.").unwrap();
            let stray = DnsName::from_ascii("other.example.net.").unwrap();
            let alias = record(&name, 60, RData::CNAME(CNAME(target.clone())));
            Ok(vec![alias, a(&target, 60, [93, 184, 216, 35]), a(&stray, 60, [93, 184, 216, 36])])
        }
        // Another address each time, good for no time.
        ("rebind.example.com.", RecordType::A) => {
            Ok(vec![a(&name, 0, if count.is_multiple_of(2) { [93, 184, 216, 34] } else { [127, 0, 0, 1] })])
        }
        ("big.example.com.", RecordType::TXT) => Ok((0..6)
            .map(|one| record(&name, 60, RData::TXT(TXT::new(vec![one.to_string().repeat(150)]))))
            .collect()),
        ("broken.example.com.", _) => Err(ResponseCode::ServFail),
        ("api.example.com.", _) => Ok(Vec::new()),
        _ => Err(ResponseCode::NXDomain),
    }
}
