//! Secrets of a cluster as files: of each call, as they are now, and of no image and no snapshot.

use crate::common::apiserver::ApiServer;
use crate::common::kvm_or_skip;
use crate::common::node::function;
use crate::common::registry::Registry;
use crate::kit::{Pod, image, prepare, wait_for};

const MOUNT: &str = "  secrets: [{name: db, mountPath: /run/secrets/db}]\n";
const PASSWORD: &str = "/default/app/file/run/secrets/db/password";

#[test]
fn secrets_of_the_cluster_are_files_of_each_call() {
    if !kvm_or_skip("secrets of a cluster") {
        return;
    }
    let Some(api) = ApiServer::start_or_skip("secrets of a cluster") else { return };
    prepare(&api);
    let registry = Registry::open();
    registry.push_program("app:1", &function("probe"), &[]);
    let mut pod = Pod::new(&api);
    pod.download(api.address, &["--insecure-registry", &registry.host]);
    pod.serve(&[]);
    let put = |name: &str, value: &str| {
        let text = format!(
            "apiVersion: v1\nkind: Secret\nmetadata: {{name: {name}, namespace: default}}\nstringData: {{password: {value}}}\n"
        );
        api.apply(&text);
    };

    // Without it, the condition says what is missing and how it is made.
    api.apply(&image("app", &registry.reference("app:1"), MOUNT));
    let missing = pod.condition("app", "Pulled", "False");
    assert_eq!(missing["reason"], "SecretMissing", "{missing}");
    let message = missing["message"].as_str().expect("a text");
    assert!(message.contains("kubectl -n default create secret generic db"), "{missing}");

    put("db", "first");
    pod.condition("app", "Ready", "True");
    assert_eq!(pod.call(PASSWORD).text(), "first");
    // A changed one is what the next calls see; nothing is baked again for it.
    let generation = |pod: &Pod<'_>| pod.image("app").map(|object| object["metadata"]["generation"].clone());
    let before = generation(&pod);
    put("db", "second");
    wait_for("the changed secret", || (pod.call(PASSWORD).text() == "second").then_some(()));
    assert_eq!(generation(&pod), before);
    let server = pod.server.as_ref().expect("it runs").log();
    assert_eq!(server.matches("\"bake begins\"").count(), 1, "{server}");

    // A new name in the Image is another secret; the old one leaves the volume.
    put("other", "third");
    api.apply(&image("app", &registry.reference("app:1"), &MOUNT.replace("name: db", "name: other")));
    wait_for("the other secret", || (pod.call(PASSWORD).text() == "third").then_some(()));
    let of = |name: &str| pod.volume().join("secrets/default").join(name).join("password");
    wait_for("the end of the old secret", || (!of("db").exists()).then_some(()));
    assert!(of("other").exists());

    // Taken away from the cluster, it is no secret of the function's any more; the condition says so.
    api.kubectl(&["delete", "secret", "other"]);
    wait_for("the refusal of calls", || (pod.call(PASSWORD).status == 503).then_some(()));
    let gone = wait_for("what the status says", || {
        let message = pod.image("app")?["status"]["message"].as_str()?.to_owned();
        message.contains("create secret generic other").then_some(message)
    });
    assert!(gone.contains("does not exist"), "{gone}");
    put("other", "fourth");
    wait_for("the secret that is back", || (pod.call(PASSWORD).text() == "fourth").then_some(()));

    for value in ["first", "second", "third", "fourth"] {
        assert!(!pod.logs().contains(value), "the log holds the secret {value}");
    }
}
