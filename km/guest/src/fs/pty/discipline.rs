//! The line discipline: what becomes of typed bytes before a program reads them, and of a program's output.
//!
//! Pure: bytes in, bytes and [`Typed::signal`] out; the files of the two sides hold the queues.

use super::termios::{Termios, flag, place};
use crate::signal::Signal;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

/// Longest line in bytes (MAX_CANON); what is typed beyond is dropped, except the end of the line.
const LINE_MAX: usize = 4095;

/// Input of a terminal on its way to the program.
#[derive(Default)]
pub struct Input {
    /// The line that is being edited.
    line: Vec<u8>,
    /// The next byte is taken as it is (VLNEXT).
    quoted: bool,
    /// What can be read.
    ready: VecDeque<u8>,
    /// Lengths of the lines in `ready`, in canonical mode; 0 is an end of file.
    lines: VecDeque<usize>,
}

/// What came of a typed byte.
#[derive(Default)]
pub struct Typed {
    /// What the terminal shows.
    pub echo: Vec<u8>,
    /// What the foreground group gets.
    pub signal: Option<Signal>,
}

impl Input {
    /// Takes a byte that was typed.
    pub fn take(&mut self, byte: u8, settings: &Termios) -> Typed {
        if core::mem::take(&mut self.quoted) {
            if self.line.len() < LINE_MAX {
                self.line.push(byte);
            }
            return Typed { echo: shown(byte, settings), signal: None };
        }
        let Some(byte) = translated(byte, settings) else { return Typed::default() };
        if let Some(signal) = signal_of(byte, settings) {
            if !settings.has(flag::NOFLSH) {
                *self = Self::default();
            }
            return Typed { echo: shown(byte, settings), signal: Some(signal) };
        }
        if !settings.has(flag::ICANON) {
            self.ready.push_back(byte);
            return Typed { echo: shown(byte, settings), signal: None };
        }
        Typed { echo: self.edit(byte, settings), signal: None }
    }

    /// A byte in canonical mode; gives what is echoed.
    fn edit(&mut self, byte: u8, settings: &Termios) -> Vec<u8> {
        if settings.has(flag::IEXTEN) && settings.is(byte, place::LNEXT) {
            self.quoted = true;
            let shows = settings.has(flag::ECHO) && settings.has(flag::ECHOCTL);
            return if shows { b"^\x08".to_vec() } else { Vec::new() };
        }
        if settings.is(byte, place::ERASE) {
            return self.erase(1, settings);
        }
        if settings.is(byte, place::KILL) {
            return self.erase(self.line.len(), settings);
        }
        if settings.is(byte, place::WERASE) {
            let blank = |byte: &u8| *byte == b' ' || *byte == b'\t';
            let end = self.line.iter().rposition(|byte| !blank(byte)).map_or(0, |at| at + 1);
            let start = self.line[..end].iter().rposition(blank).map_or(0, |at| at + 1);
            return self.erase(self.line.len() - start, settings);
        }
        if settings.is(byte, place::EOF) {
            self.finish();
            return Vec::new();
        }
        let ends = byte == b'\n' || settings.is(byte, place::EOL) || settings.is(byte, place::EOL2);
        if self.line.len() < LINE_MAX || ends {
            self.line.push(byte);
        }
        let mut echo = shown(byte, settings);
        if ends {
            self.finish();
            if byte == b'\n' && !settings.has(flag::ECHO) && settings.has(flag::ECHONL) {
                echo.push(byte);
            }
        }
        echo
    }

    fn erase(&mut self, count: usize, settings: &Termios) -> Vec<u8> {
        let mut echo = Vec::new();
        for _ in 0..count {
            let Some(byte) = self.line.pop() else { break };
            let width = if byte < 32 && settings.has(flag::ECHOCTL) { 2 } else { 1 };
            if settings.has(flag::ECHO) && settings.has(flag::ECHOE) {
                (0..width).for_each(|_| echo.extend(b"\x08 \x08"));
            }
        }
        echo
    }

    fn finish(&mut self) {
        self.lines.push_back(self.line.len());
        self.ready.extend(self.line.drain(..));
    }

    /// Bytes that a read gives now; `None` when it must wait.
    #[must_use]
    pub fn readable(&self, settings: &Termios) -> Option<usize> {
        if settings.has(flag::ICANON) {
            return self
                .lines
                .front()
                .copied()
                .or_else(|| (!self.ready.is_empty()).then_some(self.ready.len()));
        }
        let wanted = usize::from(settings.characters[place::MIN]);
        (self.ready.len() >= wanted).then_some(self.ready.len())
    }

    /// Takes up to `limit` bytes out; in canonical mode of one line.
    pub fn read(&mut self, limit: usize, settings: &Termios) -> Vec<u8> {
        let count = self.readable(settings).unwrap_or(0).min(limit);
        let bytes = self.ready.drain(..count).collect();
        if let Some(line) = self.lines.front_mut() {
            *line = line.saturating_sub(count);
            if *line == 0 {
                self.lines.pop_front();
            }
        }
        bytes
    }

    /// The mode changed from canonical to raw: an unfinished line becomes readable.
    pub fn settings_changed(&mut self, settings: &Termios) {
        if !settings.has(flag::ICANON) {
            self.ready.extend(self.line.drain(..));
            self.lines.clear();
        }
    }

    /// Drops all input that was not read (tcflush(3), TCIFLUSH).
    pub fn flush(&mut self) {
        *self = Self::default();
    }
}

fn translated(byte: u8, settings: &Termios) -> Option<u8> {
    match byte {
        b'\r' if settings.input & flag::IGNCR != 0 => None,
        b'\r' if settings.input & flag::ICRNL != 0 => Some(b'\n'),
        b'\n' if settings.input & flag::INLCR != 0 => Some(b'\r'),
        byte => Some(byte),
    }
}

fn signal_of(byte: u8, settings: &Termios) -> Option<Signal> {
    if !settings.has(flag::ISIG) {
        return None;
    }
    let signals = [(place::INTR, Signal::INT), (place::QUIT, Signal::QUIT), (place::SUSP, Signal::TSTP)];
    signals.into_iter().find(|(place, _)| settings.is(byte, *place)).map(|(_, signal)| signal)
}

/// What the terminal shows of a typed byte.
fn shown(byte: u8, settings: &Termios) -> Vec<u8> {
    if !settings.has(flag::ECHO) {
        return Vec::new();
    }
    let control = (byte < 32 || byte == 127) && byte != b'\n' && byte != b'\t';
    if control && settings.has(flag::ECHOCTL) {
        return alloc::vec![b'^', byte ^ 0x40];
    }
    output(&[byte], settings)
}

/// What reaches the terminal of a program's output.
#[must_use]
pub fn output(bytes: &[u8], settings: &Termios) -> Vec<u8> {
    let lines = settings.output & (flag::OPOST | flag::ONLCR) == flag::OPOST | flag::ONLCR;
    let mut shown = Vec::with_capacity(bytes.len());
    for &byte in bytes {
        if byte == b'\n' && lines {
            shown.push(b'\r');
        }
        shown.push(byte);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(input: &mut Input, text: &[u8], settings: &Termios) -> Vec<u8> {
        text.iter().flat_map(|&byte| input.take(byte, settings).echo).collect()
    }

    #[test]
    fn lines_are_edited_and_come_whole() {
        let (mut input, settings) = (Input::default(), Termios::default());
        assert_eq!(typed(&mut input, b"abx\x7fc", &settings), b"abx\x08 \x08c");
        assert_eq!(input.readable(&settings), None);
        assert_eq!(typed(&mut input, b"\rnext word\x17end\r", &settings)[..2], *b"\r\n");
        assert_eq!(input.read(2, &settings), b"ab");
        assert_eq!(input.read(100, &settings), b"c\n");
        assert_eq!(input.read(100, &settings), b"next end\n");
        typed(&mut input, b"\x04", &settings);
        assert_eq!((input.readable(&settings), input.read(9, &settings)), (Some(0), Vec::new()));
        assert_eq!(input.readable(&settings), None);
    }

    #[test]
    fn signals_flush_and_show_their_character() {
        let (mut input, settings) = (Input::default(), Termios::default());
        typed(&mut input, b"abc", &settings);
        let stop = input.take(3, &settings);
        assert_eq!((stop.signal, stop.echo.as_slice()), (Some(Signal::INT), &b"^C"[..]));
        typed(&mut input, b"x\n", &settings);
        assert_eq!(input.read(9, &settings), b"x\n");
    }

    #[test]
    fn raw_bytes_come_at_once() {
        let settings = Termios { input: 0, local: 0, ..Termios::default() };
        let mut input = Input::default();
        assert!(typed(&mut input, b"a\x03\r", &settings).is_empty());
        assert_eq!(input.read(9, &settings), b"a\x03\r");
    }
}
