//! What may go wrong between the downloader and the API server, and that it comes back from each.

use crate::common::apiserver::ApiServer;
use crate::common::registry::Registry;
use crate::kit::{Pod, grant, image, prepare, wait_for};
use crate::proxy::{Mode, Proxy};

#[test]
fn the_api_server_goes_and_comes_back() {
    let Some(api) = ApiServer::start_or_skip("an API server that goes away") else { return };
    prepare(&api);
    let registry = Registry::open();
    registry.push("app:1", "one", "amd64");
    let proxy = Proxy::to(api.address);
    let mut pod = Pod::new(&api);
    pod.download(proxy.address, &["--insecure-registry", &registry.host]);
    let app = registry.reference("app:1");
    for name in ["kept", "gone"] {
        api.apply(&image(name, &app, ""));
    }
    let volume = pod.volume();
    let record = |name: &str| volume.join(format!("functions/default/{name}.json"));
    for name in ["kept", "gone"] {
        pod.condition(name, "Pulled", "True");
    }
    assert_eq!(pod.health("/readyz").0, 200);

    // Away: nothing is removed, whatever happens there meanwhile.
    proxy.set(Mode::Cut);
    api.kubectl(&["delete", "kimg", "gone"]);
    api.apply(&image("fresh", &app, ""));
    std::thread::sleep(std::time::Duration::from_secs(2));
    assert!(record("kept").exists() && record("gone").exists() && !record("fresh").exists());
    assert_eq!(pod.health("/readyz").0, 200);
    proxy.set(Mode::Open);
    wait_for("what was deleted meanwhile to go", || (!record("gone").exists()).then_some(()));
    pod.condition("fresh", "Pulled", "True");

    // A watch that falls silent, with the connection up, is begun anew.
    let before = proxy.accepted();
    proxy.set(Mode::Stalled);
    api.apply(&image("after-silence", &app, ""));
    pod.condition("after-silence", "Pulled", "True");
    assert!(proxy.accepted() > before);
    proxy.set(Mode::Open);

    // Rights that are taken away and given back.
    api.kubectl(&["delete", "clusterrolebinding", "kontain-faas-downloader"]);
    api.apply(&image("forbidden", &app, ""));
    std::thread::sleep(std::time::Duration::from_secs(6));
    assert!(record("kept").exists());
    grant(&api);
    pod.condition("forbidden", "Pulled", "True");

    // A watch falls silent, and when it is begun anew the API server has forgotten the version that it was at (410): all
    // are listed again, and only what is gone is removed.
    let lists =
        |pod: &Pod<'_>| pod.downloader.as_ref().map_or(0, |one| one.log().matches("are listed").count());
    // The watch is up again since the rights are: it has seen this.
    api.apply(&image("seen", &app, ""));
    pod.condition("seen", "Pulled", "True");
    let before = lists(&pod);
    proxy.set(Mode::Stalled);
    api.kubectl(&["delete", "kimg", "forbidden"]);
    api.compact();
    wait_for("what was deleted before the compaction to go", || {
        (!record("forbidden").exists()).then_some(())
    });
    proxy.set(Mode::Open);
    assert!(lists(&pod) > before, "{}", pod.logs());
    assert!(record("kept").exists() && record("fresh").exists());
    let log = pod.downloader.as_ref().expect("it runs").log();
    assert!(!log.contains("panicked"), "{log}");

    // Restarted, it publishes nothing anew and asks for no layer again.
    let requests = registry.blob_requests("app");
    let written = std::fs::metadata(record("kept")).and_then(|data| data.modified()).expect("it is there");
    pod.downloader = None;
    pod.download(api.address, &["--insecure-registry", &registry.host]);
    wait_for("a downloader that is ready", || (pod.health("/readyz").0 == 200).then_some(()));
    assert_eq!(
        std::fs::metadata(record("kept")).and_then(|data| data.modified()).expect("it is there"),
        written
    );
    let layers = registry.blob_requests("app") - requests;
    // Configurations are small and asked for with each manifest; the layer of the program is not.
    assert!(layers <= 8, "{layers} blobs were asked for again");
}

#[test]
fn replicas_that_are_gone_leave_no_trace() {
    let Some(api) = ApiServer::start_or_skip("replicas") else { return };
    prepare(&api);
    let registry = Registry::open();
    registry.push("app:1", "one", "amd64");
    api.apply(&image("app", &registry.reference("app:1"), ""));
    for replica in ["pod-a", "pod-b"] {
        api.apply(&pod(replica));
    }
    let options = ["--insecure-registry", &registry.host];
    let mut one = Pod::new(&api);
    one.download(api.address, &options);
    let mut two = Pod::named(&api, "pod-b");
    two.download(api.address, &options);
    let names = |pod: &Pod<'_>| {
        let object = pod.image("app").unwrap_or_default();
        let replicas = object["status"]["replicas"].as_array().cloned().unwrap_or_default();
        let mut names: Vec<String> =
            replicas.iter().filter_map(|one| one["name"].as_str().map(str::to_owned)).collect();
        names.sort();
        names
    };
    wait_for("both entries", || (names(&one) == ["pod-a", "pod-b"]).then_some(()));
    // Each has its own field manager, and a third one, which both share, has the conditions.
    let managers = api.kubectl(&["get", "kimg", "app", "--show-managed-fields", "-o", "json"]);
    for manager in ["\"kontain-faas-pod-a\"", "\"kontain-faas-pod-b\"", "\"kontain-faas\""] {
        assert!(managers.contains(manager), "{manager} is not in {managers}");
    }
    one.condition("app", "Pulled", "True");

    // One that ends leaves its entry, as it may come back; one whose pod is gone does not.
    two.downloader = None;
    api.kubectl(&["delete", "pod", "pod-b", "-n", "kontain-faas", "--grace-period=0", "--force"]);
    wait_for("the end of its entry", || (names(&one) == ["pod-a"]).then_some(()));
    one.condition("app", "Pulled", "True");
}

/// A pod, which never runs: there is no node. Its service account comes with it.
fn pod(name: &str) -> String {
    format!(
        "apiVersion: v1\nkind: ServiceAccount\nmetadata: {{name: default, namespace: kontain-faas}}\n---\n\
         apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, namespace: kontain-faas}}\n\
         spec: {{automountServiceAccountToken: false, containers: [{{name: a, image: a}}]}}\n"
    )
}
