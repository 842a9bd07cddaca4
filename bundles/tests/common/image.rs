//! OCI layouts put together by hand.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use bundles::digest::Digest;
use serde_json::{Value, json};

use super::tarball::Tarball;

/// A layout in a directory, with what a test may want to bend before it is written.
pub struct Layout {
    pub dir: PathBuf,
    pub manifest: Value,
    pub config: Value,
}

/// How a layer is stored.
#[derive(Clone, Copy)]
pub enum Packing {
    Plain,
    Gzip,
    Zstd,
}

pub fn compress(bytes: &[u8], packing: Packing) -> Vec<u8> {
    match packing {
        Packing::Plain => bytes.to_vec(),
        Packing::Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
        Packing::Zstd => zstd::encode_all(bytes, 3).unwrap(),
    }
}

fn media_type(packing: Packing) -> &'static str {
    match packing {
        Packing::Plain => "application/vnd.oci.image.layer.v1.tar",
        Packing::Gzip => "application/vnd.oci.image.layer.v1.tar+gzip",
        Packing::Zstd => "application/vnd.oci.image.layer.v1.tar+zstd",
    }
}

impl Layout {
    /// A layout with these layers, whose blobs are written; manifest and index are not yet.
    pub fn new(dir: &Path, layers: &[(Tarball, Packing)]) -> Self {
        fs::create_dir_all(dir.join("blobs/sha256")).unwrap();
        fs::write(dir.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
        let mut layout = Self { dir: dir.to_owned(), manifest: Value::Null, config: Value::Null };
        let mut descriptors = Vec::new();
        let mut diff_ids = Vec::new();
        for (tarball, packing) in layers {
            let plain = tarball.clone().finish();
            diff_ids.push(Digest::of(&plain).to_string());
            descriptors.push(layout.blob(&compress(&plain, *packing), media_type(*packing)));
        }
        layout.config = json!({
            "architecture": "amd64", "os": "linux",
            "config": {"Entrypoint": ["/hello"], "Env": ["A=b"], "User": "7:8", "WorkingDir": "/srv", "ExposedPorts": {"80/tcp": {}}},
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
        });
        layout.manifest = json!({
            "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": null, "layers": descriptors,
        });
        layout
    }

    /// Writes a blob and describes it.
    pub fn blob(&self, bytes: &[u8], media_type: &str) -> Value {
        let digest = Digest::of(bytes);
        fs::write(self.dir.join("blobs/sha256").join(digest.hex()), bytes).unwrap();
        json!({"mediaType": media_type, "digest": digest.to_string(), "size": bytes.len()})
    }

    /// Writes configuration, manifest and index, and returns the reference.
    pub fn write(mut self) -> String {
        let config =
            self.blob(self.config.to_string().as_bytes(), "application/vnd.oci.image.config.v1+json");
        if self.manifest["config"].is_null() {
            self.manifest["config"] = config;
        }
        let bytes = self.manifest.to_string();
        let manifest = self.blob(bytes.as_bytes(), "application/vnd.oci.image.manifest.v1+json");
        self.write_index(&[manifest])
    }

    /// Writes the index alone, with one tag on the first entry.
    pub fn write_index(&self, manifests: &[Value]) -> String {
        let mut manifests = manifests.to_vec();
        manifests[0]["annotations"] = json!({"org.opencontainers.image.ref.name": "v1"});
        let index = json!({"schemaVersion": 2, "manifests": manifests});
        fs::write(self.dir.join("index.json"), index.to_string()).unwrap();
        format!("oci:{}:v1", self.dir.display())
    }
}
