//! Lines that functions wrote, as nodes keep them, and the new ones among them.

use serde::{Deserialize, Serialize};

/// A line that a function wrote, as a node keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// When, RFC 3339 with microseconds.
    pub time: String,
    /// The call that was served.
    pub call: String,
    /// `stdout` or `stderr`.
    pub stream: String,
    /// The text, escaped.
    pub text: String,
}

/// What was seen of a function's lines: the time of the last ones, and the lines of that very time.
#[derive(Debug, Default)]
pub struct Seen {
    time: String,
    lines: Vec<LogLine>,
}

impl Seen {
    /// Those that were not seen yet. Nodes keep the last lines of a function; times order them.
    pub fn fresh(&mut self, lines: Vec<LogLine>) -> Vec<LogLine> {
        let fresh: Vec<LogLine> = lines
            .into_iter()
            .filter(|line| line.time > self.time || (line.time == self.time && !self.lines.contains(line)))
            .collect();
        for line in &fresh {
            if line.time > self.time {
                self.time.clone_from(&line.time);
                self.lines.clear();
            }
            if line.time == self.time {
                self.lines.push(line.clone());
            }
        }
        fresh
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(time: &str, text: &str) -> LogLine {
        LogLine { time: time.into(), call: "c".into(), stream: "stdout".into(), text: text.into() }
    }

    #[test]
    fn nothing_is_seen_twice() {
        let mut seen = Seen::default();
        let (a, b, c) = (line("1", "a"), line("2", "b"), line("2", "c"));
        assert_eq!(seen.fresh(vec![a.clone(), b.clone()]), [a.clone(), b.clone()]);
        assert_eq!(seen.fresh(vec![a, b.clone(), c.clone()]).len(), 1);
        assert!(seen.fresh(vec![b, c]).is_empty());
    }
}
