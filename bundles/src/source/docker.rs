//! Archives of `docker save`: a list of images, each with a configuration and the names of its layers.
//!
//! There are no digests of layers, only the diff ids of the configuration, and no manifest. The digest by which such
//! an image is known is that of the manifest it would have with its layers uncompressed.

use std::io::Read;

use serde::{Deserialize, Serialize};

use super::archive::Archive;
use super::documents::{self, DocumentError};
use super::files::{Files, verify};
use super::{ImageContent, ResolvedImage, SourceError};
use crate::digest::{Digest, shorten};
use crate::layer::Layer;
use crate::limits::Limits;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SavedImage {
    config: String,
    repo_tags: Option<Vec<String>>,
    layers: Vec<String>,
}

/// The archive and which of its images is meant.
pub(super) struct DockerArchive {
    archive: Archive,
    name: Option<String>,
    /// Names of the layers, once resolved.
    layers: Vec<String>,
}

impl DockerArchive {
    pub(super) const fn new(archive: Archive, name: Option<String>) -> Self {
        Self { archive, name, layers: Vec::new() }
    }

    fn entry(&self, limits: &Limits) -> Result<SavedImage, SourceError> {
        let bytes = self.archive.read("manifest.json", limits.document_bytes)?;
        let entries: Vec<SavedImage> = serde_json::from_slice(&bytes)
            .map_err(|source| DocumentError::Json { what: "manifest", source })?;
        let names = |entry: &SavedImage| entry.repo_tags.clone().unwrap_or_default();
        let offered =
            entries.iter().flat_map(names).take(20).map(|name| shorten(&name)).collect::<Vec<_>>().join(", ");
        let wanted = self.name.clone().unwrap_or_default();
        let mut found =
            entries.into_iter().filter(|entry| wanted.is_empty() || names(entry).contains(&wanted));
        match (found.next(), found.next()) {
            (Some(entry), None) => Ok(entry),
            (Some(_), Some(_)) => Err(SourceError::Ambiguous(offered)),
            (None, _) => Err(SourceError::NoSuchImage { wanted, offered }),
        }
    }
}

impl ImageContent for DockerArchive {
    fn resolve(&mut self, limits: &Limits) -> Result<ResolvedImage, SourceError> {
        let entry = self.entry(limits)?;
        if entry.layers.len() > limits.layers {
            return Err(DocumentError::TooManyLayers { count: entry.layers.len(), max: limits.layers }.into());
        }
        let bytes = self.archive.read(&entry.config, limits.document_bytes)?;
        let config_digest = Digest::of(&bytes);
        if let Some(named) = digest_in_name(&entry.config) {
            verify(&shorten(&entry.config), &bytes, named, None)?;
        }
        let config = documents::parse_config(&bytes)?;
        let diff_ids = config.rootfs().diff_ids();
        if diff_ids.len() != entry.layers.len() {
            let (layers, diff_ids) = (entry.layers.len(), diff_ids.len());
            return Err(DocumentError::LayerCount { layers, diff_ids }.into());
        }
        let mut layers = Vec::new();
        for (name, diff_id) in entry.layers.iter().zip(diff_ids) {
            let (_, size) = self.archive.open(name)?;
            layers.push(Layer { digest: None, size, diff_id: diff_id.parse()? });
        }
        let manifest_digest = synthesize(config_digest, bytes.len() as u64, &layers);
        self.layers = entry.layers;
        Ok(ResolvedImage { manifest_digest, config_digest, config, config_json: bytes, layers })
    }

    fn open_layer(
        &mut self,
        _image: &ResolvedImage,
        index: usize,
    ) -> Result<Box<dyn Read + '_>, SourceError> {
        let name = self.layers.get(index).filter(|name| self.archive.has(name));
        Ok(self.archive.open(name.map_or("", String::as_str))?.0)
    }
}

/// Configurations are named by their digest: `DIGITS.json`, or `blobs/sha256/DIGITS` since version 25.
fn digest_in_name(name: &str) -> Option<Digest> {
    let digits = name.strip_suffix(".json").or_else(|| name.strip_prefix("blobs/sha256/"))?;
    Digest::from_hex(digits).ok()
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Manifest {
    schema_version: u32,
    media_type: &'static str,
    config: Descriptor,
    layers: Vec<Descriptor>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    media_type: &'static str,
    digest: Digest,
    size: u64,
}

fn synthesize(config: Digest, config_size: u64, layers: &[Layer]) -> Digest {
    let layer = |layer: &Layer| Descriptor {
        media_type: "application/vnd.oci.image.layer.v1.tar",
        digest: layer.diff_id,
        size: layer.size,
    };
    let manifest = Manifest {
        schema_version: 2,
        media_type: documents::MANIFEST_TYPES[0],
        config: Descriptor {
            media_type: "application/vnd.oci.image.config.v1+json",
            digest: config,
            size: config_size,
        },
        layers: layers.iter().map(layer).collect(),
    };
    // Strings and numbers always have a JSON form.
    Digest::of(&serde_json::to_vec(&manifest).unwrap_or_default())
}
