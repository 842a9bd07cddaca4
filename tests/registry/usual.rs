//! What registries, credentials and networks look like in practice: each of it just works.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use super::common::{binary, run};
use super::parts::image::{Layout, Packing};
use super::parts::proxy::{Action, Proxy};
use super::parts::registry::{Guard, Registry, two_layers};
use super::parts::tarball::Tarball;
use super::parts::{has_program, skip};
use super::refused::of_platforms;
use super::{LIMIT, PROGRAMS, bundle, faas, text};

fn good(reference: &str, output: &Path, options: &[&str]) -> String {
    let ended = bundle(reference, output, options);
    assert_eq!(ended.status, 0, "{reference}: {}", text(&ended.stderr));
    assert!(output.join("rootfs.erofs").is_file());
    text(&ended.stdout)
}

#[test]
fn both_styles_of_manifests_and_indexes() {
    let Some(registry) = Registry::start(Guard::default()) else {
        return skip("styles of manifests", PROGRAMS);
    };
    let folder = tempfile::tempdir().expect("a folder can be made");
    let layers = || [(Tarball::new().file("x", b"x"), Packing::Gzip)];
    let plain = ["--insecure-registry", &registry.host];
    let layout = Layout::new(&folder.path().join("single"), &layers()).write();
    for style in ["oci", "v2s2"] {
        registry.copy(&layout, &format!("{style}:v1"), &["--format", style]);
        good(&format!("docker://{}/{style}:v1", registry.host), &folder.path().join(style), &plain);
    }
    let layout = Layout::new(&folder.path().join("many"), &layers());
    let layout = of_platforms(layout, &["arm64", "amd64", "riscv64"]);
    for (style, digests) in [("oci", "--preserve-digests"), ("v2s2", "--quiet")] {
        let name = format!("index-{style}");
        registry.copy(&layout, &format!("{name}:v1"), &["--all", "--format", style, digests]);
        let reference = format!("docker://{}/{name}:v1", registry.host);
        let said = good(&reference, &folder.path().join(&name), &plain);
        // The digest is that of the manifest for this platform: by it the same image is found.
        let digest = said.split(' ').next().expect("a digest");
        let pinned = format!("docker://{}/{name}@{digest}", registry.host);
        let again = good(&pinned, &folder.path().join(format!("{name}-pinned")), &plain);
        assert!(again.starts_with(digest), "{again}");
    }
}

#[test]
fn credentials_of_a_helper_program() {
    let Some(registry) = Registry::start(Guard { tls: true, password: true }) else {
        return skip("credential helpers", PROGRAMS);
    };
    registry.push("image:v1", &two_layers(4));
    let folder = tempfile::tempdir().expect("a folder can be made");
    let helper = folder.path().join("docker-credential-test");
    let answer = "{\"ServerURL\": \"'$host'\", \"Username\": \"user\", \"Secret\": \"secret\"}";
    let script = format!(
        "#!/bin/sh\nread -r host; [ \"$1\" = get ] && echo \"$host\" >\"$0.asked\" && echo '{answer}'\n"
    );
    std::fs::write(&helper, script).expect("a file can be written");
    std::fs::set_permissions(&helper, std::fs::Permissions::from_mode(0o755)).expect("a mode can be set");
    let path = std::env::var("PATH").expect("there is a PATH");
    for (name, config) in [
        ("credHelpers", format!("{{\"credHelpers\": {{\"{}\": \"test\"}}}}", registry.host)),
        ("credsStore", "{\"credsStore\": \"test\"}".to_owned()),
    ] {
        // In its usual place below the user's home.
        let home = folder.path().join(name);
        std::fs::create_dir_all(home.join(".docker")).expect("a folder can be made");
        std::fs::write(home.join(".docker/config.json"), config).expect("a file can be written");
        let mut command = faas();
        command.args(["bundle", &format!("docker://{}/image:v1", registry.host), "--registry-ca"]);
        command.arg(registry.authority()).arg("-o").arg(home.join("bundle"));
        command.env("HOME", &home).env("PATH", format!("{}:{path}", folder.path().display()));
        let ended = run(&mut command, b"", LIMIT).expect("bundling ends");
        assert_eq!(ended.status, 0, "{name}: {}", text(&ended.stderr));
        let asked = folder.path().join("docker-credential-test.asked");
        let host = std::fs::read_to_string(&asked).expect("the helper was asked");
        assert!(host.trim().ends_with(&registry.host), "{host}");
        std::fs::remove_file(asked).expect("it is there");
    }
}

#[test]
fn proxies_of_the_environment() {
    let Some(registry) = Registry::start(Guard::default()) else {
        return skip("proxies", PROGRAMS);
    };
    registry.push("image:v1", &two_layers(5));
    let folder = tempfile::tempdir().expect("a folder can be made");
    // The name means something to the proxy alone.
    let proxy = Proxy::new(&registry.host, |_, _| Action::Forward);
    let mut command = faas();
    command.args(["bundle", "docker://registry.test:5000/image:v1"]);
    command.args(["--insecure-registry", "registry.test:5000", "-o"]).arg(folder.path().join("bundle"));
    command.env("http_proxy", format!("http://{}", proxy.host));
    let ended = run(&mut command, b"", LIMIT).expect("bundling ends");
    assert_eq!(ended.status, 0, "{}", text(&ended.stderr));
    let seen = proxy.seen();
    assert!(seen.iter().all(|request| request.line.contains("http://registry.test:5000/v2/")), "{seen:?}");
    // This machine itself is spoken to without it.
    let before = seen.len();
    let mut command = faas();
    command.args(["bundle", &format!("docker://{}/image:v1", registry.host)]);
    command.args(["--insecure-registry", &registry.host, "-o"]).arg(folder.path().join("direct"));
    command.env("http_proxy", format!("http://{}", proxy.host));
    assert_eq!(run(&mut command, b"", LIMIT).expect("bundling ends").status, 0);
    // So are hosts that NO_PROXY names: nobody else knows this one.
    let mut command = faas();
    command.args(["bundle", "docker://registry.test:5000/image:v1", "--insecure-registry"]);
    command.args(["registry.test:5000", "-o"]).arg(folder.path().join("nowhere"));
    command.env("http_proxy", format!("http://{}", proxy.host)).env("no_proxy", ".test");
    let ended = run(&mut command, b"", LIMIT).expect("bundling ends");
    assert!(ended.status != 0 && text(&ended.stderr).contains("cannot reach registry.test:5000"));
    assert_eq!(proxy.seen().len(), before);
}

#[test]
fn progress_of_each_layer() {
    let Some(registry) = Registry::start(Guard::default()).filter(|_| has_program("script")) else {
        return skip("progress", "docker-registry, skopeo, openssl, htpasswd or script is missing");
    };
    registry.push("image:v1", &two_layers(6));
    let folder = tempfile::tempdir().expect("a folder can be made");
    let reference = format!("docker://{}/image:v1", registry.host);
    let plain = bundle(&reference, &folder.path().join("plain"), &["--insecure-registry", &registry.host]);
    let lines = text(&plain.stderr);
    assert!(
        lines.contains("downloading 2 layers") && lines.contains("layer 2/2") && !lines.contains('\r'),
        "{lines}"
    );
    let command = format!(
        "{} bundle {reference} --insecure-registry {} -o {}",
        binary("kontain-faas").display(),
        registry.host,
        folder.path().join("bundle").display()
    );
    // A terminal of its own; what it shows is what is compared.
    let mut terminal = Command::new("script");
    terminal.args(["-qec", &command, "/dev/null"]).env("TERM", "xterm").env("COLUMNS", "120");
    let ended = run(&mut terminal, b"", LIMIT).expect("script ends");
    let shown = text(&ended.stdout);
    assert_eq!(ended.status, 0, "{shown}");
    assert!(shown.matches("\u{1b}").count() > 2, "bars move: {shown:?}");
    assert!(shown.contains("download ") && shown.contains("layer 2/2"), "{shown:?}");
}
