//! What functions write on stdout and stderr: log records, and a ring per function to look back into.
//!
//! Everything here is a guest's word: lines are bounded in length and number and escaped before they reach a terminal, and
//! a function that writes faster than its rate reaches its ring alone.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Instant, SystemTime};

use km_vmm::protocol::LogStream;
use prometheus_client::metrics::counter::Counter;
use serde::Serialize;

use api::FunctionName;

/// Bytes of text that a function's ring keeps.
const RING_MAX: usize = 1 << 20;
/// What a line costs in the ring beside its text.
const LINE_COST: usize = 96;
/// Longest line; a longer one is cut into several.
const LINE_MAX: usize = 8 << 10;
/// Bytes of one call that reach the log.
const CALL_MAX: usize = 256 << 10;

/// One line of a function.
#[derive(Clone, Debug, Serialize)]
pub struct Line {
    /// When it came, RFC 3339.
    #[serde(serialize_with = "rfc3339")]
    pub time: SystemTime,
    /// The call that was served.
    pub call: Arc<str>,
    /// `stdout` or `stderr`.
    pub stream: &'static str,
    /// The text, escaped.
    pub text: String,
}

/// The last lines of one function.
#[derive(Debug)]
pub struct FunctionLog {
    name: FunctionName,
    allowance: Mutex<Allowance>,
    left_out: Counter,
    ring: Mutex<Ring>,
}

/// How much of a function's output may reach the log now: as much as comes in a second, less what was taken.
#[derive(Debug)]
struct Allowance {
    rate: i64,
    /// Bytes; a long line may take more than there are.
    left: i64,
    since: Instant,
    /// Lines that were left out since the last one that was not.
    missed: u64,
}

impl Allowance {
    fn new(rate: u64) -> Self {
        let rate = i64::try_from(rate).unwrap_or(i64::MAX);
        Self { rate, left: rate, since: Instant::now(), missed: 0 }
    }

    /// Takes a line of so many bytes; says how many were left out before it, or nothing when this one is.
    fn take(&mut self, bytes: usize, now: Instant) -> Option<u64> {
        let micros = i64::try_from(now.saturating_duration_since(self.since).as_micros()).unwrap_or(i64::MAX);
        let more = self.rate.saturating_mul(micros) / 1_000_000;
        if more > 0 {
            (self.left, self.since) = (self.left.saturating_add(more).min(self.rate), now);
        }
        if self.left <= 0 {
            self.missed += 1;
            return None;
        }
        self.left -= i64::try_from(bytes + LINE_COST).unwrap_or(i64::MAX);
        Some(std::mem::take(&mut self.missed))
    }
}

#[derive(Debug, Default)]
struct Ring {
    lines: VecDeque<Line>,
    bytes: usize,
}

impl FunctionLog {
    /// An empty log, of which `rate` bytes in a second reach the server's; lines beyond are counted in `left_out`.
    pub fn new(name: FunctionName, rate: u64, left_out: Counter) -> Arc<Self> {
        let allowance = Mutex::new(Allowance::new(rate));
        Arc::new(Self { name, allowance, left_out, ring: Mutex::default() })
    }

    /// Adds a line of the server's own to what the call has written.
    pub fn note(&self, call: &str, text: &str) {
        let text = escape(text.as_bytes());
        self.tell(call, "stderr", &text);
        self.push(Line { time: SystemTime::now(), call: call.into(), stream: "stderr", text });
    }

    /// Writes a line to the server's log, if the function's rate allows it.
    fn tell(&self, call: &str, stream: &str, text: &str) {
        let taken = {
            let mut allowance = self.allowance.lock().unwrap_or_else(PoisonError::into_inner);
            allowance.take(text.len(), Instant::now())
        };
        let Some(missed) = taken else {
            self.left_out.inc();
            return;
        };
        if missed > 0 {
            let rate = "it writes faster than --log-rate";
            tracing::warn!(target: "function", function = %self.name, missed, "lines are left out here: {rate}");
        }
        tracing::info!(target: "function", function = %self.name, call, stream, "{text}");
    }

    /// The lines that are kept, of one call or of all.
    pub fn lines(&self, call: Option<&str>) -> Vec<Line> {
        let ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        ring.lines.iter().filter(|line| call.is_none_or(|call| *line.call == *call)).cloned().collect()
    }

    fn push(&self, line: Line) {
        let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        ring.bytes += line.text.len() + LINE_COST;
        ring.lines.push_back(line);
        while ring.bytes > RING_MAX {
            let Some(oldest) = ring.lines.pop_front() else { break };
            ring.bytes -= oldest.text.len() + LINE_COST;
        }
    }
}

/// Takes the output of one call.
#[derive(Debug)]
pub struct CallLog {
    function: Arc<FunctionLog>,
    call: Arc<str>,
    partial: [Vec<u8>; 2],
    left: usize,
}

impl CallLog {
    /// A sink for the call's output.
    pub fn new(function: Arc<FunctionLog>, call: Arc<str>) -> Self {
        Self { function, call, partial: Default::default(), left: CALL_MAX }
    }

    /// Id of the call.
    pub fn call(&self) -> &str {
        &self.call
    }

    /// Moves what this sink holds into another one for the same call.
    pub fn take(&mut self) -> Self {
        Self {
            function: self.function.clone(),
            call: self.call.clone(),
            partial: std::mem::take(&mut self.partial),
            left: std::mem::take(&mut self.left),
        }
    }

    /// Takes the payload of a log frame: a byte that names the stream, then what was written.
    pub fn frame(&mut self, payload: &[u8]) {
        match payload.split_first() {
            Some((1, bytes)) => self.write(LogStream::Stdout, bytes),
            Some((2, bytes)) => self.write(LogStream::Stderr, bytes),
            _ => {}
        }
    }

    fn write(&mut self, stream: LogStream, bytes: &[u8]) {
        if self.left == 0 {
            return;
        }
        let taken = &bytes[..bytes.len().min(self.left)];
        self.left -= taken.len();
        for piece in taken.split_inclusive(|&byte| byte == b'\n') {
            for part in piece.chunks(LINE_MAX) {
                self.append(stream, part);
            }
        }
        if self.left == 0 {
            self.flush();
            self.emit(
                LogStream::Stderr,
                format!("… the rest of this call's output (over {CALL_MAX} bytes) is left out"),
            );
        }
    }

    fn append(&mut self, stream: LogStream, part: &[u8]) {
        let partial = &mut self.partial[index(stream)];
        partial.extend_from_slice(part);
        if part.ends_with(b"\n") || partial.len() >= LINE_MAX {
            let line = std::mem::take(partial);
            self.emit(stream, escape(&line));
        }
    }

    /// Gives out lines that have no end yet.
    pub fn flush(&mut self) {
        for stream in [LogStream::Stdout, LogStream::Stderr] {
            let line = std::mem::take(&mut self.partial[index(stream)]);
            if !line.is_empty() {
                self.emit(stream, escape(&line));
            }
        }
    }

    fn emit(&self, stream: LogStream, text: String) {
        let stream = ["stdout", "stderr"][index(stream)];
        self.function.tell(&self.call, stream, &text);
        self.function.push(Line { time: SystemTime::now(), call: self.call.clone(), stream, text });
    }
}

impl Drop for CallLog {
    fn drop(&mut self) {
        self.flush();
    }
}

fn index(stream: LogStream) -> usize {
    match stream {
        LogStream::Stdout => 0,
        LogStream::Stderr => 1,
    }
}

/// Text without its line end and without anything that a terminal would obey.
pub fn escape(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let text = text.trim_end_matches(['\n', '\r']);
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if character == '\t' || !character.is_control() {
            out.push(character);
        } else {
            out.extend(character.escape_default());
        }
    }
    out
}

fn rfc3339<S: serde::Serializer>(time: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&humantime::format_rfc3339_micros(*time))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log() -> (Arc<FunctionLog>, CallLog) {
        let function = FunctionLog::new(FunctionName::new("a", "b").unwrap(), 1 << 20, Counter::default());
        let call = CallLog::new(function.clone(), "id".into());
        (function, call)
    }

    #[test]
    fn lines_are_joined_cut_and_escaped() {
        let (function, mut call) = log();
        call.frame(b"\x01hel");
        call.frame(b"\x02oops\x1b[31m\n");
        call.frame(b"\x01lo\nrest");
        call.frame(b"\x09ignored");
        drop(call);
        let texts: Vec<_> =
            function.lines(Some("id")).into_iter().map(|line| (line.stream, line.text)).collect();
        assert_eq!(
            texts,
            [("stderr", "oops\\u{1b}[31m".into()), ("stdout", "hello".into()), ("stdout", "rest".to_owned())]
        );
        assert!(function.lines(Some("other")).is_empty());
    }

    #[test]
    fn a_rate_is_held_and_says_what_is_missing() {
        let mut allowance = Allowance::new(1000);
        let begun = allowance.since;
        let mut passed = 0;
        while allowance.take(100, begun).is_some() {
            passed += 1;
        }
        assert_eq!(passed, 6, "a second's worth at once, the last line by its beginning");
        assert_eq!(allowance.take(100, begun), None);
        let later = begun + std::time::Duration::from_secs(1);
        assert_eq!(allowance.take(100_000, later), Some(2));
        assert_eq!(allowance.take(1, later + std::time::Duration::from_secs(1)), None, "it is in debt");
    }

    #[test]
    fn a_flood_is_bounded() {
        let (function, mut call) = log();
        let frame = [&[1u8][..], &[b'x'; 100_000][..]].concat();
        for _ in 0..100 {
            call.frame(&frame);
        }
        drop(call);
        let bytes: usize = function.lines(None).iter().map(|line| line.text.len()).sum();
        assert!(bytes <= CALL_MAX + 200, "{bytes}");
        for _ in 0..10 {
            let mut call = CallLog::new(function.clone(), "other".into());
            call.frame(&[&[1u8][..], &[b'\n'; 300_000][..]].concat());
        }
        let ring = function.ring.lock().unwrap();
        assert!(ring.bytes <= RING_MAX && ring.lines.len() < RING_MAX / LINE_COST);
    }
}
