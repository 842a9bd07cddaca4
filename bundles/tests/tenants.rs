//! One cache and one store for all: what one tenant downloaded is for another one only if that one may have it as well.
#![cfg(feature = "registry")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use bundles::assemble::AssembleError;
use bundles::digest::Digest;
use bundles::registry::{Client, Keychain, RegistryError};
use bundles::source::SourceError;
use common::proxy::{Action, Proxy, Request};
use common::registry::{Guard, Registry, options, partial, pull, pull_with, two_layers};
use common::skip;

const MISSING: &str = "docker-registry, skopeo, openssl or htpasswd is missing";

/// A private registry with an image in the repository `a`, and a volume on which its owner has pulled it.
struct Site {
    registry: Registry,
    /// The image's manifest and configuration, which are no secrets.
    manifest: String,
    config: String,
}

impl Site {
    fn new(guard: Guard) -> Option<Self> {
        let registry = Registry::start(guard)?;
        registry.push("a/image:v1", &two_layers(9));
        let layout = registry.dir.path().join("push-a-image-v1");
        let read = |path: &str| fs::read_to_string(layout.join(path)).unwrap();
        let blob = |descriptor: &serde_json::Value| {
            read(&format!("blobs/sha256/{}", &descriptor["digest"].as_str().unwrap()[7..]))
        };
        let index: serde_json::Value = serde_json::from_str(&read("index.json")).unwrap();
        let manifest = blob(&index["manifests"][0]);
        let config = blob(&serde_json::from_str::<serde_json::Value>(&manifest).unwrap()["config"]);
        Some(Self { registry, manifest, config })
    }

    fn layers(&self) -> Vec<Digest> {
        let manifest: serde_json::Value = serde_json::from_str(&self.manifest).unwrap();
        let layers = manifest["layers"].as_array().unwrap().iter();
        layers.map(|layer| layer["digest"].as_str().unwrap().parse().unwrap()).collect()
    }

    /// A host with two repositories: `a` is the registry's, `b` has the documents of the same image; `layers` says what it
    /// answers about layers.
    fn host(&self, layers: fn(&Request) -> Action) -> Proxy {
        let (manifest, config) = (self.manifest.clone(), self.config.clone());
        let config_path = format!("/blobs/{}", Digest::of(config.as_bytes()));
        Proxy::new(&self.registry.host, move |request, _| {
            if !request.line.contains("/v2/b/") {
                Action::Forward
            } else if request.line.contains("/manifests/") {
                reply("application/vnd.oci.image.manifest.v1+json", &manifest)
            } else if request.line.contains(&config_path) {
                reply("application/octet-stream", &config)
            } else {
                layers(request)
            }
        })
    }
}

fn reply(media_type: &str, body: &str) -> Action {
    let length = body.len();
    Action::Reply(format!(
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: {media_type}\r\nContent-Length: {length}\r\n\r\n{body}"
    ))
}

fn status(line: &str) -> Action {
    Action::Reply(format!("HTTP/1.1 {line}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"))
}

/// Has none of the layers, and says so.
fn honest(_: &Request) -> Action {
    status("404 Not Found")
}

/// Has none of the layers, but claims to.
fn boastful(request: &Request) -> Action {
    status(if request.line.starts_with("HEAD ") { "200 OK" } else { "404 Not Found" })
}

fn secret(host: &str) -> Keychain {
    let json = format!("{{\"auths\":{{\"{host}\":{{\"username\":\"user\",\"password\":\"secret\"}}}}}}");
    Keychain::anonymous().with_secret(json.as_bytes()).unwrap()
}

fn get(volume: &Path, host: &Proxy, repository: &str, keychain: Keychain) -> Result<Digest, AssembleError> {
    let reference = format!("docker://{}/{repository}/image:v1", host.host);
    let found = pull(volume, &reference, options(&[&host.host]), keychain)?;
    Ok(found.bundle.record.manifest_digest)
}

fn assert_not_found(result: Result<Digest, AssembleError>, what: &str) {
    let Err(AssembleError::Source(SourceError::Registry(error))) = result else {
        panic!("{what}: {result:?}");
    };
    assert!(matches!(*error, RegistryError::NotFound { .. }), "{what}: {error:?}");
}

/// How many blobs a host was asked for in this way.
fn blobs(host: &Proxy, verb: &str) -> usize {
    let asked = host.seen().into_iter().map(|request| request.line);
    let asked = asked.filter(|line| line.starts_with(&format!("{verb} ")) && line.contains("/blobs/"));
    // A path under two repositories is one blob, and so is one that was asked for again with credentials.
    asked.filter_map(|line| line.split("/blobs/").last().map(str::to_owned)).collect::<HashSet<_>>().len()
}

const PRIVATE: Guard = Guard { tls: false, password: true };

#[test]
fn a_layer_that_the_own_registry_does_not_have_is_not_had() {
    let Some(site) = Site::new(PRIVATE) else {
        return skip("a_layer_that_the_own_registry_does_not_have_is_not_had", MISSING);
    };
    let volume = tempfile::tempdir().unwrap();
    let own = site.host(honest);
    get(volume.path(), &own, "a", secret(&own.host)).unwrap();
    let check = |state: &str| {
        // In another repository of the same registry, and in registries of the other tenant's own.
        assert_not_found(
            get(volume.path(), &own, "b", Keychain::anonymous()),
            &format!("{state}, same host"),
        );
        for (kind, layers) in [("honest", honest as fn(&Request) -> Action), ("boastful", boastful)] {
            let theirs = site.host(layers);
            let result = get(volume.path(), &theirs, "b", Keychain::anonymous());
            assert_not_found(result, &format!("{state}, {kind} host"));
        }
    };
    check("the bundle is there");
    fs::remove_dir_all(volume.path().join("store")).unwrap();
    check("the layers are there");
    // A download that was complete but for its name.
    for layer in site.layers() {
        let blobs = volume.path().join("blobs");
        let partial = partial(&blobs, layer, &own.host);
        fs::rename(blobs.join("sha256").join(layer.hex()), partial).unwrap();
    }
    check("the layers came to their last byte");
    get(volume.path(), &own, "a", secret(&own.host)).unwrap();
}

#[test]
fn access_of_ones_own_is_enough_and_asked_for_once() {
    let Some(site) = Site::new(PRIVATE) else {
        return skip("access_of_ones_own_is_enough_and_asked_for_once", MISSING);
    };
    let volume = tempfile::tempdir().unwrap();
    let own = site.host(boastful);
    let first = get(volume.path(), &own, "a", secret(&own.host)).unwrap();
    assert_eq!((blobs(&own, "GET"), blobs(&own, "HEAD")), (3, 0), "what is downloaded is proven");
    // A registry that delivered the layers is believed when it grants them in another repository.
    assert_eq!(get(volume.path(), &own, "b", Keychain::anonymous()).unwrap(), first);
    assert_eq!((blobs(&own, "GET"), blobs(&own, "HEAD")), (3, 3), "{:?}", own.seen());
    // Another registry has to deliver them once; from then on it is asked, by each process once.
    let other = site.host(honest);
    get(volume.path(), &other, "a", secret(&other.host)).unwrap();
    assert_eq!((blobs(&other, "GET"), blobs(&other, "HEAD")), (3, 0), "{:?}", other.seen());
    let client = Client::new(options(&[&other.host])).unwrap();
    for _ in 0..2 {
        pull_with(
            &client,
            volume.path(),
            &format!("docker://{}/a/image:v1", other.host),
            secret(&other.host),
        )
        .unwrap();
        assert_eq!((blobs(&other, "GET"), blobs(&other, "HEAD")), (3, 3), "{:?}", other.seen());
    }
    let requests = other.seen().iter().filter(|request| request.line.starts_with("HEAD ")).count();
    assert_eq!(requests, 3 + 1, "one of them learnt that credentials are wanted");
}

#[test]
fn what_is_public_is_for_all_registries_that_have_it() {
    let Some(site) = Site::new(Guard::default()) else {
        return skip("what_is_public_is_for_all_registries_that_have_it", MISSING);
    };
    let volume = tempfile::tempdir().unwrap();
    let (own, other) = (site.host(honest), site.host(honest));
    get(volume.path(), &own, "a", Keychain::anonymous()).unwrap();
    fs::remove_dir_all(volume.path().join("store")).unwrap();
    get(volume.path(), &other, "a", Keychain::anonymous()).unwrap();
    // The configuration comes with the manifest.
    assert_eq!((blobs(&other, "GET"), blobs(&other, "HEAD")), (1, 2), "{:?}", other.seen());
    assert_not_found(get(volume.path(), &other, "b", Keychain::anonymous()), "public, but not there");
}
