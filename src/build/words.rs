//! Words of instructions: quotes, escapes, variables with their modifiers, and patterns of file names.

use regex::Regex;

/// Longest word that replacing variables may make, in bytes.
const WORD_MAX: usize = 1 << 20;
/// Variables within variables' defaults.
const DEPTH_MAX: usize = 32;

/// Why a word cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WordError {
    /// A quote that is not closed.
    #[error("a quote {0} is not closed")]
    Quote(char),
    /// `${` without its end.
    #[error("\"${{\" is not closed")]
    Brace,
    /// Something else than a name after `${`.
    #[error("\"{0}\" is no variable")]
    Name(String),
    /// A modifier that does not exist.
    #[error("\"{0}\" is no modifier of a variable")]
    Modifier(String),
    /// `${name:?message}` of a variable that is not set.
    #[error("{name}: {message}")]
    Unset {
        /// The variable.
        name: String,
        /// What the Dockerfile says about it.
        message: String,
    },
    /// A pattern that is none.
    #[error("\"{0}\" is no pattern")]
    Pattern(String),
    /// A word that grows without end.
    #[error("a word is longer than {WORD_MAX} bytes, or its variables are nested too deeply")]
    TooLong,
}

/// Replaces variables.
pub struct Expander<'a> {
    /// The escape character.
    pub escape: char,
    /// The value of a variable.
    pub lookup: &'a dyn Fn(&str) -> Option<String>,
}

impl Expander<'_> {
    /// One word: quotes go, variables are replaced.
    ///
    /// # Errors
    /// See [`WordError`].
    pub fn word(&self, text: &str) -> Result<String, WordError> {
        Ok(self.pieces(text, 0, false)?.into_iter().map(|(piece, _)| piece).collect())
    }

    /// As many words as there are, those of variables' values included.
    ///
    /// # Errors
    /// See [`WordError`].
    pub fn words(&self, text: &str) -> Result<Vec<String>, WordError> {
        let (mut words, mut word, mut has_word) = (Vec::new(), String::new(), false);
        for (piece, quoted) in self.pieces(text, 0, false)? {
            has_word |= quoted;
            for c in piece.chars() {
                if !quoted && c.is_whitespace() {
                    if has_word {
                        words.push(std::mem::take(&mut word));
                    }
                    has_word = false;
                } else {
                    word.push(c);
                    has_word = true;
                }
            }
        }
        if has_word {
            words.push(word);
        }
        Ok(words)
    }

    /// A here-document: variables are replaced, quotes stay.
    ///
    /// # Errors
    /// See [`WordError`].
    pub fn text(&self, text: &str) -> Result<String, WordError> {
        let mut chars = Chars::new(text);
        let mut out = String::new();
        while let Some(c) = chars.next() {
            match c {
                '$' => out.push_str(&self.variable(&mut chars, 0)?),
                c if c == self.escape && chars.peek().is_some_and(|c| c == '$' || c == self.escape) => {
                    out.extend(chars.next());
                }
                c => out.push(c),
            }
            check(out.len())?;
        }
        Ok(out)
    }

    /// Pieces of a word, and whether each was quoted. A pattern keeps what is escaped, with a backslash.
    fn pieces(&self, text: &str, depth: usize, of_pattern: bool) -> Result<Vec<(String, bool)>, WordError> {
        if depth > DEPTH_MAX {
            return Err(WordError::TooLong);
        }
        let mut chars = Chars::new(text);
        let (mut pieces, mut bytes) = (Vec::new(), 0);
        while let Some(c) = chars.next() {
            let (piece, quoted) = match c {
                '\'' => (chars.until('\'').ok_or(WordError::Quote('\''))?, true),
                '"' => (self.double_quoted(&mut chars, depth)?, true),
                '$' => (self.variable(&mut chars, depth)?, false),
                c if c == self.escape => {
                    let next = chars.next().map(String::from).unwrap_or_default();
                    (if of_pattern { format!("\\{next}") } else { next }, true)
                }
                c => (c.to_string(), false),
            };
            bytes += piece.len();
            check(bytes)?;
            pieces.push((piece, quoted));
        }
        Ok(pieces)
    }

    fn double_quoted(&self, chars: &mut Chars<'_>, depth: usize) -> Result<String, WordError> {
        let mut out = String::new();
        loop {
            match chars.next().ok_or(WordError::Quote('"'))? {
                '"' => return Ok(out),
                '$' => out.push_str(&self.variable(chars, depth)?),
                c if c == self.escape => match chars.next() {
                    Some(next) if next == '"' || next == '$' || next == self.escape => out.push(next),
                    Some(next) => out.extend([c, next]),
                    None => out.push(c),
                },
                c => out.push(c),
            }
            check(out.len())?;
        }
    }

    /// What stands for a variable; the dollar has been taken.
    fn variable(&self, chars: &mut Chars<'_>, depth: usize) -> Result<String, WordError> {
        match chars.peek() {
            Some('{') => {
                chars.next();
                let inner = chars.braces(self.escape).ok_or(WordError::Brace)?;
                self.braced(&inner, depth)
            }
            Some(c) if is_name_start(c) => Ok((self.lookup)(&chars.name()).unwrap_or_default()),
            // Positional ones: there are none.
            Some(c) if c.is_ascii_digit() || matches!(c, '@' | '*' | '#') => {
                chars.next();
                Ok(String::new())
            }
            _ => Ok("$".to_owned()),
        }
    }

    fn braced(&self, inner: &str, depth: usize) -> Result<String, WordError> {
        let mut chars = Chars::new(inner);
        let name = chars.name();
        if name.is_empty() {
            return Err(WordError::Name(inner.to_owned()));
        }
        let value = (self.lookup)(&name);
        let rest = chars.rest();
        if rest.is_empty() {
            return Ok(value.unwrap_or_default());
        }
        let pieces = |text: &str, of_pattern: bool| -> Result<String, WordError> {
            let pieces = self.pieces(text, depth + 1, of_pattern)?;
            Ok(pieces.into_iter().map(|(piece, _)| piece).collect())
        };
        let word = |text: &str| pieces(text, false);
        let (colon, operator) = rest.strip_prefix(':').map_or((false, rest), |rest| (true, rest));
        let present = value.clone().filter(|value| !colon || !value.is_empty());
        match operator.chars().next() {
            Some('-') => present.map_or_else(|| word(&operator[1..]), Ok),
            Some('+') => present.map_or(Ok(String::new()), |_| word(&operator[1..])),
            Some('?') => present.map_or_else(
                || {
                    let message = word(&operator[1..])?;
                    let message = if message.is_empty() { "is not set or empty".to_owned() } else { message };
                    Err(WordError::Unset { name, message })
                },
                Ok,
            ),
            Some('#' | '%' | '/') if !colon => {
                let value = value.unwrap_or_default();
                match operator.strip_prefix('/') {
                    Some(body) => {
                        let (all, body) = body.strip_prefix('/').map_or((false, body), |body| (true, body));
                        let (pattern, replacement) = split_unescaped(body, '/', self.escape);
                        replace(&value, all, &pieces(pattern, true)?, &word(replacement)?)
                    }
                    None => strip(&value, operator, |text| pieces(text, true)),
                }
            }
            _ => Err(WordError::Modifier(rest.to_owned())),
        }
    }
}

/// What stands before the first `mark` that is not escaped, and behind it.
fn split_unescaped(text: &str, mark: char, escape: char) -> (&str, &str) {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            c if c == escape => escaped = true,
            c if c == mark => return (&text[..at], &text[at + c.len_utf8()..]),
            _ => {}
        }
    }
    (text, "")
}

/// `/` and, for `all`, `//`.
fn replace(value: &str, all: bool, pattern: &str, replacement: &str) -> Result<String, WordError> {
    let regex = pattern_regex(pattern, "", "")?;
    let with = regex::NoExpand(replacement);
    let replaced = if all { regex.replace_all(value, with) } else { regex.replace(value, with) };
    check(replaced.len())?;
    Ok(replaced.into_owned())
}

/// `#`, `##`, `%` and `%%` with their patterns.
fn strip(
    value: &str,
    operator: &str,
    word: impl Fn(&str) -> Result<String, WordError>,
) -> Result<String, WordError> {
    let kind = &operator[..1];
    let twice = operator[1..].starts_with(kind);
    let body = &operator[if twice { 2 } else { 1 }..];
    let pattern = word(body)?;
    let regex = pattern_regex(&pattern, "^", "$")?;
    let boundaries = || value.char_indices().map(|(at, _)| at).chain([value.len()]);
    let cut = match (kind, twice) {
        ("#", false) => boundaries().find(|at| regex.is_match(&value[..*at])),
        ("#", true) => boundaries().rev().find(|at| regex.is_match(&value[..*at])),
        (_, false) => boundaries().rev().find(|at| regex.is_match(&value[*at..])),
        (_, true) => boundaries().find(|at| regex.is_match(&value[*at..])),
    };
    Ok(match (cut, kind) {
        (None, _) => value.to_owned(),
        (Some(at), "#") => value[at..].to_owned(),
        (Some(at), _) => value[..at].to_owned(),
    })
}

/// A shell's pattern, `*` and `?` and an escape, as a regular expression between `before` and `after`.
fn pattern_regex(pattern: &str, before: &str, after: &str) -> Result<Regex, WordError> {
    let mut out = format!("(?s){before}");
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        match c {
            '*' => out.push_str(".*"),
            '?' => out.push('.'),
            '\\' => out.push_str(&regex::escape(&chars.next().unwrap_or('\\').to_string())),
            c => out.push_str(&regex::escape(&c.to_string())),
        }
    }
    out.push_str(after);
    Regex::new(&out).map_err(|_| WordError::Pattern(pattern.to_owned()))
}

fn check(bytes: usize) -> Result<(), WordError> {
    if bytes > WORD_MAX { Err(WordError::TooLong) } else { Ok(()) }
}

fn is_name_start(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_'
}

/// Characters that are taken one by one.
struct Chars<'a>(&'a str);

impl<'a> Chars<'a> {
    fn new(text: &'a str) -> Self {
        Self(text)
    }

    fn peek(&self) -> Option<char> {
        self.0.chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.0 = &self.0[c.len_utf8()..];
        Some(c)
    }

    fn rest(&self) -> &'a str {
        self.0
    }

    fn until(&mut self, end: char) -> Option<String> {
        let (found, rest) = self.0.split_once(end)?;
        self.0 = rest;
        Some(found.to_owned())
    }

    fn name(&mut self) -> String {
        let end = self.0.find(|c: char| !(is_name_start(c) || c.is_ascii_digit())).unwrap_or(self.0.len());
        let (name, rest) = self.0.split_at(end);
        self.0 = rest;
        name.to_owned()
    }

    /// Up to the brace that closes the one that was taken.
    fn braces(&mut self, escape: char) -> Option<String> {
        let mut depth = 1;
        let mut inner = String::new();
        while let Some(c) = self.next() {
            match c {
                c if c == escape => {
                    inner.push(c);
                    inner.extend(self.next());
                    continue;
                }
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return Some(inner);
            }
            inner.push(c);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(name: &str) -> Option<String> {
        let known =
            [("a", "one"), ("empty", ""), ("path", "/usr/local/bin"), ("two", "x y"), ("f", "a.tar.gz")];
        known.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
    }

    fn word(text: &str) -> Result<String, WordError> {
        Expander { escape: '\\', lookup: &value }.word(text)
    }

    #[test]
    fn words_are_those_of_the_reference() {
        for (text, expected) in [
            ("$a", "one"),
            ("${a}b", "oneb"),
            ("$a.b", "one.b"),
            ("\\$a", "$a"),
            ("'$a'", "$a"),
            ("\"$a \\\"x\\\" \\n\"", "one \"x\" \\n"),
            ("${none:-w}", "w"),
            ("${empty:-w}", "w"),
            ("${empty-w}", ""),
            ("${a:-w}", "one"),
            ("${none-${a}}", "one"),
            ("${a:+w}", "w"),
            ("${none:+w}", ""),
            ("${empty+w}", "w"),
            ("${path#*/}", "usr/local/bin"),
            ("${path##*/}", "bin"),
            ("${f%.*}", "a.tar"),
            ("${f%%.*}", "a"),
            ("${path/local/x}", "/usr/x/bin"),
            ("${path//\\//-}", "-usr-local-bin"),
            ("${f/\\./-}", "a-tar.gz"),
            ("${f#\\*}", "a.tar.gz"),
            ("$none", ""),
            ("cost: $", "cost: $"),
            ("${a:?x}", "one"),
        ] {
            assert_eq!(word(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        let unset = WordError::Unset { name: "none".into(), message: "give it".into() };
        assert_eq!(word("${none:?give it}"), Err(unset));
        assert_eq!(word("${a"), Err(WordError::Brace));
        assert_eq!(word("'a"), Err(WordError::Quote('\'')));
        assert_eq!(word("\"a"), Err(WordError::Quote('"')));
        assert_eq!(word("${a!x}"), Err(WordError::Modifier("!x".into())));
        assert_eq!(word("${-x}"), Err(WordError::Name("-x".into())));
        let deep = format!("{}x{}", "${none:-".repeat(100), "}".repeat(100));
        assert_eq!(word(&deep), Err(WordError::TooLong));
    }

    #[test]
    fn values_are_split_where_they_are_not_quoted() {
        let words = |text| Expander { escape: '\\', lookup: &value }.words(text).unwrap();
        assert_eq!(words("80 $two \"$two\" '' $none"), ["80", "x", "y", "x y", ""]);
    }

    proptest::proptest! {
        #[test]
        fn any_word_is_understood_or_refused(text in "[a-z${}:+\\-#%/?\"'\\\\* ]{0,60}") {
            let _ = word(&text);
        }
    }
}
