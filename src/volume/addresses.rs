//! Addresses of the cluster itself, its nodes' and its API server's, which no function reaches unless the operator names them: written by
//! control, followed by the node.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::net::IpAddr;

use crate::{FileStamp, Volume};

/// Addresses that are read at most: a file with more is not one of ours.
const ADDRESSES_MAX: usize = 100_000;

/// Writes the addresses down.
///
/// # Errors
/// Those of the file system.
pub fn write(volume: &Volume, addresses: &BTreeSet<IpAddr>) -> io::Result<()> {
    crate::replace(&volume.cluster_addresses(), &serde_json::to_vec(addresses)?)
}

/// What a node knows of the file.
#[derive(Debug, Default)]
pub struct Addresses {
    seen: Option<FileStamp>,
}

impl Addresses {
    /// The addresses, if they have been written since the last look. Without the file there are none. Blocks.
    ///
    /// # Errors
    /// When the file cannot be read; what was read before stays good, and the next look tries again.
    pub fn news(&mut self, volume: &Volume) -> io::Result<Option<Vec<IpAddr>>> {
        let path = volume.cluster_addresses();
        let stamp = match fs::metadata(&path) {
            Ok(data) => FileStamp::of(&data),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        if self.seen == Some(stamp) {
            return Ok(None);
        }
        let addresses: Vec<IpAddr> = serde_json::from_slice(&fs::read(&path)?)?;
        if addresses.len() > ADDRESSES_MAX {
            return Err(io::Error::other(format!("{} addresses", addresses.len())));
        }
        self.seen = Some(stamp);
        Ok(Some(addresses))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_once_they_change() {
        let folder = tempfile::tempdir().unwrap();
        let volume = Volume::open(folder.path()).unwrap();
        let mut known = Addresses::default();
        assert_eq!(known.news(&volume).unwrap(), None);
        let addresses: Vec<IpAddr> = vec!["10.0.0.1".parse().unwrap(), "fd00::1".parse().unwrap()];
        write(&volume, &addresses.iter().copied().collect()).unwrap();
        assert_eq!(known.news(&volume).unwrap(), Some(addresses));
        assert_eq!(known.news(&volume).unwrap(), None);
        fs::write(volume.cluster_addresses(), "[1]").unwrap();
        assert!(known.news(&volume).is_err() && known.news(&volume).is_err());
        write(&volume, &BTreeSet::new()).unwrap();
        assert_eq!(known.news(&volume).unwrap(), Some(Vec::new()));
    }
}
