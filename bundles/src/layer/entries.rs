//! Entries of a tar stream with the extensions that belong to them, every extension bounded and checked.

use std::io::Read;

use tar::{EntryType, Header};

use super::LayerError;
use super::pax::Pax;
use super::sparse::SparseRecords;
use super::stream::{Skip, TarStream};

/// An entry with its extensions applied; its body is what the stream reads next.
pub(crate) struct Item {
    pub(crate) header: Header,
    pub(crate) path: Vec<u8>,
    /// What the extensions say if it is a sparse file.
    pub(super) sparse: Option<SparseRecords>,
    /// Target of a link.
    pub(crate) link: Vec<u8>,
    pub(crate) pax: Pax,
}

/// What precedes an entry.
#[derive(Default)]
struct Extensions {
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    pax: Option<Pax>,
}

impl Extensions {
    const fn is_empty(&self) -> bool {
        self.name.is_none() && self.link.is_none() && self.pax.is_none()
    }
}

/// The next entry; `None` at the end of the archive.
pub(crate) fn next<R: Skip>(
    stream: &mut TarStream<R>,
    extension_max: u64,
) -> Result<Option<Item>, LayerError> {
    let mut extensions = Extensions::default();
    while let Some(header) = stream.next_header()? {
        match header.entry_type() {
            EntryType::GNULongName => once(&mut extensions.name, long_name(stream, extension_max)?)?,
            EntryType::GNULongLink => once(&mut extensions.link, long_name(stream, extension_max)?)?,
            EntryType::XHeader => {
                once(&mut extensions.pax, Pax::parse(&body(stream, extension_max)?)?)?;
            }
            EntryType::XGlobalHeader => {
                if !Pax::is_harmless_global(&body(stream, extension_max)?)? {
                    return Err(LayerError::Tar("a global extension header changes all entries".to_owned()));
                }
            }
            _ => return Ok(Some(item(stream, header, extensions))),
        }
    }
    if extensions.is_empty() {
        Ok(None)
    } else {
        Err(LayerError::Tar("the last extension header has no entry".to_owned()))
    }
}

fn once<T>(slot: &mut Option<T>, value: T) -> Result<(), LayerError> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(LayerError::Tar("two extension headers of one kind for one entry".to_owned())),
    }
}

fn body<R: Skip>(stream: &mut TarStream<R>, max: u64) -> Result<Vec<u8>, LayerError> {
    let size = stream.left();
    if size > max {
        return Err(LayerError::ExtensionTooLarge { size, max });
    }
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).map_err(LayerError::from_io)?;
    if bytes.len() as u64 == size {
        Ok(bytes)
    } else {
        Err(LayerError::Tar("an extension header is cut off".to_owned()))
    }
}

/// A GNU long name: up to its terminating NUL, behind which there must be nothing else.
fn long_name<R: Skip>(stream: &mut TarStream<R>, max: u64) -> Result<Vec<u8>, LayerError> {
    let mut bytes = body(stream, max)?;
    while bytes.last() == Some(&0) {
        bytes.pop();
    }
    Ok(bytes)
}

fn item<R: Skip>(stream: &mut TarStream<R>, header: Header, extensions: Extensions) -> Item {
    let mut pax = extensions.pax.unwrap_or_default();
    let sparse = pax.sparse.take();
    let sparse_name = sparse.as_ref().and_then(|sparse| sparse.name.as_deref());
    let path = sparse_name.or(pax.path.as_deref()).map(<[u8]>::to_vec).or(extensions.name);
    let path = path.unwrap_or_else(|| header.path_bytes().into_owned());
    let link = pax.linkpath.as_deref().map(<[u8]>::to_vec).or(extensions.link);
    let link = link.or_else(|| header.link_name_bytes().map(|link| link.into_owned())).unwrap_or_default();
    // Writers of files that the header's octal digits cannot measure leave that field empty, or full.
    if let (EntryType::Regular | EntryType::Continuous, Some(size)) = (header.entry_type(), pax.size) {
        stream.set_body(size);
    }
    Item { header, path, link, pax, sparse }
}

/// The modification time in a header; GNU tar writes times before the epoch as negative base-256 numbers.
pub(super) fn header_mtime(header: &Header) -> Result<i64, LayerError> {
    let field = &header.as_old().mtime;
    if field[0] == 0xff {
        let tail = field.last_chunk().copied().unwrap_or_default();
        return Ok(i64::from_be_bytes(tail));
    }
    let seconds = header.mtime().map_err(LayerError::from_field)?;
    i64::try_from(seconds).map_err(|_| LayerError::Tar("a modification time is out of range".to_owned()))
}
