//! A packed program as an OCI image layout: one gzip layer, its configuration, a manifest and an index.
//!
//! The layout's files appear under their final names only when complete; an index that is there already keeps its
//! other tags.

use std::collections::HashMap;
use std::fs;
use std::io::{self, Write};
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use oci_spec::image::{
    ANNOTATION_REF_NAME, Arch, Descriptor, DescriptorBuilder, ImageIndex, ImageIndexBuilder,
    ImageManifestBuilder, MediaType, Os, PlatformBuilder,
};
use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;

use super::{PackError, Packed, io_error};
use crate::digest::Digest;
use crate::tree::{Kind, Node, NodeId, Tree};

const LAYOUT: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;

/// Writes the packed program as image `tag` of the layout in `dir` and returns the manifest's digest.
///
/// # Errors
/// When the disk refuses, or an index that is there already is no index.
pub fn to_layout(packed: &Packed, dir: &Path, tag: &str) -> Result<Digest, PackError> {
    let blobs = dir.join("blobs/sha256");
    fs::create_dir_all(&blobs).map_err(io_error(&blobs))?;
    let (layer, diff_id) = put_layer(&packed.tree, &blobs).map_err(io_error(&blobs))?;
    let mut image = packed.image.clone();
    image.rootfs_mut().set_diff_ids(vec![diff_id.to_string()]);
    let config = put_json(&image, MediaType::ImageConfig, &blobs)?;
    let manifest = ImageManifestBuilder::default()
        .schema_version(2u32)
        .media_type(MediaType::ImageManifest)
        .config(config)
        .layers(vec![layer])
        .build()?;
    let manifest = put_json(&manifest, MediaType::ImageManifest, &blobs)?;
    let digest = manifest.digest().to_string().parse().map_err(|_| PackError::NoProgram)?;
    put_index(manifest, dir, tag)?;
    put_file(&dir.join("oci-layout"), LAYOUT)?;
    Ok(digest)
}

fn put_json(
    value: &impl serde::Serialize,
    media_type: MediaType,
    blobs: &Path,
) -> Result<Descriptor, PackError> {
    let bytes = sorted_json(value)?;
    let digest = Digest::of(&bytes);
    put_file(&blobs.join(digest.hex()), &bytes)?;
    Ok(descriptor(media_type, digest, bytes.len() as u64)?)
}

/// JSON with sorted keys: the types of the specification have hash maps, and packing twice should give the same bytes.
fn sorted_json(value: &impl serde::Serialize) -> Result<Vec<u8>, PackError> {
    let value = serde_json::to_value(value).map_err(oci_spec::OciSpecError::SerDe)?;
    Ok(serde_json::to_vec(&value).map_err(oci_spec::OciSpecError::SerDe)?)
}

fn descriptor(
    media_type: MediaType,
    digest: Digest,
    size: u64,
) -> Result<Descriptor, oci_spec::OciSpecError> {
    let digest: oci_spec::image::Digest = digest.to_string().parse()?;
    DescriptorBuilder::default().media_type(media_type).digest(digest).size(size).build()
}

fn put_index(mut manifest: Descriptor, dir: &Path, tag: &str) -> Result<(), PackError> {
    let path = dir.join("index.json");
    let platform = PlatformBuilder::default().os(Os::Linux).architecture(Arch::Amd64).build()?;
    manifest.set_platform(Some(platform));
    manifest.set_annotations(Some(HashMap::from([(ANNOTATION_REF_NAME.to_owned(), tag.to_owned())])));
    let mut manifests = match fs::read(&path) {
        Ok(bytes) => ImageIndex::from_reader(bytes.as_slice())?.manifests().clone(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(io_error(&path)(error)),
    };
    let has_tag = |manifest: &Descriptor| {
        manifest
            .annotations()
            .as_ref()
            .and_then(|all| all.get(ANNOTATION_REF_NAME))
            .is_some_and(|name| name == tag)
    };
    manifests.retain(|manifest| !has_tag(manifest));
    manifests.push(manifest);
    let index = ImageIndexBuilder::default().schema_version(2u32).media_type(MediaType::ImageIndex);
    put_file(&path, &sorted_json(&index.manifests(manifests).build()?)?)
}

fn put_file(path: &Path, bytes: &[u8]) -> Result<(), PackError> {
    let dir = path.parent().unwrap_or(Path::new("."));
    let write = || {
        let mut file = NamedTempFile::new_in(dir)?;
        file.write_all(bytes)?;
        publish(file, path)
    };
    write().map_err(io_error(path))
}

/// Gives a complete temporary file its name; anyone may read an image that anyone may use.
fn publish(file: NamedTempFile, path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.as_file().set_permissions(fs::Permissions::from_mode(0o644))?;
    file.persist(path)?;
    Ok(())
}

fn put_layer(tree: &Tree, blobs: &Path) -> io::Result<(Descriptor, Digest)> {
    let mut file = NamedTempFile::new_in(blobs)?;
    let compressed = HashingWriter::new(io::BufWriter::new(file.as_file_mut()));
    let plain = HashingWriter::new(GzEncoder::new(compressed, Compression::fast()));
    let (encoder, diff_id, _) = write_tar(tree, plain)?.finish();
    let (mut buffer, digest, size) = encoder.finish()?.finish();
    buffer.flush()?;
    drop(buffer);
    publish(file, &blobs.join(digest.hex()))?;
    let descriptor = descriptor(MediaType::ImageLayerGzip, digest, size).map_err(io::Error::other)?;
    Ok((descriptor, diff_id))
}

/// The tree as a tar stream, in the order of names.
fn write_tar<W: Write>(tree: &Tree, out: W) -> io::Result<W> {
    let mut builder = tar::Builder::new(out);
    let mut first_names: HashMap<NodeId, Vec<u8>> = HashMap::new();
    let mut pending: Vec<(Vec<u8>, NodeId)> = children(tree, b"", NodeId::ROOT);
    while let Some((path, id)) = pending.pop() {
        append(&mut builder, tree, &path, id, first_names.get(&id))?;
        pending.extend(children(tree, &path, id));
        first_names.entry(id).or_insert(path);
    }
    builder.into_inner()
}

/// Entries of a directory, the last first: they are taken from the end.
fn children(tree: &Tree, path: &[u8], id: NodeId) -> Vec<(Vec<u8>, NodeId)> {
    let full = |name: &[u8]| if path.is_empty() { name.to_vec() } else { [path, b"/", name].concat() };
    tree.entries(id).rev().map(|(name, child)| (full(name), child)).collect()
}

fn append<W: Write>(
    builder: &mut tar::Builder<W>,
    tree: &Tree,
    path: &[u8],
    id: NodeId,
    first_name: Option<&Vec<u8>>,
) -> io::Result<()> {
    let node = tree.node(id);
    let mut header = header(node);
    let name = as_path(path);
    if let Some(first) = first_name {
        header.set_entry_type(tar::EntryType::Link);
        return builder.append_link(&mut header, name, as_path(first));
    }
    match &node.kind {
        Kind::File(extent) => {
            header.set_size(extent.len);
            builder.append_data(&mut header, name, tree.spool().reader(*extent))
        }
        Kind::Symlink(target) => builder.append_link(&mut header, name, as_path(target)),
        Kind::CharDevice(major, minor) | Kind::BlockDevice(major, minor) => {
            header.set_device_major(*major)?;
            header.set_device_minor(*minor)?;
            builder.append_data(&mut header, name, io::empty())
        }
        Kind::Directory(_) | Kind::Fifo => builder.append_data(&mut header, name, io::empty()),
    }
}

fn header(node: &Node) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(match node.kind {
        Kind::Directory(_) => tar::EntryType::Directory,
        Kind::File(_) => tar::EntryType::Regular,
        Kind::Symlink(_) => tar::EntryType::Symlink,
        Kind::CharDevice(..) => tar::EntryType::Char,
        Kind::BlockDevice(..) => tar::EntryType::Block,
        Kind::Fifo => tar::EntryType::Fifo,
    });
    header.set_mode(u32::from(node.meta.mode));
    header.set_uid(u64::from(node.meta.uid));
    header.set_gid(u64::from(node.meta.gid));
    header.set_mtime(u64::try_from(node.meta.mtime).unwrap_or(0));
    header.set_size(0);
    header
}

fn as_path(bytes: &[u8]) -> &Path {
    use std::os::unix::ffi::OsStrExt;
    Path::new(std::ffi::OsStr::from_bytes(bytes))
}

struct HashingWriter<W> {
    inner: W,
    hasher: Sha256,
    count: u64,
}

impl<W: Write> HashingWriter<W> {
    fn new(inner: W) -> Self {
        Self { inner, hasher: Sha256::new(), count: 0 }
    }

    fn finish(self) -> (W, Digest, u64) {
        (self.inner, Digest::from_hasher(self.hasher), self.count)
    }
}

impl<W: Write> Write for HashingWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        self.count += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
