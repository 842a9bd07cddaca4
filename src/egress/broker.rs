//! The broker of a node: what it decides by, and what its sessions share.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use ipnet::IpNet;
use km_abi::outbound::{RESOLVER, Transport};
use km_vmm::protocol::packet;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use crate::bucket::Bucket;
use crate::cache::Cache;
use crate::call::GIVEN_MAX;
use crate::own;
use crate::policy::{Declarer, KnownName, Policy, Question, Refusal, Resolution};
use crate::session::Session;
use crate::settings::{Functions, Limits, Observer, Settings, SettingsError};
use crate::upstream::Upstream;
use api::egress::name::Name;
use api::egress::rule::{self, Rule, RuleError, Target};

/// Makes connections for the functions of a node.
pub struct Broker {
    policy: RwLock<Policy>,
    /// Addresses that the policy has as the node's own, beside those of the cluster.
    own: Vec<IpNet>,
    limits: Limits,
    observer: Arc<dyn Observer>,
    functions: Option<Arc<dyn Functions>>,
    pub(crate) upstream: Upstream,
    /// Room for connections of the node.
    pub(crate) places: Arc<Semaphore>,
    runtime: Handle,
    /// Peers of the tests, which live where no function may connect to.
    #[cfg(test)]
    pub(crate) routes: std::sync::Mutex<std::collections::HashMap<SocketAddr, SocketAddr>>,
}

/// A function as the broker knows it. Made once for each of its versions, and shared by the sessions of all its machines.
pub struct Function {
    pub(crate) namespace: String,
    name: String,
    pub(crate) rules: Vec<Rule>,
    /// What its program had resolved when the snapshot was taken that its machines begin with.
    pub(crate) before: Arc<[KnownName]>,
    pub(crate) cache: Cache,
    pub(crate) bucket: Bucket,
    /// Room for connections of the function.
    pub(crate) places: Arc<Semaphore>,
}

impl Function {
    /// Its namespace.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether a rule lets it call functions of this namespace on its node.
    #[must_use]
    pub fn may_call(&self, namespace: &str) -> bool {
        self.rules.iter().any(|rule| match &rule.target {
            Target::Functions(of) => of.as_deref().unwrap_or(&self.namespace) == namespace,
            _ => false,
        })
    }

    pub(crate) fn calls_functions(&self, transport: Transport, port: u16) -> bool {
        let mut rules = self.rules.iter();
        rules.any(|rule| matches!(rule.target, Target::Functions(_)) && rule.opens(transport, port))
    }
}

impl Broker {
    /// A broker whose tasks run in the runtime within which this is called. Addresses of the node join those of `policy.own`; the
    /// search list of resolv.conf names the domain of the cluster that this is in, or joins that of the policy.
    ///
    /// # Errors
    /// See [`SettingsError`].
    pub fn new(settings: Settings) -> Result<Arc<Self>, SettingsError> {
        let runtime = Handle::try_current().map_err(|_| SettingsError::NoRuntime)?;
        let upstream = Upstream::read(&settings.resolv_conf)?;
        Self::with_upstream(settings, upstream, runtime)
    }

    pub(crate) fn with_upstream(
        settings: Settings,
        upstream: Upstream,
        runtime: Handle,
    ) -> Result<Arc<Self>, SettingsError> {
        let Settings { mut policy, limits, observer, functions, is_in_cluster, .. } = settings;
        if is_in_cluster && policy.cluster_domain.is_none() {
            policy.cluster_domain = upstream.cluster_domain();
        }
        policy.own.extend(own::addresses().map_err(SettingsError::Own)?);
        policy.search.extend_from_slice(upstream.search());
        let own = policy.own.clone();
        let places = Arc::new(Semaphore::new(limits.per_node.min(Semaphore::MAX_PERMITS)));
        Ok(Arc::new(Self {
            policy: RwLock::new(policy),
            own,
            limits,
            observer,
            functions,
            upstream,
            places,
            runtime,
            #[cfg(test)]
            routes: std::sync::Mutex::default(),
        }))
    }

    /// A function with what its Image declares. `before`: what its program had resolved when the snapshot was taken that its machines begin
    /// with.
    ///
    /// # Errors
    /// [`RuleError::Count`].
    pub fn function(
        &self,
        namespace: impl Into<String>,
        name: impl Into<String>,
        rules: Vec<Rule>,
        before: Vec<KnownName>,
    ) -> Result<Arc<Function>, RuleError> {
        rule::check_count(rules.len())?;
        let limits = self.limits;
        Ok(Arc::new(Function {
            namespace: namespace.into(),
            name: name.into(),
            rules,
            before: before.into_iter().take(GIVEN_MAX).collect(),
            cache: Cache::default(),
            bucket: Bucket::new(limits.rate, limits.burst),
            places: Arc::new(Semaphore::new(limits.per_function.min(Semaphore::MAX_PERMITS))),
        }))
    }

    /// A session for a slot of the function. The descriptor is the slot's end of a new socket pair; the session ends with it, or when it is
    /// dropped.
    ///
    /// # Errors
    /// When the process may not have more descriptors.
    pub fn attach(self: &Arc<Self>, function: &Arc<Function>) -> io::Result<(Session, OwnedFd)> {
        let (ours, theirs) = packet::control_pair()?;
        let _runtime = self.runtime.enter();
        Ok((Session::start(self.clone(), function.clone(), ours)?, theirs))
    }

    /// Addresses of the cluster's nodes and of its API server are as the node's own from now on, instead of those that were named before.
    pub fn know_cluster(&self, addresses: &[IpAddr]) {
        let cluster = addresses.iter().copied().map(IpNet::from);
        let own = self.own.iter().copied().chain(cluster).collect();
        // Each change is one step.
        self.policy.write().unwrap_or_else(PoisonError::into_inner).own = own;
    }

    fn policy(&self) -> RwLockReadGuard<'_, Policy> {
        self.policy.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a machine's /etc/resolv.conf says (resolv.conf(5)), so that short names of its programs are those of its namespace.
    #[must_use]
    pub fn resolv_conf(&self, namespace: &str) -> String {
        let search = self.policy().search(namespace).join(" ");
        let search = if search.is_empty() { search } else { format!("search {search}\n") };
        format!("nameserver {}\n{search}options ndots:{}\n", RESOLVER.ip(), self.upstream.ndots())
    }

    /// Connections of the node that are there or being made, those to the resolver among them.
    #[must_use]
    pub fn open(&self) -> usize {
        self.limits.per_node.saturating_sub(self.places.available_permits())
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(crate) fn functions(&self) -> Option<&dyn Functions> {
        self.functions.as_deref()
    }

    pub(crate) fn observer(&self) -> &dyn Observer {
        &*self.observer
    }

    pub(crate) fn declarer(&self) -> Declarer {
        self.policy().declarer
    }

    /// The policy's decision, and the kernel's word on whose address it is.
    pub(crate) fn decide(&self, question: &Question<'_>) -> Result<(), Refusal> {
        let policy = self.policy();
        policy.decide(question)?;
        if own::is_own(question.to) {
            let ip = question.to.ip();
            policy.check_own(question.namespace, ip, IpNet::from(ip))?;
        }
        Ok(())
    }

    pub(crate) fn resolution(&self, function: &Function, name: &Name) -> Resolution {
        self.policy().resolution(&function.namespace, &function.rules, name)
    }

    /// Where a decided connection goes.
    #[cfg(not(test))]
    pub(crate) fn route(&self, to: SocketAddr) -> SocketAddr {
        to
    }

    #[cfg(test)]
    pub(crate) fn route(&self, to: SocketAddr) -> SocketAddr {
        self.routes.lock().unwrap().get(&to).copied().unwrap_or(to)
    }
}

impl fmt::Debug for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Broker").field("policy", &*self.policy()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Function")
            .field("namespace", &self.namespace)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
