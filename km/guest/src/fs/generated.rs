//! Open files whose content is computed.

use super::file::File;
use super::io::Sink;
use super::node::Node;
use super::synthetic::{Generate, View};
use crate::errno::{Errno, Result};
use crate::kernel::Kernel;
use crate::task::Tid;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::any::Any;
use core::cell::RefCell;

/// An open file of `/proc`. Its content is computed at each read from offset 0, so that one listing is consistent and
/// the next one is new.
pub struct GeneratedFile {
    node: Rc<Node>,
    generate: Rc<dyn Generate>,
    content: RefCell<Option<Vec<u8>>>,
}

impl GeneratedFile {
    /// Opens a node that has this content.
    #[must_use]
    pub fn new(node: Rc<Node>, generate: Rc<dyn Generate>) -> Self {
        Self { node, generate, content: RefCell::default() }
    }

    /// Takes what was written to it.
    ///
    /// # Errors
    /// As [`Generate::store`].
    pub fn store(&self, kernel: &mut Kernel, tid: Tid, bytes: &[u8]) -> Result<()> {
        self.generate.store(kernel, tid, bytes)
    }
}

impl File for GeneratedFile {
    fn read(&self, offset: u64, out: &mut dyn Sink) -> Result<usize> {
        let content = self.content.borrow();
        let bytes = content.as_deref().unwrap_or_default();
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
        if start == bytes.len() { Ok(0) } else { out.put(&bytes[start..]) }
    }

    fn write(&self, _: u64, _: &mut dyn super::io::Source) -> Result<usize> {
        // Not reached: the calls that write know this kind of file and use `store`.
        Err(Errno::EINVAL)
    }

    fn prepare(&self, view: View<'_>, offset: u64) -> Result<()> {
        if offset == 0 || self.content.borrow().is_none() {
            *self.content.borrow_mut() = Some(self.generate.content(view)?);
        }
        Ok(())
    }

    fn seekable(&self) -> bool {
        true
    }

    fn node(&self) -> Option<&Rc<Node>> {
        Some(&self.node)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
