//! `/proc/PID/ns`: there is one namespace of each kind, with the numbers of the first ones on Linux.

use super::Subject;
use super::table::{ProcEntry, What};
use crate::errno::{Errno, Result};
use crate::fs::node::Node;
use crate::fs::synthetic::View;
use alloc::rc::Rc;

macro_rules! namespace {
    ($name:literal, $number:literal) => {
        ($name, What::Magic(|_, _| Ok(concat!($name, ":[", $number, "]").as_bytes().to_vec()), target))
    };
}

pub(super) const ENTRIES: &[ProcEntry] = &[
    namespace!("cgroup", "4026531835"),
    namespace!("ipc", "4026531839"),
    namespace!("mnt", "4026531841"),
    namespace!("net", "4026531840"),
    namespace!("pid", "4026531836"),
    namespace!("user", "4026531837"),
    namespace!("uts", "4026531838"),
];

/// Entering namespaces is for the privileged, so there is nothing to open.
fn target(_: View<'_>, _: Subject) -> Result<Rc<Node>> {
    Err(Errno::EACCES)
}
