//! Bytes of requests that no machine has taken yet: bounded for the node and for each peer, from the first one on.
//!
//! Calls are admitted when their body is here as far as it is read ahead, so no limit on calls bounds these.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::StatusCode;
use ipnet::IpNet;

use super::admission::{RETRY_SECS, node_full};
use super::headers::Peer;
use super::problem::{Component, Problem};
use super::reason::Reason;

/// What the node holds of requests.
#[derive(Debug)]
pub struct Ledger {
    max: u64,
    peer_max: u64,
    held: AtomicU64,
    peers: Mutex<HashMap<Account, u64>>,
}

/// Who answers for bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Account {
    /// Clients of this network: one customer has at least a /64 of IPv6 addresses.
    Network(IpNet),
    /// A function that calls another, as `NAMESPACE/FUNCTION`.
    Function(String),
}

impl Account {
    /// The account of a client; none for trusted proxies, which speak for many.
    pub fn of(peer: Peer) -> Option<Self> {
        let ip = peer.address.ip().to_canonical();
        let network = IpNet::new_assert(ip, if ip.is_ipv4() { 32 } else { 64 });
        (!peer.trusted).then(|| Self::Network(network.trunc()))
    }
}

/// What is held of one request; given back when it is dropped.
#[derive(Debug)]
pub struct Held {
    ledger: Arc<Ledger>,
    peer: Option<Account>,
    bytes: u64,
}

impl Ledger {
    /// At most `max` bytes, and `peer_max` of any one peer.
    pub fn new(max: u64, peer_max: u64) -> Arc<Self> {
        Arc::new(Self { max, peer_max, held: AtomicU64::new(0), peers: Mutex::default() })
    }

    /// The entry of a request of which nothing is held yet. Without an account it counts for the node alone.
    pub fn open(self: &Arc<Self>, peer: Option<Account>) -> Held {
        Held { ledger: self.clone(), peer, bytes: 0 }
    }

    /// Bytes that are held now.
    pub fn held(&self) -> u64 {
        self.held.load(Ordering::Relaxed)
    }

    fn peers(&self) -> MutexGuard<'_, HashMap<Account, u64>> {
        // Each change is one step.
        self.peers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    /// Charges as much as makes it `bytes` in all.
    ///
    /// # Errors
    /// 503 when the node holds too much, 429 when the peer does.
    pub fn cover(&mut self, bytes: u64) -> Result<(), Problem> {
        let more = bytes.saturating_sub(self.bytes);
        let within = |max: u64| move |held: u64| held.checked_add(more).filter(|sum| *sum <= max);
        let (ledger, order) = (&self.ledger, Ordering::Relaxed);
        ledger
            .held
            .fetch_update(order, order, within(ledger.max))
            .map_err(|_| node_full("the node holds as many bytes of requests as it may"))?;
        if let Some(peer) = &self.peer {
            let mut peers = ledger.peers();
            let held = peers.entry(peer.clone()).or_default();
            match within(ledger.peer_max)(*held) {
                Some(sum) => *held = sum,
                None => {
                    if *held == 0 {
                        peers.remove(peer);
                    }
                    ledger.held.fetch_sub(more, order);
                    return Err(peer_full());
                }
            }
        }
        self.bytes += more;
        Ok(())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.bytes == 0 {
            return;
        }
        self.ledger.held.fetch_sub(self.bytes, Ordering::Relaxed);
        if let Some(peer) = &self.peer {
            let mut peers = self.ledger.peers();
            if let Some(held) = peers.get_mut(peer) {
                *held = held.saturating_sub(self.bytes);
                if *held == 0 {
                    peers.remove(peer);
                }
            }
        }
    }
}

fn peer_full() -> Problem {
    let told = "the server holds as many bytes of this client's requests as it may";
    Problem::new(StatusCode::TOO_MANY_REQUESTS, Component::Admission, Reason::PeerBusy, told)
        .retry_after(RETRY_SECS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_comes_back() {
        let ledger = Ledger::new(100, 60);
        let peer = |address: &str, trusted| Account::of(Peer { address: address.parse().unwrap(), trusted });
        let mut first = ledger.open(peer("10.0.0.1:1", false));
        first.cover(40).unwrap();
        first.cover(30).unwrap();
        let mut same = ledger.open(peer("[::ffff:10.0.0.1]:2", false));
        assert_eq!(same.cover(21).unwrap_err().reason, Reason::PeerBusy);
        same.cover(20).unwrap();
        let mut proxy = ledger.open(peer("10.0.0.1:3", true));
        assert_eq!(proxy.cover(41).unwrap_err().reason, Reason::NodeBusy);
        proxy.cover(40).unwrap();
        drop((first, proxy));
        assert_eq!(ledger.held(), 20);
        drop(same);
        assert!(ledger.held() == 0 && ledger.peers().is_empty());
        let mut one = ledger.open(peer("[2001:db8::1]:1", false));
        one.cover(60).unwrap();
        let mut neighbour = ledger.open(peer("[2001:db8::ffff:2]:1", false));
        assert_eq!(neighbour.cover(1).unwrap_err().reason, Reason::PeerBusy, "one /64 is one peer");
        drop((one, neighbour));
        let function = |name: &str| Some(Account::Function(name.to_owned()));
        let mut caller = ledger.open(function("a/b"));
        caller.cover(30).unwrap();
        assert_eq!(ledger.open(function("a/b")).cover(31).unwrap_err().reason, Reason::PeerBusy);
        ledger.open(function("a/c")).cover(10).unwrap();
    }
}
