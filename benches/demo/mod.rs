//! `kontain-faas demo`: four unmodified programs, published, baked, called, compared with starting them as processes.
//!
//! Every step is done by the commands that a user would type, and shows them. The table is in [`table`].

mod table;

use crate::load::node::{self, Node};
use crate::load::pace::{Outcome, open_loop};
use crate::load::samples::{self, Sample};
use crate::load::summary::{Durations, Summary, micros};
use crate::load::{baseline, client::Client};
use anyhow::bail;
use km_vmm::kvm::{Kvm, KvmKind};
use std::collections::HashSet;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Options of `demo`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Folder with the sample programs, as the Makefile builds them.
    #[arg(long, env = "KONTAIN_PROGRAMS", value_name = "DIR", default_value_os_t = samples::default_folder())]
    pub programs: PathBuf,
    /// Folder for images, volume and the server's log; what an earlier run left there is replaced.
    #[arg(long, env = "KONTAIN_WORK", value_name = "DIR", default_value = "target/demo/node")]
    pub work: PathBuf,
    /// Calls of each function.
    #[arg(long, env = "KONTAIN_CALLS", value_name = "N", default_value_t = 200)]
    pub calls: u64,
    /// Calls per second.
    #[arg(long, env = "KONTAIN_RATE", value_name = "N", default_value_t = 50.0)]
    pub rate: f64,
    /// Processes started of each program, to compare with.
    #[arg(long, env = "KONTAIN_PROCESSES", value_name = "N", default_value_t = 20)]
    pub processes: usize,
    /// Go on serving when all is shown, until interrupted.
    #[arg(long)]
    pub serve: bool,
}

/// What is known of a function in the end.
struct Row {
    title: &'static str,
    baked: Duration,
    outcome: Outcome,
    boot: Summary,
    dirty_pages: u64,
    process: Summary,
}

/// Shows everything.
///
/// # Errors
/// A step failed, an answer was wrong, or a machine had served before.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    println!("kontain-faas: every HTTP call gets a virtual machine of its own\n{}\n", host()?);
    let samples = samples::all(&args.programs)?;
    let (images, volume, log) = node::workspace(&args.work)?;
    println!("Packing four programs of this machine as OCI images, and publishing them:");
    for sample in &samples {
        println!("  {}", node::publish(sample, &images, "")?);
    }
    println!(
        "\nServing them; each is booted once, and what it is when it is ready is the snapshot of every call:"
    );
    let (node, command) = Node::start(&images, &volume, &log)?;
    println!("  {command}");
    let baked = bakes(&node, &samples)?;
    println!("\nCalling each one {} times, {} times a second:", args.calls, args.rate);
    let rows = samples
        .iter()
        .zip(&baked)
        .map(|(sample, baked)| measure(&node, sample, *baked, args))
        .collect::<anyhow::Result<Vec<_>>>()?;
    println!("\n{}", table::table(&rows));
    println!("{}", table::histograms(&rows));
    by_hand(args, &node, &command);
    if args.serve {
        println!("serving until interrupted (Ctrl-C)");
        std::thread::sleep(Duration::MAX);
    }
    Ok(ExitCode::SUCCESS)
}

fn host() -> anyhow::Result<String> {
    let kind = match Kvm::open()?.kind() {
        KvmKind::Pvm => "PVM (software-deprivileged)",
        KvmKind::Svm => "SVM (AMD-V)",
        KvmKind::Vmx => "VMX (Intel VT-x)",
        KvmKind::Other => "of an unknown kind",
    };
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .unwrap_or("")
        .trim_start_matches(['\t', ' ', ':']);
    Ok(format!(
        "on {model}, {} CPUs, KVM {kind}",
        std::thread::available_parallelism().map_or(1, usize::from)
    ))
}

/// Waits for the bakes and tells them; in the order of the samples.
fn bakes(node: &Node, samples: &[Sample]) -> anyhow::Result<Vec<Duration>> {
    let names: Vec<_> = samples.iter().map(|sample| sample.name).collect();
    let mut times = vec![Duration::ZERO; samples.len()];
    node.wait(&names, |name, time| {
        println!("  {name} is ready after {}", micros(u64::try_from(time.as_micros()).unwrap_or(u64::MAX)));
        if let Some(at) = names.iter().position(|short| name.ends_with(&format!("/{short}"))) {
            times[at] = time;
        }
    })?;
    Ok(times)
}

fn measure(node: &Node, sample: &Sample, baked: Duration, args: &Args) -> anyhow::Result<Row> {
    let path = format!("/default/{}/", sample.name);
    let begun = Instant::now();
    let outcome = open_loop(node.functions, &path, args.rate, args.calls)?;
    if let Some(failure) = &outcome.failure {
        bail!("{}: {} of {} calls failed, one of them: {failure}", sample.name, outcome.failed, args.calls);
    }
    if outcome.stale > 0 {
        bail!("{}: {} calls met a machine that had served before", sample.name, outcome.stale);
    }
    let different = randomness(node, sample)?;
    println!(
        "  {:<22} {} answers in {:.1} s, the counter in its memory said 1 each time; {different} calls for random bytes, no two alike",
        sample.title,
        outcome.answered,
        begun.elapsed().as_secs_f64(),
    );
    let records = node.records(sample.name, args.calls)?;
    let mut boot = Durations::default();
    records.iter().for_each(|record| boot.add_us(record.boot_us));
    let dirty_pages =
        records.iter().map(|record| record.dirty_pages).sum::<u64>() / (records.len() as u64).max(1);
    let process = baseline::processes(&sample.command, args.processes)?.summary();
    Ok(Row { title: sample.title, baked, outcome, boot: boot.summary(), dirty_pages, process })
}

/// Asks for random bytes a few times: clones of one snapshot must not give the same.
fn randomness(node: &Node, sample: &Sample) -> anyhow::Result<usize> {
    const CALLS: usize = 20;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let path = format!("/default/{}/random", sample.name);
    let texts = runtime.block_on(async {
        let client = Client::new(node.functions);
        let mut texts = HashSet::new();
        for _ in 0..CALLS {
            texts.insert(client.get(&path).await?.body);
        }
        anyhow::Ok(texts)
    })?;
    if texts.len() != CALLS {
        bail!("{}: {CALLS} calls for random bytes gave {} different answers", sample.name, texts.len());
    }
    Ok(CALLS)
}

fn by_hand(args: &Args, node: &Node, command: &str) {
    let program = command.trim_start_matches("$ ").split(' ').next().unwrap_or("kontain-faas");
    let work = args.work.display();
    println!("Call them by hand:");
    if args.serve {
        println!("  curl -i http://{}/default/python/", node.functions);
        println!("  curl -i --data 'some text' http://{}/default/rust-hyper/echo\n", node.functions);
    } else {
        println!("  {program} serve --images {work}/images --volume {work}/volume --listen 127.0.0.1:8080 &");
        println!("  curl -i http://127.0.0.1:8080/default/python/");
        println!("  curl -i --data 'some text' http://127.0.0.1:8080/default/rust-hyper/echo\n");
    }
    println!(
        "Publish a program of your own that listens on $PORT (or 8080); the server notices within a second:"
    );
    println!("  {program} pack -o oci:{work}/images/mine -- PROGRAM ARGS…");
    println!("  cat > {work}/images/mine.yaml <<END");
    println!(
        "apiVersion: build.kontain.app/v1\nkind: Image\nmetadata: {{name: mine}}\nspec: {{image: oci:mine}}\nEND"
    );
}
