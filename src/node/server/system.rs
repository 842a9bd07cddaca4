//! What is answered on the function port and is no function, where a gateway is in this process: an API below `/system`, and
//! calls that are queued.

use std::error::Error;
use std::fmt;
use std::pin::Pin;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;

/// A body that this server knows nothing of.
pub type OtherBody = UnsyncBoxBody<Bytes, Box<dyn Error + Send + Sync>>;
/// An answer that has to be waited for.
pub type Answer = Pin<Box<dyn Future<Output = Response<OtherBody>> + Send>>;

/// An API below `/system`; no function's namespace has this name.
pub trait SystemApi: Send + Sync + fmt::Debug {
    /// Answers a request for such a path.
    fn answer(&self, request: Request<Incoming>) -> Answer;

    /// Whether a path is one of asynchronous calls.
    fn is_async(&self, path: &str) -> bool;

    /// Queues a call, whose header fields are those that the function is to see. `label`: the client's own id for it.
    fn enqueue(&self, request: Request<Incoming>, label: Option<String>) -> Answer;

    /// Numbers in the text form that Prometheus reads, without the mark of the end.
    fn metrics(&self) -> String;
}

/// Whether a path is one of that API.
pub fn is_system(path: &str) -> bool {
    path.strip_prefix("/system").is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
