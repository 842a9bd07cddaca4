//! The documents of a folder: files of YAML or JSON, each with one or more Images.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use api::document::{self, Document, DocumentError, FILE_MAX};
use api::image::API_VERSION;
use api::object::Place;
use api::{FunctionName, ImageObject};
use serde_json::Value;
use volume::FileStamp;

/// How often is looked for documents in subfolders, where they are not read.
const SUBFOLDERS: Duration = Duration::from_secs(5);
/// Entries of subfolders that are looked at: images and secrets lie there too.
const ENTRIES_MAX: usize = 2000;

/// What the folder says now.
#[derive(Debug, Default)]
pub struct Scan {
    /// The Images of all documents that name one, with their faults.
    pub objects: HashMap<FunctionName, ImageObject>,
    /// Everything could be read and told apart: what is not here was removed.
    pub complete: bool,
    /// What is there and does not count, and why.
    passed_over: Vec<String>,
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
    /// What was last said to be passed over.
    told: HashSet<String>,
    /// Documents in subfolders, and when they were looked for.
    below: Option<(Instant, Vec<String>)>,
}

impl Documents {
    /// The folder; it may come to be later.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder, files: HashMap::new(), complaint: None, told: HashSet::new(), below: None }
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
        let mut scan = self.gather();
        let below = self.below.take().filter(|(looked, _)| looked.elapsed() < SUBFOLDERS);
        let (looked, below) = below.unwrap_or_else(|| (Instant::now(), lost_below(&self.folder)));
        scan.passed_over.extend(below.iter().cloned());
        self.below = Some((looked, below));
        self.tell(&scan.passed_over);
        Some(scan)
    }

    /// Says what is passed over, once for as long as it is.
    fn tell(&mut self, passed_over: &[String]) {
        for text in passed_over.iter().filter(|text| !self.told.contains(*text)) {
            tracing::warn!("{text}");
        }
        self.told = passed_over.iter().cloned().collect();
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
        Some(other) => scan.passed_over.extend(twice(&object, other)),
        None => drop(scan.objects.insert(object.name.clone(), object)),
    }
}

/// That a function has another document, which counts.
pub fn twice(object: &ImageObject, first: &ImageObject) -> Option<String> {
    let (place, first) = (object.place.as_ref()?, first.place.as_ref()?);
    Some(format!(
        "{place}: {} is in {first} already, which counts: remove one of them, or rename it",
        object.name
    ))
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
    let name = name.to_lowercase();
    !name.starts_with('.') && [".yaml", ".yml", ".json"].iter().any(|end| name.ends_with(end))
}

/// What to say of documents in a folder's subfolders, where they are not read.
pub fn lost_below(folder: &Path) -> Vec<String> {
    let (found, folder) = (below_of(folder), folder.display());
    let told = |file: &PathBuf| {
        format!("{}: documents in subfolders are not read: move it into {folder}", file.display())
    };
    found.iter().map(told).collect()
}

/// The documents of Images in a folder's subfolders. Those are looked through as far as they are small: unpacked images
/// lie there too.
fn below_of(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    let mut left = ENTRIES_MAX;
    while let Some(inner) = folders.pop() {
        for entry in fs::read_dir(&inner).into_iter().flatten().flatten().take(left) {
            left -= 1;
            let path = entry.path();
            let is_hidden = entry.file_name().to_string_lossy().starts_with('.');
            match entry.file_type() {
                Ok(kind) if kind.is_dir() && !is_hidden => folders.push(path),
                Ok(kind) if kind.is_file() && inner != folder && is_document(&path) && is_of_image(&path) => {
                    found.push(path);
                }
                _ => {}
            }
        }
    }
    found.sort();
    found
}

/// The documents of a file; nothing of JSON that is for another purpose.
pub fn parse(path: &Path, text: &str) -> Option<Vec<Document>> {
    if !path.extension().is_some_and(|end| end.eq_ignore_ascii_case("json")) {
        return Some(document::read(text));
    }
    // JSON is YAML but for tabs before its lines; within its texts there are none.
    text.contains(API_VERSION).then(|| document::read(&text.replace('\t', " ")))
}

/// Whether a file speaks of Images, as far as its size allows to look.
fn is_of_image(path: &Path) -> bool {
    let is_short = fs::metadata(path).is_ok_and(|data| data.len() <= FILE_MAX);
    let group = API_VERSION.as_bytes();
    is_short && fs::read(path).is_ok_and(|text| text.windows(group.len()).any(|part| part == group))
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
    let Some(documents) = parse(path, &text) else {
        tracing::warn!(
            "{}: not an Image document, which has \"apiVersion\": \"{API_VERSION}\"",
            path.display()
        );
        return File { stamp, documents: Vec::new(), unreadable: false };
    };
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
        let [told] = scan.passed_over.as_slice() else { panic!("{:?}", scan.passed_over) };
        assert!(told.contains("a.yml:") && told.contains("is in") && told.contains("remove one"), "{told}");
    }

    #[test]
    fn nothing_is_passed_over_without_a_word() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for name in ["team", "team/deep", ".hidden", "layout"] {
            fs::create_dir(path(name)).unwrap();
        }
        let json = r#"{
	"apiVersion": "build.kontain.app/v1", "kind": "Image",
	"metadata": {"name": "tabs"},
	"spec": {"image": "oci:x"}
}"#;
        fs::write(path("a.json"), json).unwrap();
        fs::write(path("B.YAML"), text("capitals")).unwrap();
        fs::write(path("package.json"), r#"{"name": "other", "version": "1"}"#).unwrap();
        fs::write(path("team/b.yaml"), text("lost")).unwrap();
        fs::write(path("team/deep/c.json"), json).unwrap();
        fs::write(path(".hidden/d.yaml"), text("hidden")).unwrap();
        fs::write(path("layout/index.json"), r#"{"schemaVersion": 2}"#).unwrap();
        let mut documents = Documents::new(folder.path().to_owned());
        let scan = documents.scan().unwrap();
        assert_eq!(names(&scan), ["default/capitals", "default/tabs"]);
        assert!(scan.complete, "a file that is of something else is about no function");
        let [first, second] = scan.passed_over.as_slice() else { panic!("{:?}", scan.passed_over) };
        assert!(first.contains("team/b.yaml: ") && second.contains("team/deep/c.json: "), "{first} {second}");
        assert_eq!(documents.told.len(), 2);
    }
}
