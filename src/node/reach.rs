//! What functions reach beyond their machines: the node's broker, and who hears of it: the function's log and the metrics.

use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use api::Published;
use egress::{
    Broker, Caller, Function, Functions, KnownName, Mode, Observer, Outcome, Rule, RuleError, Settings,
    SettingsError,
};

use crate::metrics::{OfDirection, OfOutcome};
use crate::server::{Server, inward};
use volume::Volume;
use volume::addresses::Addresses;

/// The node's broker.
#[derive(Debug)]
pub struct Reach {
    broker: Arc<Broker>,
    mode: Mode,
    listener: Arc<Listener>,
    addresses: Mutex<Addresses>,
}

/// Tells the server of what happens, once there is one.
#[derive(Debug, Default)]
struct Listener(OnceLock<Weak<Server>>);

impl Reach {
    /// A broker with these settings, whose tasks run in the runtime of the caller; none where functions reach nothing
    /// whatever their Images say.
    ///
    /// # Errors
    /// See [`SettingsError`].
    pub fn open(settings: Settings) -> Result<Option<Self>, SettingsError> {
        let mode = settings.policy.mode;
        if mode == Mode::Off {
            return Ok(None);
        }
        let listener = Arc::<Listener>::default();
        let functions = Some(listener.clone() as Arc<dyn Functions>);
        let broker = Broker::new(Settings { observer: listener.clone(), functions, ..settings })?;
        Ok(Some(Self { broker, mode, listener, addresses: Mutex::default() }))
    }

    /// The broker.
    pub fn broker(&self) -> &Arc<Broker> {
        &self.broker
    }

    /// Keeps functions from what the cluster's own addresses are now, as control has written them down. Blocks.
    pub fn follow(&self, volume: &Volume) {
        let mut addresses = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        match addresses.news(volume) {
            Ok(None) => {}
            Ok(Some(addresses)) => self.broker.know_cluster(&addresses),
            Err(error) => {
                tracing::warn!(%error, "cannot read the cluster's own addresses; going on with those known")
            }
        }
    }

    /// Tells `server` from now on.
    pub fn tell(&self, server: &Arc<Server>) {
        // A node has one server.
        let _ = self.listener.0.set(Arc::downgrade(server));
    }

    /// What a version of a function may reach; nothing where no rule opens anything. `before`: what its program had resolved when the
    /// snapshot was taken that its machines begin with.
    ///
    /// # Errors
    /// When its rules cannot be read, which validation refuses before.
    pub fn function(
        &self,
        published: &Published,
        before: Vec<KnownName>,
    ) -> Result<Option<Arc<Function>>, RuleError> {
        if published.spec.egress.is_empty() && self.mode != Mode::Public {
            return Ok(None);
        }
        let rules = published.spec.egress.iter().map(Rule::try_from).collect::<Result<_, _>>()?;
        let name = &published.name;
        self.broker.function(name.namespace(), name.function(), rules, before).map(Some)
    }

    /// The /etc/resolv.conf of a function's machines.
    pub fn resolv_conf(&self, published: &Published) -> String {
        self.broker.resolv_conf(published.name.namespace())
    }
}

impl Listener {
    fn with(&self, work: impl FnOnce(&Server)) {
        if let Some(server) = self.0.get().and_then(Weak::upgrade) {
            work(&server);
        }
    }
}

fn label(function: &Function) -> String {
    format!("{}/{}", function.namespace(), function.name())
}

impl Observer for Listener {
    fn denied(&self, function: &Function, call: &str, message: &str) {
        self.with(|server| {
            if let Some(function) = server.functions.get(&label(function)) {
                function.log.note(call, message);
            }
        });
    }

    fn opened(&self, function: &Function, outcome: Outcome) {
        self.with(|server| {
            let label = OfOutcome { faas_name: label(function), outcome: outcome.as_str() };
            server.metrics.egress_connections.get_or_create(&label).inc();
        });
    }

    fn closed(&self, function: &Function, sent: u64, received: u64) {
        self.with(|server| {
            for (direction, bytes) in [("sent", sent), ("received", received)] {
                let label = OfDirection { faas_name: label(function), direction };
                server.metrics.egress_bytes.get_or_create(&label).inc_by(bytes);
            }
        });
    }
}

impl Functions for Listener {
    fn serve(&self, caller: Caller) {
        // Before there is a server there is no call; the connection ends.
        if let Some(server) = self.0.get().and_then(Weak::upgrade) {
            inward::serve(server, caller);
        }
    }
}
