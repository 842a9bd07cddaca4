//! The image that comes of a build: as an OCI layout in a directory, or in an archive. The same image is the same bytes.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use bundles::digest::Digest;
use serde_json::{Value, json};
use tempfile::NamedTempFile;

use crate::layer::{Hashing, show};

const LAYOUT: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const NAME: &str = "org.opencontainers.image.ref.name";
/// Longest index of a layout that is there already.
const INDEX_MAX: u64 = 4 << 20;

/// Why an image cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// The disk refuses.
    #[error("cannot write {path}")]
    Io {
        /// What was to be written.
        path: PathBuf,
        /// Why not.
        #[source]
        error: io::Error,
    },
    /// There is something else.
    #[error("{0} is there and is no index of a layout")]
    Index(PathBuf),
    /// A layer of the base is not what it was.
    #[error("a layer of the base image is not what its manifest says: {0}")]
    Layer(String),
}

/// Where an image goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// A directory.
    Layout(PathBuf),
    /// A file.
    Archive(PathBuf),
}

impl Output {
    /// The directory or file.
    pub fn path(&self) -> &Path {
        match self {
            Self::Layout(path) | Self::Archive(path) => path,
        }
    }
}

/// A layout that is being written.
#[derive(Debug)]
pub struct Writer {
    output: Output,
    folder: PathBuf,
    /// Where an archive's files are put together.
    staging: Option<tempfile::TempDir>,
    layers: Vec<Value>,
}

fn at<'a>(path: &'a Path) -> impl FnOnce(io::Error) -> ImageError + 'a {
    move |error| ImageError::Io { path: path.to_owned(), error }
}

impl Writer {
    /// Makes the directory, or one beside the archive.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn new(output: &Output) -> Result<Self, ImageError> {
        let (folder, staging) = match output {
            Output::Layout(path) => (path.clone(), None),
            Output::Archive(path) => {
                let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
                let parent = parent.unwrap_or(Path::new("."));
                fs::create_dir_all(parent).map_err(at(parent))?;
                let staging =
                    tempfile::Builder::new().prefix(".image-").tempdir_in(parent).map_err(at(parent))?;
                (staging.path().to_owned(), Some(staging))
            }
        };
        let blobs = folder.join("blobs/sha256");
        fs::create_dir_all(&blobs).map_err(at(&blobs))?;
        Ok(Self { output: output.clone(), folder, staging, layers: Vec::new() })
    }

    fn blobs(&self) -> PathBuf {
        self.folder.join("blobs/sha256")
    }

    /// Adds a layer, as it is compressed; its digest is checked, and given.
    ///
    /// # Errors
    /// When the disk refuses, or the bytes are others.
    pub fn layer(&mut self, reader: &mut dyn Read, expected: Option<Digest>) -> Result<Digest, ImageError> {
        let blobs = self.blobs();
        let mut put = || -> io::Result<(NamedTempFile, Digest, u64, &'static str)> {
            let mut file = NamedTempFile::new_in(&blobs)?;
            let mut head = Vec::new();
            (&mut *reader).take(4).read_to_end(&mut head)?;
            let mut hashing = Hashing::new(file.as_file_mut());
            hashing.write_all(&head)?;
            io::copy(reader, &mut hashing)?;
            let (_, digest, size) = hashing.finish();
            let kind = match head[..] {
                [0x1f, 0x8b, ..] => "application/vnd.oci.image.layer.v1.tar+gzip",
                [0x28, 0xb5, 0x2f, 0xfd] => "application/vnd.oci.image.layer.v1.tar+zstd",
                _ => "application/vnd.oci.image.layer.v1.tar",
            };
            Ok((file, digest, size, kind))
        };
        let (file, digest, size, kind) = put().map_err(at(&blobs))?;
        if let Some(expected) = expected.filter(|expected| *expected != digest) {
            return Err(ImageError::Layer(format!("expected {expected}, found {digest}")));
        }
        persist(file, &blobs.join(digest.hex()))?;
        self.layers.push(json!({"mediaType": kind, "digest": digest.to_string(), "size": size}));
        Ok(digest)
    }

    /// Writes configuration, manifest and index, and the archive if it is one; gives the manifest's digest.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn finish(
        self,
        config: &Value,
        annotations: &Value,
        names: &[String],
        time: i64,
    ) -> Result<Digest, ImageError> {
        let config = self.document(config, CONFIG)?;
        let mut manifest =
            json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": self.layers});
        if let (Some(object), true) =
            (manifest.as_object_mut(), annotations.as_object().is_some_and(|all| !all.is_empty()))
        {
            object.insert("annotations".to_owned(), annotations.clone());
        }
        let descriptor = self.document(&manifest, MANIFEST)?;
        self.index(&descriptor, names)?;
        put(&self.folder.join("oci-layout"), LAYOUT)?;
        let digest = descriptor["digest"].as_str().unwrap_or_default().parse();
        let digest = digest.map_err(|_| ImageError::Index(self.folder.join("index.json")))?;
        if let Output::Archive(path) = &self.output {
            self.archive(path, time).map_err(at(path))?;
        }
        drop(self.staging);
        Ok(digest)
    }

    fn document(&self, value: &Value, kind: &str) -> Result<Value, ImageError> {
        let bytes = value.to_string().into_bytes();
        let digest = Digest::of(&bytes);
        put(&self.blobs().join(digest.hex()), &bytes)?;
        Ok(json!({"mediaType": kind, "digest": digest.to_string(), "size": bytes.len()}))
    }

    /// Other images of a layout keep their names.
    fn index(&self, descriptor: &Value, names: &[String]) -> Result<(), ImageError> {
        let path = self.folder.join("index.json");
        let mut manifests = match File::open(&path) {
            Ok(file) => {
                let mut bytes = Vec::new();
                file.take(INDEX_MAX).read_to_end(&mut bytes).map_err(at(&path))?;
                let index: Value =
                    serde_json::from_slice(&bytes).map_err(|_| ImageError::Index(path.clone()))?;
                index["manifests"].as_array().cloned().ok_or_else(|| ImageError::Index(path.clone()))?
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(at(&path)(error)),
        };
        let mut entry = descriptor.clone();
        entry["platform"] = json!({"architecture": "amd64", "os": "linux"});
        let name_of = |manifest: &Value| manifest["annotations"][NAME].as_str().map(str::to_owned);
        manifests.retain(|one| match name_of(one) {
            Some(name) => !names.contains(&name),
            None => !names.is_empty() || one["digest"] != descriptor["digest"],
        });
        if names.is_empty() {
            manifests.push(entry);
        } else {
            manifests.extend(names.iter().map(|name| {
                let mut named = entry.clone();
                named["annotations"] = json!({NAME: name});
                named
            }));
        }
        let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests});
        put(&path, index.to_string().as_bytes())
    }

    fn archive(&self, path: &Path, time: i64) -> io::Result<()> {
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut file = NamedTempFile::new_in(parent)?;
        let mut builder = tar::Builder::new(io::BufWriter::new(file.as_file_mut()));
        let mut names = vec!["index.json".to_owned(), "oci-layout".to_owned()];
        for entry in fs::read_dir(self.blobs())? {
            names.push(format!("blobs/sha256/{}", entry?.file_name().to_string_lossy()));
        }
        names.sort();
        for name in names {
            let source = File::open(self.folder.join(&name))?;
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(tar::EntryType::Regular);
            header.set_mode(0o644);
            header.set_uid(0);
            header.set_gid(0);
            header.set_mtime(u64::try_from(time).unwrap_or(0));
            header.set_size(source.metadata()?.len());
            builder.append_data(&mut header, &name, source)?;
        }
        builder.into_inner()?.flush()?;
        persist(file, path).map_err(|error| io::Error::other(show(error.to_string().as_bytes())))
    }
}

/// Removes what no image of a layout refers to.
///
/// # Errors
/// When the disk refuses, or the index is none.
pub fn prune(folder: &Path) -> Result<(), ImageError> {
    let (path, blobs) = (folder.join("index.json"), folder.join("blobs/sha256"));
    let digests = |value: &Value| -> Vec<String> {
        let all = value["layers"].as_array().into_iter().flatten().chain([&value["config"]]);
        let all = all.chain(value["manifests"].as_array().into_iter().flatten());
        all.filter_map(|one| one["digest"].as_str()?.strip_prefix("sha256:").map(str::to_owned)).collect()
    };
    let index = fs::read(&path).map_err(at(&path))?;
    let index: Value = serde_json::from_slice(&index).map_err(|_| ImageError::Index(path.clone()))?;
    let mut kept = BTreeSet::new();
    let mut pending = digests(&index);
    while let Some(digest) = pending.pop() {
        // A layer is no document, and refers to nothing.
        let document = fs::metadata(blobs.join(&digest)).is_ok_and(|file| file.len() <= INDEX_MAX);
        let bytes = if document { fs::read(blobs.join(&digest)).unwrap_or_default() } else { Vec::new() };
        if kept.insert(digest) {
            pending.extend(serde_json::from_slice(&bytes).map(|value| digests(&value)).unwrap_or_default());
        }
    }
    for entry in fs::read_dir(&blobs).map_err(at(&blobs))? {
        let entry = entry.map_err(at(&blobs))?;
        if !kept.contains(&*entry.file_name().to_string_lossy()) {
            fs::remove_file(entry.path()).map_err(at(&entry.path()))?;
        }
    }
    Ok(())
}

fn put(path: &Path, bytes: &[u8]) -> Result<(), ImageError> {
    let parent = path.parent().unwrap_or(Path::new("."));
    let write = || -> io::Result<NamedTempFile> {
        let mut file = NamedTempFile::new_in(parent)?;
        file.write_all(bytes)?;
        Ok(file)
    };
    persist(write().map_err(at(path))?, path)
}

/// Gives a complete file its name; anyone may read an image that anyone may use.
fn persist(file: NamedTempFile, path: &Path) -> Result<(), ImageError> {
    let publish = || -> io::Result<()> {
        file.as_file().set_permissions(fs::Permissions::from_mode(0o644))?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        Ok(())
    };
    publish().map_err(at(path))
}
