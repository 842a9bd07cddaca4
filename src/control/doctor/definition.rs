//! Whether the cluster knows Images, and all of their fields.

use std::collections::BTreeSet;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use serde_json::Value;

use super::Finding;
use api::crd::{self, GROUP, PLURAL, VERSION};

const WHAT: &str = "definition";
const APPLY: &str =
    "kontain-faas crds | kubectl apply --server-side -f -, or helm upgrade with crds.install=true";

/// Compares what is there with what this program would apply.
pub fn finding(found: Option<&CustomResourceDefinition>) -> Finding {
    let Some(definition) = found else {
        return Finding::fail(WHAT, "the cluster does not know Images", APPLY);
    };
    let conditions = definition.status.as_ref().and_then(|status| status.conditions.as_deref());
    let refused = conditions.unwrap_or_default().iter().find(|condition| {
        ["Established", "NamesAccepted"].contains(&condition.type_.as_str()) && condition.status != "True"
    });
    if let Some(condition) = refused {
        let told = condition.message.clone().unwrap_or_default();
        return Finding::fail(
            WHAT,
            format!("not {}: {told}", condition.type_),
            "remove what takes its names",
        );
    }
    let version = definition.spec.versions.iter().find(|version| version.name == VERSION && version.served);
    let Some(version) = version else {
        return Finding::fail(WHAT, format!("has no version {VERSION}"), APPLY);
    };
    let there = version.schema.as_ref().map(|schema| serde_json::to_value(&schema.open_api_v3_schema));
    let there = there.and_then(Result::ok).unwrap_or_default();
    let known = fields(&there);
    let wanted = fields(&crd::definition()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]);
    let missing: Vec<&str> = wanted.difference(&known).map(String::as_str).collect();
    if missing.is_empty() {
        return Finding::ok(WHAT, format!("{PLURAL}.{GROUP} with every field"));
    }
    Finding::warn(WHAT, format!("is older than this program: it has no {}", missing.join(", ")), APPLY)
}

/// The paths of all fields of a schema.
fn fields(schema: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    collect(schema, "", &mut found);
    found
}

fn collect(schema: &Value, path: &str, found: &mut BTreeSet<String>) {
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        collect(property, &path, found);
        collect(&property["items"], &path, found);
        found.insert(path);
    }
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;

    fn own() -> Value {
        crd::definition()
    }

    fn judged(definition: Value) -> Finding {
        finding(Some(&serde_json::from_value(definition).unwrap()))
    }

    #[test]
    fn fields_that_are_missing_are_named() {
        assert_eq!(finding(None).verdict, Verdict::Fail);
        let whole = judged(own());
        assert_eq!(whole.verdict, Verdict::Ok, "{whole:?}");
        let mut old = own();
        let spec = &mut old["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
        spec["properties"].as_object_mut().unwrap().remove("warmup");
        let old = judged(old);
        assert!(old.verdict == Verdict::Warn && old.found.contains(".spec.warmup"), "{old:?}");
        let mut other = own();
        other["spec"]["versions"][0]["name"] = "v2".into();
        assert_eq!(judged(other).verdict, Verdict::Fail);
    }

    #[test]
    fn names_that_another_has_are_told() {
        let mut taken = own();
        taken["status"] = serde_json::json!({"acceptedNames": {"kind": "", "plural": ""}, "storedVersions": [],
            "conditions": [{"type": "NamesAccepted", "status": "False", "message": "kimg is in use"}]});
        let taken = judged(taken);
        assert!(taken.verdict == Verdict::Fail && taken.found.contains("kimg is in use"), "{taken:?}");
    }
}
