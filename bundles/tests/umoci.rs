//! The same image by another tool: `umoci unpack` and the kernel's view of our image must list the same; and the plain
//! directory runs under crun.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::path::Path;
use std::process::Command;

use bundles::assemble::{PlainDirectory, into_directory};
use bundles::bundle::Bundle;
use bundles::limits::Limits;
use bundles::pack::{Program, pack, to_layout};
use bundles::reference::Reference;
use bundles::source;
use common::image::{Layout, Packing};
use common::listing::{assert_same, listing};
use common::mount::Mounted;
use common::tarball::{Raw, Tarball};
use common::{has_program, skip};

fn bundle(reference: &str, out: &Path) -> Bundle {
    let reference: Reference = reference.parse().unwrap();
    let limits = Limits::default();
    let mut source = source::open(&reference, &std::env::temp_dir(), &limits).unwrap();
    into_directory(&mut *source, out, PlainDirectory::Rootfs, &limits, &|_| {}).unwrap()
}

fn base() -> Tarball {
    let mut tarball = Tarball::new()
        .dir("./")
        .dir("tmp/")
        .dir("bin/")
        .file_mode("bin/tool", b"tool", 0o4755)
        .hardlink("bin/alias", "bin/tool", 0o4755)
        .symlink("sbin", "bin")
        .dir("etc")
        .file("etc/remove-me", b"")
        .dir("etc/conf.d")
        .file("etc/conf.d/low", b"low")
        .dir("opaque")
        .file("opaque/low", b"")
        .dir("replaced")
        .file("replaced/x", b"")
        .dir("dev")
        .device("dev/null", b'3', 1, 3)
        .device("dev/fifo", b'6', 0, 0)
        .dir("many");
    let long = format!("many/{}", "l".repeat(200));
    tarball = tarball.extension(b'L', long.as_bytes()).file("short", b"long name");
    let raw = Raw { name: b"etc/owned", uid: 1234, mode: 0o1640, size: 3, ..Raw::default() };
    tarball = tarball.raw(&raw, b"own");
    tarball = tarball
        .pax(&[("SCHILY.xattr.user.note", b"line\none"), ("mtime", b"1500000000.25")])
        .file("etc/noted", b"noted");
    (0..400).fold(tarball, |tarball, n| {
        tarball.file(&format!("many/file-{n}"), format!("content {n}").as_bytes())
    })
}

fn upper() -> Tarball {
    Tarball::new()
        .dir("etc")
        .file("etc/.wh.remove-me", b"")
        .dir("opaque")
        .file("opaque/.wh..wh..opq", b"")
        .file("opaque/new", b"new")
        .file("replaced", b"now a file")
        .file("sbin/through", b"through the link")
        .hardlink("etc/hard", "etc/conf.d/low", 0o644)
        .file(".wh.absent", b"")
        .file("many/file-7", b"changed")
}

#[test]
fn lists_the_same_as_umoci() {
    let dir = tempfile::tempdir().unwrap();
    let layers = [(base(), Packing::Gzip), (upper(), Packing::Gzip)];
    let mut layout = Layout::new(&dir.path().join("layout"), &layers);
    layout.config["config"] = serde_json::json!({});
    let reference = layout.write();
    compare(dir.path(), &reference, "lists_the_same_as_umoci");
}

#[test]
fn packed_programs_list_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program { command: vec!["sh".to_owned()], ..Program::default() };
    let packed = pack(&program, dir.path()).unwrap();
    to_layout(&packed, &dir.path().join("layout"), "v1").unwrap();
    compare(
        dir.path(),
        &format!("oci:{}:v1", dir.path().join("layout").display()),
        "packed_programs_list_the_same",
    );
}

/// By hand, for large images: KONTAIN_TEST_IMAGE=oci:PATH:TAG cargo test -p bundles --test umoci -- --ignored
#[test]
#[ignore = "needs an image, named in KONTAIN_TEST_IMAGE"]
fn a_named_image_lists_the_same() {
    let dir = tempfile::tempdir().unwrap();
    compare(dir.path(), &std::env::var("KONTAIN_TEST_IMAGE").unwrap(), "a_named_image_lists_the_same");
}

fn compare(dir: &Path, reference: &str, test: &str) {
    let bundle = bundle(reference, &dir.join("bundle"));
    if !has_program("umoci") {
        return skip(test, "umoci is not installed");
    }
    let Some(mounted) = Mounted::new(&bundle.rootfs()) else {
        return skip(test, "needs root, loop devices and a kernel with EROFS");
    };
    let image = reference.strip_prefix("oci:").unwrap();
    let status = Command::new("umoci").args(["unpack", "--image", image]).arg(dir.join("umoci")).status();
    assert!(status.unwrap().success());
    assert_same(&listing(&mounted.path()), &listing(&dir.join("umoci/rootfs")));
    if has_program("fsck.erofs") {
        assert!(Command::new("fsck.erofs").arg(bundle.rootfs()).status().unwrap().success());
    }
}

#[test]
fn plain_directory_has_no_power_on_the_host() {
    let dir = tempfile::tempdir().unwrap();
    let layers = [(base(), Packing::Zstd), (upper(), Packing::Plain)];
    let layer = Tarball::new()
        .pax(&[("SCHILY.xattr.security.capability", b"\x01\0\0\x02x")])
        .file_mode("cap", b"", 0o6755);
    let layers = [layers[0].clone(), layers[1].clone(), (layer, Packing::Gzip)];
    bundle(&Layout::new(&dir.path().join("layout"), &layers).write(), &dir.path().join("out"));
    let lines = listing(&dir.path().join("out/rootfs"));
    assert!(!lines.contains_key("dev/null"));
    assert!(lines["bin/tool"].starts_with("100755 "), "{}", lines["bin/tool"]);
    assert!(lines["cap"].starts_with("100755 ") && lines["cap"].contains("[]"), "{}", lines["cap"]);
    assert!(lines["bin/tool"].contains("links=2"));
    assert!(lines["etc/noted"].contains("mtime=1500000000.25"));
    assert!(lines["sbin"].ends_with(" bin"));
}

#[test]
fn plain_directory_runs_under_crun() {
    const TEST: &str = "plain_directory_runs_under_crun";
    if !has_program("crun") || !nix::unistd::geteuid().is_root() {
        return skip(TEST, "needs crun and root");
    }
    let dir = tempfile::tempdir().unwrap();
    let program = Program {
        command: ["sh", "-c", "echo $((6*7)) $GREETING"].map(str::to_owned).to_vec(),
        env: vec!["GREETING=hello".to_owned()],
        ..Program::default()
    };
    let packed = pack(&program, dir.path()).unwrap();
    to_layout(&packed, &dir.path().join("layout"), "v1").unwrap();
    let out = dir.path().join("out");
    bundle(&format!("oci:{}:v1", dir.path().join("layout").display()), &out);
    // Old versions of crun refuse hybrid control groups, so it gets a mount namespace without the second hierarchy.
    let script = format!(
        "umount /sys/fs/cgroup/unified 2>/dev/null; exec crun --cgroup-manager=disabled --root {} run --bundle {} {}",
        dir.path().join("state").display(),
        out.display(),
        dir.path().file_name().unwrap().to_str().unwrap().trim_start_matches('.')
    );
    let output = Command::new("unshare").args(["--mount", "sh", "-c", &script]).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "42 hello\n", "{errors}");
}
