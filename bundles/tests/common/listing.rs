//! A directory as comparable lines: path, type, mode, owner, size, time, link target, attributes, content.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use bundles::digest::Digest;

/// One line per path, sorted.
pub fn listing(root: &Path) -> BTreeMap<String, String> {
    let mut lines = BTreeMap::new();
    let mut pending = vec![root.to_owned()];
    while let Some(path) = pending.pop() {
        let meta = fs::symlink_metadata(&path).unwrap();
        let name = path.strip_prefix(root).unwrap().as_os_str().as_bytes().escape_ascii().to_string();
        if meta.is_dir() {
            pending.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
        lines.insert(name, line(&path, &meta));
    }
    lines
}

fn line(path: &Path, meta: &fs::Metadata) -> String {
    let kind = meta.file_type();
    let links = if meta.is_dir() { String::new() } else { format!(" links={}", meta.nlink()) };
    let size = if meta.is_file() || meta.is_symlink() { meta.size() } else { 0 };
    let content = if meta.is_file() {
        Digest::of(&fs::read(path).unwrap()).hex()
    } else if kind.is_symlink() {
        fs::read_link(path).unwrap().as_os_str().as_bytes().escape_ascii().to_string()
    } else {
        format!("rdev={:x}", meta.rdev())
    };
    format!(
        "{:o} {}:{} size={size} mtime={}.{:09}{links} [{}] {content}",
        meta.mode(),
        meta.uid(),
        meta.gid(),
        meta.mtime(),
        meta.mtime_nsec(),
        xattrs(path)
    )
}

fn xattrs(path: &Path) -> String {
    let Ok(names) = xattr::list(path) else { return String::new() };
    let mut all: Vec<String> = names
        .map(|name| {
            let value = xattr::get(path, &name).unwrap().unwrap();
            format!("{}={}", name.to_str().unwrap(), hex::encode(value))
        })
        .collect();
    all.sort();
    all.join(",")
}

/// Panics with the lines that differ.
pub fn assert_same(left: &BTreeMap<String, String>, right: &BTreeMap<String, String>) {
    let mut differences = Vec::new();
    for name in left.keys().chain(right.keys()).collect::<std::collections::BTreeSet<_>>() {
        let (a, b) = (left.get(name), right.get(name));
        if a != b {
            differences.push(format!("{name}\n   left  {a:?}\n   right {b:?}"));
        }
    }
    assert!(differences.is_empty(), "{} differences:\n{}", differences.len(), differences.join("\n"));
}
