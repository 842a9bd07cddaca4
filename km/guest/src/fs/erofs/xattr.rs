//! Extended attributes: behind the inode, or shared by number.

use super::inode::Inode;
use super::{Erofs, le16, le32};
use crate::errno::{Errno, Result};
use alloc::vec::Vec;

const HEADER_LEN: usize = 12;

/// Name and value of an attribute.
pub type Attribute = (Vec<u8>, Vec<u8>);

/// All attributes of an inode; those whose name class is unknown are left out.
///
/// # Errors
/// EIO for malformed ones.
pub fn all(fs: &Erofs, inode: &Inode) -> Result<Vec<Attribute>> {
    let mut attributes = Vec::new();
    if inode.xattr_len < HEADER_LEN as u64 {
        return Ok(attributes);
    }
    let body = fs.image().view(inode.xattr_offset, inode.xattr_len as usize)?;
    let shared = usize::from(body[4]);
    let mut at = HEADER_LEN + shared * 4;
    if at > body.len() {
        return Err(Errno::EIO);
    }
    for index in 0..shared {
        let id = u64::from(le32(&body, HEADER_LEN + index * 4));
        attributes.extend(shared_attribute(fs, id)?);
    }
    while at + 4 <= body.len() && body[at..at + 4] != [0; 4] {
        let (attribute, len) = attribute(&body[at..])?;
        attributes.extend(attribute);
        at += len.next_multiple_of(4);
    }
    Ok(attributes)
}

fn shared_attribute(fs: &Erofs, id: u64) -> Result<Option<Attribute>> {
    let offset = fs.xattr_offset.checked_add(id * 4).ok_or(Errno::EIO)?;
    let head = fs.image().view(offset, 4)?;
    let len = 4 + usize::from(head[0]) + usize::from(le16(&head, 2));
    Ok(attribute(&fs.image().view(offset, len)?)?.0)
}

/// One attribute at the start of `bytes`, and its length.
fn attribute(bytes: &[u8]) -> Result<(Option<Attribute>, usize)> {
    let name_end = 4 + usize::from(bytes[0]);
    let end = name_end + usize::from(le16(bytes, 2));
    let suffix = bytes.get(4..name_end).ok_or(Errno::EIO)?;
    let value = bytes.get(name_end..end).ok_or(Errno::EIO)?;
    let prefix: &[u8] = match bytes[1] {
        1 => b"user.",
        2 => b"system.posix_acl_access",
        3 => b"system.posix_acl_default",
        4 => b"trusted.",
        6 => b"security.",
        _ => return Ok((None, end)),
    };
    Ok((Some(([prefix, suffix].concat(), value.to_vec())), end))
}
