//! The embedded source: a folder of YAML files, each with one or more Image documents.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use bundles::reference::Reference;

use crate::api::document::{self, Document, DocumentError, FILE_MAX};
use crate::api::{FunctionName, Image};

/// A document that is to be published.
#[derive(Clone, Debug, PartialEq)]
pub struct Wanted {
    /// The Image.
    pub image: Image,
    /// Where its image is, relative paths taken from the document's folder.
    pub reference: Reference,
    /// The document's file, for messages.
    pub file: String,
    /// Line of `spec.image`, for messages.
    pub line: u64,
}

/// What the folder says now.
#[derive(Debug, Default)]
pub struct Scan {
    /// Documents without fault.
    pub wanted: HashMap<FunctionName, Wanted>,
    /// Functions of documents with faults: what is published of them stays.
    pub kept: HashSet<FunctionName>,
    /// Everything could be read and told apart: what is not here was removed.
    pub complete: bool,
}

/// What tells one version of a file from the next.
type Stamp = (u64, i64, i64, u64);

/// A file as it was last read.
#[derive(Debug)]
struct File {
    stamp: Stamp,
    documents: Vec<Document>,
    unreadable: bool,
}

/// The folder.
#[derive(Debug)]
pub struct Directory {
    folder: PathBuf,
    files: HashMap<PathBuf, File>,
    /// The last complaint about the folder itself, so that it is made once.
    complaint: Option<String>,
}

impl Directory {
    /// The folder; it may come to be later.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder, files: HashMap::new(), complaint: None }
    }

    /// Reads what changed and tells what is wanted now. Nothing, when the folder cannot be read: then nothing is known,
    /// and least of all that anything was removed.
    pub fn scan(&mut self) -> Option<Scan> {
        let found = match list(&self.folder) {
            Ok(found) => found,
            Err(error) => {
                let complaint = error.to_string();
                if self.complaint.as_ref() != Some(&complaint) {
                    tracing::error!("cannot read {}: {complaint}", self.folder.display());
                    self.complaint = Some(complaint);
                }
                return None;
            }
        };
        self.complaint = None;
        self.files.retain(|path, _| found.contains_key(path));
        for (path, stamp) in found {
            if self.files.get(&path).is_none_or(|file| file.stamp != stamp) {
                let file = read(&path, stamp);
                self.files.insert(path, file);
            }
        }
        Some(self.gather())
    }

    /// Puts the files together; the first in the order of names wins where two name the same function.
    fn gather(&self) -> Scan {
        let mut scan = Scan { complete: true, ..Scan::default() };
        let mut files: Vec<_> = self.files.iter().collect();
        files.sort_by_key(|(path, _)| *path);
        for (path, file) in files {
            scan.complete &= !file.unreadable;
            for document in &file.documents {
                let name = document.name.as_ref().and_then(|name| name.parse::<FunctionName>().ok());
                match (&document.image, name) {
                    (Ok(image), Some(name)) => add(&mut scan, path, image, document, name),
                    (Err(_), Some(name)) => {
                        scan.kept.insert(name);
                    }
                    // It might be about any function.
                    (_, None) => scan.complete = false,
                }
            }
        }
        scan
    }
}

fn add(scan: &mut Scan, path: &Path, image: &Image, document: &Document, name: FunctionName) {
    if let Some(other) = scan.wanted.get(&name) {
        tracing::debug!(function = %name, "also in {}; {} counts", path.display(), other.file);
        return;
    }
    // The document was validated: its reference is one.
    let Ok(reference) = image.spec.image.parse::<Reference>() else { return };
    let base = path.parent().unwrap_or(Path::new("."));
    let wanted = Wanted {
        image: image.clone(),
        reference: reference.relative_to(base),
        file: path.display().to_string(),
        line: document.line,
    };
    scan.wanted.insert(name, wanted);
}

/// The YAML files of the folder. Hidden ones are being written.
fn list(folder: &Path) -> io::Result<HashMap<PathBuf, Stamp>> {
    let mut found = HashMap::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with('.') || !(name.ends_with(".yaml") || name.ends_with(".yml")) {
            continue;
        }
        // Through symlinks: mounted ConfigMaps are made of them.
        if let Ok(data) = fs::metadata(entry.path())
            && data.is_file()
        {
            found.insert(entry.path(), (data.ino(), data.mtime(), data.mtime_nsec(), data.size()));
        }
    }
    Ok(found)
}

fn read(path: &Path, stamp: Stamp) -> File {
    let complain = |error: &dyn std::fmt::Display| {
        tracing::error!("{}: {error}", path.display());
        File { stamp, documents: Vec::new(), unreadable: true }
    };
    if stamp.3 > FILE_MAX {
        return complain(&format!("the file is longer than {FILE_MAX} bytes: split it"));
    }
    let text = match fs::read(path).map(String::from_utf8) {
        Ok(Ok(text)) => text,
        Ok(Err(error)) => return complain(&format!("not UTF-8: {error}")),
        Err(error) => return complain(&error),
    };
    let documents = document::read(&text);
    for errors in documents.iter().filter_map(|document| document.image.as_ref().err()) {
        for DocumentError { line, field, message } in errors {
            let field = field.as_deref().unwrap_or("document");
            tracing::error!(file = %path.display(), line, field, "{}:{line}: {field}: {message}", path.display());
        }
    }
    File { stamp, documents, unreadable: false }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(name: &str) -> String {
        format!(
            "apiVersion: build.kontain.app/v1\nkind: Image\nmetadata: {{name: {name}}}\nspec: {{image: 'oci:x'}}\n"
        )
    }

    fn names(scan: &Scan) -> Vec<String> {
        let mut names: Vec<_> = scan.wanted.keys().map(ToString::to_string).collect();
        names.sort();
        names
    }

    #[test]
    fn documents_come_go_and_err() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let mut directory = Directory::new(folder.path().to_owned());
        fs::write(path("a.yaml"), format!("{}---\n{}", text("one"), text("two"))).unwrap();
        fs::write(path(".b.yaml"), text("hidden")).unwrap();
        let scan = directory.scan().unwrap();
        assert_eq!(names(&scan), ["default/one", "default/two"]);
        assert_eq!(scan.wanted.values().next().unwrap().reference.local_path(), Some(path("x").as_path()));
        // One of the two goes bad: it is kept, the other one goes on.
        fs::write(path("a.yaml"), format!("{}---\n{}", text("one"), text("two").replace("oci:x", "ftp:x")))
            .unwrap();
        let scan = directory.scan().unwrap();
        assert_eq!(names(&scan), ["default/one"]);
        assert!(scan.kept.contains(&"default/two".parse().unwrap()) && scan.complete);
        // A text that is no document might have been about anything.
        fs::write(path("a.yaml"), format!("{}---\n{{{{", text("one"))).unwrap();
        assert!(!directory.scan().unwrap().complete);
        fs::remove_file(path("a.yaml")).unwrap();
        let scan = directory.scan().unwrap();
        assert!(scan.complete && scan.wanted.is_empty() && scan.kept.is_empty());
        drop(folder);
        assert!(directory.scan().is_none());
    }

    #[test]
    fn the_first_file_wins() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("b.yaml"), text("one")).unwrap();
        fs::write(folder.path().join("a.yml"), text("one")).unwrap();
        let scan = Directory::new(folder.path().to_owned()).scan().unwrap();
        assert!(scan.wanted.values().all(|wanted| wanted.file.ends_with("a.yml")));
    }
}
