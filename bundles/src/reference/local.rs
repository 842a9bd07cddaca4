//! The part of a reference behind `oci:`, `oci-archive:`, `docker-archive:` and `dir:`.

use std::path::{Path, PathBuf};

use super::registry::check_tag;
use super::{ReferenceError, Selector};
use crate::digest::shorten;

/// The longest name of an image in a layout.
const NAME_MAX: usize = 512;

/// A path that is not empty.
pub(super) fn path(text: &str) -> Result<PathBuf, ReferenceError> {
    if text.is_empty() { Err(ReferenceError::NoPath(shorten(text))) } else { Ok(PathBuf::from(text)) }
}

/// `PATH[:NAME][@DIGEST]`, split as if the name were a tag: a colon in the path itself has a slash behind it. Where the
/// name has slashes too, [`locate`] tells them apart.
pub(super) fn layout(text: &str) -> Result<(PathBuf, Selector), ReferenceError> {
    let (text, digest) = match text.rsplit_once('@') {
        Some((text, digest)) if !digest.contains('/') => (text, Some(digest.parse()?)),
        _ => (text, None),
    };
    let (text, name) = split_tag(text);
    let name = name.map(check_name).transpose()?;
    Ok((path(text)?, Selector { name, digest }))
}

/// The part of a path that is there, where a colon and a name follow it: the longest one, if all of it is not there.
pub(super) fn locate(path: &Path) -> (&Path, Option<&str>) {
    let Some(text) = path.to_str().filter(|_| !path.exists()) else { return (path, None) };
    let mut splits = text.rmatch_indices(':').map(|(at, _)| (Path::new(&text[..at]), &text[at + 1..]));
    splits.find(|(path, _)| path.exists()).map_or((path, None), |(path, name)| (path, Some(name)))
}

/// The name if it can be that of an image in a layout: letters and digits, and separators between them.
pub(super) fn check_name(text: &str) -> Result<String, ReferenceError> {
    let ends = !text.starts_with(['-', '.', ':', '@', '+', '/']) && !text.ends_with([':', '@', '+', '/']);
    let all = text.chars().all(|char| char.is_ascii_alphanumeric() || "-._:@+/".contains(char));
    if !text.is_empty() && text.len() <= NAME_MAX && ends && all {
        Ok(text.to_owned())
    } else {
        Err(ReferenceError::Name(shorten(text)))
    }
}

/// `FILE[:NAME:TAG]`.
pub(super) fn docker_archive(text: &str) -> Result<(PathBuf, Option<String>), ReferenceError> {
    match text.split_once(':') {
        None => Ok((path(text)?, None)),
        Some((file, name)) => {
            let tag = name.rsplit_once(':').ok_or_else(|| ReferenceError::Tag(shorten(name)))?.1;
            check_tag(tag)?;
            Ok((path(file)?, Some(name.to_owned())))
        }
    }
}

fn split_tag(text: &str) -> (&str, Option<&str>) {
    match text.rsplit_once(':') {
        Some((path, tag)) if !tag.contains('/') => (path, Some(tag)),
        _ => (text, None),
    }
}
