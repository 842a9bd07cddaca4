//! Rules: where a function may connect to. One is read from a short text (`*.example.com:443,8000-8100`) or from the parts that
//! an Image's document has.

use std::fmt;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::str::FromStr;

use ipnet::IpNet;
use km_abi::outbound::Transport;

use super::name::{Name, NameError};
use crate::validate::is_dns_label;

/// Rules of one function at most.
pub const RULES_MAX: usize = 32;
/// Ranges of ports in one rule at most.
pub const RANGES_MAX: usize = 32;

/// The host whose paths are this node's own functions: `http://functions.internal/NAMESPACE/FUNCTION/…`.
pub const FUNCTIONS_HOST: &str = "functions.internal";

/// What is wrong with a rule and how to write it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// Neither a name nor a network.
    #[error("names no host: write HOST:PORT, like db.example.com:5432")]
    NoTarget,
    /// Both a name and a network.
    #[error("has a host and a network: write one rule for each")]
    TwoTargets,
    /// Nothing after the host.
    #[error("`{0}` names no port: write {0}:443, or {0}:1-65535 for all")]
    NoPorts(String),
    /// It names no ports, in parts.
    #[error("names no port: write ports like 443 or 8000-8100")]
    EmptyPorts,
    /// Not a port, nor a range.
    #[error("`{0}` is no port: write a number of 1 to 65535, or a range like 8000-8100")]
    Port(String),
    /// More ranges than there may be.
    #[error("has {0} ranges of ports: at most {RANGES_MAX}, so join them")]
    Ranges(usize),
    /// Another protocol.
    #[error("`{0}` is no protocol: write tcp or udp")]
    Protocol(String),
    /// An address of IPv6 without brackets.
    #[error("`{0}`: write an address of IPv6 in brackets, like [2001:db8::/32]:443")]
    Brackets(String),
    /// Not an address, or a prefix that it cannot have.
    #[error("`{0}` is no network: write ADDRESS/LENGTH, like 10.20.0.0/16")]
    Network(String),
    /// More bits than its length says.
    #[error("`{given}` has bits beyond its length: write {meant}")]
    Bits {
        /// As it was written.
        given: String,
        /// The network in which it lies.
        meant: IpNet,
    },
    /// An address of IPv4 in a form of IPv6.
    #[error("`{0}` is a network of IPv4: write it so, like 10.20.0.0/16")]
    Mapped(String),
    /// An address where a name is expected.
    #[error("`{0}` is an address: write it as `cidr: {0}`")]
    AddressAsHost(String),
    /// A name that is none.
    #[error(transparent)]
    Name(#[from] NameError),
    /// Functions are called by HTTP, which is streams.
    #[error("`{FUNCTIONS_HOST}` is reached by tcp alone: leave out the protocol")]
    FunctionsByUdp,
    /// A namespace where none belongs.
    #[error("has a namespace, which goes with `host: {FUNCTIONS_HOST}` alone")]
    StrayNamespace,
    /// A namespace that cannot be one.
    #[error("`{0}` is no namespace: write lower-case letters, digits and `-`")]
    Namespace(String),
    /// More rules than there may be.
    #[error("{0} rules: at most {RULES_MAX}")]
    Count(usize),
}

/// Whom a rule is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// The host of this name.
    Name(Name),
    /// Hosts whose names end with this one, itself not among them.
    Below(Name),
    /// Whoever has a public address.
    AnyPublic,
    /// Addresses of this network.
    Network(IpNet),
    /// This node's functions in a namespace, or in the own one if none is named.
    Functions(Option<String>),
}

/// Where a function may connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// To whom.
    pub target: Target,
    /// At which ports; at most [`RANGES_MAX`] ranges. Without any, which only functions may be, at all.
    pub ports: Vec<RangeInclusive<u16>>,
    /// And how.
    pub transport: Transport,
}

impl Rule {
    /// A rule from the parts of a document: a `host` (a name, `*.NAME`, or `*`) or a `cidr`, ports like `443` or `8000-8100`, and
    /// `tcp`, which is taken if none is given, or `udp`. [`FUNCTIONS_HOST`] may have no ports and a `namespace`.
    ///
    /// # Errors
    /// See [`RuleError`].
    pub fn from_parts<P: AsRef<str>>(
        host: Option<&str>,
        cidr: Option<&str>,
        ports: &[P],
        protocol: Option<&str>,
        namespace: Option<&str>,
    ) -> Result<Self, RuleError> {
        let mut target = match (host, cidr) {
            (Some(host), None) if host.parse::<IpAddr>().is_ok() => {
                return Err(RuleError::AddressAsHost(host.to_owned()));
            }
            (Some(host), None) => Target::of_host(host)?,
            (None, Some(cidr)) => Target::Network(network(cidr)?),
            (Some(_), Some(_)) => return Err(RuleError::TwoTargets),
            (None, None) => return Err(RuleError::NoTarget),
        };
        match (&mut target, namespace) {
            (Target::Functions(_), Some(named)) if !is_dns_label(named) => {
                return Err(RuleError::Namespace(named.to_owned()));
            }
            (Target::Functions(of), named) => *of = named.map(str::to_owned),
            (_, Some(_)) => return Err(RuleError::StrayNamespace),
            (_, None) if ports.is_empty() => return Err(RuleError::EmptyPorts),
            (_, None) => {}
        }
        let ports = ranges(ports.iter().map(AsRef::as_ref))?;
        Self::checked(target, ports, transport(protocol.unwrap_or("tcp"))?)
    }

    fn checked(
        target: Target,
        ports: Vec<RangeInclusive<u16>>,
        transport: Transport,
    ) -> Result<Self, RuleError> {
        match (&target, transport) {
            (Target::Functions(_), Transport::Udp) => Err(RuleError::FunctionsByUdp),
            _ => Ok(Self { target, ports, transport }),
        }
    }

    /// It opens this port.
    #[must_use]
    pub fn opens(&self, transport: Transport, port: u16) -> bool {
        let is_open = self.ports.is_empty() || self.ports.iter().any(|range| range.contains(&port));
        self.transport == transport && is_open
    }
}

/// Rules as a document has them are no more than [`RULES_MAX`].
///
/// # Errors
/// [`RuleError::Count`].
pub fn check_count(rules: usize) -> Result<(), RuleError> {
    if rules > RULES_MAX { Err(RuleError::Count(rules)) } else { Ok(()) }
}

impl Target {
    fn of_host(text: &str) -> Result<Self, RuleError> {
        match text.strip_prefix("*.") {
            _ if text.is_empty() => Err(RuleError::NoTarget),
            _ if text == "*" => Ok(Self::AnyPublic),
            Some(suffix) => Ok(Self::Below(suffix.parse()?)),
            None => {
                let name: Name = text.parse()?;
                Ok(if name.as_str() == FUNCTIONS_HOST { Self::Functions(None) } else { Self::Name(name) })
            }
        }
    }

    /// A name, a pattern or a network.
    ///
    /// # Errors
    /// See [`RuleError`].
    pub fn of_text(text: &str) -> Result<Self, RuleError> {
        let is_network = text.contains(['/', ':']) || text.parse::<IpAddr>().is_ok();
        if is_network { Ok(Self::Network(network(text)?)) } else { Self::of_host(text) }
    }
}

/// Reads a network: `ADDRESS/LENGTH`, or an address alone.
///
/// # Errors
/// [`RuleError::Network`] and others of its kind.
pub fn network(text: &str) -> Result<IpNet, RuleError> {
    let net = match text.parse::<IpAddr>() {
        Ok(ip) => IpNet::from(ip),
        Err(_) => text.parse::<IpNet>().map_err(|_| RuleError::Network(text.to_owned()))?,
    };
    if net.addr() != net.network() {
        return Err(RuleError::Bits { given: text.to_owned(), meant: net.trunc() });
    }
    match net.addr() {
        IpAddr::V6(ip) if ip.to_ipv4_mapped().is_some() => Err(RuleError::Mapped(text.to_owned())),
        _ => Ok(net),
    }
}

fn transport(text: &str) -> Result<Transport, RuleError> {
    if text.eq_ignore_ascii_case("tcp") {
        Ok(Transport::Tcp)
    } else if text.eq_ignore_ascii_case("udp") {
        Ok(Transport::Udp)
    } else {
        Err(RuleError::Protocol(text.to_owned()))
    }
}

fn ranges<'a>(texts: impl Iterator<Item = &'a str>) -> Result<Vec<RangeInclusive<u16>>, RuleError> {
    let all = texts.map(range).collect::<Result<Vec<_>, _>>()?;
    if all.len() > RANGES_MAX { Err(RuleError::Ranges(all.len())) } else { Ok(all) }
}

fn range(text: &str) -> Result<RangeInclusive<u16>, RuleError> {
    let wrong = || RuleError::Port(text.to_owned());
    // `parse` alone would take a sign.
    let port = |text: &str| {
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<u16>().ok().filter(|port| digits && *port != 0).ok_or_else(wrong)
    };
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let range = port(first)?..=port(last)?;
    if range.is_empty() { Err(wrong()) } else { Ok(range) }
}

/// The host, and the rest from the colon before the ports.
fn split(text: &str) -> Result<(&str, &str), RuleError> {
    if let Some(inner) = text.strip_prefix('[') {
        let (host, rest) = inner.split_once(']').ok_or_else(|| RuleError::Network(text.to_owned()))?;
        let ports = rest.strip_prefix(':').ok_or_else(|| RuleError::NoPorts(format!("[{host}]")))?;
        return Ok((host, ports));
    }
    let (host, ports) = text.split_once(':').ok_or_else(|| RuleError::NoPorts(text.to_owned()))?;
    if ports.contains(':') { Err(RuleError::Brackets(text.to_owned())) } else { Ok((host, ports)) }
}

/// `HOST:PORTS[/PROTOCOL]`, where HOST is a name, `*.NAME`, `*`, an address or a network, those of IPv6 in brackets.
impl FromStr for Rule {
    type Err = RuleError;

    fn from_str(text: &str) -> Result<Self, RuleError> {
        let (host, rest) = split(text)?;
        let (ports, protocol) = rest.split_once('/').unwrap_or((rest, "tcp"));
        if ports.is_empty() {
            return Err(RuleError::NoPorts(host.to_owned()));
        }
        let target = Target::of_text(host)?;
        Self::checked(target, ranges(ports.split(','))?, transport(protocol)?)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => name.fmt(f),
            Self::Below(name) => write!(f, "*.{name}"),
            Self::AnyPublic => f.write_str("*"),
            Self::Functions(_) => f.write_str(FUNCTIONS_HOST),
            Self::Network(IpNet::V6(net)) => write!(f, "[{net}]"),
            Self::Network(net) => net.fmt(f),
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.target.fmt(f)?;
        if !self.ports.is_empty() {
            f.write_str(":")?;
        }
        for (index, range) in self.ports.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            match (range.start(), range.end()) {
                (first, last) if first == last => write!(f, "{comma}{first}")?,
                (first, last) => write!(f, "{comma}{first}-{last}")?,
            }
        }
        f.write_str(if self.transport == Transport::Udp { "/udp" } else { "" })?;
        match &self.target {
            Target::Functions(Some(namespace)) => write!(f, " of {namespace}"),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(text: &str) -> Rule {
        text.parse().unwrap()
    }

    #[test]
    fn rules_are_read_and_written() {
        for (text, written) in [
            ("db.internal:5432", "db.internal:5432"),
            ("*.Example.COM.:443,8000-8100", "*.example.com:443,8000-8100"),
            ("10.20.0.0/16:6379/udp", "10.20.0.0/16:6379/udp"),
            ("10.20.1.1:1-65535/TCP", "10.20.1.1/32:1-65535"),
            ("[2001:db8::/32]:443", "[2001:db8::/32]:443"),
            ("[fd00::1]:443", "[fd00::1/128]:443"),
            ("*:443", "*:443"),
            ("_db._tcp.example.com:1", "_db._tcp.example.com:1"),
            ("Functions.Internal.:80", "functions.internal:80"),
        ] {
            let read = rule(text);
            assert_eq!(read.to_string(), written);
            assert_eq!(rule(written), read);
        }
    }

    #[test]
    fn parts_make_the_same_rules() {
        let parts = Rule::from_parts(Some("*.example.com"), None, &["443", "8000-8100"], None, None);
        assert_eq!(parts, Ok(rule("*.example.com:443,8000-8100")));
        let parts = Rule::from_parts(None, Some("fd00::/8"), &["53"], Some("UDP"), None);
        assert_eq!(parts, Ok(rule("[fd00::/8]:53/udp")));
        let none: [&str; 0] = [];
        assert_eq!(Rule::from_parts(Some("a"), None, &none, None, None), Err(RuleError::EmptyPorts));
        assert_eq!(Rule::from_parts(None, None, &["1"], None, None), Err(RuleError::NoTarget));
        assert_eq!(
            Rule::from_parts(Some("a"), Some("10.0.0.0/8"), &["1"], None, None),
            Err(RuleError::TwoTargets)
        );
        let address = Rule::from_parts(Some("10.0.0.1"), None, &["1"], None, None);
        assert_eq!(address, Err(RuleError::AddressAsHost("10.0.0.1".to_owned())));
    }

    #[test]
    fn what_is_wrong_is_named_with_its_fix() {
        for (text, part) in [
            ("db.internal", "write db.internal:443"),
            ("db.internal:", "names no port"),
            (":443", "names no host"),
            ("a:0", "`0` is no port"),
            ("a:65536", "`65536` is no port"),
            ("a:+1", "`+1` is no port"),
            ("a:2-1", "`2-1` is no port"),
            ("a:1-", "is no port"),
            ("a:1,", "`` is no port"),
            ("a:http", "`http` is no port"),
            ("a:1/sctp", "write tcp or udp"),
            ("2001:db8::1:443", "in brackets"),
            ("[2001:db8::/32:443", "is no network"),
            ("[2001:db8::/32]", "names no port"),
            ("10.20.1.1/16:1", "write 10.20.0.0/16"),
            ("10.20.0.0/33:1", "is no network"),
            ("[::ffff:10.0.0.0/104]:1", "is a network of IPv4"),
            ("bücher.example:1", "xn--"),
            ("*.*.example.com:1", "`*` stands alone or first"),
            ("a.*:1", "`*` stands alone or first"),
            ("0x7f000001:1", "is no name"),
            ("2130706433:1", "is no name"),
            ("127.1:1", "is no name"),
            ("functions.internal:80/udp", "by tcp alone"),
            ("0177.0.0.1:1", "is no name"),
        ] {
            let error = text.parse::<Rule>().unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
        let many = format!("a:{}", vec!["1"; RANGES_MAX + 1].join(","));
        assert_eq!(many.parse::<Rule>(), Err(RuleError::Ranges(RANGES_MAX + 1)));
        assert!(check_count(RULES_MAX).is_ok() && check_count(RULES_MAX + 1).is_err());
    }

    #[test]
    fn ports_belong_to_their_transport() {
        let rule = rule("a:443,8000-8100");
        assert!(rule.opens(Transport::Tcp, 443) && rule.opens(Transport::Tcp, 8100));
        assert!(!rule.opens(Transport::Udp, 443) && !rule.opens(Transport::Tcp, 8101));
    }
}
