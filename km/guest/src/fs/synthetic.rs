//! Nodes whose content is computed from the kernel's state when somebody looks: the building blocks of `/proc`.

use super::file::File;
use super::node::Node;
use crate::errno::{Errno, Result};
use crate::kernel::Kernel;
use crate::task::Tid;
use alloc::rc::Rc;
use alloc::vec::Vec;

/// What such a node sees: everything, and who asks.
#[derive(Clone, Copy)]
pub struct View<'a> {
    /// All state; contents are computed from it.
    pub kernel: &'a Kernel,
    /// The thread that asks.
    pub tid: Tid,
}

/// A directory whose entries are computed.
pub trait Synthetic {
    /// The node behind a name; made anew at every look.
    ///
    /// # Errors
    /// As the object says (ESRCH of a process that is gone).
    fn lookup(&self, dir: &Rc<Node>, view: View<'_>, name: &[u8]) -> Result<Option<Rc<Node>>>;

    /// `st_nlink`: two, and one for each directory in it, where programs count these.
    fn links(&self, view: View<'_>) -> u32 {
        let _ = view;
        2
    }

    /// Names and DT_* values.
    fn list(&self, view: View<'_>) -> Vec<(Vec<u8>, u8)>;
}

/// A file whose content is computed when it is read from its start.
pub trait Generate {
    /// The content.
    ///
    /// # Errors
    /// As the object says (ESRCH of a process that is gone).
    fn content(&self, view: View<'_>) -> Result<Vec<u8>>;

    /// The file that open(2) gives, where the content is not to be computed as a whole.
    fn window(&self, node: &Rc<Node>, view: View<'_>) -> Option<Result<Rc<dyn File>>> {
        let _ = (node, view);
        None
    }

    /// Takes what was written.
    ///
    /// # Errors
    /// EINVAL for text that it does not understand, EACCES for what cannot be changed.
    fn store(&self, kernel: &mut Kernel, tid: Tid, bytes: &[u8]) -> Result<()> {
        let _ = (kernel, tid, bytes);
        Err(Errno::EACCES)
    }
}

/// A link that leads to an object rather than to a path.
pub trait Magic {
    /// What readlink(2) says.
    ///
    /// # Errors
    /// ENOENT when there is no object.
    fn text(&self, view: View<'_>) -> Result<Vec<u8>>;

    /// Where it leads.
    ///
    /// # Errors
    /// ENOENT when there is no object.
    fn target(&self, view: View<'_>) -> Result<Rc<Node>>;
}
