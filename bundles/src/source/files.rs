//! Named files of a local source: those of a directory here, those of a tar file in `archive`.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::OFlag;

use super::SourceError;
use crate::digest::Digest;

/// A reader and the number of bytes it will give.
pub(super) type Opened<'a> = (Box<dyn Read + 'a>, u64);

/// A place with named files.
pub(super) trait Files {
    /// Opens the file `name`, a relative path that was put together here and never comes from an image.
    fn open(&self, name: &str) -> Result<Opened<'_>, SourceError>;

    /// A whole file of at most `max` bytes.
    fn read(&self, name: &str, max: u64) -> Result<Vec<u8>, SourceError> {
        let (reader, size) = self.open(name)?;
        if size > max {
            return Err(SourceError::DocumentTooLarge { what: name.to_owned(), size, max });
        }
        let mut bytes = Vec::new();
        reader.take(max).read_to_end(&mut bytes).map_err(SourceError::io(name))?;
        Ok(bytes)
    }

    /// A document whose digest and, if known, size must be these.
    fn read_verified(
        &self,
        name: &str,
        digest: Digest,
        size: Option<u64>,
        max: u64,
    ) -> Result<Vec<u8>, SourceError> {
        let bytes = self.read(name, max)?;
        verify(name, &bytes, digest, size)?;
        Ok(bytes)
    }
}

/// Whether these are the bytes that a descriptor means.
pub(crate) fn verify(what: &str, bytes: &[u8], digest: Digest, size: Option<u64>) -> Result<(), SourceError> {
    let found = bytes.len() as u64;
    if let Some(declared) = size.filter(|&size| size != found) {
        return Err(SourceError::Size { what: what.to_owned(), declared, found });
    }
    let found = Digest::of(bytes);
    if found != digest {
        return Err(SourceError::Digest { what: what.to_owned(), declared: digest, found });
    }
    Ok(())
}

/// The files of a directory.
pub(super) struct Directory {
    path: PathBuf,
}

impl Directory {
    pub(super) fn open(path: &Path) -> Result<Self, SourceError> {
        let meta = std::fs::metadata(path).map_err(SourceError::io(path))?;
        if meta.is_dir() {
            Ok(Self { path: path.to_owned() })
        } else {
            Err(SourceError::Io { path: path.to_owned(), source: std::io::ErrorKind::NotADirectory.into() })
        }
    }
}

impl Files for Directory {
    fn open(&self, name: &str) -> Result<Opened<'_>, SourceError> {
        let (file, size) = open_regular(&self.path.join(name))?;
        Ok((Box::new(file), size))
    }
}

/// Opens a regular file. A symbolic link is refused, and a pipe does not block: a layout made by someone else should
/// not make this process read something else.
pub(super) fn open_regular(path: &Path) -> Result<(File, u64), SourceError> {
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
    let opened = File::options().read(true).custom_flags(flags.bits()).open(path);
    let file = match opened {
        Err(error) if error.raw_os_error() == Some(Errno::ELOOP as i32) => {
            return Err(SourceError::NotAFile(path.to_owned()));
        }
        opened => opened.map_err(SourceError::io(path))?,
    };
    let meta = file.metadata().map_err(SourceError::io(path))?;
    if meta.is_file() { Ok((file, meta.len())) } else { Err(SourceError::NotAFile(path.to_owned())) }
}
