//! What a session knows of the call that its machine answers.

use std::collections::{HashMap, HashSet, VecDeque};
use std::net::IpAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use km_abi::outbound::Transport;
use rustix::net::Shutdown;
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::policy::{Given, KnownName};
use crate::settings::Traffic;
use crate::traffic;

/// Names with their addresses that one call remembers; beyond, the oldest are forgotten.
pub(crate) const GIVEN_MAX: usize = 256;
/// Messages to the owner of one call.
const TOLD_MAX: usize = 16;

/// What a call did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Connections that were granted, those to the resolver not among them.
    pub connections: u64,
    /// Connections and names that no rule opens, and connections beyond a limit.
    pub refused: u64,
    /// Connections that the peer or the network did not take, or that were not there when the call ended.
    pub failed: u64,
    /// Bytes that the program wrote to streams. Of datagrams the kernel keeps no account.
    pub sent: u64,
    /// Bytes that came for it on streams.
    pub received: u64,
    /// Queries to the resolver.
    pub queries: u64,
}

/// What the node and the function have given for a connection; given back with its end.
#[derive(Debug)]
pub(crate) struct Places {
    pub(crate) _node: OwnedSemaphorePermit,
    pub(crate) _function: OwnedSemaphorePermit,
}

/// A connection as far as it has come.
#[derive(Debug)]
pub(crate) enum Held {
    /// The peer has not answered.
    Connecting,
    /// The slot has the connection, and this is a duplicate.
    Open(OwnedFd, Transport),
    /// The slot has an end of a pair, and the resolver the other.
    Resolver,
}

/// A connection, what it takes, and the end of its task.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) held: Held,
    /// Who serves it counts its bytes.
    pub(crate) counted: Option<Arc<Traffic>>,
    pub(crate) _places: Places,
    pub(crate) _task: DropGuard,
}

impl Connection {
    /// Ends it, whoever has the other duplicate: what was written before still leaves. Its bytes, where it was open.
    pub(crate) fn end(self) -> Option<(u64, u64)> {
        let Held::Open(socket, transport) = self.held else { return None };
        let bytes = match (self.counted, transport) {
            (Some(counted), _) => {
                (counted.sent.load(Ordering::Relaxed), counted.received.load(Ordering::Relaxed))
            }
            (None, Transport::Tcp) => traffic::of_tcp(socket.as_fd()),
            (None, Transport::Udp) => (0, 0),
        };
        // Fails where the peer ended it before.
        let _ = rustix::net::shutdown(&socket, Shutdown::Both);
        Some(bytes)
    }
}

/// A call and all that is its own.
#[derive(Debug)]
pub(crate) struct Call {
    /// Which call of its session.
    pub(crate) number: u64,
    pub(crate) id: String,
    /// How many calls led to it.
    pub(crate) hops: u32,
    /// Its tasks end with it.
    pub(crate) over: CancellationToken,
    pub(crate) connections: HashMap<u64, Connection>,
    pub(crate) usage: Usage,
    given: VecDeque<(IpAddr, Given)>,
    /// What the program had resolved before its snapshot was taken.
    before: Arc<[KnownName]>,
    told: HashSet<String>,
}

impl Call {
    pub(crate) fn new(
        number: u64,
        id: &str,
        hops: u32,
        before: Arc<[KnownName]>,
        over: CancellationToken,
    ) -> Self {
        let (connections, usage) = (HashMap::new(), Usage::default());
        Self {
            number,
            id: id.to_owned(),
            hops,
            over,
            connections,
            usage,
            given: VecDeque::new(),
            before,
            told: HashSet::new(),
        }
    }

    /// Remembers that the resolver gave an address for a name.
    pub(crate) fn learn(&mut self, ip: IpAddr, given: Given) {
        let pair = (ip.to_canonical(), given);
        if self.given.contains(&pair) {
            return;
        }
        if self.given.len() == GIVEN_MAX {
            self.given.pop_front();
        }
        self.given.push_back(pair);
    }

    /// For which names the resolver gave an address: to this call, or to the program before its snapshot was taken.
    pub(crate) fn names(&self, ip: IpAddr) -> Vec<Given> {
        let ip = ip.to_canonical();
        let before = self.before.iter().map(|known| (known.address, &known.given));
        let all = self.given.iter().map(|(ip, given)| (*ip, given)).chain(before);
        all.filter(|(one, _)| *one == ip).map(|(_, given)| given.clone()).collect()
    }

    /// All of them.
    pub(crate) fn known(&self) -> Vec<KnownName> {
        let known =
            |(address, given): &(IpAddr, Given)| KnownName { address: *address, given: given.clone() };
        self.given.iter().map(known).collect()
    }

    /// The message is one that the owner has not been told, and may be told.
    pub(crate) fn is_news(&mut self, message: &str) -> bool {
        self.told.len() < TOLD_MAX && self.told.insert(message.to_owned())
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.over.cancel();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_remembered_within_bounds() {
        let mut call = Call::new(1, "a", 0, Arc::default(), CancellationToken::new());
        let given = |text: &str| Given { name: text.parse().unwrap(), direct: true };
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        call.learn(ip("::ffff:1.2.3.4"), given("a.b"));
        call.learn(ip("1.2.3.4"), given("a.b"));
        call.learn(ip("1.2.3.4"), given("c.d"));
        assert_eq!(call.names(ip("1.2.3.4")), [given("a.b"), given("c.d")]);
        for host in 0..GIVEN_MAX as u32 {
            call.learn(std::net::Ipv4Addr::from_bits(host).into(), given("e.f"));
        }
        assert_eq!(call.given.len(), GIVEN_MAX);
        assert!(call.names(ip("1.2.3.4")).is_empty());
    }

    #[test]
    fn the_owner_is_told_a_few_things_once() {
        let mut call = Call::new(1, "a", 0, Arc::default(), CancellationToken::new());
        assert!(call.is_news("x") && !call.is_news("x"));
        let told = (0..100).filter(|number: &i32| call.is_news(&number.to_string())).count();
        assert_eq!(told, TOLD_MAX - 1);
    }
}
