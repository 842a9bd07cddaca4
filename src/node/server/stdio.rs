//! `protocol: stdio`: the body goes to standard input, standard output is the response, the exit code decides.
//!
//! Output waits for the exit code up to [`HELD_MAX`] bytes: 0 is 200, anything else 500 with what was written, or with a
//! problem document when nothing was. Beyond, 200 is committed and a bad end cuts the response off.

use std::pin::Pin;

use bytes::Bytes;
use http::{Response, StatusCode};
use km_vmm::protocol::Outcome;
use tokio::time::Sleep;

use super::body::Body;
use super::exchange::{Collected, Exchange, Input};
use super::finish::CallEnd;
use super::intake::RequestBody;
use super::invoke::Call;
use super::problem::{Component, Problem};
use super::reason::Reason;
use super::verdict;

/// Output that waits for the exit code.
const HELD_MAX: usize = 8 << 20;

/// The program ended as one that succeeded.
pub fn is_success(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Exited { status: 0 })
}

/// Carries the call out on its machine, and answers it.
///
/// # Errors
/// The answer to give instead, with the call's end, which is not done.
pub async fn answer(
    call: &Call,
    end: CallEnd,
    mut deadline: Pin<Box<Sleep>>,
    body: RequestBody,
) -> Result<Response<Body>, (CallEnd, Problem)> {
    let mut exchange = Exchange::new((**end.call()).clone(), Input::raw(body));
    let collected = exchange.collect(HELD_MAX, &call.server().node.budget, &mut deadline).await;
    let (status, body) = match collected {
        Err(problem) => return Err((end, problem)),
        Ok(Collected::Part(bytes)) => {
            let mut response = call.plain(StatusCode::OK, &end, Body::Empty);
            *response.body_mut() = Body::output(bytes, exchange, deadline, end);
            return Ok(response);
        }
        Ok(Collected::Ended(bytes, ended)) => match of_exit(&bytes, &ended.outcome) {
            Ok(status) => (status, bytes),
            Err(problem) => return Err((end, problem)),
        },
        // Only a program's end closes its output.
        Ok(Collected::Whole(bytes)) => (StatusCode::OK, bytes),
    };
    let response = call.plain(status, &end, Body::full(body));
    end.complete();
    Ok(response)
}

fn of_exit(output: &Bytes, outcome: &Outcome) -> Result<StatusCode, Problem> {
    match outcome {
        Outcome::Exited { status: 0 } => Ok(StatusCode::OK),
        Outcome::Exited { status } if output.is_empty() => {
            let detail = format!("the program exited with status {status}; its log may say why");
            let server_error = StatusCode::INTERNAL_SERVER_ERROR;
            let told = "the program says by its exit status that it failed; its log may say why";
            Err(Problem::new(server_error, Component::Function, Reason::ExitStatus, told).with_detail(detail))
        }
        Outcome::Exited { .. } => Ok(StatusCode::INTERNAL_SERVER_ERROR),
        other => Err(verdict::outcome(other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exit_code_decides() {
        let text = Bytes::from_static(b"text");
        let exited = |status| Outcome::Exited { status };
        assert_eq!(of_exit(&text, &exited(0)), Ok(StatusCode::OK));
        assert_eq!(of_exit(&Bytes::new(), &exited(0)), Ok(StatusCode::OK));
        assert_eq!(of_exit(&text, &exited(3)), Ok(StatusCode::INTERNAL_SERVER_ERROR));
        assert_eq!(of_exit(&Bytes::new(), &exited(3)).unwrap_err().reason, Reason::ExitStatus);
        assert_eq!(of_exit(&text, &Outcome::Signaled { signal: 11 }).unwrap_err().reason, Reason::Crashed);
        assert_eq!(of_exit(&text, &Outcome::Deadline).unwrap_err().status, StatusCode::GATEWAY_TIMEOUT);
    }
}
