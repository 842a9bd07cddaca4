//! The program of a function: what the bundle says and what the Image overrides, as a machine is told.

use std::path::{Path, PathBuf};

use bundles::bundle::{Bundle, BundleError};
use bundles::config::{DEFAULT_PATH, Process};
use km_abi::layout::PAGE_SIZE;
use km_vmm::boot::strings::{self, StringsError};
use km_vmm::protocol::{FunctionSpec, ProcessSpec, SnapshotMode, Wire};

use api::{FailureReason, FunctionName, ImageSpec, Protocol, Published, Snapshot};

/// Where a program listens if nobody says.
const DEFAULT_PORT: u16 = 8080;
/// Where a program that runs before its request comes finds the request's variables; in `REQUEST_ENV_FILE`.
pub const REQUEST_ENV: &str = "/run/kontain/request.env";
/// Hexadecimal digits of the digest that K_REVISION shows.
const REVISION_DIGITS: usize = 12;

/// Why a bundle gives no program.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// A file of the bundle cannot be read, or is not what it should be.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// Neither the image nor the spec has a command.
    #[error("the image names no command: set spec.command")]
    NoCommand,
    /// No program can be started with what they say.
    #[error("{0} (spec.command and spec.args or the image's own command; spec.env and the image's Env)")]
    TooLong(#[from] StringsError),
}

impl ProgramError {
    /// Its kind: a file that cannot be read may be there in a moment.
    pub fn reason(&self) -> FailureReason {
        match self {
            Self::Bundle(BundleError::Io { .. }) => FailureReason::Host,
            Self::Bundle(_) | Self::NoCommand | Self::TooLong(_) => FailureReason::Bundle,
        }
    }
}

/// A program, ready to be handed to a worker.
#[derive(Clone, Debug, PartialEq)]
pub struct Program {
    /// The process to start.
    pub process: ProcessSpec,
    /// Port in the machine that calls are sent to: the spec's, else PORT's, else the first TCP port that the image exposes, else 8080.
    pub port: u16,
    /// Its root file system.
    pub rootfs: PathBuf,
}

impl Program {
    /// Reads the bundle of a published function.
    ///
    /// # Errors
    /// When the bundle is missing or damaged, or names nothing to run.
    pub fn of(published: &Published, bundle: &Path) -> Result<Self, ProgramError> {
        let bundle = Bundle::open(bundle)?;
        let image = bundle.config.process().as_ref().ok_or(ProgramError::NoCommand)?;
        let image_env = image.env().clone().unwrap_or_default();
        let port = port(&published.spec, &image_env, &bundle.record.exposed_ports);
        let image_args = image.args().clone().unwrap_or_default();
        let args = arguments(&published.spec, image_args, bundle.record.entrypoint_args);
        if args.first().is_none_or(String::is_empty) {
            return Err(ProgramError::NoCommand);
        }
        let env = environment(published, image_env, port);
        strings::check(&args, &env)?;
        let process = ProcessSpec {
            args,
            env,
            cwd: working_directory(image),
            uid: image.user().uid(),
            gid: image.user().gid(),
            groups: image.user().additional_gids().clone().unwrap_or_default(),
            hostname: host_name(&published.name),
            resolv_conf: None,
        };
        Ok(Self { process, port, rootfs: bundle.rootfs() })
    }

    /// The function, as workers are told of it; `key` is that of its snapshot.
    pub fn function(&self, published: &Published, key: &str) -> FunctionSpec {
        FunctionSpec {
            name: published.name.to_string(),
            snapshot_key: key.to_owned(),
            memory_bytes: published.spec.resources.limits.memory.bytes().next_multiple_of(PAGE_SIZE),
            wire: match published.spec.protocol {
                Protocol::Http => Wire::Http,
                Protocol::Stdio => Wire::Stdio,
                Protocol::Kontain => Wire::Kontain,
            },
            port: self.port,
            process: self.process.clone(),
            snapshot: mode(published),
        }
    }
}

/// The snapshot mode of a published function, as workers know it.
pub fn mode(published: &Published) -> SnapshotMode {
    match published.spec.snapshot() {
        Snapshot::Ready => SnapshotMode::Ready,
        Snapshot::Start => SnapshotMode::Start,
        Snapshot::None => SnapshotMode::None,
    }
}

fn working_directory(image: &Process) -> String {
    let cwd = image.cwd().to_string_lossy();
    if cwd.is_empty() { "/".to_owned() } else { cwd.into_owned() }
}

/// As Kubernetes combines them: `command` replaces the entrypoint and drops the image's own command.
fn arguments(spec: &ImageSpec, image: Vec<String>, entrypoint: usize) -> Vec<String> {
    match (spec.command.is_empty(), spec.args.is_empty()) {
        (true, true) => image,
        (true, false) => image.into_iter().take(entrypoint).chain(spec.args.iter().cloned()).collect(),
        (false, _) => spec.command.iter().chain(&spec.args).cloned().collect(),
    }
}

fn port(spec: &ImageSpec, env: &[String], exposed: &[String]) -> u16 {
    let own =
        spec.env.iter().find(|variable| variable.name == "PORT").map(|variable| variable.value.as_str());
    let of_image = env.iter().find_map(|entry| entry.strip_prefix("PORT="));
    let valid = |text: &str| text.trim().parse::<u16>().ok().filter(|port| *port != 0);
    let mut tcp = exposed.iter().filter_map(|entry| match entry.split_once('/') {
        None | Some((_, "tcp")) => valid(entry.split('/').next().unwrap_or_default()),
        Some(_) => None,
    });
    let single = tcp.next().filter(|_| tcp.next().is_none());
    spec.port
        .or_else(|| own.and_then(valid))
        .or_else(|| of_image.and_then(valid))
        .or(single)
        .unwrap_or(DEFAULT_PORT)
}

/// The image's variables, then the Image's, then what the container contracts of Knative and Cloud Run promise.
fn environment(published: &Published, image: Vec<String>, port: u16) -> Vec<String> {
    let hex = published.digest.strip_prefix("sha256:").unwrap_or(&published.digest);
    let function = published.name.function();
    // What comes from secrets is given to each call, and is no part of a snapshot.
    let stated = published.spec.env.iter().filter(|variable| variable.value_from.is_none());
    let own = stated.map(|variable| format!("{}={}", variable.name, variable.value));
    let promised = [
        format!("PORT={port}"),
        format!("K_SERVICE={function}"),
        format!("K_CONFIGURATION={function}"),
        format!("K_REVISION={function}-{}", hex.get(..REVISION_DIGITS).unwrap_or(hex)),
    ];
    let mut result: Vec<String> = Vec::new();
    let runs_before =
        published.spec.protocol.traits().takes_variables && published.spec.snapshot() == Snapshot::Ready;
    let variables = runs_before.then(|| format!("REQUEST_ENV_FILE={REQUEST_ENV}"));
    for entry in image.into_iter().chain(own).chain(promised).chain(variables) {
        let name = entry.split_inclusive('=').next().unwrap_or_default().to_owned();
        match result.iter_mut().find(|old| old.starts_with(&name)) {
            Some(old) => *old = entry,
            None => result.push(entry),
        }
    }
    if !result.iter().any(|entry| entry.starts_with("PATH=")) {
        result.insert(0, DEFAULT_PATH.to_owned());
    }
    result
}

/// A host name of at most 63 characters.
fn host_name(name: &FunctionName) -> String {
    name.function().split('.').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn published(spec: &str) -> Published {
        Published {
            name: FunctionName::new("default", "hello").unwrap(),
            generation: 1,
            digest: format!("sha256:{}", "ab".repeat(32)),
            spec: serde_saphyr::from_str(&format!("image: oci:x\n{spec}")).unwrap(),
        }
    }

    fn texts(list: &[&str]) -> Vec<String> {
        list.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn command_and_args_override_as_in_kubernetes() {
        let image = || texts(&["/bin/sh", "-c", "run"]);
        let args = |spec: &str| arguments(&published(spec).spec, image(), 2);
        assert_eq!(args(""), image());
        assert_eq!(args("args: [x]"), texts(&["/bin/sh", "-c", "x"]));
        assert_eq!(args("command: [y]"), texts(&["y"]));
        assert_eq!(args("command: [y]\nargs: [z]"), texts(&["y", "z"]));
    }

    #[test]
    fn the_port_comes_from_the_first_who_says() {
        let port = |spec: &str, env: &[&str], exposed: &[&str]| {
            super::port(&published(spec).spec, &texts(env), &texts(exposed))
        };
        assert_eq!(port("port: 1", &["PORT=2"], &["3/tcp"]), 1);
        assert_eq!(port("env: [{name: PORT, value: '5'}]", &["PORT=2"], &[]), 5);
        assert_eq!(port("", &["PORT=2"], &["3/tcp"]), 2);
        assert_eq!(port("", &[], &["3/tcp", "4/udp"]), 3);
        assert_eq!(port("", &[], &["3/tcp", "4/tcp"]), 8080);
        assert_eq!(port("", &["PORT=zero"], &[]), 8080);
    }

    #[test]
    fn the_environment_has_each_name_once() {
        let spec = published("env: [{name: A, value: new}, {name: PORT, value: '9'}]");
        let env = environment(&spec, texts(&["A=old", "AB=stays"]), 9);
        assert_eq!(
            env,
            [
                DEFAULT_PATH,
                "A=new",
                "AB=stays",
                "PORT=9",
                "K_SERVICE=hello",
                "K_CONFIGURATION=hello",
                "K_REVISION=hello-abababababab"
            ]
        );
    }
}
