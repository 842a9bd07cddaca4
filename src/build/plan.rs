//! A Dockerfile as stages, checked before anything runs: what is unknown, foreign or missing is refused with its line.

use std::collections::BTreeMap;
use std::fmt;

use crate::dockerfile::{self, LineError};
use crate::instruction::{self, Instruction, InstructionError, Kind};
use crate::words::{Expander, WordError};

/// The one platform.
pub const PLATFORM: &str = "linux/amd64";

/// Stages at most: each that is needed has a thread.
const STAGES_MAX: usize = 256;

/// What is wrong with a Dockerfile, and where.
#[derive(Debug)]
pub struct Fault {
    /// Name of the file.
    pub file: String,
    /// Its line.
    pub line: usize,
    /// What is wrong.
    pub what: Wrong,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.what)
    }
}

impl std::error::Error for Fault {}

/// What is wrong.
#[derive(Debug, thiserror::Error)]
pub enum Wrong {
    /// A line.
    #[error(transparent)]
    Line(#[from] LineError),
    /// An instruction.
    #[error(transparent)]
    Instruction(#[from] InstructionError),
    /// A word of an instruction.
    #[error(transparent)]
    Word(#[from] WordError),
    /// Another language.
    #[error(
        "the frontend {0:?} is not this one: only docker/dockerfile is read, and no other is ever fetched and run"
    )]
    Frontend(String),
    /// Another platform.
    #[error("platform {0:?} cannot be built here: only {PLATFORM} can")]
    Platform(String),
    /// An instruction before the first FROM.
    #[error("{0} stands before the first FROM: only ARG may")]
    BeforeFrom(String),
    /// No stage at all.
    #[error("there is no FROM")]
    NoStage,
    /// More stages than are built at once.
    #[error("more than {STAGES_MAX} stages")]
    Stages,
    /// A name that two stages have.
    #[error("stage {0:?} is there already")]
    SameName(String),
    /// The name of an image that is empty once its variables are replaced.
    #[error("FROM {0}: the image has no name: an ARG before the first FROM lacks a value")]
    NoImage(String),
    /// A target that is no stage.
    #[error("--target {0:?} is no stage")]
    Target(String),
    /// A stage that comes later, or itself.
    #[error("--from={0}: no earlier stage has this number")]
    From(String),
    /// An agent of keys.
    #[error(
        "RUN --mount=type=ssh is not there: a machine reaches no agent of this host; give what the step needs with --mount=type=secret"
    )]
    Ssh,
    /// A kind of mount that nobody knows.
    #[error("RUN --mount=type={0} is unknown")]
    Mount(String),
    /// What is not there yet.
    #[error("{0} is not there yet")]
    NotYet(&'static str),
}

/// What a stage starts from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Base {
    /// Nothing.
    Scratch,
    /// An earlier stage.
    Stage(usize),
    /// An image, as it is named.
    Image(String),
}

/// A stage.
#[derive(Debug)]
pub struct Stage {
    /// Its name.
    pub name: Option<String>,
    /// What it starts from.
    pub base: Base,
    /// The FROM.
    pub from: Instruction,
    /// What follows.
    pub instructions: Vec<Instruction>,
}

/// A Dockerfile.
#[derive(Debug)]
pub struct Plan {
    /// Name of the file, for messages.
    pub file: String,
    /// Its text.
    pub text: String,
    /// Its escape character.
    pub escape: char,
    /// ARGs before the first FROM, with their values.
    pub globals: BTreeMap<String, Option<String>>,
    /// All stages.
    pub stages: Vec<Stage>,
    /// The one that is wanted.
    pub target: usize,
}

/// The predefined ARGs that tell of platforms.
pub fn platform_args() -> [(&'static str, &'static str); 8] {
    [
        ("TARGETPLATFORM", PLATFORM),
        ("TARGETOS", "linux"),
        ("TARGETARCH", "amd64"),
        ("TARGETVARIANT", ""),
        ("BUILDPLATFORM", PLATFORM),
        ("BUILDOS", "linux"),
        ("BUILDARCH", "amd64"),
        ("BUILDVARIANT", ""),
    ]
}

impl Plan {
    /// Reads a Dockerfile and checks all of it that is needed for the target.
    ///
    /// # Errors
    /// See [`Fault`].
    pub fn new(
        file: &str,
        text: &str,
        given: &BTreeMap<String, String>,
        target: Option<&str>,
    ) -> Result<Self, Fault> {
        let fault = |line: usize, what: Wrong| Fault { file: file.to_owned(), line, what };
        let lines = dockerfile::read(text).map_err(|(line, what)| fault(line, what.into()))?;
        let escape = lines.directives.escape;
        if let Some((line, syntax)) = &lines.directives.syntax
            && !is_own_frontend(syntax)
        {
            return Err(fault(*line, Wrong::Frontend(syntax.clone())));
        }
        let (file, text) = (file.to_owned(), text.to_owned());
        let mut plan = Self { file, text, escape, globals: BTreeMap::new(), stages: Vec::new(), target: 0 };
        for line in &lines.lines {
            let number = line.number;
            let read = instruction::parse(line, escape).map_err(|what| fault(number, what.into()))?;
            plan.add(read, given).map_err(|what| fault(number, what))?;
        }
        plan.target = plan.find_target(target).map_err(|what| fault(1, what))?;
        plan.check_needed().map_err(|(line, what)| fault(line, what))?;
        Ok(plan)
    }

    fn add(&mut self, read: Instruction, given: &BTreeMap<String, String>) -> Result<(), Wrong> {
        let is_first = self.stages.is_empty();
        match &read.kind {
            Kind::From { platform, image, name } => {
                let (platform, image, name) = (platform.clone(), image.clone(), name.clone());
                self.add_stage(read, platform, &image, name)
            }
            Kind::Arg(args) if is_first => {
                for (name, default) in args {
                    let value = match (given.get(name), default) {
                        (Some(value), _) => Some(value.clone()),
                        (None, Some(default)) => Some(self.expand_global(default)?),
                        (None, None) => None,
                    };
                    self.globals.insert(name.clone(), value);
                }
                Ok(())
            }
            _ if is_first => {
                Err(Wrong::BeforeFrom(read.text.split_whitespace().next().unwrap_or_default().to_owned()))
            }
            _ => {
                if let Some(stage) = self.stages.last_mut() {
                    stage.instructions.push(read);
                }
                Ok(())
            }
        }
    }

    fn expand_global(&self, text: &str) -> Result<String, WordError> {
        let platform =
            |name: &str| platform_args().iter().find(|(key, _)| *key == name).map(|(_, v)| (*v).into());
        let lookup = |name: &str| self.globals.get(name).cloned().flatten().or_else(|| platform(name));
        Expander { escape: self.escape, lookup: &lookup }.word(text)
    }

    fn add_stage(
        &mut self,
        from: Instruction,
        platform: Option<String>,
        image: &str,
        name: Option<String>,
    ) -> Result<(), Wrong> {
        if let Some(platform) = platform {
            let platform = self.expand_global(&platform)?;
            if !is_own_platform(&platform) {
                return Err(Wrong::Platform(platform));
            }
        }
        if self.stages.len() >= STAGES_MAX {
            return Err(Wrong::Stages);
        }
        let image_name = self.expand_global(image)?;
        let same = |stage: &Stage| name.is_some() && stage.name == name;
        if let Some(name) = name.as_ref().filter(|_| self.stages.iter().any(same)) {
            return Err(Wrong::SameName(name.clone()));
        }
        let earlier = self.stage_named(&image_name);
        let base = match image_name.as_str() {
            "" => return Err(Wrong::NoImage(image.to_owned())),
            "scratch" => Base::Scratch,
            _ => earlier.map_or(Base::Image(image_name), Base::Stage),
        };
        self.stages.push(Stage { name, base, from, instructions: Vec::new() });
        Ok(())
    }

    fn stage_named(&self, name: &str) -> Option<usize> {
        let name = name.to_ascii_lowercase();
        self.stages.iter().position(|stage| stage.name.as_ref() == Some(&name))
    }

    /// The stage that `--from` means, among those before `before`; nothing where it means an image.
    ///
    /// # Errors
    /// A number that no stage has.
    pub fn stage_of(&self, from: &str, before: usize) -> Result<Option<usize>, Wrong> {
        if let Ok(number) = from.parse::<usize>() {
            return if number < before { Ok(Some(number)) } else { Err(Wrong::From(from.to_owned())) };
        }
        Ok(self.stage_named(from).filter(|index| *index < before))
    }

    fn find_target(&self, target: Option<&str>) -> Result<usize, Wrong> {
        let last = self.stages.len().checked_sub(1).ok_or(Wrong::NoStage)?;
        let Some(target) = target.filter(|target| !target.is_empty()) else { return Ok(last) };
        let number = || target.parse().ok().filter(|number| *number <= last);
        self.stage_named(target).or_else(number).ok_or_else(|| Wrong::Target(target.to_owned()))
    }

    /// The target and the stages that it needs, as far as they are named without variables of triggers.
    pub fn needed(&self) -> Vec<usize> {
        self.check_needed().unwrap_or_default()
    }

    /// Stages that the target does not need are not looked at.
    fn check_needed(&self) -> Result<Vec<usize>, (usize, Wrong)> {
        let (mut pending, mut seen) = (vec![self.target], vec![false; self.stages.len()]);
        while let Some(index) = pending.pop() {
            let Some(stage) = self.stages.get(index) else { continue };
            if seen.get_mut(index).is_none_or(|seen| std::mem::replace(seen, true)) {
                continue;
            }
            if let Base::Stage(base) = stage.base {
                pending.push(base);
            }
            for one in &stage.instructions {
                pending.extend(self.check(one, index).map_err(|what| (one.line, what))?);
            }
        }
        Ok(seen.iter().enumerate().filter(|(_, seen)| **seen).map(|(index, _)| index).collect())
    }

    /// Checks one instruction, and tells which stages it needs.
    fn check(&self, one: &Instruction, index: usize) -> Result<Vec<usize>, Wrong> {
        match &one.kind {
            Kind::Copy(copy) => {
                if copy.is_add && copy.sources.iter().any(is_other_transport) {
                    return Err(Wrong::NotYet("ADD of a repository by another way than https or http"));
                }
                let from = copy.from.as_ref().map(|from| self.stage_of(from, index)).transpose()?;
                Ok(from.flatten().into_iter().collect())
            }
            Kind::Run { mounts, network, security, .. } => {
                if network.as_ref().is_some_and(|network| !["default", "none"].contains(&network.as_str())) {
                    return Err(Wrong::NotYet("RUN --network other than default and none"));
                }
                if security.as_ref().is_some_and(|security| security != "sandbox") {
                    return Err(Wrong::NotYet("RUN --security other than sandbox"));
                }
                let mut needed = Vec::new();
                for mount in mounts {
                    needed.extend(self.check_mount(mount, index)?);
                }
                Ok(needed)
            }
            _ => Ok(Vec::new()),
        }
    }

    fn check_mount(&self, mount: &instruction::Mount, index: usize) -> Result<Option<usize>, Wrong> {
        let of =
            |name: &str| mount.iter().find(|(one, _)| one == name).and_then(|(_, value)| value.as_deref());
        let kind = of("type").unwrap_or("bind");
        match kind {
            "bind" => of("from").map_or(Ok(None), |from| self.stage_of(from, index)),
            "cache" if mount.iter().any(|(name, _)| ["from", "source", "src"].contains(&&**name)) => {
                Err(Wrong::NotYet("RUN --mount=type=cache with from or source"))
            }
            "cache" | "secret" | "tmpfs" => Ok(None),
            "ssh" => Err(Wrong::Ssh),
            kind => Err(Wrong::Mount(kind.to_owned())),
        }
    }
}

fn is_other_transport(source: &instruction::Source) -> bool {
    let prefixes = ["git@", "git://", "ssh://"];
    matches!(source, instruction::Source::Path(path) if prefixes.iter().any(|one| path.starts_with(one)))
}

/// Whether a frontend speaks the language that is read here.
fn is_own_frontend(syntax: &str) -> bool {
    let name = syntax.split('@').next().unwrap_or_default();
    let name = name.strip_prefix("docker.io/").unwrap_or(name);
    let (name, tag) = name.rsplit_once(':').unwrap_or((name, ""));
    ["docker/dockerfile", "docker/dockerfile-upstream"].contains(&name) && !tag.contains("labs")
}

/// Whether a platform is this one.
pub fn is_own_platform(platform: &str) -> bool {
    let lower = platform.to_ascii_lowercase();
    let parts: Vec<&str> = lower.split('/').collect();
    matches!(
        &parts[..],
        ["linux", "amd64" | "x86_64" | "x86-64"] | ["linux", "amd64", "v1"] | ["amd64" | "linux"]
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(text: &str) -> Result<Plan, String> {
        Plan::new("Dockerfile", text, &BTreeMap::new(), None).map_err(|fault| fault.to_string())
    }

    #[test]
    fn stages_and_their_bases() {
        let plan = plan(
            "ARG V=1\nARG I=img:$V\nFROM $I AS a\nFROM a AS B\nFROM --platform=$BUILDPLATFORM scratch\nCOPY --from=b / /\n",
        )
        .unwrap();
        let bases: Vec<&Base> = plan.stages.iter().map(|stage| &stage.base).collect();
        assert_eq!(bases, [&Base::Image("img:1".into()), &Base::Stage(0), &Base::Scratch]);
        assert_eq!(plan.target, 2);
    }

    #[test]
    fn what_cannot_be_is_refused_with_its_line() {
        for (text, expected) in [
            ("# syntax=acme/lang\nFROM scratch\n", "Dockerfile:1: the frontend \"acme/lang\""),
            ("FROM --platform=linux/arm64 scratch\n", "Dockerfile:1: platform \"linux/arm64\""),
            ("RUN x\n", "Dockerfile:1: RUN stands before"),
            ("ARG a\n", "Dockerfile:1: there is no FROM"),
            ("FROM scratch\n\nRUM x\n", "Dockerfile:3: unknown instruction: RUM"),
            ("FROM scratch AS a\nFROM scratch AS a\n", "Dockerfile:2: stage \"a\""),
            ("ARG x\nFROM $x\n", "Dockerfile:2: FROM $x: the image has no name"),
            ("FROM scratch\nCOPY --from=0 a b\n", "Dockerfile:2: --from=0"),
            ("FROM scratch\nADD git@a:b c\n", "Dockerfile:2: ADD of a repository by another way"),
            ("FROM scratch\nRUN --mount=type=ssh x\n", "Dockerfile:2: RUN --mount"),
        ] {
            let error = plan(text).unwrap_err();
            assert!(error.starts_with(expected), "{text:?}: {error}");
        }
        assert!(plan("# syntax=docker/dockerfile:1.7\nFROM scratch\n").is_ok());
        // Stages that nobody needs are not looked at.
        assert!(plan("FROM scratch\nADD git@a:b c\nFROM scratch\n").is_ok());
    }
}
