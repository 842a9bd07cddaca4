//! The OCI runtime configuration (`config.json`) that belongs to an image configuration.
//!
//! Derived from the image alone, by the conversion rules of the image specification; what a function adds (arguments,
//! environment, host name) is not in it. The same image gives the same bytes: maps are written sorted.

mod user;

use std::collections::HashMap;
use std::path::PathBuf;

use oci_spec::OciSpecError;
use oci_spec::image::{Config, ImageConfiguration};
/// What is in `config.json`: one type for whoever writes, reads or starts a bundle.
pub use oci_spec::runtime::Spec as RuntimeConfig;
use oci_spec::runtime::{
    LinuxBuilder, LinuxNamespace, LinuxNamespaceBuilder, LinuxNamespaceType, Mount, ProcessBuilder,
    RootBuilder, SpecBuilder, get_default_mounts,
};
pub use oci_spec::runtime::{Process, User};

use crate::tree::Tree;

/// The search path of programs where an image names none.
pub const DEFAULT_PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// Annotation with the exposed ports, separated by commas.
pub const EXPOSED_PORTS: &str = "org.opencontainers.image.exposedPorts";

/// Greatest number of a user or group: above, system calls would take some of them for "no change".
const ID_MAX: u32 = i32::MAX.cast_unsigned();

/// Why an image's configuration makes no runtime configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The user is neither a number nor in the image's /etc/passwd.
    #[error("user \"{0}\" of the image is not in its /etc/passwd")]
    UnknownUser(String),
    /// The group is neither a number nor in the image's /etc/group.
    #[error("group \"{0}\" of the image is not in its /etc/group")]
    UnknownGroup(String),
    /// A number, given or in the image's account files, that no user or group may have.
    #[error("{what} \"{name}\" of the image is out of range: numbers go to {ID_MAX}")]
    IdOutOfRange {
        /// `user` or `group`.
        what: &'static str,
        /// Its name or number.
        name: String,
    },
    /// A user with more than one colon, or an empty half.
    #[error("user \"{0}\" of the image is malformed; expected user[:group]")]
    MalformedUser(String),
    /// A working directory that does not start at the root.
    #[error("working directory \"{0}\" of the image is not absolute")]
    RelativeWorkingDirectory(String),
    /// A NUL byte in an argument, an environment entry or a path.
    #[error("the image's configuration has a NUL byte in {0}")]
    Nul(&'static str),
    /// The image's /etc/passwd or /etc/group cannot be read.
    #[error("cannot look up the image's user")]
    Lookup(#[source] crate::tree::TreeError),
    /// The specification's types refuse.
    #[error("cannot express the runtime configuration")]
    Spec(#[from] OciSpecError),
    /// The runtime configuration has no JSON form.
    #[error("cannot write the runtime configuration")]
    Json(#[from] serde_json::Error),
}

/// The runtime configuration of an image; users are looked up in `tree`.
///
/// # Errors
/// See [`ConfigError`].
pub fn derive(image: &ImageConfiguration, tree: &Tree) -> Result<RuntimeConfig, ConfigError> {
    let config = image.config().clone().unwrap_or_default();
    let identity = user::resolve(config.user().as_deref().unwrap_or_default(), tree)?;
    let process = ProcessBuilder::default()
        .terminal(false)
        .user(identity.user)
        .args(arguments(&config)?)
        .env(environment(&config, &identity.home)?)
        .cwd(working_directory(&config)?)
        .build()?;
    let linux = LinuxBuilder::default().namespaces(namespaces()?).build()?;
    Ok(SpecBuilder::default()
        .version("1.0.2")
        .root(RootBuilder::default().path("rootfs").readonly(false).build()?)
        .mounts(mounts())
        .process(process)
        .linux(linux)
        .annotations(annotations(image, &config))
        .hostname("localhost")
        .build()?)
}

/// The user that a text like `USER` in an image means, and its home; names are looked up in `tree`.
///
/// # Errors
/// See [`ConfigError`].
pub fn identity(text: &str, tree: &Tree) -> Result<(User, String), ConfigError> {
    let identity = user::resolve(text, tree)?;
    Ok((identity.user, identity.home))
}

/// The bytes of `config.json`: indented, keys and sets sorted, a newline at the end.
///
/// # Errors
/// When the value cannot be expressed in JSON.
pub fn to_json(config: &RuntimeConfig) -> Result<Vec<u8>, ConfigError> {
    let mut value = serde_json::to_value(config)?;
    if let Some(sets) = value.pointer_mut("/process/capabilities").and_then(|sets| sets.as_object_mut()) {
        for set in sets.values_mut().filter_map(|set| set.as_array_mut()) {
            set.sort_by(|a, b| a.as_str().cmp(&b.as_str()));
        }
    }
    let mut bytes = serde_json::to_vec_pretty(&value)?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// The ports that an image exposes, "8080/tcp" and the like, sorted.
#[must_use]
pub fn exposed_ports(image: &ImageConfiguration) -> Vec<String> {
    let config = image.config().as_ref();
    let mut ports = config.and_then(|config| config.exposed_ports().clone()).unwrap_or_default();
    ports.sort();
    ports
}

/// How many of the process's arguments are the image's entrypoint.
#[must_use]
pub fn entrypoint_args(image: &ImageConfiguration) -> usize {
    let config = image.config().as_ref();
    config.and_then(|config| config.entrypoint().as_ref().map(Vec::len)).unwrap_or_default()
}

fn arguments(config: &Config) -> Result<Vec<String>, ConfigError> {
    let lists = [config.entrypoint(), config.cmd()];
    let arguments: Vec<String> = lists.into_iter().flatten().flatten().cloned().collect();
    without_nul(arguments, "its command")
}

/// The image's variables; PATH and HOME are there in any case, as programs expect.
fn environment(config: &Config, home: &str) -> Result<Vec<String>, ConfigError> {
    let mut environment = config.env().clone().unwrap_or_default();
    if !environment.iter().any(|entry| entry.starts_with("PATH=")) {
        environment.insert(0, DEFAULT_PATH.to_owned());
    }
    if !environment.iter().any(|entry| entry.starts_with("HOME=")) {
        environment.push(format!("HOME={home}"));
    }
    without_nul(environment, "its environment")
}

fn without_nul(texts: Vec<String>, what: &'static str) -> Result<Vec<String>, ConfigError> {
    if texts.iter().any(|text| text.contains('\0')) { Err(ConfigError::Nul(what)) } else { Ok(texts) }
}

fn working_directory(config: &Config) -> Result<PathBuf, ConfigError> {
    match config.working_dir().as_deref() {
        None | Some("") => Ok(PathBuf::from("/")),
        Some(path) if path.contains('\0') => Err(ConfigError::Nul("its working directory")),
        Some(path) if path.starts_with('/') => Ok(PathBuf::from(path)),
        Some(path) => Err(ConfigError::RelativeWorkingDirectory(crate::digest::shorten(path))),
    }
}

fn namespaces() -> Result<Vec<LinuxNamespace>, OciSpecError> {
    use LinuxNamespaceType::{Ipc, Mount, Network, Pid, Uts};
    [Pid, Network, Ipc, Uts, Mount]
        .into_iter()
        .map(|typ| LinuxNamespaceBuilder::default().typ(typ).build())
        .collect()
}

/// The usual ones, but no control groups: a function has no business with them.
fn mounts() -> Vec<Mount> {
    let cgroup = |mount: &Mount| mount.typ().as_deref() == Some("cgroup");
    get_default_mounts().into_iter().filter(|mount| !cgroup(mount)).collect()
}

fn annotations(image: &ImageConfiguration, config: &Config) -> HashMap<String, String> {
    let mut annotations = HashMap::new();
    let mut set = |name: &str, value: Option<String>| {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            annotations.insert(name.to_owned(), value);
        }
    };
    set("org.opencontainers.image.os", Some(image.os().to_string()));
    set("org.opencontainers.image.architecture", Some(image.architecture().to_string()));
    set("org.opencontainers.image.author", image.author().clone());
    set("org.opencontainers.image.created", image.created().clone());
    set("org.opencontainers.image.stopSignal", config.stop_signal().clone());
    set(EXPOSED_PORTS, Some(exposed_ports(image).join(",")));
    // Labels of the image win over what is derived, as the conversion rules say.
    annotations.extend(config.labels().clone().unwrap_or_default());
    annotations
}
