//! Patterns of paths: those of `.dockerignore` and `--exclude`, as Moby's patternmatcher reads them, and those of sources.

use regex::bytes::{Regex, RegexBuilder};

/// Bytes of a compiled pattern: whoever writes one does not choose how much memory it takes.
const SIZE_MAX: usize = 1 << 20;
/// Lines of a list at most.
const PATTERNS_MAX: usize = 10_000;

/// A pattern that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// It cannot be read.
    #[error("pattern {0:?} is malformed")]
    Malformed(String),
    /// There are more than any real list has.
    #[error("more than {PATTERNS_MAX} patterns")]
    TooMany,
}

/// A list of patterns, of which the last that fits decides.
#[derive(Debug, Default)]
pub struct Patterns {
    patterns: Vec<(Regex, bool)>,
    has_exceptions: bool,
}

impl Patterns {
    /// Reads the lines of a `.dockerignore`.
    ///
    /// # Errors
    /// See [`PatternError`].
    pub fn of_ignore_file(text: &str) -> Result<Self, PatternError> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let lines = text.lines().filter(|line| !line.starts_with('#')).map(str::trim);
        Self::new(lines.filter(|line| !line.is_empty()))
    }

    /// Reads patterns; those that begin with `!` are exceptions.
    ///
    /// # Errors
    /// See [`PatternError`].
    pub fn new<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Self, PatternError> {
        let mut list = Self::default();
        for text in texts {
            let (negated, body) = text.strip_prefix('!').map_or((false, text), |body| (true, body.trim()));
            let clean = clean(body);
            if clean.is_empty() {
                continue;
            }
            list.patterns.push((compile(&clean, true)?, negated));
            list.has_exceptions |= negated;
            if list.patterns.len() > PATTERNS_MAX {
                return Err(PatternError::TooMany);
            }
        }
        Ok(list)
    }

    /// Whether a path, relative and without a slash at its ends, or a directory that it is in, is on the list.
    #[must_use]
    pub fn contains(&self, path: &[u8]) -> bool {
        let mut matched = false;
        for (pattern, negated) in &self.patterns {
            // A pattern can only change the verdict that there is.
            if matched == *negated && parents(path).any(|part| pattern.is_match(part)) {
                matched = !negated;
            }
        }
        matched
    }

    /// Whether a directory that is on the list may have something in it that is not.
    #[must_use]
    pub fn has_exceptions(&self) -> bool {
        self.has_exceptions
    }
}

/// The path itself, and the directories that it is in.
fn parents(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    let slashes = path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| &path[..at]);
    std::iter::once(path).chain(slashes)
}

/// Without `.`, `..` and double slashes; relative.
pub fn clean(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// Whether a source names several files by a pattern.
pub fn is_pattern(source: &str) -> bool {
    source.contains(['*', '?', '['])
}

/// A pattern for one source of COPY: `*` stays within a directory.
///
/// # Errors
/// See [`PatternError`].
pub fn of_source(source: &str) -> Result<Regex, PatternError> {
    compile(source, false)
}

fn compile(pattern: &str, double_star: bool) -> Result<Regex, PatternError> {
    let mut out = String::from("(?s-u)^");
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '*' if double_star && chars.peek() == Some(&'*') => {
                chars.next();
                if chars.peek() == Some(&'/') {
                    chars.next();
                    out.push_str("(?:.*/)?");
                } else {
                    out.push_str(".*");
                }
            }
            '*' => out.push_str("[^/]*"),
            '?' => out.push_str("[^/]"),
            '\\' => push_literal(&mut out, chars.next().unwrap_or('\\')),
            '[' => push_class(&mut out, &mut chars).ok_or_else(|| PatternError::Malformed(pattern.into()))?,
            c => push_literal(&mut out, c),
        }
    }
    out.push('$');
    let regex = RegexBuilder::new(&out).size_limit(SIZE_MAX).build();
    regex.map_err(|_| PatternError::Malformed(pattern.to_owned()))
}

fn push_literal(out: &mut String, c: char) {
    for byte in c.to_string().bytes() {
        out.push_str(&format!("\\x{byte:02x}"));
    }
}

/// A class in brackets, of ASCII.
fn push_class(out: &mut String, chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<()> {
    out.push('[');
    if matches!(chars.peek(), Some('^' | '!')) {
        chars.next();
        out.push('^');
    }
    let mut members = 0;
    loop {
        match chars.next()? {
            ']' if members > 0 => break,
            '-' if members > 0 && chars.peek() != Some(&']') => out.push('-'),
            '\\' => push_literal(out, chars.next().filter(char::is_ascii)?),
            c if c.is_ascii() => push_literal(out, c),
            _ => return None,
        }
        members += 1;
    }
    out.push(']');
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ignored(list: &str, path: &str) -> bool {
        Patterns::of_ignore_file(list).unwrap().contains(path.as_bytes())
    }

    #[test]
    fn lists_are_read_as_docker_reads_them() {
        for (list, path, expected) in [
            ("*.o", "a.o", true),
            ("*.o", "d/a.o", false),
            ("**/*.o", "d/e/a.o", true),
            ("**/*.o", "a.o", true),
            ("/d", "d/a", true),
            ("d/", "d", true),
            ("d\n!d/keep", "d/keep", false),
            ("d\n!d/keep", "d/other", true),
            ("!d/keep\nd", "d/keep", true),
            ("*\n!a\n!b/**", "b/c/d", false),
            ("*\n!a\n!b/**", "c", true),
            ("a?b", "axb", true),
            ("a?b", "a/b", false),
            ("[a-c]x", "bx", true),
            ("[^a-c]x", "bx", false),
            ("a\\*b", "a*b", true),
            ("a\\*b", "axb", false),
            ("# a", "# a", false),
            ("a/../b", "b", true),
            ("./a", "a", true),
            ("d**", "d/e/f", true),
            ("ä*", "äb", true),
        ] {
            assert_eq!(ignored(list, path), expected, "{list:?} {path}");
        }
        assert!(Patterns::of_ignore_file("[a").is_err());
    }

    proptest::proptest! {
        #[test]
        fn any_list_is_read_or_refused(list in "[ -~\\n]{0,80}", path in "[a-z/.]{1,20}") {
            if let Ok(patterns) = Patterns::of_ignore_file(&list) {
                let _ = patterns.contains(path.as_bytes());
            }
        }
    }
}
