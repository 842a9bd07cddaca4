//! From a path to a node (path_resolution(7)).
//!
//! A [`Walk`] carries who asks, from where and under which restrictions; [`Walk::find`] follows all components but, on
//! demand, a link in the last one. Mounts are crossed by [`Node::mounted`], `..` by [`Node::place`].

use super::node::meta::{self, MAY_EXEC};
use super::node::{Body, Node, dir};
use super::synthetic::View;
use crate::errno::{Errno, Result};
use crate::task::Credentials;
use alloc::rc::Rc;
use alloc::vec::Vec;
use bitflags::bitflags;

/// Longest path, with its NUL.
pub const PATH_MAX: usize = 4096;
/// Longest name of an entry.
pub const NAME_MAX: usize = 255;
/// Links that one lookup follows.
const LINKS_MAX: u32 = 40;

bitflags! {
    /// How a lookup differs from the ordinary one; the RESOLVE_* bits have openat2(2)'s values.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Restrict: u64 {
        /// Do not cross mounts.
        const NO_XDEV = 0x01;
        /// Follow no magic links.
        const NO_MAGICLINKS = 0x02;
        /// Follow no links at all.
        const NO_SYMLINKS = 0x04;
        /// Never leave the starting directory.
        const BENEATH = 0x08;
        /// The starting directory is the root.
        const IN_ROOT = 0x10;
        /// A link in the last component is what is looked for.
        const NO_FOLLOW = 0x1_0000;
        /// The last component's own entry is to be made, removed or renamed: a link there is not followed, not even
        /// before a slash.
        const ENTRY = 0x2_0000;
    }
}

/// A lookup in progress.
pub struct Walk<'a> {
    /// What computed nodes (`/proc`) are computed from.
    pub view: View<'a>,
    /// Whose permissions are checked in each directory.
    pub who: &'a Credentials,
    /// Where `/` and `..` of the topmost directory lead.
    pub root: Rc<Node>,
    /// Where relative paths start.
    pub start: Rc<Node>,
    /// How the lookup differs from the ordinary one.
    pub restrict: Restrict,
}

/// Where a path led.
#[derive(Clone)]
pub struct Found {
    /// The directory of the last component.
    pub parent: Rc<Node>,
    /// The last component; empty when the path was the root, or ended in `.` or `..` or a magic link.
    pub name: Vec<u8>,
    /// What the last component leads to; `None` when there is no such entry.
    pub node: Option<Rc<Node>>,
    /// The path ended with a slash: it must be a directory.
    pub slash: bool,
}

impl Found {
    /// The node.
    ///
    /// # Errors
    /// ENOENT; ENOTDIR for something else than a directory behind a slash.
    pub fn node(self) -> Result<Rc<Node>> {
        let node = self.node.ok_or(Errno::ENOENT)?;
        if self.slash && !node.meta.get().is_dir() { Err(Errno::ENOTDIR) } else { Ok(node) }
    }
}

/// State of the loop: the path, and how far it was followed.
struct Rest {
    bytes: Vec<u8>,
    at: usize,
    links: u32,
}

/// A component of a path.
struct Component {
    name: Vec<u8>,
    /// Nothing but slashes follows.
    last: bool,
    /// It is the last one, and slashes follow.
    slash: bool,
}

impl Rest {
    fn next(&mut self) -> Option<Component> {
        let left = &self.bytes[self.at..];
        let start = left.iter().position(|&byte| byte != b'/')?;
        let len = left[start..].iter().position(|&byte| byte == b'/').unwrap_or(left.len() - start);
        let (name, rest) = left[start..].split_at(len);
        let last = rest.iter().all(|&byte| byte == b'/');
        let component = Component { name: name.to_vec(), last, slash: last && !rest.is_empty() };
        self.at = if last { self.bytes.len() } else { self.at + start + len };
        Some(component)
    }

    /// Puts the target of a link before what is left.
    fn splice(&mut self, target: &[u8], slash: bool) -> Result<()> {
        self.links += 1;
        if self.links > LINKS_MAX {
            return Err(Errno::ELOOP);
        }
        let rest = &self.bytes[self.at..];
        let joint: &[u8] = if slash || !rest.is_empty() { b"/" } else { b"" };
        self.bytes = [target, joint, rest].concat();
        self.at = 0;
        if self.bytes.len() >= 2 * PATH_MAX { Err(Errno::ENAMETOOLONG) } else { Ok(()) }
    }
}

impl Walk<'_> {
    /// Follows a path.
    ///
    /// # Errors
    /// As path_resolution(7). A missing last component is no error.
    pub fn find(&self, path: &[u8]) -> Result<Found> {
        if path.is_empty() {
            return Err(Errno::ENOENT);
        }
        let mut rest = Rest { bytes: path.to_vec(), at: 0, links: 0 };
        let mut here = self.jump_to_root(path, Rc::clone(&self.start))?;
        while let Some(Component { name, last, slash }) = rest.next() {
            let Some(node) = self.step(&here, &name)? else {
                return missing(here, name, last, slash);
            };
            let follow = !last || self.follows_last(slash);
            match &node.body {
                Body::Link(target) if follow => {
                    self.check_links()?;
                    node.accessed();
                    rest.splice(target, slash)?;
                    here = self.jump_to_root(target, here)?;
                    if target.is_empty() {
                        return Err(Errno::ENOENT);
                    }
                }
                Body::Magic(magic) if follow => {
                    let target = self.magic(&here, magic.target(self.view)?)?;
                    if last {
                        return Ok(Found { parent: here, name: Vec::new(), node: Some(target), slash });
                    }
                    here = target;
                }
                _ if last => return Ok(self.found(here, name, node, slash)),
                _ => here = node,
            }
        }
        Ok(Found { parent: Rc::clone(&here), name: Vec::new(), node: Some(here), slash: false })
    }

    /// Whether a link in the last component is followed; `slash` says that a slash follows.
    fn follows_last(&self, slash: bool) -> bool {
        let follows = slash || !self.restrict.contains(Restrict::NO_FOLLOW);
        follows && !self.restrict.contains(Restrict::ENTRY)
    }

    fn found(&self, parent: Rc<Node>, name: Vec<u8>, node: Rc<Node>, slash: bool) -> Found {
        let special = name == b"." || name == b"..";
        Found { parent, name: if special { Vec::new() } else { name }, node: Some(node), slash }
    }

    /// An absolute path or link target starts at the root.
    fn jump_to_root(&self, path: &[u8], here: Rc<Node>) -> Result<Rc<Node>> {
        if path.first() != Some(&b'/') {
            return Ok(here);
        }
        if self.restrict.contains(Restrict::BENEATH) {
            return Err(Errno::EXDEV);
        }
        self.crossed(&here, Rc::clone(self.top()))
    }

    /// The directory that `..` does not leave.
    fn top(&self) -> &Rc<Node> {
        let scoped = self.restrict.intersects(Restrict::IN_ROOT | Restrict::BENEATH);
        if scoped { &self.start } else { &self.root }
    }

    /// Follows one component from a directory; a link is not followed further.
    fn step(&self, here: &Rc<Node>, name: &[u8]) -> Result<Option<Rc<Node>>> {
        if !here.meta.get().is_dir() {
            return Err(Errno::ENOTDIR);
        }
        meta::check(self.who, &here.meta.get(), MAY_EXEC)?;
        if name.len() > NAME_MAX {
            return Err(Errno::ENAMETOOLONG);
        }
        match name {
            b"." => Ok(Some(Rc::clone(here))),
            b".." => self.up(here).map(Some),
            _ => self.down(here, name),
        }
    }

    fn up(&self, here: &Rc<Node>) -> Result<Rc<Node>> {
        if Rc::ptr_eq(here, self.top()) {
            let beneath = self.restrict.contains(Restrict::BENEATH);
            return if beneath { Err(Errno::EXDEV) } else { Ok(Rc::clone(here)) };
        }
        let parent = here.place().map_or_else(|| Rc::clone(here), |place| place.parent);
        self.crossed(here, parent)
    }

    fn down(&self, here: &Rc<Node>, name: &[u8]) -> Result<Option<Rc<Node>>> {
        let child = match &here.body {
            Body::Synthetic(synthetic) => synthetic.lookup(here, self.view, name)?,
            _ => dir::lookup(here, name)?,
        };
        let Some(mut child) = child else { return Ok(None) };
        child.set_place(here, name);
        while let Some(root) = child.mounted() {
            child = self.crossed(here, root)?;
        }
        Ok(Some(child))
    }

    /// `to`, unless it lies on another mount and that is forbidden.
    fn crossed(&self, from: &Rc<Node>, to: Rc<Node>) -> Result<Rc<Node>> {
        let other = !Rc::ptr_eq(&from.volume, &to.volume);
        if other && self.restrict.contains(Restrict::NO_XDEV) { Err(Errno::EXDEV) } else { Ok(to) }
    }

    fn check_links(&self) -> Result<()> {
        if self.restrict.contains(Restrict::NO_SYMLINKS) { Err(Errno::ELOOP) } else { Ok(()) }
    }

    fn magic(&self, here: &Rc<Node>, target: Rc<Node>) -> Result<Rc<Node>> {
        if self.restrict.intersects(Restrict::NO_MAGICLINKS | Restrict::NO_SYMLINKS) {
            return Err(Errno::ELOOP);
        }
        if self.restrict.intersects(Restrict::BENEATH | Restrict::IN_ROOT) {
            return Err(Errno::EXDEV);
        }
        self.crossed(here, target)
    }
}

fn missing(parent: Rc<Node>, name: Vec<u8>, last: bool, slash: bool) -> Result<Found> {
    if last { Ok(Found { parent, name, node: None, slash }) } else { Err(Errno::ENOENT) }
}

/// The path of a node as seen from `root` (by default the machine's root), with ` (deleted)` appended if it was
/// unlinked.
#[must_use]
pub fn path_of(node: &Rc<Node>, root: Option<&Rc<Node>>) -> Vec<u8> {
    let mut names: Vec<Rc<[u8]>> = Vec::new();
    let mut here = Rc::clone(node);
    let mut deleted = false;
    while !root.is_some_and(|root| Rc::ptr_eq(&here, root)) {
        let Some(place) = here.place() else { break };
        deleted |= names.is_empty() && is_deleted(&here, &place.parent, &place.name);
        names.push(place.name);
        here = place.parent;
    }
    let mut path: Vec<u8> = names.iter().rev().flat_map(|name| [b"/", &**name].concat()).collect();
    if path.is_empty() {
        path.push(b'/');
    }
    if deleted {
        path.extend(b" (deleted)");
    }
    path
}

/// Whether a node was unlinked or replaced: its entry does not lead to it any more.
#[must_use]
pub fn is_deleted(node: &Rc<Node>, parent: &Rc<Node>, name: &[u8]) -> bool {
    if parent.dir().is_none() {
        return false;
    }
    match dir::lookup(parent, name) {
        Ok(Some(found)) => {
            let shown = found.mounted().unwrap_or_else(|| Rc::clone(&found));
            !Rc::ptr_eq(&found, node) && !Rc::ptr_eq(&shown, node)
        }
        _ => true,
    }
}
