//! Objects of one kind: identifiers, keys and permissions (svipc(7)).

use crate::errno::{Errno, Result};
use crate::fs::node::meta;
use crate::task::Credentials;
use alloc::collections::BTreeMap;
use alloc::rc::Rc;
use core::cell::Cell;

/// The key of objects that only their identifier names.
pub const IPC_PRIVATE: i32 = 0;
/// Make the object if there is none.
const IPC_CREAT: u32 = 0o1000;
/// There must be none yet.
const IPC_EXCL: u32 = 0o2000;
/// Places for objects of one kind; an identifier is a place plus this many times a sequence number.
const PLACES: u32 = 32_768;
/// CAP_SYS_ADMIN and CAP_IPC_OWNER.
const CAP_SYS_ADMIN: u32 = 21;
const CAP_IPC_OWNER: u32 = 15;

/// `struct ipc_perm`: who made an object, who owns it, and who may do what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Permissions {
    /// The name for everybody; [`IPC_PRIVATE`] for none.
    pub key: i32,
    /// Owner's user.
    pub uid: u32,
    /// Owner's group.
    pub gid: u32,
    /// Maker's user.
    pub maker_uid: u32,
    /// Maker's group.
    pub maker_gid: u32,
    /// Nine permission bits, and flags of the kind above them.
    pub mode: u32,
    /// Tells objects apart that had the same place one after the other.
    pub sequence: u16,
}

impl Permissions {
    /// Checks the bits of `wanted` (in any class of a mode) for a caller.
    ///
    /// # Errors
    /// EACCES.
    pub fn check(&self, who: &Credentials, wanted: u32) -> Result<()> {
        let wanted = (wanted >> 6 | wanted >> 3 | wanted) & 7;
        let granted = if who.uid == self.maker_uid || who.uid == self.uid {
            self.mode >> 6
        } else if who.gid == self.maker_gid || who.gid == self.gid || in_groups(who, self) {
            self.mode >> 3
        } else {
            self.mode
        };
        if wanted & !granted != 0 && !who.can(CAP_IPC_OWNER) { Err(Errno::EACCES) } else { Ok(()) }
    }

    /// Checks that a caller may change or remove the object.
    ///
    /// # Errors
    /// EPERM.
    pub fn check_owner(&self, who: &Credentials) -> Result<()> {
        let owns = who.uid == self.maker_uid || who.uid == self.uid || who.can(CAP_SYS_ADMIN);
        if owns { Ok(()) } else { Err(Errno::EPERM) }
    }

    /// The `struct ipc64_perm` of x86-64.
    #[must_use]
    pub fn encode(&self) -> [u8; 48] {
        let mut bytes = [0; 48];
        let words = [
            self.key.cast_unsigned(),
            self.uid,
            self.gid,
            self.maker_uid,
            self.maker_gid,
            self.mode,
            u32::from(self.sequence),
        ];
        for (index, word) in words.iter().enumerate() {
            bytes[index * 4..][..4].copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    /// What IPC_SET takes of a `struct ipc64_perm`: owner and permission bits.
    pub fn set(&mut self, bytes: &[u8; 48]) {
        let word = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        (self.uid, self.gid) = (word(4), word(8));
        self.mode = self.mode & !0o777 | word(20) & 0o777;
    }
}

fn in_groups(who: &Credentials, object: &Permissions) -> bool {
    meta::in_group(who, object.maker_gid) || meta::in_group(who, object.gid)
}

/// What every kind of object has.
pub trait Object {
    /// Its permissions.
    fn permissions(&self) -> &Cell<Permissions>;
}

/// All objects of one kind.
pub struct Registry<T> {
    objects: BTreeMap<u32, Rc<T>>,
    next_place: u32,
    sequence: u16,
}

impl<T> Default for Registry<T> {
    fn default() -> Self {
        Self { objects: BTreeMap::new(), next_place: 0, sequence: 0 }
    }
}

impl<T: Object> Registry<T> {
    /// The object with an identifier.
    ///
    /// # Errors
    /// EINVAL for none, EIDRM for one whose place another has now.
    pub fn get(&self, id: i32) -> Result<Rc<T>> {
        let id = u32::try_from(id).map_err(|_| Errno::EINVAL)?;
        let object = self.objects.get(&(id % PLACES)).ok_or(Errno::EINVAL)?;
        let is_same = u32::from(object.permissions().get().sequence) == id / PLACES;
        if is_same { Ok(Rc::clone(object)) } else { Err(Errno::EIDRM) }
    }

    /// The object at a place (SHM_STAT and its like), and its identifier.
    ///
    /// # Errors
    /// EINVAL.
    pub fn at_place(&self, place: i32) -> Result<(i32, Rc<T>)> {
        let place = u32::try_from(place).map_err(|_| Errno::EINVAL)?;
        let object = self.objects.get(&place).ok_or(Errno::EINVAL)?;
        Ok((identifier(place, &**object), Rc::clone(object)))
    }

    /// shmget(2) and its relatives: the identifier of the object with a key, or of a new one. `check` sees one that is
    /// there, `make` makes one with these permissions.
    ///
    /// # Errors
    /// ENOENT, EEXIST, EACCES, ENOSPC as the manual pages say, and those of `check` and `make`.
    pub fn open(
        &mut self,
        who: &Credentials,
        key: i32,
        flags: u32,
        check: impl FnOnce(&T) -> Result<()>,
        make: impl FnOnce(Permissions) -> Result<T>,
    ) -> Result<i32> {
        let known =
            self.iter().find(|(_, object)| key != IPC_PRIVATE && object.permissions().get().key == key);
        if let Some((id, object)) = known {
            if flags & (IPC_CREAT | IPC_EXCL) == IPC_CREAT | IPC_EXCL {
                return Err(Errno::EEXIST);
            }
            check(object)?;
            object.permissions().get().check(who, flags)?;
            return Ok(id);
        }
        if key != IPC_PRIVATE && flags & IPC_CREAT == 0 {
            return Err(Errno::ENOENT);
        }
        let permissions = Permissions {
            key,
            uid: who.uid,
            gid: who.gid,
            maker_uid: who.uid,
            maker_gid: who.gid,
            mode: flags & 0o777,
            sequence: self.sequence,
        };
        self.add(make(permissions)?)
    }

    /// Gives an object a place: the next free one, so that an identifier is not soon used again.
    fn add(&mut self, object: T) -> Result<i32> {
        let from = self.next_place;
        let mut places = (from..PLACES).chain(0..from);
        let place = places.find(|place| !self.objects.contains_key(place)).ok_or(Errno::ENOSPC)?;
        // Linux goes round in a window of half as many places again as are used.
        let window = (self.objects.len() as u32 * 3 / 2).max(256);
        self.next_place = if place + 1 >= window.min(PLACES) { 0 } else { place + 1 };
        if self.next_place == 0 {
            self.sequence = (self.sequence + 1) % (i32::MAX.cast_unsigned() / PLACES) as u16;
        }
        let id = identifier(place, &object);
        self.objects.insert(place, Rc::new(object));
        Ok(id)
    }

    /// Removes an object; who waits for it must be woken.
    pub fn remove(&mut self, id: i32) -> Option<Rc<T>> {
        self.get(id).ok()?;
        self.objects.remove(&(id.cast_unsigned() % PLACES))
    }

    /// All objects with their identifiers, in the order of their places.
    pub fn iter(&self) -> impl Iterator<Item = (i32, &Rc<T>)> {
        self.objects.iter().map(|(place, object)| (identifier(*place, &**object), object))
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.objects.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }

    /// The highest place that is used, 0 without any (IPC_INFO).
    #[must_use]
    pub fn last_place(&self) -> u64 {
        self.objects.keys().next_back().copied().unwrap_or(0).into()
    }
}

fn identifier<T: Object>(place: u32, object: &T) -> i32 {
    (u32::from(object.permissions().get().sequence) * PLACES + place).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Thing(Cell<Permissions>);

    impl Object for Thing {
        fn permissions(&self) -> &Cell<Permissions> {
            &self.0
        }
    }

    fn open(registry: &mut Registry<Thing>, who: &Credentials, key: i32, flags: u32) -> Result<i32> {
        registry.open(who, key, flags, |_| Ok(()), |permissions| Ok(Thing(Cell::new(permissions))))
    }

    #[test]
    fn keys_name_objects_and_identifiers_are_not_soon_used_again() {
        let mut registry = Registry::default();
        let who = Credentials { uid: 7, gid: 7, ..Credentials::default() };
        assert_eq!(open(&mut registry, &who, 5, 0), Err(Errno::ENOENT));
        let id = open(&mut registry, &who, 5, IPC_CREAT | 0o600).unwrap();
        assert_eq!(open(&mut registry, &who, 5, 0o400), Ok(id));
        assert_eq!(open(&mut registry, &who, 5, IPC_CREAT | IPC_EXCL), Err(Errno::EEXIST));
        let other = Credentials { uid: 8, gid: 8, ..Credentials::default() };
        assert_eq!(open(&mut registry, &other, 5, 0o400), Err(Errno::EACCES));
        assert!(registry.remove(id).is_some() && registry.get(id).is_err());
        for _ in 0..1000 {
            let next = open(&mut registry, &who, IPC_PRIVATE, 0o600).unwrap();
            assert_ne!(next, id);
            registry.remove(next);
        }
    }

    #[test]
    fn classes_are_looked_at_in_order() {
        let object =
            Permissions { uid: 1, gid: 2, maker_uid: 3, maker_gid: 4, mode: 0o640, ..Permissions::default() };
        let who = |uid, gid| Credentials { uid, gid, fs_gid: gid, ..Credentials::default() };
        assert_eq!([who(1, 9), who(3, 9)].map(|who| object.check(&who, 0o600)), [Ok(()); 2]);
        assert_eq!([who(9, 2), who(9, 4)].map(|who| object.check(&who, 0o400)), [Ok(()); 2]);
        assert_eq!(object.check(&who(9, 2), 0o200), Err(Errno::EACCES));
        assert_eq!(object.check(&who(9, 9), 0o400), Err(Errno::EACCES));
        assert_eq!(object.check_owner(&who(9, 2)), Err(Errno::EPERM));
    }
}
