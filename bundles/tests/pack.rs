//! Programs of this machine as bundles and as OCI layouts.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::fs;
use std::path::Path;
use std::process::Command;

use bundles::pack::{PackError, Program, Warning, pack, pack_to_bundle, to_layout};
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

/// What a packed program prints in a root of its own, and the warnings; `None` where the root cannot be mounted.
fn run(program: &Program) -> Option<(String, Vec<String>)> {
    let dir = tempfile::tempdir().unwrap();
    let packed = pack(program, dir.path()).unwrap();
    let warnings = packed.warnings.iter().map(ToString::to_string).collect();
    drop(packed);
    let bundle = pack_to_bundle(program, dir.path()).unwrap();
    let mounted = Mounted::new(&bundle.rootfs())?;
    let args = bundle.config.process().as_ref().unwrap().args().clone().unwrap();
    // Every machine has devices.
    let script = "mount --bind /dev \"$1/dev\" && exec chroot \"$@\"";
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", script, "sh"]).arg(mounted.path()).args(args);
    let output = command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").output().unwrap();
    assert!(output.status.success(), "{program:?}: {}", String::from_utf8_lossy(&output.stderr));
    Some((String::from_utf8(output.stdout).unwrap(), warnings))
}

#[test]
fn interpreters_bring_their_standard_library() {
    let scripts = [
        ("python3", "-c", "import encodings, json, ssl, sqlite3, decimal; print(6 * 7, end='')"),
        ("/usr/bin/python3", "-c", "import encodings, json, ssl, sqlite3, decimal; print(6 * 7, end='')"),
        ("perl", "-e", "use strict; use POSIX; use List::Util; use JSON::PP; print floor(42.5)"),
        ("ruby", "-e", "require 'json'; require 'set'; require 'digest'; print 6 * 7"),
        ("php", "-r", "echo json_encode(6 * 7), ctype_digit('1') ? '' : '!';"),
        ("node", "-e", "require('crypto'); require('zlib'); process.stdout.write(String(6 * 7))"),
    ];
    for (interpreter, option, script) in scripts {
        if !interpreter.starts_with('/') && !has_program(interpreter) {
            skip(interpreter, "it is not installed");
            continue;
        }
        let Some((output, warnings)) = run(&program(&[interpreter, option, script])) else {
            return skip(
                "interpreters_bring_their_standard_library",
                "needs root, loop devices and a kernel with EROFS",
            );
        };
        assert_eq!((output.as_str(), warnings.len()), ("42", 0), "{interpreter}: {warnings:?}");
    }
}

#[test]
fn scripts_bring_the_standard_library_of_their_interpreter() {
    let dir = tempfile::tempdir().unwrap();
    let script = dir.path().join("answer");
    fs::write(&script, "#!/usr/bin/python3\nimport json\nprint(json.dumps(42), end='')\n").unwrap();
    fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    if let Some((output, warnings)) = run(&program(&[script.to_str().unwrap()])) {
        assert_eq!((output.as_str(), warnings.len()), ("42", 0), "{warnings:?}");
    }
    // Of an interpreter that is not known, nobody can say what it needs.
    let tool = dir.path().join("tool");
    fs::copy("/bin/true", &tool).unwrap();
    fs::write(&script, format!("#!{}\n", tool.display())).unwrap();
    let packed = pack(&program(&[script.to_str().unwrap()]), dir.path()).unwrap();
    assert!(matches!(&packed.warnings[..], [warning] if warning.to_string().contains("--add PATH")));
}

#[test]
fn files_that_the_command_names_are_missed() {
    let dir = tempfile::tempdir().unwrap();
    let script = dir.path().join("app.py");
    fs::write(&script, "").unwrap();
    let script = script.to_str().unwrap();
    let warnings = |program: &Program| pack(program, dir.path()).unwrap().warnings;
    let mut program = program(&["sh", script, "-c", "/etc"]);
    assert_eq!(warnings(&program), [Warning::ArgumentOutside(script.into())]);
    program.add = vec![script.parse().unwrap()];
    assert_eq!(warnings(&program), []);
    // A relative path means another file there; tests run in the folder of the crate.
    program.command[1] = "Cargo.toml".to_owned();
    let here = std::env::current_dir().unwrap();
    let path = here.join("Cargo.toml");
    assert_eq!(warnings(&program), [Warning::ArgumentOutside(path.clone())]);
    program.add = vec!["Cargo.toml".parse().unwrap()];
    let elsewhere = Warning::ArgumentElsewhere { argument: "Cargo.toml".to_owned(), path };
    assert_eq!(warnings(&program), [elsewhere]);
    program.cwd = Some(here.to_str().unwrap().to_owned());
    assert_eq!(warnings(&program), []);
}

#[test]
fn links_that_lead_nowhere_are_named() {
    use std::os::unix::fs::symlink;
    let dir = tempfile::tempdir().unwrap();
    let (tree, etc) = (dir.path().join("jvm"), dir.path().join("etc"));
    fs::create_dir_all(tree.join("conf")).unwrap();
    fs::create_dir_all(&etc).unwrap();
    fs::write(etc.join("security"), "x").unwrap();
    fs::write(tree.join("inside"), "x").unwrap();
    symlink(etc.join("security"), tree.join("conf/absolute")).unwrap();
    symlink("../../etc/security", tree.join("conf/relative")).unwrap();
    symlink("../inside", tree.join("conf/fine")).unwrap();
    symlink("nothing", tree.join("conf/broken")).unwrap();
    symlink("loop", tree.join("conf/loop")).unwrap();
    let show = |path: std::path::PathBuf| path.to_str().unwrap().to_owned();
    let mut program = program(&["sh"]);
    let warnings = |program: &Program| -> Vec<String> {
        pack(program, dir.path()).unwrap().warnings.iter().map(ToString::to_string).collect()
    };
    let has = |warnings: &[String], link: String, what: String| {
        let found = warnings.iter().find(|warning| warning.starts_with(&format!("{link} ")));
        assert!(found.is_some_and(|warning| warning.contains(&what)), "{link}, {what}: {warnings:#?}");
    };
    program.add = vec![show(tree.clone()).parse().unwrap()];
    let found = warnings(&program);
    assert_eq!(found.len(), 4, "{found:#?}");
    let security = show(etc.join("security"));
    has(&found, show(tree.join("conf/absolute")), format!("--add {security} would"));
    has(&found, show(tree.join("conf/relative")), format!("--add {security} would"));
    has(&found, show(tree.join("conf/broken")), "which is not on this machine".to_owned());
    has(&found, show(tree.join("conf/loop")), "which is not on this machine".to_owned());
    // Elsewhere in the image, a relative link leads elsewhere too.
    program.add = vec![format!("{}:/opt/j/jvm", tree.display()).parse().unwrap()];
    let found = warnings(&program);
    has(&found, "/opt/j/jvm/conf/absolute".to_owned(), format!("--add {security} would"));
    has(&found, "/opt/j/jvm/conf/relative".to_owned(), format!("--add {security}:/opt/j/etc/security would"));
    // And what was named helps.
    program.add.push(format!("{security}:/opt/j/etc/security").parse().unwrap());
    program.add.push(security.parse().unwrap());
    assert_eq!(warnings(&program).len(), 2);
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
