//! Which registries have delivered a blob: `CACHE/origins/DIGITS`, one registry in a line.
//!
//! A blob in the cache is one tenant's until another one proves that he may have it too. A registry can refuse a HEAD
//! request for it truthfully; that it grants one proves something only if this registry once delivered the blob itself:
//! anyone may run a registry that grants everything. So across registries a blob is shared only if someone delivered it
//! to whoever asked, without credentials.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::digest::Digest;

/// Behind the name of a registry that delivered the blob without credentials.
const PUBLIC: &str = " public";
/// So many registries are remembered for a blob, the latest.
const ORIGINS_MAX: usize = 64;

/// A registry that delivered a blob, every byte of it verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Origin {
    /// Host and port.
    pub(super) host: String,
    /// It asked for no credentials.
    pub(super) is_public: bool,
}

/// The records in a directory.
#[derive(Clone, Debug)]
pub(super) struct Origins {
    dir: PathBuf,
}

impl Origins {
    pub(super) const fn new(dir: PathBuf) -> Self {
        Self { dir }
    }

    fn path(&self, digest: Digest) -> PathBuf {
        self.dir.join(digest.hex())
    }

    fn read(&self, digest: Digest) -> Vec<Origin> {
        // What cannot be read proves nothing.
        let text = fs::read_to_string(self.path(digest)).unwrap_or_default();
        text.lines()
            .map(|line| match line.strip_suffix(PUBLIC) {
                Some(host) => Origin { host: host.to_owned(), is_public: true },
                None => Origin { host: line.to_owned(), is_public: false },
            })
            .collect()
    }

    /// Whether a registry's word is enough for this blob: it delivered it before, or someone delivers it to anybody.
    pub(super) fn vouch(&self, digest: Digest, host: &str) -> bool {
        self.read(digest).iter().any(|origin| origin.is_public || origin.host == host)
    }

    /// Notes that a registry delivered the blob. Of two processes that note something at once, one may be forgotten:
    /// then the blob is downloaded once more.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(super) fn note(&self, digest: Digest, origin: &Origin) -> io::Result<()> {
        let mut origins = self.read(digest);
        let known =
            origins.iter().any(|known| known.host == origin.host && known.is_public >= origin.is_public);
        if known {
            return Ok(());
        }
        origins.retain(|known| known.host != origin.host);
        origins.push(origin.clone());
        let mut file = tempfile::NamedTempFile::new_in(&self.dir)?;
        for origin in &origins[origins.len().saturating_sub(ORIGINS_MAX)..] {
            writeln!(file, "{}{}", origin.host, if origin.is_public { PUBLIC } else { "" })?;
        }
        file.persist(self.path(digest))?;
        Ok(())
    }

    /// The records, and what a dead process left.
    pub(super) fn list(&self) -> io::Result<impl Iterator<Item = PathBuf>> {
        Ok(fs::read_dir(&self.dir)?.flatten().map(|entry| entry.path()))
    }
}

/// The digest in the name of a file of the cache.
pub(super) fn digest_of(path: &Path) -> Option<Digest> {
    let name = path.file_name()?.to_str()?;
    Digest::from_hex(name.split('-').next()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_delivered_vouches() {
        let dir = tempfile::tempdir().unwrap();
        let origins = Origins::new(dir.path().to_owned());
        let (digest, other) = (Digest::of(b"a"), Digest::of(b"b"));
        let origin = |host: &str, is_public| Origin { host: host.to_owned(), is_public };
        assert!(!origins.vouch(digest, "a.example"));
        origins.note(digest, &origin("a.example", false)).unwrap();
        assert!(origins.vouch(digest, "a.example") && !origins.vouch(digest, "b.example"));
        assert!(!origins.vouch(other, "a.example"));
        origins.note(digest, &origin("c.example:5000", true)).unwrap();
        assert!(origins.vouch(digest, "b.example"));
        // What was public once is not forgotten for a later delivery with credentials.
        origins.note(digest, &origin("c.example:5000", false)).unwrap();
        assert!(origins.vouch(digest, "b.example"));
        for number in 0..2 * ORIGINS_MAX {
            origins.note(other, &origin(&format!("{number}.example"), false)).unwrap();
        }
        assert_eq!(origins.read(other).len(), ORIGINS_MAX);
        assert!(!origins.vouch(other, "0.example") && origins.vouch(other, "127.example"));
    }
}
