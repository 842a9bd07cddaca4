//! Directories of /proc that are lists of entries.

use super::memory::{self, Shows};
use super::{Subject, node};
use crate::errno::{Errno, Result};
use crate::fs::file::File;
use crate::fs::node::meta::{S_IFDIR, S_IFLNK, S_IFREG};
use crate::fs::node::{Body, Node};
use crate::fs::synthetic::{Generate, Magic, Synthetic, View};
use crate::kernel::Kernel;
use crate::task::Tid;
use alloc::rc::Rc;
use alloc::vec::Vec;

/// Computes a content or a link's text.
pub(super) type Text = fn(View<'_>, Subject) -> Result<Vec<u8>>;
/// Takes what was written.
pub(super) type Store = fn(&mut Kernel, Subject, &[u8]) -> Result<()>;
/// Computes where a link leads.
pub(super) type LinkTarget = fn(View<'_>, Subject) -> Result<Rc<Node>>;

/// What an entry is.
#[derive(Clone, Copy)]
pub(super) enum What {
    /// A file that can only be read.
    File(Text),
    /// A file that can be written too.
    Setting(Text, Store),
    /// A directory of the same kind.
    Dir(&'static [ProcEntry]),
    /// A link to an object.
    Magic(Text, LinkTarget),
    /// A file that shows memory by address.
    Window(Shows),
    /// A directory of another kind.
    Other(fn(Subject) -> Rc<dyn Synthetic>),
}

/// An entry of a directory.
pub(super) type ProcEntry = (&'static str, What);

impl What {
    fn mode(self) -> u32 {
        match self {
            Self::File(_) => S_IFREG | 0o444,
            Self::Setting(..) => S_IFREG | 0o644,
            Self::Window(Shows::Bytes) => S_IFREG | 0o600,
            Self::Window(Shows::State) => S_IFREG | 0o400,
            Self::Dir(_) | Self::Other(_) => S_IFDIR | 0o555,
            Self::Magic(..) => S_IFLNK | 0o777,
        }
    }

    fn body(self, subject: Subject) -> Body {
        match self {
            Self::File(_) | Self::Setting(..) | Self::Window(_) => {
                Body::Generated(Rc::new(Leaf { what: self, subject }))
            }
            Self::Dir(entries) => Body::Synthetic(Rc::new(Table { entries, subject })),
            Self::Magic(..) => Body::Magic(Rc::new(Leaf { what: self, subject })),
            Self::Other(make) => Body::Synthetic(make(subject)),
        }
    }
}

/// A directory of `/proc` whose entries do not change.
pub(super) struct Table {
    /// Names and what is behind them, in the order of a listing.
    pub(super) entries: &'static [ProcEntry],
    /// What they are about.
    pub(super) subject: Subject,
}

impl Synthetic for Table {
    fn lookup(&self, dir: &Rc<Node>, view: View<'_>, name: &[u8]) -> Result<Option<Rc<Node>>> {
        lookup(self.entries, dir, view, name, self.subject)
    }

    fn list(&self, _: View<'_>) -> Vec<(Vec<u8>, u8)> {
        list(self.entries).collect()
    }
}

/// Looks a name up in a list of entries.
pub(super) fn lookup(
    entries: &'static [ProcEntry],
    dir: &Rc<Node>,
    view: View<'_>,
    name: &[u8],
    subject: Subject,
) -> Result<Option<Rc<Node>>> {
    let found = entries.iter().find(|entry| entry.0.as_bytes() == name);
    Ok(found.map(|&(_, what)| node(dir, name, what.mode(), view, subject, what.body(subject))))
}

/// Names and DT_* values of a list of entries.
pub(super) fn list(entries: &'static [ProcEntry]) -> impl Iterator<Item = (Vec<u8>, u8)> {
    entries.iter().map(|(name, what)| (name.as_bytes().to_vec(), (what.mode() >> 12) as u8))
}

/// A file or a link.
struct Leaf {
    what: What,
    subject: Subject,
}

impl Generate for Leaf {
    fn content(&self, view: View<'_>) -> Result<Vec<u8>> {
        match self.what {
            What::File(text) | What::Setting(text, _) => text(view, self.subject),
            _ => Err(Errno::EINVAL),
        }
    }

    fn window(&self, node: &Rc<Node>, view: View<'_>) -> Option<Result<Rc<dyn File>>> {
        match self.what {
            What::Window(shows) => Some(memory::open(node, view, self.subject, shows)),
            _ => None,
        }
    }

    fn store(&self, kernel: &mut Kernel, _: Tid, bytes: &[u8]) -> Result<()> {
        match self.what {
            What::Setting(_, store) => store(kernel, self.subject, bytes),
            _ => Err(Errno::EACCES),
        }
    }
}

impl Magic for Leaf {
    fn text(&self, view: View<'_>) -> Result<Vec<u8>> {
        match self.what {
            What::Magic(text, _) => text(view, self.subject),
            _ => Err(Errno::EINVAL),
        }
    }

    fn target(&self, view: View<'_>) -> Result<Rc<Node>> {
        match self.what {
            What::Magic(_, target) => target(view, self.subject),
            _ => Err(Errno::EINVAL),
        }
    }
}
