//! `km run`: one program in one machine, its streams ours, its exit status ours.

use crate::bundle::Bundle;
use crate::egress::Egress;
use crate::size;
use crate::streams::{Forward, Streams};
use ::egress::Rule;
use anyhow::{Context, Result, bail};
use clap::Args;
use km_abi::hypercall::{End, Idle, NEVER};
use km_vmm::GUEST_IMAGE;
use km_vmm::boot::strings;
use km_vmm::memory::Rootfs;
use km_vmm::vm::kick::Ticker;
use km_vmm::vm::{Arrivals, Monitor, Stop, Vm};
use km_vmm::worker::outbound::Outbound;
use std::io::{IsTerminal, stdin, stdout};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What memory a machine has unless told otherwise; the default of a function as well.
const DEFAULT_MEMORY: &str = "256Mi";
/// What shells add to the number of a fatal signal.
const AFTER_SIGNAL: u8 = 128;
/// The signal of Linux's OOM killer.
const SIGKILL: u8 = 9;

/// Run one program in one machine.
#[derive(Args)]
pub struct RunArgs {
    /// Memory of the machine, as a Kubernetes quantity
    #[arg(long, value_name = "SIZE", default_value = DEFAULT_MEMORY, value_parser = size::parse, env = "KM_MEMORY")]
    memory: u64,
    /// Set or replace a variable of the environment; may be given several times
    #[arg(long, value_name = "K=V", value_parser = variable)]
    env: Vec<String>,
    /// Working directory of the program
    #[arg(long, value_name = "DIR")]
    cwd: Option<PathBuf>,
    /// Forward a TCP port of this host to a port of the program; may be given several times
    #[arg(short, long = "publish", value_name = "HOST:GUEST")]
    publish: Vec<Forward>,
    /// Let the program connect outward, like db.example.com:5432, *.example.com:443,8000-8100 or 10.20.0.0/16:6379/udp;
    /// may be given several times
    #[arg(long, value_name = "RULE")]
    egress: Vec<Rule>,
    /// A directory with config.json and rootfs.erofs, or a program of this machine
    #[arg(value_name = "BUNDLE|ELF")]
    bundle: PathBuf,
    /// Command and arguments instead of the bundle's; for a program, its arguments
    #[arg(last = true, value_name = "ARGS")]
    args: Vec<String>,
}

fn variable(text: &str) -> Result<String, String> {
    match text.split_once('=') {
        Some((name, _)) if !name.is_empty() => Ok(text.to_owned()),
        _ => Err("a variable is NAME=VALUE".to_owned()),
    }
}

/// Runs the program; its exit status is the result.
///
/// # Errors
/// The machine cannot be made, or breaks.
pub fn run(args: &RunArgs) -> Result<ExitCode> {
    let mut bundle = Bundle::find(&args.bundle, &args.args)?;
    change_process(&mut bundle, args)?;
    strings::check(&bundle.process.args, &bundle.process.env)
        .context("too much in --env, in the arguments after --, or in the bundle's config.json")?;
    let egress = Egress::open(&args.egress)?;
    bundle.process.resolv_conf = egress.as_ref().map(|egress| egress.resolv_conf.clone());
    let monitor = Monitor::open(GUEST_IMAGE)?;
    let rootfs = Arc::new(Rootfs::open(bundle.rootfs, monitor.image().code())?);
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).context("draw a seed")?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let memory = args.memory.next_multiple_of(2 << 20);
    let mut vm = monitor.boot(memory, &rootfs, &bundle.process, seed, now.as_nanos() as u64)?;
    let broker = egress.as_ref().map(|egress| egress.broker.try_clone()).transpose()?;
    let mut streams = Streams::new(&args.publish, Outbound::new(broker))?;
    Ok(ExitCode::from(status(drive(&mut vm, &mut streams)?)))
}

/// The exit status by which a shell would know this end.
fn status(end: End) -> u8 {
    match end {
        End::Exited { status } => status,
        End::Killed { signal } => AFTER_SIGNAL + signal,
        End::OutOfMemory => AFTER_SIGNAL + SIGKILL,
    }
}

fn change_process(bundle: &mut Bundle, args: &RunArgs) -> Result<()> {
    let process = &mut bundle.process;
    if !args.args.is_empty() && args.bundle.is_dir() {
        process.args = args.args.iter().map(|arg| arg.clone().into_bytes()).collect();
    }
    if process.args.is_empty() {
        bail!("{} names no command: give one after --", args.bundle.display());
    }
    for variable in &args.env {
        let name = &variable[..=variable.find('=').unwrap_or_default()];
        process.env.retain(|old| !old.starts_with(name.as_bytes()));
        process.env.push(variable.clone().into_bytes());
    }
    if let Some(cwd) = &args.cwd {
        process.cwd = cwd.as_os_str().as_encoded_bytes().to_vec();
    }
    process.terminal = stdin().is_terminal() && stdout().is_terminal();
    Ok(())
}

fn drive(vm: &mut Vm, streams: &mut Streams) -> Result<End> {
    let mut ticker = Ticker::new().context("create a timer")?;
    let mut arrivals = Arrivals::default();
    loop {
        ticker.start().context("start the timer")?;
        let stop = vm.run(streams)?;
        ticker.stop().context("stop the timer")?;
        match stop {
            Stop::Ended(end) => return Ok(end),
            Stop::Broken(breakdown) => bail!("the machine broke: {breakdown}"),
            Stop::Cancelled => bail!("the machine was stopped"),
            Stop::Idle(idle) => {
                arrivals.clear();
                streams.wait(time_left(&idle), &mut arrivals)?;
                vm.deliver(&arrivals)?;
            }
        }
    }
}

fn time_left(idle: &Idle) -> Option<Duration> {
    (idle.deadline_ns != NEVER)
        .then(|| Duration::from_nanos(idle.deadline_ns.saturating_sub(idle.monotonic_ns)))
}
