//! Where an image came from, as a statement for machines: in-toto's v1 with the predicate of SLSA provenance v1
//! (<https://slsa.dev/spec/v1.0/provenance>). Without times: the same build says the same.

use std::collections::BTreeMap;

use bundles::digest::Digest;
use serde_json::{Value, json};

/// What a build took from elsewhere: its URI, and the name and value of its digest.
pub type Dependency = (String, (&'static str, String));

/// What is said of a build.
#[derive(Debug)]
pub struct Provenance<'a> {
    /// Names of the image.
    pub names: &'a [String],
    /// Digest of its manifest.
    pub digest: Digest,
    /// What was built, as it was given.
    pub context: &'a str,
    /// Name and text of the Dockerfile.
    pub dockerfile: (&'a str, &'a str),
    /// The stage that was built.
    pub target: &'a str,
    /// Values of ARGs.
    pub args: &'a BTreeMap<String, String>,
    /// No time in the image is later, in seconds since 1970.
    pub epoch: i64,
    /// Images, files and repositories, without doubles.
    pub dependencies: &'a [Dependency],
}

impl Provenance<'_> {
    /// The statement.
    pub fn statement(&self) -> Value {
        let digest = json!({"sha256": self.digest.hex()});
        let nameless = [String::new()];
        let names = if self.names.is_empty() { &nameless[..] } else { self.names };
        let subject: Vec<Value> = names.iter().map(|name| json!({"name": name, "digest": digest})).collect();
        let dependency = |(uri, (kind, value)): &Dependency| json!({"uri": uri, "digest": {*kind: value}});
        let dependencies: Vec<Value> = self.dependencies.iter().map(dependency).collect();
        let (file, text) = self.dockerfile;
        json!({
            "_type": "https://in-toto.io/Statement/v1",
            "subject": subject,
            "predicateType": "https://slsa.dev/provenance/v1",
            "predicate": {
                "buildDefinition": {
                    "buildType": "https://build.kontain.app/dockerfile/v1",
                    "externalParameters": {
                        "context": self.context,
                        "dockerfile": {"name": file, "sha256": Digest::of(text.as_bytes()).hex()},
                        "target": self.target,
                        "args": self.args,
                        "platform": crate::plan::PLATFORM,
                    },
                    "internalParameters": {"sourceDateEpoch": self.epoch},
                    "resolvedDependencies": dependencies,
                },
                "runDetails": {
                    "builder": {
                        "id": "https://build.kontain.app/kontain-faas",
                        "version": {"kontain-faas": env!("CARGO_PKG_VERSION")},
                    },
                },
            },
        })
    }
}
