//! A function that was packed and baked for a test, and workers that serve it.

#![allow(clippy::unwrap_used, reason = "a test that cannot be prepared fails with what failed")]
#![allow(dead_code, reason = "each test binary uses a part of it")]

use bundles::pack::{Addition, Program, pack_to_bundle};
use km_vmm::client::{Answer, ClientError, SlotClient, Worker};
use km_vmm::protocol::{
    Call, Charged, FunctionSpec, GivenSnapshot, ProcessSpec, Role, SnapshotMode, Snapshotted, Wire,
};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

/// The port that the program is told.
pub const PORT: u16 = 8080;

/// A packed program.
pub struct Function {
    directory: TempDir,
    /// What its workers are told.
    pub spec: FunctionSpec,
}

/// Whether there is a KVM; says so when there is none.
pub fn kvm() -> bool {
    let there = Path::new("/dev/kvm").exists();
    if !there {
        eprintln!("SKIPPED: there is no /dev/kvm on this machine");
    }
    there
}

impl Function {
    /// Compiles and packs the program of this folder.
    pub fn counter(snapshot: SnapshotMode) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let program = directory.path().join("counter");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/calls/counter.c");
        let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".into());
        let status = Command::new(&compiler)
            .args(["-static", "-pthread", "-O2", "-w", "-o"])
            .arg(&program)
            .arg(source)
            .status();
        assert!(status.unwrap().success(), "{compiler} failed");
        Self::pack(directory, &[program.to_str().unwrap()], snapshot)
    }

    /// Packs a command of this machine.
    pub fn of(command: &[&str], snapshot: SnapshotMode) -> Self {
        Self::with(command, &[], snapshot)
    }

    /// The same, with further files of this machine.
    pub fn with(command: &[&str], files: &[&str], snapshot: SnapshotMode) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let add = files.iter().map(|file| file.parse().unwrap()).collect();
        Self::pack_with(directory, command, add, snapshot)
    }

    fn pack(directory: TempDir, command: &[&str], snapshot: SnapshotMode) -> Self {
        Self::pack_with(directory, command, Vec::new(), snapshot)
    }

    fn pack_with(directory: TempDir, command: &[&str], add: Vec<Addition>, snapshot: SnapshotMode) -> Self {
        let args: Vec<String> = command.iter().map(ToString::to_string).collect();
        let program = Program { command: args.clone(), add, ..Program::default() };
        pack_to_bundle(&program, directory.path()).unwrap();
        let process = ProcessSpec {
            args,
            env: vec![format!("PORT={PORT}"), "PATH=/usr/local/bin:/usr/bin:/bin".into()],
            cwd: "/".into(),
            hostname: "test".into(),
            resolv_conf: None,
            ..ProcessSpec::default()
        };
        let spec = FunctionSpec {
            name: "test/function".into(),
            snapshot_key: "key".into(),
            memory_bytes: 64 << 20,
            wire: Wire::Http,
            port: PORT,
            process,
            snapshot,
        };
        Self { directory, spec }
    }

    /// Where the snapshot is.
    pub fn snapshot_path(&self) -> PathBuf {
        self.directory.path().join("snapshot")
    }

    /// A worker with this function.
    pub fn worker(&self, role: Role) -> Result<Worker, ClientError> {
        // Another build may be measured than the one that cargo has just made.
        let program = std::env::var_os("KM_BINARY").unwrap_or_else(|| env!("CARGO_BIN_EXE_km").into());
        let worker = Worker::spawn(Path::new(&program))?;
        let rootfs = File::open(self.directory.path().join("rootfs.erofs")).unwrap();
        let spec = self.spec.clone();
        let assign = match (role, spec.snapshot) {
            (Role::Bake, _) => spec.to_bake(),
            (Role::Serve, SnapshotMode::None) => spec.to_serve(GivenSnapshot::Nothing),
            (Role::Serve, _) => spec.to_serve(GivenSnapshot::Unverified),
        };
        let snapshot = assign.has_snapshot_fd.then(|| {
            let writes = role == Role::Bake;
            File::options()
                .read(true)
                .write(writes)
                .create(writes)
                .mode(0o600)
                .open(self.snapshot_path())
                .unwrap()
        });
        worker.assign(assign, &rootfs, snapshot.as_ref())?;
        Ok(worker)
    }

    /// Bakes its snapshot, with warm-up requests.
    pub fn bake(&self, warm_ups: &[&str]) -> Result<Snapshotted, ClientError> {
        let worker = self.worker(Role::Bake)?;
        let mut slot = worker.slot(0)?;
        slot.boot(Duration::from_secs(60))?;
        for path in warm_ups {
            slot.warm_up(&call(60_000), &get(path), whole)?;
        }
        slot.snapshot()
    }

    /// SHA-256 of the snapshot file.
    pub fn snapshot_hash(&self) -> Vec<u8> {
        let mut file = File::open(self.snapshot_path()).unwrap();
        let mut hash = Sha256::new();
        let mut buffer = vec![0; 1 << 20];
        loop {
            match file.read(&mut buffer).unwrap() {
                0 => return hash.finalize().to_vec(),
                count => hash.update(&buffer[..count]),
            }
        }
    }
}

/// A call with this deadline.
pub fn call(deadline_ms: u64) -> Call {
    Call { call_id: "test".into(), deadline_ms, port: PORT, memory: Charged::default() }
}

/// A request.
pub fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n").into_bytes()
}

/// Whether a response with a length is whole.
pub fn whole(response: &[u8]) -> bool {
    let text = String::from_utf8_lossy(response);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
    length.is_some_and(|length| length.trim().parse() == Ok(body.len()))
}

/// One call on a new machine.
pub fn call_once(slot: &mut SlotClient, path: &str, deadline_ms: u64) -> Answer {
    slot.prepare().unwrap();
    slot.call(&call(deadline_ms), &get(path), whole).unwrap()
}

/// The words of a counter's answer: count, random bytes, monotonic and wall clock in nanoseconds.
pub fn words(answer: &Answer) -> (u64, String, u64, u64) {
    let text = String::from_utf8_lossy(&answer.response).into_owned();
    let body = text.split("\r\n\r\n").nth(1).unwrap_or_else(|| panic!("no body: {answer:?}"));
    let words: Vec<&str> = body.split_whitespace().collect();
    let number = |index: usize| words[index].parse::<u64>().unwrap();
    (number(0), words[1].to_owned(), number(2), number(3))
}
