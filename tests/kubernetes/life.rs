//! A function's whole life: pushed, applied, ready, called, replaced under load, described, deleted, forgotten.

use crate::common::apiserver::ApiServer;
use crate::common::registry::Registry;
use crate::common::{binary, kvm_or_skip, run};
use crate::kit::{LIMIT, Pod, REPLICA, image, prepare, wait_for};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

#[test]
fn from_push_to_removal() {
    if !kvm_or_skip("the life of a function in a cluster") {
        return;
    }
    let Some(api) = ApiServer::start_or_skip("the life of a function in a cluster") else { return };
    prepare(&api);
    let registry = Registry::open();
    let first = registry.push("hello:1", "one", "amd64");
    let mut pod = Pod::new(&api);
    pod.download(api.address, &["--insecure-registry", &registry.host]);
    pod.serve(&[]);
    wait_for("a downloader that is ready", || (pod.health("/readyz").0 == 200).then_some(()));

    api.apply(&image("hello", &registry.reference("hello:1"), ""));
    pod.condition("hello", "Ready", "True");
    assert_eq!(pod.call("/default/hello/").text(), "one");
    let object = pod.image("hello").expect("it is there");
    assert_eq!(object["status"]["digest"], first.as_str());
    let replica = &object["status"]["replicas"][0];
    assert_eq!((&replica["name"], &replica["phase"]), (&REPLICA.into(), &"Ready".into()));
    for kind in ["Pulled", "Baked"] {
        pod.condition("hello", kind, "True");
    }
    let columns = api.kubectl(&["get", "kimg", "hello"]);
    let row = columns.lines().nth(1).unwrap_or_default();
    assert!(row.contains("True") && row.contains(&first) && row.contains("calls are served"), "{columns}");

    // A new tag and an edit, under load: not one call fails.
    let second = registry.push("hello:2", "two", "amd64");
    let load = Load::default();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| load.run(&pod));
        }
        load.wait_until(&load.old);
        api.apply(&image("hello", &registry.reference("hello:2"), ""));
        load.wait_until(&load.new);
        load.stop.store(true, Ordering::Relaxed);
    });
    assert_eq!(load.failed.load(Ordering::Relaxed), 0, "{}", pod.logs());
    pod.condition("hello", "Ready", "True");
    wait_for("the new digest", || (pod.image("hello")?["status"]["digest"] == second.as_str()).then_some(()));

    // A tag that moves is followed without an edit.
    let third = registry.push("hello:2", "three", "amd64");
    wait_for("the moved tag", || (pod.call("/default/hello/").text() == "three").then_some(()));
    wait_for("the moved digest", || {
        (pod.image("hello")?["status"]["digest"] == third.as_str()).then_some(())
    });

    // A bad version says so, and leaves the good one serving.
    registry.push("hello:3", "broken", "amd64");
    api.apply(&image("hello", &registry.reference("hello:3"), ""));
    let bad = pod.condition("hello", "Baked", "False");
    let message = bad["message"].as_str().expect("a text");
    assert!(message.contains("meanwhile") && message.contains(&third[..19]), "{bad}");
    assert_eq!(pod.image("hello").expect("it is there")["status"]["digest"], third.as_str());
    assert_eq!(pod.call("/default/hello/").text(), "three");
    api.apply(&image("hello", &registry.reference("hello:2"), ""));
    pod.condition("hello", "Ready", "True");

    let events = api.kubectl(&["describe", "kimg", "hello"]);
    for reason in ["Pulled", "Baked", "Exited"] {
        assert!(events.contains(reason), "{reason} is not in {events}");
    }

    // Deleted: no route, and after a collection no bundle.
    api.kubectl(&["delete", "kimg", "hello"]);
    wait_for("the end of the route", || (pod.call("/default/hello/").status == 404).then_some(()));
    wait_for("an empty store", || {
        let mut gc = Command::new(binary("kontain-faas"));
        gc.args(["store", "gc", "--grace", "0s", "--volume"]).arg(pod.volume());
        assert_eq!(run(&mut gc, b"", LIMIT).expect("it ends").status, 0);
        let left = std::fs::read_dir(pod.volume().join("store/sha256")).map(Iterator::count);
        (left.unwrap_or(0) == 0).then_some(())
    });
}

/// Calls until it is told to stop, and what came of them.
#[derive(Default)]
struct Load {
    stop: AtomicBool,
    old: AtomicUsize,
    new: AtomicUsize,
    failed: AtomicUsize,
}

impl Load {
    fn run(&self, pod: &Pod<'_>) {
        while !self.stop.load(Ordering::Relaxed) {
            let answer = pod.call("/default/hello/");
            let counter = match (answer.status, answer.text().as_str()) {
                (200, "one") => &self.old,
                (200, "two") => &self.new,
                _ => &self.failed,
            };
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits for some calls more; the end of a version is reached when the next one answers for a while.
    fn wait_until(&self, counter: &AtomicUsize) {
        let before = counter.load(Ordering::Relaxed);
        wait_for("calls that are answered", || {
            (counter.load(Ordering::Relaxed) >= before + 40 || self.failed.load(Ordering::Relaxed) > 0)
                .then_some(())
        });
    }
}
