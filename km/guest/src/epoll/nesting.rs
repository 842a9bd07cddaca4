//! Epoll instances in epoll instances: no loops, and not too deep (epoll_ctl(2), ELOOP).

use super::Epoll;
use crate::errno::{Errno, Result};
use crate::fs::file::OpenFile;
use alloc::rc::Rc;

/// Instances on a way from an outermost to an innermost one (EP_MAX_NESTS and the one that is added).
const DEPTH_MAX: usize = 5;

/// Whether `file` may be added to `outer`.
///
/// # Errors
/// ELOOP when `outer` would be in itself or too many instances in each other.
pub fn check(outer: &Epoll, file: &Rc<OpenFile>) -> Result<()> {
    match file.file.as_any().downcast_ref::<Epoll>() {
        None => Ok(()),
        Some(inner) => depth(inner, outer, 1).map(drop),
    }
}

/// How deep `epoll` is, itself included, provided that `forbidden` is not in it.
fn depth(epoll: &Epoll, forbidden: &Epoll, level: usize) -> Result<usize> {
    if core::ptr::eq(epoll, forbidden) || level > DEPTH_MAX - 1 {
        return Err(Errno::ELOOP);
    }
    let mut deepest = level;
    for file in epoll.inner() {
        if let Some(inner) = file.file.as_any().downcast_ref::<Epoll>() {
            deepest = deepest.max(depth(inner, forbidden, level + 1)?);
        }
    }
    Ok(deepest)
}
