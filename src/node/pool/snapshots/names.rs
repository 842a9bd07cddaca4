//! Names of hosts that a program had resolved when its snapshot was taken, in a file beside that: clones have the addresses in their
//! memory, and may connect there as if they had asked themselves.
//!
//! The file says the digest of the snapshot that it belongs to, and is of no use for another.

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

use egress::KnownName;
use serde::{Deserialize, Serialize};

use super::Snapshots;

/// Ending of its name.
pub(super) const NAMES: &str = ".names";
/// Longest file; a call remembers fewer names than fit.
const BYTES_MAX: u64 = 256 << 10;

#[derive(Serialize, Deserialize)]
struct Names {
    /// In hexadecimal.
    snapshot: String,
    names: Vec<KnownName>,
}

impl Snapshots {
    /// What the program of a snapshot had resolved; nothing where that is not known.
    pub fn names(&self, key: &str) -> Vec<KnownName> {
        self.read_names(key).unwrap_or_default()
    }

    fn read_names(&self, key: &str) -> Option<Vec<KnownName>> {
        let mut bytes = Vec::new();
        let file = File::open(self.names_path(key)).ok()?;
        file.take(BYTES_MAX).read_to_end(&mut bytes).ok()?;
        let known: Names = serde_json::from_slice(&bytes).ok()?;
        let digest = self.digest(key).ok()??;
        (known.snapshot == hex::encode(digest)).then_some(known.names)
    }

    /// Writes down what the program had resolved when the snapshot was taken that is there now.
    ///
    /// # Errors
    /// Those of the file system, and `InvalidData` where the snapshot says no digest.
    pub fn keep_names(&self, key: &str, names: Vec<KnownName>) -> io::Result<()> {
        if names.is_empty() {
            return Ok(());
        }
        let digest = self.digest(key)?.ok_or(io::ErrorKind::InvalidData)?;
        let known = Names { snapshot: hex::encode(digest), names };
        self.write_beside(&self.names_path(key), &serde_json::to_vec(&known)?)
    }

    pub(super) fn names_path(&self, key: &str) -> PathBuf {
        self.path(key).with_extension(&NAMES[1..])
    }
}
