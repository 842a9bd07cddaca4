//! A slot's session: its asks, and the calls for which they are answered.
//!
//! ```text
//! begin ─► asks: decide, connect, grant ─► end: what was asked before is read, every grant of the call ends
//! ```
//!
//! Packets are read and answered under one lock, so that an ask belongs to the call during which it was sent. Whatever
//! breaks the protocol ends the session: its worker is not to be trusted any more.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use km_abi::outbound::Endpoint;
use km_vmm::protocol::outbound::{Ask, Grant, PACKET_LEN, Wish};
use km_vmm::protocol::packet;
use nix::errno::Errno;
use rustix::net::{RecvFlags, Shutdown};
use tokio::io::Interest;
use tokio::net::UnixDatagram;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::asks::Denial;
use crate::broker::{Broker, Function};
use crate::call::{Call, Usage};
use crate::policy::KnownName;

/// Packets that are read at once, before other tasks have their turn.
const BATCH: usize = 32;
/// Packets that may wait at a call's end: more than an honest worker has sent and a socket holds.
const DRAIN_MAX: usize = 4096;
/// How long a worker waits that asks for more than it may.
const PAUSE: Duration = Duration::from_millis(10);

/// A slot's place at the broker, held by whoever drives its machine. With it all its connections end.
#[derive(Debug)]
pub struct Session {
    shared: Arc<Shared>,
}

/// What the session and its tasks share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) broker: Arc<Broker>,
    pub(crate) function: Arc<Function>,
    /// A seqpacket socket; the type's own calls are not used, only its place in the event loop.
    socket: UnixDatagram,
    /// Turns to wait for a peer, and to ask for a name.
    pub(crate) connecting: Arc<Semaphore>,
    pub(crate) queries: Arc<Semaphore>,
    over: CancellationToken,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    /// The last ask's number: each is greater than those before.
    last: Option<u64>,
    /// Calls that have begun.
    calls: u64,
    pub(crate) call: Option<Call>,
    /// The call is ending: what is read now is answered by nothing new.
    pub(crate) ending: bool,
}

/// What came of reading packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Received {
    /// All that there were.
    All,
    /// As many as are read at once.
    Some,
    /// One of them asked for more than it may.
    TooMany,
    /// The session is over.
    Over,
}

impl Session {
    /// A session over `socket`, within a runtime.
    pub(crate) fn start(broker: Arc<Broker>, function: Arc<Function>, socket: OwnedFd) -> io::Result<Self> {
        rustix::io::ioctl_fionbio(&socket, true)?;
        let limits = broker.limits();
        let shared = Arc::new(Shared {
            connecting: Arc::new(Semaphore::new(limits.connecting)),
            queries: Arc::new(Semaphore::new(limits.queries_at_once)),
            socket: UnixDatagram::from_std(socket.into())?,
            broker,
            function,
            over: CancellationToken::new(),
            state: Mutex::default(),
        });
        tokio::spawn(serve(shared.clone()));
        Ok(Self { shared })
    }

    /// A call begins, to which `hops` others led: from here its machine's asks are heard. One that has not been ended ends.
    pub fn begin(&self, call_id: &str, hops: u32) {
        let mut state = self.shared.lock();
        self.shared.finish(&mut state);
        state.calls += 1;
        let over = self.shared.over.child_token();
        let before = self.shared.function.before.clone();
        state.call = Some(Call::new(state.calls, call_id, hops, before, over));
    }

    /// The call ends, and with it whatever it opened; nothing waits for a peer. The slot's machine must be gone, or must not
    /// run any more: what it asks from now on is refused.
    pub fn end(&self) -> Usage {
        self.shared.finish(&mut self.shared.lock())
    }

    /// What the call that goes on has resolved so far.
    #[must_use]
    pub fn names(&self) -> Vec<KnownName> {
        self.shared.lock().call.as_ref().map(Call::known).unwrap_or_default()
    }

    /// The session has ended before its time: its worker is gone, or has broken the protocol.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.shared.over.is_cancelled()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.shared.close(&mut self.shared.lock());
    }
}

async fn serve(shared: Arc<Shared>) {
    loop {
        let receive = || match shared.receive(&mut shared.lock(), BATCH) {
            Received::All => Err(io::ErrorKind::WouldBlock.into()),
            received => Ok(received),
        };
        let received = tokio::select! {
            biased;
            () = shared.over.cancelled() => Ok(Received::Over),
            received = shared.socket.async_io(Interest::READABLE, receive) => received,
        };
        match received {
            Ok(Received::Some | Received::All) => tokio::task::yield_now().await,
            Ok(Received::TooMany) => tokio::time::sleep(PAUSE).await,
            Ok(Received::Over) | Err(_) => break,
        }
    }
    shared.close(&mut shared.lock());
}

impl Shared {
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn socket(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Reads and answers packets that wait.
    fn receive(self: &Arc<Self>, state: &mut State, most: usize) -> Received {
        for _ in 0..most {
            // One byte more than a packet has, so that a longer one is seen. Descriptors that come along are closed.
            let mut bytes = [0; PACKET_LEN + 1];
            let len = match rustix::net::recv(self.socket(), &mut bytes, RecvFlags::DONTWAIT) {
                Ok((0, _)) => return Received::Over,
                Ok((len, _)) => len,
                Err(rustix::io::Errno::AGAIN) => return Received::All,
                Err(rustix::io::Errno::INTR) => continue,
                Err(_) => return Received::Over,
            };
            match Ask::decode(&bytes[..len]).ok().and_then(|ask| self.hear(state, ask)) {
                None => return Received::Over,
                Some(Err(Denial::Limited)) => return Received::TooMany,
                Some(_) => {}
            }
        }
        Received::Some
    }

    /// Answers an ask. Nothing when it breaks the protocol, or cannot be answered.
    fn hear(self: &Arc<Self>, state: &mut State, ask: Ask) -> Option<Result<(), Denial>> {
        let is_new = state.last.is_none_or(|last| ask.id > last);
        match ask.wish {
            Wish::Connect(end) if is_new => {
                state.last = Some(ask.id);
                let outcome = self.ask(state, ask.id, end);
                if let Err(denial) = outcome {
                    self.grant(ask.id, Err(denial.errno()), None)?;
                }
                Some(outcome)
            }
            Wish::Closed if !is_new => {
                // One that ended with its call, or was never granted, is not there any more.
                if let Some(call) = &mut state.call
                    && let Some(connection) = call.connections.remove(&ask.id)
                {
                    self.account(call, connection);
                }
                Some(Ok(()))
            }
            // A number that was used before, or one that was never asked for.
            Wish::Connect(_) | Wish::Closed => None,
        }
    }

    /// Sends an answer. Nothing when the slot does not take it.
    fn grant(&self, id: u64, outcome: Result<Endpoint, Errno>, socket: Option<&OwnedFd>) -> Option<()> {
        let grant = Grant { id, outcome: outcome.map_err(|errno| errno as u32) };
        let fds: Vec<BorrowedFd<'_>> = socket.into_iter().map(AsFd::as_fd).collect();
        packet::send(self.socket(), &grant.encode(), &fds).ok()
    }

    /// Sends an answer. A slot that does not take it, having asked for it, is not heard any more.
    pub(crate) fn answer(&self, id: u64, outcome: Result<Endpoint, Errno>, socket: Option<&OwnedFd>) {
        if self.grant(id, outcome, socket).is_none() {
            self.over.cancel();
        }
    }

    /// Ends the call, if there is one, after what was asked before.
    fn finish(self: &Arc<Self>, state: &mut State) -> Usage {
        state.ending = true;
        if !matches!(self.receive(state, DRAIN_MAX), Received::All) {
            self.over.cancel();
        }
        state.ending = false;
        self.end_connections(state);
        state.call.take().map(|call| call.usage).unwrap_or_default()
    }

    fn end_connections(&self, state: &mut State) {
        let Some(call) = &mut state.call else { return };
        for (_, connection) in std::mem::take(&mut call.connections) {
            self.account(call, connection);
        }
    }

    /// Ends the session; the slot sees the end of its socket. A call that has begun has done what it has done.
    fn close(&self, state: &mut State) {
        self.over.cancel();
        self.end_connections(state);
        let _ = rustix::net::shutdown(self.socket(), Shutdown::Both);
    }
}
