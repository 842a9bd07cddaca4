//! What a machine tells of its changes ([`km_abi::changes`]), read as an attacker's: into [`Changes`], or refused.

use std::io::Read;

use bundles::tree::{Meta, path as tree_path};
use km_abi::changes::{Body, CHANGE_MAX, Change, Entry};

use crate::layer::{Changes, Kind, LayerError, show};

/// Why it is refused.
#[derive(Debug, thiserror::Error)]
pub enum ToldError {
    /// The stream ends before it says so.
    #[error("the machine did not tell all that the step changed")]
    Incomplete,
    /// It is no such stream.
    #[error("what the machine tells of the step's changes is malformed: {0}")]
    Malformed(&'static str),
    /// It is more than a layer can be.
    #[error(transparent)]
    Layer(#[from] LayerError),
}

const S_IFMT: u32 = 0o170_000;
const S_IFCHR: u32 = 0o020_000;
const S_IFBLK: u32 = 0o060_000;
const S_IFIFO: u32 = 0o010_000;

/// Reads a whole stream.
///
/// # Errors
/// See [`ToldError`].
pub fn read(stream: &mut dyn Read, changes: &mut Changes) -> Result<(), ToldError> {
    loop {
        match next(stream)? {
            Change::Whole => return Ok(()),
            Change::Removed { path } => {
                check(&path)?;
                changes.remove(&path)?;
            }
            Change::Entry(entry) => put(stream, changes, entry)?,
        }
    }
}

fn next(stream: &mut dyn Read) -> Result<Change, ToldError> {
    let mut len = [0; 4];
    stream.read_exact(&mut len).map_err(|_| ToldError::Incomplete)?;
    let len = u32::from_le_bytes(len) as usize;
    if len > CHANGE_MAX {
        return Err(ToldError::Malformed("a record is too long"));
    }
    let mut bytes = vec![0; len];
    stream.read_exact(&mut bytes).map_err(|_| ToldError::Incomplete)?;
    Change::decode(&bytes).map_err(|_| ToldError::Malformed("a record is none"))
}

fn put(stream: &mut dyn Read, changes: &mut Changes, entry: Entry) -> Result<(), ToldError> {
    if !entry.path.is_empty() || !matches!(entry.body, Body::Directory { .. }) {
        check(&entry.path)?;
    }
    let xattrs = entry.xattrs.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
    let meta = Meta {
        mode: (entry.mode & 0o7777) as u16,
        uid: entry.uid,
        gid: entry.gid,
        mtime: entry.mtime_s,
        mtime_nsec: entry.mtime_ns.min(999_999_999),
        xattrs,
    };
    let kind = match entry.body {
        Body::File { size } => changes.spool(stream, size).map_err(|error| match error {
            LayerError::Io(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                ToldError::Incomplete
            }
            error => error.into(),
        })?,
        Body::Directory { opaque } => Kind::Directory { opaque },
        Body::Symlink { target } => {
            if target.is_empty() || target.len() >= tree_path::PATH_MAX || target.contains(&0) {
                return Err(ToldError::Malformed("a symbolic link leads nowhere"));
            }
            Kind::Symlink(target)
        }
        Body::Link { first } => return Ok(changes.link(&entry.path, &first)?),
        Body::Special { rdev } => {
            // Encoded as by Linux's new_encode_dev().
            let (major, minor) = (rdev >> 8 & 0xfff, rdev & 0xff | rdev >> 12 & 0xfff00);
            match entry.mode & S_IFMT {
                S_IFCHR => Kind::CharDevice(major, minor),
                S_IFBLK => Kind::BlockDevice(major, minor),
                S_IFIFO => Kind::Fifo,
                _ => return Err(ToldError::Malformed("a file is of no kind")),
            }
        }
    };
    Ok(changes.put(&entry.path, meta, kind)?)
}

/// A path within the root that no reader of layers takes for another one.
fn check(path: &[u8]) -> Result<(), ToldError> {
    let components = tree_path::components(path).map_err(|_| ToldError::Malformed("a path is none"))?;
    let plain = components.join(&b'/') == path && !components.is_empty();
    let reserved = components.iter().find(|one| one.starts_with(b".wh."));
    match reserved {
        _ if !plain => Err(ToldError::Malformed("a path is none")),
        Some(_) => Err(LayerError::Reserved(show(path)).into()),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(list: &[Change], rest: &[u8]) -> Result<Changes, ToldError> {
        let mut bytes = Vec::new();
        for change in list {
            bytes.extend(change.encode().unwrap());
        }
        bytes.extend(rest);
        let mut changes = Changes::new(&std::env::temp_dir()).unwrap();
        read(&mut &bytes[..], &mut changes).map(|()| changes)
    }

    fn entry(path: &str, body: Body) -> Change {
        let (mode, uid, gid) = (0o100_644, 1, 2);
        let path = path.as_bytes().to_vec();
        Change::Entry(Entry { path, mode, uid, gid, mtime_s: 5, mtime_ns: 6, xattrs: Vec::new(), body })
    }

    #[test]
    fn what_is_told_becomes_a_layer() {
        let removed = Change::Removed { path: b"gone".to_vec() };
        let directory = entry("d", Body::Directory { opaque: true });
        let link = entry("d/l", Body::Symlink { target: b"x".to_vec() });
        let changes = told(&[removed, directory, link, Change::Whole], b"").unwrap();
        assert_eq!(changes.paths().collect::<Vec<_>>(), [&b"d"[..], b"d/l", b"gone"]);
        let folder = std::env::temp_dir();
        let (_, first) = changes.write(&folder, 100).unwrap();
        let (_, second) = changes.write(&folder, 100).unwrap();
        assert_eq!(first, second);
    }

    #[test]
    fn what_an_attacker_tells_is_refused() {
        let file = |path: &str| entry(path, Body::File { size: 0 });
        for path in ["", "/a", "a/../b", "a//b", "./a", "a/", "a/.wh.b", ".wh.x/y", "a\0b"] {
            assert!(told(&[file(path), Change::Whole], b"").is_err(), "{path:?}");
        }
        assert!(matches!(told(&[file("a")], b""), Err(ToldError::Incomplete)));
        let short = entry("a", Body::File { size: 10 });
        assert!(matches!(told(&[short], b"12345"), Err(ToldError::Incomplete)));
        assert!(told(&[entry("a", Body::File { size: u64::MAX })], b"").is_err());
        assert!(told(&[entry("a", Body::Link { first: b"b".to_vec() }), Change::Whole], b"").is_err());
        assert!(matches!(told(&[], &[255; 8]), Err(ToldError::Malformed(_))));
    }
}
