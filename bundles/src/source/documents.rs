//! Indexes, manifests and image configurations: bytes in, checked values out. No I/O here.

use oci_spec::image::{Arch, Descriptor, ImageConfiguration, ImageIndex, ImageManifest, MediaType, Os};
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::digest::{Digest, DigestError, shorten};
use crate::layer::Layer;

/// Nesting of JSON that no document of an image has.
const DEPTH_MAX: usize = 64;

/// Media types of manifests, both styles.
pub const MANIFEST_TYPES: [&str; 2] =
    ["application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json"];
/// Media types of indexes, both styles.
pub const INDEX_TYPES: [&str; 2] =
    ["application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json"];
const LAYER_TYPES: [&str; 6] = [
    "application/vnd.oci.image.layer.v1.tar",
    "application/vnd.oci.image.layer.v1.tar+gzip",
    "application/vnd.oci.image.layer.v1.tar+zstd",
    "application/vnd.docker.image.rootfs.diff.tar",
    "application/vnd.docker.image.rootfs.diff.tar.gzip",
    "application/vnd.docker.image.rootfs.diff.tar.zstd",
];

/// Why a document is refused.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// Not JSON, or JSON of another shape.
    #[error("the image's {what} is malformed")]
    Json {
        /// Which document: index, manifest or configuration.
        what: &'static str,
        /// What the parser said.
        #[source]
        source: serde_json::Error,
    },
    /// Nested far deeper than any document of an image.
    #[error("the image's {0} is nested too deeply")]
    TooDeep(&'static str),
    /// Both an index and a manifest, or neither.
    #[error("the document is neither clearly a manifest nor clearly an index")]
    Confused,
    /// One media type outside and another inside.
    #[error("the document calls itself \"{inside}\" but was announced as \"{outside}\"")]
    MediaType {
        /// The `mediaType` in the document.
        inside: String,
        /// In the descriptor or the header.
        outside: String,
    },
    /// The image format that was abandoned in 2016.
    #[error("the image has a manifest of schema version 1, which is no longer supported; push it again")]
    SchemaOne,
    /// A schema version that does not exist.
    #[error("schema version {0} is not known")]
    SchemaVersion(u64),
    /// An artifact that is no image.
    #[error("this is not a container image: its configuration is of type \"{0}\"")]
    NotAnImage(String),
    /// No variant for this platform.
    #[error("the image is not available for linux/amd64; it offers: {0}")]
    NoPlatform(String),
    /// An image for another platform.
    #[error("the image is for {0}; only linux/amd64 can run")]
    WrongPlatform(String),
    /// More layers than allowed.
    #[error("the image has {count} layers; at most {max} are allowed")]
    TooManyLayers {
        /// Layers that the manifest lists.
        count: usize,
        /// The largest number allowed.
        max: usize,
    },
    /// A layer that cannot be a part of an ordinary image.
    #[error("layer {index} is of the unsupported type \"{media_type}\"")]
    LayerType {
        /// Its number, from 1.
        index: usize,
        /// Its media type.
        media_type: String,
    },
    /// Manifest and configuration disagree.
    #[error("the manifest has {layers} layers, the configuration has {diff_ids}")]
    LayerCount {
        /// Layers of the manifest.
        layers: usize,
        /// Diff ids of the configuration.
        diff_ids: usize,
    },
    /// Indexes in indexes in indexes.
    #[error("indexes are nested deeper than {0} levels")]
    IndexDepth(usize),
    /// A digest that is none.
    #[error(transparent)]
    Digest(#[from] DigestError),
}

/// What a manifest's address can point to.
#[derive(Clone, Debug)]
pub enum Document {
    /// One manifest per platform.
    Index(Box<ImageIndex>),
    /// The manifest of one image.
    Manifest(Box<ImageManifest>),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Probe {
    schema_version: u64,
    media_type: Option<String>,
    manifests: Option<IgnoredAny>,
    config: Option<IgnoredAny>,
    layers: Option<IgnoredAny>,
    fs_layers: Option<IgnoredAny>,
}

/// Parses an index or a manifest. `announced` is the media type by which it came, if any.
///
/// # Errors
/// See [`DocumentError`].
pub fn parse(bytes: &[u8], announced: Option<&str>) -> Result<Document, DocumentError> {
    check_depth(bytes, "manifest")?;
    let json = |source| DocumentError::Json { what: "manifest", source };
    let probe: Probe = serde_json::from_slice(bytes).map_err(json)?;
    match probe.schema_version {
        2 => {}
        1 => return Err(DocumentError::SchemaOne),
        other => return Err(DocumentError::SchemaVersion(other)),
    }
    let is_manifest = probe.config.is_some() && probe.layers.is_some();
    let is_index = probe.manifests.is_some();
    let mixed = is_index && (probe.config.is_some() || probe.layers.is_some());
    if is_index == is_manifest || mixed || probe.fs_layers.is_some() {
        return Err(DocumentError::Confused);
    }
    check_media_type(&probe, announced, if is_index { &INDEX_TYPES } else { &MANIFEST_TYPES })?;
    Ok(if is_index {
        Document::Index(Box::new(serde_json::from_slice(bytes).map_err(json)?))
    } else {
        Document::Manifest(Box::new(serde_json::from_slice(bytes).map_err(json)?))
    })
}

fn check_media_type(probe: &Probe, announced: Option<&str>, expected: &[&str]) -> Result<(), DocumentError> {
    let inside = probe.media_type.as_deref();
    if inside.is_some_and(|inside| !expected.contains(&inside)) {
        return Err(DocumentError::Confused);
    }
    let Some(outside) = announced else { return Ok(()) };
    if expected.contains(&outside) && inside.is_none_or(|inside| inside == outside) {
        return Ok(());
    }
    let inside = inside.unwrap_or(expected[0]).to_owned();
    Err(DocumentError::MediaType { inside, outside: shorten(outside) })
}

/// Nesting is counted before parsing: unknown fields are skipped by the parser, however deep they are.
fn check_depth(bytes: &[u8], what: &'static str) -> Result<(), DocumentError> {
    let (mut depth, mut in_string, mut escaped) = (0usize, false, false);
    for &byte in bytes {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => depth += 1,
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEPTH_MAX {
            return Err(DocumentError::TooDeep(what));
        }
    }
    Ok(())
}

/// The entry of an index for linux/amd64. Entries without a platform come last: their configuration decides.
///
/// # Errors
/// When there is none.
pub fn choose(index: &ImageIndex) -> Result<&Descriptor, DocumentError> {
    let known = |descriptor: &&Descriptor| {
        let media_type = descriptor.media_type().as_ref();
        MANIFEST_TYPES.contains(&media_type) || INDEX_TYPES.contains(&media_type)
    };
    let candidates = || index.manifests().iter().filter(known);
    let fits = |descriptor: &&Descriptor, plain: bool| {
        descriptor.platform().as_ref().is_some_and(|platform| {
            let baseline = matches!(platform.variant().as_deref(), None | Some("" | "v1"));
            *platform.os() == Os::Linux && *platform.architecture() == Arch::Amd64 && baseline == plain
        })
    };
    candidates()
        .find(|descriptor| fits(descriptor, true))
        .or_else(|| candidates().find(|descriptor| fits(descriptor, false)))
        .or_else(|| candidates().find(|descriptor| descriptor.platform().is_none()))
        .ok_or_else(|| DocumentError::NoPlatform(offered(index)))
}

fn offered(index: &ImageIndex) -> String {
    let platforms = index.manifests().iter().filter_map(|descriptor| descriptor.platform().as_ref());
    let mut names: Vec<String> = platforms
        .map(|platform| shorten(&format!("{}/{}", platform.os(), platform.architecture())))
        .collect();
    names.sort();
    names.dedup();
    names.truncate(20);
    if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
}

/// Parses an image configuration and checks its platform.
///
/// # Errors
/// See [`DocumentError`].
pub fn parse_config(bytes: &[u8]) -> Result<ImageConfiguration, DocumentError> {
    check_depth(bytes, "configuration")?;
    let config: ImageConfiguration = serde_json::from_slice(bytes)
        .map_err(|source| DocumentError::Json { what: "configuration", source })?;
    if *config.os() == Os::Linux && *config.architecture() == Arch::Amd64 {
        return Ok(config);
    }
    Err(DocumentError::WrongPlatform(shorten(&format!("{}/{}", config.os(), config.architecture()))))
}

/// Checks that a manifest is one of an image with ordinary layers, not too many.
///
/// # Errors
/// See [`DocumentError`].
pub fn check_manifest(manifest: &ImageManifest, layers_max: usize) -> Result<(), DocumentError> {
    match manifest.config().media_type() {
        MediaType::ImageConfig => {}
        other if other.as_ref() == "application/vnd.docker.container.image.v1+json" => {}
        other => return Err(DocumentError::NotAnImage(shorten(other.as_ref()))),
    }
    let count = manifest.layers().len();
    if count > layers_max {
        return Err(DocumentError::TooManyLayers { count, max: layers_max });
    }
    // Layers that live elsewhere ("foreign") are refused by their type; addresses in descriptors are never used.
    let odd = manifest.layers().iter().position(|layer| !LAYER_TYPES.contains(&layer.media_type().as_ref()));
    match odd {
        None => Ok(()),
        Some(at) => Err(DocumentError::LayerType {
            index: at + 1,
            media_type: shorten(manifest.layers()[at].media_type().as_ref()),
        }),
    }
}

/// The layers with both of their digests.
///
/// # Errors
/// When manifest and configuration do not have the same number of them, or a digest is none.
pub fn layers(manifest: &ImageManifest, config: &ImageConfiguration) -> Result<Vec<Layer>, DocumentError> {
    let (layers, diff_ids) = (manifest.layers(), config.rootfs().diff_ids());
    if layers.len() != diff_ids.len() {
        return Err(DocumentError::LayerCount { layers: layers.len(), diff_ids: diff_ids.len() });
    }
    layers
        .iter()
        .zip(diff_ids)
        .map(|(layer, diff_id)| {
            Ok(Layer { digest: Some(digest_of(layer)?), size: layer.size(), diff_id: diff_id.parse()? })
        })
        .collect()
}

/// The digest in a descriptor, if it is of the one supported kind.
///
/// # Errors
/// When it is not.
pub fn digest_of(descriptor: &Descriptor) -> Result<Digest, DigestError> {
    descriptor.digest().as_ref().parse()
}
