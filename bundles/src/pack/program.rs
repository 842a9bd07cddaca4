//! Finding programs: PATH lookup and `#!` lines.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::{PackError, io_error};

/// Linux reads so much of a file to find its interpreter.
const LINE_MAX: u64 = 256;

/// The absolute path of a program given by path or by name.
pub(super) fn find(name: &str) -> Result<PathBuf, PackError> {
    let not_found = || PackError::NotFound(name.to_owned());
    if name.contains('/') {
        let path = std::path::absolute(name).map_err(|_| not_found())?;
        return if path.is_file() { Ok(path) } else { Err(not_found()) };
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let candidates = std::env::split_paths(&path).map(|dir| dir.join(name));
    candidates.filter(|path| path.is_absolute()).find(|path| is_executable(path)).ok_or_else(not_found)
}

fn is_executable(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// What kind of program a file is.
pub(super) enum Format {
    /// Starts with the ELF magic; what is behind it was not read.
    Elf,
    /// A script, and the programs that its first line names.
    Script(Vec<PathBuf>),
    /// Neither: Linux would answer ENOEXEC.
    Other,
}

/// Looks at the first bytes of a file.
pub(super) fn format(path: &Path) -> Result<Format, PackError> {
    let mut head = Vec::new();
    File::open(path).and_then(|file| file.take(LINE_MAX).read_to_end(&mut head)).map_err(io_error(path))?;
    if head.starts_with(b"\x7fELF") {
        return Ok(Format::Elf);
    }
    let Some(rest) = head.strip_prefix(b"#!") else { return Ok(Format::Other) };
    let line = rest.split(|&byte| byte == b'\n').next().unwrap_or_default();
    interpreters(line).map(Format::Script).ok_or_else(|| PackError::BadInterpreterLine(path.to_owned()))
}

/// The interpreter, and with `env` the program that this starts in turn.
fn interpreters(line: &[u8]) -> Option<Vec<PathBuf>> {
    let mut words = line.split(|byte| byte.is_ascii_whitespace()).filter(|word| !word.is_empty());
    let interpreter = PathBuf::from(OsStr::from_bytes(words.next()?));
    let mut found = vec![std::path::absolute(&interpreter).ok()?];
    if interpreter.file_name() == Some(OsStr::new("env")) {
        let program = words.find(|word| !word.starts_with(b"-") && !word.contains(&b'='))?;
        found.push(find(std::str::from_utf8(program).ok()?).ok()?);
    }
    Some(found)
}
