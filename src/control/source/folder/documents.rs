//! The documents of a folder: YAML files, each with one or more Images.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use api::document::{self, Document, DocumentError, FILE_MAX};
use api::object::Place;
use api::{FunctionName, ImageObject};
use serde_json::Value;
use volume::FileStamp;

/// What the folder says now.
#[derive(Debug, Default)]
pub struct Scan {
    /// The Images of all documents that name one, with their faults.
    pub objects: HashMap<FunctionName, ImageObject>,
    /// Everything could be read and told apart: what is not here was removed.
    pub complete: bool,
}

/// A file as it was last read.
#[derive(Debug)]
struct File {
    stamp: FileStamp,
    documents: Vec<Document>,
    unreadable: bool,
}

/// The documents of a folder as they were last read.
#[derive(Debug)]
pub struct Documents {
    folder: PathBuf,
    files: HashMap<PathBuf, File>,
    /// The last complaint about the folder itself, so that it is made once.
    complaint: Option<String>,
}

impl Documents {
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
                match object(path, file.stamp, document) {
                    Some(object) => add(&mut scan, object),
                    // It might be about any function.
                    None => scan.complete = false,
                }
            }
        }
        scan
    }
}

fn add(scan: &mut Scan, object: ImageObject) {
    match scan.objects.get(&object.name) {
        Some(other) => {
            let file = |object: &ImageObject| object.place.as_ref().map(ToString::to_string);
            tracing::debug!(function = %object.name, "also in {:?}; {:?} counts", file(&object), file(other));
        }
        None => drop(scan.objects.insert(object.name.clone(), object)),
    }
}

/// A document in the form of all sources; nothing where it does not say which function it is about.
pub fn object(path: &Path, stamp: FileStamp, document: &Document) -> Option<ImageObject> {
    let (spec, problem) = match &document.image {
        Ok(image) => (serde_json::to_value(&image.spec).unwrap_or_default(), None),
        Err(problems) => {
            let lines: Vec<String> =
                problems.iter().map(|problem| format!("{}:{problem}", path.display())).collect();
            (Value::Null, Some(lines.join("; ")))
        }
    };
    Some(ImageObject {
        name: document.name.as_ref()?.parse().ok()?,
        uid: String::new(),
        generation: stamp.mtime_micros(),
        version: 0,
        spec,
        problem,
        place: Some(Place { file: path.to_owned(), line: document.line }),
        metadata: Value::Null,
        status: None,
    })
}

/// Whether a file of the folder is one of documents. Hidden ones are being written.
pub fn is_document(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    !name.starts_with('.') && [".yaml", ".yml"].iter().any(|end| name.ends_with(end))
}

fn list(folder: &Path) -> io::Result<HashMap<PathBuf, FileStamp>> {
    let mut found = HashMap::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        // Through symlinks: mounted ConfigMaps are made of them.
        if is_document(&path)
            && let Ok(data) = fs::metadata(&path)
            && data.is_file()
        {
            found.insert(path, FileStamp::of(&data));
        }
    }
    Ok(found)
}

fn read(path: &Path, stamp: FileStamp) -> File {
    let complain = |error: &dyn std::fmt::Display| {
        tracing::error!("{}: {error}", path.display());
        File { stamp, documents: Vec::new(), unreadable: true }
    };
    if stamp.bytes() > FILE_MAX {
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
        let good = scan.objects.iter().filter(|(_, object)| object.problem.is_none());
        let mut names: Vec<_> = good.map(|(name, _)| name.to_string()).collect();
        names.sort();
        names
    }

    #[test]
    fn documents_come_go_and_err() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let mut documents = Documents::new(folder.path().to_owned());
        fs::write(path("a.yaml"), format!("{}---\n{}", text("one"), text("two"))).unwrap();
        fs::write(path(".b.yaml"), text("hidden")).unwrap();
        let scan = documents.scan().unwrap();
        assert_eq!(names(&scan), ["default/one", "default/two"]);
        // One of the two goes bad: it is kept, the other one goes on.
        fs::write(path("a.yaml"), format!("{}---\n{}", text("one"), text("two").replace("oci:x", "ftp:x")))
            .unwrap();
        let scan = documents.scan().unwrap();
        assert_eq!(names(&scan), ["default/one"]);
        let problem = scan.objects[&"default/two".parse::<FunctionName>().unwrap()].problem.clone().unwrap();
        assert!(problem.contains("a.yaml:") && problem.contains("spec.image") && scan.complete, "{problem}");
        // A text that is no document might have been about anything.
        fs::write(path("a.yaml"), format!("{}---\n{{{{", text("one"))).unwrap();
        assert!(!documents.scan().unwrap().complete);
        fs::remove_file(path("a.yaml")).unwrap();
        let scan = documents.scan().unwrap();
        assert!(scan.complete && scan.objects.is_empty());
        drop(folder);
        assert!(documents.scan().is_none());
    }

    #[test]
    fn the_first_file_wins() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("b.yaml"), text("one")).unwrap();
        fs::write(folder.path().join("a.yml"), text("one")).unwrap();
        let scan = Documents::new(folder.path().to_owned()).scan().unwrap();
        assert!(scan.objects.values().all(|one| one.place.as_ref().unwrap().file.ends_with("a.yml")));
    }
}
