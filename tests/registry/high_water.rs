//! A disk that fills up: below the high-water mark everything has its grace time, above it only what is used stays.

use super::PROGRAMS;
use super::common::mounted::Mounted;
use super::downloader::Site;
use super::parts::registry::{Guard, Registry, two_layers};
use super::parts::skip;

/// The volume. A version takes about 0.6 MiB of it, half of that as a downloaded layer.
const SIZE: u64 = 6 << 20;
const MARK_PERCENT: u64 = 60;
/// Many more than there is room for.
const VERSIONS: u64 = 16;
/// So many have room below the mark.
const FEW: u64 = 3;

#[test]
fn a_disk_that_fills_up() {
    let Some(registry) = Registry::start(Guard::default()) else {
        return skip("a disk that fills up", PROGRAMS);
    };
    let mark = MARK_PERCENT.to_string();
    let mut options = vec!["--insecure-registry", registry.host.as_str(), "--gc-high-water", mark.as_str()];
    options.extend(["--gc-grace", "1h", "--gc-interval", "50ms", "--keep-layers", "1Gi"]);
    let site = Site::new(&options);
    let Some(volume) = Mounted::at_or_skip(&site.volume(), SIZE, "a disk that fills up") else { return };
    let bundles = || std::fs::read_dir(site.volume().join("store/sha256")).map_or(0, Iterator::count) as u64;
    let downloader = site.start(&[]);
    let mut last = None;
    for version in 0..VERSIONS {
        registry.push(&format!("image:v{version}"), &two_layers(50 + version));
        site.document("a", &format!("{}/image:v{version}", registry.host));
        let digest = downloader
            .wait_for("the next version", || site.linked("a").filter(|digest| last.as_ref() != Some(digest)));
        last = Some(digest);
        site.assert_sound(&format!("at version {version}"));
        if version + 1 == FEW {
            assert_eq!(bundles(), FEW, "what is not used any more has its grace time");
        }
    }
    downloader.wait_for("a disk below the mark", || (volume.used_percent() <= MARK_PERCENT).then_some(()));
    assert!(bundles() >= 1 && bundles() < VERSIONS, "{} bundles are left", bundles());
    site.assert_sound("in the end");
    assert_eq!(site.digest("a"), last);
}
