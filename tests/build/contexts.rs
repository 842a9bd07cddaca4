//! Contexts that are no folders, and what ADD takes from elsewhere.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use sha2::{Digest, Sha256};

use super::{Bench, Image, LIMIT, compare, kvm_or_skip, run, text};

fn tar(folder: &Path, archive: &Path, options: &[&str]) {
    let mut command = Command::new("tar");
    command.arg("-C").arg(folder).args(options).arg("-cf").arg(archive).arg(".");
    assert!(command.status().expect("tar starts").success());
}

#[test]
fn archives_and_standard_input_are_contexts() {
    let bench = Bench::new("FROM scratch\nCOPY . /all/\n");
    bench.file(".dockerignore", "Dockerfile\n*.log\n");
    for name in ["a", "b.log", "d/e"] {
        bench.file(name, name);
    }
    let folder = bench.built("folder", &[]);
    for (name, option) in
        [("plain.tar", "--no-auto-compress"), ("c.tar.gz", "--gzip"), ("c.tar.zst", "--zstd")]
    {
        let archive = bench.path(name);
        tar(&bench.path("context"), &archive, &[option]);
        for is_input in [false, true] {
            let output = format!("{name}-{is_input}");
            let mut command = bench.building(&output, "none");
            let input = if is_input { fs::read(&archive).expect("an archive") } else { Vec::new() };
            if is_input {
                command.arg("-");
            } else {
                command.arg(&archive);
            }
            let ended = run(&mut command, &input, LIMIT).expect("the build ends");
            assert_eq!(ended.status, 0, "{output}: {}", text(&ended.stderr));
            assert_eq!(Image::open(&bench.path(&output)).digest, folder.digest, "{output}");
        }
    }
    let mut command = bench.building("alone", "none");
    let dockerfile = b"FROM scratch\nCOPY <<end /greeting\nhello\nend\n";
    let ended = run(command.arg("-"), dockerfile, LIMIT).expect("the build ends");
    assert_eq!(ended.status, 0, "{}", text(&ended.stderr));
    assert_eq!(Image::open(&bench.path("alone")).layers(), 1);
}

#[test]
fn hostile_archives_are_refused_as_contexts() {
    let bench = Bench::new("FROM scratch\n");
    let build = |archive: &[u8]| {
        let mut command = bench.building("out", "none");
        run(command.arg("-"), archive, LIMIT).expect("the build ends")
    };
    let archive = |path: &str, kind: tar::EntryType, target: &str| {
        let mut builder = tar::Builder::new(Vec::new());
        let mut put = |path: &str, kind, target: &str, content: &[u8]| {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(kind);
            header.set_mode(0o644);
            header.set_uid(0);
            header.set_gid(0);
            header.set_mtime(0);
            header.set_size(content.len() as u64);
            header.as_gnu_mut().expect("GNU").name[..path.len()].copy_from_slice(path.as_bytes());
            header.as_gnu_mut().expect("GNU").linkname[..target.len()].copy_from_slice(target.as_bytes());
            header.set_cksum();
            builder.append(&header, content).expect("memory is writable");
        };
        put("Dockerfile", tar::EntryType::Regular, "", b"FROM scratch\nCOPY x /x\n");
        put(path, kind, target, b"");
        builder.into_inner().expect("memory is writable")
    };
    let outside = archive("../x", tar::EntryType::Regular, "");
    let linked = archive("x", tar::EntryType::Link, "/etc/passwd");
    let symlinked = archive("x", tar::EntryType::Symlink, "/etc/passwd");
    let device = archive("x", tar::EntryType::Char, "");
    for (name, bytes) in [("..", outside), ("hard link", linked), ("link", symlinked), ("device", device)] {
        assert_eq!(build(&bytes).status, 1, "{name}");
    }
    let sound = archive("x", tar::EntryType::Regular, "");
    assert_eq!(build(&sound).status, 0);
    assert_eq!(build(&sound[..700]).status, 1, "truncated");
}

/// An address of this host that is no loopback address, which steps never reach.
fn own_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    // Nothing is sent.
    socket.connect("198.51.100.1:9").ok()?;
    socket.local_addr().ok().map(|address| address.ip()).filter(|ip| !ip.is_loopback())
}

/// An archive with a Dockerfile.
fn context() -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, content) in [("Dockerfile", "FROM scratch\nCOPY in /in\n"), ("in/archive", "x")] {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_size(content.len() as u64);
        builder.append_data(&mut header, path, content.as_bytes()).expect("memory is writable");
    }
    builder.into_inner().expect("memory is writable")
}

/// Answers requests by their paths, and counts those for files.
fn serve(ip: IpAddr) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind((ip, 0)).expect("a port is free");
    let address = listener.local_addr().expect("an address");
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { continue };
            let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
            let first = lines.next().unwrap_or_default();
            let credentials = lines
                .take_while(|line| !line.is_empty())
                .any(|line| line.to_lowercase().starts_with("authorization"));
            let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
            let redirect = |to: &str| {
                format!(
                    "HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                )
            };
            let answer = match &*path {
                "/context.tar" => {
                    let archive = context();
                    let head = format!(
                        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                        archive.len()
                    );
                    let _ = stream.write_all(&[head.as_bytes(), &archive].concat());
                    continue;
                }
                "/moved" => redirect("/file.txt"),
                "/loop" => redirect("/loop"),
                "/away" => redirect("http://127.0.0.1:9/secret"),
                "/metadata" => redirect("http://169.254.169.254/latest"),
                "/file.txt" if !credentials => {
                    counter.fetch_add(1, Ordering::Relaxed);
                    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nbytes".to_owned()
                }
                "/short" => {
                    "HTTP/1.1 200 OK\r\nContent-Length: 50\r\nConnection: close\r\n\r\nbytes".to_owned()
                }
                _ => "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_owned(),
            };
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    (address, asked)
}

#[test]
fn files_are_added_from_urls_within_the_rules() {
    let Some(ip) = own_address() else {
        eprintln!("\n*** SKIPPED: ADD of URLs: this host has no address but loopback ***\n");
        return;
    };
    let (address, asked) = serve(ip);
    let rule = address.to_string();
    let digest = hex::encode(Sha256::digest(b"bytes"));
    let build = |lines: &str, egress: &str| {
        let bench = Bench::new(&format!("FROM scratch\n{}\n", lines.replace("HOST", &rule)));
        let ended = run(bench.building("out", egress).arg(bench.path("context")), b"", LIMIT)
            .expect("the build ends");
        (bench, ended)
    };
    let (bench, ended) = build(
        "ADD http://HOST/file.txt /in/\nARG AT=HOST\nADD --chmod=644 --chown=5:6 http://$AT/moved /renamed",
        &rule,
    );
    assert_eq!(ended.status, 0, "{}", text(&ended.stderr));
    let tree = compare::tree(&bench.path("out"));
    let about = |path: &str| tree.get(path).cloned().unwrap_or_default();
    assert_eq!(about("in/file.txt"), format!("Regular 600 (0, 0) 5 {} ", &digest[..12]));
    assert_eq!(about("renamed"), format!("Regular 644 (5, 6) 5 {} ", &digest[..12]));

    for (line, egress, expected) in [
        ("ADD http://HOST/file.txt /x", "none", "this build reaches nothing"),
        ("ADD http://HOST/file.txt /x", "*:1-65535", "name exactly it with --egress"),
        ("ADD http://HOST/away /x", &*rule, "loopback network"),
        ("ADD http://HOST/metadata /x", &rule, "169.254.169.254"),
        ("ADD http://HOST/loop /x", &rule, "again and again"),
        ("ADD http://HOST/none /x", &rule, "the server answers 404"),
        ("ADD http://HOST/short /x", &rule, "cannot fetch"),
        ("ADD http://HOST/ /x/", &rule, "the server answers 404"),
        (
            "ADD --checksum=sha256:0000000000000000000000000000000000000000000000000000000000000000 http://HOST/file.txt /x",
            &rule,
            "--checksum",
        ),
        ("COPY http://HOST/file.txt /x", &rule, "is not in the context"),
    ] {
        let (_, ended) = build(line, egress);
        let stderr = text(&ended.stderr);
        assert_eq!(ended.status, 1, "{line}: {stderr}");
        assert!(stderr.contains(expected), "{line}: {stderr}");
    }

    // What the Dockerfile says of the bytes is enough to know them again.
    let (bench, ended) = build(&format!("ADD --checksum=sha256:{digest} http://HOST/file.txt /x"), &rule);
    assert_eq!(ended.status, 0, "{}", text(&ended.stderr));
    let before = asked.load(Ordering::Relaxed);
    let again =
        run(bench.building("again", "none").arg(bench.path("context")), b"", LIMIT).expect("the build ends");
    assert_eq!(again.status, 0, "{}", text(&again.stderr));
    assert_eq!(asked.load(Ordering::Relaxed), before);
    assert_eq!(Image::open(&bench.path("again")).digest, Image::open(&bench.path("out")).digest);
}

#[test]
fn what_a_url_gives_is_a_context() {
    let Some(ip) = own_address() else { return };
    let (address, _) = serve(ip);
    let bench = Bench::new("FROM scratch\n");
    let rule = address.to_string();
    let build = |file: &str| {
        let mut command = bench.building("out", &rule);
        run(command.arg(format!("http://{rule}/{file}")), b"", LIMIT).expect("the build ends")
    };
    let ended = build("context.tar");
    assert_eq!(ended.status, 0, "{}", text(&ended.stderr));
    assert!(compare::tree(&bench.path("out")).contains_key("in/archive"));
    // No archive: a Dockerfile, which says nothing that one says.
    let ended = build("file.txt");
    assert!(
        text(&ended.stderr).contains("Dockerfile:1: unknown instruction: bytes"),
        "{}",
        text(&ended.stderr)
    );
}

/// A server of git in a network namespace of its own, beside the command.
const GIT: &str = r#"
set -eu
ip link set lo up && ip addr add 198.51.100.1/32 dev lo
export HOME="$PWD" GIT_CONFIG_NOSYSTEM=1
git init -q code
mkdir -p code/sub site/cgi-bin
printf 'FROM base\nCOPY f /f\nRUN test "$(cat /f)" = first\n' > code/sub/Dockerfile
printf first > code/sub/f
git -C code add . && git -C code -c user.name=peer -c user.email=peer@example commit -q -m 1
git -C code tag v1
printf second > code/sub/f
git -C code -c user.name=peer -c user.email=peer@example commit -q -a -m 2
git clone -q --bare code code.git
touch code.git/git-daemon-export-ok
printf '#!/bin/sh\nexport GIT_PROJECT_ROOT="%s" HOME="%s"\nexec git http-backend\n' "$PWD" "$PWD" > site/cgi-bin/git
chmod 755 site/cgi-bin/git
busybox httpd -f -p 198.51.100.1:80 -h "$PWD/site" & server=$!
trap 'kill $server' EXIT
"$@"
"#;

#[test]
fn repositories_are_contexts_and_sources() {
    if !kvm_or_skip("repositories") {
        return;
    }
    let allowed = Command::new("unshare").args(["--net", "ip", "link", "set", "lo", "up"]).status();
    if !allowed.is_ok_and(|status| status.success()) {
        eprintln!(
            "\n*** SKIPPED: repositories: no network namespace can be made here (root is needed) ***\n"
        );
        return;
    }
    const URL: &str = "http://198.51.100.1/cgi-bin/git/code.git";
    let git = |bench: &Bench, context: &str| {
        let mut build = bench.building("out", "198.51.100.1:80");
        build.arg("--provenance").arg(bench.path("provenance.json"));
        let mut command = Command::new("unshare");
        command.current_dir(bench.folder.path()).args(["--net", "sh", "-c", GIT, "sh"]);
        command.arg(build.get_program()).args(build.get_args()).arg(context);
        run(&mut command, b"", LIMIT).expect("the build ends")
    };
    let bench = Bench::new("FROM scratch\n");
    let ended = git(&bench, &format!("{URL}#v1:sub"));
    assert_eq!(ended.status, 0, "{}", text(&ended.stderr));
    let said = fs::read(bench.path("provenance.json")).expect("a statement");
    let said: serde_json::Value = serde_json::from_slice(&said).expect("JSON");
    let digest = Image::open(&bench.path("out")).digest;
    assert_eq!(
        format!("sha256:{}", said["subject"][0]["digest"]["sha256"].as_str().expect("a digest")),
        digest
    );
    let from = &said["predicate"]["buildDefinition"]["resolvedDependencies"];
    assert_eq!(from[0]["uri"], URL);
    let commit = Command::new("git")
        .arg("-C")
        .arg(bench.path("code"))
        .args(["rev-parse", "v1"])
        .output()
        .expect("git starts");
    assert_eq!(from[0]["digest"]["gitCommit"], text(&commit.stdout).trim());
    assert_eq!(from[1]["uri"], "base");
    assert!(!compare::tree(&bench.path("out")).keys().any(|path| path.contains(".git")));
    let bench = Bench::new("FROM scratch\n");
    let ended = git(&bench, &format!("{URL}#v1:none"));
    assert!(text(&ended.stderr).contains("has no folder \"none\""), "{}", text(&ended.stderr));
    let bench = Bench::new(&format!("FROM scratch\nADD {URL}#:sub /code\n"));
    let context = bench.path("context").display().to_string();
    let ended = git(&bench, &context);
    assert_eq!(ended.status, 0, "{}", text(&ended.stderr));
    let tree = compare::tree(&bench.path("out"));
    let second = hex::encode(Sha256::digest(b"second"));
    assert!(tree.get("code/f").is_some_and(|about| about.contains(&second[..12])), "{tree:?}");
}
