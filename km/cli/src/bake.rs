//! `km bake`: boots a program, waits until it is ready, writes its snapshot, and says what that took.

use crate::bundle::Bundle;
use crate::size;
use anyhow::{Context, Result};
use clap::Args;
use km_vmm::client::{SlotClient, Worker};
use km_vmm::memory::GRANULE;
use km_vmm::protocol::{Call, Charged, FunctionSpec, ProcessSpec, SnapshotMode, Wire};
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Bake a snapshot.
#[derive(Args)]
pub struct BakeArgs {
    /// Memory of the machine, as a Kubernetes quantity
    #[arg(long, value_name = "SIZE", default_value = "256Mi", value_parser = size::parse, env = "KM_MEMORY")]
    memory: u64,
    /// The TCP port that the program listens on; it finds it in PORT
    #[arg(long, short, value_name = "PORT", default_value_t = 8080, env = "KM_PORT")]
    port: u16,
    /// Where the snapshot goes
    #[arg(long, short, value_name = "FILE", default_value = "snapshot.km")]
    output: PathBuf,
    /// How long the program may take to become ready, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 60, env = "KM_BAKE_TIMEOUT")]
    timeout: u64,
    /// Send a GET for this path before the snapshot is taken; may be given several times
    #[arg(long, value_name = "PATH")]
    warmup: Vec<String>,
    /// Take the snapshot before the first instruction of the program
    #[arg(long)]
    at_start: bool,
    /// A directory with config.json and rootfs.erofs, or a program of this machine
    #[arg(value_name = "BUNDLE|ELF")]
    bundle: PathBuf,
    /// For a program of this machine, its arguments
    #[arg(last = true, value_name = "ARGS")]
    args: Vec<String>,
}

/// Bakes, and prints a line for each step.
///
/// # Errors
/// The program does not become ready (the message says why), or the snapshot cannot be written.
pub fn run(args: &BakeArgs) -> Result<ExitCode> {
    let start = Instant::now();
    let bundle = Bundle::find(&args.bundle, &args.args)?;
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&args.output)
        .with_context(|| format!("open {}", args.output.display()))?;
    let worker = Worker::spawn(&std::env::current_exe().context("find this program")?)?;
    println!("worker      {:>9} µs  jailed, {}", start.elapsed().as_micros(), worker.hello.kvm);
    if let Some(missing) = worker.hello.jail.missing() {
        println!("            the jail lacks {missing}");
    }
    worker.assign(function(&bundle, args).to_bake(), &bundle.rootfs, Some(&file))?;
    let mut slot = worker.slot(0)?;
    let ready = slot.boot(Duration::from_secs(args.timeout))?;
    let ports: Vec<String> = ready.ports.iter().map(|listening| listening.port.to_string()).collect();
    let threads = ready.threads;
    println!("ready       {:>9} µs  {threads} threads, listens on {}", ready.ready_us, ports.join(", "));
    for path in &args.warmup {
        warm_up(&mut slot, path, args)?;
    }
    let written = slot.snapshot()?;
    let (data, whole) = (written.data_bytes >> 10, written.file_bytes >> 10);
    println!("snapshot    {:>9} µs  {data} KiB of {whole} KiB, {}", written.write_us, written.content_digest);
    println!("done        {:>9} µs  {}", start.elapsed().as_micros(), args.output.display());
    Ok(ExitCode::SUCCESS)
}

/// The bundle as a function. The key says no more than which bundle it was: the function server,
/// which reuses snapshots, computes its own.
fn function(bundle: &Bundle, args: &BakeArgs) -> FunctionSpec {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let process = &bundle.process;
    let mut env: Vec<String> = process.env.iter().map(|variable| text(variable)).collect();
    env.retain(|variable| !variable.starts_with("PORT="));
    env.push(format!("PORT={}", args.port));
    FunctionSpec {
        name: args.bundle.display().to_string(),
        snapshot_key: args.bundle.display().to_string(),
        memory_bytes: args.memory.next_multiple_of(GRANULE),
        wire: Wire::Http,
        port: args.port,
        process: ProcessSpec {
            args: process.args.iter().map(|arg| text(arg)).collect(),
            env,
            cwd: text(&process.cwd),
            uid: process.uid,
            gid: process.gid,
            groups: process.groups.clone(),
            hostname: process.hostname.clone(),
            resolv_conf: None,
        },
        snapshot: if args.at_start { SnapshotMode::Start } else { SnapshotMode::Ready },
    }
}

fn warm_up(slot: &mut SlotClient, path: &str, args: &BakeArgs) -> Result<()> {
    let start = Instant::now();
    let call = Call {
        call_id: "warm-up".into(),
        deadline_ms: args.timeout * 1000,
        port: args.port,
        memory: Charged::default(),
    };
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let response = slot.warm_up(&call, request.as_bytes(), |_| false)?;
    let status =
        response.split(|&byte| byte == b'\r').next().map(String::from_utf8_lossy).unwrap_or_default();
    println!("warm-up     {:>9} µs  {path}: {status}", start.elapsed().as_micros());
    Ok(())
}
