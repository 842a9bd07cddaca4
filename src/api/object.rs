//! An Image as its source has it: an object of a cluster or a document of a folder, in one form.
//!
//! The specification stays untyped here: an Image that this version cannot read must become a condition of that Image,
//! not an error of everything that is listed with it.

use std::fmt;
use std::path::PathBuf;

use serde::Deserialize;
use serde_json::Value;

use crate::image::{API_VERSION, Image, ImageSpec, KIND, Metadata};
use crate::record::FunctionName;
use crate::status::ImageStatus;
use crate::validate::{self, Origin};

/// An Image of a source.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageObject {
    /// The function that it is about.
    pub name: FunctionName,
    /// Tells this object from another one of the same name; empty where a source has none.
    pub uid: String,
    /// Grows with each change of the specification.
    pub generation: i64,
    /// Orders the states of the object, its status included; an object that has none counts as newest.
    pub version: u64,
    /// The specification as it was written.
    pub spec: Value,
    /// Why the source cannot read the specification, in one line.
    pub problem: Option<String>,
    /// The file that it was read from.
    pub place: Option<Place>,
    /// The object's metadata, for showing; null where it is not to be shown.
    pub metadata: Value,
    /// What is said of it so far.
    pub status: Option<ImageStatus>,
}

/// Where in a folder of documents an Image stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Document that it was read from, for messages.
    pub file: PathBuf,
    /// Line of `spec.image`, counted from 1.
    pub line: u64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file.display(), self.line)
    }
}

impl ImageObject {
    /// The Image that the object describes.
    ///
    /// # Errors
    /// Everything that is wrong with it, in one line.
    pub fn image(&self, origin: Origin) -> Result<Image, String> {
        if let Some(problem) = &self.problem {
            return Err(problem.clone());
        }
        let spec = ImageSpec::deserialize(&self.spec).map_err(|error| format!("spec: {error}"))?;
        let metadata = Metadata {
            name: self.name.function().to_owned(),
            namespace: self.name.namespace().to_owned(),
            // A document's generation is that of its file, which orders nothing for the node.
            generation: if self.place.is_some() { 0 } else { self.generation },
            ..Metadata::default()
        };
        let image = Image { api_version: API_VERSION.to_owned(), kind: KIND.to_owned(), metadata, spec };
        let problems: Vec<String> =
            validate::problems(&image, origin).iter().map(ToString::to_string).collect();
        if problems.is_empty() { Ok(image) } else { Err(problems.join("; ")) }
    }

    /// Whether both ask for the same.
    #[must_use]
    pub fn asks_for_same_as(&self, other: &Self) -> bool {
        (&self.uid, &self.spec, &self.problem, &self.place)
            == (&other.uid, &other.spec, &other.problem, &other.place)
    }

    /// The reference of the image as it was written; empty where there is none.
    #[must_use]
    pub fn reference(&self) -> &str {
        self.spec["image"].as_str().unwrap_or_default()
    }

    /// Names of the secrets that the function's calls get something of.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        let list = |key: &str| self.spec[key].as_array().into_iter().flatten();
        let mounted = list("secrets").map(|mount| &mount["name"]);
        let of_variables = list("env").map(|variable| &variable["valueFrom"]["secretKeyRef"]["name"]);
        mounted.chain(of_variables).filter_map(Value::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(spec: Value) -> ImageObject {
        let name = FunctionName::new("b", "a").unwrap();
        let (uid, generation, version, metadata) = (String::new(), 3, 1, Value::Null);
        ImageObject {
            name,
            uid,
            generation,
            version,
            spec,
            problem: None,
            place: None,
            metadata,
            status: None,
        }
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        let error = object(json!({"image": 5})).image(Origin::Cluster).unwrap_err();
        assert!(error.contains("image") || error.contains("string"), "{error}");
        let error = object(json!({"image": "oci:x"})).image(Origin::Cluster).unwrap_err();
        assert!(error.contains("docker://"), "{error}");
        let image = object(json!({"image": "r.example/x:1"})).image(Origin::Cluster).unwrap();
        assert_eq!((image.spec.image.as_str(), image.metadata.generation), ("r.example/x:1", 3));
        let unreadable = ImageObject { problem: Some("line 3: no".into()), ..object(Value::Null) };
        assert_eq!(unreadable.image(Origin::Directory).unwrap_err(), "line 3: no");
    }

    #[test]
    fn a_status_changes_nothing_of_what_is_asked_for() {
        let one = object(json!({"image": "a"}));
        let other = ImageObject { status: Some(ImageStatus::default()), generation: 4, ..one.clone() };
        assert!(one.asks_for_same_as(&other));
        assert!(!one.asks_for_same_as(&object(json!({"image": "b"}))));
    }
}
