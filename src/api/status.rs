//! The status of an Image: how its publishing stands, on each replica and on all together.
//!
//! Each replica owns its entry of `replicas`; the rest is the same aggregate of these entries whoever computes it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The condition that the image is there.
pub const PULLED: &str = "Pulled";
/// The condition that the program is ready to be cloned.
pub const BAKED: &str = "Baked";
/// What is said of a function with which all is well.
pub const SERVED: &str = "calls are served";
/// The condition that calls are served by the newest version.
pub const READY: &str = "Ready";

/// What a message says to add to the spec of a program that serves its second request much sooner than its first.
pub const WARMUP_ADVICE: &str = "warmup: [{path: /}]";

/// What is said of an Image.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImageStatus {
    /// Pulled, Baked and Ready.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// Digest of the image's manifest that is served now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// One line for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Where each replica stands.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub replicas: Vec<Replica>,
}

/// A condition as Kubernetes has it (`metav1.Condition`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// Type of the condition, such as `Ready`.
    #[serde(rename = "type")]
    #[schemars(length(max = 316))]
    pub kind: String,
    /// Whether it holds.
    pub status: Truth,
    /// Generation of the Image that this is about.
    #[serde(default)]
    #[schemars(extend("format" = "int64"))]
    pub observed_generation: i64,
    /// When `status` changed last.
    #[schemars(extend("format" = "date-time"))]
    pub last_transition_time: String,
    /// One word for machines.
    #[schemars(length(min = 1, max = 1024))]
    pub reason: String,
    /// One line for people: the cause, and the fix where there is one.
    #[schemars(length(max = 32768))]
    pub message: String,
}

/// Whether a condition holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Truth {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// It is not known yet.
    Unknown,
}

/// Where one replica stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Replica {
    /// Name of its pod.
    pub name: String,
    /// Digest that it serves now; nothing before the first bake.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Where it stands with the generation below.
    pub phase: ReplicaPhase,
    /// One word for machines.
    #[serde(default)]
    pub reason: String,
    /// One line for people.
    #[serde(default)]
    pub message: String,
    /// Generation of the Image that this is about.
    #[serde(default)]
    #[schemars(extend("format" = "int64"))]
    pub observed_generation: i64,
}

/// Where a replica stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum ReplicaPhase {
    /// The image is being fetched.
    Pulling,
    /// It cannot be had.
    PullFailed,
    /// It is served, but what the registry has now cannot be had.
    Stale,
    /// It is made ready.
    Baking,
    /// Its program does not get ready.
    BakeFailed,
    /// Calls are served.
    Ready,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_of_one_line_is_read() {
        let status: ImageStatus = serde_json::from_str(r#"{"message": "was here before"}"#).unwrap();
        assert_eq!(status.message.as_deref(), Some("was here before"));
        assert!(status.conditions.is_empty() && status.replicas.is_empty());
    }
}
