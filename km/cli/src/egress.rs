//! `--egress` of `km run`: a broker of its own for the one machine, on a thread beside it.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use anyhow::{Context, Result};
use egress::{Allow, Broker, Declarer, Function, Observer, Outcome, Policy, Rule, Session, Settings, Target};
use tokio::runtime::Runtime;

/// Connects the machine as long as it is held.
pub struct Egress {
    /// The machine's end of the way to the broker.
    pub broker: OwnedFd,
    /// The machine's /etc/resolv.conf.
    pub resolv_conf: String,
    _session: Session,
    _runtime: Runtime,
}

/// Says on standard error what was refused.
struct Speaker;

impl Observer for Speaker {
    fn denied(&self, _: &Function, _: &str, message: &str) {
        eprintln!("km: {message}");
    }

    fn opened(&self, _: &Function, _: Outcome) {}

    fn closed(&self, _: &Function, _: u64, _: u64) {}
}

impl Egress {
    /// A broker for these rules; nothing where there are none. Whoever gives them is the operator as well: what they name needs no
    /// further permission.
    ///
    /// # Errors
    /// When this process can have no broker.
    pub fn open(rules: &[Rule]) -> Result<Option<Self>> {
        if rules.is_empty() {
            return Ok(None);
        }
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let allow = |rule: &Rule| match &rule.target {
            Target::AnyPublic => None,
            target => Some(Allow { namespace: None, target: target.clone() }),
        };
        let allow = rules.iter().filter_map(allow).collect();
        let policy = Policy { allow, declarer: Declarer::Command, ..Policy::default() };
        let settings = Settings { policy, observer: Arc::new(Speaker), ..Settings::default() };
        let broker = runtime.block_on(async { Broker::new(settings) }).context("--egress")?;
        let function = broker.function("default", "km", rules.to_vec(), Vec::new()).context("--egress")?;
        let (session, slot) = broker.attach(&function)?;
        session.begin("km", 0);
        let resolv_conf = broker.resolv_conf("default");
        Ok(Some(Self { broker: slot, resolv_conf, _session: session, _runtime: runtime }))
    }
}
