//! OCI layouts for tests, written byte by byte: good ones, and ones that no tool would write.

use serde_json::json;
use sha2::{Digest, Sha256};
use std::path::Path;

/// A file of an image, which anybody may run.
pub struct File<'a>(pub &'a str, pub &'a [u8]);

/// The archive of a layer. Paths are taken as they are, however hostile.
pub fn layer(files: &[File<'_>]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for File(path, bytes) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o755);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_entry_type(tar::EntryType::Regular);
        // The library refuses to write `..`; what is hostile is written past it.
        header.as_ustar_mut().expect("a ustar header").name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_cksum();
        archive.append(&header, *bytes).expect("memory is writable");
    }
    archive.into_inner().expect("memory is writable")
}

/// The digest of some bytes, as manifests write it.
pub fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

/// Writes a layout of one layer, with a command and for an architecture; gives the manifest's digest.
pub fn write(folder: &Path, layer: &[u8], command: &str, architecture: &str) -> String {
    write_with_env(folder, layer, command, architecture, &[])
}

/// The same with an environment.
pub fn write_with_env(
    folder: &Path,
    layer: &[u8],
    command: &str,
    architecture: &str,
    env: &[String],
) -> String {
    let blobs = folder.join("blobs/sha256");
    std::fs::create_dir_all(&blobs).expect("a folder can be made");
    let put = |bytes: &[u8], kind: &str| {
        let digest = digest(bytes);
        std::fs::write(blobs.join(&digest[7..]), bytes).expect("a file can be written");
        json!({"mediaType": kind, "digest": digest, "size": bytes.len()})
    };
    let layer = put(layer, "application/vnd.oci.image.layer.v1.tar");
    let config = json!({"architecture": architecture, "os": "linux", "config": {"Entrypoint": [command], "Env": env},
        "rootfs": {"type": "layers", "diff_ids": [layer["digest"]]}, "history": [{"created_by": "a test"}]});
    let config = put(config.to_string().as_bytes(), "application/vnd.oci.image.config.v1+json");
    let manifest = json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": config, "layers": [layer]});
    let manifest = put(manifest.to_string().as_bytes(), "application/vnd.oci.image.manifest.v1+json");
    let index = json!({"schemaVersion": 2, "manifests": [manifest]});
    std::fs::write(folder.join("index.json"), index.to_string()).expect("a file can be written");
    std::fs::write(folder.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#)
        .expect("a file can be written");
    manifest["digest"].as_str().expect("a text").to_owned()
}
