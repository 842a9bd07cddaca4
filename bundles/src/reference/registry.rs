//! References into registries: `HOST[:PORT]/REPOSITORY[:TAG][@DIGEST]`.

use std::fmt;
use std::str::FromStr;

use super::ReferenceError;
use crate::digest::{Digest, shorten};

/// The longest repository name that registries take.
const REPOSITORY_MAX: usize = 255;
const TAG_MAX: usize = 128;

/// An image in a registry.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RegistryReference {
    /// Host and port as they were written.
    pub host: String,
    /// Repository in the registry.
    pub repository: String,
    /// Tag; absent only where there is a digest.
    pub tag: Option<String>,
    /// The digest that the manifest must have.
    pub digest: Option<Digest>,
}

impl FromStr for RegistryReference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let no_registry = || ReferenceError::NoRegistry(shorten(text));
        let (host, rest) = text.split_once('/').ok_or_else(no_registry)?;
        let looks_like_host = host.contains(['.', ':', '[']) || host == "localhost";
        if !looks_like_host {
            return Err(no_registry());
        }
        check_host(host)?;
        let (rest, digest) = match rest.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest.parse()?)),
            None => (rest, None),
        };
        let (repository, tag) = match rest.rsplit_once(':') {
            Some((repository, tag)) => (repository, Some(check_tag(tag)?)),
            None => (rest, None),
        };
        check_repository(repository)?;
        let tag = if tag.is_none() && digest.is_none() { Some("latest".to_owned()) } else { tag };
        Ok(Self { host: host.to_owned(), repository: repository.to_owned(), tag, digest })
    }
}

impl fmt::Display for RegistryReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.host, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        self.digest.map_or(Ok(()), |digest| write!(f, "@{digest}"))
    }
}

fn check_host(text: &str) -> Result<(), ReferenceError> {
    let bad = || ReferenceError::Host(shorten(text));
    let (host, port) = split_port(text);
    if port.is_some_and(|port| port.starts_with('+') || !port.parse::<u16>().is_ok_and(|port| port > 0)) {
        return Err(bad());
    }
    let is_v6 = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let good = match is_v6 {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => host.len() <= 253 && host.split('.').all(is_label),
    };
    if good { Ok(()) } else { Err(bad()) }
}

fn split_port(text: &str) -> (&str, Option<&str>) {
    match text.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (text, None),
    }
}

fn is_label(label: &str) -> bool {
    let inner = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    !label.is_empty() && label.len() <= 63 && inner && !label.starts_with('-') && !label.ends_with('-')
}

fn check_repository(text: &str) -> Result<(), ReferenceError> {
    if text.len() <= REPOSITORY_MAX && text.split('/').all(is_component) {
        Ok(())
    } else {
        Err(ReferenceError::Repository(shorten(text)))
    }
}

/// Letters and digits with single separators between them: `.`, `_`, `__` or any number of `-`.
fn is_component(text: &str) -> bool {
    let alphanumeric = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let separators_good =
        text.split(|char: char| char.is_ascii_lowercase() || char.is_ascii_digit()).all(|separator| {
            matches!(separator, "" | "." | "_" | "__") || separator.bytes().all(|byte| byte == b'-')
        });
    let ends = text.bytes().next().is_some_and(alphanumeric) && text.bytes().last().is_some_and(alphanumeric);
    ends && separators_good
}

/// The tag if it is one.
pub(super) fn check_tag(text: &str) -> Result<String, ReferenceError> {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let first = text.bytes().next().is_some_and(word);
    if first && text.len() <= TAG_MAX && text.bytes().all(|byte| word(byte) || byte == b'.' || byte == b'-') {
        Ok(text.to_owned())
    } else {
        Err(ReferenceError::Tag(shorten(text)))
    }
}
