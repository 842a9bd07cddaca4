//! Extended attributes behind an inode.

use crate::tree::Xattrs;

const HEADER: usize = 12;
const PREFIXES: [(u8, &[u8]); 5] = [
    (1, b"user."),
    (2, b"system.posix_acl_access"),
    (3, b"system.posix_acl_default"),
    (4, b"trusted."),
    (6, b"security."),
];

/// The prefix number of a name and the rest of it; `None` for name spaces that EROFS cannot hold.
fn split(name: &[u8]) -> Option<(u8, &[u8])> {
    let (index, prefix) = PREFIXES.iter().find(|(_, prefix)| name.starts_with(prefix))?;
    let rest = &name[prefix.len()..];
    // The two of POSIX ACLs are whole names, the others need something behind.
    (rest.is_empty() == matches!(index, 2 | 3)).then_some((*index, rest))
}

/// Whether an image can hold an attribute of this name and size.
pub(crate) fn representable(name: &[u8], value: &[u8]) -> bool {
    split(name).is_some_and(|(_, rest)| rest.len() <= 255) && value.len() <= usize::from(u16::MAX)
}

/// Bytes that these attributes take.
pub(super) fn size(xattrs: &Xattrs) -> usize {
    let entries: usize = xattrs
        .iter()
        .filter_map(|(name, value)| {
            split(name).map(|(_, rest)| (4 + rest.len() + value.len()).next_multiple_of(4))
        })
        .sum();
    if entries == 0 { 0 } else { HEADER + entries }
}

/// The count field of an inode whose attributes take `size` bytes.
pub(super) fn count(size: usize) -> Option<u16> {
    if size == 0 { Some(0) } else { u16::try_from((size - HEADER) / 4 + 1).ok() }
}

/// The bytes behind the inode.
pub(super) fn encode(xattrs: &Xattrs, out: &mut Vec<u8>) {
    if size(xattrs) == 0 {
        return;
    }
    out.extend([0; HEADER]);
    for (name, value) in xattrs {
        let Some((index, rest)) = split(name) else { continue };
        out.extend([rest.len().to_le_bytes()[0], index]);
        out.extend(&value.len().to_le_bytes()[..2]);
        out.extend(rest);
        out.extend(&**value);
        out.resize(out.len().next_multiple_of(4), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn size_is_what_is_written() {
        let xattrs = Xattrs::from([
            (b"user.a".as_slice().into(), b"value".as_slice().into()),
            (b"system.posix_acl_access".as_slice().into(), b"acl!".as_slice().into()),
            (b"unknown.x".as_slice().into(), b"dropped".as_slice().into()),
        ]);
        let mut bytes = Vec::new();
        encode(&xattrs, &mut bytes);
        assert_eq!(bytes.len(), size(&xattrs));
        assert_eq!(count(bytes.len()), Some(6));
        assert!(!representable(b"system.posix_acl_accessory", b""));
        assert!(!representable(b"user.", b""));
    }
}
