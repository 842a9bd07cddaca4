//! How a session answers asks: the decision, the connection, the grant, and the account.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::sync::Arc;

use km_abi::outbound::{Endpoint, RESOLVER, Transport};
use nix::errno::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;

use crate::call::{Call, Connection, Held, Places};
use crate::connect::{self, Begun, Connected};
use crate::policy::{Given, Question, Refusal, Resolution};
use crate::resolver;
use crate::session::{Shared, State};
use crate::settings::{Caller, Outcome, Traffic};
use api::egress::name::Name;
use api::egress::rule::FUNCTIONS_HOST;

/// The address of this node's functions: one that no host has (RFC 7335, 6).
pub(crate) const FUNCTIONS: Ipv4Addr = Ipv4Addr::new(192, 0, 0, 3);

/// Why an ask is answered by an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Denial {
    /// By a rule.
    Refused,
    /// One too many.
    Limited,
    /// The network does not take it.
    Failed(Errno),
}

impl Denial {
    /// What the program sees: without a rule there is no route, and beyond a limit there is no port left.
    pub(crate) fn errno(self) -> Errno {
        match self {
            Self::Refused => Errno::ENETUNREACH,
            Self::Limited => Errno::EADDRNOTAVAIL,
            Self::Failed(errno) => errno,
        }
    }
}

impl Shared {
    pub(crate) fn ask(self: &Arc<Self>, state: &mut State, id: u64, end: Endpoint) -> Result<(), Denial> {
        if state.ending {
            return Err(Denial::Refused);
        }
        let call = state.call.as_mut().ok_or(Denial::Refused)?;
        let (transport, to) = end.read().ok_or(Denial::Refused)?;
        let outcome = if to == RESOLVER {
            self.ask_resolver(call, id, transport)
        } else if to.ip() == FUNCTIONS && self.function.calls_functions(transport, to.port()) {
            self.ask_functions(call, id, to)
        } else {
            self.ask_peer(call, id, transport, to)
        };
        if let Err(denial) = outcome {
            self.count(call, denial);
        }
        outcome
    }

    /// The resolver is there for everybody, and bounded by its queries.
    fn ask_resolver(self: &Arc<Self>, call: &mut Call, id: u64, transport: Transport) -> Result<(), Denial> {
        let places = self.places(call, "the resolver")?;
        let kind = if transport == Transport::Udp { SocketType::SEQPACKET } else { SocketType::STREAM };
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let pair = rustix::net::socketpair(AddressFamily::UNIX, kind, flags, None);
        let (ours, theirs) = pair.map_err(|_| Denial::Limited)?;
        let over = call.over.child_token();
        resolver::spawn(self.clone(), call.number, transport, ours, over.clone());
        let local = connect::local_of_resolver(transport, id);
        let connection =
            Connection { held: Held::Resolver, counted: None, _places: places, _task: over.drop_guard() };
        call.connections.insert(id, connection);
        self.answer(id, Ok(local), Some(&theirs));
        Ok(())
    }

    /// Whoever serves this node's functions has the other end of the pair, and knows whose it is.
    fn ask_functions(&self, call: &mut Call, id: u64, to: SocketAddr) -> Result<(), Denial> {
        let destination = format!("{FUNCTIONS_HOST}:{}", to.port());
        self.take_rate(call, &destination)?;
        let functions = self.broker.functions().ok_or(Denial::Failed(Errno::ECONNREFUSED))?;
        let places = self.places(call, &destination)?;
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let pair = rustix::net::socketpair(AddressFamily::UNIX, SocketType::STREAM, flags, None);
        let (ours, theirs) = pair.map_err(|_| Denial::Limited)?;
        let over = call.over.child_token();
        let traffic = Arc::<Traffic>::default();
        let caller = Caller {
            function: self.function.clone(),
            hops: call.hops,
            over: over.clone(),
            socket: ours,
            traffic: traffic.clone(),
        };
        functions.serve(caller);
        let (held, counted, task) = (Held::Connecting, Some(traffic), over.drop_guard());
        let connection = Connection { held, counted, _places: places, _task: task };
        call.connections.insert(id, connection);
        self.settle(call, id, (Transport::Tcp, to), (theirs, connect::port_of(id)))
    }

    /// One more new connection in this second, if there may be one.
    fn take_rate(&self, call: &mut Call, destination: &str) -> Result<(), Denial> {
        if self.function.bucket.take() {
            return Ok(());
        }
        let rate = self.broker.limits().rate;
        self.tell(call, destination, &format!("is more than {rate} new connections in a second"));
        Err(Denial::Limited)
    }

    fn ask_peer(
        self: &Arc<Self>,
        call: &mut Call,
        id: u64,
        transport: Transport,
        to: SocketAddr,
    ) -> Result<(), Denial> {
        let names = call.names(to.ip());
        let (namespace, rules) = (&*self.function.namespace, &*self.function.rules);
        let question = Question { namespace, rules, names: &names, transport, to };
        let destination = question.destination();
        self.take_rate(call, &destination)?;
        if let Err(refusal) = self.broker.decide(&question) {
            self.tell(call, &destination, &refusal.told(self.broker.declarer()));
            return Err(Denial::Refused);
        }
        let places = self.places(call, &destination)?;
        let to = self.broker.route(to);
        let over = call.over.child_token();
        let task = over.clone().drop_guard();
        let connection = Connection { held: Held::Connecting, counted: None, _places: places, _task: task };
        match transport {
            Transport::Udp => {
                let connected = connect::udp(to).map_err(Denial::Failed)?;
                call.connections.insert(id, connection);
                self.settle(call, id, (transport, to), connected)
            }
            Transport::Tcp => {
                // Whoever answers at once needs no task.
                let turn = self.connecting.clone().try_acquire_owned().ok();
                let begun = turn.map(|turn| connect::begin(to).map(|begun| (turn, begun)));
                let begun = begun.transpose().map_err(Denial::Failed)?;
                call.connections.insert(id, connection);
                let begun = match begun {
                    Some((_, Begun::Connected(connected))) => {
                        return self.settle(call, id, (transport, to), connected);
                    }
                    Some((turn, Begun::OnItsWay(socket))) => Some((turn, socket)),
                    None => None,
                };
                tokio::spawn(self.clone().dial(id, to, begun, over));
                Ok(())
            }
        }
    }

    /// Room for one more connection.
    fn places(&self, call: &mut Call, destination: &str) -> Result<Places, Denial> {
        let limits = self.broker.limits();
        let node = self.broker.places.clone().try_acquire_owned();
        let function = self.function.places.clone().try_acquire_owned();
        let (most, whose) = match (node, function) {
            _ if call.connections.len() >= limits.per_machine => (limits.per_machine, "call"),
            (Ok(_node), Ok(_function)) => return Ok(Places { _node, _function }),
            (_, Err(_)) => (limits.per_function, "function"),
            (Err(_), _) => (limits.per_node, "node"),
        };
        self.tell(call, destination, &format!("is more than the {most} connections of one {whose}"));
        Err(Denial::Limited)
    }

    /// Waits for the turn where there is none yet, and then for the peer.
    async fn dial(
        self: Arc<Self>,
        id: u64,
        to: SocketAddr,
        begun: Option<(OwnedSemaphorePermit, OwnedFd)>,
        over: CancellationToken,
    ) {
        let limit = self.broker.limits().connect_timeout;
        let work = async {
            if let Some((_turn, socket)) = begun {
                return connect::finish(socket, limit).await;
            }
            let _turn = self.connecting.acquire().await;
            connect::tcp(to, limit).await
        };
        let connected = tokio::select! {
            biased;
            () = over.cancelled() => return,
            connected = work => connected,
        };
        let mut state = self.lock();
        let Some(call) = state.call.as_mut() else { return };
        // Not there: the slot has closed it, or another call has begun.
        if !call.connections.contains_key(&id) {
            return;
        }
        let settled = connected.map_err(Denial::Failed);
        let settled = settled.and_then(|connected| self.settle(call, id, (Transport::Tcp, to), connected));
        if let Err(denial) = settled {
            call.connections.remove(&id);
            self.count(call, denial);
            self.answer(id, Err(denial.errno()), None);
        }
    }

    /// Grants a connection that is there, and keeps a duplicate.
    fn settle(
        &self,
        call: &mut Call,
        id: u64,
        (transport, to): (Transport, SocketAddr),
        (socket, port): Connected,
    ) -> Result<(), Denial> {
        let kept = socket.try_clone().map_err(|_| Denial::Limited);
        if kept.is_err() {
            call.connections.remove(&id);
        }
        let connection = call.connections.get_mut(&id).ok_or(Denial::Limited)?;
        connection.held = Held::Open(kept?, transport);
        call.usage.connections += 1;
        self.broker.observer().opened(&self.function, Outcome::Connected);
        self.answer(id, Ok(connect::local(transport, to, port)), Some(&socket));
        Ok(())
    }

    fn count(&self, call: &mut Call, denial: Denial) {
        let (counter, outcome) = match denial {
            Denial::Refused => (&mut call.usage.refused, Outcome::Refused),
            Denial::Limited => (&mut call.usage.refused, Outcome::Limited),
            Denial::Failed(_) => (&mut call.usage.failed, Outcome::Failed),
        };
        *counter += 1;
        self.broker.observer().opened(&self.function, outcome);
    }

    /// Ends a connection and counts what it carried.
    pub(crate) fn account(&self, call: &mut Call, connection: Connection) {
        if matches!(connection.held, Held::Connecting) {
            self.count(call, Denial::Failed(Errno::ECONNABORTED));
        }
        if let Some((sent, received)) = connection.end() {
            call.usage.sent = call.usage.sent.saturating_add(sent);
            call.usage.received = call.usage.received.saturating_add(received);
            self.broker.observer().closed(&self.function, sent, received);
        }
    }

    fn tell(&self, call: &mut Call, destination: &str, what: &str) {
        let message = format!("egress to {destination} {what}");
        if call.is_news(&message) {
            self.broker.observer().denied(&self.function, &call.id, &message);
        }
    }

    /// The call of this number, if it goes on.
    pub(crate) fn with_call<T>(&self, number: u64, work: impl FnOnce(&mut Call) -> T) -> Option<T> {
        let mut state = self.lock();
        let call = state.call.as_mut().filter(|call| call.number == number)?;
        Some(work(call))
    }

    /// Counts a query of the call, if it may have one more.
    pub(crate) fn count_query(&self, number: u64) -> bool {
        let most = self.broker.limits().queries;
        self.with_call(number, |call| {
            call.usage.queries += 1;
            call.usage.queries <= most
        })
        .unwrap_or(false)
    }

    /// What is to be done with a name that the call asks for; its owner is told of a refusal.
    pub(crate) fn resolution(&self, number: u64, name: &Name) -> Resolution {
        let resolution = self.broker.resolution(&self.function, name);
        if resolution == Resolution::Refuse {
            self.with_call(number, |call| {
                call.usage.refused += 1;
                self.tell(call, name.as_str(), &Refusal::Undeclared.told(self.broker.declarer()));
            });
        }
        resolution
    }

    /// The resolver gave this address to the call.
    pub(crate) fn was_given(&self, number: u64, ip: IpAddr) -> bool {
        self.with_call(number, |call| !call.names(ip).is_empty()).unwrap_or(false)
    }

    /// Remembers what the resolver gives to the call for a name.
    pub(crate) fn learn(&self, number: u64, name: &Name, direct: bool, addresses: &[IpAddr]) {
        self.with_call(number, |call| {
            for ip in addresses {
                call.learn(*ip, Given { name: name.clone(), direct });
            }
        });
    }
}
