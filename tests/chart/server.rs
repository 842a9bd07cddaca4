//! What a real API server says to all that the chart can make: a dry run, with nothing stored.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::common::apiserver::ApiServer;
use super::common::root;
use super::{examples, helm::Helm};

/// Objects that are sent at once.
const BATCH: usize = 20;

#[test]
fn a_real_server_accepts_every_example() {
    let Some(helm) = Helm::find() else { return };
    let Some(server) = ApiServer::start_or_skip("the chart at a real API server") else { return };
    for namespace in ["kontain-faas", "team"] {
        server.kubectl(&["create", "namespace", namespace]);
    }
    server.apply(&service_monitors().to_string());
    let routes = root().join("target/cluster/definitions/gateway.networking.k8s.io_httproutes.yaml");
    let has_routes = routes.is_file();
    if has_routes {
        server.kubectl(&["apply", "--server-side", "-f", routes.to_str().unwrap()]);
    } else {
        eprintln!(
            "SKIPPED: HTTPRoute: tests/cluster/programs.sh definitions gets the Gateway API's definitions"
        );
    }
    server.kubectl(&["wait", "--for=condition=Established", "crd", "--all", "--timeout=60s"]);
    let nothing = Value::Object(Map::new());
    let documents: BTreeSet<String> = examples()
        .iter()
        .chain([&nothing])
        .flat_map(|example| helm.documents(example))
        .filter(|document| has_routes || document["kind"] != "HTTPRoute")
        .map(|document| document.to_string())
        .collect();
    let documents: Vec<String> = documents.into_iter().collect();
    for batch in documents.chunks(BATCH) {
        let items = batch.join(",");
        dry_run(&server, &format!(r#"{{"apiVersion": "v1", "kind": "List", "items": [{items}]}}"#));
    }
    let plain = std::fs::read_to_string(root().join("deploy/kontain-faas.yaml")).unwrap();
    dry_run(&server, &plain);
}

/// Fails with the server's words when something is refused, or has a field that the server does not know.
fn dry_run(server: &ApiServer, documents: &str) {
    let arguments = ["apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", "-"];
    server.kubectl_with(&arguments, documents);
}

/// The Prometheus operator's definition, as far as the chart uses it.
fn service_monitors() -> Value {
    let strings = json!({"type": "object", "additionalProperties": {"type": "string"}});
    let endpoint = json!({"type": "object", "properties": {"port": {"type": "string"},
        "interval": {"type": "string", "pattern": "^[0-9]+(ms|s|m|h)$"}}});
    let spec = json!({"type": "object", "required": ["endpoints", "selector"], "properties": {
        "endpoints": {"type": "array", "items": endpoint},
        "selector": {"type": "object", "properties": {"matchLabels": strings}}}});
    json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "servicemonitors.monitoring.coreos.com"},
        "spec": {"group": "monitoring.coreos.com", "scope": "Namespaced",
            "names": {"kind": "ServiceMonitor", "plural": "servicemonitors", "singular": "servicemonitor"},
            "versions": [{"name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}}}]}})
}
