//! `functions/<namespace>/<function>.json` of the volume: an accepted Image and the bundle that serves it.
//!
//! Control replaces these files by rename; the node follows them. They are the only thing that passes between the two, in
//! this direction; the other direction is [`BakeReport`].

use std::fmt;

use serde::{Deserialize, Serialize};

use super::image::ImageSpec;
use super::reason::FailureReason;
use super::validate::{is_dns_label, is_dns_subdomain};

/// `namespace/function`, both checked.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FunctionName {
    text: String,
    slash: usize,
}

impl FunctionName {
    /// The name, if both parts can be part of a URL and a path.
    pub fn new(namespace: &str, function: &str) -> Option<Self> {
        (is_dns_label(namespace) && is_dns_subdomain(function))
            .then(|| Self { text: format!("{namespace}/{function}"), slash: namespace.len() })
    }

    /// `namespace/function`.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The namespace: what stands before the slash.
    pub fn namespace(&self) -> &str {
        &self.text[..self.slash]
    }

    /// The function: what stands behind the slash.
    pub fn function(&self) -> &str {
        &self.text[self.slash + 1..]
    }
}

impl fmt::Display for FunctionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl TryFrom<String> for FunctionName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.split_once('/')
            .and_then(|(namespace, function)| Self::new(namespace, function))
            .ok_or_else(|| format!("`{text}` is not NAMESPACE/FUNCTION"))
    }
}

impl From<FunctionName> for String {
    fn from(name: FunctionName) -> Self {
        name.text
    }
}

impl std::str::FromStr for FunctionName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.to_owned().try_into()
    }
}

/// A function's record on the volume: what control accepted and the node serves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Published {
    /// Whose it is; equal to the file's path.
    pub name: FunctionName,
    /// Generation of the Image that this was made from.
    pub generation: i64,
    /// Digest of the image's manifest, `sha256:…`; names the bundle in the store.
    pub digest: String,
    /// The accepted specification.
    pub spec: ImageSpec,
}

/// How the bake of a published function went; written by the node, read by control for its status.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BakeReport {
    /// [`Published::generation`].
    pub generation: i64,
    /// [`Published::digest`].
    pub digest: String,
    /// Whether calls are served.
    pub phase: Phase,
    /// One word for machines.
    pub reason: String,
    /// One line for people.
    pub message: String,
    /// Digest of what answers calls now, which may be an older one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serving: Option<String>,
}

impl BakeReport {
    /// Calls are served, but each by a cold boot, because the disk takes no snapshot.
    pub fn is_unbaked(&self) -> bool {
        self.phase == Phase::Ready && FailureReason::Disk.is(&self.reason)
    }
}

/// Where a function stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// The first bake runs.
    Baking,
    /// Calls are served, by clones or (see [`BakeReport::is_unbaked`]) by cold boots.
    Ready,
    /// The program does not get ready.
    Failed,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked_on_the_way_in() {
        assert!(serde_json::from_str::<FunctionName>("\"default/hello\"").is_ok());
        for wrong in ["\"hello\"", "\"a/../b\"", "\"a/b/c\"", "\"/b\"", "\"a/\""] {
            assert!(serde_json::from_str::<FunctionName>(wrong).is_err(), "{wrong}");
        }
        let name = FunctionName::new("ns", "fn").unwrap();
        assert_eq!((name.namespace(), name.function(), name.as_str()), ("ns", "fn", "ns/fn"));
    }
}
