//! `#!` lines, as execve(2) describes them.

use crate::errno::{Errno, Result};
use crate::fs::file::File;
use alloc::vec::Vec;

/// Bytes of a file that are looked at for a `#!` line (BINPRM_BUF_SIZE).
const HEAD: usize = 256;

/// Most files on the way from a script to a program; execve(2) gives ELOOP beyond.
pub const DEPTH_MAX: usize = 6;

/// The interpreter of a script, and the one argument that its line may give.
#[derive(Debug, PartialEq, Eq)]
pub struct Script {
    /// Path of the interpreter.
    pub interpreter: Vec<u8>,
    /// The rest of the line, one argument whatever blanks it has.
    pub argument: Option<Vec<u8>>,
}

/// The `#!` line of a file; `None` when it does not start with one.
///
/// # Errors
/// ENOEXEC for a line without an interpreter, or one whose interpreter is cut off by the limit.
pub fn read(file: &dyn File) -> Result<Option<Script>> {
    parse(&super::read_up_to(file, 0, HEAD)?)
}

fn parse(head: &[u8]) -> Result<Option<Script>> {
    let Some(rest) = head.strip_prefix(b"#!") else { return Ok(None) };
    let newline = rest.iter().position(|&byte| byte == b'\n');
    // The last byte of the buffer is not text: Linux keeps it for the NUL.
    let line = trim(&rest[..newline.unwrap_or(rest.len().min(HEAD - 3))]);
    let (interpreter, argument) = match line.iter().position(|&byte| blank(byte)) {
        Some(end) => (&line[..end], trim(&line[end..])),
        None => (line, &line[..0]),
    };
    let cut_off = newline.is_none() && head.len() == HEAD && interpreter.len() == line.len();
    if interpreter.is_empty() || cut_off {
        return Err(Errno::ENOEXEC);
    }
    let argument = (!argument.is_empty()).then(|| argument.to_vec());
    Ok(Some(Script { interpreter: interpreter.to_vec(), argument }))
}

fn blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = bytes
        && blank(*first)
    {
        bytes = rest;
    }
    while let [rest @ .., last] = bytes
        && (blank(*last) || *last == 0)
    {
        bytes = rest;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(interpreter: &str, argument: Option<&str>) -> Result<Option<Script>> {
        Ok(Some(Script {
            interpreter: interpreter.as_bytes().to_vec(),
            argument: argument.map(|argument| argument.as_bytes().to_vec()),
        }))
    }

    #[test]
    fn a_line_has_an_interpreter_and_at_most_one_argument() {
        assert_eq!(parse(b"#!/bin/sh\necho"), script("/bin/sh", None));
        assert_eq!(parse(b"#! /usr/bin/env  python3 -u \nx"), script("/usr/bin/env", Some("python3 -u")));
        assert_eq!(parse(b"#!/bin/sh"), script("/bin/sh", None));
    }

    #[test]
    fn other_files_are_not_scripts() {
        assert_eq!(parse(b"\x7fELF"), Ok(None));
        assert_eq!(parse(b""), Ok(None));
    }

    #[test]
    fn a_line_without_interpreter_is_no_program() {
        assert_eq!(parse(b"#!\n"), Err(Errno::ENOEXEC));
        assert_eq!(parse(b"#!   \t\n"), Err(Errno::ENOEXEC));
        assert_eq!(parse(&[b"#!".as_slice(), &[b'a'; HEAD - 2]].concat()), Err(Errno::ENOEXEC));
    }
}
