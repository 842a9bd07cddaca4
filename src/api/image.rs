//! `Image`: what a function is made of and how it is called.
//!
//! Unknown fields of the specification are refused, so that a typing error is a message and not a default.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::egress::EgressRule;
use super::protocol::Protocol;
use super::units::{Quantity, Span};

/// The one version of the API that there is; documents must name it.
pub const API_VERSION: &str = "build.kontain.app/v1";
/// The one kind of document that there is.
pub const KIND: &str = "Image";
/// An RFC 1123 subdomain, as `validate::is_dns_subdomain` has it.
pub(crate) const OBJECT_NAME: &str =
    "^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?([.][a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*$";
/// One label of a host.
macro_rules! label {
    () => {
        "[a-zA-Z0-9]([-a-zA-Z0-9]{0,61}[a-zA-Z0-9])?"
    };
}
/// A port from 1 to 65535.
macro_rules! port {
    () => {
        ":0*([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
    };
}
/// A step of a repository's name.
macro_rules! component {
    () => {
        "[a-z0-9]+(([.]|_|__|-+)[a-z0-9]+)*"
    };
}
/// A reference into a registry, as `bundles::reference` reads it: a host that looks like one, repository, tag, digest.
const REFERENCE_RULE: &str = concat!(
    "self.matches('^(docker://)?",
    "(localhost|",
    label!(),
    "([.]",
    label!(),
    ")+(",
    port!(),
    ")?|",
    label!(),
    port!(),
    "|[[][0-9a-fA-F:.]+[]](",
    port!(),
    ")?)",
    "/",
    component!(),
    "(/",
    component!(),
    ")*",
    "(:[0-9A-Za-z_][0-9A-Za-z_.-]{0,127})?(@sha256:[0-9a-f]{64})?$')",
    " && !self.matches('^(docker://)?[^/:]{254}') && !self.matches('^(docker://)?[^/]*/[^:@]{256}')",
);
/// What the system takes as an argument or a variable.
const NO_ZERO_BYTE: &str = "^[^\\x00]*$";
/// A rule for a duration. CEL knows short units alone: the others that one may have become these first, the longer words
/// before the shorter.
macro_rules! duration_rule {
    ($least:literal, $most:literal) => {
        concat!(
            "[self.replace(' ', '').replace('nsec', 'ns').replace('usec', 'us').replace('msec', 'ms')",
            ".replace('millis', 'ms').replace('seconds', 's').replace('second', 's').replace('secs', 's')",
            ".replace('sec', 's').replace('minutes', 'm').replace('minute', 'm').replace('mins', 'm')",
            ".replace('min', 'm').replace('hours', 'h').replace('hour', 'h').replace('hrs', 'h').replace('hr', 'h')]",
            ".all(text, duration(text) >= duration('",
            $least,
            "') && duration(text) <= duration('",
            $most,
            "'))"
        )
    };
}
/// For [`ImageSpec::timeout`].
const TIMEOUT_RULE: &str = duration_rule!("1ms", "1h");
/// For [`ImageSpec::bake_timeout`].
const BAKE_TIMEOUT_RULE: &str = duration_rule!("1s", "10m");
/// Namespace of documents that name none.
pub const DEFAULT_NAMESPACE: &str = "default";

/// An Image as a file has it: what a cluster calls the object, without its status.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Image {
    /// [`API_VERSION`].
    pub api_version: String,
    /// [`KIND`].
    pub kind: String,
    /// Name and namespace; whatever else Kubernetes keeps there is left alone.
    pub metadata: Metadata,
    /// What the user wants.
    pub spec: ImageSpec,
}

/// Whose document it is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Metadata {
    /// Last part of the function's URL.
    pub name: String,
    /// First part of the function's URL.
    #[serde(default = "default_namespace")]
    pub namespace: String,
    /// Counts changes of the specification; kept by an API server, 0 in files.
    #[serde(default)]
    pub generation: i64,
    /// Labels; nothing here depends on them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Annotations; nothing here depends on them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// When it was made, RFC 3339; only documents that a program wrote say so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub creation_timestamp: Option<String>,
}

/// What a function is: its image, how its program takes calls, and what it may use.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = [
    {"rule": "!has(self.warmup) || size(self.warmup) == 0 || !has(self.protocol) || self.protocol == 'http'",
     "message": "is for `protocol: http` only: remove it", "fieldPath": ".warmup"},
    {"rule": "!has(self.snapshot) || self.snapshot != 'ready' || !has(self.env) || !self.env.exists(v, has(v.valueFrom))",
     "message": "the program has read its environment when this snapshot is taken: write `start`, or mount the secrets that spec.env takes values from as files",
     "fieldPath": ".snapshot"},
]))]
pub struct ImageSpec {
    /// Where the OCI image is, with its transport.
    #[schemars(
        length(min = 1, max = 1024),
        extend("x-kubernetes-validations" = [
            {"rule": "!self.matches('^(oci|oci-archive|docker-archive|dir):')",
             "message": "a cluster has no local images: push it to a registry and write docker://HOST/REPOSITORY:TAG"},
            {"rule": REFERENCE_RULE,
             "message": "write docker://HOST[:PORT]/REPOSITORY[:TAG][@DIGEST]"},
        ])
    )]
    pub image: String,
    /// Names of secrets with registry credentials.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub image_pull_secrets: Vec<NameRef>,
    /// How the program takes calls.
    #[serde(default)]
    pub protocol: Protocol,
    /// Where the program listens; the image decides if this is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: Option<u16>,
    /// Replaces the image's entrypoint (and its command).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 1024),
        inner(regex(pattern = NO_ZERO_BYTE)),
        extend("x-kubernetes-validations" = [
            {"rule": "size(self) == 0 || self[0] != ''", "message": "its first element, the program, must not be empty"},
        ])
    )]
    pub command: Vec<String>,
    /// Replaces the image's command.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 4096), inner(regex(pattern = NO_ZERO_BYTE)))]
    pub args: Vec<String>,
    /// Added to the image's environment.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 4096))]
    pub env: Vec<EnvVar>,
    /// Secrets that become files of the machine.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub secrets: Vec<SecretMount>,
    /// What the function may connect to; nothing if this is not given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub egress: Vec<EgressRule>,
    /// How calls are kept apart.
    #[serde(default)]
    #[schemars(extend("x-kubernetes-validations" = [
        {"rule": "self == 'vm'", "message": "only `vm` is supported yet: remove the field"},
    ]))]
    pub isolation: Isolation,
    /// From which moment machines are cloned; the protocol decides if this is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<Snapshot>,
    /// How long a call may take.
    #[serde(default = "default_timeout")]
    #[schemars(extend("x-kubernetes-validations" = [{"rule": TIMEOUT_RULE, "message": "must be between 1ms and 1h"}]))]
    pub timeout: Span,
    /// How long a bake may take, from the program's start to the written snapshot.
    #[serde(default = "default_bake_timeout")]
    #[schemars(extend("x-kubernetes-validations" = [{"rule": BAKE_TIMEOUT_RULE, "message": "must be between 1s and 10m"}]))]
    pub bake_timeout: Span,
    /// Calls in flight at once on one node.
    #[serde(default = "default_concurrency")]
    #[schemars(range(min = 1, max = 10_000))]
    pub concurrency: u32,
    /// What one machine gets.
    #[serde(default)]
    pub resources: Resources,
    /// Requests that the program answers before its snapshot is taken.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub warmup: Vec<Warmup>,
}

/// A reference to an object in the same namespace.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NameRef {
    /// Name of an object in the Image's own namespace.
    #[schemars(length(min = 1, max = 253), regex(pattern = OBJECT_NAME))]
    pub name: String,
}

/// One variable of the environment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = [
    {"rule": "!has(self.valueFrom) || !has(self.value) || self.value == ''", "message": "write either value or valueFrom"},
    {"rule": "!has(self.valueFrom) || !(self.name in ['PORT', 'K_SERVICE', 'K_CONFIGURATION', 'K_REVISION'])",
     "message": "the server sets this variable itself, so it cannot come from a secret"},
]))]
pub struct EnvVar {
    /// Name of the variable.
    #[schemars(length(max = 4096), regex(pattern = "^[^=\\x00]+$"))]
    pub name: String,
    /// Value of the variable; empty if it is not given.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(regex(pattern = NO_ZERO_BYTE))]
    pub value: String,
    /// Where each call takes the value from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_from: Option<EnvSource>,
}

/// Where the value of a variable comes from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EnvSource {
    /// A key of a secret.
    pub secret_key_ref: SecretKeyRef,
}

/// One key of a secret.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SecretKeyRef {
    /// Name of the secret.
    #[schemars(length(min = 1, max = 253), regex(pattern = OBJECT_NAME))]
    pub name: String,
    /// Its key.
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = "^([-_A-Za-z0-9]|[.][-_A-Za-z0-9])[-._A-Za-z0-9]*$")
    )]
    pub key: String,
    /// Without the secret or its key the variable is not set; else calls wait for both.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub optional: bool,
}

/// A secret and where its files appear.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecretMount {
    /// Name of the secret.
    #[schemars(length(min = 1, max = 253), regex(pattern = OBJECT_NAME))]
    pub name: String,
    /// Folder in the machine.
    #[schemars(
        length(max = 1024),
        regex(pattern = "^/+[^/\\x00][^\\x00]*$"),
        extend("x-kubernetes-validations" = [
            {"rule": "!self.matches('/[.][.]?(/|$)')", "message": "must not contain `.` or `..`"},
            {"rule": "!self.matches('^/+(proc|sys|dev)(/|$)')", "message": "must not lie in /proc, /sys or /dev"},
            {"rule": "size(bytes(self)) <= 1024", "message": "must have at most 1024 bytes"},
        ])
    )]
    pub mount_path: String,
}

/// How calls are kept apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Isolation {
    /// A machine for each call.
    #[default]
    Vm,
    /// One machine, put back to the snapshot after each call.
    Reset,
    /// A machine for each call, in a worker process of its own.
    Process,
}

/// From which moment machines are cloned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Snapshot {
    /// The program waits for its first connection.
    Ready,
    /// The program is loaded and has not run.
    Start,
    /// Not cloned: each machine boots.
    None,
}

/// What one machine gets.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Resources {
    /// What a machine cannot exceed.
    #[serde(default)]
    pub limits: Limits,
}

/// The limits of one machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Memory of the machine.
    #[serde(default = "default_memory")]
    #[schemars(extend("x-kubernetes-validations" = [
        {"rule": "type(self) == int ? (self >= 16777216 && self <= 17179869184) : (isQuantity(self) && quantity(self).compareTo(quantity('16Mi')) >= 0 && quantity(self).compareTo(quantity('16Gi')) <= 0)",
         "message": "must be between 16Mi and 16Gi"},
    ]))]
    pub memory: Quantity,
}

/// A request that is sent before the snapshot is taken.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Warmup {
    /// Method of the request, GET if it is not given.
    #[schemars(
        length(max = 32),
        regex(pattern = "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$"),
        extend("x-kubernetes-validations" = [{"rule": "self != 'CONNECT'", "message": "CONNECT is not answered"}])
    )]
    #[serde(default = "default_method")]
    pub method: String,
    /// Path of the request, query included; `/` if it is not given.
    #[schemars(
        length(max = 4096),
        regex(pattern = "^/[^\\x00-\\x20\\x7f<>`?]*([?][^\\x00-\\x20\\x7f\"<>]*)?$")
    )]
    #[serde(default = "default_path")]
    pub path: String,
    /// Body of the request as text; none if it is not given.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub body: String,
}

impl Default for Limits {
    fn default() -> Self {
        Self { memory: default_memory() }
    }
}

impl ImageSpec {
    /// The snapshot mode in force. A program whose environment holds secrets runs in its call alone.
    pub fn snapshot(&self) -> Snapshot {
        let by_default = match self.secret_variables().next() {
            Some(_) => Snapshot::Start,
            None => self.protocol.traits().snapshot,
        };
        self.snapshot.unwrap_or(by_default)
    }

    /// The variables that come from secrets, with their names.
    pub fn secret_variables(&self) -> impl Iterator<Item = (&str, &SecretKeyRef)> {
        self.env.iter().filter_map(|variable| {
            let source = variable.value_from.as_ref()?;
            Some((variable.name.as_str(), &source.secret_key_ref))
        })
    }

    /// Calls get something of a secret.
    pub fn has_secrets(&self) -> bool {
        !self.secrets.is_empty() || self.secret_variables().next().is_some()
    }

    /// Names of the secrets that calls get something of, and whether calls wait for them.
    pub fn secret_names(&self) -> BTreeMap<&str, bool> {
        let mounted = self.secrets.iter().map(|mount| (mount.name.as_str(), true));
        let of_variables =
            self.secret_variables().map(|(_, source)| (source.name.as_str(), !source.optional));
        let mut names = BTreeMap::new();
        for (name, needed) in mounted.chain(of_variables) {
            *names.entry(name).or_default() |= needed;
        }
        names
    }
}

fn default_namespace() -> String {
    DEFAULT_NAMESPACE.to_owned()
}

fn default_timeout() -> Span {
    Span::from_secs(30)
}

fn default_bake_timeout() -> Span {
    Span::from_secs(120)
}

fn default_concurrency() -> u32 {
    64
}

fn default_memory() -> Quantity {
    Quantity::from_mib(256)
}

fn default_method() -> String {
    "GET".to_owned()
}

fn default_path() -> String {
    "/".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_those_of_the_contract() {
        let spec: ImageSpec = serde_saphyr::from_str("image: oci:x").unwrap();
        assert_eq!(spec.timeout.duration().as_secs(), 30);
        assert_eq!(spec.bake_timeout.duration().as_secs(), 120);
        assert_eq!(spec.concurrency, 64);
        assert_eq!(spec.resources.limits.memory.bytes(), 256 << 20);
        assert_eq!(
            (spec.protocol, spec.isolation, spec.snapshot()),
            (Protocol::Http, Isolation::Vm, Snapshot::Ready)
        );
    }

    #[test]
    fn the_record_reads_back_equal() {
        let spec: ImageSpec =
            serde_saphyr::from_str("image: dir:x\nport: 1\nwarmup: [{path: /a}]\nsnapshot: none").unwrap();
        let json = serde_json::to_string(&spec).unwrap();
        assert_eq!(serde_json::from_str::<ImageSpec>(&json).unwrap(), spec);
    }
}
