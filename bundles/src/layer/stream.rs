//! A tar stream as headers and bodies: where each entry starts, and where the archive ends.
//!
//! Numeric fields and names are the tar crate's. Its reader is not used: it takes the size of a body from the header
//! alone, wants padding behind the last one, and reads extension headers of any size into memory.
//!
//! Archives end as the readers that matter (GNU tar, Go's archive/tar and with it containerd) let them end: by a block
//! of zeros, by the stream's end between two entries, or by that end within the padding of the last body.

use std::io::{self, Read};

use tar::{EntryType, Header};

use super::LayerError;

/// Size of headers; bodies are padded to a multiple of it.
const BLOCK: usize = 512;

/// A stream that can leave bytes out.
pub(crate) trait Skip: Read {
    /// Leaves out at most `bytes` bytes; says how many there were.
    ///
    /// # Errors
    /// Those of the reader.
    fn skip(&mut self, bytes: u64) -> io::Result<u64>
    where
        Self: Sized,
    {
        io::copy(&mut self.take(bytes), &mut io::sink())
    }
}

/// A stream that can only be read through.
pub(super) struct Sequential<R>(pub(super) R);

impl<R: Read> Read for Sequential<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl<R: Read> Skip for Sequential<R> {}

/// A tar stream; what it reads is the body of the entry whose header came last.
pub(crate) struct TarStream<R> {
    inner: R,
    /// Bytes read so far.
    position: u64,
    /// Bytes of the body that are still to come.
    body: u64,
    /// Bytes between the end of the body and the next header.
    padding: u64,
    /// Bytes of holes that sparse files may still have.
    holes_left: u64,
}

impl<R: Skip> TarStream<R> {
    /// A stream of which nothing was read.
    pub(crate) const fn new(inner: R) -> Self {
        Self { inner, position: 0, body: 0, padding: 0, holes_left: 0 }
    }

    /// The same, with sparse files whose holes have at most so many bytes together.
    pub(super) const fn with_holes(mut self, max: u64) -> Self {
        self.holes_left = max;
        self
    }

    /// Takes the holes of a file from what is left for them; says whether that was enough.
    pub(super) const fn charge_holes(&mut self, bytes: u64) -> bool {
        match self.holes_left.checked_sub(bytes) {
            Some(left) => {
                self.holes_left = left;
                true
            }
            None => false,
        }
    }

    /// The next header, checked; `None` at the end of the archive.
    ///
    /// # Errors
    /// When the stream ends within a body or a header, or the header is none.
    pub(crate) fn next_header(&mut self) -> Result<Option<Header>, LayerError> {
        if self.skip(self.body)? < self.body {
            return Err(LayerError::Tar("it ends within an entry".to_owned()));
        }
        // Some writers leave the padding of the last body out: then there is no next header either.
        self.skip(self.padding)?;
        (self.body, self.padding) = (0, 0);
        let mut header = Header::new_old();
        match self.fill(header.as_mut_bytes())? {
            0 => return Ok(None),
            BLOCK => {}
            _ => return Err(LayerError::Tar("it ends within a header".to_owned())),
        }
        if header.as_bytes().iter().all(|&byte| byte == 0) {
            return Ok(None);
        }
        check_sum(&header)?;
        self.set_body(body_size(&header)?);
        Ok(Some(header))
    }

    /// Bytes of the current body that are still to come.
    pub(crate) const fn left(&self) -> u64 {
        self.body
    }

    /// Position in the stream, in bytes.
    pub(crate) const fn position(&self) -> u64 {
        self.position
    }

    /// Says how long the body is of which nothing was read yet: what an extension header says goes before the header.
    pub(crate) const fn set_body(&mut self, size: u64) {
        self.body = size;
        self.padding = size.wrapping_neg() % BLOCK as u64;
    }

    fn skip(&mut self, bytes: u64) -> Result<u64, LayerError> {
        let skipped = self.inner.skip(bytes).map_err(LayerError::from_io)?;
        self.position += skipped;
        Ok(skipped)
    }

    /// Reads until the buffer is full or the stream ends; says how many bytes there were.
    fn fill(&mut self, buffer: &mut [u8]) -> Result<usize, LayerError> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.inner.read(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(LayerError::from_io(error)),
            }
        }
        self.position += filled as u64;
        Ok(filled)
    }
}

impl<R: Read> Read for TarStream<R> {
    /// Reads from the current body.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let want = buffer.len().min(usize::try_from(self.body).unwrap_or(usize::MAX));
        let read = self.inner.read(&mut buffer[..want])?;
        self.body -= read as u64;
        self.position += read as u64;
        Ok(read)
    }
}

/// The sum of a header's bytes, its own field taken as spaces; some old writers added signed bytes up.
fn check_sum(header: &Header) -> Result<(), LayerError> {
    const FIELD: std::ops::Range<usize> = 148..156;
    let bytes = header.as_bytes().iter().enumerate();
    let bytes = bytes.map(|(at, &byte)| if FIELD.contains(&at) { b' ' } else { byte });
    let (unsigned, signed) = bytes.fold((0i64, 0i64), |(unsigned, signed), byte| {
        (unsigned + i64::from(byte), signed + i64::from(byte.cast_signed()))
    });
    let declared = i64::from(header.cksum().map_err(LayerError::from_field)?);
    if declared == unsigned || declared == signed {
        return Ok(());
    }
    Err(LayerError::Tar("the checksum of a header is wrong".to_owned()))
}

/// Size of the body behind a header.
fn body_size(header: &Header) -> Result<u64, LayerError> {
    let size = header.entry_size().map_err(LayerError::from_field)?;
    match header.entry_type() {
        // Old writers give the size of the file, which does not come once more.
        EntryType::Link => Ok(0),
        EntryType::Symlink | EntryType::Char | EntryType::Block | EntryType::Directory | EntryType::Fifo
            if size > 0 =>
        {
            // GNU tar leaves a body out here, Go reads it as the next entries.
            Err(LayerError::Tar("an entry that is no file has a size".to_owned()))
        }
        _ => Ok(size),
    }
}
