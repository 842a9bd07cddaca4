//! `kontain-faas bench`: what calls cost on this machine, with a baseline measured in the same run.
//!
//! Open loop at a pace, closed loop with more and more clients, cold boots without a snapshot, and the same programs
//! started as processes. [`report`] is the JSON, [`plot`] the picture.

mod plot;
mod report;

use crate::load::baseline;
use crate::load::node::{self, Node, Record};
use crate::load::pace::{Outcome, closed_loop, open_loop};
use crate::load::samples::{self, Sample};
use crate::load::summary::{Durations, micros};
use anyhow::{Context, bail};
use report::{Clocks, Closed, Function, Open, Report};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// Time after a start in which functions get their first shells.
const SHELLS_MADE: Duration = Duration::from_secs(1);

/// Options of `bench`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Folder with the sample programs, as the Makefile builds them.
    #[arg(long, env = "KONTAIN_PROGRAMS", value_name = "DIR", default_value_os_t = samples::default_folder())]
    pub programs: PathBuf,
    /// Folder for the report, the plots, and the server's files.
    #[arg(long, env = "KONTAIN_OUTPUT", value_name = "DIR", default_value = "target/bench")]
    pub output: PathBuf,
    /// Functions to measure.
    #[arg(long, env = "KONTAIN_FUNCTIONS", value_name = "NAME", value_delimiter = ',',
          default_values = ["c-static", "c-glibc", "rust-hyper", "python"])]
    pub functions: Vec<String>,
    /// Seconds of each measurement.
    #[arg(long, env = "KONTAIN_SECONDS", value_name = "N", default_value_t = 10)]
    pub seconds: u64,
    /// Calls per second of the open loop; by default 300 for C, 200 for Rust and 50 for Python.
    #[arg(long, env = "KONTAIN_RATE", value_name = "N")]
    pub rate: Option<f64>,
    /// Clients of the closed loop, one measurement for each number.
    #[arg(long, env = "KONTAIN_CLIENTS", value_name = "N", value_delimiter = ',', default_values_t = [1, 2, 4, 8])]
    pub clients: Vec<usize>,
    /// Cold boots, and processes of the baseline.
    #[arg(long, env = "KONTAIN_STARTS", value_name = "N", default_value_t = 50)]
    pub starts: usize,
    /// Restarts of the server, after each of which the first call of a function is measured.
    #[arg(long, env = "KONTAIN_RESTARTS", value_name = "N", default_value_t = 10)]
    pub restarts: usize,
}

/// Measures everything and writes report and plots.
///
/// # Errors
/// A step failed, or an answer was wrong.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let chosen: Vec<Sample> = samples::all(&args.programs)?
        .into_iter()
        .filter(|sample| args.functions.iter().any(|name| name == sample.name))
        .collect();
    if chosen.len() != args.functions.len() {
        return Err(crate::Usage(
            "--functions names one that is not among c-static, c-glibc, rust-hyper, python".to_owned(),
        )
        .into());
    }
    let (images, volume, log) = node::workspace(&args.output)?;
    for sample in &chosen {
        node::publish(sample, &images, "")?;
    }
    let (node, _) = Node::start(&images, &volume, &log)?;
    let mut report = Report::new(args.seconds)?;
    for sample in &chosen {
        eprintln!("{}:", sample.title);
        report.functions.push(measure(&node, sample, args)?);
    }
    drop(node);
    let firsts = first_calls(&chosen, (&images, &volume, &log), args.restarts)?;
    for (first, function) in firsts.iter().zip(&mut report.functions) {
        function.first = first.summary();
        eprintln!("{}: first call of a worker p50 {}", function.title, micros(function.first.p50_us));
    }
    for (sample, function) in chosen.iter().zip(&mut report.functions) {
        function.cold = cold_boots(sample, args)?;
        eprintln!("{}: cold boot p50 {}", sample.title, micros(function.cold.p50_us));
    }
    let (json, svg) = (args.output.join("bench.json"), args.output.join("bench.svg"));
    std::fs::write(&json, serde_json::to_string_pretty(&report)?)?;
    plot::draw(&report, &svg)?;
    println!("{}", report.text());
    println!("report: {}\nplots:  {}", json.display(), svg.display());
    Ok(ExitCode::SUCCESS)
}

fn measure(node: &Node, sample: &Sample, args: &Args) -> anyhow::Result<Function> {
    let mut ready = Duration::ZERO;
    node.wait(&[sample.name], |_, time| ready = time)?;
    let path = format!("/default/{}/", sample.name);
    let time = Duration::from_secs(args.seconds);
    // The pool learns the demand from calls; what it learns is a part of serving and not of what is measured here.
    checked(sample, open_loop(node.functions, &path, rate(sample, args), rate(sample, args) as u64)?)?;
    let calls = (rate(sample, args) * args.seconds as f64) as u64;
    let outcome = checked(sample, open_loop(node.functions, &path, rate(sample, args), calls)?)?;
    let records = node.records(sample.name, calls)?;
    let open = open(rate(sample, args), &outcome, &records);
    eprintln!(
        "  open loop, {} calls/s: p50 {} p99 {}",
        open.rate,
        micros(open.latency.p50_us),
        micros(open.latency.p99_us)
    );
    let mut closed = Vec::new();
    for clients in &args.clients {
        let outcome = checked(sample, closed_loop(node.functions, &path, *clients, time, u64::MAX)?)?;
        eprintln!("  {clients} clients: {:.0} calls/s", outcome.rate());
        closed.push(Closed {
            clients: *clients,
            calls_per_second: outcome.rate(),
            latency: outcome.latencies.summary(),
        });
    }
    let process = baseline::processes(&sample.command, args.starts)?.summary();
    eprintln!("  as a process for each call: p50 {}", micros(process.p50_us));
    Ok(Function {
        name: sample.name,
        title: sample.title,
        open,
        closed,
        first: Default::default(),
        cold: Default::default(),
        process,
    })
}

fn rate(sample: &Sample, args: &Args) -> f64 {
    args.rate.unwrap_or(match sample.name {
        "python" => 50.0,
        "rust-hyper" => 200.0,
        _ => 300.0,
    })
}

fn checked(sample: &Sample, outcome: Outcome) -> anyhow::Result<Outcome> {
    if let Some(failure) = &outcome.failure {
        bail!("{}: {} calls failed, one of them: {failure}", sample.name, outcome.failed);
    }
    if outcome.stale > 0 {
        bail!("{}: {} calls met a machine that had served before", sample.name, outcome.stale);
    }
    Ok(outcome)
}

fn open(rate: f64, outcome: &Outcome, records: &[Record]) -> Open {
    let clock = |value: &dyn Fn(&Record) -> Option<u64>| {
        let mut durations = Durations::default();
        records.iter().filter_map(value).for_each(|micros| durations.add_us(micros));
        durations.summary()
    };
    let count = (records.len() as u64).max(1);
    Open {
        rate,
        latency: outcome.latencies.summary(),
        curve: outcome.latencies.curve(),
        clocks: Clocks {
            first_instruction: clock(&|record| Some(record.boot_us)),
            first_byte: clock(&|record| record.first_byte_us),
            teardown_done: clock(&|record| Some(record.run_us + record.teardown_us)),
        },
        pool_empty: records.iter().filter(|record| record.pool_empty).count() as f64 / count as f64,
        dirty_pages: records.iter().map(|record| record.dirty_pages).sum::<u64>() / count,
        exits: records.iter().map(|record| record.exits).sum::<u64>() / count,
    }
}

/// The first call of each function after so many restarts of the server, on whose volume the snapshots are.
fn first_calls(
    chosen: &[Sample],
    (images, volume, log): (&Path, &Path, &Path),
    restarts: usize,
) -> anyhow::Result<Vec<Durations>> {
    let mut firsts = vec![Durations::default(); chosen.len()];
    for _ in 0..restarts {
        let (node, _) = Node::start(images, volume, log)?;
        let names: Vec<&str> = chosen.iter().map(|sample| sample.name).collect();
        node.wait(&names, |_, _| ())?;
        // What is measured is a call that finds a shell.
        std::thread::sleep(SHELLS_MADE);
        for (sample, first) in chosen.iter().zip(&mut firsts) {
            let path = format!("/default/{}/", sample.name);
            let outcome = closed_loop(node.functions, &path, 1, Duration::from_secs(60), 1)?;
            first.join(&checked(sample, outcome)?.latencies);
        }
    }
    Ok(firsts)
}

/// Calls that are answered by a machine which boots for them: `snapshot: none`.
fn cold_boots(sample: &Sample, args: &Args) -> anyhow::Result<crate::load::summary::Summary> {
    let (images, volume, log) = node::workspace(&args.output.join("cold"))?;
    node::publish(sample, &images, "  snapshot: none\n")?;
    let (node, _) = Node::start(&images, &volume, &log)?;
    node.wait(&[sample.name], |_, _| ()).context("without a snapshot")?;
    let path = format!("/default/{}/", sample.name);
    let outcome = closed_loop(node.functions, &path, 1, Duration::from_secs(60), args.starts as u64)?;
    Ok(checked(sample, outcome)?.latencies.summary())
}
