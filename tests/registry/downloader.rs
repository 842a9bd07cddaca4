//! The downloader by itself: one download for many functions, nothing twice after a restart, and a store in order.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use bundles::store::Store;
use serde_json::Value;
use tempfile::TempDir;

use super::common::run;
use super::memory::high_water_kib;
use super::parts::image::Packing;
use super::parts::proxy::{Action, Proxy};
use super::parts::registry::{Guard, Registry, two_layers};
use super::parts::skip;
use super::parts::tarball::Tarball;
use super::{LIMIT, PROGRAMS, faas, text};

/// What a downloader may have in memory at most, however many functions it looks after.
const MEMORY_MAX_KIB: u64 = 150 * 1024;

/// A folder of documents and a volume, for downloaders that come and go.
pub struct Site {
    folder: TempDir,
    options: Vec<String>,
}

impl Site {
    /// With nothing in it yet; every downloader gets these options.
    pub fn new(options: &[&str]) -> Self {
        let folder = TempDir::with_prefix("site-").expect("a folder can be made");
        std::fs::create_dir(folder.path().join("images")).expect("a folder can be made");
        let options = options.iter().map(ToString::to_string).collect();
        Self { folder, options }
    }

    pub fn volume(&self) -> PathBuf {
        self.folder.path().join("volume")
    }

    /// Writes the document of a function.
    pub fn document(&self, name: &str, image: &str) {
        self.document_of("default", name, image);
    }

    /// Writes the document of a function of a namespace.
    pub fn document_of(&self, namespace: &str, name: &str, image: &str) {
        let text = format!(
            "apiVersion: build.kontain.app/v1\nkind: Image\nmetadata: {{name: {name}, namespace: {namespace}}}\nspec: {{image: 'docker://{image}'}}\n"
        );
        let images = self.folder.path().join("images");
        std::fs::write(images.join(".new"), text).expect("a file can be written");
        std::fs::rename(images.join(".new"), images.join(format!("{name}.yaml"))).expect("it can be moved");
    }

    pub fn withdraw(&self, name: &str) {
        std::fs::remove_file(self.folder.path().join(format!("images/{name}.yaml"))).expect("it is there");
    }

    /// The command of a downloader.
    pub fn command(&self) -> Vec<String> {
        let path = |name: &str| self.folder.path().join(name).display().to_string();
        let program = super::binary("kontain-faas").display().to_string();
        let fixed = ["download", "--images", &path("images"), "--volume", &path("volume")];
        let fixed = fixed.map(str::to_owned);
        std::iter::once(program).chain(fixed).chain(self.options.iter().cloned()).collect()
    }

    /// Starts a downloader, below another program if there is one; its log begins anew.
    pub fn start(&self, below: &[&str]) -> Downloader {
        self.run(below, &[])
    }

    /// Starts one with more options.
    pub fn start_with(&self, options: &[&str]) -> Downloader {
        self.run(&[], options)
    }

    fn run(&self, below: &[&str], options: &[&str]) -> Downloader {
        let log = self.folder.path().join("log");
        let file = std::fs::File::create(&log).expect("a file can be made");
        let mut words: Vec<String> = below.iter().map(ToString::to_string).collect();
        words.extend(self.command());
        words.extend(options.iter().map(ToString::to_string));
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).stdin(Stdio::null());
        command.stdout(file.try_clone().expect("a descriptor is left")).stderr(file);
        Downloader { child: command.spawn().expect("it starts"), log }
    }

    /// The digest that a function's record names.
    pub fn digest(&self, name: &str) -> Option<String> {
        self.digest_of("default", name)
    }

    /// The digest that the record of a function of a namespace names.
    pub fn digest_of(&self, namespace: &str, name: &str) -> Option<String> {
        let bytes = std::fs::read(self.volume().join(format!("functions/{namespace}/{name}.json"))).ok()?;
        let record: Value = serde_json::from_slice(&bytes).expect("a record is whole");
        Some(record["digest"].as_str().expect("a digest").to_owned())
    }

    /// As [`Self::digest`], once the symbolic link, which comes last, leads there too.
    pub fn linked(&self, name: &str) -> Option<String> {
        let link = std::fs::read_link(self.volume().join("oci-runtime-bundles/default").join(name)).ok()?;
        self.digest(name).filter(|digest| link.ends_with(&digest[7..]))
    }

    /// Every record names a bundle that is there, sound to the last byte.
    pub fn assert_sound(&self, when: &str) {
        let store = self.volume().join("store");
        let functions =
            std::fs::read_dir(self.volume().join("functions/default")).into_iter().flatten().flatten();
        let names =
            functions.filter_map(|file| file.file_name().to_str()?.strip_suffix(".json").map(str::to_owned));
        let digests: BTreeSet<String> = names.filter_map(|name| self.digest(&name)).collect();
        for digest in digests {
            let store = Store::open(&store).expect("a store");
            let damage = store.verify(digest.parse().expect("a digest"));
            assert!(damage.as_ref().is_ok_and(Vec::is_empty), "{when}: {digest}: {damage:?}");
        }
    }

    /// `kontain-faas store` on this volume.
    pub fn store(&self, arguments: &[&str]) -> (i32, String) {
        let mut command = faas();
        command.arg("store").args(arguments).arg("--volume").arg(self.volume());
        let ended = run(&mut command, b"", LIMIT).expect("it ends");
        (ended.status, text(&ended.stdout) + &text(&ended.stderr))
    }

    /// Files of the volume, relative to it.
    pub fn files(&self) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let mut folders = vec![self.volume()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    folders.push(entry.path());
                } else {
                    let path = entry.path();
                    let path = path.strip_prefix(self.volume()).expect("below the volume");
                    found.insert(path.display().to_string());
                }
            }
        }
        found
    }
}

/// A running downloader.
pub struct Downloader {
    child: Child,
    log: PathBuf,
}

impl Downloader {
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// Asks until there is something.
    pub fn wait_for<T>(&self, what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
        let begun = Instant::now();
        loop {
            if let Some(found) = ask() {
                return found;
            }
            assert!(begun.elapsed() < LIMIT, "no {what} after {LIMIT:?}; the log:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Ends it and what it started, without a warning.
    pub fn kill(&mut self) {
        for pid in super::common::node::descendants(self.child.id()) {
            let _ = Command::new("kill").args(["-9", &pid.to_string()]).stderr(Stdio::null()).status();
        }
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Drop for Downloader {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A registry with some versions of an image, `image:v0` and on, behind a proxy that counts.
fn behind_a_proxy(versions: usize) -> Option<(Registry, Proxy)> {
    let registry = Registry::start(Guard::default())?;
    for version in 0..versions {
        registry.push(&format!("image:v{version}"), &two_layers(11 + version as u64));
    }
    let proxy = Proxy::new(&registry.host, |_, _| Action::Forward);
    Some((registry, proxy))
}

fn manifests(proxy: &Proxy) -> usize {
    proxy.seen().iter().filter(|request| request.line.contains("/manifests/")).count()
}

fn from_environment(name: &str, usual: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

/// `KONTAIN_FUNCTIONS` and `KONTAIN_VERSIONS` say how many; by hand, 2000 of 50.
#[test]
fn one_pull_for_many_functions_and_none_after_a_restart() {
    let versions = from_environment("KONTAIN_VERSIONS", 3);
    let functions = from_environment("KONTAIN_FUNCTIONS", 60);
    let Some((_registry, proxy)) = behind_a_proxy(versions) else {
        return skip("one pull for many functions", PROGRAMS);
    };
    let site = Site::new(&["--insecure-registry", &proxy.host]);
    let names: Vec<String> = (0..functions).map(|number| format!("f{number}")).collect();
    for (number, name) in names.iter().enumerate() {
        site.document(name, &format!("{}/image:v{}", proxy.host, number % versions));
    }
    let mut downloader = site.start(&[]);
    downloader
        .wait_for("records of all", || names.iter().all(|name| site.digest(name).is_some()).then_some(()));
    // A configuration and a layer of each version, and the layer that they share.
    assert_eq!(proxy.blobs(), 2 * versions + 1, "{:?}", proxy.seen());
    let most_kib = high_water_kib(downloader.pid()).expect("it is running");
    println!("{functions} functions, {versions} versions: {} KiB", most_kib);
    assert!(most_kib < MEMORY_MAX_KIB, "{most_kib} KiB were in memory");
    downloader.kill();
    site.assert_sound("after many functions");
    let before = manifests(&proxy);
    let downloader = site.start(&[]);
    downloader.wait_for("the manifests again", || (manifests(&proxy) >= before + names.len()).then_some(()));
    assert_eq!(proxy.blobs(), 2 * versions + 1, "nothing is downloaded again");
}

/// The same bytes get the same verdict: an image that can never be unpacked is fetched once, and its tag is followed.
#[test]
fn an_image_that_is_refused_is_not_fetched_again() {
    let Some(registry) = Registry::start(Guard::default()) else {
        return skip("images that are refused", PROGRAMS);
    };
    // A path out of the root is refused, however often it is read.
    registry.push("image:v1", &[(Tarball::new().file("../../outside", b"x"), Packing::Gzip)]);
    let proxy = Proxy::new(&registry.host, |_, _| Action::Forward);
    let site = Site::new(&["--insecure-registry", &proxy.host, "--resync", "1s", "--retry-max", "1s"]);
    site.document("f", &format!("{}/image:v1", proxy.host));
    let downloader = site.start(&[]);
    downloader.wait_for("the verdict", || downloader.log().contains("ImageInvalid").then_some(()));
    let (fetched, asked) = (proxy.blobs(), manifests(&proxy));
    downloader.wait_for("more looks at the tag", || (manifests(&proxy) >= asked + 3).then_some(()));
    assert_eq!(proxy.blobs(), fetched, "nothing is fetched again: {:?}", proxy.seen());
    assert_eq!(downloader.log().matches("ImageInvalid").count(), 1, "it is said once: {}", downloader.log());
    registry.push("image:v1", &two_layers(5));
    downloader.wait_for("the other image of the tag", || site.digest("f"));
}

/// An emptyDir has a limit that its file system does not show: what lies on the volume counts, not the node's disk.
#[test]
fn a_volume_holds_no_more_than_it_may() {
    let Some((_registry, proxy)) = behind_a_proxy(3) else {
        return skip("the size of a volume", PROGRAMS);
    };
    let site = Site::new(&["--insecure-registry", &proxy.host]);
    site.document("one", &format!("{}/image:v1", proxy.host));
    site.document("two", &format!("{}/image:v2", proxy.host));
    let mut downloader = site.start(&[]);
    let two = downloader.wait_for("both records", || site.digest("one").and(site.digest("two")));
    site.withdraw("two");
    downloader.wait_for("the withdrawal", || site.digest("two").is_none().then_some(()));
    downloader.kill();
    // Within its grace time, it goes where the volume is full, and with it the layers.
    let (_, said) = site.store(&["gc", "--volume-size", "1Gi"]);
    assert!(said.contains("0 removed"), "{said}");
    let (_, said) = site.store(&["gc", "--volume-size", "100Ki"]);
    assert!(said.contains(&format!("removed {two}")), "{said}");
    let layers = |path: &String| path.starts_with("layers/sha256/");
    assert!(!site.files().iter().any(layers), "{:?}", site.files());

    // And nothing new comes beyond the mark, while what is there stays published.
    let (before, limited) = (proxy.blobs(), ["--volume-size", "100Ki"]);
    site.document("three", &format!("{}/image:v0", proxy.host));
    let downloader = site.start_with(&limited);
    downloader.wait_for("the refusal", || downloader.log().contains("DiskFull").then_some(()));
    assert!(downloader.log().contains("--volume-size"), "{}", downloader.log());
    assert!(site.digest("one").is_some() && site.digest("three").is_none());
    assert_eq!(proxy.blobs(), before, "nothing is fetched");
}

#[test]
fn the_store_is_listed_verified_and_cleared() {
    let Some((_registry, proxy)) = behind_a_proxy(3) else {
        return skip("store commands", PROGRAMS);
    };
    let site = Site::new(&["--insecure-registry", &proxy.host]);
    site.document("one", &format!("{}/image:v1", proxy.host));
    site.document("two", &format!("{}/image:v2", proxy.host));
    let mut downloader = site.start(&[]);
    let (one, two) = downloader.wait_for("both records", || Some((site.digest("one")?, site.digest("two")?)));
    let (status, list) = site.store(&["ls", "--output", "json"]);
    let list: Value = serde_json::from_str(&list).expect("JSON");
    assert_eq!((status, list.as_array().map(Vec::len)), (0, Some(2)));
    let (status, said) = site.store(&["verify"]);
    assert!(status == 0 && said.matches(" sound").count() == 2, "{said}");

    // Withdrawn, it stays for its grace time; without one, it goes with its layers.
    site.withdraw("two");
    downloader.wait_for("the withdrawal", || site.digest("two").is_none().then_some(()));
    let (_, said) = site.store(&["gc"]);
    assert!(said.contains("0 removed") && said.contains("1 more were used within 1h"), "{said}");
    let (_, said) = site.store(&["gc", "--grace", "0s"]);
    assert!(said.contains(&format!("removed {two}")) && said.contains("1 removed"), "{said}");
    let (_, said) = site.store(&["ls"]);
    assert!(said.contains(&one) && !said.contains(&two), "{said}");

    let rootfs = site.volume().join("store/sha256").join(&one[7..]).join("rootfs.erofs");
    let mut bytes = std::fs::read(&rootfs).expect("readable");
    bytes[5000] ^= 1;
    std::fs::write(&rootfs, bytes).expect("writable");
    let (status, said) = site.store(&["verify", &one]);
    assert!(status == 1 && said.contains("DAMAGED") && said.contains("rootfs.erofs"), "{said}");

    site.withdraw("one");
    downloader.wait_for("the withdrawal", || site.digest("one").is_none().then_some(()));
    downloader.kill();
    site.store(&["gc", "--grace", "0s"]);
    let lock = BTreeSet::from(["store/lock".to_owned()]);
    assert_eq!(site.files(), lock, "nothing is left but the lock");
    let (status, said) = site.store(&["verify", &one]);
    assert!(status == 1 && said.contains("not in the store"), "{said}");
    assert_ne!(
        faas().args(["store", "ls", "--volume"]).arg(Path::new("/nowhere")).status().expect("starts").code(),
        Some(0)
    );
}
