//! What a function may connect to beyond its machine: `spec.egress` of an Image.
//!
//! * [`EgressRule`]: a rule as a document has it. [`rule`]: the same, read and checked. [`name`]: names of hosts.

pub mod name;
pub mod rule;

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use rule::{Rule, RuleError};

/// A rule of `spec.egress`: one name, the names below one, or a network, and the ports that are open there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = [
    {"rule": "has(self.host) != has(self.cidr)", "message": "write either host or cidr"},
    {"rule": "has(self.ports) || has(self.host) && self.host.matches('(?i)^functions[.]internal[.]?$')",
     "message": "write ports like 443 or 8000-8100"},
    {"rule": "!has(self.namespace) || has(self.host) && self.host.matches('(?i)^functions[.]internal[.]?$')",
     "message": "a namespace goes with `host: functions.internal` alone"},
    {"rule": "!has(self.host) || !self.host.matches('(?i)^functions[.]internal[.]?$') || self.protocol == 'tcp'",
     "message": "functions.internal is reached by tcp alone"},
]))]
pub struct EgressRule {
    /// A host's name, `*.NAME` for all names below one, or `*` for every public address. `functions.internal` are the functions of
    /// this node: `http://functions.internal/NAMESPACE/FUNCTION/…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 255),
        regex(pattern = r"^([*]|([*][.])?[A-Za-z0-9_]([-A-Za-z0-9_]{0,61}[A-Za-z0-9_])?([.][A-Za-z0-9_]([-A-Za-z0-9_]{0,61}[A-Za-z0-9_])?)*[.]?)$"),
        extend("x-kubernetes-validations" = [
            {"rule": "!self.matches('(^|[.])(0[xX][0-9a-fA-F]*|[0-9]+)[.]?$')", "message": "is an address or a number: write it as cidr"},
        ])
    )]
    pub host: Option<String>,
    /// A network, like 10.20.0.0/16, or an address alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 2, max = 43),
        extend("x-kubernetes-validations" = [
            {"rule": "self.contains('/') ? isCIDR(self) && cidr(self) == cidr(self).masked() : isIP(self)",
             "message": "write ADDRESS/LENGTH without bits beyond the length, like 10.20.0.0/16"},
            {"rule": "!self.lowerAscii().startsWith('::ffff:')", "message": "write a network of IPv4 in its own form"},
        ])
    )]
    pub cidr: Option<String>,
    /// Of `functions.internal`: whose functions, those of the Image's own namespace if it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub namespace: Option<String>,
    /// The ports that are open there: numbers, or ranges like 8000-8100. `functions.internal` has all if none are given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 32))]
    pub ports: Vec<PortRange>,
    /// How bytes travel, tcp if it is not given.
    #[serde(default)]
    pub protocol: EgressProtocol,
}

/// How bytes travel to a peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum EgressProtocol {
    /// Streams.
    #[default]
    Tcp,
    /// Datagrams.
    Udp,
}

impl EgressProtocol {
    const fn word(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
}

/// A port from 1 to 65535.
macro_rules! port {
    () => {
        "([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
    };
}
/// For [`PortRange`].
const PORTS_RULE: &str = concat!(
    "type(self) == int ? self >= 1 && self <= 65535 : string(self).matches('^",
    port!(),
    "(-",
    port!(),
    ")?$') && (!string(self).contains('-') || int(string(self).split('-')[0]) <= int(string(self).split('-')[1]))"
);

/// A port or a range of them, as it was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum PortRange {
    /// One port.
    Port(u16),
    /// A number, or `FIRST-LAST`.
    Text(String),
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Port(port) => port.fmt(f),
            Self::Text(text) => text.fmt(f),
        }
    }
}

impl JsonSchema for PortRange {
    fn schema_name() -> Cow<'static, str> {
        "PortRange".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A port, or a range like 8000-8100.",
            "x-kubernetes-int-or-string": true,
            "maxLength": 11,
            "x-kubernetes-validations": [{
                "rule": PORTS_RULE,
                "message": "must be a port from 1 to 65535, or a range like 8000-8100",
            }],
        })
    }
}

impl TryFrom<&EgressRule> for Rule {
    type Error = RuleError;

    fn try_from(rule: &EgressRule) -> Result<Self, RuleError> {
        let ports: Vec<String> = rule.ports.iter().map(PortRange::to_string).collect();
        let (host, cidr, namespace) = (&rule.host, &rule.cidr, &rule.namespace);
        let protocol = Some(rule.protocol.word());
        Self::from_parts(host.as_deref(), cidr.as_deref(), &ports, protocol, namespace.as_deref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<String, String> {
        let rule: EgressRule = serde_saphyr::from_str(text).map_err(|error| error.to_string())?;
        Rule::try_from(&rule).map(|rule| rule.to_string()).map_err(|error| error.to_string())
    }

    #[test]
    fn documents_become_rules() {
        for (text, rule) in [
            ("{host: db.internal, ports: [5432]}", "db.internal:5432"),
            ("{host: '*.example.com', ports: [443, 8000-8100]}", "*.example.com:443,8000-8100"),
            ("{cidr: 10.20.0.0/16, ports: ['6379'], protocol: udp}", "10.20.0.0/16:6379/udp"),
            ("{host: '*', ports: [1-65535]}", "*:1-65535"),
            ("{host: functions.internal}", "functions.internal"),
            ("{host: functions.internal, namespace: shop}", "functions.internal of shop"),
            ("{host: functions.internal, ports: [80, 8080]}", "functions.internal:80,8080"),
        ] {
            assert_eq!(read(text).as_deref(), Ok(rule), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, part) in [
            ("{host: a, cidr: 10.0.0.0/8, ports: [1]}", "one rule for each"),
            ("{ports: [1]}", "names no host"),
            ("{host: a, ports: []}", "names no port"),
            ("{host: a, ports: [0]}", "`0` is no port"),
            ("{host: a, ports: [70000]}", "data did not match"),
            ("{host: a, ports: [1], protocol: sctp}", "sctp"),
            ("{host: 10.0.0.1, ports: [1]}", "cidr: 10.0.0.1"),
            ("{host: a, port: 1}", "port"),
            ("{host: a}", "names no port"),
            ("{host: a, ports: [1], namespace: b}", "goes with `host: functions.internal`"),
            ("{host: functions.internal, namespace: B}", "`B` is no namespace"),
            ("{host: functions.internal, protocol: udp}", "by tcp alone"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
