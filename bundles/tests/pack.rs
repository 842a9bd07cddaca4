//! Programs of this machine as bundles and as OCI layouts.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::fs;
use std::path::Path;
use std::process::Command;

use bundles::pack::{PackError, Program, pack, pack_to_bundle, to_layout};
use common::{has_program, mount::Mounted, skip};

fn program(command: &[&str]) -> Program {
    Program {
        command: command.iter().map(ToString::to_string).collect(),
        port: Some(8080),
        ..Program::default()
    }
}

#[test]
fn shell_runs_in_its_own_root() {
    let dir = tempfile::tempdir().unwrap();
    let bundle = pack_to_bundle(&program(&["sh", "-c", "echo $((6*7))"]), dir.path()).unwrap();
    let args = bundle.config.process().as_ref().unwrap().args().clone().unwrap();
    assert_eq!(args[1..], ["-c", "echo $((6*7))"]);
    assert_eq!(bundle.record.exposed_ports, ["8080/tcp"]);
    let Some(mounted) = Mounted::new(&bundle.rootfs()) else {
        return skip("shell_runs_in_its_own_root", "needs root, loop devices and a kernel with EROFS");
    };
    let output = Command::new("chroot").arg(mounted.path()).args(&args).output().unwrap();
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "42\n",
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn scripts_bring_their_interpreters() {
    let dir = tempfile::tempdir().unwrap();
    let script = dir.path().join("hello");
    fs::write(&script, "#!/usr/bin/env sh\necho hello\n").unwrap();
    let packed = pack(&program(&[script.to_str().unwrap()]), dir.path()).unwrap();
    for path in ["/usr/bin/env", "/bin/sh", script.to_str().unwrap(), "/lib64/ld-linux-x86-64.so.2"] {
        assert!(packed.tree.lookup(path.as_bytes()).unwrap().is_some(), "{path}");
    }
}

#[test]
fn a_program_goes_where_it_is_told_to() {
    let dir = tempfile::tempdir().unwrap();
    let mut program = program(&["sh", "-c", "true"]);
    program.at = Some("/app/run".into());
    let packed = pack(&program, dir.path()).unwrap();
    for path in ["/app/run", "/lib64/ld-linux-x86-64.so.2"] {
        assert!(packed.tree.lookup(path.as_bytes()).unwrap().is_some(), "{path}");
    }
    let config = packed.image.config().clone().unwrap();
    assert_eq!(config.entrypoint().clone().unwrap(), ["/app/run", "-c", "true"]);
}

#[test]
fn added_trees_keep_links() {
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("src/sub");
    fs::create_dir_all(&source).unwrap();
    fs::write(source.join("data"), "x").unwrap();
    fs::hard_link(source.join("data"), source.join("same")).unwrap();
    std::os::unix::fs::symlink("data", source.join("link")).unwrap();
    let mut program = program(&["sh"]);
    program.add = vec![format!("{}:/srv/app", dir.path().join("src").display()).parse().unwrap()];
    let packed = pack(&program, dir.path()).unwrap();
    let find = |path: &str| packed.tree.lookup(path.as_bytes()).unwrap().unwrap();
    assert_eq!(find("/srv/app/sub/data"), find("/srv/app/sub/same"));
    assert_eq!(find("/srv/app/sub/data"), find("/srv/app/sub/link"));
}

#[test]
fn refusals_name_the_cause() {
    let dir = tempfile::tempdir().unwrap();
    let refuse = |name: &str, content: &[u8]| {
        let path = dir.path().join(name);
        fs::write(&path, content).unwrap();
        pack(&program(&[path.to_str().unwrap()]), dir.path()).unwrap_err()
    };
    let own = fs::read(std::env::current_exe().unwrap()).unwrap();
    let mut other = own.clone();
    other[18] = 183;
    assert!(refuse("arm", &other).to_string().contains("64-bit Arm"));
    other[4] = 1;
    assert!(refuse("short", &other).to_string().contains("32-bit"));
    assert!(matches!(refuse("empty", b""), PackError::NotAProgram(_)));
    assert!(matches!(refuse("cut", &own[..100]), PackError::BadElf { .. }));
    assert!(matches!(refuse("script", b"#!/no/such/thing\n"), PackError::MissingInterpreter { .. }));
    assert!(matches!(pack(&program(&["no-such-program-here"]), dir.path()), Err(PackError::NotFound(_))));
    let interpreter = b"/lib64/ld-linux-x86-64.so.2";
    let own = fs::read("/bin/sh").unwrap();
    let at = own.windows(interpreter.len()).position(|window| window == interpreter).unwrap();
    let mut lost = own;
    lost[at + 7] = b'X';
    assert!(matches!(refuse("lost", &lost), PackError::MissingInterpreter { .. }));
}

#[test]
fn layout_is_reproducible_and_others_read_it() {
    let dir = tempfile::tempdir().unwrap();
    let layout = |name: &str| {
        let layout = dir.path().join(name);
        let packed = pack(&program(&["sh"]), dir.path()).unwrap();
        to_layout(&packed, &layout, "latest").unwrap();
        to_layout(&packed, &layout, "other").unwrap()
    };
    assert_eq!(layout("a"), layout("b"));
    if !has_program("umoci") {
        return skip("layout_is_reproducible_and_others_read_it", "umoci is not installed");
    }
    let unpacked = dir.path().join("unpacked");
    let image = format!("{}:other", dir.path().join("a").display());
    let status =
        Command::new("umoci").args(["unpack", "--rootless", "--image", &image]).arg(&unpacked).status();
    assert!(status.unwrap().success());
    assert!(Path::new(&unpacked).join("rootfs/bin/sh").exists());
}
