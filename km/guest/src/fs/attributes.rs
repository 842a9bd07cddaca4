//! Attributes of objects without an inode: pipes and sockets have an owner, and a mode that can be changed.

use super::node::meta::Meta;
use crate::task::Credentials;
use alloc::boxed::Box;
use core::cell::RefCell;

/// Owner and mode of a pipe or a socket.
#[derive(Debug)]
pub struct Attributes {
    owner: (u32, u32),
    /// What chmod(2), chown(2) and utimensat(2) made of them; few programs ever call these.
    changed: RefCell<Option<Box<Meta>>>,
}

impl Attributes {
    /// Of what a user and a group make.
    #[must_use]
    pub fn new(uid: u32, gid: u32) -> Self {
        Self { owner: (uid, gid), changed: RefCell::default() }
    }

    /// Of what a process makes.
    #[must_use]
    pub fn by(who: &Credentials) -> Self {
        Self::new(who.fs_uid, who.fs_gid)
    }

    /// All of them, for an object that was made with `mode`.
    #[must_use]
    pub fn meta(&self, mode: u32) -> Meta {
        let (uid, gid) = self.owner;
        self.changed.borrow().as_deref().copied().unwrap_or_else(|| Meta::new(mode, uid, gid))
    }

    /// Changes them.
    pub fn set(&self, meta: Meta) {
        *self.changed.borrow_mut() = Some(Box::new(meta));
    }
}
