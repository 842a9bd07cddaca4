//! One word for each kind of failure, for conditions, metrics and scripts; and what to do about it.
//!
//! The words are part of what users see and stay as they are; messages may get better.

use std::fmt;
use std::io;

use crate::assemble::AssembleError;
use crate::bundle::BundleError;
use crate::erofs::ErofsError;
use crate::layer::LayerError;
#[cfg(feature = "registry")]
use crate::registry::RegistryError;
use crate::source::SourceError;
use crate::source::documents::DocumentError;
use crate::store::StoreError;
use crate::tree::TreeError;
use crate::unpack::UnpackError;

/// A kind of failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The registry wants credentials and has none, or not these.
    Unauthorized,
    /// The credentials are good, but not for this.
    Forbidden,
    /// The credentials themselves cannot be read or had.
    CredentialsInvalid,
    /// No such repository, tag, file or layout.
    ImageNotFound,
    /// There is no variant of the image for linux/amd64.
    PlatformMissing,
    /// The certificate's authority is not trusted.
    CertificateUntrusted,
    /// A file of authorities is unusable.
    CertificateFileInvalid,
    /// The host does not speak TLS.
    PlainHttp,
    /// No connection to the registry comes about.
    RegistryUnreachable,
    /// Too many requests, or the server is in trouble.
    RegistryBusy,
    /// Slower than the floor, or than the time for an image allows.
    RegistrySlow,
    /// The transfer broke off.
    TransferFailed,
    /// Other bytes than the digest says.
    DigestMismatch,
    /// Sent to where nothing may be fetched from.
    RedirectRefused,
    /// An answer that makes no sense.
    RegistryProtocol,
    /// The disk is full, or the quota used up.
    DiskFull,
    /// The disk fails otherwise.
    DiskFailed,
    /// A bound on images was passed.
    ImageTooLarge,
    /// Manifest, configuration or layers are malformed.
    ImageInvalid,
    /// The bundle is in use or missing.
    StoreConflict,
}

/// Whether it may help to try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outlook {
    /// The image itself is refused: the same digest gets the same verdict, whenever it is tried.
    Lasting,
    /// It stays so until someone changes something, and that need not show here: credentials, the registry, a certificate,
    /// a file. Worth an attempt now and then.
    UntilChanged,
    /// It may pass by itself: a server that is busy, a line that is down, a disk that is full.
    Passing,
}

impl Reason {
    /// Whether it may help to try again.
    #[must_use]
    pub const fn outlook(self) -> Outlook {
        match self {
            Self::PlatformMissing | Self::ImageTooLarge | Self::ImageInvalid => Outlook::Lasting,
            Self::Unauthorized
            | Self::Forbidden
            | Self::CredentialsInvalid
            | Self::ImageNotFound
            | Self::CertificateUntrusted
            | Self::CertificateFileInvalid
            | Self::PlainHttp
            | Self::DigestMismatch
            | Self::RedirectRefused
            | Self::RegistryProtocol => Outlook::UntilChanged,
            Self::RegistryUnreachable
            | Self::RegistryBusy
            | Self::RegistrySlow
            | Self::TransferFailed
            | Self::DiskFull
            | Self::DiskFailed
            | Self::StoreConflict => Outlook::Passing,
        }
    }

    /// The word as users see it: in conditions, metrics and logs.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Unauthorized => "Unauthorized",
            Self::Forbidden => "Forbidden",
            Self::CredentialsInvalid => "CredentialsInvalid",
            Self::ImageNotFound => "ImageNotFound",
            Self::PlatformMissing => "PlatformMissing",
            Self::CertificateUntrusted => "CertificateUntrusted",
            Self::CertificateFileInvalid => "CertificateFileInvalid",
            Self::PlainHttp => "PlainHttp",
            Self::RegistryUnreachable => "RegistryUnreachable",
            Self::RegistryBusy => "RegistryBusy",
            Self::RegistrySlow => "RegistrySlow",
            Self::TransferFailed => "TransferFailed",
            Self::DigestMismatch => "DigestMismatch",
            Self::RedirectRefused => "RedirectRefused",
            Self::RegistryProtocol => "RegistryProtocol",
            Self::DiskFull => "DiskFull",
            Self::DiskFailed => "DiskFailed",
            Self::ImageTooLarge => "ImageTooLarge",
            Self::ImageInvalid => "ImageInvalid",
            Self::StoreConflict => "StoreConflict",
        }
    }

    /// What to do about it.
    #[must_use]
    pub const fn fix(self) -> &'static str {
        match self {
            Self::Unauthorized => "name a pull secret (or log in) with a user who may read this repository",
            Self::Forbidden => "name a pull secret of a user who may read this repository",
            Self::CredentialsInvalid => "put the pull secret, or docker's config.json, right",
            Self::ImageNotFound => "check the name and the tag, and that the image was pushed",
            Self::PlatformMissing => "build and push it for linux/amd64",
            Self::CertificateUntrusted => "name the registry's authority with --registry-ca",
            Self::CertificateFileInvalid => "name a file with certificates in PEM",
            Self::PlainHttp => "if plain HTTP is meant, name the registry with --insecure-registry",
            Self::RegistryUnreachable => {
                "check the registry's name, and that this host (or its proxy) can reach it"
            }
            Self::RegistryBusy | Self::TransferFailed => {
                "it is tried again; if it stays so, look at the registry"
            }
            Self::RegistrySlow => {
                "it is tried again and goes on where it was; if the registry cannot be faster, lower --pull-floor and raise --pull-timeout"
            }
            Self::DigestMismatch => "push the image again; something between changes or loses bytes",
            Self::RedirectRefused | Self::RegistryProtocol => {
                "check that the name is that of a registry, and how the registry is set up"
            }
            Self::DiskFull => "free space on the volume, or make it larger",
            Self::DiskFailed => "check that the volume is there, writable and sound",
            Self::ImageTooLarge => "make the image smaller",
            Self::ImageInvalid => "build and push it again",
            Self::StoreConflict => "try again when nobody uses the bundle",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// The kind of an error of the file system.
#[must_use]
pub fn of_disk(error: &io::Error) -> Reason {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Reason::DiskFull,
        _ => Reason::DiskFailed,
    }
}

#[cfg(feature = "registry")]
impl RegistryError {
    /// The word for this error, and with it the fix.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::Unauthorized { .. } => Reason::Unauthorized,
            Self::Forbidden { .. } => Reason::Forbidden,
            Self::NotFound { .. } => Reason::ImageNotFound,
            Self::Connect { .. } => Reason::RegistryUnreachable,
            Self::Certificate { .. } => Reason::CertificateUntrusted,
            Self::PlainHttp { .. } => Reason::PlainHttp,
            Self::Transfer { .. } | Self::Short { .. } => Reason::TransferFailed,
            Self::TooLong { .. } | Self::Status { .. } | Self::Protocol { .. } => Reason::RegistryProtocol,
            Self::TooSlow { .. } | Self::TooLate { .. } => Reason::RegistrySlow,
            Self::Digest { .. } => Reason::DigestMismatch,
            Self::Busy { .. } => Reason::RegistryBusy,
            Self::Refused { .. } => Reason::RedirectRefused,
            Self::Source(error) => error.reason(),
            Self::Disk { source, .. } | Self::Start(source) => of_disk(source),
            Self::Credentials(_) => Reason::CredentialsInvalid,
            Self::Authorities(_) | Self::Tls(_) => Reason::CertificateFileInvalid,
        }
    }
}

impl SourceError {
    /// The word for this error, and with it the fix.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::Io { source, .. } if source.kind() == io::ErrorKind::NotFound => Reason::ImageNotFound,
            Self::Io { source, .. } => of_disk(source),
            Self::NoSuchImage { .. } | Self::Ambiguous(_) | Self::NotLocal | Self::Reference(_) => {
                Reason::ImageNotFound
            }
            Self::DocumentTooLarge { .. } => Reason::ImageTooLarge,
            Self::Document(error) => error.reason(),
            Self::Digest { .. } | Self::Size { .. } => Reason::DigestMismatch,
            #[cfg(feature = "registry")]
            Self::Registry(error) => error.reason(),
            Self::Layer { source, .. } | Self::Archive { source, .. } => source.reason(),
            Self::NotAFile(_) | Self::MissingEntry { .. } | Self::TooManyEntries(_) | Self::BadDigest(_) => {
                Reason::ImageInvalid
            }
        }
    }
}

impl DocumentError {
    /// The word for this error, and with it the fix.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        match self {
            Self::NoPlatform(_) | Self::WrongPlatform(_) => Reason::PlatformMissing,
            Self::TooManyLayers { .. } => Reason::ImageTooLarge,
            _ => Reason::ImageInvalid,
        }
    }
}

impl LayerError {
    /// The word for this error, and with it the fix.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::Tree(TreeError::Spool(error)) | Self::Read(error) => of_disk(error),
            // A blob with its own digest and another content than the configuration says: so it was pushed.
            Self::Truncated { .. } | Self::Longer { .. } | Self::Digest { .. } => Reason::DigestMismatch,
            error if error.is_limit() => Reason::ImageTooLarge,
            _ => Reason::ImageInvalid,
        }
    }
}

impl BundleError {
    /// The word for this error, and with it the fix.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::Config(_) => Reason::ImageInvalid,
            Self::Erofs(ErofsError::TooLarge) => Reason::ImageTooLarge,
            Self::Erofs(ErofsError::Io(error)) => of_disk(error),
            Self::Io { source, .. } => of_disk(source),
            Self::Damaged { .. } => Reason::DiskFailed,
        }
    }
}

impl StoreError {
    /// The word for this error, and with it the fix.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::Io { source, .. } => of_disk(source),
            Self::Bundle(error) => error.reason(),
            Self::InUse(_) | Self::Missing(_) => Reason::StoreConflict,
        }
    }
}

impl AssembleError {
    /// The word for this error, and with it the fix.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::Source(error) => error.reason(),
            Self::Bundle(error) => error.reason(),
            Self::Store(error) => error.reason(),
            Self::Unpack(UnpackError { source, .. }) | Self::Output { source, .. } => of_disk(source),
        }
    }
}

/// An error with all its causes in one line.
#[must_use]
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        // Transparent errors say what their cause says.
        if !text.ends_with(&next) {
            text = format!("{text}: {next}");
        }
        cause = error.source();
    }
    text
}
