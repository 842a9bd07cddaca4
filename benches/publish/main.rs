//! How long it takes from the push of an image until its function answers: `cargo bench --bench publish`, by hand.
//!
//! A real API server and a real registry, a downloader and a server on one volume, as in the pod. Every round pushes a
//! static C program, creates an Image of it, and takes the time until the API server calls it Ready and until it has
//! answered; then a new version replaces it in the same way. JSON with milliseconds. `ROUNDS` (10) may be set.
#![allow(clippy::expect_used, reason = "a benchmark that cannot go on says why and ends")]

#[path = "../../tests/common/mod.rs"]
#[allow(clippy::unwrap_used, reason = "shared with tests")]
mod common;
#[path = "../../tests/kubernetes/kit.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod kit;

use common::apiserver::ApiServer;
use common::kvm_or_skip;
use common::registry::Registry;
use kit::{Pod, image, prepare, wait_for};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// What was promised: Ready so long after the push of a C image.
const PROMISED_MS: f64 = 5000.0;

fn main() {
    if !kvm_or_skip("the benchmark of publishing") {
        return;
    }
    let Some(api) = ApiServer::start_or_skip("the benchmark of publishing") else { return };
    prepare(&api);
    let rounds: usize = std::env::var("ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(10);
    let registry = Registry::open();
    let mut pod = Pod::new(&api);
    pod.download(api.address, &["--insecure-registry", &registry.host]);
    pod.serve(&[]);
    wait_for("a downloader that is ready", || (pod.health("/readyz").0 == 200).then_some(()));
    let (mut first, mut next) = (Times::default(), Times::default());
    for round in 0..rounds {
        let name = format!("hello-{round}");
        first.add(&api, &registry, &pod, (&name, &format!("{round}-one")));
        next.add(&api, &registry, &pod, (&name, &format!("{round}-two")));
    }
    let result = json!({
        "rounds": rounds,
        "promised_ready_ms": PROMISED_MS,
        "new_function": first.summary(),
        "new_version": next.summary(),
    });
    println!("{}", serde_json::to_string_pretty(&result).expect("JSON can be written"));
}

/// Times since the end of the push.
#[derive(Default)]
struct Times {
    ready: Vec<Duration>,
    answered: Vec<Duration>,
}

impl Times {
    fn add(&mut self, api: &ApiServer, registry: &Registry, pod: &Pod<'_>, (name, version): (&str, &str)) {
        let tag = format!("hello:{version}");
        registry.push(&tag, version, "amd64");
        let pushed = Instant::now();
        api.apply(&image(name, &registry.reference(&tag), ""));
        let path = format!("/default/{name}/");
        std::thread::scope(|scope| {
            let answered = scope.spawn(|| {
                wait_for("the answer", || (pod.call(&path).text() == version).then_some(()));
                pushed.elapsed()
            });
            pod.condition(name, "Ready", "True");
            self.ready.push(pushed.elapsed());
            self.answered.push(answered.join().expect("it is answered"));
        });
    }

    fn summary(&self) -> Value {
        let of = |times: &[Duration]| {
            let mut ms: Vec<f64> = times.iter().map(|time| (time.as_secs_f64() * 1000.0).round()).collect();
            ms.sort_by(f64::total_cmp);
            json!({"p50": ms.get(ms.len() / 2), "max": ms.last()})
        };
        json!({"ready_ms": of(&self.ready), "answered_ms": of(&self.answered)})
    }
}
