//! A reader whose errors say which stage they are of: the blob's bytes, or their decompression.

use std::io::{self, Read};

use super::LayerError;

/// Errors that come out of it carry a [`LayerError`]; what carries one already is passed on.
pub(super) struct Tagged<R> {
    inner: R,
    tag: fn(io::Error) -> LayerError,
}

impl<R: Read> Tagged<R> {
    pub(super) const fn new(inner: R, tag: fn(io::Error) -> LayerError) -> Self {
        Self { inner, tag }
    }
}

impl<R: Read> Read for Tagged<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.inner.read(buffer).map_err(|error| {
            let is_tagged = error.get_ref().is_some_and(|inner| inner.is::<LayerError>());
            if is_tagged || error.kind() == io::ErrorKind::Interrupted {
                return error;
            }
            io::Error::other((self.tag)(error))
        })
    }
}
