//! What the black-box tests share: where the binaries are, how a program is run, what a host without KVM means.
#![allow(dead_code, reason = "each test binary uses a part of this")]

pub mod apiserver;
pub mod layout;
pub mod long;
pub mod mounted;
pub mod node;
pub mod registry;

use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;
use wait_timeout::ChildExt;

/// What a program that has ended left.
#[derive(Debug, PartialEq, Eq)]
pub struct Ended {
    /// Exit status; 128 + n after fatal signal n, as shells count.
    pub status: i32,
    /// All of standard output.
    pub stdout: Vec<u8>,
    /// All of standard error.
    pub stderr: Vec<u8>,
}

/// The folder of the checkout.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// A binary of this workspace, built with the same profile as the running test.
///
/// Tests of the root package cannot name another package's binary, so it is looked for beside the test itself; the
/// variable `KM_BINARY` (`KONTAIN_FAAS_BINARY`) names another one.
pub fn binary(name: &str) -> PathBuf {
    let variable = format!("{}_BINARY", name.to_uppercase().replace('-', "_"));
    if let Some(path) = std::env::var_os(variable) {
        return path.into();
    }
    let test = std::env::current_exe().expect("a running test has a path");
    let folder = test.ancestors().nth(2).expect("tests lie in <profile>/deps");
    let path = folder.join(name);
    assert!(path.exists(), "{} is not built: `make build` builds it", path.display());
    path
}

/// Whether machines can run here; says so on standard error when they cannot.
pub fn kvm_or_skip(what: &str) -> bool {
    let usable = std::fs::OpenOptions::new().read(true).write(true).open("/dev/kvm").is_ok();
    if !usable {
        eprintln!("\n*** SKIPPED: {what}: /dev/kvm cannot be opened here ***\n");
    }
    usable
}

/// Runs a command to its end, or kills it after `limit` and says so.
pub fn run(command: &mut Command, stdin: &[u8], limit: Duration) -> Result<Ended, String> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| format!("{command:?}: {error}"))?;
    let mut input = child.stdin.take().expect("stdin is piped");
    let bytes = stdin.to_vec();
    // A program may end without having read: a broken pipe here is no failure.
    let feeder = thread::spawn(move || drop(input.write_all(&bytes)));
    let stdout = drain(child.stdout.take().expect("stdout is piped"));
    let stderr = drain(child.stderr.take().expect("stderr is piped"));
    let status = wait(&mut child, limit);
    let collect = |reader: thread::JoinHandle<Vec<u8>>| reader.join().expect("readers do not panic");
    let (stdout, stderr) = (collect(stdout), collect(stderr));
    drop(feeder);
    match status {
        Some(status) => Ok(Ended { status: shell_status(status), stdout, stderr }),
        None => Err(format!(
            "{command:?} ran longer than {limit:?}\nstdout:\n{}\nstderr:\n{}",
            String::from_utf8_lossy(&stdout),
            String::from_utf8_lossy(&stderr)
        )),
    }
}

fn wait(child: &mut Child, limit: Duration) -> Option<ExitStatus> {
    let status = child.wait_timeout(limit).expect("a child can be waited for");
    if status.is_none() {
        child.kill().ok();
        child.wait().ok();
    }
    status
}

fn drain(mut stream: impl Read + Send + 'static) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).ok();
        bytes
    })
}

fn shell_status(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}

/// Whether `output` has to be made from `sources` again.
pub fn outdated(output: &Path, sources: &[&Path]) -> bool {
    let time = |path: &Path| path.metadata().and_then(|data| data.modified()).ok();
    let Some(made) = time(output) else { return true };
    sources.iter().any(|source| time(source).is_none_or(|changed| changed > made))
}
