//! The report of a benchmark: what was measured, and where.

use crate::load::summary::{Summary, micros};
use km_vmm::kvm::{Kvm, KvmKind};
use serde::Serialize;
use std::fmt::Write;

/// The report of one run, as `bench.json` has it.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Version of the program.
    pub version: &'static str,
    /// Where it was measured.
    pub host: Host,
    /// Length of each measurement.
    pub seconds: u64,
    /// The mode of isolation that all figures are of.
    pub isolation: &'static str,
    /// One entry for each function that was measured.
    pub functions: Vec<Function>,
}

/// The host that the figures are of.
#[derive(Debug, Serialize)]
pub struct Host {
    /// Model of the CPU.
    pub cpu: String,
    /// Processors that the run could use.
    pub cpus: usize,
    /// Kind of KVM.
    pub kvm: KvmKind,
    /// Release of the kernel.
    pub kernel: String,
}

/// The figures of a function.
#[derive(Debug, Serialize)]
pub struct Function {
    /// Name of the function, as in its path.
    pub name: &'static str,
    /// The same for people.
    pub title: &'static str,
    /// Calls at a fixed rate, whatever the answers take.
    pub open: Open,
    /// With all that clients can.
    pub closed: Vec<Closed>,
    /// The first call after a restart of the server, of a worker that has served none.
    pub first: Summary,
    /// Calls answered by a machine that boots for them, without a snapshot.
    pub cold: Summary,
    /// The baseline: the program started as a process for each call.
    pub process: Summary,
}

/// Calls at a fixed rate: what one caller among many sees.
#[derive(Debug, Serialize)]
pub struct Open {
    /// Calls per second.
    pub rate: f64,
    /// The client's call, from when it was due.
    pub latency: Summary,
    /// Percentile and microseconds.
    pub curve: Vec<(f64, u64)>,
    /// The worker's clocks.
    pub clocks: Clocks,
    /// Share of calls that found the pool empty.
    pub pool_empty: f64,
    /// Pages that a call writes, mean.
    pub dirty_pages: u64,
    /// Exits to the monitor of a call, mean.
    pub exits: u64,
}

/// All from the moment in which the machine was taken from the pool.
#[derive(Debug, Serialize)]
pub struct Clocks {
    /// To the first instruction of the call in the guest.
    pub first_instruction: Summary,
    /// To the first byte of the response.
    pub first_byte: Summary,
    /// To the end of the teardown.
    pub teardown_done: Summary,
}

/// Clients that each wait for their answer before they ask again: what the node can take.
#[derive(Debug, Serialize)]
pub struct Closed {
    /// Clients that call again as soon as they have their answer.
    pub clients: usize,
    /// Answers in a second, of all clients together.
    pub calls_per_second: f64,
    /// From the request's first byte to the response's last, as a client sees it.
    pub latency: Summary,
}

impl Report {
    /// A report without figures.
    ///
    /// # Errors
    /// There is no KVM.
    pub fn new(seconds: u64) -> anyhow::Result<Self> {
        let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1));
        let host = Host {
            cpu: model.unwrap_or("unknown").to_owned(),
            cpus: std::thread::available_parallelism().map_or(1, usize::from),
            kvm: Kvm::open()?.kind(),
            kernel: nix::sys::utsname::uname()?.release().to_string_lossy().into_owned(),
        };
        Ok(Self { version: env!("CARGO_PKG_VERSION"), host, seconds, isolation: "vm", functions: Vec::new() })
    }

    /// The figures as a table in Markdown.
    pub fn text(&self) -> String {
        let Host { cpu, cpus, kvm, kernel } = &self.host;
        let mut text =
            format!("{cpu}, {cpus} CPUs, KVM {kvm:?}, Linux {kernel}, isolation {}\n\n", self.isolation);
        text += "| function | open loop | p50 | p99 | pool empty | to 1st instruction | to 1st byte | torn down | closed loop, best | first call of a worker | cold boot | as a process |\n";
        text += "|---|---|---|---|---|---|---|---|---|---|---|---|\n";
        for function in &self.functions {
            let (open, clocks) = (&function.open, &function.open.clocks);
            let best =
                function.closed.iter().max_by(|a, b| a.calls_per_second.total_cmp(&b.calls_per_second));
            // Writing to a String cannot fail.
            writeln!(
                text,
                "| {} | {}/s | {} | {} | {:.2} % | {} | {} | {} | {} | {} | {} | {} |",
                function.title,
                open.rate,
                micros(open.latency.p50_us),
                micros(open.latency.p99_us),
                open.pool_empty * 100.0,
                micros(clocks.first_instruction.p50_us),
                micros(clocks.first_byte.p50_us),
                micros(clocks.teardown_done.p50_us),
                best.map_or(String::new(), |best| format!("{:.0}/s", best.calls_per_second)),
                micros(function.first.p50_us),
                micros(function.cold.p50_us),
                micros(function.process.p50_us),
            )
            .ok();
        }
        text
    }
}
