//! Functions that call functions of their own node: `http://functions.internal/NAMESPACE/FUNCTION/…`.
//!
//! Such a connection comes from the broker, which knows whose it is, and not from a listener: no byte of it touches a network.
//! It is served as any other, and what it takes is charged to the caller: its function's share of the calls in flight, and its account of
//! bytes that wait for a machine. It reaches functions alone, and of these the ones that a rule of the caller's Image names.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use http::StatusCode;
use km_abi::outbound::LOCAL_V4;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixStream;
use tokio_util::io::{InspectReader, InspectWriter};

use super::Server;
use super::admission::Admission;
use super::headers::Peer;
use super::listen;
use super::problem::{Component, Problem};
use super::reason::Reason;

/// So many calls lead from one to the next at most: functions that call each other in a circle come to an end.
const HOPS_MAX: u32 = 8;

/// The function that a call comes from.
#[derive(Clone, Debug)]
pub struct Caller {
    function: Arc<egress::Function>,
    hops: u32,
}

/// Serves the connection of a call until it or the call ends.
pub fn serve(server: Arc<Server>, caller: egress::Caller) {
    let egress::Caller { function, hops, over, socket, traffic } = caller;
    let from = Caller { function, hops: hops + 1 };
    tokio::spawn(async move {
        let Ok(stream) = UnixStream::from_std(socket.into()) else { return };
        let stream = counted(stream, traffic);
        let limits = server.options.limits;
        let handle = move |request| server.clone().handle_inward(from.clone(), request);
        tokio::select! {
            () = over.cancelled() => {}
            () = listen::serve_one(stream, limits, handle) => {}
        }
    });
}

/// A stream whose bytes are counted.
fn counted(
    stream: UnixStream,
    traffic: Arc<egress::Traffic>,
) -> impl AsyncRead + AsyncWrite + Unpin + Send + 'static {
    let count = |counter: &AtomicU64, bytes: &[u8]| {
        counter.fetch_add(bytes.len() as u64, Ordering::Relaxed);
    };
    let sent = traffic.clone();
    let read = InspectReader::new(stream, move |bytes: &[u8]| count(&sent.sent, bytes));
    InspectWriter::new(read, move |bytes: &[u8]| count(&traffic.received, bytes))
}

impl Caller {
    /// Who it is to the function that is called: what the caller's program sees as its own address.
    pub fn peer() -> Peer {
        Peer { address: SocketAddr::new(IpAddr::V4(LOCAL_V4), 0), trusted: false }
    }

    /// How many calls have led to this one.
    pub fn hops(&self) -> u32 {
        self.hops
    }

    /// The caller's `NAMESPACE/FUNCTION`.
    pub fn name(&self) -> String {
        format!("{}/{}", self.function.namespace(), self.function.name())
    }

    /// Whether it may call `NAMESPACE/FUNCTION`, which is told alike of functions that are there and of others.
    ///
    /// # Errors
    /// 403 without a rule, 508 after too many calls.
    pub fn check(&self, function: &str) -> Result<(), Problem> {
        let namespace = function.split_once('/').map_or(function, |(namespace, _)| namespace);
        if !self.function.may_call(namespace) {
            let told = "no rule lets the caller reach functions of this namespace: add it to spec.egress";
            return Err(Problem::new(StatusCode::FORBIDDEN, Component::Router, Reason::NotAllowed, told));
        }
        if self.hops > HOPS_MAX {
            let told = "functions called each other too often for one call";
            return Err(Problem::new(
                StatusCode::LOOP_DETECTED,
                Component::Router,
                Reason::TooManyHops,
                told,
            ));
        }
        Ok(())
    }

    /// Whose turns the call takes; nobody's once the caller is not published any more.
    pub fn admission(&self, server: &Server) -> Option<Arc<Admission>> {
        let revision = server.functions.get(&self.name())?.revision().ok()?;
        Some(revision.admission.clone())
    }
}
