//! Extended attributes of a node (xattr(7)).

use super::Node;
use crate::errno::{Errno, Result};
use crate::fs::erofs;
use alloc::collections::BTreeMap;
use alloc::rc::Rc;
use alloc::vec::Vec;

pub(super) type Attributes = BTreeMap<Vec<u8>, Vec<u8>>;

/// Bytes of attributes that one inode may have in all; they are kept in the library OS's own memory.
const TOTAL_MAX: usize = 64 << 10;

/// XATTR_CREATE: fail when there is one.
pub const CREATE: u64 = 1;
/// XATTR_REPLACE: fail when there is none.
pub const REPLACE: u64 = 2;

impl Node {
    fn attributes<R>(&self, with: impl FnOnce(&mut Attributes) -> R) -> R {
        let mut slot = self.xattrs.borrow_mut();
        let attributes = slot.get_or_insert_with(|| match (self.volume.lower(), self.lower()) {
            (Some(fs), Some(inode)) => erofs::xattr::all(fs, inode).unwrap_or_default().into_iter().collect(),
            _ => Attributes::new(),
        });
        with(attributes)
    }

    /// The value of an attribute.
    ///
    /// # Errors
    /// ENODATA.
    pub fn xattr(&self, name: &[u8]) -> Result<Vec<u8>> {
        self.attributes(|all| all.get(name).cloned()).ok_or(Errno::ENODATA)
    }

    /// The names of all attributes.
    #[must_use]
    pub fn xattr_names(&self) -> Vec<Vec<u8>> {
        self.attributes(|all| all.keys().cloned().collect())
    }

    /// Whether they differ from the image's.
    #[must_use]
    pub fn xattrs_differ(&self) -> bool {
        let (Some(fs), Some(inode)) = (self.volume.lower(), self.lower()) else { return true };
        let image = || erofs::xattr::all(fs, inode).unwrap_or_default().into_iter().collect::<Attributes>();
        self.xattrs.borrow().as_ref().is_some_and(|all| *all != image())
    }

    /// Sets an attribute.
    ///
    /// # Errors
    /// EEXIST and ENODATA as `flags` ask, ENOSPC for too much.
    pub fn set_xattr(self: &Rc<Self>, name: &[u8], value: Vec<u8>, flags: u64) -> Result<()> {
        self.attributes(|all| {
            let exists = all.contains_key(name);
            if flags & CREATE != 0 && exists {
                return Err(Errno::EEXIST);
            }
            if flags & REPLACE != 0 && !exists {
                return Err(Errno::ENODATA);
            }
            let total: usize = all.iter().map(|(name, value)| name.len() + value.len()).sum();
            if total + name.len() + value.len() > TOTAL_MAX {
                return Err(Errno::ENOSPC);
            }
            all.insert(name.to_vec(), value);
            Ok(())
        })?;
        self.touch(|_| ());
        Ok(())
    }

    /// Removes an attribute.
    ///
    /// # Errors
    /// ENODATA.
    pub fn remove_xattr(self: &Rc<Self>, name: &[u8]) -> Result<()> {
        self.attributes(|all| all.remove(name)).ok_or(Errno::ENODATA)?;
        self.touch(|_| ());
        Ok(())
    }
}
