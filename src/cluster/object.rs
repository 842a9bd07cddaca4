//! An Image as the API server has it.
//!
//! The specification stays untyped here: an object that this version cannot read must become a condition of that
//! object, not an error of the whole list.

use std::borrow::Cow;

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::api::crd::{GROUP, PLURAL, VERSION};
use crate::api::image::{API_VERSION, KIND, Metadata};
use crate::api::status::ImageStatus;
use crate::api::validate::{self, Origin};
use crate::api::{FunctionName, Image, ImageSpec};

/// An Image of a cluster.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Object {
    /// Whose it is.
    #[serde(default)]
    pub metadata: ObjectMeta,
    /// What the user wants, unread.
    #[serde(default)]
    pub spec: Value,
    /// What the cluster says of it; one that cannot be read is as good as none, it will be written anew.
    #[serde(default, deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub status: Option<ImageStatus>,
}

fn lenient<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<ImageStatus>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    Ok(ImageStatus::deserialize(value).ok())
}

impl kube::Resource for Object {
    type DynamicType = ();
    type Scope = NamespaceResourceScope;

    fn kind((): &()) -> Cow<'_, str> {
        KIND.into()
    }

    fn group((): &()) -> Cow<'_, str> {
        GROUP.into()
    }

    fn version((): &()) -> Cow<'_, str> {
        VERSION.into()
    }

    fn plural((): &()) -> Cow<'_, str> {
        PLURAL.into()
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

impl Object {
    /// The function's name, if the object's can be one.
    pub fn name(&self) -> Option<FunctionName> {
        FunctionName::new(self.metadata.namespace.as_deref()?, self.metadata.name.as_deref()?)
    }

    /// Counts changes of the specification.
    pub fn generation(&self) -> i64 {
        self.metadata.generation.unwrap_or_default()
    }

    /// What tells this object from another one of the same name.
    pub fn uid(&self) -> &str {
        self.metadata.uid.as_deref().unwrap_or_default()
    }

    /// The Image that it describes.
    ///
    /// # Errors
    /// Everything that is wrong with it, in one line.
    pub fn image(&self) -> Result<Image, String> {
        let spec = ImageSpec::deserialize(&self.spec).map_err(|error| format!("spec: {error}"))?;
        let metadata = Metadata {
            name: self.metadata.name.clone().unwrap_or_default(),
            namespace: self.metadata.namespace.clone().unwrap_or_default(),
            generation: self.generation(),
        };
        let image = Image { api_version: API_VERSION.to_owned(), kind: KIND.to_owned(), metadata, spec };
        let problems: Vec<String> =
            validate::problems(&image, Origin::Cluster).iter().map(ToString::to_string).collect();
        if problems.is_empty() { Ok(image) } else { Err(problems.join("; ")) }
    }

    /// The same without what only costs memory.
    #[must_use]
    pub fn slim(mut self) -> Self {
        self.metadata.managed_fields = None;
        self.metadata.annotations = None;
        self.metadata.labels = None;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(text: &str) -> Object {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn what_cannot_be_read_is_told_and_breaks_nothing() {
        let wrong = object(
            r#"{"metadata": {"name": "a", "namespace": "b", "generation": 3}, "spec": {"image": 5}, "status": {"conditions": 7}}"#,
        );
        assert_eq!(wrong.name().unwrap().as_str(), "b/a");
        assert!(wrong.status.is_none());
        assert!(
            wrong.image().unwrap_err().contains("image") || wrong.image().unwrap_err().contains("string")
        );
        let local = object(r#"{"metadata": {"name": "a", "namespace": "b"}, "spec": {"image": "oci:x"}}"#);
        assert!(local.image().unwrap_err().contains("docker://"));
        let good =
            object(r#"{"metadata": {"name": "a", "namespace": "b"}, "spec": {"image": "r.example/x:1"}}"#);
        assert_eq!(good.image().unwrap().spec.image, "r.example/x:1");
    }
}
