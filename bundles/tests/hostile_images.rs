//! Hostile and damaged images: each a typed error, and the store as empty as before.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::fs;
use std::path::Path;

use bundles::assemble::{AssembleError, into_store};
use bundles::digest::Digest;
use bundles::layer::LayerError;
use bundles::limits::Limits;
use bundles::reason::Outlook;
use bundles::reference::Reference;
use bundles::source::documents::DocumentError;
use bundles::source::{self, SourceError};
use bundles::store::Store;
use common::image::{Layout, Packing, compress};
use common::tarball::Tarball;
use serde_json::{Value, json};

fn hello() -> Tarball {
    Tarball::new().file_mode("hello", b"#!/bin/sh\n", 0o755)
}

fn layout(dir: &Path) -> Layout {
    Layout::new(dir, &[(hello(), Packing::Gzip)])
}

/// Puts the image into a fresh store; after an error nothing may be left in it.
fn publish_with(reference: &str, limits: &Limits) -> Result<Digest, SourceError> {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let reference: Reference = reference.parse().unwrap();
    let result = source::open(&reference, &store.temporary(), limits)
        .map_err(AssembleError::from)
        .and_then(|mut source| into_store(&mut *source, &store, limits, &|_| {}));
    match result {
        Ok(found) => Ok(found.bundle.bundle.record.manifest_digest),
        Err(error) => {
            assert!(store.list().unwrap().is_empty());
            assert_eq!(fs::read_dir(store.temporary()).unwrap().count(), 0);
            match error {
                AssembleError::Source(error) => Err(error),
                other => panic!("{other:?}"),
            }
        }
    }
}

fn publish(reference: &str) -> Result<Digest, SourceError> {
    publish_with(reference, &Limits::default())
}

macro_rules! assert_refused {
    ($result:expr, $pattern:pat) => {
        let error = $result.unwrap_err();
        assert!(matches!(error, $pattern), "{error:?}");
    };
}

macro_rules! layer {
    ($pattern:pat) => {
        SourceError::Layer { source: $pattern, .. }
    };
}

#[test]
fn all_packings_are_the_same() {
    let dir = tempfile::tempdir().unwrap();
    for (name, packing) in [("p", Packing::Plain), ("g", Packing::Gzip), ("z", Packing::Zstd)] {
        publish(&Layout::new(&dir.path().join(name), &[(hello(), packing)]).write()).unwrap();
    }
    // Members and frames one after the other are one stream.
    let plain = hello().finish();
    for packing in [Packing::Gzip, Packing::Zstd] {
        let mut layout = layout(&dir.path().join(format!("two-{}", packing as u8)));
        let bytes = [compress(&plain[..700], packing), compress(&plain[700..], packing)].concat();
        layout.manifest["layers"][0] = layout.blob(&bytes, "application/vnd.oci.image.layer.v1.tar");
        publish(&layout.write()).unwrap();
    }
}

#[test]
fn empty_file_is_no_image() {
    let dir = tempfile::tempdir().unwrap();
    let empty = dir.path().join("empty.tar");
    fs::write(&empty, b"").unwrap();
    assert_refused!(publish(&format!("oci-archive:{}", empty.display())), SourceError::MissingEntry { .. });
    assert_refused!(
        publish(&format!("docker-archive:{}", empty.display())),
        SourceError::MissingEntry { .. }
    );
    assert_refused!(publish(&format!("oci:{}", dir.path().display())), SourceError::Io { .. });
    assert_refused!(publish(&format!("dir:{}", dir.path().display())), SourceError::Io { .. });
    assert_refused!(publish("oci:/no/such/place"), SourceError::Io { .. });
    fs::write(dir.path().join("index.json"), b"").unwrap();
    assert_refused!(
        publish(&format!("oci:{}", dir.path().display())),
        SourceError::Document(DocumentError::Json { .. })
    );
}

#[test]
fn truncated_layer() {
    let dir = tempfile::tempdir().unwrap();
    for keep in [0, 1, 20, 60] {
        let layout = layout(&dir.path().join(keep.to_string()));
        let digest: Digest = layout.manifest["layers"][0]["digest"].as_str().unwrap().parse().unwrap();
        let blob = layout.dir.join("blobs/sha256").join(digest.hex());
        let bytes = fs::read(&blob).unwrap();
        fs::write(&blob, &bytes[..keep]).unwrap();
        assert_refused!(publish(&layout.write()), layer!(LayerError::Truncated { .. }));
    }
}

#[test]
fn wrong_sizes_and_digests() {
    let dir = tempfile::tempdir().unwrap();
    let bent = |name: &str, bend: &dyn Fn(&mut Layout)| {
        let mut layout = layout(&dir.path().join(name));
        bend(&mut layout);
        publish(&layout.write())
    };
    let size = |layout: &Layout| layout.manifest["layers"][0]["size"].as_u64().unwrap();
    let less = bent("less", &|layout| layout.manifest["layers"][0]["size"] = json!(size(layout) - 1));
    assert_refused!(less, layer!(LayerError::Longer { .. }));
    let more = bent("more", &|layout| layout.manifest["layers"][0]["size"] = json!(size(layout) + 1));
    assert_refused!(more, layer!(LayerError::Truncated { .. }));
    let blob = bent("blob", &|layout| {
        let digest: Digest = layout.manifest["layers"][0]["digest"].as_str().unwrap().parse().unwrap();
        let path = layout.dir.join("blobs/sha256").join(digest.hex());
        let mut bytes = fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&path, bytes).unwrap();
    });
    assert_refused!(blob, layer!(LayerError::Digest { .. }));
    let zero = format!("sha256:{}", "0".repeat(64));
    let diff = bent("diff", &|layout| layout.config["rootfs"]["diff_ids"][0] = json!(zero));
    assert_refused!(diff, layer!(LayerError::DiffId { .. }));
    let count = bent("count", &|layout| layout.config["rootfs"]["diff_ids"] = json!([zero, zero]));
    assert_refused!(count, SourceError::Document(DocumentError::LayerCount { layers: 1, diff_ids: 2 }));
    let config = bent("config", &|layout| {
        layout.manifest["config"] = layout.blob(b"{}", "application/vnd.oci.image.config.v1+json");
        layout.manifest["config"]["size"] = json!(3);
    });
    assert_refused!(config, SourceError::Size { .. });
}

#[test]
fn digests_are_no_paths() {
    let dir = tempfile::tempdir().unwrap();
    for digest in [
        "sha256:../../../../etc/passwd",
        "../index.json",
        "sha256:",
        "md5:00",
        &format!("sha256:{}", "A".repeat(64)),
    ] {
        let mut layout = layout(&dir.path().join(Digest::of(digest.as_bytes()).hex()));
        layout.manifest["layers"][0]["digest"] = json!(digest);
        assert_refused!(
            publish(&layout.write()),
            SourceError::Document(DocumentError::Digest(_) | DocumentError::Json { .. })
        );
    }
    // Nor are blobs links to other files, or pipes that never end.
    let layout = layout(&dir.path().join("links"));
    let digest: Digest = layout.manifest["layers"][0]["digest"].as_str().unwrap().parse().unwrap();
    let blob = layout.dir.join("blobs/sha256").join(digest.hex());
    fs::rename(&blob, layout.dir.join("elsewhere")).unwrap();
    std::os::unix::fs::symlink("../../elsewhere", &blob).unwrap();
    let reference = layout.write();
    assert_refused!(publish(&reference), SourceError::NotAFile(_));
    fs::remove_file(&blob).unwrap();
    nix::unistd::mkfifo(&blob, nix::sys::stat::Mode::S_IRUSR).unwrap();
    assert_refused!(publish(&reference), SourceError::NotAFile(_));
}

#[test]
fn confused_documents() {
    let dir = tempfile::tempdir().unwrap();
    let bent = |name: &str, bend: &dyn Fn(&mut Value)| {
        let mut layout = layout(&dir.path().join(name));
        bend(&mut layout.manifest);
        publish(&layout.write())
    };
    let both = bent("both", &|manifest| manifest["manifests"] = json!([]));
    assert_refused!(both, SourceError::Document(DocumentError::Confused));
    let index_type = "application/vnd.oci.image.index.v1+json";
    let lies = bent("lies", &|manifest| manifest["mediaType"] = json!(index_type));
    assert_refused!(lies, SourceError::Document(DocumentError::Confused));
    let docker = bent("docker", &|manifest| {
        manifest["mediaType"] = json!("application/vnd.docker.distribution.manifest.v2+json")
    });
    assert_refused!(docker, SourceError::Document(DocumentError::MediaType { .. }));
    let one = bent("one", &|manifest| manifest["schemaVersion"] = json!(1));
    assert_refused!(one, SourceError::Document(DocumentError::SchemaOne));
    let artifact = bent("artifact", &|manifest| {
        manifest["config"] = json!({"mediaType": "application/vnd.oci.empty.v1+json", "digest": Digest::of(b"{}").to_string(), "size": 2});
    });
    assert_refused!(artifact, SourceError::Document(DocumentError::NotAnImage(_)));
    let layout = layout(&dir.path().join("announced"));
    let manifest = layout.blob(layout.manifest.to_string().as_bytes(), index_type);
    assert_refused!(
        publish(&layout.write_index(&[manifest])),
        SourceError::Document(
            DocumentError::Json { .. } | DocumentError::Confused | DocumentError::MediaType { .. }
        )
    );
}

#[test]
fn oversized_documents() {
    let dir = tempfile::tempdir().unwrap();
    let mut deep = layout(&dir.path().join("deep"));
    deep.manifest["annotations"] = json!({});
    let bytes = deep
        .manifest
        .to_string()
        .replace("\"annotations\":{}", &format!("\"x\":{}{}", "[".repeat(100_000), "]".repeat(100_000)));
    let manifest = deep.blob(bytes.as_bytes(), "application/vnd.oci.image.manifest.v1+json");
    assert_refused!(
        publish(&deep.write_index(&[manifest])),
        SourceError::Document(DocumentError::TooDeep(_))
    );

    let mut many = layout(&dir.path().join("many"));
    let layer = many.manifest["layers"][0].clone();
    many.manifest["layers"] = Value::Array(vec![layer; 10_000]);
    assert_refused!(
        publish(&many.write()),
        SourceError::Document(DocumentError::TooManyLayers { count: 10_000, .. })
    );

    let mut long = layout(&dir.path().join("long"));
    long.manifest["annotations"] = json!({"x": "y".repeat(4 << 20)});
    assert_refused!(publish(&long.write()), SourceError::DocumentTooLarge { .. });
    let mut long = layout(&dir.path().join("config"));
    long.config["author"] = json!("y".repeat(4 << 20));
    assert_refused!(publish(&long.write()), SourceError::DocumentTooLarge { .. });
}

#[test]
fn indexes() {
    let dir = tempfile::tempdir().unwrap();
    let index_type = "application/vnd.oci.image.index.v1+json";
    let manifest_type = "application/vnd.oci.image.manifest.v1+json";
    let mut base = layout(&dir.path().join("x"));
    base.manifest["config"] =
        base.blob(base.config.to_string().as_bytes(), "application/vnd.oci.image.config.v1+json");
    let mut manifest = base.blob(base.manifest.to_string().as_bytes(), manifest_type);
    manifest["platform"] = json!({"os": "linux", "architecture": "amd64"});
    let mut arm = base.blob(b"never read", manifest_type);
    arm["platform"] = json!({"os": "linux", "architecture": "arm64"});
    let expected: Digest = manifest["digest"].as_str().unwrap().parse().unwrap();
    let index = |entries: &[&Value]| {
        let bytes = json!({"schemaVersion": 2, "mediaType": index_type, "manifests": entries}).to_string();
        base.blob(bytes.as_bytes(), index_type)
    };
    let good = index(&[&arm, &manifest]);
    assert_eq!(publish(&base.write_index(&[good])).unwrap(), expected);
    let bad = index(&[&arm]);
    let error = publish(&base.write_index(&[bad])).unwrap_err();
    assert!(error.to_string().contains("linux/arm64"), "{error}");
    let mut nested = index(&[&manifest]);
    for _ in 0..10 {
        nested = index(&[&nested]);
    }
    assert_refused!(
        publish(&base.write_index(&[nested])),
        SourceError::Document(DocumentError::IndexDepth(4))
    );
    // A single manifest for another platform says so as well.
    let mut other = layout(&dir.path().join("arm"));
    other.config["architecture"] = json!("arm64");
    assert_refused!(publish(&other.write()), SourceError::Document(DocumentError::WrongPlatform(_)));
}

#[test]
fn decompression_bombs() {
    let dir = tempfile::tempdir().unwrap();
    let limits = Limits { ratio: 20, ratio_free_bytes: 1 << 20, ..Limits::default() };
    for (name, packing) in [("g", Packing::Gzip), ("z", Packing::Zstd)] {
        let inside = Layout::new(
            &dir.path().join(name),
            &[(Tarball::new().file("zeros", &vec![0; 4 << 20]), packing)],
        );
        assert_refused!(publish_with(&inside.write(), &limits), layer!(LayerError::Bomb { .. }));
        // Behind the end of the archive nothing is unpacked, but it is read all the same.
        let mut behind = layout(&dir.path().join(format!("{name}-behind")));
        let bytes = [hello().finish(), vec![0; 4 << 20]].concat();
        behind.manifest["layers"][0] =
            behind.blob(&compress(&bytes, packing), "application/vnd.oci.image.layer.v1.tar");
        behind.config["rootfs"]["diff_ids"][0] = json!(Digest::of(&bytes).to_string());
        assert_refused!(publish_with(&behind.write(), &limits), layer!(LayerError::Bomb { .. }));
    }
    let limits = Limits { unpacked_bytes: 1 << 20, ..Limits::default() };
    let half = || (Tarball::new().file("x", &vec![7; 700 << 10]), Packing::Gzip);
    let together = Layout::new(&dir.path().join("together"), &[half(), half()]);
    assert!(publish_with(&together.write(), &limits).is_err());
    let limits = Limits { layer_bytes: 100, ..Limits::default() };
    assert_refused!(
        publish_with(&layout(&dir.path().join("big")).write(), &limits),
        layer!(LayerError::TooLarge { .. })
    );
}

#[test]
fn foreign_layers_are_never_fetched() {
    let dir = tempfile::tempdir().unwrap();
    let mut foreign = layout(&dir.path().join("foreign"));
    foreign.manifest["layers"][0]["mediaType"] =
        json!("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip");
    foreign.manifest["layers"][0]["urls"] = json!(["http://127.0.0.1:1/layer"]);
    assert_refused!(
        publish(&foreign.write()),
        SourceError::Document(DocumentError::LayerType { index: 1, .. })
    );
    let mut ordinary = layout(&dir.path().join("ordinary"));
    ordinary.manifest["layers"][0]["urls"] = json!(["http://127.0.0.1:1/layer"]);
    publish(&ordinary.write()).unwrap();
}

#[test]
fn hostile_entries_publish_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let up = Layout::new(&dir.path().join("up"), &[(Tarball::new().file("../evil", b"x"), Packing::Gzip)]);
    let error = publish(&up.write()).unwrap_err();
    assert!(error.to_string().contains("\"..\""), "{error}");
    assert!(!dir.path().join("evil").exists());
    let mut user = layout(&dir.path().join("user"));
    user.config["config"]["User"] = json!("nobody-here");
    let reference: Reference = user.write().parse().unwrap();
    let store = Store::open(&dir.path().join("store")).unwrap();
    let mut source = source::open(&reference, &store.temporary(), &Limits::default()).unwrap();
    assert!(matches!(
        into_store(&mut *source, &store, &Limits::default(), &|_| {}),
        Err(AssembleError::Bundle(_))
    ));
    assert_eq!(fs::read_dir(store.temporary()).unwrap().count(), 0);
    assert!(store.list().unwrap().is_empty());
}

#[test]
fn what_is_in_an_image_is_wrong_for_good() {
    let dir = tempfile::tempdir().unwrap();
    let bent = |name: &str, bend: &dyn Fn(&mut Layout)| {
        let mut layout = layout(&dir.path().join(name));
        bend(&mut layout);
        layout.write()
    };
    let outlook = |reference: &str| {
        let store = Store::open(&dir.path().join("store")).unwrap();
        let reference: Reference = reference.parse().unwrap();
        let limits = Limits::default();
        let source = source::open(&reference, &store.temporary(), &limits).map_err(AssembleError::from);
        let result = source.and_then(|mut source| into_store(&mut *source, &store, &limits, &|_| {}));
        result.unwrap_err().reason().outlook()
    };
    let user = bent("user", &|layout| layout.config["config"]["User"] = json!("nobody-here"));
    let arm = bent("arm", &|layout| layout.config["architecture"] = json!("arm64"));
    let other = Digest::of(b"other").to_string();
    let content = bent("content", &|layout| layout.config["rootfs"]["diff_ids"][0] = json!(other));
    let count = bent("count", &|layout| layout.config["rootfs"]["diff_ids"] = json!([]));
    for reference in [&user, &arm, &content, &count] {
        assert_eq!(outlook(reference), Outlook::Lasting, "{reference}");
    }
    // Files of a layout can be put right without another digest.
    let blob = |layout: &Layout| {
        let digest: Digest = layout.manifest["layers"][0]["digest"].as_str().unwrap().parse().unwrap();
        layout.dir.join("blobs/sha256").join(digest.hex())
    };
    let missing = bent("missing", &|layout| fs::remove_file(blob(layout)).unwrap());
    let damaged = bent("damaged", &|layout| {
        let bytes = fs::read(blob(layout)).unwrap();
        fs::write(blob(layout), [&bytes[..bytes.len() - 1], b"x"].concat()).unwrap();
    });
    let nowhere = format!("oci:{}/nowhere:v1", dir.path().display());
    for reference in [&missing, &damaged, &nowhere] {
        assert_eq!(outlook(reference), Outlook::UntilChanged, "{reference}");
    }
}
