//! References to images, parsed strictly and without touching anything they name.
//!
//! ```text
//! docker://HOST[:PORT]/REPOSITORY[:TAG][@DIGEST]   registry; without "docker://" it means the same
//! oci:PATH[:NAME][@DIGEST]                         directory with an OCI layout
//! oci-archive:FILE[:NAME][@DIGEST]                 tar file of an OCI layout
//! docker-archive:FILE[:NAME:TAG]                   tar file of `docker save`
//! dir:PATH                                         directory with manifest and blobs side by side
//! ```
//!
//! Names in layouts may be whole references ("r/app:1"): where one begins, only the file system can tell. A text is parsed
//! as if names had no slash, and [`Reference::located`] puts that right.
//!
//! A registry is never guessed: `hello:1` without a host is refused, so that nobody pulls from a place he did not name.

mod local;
mod registry;

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

pub use registry::RegistryReference;

use crate::digest::{Digest, DigestError};

/// Where an image is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reference {
    /// `docker://`, or no transport at all.
    Registry(RegistryReference),
    /// In an OCI layout.
    OciLayout {
        /// Path of the directory.
        path: PathBuf,
        /// Which of its images.
        select: Selector,
    },
    /// In a tar file of an OCI layout.
    OciArchive {
        /// Path of the tar file.
        path: PathBuf,
        /// Which of its images.
        select: Selector,
    },
    /// In a tar file as `docker save` writes it.
    DockerArchive {
        /// Path of the tar file.
        path: PathBuf,
        /// Which of its images, `NAME:TAG`; only needed if there are several.
        name: Option<String>,
    },
    /// In a directory with manifest and blobs side by side.
    Directory {
        /// Path of the directory.
        path: PathBuf,
    },
}

/// Which image of a layout is meant; without name and digest, there must be only one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector {
    /// The image with this reference name, or with a name that ends in a colon and this.
    pub name: Option<String>,
    /// The manifest or index with this digest.
    pub digest: Option<Digest>,
}

/// Why a text is no reference.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// The empty text.
    #[error("the image reference is empty")]
    Empty,
    /// White space or control characters.
    #[error("image reference \"{0}\" contains white space or control characters")]
    Characters(String),
    /// A transport that does not exist.
    #[error("transport \"{0}\" is not known; use docker://, oci:, oci-archive:, docker-archive: or dir:")]
    Transport(String),
    /// No path behind the transport.
    #[error("\"{0}\" has no path")]
    NoPath(String),
    /// The first component is no host: `hello:1`, `library/hello`.
    #[error("\"{0}\" names no registry; write docker://HOST/REPOSITORY:TAG")]
    NoRegistry(String),
    /// A host or port that cannot be one.
    #[error("\"{0}\" is not a registry host")]
    Host(String),
    /// A repository that cannot be one.
    #[error(
        "\"{0}\" is not a repository name (lower-case letters, digits, and separators . _ - / between them)"
    )]
    Repository(String),
    /// A tag that cannot be one.
    #[error("\"{0}\" is not a tag (at most 128 letters, digits, and _ . - after the first)")]
    Tag(String),
    /// A name that no image in a layout can have.
    #[error(
        "\"{0}\" is not a name of an image (letters and digits, and separators - . _ : @ + / between them)"
    )]
    Name(String),
    /// A digest that is none.
    #[error(transparent)]
    Digest(#[from] DigestError),
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        if text.is_empty() {
            return Err(ReferenceError::Empty);
        }
        if text.chars().any(char::is_control) || text.trim() != text {
            return Err(ReferenceError::Characters(crate::digest::shorten(text)));
        }
        if let Some(rest) = text.strip_prefix("docker://") {
            return Ok(Self::Registry(rest.parse()?));
        }
        match text.split_once(':') {
            Some(("oci", rest)) => local::layout(rest).map(|(path, select)| Self::OciLayout { path, select }),
            Some(("oci-archive", rest)) => {
                local::layout(rest).map(|(path, select)| Self::OciArchive { path, select })
            }
            Some(("docker-archive", rest)) => {
                local::docker_archive(rest).map(|(path, name)| Self::DockerArchive { path, name })
            }
            Some(("dir", rest)) => local::path(rest).map(|path| Self::Directory { path }),
            Some((transport, rest)) if rest.starts_with("//") => {
                Err(ReferenceError::Transport(crate::digest::shorten(transport)))
            }
            _ => Ok(Self::Registry(text.parse()?)),
        }
    }
}

impl Reference {
    /// The path of a local reference. Looks at the file system where a name may be part of it.
    #[must_use]
    pub fn local_path(&self) -> Option<&std::path::Path> {
        match self {
            Self::Registry(_) => None,
            Self::OciLayout { path, .. } | Self::OciArchive { path, .. } => Some(local::locate(path).0),
            Self::DockerArchive { path, .. } | Self::Directory { path } => Some(path),
        }
    }

    /// The same reference, path and name told apart by what is there: if `DIR:r/app` is not, but `DIR` is, the image is
    /// `r/app` in it.
    ///
    /// # Errors
    /// When what is behind the path can be no name.
    pub fn located(mut self) -> Result<Self, ReferenceError> {
        if let Self::OciLayout { path, select } | Self::OciArchive { path, select } = &mut self
            && let (found, Some(start)) = local::locate(path)
        {
            let end = select.name.take().map(|name| format!(":{name}")).unwrap_or_default();
            select.name = Some(local::check_name(&format!("{start}{end}"))?);
            *path = found.to_owned();
        }
        Ok(self)
    }

    /// The same reference with a relative path taken from `base`.
    #[must_use]
    pub fn relative_to(mut self, base: &std::path::Path) -> Self {
        match &mut self {
            Self::Registry(_) => {}
            Self::OciLayout { path, .. }
            | Self::OciArchive { path, .. }
            | Self::DockerArchive { path, .. }
            | Self::Directory { path } => *path = base.join(&*path),
        }
        self
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(name) = &self.name {
            write!(f, ":{name}")?;
        }
        self.digest.map_or(Ok(()), |digest| write!(f, "@{digest}"))
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Registry(reference) => write!(f, "docker://{reference}"),
            Self::OciLayout { path, select } => write!(f, "oci:{}{select}", path.display()),
            Self::OciArchive { path, select } => write!(f, "oci-archive:{}{select}", path.display()),
            Self::DockerArchive { path, name: Some(name) } => {
                write!(f, "docker-archive:{}:{name}", path.display())
            }
            Self::DockerArchive { path, name: None } => write!(f, "docker-archive:{}", path.display()),
            Self::Directory { path } => write!(f, "dir:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn good_ones_come_back_as_they_were() {
        for text in [
            "docker://registry.example:5000/hello:1",
            "docker://localhost/a/b_c/d--e:Tag_1.2-x",
            "docker://[::1]:5000/x:y",
            &format!("docker://r.example/hello@{DIGEST}"),
            &format!("docker://r.example/hello:1@{DIGEST}"),
            "oci:/tmp/layout:latest",
            "oci:relative/dir",
            &format!("oci:/x@{DIGEST}"),
            "oci-archive:x.tar:v1",
            "oci:/x:r/app:1",
            "oci:/x:1.0+build",
            "docker-archive:/x/y.tar",
            "docker-archive:/x/y.tar:hello:1",
            "dir:/x",
        ] {
            let reference: Reference = text.parse().unwrap();
            assert_eq!(reference.to_string(), *text);
        }
        let bare: Reference = "registry.example/hello".parse().unwrap();
        assert_eq!(bare.to_string(), "docker://registry.example/hello:latest");
    }

    #[test]
    fn bad_ones_say_why() {
        use ReferenceError as E;
        let error = |text: &str| text.parse::<Reference>().unwrap_err();
        assert_eq!(error(""), E::Empty);
        assert!(matches!(error("r.example/a b"), E::Repository(_) | E::Characters(_)));
        assert!(matches!(error("r.example/a\n"), E::Characters(_)));
        assert!(matches!(error("http://r.example/a"), E::Transport(_)));
        assert!(matches!(error("hello:1"), E::NoRegistry(_)));
        assert!(matches!(error("library/hello"), E::NoRegistry(_)));
        assert!(matches!(error("docker://r.example"), E::NoRegistry(_)));
        assert!(matches!(error("docker://r.example/"), E::Repository(_)));
        assert!(matches!(error("docker://r.example/A"), E::Repository(_)));
        assert!(matches!(error("docker://r.example/a/../b"), E::Repository(_)));
        assert!(matches!(error("docker://r.example/a//b"), E::Repository(_)));
        assert!(matches!(error("docker://user@r.example/a"), E::Host(_) | E::Digest(_)));
        assert!(matches!(error("docker://r.example:99999/a"), E::Host(_)));
        assert!(matches!(error("docker://-r.example/a"), E::Host(_)));
        assert!(matches!(error("docker://r.example/a:-x"), E::Tag(_)));
        assert!(matches!(error("docker://r.example/a@sha256:../../etc"), E::Digest(_)));
        assert!(matches!(error("oci:"), E::NoPath(_)));
        assert!(matches!(error("dir:"), E::NoPath(_)));
        assert!(matches!(error("oci:/x:bad/tag@"), E::Digest(_)));
        assert!(matches!(error("oci:/x:-bad"), E::Name(_)));
    }
}
