//! Names of unix sockets: files and the abstract name space.

use super::Unix;
use crate::errno::{Errno, Result};
use crate::fs::node::Node;
use crate::net::address::{Address, UnixName};
use alloc::collections::BTreeMap;
use alloc::rc::{Rc, Weak};
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};

/// Identifies a file that a socket is bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SocketFile {
    device: u64,
    inode: u64,
}

impl SocketFile {
    /// The place of a node.
    #[must_use]
    pub fn of(node: &Node) -> Self {
        Self { device: node.volume.dev, inode: node.ino }
    }
}

/// How a bound socket is found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SocketKey {
    /// The file that a path led to when the socket was bound.
    File(SocketFile),
    /// By its abstract name.
    Abstract(Vec<u8>),
}

/// Which socket has which name, for all that are bound.
#[derive(Default)]
pub struct UnixNames {
    bound: RefCell<BTreeMap<SocketKey, Weak<Unix>>>,
    next: Cell<u32>,
}

impl UnixNames {
    fn claim(&self, key: &SocketKey, socket: &Weak<Unix>) -> Result<()> {
        let mut bound = self.bound.borrow_mut();
        if bound.get(key).is_some_and(|other| other.strong_count() > 0) {
            return Err(Errno::EADDRINUSE);
        }
        bound.insert(key.clone(), socket.clone());
        Ok(())
    }

    /// A free name of five hexadecimal digits (unix(7), autobind).
    fn unused(&self) -> Vec<u8> {
        loop {
            let number = self.next.get();
            self.next.set((number + 1) & 0xf_ffff);
            let name = alloc::format!("{number:05x}").into_bytes();
            if !self.bound.borrow().contains_key(&SocketKey::Abstract(name.clone())) {
                return name;
            }
        }
    }

    fn find(&self, key: &SocketKey) -> Option<Rc<Unix>> {
        self.bound.borrow().get(key)?.upgrade()
    }
}

impl Unix {
    /// Binds the socket to a name (bind(2)); to one that nobody has, if it brings none.
    pub(super) fn take_name(&self, address: &Address) -> Result<()> {
        let (key, name) = match address {
            Address::Unix(UnixName::Unnamed) if self.key.borrow().is_some() => return Ok(()),
            Address::Unix(UnixName::Unnamed) => {
                let name = self.net.unix_names.unused();
                (SocketKey::Abstract(name.clone()), UnixName::Abstract(name))
            }
            Address::Unix(UnixName::Abstract(name)) => {
                (SocketKey::Abstract(name.clone()), UnixName::Abstract(name.clone()))
            }
            Address::UnixAt { place, path } => (SocketKey::File(*place), UnixName::Path(path.clone())),
            _ => return Err(Errno::EINVAL),
        };
        if self.key.borrow().is_some() {
            return Err(Errno::EINVAL);
        }
        self.net.unix_names.claim(&key, &self.me)?;
        *self.key.borrow_mut() = Some(key);
        *self.name.borrow_mut() = name;
        Ok(())
    }

    /// The name is free again; the file stays.
    pub(super) fn drop_name(&self) {
        if let Some(key) = self.key.take() {
            self.net.unix_names.bound.borrow_mut().remove(&key);
        }
    }

    /// The socket at an address.
    pub(super) fn find(&self, address: &Address) -> Result<Rc<Self>> {
        let key = match address {
            Address::Unix(UnixName::Abstract(name)) => SocketKey::Abstract(name.clone()),
            Address::UnixAt { place, .. } => SocketKey::File(*place),
            _ => return Err(Errno::EINVAL),
        };
        let found = self.net.unix_names.find(&key).ok_or(Errno::ECONNREFUSED)?;
        if found.common.kind.kind == self.common.kind.kind { Ok(found) } else { Err(Errno::EPROTOTYPE) }
    }
}
