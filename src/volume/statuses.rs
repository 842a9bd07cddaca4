//! What is said of Images that come from a folder: `images/<namespace>/<function>.json`, written by control, shown by the
//! node's admin port. Images of a cluster have their status in the cluster.

use std::fs;
use std::io;

use api::FunctionName;
use api::status::ImageStatus;
use serde::{Deserialize, Serialize};

use crate::Volume;

/// The status of an Image, with the function's name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NamedStatus {
    /// The function.
    pub name: FunctionName,
    /// What is said of its Image.
    pub status: ImageStatus,
}

/// Writes a status.
///
/// # Errors
/// Those of the file system.
pub fn write(volume: &Volume, status: &NamedStatus) -> io::Result<()> {
    crate::replace(&volume.image_status(&status.name), &serde_json::to_vec(status)?)
}

/// Removes the status of an Image that is gone.
///
/// # Errors
/// Those of the file system.
pub fn remove(volume: &Volume, name: &FunctionName) -> io::Result<()> {
    crate::remove(&volume.image_status(name))
}

/// Names of the functions that have a status.
#[must_use]
pub fn names(volume: &Volume) -> Vec<FunctionName> {
    all(volume).into_iter().map(|one| one.name).collect()
}

/// All statuses that can be read, in the order of their names. Blocks.
#[must_use]
pub fn all(volume: &Volume) -> Vec<NamedStatus> {
    let namespaces = fs::read_dir(volume.image_statuses()).into_iter().flatten().flatten();
    let files = namespaces.flat_map(|namespace| fs::read_dir(namespace.path()).into_iter().flatten());
    let is_status = |file: &fs::DirEntry| file.file_name().to_string_lossy().ends_with(".json");
    let mut all: Vec<NamedStatus> = files
        .flatten()
        .filter(is_status)
        .filter_map(|file| serde_json::from_slice(&fs::read(file.path()).ok()?).ok())
        .collect();
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_listed_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let volume = Volume::open(folder.path()).unwrap();
        for name in ["b/a", "a/b"] {
            let status = ImageStatus { message: Some(name.to_owned()), ..ImageStatus::default() };
            write(&volume, &NamedStatus { name: name.parse().unwrap(), status }).unwrap();
        }
        fs::write(folder.path().join("images/a/c.json"), "{").unwrap();
        let names: Vec<String> = all(&volume).iter().map(|one| one.name.to_string()).collect();
        assert_eq!(names, ["a/b", "b/a"]);
        remove(&volume, &"a/b".parse().unwrap()).unwrap();
        assert_eq!(all(&volume).len(), 1);
    }
}
