//! Registries that send, but hardly: others' images are published meanwhile, and the status says what is the matter.

use std::time::Duration;

use super::PROGRAMS;
use super::downloader::{Downloader, Site};
use super::parts::proxy::{Action, Proxy};
use super::parts::registry::{Guard, Registry, two_layers};
use super::parts::skip;

/// About 2.5 KiB in a second: a layer of 300 KB takes two minutes.
const DRIP: Duration = Duration::from_micros(350);
/// More images than are worked on at once.
const PLENTY: usize = 6;

/// A registry with images `image:vN` and `slow:vN`, for each number below `PLENTY`, all of other bytes: what one delivers is not
/// fetched from the other.
fn registry() -> Option<Registry> {
    let registry = Registry::start(Guard::default())?;
    for version in 0..PLENTY {
        registry.push(&format!("image:v{version}"), &two_layers(70 + version as u64));
        registry.push(&format!("slow:v{version}"), &two_layers(170 + version as u64));
    }
    Some(registry)
}

/// The same registry, whose layers drip.
fn dripping(registry: &Registry) -> Proxy {
    let handler = |request: &super::parts::proxy::Request, _: &[_]| match request.is_blob() {
        true => Action::Drip(DRIP),
        false => Action::Forward,
    };
    Proxy::new(&registry.host, handler)
}

/// Waits until layers drip as far as they may, and then for the images of a tenant that came last.
fn others_are_published(site: &Site, downloader: &Downloader, slow: &[&Proxy], good: &str) {
    downloader.wait_for("layers that drip", || slow.iter().any(|proxy| proxy.blobs() >= 2).then_some(()));
    for version in 0..PLENTY {
        site.document_of("alice", &format!("f{version}"), &format!("{good}/image:v{version}"));
    }
    downloader.wait_for("the images of the other tenant", || {
        (0..PLENTY).all(|version| site.digest_of("alice", &format!("f{version}")).is_some()).then_some(())
    });
    let log = downloader.log();
    assert!(!log.contains("RegistrySlow"), "nobody had to be given up first: {log}");
}

#[test]
fn a_tenant_with_slow_registries_waits_for_itself() {
    let Some(registry) = registry() else {
        return skip("slow registries of one tenant", PROGRAMS);
    };
    let (one, two) = (dripping(&registry), dripping(&registry));
    let insecure = [one.host.as_str(), &two.host, &registry.host].join(",");
    let site = Site::new(&["--insecure-registry", &insecure, "--retry-max", "1h"]);
    for version in 0..PLENTY {
        for (name, proxy) in [("one", &one), ("two", &two)] {
            let image = format!("{}/slow:v{version}", proxy.host);
            site.document_of("mallory", &format!("{name}{version}"), &image);
        }
    }
    let downloader = site.start(&[]);
    others_are_published(&site, &downloader, &[&one, &two], &registry.host);
    // What drips is given up, and its owner reads why.
    let status = downloader.wait_for("the verdict", || {
        let folder = std::fs::read_dir(site.volume().join("images/mallory")).ok()?;
        let texts = folder.flatten().filter_map(|file| std::fs::read_to_string(file.path()).ok());
        texts.into_iter().find(|text| text.contains("RegistrySlow"))
    });
    for part in ["sends fewer than 16384 bytes per second", "--pull-floor"] {
        assert!(status.contains(part), "{part}: {status}");
    }
}

#[test]
fn a_slow_registry_of_several_tenants_leaves_room() {
    let Some(registry) = registry() else {
        return skip("a slow registry of several tenants", PROGRAMS);
    };
    let slow = dripping(&registry);
    let insecure = [slow.host.as_str(), &registry.host].join(",");
    let site = Site::new(&["--insecure-registry", &insecure, "--retry-max", "1h", "--pull-floor", "1Ki"]);
    for tenant in ["mallory", "eve"] {
        for version in 0..PLENTY {
            site.document_of(tenant, &format!("f{version}"), &format!("{}/slow:v{version}", slow.host));
        }
    }
    let downloader = site.start(&[]);
    others_are_published(&site, &downloader, &[&slow], &registry.host);
}

#[test]
fn an_image_has_a_deadline_and_goes_on_where_it_was() {
    let Some(registry) = registry() else {
        return skip("the deadline of an image", PROGRAMS);
    };
    let slow = dripping(&registry);
    let site = Site::new(&[
        "--insecure-registry",
        &slow.host,
        "--pull-floor",
        "1",
        "--pull-timeout",
        "4s",
        "--retry-max",
        "1s",
    ]);
    site.document("f", &format!("{}/slow:v0", slow.host));
    let downloader = site.start(&[]);
    downloader.wait_for("the verdict", || downloader.log().contains("RegistrySlow").then_some(()));
    let log = downloader.log();
    for part in ["did not deliver the image within 4 s", "--pull-timeout"] {
        assert!(log.contains(part), "{part}: {log}");
    }
    let resumed = || slow.seen().iter().any(|request| request.header("range").is_some());
    downloader.wait_for("a request for the rest", || resumed().then_some(()));
}
