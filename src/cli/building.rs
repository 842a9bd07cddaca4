//! Progress of a build: a line for each step and its output, as people know it from other builders, or JSON for scripts.

use std::collections::{BTreeMap, VecDeque};
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

/// What is known of the steps that have begun.
type State = BTreeMap<usize, Step>;

#[derive(Debug, Default)]
struct Step {
    name: String,
    /// What is there of its last line.
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

    /// Says what the image is called, and where it is.
    pub fn built(&self, digest: &Digest, places: impl Iterator<Item = String>) {
        for place in places {
            match self.form {
                Form::Plain => println!("{digest} {place}"),
                Form::Json => {
                    println!("{}", json!({"type": "built", "digest": digest.to_string(), "output": place}))
                }
            }
        }
    }

    /// Shows what the failed step wrote last, and its place in the Dockerfile.
    pub fn failed(&self, file: &str, text: &str, lines: (usize, usize), step: Option<usize>) {
        let mut state = self.lock();
        if let Some(number) = step
            && let Some(step) = state.get_mut(&number)
        {
            self.end_line(number, step, 0.0);
            if self.form == Form::Plain && !step.tail.is_empty() {
                eprintln!("------\n > {}:", step.name);
                for line in &step.tail {
                    eprintln!("{line}");
                }
                eprintln!("------");
            }
        }
        if self.form == Form::Json {
            return;
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

    fn output(&self, number: usize, step: &mut Step, after: f64, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            step.line.extend_from_slice(piece);
            if piece.ends_with(b"\n") || step.line.len() > LINE_MAX {
                self.end_line(number, step, after);
            }
        }
    }

    fn end_line(&self, number: usize, step: &mut Step, after: f64) {
        let bytes = std::mem::take(&mut step.line);
        if bytes.is_empty() {
            return;
        }
        let text = printable(bytes.strip_suffix(b"\n").unwrap_or(&bytes));
        match self.form {
            Form::Plain => eprintln!("#{number} {after:.3} {text}"),
            Form::Json => {
                println!("{}", json!({"type": "output", "step": number, "after": after, "line": text}))
            }
        }
        step.tail.push_back(format!("{after:.3} {text}"));
        if step.tail.len() > TAIL_LINES {
            step.tail.pop_front();
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
        match event {
            Event::Begin { step, name } => {
                let name = printable(name.as_bytes());
                match self.form {
                    Form::Plain => eprintln!("#{step} {name}"),
                    Form::Json => println!("{}", json!({"type": "step", "step": step, "name": name})),
                }
                state.insert(*step, Step { name, ..Step::default() });
            }
            Event::Output { step, after, bytes } => {
                let known = state.entry(*step).or_default();
                self.output(*step, known, after.as_secs_f64(), bytes);
            }
            Event::Done { step, took, cached } => {
                let seconds = took.as_secs_f64();
                if let Some(mut known) = state.remove(step) {
                    self.end_line(*step, &mut known, seconds);
                }
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
            Event::Denied { step, message } => match self.form {
                Form::Plain => eprintln!("#{step} {}", printable(message.as_bytes())),
                Form::Json => {
                    println!("{}", json!({"type": "denied", "step": step, "message": message}));
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
