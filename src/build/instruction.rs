//! Instructions: a line of a Dockerfile with its parts told apart. Variables are not replaced yet.

use crate::dockerfile::{Heredoc, Line, opening, raw_words};

/// What is wrong with an instruction.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InstructionError {
    /// A word that is no instruction.
    #[error("unknown instruction: {0}")]
    Unknown(String),
    /// Something is missing.
    #[error("{0} needs {1}")]
    Needs(&'static str, &'static str),
    /// An option that the instruction does not have.
    #[error("{instruction} has no option {flag}")]
    Flag {
        /// The instruction.
        instruction: &'static str,
        /// The option as it is written.
        flag: String,
    },
    /// An option's value that cannot be.
    #[error("{flag}: {value:?} is not {expected}")]
    Value {
        /// The option.
        flag: &'static str,
        /// What it is given.
        value: String,
        /// What it needs.
        expected: &'static str,
    },
    /// An instruction that cannot be put off.
    #[error("ONBUILD {0} cannot be")]
    Onbuild(String),
}

/// A command, in one of two forms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// A list in JSON: the program and its arguments.
    Exec(Vec<String>),
    /// A text for the shell.
    Shell(String),
}

/// A mount of a RUN step, its options as they are written.
pub type Mount = Vec<(String, Option<String>)>;

/// COPY or ADD.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Copy {
    /// It is ADD: archives are unpacked.
    pub is_add: bool,
    /// `--from`.
    pub from: Option<String>,
    /// `--chown`.
    pub chown: Option<String>,
    /// `--chmod`.
    pub chmod: Option<String>,
    /// `--exclude`, as often as given.
    pub exclude: Vec<String>,
    /// `--parents`: paths of sources are kept.
    pub parents: bool,
    /// `--checksum`, for URLs.
    pub checksum: Option<String>,
    /// `--keep-git-dir`, for repositories.
    pub keep_git_dir: bool,
    /// What is copied.
    pub sources: Vec<Source>,
    /// Where to.
    pub destination: String,
}

/// A source of COPY or ADD.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A path or a pattern.
    Path(String),
    /// A text of the Dockerfile.
    Heredoc(Heredoc),
}

/// What an instruction does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// ARG: names, and what they are if nobody says.
    Arg(Vec<(String, Option<String>)>),
    /// FROM.
    From {
        /// `--platform`.
        platform: Option<String>,
        /// The image or an earlier stage.
        image: String,
        /// AS.
        name: Option<String>,
    },
    /// RUN.
    Run {
        /// `--mount`, as often as given.
        mounts: Vec<Mount>,
        /// `--network`.
        network: Option<String>,
        /// `--security`.
        security: Option<String>,
        /// What is run.
        command: Command,
        /// Texts that go with it.
        heredocs: Vec<Heredoc>,
    },
    /// COPY and ADD.
    Copy(Copy),
    /// ENV.
    Env(Vec<(String, String)>),
    /// LABEL.
    Label(Vec<(String, String)>),
    /// WORKDIR.
    Workdir(String),
    /// USER.
    User(String),
    /// CMD.
    Cmd(Command),
    /// ENTRYPOINT.
    Entrypoint(Command),
    /// EXPOSE, all on its line.
    Expose(String),
    /// VOLUME.
    Volume(Vec<String>),
    /// STOPSIGNAL.
    Stopsignal(String),
    /// SHELL.
    Shell(Vec<String>),
    /// HEALTHCHECK: options as they are written, and the command; none for NONE.
    Healthcheck(Vec<(String, String)>, Option<Command>),
    /// ONBUILD: the instruction as it stands.
    Onbuild(String),
    /// MAINTAINER.
    Maintainer(String),
}

/// An instruction and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instruction {
    /// Its first line.
    pub line: usize,
    /// Its last line.
    pub last: usize,
    /// As it stands, on one line.
    pub text: String,
    /// What it does.
    pub kind: Kind,
}

/// Reads a line.
///
/// # Errors
/// See [`InstructionError`].
pub fn parse(line: &Line, escape: char) -> Result<Instruction, InstructionError> {
    let (word, rest) = line.text.split_once(char::is_whitespace).unwrap_or((&line.text, ""));
    let keyword = word.to_ascii_uppercase();
    let mut parts = Parts { rest: rest.trim().to_owned(), flags: Vec::new(), escape };
    let kind = kind(&keyword, word, &mut parts, &line.heredocs)?;
    if let Some((flag, _)) = parts.flags.first() {
        let instruction = KEYWORDS.iter().find(|one| **one == keyword).copied().unwrap_or_default();
        return Err(InstructionError::Flag { instruction, flag: format!("--{flag}") });
    }
    Ok(Instruction { line: line.number, last: line.last, text: line.text.clone(), kind })
}

const KEYWORDS: [&str; 18] = [
    "ADD",
    "ARG",
    "CMD",
    "COPY",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "FROM",
    "HEALTHCHECK",
    "LABEL",
    "MAINTAINER",
    "ONBUILD",
    "RUN",
    "SHELL",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
];

fn kind(
    keyword: &str,
    word: &str,
    parts: &mut Parts,
    heredocs: &[Heredoc],
) -> Result<Kind, InstructionError> {
    Ok(match keyword {
        "ARG" => Kind::Arg(parts.args()?),
        "FROM" => parts.from()?,
        "RUN" => parts.run(heredocs)?,
        "COPY" => Kind::Copy(parts.copy(false, heredocs)?),
        "ADD" => Kind::Copy(parts.copy(true, heredocs)?),
        "ENV" => Kind::Env(parts.pairs("ENV")?),
        "LABEL" => Kind::Label(parts.pairs("LABEL")?),
        "WORKDIR" => Kind::Workdir(parts.one("WORKDIR", "a path")?),
        "USER" => Kind::User(parts.one("USER", "a user")?),
        "CMD" => Kind::Cmd(parts.command()),
        "ENTRYPOINT" => Kind::Entrypoint(parts.command()),
        "EXPOSE" => Kind::Expose(parts.one("EXPOSE", "a port")?),
        "VOLUME" => Kind::Volume(parts.list("VOLUME", "a path")?),
        "STOPSIGNAL" => Kind::Stopsignal(parts.one("STOPSIGNAL", "a signal")?),
        "SHELL" => match parts.command() {
            Command::Exec(shell) if !shell.is_empty() => Kind::Shell(shell),
            _ => return Err(InstructionError::Needs("SHELL", "a list in JSON")),
        },
        "HEALTHCHECK" => parts.healthcheck()?,
        "ONBUILD" => parts.onbuild()?,
        "MAINTAINER" => Kind::Maintainer(parts.one("MAINTAINER", "a name")?),
        _ => return Err(InstructionError::Unknown(word.to_owned())),
    })
}

/// What follows the keyword.
struct Parts {
    rest: String,
    flags: Vec<(String, Option<String>)>,
    escape: char,
}

impl Parts {
    /// Takes the options in front.
    fn take_flags(&mut self) {
        while self.rest.starts_with("--") {
            let Some(word) = raw_words(&self.rest, self.escape).into_iter().next() else { return };
            self.rest = self.rest[word.len()..].trim_start().to_owned();
            let text = word[2..].to_owned();
            if text.is_empty() {
                return;
            }
            match text.split_once('=') {
                Some((name, value)) => self.flags.push((name.to_owned(), Some(value.to_owned()))),
                None => self.flags.push((text, None)),
            }
        }
    }

    /// The values of an option, taken out.
    fn flag(&mut self, name: &'static str) -> Result<Vec<String>, InstructionError> {
        let (mine, others) = std::mem::take(&mut self.flags).into_iter().partition(|(flag, _)| flag == name);
        self.flags = others;
        let mine: Vec<(String, Option<String>)> = mine;
        let needs = || InstructionError::Needs(name, "a value");
        mine.into_iter().map(|(_, value)| value.ok_or_else(needs)).collect()
    }

    fn last_flag(&mut self, name: &'static str) -> Result<Option<String>, InstructionError> {
        Ok(self.flag(name)?.pop())
    }

    /// An option that is there or not.
    fn switch(&mut self, name: &'static str) -> Result<bool, InstructionError> {
        let at = self.flags.iter().rposition(|(flag, _)| flag == name);
        let value = at.map(|at| self.flags.remove(at).1);
        self.flags.retain(|(flag, _)| flag != name);
        match value {
            None => Ok(false),
            Some(None) => Ok(true),
            Some(Some(value)) => value.to_ascii_lowercase().parse().map_err(|_| InstructionError::Value {
                flag: name,
                value,
                expected: "true or false",
            }),
        }
    }

    fn one(&self, keyword: &'static str, what: &'static str) -> Result<String, InstructionError> {
        if self.rest.is_empty() { Err(InstructionError::Needs(keyword, what)) } else { Ok(self.rest.clone()) }
    }

    /// A list in JSON; nothing where this is none, which then is a text.
    fn json(&self) -> Option<Vec<String>> {
        self.rest.starts_with('[').then(|| serde_json::from_str(&self.rest).ok()).flatten()
    }

    fn command(&self) -> Command {
        self.json().map_or_else(|| Command::Shell(self.rest.clone()), Command::Exec)
    }

    fn list(&self, keyword: &'static str, what: &'static str) -> Result<Vec<String>, InstructionError> {
        let list = self.json().unwrap_or_else(|| raw_words(&self.rest, self.escape));
        if list.is_empty() { Err(InstructionError::Needs(keyword, what)) } else { Ok(list) }
    }

    /// `k=v …`, or `k all the rest`.
    fn pairs(&self, keyword: &'static str) -> Result<Vec<(String, String)>, InstructionError> {
        let words = raw_words(&self.rest, self.escape);
        let first = words.first().ok_or(InstructionError::Needs(keyword, "a name and a value"))?;
        if !first.contains('=') {
            let value = self.rest[first.len()..].trim_start();
            if value.is_empty() {
                return Err(InstructionError::Needs(keyword, "a value for each name"));
            }
            return Ok(vec![(first.clone(), value.to_owned())]);
        }
        let pair = |word: &String| match word.split_once('=') {
            Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
            _ => Err(InstructionError::Needs(keyword, "NAME=VALUE in each word")),
        };
        words.iter().map(pair).collect()
    }

    fn args(&self) -> Result<Vec<(String, Option<String>)>, InstructionError> {
        let words = raw_words(&self.rest, self.escape);
        if words.is_empty() || words.iter().any(|word| word.starts_with('=')) {
            return Err(InstructionError::Needs("ARG", "a name"));
        }
        let arg = |word: String| match word.split_once('=') {
            Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
            None => (word, None),
        };
        Ok(words.into_iter().map(arg).collect())
    }

    fn from(&mut self) -> Result<Kind, InstructionError> {
        self.take_flags();
        let platform = self.last_flag("platform")?;
        let words = raw_words(&self.rest, self.escape);
        match &words[..] {
            [image] => Ok(Kind::From { platform, image: image.clone(), name: None }),
            [image, word, name] if word.eq_ignore_ascii_case("as") => {
                let name = name.to_ascii_lowercase();
                let valid = name.starts_with(|c: char| c.is_ascii_lowercase())
                    && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
                let expected = "a name of letters, digits, and - _ . after the first";
                let wrong = InstructionError::Value { flag: "AS", value: name.clone(), expected };
                if valid {
                    Ok(Kind::From { platform, image: image.clone(), name: Some(name) })
                } else {
                    Err(wrong)
                }
            }
            _ => Err(InstructionError::Needs("FROM", "IMAGE, or IMAGE AS NAME")),
        }
    }

    fn run(&mut self, heredocs: &[Heredoc]) -> Result<Kind, InstructionError> {
        self.take_flags();
        let mounts = self.flag("mount")?.iter().map(|text| mount(text)).collect();
        let (network, security) = (self.last_flag("network")?, self.last_flag("security")?);
        let command = self.command();
        if matches!(&command, Command::Exec(args) if args.is_empty()) || self.rest.is_empty() {
            return Err(InstructionError::Needs("RUN", "a command"));
        }
        Ok(Kind::Run { mounts, network, security, command, heredocs: heredocs.to_vec() })
    }

    fn copy(&mut self, is_add: bool, heredocs: &[Heredoc]) -> Result<Copy, InstructionError> {
        let keyword = if is_add { "ADD" } else { "COPY" };
        self.take_flags();
        let from = if is_add { None } else { self.last_flag("from")? };
        let checksum = if is_add { self.last_flag("checksum")? } else { None };
        let (chown, chmod) = (self.last_flag("chown")?, self.last_flag("chmod")?);
        let (exclude, parents) = (self.flag("exclude")?, self.switch("parents")?);
        // A layer of its own is what every COPY is here; where links in the way would lead elsewhere is not known without
        // the stage, and so it is not what --link promises, but the same files.
        self.switch("link")?;
        let keep_git_dir = is_add && self.switch("keep-git-dir")?;
        let mut words = self.list(keyword, "a source and a destination")?;
        let destination = words.pop().unwrap_or_default();
        if words.is_empty() {
            return Err(InstructionError::Needs(keyword, "a source and a destination"));
        }
        if words.len() > 1 && !destination.trim_matches(['"', '\'']).ends_with('/') && destination != "." {
            return Err(InstructionError::Needs(
                keyword,
                "a destination that ends with / for more than one source",
            ));
        }
        let mut texts = heredocs.iter();
        let source = |word: String| match opening(&word).and_then(|_| texts.next()) {
            Some(heredoc) => Source::Heredoc(heredoc.clone()),
            None => Source::Path(word),
        };
        let sources = words.into_iter().map(source).collect();
        Ok(Copy {
            is_add,
            from,
            chown,
            chmod,
            exclude,
            parents,
            checksum,
            keep_git_dir,
            sources,
            destination,
        })
    }

    fn healthcheck(&mut self) -> Result<Kind, InstructionError> {
        self.take_flags();
        let mut options = Vec::new();
        for name in ["interval", "timeout", "start-period", "start-interval", "retries"] {
            options.extend(self.last_flag(name)?.map(|value| (name.to_owned(), value)));
        }
        let (word, rest) = self.rest.split_once(char::is_whitespace).unwrap_or((&self.rest, ""));
        match word.to_ascii_uppercase().as_str() {
            "NONE" if rest.trim().is_empty() => Ok(Kind::Healthcheck(options, None)),
            "CMD" if !rest.trim().is_empty() => {
                self.rest = rest.trim().to_owned();
                Ok(Kind::Healthcheck(options, Some(self.command())))
            }
            _ => Err(InstructionError::Needs("HEALTHCHECK", "CMD and a command, or NONE")),
        }
    }

    fn onbuild(&self) -> Result<Kind, InstructionError> {
        let word = self.rest.split_ascii_whitespace().next().unwrap_or_default().to_ascii_uppercase();
        match word.as_str() {
            "" => Err(InstructionError::Needs("ONBUILD", "an instruction")),
            "ONBUILD" | "FROM" | "MAINTAINER" => Err(InstructionError::Onbuild(word)),
            word if !KEYWORDS.contains(&word) => Err(InstructionError::Unknown(word.to_owned())),
            _ => Ok(Kind::Onbuild(self.rest.clone())),
        }
    }
}

fn mount(text: &str) -> Mount {
    let field = |field: &str| match field.split_once('=') {
        Some((name, value)) => (name.to_ascii_lowercase(), Some(value.to_owned())),
        None => (field.to_ascii_lowercase(), None),
    };
    text.trim_matches(['"', '\'']).split(',').map(field).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dockerfile;

    fn parse_one(text: &str) -> Result<Kind, InstructionError> {
        let lines = dockerfile::read(text).unwrap().lines;
        parse(&lines[0], '\\').map(|instruction| instruction.kind)
    }

    #[test]
    fn every_keyword_is_known() {
        for keyword in KEYWORDS {
            assert!(!matches!(parse_one(keyword), Err(InstructionError::Unknown(_))), "{keyword}");
        }
        assert_eq!(parse_one("FORM x"), Err(InstructionError::Unknown("FORM".into())));
    }

    #[test]
    fn copies_have_options_sources_and_heredocs() {
        let Kind::Copy(copy) =
            parse_one("COPY --from=a --chown=1:2 --chmod=755 --link --exclude=*.o x \"y z\" <<A /d/\nt\nA\n")
                .unwrap()
        else {
            panic!()
        };
        assert_eq!((copy.from.as_deref(), copy.chown.as_deref()), (Some("a"), Some("1:2")));
        assert_eq!((copy.chmod.as_deref(), copy.exclude.len()), (Some("755"), 1));
        let Source::Heredoc(heredoc) = &copy.sources[2] else { panic!("{copy:?}") };
        assert_eq!((heredoc.name.as_str(), heredoc.content.as_str()), ("A", "t\n"));
        assert!(matches!(parse_one("COPY --form=a x y"), Err(InstructionError::Flag { .. })));
        assert!(matches!(parse_one("COPY a b c"), Err(InstructionError::Needs(..))));
        assert!(
            matches!(parse_one("COPY [\"a b\", \"c\"]"), Ok(Kind::Copy(copy)) if copy.sources.len() == 1)
        );
    }

    #[test]
    fn commands_are_lists_or_texts() {
        let exec = |args: &[&str]| Command::Exec(args.iter().map(ToString::to_string).collect());
        assert_eq!(parse_one("CMD [\"a\", \"b\"]"), Ok(Kind::Cmd(exec(&["a", "b"]))));
        assert_eq!(parse_one("CMD ['a']"), Ok(Kind::Cmd(Command::Shell("['a']".into()))));
        let Ok(Kind::Run { mounts, command, .. }) = parse_one("RUN --mount=type=secret,id=x,required a --b")
        else {
            panic!()
        };
        assert_eq!(command, Command::Shell("a --b".into()));
        assert_eq!(mounts[0][2], ("required".to_owned(), None));
    }

    #[test]
    fn pairs_have_two_forms() {
        let pairs = |list: &[(&str, &str)]| {
            Ok(Kind::Env(list.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()))
        };
        assert_eq!(
            parse_one("ENV a=b c=\"d e\" f=g\\ h"),
            pairs(&[("a", "b"), ("c", "\"d e\""), ("f", "g\\ h")])
        );
        assert_eq!(parse_one("ENV a b  c=d"), pairs(&[("a", "b  c=d")]));
        assert!(parse_one("ENV a").is_err());
        assert!(parse_one("HEALTHCHECK --interval=5s CMD true").is_ok());
        assert!(parse_one("ONBUILD FROM x").is_err());
    }

    proptest::proptest! {
        #[test]
        fn any_line_is_an_instruction_or_refused(keyword in 0..KEYWORDS.len(), rest in "[ -~]{0,60}") {
            if let Ok(lines) = dockerfile::read(&format!("{} {rest}", KEYWORDS[keyword])) {
                for line in &lines.lines {
                    let _ = parse(line, '\\');
                }
            }
        }
    }
}
