//! PAX extension records, parsed strictly: `LENGTH KEY=VALUE\n`, the length counting the whole record.
//!
//! Parsers that guess here disagree about where the next entry starts, which is how archives show different files to
//! different tools.

use super::sparse::SparseRecords;
use crate::tree::Xattrs;

/// Prefix of extended attributes in PAX keys.
const XATTR: &[u8] = b"SCHILY.xattr.";
/// Prefix of what GNU tar says about sparse files.
const SPARSE: &[u8] = b"GNU.sparse.";

/// Why records are refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PaxError {
    /// The length, the separators or the final newline are wrong.
    #[error("malformed PAX record at byte {0}")]
    Malformed(usize),
    /// A value that is not what its key asks for.
    #[error("PAX record \"{0}\" has an unusable value")]
    Value(&'static str),
    /// A record of a sparse format that is not known (`GNU.sparse.*`).
    #[error("the archive has a sparse file in a format that is not known")]
    Sparse,
}

/// What the records say about the next entry; empty values mean nothing said, as POSIX has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pax {
    /// `path`: replaces the name in the header.
    pub path: Option<Box<[u8]>>,
    /// Target of its link.
    pub linkpath: Option<Box<[u8]>>,
    /// `size` in bytes, for files that the header's octal field cannot express.
    pub size: Option<u64>,
    /// `uid`: owner.
    pub uid: Option<u32>,
    /// `gid`: group.
    pub gid: Option<u32>,
    /// Its modification time, seconds and nanoseconds.
    pub mtime: Option<(i64, u32)>,
    /// `GNU.sparse.*`: it has holes.
    pub sparse: Option<SparseRecords>,
    /// `SCHILY.xattr.*`: extended attributes by their full names.
    pub xattrs: Xattrs,
}

impl Pax {
    /// Parses the body of an extension header. The last of several records with one key counts.
    ///
    /// # Errors
    /// See [`PaxError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, PaxError> {
        let mut pax = Self::default();
        for record in records(bytes) {
            let (key, value) = record?;
            pax.set(key, value)?;
        }
        Ok(pax)
    }

    /// Whether the records of a global header may be left out, as Go's archive/tar does: GNU tar applies them to every
    /// entry that follows. What says which entries there are must not be left out.
    ///
    /// # Errors
    /// For malformed records.
    pub fn is_harmless_global(bytes: &[u8]) -> Result<bool, PaxError> {
        for record in records(bytes) {
            let key = record?.0;
            if matches!(key, b"path" | b"linkpath" | b"size" | b"hdrcharset") || key.starts_with(SPARSE) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn set(&mut self, key: &[u8], value: &[u8]) -> Result<(), PaxError> {
        let text = || (!value.is_empty()).then(|| value.into());
        match key {
            b"path" => self.path = text(),
            b"linkpath" => self.linkpath = text(),
            b"size" => self.size = number(value, "size")?,
            b"uid" => self.uid = number(value, "uid")?,
            b"gid" => self.gid = number(value, "gid")?,
            b"mtime" => self.mtime = time(value)?,
            _ => {
                if let Some(name) = key.strip_prefix(SPARSE) {
                    let sparse = self.sparse.get_or_insert_default();
                    return set_sparse(sparse, name, value);
                }
                if let Some(name) = key.strip_prefix(XATTR) {
                    self.xattrs.insert(name.into(), value.into());
                }
            }
        }
        Ok(())
    }
}

fn set_sparse(sparse: &mut SparseRecords, key: &[u8], value: &[u8]) -> Result<(), PaxError> {
    let number = || digits(value).ok_or(PaxError::Value("GNU.sparse"));
    match key {
        b"major" => sparse.version.0 = number()?,
        b"minor" => sparse.version.1 = number()?,
        b"name" => sparse.name = (!value.is_empty()).then(|| value.into()),
        b"size" | b"realsize" => sparse.real_size = Some(number()?),
        b"offset" | b"numbytes" => sparse.map.push(number()?),
        b"map" => {
            let numbers = value.split(|&byte| byte == b',').map(digits);
            sparse.map = numbers.collect::<Option<_>>().ok_or(PaxError::Value("GNU.sparse.map"))?;
        }
        // The map says so too.
        b"numblocks" => {}
        _ => return Err(PaxError::Sparse),
    }
    Ok(())
}

type Record<'a> = Result<(&'a [u8], &'a [u8]), PaxError>;

fn records(bytes: &[u8]) -> impl Iterator<Item = Record<'_>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        if at >= bytes.len() {
            return None;
        }
        let record = record(&bytes[at..]).ok_or(PaxError::Malformed(at));
        at = record.as_ref().map_or(bytes.len(), |(length, ..)| at + length);
        Some(record.map(|(_, key, value)| (key, value)))
    })
}

/// The first record: its length, key and value.
fn record(bytes: &[u8]) -> Option<(usize, &[u8], &[u8])> {
    let space = bytes.iter().take(20).position(|&byte| byte == b' ')?;
    let length: usize = digits(&bytes[..space])?.try_into().ok()?;
    let body = bytes.get(space + 1..length)?.strip_suffix(b"\n")?;
    let equals = body.iter().position(|&byte| byte == b'=')?;
    (equals > 0).then(|| (length, &body[..equals], &body[equals + 1..]))
}

/// Decimal digits and nothing else: no sign, no space.
fn digits(text: &[u8]) -> Option<u64> {
    let all_digits = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(text).ok().filter(|_| all_digits)?.parse().ok()
}

fn number<T: TryFrom<u64>>(value: &[u8], key: &'static str) -> Result<Option<T>, PaxError> {
    if value.is_empty() {
        return Ok(None);
    }
    let number = digits(value).and_then(|number| T::try_from(number).ok());
    number.map(Some).ok_or(PaxError::Value(key))
}

/// Seconds with an optional fraction; before the epoch, the fraction counts backwards.
fn time(value: &[u8]) -> Result<Option<(i64, u32)>, PaxError> {
    let bad = PaxError::Value("mtime");
    if value.is_empty() {
        return Ok(None);
    }
    let (negative, value) = value.strip_prefix(b"-").map_or((false, value), |rest| (true, rest));
    let mut halves = value.splitn(2, |&byte| byte == b'.');
    let whole =
        halves.next().and_then(digits).and_then(|seconds| i64::try_from(seconds).ok()).ok_or(bad.clone())?;
    let fraction = halves.next().unwrap_or_default();
    if fraction.iter().any(|byte| !byte.is_ascii_digit()) {
        return Err(bad);
    }
    let padded = fraction.iter().map(|digit| u32::from(digit - b'0')).chain(std::iter::repeat(0)).take(9);
    let nanoseconds = padded.fold(0, |sum, digit| sum * 10 + digit);
    Ok(Some(match (negative, nanoseconds) {
        (false, _) => (whole, nanoseconds),
        (true, 0) => (-whole, 0),
        (true, _) => (-whole - 1, 1_000_000_000 - nanoseconds),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn make(records: &[(&str, &[u8])]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (key, value) in records {
            let rest = key.len() + value.len() + 3;
            let mut length = rest + 1;
            while length != rest + length.to_string().len() {
                length = rest + length.to_string().len();
            }
            bytes.extend(format!("{length} {key}=").into_bytes());
            bytes.extend(*value);
            bytes.push(b'\n');
        }
        bytes
    }

    #[test]
    fn everything_at_once() {
        let pax = Pax::parse(&make(&[
            ("path", b"a/b"),
            ("size", b"12"),
            ("size", b"13"),
            ("uid", b""),
            ("mtime", b"-1.25"),
            ("SCHILY.xattr.user.x", b"binary\n12 path=evil\n\0"),
            ("comment", b"ignored"),
        ]))
        .unwrap();
        assert_eq!(pax.path.as_deref(), Some(b"a/b".as_slice()));
        assert_eq!((pax.size, pax.uid, pax.mtime), (Some(13), None, Some((-2, 750_000_000))));
        assert_eq!(&*pax.xattrs[b"user.x".as_slice()], b"binary\n12 path=evil\n\0");
    }

    #[test]
    fn malformed() {
        for bytes in [
            b"x path=a\n".as_slice(),
            b"9 path=a\n1",
            b"8 path=a\n",
            b"11 path=a\n",
            b"99 path=a\n",
            b" 9 path=a\n",
            b"+9 path=\n",
            b"5 =a\n",
            b"6 path\n",
            b"0 \n",
            b"9 path=a ",
            b"18446744073709551616 a=b\n",
            b"\0\0\0",
        ] {
            assert!(matches!(Pax::parse(bytes), Err(PaxError::Malformed(_))), "{}", bytes.escape_ascii());
        }
        for (key, value) in
            [("size", "-1"), ("size", " 1"), ("size", "0x1"), ("uid", "4294967296"), ("mtime", "1.x")]
        {
            assert!(
                matches!(Pax::parse(&make(&[(key, value.as_bytes())])), Err(PaxError::Value(_))),
                "{key} {value}"
            );
        }
        assert_eq!(Pax::parse(&make(&[("GNU.sparse.other", b"1")])), Err(PaxError::Sparse));
    }
}
