//! A disk that fails or is full, and a death, at each of the first system calls of a kind: the old or the new, never
//! something torn.
//!
//! strace(1) makes the system calls fail; the downloader under test is the one that is delivered.

use std::time::{Duration, Instant};

use super::PROGRAMS;
use super::downloader::Site;
use super::parts::registry::{Guard, Registry, two_layers};
use super::parts::{has_program, skip};

/// What is made to fail, how, and up to which of its calls in a thread.
const FAULTS: [(&str, &str, usize); 7] = [
    ("write,pwrite64,writev", "error=ENOSPC", 16),
    ("write,pwrite64,writev", "error=EIO", 16),
    ("fsync,fdatasync", "error=EIO", 7),
    ("rename,renameat,renameat2", "error=EIO", 4),
    ("fsync,fdatasync", "signal=KILL", 7),
    ("rename,renameat,renameat2", "signal=KILL", 4),
    ("openat,open,mkdir,unlink,flock", "error=EIO", 6),
];

/// Longest life of a downloader that neither publishes nor fails.
const LIFE_MAX: Duration = Duration::from_secs(20);

#[test]
fn old_or_new_whatever_fails() {
    let Some(registry) = Registry::start(Guard::default()).filter(|_| has_program("strace")) else {
        return skip("faults of the disk", &format!("{PROGRAMS}, or strace"));
    };
    let tries = std::process::Command::new("strace").args(["-qq", "-o", "/dev/null", "true"]).status();
    if !tries.is_ok_and(|status| status.success()) {
        return skip("faults of the disk", "processes may not be traced here");
    }
    for version in [1, 2] {
        registry.push(&format!("image:v{version}"), &two_layers(30 + version));
    }
    let mut told = 0;
    for (calls, fault, count) in FAULTS {
        let mut site = Faulty::new(&registry.host);
        for number in 1..=count {
            told += usize::from(site.survives(calls, &format!("{fault}:when={number}")));
        }
        site.recovers(&format!("{calls} {fault}"));
    }
    assert!(told > 0, "some of the faults were told with a reason");
}

/// A site whose one function goes from one version to the other and back.
struct Faulty {
    site: Site,
    host: String,
    version: usize,
    digest: String,
}

impl Faulty {
    /// With the first version in place.
    fn new(host: &str) -> Self {
        let site = Site::new(&["--insecure-registry", host, "--gc-grace", "1h"]);
        site.document("f", &format!("{host}/image:v1"));
        let downloader = site.start(&[]);
        let digest = downloader.wait_for("the first version", || site.digest("f"));
        drop(downloader);
        Self { site, host: host.to_owned(), version: 1, digest }
    }

    /// Asks for the other version, with one fault on the way; says whether the log names the disk as the reason.
    fn survives(&mut self, calls: &str, fault: &str) -> bool {
        let (trace, inject) = (format!("trace={calls}"), format!("inject={calls}:{fault}"));
        let below = ["strace", "-f", "-qq", "-o", "/dev/null", "--seccomp-bpf", "-e", &trace, "-e", &inject];
        self.site.document("f", &format!("{}/image:v{}", self.host, 3 - self.version));
        let mut downloader = self.site.start(&below);
        // Until it is published, has failed, or is dead.
        let begun = Instant::now();
        while !downloader.has_ended() && begun.elapsed() < LIFE_MAX && !self.is_decided(&downloader.log()) {
            std::thread::sleep(Duration::from_millis(5));
        }
        downloader.kill();
        self.site.assert_sound(&format!("{calls} {fault}"));
        self.look();
        let log = downloader.log();
        log.contains("DiskFull") || log.contains("DiskFailed")
    }

    fn is_decided(&self, log: &str) -> bool {
        log.contains("\"published\"")
            || log.contains("spec.image")
            || self.site.digest("f").is_some_and(|digest| digest != self.digest)
    }

    /// If the other version is in place, it is the old one from now on, and nothing of the other is kept.
    fn look(&mut self) {
        let digest = self.site.digest("f").expect("the old record, or the new one");
        if digest != self.digest {
            (self.version, self.digest) = (3 - self.version, digest);
            self.collect();
        }
    }

    fn collect(&self) {
        let (status, said) = self.site.store(&["gc", "--grace", "0s", "--keep-layers", "0"]);
        assert_eq!(status, 0, "{said}");
    }

    /// Without faults the other version comes, and nothing is left over.
    fn recovers(&self, after: &str) {
        self.site.document("f", &format!("{}/image:v{}", self.host, 3 - self.version));
        let downloader = self.site.start(&[]);
        downloader
            .wait_for("the other version", || self.site.linked("f").filter(|digest| *digest != self.digest));
        drop(downloader);
        self.site.assert_sound(&format!("in the end of {after}"));
        self.collect();
        let left: Vec<_> = self.site.files().into_iter().filter(|path| path.contains("tmp")).collect();
        assert!(left.is_empty(), "{after} left {left:?}");
    }
}
