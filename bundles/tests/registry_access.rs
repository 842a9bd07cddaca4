//! Private registries with a real one: TLS with an own authority, passwords, mirrors, and each wrong variant.
#![cfg(feature = "registry")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use bundles::bundle::Bundle;
use bundles::reason::Outlook;
use bundles::registry::{Keychain, Options, RegistryError};
use common::image::Packing;
use common::proxy::{Action, Proxy};
use common::registry::{Guard, Registry, certificate, options, pull, refusal, two_layers};
use common::skip;
use common::tarball::Tarball;

fn secret(host: &str, password: &str) -> Keychain {
    let json = format!("{{\"auths\":{{\"{host}\":{{\"username\":\"user\",\"password\":\"{password}\"}}}}}}");
    Keychain::anonymous().with_secret(json.as_bytes()).unwrap()
}

#[test]
fn private_registry_with_an_own_authority() {
    let Some(registry) = Registry::start(Guard { tls: true, password: true }) else {
        return skip(
            "private_registry_with_an_own_authority",
            "docker-registry, skopeo, openssl or htpasswd is missing",
        );
    };
    registry.push("team/image:v1", &two_layers(3));
    let reference = format!("docker://{}/team/image:v1", registry.host);
    let trusted = || Options { authorities: vec![registry.authority()], ..options(&[]) };
    let dir = tempfile::tempdir().unwrap();
    let found = pull(dir.path(), &reference, trusted(), secret(&registry.host, "secret")).unwrap();
    assert!(Bundle::open(found.bundle.dir()).unwrap().rootfs().is_file());
    // By digest it is the same.
    let pinned = format!("docker://{}/team/image@{}", registry.host, found.bundle.record.manifest_digest);
    pull(dir.path(), &pinned, trusted(), secret(&registry.host, "secret")).unwrap();

    let error = refusal(&reference, trusted(), Keychain::anonymous());
    assert!(
        matches!(error, RegistryError::Unauthorized { had_credentials: false, .. })
            && error.reason().fix().contains("pull secret"),
        "{error:?}"
    );
    let error = refusal(&reference, trusted(), secret(&registry.host, "wrong"));
    assert!(matches!(error, RegistryError::Unauthorized { had_credentials: true, .. }), "{error:?}");
    let error = refusal(&reference, options(&[]), secret(&registry.host, "secret"));
    assert!(
        matches!(error, RegistryError::Certificate { .. }) && error.reason().fix().contains("--registry-ca"),
        "{error:?}"
    );
    certificate(dir.path(), "other");
    let other = Options { authorities: vec![dir.path().join("other.ca")], ..options(&[]) };
    let error = refusal(&reference, other, secret(&registry.host, "secret"));
    assert!(matches!(error, RegistryError::Certificate { .. }), "{error:?}");
    let missing = format!("docker://{}/team/image:v2", registry.host);
    let error = refusal(&missing, trusted(), secret(&registry.host, "secret"));
    assert!(matches!(error, RegistryError::NotFound { .. }), "{error:?}");
    assert_eq!(error.reason().outlook(), Outlook::UntilChanged);
    // A registry that speaks TLS is not spoken to in plain HTTP unless it was named, and then it does not answer.
    let error = refusal(&missing, options(&[&registry.host]), Keychain::anonymous());
    assert!(matches!(error, RegistryError::Status { status: 400, .. }), "{error:?}");
}

#[test]
fn plain_http_only_where_it_was_named() {
    let Some(registry) = Registry::start(Guard::default()) else {
        return skip("plain_http_only_where_it_was_named", "docker-registry or skopeo is missing");
    };
    registry.push("image:v1", &[(Tarball::new().file("x", b"x"), Packing::Gzip)]);
    let reference = format!("docker://{}/image:v1", registry.host);
    let error = refusal(&reference, options(&[]), Keychain::anonymous());
    assert!(matches!(error, RegistryError::PlainHttp { .. }), "{error:?}");
    let dir = tempfile::tempdir().unwrap();
    pull(dir.path(), &reference, options(&[&registry.host]), Keychain::anonymous()).unwrap();
}

#[test]
fn mirrors_are_asked_first_and_forgiven() {
    let Some(registry) = Registry::start(Guard::default()) else {
        return skip("mirrors_are_asked_first_and_forgiven", "docker-registry or skopeo is missing");
    };
    registry.push("image:v1", &two_layers(5));
    let own = Proxy::new(&registry.host, |_, _| Action::Forward);
    let mirror = Proxy::new(&registry.host, |_, _| Action::Forward);
    let broken =
        Proxy::new(
            &registry.host,
            |request, _| if request.is_blob() { Action::Cut(10) } else { Action::Forward },
        );
    let reference = format!("docker://{}/image:v1", own.host);
    let with = |proxy: &Proxy| Options {
        mirrors: vec![(own.host.clone(), proxy.host.clone())],
        attempts: 2,
        ..options(&[&own.host, &proxy.host])
    };
    let dir = tempfile::tempdir().unwrap();
    pull(dir.path(), &reference, with(&mirror), Keychain::anonymous()).unwrap();
    assert_eq!(own.seen().len(), 0);
    assert!(mirror.blobs() >= 3);
    let dir = tempfile::tempdir().unwrap();
    pull(dir.path(), &reference, with(&broken), Keychain::anonymous()).unwrap();
    assert!(own.blobs() >= 2);
}
