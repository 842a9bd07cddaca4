//! The node's word on published functions: `status/<namespace>/<function>.json`, written by the node, read by control.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::Path;

use api::FunctionName;
use api::record::BakeReport;

use crate::{FileStamp, Volume};

/// Longest report in bytes.
const REPORT_MAX: u64 = 1 << 20;

/// The report on a function, if there is one that can be read.
#[must_use]
pub fn read(volume: &Volume, name: &FunctionName) -> Option<BakeReport> {
    serde_json::from_slice(&fs::read(volume.report(name)).ok()?).ok()
}

/// Writes a report, unless the volume has the same.
///
/// # Errors
/// Those of the file system.
pub fn write(volume: &Volume, name: &FunctionName, report: &BakeReport) -> io::Result<()> {
    let path = volume.report(name);
    let bytes = serde_json::to_vec(report)?;
    // After a restart most functions stand where they stood.
    if fs::read(&path).is_ok_and(|known| known == bytes) {
        return Ok(());
    }
    crate::replace(&path, &bytes)
}

/// Removes the report on a function that is known no more.
///
/// # Errors
/// Those of the file system.
pub fn remove(volume: &Volume, name: &FunctionName) -> io::Result<()> {
    crate::remove(&volume.report(name))
}

/// The reports as they were last read.
#[derive(Debug, Default)]
pub struct Reports {
    seen: HashMap<FunctionName, FileStamp>,
}

impl Reports {
    /// The reports on these functions that are other ones than were seen. Blocks.
    pub fn fresh(&mut self, volume: &Volume, names: Vec<FunctionName>) -> Vec<(FunctionName, BakeReport)> {
        let mut fresh = Vec::new();
        for name in names {
            if let Some((stamp, report)) = newer(&volume.report(&name), self.seen.get(&name)) {
                self.seen.insert(name.clone(), stamp);
                fresh.push((name, report));
            }
        }
        fresh
    }

    /// Forgets a function: what is said of the next one of its name is news.
    pub fn forget(&mut self, name: &FunctionName) {
        self.seen.remove(name);
    }
}

fn newer(path: &Path, seen: Option<&FileStamp>) -> Option<(FileStamp, BakeReport)> {
    let stamp = FileStamp::of(&fs::metadata(path).ok()?);
    if seen == Some(&stamp) || stamp.bytes() > REPORT_MAX {
        return None;
    }
    Some((stamp, serde_json::from_slice(&fs::read(path).ok()?).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::record::Phase;

    #[test]
    fn a_report_is_told_once() {
        let folder = tempfile::tempdir().unwrap();
        let volume = Volume::open(folder.path()).unwrap();
        let name: FunctionName = "a/b".parse().unwrap();
        let report = |message: &str| BakeReport {
            generation: 1,
            digest: "sha256:a".into(),
            phase: Phase::Ready,
            reason: "Ready".into(),
            message: message.into(),
            serving: None,
        };
        let mut reports = Reports::default();
        let mut fresh = |volume: &Volume| reports.fresh(volume, vec![name.clone()]).len();
        assert_eq!(fresh(&volume), 0);
        write(&volume, &name, &report("one")).unwrap();
        assert_eq!((fresh(&volume), fresh(&volume)), (1, 0));
        write(&volume, &name, &report("one")).unwrap();
        assert_eq!(fresh(&volume), 0);
        write(&volume, &name, &report("two")).unwrap();
        assert_eq!(fresh(&volume), 1);
        assert_eq!(read(&volume, &name).unwrap().message, "two");
        remove(&volume, &name).unwrap();
        assert!(read(&volume, &name).is_none());
    }
}
