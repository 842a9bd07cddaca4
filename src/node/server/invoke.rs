//! The way of a call: checks, body ahead, a turn, a machine, the exchange, the response.

use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use http::header::{CONTENT_LENGTH, HeaderName, HeaderValue, TRANSFER_ENCODING};
use http::{Method, Request, Response, StatusCode, Uri, Version, request};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use tokio::time::Sleep;

use super::Server;
use super::admission::{Admission, node_full};
use super::ahead::Account;
use super::body::{Body, Connection};
use super::calls::CallFacts;
use super::finish::CallEnd;
use super::functions::{Function, Revision};
use super::headers::{self, Peer};
use super::intake::{FaultCell, Intake, RequestBody};
use super::opening::{Broken, Ended, Source};
use super::problem::{Component, Problem};
use super::reason::Reason;
use super::route::{Asked, Route, Routed};
use super::{framing, inlay, inward, kontain, origin, stdio, tunnel, variables, verdict};
use crate::logs::CallLog;
use crate::pool::demand::Found;
use crate::pool::machine::{self, BootError};
use crate::pool::table::{ChargedSlot, TakeError};
use crate::pool::{ActiveCall, Pool};
use api::Protocol;
use worker::slot::SlotError;

const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// What is known of a request when its head is read.
pub struct Arrival<'a> {
    /// When that was.
    pub begun: Instant,
    /// Who sent it.
    pub peer: Peer,
    /// The call that it comes from, where a function sent it.
    pub from: Option<&'a inward::Caller>,
    /// The call's id.
    pub id: &'a str,
    /// The host that it names, or what is wrong with that.
    pub host: Result<HeaderValue, &'static str>,
    /// Where it leads.
    pub routed: Routed,
    /// What its dialect keeps of it.
    pub asked: &'a Asked,
}

/// A call that passed its checks.
pub struct Call {
    server: Arc<Server>,
    function: Arc<Function>,
    /// The part of the path that named the function.
    prefix: String,
    revision: Arc<Revision>,
    id: Arc<str>,
    begun: Instant,
    facts: Arc<CallFacts>,
    /// Whose share of the node it takes: the caller's where a function calls, else that of the function itself.
    payer: Arc<Admission>,
    /// How many calls led to it.
    hops: u32,
    /// What is put into its machine, for functions that need that.
    inlay: Option<Vec<u8>>,
}

/// Answers a request for a function.
pub async fn invoke(
    server: &Arc<Server>,
    arrival: Arrival<'_>,
    mut parts: request::Parts,
    body: Incoming,
) -> Result<Response<Body>, Problem> {
    let Arrival { begun, peer, from, id, host, routed: Routed { dialect, found }, asked } = arrival;
    // HTTP/2 bounds their bytes alone.
    if parts.headers.len() > headers::FIELDS_MAX {
        return Err(Problem::headers_too_large());
    }
    let host = host.map_err(|why| bad_request(Reason::HostInvalid, why))?;
    if parts.method == Method::CONNECT {
        return Err(method_not_allowed("CONNECT is not for functions"));
    }
    let Route { function, prefix, rest } = found?;
    if let Some(from) = from {
        from.check(&function)?;
    }
    if !dialect.takes(&parts.method) {
        return Err(method_not_allowed("functions are not called with this method on this path"));
    }
    let function = server.functions.get(&function);
    let function = function.ok_or_else(|| Problem::not_found("no function of this name is published"))?;
    let revision = function.revision()?;
    let (max, patience) = (server.options.max_body, server.options.limits.body_timeout);
    let intake = Intake::new(body, max, patience).map_err(|fault| fault.problem())?;
    let had_body = !intake.is_end()
        || parts.headers.contains_key(CONTENT_LENGTH)
        || parts.headers.contains_key(TRANSFER_ENCODING);
    let upgrade = headers::wants_upgrade(&parts).then(|| Upgrade::of(&mut parts));
    let id_value = HeaderValue::try_from(id)
        .map_err(|_| bad_request(Reason::CallIdInvalid, "the call id is malformed"))?;
    headers::for_function(&mut parts.headers, peer, host, &id_value, &prefix);
    dialect.ask(&mut parts.headers, asked);
    parts.uri = Uri::from(rest);
    let account = from.map_or_else(|| Account::of(peer), |from| Some(Account::Function(from.name())));
    let body = intake.ahead(server.ahead.open(account)).await?;
    frame_body(&mut parts, &body, had_body);
    let published = &revision.published;
    let inlay = match inlay::is_needed(&published.spec) {
        true => {
            let variables = || variables::of(&parts, &prefix, peer);
            inlay::of_call(&server.secrets, published, variables)?
        }
        false => None,
    };
    let id: Arc<str> = id.into();
    let facts = CallFacts::new(function.clone(), id.clone(), begun);
    let payer = from.and_then(|from| from.admission(server)).unwrap_or_else(|| revision.admission.clone());
    let hops = from.map_or(0, inward::Caller::hops);
    let call =
        Call { server: server.clone(), function, prefix, revision, id, begun, facts, payer, hops, inlay };
    call.run(parts, body, upgrade).await
}

fn method_not_allowed(told: &'static str) -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, Component::Request, Reason::MethodNotAllowed, told)
}

fn bad_request(reason: Reason, told: &'static str) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, Component::Request, reason, told)
}

/// Says how long the body is, where that is known; else it goes out in chunks.
fn frame_body(parts: &mut request::Parts, body: &RequestBody, had_body: bool) {
    parts.headers.remove(CONTENT_LENGTH);
    parts.version = Version::HTTP_11;
    match body.total() {
        Some(total) if had_body || total > 0 => {
            parts.headers.insert(CONTENT_LENGTH, HeaderValue::from(total));
        }
        _ => {}
    }
}

/// What a client needs to switch protocols.
struct Upgrade {
    client: OnUpgrade,
    protocol: Vec<HeaderValue>,
}

impl Upgrade {
    fn of(parts: &mut request::Parts) -> Self {
        let protocol = parts.headers.get_all(http::header::UPGRADE).iter().cloned().collect();
        let client = parts.extensions.remove::<OnUpgrade>();
        // hyper puts it into every request of a connection that can be upgraded.
        let client = client.unwrap_or_else(|| hyper::upgrade::on(Request::new(())));
        Self { client, protocol }
    }
}

impl Call {
    async fn run(
        self,
        parts: request::Parts,
        body: RequestBody,
        upgrade: Option<Upgrade>,
    ) -> Result<Response<Body>, Problem> {
        let limit = self.revision.published.spec.timeout.duration();
        let mut deadline = Box::pin(tokio::time::sleep_until((self.begun + limit).into()));
        let end = tokio::select! {
            biased;
            end = self.machine(limit) => end?,
            () = deadline.as_mut() => {
                let problem = Problem::deadline();
                self.facts.refused(&problem);
                return Err(problem);
            }
        };
        let answer = match self.revision.published.spec.protocol {
            Protocol::Http => match self.exchange(&end, &mut deadline, parts, body, upgrade.as_ref()).await {
                Ok(answer) => return self.respond(answer, deadline, end, upgrade).await,
                Err(problem) => Err((end, problem)),
            },
            Protocol::Stdio => stdio::answer(&self, end, deadline, body).await,
            Protocol::Kontain => kontain::answer(&self, end, deadline, &parts, body).await,
        };
        answer.map_err(|(end, problem)| {
            give_up(end, &problem);
            problem
        })
    }

    /// Makes the client's response of one that came without HTTP; the call has ended well.
    pub(super) fn plain(&self, status: StatusCode, end: &CallEnd, body: Body) -> Response<Body> {
        end.facts().head(status.as_u16());
        let mut response = Response::new(body);
        *response.status_mut() = status;
        if let Ok(value) = HeaderValue::try_from(self.server_timing(end)) {
            response.headers_mut().insert(SERVER_TIMING, value);
        }
        response
    }

    /// The server that took the request.
    pub(super) fn server(&self) -> &Server {
        &self.server
    }

    /// The part of the path that named the function; empty where its host did.
    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Waits for its turn and takes a machine.
    async fn machine(&self, limit: Duration) -> Result<CallEnd, Problem> {
        let node_turn = self.server.turns.take(&self.payer)?;
        let turn = self.revision.admission.enter().await?;
        let (pool, shell, found) = self.take().await?;
        self.facts.taken(found == Found::Nothing);
        let (facts, server) = (self.facts.clone(), self.server.clone());
        let epilogue =
            Box::new(move |ended: Option<_>, usage| facts.record(&server.calls, ended.as_ref(), usage));
        let log = CallLog::new(self.function.log.clone(), self.id.clone());
        let call = ActiveCall::new(pool.clone(), shell, log, self.hops, epilogue);
        let end = CallEnd::new(call, self.facts.clone(), (turn, node_turn));
        match self.begin(&end, &pool, limit).await {
            Ok(()) => Ok(end),
            Err(problem) => {
                give_up(end, &problem);
                Err(problem)
            }
        }
    }

    /// Brings the machine to where it waits for the request.
    async fn begin(&self, end: &CallEnd, pool: &Pool, limit: Duration) -> Result<(), Problem> {
        let failed = |error: SlotError| {
            Problem::bad_gateway(Component::Worker, Reason::WorkerFailed, error.to_string())
        };
        if let Some(inlay) = &self.inlay {
            end.call().put_in(inlay).map_err(failed)?;
        }
        if pool.boots() {
            // A cold boot has this time, whatever the call's own is.
            let ready_limit = self.server.node.ready_limit;
            end.call().boot(ready_limit).await.map_err(|error| boot_problem(&error))?;
        }
        let left = limit.saturating_sub(self.begun.elapsed());
        end.call().begin(&self.id, pool.port(), left).map_err(failed)
    }

    async fn take(&self) -> Result<(Arc<Pool>, ChargedSlot, Found), Problem> {
        let mut pool = self.revision.pool.clone();
        loop {
            // Before the pool is asked: what takes its place meanwhile is not missed.
            let replaced = self.function.replaced();
            match pool.take().await {
                Ok((shell, found)) => return Ok((pool, shell, found)),
                // A new version or a new snapshot takes its place; a function that is gone is a 404 or 503.
                Err(TakeError::Closed) => {
                    let mut next = self.function.revision()?.pool.clone();
                    if Arc::ptr_eq(&next, &pool) {
                        // It has lost its snapshot, and its successor is on its way; the call's deadline ends the wait.
                        replaced.await;
                        next = self.function.revision()?.pool.clone();
                    }
                    pool = next;
                }
                Err(TakeError::Memory) => return Err(node_full("the node's memory for machines is used up")),
                Err(error @ (TakeError::Worker(_) | TakeError::Restore(_))) => {
                    return Err(Problem::bad_gateway(
                        Component::Worker,
                        Reason::WorkerFailed,
                        error.to_string(),
                    ));
                }
            }
        }
    }

    /// Sends the request and waits for the head of the response.
    async fn exchange(
        &self,
        end: &CallEnd,
        deadline: &mut Pin<Box<Sleep>>,
        mut parts: request::Parts,
        body: RequestBody,
        upgrade: Option<&Upgrade>,
    ) -> Result<Answer, Problem> {
        if let Some(upgrade) = upgrade {
            parts.headers.insert(http::header::CONNECTION, HeaderValue::from_static("Upgrade"));
            for protocol in &upgrade.protocol {
                parts.headers.append(http::header::UPGRADE, protocol.clone());
            }
        }
        let fault = body.fault();
        let handshake = machine::client().handshake(end.call().io()).await;
        let (mut sender, connection) = handshake.map_err(|error| not_http(&error))?;
        let mut connection: Connection = Box::pin(connection.with_upgrades());
        let mut done = false;
        let mut response = std::pin::pin!(sender.send_request(Request::from_parts(parts, body)));
        let answer = std::future::poll_fn(|cx| {
            if !done && connection.as_mut().poll(cx).is_ready() {
                done = true;
            }
            match response.as_mut().poll(cx) {
                Poll::Pending if deadline.as_mut().poll(cx).is_ready() => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
                Poll::Ready(answer) => Poll::Ready(Some(answer)),
            }
        })
        .await;
        if done {
            connection = Box::pin(std::future::ready(Ok(())));
        }
        match answer {
            None => Err(Problem::deadline()),
            Some(Ok(response)) => Ok(Answer { response, connection, fault }),
            Some(Err(error)) => Err(self.explain(end, &fault, &error).await),
        }
    }

    /// The client's fault, the worker's word or the program's bytes, in this order.
    async fn explain(&self, end: &CallEnd, fault: &FaultCell, error: &hyper::Error) -> Problem {
        match fault.get() {
            Some(fault) => fault.problem(),
            None => verdict::problem(end.call(), error).await,
        }
    }

    /// Makes the client's response of the function's.
    async fn respond(
        &self,
        answer: Answer,
        deadline: Pin<Box<Sleep>>,
        end: CallEnd,
        upgrade: Option<Upgrade>,
    ) -> Result<Response<Body>, Problem> {
        let status = answer.response.status();
        end.facts().head(status.as_u16());
        let timing = self.server_timing(&end);
        let mut response = match (status, upgrade) {
            (StatusCode::SWITCHING_PROTOCOLS, Some(upgrade)) => {
                let Answer { response, connection, .. } = answer;
                tunnel::switch(response, connection, deadline, end, (upgrade.client, &self.prefix))
            }
            (StatusCode::SWITCHING_PROTOCOLS, None) => {
                let why = "the function switched protocols without being asked to";
                let problem = Problem::bad_gateway(Component::Function, Reason::NotHttp, why);
                give_up(end, &problem);
                return Err(problem);
            }
            _ => self.stream(answer, deadline, end).await?,
        };
        if let Ok(value) = HeaderValue::try_from(timing) {
            response.headers_mut().append(SERVER_TIMING, value);
        }
        Ok(response)
    }

    /// The response with its body, as far as it is here or as it comes.
    async fn stream(
        &self,
        answer: Answer,
        mut deadline: Pin<Box<Sleep>>,
        end: CallEnd,
    ) -> Result<Response<Body>, Problem> {
        let (mut parts, body) = answer.response.into_parts();
        if let Err(why) = framing::check(&mut parts) {
            let problem = not_http(&why);
            give_up(end, &problem);
            return Err(problem);
        }
        headers::strip_hop_by_hop(&mut parts.headers);
        origin::narrow(&mut parts.headers, &self.prefix);
        parts.version = Version::HTTP_11;
        let mut source = Source::new(body, answer.connection);
        let size = source.size_hint();
        let body = match source.open(&mut deadline).await {
            Ok((frames, Ended::Yes)) => {
                end.complete();
                Body::whole(frames, size)
            }
            Ok((frames, Ended::No)) => Body::stream(frames, size, source, deadline, end),
            Err(broken) => {
                let problem = match broken {
                    Broken::Deadline => Problem::deadline(),
                    Broken::Response(error) => self.explain(&end, &answer.fault, &error).await,
                };
                give_up(end, &problem);
                return Err(problem);
            }
        };
        Ok(Response::from_parts(parts, body))
    }

    fn server_timing(&self, end: &CallEnd) -> String {
        let millis = |us: u64| format!("{}.{:03}", us / 1000, us % 1000);
        let (queue, run) = end.facts().so_far();
        let boot = end.call().boot_us().unwrap_or_default();
        format!(
            "queue;dur={}, boot;dur={}, run;dur={}",
            millis(queue),
            millis(boot),
            millis(run.saturating_sub(boot))
        )
    }
}

/// What a function answers, when its head is here.
struct Answer {
    response: Response<Incoming>,
    connection: Connection,
    fault: FaultCell,
}

/// Ends a call that the client gets a problem document for.
fn give_up(end: CallEnd, problem: &Problem) {
    end.facts().refused(problem);
    end.fail(problem.reason);
}

/// A request that speaks no HTTP cannot be told from a response that speaks none; both end here.
fn not_http(error: &dyn std::fmt::Display) -> Problem {
    Problem::bad_gateway(
        Component::Function,
        Reason::NotHttp,
        format!("the function's answer is not HTTP: {error}"),
    )
}

fn boot_problem(error: &BootError) -> Problem {
    match error {
        BootError::NotReady(why) => {
            let detail = crate::logs::escape(why.message.as_bytes());
            Problem::bad_gateway(Component::Function, Reason::NotReady, detail)
        }
        BootError::Slot(error) => {
            Problem::bad_gateway(Component::Worker, Reason::WorkerFailed, error.to_string())
        }
    }
}
