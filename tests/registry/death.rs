//! The downloader is killed at any moment, again and again: what is published is whole, and nothing is left over.
//!
//! `KONTAIN_KILLS` says how often; by hand, 10000.

use std::collections::BTreeSet;
use std::time::Duration;

use bundles::bundle::Bundle;

use super::PROGRAMS;
use super::downloader::Site;
use super::parts::registry::{Guard, Registry, two_layers};
use super::parts::skip;

/// Kills where nobody says otherwise.
const KILLS: usize = 200;
/// Longest life of a downloader.
const LIFE_MAX_MS: u64 = 150;
/// Kills between two looks at everything that is published.
const CHECK_EVERY: usize = 10;
const VERSIONS: u64 = 6;
const NAMES: [&str; 3] = ["a", "b", "c"];

#[test]
fn killed_at_any_moment() {
    let Some(registry) = Registry::start(Guard::default()) else {
        return skip("sudden deaths", PROGRAMS);
    };
    for version in 0..VERSIONS {
        registry.push(&format!("image:v{version}"), &two_layers(20 + version));
    }
    let kills = std::env::var("KONTAIN_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(KILLS);
    // Collections run along, with no grace for anything.
    let site = Site::new(&[
        "--insecure-registry",
        &registry.host,
        "--gc-grace",
        "0s",
        "--gc-interval",
        "20ms",
        "--keep-layers",
        "500Ki",
    ]);
    let image = |version: u64| format!("{}/image:v{version}", registry.host);
    let published = versions(&site, &image);
    for kill in 0..kills {
        for name in NAMES {
            site.document(name, &image(fastrand::u64(..VERSIONS)));
        }
        let mut downloader = site.start(&[]);
        std::thread::sleep(Duration::from_micros(fastrand::u64(..LIFE_MAX_MS * 1000)));
        downloader.kill();
        if kill % CHECK_EVERY == 0 {
            site.assert_sound(&format!("after {} kills", kill + 1));
        }
    }
    for (version, name) in (0..).zip(NAMES) {
        site.document(name, &image(version));
    }
    let mut downloader = site.start(&[]);
    let wanted = &published[..NAMES.len()];
    downloader.wait_for("all of it", || {
        let digests: Option<Vec<_>> = NAMES.iter().map(|name| site.linked(name)).collect();
        digests.filter(|digests| digests == wanted)
    });
    downloader.kill();
    let log = downloader.log();
    // What was killed before left nothing that is in the way.
    assert!(!log.contains("\"ERROR\"") && !log.contains("panicked"), "{log}");
    site.assert_sound("in the end");
    let (status, said) = site.store(&["gc", "--grace", "0s", "--keep-layers", "0"]);
    assert_eq!(status, 0, "{said}");
    // Where a blob came from may be forgotten, when a collection came before its bundle.
    let (origins, files): (BTreeSet<_>, BTreeSet<_>) =
        site.files().into_iter().partition(|path| path.starts_with("layers/origins/"));
    // What is said of an Image is written a moment after its record.
    let (statuses, files): (BTreeSet<_>, BTreeSet<_>) =
        files.into_iter().partition(|path| path.starts_with("images/"));
    assert!(
        statuses.iter().all(|path| NAMES.iter().any(|name| *path == format!("images/default/{name}.json")))
    );
    assert_eq!(files, expected(wanted));
    let possible = origins_of(&site, wanted);
    assert!(possible.is_superset(&origins), "{origins:?} are not all of {possible:?}");
}

/// The digests of the versions, from a downloader that lives as long as it likes.
fn versions(site: &Site, image: &impl Fn(u64) -> String) -> Vec<String> {
    let name = |version| format!("v{version}");
    for version in 0..VERSIONS {
        site.document(&name(version), &image(version));
    }
    let mut downloader = site.start(&[]);
    let digests = downloader
        .wait_for("each version", || (0..VERSIONS).map(|version| site.linked(&name(version))).collect());
    for version in 0..VERSIONS {
        site.withdraw(&name(version));
    }
    downloader
        .wait_for("the withdrawals", || site.files().iter().all(|path| !path.contains("/v")).then_some(()));
    downloader.kill();
    digests
}

/// The records of where the blobs of these bundles came from.
fn origins_of(site: &Site, digests: &[String]) -> BTreeSet<String> {
    let blobs = digests.iter().flat_map(|digest| {
        let bundle = site.volume().join("store/sha256").join(&digest[7..]);
        let record = Bundle::open(&bundle).expect("a bundle").record;
        record.layers.into_iter().chain([record.config_digest])
    });
    blobs.map(|blob| format!("layers/origins/{}", blob.hex())).collect()
}

/// All files of a volume with these bundles, but for the records of where their blobs came from.
fn expected(digests: &[String]) -> BTreeSet<String> {
    let bundles = digests.iter().flat_map(|digest| {
        ["config.json", "image.json", "rootfs.erofs"]
            .map(|file| format!("store/sha256/{}/{file}", &digest[7..]))
    });
    let functions = NAMES.iter().flat_map(|name| {
        [format!("functions/default/{name}.json"), format!("oci-runtime-bundles/default/{name}")]
    });
    bundles.chain(functions).chain(["store/lock".to_owned()]).collect()
}
