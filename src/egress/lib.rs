//! The broker: it decides about the connections that functions open, and makes them.
//!
//! A function's machine runs in a jailed worker that can open no socket. Each slot has one end of a socket pair, the broker the
//! other; a connection is asked for there, and comes back as a descriptor (`km_vmm::protocol::outbound`). Whatever comes
//! from a slot may be an attacker's.
//!
//! ```text
//! slot ── Ask ──► Session ──► Policy: rules of the Image, the operator's, the address itself ──► connect ── Grant ──► slot
//!                    └─ a machine's queries for names ──► resolver ──► the operator's servers
//! ```
//!
//! * `api::egress`: what an Image declares. [`address`]: what kind of peer an address is. [`policy`]: the decision.
//! * [`broker`]: what a node has one of; [`session`]: what a slot has one of, from call to call; `asks`, `call`, `connect`: how
//!   it answers.
//! * [`peers`]: the same decision for what this process fetches itself.
//! * `resolver`, `upstream`, `cache`: names. [`settings`]: what the operator sets, and who is told.

#![forbid(unsafe_code)]

pub mod address;
mod asks;
pub mod broker;
mod bucket;
mod cache;
mod call;
mod connect;
pub mod own;
pub mod peers;
pub mod policy;
mod resolver;
pub mod session;
pub mod settings;
mod traffic;
mod upstream;

#[cfg(test)]
mod broker_tests;
#[cfg(test)]
mod policy_tests;
#[cfg(test)]
mod resolver_tests;
#[cfg(test)]
mod test_slot;

pub use api::egress::rule::{self, Rule, RuleError, Target};
pub use broker::{Broker, Function};
pub use call::Usage;
pub use peers::PeerError;
pub use policy::{Allow, Declarer, KnownName, Mode, Policy};
pub use session::Session;
pub use settings::{Caller, Functions, Limits, Observer, Outcome, Settings, SettingsError, Traffic};
pub use upstream::answers;
