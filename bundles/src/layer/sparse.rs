//! Sparse files in the three formats of PAX archives (GNU tar's manual, "Storing Sparse Files"), which GNU tar, Go and
//! containerd read. The old format with a type of its own is not read: containerd refuses it.

use std::io::{self, Read};

use super::LayerError;
use super::stream::{Skip, TarStream};

const BLOCK: usize = 512;

/// What the records of an extension header say of a sparse file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SparseRecords {
    /// Its name; the entry has a made-up one.
    pub name: Option<Box<[u8]>>,
    /// Its size in bytes, holes included.
    pub real_size: Option<u64>,
    /// The format's major and minor number; the older ones have none.
    pub version: (u64, u64),
    /// Offsets and sizes of its data in turn, where they are in the records.
    pub map: Vec<u64>,
}

/// Where the data of a sparse file goes.
#[derive(Debug)]
pub(super) struct SparseMap {
    /// Size of the file, holes included.
    pub(super) real_size: u64,
    /// Offset and size of each piece, in order.
    pieces: Vec<(u64, u64)>,
}

impl SparseMap {
    /// The map of the entry whose body comes next; what of it is in the body is read.
    ///
    /// # Errors
    /// When the map is malformed, longer than `max` bytes, or is not of this body.
    pub(super) fn read<R: Skip>(
        records: &SparseRecords,
        stream: &mut TarStream<R>,
        max: u64,
    ) -> Result<Self, LayerError> {
        let map = match records.version {
            (0, _) => records.map.clone(),
            (1, 0) => map_of_body(stream, max)?,
            _ => return Err(malformed()),
        };
        let real_size = records.real_size.ok_or_else(malformed)?;
        let (pairs, rest) = map.as_chunks::<2>();
        let pieces: Vec<(u64, u64)> = pairs.iter().map(|[offset, size]| (*offset, *size)).collect();
        let (mut end, mut data) = (0u64, 0u64);
        for (offset, size) in &pieces {
            if *offset < end {
                return Err(malformed());
            }
            end = offset.checked_add(*size).ok_or_else(malformed)?;
            data += size;
        }
        if !rest.is_empty() || end > real_size || data != stream.left() {
            return Err(malformed());
        }
        Ok(Self { real_size, pieces })
    }

    /// Bytes of holes.
    pub(super) fn holes(&self) -> u64 {
        self.real_size - self.pieces.iter().map(|(_, size)| size).sum::<u64>()
    }

    /// The file with zeros for its holes, from its data.
    pub(super) fn expand<'a>(&'a self, data: &'a mut dyn Read) -> impl Read + 'a {
        Expanded { pieces: &self.pieces, data, position: 0, end: self.real_size }
    }
}

/// Lines of a number each in blocks of their own at the start of the body: how many pieces, then offsets and sizes.
fn map_of_body<R: Skip>(stream: &mut TarStream<R>, max: u64) -> Result<Vec<u64>, LayerError> {
    let (mut numbers, mut digits, mut read) = (Vec::new(), Vec::new(), 0);
    loop {
        let mut block = [0; BLOCK];
        read += BLOCK as u64;
        if read > max {
            return Err(LayerError::ExtensionTooLarge { size: read, max });
        }
        let mut body = (&mut *stream).take(BLOCK as u64);
        body.read_exact(&mut block).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => malformed(),
            _ => LayerError::from_io(error),
        })?;
        for byte in block {
            if byte != b'\n' {
                digits.push(byte);
                continue;
            }
            let number = std::str::from_utf8(&digits).ok().and_then(|text| text.parse::<u64>().ok());
            numbers.push(number.ok_or_else(malformed)?);
            digits.clear();
            let wanted = numbers.first().and_then(|count| count.checked_mul(2)).ok_or_else(malformed)?;
            if numbers.len() as u64 - 1 == wanted {
                return Ok(numbers.split_off(1));
            }
        }
    }
}

fn malformed() -> LayerError {
    LayerError::Tar("the map of a sparse file is malformed".to_owned())
}

struct Expanded<'a> {
    pieces: &'a [(u64, u64)],
    data: &'a mut dyn Read,
    position: u64,
    end: u64,
}

impl Read for Expanded<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some((offset, size)) = self.pieces.first()
            && offset + size <= self.position
        {
            self.pieces = &self.pieces[1..];
        }
        let (start, end) =
            self.pieces.first().map_or((self.end, self.end), |(offset, size)| (*offset, offset + size));
        let limit = if self.position < start { start } else { end };
        let want = usize::try_from(limit - self.position).unwrap_or(usize::MAX).min(buffer.len());
        let read = if self.position < start {
            buffer[..want].fill(0);
            want
        } else {
            self.data.read(&mut buffer[..want])?
        };
        self.position += read as u64;
        Ok(read)
    }
}
