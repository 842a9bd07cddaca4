//! Layers as real tools write them: each writer's archive in each of its formats, and each with every ending that an
//! archive may have, against what GNU tar and Go's archive/tar (and with it containerd) say of the same bytes.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use bundles::digest::Digest;
use bundles::layer::{Layer, apply};
use bundles::limits::Limits;
use bundles::reference::Reference;
use bundles::source;
use bundles::tree::{Kind, NodeId, Tree};
use common::{has_program, skip};

/// The file that comes last in every archive: its end is the archive's last byte that is not zero.
const LAST: &str = "zz-last";

/// Files that every format can hold; with `is_long`, those that need extensions too.
fn files(folder: &Path, is_long: bool) {
    let put = |name: &str, content: &[u8]| {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    };
    for size in [0, 1, 511, 512, 513, 5000] {
        put(&format!("a/of-{size}"), &vec![b'a'; size]);
    }
    fs::create_dir_all(folder.join("b/empty")).unwrap();
    put("b/tool", b"#!/bin/sh\n");
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o4755);
    fs::set_permissions(folder.join("b/tool"), executable).unwrap();
    put("b/with spaces", b"fine");
    fs::hard_link(folder.join("b/tool"), folder.join("b/twin")).unwrap();
    std::os::unix::fs::symlink("tool", folder.join("b/link")).unwrap();
    let sparse = fs::File::create(folder.join("a/sparse")).unwrap();
    sparse.set_len(400_000).unwrap();
    for offset in [100_000, 300_000] {
        sparse.write_all_at(&[b's'; 100], offset).unwrap();
    }
    if is_long {
        put("c/\u{e9}t\u{e9}", b"bon");
        put(&format!("c/{}", "n".repeat(250)), b"a long name");
        let deep = "deeper-and-deeper/".repeat(20);
        put(&format!("c/{deep}bottom"), b"a long path");
        std::os::unix::fs::symlink(format!("{deep}bottom"), folder.join("c/link")).unwrap();
    }
    put(LAST, &[b'z'; 700]);
    age(folder);
}

/// Whole seconds: some tools cut fractions off, some round.
fn age(folder: &Path) {
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_600_000_000);
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            age(&path);
        } else if !path.is_symlink() {
            fs::File::open(path).unwrap().set_modified(time).unwrap();
        }
    }
    fs::File::open(folder).unwrap().set_modified(time).unwrap();
}

/// Names in the folder, in order.
fn top(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

/// A tool with the arguments that make it write an archive of the files whose names follow.
struct Writer {
    name: String,
    command: Vec<String>,
    /// Its format has no place for long names.
    is_short: bool,
}

fn writer(name: &str, command: &str, is_short: bool) -> Writer {
    let command = command.split(' ').map(str::to_owned).collect();
    Writer { name: name.to_owned(), command, is_short }
}

fn writers(go: &Path) -> Vec<Writer> {
    let mut all = Vec::new();
    for (format, is_short) in
        [("v7", true), ("oldgnu", false), ("gnu", false), ("ustar", true), ("posix", false)]
    {
        let owner = "--owner=0 --group=0 --numeric-owner";
        let command = format!("tar --format={format} {owner} -cf -");
        all.push(writer(&format!("GNU tar {format}"), &command, is_short));
    }
    all.push(writer("GNU tar in single blocks", "tar --format=gnu -b 1 -cf -", false));
    for version in ["0.0", "0.1", "1.0"] {
        let command = format!("tar --format=posix -S --sparse-version={version} -cf -");
        all.push(writer(&format!("GNU tar sparse {version}"), &command, false));
    }
    for (format, is_short) in [("v7", true), ("gnutar", false), ("ustar", true), ("pax", false)] {
        let command = format!("bsdtar --format={format} --uid 0 --gid 0 -cf -");
        all.push(writer(&format!("bsdtar {format}"), &command, is_short));
    }
    all.push(writer("busybox", "busybox tar -cf -", false));
    let python = "import sys,tarfile\nwith tarfile.open(fileobj=sys.stdout.buffer,mode='w|',format=int(sys.argv[1])) as t:\n for n in sys.argv[2:]: t.add(n)";
    for (format, name, is_short) in [(0, "USTAR", true), (1, "GNU", false), (2, "PAX", false)] {
        let command = ["/usr/bin/python3", "-c", python, &format.to_string()].map(str::to_owned).to_vec();
        all.push(Writer { name: format!("Python {name}"), command, is_short });
    }
    for (name, is_short) in [("USTAR", true), ("GNU", false), ("PAX", false)] {
        let command = format!("{} write {name} .", go.display());
        all.push(writer(&format!("Go {name}"), &command, is_short));
    }
    all
}

impl Writer {
    /// The archive of a folder; `None` where the tool is missing.
    fn archive(&self, folder: &Path) -> Option<Vec<u8>> {
        if !self.command[0].contains('/') && !has_program(&self.command[0]) {
            skip(&self.name, "it is not installed");
            return None;
        }
        let mut command = Command::new(&self.command[0]);
        command.args(&self.command[1..]).args(top(folder)).current_dir(folder);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}: {}", self.name, String::from_utf8_lossy(&output.stderr));
        Some(output.stdout)
    }
}

/// What is in an archive, or why it is refused.
fn unpacked(bytes: &[u8]) -> Result<BTreeMap<String, String>, String> {
    let limits = Limits::default();
    let mut tree = Tree::new(&std::env::temp_dir(), &limits).unwrap();
    let digest = Digest::of(bytes);
    let layer = Layer { digest: Some(digest), size: bytes.len() as u64, diff_id: digest };
    apply(&mut tree, bytes, &layer, &limits, &mut (1 << 30)).map_err(|error| error.to_string())?;
    Ok(lines(&tree))
}

/// A line for each path: kind, mode, and content or target.
fn lines(tree: &Tree) -> BTreeMap<String, String> {
    let mut lines = BTreeMap::new();
    let mut pending = vec![(String::new(), NodeId::ROOT)];
    while let Some((path, id)) = pending.pop() {
        for (name, child) in tree.entries(id) {
            let path = format!("{path}/{}", String::from_utf8_lossy(name));
            let node = tree.node(child);
            let what = match &node.kind {
                Kind::Directory(_) => "folder".to_owned(),
                Kind::Symlink(target) => format!("link to {}", String::from_utf8_lossy(target)),
                Kind::File(extent) => Digest::of(&tree.spool().head(*extent, 1 << 20).unwrap()).hex(),
                other => format!("{other:?}"),
            };
            let (mode, time) = (node.meta.mode, node.meta.mtime);
            let link = matches!(node.kind, Kind::Symlink(_));
            lines.insert(path.clone(), if link { what } else { format!("{mode:o} {time} {what}") });
            pending.push((path, child));
        }
    }
    lines
}

/// The same lines of a folder.
fn expected(folder: &Path) -> BTreeMap<String, String> {
    let mut lines = BTreeMap::new();
    let mut pending = vec![folder.to_owned()];
    while let Some(directory) = pending.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let meta = fs::symlink_metadata(&path).unwrap();
            let (mode, time) = (meta.mode() & 0o7777, meta.mtime());
            let line = if meta.is_symlink() {
                format!("link to {}", fs::read_link(&path).unwrap().display())
            } else if meta.is_dir() {
                format!("{mode:o} {time} folder")
            } else {
                format!("{mode:o} {time} {}", Digest::of(&fs::read(&path).unwrap()).hex())
            };
            lines.insert(format!("/{}", path.strip_prefix(folder).unwrap().display()), line);
            if meta.is_dir() {
                pending.push(path);
            }
        }
    }
    lines
}

/// The archive with each ending, the regular one first.
fn endings(archive: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let last = archive.iter().rposition(|&byte| byte != 0).unwrap() + 1;
    let padded = last.next_multiple_of(512);
    let body = last - 700;
    let with = |end: usize, tail: &[u8]| [&archive[..end], tail].concat();
    let mut bad_sum = archive.to_vec();
    bad_sum[body - 512] ^= 1;
    vec![
        ("as written", archive.to_vec()),
        ("no end blocks", with(padded, b"")),
        ("no padding", with(last, b"")),
        ("padding cut short", with(padded - 5, b"")),
        ("one zero block", with(padded, &[0; 512])),
        ("two zero blocks", with(padded, &[0; 1024])),
        ("many zero blocks", with(padded, &[0; 51_200])),
        ("end and garbage", with(padded, &[vec![0; 1024], vec![b'x'; 1024]].concat())),
        ("end and part of a block", with(padded, &[vec![0; 1024], vec![b'x'; 100]].concat())),
        ("part of a zero block", with(padded, &[0; 100])),
        ("part of a header", with(padded, &archive[body - 512..body - 400])),
        ("garbage in place of the end", with(padded, &[b'x'; 1024])),
        ("one zero block and an entry", with(padded, &[&[0; 512], &archive[body - 512..padded]].concat())),
        ("cut within a body", with(body + 300, b"")),
        ("cut behind a header", with(body, b"")),
        ("cut within a header", with(body - 100, b"")),
        ("a wrong checksum", bad_sum),
    ]
}

/// Whether a program reads these bytes to their end and is content.
fn accepts(command: &mut Command, bytes: &[u8]) -> bool {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    // Who has seen enough hangs up.
    let _ = child.stdin.take().unwrap().write_all(bytes);
    child.wait().unwrap().success()
}

/// The Go program, built.
fn go_tool(folder: &Path) -> Option<PathBuf> {
    if !has_program("go") {
        return None;
    }
    let tool = folder.join("go-tar");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/writers/tar.go");
    let mut command = Command::new("go");
    command.args(["build", "-o"]).arg(&tool).arg(source).env("GOFLAGS", "-mod=mod").env("GO111MODULE", "off");
    assert!(command.status().unwrap().success());
    Some(tool)
}

#[test]
fn every_writer_with_every_ending() {
    let dir = tempfile::tempdir().unwrap();
    let Some(go) = go_tool(dir.path()) else {
        return skip("every_writer_with_every_ending", "go is not installed");
    };
    let (short, long) = (dir.path().join("short"), dir.path().join("long"));
    files(&short, false);
    files(&long, true);
    let (mut cells, mut wrong) = (0, Vec::new());
    for writer in writers(&go) {
        let folder = if writer.is_short { &short } else { &long };
        let Some(archive) = writer.archive(folder) else { continue };
        let whole = expected(folder);
        for (ending, bytes) in endings(&archive) {
            cells += 1;
            let gnu = accepts(Command::new("tar").args(["-xOf", "-"]), &bytes);
            let go = accepts(Command::new(&go).arg("read"), &bytes);
            let own = unpacked(&bytes);
            let cell = format!("{}, {ending}: GNU {gnu}, Go {go}, own {:?}", writer.name, own.as_ref().err());
            match &own {
                _ if gnu != go => {}
                Ok(found) if gnu && *found != whole => {
                    wrong.push(format!("{cell}: {:#?}", differing(found, &whole)))
                }
                own if own.is_ok() != gnu => wrong.push(cell),
                _ => {}
            }
        }
    }
    println!("{cells} cells");
    assert!(cells > 150, "only {cells} cells");
    assert!(wrong.is_empty(), "{} of {cells} cells:\n{}", wrong.len(), wrong.join("\n"));
}

/// What is in an image, all layers of it.
fn image(reference: &str) -> BTreeMap<String, String> {
    let reference: Reference = reference.parse().unwrap();
    let (limits, spool) = (Limits::default(), std::env::temp_dir());
    let mut source = source::open(&reference, &spool, &limits).unwrap();
    let image = source.resolve(&limits).unwrap();
    lines(&source::unpack(&mut *source, &image, &spool, &limits, &|_| {}).unwrap())
}

/// Runs a tool in a folder; `false`, said loudly, where it is missing.
fn run(folder: &Path, commands: &[&str]) -> bool {
    for command in commands {
        let words: Vec<&str> = command.split(' ').collect();
        if !has_program(words[0]) {
            skip(words[0], "it is not installed");
            return false;
        }
        let output = Command::new(words[0]).args(&words[1..]).current_dir(folder).output().unwrap();
        assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    }
    true
}

/// The lines of what is below a path.
fn below(lines: &BTreeMap<String, String>, path: &str) -> BTreeMap<String, String> {
    let inside = |name: &str| name.strip_prefix(path).is_some_and(|rest| rest.starts_with('/'));
    lines.clone().into_iter().filter(|(name, _)| inside(name)).collect()
}

#[test]
fn images_of_tools() {
    let dir = tempfile::tempdir().unwrap();
    files(&dir.path().join("r"), true);
    let whole = expected(dir.path());
    let check = |tool: &str, reference: &str| {
        let found = image(reference);
        let differing = differing(&below(&found, "/r"), &below(&whole, "/r"));
        assert!(differing.is_empty(), "{tool}: {differing:#?}");
    };
    let layout = format!("oci:{}/layout", dir.path().display());
    if run(
        dir.path(),
        &["umoci init --layout layout", "umoci new --image layout:t", "umoci insert --image layout:t r /r"],
    ) {
        check("umoci insert", &format!("{layout}:t"));
        let unpack = ["umoci unpack --image layout:t unpacked"];
        assert!(run(dir.path(), &unpack));
        fs::write(dir.path().join("unpacked/rootfs/new"), [b'n'; 700]).unwrap();
        assert!(run(dir.path(), &["umoci repack --image layout:t unpacked"]));
        check("umoci repack", &format!("{layout}:t"));
        assert!(image(&format!("{layout}:t")).contains_key("/new"));
        if run(
            dir.path(),
            &["skopeo --insecure-policy copy --quiet oci:layout:t docker-archive:old.tar:r/r:t"],
        ) {
            check(
                "an archive as docker saved it",
                &format!("docker-archive:{}/old.tar", dir.path().display()),
            );
        }
        saved(dir.path(), "layout");
        check("an archive as docker saves it", &format!("docker-archive:{}/new.tar", dir.path().display()));
        check("the same as a layout", &format!("oci-archive:{}/new.tar:t", dir.path().display()));
    }
    let storage = "--storage-driver vfs --root storage --runroot run";
    let buildah = |command: &str| format!("buildah {storage} {command}");
    if nix::unistd::geteuid().is_root()
        && run(
            dir.path(),
            &[
                &buildah("from --name made scratch"),
                &buildah("copy -q made r /r"),
                &buildah("commit -q --disable-compression made oci:built:t"),
            ],
        )
    {
        check("buildah", &format!("oci:{}/built:t", dir.path().display()));
    }
}

/// `new.tar`, as docker saves images since version 25: a layout with the list of images that it always had.
fn saved(folder: &Path, layout: &str) {
    let blob = |descriptor: &serde_json::Value| {
        format!("blobs/sha256/{}", descriptor["digest"].as_str().unwrap().strip_prefix("sha256:").unwrap())
    };
    let read = |name: &str| -> serde_json::Value {
        serde_json::from_slice(&fs::read(folder.join(layout).join(name)).unwrap()).unwrap()
    };
    let manifest = read(&blob(&read("index.json")["manifests"][0]));
    let layers: Vec<String> = manifest["layers"].as_array().unwrap().iter().map(blob).collect();
    let entry =
        serde_json::json!([{"Config": blob(&manifest["config"]), "RepoTags": ["r/r:t"], "Layers": layers}]);
    fs::write(folder.join(layout).join("manifest.json"), entry.to_string()).unwrap();
    assert!(run(
        folder,
        &[&format!("tar -C {layout} -cf new.tar blobs index.json manifest.json oci-layout")]
    ));
}

fn differing(found: &BTreeMap<String, String>, expected: &BTreeMap<String, String>) -> Vec<String> {
    let names: std::collections::BTreeSet<_> = found.keys().chain(expected.keys()).collect();
    let differ = names.into_iter().filter(|name| found.get(*name) != expected.get(*name));
    differ.map(|name| format!("{name}: {:?}, not {:?}", found.get(name), expected.get(name))).collect()
}
