//! The base image, buildah, and the comparison of two images: trees without times, and configurations.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{Image, text};
use crate::common::layout;

/// Programs that Dockerfiles of the tests use.
const PROGRAMS: [&str; 22] = [
    "sh", "cat", "chmod", "chown", "cp", "date", "dd", "echo", "id", "kill", "ln", "ls", "mkdir", "mv",
    "pwd", "rm", "sleep", "test", "touch", "true", "false", "wget",
];

/// Writes an image of busybox-static into a layout.
pub fn make_base(folder: &Path) {
    let busybox = ["/bin/busybox", "/usr/bin/busybox"].into_iter().find_map(|path| fs::read(path).ok());
    let busybox = busybox.expect("busybox-static is installed: make setup-test");
    let mut archive = tar::Builder::new(Vec::new());
    let mut put = |path: &str, kind: tar::EntryType, mode: u32, owner: u64, content: &[u8], link: &str| {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(owner);
        header.set_gid(owner);
        header.set_mtime(1_000_000_000);
        header.set_size(content.len() as u64);
        if link.is_empty() {
            archive.append_data(&mut header, path, content).expect("memory is writable");
        } else {
            archive.append_link(&mut header, path, link).expect("memory is writable");
        }
    };
    let (directory, regular, symlink) =
        (tar::EntryType::Directory, tar::EntryType::Regular, tar::EntryType::Symlink);
    let folders =
        ["bin", "dev", "etc", "proc", "run", "sys", "home", "home/web", "data", "data/tree", "data/moves"];
    for path in folders {
        put(path, directory, 0o755, 0, b"", "");
    }
    put("tmp", directory, 0o1777, 0, b"", "");
    put("bin/busybox", regular, 0o755, 0, &busybox, "");
    for program in PROGRAMS {
        put(&format!("bin/{program}"), symlink, 0o777, 0, b"", "busybox");
    }
    let files: [(&str, &[u8]); 8] = [
        ("etc/passwd", b"root:x:0:0:root:/root:/bin/sh\nweb:x:33:44:web:/home/web:/bin/sh\n"),
        ("etc/group", b"root:x:0:\nwebs:x:44:\n"),
        ("data/gone", b"gone"),
        ("data/kept", b"kept"),
        ("data/tree/old", b"old"),
        ("data/moves/a", b"a"),
        ("data/moves/b", b"b"),
        ("data/still", b"still"),
    ];
    for (path, content) in files {
        put(path, regular, 0o644, 0, content, "");
    }
    let layer = archive.into_inner().expect("memory is writable");
    let env = ["PATH=/bin".to_owned(), "FROM_BASE=yes".to_owned()];
    layout::write_with_env(folder, &layer, "/bin/sh", "amd64", &env);
}

/// What buildah makes of the same, as a layout.
pub fn buildah(context: &Path, base: &Path, output: &Path) -> PathBuf {
    let storage = output.with_extension("storage");
    let globals = |command: &mut Command| {
        command.arg("--storage-driver=vfs");
        command.arg("--root").arg(storage.join("root")).arg("--runroot").arg(storage.join("run"));
    };
    // An older buildah has no named contexts: the base goes into its store under that name.
    let mut pull = Command::new("buildah");
    globals(&mut pull);
    let pulled =
        pull.args(["pull", "-q"]).arg(format!("oci:{}", base.display())).output().expect("buildah starts");
    assert!(pulled.status.success(), "{}", text(&pulled.stderr));
    let id = text(&pulled.stdout).trim().to_owned();
    let mut tag = Command::new("buildah");
    globals(&mut tag);
    assert!(tag.args(["tag", &id, "localhost/base:latest"]).status().expect("buildah starts").success());
    let mut build = Command::new("buildah");
    globals(&mut build);
    build.args([
        "bud",
        "--isolation=chroot",
        "--layers=true",
        "--pull=never",
        "--network=host",
        "-t",
        "built",
    ]);
    let built = build.arg(context).output().expect("buildah starts");
    assert!(built.status.success(), "buildah: {}\n{}", text(&built.stdout), text(&built.stderr));
    let mut push = Command::new("buildah");
    globals(&mut push);
    let pushed = push.args(["push", "-q", "built"]).arg(format!("oci:{}", output.display())).output();
    let pushed = pushed.expect("buildah starts");
    assert!(pushed.status.success(), "{}", text(&pushed.stderr));
    let _ = fs::remove_dir_all(storage);
    output.to_owned()
}

/// Both images have the same files and the same configuration.
pub fn assert_same(name: &str, ours: &Path, theirs: &Path) {
    let (our_tree, their_tree) = (tree(ours), tree(theirs));
    let paths: std::collections::BTreeSet<&String> = our_tree.keys().chain(their_tree.keys()).collect();
    let differences: Vec<String> = paths
        .into_iter()
        .filter(|path| our_tree.get(*path) != their_tree.get(*path))
        .map(|path| format!("{path}: ours {:?}, buildah's {:?}", our_tree.get(path), their_tree.get(path)))
        .collect();
    assert!(differences.is_empty(), "{name}: {differences:#?}");
    assert_eq!(config(ours), config(theirs), "{name}");
}

/// Path to type, mode, owner, content or target; names of one inode are told together.
pub fn tree(folder: &Path) -> BTreeMap<String, String> {
    let image = Image::open(folder);
    let mut files: BTreeMap<String, String> = BTreeMap::new();
    let mut links: BTreeMap<String, String> = BTreeMap::new();
    for layer in image.manifest["layers"].as_array().expect("layers") {
        let hex = layer["digest"].as_str().and_then(|text| text.strip_prefix("sha256:")).expect("a digest");
        let bytes = fs::read(image.folder.join("blobs/sha256").join(hex)).expect("a layer");
        let mut plain = Vec::new();
        if bytes.starts_with(&[0x1f, 0x8b]) {
            flate2::read::MultiGzDecoder::new(&bytes[..]).read_to_end(&mut plain).expect("gzip");
        } else {
            plain = bytes;
        }
        apply(&plain, &mut files, &mut links);
    }
    // buildah leaves empty files where it mounted its own.
    for supplied in ["etc/hosts", "etc/hostname", "etc/resolv.conf"] {
        files.remove(supplied);
    }
    for (path, first) in links {
        if let Some(about) = files.get(&first).cloned() {
            files.insert(path, about);
        }
    }
    files
}

fn apply(layer: &[u8], files: &mut BTreeMap<String, String>, links: &mut BTreeMap<String, String>) {
    let mut own: Vec<String> = Vec::new();
    for entry in tar::Archive::new(layer).entries().expect("an archive") {
        let mut entry = entry.expect("an entry");
        let path = text(&entry.path_bytes()).trim_start_matches("./").trim_matches('/').to_owned();
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", &path));
        if name == ".wh..wh..opq" {
            let below = format!("{parent}/");
            files.retain(|other, _| !other.starts_with(&below) || own.contains(other));
            continue;
        }
        if let Some(hidden) = name.strip_prefix(".wh.") {
            let hidden = if parent.is_empty() { hidden.to_owned() } else { format!("{parent}/{hidden}") };
            let below = format!("{hidden}/");
            files.retain(|other, _| *other != hidden && !other.starts_with(&below));
            links.retain(|other, _| *other != hidden && !other.starts_with(&below));
            continue;
        }
        own.push(path.clone());
        let header = entry.header().clone();
        let kind = header.entry_type();
        if kind == tar::EntryType::Link {
            let target = entry.link_name_bytes().map(|name| text(&name)).expect("a target");
            links.insert(path, target.trim_start_matches("./").trim_matches('/').to_owned());
            continue;
        }
        links.remove(&path);
        let mut content = Vec::new();
        entry.read_to_end(&mut content).expect("bytes");
        let target = entry.link_name_bytes().map(|name| text(&name)).unwrap_or_default();
        let mode =
            if kind == tar::EntryType::Symlink { 0o777 } else { header.mode().expect("a mode") & 0o7777 };
        let owner = (header.uid().expect("a number"), header.gid().expect("a number"));
        let digest = hex::encode(Sha256::digest(&content));
        let about = format!("{kind:?} {mode:o} {owner:?} {} {} {target}", content.len(), &digest[..12]);
        if kind != tar::EntryType::Directory {
            let below = format!("{path}/");
            files.retain(|other, _| !other.starts_with(&below));
        }
        if !path.is_empty() {
            files.insert(path, about);
        }
    }
}

/// What containers are like, without what tools add of their own.
fn config(folder: &Path) -> Value {
    let image = Image::open(folder);
    let mut config = image.config["config"].clone();
    let object = config.as_object_mut().expect("a configuration");
    // Docker's fields, which buildah leaves out of an OCI image.
    for field in ["Healthcheck", "OnBuild", "Shell"] {
        object.remove(field);
    }
    if let Some(labels) = object.get_mut("Labels").and_then(Value::as_object_mut) {
        labels.retain(|name, _| !name.starts_with("io.buildah."));
    }
    object.retain(|_, value| {
        !value.is_null() && *value != json!({}) && *value != json!([]) && *value != json!("")
    });
    // The root is where everything starts that names no folder.
    if object.get("WorkingDir") == Some(&json!("/")) {
        object.remove("WorkingDir");
    }
    config
}
