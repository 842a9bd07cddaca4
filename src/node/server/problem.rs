//! Answers that are ours and not a function's: RFC 9457 problem documents, one per row of the error table.
//!
//! Callers are strangers: what they are told is chosen among fixed texts ([`Problem::told`]), so that nothing of a program,
//! of its machine or of this host can get into it. The owner's detail is for log, status and admin port.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use http::{Response, StatusCode};
use serde::Serialize;

use super::body::Body;
use super::reason::Reason;

/// Who has the problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Component {
    /// The request itself.
    Request,
    /// The path names no function, or one that does not answer yet.
    Router,
    /// Limits of function and node.
    Admission,
    /// Making the function ready.
    Bake,
    /// The function's program.
    Function,
    /// Workers and machines.
    Worker,
}

/// Who reads problem documents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reader {
    /// Anybody: status, reason and call id, and a fixed text for them.
    #[default]
    Caller,
    /// The owner of node and functions, who may see the detail.
    Owner,
}

/// Why a call has no answer of its function: what the caller gets, and what only the owner does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Status of the response.
    pub status: StatusCode,
    /// Where it arose, so that the reader knows whose it is to mend.
    pub component: Component,
    /// One word for machines.
    pub reason: Reason,
    /// One line for the caller.
    pub told: &'static str,
    /// One line for the function's owner, where it says more than `told`.
    pub detail: Option<String>,
    /// When to try again, in seconds.
    pub retry_after: Option<u32>,
}

/// The problem as a document (RFC 9457), as far as its reader may see it.
#[derive(Serialize)]
struct Document<'a> {
    r#type: &'static str,
    title: &'a str,
    status: u16,
    detail: &'a str,
    component: Component,
    reason: Reason,
    call_id: &'a str,
}

impl Problem {
    /// A problem that does not go away by waiting.
    pub fn new(status: StatusCode, component: Component, reason: Reason, told: &'static str) -> Self {
        Self { status, component, reason, told, detail: None, retry_after: None }
    }

    /// The same, with a line for the owner alone.
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// The line for the owner.
    pub fn detail(&self) -> &str {
        self.detail.as_deref().unwrap_or(self.told)
    }

    /// The same, with the time after which to try again.
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// Nothing is published there.
    pub fn not_found(told: &'static str) -> Self {
        Self::new(StatusCode::NOT_FOUND, Component::Router, Reason::NotFound, told)
    }

    /// The head of the request is beyond [`super::headers::FIELDS_MAX`] or [`super::headers::HEAD_MAX`].
    pub fn headers_too_large() -> Self {
        let told = "the request has more than 1,000 header fields, or more than 64 KiB of them";
        Self::new(
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Component::Request,
            Reason::HeadersTooLarge,
            told,
        )
    }

    /// The deadline of the call passed.
    pub fn deadline() -> Self {
        let told = "the call took longer than the function's timeout and was ended";
        Self::new(StatusCode::GATEWAY_TIMEOUT, Component::Function, Reason::Deadline, told)
    }

    /// The function did not answer well; `detail` is for its owner.
    pub fn bad_gateway(component: Component, reason: Reason, detail: impl Into<String>) -> Self {
        let told = match component {
            Component::Worker => "the machine of the call failed; the server's log has the details",
            Component::Bake => "the function cannot be made ready; its status has the details",
            _ => "the function did not answer as it must; its log has the details under the call's id",
        };
        Self::new(StatusCode::BAD_GATEWAY, component, reason, told).with_detail(detail)
    }

    /// The document that says so.
    pub fn document(&self, call_id: &str, reader: Reader) -> Vec<u8> {
        let document = Document {
            r#type: "about:blank",
            title: self.status.canonical_reason().unwrap_or_default(),
            status: self.status.as_u16(),
            detail: match reader {
                Reader::Caller => self.told,
                Reader::Owner => self.detail(),
            },
            component: self.component,
            reason: self.reason,
            call_id,
        };
        // Texts and numbers always have a JSON form.
        serde_json::to_vec(&document).unwrap_or_default()
    }

    /// The response that says so.
    pub fn response(&self, call_id: &str, reader: Reader) -> Response<Body> {
        let mut response = Response::new(Body::full(Bytes::from(self.document(call_id, reader))));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = self.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::METHOD_NOT_ALLOWED {
            headers.insert(
                http::header::ALLOW,
                HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"),
            );
        }
        response
    }
}
