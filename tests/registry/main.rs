//! Registries as users meet them: a real one with TLS and passwords, faults in between, full disks and sudden deaths.
#![allow(clippy::expect_used, reason = "a test that cannot go on says why and ends")]

#[path = "../common/mod.rs"]
mod common;
#[allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#[path = "../../bundles/tests/common/mod.rs"]
mod parts;

mod death;
mod downloader;
mod faults;
mod high_water;
mod memory;
mod publish;
mod refused;
mod slow;
mod usual;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use common::{Ended, binary, run};

/// Longest time that a command takes.
const LIMIT: Duration = Duration::from_secs(120);

/// What the tests need besides the binaries.
const PROGRAMS: &str = "docker-registry, skopeo, openssl or htpasswd is missing";

/// `kontain-faas` with nothing of this machine's user in its environment.
fn faas() -> Command {
    let mut command = Command::new(binary("kontain-faas"));
    for name in ["HOME", "DOCKER_CONFIG", "REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR"] {
        command.env_remove(name);
    }
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"] {
        command.env_remove(name).env_remove(name.to_lowercase());
    }
    command
}

/// `kontain-faas bundle` of an image.
fn bundle(reference: &str, output: &Path, options: &[&str]) -> Ended {
    let mut command = faas();
    command.args(["bundle", reference, "-o"]).arg(output).args(options);
    run(&mut command, b"", LIMIT).expect("bundling ends")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A `config.json` of docker's with one password.
fn credentials(host: &str, password: &str) -> String {
    format!("{{\"auths\": {{\"{host}\": {{\"username\": \"user\", \"password\": \"{password}\"}}}}}}")
}
