//! Many Images at once: each digest is fetched once, and memory stays small.

use crate::common::apiserver::ApiServer;
use crate::common::kvm_or_skip;
use crate::common::registry::Registry;
use crate::kit::{Pod, image, prepare, wait_for};
use std::collections::HashSet;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};

/// Different images.
const DIGESTS: usize = 50;
/// Most memory of the downloader.
const PEAK_KIB: u64 = 150 << 10;
/// Longest time until all are published.
const LIMIT: Duration = Duration::from_secs(300);

/// Images; `KONTAIN_TEST_IMAGES` makes it more or fewer.
fn count() -> usize {
    std::env::var("KONTAIN_TEST_IMAGES").ok().and_then(|text| text.parse().ok()).unwrap_or(2000)
}

#[test]
fn two_thousand_over_fifty_digests() {
    let Some(api) = ApiServer::start_or_skip("many Images") else { return };
    prepare(&api);
    let registry = Registry::open();
    let digests: HashSet<String> = (0..DIGESTS)
        .map(|number| registry.push(&format!("many:{number}"), &number.to_string(), "amd64"))
        .collect();
    assert_eq!(digests.len(), DIGESTS);
    let images: Vec<String> = (0..count())
        .map(|number| {
            image(&format!("f{number}"), &registry.reference(&format!("many:{}", number % DIGESTS)), "")
        })
        .collect();
    // In parallel: one kubectl is held to few requests per second by itself.
    std::thread::scope(|scope| {
        for part in images.chunks(images.len().div_ceil(8)) {
            let api = &api;
            scope.spawn(move || api.kubectl_with(&["create", "-f", "-"], &part.join("---\n")));
        }
    });
    let mut pod = Pod::new(&api);
    pod.download(api.address, &["--insecure-registry", &registry.host, "--resync", "10m"]);
    let begun = Instant::now();
    let functions = pod.volume().join("functions/default");
    let published = || {
        let folder = std::fs::read_dir(&functions);
        folder
            .map(|files| {
                files
                    .flatten()
                    .filter(|file| file.path().extension().is_some_and(|end| end == "json"))
                    .count()
            })
            .unwrap_or(0)
    };
    while published() < images.len() {
        assert!(begun.elapsed() < LIMIT, "{} of {} are published\n{}", published(), images.len(), pod.logs());
        std::thread::sleep(Duration::from_millis(500));
    }
    let took = begun.elapsed();
    wait_for("a downloader that is ready", || (pod.health("/readyz").0 == 200).then_some(()));
    // All statuses follow.
    while begun.elapsed() < LIMIT {
        let list = api.kubectl(&[
            "get",
            "kimg",
            "-o",
            "jsonpath={.items[*].status.conditions[?(@.type==\"Pulled\")].status}",
        ]);
        if list.split_whitespace().filter(|status| *status == "True").count() == images.len() {
            break;
        }
        std::thread::sleep(Duration::from_secs(1));
    }
    let told = begun.elapsed();
    let bundles = std::fs::read_dir(pod.volume().join("store/sha256")).expect("a store").count();
    assert_eq!(bundles, DIGESTS);
    let peak = pod.downloader.as_ref().expect("it runs").peak_kib();
    eprintln!("{} Images: published in {took:?}, told in {told:?}, {} MiB at most", images.len(), peak >> 10);
    assert!(told < LIMIT, "the statuses are not written after {LIMIT:?}");
    assert!(peak < PEAK_KIB, "{peak} KiB of memory");
    assert_eq!(unpacked(&pod), DIGESTS, "each digest is unpacked once");

    // Restarted, it looks at all of them and fetches nothing.
    pod.downloader = None;
    pod.download(api.address, &["--insecure-registry", &registry.host, "--resync", "10m"]);
    while pod.health("/readyz").0 != 200 {
        assert!(begun.elapsed() < LIMIT, "not ready again\n{}", pod.logs());
        std::thread::sleep(Duration::from_millis(500));
    }
    assert_eq!(unpacked(&pod), 0, "{}", pod.logs());
    assert_eq!(published(), images.len());
}

/// Layers that the downloader unpacked since it was started.
fn unpacked(pod: &Pod<'_>) -> usize {
    let log = pod.downloader.as_ref().expect("it runs").log();
    log.lines().filter(|line| line.contains("unpacking layer")).count()
}

/// Images that are served where nobody says otherwise; `KONTAIN_TEST_SERVED` does, by hand 2000.
const SERVED: usize = 60;
/// Of so many Images, each has a digest of its own before digests are used again.
const SHARED: usize = 4;
/// Bytes of the budget for each Image; a snapshot takes about three times as many.
const BUDGET_EACH: usize = 256 << 10;
/// So many are called after the restart, and more until one of them has lost its snapshot.
const AT_LEAST: usize = 8;
/// Workers leave early: thousands of functions are called, each once.
const IDLE: &str = "20s";

fn served() -> usize {
    std::env::var("KONTAIN_TEST_SERVED").ok().and_then(|text| text.parse().ok()).unwrap_or(SERVED)
}

/// How many functions the server calls ready, none of them because it boots for each call.
fn ready(pod: &Pod<'_>) -> usize {
    let list = pod.ask(&format!("http://{}/functions", pod.admin())).text();
    let list: Vec<serde_json::Value> = serde_json::from_str(&list).expect("JSON");
    list.iter().filter(|entry| entry["phase"] == "Ready" && entry["reason"] == "Ready").count()
}

/// The functions of which the server's log has a record with this message.
fn told(pod: &Pod<'_>, message: &str) -> HashSet<String> {
    let log = pod.server.as_ref().expect("it runs").log();
    let records = log.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    records
        .filter(|record| record["message"] == message)
        .filter_map(|record| record["function"].as_str().map(str::to_owned))
        .collect()
}

/// Waits, longer than elsewhere where there are thousands.
fn wait_long(what: &str, mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < LIMIT.mul_f64(1.0 + served() as f64 / 500.0), "no {what}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// Bytes on disk of the snapshots.
fn snapshot_bytes(pod: &Pod<'_>) -> u64 {
    let entries = std::fs::read_dir(pod.volume().join("snapshots")).into_iter().flatten().flatten();
    let drafts = |entry: &std::fs::DirEntry| entry.file_name().to_string_lossy().starts_with('.');
    entries
        .filter(|entry| !drafts(entry))
        .filter_map(|entry| entry.metadata().ok())
        .map(|data| data.blocks() * 512)
        .sum()
}

#[test]
fn more_snapshots_than_fit() {
    if !kvm_or_skip("more snapshots than fit") {
        return;
    }
    let Some(api) = ApiServer::start_or_skip("more snapshots than fit") else { return };
    prepare(&api);
    let registry = Registry::open();
    let (served, digests) = (served(), DIGESTS.min(served().div_ceil(SHARED)));
    for number in 0..digests {
        registry.push(&format!("many:{number}"), &number.to_string(), "amd64");
    }
    let images: Vec<String> = (0..served)
        .map(|number| {
            let reference = registry.reference(&format!("many:{}", number % digests));
            image(&format!("f{number}"), &reference, "")
        })
        .collect();
    api.kubectl_with(&["create", "-f", "-"], &images.join("---\n"));
    let mut pod = Pod::new(&api);
    let options = ["--insecure-registry", registry.host.as_str(), "--resync", "10m"];
    let budget = (served * BUDGET_EACH) as u64;
    let room = budget.to_string();
    let answers = |pod: &Pod<'_>, number: usize| {
        let answer = pod.call(&format!("/default/f{number}/"));
        (answer.status == 200).then(|| assert_eq!(answer.text(), (number % digests).to_string()))
    };
    let serve = ["--snapshot-budget", room.as_str(), "--worker-idle", IDLE];
    pod.download(api.address, &options);
    pod.serve(&serve);
    wait_long("readiness of all", || ready(&pod) == served);
    assert!(snapshot_bytes(&pod) <= budget, "{} bytes of snapshots", snapshot_bytes(&pod));
    // What has no snapshot any more is called all the same, and gets one again.
    for number in 0..served {
        wait_for(&format!("answer of f{number}"), || answers(&pod, number));
    }
    wait_long("snapshots of all that were called", || ready(&pod) == served);
    wait_long("conditions of all", || {
        let list = api.kubectl(&["get", "kimg", "-o", "jsonpath={.items[*].status.conditions[2].status}"]);
        list.split_whitespace().filter(|status| *status == "True").count() == served
    });
    let peak = pod.downloader.as_ref().expect("it runs").peak_kib();
    assert!(peak < PEAK_KIB, "{peak} KiB of memory");
    assert_eq!(unpacked(&pod), digests, "each digest is unpacked once");

    // Both start again: nothing is fetched, nothing is baked for its own sake, and calls are answered.
    (pod.downloader, pod.server) = (None, None);
    let begun = Instant::now();
    pod.download(api.address, &options);
    pod.serve(&serve);
    wait_for("the first answer", || answers(&pod, served - 1));
    let answered = begun.elapsed();
    wait_long("readiness of all", || ready(&pod) == served);
    let (listed, peak) = (begun.elapsed(), peak >> 10);
    eprintln!("{served} functions: answer {answered:?} after the start, all ready {listed:?}, {peak} MiB");
    // Most have no snapshot: one of these is called soon, boots for its call, and has one again.
    let evicted = || told(&pod, "the snapshot was evicted; it is baked again");
    for number in 0..served {
        wait_for(&format!("answer of f{number}"), || answers(&pod, number));
        if number >= AT_LEAST && !evicted().is_empty() {
            break;
        }
    }
    assert!(!evicted().is_empty(), "there is room for less than half of the snapshots");
    wait_long("snapshots that come back", || {
        let baked = told(&pod, "baked");
        evicted().is_subset(&baked)
    });
    assert!(told(&pod, "bake begins").is_subset(&evicted()), "{}", pod.logs());
    wait_long("a downloader that is ready", || pod.health("/readyz").0 == 200);
    assert_eq!(unpacked(&pod), 0, "{}", pod.logs());
    wait_long("snapshots within the budget", || snapshot_bytes(&pod) <= budget);
}
