//! Registries that break off, lie, stall and send elsewhere, played by a proxy in front of a real one.
#![cfg(feature = "registry")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::process::Command;
use std::time::{Duration, Instant};

use bundles::limits::Limits;
use bundles::reason::Outlook;
use bundles::registry::{BlobCache, Client, Credentials, Keychain, Options, RegistryError};
use bundles::source::ImageContent;
use common::proxy::{Action, Proxy, Request};
use common::registry::{Guard, Registry, options, partial, pull, refusal, registry_reference, two_layers};
use common::skip;

/// A registry with `test/image:v1` behind a proxy; or the test is skipped.
macro_rules! behind {
    ($handler:expr) => {{
        let Some(registry) = Registry::start(Guard::default()) else {
            return skip("registry tests", "docker-registry, skopeo, openssl or htpasswd is not installed");
        };
        registry.push("test/image:v1", &two_layers(1));
        let proxy = Proxy::new(&registry.host, $handler);
        let reference = format!("docker://{}/test/image:v1", proxy.host);
        (registry, proxy, reference)
    }};
}

fn blobs(seen: &[Request]) -> usize {
    seen.iter().filter(|request| request.is_blob()).count()
}

fn reply(status: &str, headers: &str) -> Action {
    Action::Reply(format!("HTTP/1.1 {status}\r\n{headers}Content-Length: 0\r\nConnection: close\r\n\r\n"))
}

/// Whether this is the request for the large layer: the one that is not the first two blobs is not known by name.
fn is_large(request: &Request, large: &str) -> bool {
    request.is_blob() && request.line.contains(large)
}

/// The digest of the image's second layer.
fn large_layer(registry: &Registry) -> String {
    let reference = registry_reference(&format!("{}/test/image:v1", registry.host));
    let client = Client::new(options(&[&registry.host])).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let image =
        runtime.block_on(client.resolve(&reference, &Credentials::Anonymous, &Limits::default())).unwrap();
    image.layers[1].digest.unwrap().to_string()
}

#[test]
fn broken_transfers_resume() {
    let Some(registry) = Registry::start(Guard::default()) else {
        return skip("broken_transfers_resume", "docker-registry or skopeo is not installed");
    };
    registry.push("test/image:v1", &two_layers(1));
    let large = large_layer(&registry);
    let name = large.clone();
    let proxy = Proxy::new(&registry.host, move |request, seen| {
        let before = seen.iter().filter(|request| is_large(request, &name)).count();
        if is_large(request, &name) && before < 2 { Action::Cut(100_000) } else { Action::Forward }
    });
    let dir = tempfile::tempdir().unwrap();
    pull(
        dir.path(),
        &format!("docker://{}/test/image:v1", proxy.host),
        options(&[&proxy.host]),
        Keychain::anonymous(),
    )
    .unwrap();
    let ranges: Vec<Option<String>> = proxy
        .seen()
        .iter()
        .filter(|request| is_large(request, &large))
        .map(|request| request.header("range").map(str::to_owned))
        .collect();
    assert_eq!(ranges, [None, Some("bytes=100000-".to_owned()), Some("bytes=200000-".to_owned())]);
    // What is left on disk are complete blobs.
    assert_eq!(std::fs::read_dir(dir.path().join("blobs/partial")).unwrap().count(), 0);
}

#[test]
fn whole_answers_to_ranges_start_over() {
    let Some(registry) = Registry::start(Guard::default()) else {
        return skip("whole_answers_to_ranges_start_over", "docker-registry or skopeo is not installed");
    };
    registry.push("test/image:v1", &two_layers(1));
    let large = large_layer(&registry);
    let proxy = Proxy::new(&registry.host, move |request, seen| {
        let before = seen.iter().filter(|request| is_large(request, &large)).count();
        if is_large(request, &large) && before == 0 { Action::Cut(100_000) } else { Action::Without("Range") }
    });
    let dir = tempfile::tempdir().unwrap();
    pull(
        dir.path(),
        &format!("docker://{}/test/image:v1", proxy.host),
        options(&[&proxy.host]),
        Keychain::anonymous(),
    )
    .unwrap();
}

#[test]
fn bytes_left_by_an_earlier_process_are_used_but_not_trusted() {
    let (registry, proxy, reference) = behind!(|_, _| Action::Forward);
    let large = large_layer(&registry);
    let dir = tempfile::tempdir().unwrap();
    let partial = partial(&dir.path().join("blobs"), large.parse().unwrap(), &proxy.host);
    std::fs::create_dir_all(partial.parent().unwrap()).unwrap();
    std::fs::write(&partial, [0; 5000]).unwrap();
    pull(dir.path(), &reference, options(&[&proxy.host]), Keychain::anonymous()).unwrap();
    let asked: Vec<_> = proxy.seen().into_iter().filter(|request| is_large(request, &large)).collect();
    assert_eq!(
        asked.iter().map(|request| request.header("range")).collect::<Vec<_>>(),
        [Some("bytes=5000-"), None]
    );
}

#[test]
fn busy_servers_are_asked_again_when_they_want() {
    let (_registry, proxy, reference) = behind!(|_, seen| match seen.len() {
        0 => reply("429 Too Many Requests", "Retry-After: 1\r\n"),
        1 => reply("503 Service Unavailable", ""),
        _ => Action::Forward,
    });
    let start = Instant::now();
    let dir = tempfile::tempdir().unwrap();
    pull(dir.path(), &reference, options(&[&proxy.host]), Keychain::anonymous()).unwrap();
    assert!(start.elapsed() >= Duration::from_secs(1));
    // Not for ever, and not as long as a server likes.
    let (_registry, proxy, reference) =
        behind!(|_, _| reply("429 Too Many Requests", "Retry-After: 99999\r\n"));
    let impatient = Options { backoff_max: Duration::from_millis(50), ..options(&[&proxy.host]) };
    let error = refusal(&reference, impatient, Keychain::anonymous());
    assert!(matches!(error, RegistryError::Busy { status: 429, .. }), "{error:?}");
    assert_eq!(error.reason().outlook(), Outlook::Passing);
    assert_eq!(proxy.seen().len(), 4);
}

#[test]
fn bodies_that_lie() {
    let (_registry, proxy, reference) =
        behind!(|request, _| if request.is_blob() { Action::Endless } else { Action::Forward });
    assert!(matches!(
        refusal(&reference, options(&[&proxy.host]), Keychain::anonymous()),
        RegistryError::TooLong { .. }
    ));
    let (_registry, proxy, reference) =
        behind!(|request, _| if request.is_blob() { Action::Forward } else { Action::Endless });
    assert!(matches!(
        refusal(&reference, options(&[&proxy.host]), Keychain::anonymous()),
        RegistryError::TooLong { .. }
    ));
    let (registry, proxy, reference) = {
        let Some(registry) = Registry::start(Guard::default()) else { return };
        registry.push("test/image:v1", &two_layers(1));
        let large = large_layer(&registry);
        let proxy = Proxy::new(&registry.host, move |request, _| {
            if is_large(request, &large) { Action::Flip(1000) } else { Action::Forward }
        });
        let reference = format!("docker://{}/test/image:v1", proxy.host);
        (registry, proxy, reference)
    };
    assert!(matches!(
        refusal(&reference, options(&[&proxy.host]), Keychain::anonymous()),
        RegistryError::Digest { .. }
    ));
    drop(registry);
}

#[test]
fn dripping_servers_are_given_up() {
    let (_registry, proxy, reference) = behind!(|request, _| if request.is_blob() {
        Action::Drip(Duration::from_millis(20))
    } else {
        Action::Forward
    });
    let hasty = Options {
        attempts: 2,
        rate_window: Duration::from_secs(1),
        rate_floor_bytes_per_s: 1000,
        ..options(&[&proxy.host])
    };
    let error = refusal(&reference, hasty, Keychain::anonymous());
    assert!(matches!(error, RegistryError::TooSlow { .. }), "{error:?}");
}

#[test]
fn missing_challenges_and_bad_realms() {
    let (_registry, proxy, reference) = behind!(|_, _| reply("401 Unauthorized", ""));
    let error = refusal(&reference, options(&[&proxy.host]), Keychain::anonymous());
    assert!(matches!(error, RegistryError::Unauthorized { had_credentials: false, .. }));
    assert_eq!(proxy.seen().len(), 1, "a 401 without a challenge is final");
    for realm in [
        "http://auth.example/token",
        "http://169.254.169.254/latest",
        "https://169.254.169.254/latest",
        "file:///etc/passwd",
    ] {
        let header = format!("WWW-Authenticate: Bearer realm=\"{realm}\"\r\n");
        let (_registry, proxy, reference) = behind!(move |_, _| reply("401 Unauthorized", &header));
        let error = refusal(&reference, options(&[&proxy.host]), Keychain::anonymous());
        assert!(matches!(error, RegistryError::Refused { .. }), "{error:?}");
    }
}

#[test]
fn expired_tokens_are_renewed_once() {
    let token = |seen: &[Request]| seen.iter().filter(|request| request.line.contains("/token")).count();
    let handler = move |request: &Request, seen: &[Request]| {
        let host = request.header("host").unwrap_or_default();
        if request.line.contains("/token") {
            let body = format!("{{\"token\":\"t{}\"}}", token(seen) + 1);
            return Action::Reply(format!(
                "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            ));
        }
        // The first token is good for three requests.
        let good = match request.header("authorization") {
            Some("Bearer t1") => {
                seen.iter().filter(|request| request.header("authorization").is_some()).count() < 3
            }
            Some("Bearer t2" | "Bearer t3" | "Bearer t4") => true,
            _ => false,
        };
        let challenge = format!("WWW-Authenticate: Bearer realm=\"http://{host}/token\",service=\"s\"\r\n");
        if good { Action::Without("Authorization") } else { reply("401 Unauthorized", &challenge) }
    };
    let (_registry, proxy, reference) = behind!(handler);
    let dir = tempfile::tempdir().unwrap();
    pull(dir.path(), &reference, options(&[&proxy.host]), Keychain::anonymous()).unwrap();
    let seen = proxy.seen();
    assert!((2..=4).contains(&token(&seen)), "{}", token(&seen));
    assert!(
        seen.iter().any(|request| request.line.contains("scope=repository%3Atest%2Fimage%3Apull")),
        "{seen:?}"
    );
    // Tokens that are never good enough: one renewal, then the end.
    let (_registry, proxy, reference) = behind!(move |request: &Request, seen: &[Request]| {
        let action = handler(request, seen);
        let host = request.header("host").unwrap_or_default();
        if matches!(action, Action::Without(_)) {
            return reply(
                "401 Unauthorized",
                &format!("WWW-Authenticate: Bearer realm=\"http://{host}/token\"\r\n"),
            );
        }
        action
    });
    assert!(matches!(
        refusal(&reference, options(&[&proxy.host]), Keychain::anonymous()),
        RegistryError::Unauthorized { .. }
    ));
    assert_eq!(token(&proxy.seen()), 1);
}

#[test]
fn credentials_stay_with_the_registry() {
    let Some(registry) = Registry::start(Guard::default()) else {
        return skip("credentials_stay_with_the_registry", "docker-registry or skopeo is not installed");
    };
    registry.push("test/image:v1", &two_layers(1));
    let elsewhere = Proxy::new(&registry.host, |_, _| Action::Forward);
    let target = elsewhere.host.clone();
    let front = Proxy::new(&registry.host, move |request, _| match request.header("authorization") {
        None => reply("401 Unauthorized", "WWW-Authenticate: Basic realm=\"x\"\r\n"),
        Some(_) if request.is_blob() => {
            let path = request.line.split(' ').nth(1).unwrap();
            reply("307 Temporary Redirect", &format!("Location: http://{target}{path}\r\n"))
        }
        Some(_) => Action::Without("Authorization"),
    });
    let secret =
        format!("{{\"auths\":{{\"{}\":{{\"username\":\"user\",\"password\":\"secret\"}}}}}}", front.host);
    let keychain = Keychain::anonymous().with_secret(secret.as_bytes()).unwrap();
    let dir = tempfile::tempdir().unwrap();
    pull(dir.path(), &format!("docker://{}/test/image:v1", front.host), options(&[&front.host]), keychain)
        .unwrap();
    assert!(elsewhere.blobs() >= 3);
    assert!(elsewhere.seen().iter().all(|request| request.header("authorization").is_none()));
    let (_registry, proxy, reference) = behind!(|request, _| {
        if request.is_blob() {
            reply("307 Temporary Redirect", "Location: http://169.254.169.254/latest\r\n")
        } else {
            Action::Forward
        }
    });
    assert!(matches!(
        refusal(&reference, options(&[&proxy.host]), Keychain::anonymous()),
        RegistryError::Refused { .. }
    ));
    let (_registry, proxy, reference) = behind!(|request, _| {
        reply("307 Temporary Redirect", &format!("Location: {}\r\n", request.line.split(' ').nth(1).unwrap()))
    });
    assert!(matches!(
        refusal(&reference, options(&[&proxy.host]), Keychain::anonymous()),
        RegistryError::Protocol { .. }
    ));
}

#[test]
fn moved_tags_do_not_mix() {
    let (registry, proxy, _) = behind!(|_, _| Action::Forward);
    let reference = registry_reference(&format!("{}/test/image:v1", proxy.host));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let client = Client::new(options(&[&proxy.host])).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let cache = BlobCache::open(dir.path()).unwrap();
    let limits = Limits::default();
    let image = runtime.block_on(client.resolve(&reference, &Credentials::Anonymous, &limits)).unwrap();
    registry.push("test/image:v1", &two_layers(99));
    let pulled = client.pull(&reference, image.clone(), &Credentials::Anonymous, &cache, &limits, &|_| {});
    let mut pulled = runtime.block_on(pulled).unwrap();
    bundles::source::unpack(&mut pulled, &image, dir.path(), &limits, &|_| {}).unwrap();
    assert_eq!(pulled.resolve(&limits).unwrap().manifest_digest, image.manifest_digest);
}

#[test]
fn one_download_for_many() {
    let (_registry, proxy, _) = behind!(|_, _| Action::Forward);
    let reference = registry_reference(&format!("{}/test/image:v1", proxy.host));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let client = Client::new(options(&[&proxy.host])).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let cache = BlobCache::open(dir.path()).unwrap();
    let limits = Limits::default();
    let image = runtime.block_on(client.resolve(&reference, &Credentials::Anonymous, &limits)).unwrap();
    let before = blobs(&proxy.seen());
    let pulls = (0..20)
        .map(|_| client.pull(&reference, image.clone(), &Credentials::Anonymous, &cache, &limits, &|_| {}));
    runtime.block_on(futures_util::future::try_join_all(pulls)).unwrap();
    assert_eq!(blobs(&proxy.seen()) - before, 2);
}

#[test]
fn full_disks_leave_nothing() {
    let (_registry, proxy, reference) = behind!(|_, _| Action::Forward);
    let dir = tempfile::tempdir().unwrap();
    let mounted =
        Command::new("mount").args(["-t", "tmpfs", "-o", "size=200k", "tmpfs"]).arg(dir.path()).status();
    if !nix::unistd::geteuid().is_root() || !mounted.is_ok_and(|status| status.success()) {
        return skip("full_disks_leave_nothing", "needs the right to mount a small tmpfs");
    }
    let error = pull(dir.path(), &reference, options(&[&proxy.host]), Keychain::anonymous()).unwrap_err();
    let text = format!("{:#}", anyhow::Error::from(error));
    let left = std::fs::read_dir(dir.path().join("blobs/partial")).unwrap().count();
    Command::new("umount").arg(dir.path()).status().unwrap();
    assert!(text.contains("No space left"), "{text}");
    assert_eq!(left, 0);
}
