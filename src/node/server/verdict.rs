//! From the end of a machine to a row of the error table.

use km_vmm::protocol::Outcome;

use super::calls::describe;
use super::fault;
use super::problem::{Component, Problem};
use super::reason::Reason;
use crate::pool::machine::{FIELDS_MAX, HEAD_MAX, Machine, Verdict};

/// The answer for a response of `machine` that did not come whole.
pub async fn problem(machine: &Machine, error: &hyper::Error) -> Problem {
    // Whatever becomes of the machine by now.
    if error.is_parse_too_large() {
        let detail = format!(
            "the head of the function's answer has more than {FIELDS_MAX} header fields, or is longer than {} KiB",
            HEAD_MAX >> 10
        );
        return Problem::bad_gateway(Component::Function, Reason::AnswerHeadTooLarge, detail);
    }
    let verdict = machine.verdict().await;
    match &verdict {
        Verdict::Ended(ended) => outcome(&ended.outcome),
        Verdict::Worker(text) => {
            let detail = format!("the function's worker failed and took the call with it: {text}");
            Problem::bad_gateway(Component::Worker, Reason::WorkerFailed, detail)
        }
        Verdict::Closed if !is_malformed(error) => {
            let detail = "the function closed the connection without a whole answer";
            Problem::bad_gateway(Component::Function, Reason::NoResponse, detail)
        }
        Verdict::Closed | Verdict::Alive => {
            let (beginning, is_all) = machine.beginning();
            let fault = fault::find(&beginning, is_all && matches!(verdict, Verdict::Closed));
            let detail = match fault {
                Some(fault) => format!("the function's answer is not HTTP: {fault} ({error})"),
                None => format!("the function's answer is not HTTP: {error}"),
            };
            Problem::bad_gateway(Component::Function, Reason::NotHttp, detail)
        }
    }
}

fn is_malformed(error: &hyper::Error) -> bool {
    use std::error::Error as _;
    use std::io::{Error, ErrorKind};
    // A body that is no body as its head announced it is an error of reading, and only its kind says which.
    let kind = error.source().and_then(|source| source.downcast_ref::<Error>()).map(Error::kind);
    let of_body = matches!(kind, Some(ErrorKind::InvalidInput | ErrorKind::InvalidData));
    of_body || error.is_parse() || error.is_parse_status()
}

/// The answer for a machine that ended without one.
pub fn outcome(outcome: &Outcome) -> Problem {
    let detail = describe(outcome);
    let reason = match outcome {
        Outcome::Deadline => return Problem::deadline(),
        Outcome::Exited { .. } => Reason::Exited,
        Outcome::Signaled { .. } => Reason::Crashed,
        Outcome::Fault { .. } => Reason::MachineFault,
        Outcome::OutOfMemory | Outcome::NodeOutOfMemory => Reason::OutOfMemory,
        Outcome::Idle | Outcome::Closed | Outcome::Cancelled => Reason::NoResponse,
    };
    Problem::bad_gateway(Component::Function, reason, detail)
}
