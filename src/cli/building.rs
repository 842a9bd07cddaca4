//! Progress of a build: a line for each step and its output, as people know it from other builders, or JSON for scripts.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use build::progress::{Event, Progress};
use bundles::digest::Digest;
use serde_json::json;

/// Lines of a failed step that are shown once more.
const TAIL_LINES: usize = 20;
/// A line that is longer is shown in parts.
const LINE_MAX: usize = 4096;
/// Lines of the Dockerfile around the one that failed.
const AROUND: usize = 3;

/// How progress is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Form {
    /// Lines of text on stderr.
    #[default]
    Plain,
    /// A JSON object per line on stdout.
    Json,
}

/// Shows it.
#[derive(Debug)]
pub struct Shown {
    form: Form,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    names: BTreeMap<usize, String>,
    step: usize,
    line: Vec<u8>,
    tail: VecDeque<String>,
}

impl Shown {
    /// Nothing shown yet.
    pub fn new(form: Form) -> Self {
        Self { form, state: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says what the image is called.
    pub fn built(&self, digest: &Digest, path: &Path) {
        match self.form {
            Form::Plain => println!("{digest} {}", path.display()),
            Form::Json => {
                println!("{}", json!({"type": "built", "digest": digest.to_string(), "output": path}))
            }
        }
    }

    /// Shows what the failed step wrote last, and its place in the Dockerfile.
    pub fn failed(&self, file: &str, text: &str, lines: (usize, usize)) {
        let mut state = self.lock();
        self.end_line(&mut state, 0.0);
        if self.form == Form::Json {
            return;
        }
        if !state.tail.is_empty() {
            let name = state.names.get(&state.step).cloned().unwrap_or_default();
            eprintln!("------\n > {name}:");
            for line in &state.tail {
                eprintln!("{line}");
            }
            eprintln!("------");
        }
        eprintln!("{file}:{}\n--------------------", lines.0);
        let first = lines.0.saturating_sub(AROUND).max(1);
        for (index, line) in text.lines().enumerate().skip(first - 1).take(lines.1 + AROUND + 1 - first) {
            let number = index + 1;
            let mark = if (lines.0..=lines.1).contains(&number) { ">>>" } else { "   " };
            eprintln!("{number:4} | {mark} {}", printable(line.as_bytes()));
        }
        eprintln!("--------------------");
    }

    fn output(&self, state: &mut State, after: f64, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            state.line.extend_from_slice(piece);
            if piece.ends_with(b"\n") || state.line.len() > LINE_MAX {
                self.end_line(state, after);
            }
        }
    }

    fn end_line(&self, state: &mut State, after: f64) {
        let bytes = std::mem::take(&mut state.line);
        if bytes.is_empty() {
            return;
        }
        let text = printable(bytes.strip_suffix(b"\n").unwrap_or(&bytes));
        let step = state.step;
        match self.form {
            Form::Plain => eprintln!("#{step} {after:.3} {text}"),
            Form::Json => {
                println!("{}", json!({"type": "output", "step": step, "after": after, "line": text}))
            }
        }
        state.tail.push_back(format!("{after:.3} {text}"));
        if state.tail.len() > TAIL_LINES {
            state.tail.pop_front();
        }
    }
}

/// A stranger's words must not steer a terminal.
fn printable(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.chars()
        .filter(|c| *c != '\r')
        .map(|c| if c.is_control() && c != '\t' { '\u{fffd}' } else { c })
        .collect()
}

impl Progress for Shown {
    fn event(&self, event: &Event<'_>) {
        let mut state = self.lock();
        let state = &mut *state;
        match event {
            Event::Begin { step, name } => {
                state.step = *step;
                state.tail.clear();
                state.names.insert(*step, printable(name.as_bytes()));
                match self.form {
                    Form::Plain => eprintln!("#{step} {}", printable(name.as_bytes())),
                    Form::Json => println!("{}", json!({"type": "step", "step": step, "name": name})),
                }
            }
            Event::Output { after, bytes, .. } => self.output(state, after.as_secs_f64(), bytes),
            Event::Done { step, took, cached } => {
                self.end_line(state, took.as_secs_f64());
                let seconds = took.as_secs_f64();
                match self.form {
                    Form::Plain if *cached => eprintln!("#{step} CACHED\n"),
                    Form::Plain => eprintln!("#{step} DONE {seconds:.1}s\n"),
                    Form::Json => {
                        println!(
                            "{}",
                            json!({"type": "done", "step": step, "seconds": seconds, "cached": cached})
                        );
                    }
                }
            }
            Event::Denied { message } => match self.form {
                Form::Plain => eprintln!("#{} {}", state.step, printable(message.as_bytes())),
                Form::Json => {
                    println!("{}", json!({"type": "denied", "step": state.step, "message": message}));
                }
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_words_steer_nothing() {
        assert_eq!(printable(b"\x1b[31mred\r\tx"), "\u{fffd}[31mred\tx");
    }
}
