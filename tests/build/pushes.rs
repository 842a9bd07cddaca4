//! `build --push`: into a real registry, read back by skopeo.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::common::registry::{Registry, USER};
use super::{Bench, Ended, Image, LIMIT, base, run, text};

fn push(bench: &Bench, options: &[&str]) -> Ended {
    let mut command = bench.command("none");
    run(command.arg("--push").args(options).arg(bench.path("context")), b"", LIMIT).expect("the build ends")
}

/// The digest that a registry has under a name.
fn digest(reference: &str, options: &[&str]) -> String {
    let mut skopeo = Command::new("skopeo");
    skopeo.args(["inspect", "--tls-verify=false", "--format", "{{.Digest}}"]).args(options);
    let ended = run(skopeo.arg(format!("docker://{reference}")), b"", LIMIT).expect("skopeo ends");
    assert_eq!(ended.status, 0, "{reference}: {}", text(&ended.stderr));
    text(&ended.stdout).trim().to_owned()
}

#[test]
fn images_are_pushed_under_all_their_names() {
    let registry = Registry::open();
    let host = &registry.host;
    let mut skopeo = Command::new("skopeo");
    skopeo.args(["--insecure-policy", "copy", "--quiet", "--dest-tls-verify=false"]);
    skopeo.arg(format!("oci:{}", base().display())).arg(format!("docker://{host}/bases/base:1"));
    assert_eq!(run(&mut skopeo, b"", LIMIT).expect("skopeo ends").status, 0);
    // Longer than what is sent at once.
    let bench = Bench::new(&format!("FROM {host}/bases/base:1\nCOPY . /\n"));
    let noise: Vec<u8> = std::iter::repeat_with(|| fastrand::u8(..)).take(40 << 20).collect();
    std::fs::write(bench.path("context/noise"), noise).expect("a file can be written");
    let names = [format!("{host}/team/app:1"), format!("{host}/team/app:latest"), format!("{host}/other")];
    let out = format!("oci:{}", bench.path("out").display());
    let ended = push(
        &bench,
        &["--insecure-registry", host, "-t", &names[0], "-t", &names[1], "-t", &names[2], "-o", &out],
    );
    assert_eq!(ended.status, 0, "{}", text(&ended.stderr));
    let built = Image::open(&bench.path("out"));
    for name in &names {
        assert_eq!(digest(name, &[]), built.digest, "{name}");
    }
    // The base's layer was mounted, never sent.
    let log = registry.log();
    let layer = built.manifest["layers"][0]["digest"].as_str().expect("a digest");
    let mounted = log.lines().filter(|line| line.contains("mount=") && line.contains("response completed"));
    assert!(mounted.clone().any(|line| line.contains("http.response.status=201")), "{layer}: {log}");
    let copied = bench.path("copy");
    let mut skopeo = Command::new("skopeo");
    skopeo.args(["--insecure-policy", "copy", "--quiet", "--src-tls-verify=false"]);
    skopeo.arg(format!("docker://{}", names[0])).arg(format!("oci:{}", copied.display()));
    let ended = run(&mut skopeo, b"", LIMIT).expect("skopeo ends");
    assert_eq!(ended.status, 0, "{}", text(&ended.stderr));
    assert_eq!(super::compare::tree(&copied), super::compare::tree(&bench.path("out")));
    // What is there already is not sent again.
    let sent = |log: &str| log.matches("http.request.method=PATCH").count();
    let before = sent(&registry.log());
    assert!(before >= 3, "in chunks: {before}");
    assert_eq!(push(&bench, &["--insecure-registry", host, "-t", &names[0]]).status, 0);
    assert_eq!(sent(&registry.log()), before);
}

/// A way to a registry that is cut after `cut` bytes, as often as `cuts` says, and then holds.
fn unsteady(host: &str, cut: usize, cuts: usize) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let name = listener.local_addr().expect("an address").to_string();
    let (host, left) = (host.to_owned(), Arc::new(AtomicUsize::new(cuts)));
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let Ok(mut client) = client else { continue };
            let Ok(mut server) = TcpStream::connect(&host) else { continue };
            let (mut answers, mut to) =
                (server.try_clone().expect("a socket"), client.try_clone().expect("a socket"));
            std::thread::spawn(move || {
                let _ = std::io::copy(&mut answers, &mut to);
                let _ = to.shutdown(Shutdown::Both);
            });
            let left = Arc::clone(&left);
            std::thread::spawn(move || {
                let mut buffer = [0; 64 << 10];
                let mut sent = 0;
                while let Ok(count @ 1..) = client.read(&mut buffer) {
                    sent += count;
                    let is_cut = sent > cut
                        && left
                            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1))
                            .is_ok();
                    if is_cut || server.write_all(&buffer[..count]).is_err() {
                        break;
                    }
                }
                for socket in [client, server] {
                    let _ = socket.shutdown(Shutdown::Both);
                }
            });
        }
    });
    name
}

#[test]
fn a_push_that_breaks_off_comes_to_its_end() {
    let registry = Registry::open();
    let host = unsteady(&registry.host, 20 << 20, 2);
    let bench = Bench::new("FROM scratch\nCOPY noise /\n");
    let noise: Vec<u8> = std::iter::repeat_with(|| fastrand::u8(..)).take(40 << 20).collect();
    std::fs::write(bench.path("context/noise"), noise).expect("a file can be written");
    let name = format!("{host}/team/app:1");
    let ended = push(&bench, &["--insecure-registry", &host, "-t", &name]);
    assert_eq!(ended.status, 0, "{}", text(&ended.stderr));
    let pushed = digest(&format!("{}/team/app:1", registry.host), &[]);
    assert!(text(&ended.stdout).contains(&pushed), "{pushed}: {}", text(&ended.stdout));
    // It was asked how much it has. This registry forgets an upload that broke off within a chunk: then it begins anew.
    let log = registry.log();
    let asked = log.lines().any(|line| {
        line.contains("/blobs/uploads/")
            && line.contains("http.request.method=GET")
            && line.contains("response completed")
    });
    assert!(asked, "{log}");
}

#[test]
fn registries_want_credentials() {
    let registry = Registry::private();
    let host = &registry.host;
    let bench = Bench::new("FROM scratch\nCOPY Dockerfile /\n");
    let authority = registry.authority(true).display().to_string();
    let name = format!("{host}/team/app:1");
    let options = ["--registry-ca", &authority, "-t", &name];
    let config = bench.path("config.json");
    let auth = |password: &str| {
        let entry = serde_json::json!({"username": USER.0, "password": password});
        let text = serde_json::json!({"auths": {host: entry}}).to_string();
        std::fs::write(&config, text).expect("a file can be written");
    };
    let file = config.display().to_string();
    let with_auth = [&options[..], &["--registry-auth", &file]].concat();
    auth("wrong");
    let refused = push(&bench, &with_auth);
    assert_eq!(refused.status, 1);
    assert!(text(&refused.stderr).contains("the credentials are wrong"), "{}", text(&refused.stderr));
    auth(USER.1);
    let ended = push(&bench, &with_auth);
    assert_eq!(ended.status, 0, "{}", text(&ended.stderr));
    let credentials = format!("{}:{}", USER.0, USER.1);
    assert!(text(&ended.stdout).contains(&digest(&name, &["--creds", &credentials])));
}

#[test]
fn helpers_have_credentials_for_downloads_and_pushes() {
    let registry = Registry::private();
    let host = &registry.host;
    let credentials = format!("{}:{}", USER.0, USER.1);
    let mut skopeo = Command::new("skopeo");
    skopeo.args([
        "--insecure-policy",
        "copy",
        "--quiet",
        "--dest-tls-verify=false",
        "--dest-creds",
        &credentials,
    ]);
    skopeo.arg(format!("oci:{}", base().display())).arg(format!("docker://{host}/bases/base:1"));
    assert_eq!(run(&mut skopeo, b"", LIMIT).expect("skopeo ends").status, 0);
    let bench = Bench::new(&format!("FROM {host}/bases/base:1\nCOPY Dockerfile /\n"));
    let (programs, seen) = (bench.path("programs"), bench.path("seen"));
    std::fs::create_dir(&programs).expect("a folder can be made");
    let helper = programs.join("docker-credential-test");
    let entry = serde_json::json!({"ServerURL": host, "Username": USER.0, "Secret": USER.1});
    let script = format!(
        "#!/bin/sh\nread -r server\necho \"$1 $server $ROLE\" >> {}\necho '{entry}'\n",
        seen.display()
    );
    std::fs::write(&helper, script).expect("a file can be written");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&helper, mode).expect("a mode can be set");
    let config = bench.path("config.json");
    let text_of = serde_json::json!({"credHelpers": {host: "test"}}).to_string();
    std::fs::write(&config, text_of).expect("a file can be written");
    let (authority, name) = (registry.authority(true), format!("{host}/team/app:1"));
    let mut command = bench.command("none");
    command.args(["--push", "-t", &name, "--registry-ca"]).arg(authority).arg("--registry-auth").arg(config);
    // A helper has the environment of the command, where clouds put what identifies it.
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{}:{path}", programs.display())).env("ROLE", "push");
    let ended = run(command.arg(bench.path("context")), b"", LIMIT).expect("the build ends");
    assert_eq!(ended.status, 0, "{}", text(&ended.stderr));
    assert!(text(&ended.stdout).contains(&digest(&name, &["--creds", &credentials])));
    let asked = std::fs::read_to_string(&seen).expect("it was asked");
    assert!(asked.lines().count() >= 2, "for the base and for the push: {asked}");
    assert!(asked.lines().all(|line| line == format!("get {host} push")), "{asked}");
}
