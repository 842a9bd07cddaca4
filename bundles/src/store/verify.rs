//! Whether bundles are still what was published.

use std::path::PathBuf;

use super::{Store, StoreError};
use crate::bundle::{CONFIG, ROOTFS, digest_file};
use crate::digest::Digest;

/// What is wrong with a bundle.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// A file is not what the record says, or cannot be read.
    #[error("{path} is damaged: {reason}")]
    File {
        /// The file that differs.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The record cannot be read, is of another format, or belongs to another image.
    #[error("the record is unusable: {0}")]
    Record(String),
}

impl Store {
    /// Reads a bundle to the last byte and compares it with its record; an empty list means that it is sound.
    ///
    /// # Errors
    /// When it is not there.
    pub fn verify(&self, digest: Digest) -> Result<Vec<Damage>, StoreError> {
        let bundle = match self.get(digest) {
            Ok(Some(found)) => found,
            Ok(None) if self.path(digest).is_dir() => {
                return Ok(vec![Damage::Record("of another format".to_owned())]);
            }
            Ok(None) => return Err(StoreError::Missing(digest)),
            Err(error) => return Ok(vec![Damage::Record(error.to_string())]),
        };
        let record = &bundle.bundle.record;
        let mut damage = Vec::new();
        if record.manifest_digest != digest {
            damage.push(Damage::Record(format!("it belongs to {}", record.manifest_digest)));
        }
        for (name, expected) in [(CONFIG, record.runtime_config_digest), (ROOTFS, record.rootfs_digest)] {
            let path = bundle.bundle.dir().join(name);
            match digest_file(&path) {
                Ok(found) if found == expected => {}
                Ok(found) => damage.push(Damage::File { path, reason: format!("its digest is {found}") }),
                Err(error) => damage.push(Damage::File { path, reason: error.to_string() }),
            }
        }
        Ok(damage)
    }
}
