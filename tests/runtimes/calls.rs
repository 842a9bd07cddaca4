//! What is asked of each runtime, and what must come back.

use crate::common::node::{Answer, Node};
use crate::matrix::{Failure, Runtime};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Calls of a runtime: the first ones of every kind, the rest echoes that must equal the first.
const THOROUGH: usize = 1000;
/// Calls that the kinds share, and all of those runtimes whose calls take long, unless `RUNTIMES_CALLS` says otherwise.
const MIXED: usize = 200;
/// Draws of the secure source from clones of one warmed snapshot, unless `RUNTIMES_DRAWS` says otherwise.
const DRAWS: usize = 100;
/// Callers at once.
const CALLERS: usize = 2;
const MIB: usize = 1 << 20;

/// A kind of call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Json,
    Body,
    Uuid,
    Random,
    Count,
    File,
    Failure,
}

/// What each group of ten calls consists of.
const GROUP: [Kind; 10] = [
    Kind::Json,
    Kind::Uuid,
    Kind::Random,
    Kind::Count,
    Kind::Body,
    Kind::File,
    Kind::Uuid,
    Kind::Random,
    Kind::Count,
    Kind::Failure,
];

/// What calls gave that must never come twice.
type Seen = Mutex<HashSet<String>>;

/// Makes all calls.
///
/// # Errors
/// The first answer that is not what it should be, and to which call it came.
pub fn all(node: &Node, runtime: &Runtime) -> Result<(), String> {
    let (first, calls) = (echo(node, runtime)?, wish("RUNTIMES_CALLS").unwrap_or(calls(runtime)));
    let seen = Seen::default();
    let draws = wish("RUNTIMES_DRAWS").unwrap_or(DRAWS);
    share(0..draws, |number| {
        let drawn = text(node, runtime, "random").and_then(|text| fresh(&text, 32, &seen));
        drawn.map_err(|problem| format!("draw {}: {problem}", number + 1))
    })?;
    share(1..calls, |number| {
        let told = |problem| format!("call {}: {problem}", number + 1);
        // The second and the last are echoes like the first.
        if number == 1 || number >= MIXED || number + 1 == calls {
            same(&first, &echo(node, runtime).map_err(told)?).map_err(told)
        } else {
            one(node, runtime, GROUP[number % GROUP.len()], number, &seen).map_err(told)
        }
    })
}

/// Has the callers do some numbered work, until it is done or fails.
fn share(numbers: Range<usize>, work: impl Fn(usize) -> Result<(), String> + Sync) -> Result<(), String> {
    let next = AtomicUsize::new(numbers.start);
    let caller = || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= numbers.end {
                return Ok(());
            }
            work(number)?;
        }
    };
    thread::scope(|scope| {
        let callers: Vec<_> = (0..CALLERS).map(|_| scope.spawn(caller)).collect();
        callers.into_iter().try_for_each(|caller| caller.join().expect("callers do not panic"))
    })
}

/// What a variable of the environment asks for.
fn wish(name: &str) -> Option<usize> {
    std::env::var(name).ok()?.parse().ok()
}

fn calls(runtime: &Runtime) -> usize {
    if runtime.quick { THOROUGH } else { MIXED }
}

fn one(node: &Node, runtime: &Runtime, kind: Kind, number: usize, seen: &Seen) -> Result<(), String> {
    match kind {
        Kind::Json => echo(node, runtime).map(drop),
        Kind::Body => back(node, runtime, "body", &pattern(MIB, number)),
        Kind::File => back(node, runtime, "file", &pattern(5000, number)),
        Kind::Uuid => fresh(&text(node, runtime, "uuid")?, 36, seen),
        Kind::Random => fresh(&text(node, runtime, "random")?, 32, seen),
        Kind::Count => match text(node, runtime, "count")?.as_str() {
            "1" => Ok(()),
            other => Err(format!("the counter is {other}")),
        },
        Kind::Failure => failure(node, runtime),
    }
}

fn path(runtime: &Runtime, route: &str) -> String {
    format!("/default/{}{}/{route}", runtime.name, runtime.prefix)
}

/// The document that each echo has; what JSON makes of it is the runtime's.
fn document() -> Value {
    json!({ "number": 12.5, "text": "gr\u{fc}\u{df}e \u{1f980}", "list": [1, null, true, {"deep": []}], "empty": {} })
}

fn echo(node: &Node, runtime: &Runtime) -> Result<Answer, String> {
    let body = document().to_string();
    let answer = node.post_as(&path(runtime, "json"), "application/json", body.as_bytes());
    let mut expected: Value = serde_json::from_str(runtime.beside).expect("the matrix has JSON");
    expected["echo"] = document();
    match serde_json::from_slice::<Value>(&answer.body) {
        Ok(got) if answer.status == 200 && got == expected => Ok(answer),
        _ => Err(format!("echo: {} {}", answer.status, answer.text())),
    }
}

/// Status, body and header fields but those that are another call's by design.
fn same(first: &Answer, other: &Answer) -> Result<(), String> {
    const OWN: [&str; 4] = ["x-call-id", "server-timing", "date", "x-request-id"];
    let fields = |answer: &Answer| -> Vec<(String, String)> {
        let mut fields = answer.headers.clone();
        fields.retain(|(name, _)| !OWN.contains(&name.as_str()));
        fields.sort();
        fields
    };
    if (first.status, &first.body, fields(first)) == (other.status, &other.body, fields(other)) {
        return Ok(());
    }
    Err(format!("differs from the first answer:\n{first:?}\n{other:?}"))
}

/// Bytes that compress badly and differ from call to call.
fn pattern(size: usize, number: usize) -> Vec<u8> {
    let mut state = number as u32 | 1;
    let next = |_| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state as u8
    };
    (0..size).map(next).collect()
}

fn back(node: &Node, runtime: &Runtime, route: &str, body: &[u8]) -> Result<(), String> {
    let answer = node.post_as(&path(runtime, route), "application/octet-stream", body);
    if answer.status == 200 && answer.body == body {
        return Ok(());
    }
    let start: String = answer.text().chars().take(300).collect();
    Err(format!("{route}: {}, {} bytes for {}: {start}", answer.status, answer.body.len(), body.len()))
}

fn text(node: &Node, runtime: &Runtime, route: &str) -> Result<String, String> {
    let answer = node.get(&path(runtime, route));
    if answer.status == 200 {
        Ok(answer.text())
    } else {
        Err(format!("{route}: {} {}", answer.status, answer.text()))
    }
}

fn fresh(value: &str, length: usize, seen: &Seen) -> Result<(), String> {
    if value.len() != length {
        return Err(format!("{value:?} has not {length} characters"));
    }
    let mut seen = seen.lock().expect("callers do not panic");
    if seen.insert(value.to_owned()) { Ok(()) } else { Err(format!("{value} came twice")) }
}

fn failure(node: &Node, runtime: &Runtime) -> Result<(), String> {
    let answer = node.get(&path(runtime, "fail"));
    let expected = match runtime.failure {
        Failure::Ends => 502,
        Failure::Framework => 500,
    };
    if answer.status == expected { Ok(()) } else { Err(format!("fail: {} {}", answer.status, answer.text())) }
}
