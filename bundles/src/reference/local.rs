//! The part of a reference behind `oci:`, `oci-archive:`, `docker-archive:` and `dir:`.

use std::path::PathBuf;

use super::registry::check_tag;
use super::{ReferenceError, Selector};
use crate::digest::shorten;

/// A path that is not empty.
pub(super) fn path(text: &str) -> Result<PathBuf, ReferenceError> {
    if text.is_empty() { Err(ReferenceError::NoPath(shorten(text))) } else { Ok(PathBuf::from(text)) }
}

/// `PATH[:TAG][@DIGEST]`. A colon in the path itself has a slash behind it, so it starts no tag.
pub(super) fn layout(text: &str) -> Result<(PathBuf, Selector), ReferenceError> {
    let (text, digest) = match text.rsplit_once('@') {
        Some((text, digest)) if !digest.contains('/') => (text, Some(digest.parse()?)),
        _ => (text, None),
    };
    let (text, tag) = split_tag(text);
    let tag = tag.map(check_tag).transpose()?;
    Ok((path(text)?, Selector { tag, digest }))
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
