//! `/system/async-calls`: what is queued and what could not be delivered, to look at, to try again, to take out.

use axum::Json;
use axum::extract::Path;
use axum::response::Response;
use http::{StatusCode, Uri};
use jiff::Timestamp;
use serde::Serialize;

use super::record::{Id, Outcome, Record, Stage};
use super::store::Change;
use super::{Queue, now};
use crate::failure::{Failure, text};
use crate::request::parameter;
use crate::{Shared, State};

/// Calls that one answer tells of.
const LIST_MAX: usize = 1000;

/// A call as clients see it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Seen {
    id: String,
    call_id: String,
    name: String,
    namespace: String,
    state: &'static str,
    /// What it waits for or died of: `call` or `callback`.
    stage: &'static str,
    accepted_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    due_at: Option<String>,
    /// How often the function was called.
    runs: u32,
    /// How often the callback was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    sends: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    callback_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl Seen {
    fn of(id: Id, state: &'static str, record: Record) -> Self {
        let (stage, sends, reason) = match record.stage {
            Stage::Call => ("call", None, None),
            Stage::Callback(Outcome { sends, failed, .. }) => ("callback", Some(sends), failed),
            Stage::Dead(death) => {
                let sends = death.untold.as_ref().map(|untold| untold.sends);
                (if sends.is_some() { "callback" } else { "call" }, sends, Some(death.reason))
            }
        };
        Self {
            id: id.to_string(),
            call_id: record.label,
            name: record.function.function().to_owned(),
            namespace: record.function.namespace().to_owned(),
            state,
            stage,
            accepted_at: time(record.accepted),
            due_at: (state == "waiting").then(|| time(record.due)).flatten(),
            runs: record.runs,
            sends,
            callback_url: record.callback,
            reason,
        }
    }
}

fn time(millis: u64) -> Option<String> {
    let millis = i64::try_from(millis).ok()?;
    Some(Timestamp::from_millisecond(millis).ok()?.to_string())
}

/// `GET /system/async-calls?function=NAME[.NAMESPACE]&namespace=&state=waiting|running|dead`.
pub async fn list(shared: Shared, uri: Uri) -> Result<Json<Vec<Seen>>, Failure> {
    let queue = shared.queue()?;
    let namespace = parameter(&uri, "namespace");
    let function = match parameter(&uri, "function") {
        Some(name) => Some(shared.function(&name, namespace.as_deref())?),
        None => None,
    };
    let namespace = namespace.map(|given| shared.namespace(Some(&given))).transpose()?;
    let state = parameter(&uri, "state");
    if let Some(state) = state.as_deref().filter(|state| !["waiting", "running", "dead"].contains(state)) {
        return Err(Failure::invalid(format!("state: `{state}` is none of waiting, running, dead")));
    }
    let listed = queue.index.list(
        |one| {
            function.as_ref().is_none_or(|function| *function == one.function)
                && namespace.as_ref().is_none_or(|namespace| namespace == one.function.namespace())
                && state.as_deref().is_none_or(|state| state == one.state)
        },
        LIST_MAX,
    );
    let mut seen = Vec::new();
    for one in listed {
        // One that ended meanwhile is not told of.
        let stored = queue.store.read(one.id).await.map_err(anyhow::Error::from)?;
        seen.extend(stored.map(|stored| Seen::of(one.id, one.state, stored.record)));
    }
    Ok(Json(seen))
}

/// `POST /system/async-calls/ID/redrive`: a dead letter is tried again from the beginning.
pub async fn redrive(shared: Shared, Path(id): Path<String>) -> Result<Response, Failure> {
    let queue = shared.queue()?;
    let id = Id::parse(&id).ok_or_else(|| unknown(&id))?;
    match queue.index.is_dead(id) {
        None => return Err(unknown(&id.to_string())),
        Some(false) => {
            let told = format!("the call {id} is no dead letter: it is tried as it is");
            return Err(Failure::new(StatusCode::CONFLICT, told));
        }
        Some(true) => {}
    }
    let _changing = shared.changing.lock().await;
    let stored = queue.store.read(id).await.map_err(anyhow::Error::from)?;
    let mut record = stored.ok_or_else(|| unknown(&id.to_string()))?.record;
    if let Stage::Dead(death) = record.stage {
        record.stage = death.untold.map_or(Stage::Call, Stage::Callback);
        (record.tries, record.due) = (0, now());
        queue.store.change(Change::update(id, &record)).await.map_err(anyhow::Error::from)?;
        queue.index.settle(id, &record);
    }
    Ok(text(StatusCode::ACCEPTED, ""))
}

/// `DELETE /system/async-calls/ID`: as `DELETE /async-function/ID`.
pub async fn delete(shared: Shared, Path(id): Path<String>) -> Result<Response, Failure> {
    end(shared.queue()?, &id).await
}

/// Takes a call out, wherever it stands; one that is under way ends.
pub async fn end(queue: &Queue, id: &str) -> Result<Response, Failure> {
    let parsed = Id::parse(id).ok_or_else(|| unknown(id))?;
    let was_there = queue.store.change(Change::remove(parsed)).await.map_err(anyhow::Error::from)?;
    queue.index.cancel(parsed);
    queue.note_live();
    if was_there { Ok(text(StatusCode::ACCEPTED, "")) } else { Err(unknown(id)) }
}

fn unknown(id: &str) -> Failure {
    Failure::not_found(format!("no asynchronous call {id} is queued: it is over, or the id is none"))
}

impl State {
    fn queue(&self) -> Result<&Queue, Failure> {
        let told = "this gateway has no queue for asynchronous calls: name its file with --async-queue";
        let missing = || Failure::new(StatusCode::NOT_IMPLEMENTED, told);
        self.options.queue.as_deref().ok_or_else(missing)
    }
}
