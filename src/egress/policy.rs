//! The decision: may this call of this function connect there? Pure: no clock, no socket.
//!
//! ```text
//! denied by the operator ─► loopback, special or own address ─► declared by the Image ─► private: allowed by the operator
//! ```
//!
//! An Image alone opens public addresses and, in a cluster, the Services of its own namespace by their names. The operator's
//! `allow` opens nothing by itself: it says what Images may declare beyond that.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use ipnet::IpNet;
use km_abi::outbound::Transport;
use serde::{Deserialize, Serialize};

use crate::address::{self, Class};
use api::egress::name::Name;
use api::egress::rule::{self, FUNCTIONS_HOST, Rule, RuleError, Target};

/// What functions may reach at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Nothing.
    Off,
    /// What their Images declare.
    #[default]
    Declared,
    /// That, and every public address.
    Public,
}

impl FromStr for Mode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "off" => Ok(Self::Off),
            "declared" => Ok(Self::Declared),
            "public" => Ok(Self::Public),
            _ => Err(format!("`{text}` is no mode: write off, declared or public")),
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Off => "off",
            Self::Declared => "declared",
            Self::Public => "public",
        })
    }
}

/// Who says what may be reached, and so what a refusal advises.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Declarer {
    /// An Image, within what the operator allows.
    #[default]
    Image,
    /// The options of a command, whose user is the operator as well.
    Command,
}

/// Addresses beyond public ones that Images may declare: `[NAMESPACE=]CIDR`, or a name that leads to them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allow {
    /// Whose Images; those of all namespaces if none is given.
    pub namespace: Option<String>,
    /// A name, a pattern of names, or a network.
    pub target: Target,
}

impl Allow {
    fn network(&self, namespace: &str) -> Option<IpNet> {
        match self.target {
            Target::Network(net) if self.is_for(namespace) => Some(net),
            _ => None,
        }
    }

    fn is_for(&self, namespace: &str) -> bool {
        self.namespace.as_deref().is_none_or(|one| one == namespace)
    }
}

impl FromStr for Allow {
    type Err = RuleError;

    fn from_str(text: &str) -> Result<Self, RuleError> {
        let (namespace, target) = match text.split_once('=') {
            Some((namespace, target)) => (Some(namespace), target),
            None => (None, text),
        };
        let bare = target.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(target);
        match Target::of_text(bare)? {
            Target::AnyPublic | Target::Functions(_) => Err(RuleError::Network(text.to_owned())),
            target => Ok(Self { namespace: namespace.map(str::to_owned), target }),
        }
    }
}

/// Reads a network of the operator's `deny` or `own`: `ADDRESS/LENGTH` or an address.
///
/// # Errors
/// See [`RuleError`].
pub fn network(text: &str) -> Result<IpNet, RuleError> {
    rule::network(text)
}

/// What the operator set.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// What functions may reach at all.
    pub mode: Mode,
    /// Who declares it.
    pub declarer: Declarer,
    /// What Images may declare beyond public addresses.
    pub allow: Vec<Allow>,
    /// What nobody reaches, whatever else is said.
    pub deny: Vec<IpNet>,
    /// Addresses of this node, its pod, and others that no function reaches unless `allow` has a network within.
    pub own: Vec<IpNet>,
    /// The cluster's domain, like `cluster.local`; none outside of a cluster.
    pub cluster_domain: Option<Name>,
    /// Domains in which the machines' resolvers look for short names, outside of a cluster.
    pub search: Vec<Name>,
}

/// A name for which this call's resolver gave an address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Given {
    /// The name that was asked for.
    #[serde(with = "text")]
    pub name: Name,
    /// The address is its own, not that of a name which it is an alias of.
    pub direct: bool,
}

/// A name with its address, as one that has resolved it may keep them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownName {
    /// The address that was given.
    pub address: IpAddr,
    /// For which name.
    #[serde(flatten)]
    pub given: Given,
}

/// A name as a text.
mod text {
    use super::Name;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(name: &Name, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(name)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Name, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// What is to be decided.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// Of the function.
    pub namespace: &'a str,
    /// What its Image declares.
    pub rules: &'a [Rule],
    /// For which names this call's resolver gave the address.
    pub names: &'a [Given],
    /// How.
    pub transport: Transport,
    /// To whom.
    pub to: SocketAddr,
}

/// Why not; a predicate of `egress to HOST:PORT`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Nothing is reached.
    #[error("is refused by the operator (--egress off)")]
    Off,
    /// By this network of the operator's.
    #[error("is refused by the operator (--egress-deny {0})")]
    Denied(IpNet),
    /// The machine's own network, or the host's.
    #[error("leads to the loopback network ({0}), which no function reaches")]
    Loopback(IpAddr),
    /// Not declared.
    #[error("is not allowed; add it to spec.egress")]
    Undeclared,
    /// An address of the node.
    #[error("leads to an address of the node ({0}): the operator must allow exactly it (--egress-allow {0})")]
    Own(IpNet),
    /// A special address.
    #[error(
        "leads to {ip} of {net}, which is no peer of functions: the operator must allow exactly it (--egress-allow {ip})"
    )]
    Special {
        /// The address or the one inside.
        ip: IpAddr,
        /// The special network in which it lies.
        net: IpNet,
    },
    /// A private address.
    #[error("leads to a private address ({0}): the operator must allow it (--egress-allow CIDR)")]
    Private(IpAddr),
}

impl Refusal {
    /// The same with the fix of whoever declares what may be reached.
    #[must_use]
    pub fn told(&self, declarer: Declarer) -> String {
        match (declarer, self) {
            (Declarer::Image, _) | (Declarer::Command, Self::Off | Self::Denied(_) | Self::Loopback(_)) => {
                self.to_string()
            }
            (Declarer::Command, Self::Undeclared) => "is not allowed; add it with --egress".to_owned(),
            (Declarer::Command, Self::Own(net)) => {
                format!("leads to an address of this machine ({net}): name exactly it with --egress")
            }
            (Declarer::Command, Self::Special { ip, net }) => {
                format!("leads to {ip} of {net}, which is no usual peer: name exactly it with --egress")
            }
            (Declarer::Command, Self::Private(ip)) => {
                format!("leads to a private address ({ip}): name its network with --egress")
            }
        }
    }
}

/// What the resolver does with a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// Asks for it.
    Ask,
    /// Gives the address of this node's functions.
    Functions,
    /// Says that it is not there, and asks nobody: a name that may be asked for, made longer by a domain of the search list. A
    /// refusal would make resolvers give up before they come to the name itself.
    Absent,
    /// Refuses it.
    Refuse,
}

impl Policy {
    /// Decides.
    ///
    /// # Errors
    /// The first reason against it.
    pub fn decide(&self, question: &Question<'_>) -> Result<(), Refusal> {
        let ip = question.to.ip();
        if self.mode == Mode::Off {
            return Err(Refusal::Off);
        }
        if let Some(net) = self.deny.iter().find(|net| address::forms(ip).any(|form| net.contains(&form))) {
            return Err(Refusal::Denied(*net));
        }
        for form in address::forms(ip) {
            self.check_special(question.namespace, form)?;
        }
        let public = address::class(ip) == Class::Public;
        if !(self.is_declared(question, public) || public && self.mode == Mode::Public) {
            return Err(Refusal::Undeclared);
        }
        let mut private = address::forms(ip).filter(|form| address::of_form(*form) == Class::Private);
        match private.find(|form| !self.is_private_allowed(question, *form)) {
            Some(form) => Err(Refusal::Private(form)),
            None => Ok(()),
        }
    }

    /// What lies in a special network, or is the node's own, is reached by an allowed network within that alone: one that
    /// happens to contain it, like 0.0.0.0/0, does not mean it.
    fn check_special(&self, namespace: &str, ip: IpAddr) -> Result<(), Refusal> {
        if ip.is_loopback() {
            return Err(Refusal::Loopback(ip));
        }
        for net in self.own.iter().filter(|net| net.contains(&ip)) {
            self.check_own(namespace, ip, *net)?;
        }
        match address::special(ip) {
            Some((net, Class::Never)) if !self.is_meant(namespace, ip, &net) => {
                Err(Refusal::Special { ip, net })
            }
            _ => Ok(()),
        }
    }

    /// An address of the node itself, which lies in `net`.
    ///
    /// # Errors
    /// [`Refusal::Own`].
    pub(crate) fn check_own(&self, namespace: &str, ip: IpAddr, net: IpNet) -> Result<(), Refusal> {
        if self.is_meant(namespace, ip, &net) { Ok(()) } else { Err(Refusal::Own(net)) }
    }

    fn is_meant(&self, namespace: &str, ip: IpAddr, special: &IpNet) -> bool {
        let mut networks = self.allow.iter().filter_map(|allow| allow.network(namespace));
        networks.any(|net| net.contains(&ip) && special.contains(&net))
    }

    fn is_declared(&self, question: &Question<'_>, public: bool) -> bool {
        let Question { namespace, to, .. } = *question;
        let has_target = |rule: &Rule| match &rule.target {
            Target::AnyPublic => public,
            Target::Network(net) => net.contains(&to.ip().to_canonical()),
            target => question.names.iter().any(|given| self.covers(namespace, target, &given.name)),
        };
        question.rules.iter().any(|rule| rule.opens(question.transport, to.port()) && has_target(rule))
    }

    fn is_private_allowed(&self, question: &Question<'_>, ip: IpAddr) -> bool {
        let namespace = question.namespace;
        let by_name = |allow: &Allow| {
            let mut names = question.names.iter();
            allow.is_for(namespace) && names.any(|given| self.covers(namespace, &allow.target, &given.name))
        };
        let allows =
            |allow: &Allow| allow.network(namespace).map_or_else(|| by_name(allow), |net| net.contains(&ip));
        self.allow.iter().any(allows)
            || question.names.iter().any(|given| self.is_own_service(namespace, given))
    }

    /// Only the whole name is the cluster's own: `db.shop` could be a host of the world's. And an alias of a Service may lead
    /// anywhere.
    fn is_own_service(&self, namespace: &str, given: &Given) -> bool {
        let Some(domain) = &self.cluster_domain else { return false };
        given.direct && given.name.stem(&format!("{namespace}.svc.{domain}")).is_some()
    }

    /// The target of a rule is about hosts of this name. Rules say what programs say: `db` or `db.shop` is the Service
    /// `db.shop.svc.cluster.local`, which is what their resolvers ask for in the end.
    fn covers(&self, namespace: &str, target: &Target, name: &Name) -> bool {
        match target {
            Target::Name(one) => one == name || self.is_short_for(namespace, one, name),
            Target::Below(suffix) => name.is_below(suffix),
            Target::AnyPublic | Target::Network(_) | Target::Functions(_) => false,
        }
    }

    fn is_short_for(&self, namespace: &str, short: &Name, name: &Name) -> bool {
        let Some(domain) = &self.cluster_domain else {
            let mut search = self.search.iter();
            return short.is_one_label() && search.any(|one| name.stem(one.as_str()) == Some(short.as_str()));
        };
        let whole = format!("{namespace}.svc.{domain}");
        let service = [namespace.to_owned(), format!("{namespace}.svc")]
            .iter()
            .find_map(|suffix| short.stem(suffix))
            .unwrap_or(short.as_str());
        !service.contains('.') && name.stem(&whole) == Some(service)
    }

    /// Domains in which the resolvers of a namespace's functions look for short names.
    #[must_use]
    pub fn search(&self, namespace: &str) -> Vec<String> {
        match &self.cluster_domain {
            Some(domain) => {
                vec![format!("{namespace}.svc.{domain}"), format!("svc.{domain}"), domain.to_string()]
            }
            None => self.search.iter().map(Name::to_string).collect(),
        }
    }

    /// What the resolver does with a name.
    #[must_use]
    pub fn resolution(&self, namespace: &str, rules: &[Rule], name: &Name) -> Resolution {
        let covered = |name: &Name| rules.iter().any(|rule| self.covers(namespace, &rule.target, name));
        // Below a star is whatever is tried.
        let is_name = |rule: &Rule| matches!(rule.target, Target::Name(_));
        let named = |name: &Name| {
            rules.iter().any(|rule| is_name(rule) && self.covers(namespace, &rule.target, name))
        };
        let any = self.mode == Mode::Public || rules.iter().any(|rule| rule.target == Target::AnyPublic);
        let calls_functions = rules.iter().any(|rule| matches!(rule.target, Target::Functions(_)));
        if self.mode == Mode::Off {
            Resolution::Refuse
        } else if name.as_str() == FUNCTIONS_HOST {
            if calls_functions { Resolution::Functions } else { Resolution::Refuse }
        } else if any || covered(name) {
            Resolution::Ask
        } else {
            // A resolver tries a name within each domain of its list and alone, and a refusal of one try ends most of them.
            let search = self.search(namespace);
            let other_try = |stem: &str| {
                let tries = search.iter().map(|domain| format!("{stem}.{domain}"));
                calls_functions && stem == FUNCTIONS_HOST
                    || stem.parse().is_ok_and(|name: Name| covered(&name))
                    || tries.flat_map(|text| text.parse()).any(|name: Name| named(&name))
            };
            let mut stems = search.iter().filter_map(|domain| name.stem(domain)).chain([name.as_str()]);
            if stems.any(other_try) { Resolution::Absent } else { Resolution::Refuse }
        }
    }
}

impl Question<'_> {
    /// Whom it is about, as its owner would write it.
    #[must_use]
    pub fn destination(&self) -> String {
        let udp = if self.transport == Transport::Udp { "/udp" } else { "" };
        match self.names.first() {
            Some(given) => format!("{}:{}{udp}", given.name, self.to.port()),
            None => format!("{}{udp}", self.to),
        }
    }
}
