//! The CustomResourceDefinition of `Image`, made of the types themselves.

use schemars::generate::SchemaSettings;
use schemars::transform::{Transform, transform_subschemas};
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value, json};

use super::image::{API_VERSION, ImageSpec, KIND, OBJECT_NAME};
use super::status::ImageStatus;

/// Plural of the resource, as it stands in URLs.
pub const PLURAL: &str = "images";
/// Group of the resource.
pub const GROUP: &str = "build.kontain.app";
/// Version of the resource.
pub const VERSION: &str = "v1";

/// The definition, ready to be applied.
pub fn definition() -> Value {
    debug_assert_eq!(API_VERSION, format!("{GROUP}/{VERSION}"));
    let column = |name: &str, path: &str| json!({"name": name, "type": "string", "jsonPath": path});
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{PLURAL}.{GROUP}")},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {"kind": KIND, "listKind": "ImageList", "plural": PLURAL, "singular": "image", "shortNames": ["kimg"]},
            "versions": [{
                "name": VERSION,
                "served": true,
                "storage": true,
                "subresources": {"status": {}},
                "additionalPrinterColumns": [
                    column("Image", ".spec.image"),
                    column("Digest", ".status.digest"),
                    column("Ready", ".status.conditions[?(@.type==\"Ready\")].status"),
                    {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
                    column("Message", ".status.message"),
                ],
                "schema": {"openAPIV3Schema": {
                    "description": "A function: an OCI image, and how it is called.",
                    "type": "object",
                    "required": ["spec"],
                    "properties": {
                        "apiVersion": {"type": "string"},
                        "kind": {"type": "string"},
                        "metadata": {
                            "type": "object",
                            // What becomes a part of the function's URL.
                            "properties": {"name": {"type": "string", "maxLength": 253, "pattern": OBJECT_NAME}},
                        },
                        "spec": schema::<ImageSpec>(),
                        "status": schema::<ImageStatus>(),
                    },
                }},
            }],
        },
    })
}

/// The schema of a type in the form that Kubernetes calls structural.
fn schema<T: JsonSchema>() -> Value {
    let mut settings = SchemaSettings::openapi3();
    settings.inline_subschemas = true;
    settings.meta_schema = None;
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    Structural.transform(&mut schema);
    schema.to_value()
}

/// What Kubernetes wants otherwise than JSON Schema has it.
struct Structural;

impl Transform for Structural {
    fn transform(&mut self, schema: &mut Schema) {
        transform_subschemas(self, schema);
        let Some(object) = schema.as_object_mut() else { return };
        // Unknown fields are refused by the API server's own field validation; a structural schema may not say it.
        for unwanted in ["title", "additionalProperties"] {
            object.remove(unwanted);
        }
        // Formats of Rust's numbers mean nothing there; the bounds are kept.
        let foreign = |format: &Value| format.as_str().is_some_and(|format| format.starts_with("uint"));
        if object.get("format").is_some_and(foreign) {
            object.remove("format");
        }
        join_choices(object);
        join_option(object);
        join_lines(object);
    }
}

/// Documented variants come as one schema each: they become one list of values.
fn join_choices(object: &mut Map<String, Value>) {
    let Some(Value::Array(choices)) = object.get("oneOf") else { return };
    let value = |choice: &Value| choice.get("const").cloned().or_else(|| choice["enum"].get(0).cloned());
    let values: Option<Vec<Value>> = choices.iter().map(value).collect();
    let Some(values) = values else { return };
    object.remove("oneOf");
    object.insert("type".to_owned(), json!("string"));
    object.insert("enum".to_owned(), Value::Array(values));
}

/// What may be left out comes as a choice between it and null.
fn join_option(object: &mut Map<String, Value>) {
    let Some(Value::Array(choices)) = object.get("anyOf") else { return };
    let is_null = |choice: &&Value| choice["enum"] == json!([null]) || choice["type"] == "null";
    let (nulls, others): (Vec<&Value>, Vec<&Value>) = choices.iter().partition(is_null);
    let ([_], [Value::Object(other)]) = (&nulls[..], &others[..]) else { return };
    let other = other.clone();
    object.remove("anyOf");
    for (key, value) in other {
        object.entry(key).or_insert(value);
    }
    object.insert("nullable".to_owned(), json!(true));
}

/// Descriptions are paragraphs, not lines of source.
fn join_lines(object: &mut Map<String, Value>) {
    if let Some(Value::String(text)) = object.get_mut("description") {
        *text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Everything that the API server refuses in a structural schema.
    fn check(path: &str, value: &Value) {
        let Value::Object(object) = value else { return };
        for key in
            ["$ref", "$defs", "definitions", "oneOf", "anyOf", "title", "const", "additionalProperties"]
        {
            assert!(!object.contains_key(key), "{path} has {key}");
        }
        let typed = object.contains_key("type") || object.contains_key("x-kubernetes-int-or-string");
        assert!(typed, "{path} has no type: {value}");
        for (name, property) in object.get("properties").and_then(Value::as_object).into_iter().flatten() {
            check(&format!("{path}.{name}"), property);
        }
        if let Some(items) = object.get("items") {
            check(&format!("{path}[]"), items);
        }
    }

    #[test]
    fn the_schema_is_structural() {
        let definition = definition();
        let schema = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"];
        check("spec", &schema["spec"]);
        check("status", &schema["status"]);
        let spec = &schema["spec"]["properties"];
        assert_eq!(spec["timeout"]["default"], "30s");
        assert_eq!(spec["bakeTimeout"]["default"], "2m");
        assert_eq!(spec["protocol"]["enum"], json!(["http", "kontain", "stdio"]));
        assert_eq!(spec["snapshot"]["enum"], json!(["ready", "start", "none"]));
        assert_eq!(spec["resources"]["properties"]["limits"]["properties"]["memory"]["default"], "256Mi");
        assert_eq!(schema["spec"]["required"], json!(["image"]));
    }
}
