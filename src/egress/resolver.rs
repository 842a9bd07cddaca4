//! The server of names that a machine sees: it reads DNS from a socket pair, whose other end the machine's connection to it is.
//!
//! A name is resolved as it comes. Which names, the rules decide; which addresses were given for them, the call remembers.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use hickory_resolver::proto::op::{Edns, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_resolver::proto::rr::{DNSClass, Name as DnsName, RData, Record, RecordType};
use km_abi::outbound::Transport;
use rustix::net::{RecvFlags, SendFlags};
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::{UnixDatagram, UnixStream};
use tokio_util::sync::CancellationToken;

use crate::asks::FUNCTIONS;
use crate::policy::Resolution;
use crate::session::Shared;
use crate::upstream::Answer;
use api::egress::name::Name;

/// Longest query.
const QUERY_MAX: usize = 4096;
/// Bytes of the header (RFC 1035, 4.1.1).
const HEADER_LEN: usize = 12;
/// Longest answer in a datagram to those who say nothing of it (RFC 1035, 4.2.1), and to those who do.
const DATAGRAM_MIN: u16 = 512;
const DATAGRAM_MAX: u16 = 4096;
/// How long the address of this node's functions may be kept, in seconds.
const FUNCTIONS_TTL: u32 = 60;
/// The version of EDNS that there is (RFC 6891, 6.1.3).
const EDNS_VERSION: u8 = 0;

/// Serves the end of a pair for call `number` of the session, until the other end closes or `over`.
pub(crate) fn spawn(
    shared: Arc<Shared>,
    number: u64,
    transport: Transport,
    socket: OwnedFd,
    over: CancellationToken,
) {
    tokio::spawn(async move {
        let work = async {
            match transport {
                Transport::Udp => serve_datagrams(&shared, number, socket, &over).await,
                Transport::Tcp => serve_stream(&shared, number, socket).await,
            }
        };
        // What fails here, the machine did.
        tokio::select! {
            () = over.cancelled() => {}
            _ = work => {}
        }
    });
}

/// Datagrams are packets of the pair; each is answered when its answer is there.
async fn serve_datagrams(
    shared: &Arc<Shared>,
    number: u64,
    socket: OwnedFd,
    over: &CancellationToken,
) -> io::Result<()> {
    // A seqpacket socket; the type's own calls are not used, only its place in the event loop.
    let socket = Arc::new(UnixDatagram::from_std(socket.into())?);
    loop {
        let mut packet = vec![0; QUERY_MAX];
        let receive = || Ok(rustix::net::recv(&*socket, &mut packet[..], RecvFlags::DONTWAIT)?);
        let (len, _) = socket.async_io(Interest::READABLE, receive).await?;
        if len == 0 {
            return Ok(());
        }
        packet.truncate(len);
        let turn = shared.queries.clone().acquire_owned().await.map_err(io::Error::other)?;
        let (shared, socket, over) = (shared.clone(), socket.clone(), over.clone());
        tokio::spawn(async move {
            let _turn = turn;
            let work = answer(&shared, number, &packet, Transport::Udp);
            let answer = tokio::select! {
                () = over.cancelled() => None,
                answer = work => answer,
            };
            // A machine that does not read loses datagrams, as from a network.
            let _ = answer
                .map(|bytes| rustix::net::send(&*socket, &bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL));
        });
    }
}

/// Messages after their lengths (RFC 1035, 4.2.2), one after the other.
async fn serve_stream(shared: &Arc<Shared>, number: u64, socket: OwnedFd) -> io::Result<()> {
    let mut stream = UnixStream::from_std(socket.into())?;
    loop {
        let len = usize::from(stream.read_u16().await?);
        if len > QUERY_MAX {
            return Ok(());
        }
        let mut packet = vec![0; len];
        stream.read_exact(&mut packet).await?;
        let turn = shared.queries.acquire().await.map_err(io::Error::other)?;
        let answer = answer(shared, number, &packet, Transport::Tcp).await;
        drop(turn);
        let Some(bytes) = answer else { return Ok(()) };
        let Ok(len) = u16::try_from(bytes.len()) else { return Ok(()) };
        stream.write_u16(len).await?;
        stream.write_all(&bytes).await?;
    }
}

/// The answer to a message. None for what is no query.
async fn answer(shared: &Shared, number: u64, packet: &[u8], transport: Transport) -> Option<Vec<u8>> {
    // The highest bit of the third byte says that it is an answer: two servers would go on for ever.
    if packet.len() < HEADER_LEN || packet[2] & 0x80 != 0 {
        return None;
    }
    let Ok(query) = Message::from_vec(packet) else {
        let id = u16::from_be_bytes([packet[0], packet[1]]);
        return Message::error_msg(id, OpCode::Query, ResponseCode::FormErr).to_vec().ok();
    };
    let answer = resolve(shared, number, &query).await;
    write(&query, answer, transport)
}

fn write(query: &Message, answer: Answer, transport: Transport) -> Option<Vec<u8>> {
    let mut response = Message::new(query.metadata.id, MessageType::Response, query.metadata.op_code);
    response.metadata.recursion_desired = query.metadata.recursion_desired;
    response.metadata.recursion_available = true;
    response.metadata.response_code = answer.code;
    response.add_queries(query.queries.iter().take(1).cloned());
    response.add_answers(answer.records);
    let mut limit = usize::from(DATAGRAM_MIN);
    if let Some(edns) = &query.edns {
        limit = usize::from(edns.max_payload().clamp(DATAGRAM_MIN, DATAGRAM_MAX));
        let mut ours = Edns::new();
        ours.set_max_payload(DATAGRAM_MAX).set_version(EDNS_VERSION);
        response.set_edns(ours);
    }
    let bytes = response.to_vec().ok()?;
    if transport == Transport::Udp && bytes.len() > limit {
        response.truncate().to_vec().ok()
    } else {
        Some(bytes)
    }
}

async fn resolve(shared: &Shared, number: u64, query: &Message) -> Answer {
    if query.metadata.op_code != OpCode::Query {
        return Answer::code(ResponseCode::NotImp);
    }
    if query.edns.as_ref().is_some_and(|edns| edns.version() != EDNS_VERSION) {
        return Answer::code(ResponseCode::BADVERS);
    }
    let [question] = &query.queries[..] else { return Answer::code(ResponseCode::FormErr) };
    if question.query_class() != DNSClass::IN || !shared.count_query(number) {
        return Answer::code(ResponseCode::Refused);
    }
    if is_reverse(question.name()) {
        return resolve_address(shared, number, question).await;
    }
    let Ok(name) = question.name().to_ascii().parse::<Name>() else {
        return Answer::code(ResponseCode::Refused);
    };
    match shared.resolution(number, &name) {
        Resolution::Refuse => Answer::code(ResponseCode::Refused),
        Resolution::Absent => Answer::code(ResponseCode::NXDomain),
        Resolution::Functions => resolve_functions(shared, number, question, &name),
        Resolution::Ask => resolve_name(shared, number, question, name).await,
    }
}

/// Types that are answered. Of others a name has nothing: an error would make programs give it up that ask for more than one.
fn is_answered(kind: RecordType) -> bool {
    use RecordType::{A, AAAA, CNAME, MX, PTR, SRV, TXT};
    matches!(kind, A | AAAA | CNAME | MX | PTR | SRV | TXT)
}

/// This node's functions have one address, of IPv4.
fn resolve_functions(shared: &Shared, number: u64, question: &Query, name: &Name) -> Answer {
    shared.learn(number, name, true, &[FUNCTIONS.into()]);
    let mut answer = Answer::code(ResponseCode::NoError);
    if question.query_type() == RecordType::A {
        let record = Record::from_rdata(question.name().clone(), FUNCTIONS_TTL, RData::A(FUNCTIONS.into()));
        answer.records.push(record);
    }
    answer
}

async fn resolve_name(shared: &Shared, number: u64, question: &Query, name: Name) -> Answer {
    let kind = question.query_type();
    if !is_answered(kind) {
        return Answer::code(ResponseCode::NoError);
    }
    let cache = &shared.function.cache;
    let answer = match cache.get(&name, kind) {
        Some(answer) => answer,
        None => {
            let answer = shared.broker.upstream.ask(question.name(), kind).await;
            cache.put(name.clone(), kind, &answer);
            answer
        }
    };
    shared.learn(number, &name, answer.is_direct(), &answer.addresses());
    answer
}

fn is_reverse(name: &DnsName) -> bool {
    name.iter().next_back().is_some_and(|label| label.eq_ignore_ascii_case(b"arpa"))
}

/// The name of an address, which is told to calls that have the address already.
async fn resolve_address(shared: &Shared, number: u64, question: &Query) -> Answer {
    let mut name = question.name().clone();
    name.set_fqdn(true);
    let whole = name.parse_arpa_name().ok().filter(|net| net.prefix_len() == net.max_prefix_len());
    match whole {
        Some(net) if shared.was_given(number, net.addr()) => match question.query_type() {
            RecordType::PTR => shared.broker.upstream.ask(&name, RecordType::PTR).await,
            _ => Answer::code(ResponseCode::NoError),
        },
        _ => Answer::code(ResponseCode::Refused),
    }
}
