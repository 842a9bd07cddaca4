//! What the API server takes and refuses by itself, from the schema alone.

use api::Image;
use api::validate::{Origin, problems};

use crate::common::apiserver::ApiServer;
use crate::kit::{image, prepare};

/// Whether the types and their validation take an Image of a cluster, as the schema should.
fn is_valid(text: &str) -> bool {
    serde_saphyr::from_str::<Image>(text).is_ok_and(|image| problems(&image, Origin::Cluster).is_empty())
}

/// Documents that are refused, each with what the refusal names.
fn wrong(good: &str) -> Vec<(&'static str, String)> {
    let mut all = vec![
        ("image", image("x", "oci:local", "")),
        ("image", image("x", "hello", "")),
        ("image", image("x", "library/hello:1", "")),
        ("image", image("x", "r.example/Hello", "")),
        ("image", image("x", "r.example:0/hello", "")),
        ("image", image("x", "r.example:65536/hello", "")),
        ("image", image("x", "http://r.example/hello", "")),
        ("image", image("x", "\"r.example/a\\tb\"", "")),
        ("image", image("x", "r.example/hello:-1", "")),
        ("image", image("x", "r.example/hello@sha256:12", "")),
        ("image", image("x", &format!("r.example/{}", "a".repeat(256)), "")),
        ("image", image("x", &format!("{}.example/a", "a".repeat(64)), "")),
        ("name", image(&"a".repeat(64), good, "")),
        ("timeout", image("x", good, "  timeout: 1h 500ms\n")),
        (
            "mountPath",
            image("x", good, &format!("  secrets: [{{name: a, mountPath: /{}}}]\n", "ä".repeat(600))),
        ),
        ("warmup[0].path", image("x", good, "  warmup: [{path: '/a?b=\"'}]\n")),
        ("image", image("x", "''", "")),
        ("port", image("x", good, "  port: 0\n")),
        ("port", image("x", good, "  port: 70000\n")),
        ("port", image("x", good, "  port: many\n")),
        ("protocol", image("x", good, "  protocol: ftp\n")),
        ("isolation", image("x", good, "  isolation: none\n")),
        ("isolation", image("x", good, "  isolation: reset\n")),
        ("timeout", image("x", good, "  timeout: 59min 61sec\n")),
        ("timeout", image("x", good, "  timeout: 1usec\n")),
        ("args", image("x", good, "  args: [\"a\\0\"]\n")),
        ("command", image("x", good, "  command: [\"a\\0\"]\n")),
        ("env[0].name", image("x", good, "  env: [{name: \"a\\0\"}]\n")),
        ("env[0].value", image("x", good, "  env: [{name: a, value: \"a\\0\"}]\n")),
        ("imagePullSecrets[0].name", image("x", good, "  imagePullSecrets: [{name: ../a}]\n")),
        ("secrets[0].name", image("x", good, "  secrets: [{name: a/b, mountPath: /x}]\n")),
        ("mountPath", image("x", good, "  secrets: [{name: a, mountPath: //}]\n")),
        ("mountPath", image("x", good, "  secrets: [{name: a, mountPath: /a/./b}]\n")),
        ("mountPath", image("x", good, "  secrets: [{name: a, mountPath: /proc/x}]\n")),
        ("mountPath", image("x", good, "  secrets: [{name: a, mountPath: /dev}]\n")),
        ("warmup", image("x", good, "  protocol: stdio\n  warmup: [{path: /}]\n")),
        ("warmup[0].path", image("x", good, "  warmup: [{path: '/a b'}]\n")),
        ("warmup[0].method", image("x", good, "  warmup: [{method: 'G T'}]\n")),
        ("snapshot", image("x", good, "  snapshot: later\n")),
        ("timeout", image("x", good, "  timeout: 2h\n")),
        ("timeout", image("x", good, "  timeout: soon\n")),
        ("bakeTimeout", image("x", good, "  bakeTimeout: 11m\n")),
        ("bakeTimeout", image("x", good, "  bakeTimeout: 900ms\n")),
        ("concurrency", image("x", good, "  concurrency: 0\n")),
        ("memory", image("x", good, "  resources: {limits: {memory: 1Mi}}\n")),
        ("memory", image("x", good, "  resources: {limits: {memory: lots}}\n")),
        ("memory", image("x", good, "  resources: {limits: {memory: 5}}\n")),
        ("env[0].name", image("x", good, "  env: [{name: 'a=b'}]\n")),
        (
            "env[0]",
            image("x", good, "  env: [{name: A, value: b, valueFrom: {secretKeyRef: {name: s, key: k}}}]\n"),
        ),
        ("env[0]", image("x", good, "  env: [{name: PORT, valueFrom: {secretKeyRef: {name: s, key: k}}}]\n")),
        (
            "secretKeyRef.key",
            image("x", good, "  env: [{name: A, valueFrom: {secretKeyRef: {name: s, key: ../k}}}]\n"),
        ),
        (
            "secretKeyRef.name",
            image("x", good, "  env: [{name: A, valueFrom: {secretKeyRef: {name: S, key: k}}}]\n"),
        ),
        (
            "snapshot",
            image(
                "x",
                good,
                "  snapshot: ready\n  env: [{name: A, valueFrom: {secretKeyRef: {name: s, key: k}}}]\n",
            ),
        ),
        ("command", image("x", good, "  command: ['']\n")),
        ("mountPath", image("x", good, "  secrets: [{name: a, mountPath: /a/../b}]\n")),
        ("mountPath", image("x", good, "  secrets: [{name: a, mountPath: a}]\n")),
        ("warmup[0].path", image("x", good, "  warmup: [{path: x}]\n")),
        ("warmup[0].method", image("x", good, "  warmup: [{method: CONNECT}]\n")),
        ("tiemout", image("x", good, "  tiemout: 3s\n")),
        (
            "image",
            "apiVersion: build.kontain.app/v1\nkind: Image\nmetadata: {name: x}\nspec: {}\n".to_owned(),
        ),
    ];
    all.extend(wrong_egress(good));
    all
}

fn wrong_egress(good: &str) -> Vec<(&'static str, String)> {
    vec![
        ("egress[0]", image("x", good, "  egress: [{host: a, cidr: 10.0.0.0/8, ports: [1]}]\n")),
        ("egress[0]", image("x", good, "  egress: [{ports: [1]}]\n")),
        ("egress[0]", image("x", good, "  egress: [{host: a}]\n")),
        ("egress[0]", image("x", good, "  egress: [{host: a, ports: [1], namespace: b}]\n")),
        ("namespace", image("x", good, "  egress: [{host: functions.internal, namespace: B}]\n")),
        ("egress[0]", image("x", good, "  egress: [{host: functions.internal, protocol: udp}]\n")),
        ("ports", image("x", good, "  egress: [{host: a, ports: []}]\n")),
        ("ports[0]", image("x", good, "  egress: [{host: a, ports: [0]}]\n")),
        ("ports[0]", image("x", good, "  egress: [{host: a, ports: [70000]}]\n")),
        ("ports[0]", image("x", good, "  egress: [{host: a, ports: [2-1]}]\n")),
        ("ports[0]", image("x", good, "  egress: [{host: a, ports: [http]}]\n")),
        ("host", image("x", good, "  egress: [{host: 10.0.0.1, ports: [1]}]\n")),
        ("host", image("x", good, "  egress: [{host: 'a.*', ports: [1]}]\n")),
        ("host", image("x", good, "  egress: [{host: 'a b', ports: [1]}]\n")),
        ("cidr", image("x", good, "  egress: [{cidr: 10.1.0.0/8, ports: [1]}]\n")),
        ("cidr", image("x", good, "  egress: [{cidr: 10.0.0.0/33, ports: [1]}]\n")),
        ("cidr", image("x", good, "  egress: [{cidr: a, ports: [1]}]\n")),
        ("protocol", image("x", good, "  egress: [{host: a, ports: [1], protocol: sctp}]\n")),
    ]
}

#[test]
fn wrong_fields_are_refused_by_name() {
    let Some(api) = ApiServer::start_or_skip("the schema of Image") else { return };
    prepare(&api);
    let good = "r.example/hello:1";
    for (field, text) in wrong(good) {
        let ended =
            api.try_kubectl("admin", &["create", "--dry-run=server", "--validate=strict", "-f", "-"], &text);
        let message = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert!(ended.status != 0 && message.contains(field), "{field} is not in: {message}\n{text}");
        assert!(!is_valid(&text), "only the schema refuses this: {text}");
    }
    for reference in [
        "localhost/a",
        "registry:5000/a/b-c__d.e:Tag_1.x",
        "docker://[::1]:5000/a",
        "r.example/a@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
    ] {
        let text = image("x", reference, "");
        api.kubectl_with(&["create", "--dry-run=server", "-f", "-"], &text);
        assert!(is_valid(&text), "only the schema takes this: {text}");
    }
    let right = [
        "",
        "  port: 3000\n  timeout: 1m 30s\n  bakeTimeout: 10 minutes\n",
        "  timeout: 1h\n  resources: {limits: {memory: 16777216}}\n",
        "  resources: {limits: {memory: 1.5Gi}}\n  warmup: [{}]\n  env: [{name: A}]\n",
        "  egress: [{host: db.internal, ports: [5432]}, {host: '*.example.com', ports: [443, 8000-8100]}]\n",
        "  egress: [{host: functions.internal}, {host: Functions.Internal., namespace: shop, ports: [80]}]\n",
        "  egress: [{host: '*', ports: ['443']}, {cidr: 10.20.0.0/16, ports: [1-65535], protocol: udp}, {cidr: 'fd00::/8', ports: [1]}]\n",
        "  protocol: stdio\n  timeout: 59 minutes 59sec 999 msec\n  warmup: []\n",
        "  command: [/bin/x]\n  args: [a]\n  secrets: [{name: a, mountPath: /run/a}]\n  imagePullSecrets: [{name: b}]\n",
    ];
    for more in right {
        let text = image("x", good, more);
        api.kubectl_with(&["create", "--dry-run=server", "-f", "-"], &text);
        assert!(is_valid(&text), "only the schema takes this: {text}");
    }
    // What the first Kontain FAAS had, with its status.
    api.apply(&image("old", good, ""));
    let status = r#"{"status": {"message": "was here before"}}"#;
    api.kubectl(&["patch", "kimg", "old", "--subresource=status", "--type=merge", "-p", status]);
    let columns = api.kubectl(&["get", "kimg"]);
    let head = columns.lines().next().unwrap_or_default();
    for column in ["IMAGE", "DIGEST", "READY", "AGE", "MESSAGE"] {
        assert!(head.contains(column), "{head}");
    }
    assert!(columns.contains("was here before"), "{columns}");
    let object = api.kubectl(&["get", "kimg", "old", "-o", "json"]);
    for default in
        ["\"timeout\": \"30s\"", "\"bakeTimeout\": \"2m\"", "\"memory\": \"256Mi\"", "\"concurrency\": 64"]
    {
        assert!(object.contains(default), "{default} is not in {object}");
    }
}
