//! Every way to get it wrong ends in a message that names the cause and the fix, and leaves nothing behind.

use std::path::Path;
use std::process::Command;

use serde_json::json;

use super::parts::image::{Layout, Packing};
use super::parts::registry::{Guard, Registry, certificate, two_layers};
use super::parts::skip;
use super::parts::tarball::Tarball;
use super::{PROGRAMS, bundle, credentials, text};

/// Bundling fails, says all of `told`, and leaves nothing.
fn refused(folder: &Path, reference: &str, options: &[&str], told: &[&str]) {
    let output = folder.join("out/bundle");
    let ended = bundle(reference, &output, options);
    let message = text(&ended.stderr);
    assert_eq!(ended.status, 1, "{reference} {options:?}: {message}");
    for part in told {
        assert!(message.contains(part), "{reference} {options:?}: {part:?} is not in: {message}");
    }
    assert!(!message.contains("panicked"), "{message}");
    let left: Vec<_> = std::fs::read_dir(folder.join("out"))
        .expect("the folder is made")
        .flatten()
        .map(|entry| entry.path())
        .collect();
    assert!(left.is_empty(), "{reference} left {left:?}");
}

#[test]
fn each_wrong_variant_of_a_private_registry() {
    let Some(registry) = Registry::start(Guard { tls: true, password: true }) else {
        return skip("wrong variants of a private registry", PROGRAMS);
    };
    registry.push("team/image:v1", &two_layers(1));
    let folder = tempfile::tempdir().expect("a folder can be made");
    let file = |name: &str, content: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).expect("a file can be written");
        path.display().to_string()
    };
    let good = file("good.json", &credentials(&registry.host, "secret"));
    let wrong = file("wrong.json", &credentials(&registry.host, "guessed"));
    let broken = file("broken.json", "{");
    certificate(folder.path(), "other");
    let other = folder.path().join("other.ca").display().to_string();
    let own = registry.authority().display().to_string();
    let image = format!("docker://{}/team/image:v1", registry.host);
    let refused = |reference: &str, options: &[&str], told: &[&str]| {
        refused(folder.path(), reference, options, told);
    };
    let trusted = ["--registry-ca", &own];
    let with = |file: &'static str| [trusted.as_slice(), &["--registry-auth", file]].concat();
    // Options live as long as the test.
    let [good, wrong, broken] = [good, wrong, broken].map(|text| &*text.leak());
    refused(&image, &trusted, &["refuses access to team/image", "wants credentials", "name a pull secret"]);
    refused(&image, &with(wrong), &["credentials are wrong", "pull secret"]);
    refused(&image, &with(broken), &["cannot use the registry credentials", "config.json"]);
    refused(&image, &["--registry-auth", good], &["certificate", "not trusted", "--registry-ca"]);
    refused(&image, &["--registry-ca", &other, "--registry-auth", good], &["not trusted", "--registry-ca"]);
    refused(&image, &["--registry-ca", good], &["no usable certificates in PEM"]);
    let missing = image.replace(":v1", ":v2");
    refused(&missing, &with(good), &["has no team/image/manifests/v2", "check the name and the tag"]);
    let digest = format!("{}@sha256:{}", image.replace(":v1", ""), "0".repeat(64));
    refused(&digest, &with(good), &["has no team/image/manifests/sha256:000"]);
    assert_eq!(bundle(&image, &folder.path().join("good"), &with(good)).status, 0);
}

#[test]
fn another_platform_and_another_protocol() {
    let Some(registry) = Registry::start(Guard::default()) else {
        return skip("wrong platform", PROGRAMS);
    };
    let folder = tempfile::tempdir().expect("a folder can be made");
    let mut layout = Layout::new(&folder.path().join("arm"), &two_layers(2));
    layout.config["architecture"] = json!("arm64");
    registry.copy(&layout.write(), "arm:v1", &[]);
    let reference = format!("docker://{}/arm:v1", registry.host);
    let plain = ["--insecure-registry", &registry.host];
    let fix = "build and push it for linux/amd64";
    refused(folder.path(), &reference, &plain, &["the image is for linux/arm64", fix]);

    let layout =
        Layout::new(&folder.path().join("index"), &[(Tarball::new().file("x", b"x"), Packing::Gzip)]);
    registry.copy(&of_platforms(layout, &["arm64", "riscv64"]), "index:v1", &["--all"]);
    let reference = format!("docker://{}/index:v1", registry.host);
    refused(folder.path(), &reference, &plain, &["linux/arm64, linux/riscv64", fix]);

    refused(folder.path(), &reference, &[], &["does not speak TLS", "--insecure-registry"]);
}

/// Writes a layout whose image is an index with the same manifest for each platform; returns its reference.
pub fn of_platforms(mut layout: Layout, architectures: &[&str]) -> String {
    let config =
        layout.blob(layout.config.to_string().as_bytes(), "application/vnd.oci.image.config.v1+json");
    layout.manifest["config"] = config;
    let manifests: Vec<_> = architectures
        .iter()
        .map(|architecture| {
            // Each with a digest of its own.
            layout.manifest["annotations"] = json!({"architecture": architecture});
            let bytes = layout.manifest.to_string();
            let mut entry = layout.blob(bytes.as_bytes(), "application/vnd.oci.image.manifest.v1+json");
            entry["platform"] = json!({"os": "linux", "architecture": architecture});
            entry
        })
        .collect();
    let index = json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": manifests});
    let entry = layout.blob(index.to_string().as_bytes(), "application/vnd.oci.image.index.v1+json");
    layout.write_index(&[entry])
}

#[test]
fn a_full_disk_is_named() {
    let Some(registry) = Registry::start(Guard::default()) else {
        return skip("a full disk", PROGRAMS);
    };
    registry.push("image:v1", &two_layers(3));
    let folder = tempfile::tempdir().expect("a folder can be made");
    let mount = ["-t", "tmpfs", "-o", "size=200k", "tmpfs"];
    let mounted = Command::new("mount").args(mount).arg(folder.path()).status();
    if !nix::unistd::geteuid().is_root() || !mounted.is_ok_and(|status| status.success()) {
        return skip("a full disk", "needs the right to mount a small tmpfs");
    }
    let reference = format!("docker://{}/image:v1", registry.host);
    let options = ["--insecure-registry", &registry.host];
    let result = std::panic::catch_unwind(|| {
        refused(folder.path(), &reference, &options, &["No space left", "free space on the volume"]);
    });
    Command::new("umount").arg(folder.path()).status().expect("umount starts");
    result.expect("a message that names the disk");
}
