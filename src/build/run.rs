//! The instructions of one stage.

mod copying;
mod mounts;

use std::collections::BTreeMap;
use std::error::Error;
use std::fs::File;
use std::sync::Arc;
use std::time::Instant;

use bundles::config::{DEFAULT_PATH, identity};
use bundles::tree::{Meta, Tree};
use km_abi::records::InlayFile;
use km_vmm::protocol::ProcessSpec;

use self::mounts::{Before, Mounted, Mounts};
use crate::builder::{BuildError, Builder};
use crate::cache::Key;
use crate::config::{History, Nothing, rfc3339};
use crate::dockerfile::{self, Heredoc, Line};
use crate::instruction::{self, Command, Instruction, Kind, Mount};
use crate::layer::{Changes, Kind as LayerKind};
use crate::origin::{node_at, place_in};
use crate::plan::{Stage, Wrong, platform_args};
use crate::stage::{Built, State, rootfs};
use crate::step::Step;
use crate::told;
use crate::words::{Expander, WordError};

/// Why an instruction failed.
pub(crate) type Failure = Box<dyn Error + Send + Sync>;

/// ARGs that are there without being declared, and in no key.
const PROXIES: [&str; 10] = [
    "HTTP_PROXY",
    "http_proxy",
    "HTTPS_PROXY",
    "https_proxy",
    "FTP_PROXY",
    "ftp_proxy",
    "NO_PROXY",
    "no_proxy",
    "ALL_PROXY",
    "all_proxy",
];
/// Where a here-document that is a script of its own is for its step.
const SCRIPT: &str = "/dev/shm/script";
const SHELL: [&str; 2] = ["/bin/sh", "-c"];

/// A stage that is being built.
pub struct StageRun<'a> {
    builder: &'a Builder<'a>,
    index: usize,
    stage: &'a Stage,
    state: State,
    key: Key,
    triggers: Vec<String>,
    args: BTreeMap<String, String>,
    number: usize,
    total: usize,
    /// Number of the step that has begun, in the whole build.
    step: Option<usize>,
}

impl<'a> StageRun<'a> {
    /// Nothing of it has run.
    pub fn new(
        builder: &'a Builder<'a>,
        index: usize,
        stage: &'a Stage,
        mut state: State,
        key: Key,
        has_triggers: bool,
    ) -> Self {
        let triggers = std::mem::take(&mut state.config.on_build);
        let triggers = if has_triggers { triggers } else { Vec::new() };
        let with_layers =
            |one: &&Instruction| matches!(one.kind, Kind::Run { .. } | Kind::Copy(_) | Kind::Workdir(_));
        let total = stage.instructions.iter().filter(with_layers).count() + 1;
        Self {
            builder,
            index,
            stage,
            state,
            key,
            triggers,
            args: BTreeMap::new(),
            number: 1,
            total,
            step: None,
        }
    }

    /// Carries out all of it.
    ///
    /// # Errors
    /// See [`BuildError`].
    pub fn run(mut self) -> Result<Built, BuildError> {
        for text in std::mem::take(&mut self.triggers) {
            let line = self.stage.from.line;
            let one = self.trigger(&text, line).map_err(|what| self.builder.fault(line, what))?;
            self.carry_out(&one)?;
        }
        for one in &self.stage.instructions {
            self.carry_out(one)?;
        }
        Ok(Built { state: self.state, key: self.key })
    }

    /// What a base image puts off to those that build on it.
    fn trigger(&self, text: &str, line: usize) -> Result<Instruction, Wrong> {
        let lines = dockerfile::read(text).map_err(|(_, what)| what)?.lines;
        let first = lines.into_iter().next().unwrap_or(Line {
            number: line,
            last: line,
            text: text.to_owned(),
            heredocs: Vec::new(),
        });
        Ok(instruction::parse(&Line { number: line, last: line, ..first }, '\\')?)
    }

    fn carry_out(&mut self, one: &Instruction) -> Result<(), BuildError> {
        let had = self.state.layers.len();
        self.step = None;
        let done = self.dispatch(one);
        done.map_err(|error| match error.downcast::<BuildError>() {
            Ok(inner) => *inner,
            Err(error) => {
                let (place, instruction) = (self.builder.place(one.line), one.text.clone());
                BuildError::Step { place, lines: (one.line, one.last), step: self.step, instruction, error }
            }
        })?;
        if !matches!(one.kind, Kind::Arg(_)) {
            self.state.history.push(History {
                created: Some(rfc3339(self.builder.options.epoch)),
                created_by: Some(one.text.clone()),
                author: None,
                comment: None,
                empty_layer: self.state.layers.len() == had,
            });
        }
        Ok(())
    }

    fn dispatch(&mut self, one: &Instruction) -> Result<(), Failure> {
        match &one.kind {
            Kind::Arg(args) => self.arg(args)?,
            Kind::Env(pairs) => {
                let expanded = self.pairs(pairs)?;
                for (name, value) in expanded {
                    self.state.config.set_env(&name, &value);
                }
            }
            Kind::Label(pairs) => {
                let expanded = self.pairs(pairs)?;
                self.state.config.labels.extend(expanded);
            }
            Kind::Workdir(path) => self.workdir(one, path)?,
            Kind::User(user) => self.state.config.user = self.word(user)?,
            Kind::Cmd(command) => self.state.config.cmd = Some(self.arguments(command)),
            Kind::Entrypoint(command) => {
                let arguments = self.arguments(command);
                self.state.config.entrypoint = Some(arguments).filter(|arguments| !arguments.is_empty());
                // A command of the base image goes with the entrypoint of the base image.
                let own = self.stage.instructions.iter().take_while(|other| other.line < one.line);
                if !own.into_iter().any(|other| matches!(other.kind, Kind::Cmd(_))) {
                    self.state.config.cmd = None;
                }
            }
            Kind::Expose(ports) => self.expose(ports)?,
            Kind::Volume(paths) => {
                for path in paths {
                    let path = self.word(path)?;
                    self.state.config.volumes.insert(path, Nothing {});
                }
            }
            Kind::Stopsignal(signal) => self.state.config.stop_signal = self.word(signal)?,
            Kind::Shell(shell) => self.state.config.shell = Some(shell.clone()),
            Kind::Healthcheck(options, command) => self.healthcheck(options, command.as_ref())?,
            Kind::Onbuild(text) => self.state.config.on_build.push(text.clone()),
            Kind::Maintainer(name) => self.state.author = Some(name.clone()),
            Kind::Copy(copy) => self.copy(one, copy)?,
            Kind::Run { mounts, network, command, heredocs, .. } => {
                self.run_step(one, mounts, network.as_deref(), command, heredocs)?;
            }
            Kind::From { .. } => {}
        }
        Ok(())
    }

    fn lookup(&self, name: &str) -> Option<String> {
        self.state.config.get_env(name).or_else(|| self.args.get(name).cloned())
    }

    fn expander<R>(&self, with: impl FnOnce(&Expander<'_>) -> R) -> R {
        let lookup = |name: &str| self.lookup(name);
        with(&Expander { escape: self.builder.plan.escape, lookup: &lookup })
    }

    fn word(&self, text: &str) -> Result<String, WordError> {
        self.expander(|expander| expander.word(text))
    }

    /// Variables that an instruction sets are not there for itself.
    fn pairs(&self, pairs: &[(String, String)]) -> Result<Vec<(String, String)>, WordError> {
        pairs.iter().map(|(name, value)| Ok((self.word(name)?, self.word(value)?))).collect()
    }

    fn arg(&mut self, args: &[(String, Option<String>)]) -> Result<(), Failure> {
        for (name, default) in args {
            let platform =
                || platform_args().iter().find(|(key, _)| key == name).map(|(_, v)| (*v).to_owned());
            let value = match (self.builder.options.args.get(name), default) {
                (Some(given), _) => Some(given.clone()),
                (None, Some(default)) => Some(self.word(default)?),
                (None, None) => self.builder.plan.globals.get(name).cloned().flatten().or_else(platform),
            };
            if let Some(value) = value {
                self.args.insert(name.clone(), value);
            }
        }
        Ok(())
    }

    fn shell(&self) -> Vec<String> {
        self.state.config.shell.clone().unwrap_or_else(|| SHELL.map(str::to_owned).to_vec())
    }

    fn arguments(&self, command: &Command) -> Vec<String> {
        match command {
            Command::Exec(arguments) => arguments.clone(),
            Command::Shell(text) if text.is_empty() => Vec::new(),
            Command::Shell(text) => [self.shell(), vec![text.clone()]].concat(),
        }
    }

    fn expose(&mut self, ports: &str) -> Result<(), Failure> {
        for port in self.expander(|expander| expander.words(ports))? {
            let (number, protocol) = port.split_once('/').unwrap_or((&port, "tcp"));
            let ends: Vec<&str> = number.splitn(2, '-').collect();
            let numbers: Option<Vec<u16>> = ends.iter().map(|end| end.parse().ok()).collect();
            let range = match numbers.as_deref() {
                Some([one]) => *one..=*one,
                Some([first, last]) if first <= last => *first..=*last,
                _ => return Err(format!("{port:?} is no port").into()),
            };
            for one in range {
                let port = format!("{one}/{}", protocol.to_ascii_lowercase());
                self.state.config.exposed_ports.insert(port, Nothing {});
            }
        }
        Ok(())
    }

    fn healthcheck(
        &mut self,
        options: &[(String, String)],
        command: Option<&Command>,
    ) -> Result<(), Failure> {
        let test = match command {
            None => vec!["NONE".to_owned()],
            Some(Command::Exec(arguments)) => [vec!["CMD".to_owned()], arguments.clone()].concat(),
            Some(Command::Shell(text)) => vec!["CMD-SHELL".to_owned(), text.clone()],
        };
        let mut check = serde_json::Map::from_iter([("Test".to_owned(), test.into())]);
        for (name, value) in options {
            let field = match name.as_str() {
                "interval" => "Interval",
                "timeout" => "Timeout",
                "start-period" => "StartPeriod",
                "start-interval" => "StartInterval",
                _ => "Retries",
            };
            let number = if field == "Retries" { value.parse().ok() } else { nanoseconds(value) };
            let number: u64 = number.ok_or_else(|| format!("--{name}={value} is none"))?;
            check.insert(field.to_owned(), number.into());
        }
        self.state.config.healthcheck = Some(check.into());
        Ok(())
    }

    fn name(&mut self, one: &Instruction) -> String {
        self.number += 1;
        let stage = match (&self.stage.name, self.builder.plan.stages.len()) {
            (Some(name), 2..) => format!("{name} "),
            (None, 2..) => format!("stage-{} ", self.index),
            _ => String::new(),
        };
        let (number, total) = (self.number, self.total.max(self.number));
        format!("[{stage}{number}/{total}] {}", one.text)
    }

    /// A step that comes to a layer: taken from the cache, or carried out by `work`.
    fn layer(
        &mut self,
        one: &Instruction,
        key: Key,
        work: impl FnOnce(&mut Self, usize) -> Result<Changes, Failure>,
    ) -> Result<(), Failure> {
        let builder = self.builder;
        let name = self.name(one);
        let step = builder.begin(&name);
        let start = Instant::now();
        self.step = Some(step);
        self.key = key;
        let found = if builder.options.no_cache { None } else { builder.cache.find(&key) };
        let cached = found.is_some();
        let outcome = match found {
            Some(outcome) => outcome,
            None => {
                let changes = work(self, step)?;
                let scratch = builder.cache.scratch();
                let layer = match changes.is_empty() {
                    true => None,
                    false => Some(changes.write(scratch, builder.options.epoch)?),
                };
                builder.cache.keep(&key, layer)?
            }
        };
        if let Some(blob) = outcome.layer {
            self.state.add(blob, builder.cache)?;
        }
        builder.done(step, start, cached);
        Ok(())
    }

    fn epoch(&self) -> [u8; 8] {
        self.builder.options.epoch.to_le_bytes()
    }

    fn changes(&self) -> Result<Changes, Failure> {
        Ok(Changes::new(self.builder.cache.scratch())?)
    }

    fn workdir(&mut self, one: &Instruction, path: &str) -> Result<(), Failure> {
        let path = self.word(path)?;
        let path = format!("/{}", crate::pattern::clean(&self.state.config.absolute(&path)));
        self.state.config.working_dir.clone_from(&path);
        let key = self.key.then(&[b"workdir", path.as_bytes(), &self.epoch()]);
        self.layer(one, key, |run, _| {
            let tree = run.state.tree(run.builder.cache)?;
            let place = place_in(&tree, path.as_bytes()).ok_or_else(|| format!("{path} is no directory"))?;
            let mut changes = run.changes()?;
            let ends = place.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at);
            for end in ends.chain([place.len()]) {
                let part = place.get(..end).unwrap_or_default();
                if !part.is_empty() && node_at(&tree, part).is_none() {
                    let meta = Meta { mtime: i64::MAX, ..Meta::with_mode(0o755) };
                    changes.put(part, meta, LayerKind::Directory { opaque: false })?;
                }
            }
            Ok(changes)
        })
    }

    fn run_step(
        &mut self,
        one: &Instruction,
        mounts: &[Mount],
        network: Option<&str>,
        command: &Command,
        heredocs: &[Heredoc],
    ) -> Result<(), Failure> {
        let builder = self.builder;
        let mut script = None;
        let args = match (command, heredocs) {
            (Command::Shell(text), [only]) if dockerfile::opening(text).is_some() => {
                let content = only.text();
                match interpreter(&content) {
                    Some(mut args) => {
                        args.push(SCRIPT.to_owned());
                        script = Some(content);
                        args
                    }
                    None => [self.shell(), vec![content]].concat(),
                }
            }
            (Command::Shell(text), heredocs) => {
                let bodies = heredocs.iter().map(|one| format!("\n{}{}", one.content, one.name));
                let text = std::iter::once(text.clone()).chain(bodies).collect();
                [self.shell(), vec![text]].concat()
            }
            (Command::Exec(args), _) => args.clone(),
        };
        let (all, content) = self.mounts(one, mounts)?;
        let mut env = self.state.config.env.clone();
        for (name, value) in &self.args {
            if self.state.config.get_env(name).is_none() {
                env.push(format!("{name}={value}"));
            }
        }
        let offline = network == Some("none");
        let asked = format!("{args:?} {script:?} {env:?} {mounts:?} {offline} {}", self.state.config.user);
        let cwd = self.state.config.working_dir.clone();
        let key = self.key.then(&[b"run", asked.as_bytes(), cwd.as_bytes(), &content, &self.epoch()]);
        self.layer(one, key, |run, number| {
            let tree = run.state.tree(builder.cache)?;
            let (user, home) = identity(&run.state.config.user, &tree)?;
            run.complete_env(&mut env, &home);
            let mut files: Vec<InlayFile> =
                script.iter().map(|text| file(SCRIPT, 0o755, text.as_bytes())).collect();
            for secret in &all.secrets {
                run.put_secret(secret, &mut files, &mut env)?;
            }
            let hidden: Vec<Vec<u8>> = files.iter().map(|file| file.path.clone()).collect();
            let places = all.places(&tree)?;
            let before = Before::new(&tree, hidden.iter().chain(&places).map(Vec::as_slice));
            let process = ProcessSpec {
                args,
                env,
                cwd,
                uid: user.uid(),
                gid: user.gid(),
                groups: user.additional_gids().clone().unwrap_or_default(),
                hostname: "build".to_owned(),
                resolv_conf: None,
            };
            let scratch = builder.cache.scratch();
            let (rootfs, mounted) = run.rootfs(all, tree)?;
            let step = Step { process, files, offline };
            let told = builder.machines.run(number, step, &rootfs, scratch)?;
            let mut changes = run.changes()?;
            told::read(&mut std::io::BufReader::new(told), &mut changes)?;
            run.unmount(mounted, &mut changes)?;
            for path in hidden.iter().chain(&places) {
                before.hide(&mut changes, path);
            }
            Ok(changes)
        })
    }

    /// The root file system of a step's machine. With mounts in it, the tree is not the stage's any more, which is made again when
    /// somebody needs it.
    fn rootfs(&self, mounts: Mounts, tree: Arc<Tree>) -> Result<(File, Mounted), Failure> {
        let scratch = self.builder.cache.scratch();
        if mounts.is_empty() {
            return Ok((rootfs(&tree, scratch)?, Mounted::default()));
        }
        drop(self.state.take_tree());
        let mut own = match Arc::try_unwrap(tree) {
            Ok(own) => own,
            Err(_) => self.state.new_tree(self.builder.cache)?,
        };
        let mounted = self.mount(mounts, &mut own)?;
        Ok((rootfs(&own, scratch)?, mounted))
    }

    /// What a step's environment has besides what is in its key.
    fn complete_env(&self, env: &mut Vec<String>, home: &str) {
        let has = |env: &[String], name: &str| env.iter().any(|entry| entry.split('=').next() == Some(name));
        if !has(env, "PATH") {
            env.insert(0, DEFAULT_PATH.to_owned());
        }
        if !has(env, "HOME") {
            env.push(format!("HOME={home}"));
        }
        // Compilers and archivers that know it leave the time of the build out.
        if !has(env, "SOURCE_DATE_EPOCH") {
            env.push(format!("SOURCE_DATE_EPOCH={}", self.builder.options.epoch));
        }
        for name in PROXIES {
            if let Some(value) = self.builder.options.args.get(name).filter(|_| !has(env, name)) {
                env.push(format!("{name}={value}"));
            }
        }
    }
}

/// The program that a script names in its first line, and its one argument, as execve(2) has them. The script itself is not there yet
/// when the machine looks for its program.
fn interpreter(script: &str) -> Option<Vec<String>> {
    let line = script.strip_prefix("#!")?.lines().next()?.trim();
    let (program, argument) = line.split_once([' ', '\t']).unwrap_or((line, ""));
    let argument = Some(argument.trim()).filter(|argument| !argument.is_empty());
    Some([program].into_iter().chain(argument).map(str::to_owned).collect())
}

fn file(path: &str, mode: u32, content: &[u8]) -> InlayFile {
    InlayFile { path: path.as_bytes().to_vec(), mode, content: content.to_vec(), ..InlayFile::default() }
}

/// A duration as Go writes it: `1m30s`, `500ms`.
fn nanoseconds(text: &str) -> Option<u64> {
    let (mut total, mut rest) = (0u64, text);
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: u64 = rest.get(..digits)?.parse().ok()?;
        rest = rest.get(digits..)?;
        let units = [
            ("ms", 1_000_000),
            ("us", 1000),
            ("ns", 1),
            ("h", 3_600_000_000_000),
            ("m", 60_000_000_000),
            ("s", 1_000_000_000),
        ];
        let (unit, factor) = units.iter().find(|(unit, _)| rest.starts_with(unit))?;
        total = total.checked_add(number.checked_mul(*factor)?)?;
        rest = rest.strip_prefix(unit)?;
    }
    Some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_name_their_programs() {
        let of = |text: &str| interpreter(text).map(|args| args.join("|"));
        assert_eq!(of("#!/bin/sh\nx\n").as_deref(), Some("/bin/sh"));
        assert_eq!(of("#! /usr/bin/env  python3 -u \n").as_deref(), Some("/usr/bin/env|python3 -u"));
        assert_eq!(of("echo\n"), None);
    }

    #[test]
    fn durations_are_those_of_go() {
        assert_eq!(nanoseconds("1m30s"), Some(90_000_000_000));
        assert_eq!(nanoseconds("500ms"), Some(500_000_000));
        assert_eq!(nanoseconds("5"), None);
        assert_eq!(nanoseconds(""), None);
    }
}
