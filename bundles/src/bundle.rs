//! A bundle on disk: `config.json`, `rootfs.erofs` and `image.json` in one directory.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use oci_spec::image::ImageConfiguration;
use serde::{Deserialize, Serialize};

use crate::config::{self, ConfigError, RuntimeConfig};
use crate::digest::{Digest, HashingReader};
use crate::erofs::{self, EROFS_FORMAT, ErofsError};
use crate::tree::Tree;

/// File name of the runtime configuration.
pub const CONFIG: &str = "config.json";
/// File name of the root file system.
pub const ROOTFS: &str = "rootfs.erofs";
/// File name of the record.
pub const RECORD: &str = "image.json";

/// What a bundle was made of, and the digests by which it can be verified. Nothing in it depends on time or host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageRecord {
    /// Version of the root file system's layout.
    pub format: u32,
    /// Digest of the image's manifest: the bundle's name in the store.
    pub manifest_digest: Digest,
    /// Digest of the image's configuration.
    pub config_digest: Digest,
    /// Digests of the layers as they were stored.
    pub layers: Vec<Digest>,
    /// Ports that the image exposes, "8080/tcp" and the like.
    pub exposed_ports: Vec<String>,
    /// How many of the process's arguments are the image's entrypoint; the rest is its command.
    #[serde(default)]
    pub entrypoint_args: usize,
    /// Size of the root file system image in bytes.
    pub rootfs_bytes: u64,
    /// Digest of the root file system image.
    pub rootfs_digest: Digest,
    /// Digest of the runtime configuration.
    pub runtime_config_digest: Digest,
}

/// Where an image came from, as far as the record tells.
#[derive(Clone, Debug)]
pub struct Origin {
    /// Digest of the manifest.
    pub manifest_digest: Digest,
    /// Digest of the configuration.
    pub config_digest: Digest,
    /// Digests of the layers.
    pub layers: Vec<Digest>,
}

/// Why a bundle cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// The image's configuration is unusable.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The root file system cannot be written.
    #[error(transparent)]
    Erofs(#[from] ErofsError),
    /// A file of the bundle cannot be read or written.
    #[error("cannot use {path}")]
    Io {
        /// The file in question.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A file of the bundle is not what it should be.
    #[error("{path} is damaged")]
    Damaged {
        /// The file in question.
        path: PathBuf,
        /// What the parser said.
        #[source]
        source: serde_json::Error,
    },
}

pub(crate) fn io_error(path: &Path) -> impl FnOnce(io::Error) -> BundleError {
    let path = path.to_owned();
    move |source| BundleError::Io { path, source }
}

/// A bundle in a directory.
#[derive(Clone, Debug)]
pub struct Bundle {
    dir: PathBuf,
    /// `config.json`: what other OCI runtimes would start.
    pub config: RuntimeConfig,
    /// What it was made of.
    pub record: ImageRecord,
}

impl Bundle {
    /// Reads the two documents of the bundle in `dir`; the root file system is only named.
    ///
    /// # Errors
    /// When one of them cannot be read or is no such document.
    pub fn open(dir: &Path) -> Result<Self, BundleError> {
        Ok(Self {
            dir: dir.to_owned(),
            config: read_json(&dir.join(CONFIG))?,
            record: read_json(&dir.join(RECORD))?,
        })
    }

    /// The directory that it is in.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The root file system image.
    #[must_use]
    pub fn rootfs(&self) -> PathBuf {
        self.dir.join(ROOTFS)
    }
}

fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, BundleError> {
    let bytes = fs::read(path).map_err(io_error(path))?;
    serde_json::from_slice(&bytes).map_err(|source| BundleError::Damaged { path: path.to_owned(), source })
}

/// Writes the three files of a bundle into the directory `dir`, which has none of them, and syncs each.
///
/// # Errors
/// When the configuration is unusable or the disk refuses; what was written so far stays for the caller to remove.
pub fn write(
    tree: &Tree,
    image: &ImageConfiguration,
    origin: &Origin,
    dir: &Path,
) -> Result<Bundle, BundleError> {
    write_files(tree, image, origin, dir, File::sync_all)
}

/// As [`write()`] but without syncing: for bundles that live as long as the command that makes them.
///
/// # Errors
/// As [`write()`].
pub fn write_fleeting(
    tree: &Tree,
    image: &ImageConfiguration,
    origin: &Origin,
    dir: &Path,
) -> Result<Bundle, BundleError> {
    write_files(tree, image, origin, dir, |_| Ok(()))
}

fn write_files(
    tree: &Tree,
    image: &ImageConfiguration,
    origin: &Origin,
    dir: &Path,
    sync: impl Fn(&File) -> io::Result<()>,
) -> Result<Bundle, BundleError> {
    let config = config::derive(image, tree)?;
    let config_json = config::to_json(&config)?;
    put(&dir.join(CONFIG), &config_json, &sync)?;
    let path = dir.join(ROOTFS);
    let rootfs = create(&path)?;
    let uuid = origin.manifest_digest.bytes().first_chunk().copied().unwrap_or_default();
    let rootfs_bytes = erofs::write(tree, uuid, &rootfs)?;
    sync(&rootfs).map_err(io_error(&path))?;
    let record = ImageRecord {
        format: EROFS_FORMAT,
        manifest_digest: origin.manifest_digest,
        config_digest: origin.config_digest,
        layers: origin.layers.clone(),
        exposed_ports: config::exposed_ports(image),
        entrypoint_args: config::entrypoint_args(image),
        rootfs_bytes,
        rootfs_digest: digest_file(&path).map_err(io_error(&path))?,
        runtime_config_digest: Digest::of(&config_json),
    };
    let record_json = serde_json::to_vec_pretty(&record).map_err(ConfigError::Json)?;
    put(&dir.join(RECORD), &record_json, &sync)?;
    Ok(Bundle { dir: dir.to_owned(), config, record })
}

fn create(path: &Path) -> Result<File, BundleError> {
    File::options().read(true).write(true).create_new(true).open(path).map_err(io_error(path))
}

fn put(path: &Path, bytes: &[u8], sync: impl Fn(&File) -> io::Result<()>) -> Result<(), BundleError> {
    let mut file = create(path)?;
    file.write_all(bytes).and_then(|()| sync(&file)).map_err(io_error(path))
}

/// The digest of a file's content.
pub(crate) fn digest_file(path: &Path) -> io::Result<Digest> {
    let mut reader = HashingReader::new(File::open(path)?);
    io::copy(&mut reader, &mut io::sink())?;
    Ok(reader.finish().0)
}
