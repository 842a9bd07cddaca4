//! An Image as the API server has it.
//!
//! The specification stays untyped here: an object that this version cannot read must become a condition of that
//! object, not an error of the whole list.

use std::borrow::Cow;

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use api::crd::{GROUP, PLURAL, VERSION};
use api::image::{API_VERSION, KIND};
use api::status::ImageStatus;
use api::{FunctionName, ImageObject};

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
    /// The same in the form that all sources share; nothing where the name cannot be a function's.
    #[must_use]
    pub fn into_image(self) -> Option<ImageObject> {
        let ObjectMeta { namespace, name, uid, generation, resource_version, .. } = self.metadata;
        Some(ImageObject {
            name: FunctionName::new(&namespace?, &name?)?,
            uid: uid.unwrap_or_default(),
            generation: generation.unwrap_or_default(),
            // An object whose version cannot be read counts as newest.
            version: resource_version.and_then(|text| text.parse().ok()).unwrap_or(u64::MAX),
            spec: self.spec,
            problem: None,
            place: None,
            metadata: Value::Null,
            status: self.status,
        })
    }

    /// The same with the metadata that people are shown.
    #[must_use]
    pub fn into_shown(mut self) -> Option<ImageObject> {
        self.metadata.managed_fields = None;
        let metadata = serde_json::to_value(&self.metadata).unwrap_or_default();
        Some(ImageObject { metadata, ..self.into_image()? })
    }
}

/// The reference by which an Event names an Image.
#[must_use]
pub fn reference(image: &ImageObject) -> ObjectReference {
    ObjectReference {
        api_version: Some(API_VERSION.to_owned()),
        kind: Some(KIND.to_owned()),
        name: Some(image.name.function().to_owned()),
        namespace: Some(image.name.namespace().to_owned()),
        uid: Some(image.uid.clone()),
        ..ObjectReference::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_that_cannot_be_read_is_as_good_as_none() {
        let text = r#"{"metadata": {"name": "a", "namespace": "b", "generation": 3, "resourceVersion": "7"},
            "spec": {"image": 5}, "status": {"conditions": 7}}"#;
        let image = serde_json::from_str::<Object>(text).unwrap().into_image().unwrap();
        assert_eq!((image.name.as_str(), image.generation, image.version), ("b/a", 3, 7));
        assert!(image.status.is_none());
    }

    #[test]
    fn a_name_that_is_no_functions_is_passed_over() {
        let text = r#"{"metadata": {"name": "a", "namespace": "b/c"}, "spec": {}}"#;
        assert!(serde_json::from_str::<Object>(text).unwrap().into_image().is_none());
    }
}
