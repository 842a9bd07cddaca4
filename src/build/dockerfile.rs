//! The lines of a Dockerfile: directives, continued lines joined, comments left out, here-documents taken from what follows.
//!
//! Rules are those of the Dockerfile reference, and of BuildKit's parser where the reference is silent. Parsers that were there
//! (parse-dockerfile, dockerfile-parser-rs) lose the names of here-documents and leave continuations in commands.

/// Longest Dockerfile in bytes.
pub const TEXT_MAX: usize = 1 << 20;

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// Longer than any real one.
    #[error("the Dockerfile is longer than {TEXT_MAX} bytes")]
    TooLong,
    /// A directive that is there twice.
    #[error("only one \"# {0}=\" line may be there")]
    Twice(String),
    /// An escape character that is none.
    #[error("\"# escape={0}\" is neither \\ nor `")]
    Escape(String),
    /// The text ends within a here-document.
    #[error("the here-document {0} has no end: no line is \"{0}\" alone")]
    Unterminated(String),
}

/// A text that stands in the Dockerfile itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heredoc {
    /// Its name: the line that ends it, and the name of the file for COPY.
    pub name: String,
    /// Variables in it are replaced: its name was not quoted.
    pub expands: bool,
    /// Leading tabs of its lines go: it began with `<<-`.
    pub chomps: bool,
    /// Its lines.
    pub content: String,
}

impl Heredoc {
    /// The content, without leading tabs where they go.
    pub fn text(&self) -> String {
        if !self.chomps {
            return self.content.clone();
        }
        self.content.split_inclusive('\n').map(|line| line.trim_start_matches('\t')).collect()
    }
}

/// An instruction as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Number of its first line, from 1.
    pub number: usize,
    /// Number of its last line.
    pub last: usize,
    /// All of it on one line, without here-documents.
    pub text: String,
    /// Its here-documents.
    pub heredocs: Vec<Heredoc>,
}

/// What the comments at the top say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directives {
    /// `# syntax=`, with its line.
    pub syntax: Option<(usize, String)>,
    /// `# escape=`, by default a backslash.
    pub escape: char,
}

/// A Dockerfile, line by line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lines {
    /// What the top says.
    pub directives: Directives,
    /// The instructions.
    pub lines: Vec<Line>,
}

/// Reads a Dockerfile.
///
/// # Errors
/// The line's number, and what is wrong with it.
pub fn read(text: &str) -> Result<Lines, (usize, LineError)> {
    if text.len() > TEXT_MAX {
        return Err((1, LineError::TooLong));
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let directives = directives(text)?;
    let mut source = Source { rest: text.lines().collect(), at: 0, escape: directives.escape };
    let mut lines = Vec::new();
    while let Some(line) = source.instruction()? {
        lines.push(line);
    }
    Ok(Lines { directives, lines })
}

fn directives(text: &str) -> Result<Directives, (usize, LineError)> {
    let (mut syntax, mut escape, mut check) = (None, None, false);
    for (index, line) in text.lines().enumerate() {
        let number = index + 1;
        let Some((key, value)) = directive(line) else { break };
        let twice = Err((number, LineError::Twice(key.clone())));
        match key.as_str() {
            "syntax" if syntax.is_some() => return twice,
            "escape" if escape.is_some() => return twice,
            "check" if check => return twice,
            "syntax" => syntax = Some((number, value)),
            "check" => check = true,
            "escape" => {
                let one = [r"\", "`"].contains(&value.as_str()).then(|| value.chars().next()).flatten();
                escape = Some(one.ok_or((number, LineError::Escape(value)))?);
            }
            _ => {}
        }
    }
    Ok(Directives { syntax, escape: escape.unwrap_or('\\') })
}

fn directive(line: &str) -> Option<(String, String)> {
    let (key, value) = line.trim_start().strip_prefix('#')?.split_once('=')?;
    let (key, value) = (key.trim(), value.trim());
    let is_word = key.starts_with(|c: char| c.is_ascii_alphabetic())
        && key.chars().all(|c| c.is_ascii_alphanumeric())
        && !value.is_empty();
    is_word.then(|| (key.to_ascii_lowercase(), value.to_owned()))
}

struct Source<'a> {
    rest: Vec<&'a str>,
    at: usize,
    escape: char,
}

impl Source<'_> {
    fn instruction(&mut self) -> Result<Option<Line>, (usize, LineError)> {
        while let Some(first) = self.rest.get(self.at) {
            let first = first.trim_start();
            self.at += 1;
            if first.is_empty() || first.starts_with('#') {
                continue;
            }
            let number = self.at;
            let mut text = String::new();
            let mut continued = self.join(&mut text, first);
            while continued {
                let Some(next) = self.rest.get(self.at).copied() else { break };
                self.at += 1;
                let trimmed = next.trim();
                if trimmed.is_empty() || trimmed.starts_with('#') {
                    continue;
                }
                continued = self.join(&mut text, next);
            }
            let text = text.trim_end().to_owned();
            let heredocs = self.heredocs(&text, number)?;
            return Ok(Some(Line { number, last: self.at, text, heredocs }));
        }
        Ok(None)
    }

    /// Appends a line; says whether another one belongs to it: it ends in an escape that is not escaped itself.
    fn join(&self, text: &mut String, line: &str) -> bool {
        let end = line.trim_end_matches([' ', '\t']);
        match end.strip_suffix(self.escape) {
            Some(kept) if !kept.ends_with(self.escape) => {
                text.push_str(kept);
                true
            }
            _ => {
                text.push_str(line);
                false
            }
        }
    }

    fn heredocs(&mut self, text: &str, number: usize) -> Result<Vec<Heredoc>, (usize, LineError)> {
        let mut heredocs = openings(text, self.escape);
        for heredoc in &mut heredocs {
            loop {
                let Some(line) = self.rest.get(self.at).copied() else {
                    return Err((number, LineError::Unterminated(heredoc.name.clone())));
                };
                self.at += 1;
                let ends = if heredoc.chomps { line.trim_start_matches('\t') } else { line };
                if ends == heredoc.name {
                    break;
                }
                heredoc.content.push_str(line);
                heredoc.content.push('\n');
            }
        }
        Ok(heredocs)
    }
}

/// The here-documents that a line begins; those alone that may have some do.
fn openings(text: &str, escape: char) -> Vec<Heredoc> {
    let mut words = text.split_ascii_whitespace().map(str::to_ascii_uppercase);
    let mut keyword = words.next();
    if keyword.as_deref() == Some("ONBUILD") {
        keyword = words.next();
    }
    if !keyword.is_some_and(|word| ["ADD", "COPY", "RUN"].contains(&word.as_str())) {
        return Vec::new();
    }
    raw_words(text, escape).iter().filter_map(|word| opening(word)).collect()
}

/// `<<NAME`, `<<-NAME`, `<<"NAME"`, with a descriptor's number in front if there is one.
pub(crate) fn opening(word: &str) -> Option<Heredoc> {
    let rest = word.trim_start_matches(|c: char| c.is_ascii_digit()).strip_prefix("<<")?;
    let (chomps, rest) = rest.strip_prefix('-').map_or((false, rest), |rest| (true, rest));
    if rest.is_empty() || rest.contains('<') {
        return None;
    }
    let name: String = rest.chars().filter(|c| !matches!(c, '"' | '\'' | '\\')).collect();
    let plain = name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.'));
    (plain && !name.is_empty()).then(|| Heredoc {
        expands: name == rest,
        chomps,
        content: String::new(),
        name,
    })
}

/// Words between blanks, quotes and escapes left as they are.
pub(crate) fn raw_words(text: &str, escape: char) -> Vec<String> {
    let (mut words, mut word) = (Vec::new(), String::new());
    let mut quote = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (c, quote) {
            (c, None) if c.is_whitespace() => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                continue;
            }
            ('\'' | '"', None) => quote = Some(c),
            (c, Some(open)) if c == open => quote = None,
            (c, open) if c == escape && open != Some('\'') => {
                word.push(c);
                word.extend(chars.next());
                continue;
            }
            _ => {}
        }
        word.push(c);
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<(usize, String)> {
        read(text).unwrap().lines.into_iter().map(|line| (line.number, line.text)).collect()
    }

    #[test]
    fn continued_lines_are_one_and_comments_are_none() {
        let text = "# comment\n\nFROM a\n  RUN one \\\n# in between\n\n  two\\  \n three\nCMD x\\\\\n";
        let expected = [(3, "FROM a"), (4, "RUN one   two three"), (9, "CMD x\\\\")];
        assert_eq!(texts(text), expected.map(|(number, text)| (number, text.to_owned())));
        assert_eq!(
            texts("# escape=`\nFROM a`\n b\nRUN c:\\\n"),
            [(2, "FROM a b".into()), (4, "RUN c:\\".into())]
        );
    }

    #[test]
    fn directives_are_at_the_top_and_once() {
        let of = |text| read(text).map(|lines| lines.directives);
        assert_eq!(of("# syntax=a/b:1\n# Escape = `\n").unwrap().escape, '`');
        assert_eq!(of("# syntax=a/b:1\n").unwrap().syntax, Some((1, "a/b:1".to_owned())));
        assert_eq!(of("\n# syntax=a\n").unwrap().syntax, None);
        assert_eq!(of("# syntax=a\n# syntax=b\n").unwrap_err(), (2, LineError::Twice("syntax".into())));
        assert_eq!(of("# escape=x\n").unwrap_err(), (1, LineError::Escape("x".into())));
    }

    #[test]
    fn heredocs_are_taken_with_their_names() {
        let lines = read("RUN <<EOF cat <<-'B'\na\nEOF\n\tb $x\n\tB\nCMD y\n").unwrap().lines;
        assert_eq!(lines.len(), 2);
        let [first, second] = &lines[0].heredocs[..] else { panic!("{lines:?}") };
        assert_eq!((first.name.as_str(), first.expands, first.text()), ("EOF", true, "a\n".to_owned()));
        assert_eq!((second.name.as_str(), second.expands, second.text()), ("B", false, "b $x\n".to_owned()));
        assert_eq!((lines[0].last, lines[1].number), (5, 6));
        assert_eq!(read("COPY <<E /x\nb").unwrap_err(), (1, LineError::Unterminated("E".into())));
        assert!(read("ENV a=<<E\n").unwrap().lines[0].heredocs.is_empty());
        assert!(read("RUN cat <<<word\n").unwrap().lines[0].heredocs.is_empty());
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in ".{0,200}") {
            let _ = read(&text);
        }

        #[test]
        fn every_instruction_has_a_place(words in proptest::collection::vec("[a-z<\\\\#\"' ]{1,12}", 1..20)) {
            let text = words.join("\n");
            if let Ok(lines) = read(&text) {
                let mut last = 0;
                for line in lines.lines {
                    proptest::prop_assert!(line.number > last && line.last >= line.number);
                    last = line.last;
                }
            }
        }
    }
}
