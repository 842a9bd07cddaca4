//! Names of images in layouts: what is offered can be typed.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::fs;
use std::path::Path;
use std::process::Command;

use bundles::digest::Digest;
use bundles::limits::Limits;
use bundles::reference::Reference;
use bundles::source::{self, SourceError};
use common::image::{Layout, Packing};
use common::tarball::Tarball;
use serde_json::{Value, json};

/// A layout with an image for each name; returns their digests.
fn layout(dir: &Path, names: &[&str]) -> Vec<Digest> {
    let mut manifests = Vec::new();
    for name in names {
        let layout = Layout::new(dir, &[(Tarball::new().file("name", name.as_bytes()), Packing::Plain)]);
        layout.write();
        let index: Value = serde_json::from_slice(&fs::read(dir.join("index.json")).unwrap()).unwrap();
        let mut manifest = index["manifests"][0].clone();
        manifest["annotations"] = json!({"org.opencontainers.image.ref.name": name});
        manifests.push(manifest);
    }
    let index = json!({"schemaVersion": 2, "manifests": manifests});
    fs::write(dir.join("index.json"), index.to_string()).unwrap();
    manifests.iter().map(|manifest| manifest["digest"].as_str().unwrap().parse().unwrap()).collect()
}

fn find(reference: &str) -> Result<Digest, SourceError> {
    let reference: Reference = reference.parse().unwrap();
    let limits = Limits::default();
    source::open(&reference, &std::env::temp_dir(), &limits)?.identify(&limits)
}

#[test]
fn names_that_are_offered_can_be_typed() {
    let dir = tempfile::tempdir().unwrap();
    let names = ["r/app:1", "r/app:2", "host:5000/r/app:1", "plain", "1.0+build", "_under"];
    // A path may have colons too, with a slash behind them.
    for folder in ["layout", "a:b/layout"] {
        let path = dir.path().join(folder);
        let digests = layout(&path, &names);
        let path = path.display();
        let error = find(&format!("oci:{path}")).unwrap_err().to_string();
        for (name, digest) in names.iter().zip(&digests) {
            assert!(error.contains(name), "{error}");
            assert_eq!(find(&format!("oci:{path}:{name}")).unwrap(), *digest, "{folder} {name}");
            assert_eq!(find(&format!("oci:{path}:{name}@{digest}")).unwrap(), *digest, "{folder} {name}");
        }
        // The tag alone, where it is the only one.
        assert_eq!(find(&format!("oci:{path}:2")).unwrap(), digests[1]);
        assert!(matches!(find(&format!("oci:{path}:1")), Err(SourceError::Ambiguous(_))));
        let error = find(&format!("oci:{path}:r/app:3")).unwrap_err();
        assert!(matches!(error, SourceError::NoSuchImage { .. }), "{error}");
    }
}

#[test]
fn names_in_archives() {
    let dir = tempfile::tempdir().unwrap();
    let digests = layout(&dir.path().join("layout"), &["r/app:1", "r/app:2"]);
    let file = dir.path().join("saved.tar");
    let mut tar = Command::new("tar");
    tar.arg("-C").arg(dir.path().join("layout")).arg("-cf").arg(&file).args(["index.json", "blobs"]);
    assert!(tar.status().unwrap().success());
    assert_eq!(find(&format!("oci-archive:{}:r/app:2", file.display())).unwrap(), digests[1]);
    let reference: Reference = format!("oci-archive:{}:r/app:2", file.display()).parse().unwrap();
    assert_eq!(reference.local_path(), Some(file.as_path()));
}

#[test]
fn what_is_not_there_is_named_whole() {
    let error = find("oci:/no/such/layout:r/app:1").unwrap_err();
    assert!(error.to_string().contains("/no/such/layout"), "{error}");
}
