//! Images that are broken or hostile: each ends in an error that says what is wrong, and leaves nothing behind.
#![allow(clippy::expect_used, reason = "a test that cannot go on says why and ends")]

mod common;

use common::layout::{self, File, digest, layer};
use common::node::{Node, function};
use common::{Ended, binary, kvm_or_skip, run};
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

fn bundle(reference: &str, output: &Path) -> Ended {
    let mut command = Command::new(binary("kontain-faas"));
    command.args(["bundle", reference, "-o"]).arg(output);
    run(&mut command, b"", Duration::from_secs(60)).expect("bundling ends")
}

/// Bundling fails, says `told`, and leaves no bundle.
fn refused(folder: &Path, reference: &str, told: &str) {
    let output = folder.join("bundle");
    let ended = bundle(reference, &output);
    let message = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert_eq!(ended.status, 1, "{reference}: {message}");
    assert!(message.to_lowercase().contains(told), "{reference}: {told:?} is not in: {message}");
    assert!(!message.contains("panicked"), "{message}");
    let left = std::fs::read_dir(&output)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .collect::<Vec<_>>();
    assert!(left.is_empty(), "{reference} left {left:?}");
}

/// The blob of the layout's layer.
fn blob(folder: &Path, layer: &[u8]) -> std::path::PathBuf {
    folder.join("blobs/sha256").join(&digest(layer)[7..])
}

#[test]
fn what_bundling_refuses() {
    let folder = TempDir::new().expect("a folder can be made");
    let good = layer(&[File("bin/program", b"#!/bin/true\n")]);

    let empty = folder.path().join("empty.tar");
    std::fs::write(&empty, b"").expect("a file can be written");
    refused(folder.path(), &format!("oci-archive:{}", empty.display()), "");
    refused(folder.path(), &format!("docker-archive:{}", empty.display()), "");
    refused(folder.path(), "oci:/nowhere/at/all", "nowhere");

    let truncated = folder.path().join("truncated");
    layout::write(&truncated, &good, "/bin/program", "amd64");
    std::fs::write(blob(&truncated, &good), &good[..700]).expect("a file can be written");
    refused(folder.path(), &format!("oci:{}", truncated.display()), "");

    let flipped = folder.path().join("flipped");
    layout::write(&flipped, &good, "/bin/program", "amd64");
    let mut bytes = good.clone();
    bytes[600] ^= 1;
    std::fs::write(blob(&flipped, &good), bytes).expect("a file can be written");
    refused(folder.path(), &format!("oci:{}", flipped.display()), "digest");

    for path in ["../../escape", "bin/../../../escape"] {
        let escaping = folder.path().join("escaping");
        layout::write(&escaping, &layer(&[File(path, b"evil")]), "/bin/program", "amd64");
        refused(folder.path(), &format!("oci:{}", escaping.display()), "/escape");
        std::fs::remove_dir_all(&escaping).expect("it is there");
    }
    assert!(!folder.path().join("escape").exists() && !Path::new("/escape").exists());
}

/// An ELF file like `program`, with the byte at `offset` changed.
fn altered(program: &[u8], offset: usize, byte: u8) -> Vec<u8> {
    let mut bytes = program.to_vec();
    bytes[offset] = byte;
    bytes
}

#[test]
fn what_baking_refuses() {
    if !kvm_or_skip("programs that no machine runs") {
        return;
    }
    let node = Node::start(&[]);
    let program = std::fs::read(function("probe")).expect("readable");
    let images = node.folder().join("images");
    const CLASS: usize = 4;
    const MACHINE: usize = 18;
    const ARM: u8 = 40;
    const ARM64: u8 = 183;
    // Each with the words that say what it is, or what to do.
    let cases: [(&str, Vec<u8>, &str); 9] = [
        (
            "another-machine",
            altered(&program, MACHINE, ARM),
            "32-bit ARM (arm): build the image for linux/amd64",
        ),
        ("of-arm64", altered(&program, MACHINE, ARM64), "ARM (arm64): build the image for linux/amd64"),
        ("of-32-bits", altered(&program, CLASS, 1), "32-bit program"),
        ("no-interpreter", b"#!/bin/not-there\n".to_vec(), "its interpreter /bin/not-there cannot be had"),
        ("of-windows-lines", b"#!/program\r\n".to_vec(), "carriage return"),
        ("no-first-line", b"echo hello\n".to_vec(), "begin it with #!/bin/sh"),
        ("no-name", b"#!\necho hello\n".to_vec(), "names no interpreter"),
        ("no-elf", b"PK\x03\x04\0\0".to_vec(), "neither a program (ELF) nor a script"),
        ("no-program", Vec::new(), "it is empty"),
    ];
    for (name, bytes, _) in &cases {
        layout::write(&images.join(name), &layer(&[File("program", bytes)]), "/program", "amd64");
        node.document(name, &format!("  image: oci:{name}\n"));
    }
    for (name, _, cause) in &cases {
        let entry = node.settled(name);
        assert_eq!(entry["phase"], "Failed", "{entry}");
        let message = entry["message"].as_str().expect("a message");
        assert!(message.contains(cause), "{name}: {cause:?} is not in {message}");
        let answer = node.get(&format!("/default/{name}/"));
        assert_eq!(answer.status, 502, "{name}: {}", answer.text());
    }
    let snapshots = std::fs::read_dir(node.folder().join("volume/snapshots"));
    let left: Vec<_> = snapshots.into_iter().flatten().flatten().map(|entry| entry.file_name()).collect();
    assert!(left.is_empty(), "{left:?} are left");
}

/// So many variables of so many bytes each, name and NUL included.
fn variables(count: usize, bytes: usize) -> Vec<String> {
    let name = |number| format!("LONG{number}=");
    (0..count).map(|number| name(number) + &"x".repeat(bytes - 1 - name(number).len())).collect()
}

#[test]
fn environments_may_be_as_long_as_those_of_linux() {
    if !kvm_or_skip("programs with long environments") {
        return;
    }
    let node = Node::start(&[]);
    let program = std::fs::read(function("probe")).expect("readable");
    let images = node.folder().join("images");
    let publish = |name: &str, env: &[String], spec: &str| {
        let layer = layer(&[File("program", &program)]);
        layout::write_with_env(&images.join(name), &layer, "/program", "amd64", env);
        node.document(name, &format!("  image: oci:{name}\n{spec}"));
    };
    // In all, and of one: with room for what the server adds to it.
    for (name, count, bytes) in [("long", 2, 100 << 10), ("longest", 20, 100 << 10), ("one", 1, 128 << 10)] {
        publish(name, &variables(count, bytes), "");
        assert_eq!(node.settled(name)["phase"], "Ready", "{name}: the log:\n{}", node.log());
        let answer = node.get(&format!("/default/{name}/environment"));
        assert_eq!(answer.text(), format!("{count} variables of {} bytes\n", count * bytes), "{name}");
    }
    let value = "y".repeat(100_000);
    let env: String =
        (0..2).map(|number| format!("    - {{name: LONG{number}, value: {value}}}\n")).collect();
    publish("of-document", &[], &format!("  snapshot: none\n  env:\n{env}"));
    assert_eq!(node.settled("of-document")["phase"], "Ready", "the log:\n{}", node.log());
    let answer = node.get("/default/of-document/environment");
    assert_eq!(answer.text(), format!("2 variables of {} bytes\n", 2 * "LONG0=".len() + 2 * 100_001));
    for (name, count, bytes, told) in [
        ("beyond", 21, 100 << 10, "at most 2097152 are possible"),
        ("one-beyond", 1, (128 << 10) + 1, "`LONG0` of the environment has 131072 bytes: at most 131071"),
    ] {
        publish(name, &variables(count, bytes), "");
        let entry = node.settled(name);
        let message = entry["message"].as_str().unwrap_or_default();
        assert!(message.contains(told) && message.contains("spec.env"), "{name}: {entry}");
    }
}
