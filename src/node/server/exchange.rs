//! A call without HTTP behind it: the request goes in as bytes, the program's bytes come out, until it has answered or
//! ended.
//!
//! ```text
//! RequestBody ─► Input (as it is, or as the text of a document) ─► machine ─► Collected: held until its end, bounded
//!                                                                         └─► Output: streamed when it is longer
//! ```

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes, BytesMut};
use http_body::Body as _;
use km_vmm::protocol::Ended;
use tokio::time::Sleep;

use super::admission::node_full;
use super::intake::{Fault, RequestBody};
use super::problem::{Component, Problem};
use super::reason::Reason;
use crate::pool::budget::{Budget, Charge};
use crate::pool::machine::{Machine, Output};

/// Held bytes are charged to the node in pieces of this size.
const CHARGE: usize = 1 << 20;

/// The request on its way to the machine.
pub struct Input {
    body: RequestBody,
    /// What goes before the body, and then whatever of it was not sent yet.
    next: Bytes,
    encode: Box<dyn FnMut(Option<Bytes>) -> Bytes + Send + Sync>,
    body_ended: bool,
    ended: bool,
}

impl Input {
    /// The body as it is.
    pub fn raw(body: RequestBody) -> Self {
        Self::encoded(body, Bytes::new(), Option::unwrap_or_default)
    }

    /// `before`, then what `encode` makes of the pieces of the body, and at last of its end.
    pub fn encoded(
        body: RequestBody,
        before: Bytes,
        encode: impl FnMut(Option<Bytes>) -> Bytes + Send + Sync + 'static,
    ) -> Self {
        Self { body, next: before, encode: Box::new(encode), body_ended: false, ended: false }
    }

    /// Sends what can be sent now.
    fn poll(&mut self, machine: &Machine, cx: &mut Context<'_>) -> Result<(), Fault> {
        while !self.ended {
            if !self.next.is_empty() {
                match machine.poll_send(cx, &self.next) {
                    Poll::Ready(Ok(count)) => self.next.advance(count),
                    Poll::Pending => return Ok(()),
                    // The machine is gone; its own side says how.
                    Poll::Ready(Err(_)) => self.ended = true,
                }
            } else if self.body_ended {
                machine.end_input();
                self.ended = true;
            } else {
                match Pin::new(&mut self.body).poll_frame(cx) {
                    Poll::Ready(Some(frame)) => {
                        self.next = (self.encode)(Some(frame?.into_data().unwrap_or_default()));
                    }
                    Poll::Ready(None) => {
                        self.body_ended = true;
                        self.next = (self.encode)(None);
                    }
                    Poll::Pending => break,
                }
            }
        }
        // As above: a machine that is gone is noticed by what it says last.
        let _ = machine.poll_flush(cx);
        Ok(())
    }
}

/// A machine that answers.
pub struct Exchange {
    machine: Machine,
    input: Input,
}

/// What came of waiting for a program's output.
#[derive(Debug)]
pub enum Collected {
    /// All of it: the program has closed its side.
    Whole(Bytes),
    /// All of it: the machine has ended.
    Ended(Bytes, Ended),
    /// More than may be held; the rest is still to come.
    Part(Bytes),
}

/// Bytes that are charged to the node for as long as anybody holds them.
struct Held {
    bytes: Bytes,
    _charges: Vec<Charge>,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Exchange {
    /// Begins to send.
    pub fn new(machine: Machine, input: Input) -> Self {
        Self { machine, input }
    }

    /// Moves both ways: output, or `None` at its end.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Output, Problem>> {
        self.input.poll(&self.machine, cx).map_err(Fault::problem)?;
        self.machine.poll_output(cx).map_err(|error| {
            let detail = format!("the function's worker failed and took the call with it: {error}");
            Problem::bad_gateway(Component::Worker, Reason::WorkerFailed, detail)
        })
    }

    /// Waits for the end of the output, or `most` bytes of it, or the deadline.
    ///
    /// # Errors
    /// The answer to the call instead.
    pub async fn collect(
        &mut self,
        most: usize,
        budget: &Arc<Budget>,
        deadline: &mut Pin<Box<Sleep>>,
    ) -> Result<Collected, Problem> {
        let (mut bytes, mut charges) = (BytesMut::new(), Vec::new());
        let last = loop {
            let next = std::future::poll_fn(|cx| match self.poll(cx) {
                Poll::Pending if deadline.as_mut().poll(cx).is_ready() => {
                    Poll::Ready(Err(Problem::deadline()))
                }
                other => other,
            });
            match next.await? {
                Output::Data(data) => bytes.extend_from_slice(&data),
                last => break Some(last),
            }
            while bytes.len() > charges.len() * CHARGE {
                let charge = budget.charge(CHARGE as u64);
                charges.push(charge.ok_or_else(|| node_full("the node has no memory for the response"))?);
            }
            if bytes.len() > most {
                break None;
            }
        };
        let bytes = Bytes::from_owner(Held { bytes: bytes.freeze(), _charges: charges });
        Ok(match last {
            None => Collected::Part(bytes),
            Some(Output::Ended(ended)) => Collected::Ended(bytes, ended),
            Some(Output::Closed | Output::Data(_)) => Collected::Whole(bytes),
        })
    }

    /// The next bytes of a response that is streamed; `None` when the program has ended well.
    pub fn poll_rest(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, String>>> {
        Poll::Ready(match std::task::ready!(self.poll(cx)) {
            Ok(Output::Data(bytes)) => Some(Ok(bytes)),
            Ok(Output::Closed) => None,
            Ok(Output::Ended(ended)) if super::stdio::is_success(&ended.outcome) => None,
            Ok(Output::Ended(ended)) => Some(Err(super::calls::describe(&ended.outcome))),
            Err(problem) => Some(Err(problem.detail().to_owned())),
        })
    }
}
