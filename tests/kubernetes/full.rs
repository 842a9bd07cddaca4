//! A volume without room: each Image says so with the fix, what was published goes on serving, and nothing is needed but
//! room to come back.

use crate::common::apiserver::ApiServer;
use crate::common::registry::Registry;
use crate::common::{kvm_or_skip, layout::File, mounted::Mounted, node::function};
use crate::kit::{Pod, image, prepare, wait_for};

/// The volume.
const SIZE: u64 = 64 << 20;
/// A layer of random bytes, so that nothing makes it smaller.
const LAYER: usize = 8 << 20;
/// Room for a record and a report, but not for a snapshot.
const LITTLE: u64 = 64 << 10;
/// Room for a snapshot, but not for the layer.
const SOME: u64 = 4 << 20;

/// A version that has no room: a condition says so, and the first one goes on answering.
fn refused(api: &ApiServer, pod: &Pod<'_>, image: &str, kind: &str, reason: &str) {
    api.apply(image);
    let condition = pod.condition("app", kind, "False");
    assert_eq!(condition["reason"], reason, "{condition}");
    let message = condition["message"].as_str().unwrap_or_default();
    assert!(message.contains("No space left on device"), "{condition}");
    assert!(message.contains("free space on the volume, or make it larger"), "{condition}");
    calls(pod, "one");
}

fn calls(pod: &Pod<'_>, text: &str) {
    for _ in 0..3 {
        assert_eq!(pod.call("/default/app/").text(), text, "{}", pod.logs());
    }
}

#[test]
fn a_full_volume() {
    if !kvm_or_skip("a full volume") {
        return;
    }
    let Some(api) = ApiServer::start_or_skip("a full volume") else { return };
    let mut pod = Pod::new(&api);
    let Some(volume) = Mounted::at_or_skip(&pod.volume(), SIZE, "a full volume") else { return };
    prepare(&api);
    let registry = Registry::open();
    registry.push("app:1", "one", "amd64");
    let mut noise = vec![0; LAYER];
    fastrand::Rng::with_seed(1).fill(&mut noise);
    registry.push_program("app:2", &function("version"), &[File("version", b"two"), File("noise", &noise)]);
    let app = |tag: &str, number: u32| {
        let variable = format!("  env: [{{name: NUMBER, value: '{number}'}}]\n");
        image("app", &registry.reference(&format!("app:{tag}")), &variable)
    };
    pod.download(api.address, &["--insecure-registry", &registry.host]);
    pod.serve(&[]);
    api.apply(&app("1", 1));
    pod.condition("app", "Ready", "True");

    // Room for the record, none for the snapshot.
    let filler = volume.fill(LITTLE);
    refused(&api, &pod, &app("1", 2), "Baked", "Disk");
    std::fs::remove_file(&filler).expect("it is there");
    pod.condition("app", "Ready", "True");

    // No room for another image.
    let filler = volume.fill(SOME);
    refused(&api, &pod, &app("2", 2), "Pulled", "DiskFull");
    // A server that starts now serves what there is.
    pod.server = None;
    pod.serve(&[]);
    wait_for("the old version", || (pod.call("/default/app/").text() == "one").then_some(()));
    std::fs::remove_file(&filler).expect("it is there");
    pod.condition("app", "Ready", "True");
    calls(&pod, "two");

    // A new function has nothing older to fall back to: each call boots until there is room for the snapshot.
    let filler = volume.fill(LITTLE);
    api.apply(&image("new", &registry.reference("app:2"), ""));
    let unbaked = pod.condition("new", "Baked", "False");
    assert_eq!(unbaked["reason"], "Disk", "{unbaked}");
    let ready = pod.condition("new", "Ready", "True");
    assert!(ready["message"].as_str().is_some_and(|text| text.contains("cold boot")), "{ready}");
    assert_eq!(pod.call("/default/new/").text(), "two", "{}", pod.logs());
    std::fs::remove_file(&filler).expect("it is there");
    pod.condition("new", "Baked", "True");
    // What did not fit left nothing.
    let drafts = std::fs::read_dir(pod.volume().join("store/tmp")).into_iter().flatten().count();
    let parts = std::fs::read_dir(pod.volume().join("layers/partial")).into_iter().flatten().count();
    assert_eq!((drafts, parts), (0, 0));
}
