//! What an Image may say beyond what its types allow, and what this version does not do yet.

use std::fmt;
use std::time::Duration;

use bundles::reference::Reference;

use super::egress::rule::{self, Rule};
use super::image::{API_VERSION, EnvVar, Image, ImageSpec, Isolation, KIND, SecretKeyRef, Snapshot};

/// Longest call that can be asked for.
const TIMEOUT_MAX: Duration = Duration::from_secs(3600);
/// Shortest and longest bake that can be asked for.
const BAKE_TIMEOUT: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(600);
/// Most calls at once that can be asked for.
const CONCURRENCY_MAX: u32 = 10_000;
/// Namespaces that no function can be in: what the server itself answers begins with them.
const RESERVED_NAMESPACES: [&str; 5] = ["async-function", "function", "healthz", "system", "ui"];
/// Longest path at which a secret can appear.
const MOUNT_PATH_MAX: usize = 1024;

/// Variables that the server sets, whatever else gives them a value.
const OF_THE_SERVER: [&str; 4] = ["PORT", "K_SERVICE", "K_CONFIGURATION", "K_REVISION"];

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Path of the field, like `spec.port`.
    pub field: String,
    /// What is wrong and how to put it right.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}

/// Where an Image comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A document in a folder: it may name images beside it.
    Directory,
    /// An object of a cluster: its images come from registries.
    Cluster,
}

/// Everything that is wrong with an Image; nothing when it can be published.
pub fn problems(image: &Image, origin: Origin) -> Vec<Problem> {
    let mut found = Problems::default();
    if image.api_version != API_VERSION {
        found.add("apiVersion", format!("`{}` is not served: write {API_VERSION}", image.api_version));
    }
    if image.kind != KIND {
        found.add("kind", format!("`{}` is not served: write {KIND}", image.kind));
    }
    if !is_dns_subdomain(&image.metadata.name) {
        found.add("metadata.name", name_message(&image.metadata.name));
    }
    let namespace = &image.metadata.namespace;
    if !is_dns_label(namespace) {
        found.add("metadata.namespace", name_message(namespace));
    } else if is_reserved(namespace) {
        let why = format!(
            "`{namespace}` is reserved, as /{namespace} is a path of the server's own: use another namespace"
        );
        found.add("metadata.namespace", why);
    }
    check_reference(&image.spec, origin, &mut found);
    check_not_yet(&image.spec, &mut found);
    check_bounds(&image.spec, &mut found);
    check_process(&image.spec, &mut found);
    check_secrets(&image.spec, &mut found);
    check_egress(&image.spec, &mut found);
    check_warmup(&image.spec, &mut found);
    found.0
}

#[derive(Default)]
struct Problems(Vec<Problem>);

impl Problems {
    fn add(&mut self, field: impl Into<String>, message: impl Into<String>) {
        self.0.push(Problem { field: field.into(), message: message.into() });
    }
}

fn name_message(name: &str) -> String {
    format!(
        "`{name}` cannot be part of a URL: use lower-case letters, digits and `-`, starting and ending with a letter or digit"
    )
}

fn check_reference(spec: &ImageSpec, origin: Origin, found: &mut Problems) {
    match (spec.image.parse::<Reference>(), origin) {
        (Err(error), Origin::Directory) => found.add(
            "spec.image",
            format!("{error}: write docker://HOST/REPOSITORY:TAG, oci:PATH, oci-archive:FILE, docker-archive:FILE or dir:PATH"),
        ),
        (Err(error), Origin::Cluster) => {
            found.add("spec.image", format!("{error}: write docker://HOST/REPOSITORY:TAG"));
        }
        (Ok(Reference::Registry(_)), _) | (Ok(_), Origin::Directory) => {}
        (Ok(_), Origin::Cluster) => found.add(
            "spec.image",
            format!(
                "`{}` is a local image, which a cluster has not: push it to a registry and write docker://HOST/REPOSITORY:TAG",
                spec.image
            ),
        ),
    }
    for (index, secret) in spec.image_pull_secrets.iter().enumerate() {
        if !is_dns_subdomain(&secret.name) {
            found.add(format!("spec.imagePullSecrets[{index}].name"), name_message(&secret.name));
        }
    }
}

fn check_not_yet(spec: &ImageSpec, found: &mut Problems) {
    match spec.isolation {
        Isolation::Vm => {}
        Isolation::Reset | Isolation::Process => {
            found.add("spec.isolation", "only `vm` is supported yet: remove the field");
        }
    }
}

fn check_bounds(spec: &ImageSpec, found: &mut Problems) {
    if spec.port == Some(0) {
        found.add("spec.port", "must be between 1 and 65535");
    }
    let timeout = spec.timeout.duration();
    if timeout.is_zero() || timeout > TIMEOUT_MAX || timeout.as_millis() == 0 {
        found.add("spec.timeout", format!("`{}` must be between 1ms and 1h", spec.timeout));
    }
    if !BAKE_TIMEOUT.contains(&spec.bake_timeout.duration()) {
        found.add("spec.bakeTimeout", format!("`{}` must be between 1s and 10m", spec.bake_timeout));
    }
    if spec.concurrency == 0 || spec.concurrency > CONCURRENCY_MAX {
        found.add("spec.concurrency", format!("must be between 1 and {CONCURRENCY_MAX}"));
    }
    let memory = spec.resources.limits.memory;
    if memory.bytes() < km_abi::layout::MEMORY_MIN || memory.bytes() > km_abi::layout::MEMORY_MAX {
        found.add("spec.resources.limits.memory", format!("`{memory}` must be between 16Mi and 16Gi"));
    }
}

fn check_process(spec: &ImageSpec, found: &mut Problems) {
    for (index, variable) in spec.env.iter().enumerate() {
        let field = format!("spec.env[{index}]");
        if variable.name.is_empty() || variable.name.contains(['=', '\0']) {
            found.add(format!("{field}.name"), "must not be empty, nor contain `=` or a zero byte");
        }
        if variable.value.contains('\0') {
            found.add(format!("{field}.value"), "must not contain a zero byte");
        }
        if let Some(source) = &variable.value_from {
            check_source(variable, &source.secret_key_ref, &field, found);
        }
    }
    for (field, list) in [("spec.command", &spec.command), ("spec.args", &spec.args)] {
        if list.iter().any(|text| text.contains('\0')) {
            found.add(field, "must not contain a zero byte");
        }
    }
    if spec.snapshot == Some(Snapshot::Ready) && spec.secret_variables().next().is_some() {
        found.add(
            "spec.snapshot",
            "the program has read its environment when this snapshot is taken: write `start`, or mount the secrets that \
             spec.env takes values from as files",
        );
    }
    if spec.command.first().is_some_and(String::is_empty) {
        found.add("spec.command", "its first element, the program, must not be empty");
    }
}

fn check_source(variable: &EnvVar, source: &SecretKeyRef, field: &str, found: &mut Problems) {
    if !variable.value.is_empty() {
        found.add(field, "write either value or valueFrom");
    }
    if OF_THE_SERVER.contains(&variable.name.as_str()) {
        found.add(
            format!("{field}.name"),
            "the server sets this variable itself, so it cannot come from a secret",
        );
    }
    let field = format!("{field}.valueFrom.secretKeyRef");
    if !is_dns_subdomain(&source.name) {
        found.add(format!("{field}.name"), name_message(&source.name));
    }
    if !is_secret_key(&source.key) {
        found.add(
            format!("{field}.key"),
            format!("`{}` cannot be a key: use letters, digits, `-`, `_` and `.`", source.key),
        );
    }
}

fn check_secrets(spec: &ImageSpec, found: &mut Problems) {
    for (index, secret) in spec.secrets.iter().enumerate() {
        let field = format!("spec.secrets[{index}]");
        if !is_dns_subdomain(&secret.name) {
            found.add(format!("{field}.name"), name_message(&secret.name));
        }
        let path = &secret.mount_path;
        let steps = || path.split('/').skip(1).filter(|step| !step.is_empty());
        let is_place = path.starts_with('/') && !path.contains('\0') && path.len() <= MOUNT_PATH_MAX;
        if !is_place || steps().next().is_none() || steps().any(|step| step == "." || step == "..") {
            found.add(
                format!("{field}.mountPath"),
                "must be an absolute path below `/`, without `.` and `..`",
            );
        } else if steps().next().is_some_and(|step| ["proc", "sys", "dev"].contains(&step)) {
            found.add(format!("{field}.mountPath"), "must not lie in /proc, /sys or /dev");
        }
    }
}

fn check_egress(spec: &ImageSpec, found: &mut Problems) {
    if let Err(error) = rule::check_count(spec.egress.len()) {
        found.add("spec.egress", error.to_string());
    }
    for (index, one) in spec.egress.iter().enumerate() {
        if let Err(error) = Rule::try_from(one) {
            found.add(format!("spec.egress[{index}]"), error.to_string());
        }
    }
}

fn check_warmup(spec: &ImageSpec, found: &mut Problems) {
    if !spec.warmup.is_empty() && !spec.protocol.traits().warms_up {
        found.add("spec.warmup", "is for `protocol: http` only: remove it");
    }
    for (index, request) in spec.warmup.iter().enumerate() {
        if http::Method::from_bytes(request.method.as_bytes()).is_err() || request.method == "CONNECT" {
            found
                .add(format!("spec.warmup[{index}].method"), format!("`{}` is not a method", request.method));
        }
        if !request.path.starts_with('/') || request.path.parse::<http::uri::PathAndQuery>().is_err() {
            found.add(format!("spec.warmup[{index}].path"), "must be a path that starts with `/`");
        }
    }
}

/// Whether a namespace is one of [`RESERVED_NAMESPACES`].
pub fn is_reserved(namespace: &str) -> bool {
    RESERVED_NAMESPACES.contains(&namespace)
}

/// RFC 1123 label, as a Kubernetes namespace is one.
pub fn is_dns_label(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = text.as_bytes();
    bytes.len() <= 63
        && bytes.first().copied().is_some_and(inner)
        && bytes.last().copied().is_some_and(inner)
        && bytes.iter().all(|&byte| inner(byte) || byte == b'-')
}

/// Whether a text can be the name of a file of a secret, as Kubernetes has it.
pub fn is_secret_key(text: &str) -> bool {
    let is_good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (1..=253).contains(&text.len()) && text.bytes().all(is_good) && text != "." && !text.starts_with("..")
}

/// RFC 1123 subdomain, as the name of a Kubernetes object is one.
pub fn is_dns_subdomain(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(is_dns_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(spec: &str) -> Image {
        let text = format!(
            "apiVersion: build.kontain.app/v1\nkind: Image\nmetadata: {{name: a}}\nspec:\n  image: oci:x\n{spec}"
        );
        serde_saphyr::from_str(&text).unwrap()
    }

    #[test]
    fn a_plain_image_is_accepted() {
        for text in
            ["", "  protocol: stdio", "  protocol: kontain", "  secrets: [{name: a, mountPath: /etc/x/}]"]
        {
            assert_eq!(problems(&image(text), Origin::Directory), [], "{text}");
        }
    }

    #[test]
    fn each_wrong_field_is_named() {
        let cases = [
            ("  isolation: reset", "spec.isolation"),
            ("  secrets: [{name: a/b, mountPath: /x}]", "spec.secrets[0].name"),
            ("  secrets: [{name: a, mountPath: x}]", "spec.secrets[0].mountPath"),
            ("  secrets: [{name: a, mountPath: /x/../y}]", "spec.secrets[0].mountPath"),
            ("  secrets: [{name: a, mountPath: //}]", "spec.secrets[0].mountPath"),
            ("  secrets: [{name: a, mountPath: /proc/x}]", "spec.secrets[0].mountPath"),
            ("  protocol: stdio\n  warmup: [{path: /}]", "spec.warmup"),
            ("  imagePullSecrets: [{name: ../a}]", "spec.imagePullSecrets[0].name"),
            ("  port: 0", "spec.port"),
            ("  timeout: 2h", "spec.timeout"),
            ("  timeout: 0s", "spec.timeout"),
            ("  bakeTimeout: 11m", "spec.bakeTimeout"),
            ("  bakeTimeout: 999ms", "spec.bakeTimeout"),
            ("  concurrency: 0", "spec.concurrency"),
            ("  resources: {limits: {memory: 1Mi}}", "spec.resources.limits.memory"),
            ("  env: [{name: 'a=b'}]", "spec.env[0].name"),
            ("  env: [{name: A, value: b, valueFrom: {secretKeyRef: {name: s, key: k}}}]", "spec.env[0]"),
            ("  env: [{name: PORT, valueFrom: {secretKeyRef: {name: s, key: k}}}]", "spec.env[0].name"),
            (
                "  env: [{name: A, valueFrom: {secretKeyRef: {name: s/t, key: k}}}]",
                "spec.env[0].valueFrom.secretKeyRef.name",
            ),
            (
                "  env: [{name: A, valueFrom: {secretKeyRef: {name: s, key: ../k}}}]",
                "spec.env[0].valueFrom.secretKeyRef.key",
            ),
            (
                "  snapshot: ready\n  env: [{name: A, valueFrom: {secretKeyRef: {name: s, key: k}}}]",
                "spec.snapshot",
            ),
            ("  warmup: [{path: x}]", "spec.warmup[0].path"),
            ("  warmup: [{method: 'G T'}]", "spec.warmup[0].method"),
        ];
        for (text, field) in cases {
            let found = problems(&image(text), Origin::Directory);
            assert_eq!(
                found.iter().map(|problem| problem.field.as_str()).collect::<Vec<_>>(),
                [field],
                "{text}"
            );
        }
    }

    #[test]
    fn a_cluster_has_no_local_images() {
        let found = problems(&image(""), Origin::Cluster);
        assert!(found[0].field == "spec.image" && found[0].message.contains("registry"), "{found:?}");
    }

    #[test]
    fn paths_of_the_server_are_no_namespaces() {
        for (namespace, problems_of_it) in [
            ("function", 1),
            ("system", 1),
            ("ui", 1),
            ("functions", 0),
            ("healthz", 1),
            ("async-function", 1),
        ] {
            let mut image = image("");
            image.metadata.namespace = namespace.to_owned();
            let found = problems(&image, Origin::Cluster);
            let found: Vec<_> =
                found.iter().filter(|problem| problem.field == "metadata.namespace").collect();
            assert_eq!(found.len(), problems_of_it, "{namespace}");
            assert!(found.iter().all(|problem| problem.message.contains("reserved")), "{found:?}");
        }
    }

    #[test]
    fn names_are_what_a_url_can_hold() {
        for name in ["a", "a-b", "0", "a1"] {
            assert!(is_dns_label(name), "{name}");
        }
        for name in ["", "-a", "a-", "A", "a_b", "a.b", "a/b", "%61", "ä", &"x".repeat(64)] {
            assert!(!is_dns_label(name), "{name}");
        }
        assert!(is_dns_subdomain("a.b-c"));
        assert!(!is_dns_subdomain("a..b"));
        assert!(!is_dns_subdomain(".."));
    }
}
