//! Many Images at once: each digest is fetched once, and memory stays small.

use crate::common::apiserver::ApiServer;
use crate::common::registry::Registry;
use crate::kit::{Pod, image, prepare, wait_for};
use std::collections::HashSet;
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
    let published = || {
        let folder = std::fs::read_dir(pod.volume().join("functions/default"));
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
}
