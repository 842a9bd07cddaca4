//! Where the head of a function's answer stops to be HTTP/1.1 (RFC 9112, 4 and 5): the first byte that may not stand there.
//! The parser says that something is wrong; people look for the byte.

use std::fmt;

/// A byte that may not stand where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The byte; none where the answer ends.
    byte: Option<u8>,
    /// Its place in the answer, from 0.
    offset: usize,
    /// What should stand there.
    expected: &'static str,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { byte, offset, expected } = self;
        match byte {
            Some(byte) => {
                write!(
                    f,
                    "byte 0x{byte:02x} ('{}') at offset {offset}, where {expected}",
                    byte.escape_ascii()
                )
            }
            None => write!(f, "it ends at offset {offset}, where {expected}"),
        }
    }
}

/// The first fault in the beginning of an answer; none in a sound head, nor behind it, nor where `bytes` are only the
/// beginning of a longer head (`is_whole` tells).
pub fn find(bytes: &[u8], is_whole: bool) -> Option<Fault> {
    let mut reader = Reader { bytes, at: 0 };
    let found = reader.head().err()?;
    (found.byte.is_some() || is_whole).then_some(found)
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn head(&mut self) -> Result<(), Fault> {
        for expected in *b"HTTP/1." {
            self.take(|byte| byte == expected, "an answer begins with HTTP/1.1")?;
        }
        self.take(|byte| matches!(byte, b'0' | b'1'), "the version is 1.0 or 1.1")?;
        self.take(|byte| byte == b' ', "a space goes before the status")?;
        for _ in 0..3 {
            self.take(|byte| byte.is_ascii_digit(), "the status has three digits")?;
        }
        if !matches!(self.peek(), Some(b'\r' | b'\n')) {
            self.take(|byte| byte == b' ', "the status ends after three digits")?;
            self.line("the reason is text")?;
        }
        self.end_of_line()?;
        while !matches!(self.peek(), Some(b'\r' | b'\n')) {
            self.field()?;
        }
        self.end_of_line()
    }

    fn field(&mut self) -> Result<(), Fault> {
        if matches!(self.peek(), Some(b' ' | b'\t')) {
            // A line that is folded goes on with the value before it.
            self.line("a header's value is text")?;
            return self.end_of_line();
        }
        self.take(is_token, "a header's name begins")?;
        while self.peek().is_some_and(is_token) {
            self.at += 1;
        }
        while matches!(self.peek(), Some(b' ' | b'\t')) {
            self.at += 1;
        }
        self.take(|byte| byte == b':', "a header's name is letters, digits and - and ends with a colon")?;
        self.line("a header's value is text")?;
        self.end_of_line()
    }

    fn line(&mut self, expected: &'static str) -> Result<(), Fault> {
        while !matches!(self.peek(), Some(b'\r' | b'\n')) {
            self.take(|byte| byte == b'\t' || (byte >= 0x20 && byte != 0x7f), expected)?;
        }
        Ok(())
    }

    fn end_of_line(&mut self) -> Result<(), Fault> {
        if self.peek() == Some(b'\r') {
            self.at += 1;
        }
        self.take(|byte| byte == b'\n', "a line ends with CR LF")
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn take(&mut self, fits: impl Fn(u8) -> bool, expected: &'static str) -> Result<(), Fault> {
        match self.peek() {
            Some(byte) if fits(byte) => {
                self.at += 1;
                Ok(())
            }
            byte => Err(Fault { byte, offset: self.at, expected }),
        }
    }
}

/// RFC 9110, 5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(bytes: &[u8]) -> Option<(Option<u8>, usize)> {
        find(bytes, true).map(|fault| (fault.byte, fault.offset))
    }

    #[test]
    fn the_first_byte_that_is_wrong_is_found() {
        for (bytes, expected) in [
            (b"this is not HTTP".as_slice(), (Some(b't'), 0)),
            (b"HTTP/2.0 200 OK\r\n\r\n", (Some(b'2'), 5)),
            (b"HTTP/1.1 2000 OK\r\n\r\n", (Some(b'0'), 12)),
            (b"HTTP/1.1  200 OK\r\n\r\n", (Some(b' '), 9)),
            (b"HTTP/1.1 200 O\0K\r\n\r\n", (Some(0), 14)),
            (b"HTTP/1.1 200 OK\r\nX A: 1\r\n\r\n", (Some(b'A'), 19)),
            (b"HTTP/1.1 200 OK\r\nX-A\r\n\r\n", (Some(b'\r'), 20)),
            (b"HTTP/1.1 200 OK\r\n: 1\r\n\r\n", (Some(b':'), 17)),
            (b"HTTP/1.1 200 OK\r\nX: \x7f\r\n\r\n", (Some(0x7f), 20)),
            (b"HTTP/1.1 200 OK\rX: 1\r\n\r\n", (Some(b'X'), 16)),
            (b"HTTP/1.1 200 OK\r\nX: 1", (None, 21)),
            (b"", (None, 0)),
        ] {
            assert_eq!(at(bytes), Some(expected), "{}", bytes.escape_ascii());
        }
        let text = find(b"hello", true).unwrap().to_string();
        assert_eq!(text, "byte 0x68 ('h') at offset 0, where an answer begins with HTTP/1.1");
    }

    #[test]
    fn what_is_sound_or_not_whole_has_none() {
        for sound in [
            b"HTTP/1.1 200 OK\r\n\r\nbody\0".as_slice(),
            b"HTTP/1.0 204\r\nA:1\r\nB : 2\r\n folded\r\n\r\n",
            b"HTTP/1.1 200 \xc3\xa4\nA: \xff\n\n",
        ] {
            assert_eq!(at(sound), None, "{}", sound.escape_ascii());
        }
        assert_eq!(find(b"HTTP/1.1 200 OK\r\nX: ", false), None);
    }
}
