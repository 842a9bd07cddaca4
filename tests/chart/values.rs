//! Documents of values: the chart's own, and ones that are wrong everywhere.

use serde_json::{Map, Value};

/// The chart's `values.yaml`.
pub fn defaults() -> Value {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/chart/values.yaml");
    serde_saphyr::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// The paths of all values that are no objects with something in them, as `/a/b`.
pub fn leaves(document: &Value) -> Vec<String> {
    let mut found = Vec::new();
    collect(document, String::new(), &mut found);
    found
}

fn collect(value: &Value, path: String, found: &mut Vec<String>) {
    match value.as_object() {
        // Keys of annotations are the user's.
        Some(entries) if !entries.is_empty() && !path.ends_with("/annotations") => {
            for (key, value) in entries {
                collect(value, format!("{path}/{key}"), found);
            }
        }
        _ => found.push(path),
    }
}

/// The same document with a value of another type in every place.
pub fn all_wrong(document: &Value) -> Value {
    wrong(document, "")
}

fn wrong(value: &Value, path: &str) -> Value {
    match value {
        Value::Object(entries) if !entries.is_empty() && !path.ends_with("annotations") => {
            let wrong: Map<String, Value> =
                entries.iter().map(|(key, value)| (key.clone(), wrong(value, key))).collect();
            Value::Object(wrong)
        }
        Value::Object(_) => Value::from("text"),
        _ => serde_json::json!({"no": "such thing"}),
    }
}
