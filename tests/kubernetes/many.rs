//! Many Images at once: each digest is fetched once, and memory stays small.

use crate::common::apiserver::ApiServer;
use crate::common::kvm_or_skip;
use crate::common::registry::Registry;
use crate::kit::{Pod, image, prepare, wait_for};
use std::collections::HashSet;
use std::time::{Duration, Instant};

/// Different images.
const DIGESTS: usize = 50;
/// Most memory of the downloader.
const PEAK_KIB: u64 = 150 << 10;
/// What the snapshots of served Images may take together: a few of them.
const BUDGET: &str = "24Mi";
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
    let log = pod.downloader.as_ref().expect("it runs").log();
    let unpacked = log.lines().filter(|line| line.contains("unpacking layer")).count();
    assert_eq!(unpacked, DIGESTS, "each digest is unpacked once");

    // Restarted, it looks at all of them and fetches nothing.
    pod.downloader = None;
    pod.download(api.address, &["--insecure-registry", &registry.host, "--resync", "10m"]);
    while pod.health("/readyz").0 != 200 {
        assert!(begun.elapsed() < LIMIT, "not ready again\n{}", pod.logs());
        std::thread::sleep(Duration::from_millis(500));
    }
    let log = pod.downloader.as_ref().expect("it runs").log();
    assert!(!log.contains("unpacking layer"), "{log}");
    assert_eq!(published(), images.len());
}

/// Images that are served, over [`SERVED_DIGESTS`].
const SERVED: usize = 24;
const SERVED_DIGESTS: usize = 6;

#[test]
fn more_snapshots_than_fit() {
    if !kvm_or_skip("more snapshots than fit") {
        return;
    }
    let Some(api) = ApiServer::start_or_skip("more snapshots than fit") else { return };
    prepare(&api);
    let registry = Registry::open();
    for number in 0..SERVED_DIGESTS {
        registry.push(&format!("many:{number}"), &number.to_string(), "amd64");
    }
    let images: Vec<String> = (0..SERVED)
        .map(|number| {
            let reference = registry.reference(&format!("many:{}", number % SERVED_DIGESTS));
            // Another environment each: another snapshot.
            image(
                &format!("f{number}"),
                &reference,
                &format!("  env: [{{name: NUMBER, value: '{number}'}}]\n"),
            )
        })
        .collect();
    api.kubectl_with(&["create", "-f", "-"], &images.join("---\n"));
    let mut pod = Pod::new(&api);
    let options = ["--insecure-registry", registry.host.as_str(), "--resync", "10m"];
    for _ in 0..2 {
        pod.download(api.address, &options);
        pod.serve(&["--snapshot-budget", BUDGET]);
        for number in 0..SERVED {
            let path = format!("/default/f{number}/");
            let answered = || {
                let answer = pod.call(&path);
                (answer.status == 200).then(|| answer.text())
            };
            // What has no snapshot (any more) is called all the same.
            let text = wait_for(&format!("answer of f{number}"), answered);
            assert_eq!(text, (number % SERVED_DIGESTS).to_string());
        }
        for number in 0..SERVED {
            pod.condition(&format!("f{number}"), "Ready", "True");
        }
        wait_for("a downloader that is ready", || (pod.health("/readyz").0 == 200).then_some(()));
        (pod.downloader, pod.server) = (None, None);
    }
    let log = std::fs::read_to_string(pod.volume().join("../downloader.log")).expect("it is there");
    assert!(!log.contains("unpacking layer"), "{log}");
}
