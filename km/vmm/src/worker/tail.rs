//! The last lines that a program printed, for the message when it fails.

use std::collections::VecDeque;

/// Bytes of output that are kept.
const KEPT: usize = 2 << 10;
/// Lines of them that a message shows.
const LINES: usize = 8;

/// The end of a program's output.
#[derive(Debug, Default)]
pub struct Tail(VecDeque<u8>);

impl Tail {
    /// Takes what the program printed; the oldest bytes go.
    pub fn add(&mut self, bytes: &[u8]) {
        let bytes = &bytes[bytes.len().saturating_sub(KEPT)..];
        let over = (self.0.len() + bytes.len()).saturating_sub(KEPT);
        self.0.drain(..over);
        self.0.extend(bytes);
    }

    /// The last lines, escaped, joined to one; nothing when nothing was printed.
    #[must_use]
    pub fn text(&self) -> Option<String> {
        let bytes: Vec<u8> = self.0.iter().copied().collect();
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<&str> = text.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
        let last = &lines[lines.len().saturating_sub(LINES)..];
        let joined = last.join(" | ");
        // The program's words must not steer a terminal or end a line of a log.
        let escaped = joined.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
        (!joined.is_empty()).then_some(escaped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_kept_and_harmless() {
        let mut tail = Tail::default();
        assert_eq!(tail.text(), None);
        tail.add(&[b'x'; 3 * KEPT]);
        for line in 0..20 {
            tail.add(format!("line {line}\n\x1b[31m\n").as_bytes());
        }
        let text = tail.text().unwrap();
        assert!(text.ends_with("| line 19 | \u{fffd}[31m"), "{text}");
        assert_eq!(text.matches('|').count(), LINES - 1);
        assert!(tail.0.len() <= KEPT);
    }
}
