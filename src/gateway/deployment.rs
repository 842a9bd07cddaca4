//! OpenFaaS' documents of functions, and how they become Images and come of them.
//!
//! | of a deployment | of an Image |
//! |---|---|
//! | service, namespace | metadata.name, metadata.namespace |
//! | image | spec.image, of a registry |
//! | envVars, envProcess | spec.env, the latter as `fprocess` |
//! | secrets | spec.secrets below [`MOUNT`]; those with credentials: spec.imagePullSecrets |
//! | labels, annotations | metadata.labels, metadata.annotations |
//! | limits.memory | spec.resources.limits.memory |
//! | limits.cpu, requests, readOnlyRootFilesystem | accepted without effect, and the answer says so |
//! | constraints, GPUs | refused |
//!
//! What an Image says beyond that (egress, timeout, warmup, …) an update leaves as it is. One that gives the function anything of
//! a secret that is not kept here is not updated: another program would read it.

use std::collections::{BTreeMap, BTreeSet};

use api::image::{API_VERSION, KIND, Metadata};
use api::units::Quantity;
use api::validate::{self, Origin};
use api::{FunctionName, Image, ImageObject, ImageSpec};
use control::source::{Kept, Marks};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::failure::Failure;

/// Where functions find their secrets.
const MOUNT: &str = "/var/openfaas/secrets";
/// The variable that names a watchdog's process.
const PROCESS: &str = "fprocess";

/// A function as clients deploy it.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Deployment {
    pub service: String,
    pub image: String,
    pub namespace: Option<String>,
    env_process: Option<String>,
    env_vars: Option<BTreeMap<String, String>>,
    constraints: Option<Vec<String>>,
    pub secrets: Option<Vec<String>>,
    labels: Option<BTreeMap<String, String>>,
    annotations: Option<BTreeMap<String, String>>,
    limits: Option<Resources>,
    requests: Option<Resources>,
    read_only_root_filesystem: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Resources {
    memory: String,
    cpu: String,
    #[serde(rename = "nvidia.com/gpu")]
    nvidia: String,
    #[serde(rename = "amd.com/gpu")]
    amd: String,
    #[serde(rename = "intel.com/gpu")]
    intel: String,
}

/// A function as clients see it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    name: String,
    image: String,
    namespace: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    env_process: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    env_vars: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    secrets: Vec<String>,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limits: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    invocation_count: Option<u64>,
    replicas: usize,
    available_replicas: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    created_at: Option<String>,
}

impl Deployment {
    /// The specification of its Image; `old` is the one that it takes the place of, `kept` what its secrets are.
    ///
    /// # Errors
    /// 400 with everything that is wrong.
    pub fn spec(
        &self,
        name: &FunctionName,
        old: Option<&ImageObject>,
        kept: &[(String, Kept)],
    ) -> Result<Value, Failure> {
        if self.image.is_empty() {
            return Err(Failure::invalid("image: is required"));
        }
        self.check_unmapped()?;
        let before = old.map(|old| &old.spec);
        let mut spec = before.and_then(Value::as_object).cloned().unwrap_or_default();
        spec.insert("image".into(), json!(self.image));
        let env = self.env(before.map_or(&Value::Null, |before| &before["env"]));
        set(&mut spec, "env", env);
        self.set_secrets(&mut spec, kept);
        match self.limits.as_ref().map(|limits| limits.memory.as_str()) {
            Some(memory) if !memory.is_empty() => {
                spec.insert("resources".into(), json!({"limits": {"memory": memory}}));
            }
            _ => drop(spec.remove("resources")),
        }
        let spec = Value::Object(spec);
        // An image beside the documents stays, but no client brings a path of this machine.
        let same = before.is_some_and(|before| before["image"] == spec["image"]);
        check(name, &spec, if same { Origin::Directory } else { Origin::Cluster })?;
        Ok(spec)
    }

    /// Labels and annotations of its Image.
    pub fn marks(&self) -> Marks {
        let (labels, annotations) = (self.labels.clone(), self.annotations.clone());
        Marks { labels: labels.unwrap_or_default(), annotations: annotations.unwrap_or_default() }
    }

    /// What has no effect, for people.
    pub fn without_effect(&self) -> Vec<&'static str> {
        let has_cpu =
            |resources: &Option<Resources>| resources.as_ref().is_some_and(|one| !one.cpu.is_empty());
        let requests =
            self.requests.as_ref().is_some_and(|one| !one.memory.is_empty() || !one.cpu.is_empty());
        [
            (has_cpu(&self.limits), "limits.cpu has no effect: functions share the processors evenly"),
            (requests, "requests have no effect: machines are charged what they use"),
            (
                self.read_only_root_filesystem,
                "readOnlyRootFilesystem has no effect: what a call writes is gone with it",
            ),
        ]
        .into_iter()
        .filter_map(|(is_said, text)| is_said.then_some(text))
        .collect()
    }

    fn check_unmapped(&self) -> Result<(), Failure> {
        if self.constraints.as_ref().is_some_and(|list| !list.is_empty()) {
            return Err(Failure::invalid("constraints: every node has every function: remove them"));
        }
        for (part, resources) in [("limits", &self.limits), ("requests", &self.requests)] {
            let Some(resources) = resources else { continue };
            for (kind, value) in [
                ("nvidia.com/gpu", &resources.nvidia),
                ("amd.com/gpu", &resources.amd),
                ("intel.com/gpu", &resources.intel),
            ] {
                if !value.is_empty() {
                    return Err(Failure::invalid(format!(
                        "{part}.{kind}: machines of functions have no GPU: remove it"
                    )));
                }
            }
            if !resources.memory.is_empty() && resources.memory.parse::<Quantity>().is_err() {
                return Err(Failure::invalid(format!(
                    "{part}.memory: `{}` is no quantity",
                    resources.memory
                )));
            }
            if !resources.cpu.is_empty() && !is_cpu(&resources.cpu) {
                return Err(Failure::invalid(format!("{part}.cpu: `{}` is no quantity", resources.cpu)));
            }
        }
        Ok(())
    }

    /// Its variables, and those that the Image takes from secrets.
    fn env(&self, before: &Value) -> Vec<Value> {
        let process = self.env_process.iter().filter(|process| !process.is_empty());
        let process = process.map(|process| json!({"name": PROCESS, "value": process}));
        let named = self.env_vars.iter().flatten();
        let is_other = |(name, _): &(&String, &String)| process_is_unset(self) || *name != PROCESS;
        let others = named.filter(is_other).map(|(name, value)| json!({"name": name, "value": value}));
        let mut env: Vec<Value> = process.chain(others).collect();
        for variable in before.as_array().into_iter().flatten().filter(|variable| is_of_secret(variable)) {
            if !env.iter().any(|one| one["name"] == variable["name"]) {
                env.push(variable.clone());
            }
        }
        env
    }

    /// Puts its secrets in place of those that came the same way; others stay.
    fn set_secrets(&self, spec: &mut Map<String, Value>, kept: &[(String, Kept)]) {
        let list = |key: &str| spec.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
        let (mut mounts, mut pulls) = (list("secrets"), list("imagePullSecrets"));
        mounts.retain(|mount| mount["mountPath"] != MOUNT);
        pulls.retain(|pull| !kept.iter().any(|(name, _)| pull["name"] == *name));
        for (name, kind) in kept {
            match kind {
                Kept::Files => mounts.push(json!({"name": name, "mountPath": MOUNT})),
                Kept::Credentials => pulls.push(json!({"name": name})),
            }
        }
        set(spec, "secrets", mounts);
        set(spec, "imagePullSecrets", pulls);
    }
}

/// Whether a variable takes its value from a secret.
fn is_of_secret(variable: &Value) -> bool {
    !variable["valueFrom"].is_null()
}

/// Names of all secrets that an Image has anything of.
pub fn named_secrets(object: &ImageObject) -> BTreeSet<&str> {
    let pulls = object.spec["imagePullSecrets"].as_array().into_iter().flatten();
    object.secrets().chain(pulls.filter_map(|pull| pull["name"].as_str())).collect()
}

fn process_is_unset(deployment: &Deployment) -> bool {
    deployment.env_process.as_ref().is_none_or(String::is_empty)
}

fn set(spec: &mut Map<String, Value>, key: &str, list: Vec<Value>) {
    if list.is_empty() {
        spec.remove(key);
    } else {
        spec.insert(key.to_owned(), Value::Array(list));
    }
}

/// Everything that is wrong with an Image, before it is written.
fn check(name: &FunctionName, spec: &Value, origin: Origin) -> Result<(), Failure> {
    let spec = ImageSpec::deserialize(spec).map_err(|error| Failure::invalid(error.to_string()))?;
    let metadata = Metadata {
        name: name.function().to_owned(),
        namespace: name.namespace().to_owned(),
        ..Metadata::default()
    };
    let image = Image { api_version: API_VERSION.to_owned(), kind: KIND.to_owned(), metadata, spec };
    let problems: Vec<String> = validate::problems(&image, origin).iter().map(ToString::to_string).collect();
    if problems.is_empty() { Ok(()) } else { Err(Failure::invalid(problems.join("; "))) }
}

/// A number of processors as Kubernetes writes it: `1`, `0.5`, `500m`.
fn is_cpu(text: &str) -> bool {
    let number = text.strip_suffix('m').unwrap_or(text);
    let is_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
    is_digits(whole) && is_digits(part)
}

impl Status {
    /// An Image as clients see it; `answered` is how many requests it was sent. Of its secrets those in `kept` are named.
    pub fn of(object: &ImageObject, answered: Option<u64>, kept: &[String]) -> Self {
        let spec = &object.spec;
        let entries = |key: &str| spec[key].as_array().into_iter().flatten();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let plain = entries("env").filter(|variable| !is_of_secret(variable));
        let mut env_vars: BTreeMap<String, String> =
            plain.map(|variable| (text(&variable["name"]), text(&variable["value"]))).collect();
        let mounted = entries("secrets").filter(|mount| mount["mountPath"] == MOUNT);
        let named = mounted.chain(entries("imagePullSecrets")).map(|secret| text(&secret["name"]));
        let secrets = named.filter(|name| kept.contains(name)).collect();
        let marks = |key: &str| -> BTreeMap<String, String> {
            let all = object.metadata[key].as_object().into_iter().flatten();
            all.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect()
        };
        let memory = match &spec["resources"]["limits"]["memory"] {
            Value::Null => None,
            Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        };
        let replicas = object.status.iter().flat_map(|status| &status.replicas);
        // Whatever it has of the newest version, it answers calls.
        let ready = replicas.filter(|replica| replica.digest.is_some()).count();
        Self {
            name: object.name.function().to_owned(),
            image: object.reference().to_owned(),
            namespace: object.name.namespace().to_owned(),
            env_process: env_vars.remove(PROCESS),
            env_vars,
            secrets,
            labels: marks("labels"),
            annotations: marks("annotations"),
            limits: memory.map(|memory| json!({"memory": memory})),
            invocation_count: answered,
            replicas: ready,
            available_replicas: ready,
            // An empty or malformed one would make clients refuse the whole list.
            created_at: object.metadata["creationTimestamp"]
                .as_str()
                .filter(|time| time.parse::<jiff::Timestamp>().is_ok())
                .map(str::to_owned),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deployment(value: Value) -> Deployment {
        let mut whole = json!({"service": "f", "image": "r.example/f:1", "labels": {}, "annotations": {}});
        whole.as_object_mut().unwrap().extend(value.as_object().unwrap().clone());
        serde_json::from_value(whole).unwrap()
    }

    fn object(spec: Value) -> ImageObject {
        ImageObject {
            name: name(),
            uid: String::new(),
            generation: 1,
            version: 1,
            spec,
            problem: None,
            place: None,
            metadata: json!({"labels": {"a": "b"}, "creationTimestamp": ""}),
            status: None,
        }
    }

    fn name() -> FunctionName {
        FunctionName::new("default", "f").unwrap()
    }

    #[test]
    fn fields_become_fields_of_an_image() {
        let given = deployment(
            json!({"envProcess": "cat", "envVars": {"B": "2", "A": "1", "fprocess": "x"}, "secrets": ["s", "r"],
            "limits": {"memory": "64Mi", "cpu": "500m"}, "constraints": null, "unknown": 1}),
        );
        let kept = [("s".to_owned(), Kept::Files), ("r".to_owned(), Kept::Credentials)];
        let spec = given.spec(&name(), None, &kept).unwrap();
        let expected = json!({"image": "r.example/f:1", "resources": {"limits": {"memory": "64Mi"}},
            "env": [{"name": "fprocess", "value": "cat"}, {"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
            "secrets": [{"name": "s", "mountPath": MOUNT}], "imagePullSecrets": [{"name": "r"}]});
        assert_eq!(spec, expected);
        assert_eq!(given.without_effect().len(), 1);
        let status =
            serde_json::to_value(Status::of(&object(spec), Some(3), &["s".to_owned(), "r".to_owned()]))
                .unwrap();
        let expected = json!({"name": "f", "namespace": "default", "image": "r.example/f:1", "envProcess": "cat",
            "envVars": {"A": "1", "B": "2"}, "secrets": ["s", "r"], "labels": {"a": "b"}, "annotations": {},
            "limits": {"memory": "64Mi"}, "invocationCount": 3, "replicas": 0, "availableReplicas": 0});
        assert_eq!(status, expected);
    }

    #[test]
    fn an_update_leaves_what_it_cannot_say() {
        let old = object(
            json!({"image": "oci:x", "timeout": "5s", "env": [{"name": "OLD", "value": ""}, {"name": "A", "valueFrom": {"secretKeyRef": {"name": "a", "key": "a"}}}],
            "resources": {"limits": {"memory": "1Gi"}},
            "secrets": [{"name": "a", "mountPath": "/etc/a"}, {"name": "b", "mountPath": MOUNT}]}),
        );
        let spec = deployment(json!({})).spec(&name(), Some(&old), &[]).unwrap();
        let expected = json!({"image": "r.example/f:1", "timeout": "5s", "secrets": [{"name": "a", "mountPath": "/etc/a"}],
            "env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "a", "key": "a"}}}]});
        assert_eq!(spec, expected);
        assert_eq!(named_secrets(&old).into_iter().collect::<Vec<_>>(), ["a", "b"]);
        let status = Status::of(&old, None, &["b".to_owned()]);
        assert_eq!((status.secrets.as_slice(), status.env_vars.len()), (&["b".to_owned()][..], 1));
        assert!(Status::of(&old, None, &[]).secrets.is_empty(), "others are not named");
    }

    #[test]
    fn what_cannot_be_is_refused_by_name() {
        for (value, told) in [
            (json!({"image": ""}), "image"),
            (json!({"image": "oci:/etc"}), "local image"),
            (json!({"image": "dir:/etc"}), "local image"),
            (json!({"image": "alpine:latest"}), "spec.image"),
            (json!({"constraints": ["node.role == worker"]}), "constraints"),
            (json!({"limits": {"nvidia.com/gpu": "1"}}), "limits.nvidia.com/gpu"),
            (json!({"requests": {"memory": "lots"}}), "requests.memory"),
            (json!({"limits": {"memory": "1Mi"}}), "16Mi"),
            (json!({"limits": {"cpu": "many"}}), "limits.cpu"),
            (json!({"envVars": {"A=B": "1"}}), "spec.env[0].name"),
        ] {
            let failure = deployment(value).spec(&name(), None, &[]).unwrap_err();
            assert!(failure.status == 400 && failure.text.contains(told), "{told}: {failure:?}");
        }
        let old = object(json!({"image": "oci:x"}));
        assert!(deployment(json!({"image": "oci:x"})).spec(&name(), Some(&old), &[]).is_ok());
    }
}
