//! A private registry with a certificate of its own: what is right works, and each thing that is wrong is named with
//! its fix.

use crate::common::apiserver::ApiServer;
use crate::common::registry::{Registry, USER};
use crate::kit::{Pod, image, prepare};

#[test]
fn each_wrong_variant_names_cause_and_fix() {
    let Some(api) = ApiServer::start_or_skip("private registries") else { return };
    prepare(&api);
    let registry = Registry::private();
    registry.push("team/app:1", "one", "amd64");
    registry.push("team/app:arm", "one", "arm64");
    let (own, other) = (registry.authority(true), registry.authority(false));
    let secret = |name: &str, password: &str| {
        let server = format!("--docker-server={}", registry.host);
        let (user, password) =
            (format!("--docker-username={}", USER.0), format!("--docker-password={password}"));
        api.kubectl(&["create", "secret", "docker-registry", name, &server, &user, &password]);
    };
    secret("good", USER.1);
    secret("bad", "wrong");
    api.kubectl(&["create", "secret", "generic", "other", "--from-literal=a=b"]);

    let mut pod = Pod::new(&api);
    pod.download(api.address, &["--registry-ca", &own.display().to_string()]);
    let named = |secret: &str| format!("  imagePullSecrets: [{{name: {secret}}}]\n");
    let app = registry.reference("team/app:1");
    let cases = [
        ("anonymous", image("anonymous", &app, ""), "create secret docker-registry"),
        ("password", image("password", &app, &named("bad")), "secret"),
        ("absent", image("absent", &app, &named("nowhere")), "default/nowhere does not exist"),
        ("type", image("type", &app, &named("other")), "kubernetes.io/dockerconfigjson"),
        ("tag", image("tag", &registry.reference("team/app:none"), &named("good")), "team/app"),
        ("platform", image("platform", &registry.reference("team/app:arm"), &named("good")), "linux/amd64"),
    ];
    for (_, text, _) in &cases {
        api.apply(text);
    }
    api.apply(&image("right", &app, &named("good")));
    pod.condition("right", "Pulled", "True");
    for (name, _, told) in &cases {
        let condition = pod.condition(name, "Pulled", "False");
        let message = condition["message"].as_str().unwrap_or_default();
        assert!(message.contains(told), "{name}: {told:?} is not in {condition}");
        assert!(!message.contains(USER.1) && !message.contains("wrong\""), "a password is in {message}");
        pod.condition(name, "Ready", "False");
    }

    // A secret that is replaced is used at the next attempt; nothing is restarted.
    api.kubectl(&["delete", "secret", "bad"]);
    secret("bad", USER.1);
    pod.condition("password", "Pulled", "True");
    secret("nowhere", USER.1);
    pod.condition("absent", "Pulled", "True");

    // Warnings are Events too.
    let events = api.kubectl(&["describe", "kimg", "anonymous"]);
    assert!(events.contains("Warning"), "{events}");

    // The wrong authority is another start of the downloader.
    pod.downloader = None;
    registry.push("team/app:2", "two", "amd64");
    pod.download(api.address, &["--registry-ca", &other.display().to_string()]);
    api.apply(&image("authority", &registry.reference("team/app:2"), &named("good")));
    let condition = pod.condition("authority", "Pulled", "False");
    let message = condition["message"].as_str().unwrap_or_default();
    assert!(message.contains("certificate") && message.contains("--registry-ca"), "{condition}");
}
