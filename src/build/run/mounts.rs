//! Mounts of a step: what its tree has at their targets for the step alone, and in no layer.
//!
//! A machine has one file system, the stage's tree. So a mount is put into the tree that the step's machine gets, in place of what
//! was at its target, and what the step tells of that place is taken out of its changes: those of a cache go into the cache,
//! others nowhere. A bind mount may be written to, whatever its options say, with no effect beyond the step.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use bundles::tree::{Meta, Tree};
use km_abi::records::InlayFile;
use sha2::{Digest as _, Sha256};

use super::{Failure, StageRun};
use crate::cache::Key;
use crate::cache::mounts::{CacheMount, Kept};
use crate::copy::Copier;
use crate::instruction::{Instruction, Mount};
use crate::layer::{Changes, Kind, split};
use crate::origin::{FoundKind, Origin, node_at, place_in};
use crate::pattern::{Patterns, clean};
use crate::stage::{Built, apply_changes};

/// Mounts of a step, their options read.
#[derive(Default)]
pub(super) struct Mounts {
    trees: Vec<TreeMount>,
    pub(super) secrets: Vec<Secret>,
}

/// A mount that is a part of the step's tree.
struct TreeMount {
    /// Absolute.
    target: String,
    content: Content,
}

enum Content {
    /// Files of another stage, or of the context if there is none.
    Bind(Option<std::sync::Arc<Built>>, String),
    /// Files that earlier steps left there.
    Cache(CacheOptions),
    /// Nothing.
    Empty,
}

struct CacheOptions {
    id: String,
    root: Meta,
}

/// A secret, as its mount asks for it.
pub(super) struct Secret {
    id: String,
    target: Option<String>,
    env: Option<String>,
    mode: u32,
    owner: (u32, u32),
    required: bool,
}

/// What is to be done with the changes of a step that has mounts.
#[derive(Default)]
pub(super) struct Mounted {
    places: Vec<Vec<u8>>,
    /// Caches by the place of their mount; their locks are held.
    caches: BTreeMap<Vec<u8>, (CacheMount, CacheOptions)>,
}

impl Mounts {
    /// Nothing is mounted into the tree.
    pub(super) fn is_empty(&self) -> bool {
        self.trees.is_empty()
    }

    /// The places in a tree that the targets mean.
    pub(super) fn places(&self, tree: &Tree) -> Result<Vec<Vec<u8>>, Failure> {
        self.trees.iter().map(|mount| mount.place(tree)).collect()
    }
}

impl TreeMount {
    fn place(&self, tree: &Tree) -> Result<Vec<u8>, Failure> {
        let place = place_in(tree, self.target.as_bytes()).filter(|place| !place.is_empty());
        place.ok_or_else(|| format!("{} is no place for a mount", self.target).into())
    }
}

/// Options of one mount, each of which is asked for once.
struct Asked<'a> {
    options: BTreeMap<&'a str, String>,
}

impl Asked<'_> {
    fn take(&mut self, names: &[&str]) -> Option<String> {
        names.iter().fold(None, |found, name| self.options.remove(*name).or(found))
    }

    fn number(&mut self, name: &str, radix: u32) -> Result<Option<u32>, Failure> {
        let number = |text: String| {
            u32::from_str_radix(&text, radix).map_err(|_| format!("{name}={text} is no number"))
        };
        Ok(self.take(&[name]).map(number).transpose()?)
    }

    fn switch(&mut self, names: &[&str]) -> bool {
        self.take(names).is_some_and(|value| matches!(&*value.to_ascii_lowercase(), "" | "true" | "1"))
    }

    fn mode(&mut self, usual: u32) -> Result<u32, Failure> {
        let mode = self.number("mode", 8)?.unwrap_or(usual);
        if mode <= 0o7777 { Ok(mode) } else { Err(format!("mode={mode:o} is no mode").into()) }
    }

    fn owner(&mut self) -> Result<(u32, u32), Failure> {
        Ok((self.number("uid", 10)?.unwrap_or(0), self.number("gid", 10)?.unwrap_or(0)))
    }

    /// Nothing may be left that nobody asked for.
    fn finish(self, kind: &str) -> Result<(), Failure> {
        match self.options.keys().next() {
            None => Ok(()),
            Some(name) => Err(format!("--mount=type={kind} with {name} is not there yet").into()),
        }
    }
}

impl StageRun<'_> {
    /// Reads the mounts of a step, and what identifies them beside their options.
    pub(super) fn mounts(&self, one: &Instruction, mounts: &[Mount]) -> Result<(Mounts, [u8; 32]), Failure> {
        let mut all = Mounts::default();
        let mut digest = Sha256::new();
        for mount in mounts {
            let mut asked = Asked { options: BTreeMap::new() };
            for (name, value) in mount {
                let value = value.as_ref().map(|value| self.word(value)).transpose()?.unwrap_or_default();
                asked.options.insert(name, value);
            }
            let kind = asked.take(&["type"]).unwrap_or_else(|| "bind".to_owned());
            match &*kind {
                "secret" => all.secrets.push(secret(&mut asked)?),
                "bind" => all.trees.push(self.bind(one, &mut asked, &mut digest)?),
                "cache" => {
                    let mount = self.cache(&mut asked)?;
                    let same = |other: &TreeMount| match (&other.content, &mount.content) {
                        (Content::Cache(other), Content::Cache(mount)) => other.id == mount.id,
                        _ => false,
                    };
                    if all.trees.iter().any(same) {
                        return Err("a step may have a cache once".into());
                    }
                    all.trees.push(mount);
                }
                "tmpfs" => {
                    // It is in the machine's memory, which bounds it.
                    asked.take(&["size"]);
                    all.trees.push(TreeMount { target: self.target(&mut asked)?, content: Content::Empty });
                }
                kind => return Err(format!("--mount=type={kind} is unknown").into()),
            }
            asked.finish(&kind)?;
        }
        Ok((all, digest.finalize().into()))
    }

    fn target(&self, asked: &mut Asked<'_>) -> Result<String, Failure> {
        let target = asked.take(&["target", "dst", "destination"]).ok_or("--mount needs target=PATH")?;
        let target = format!("/{}", clean(&self.state.config.absolute(&target)));
        if target == "/" { Err("a mount cannot be the root".into()) } else { Ok(target) }
    }

    fn bind(
        &self,
        one: &Instruction,
        asked: &mut Asked<'_>,
        digest: &mut Sha256,
    ) -> Result<TreeMount, Failure> {
        let builder = self.builder;
        let target = self.target(asked)?;
        let source = asked.take(&["source", "src"]).unwrap_or_default();
        asked.take(&["rw", "readwrite", "ro", "readonly"]);
        let from = match asked.take(&["from"]) {
            None => None,
            Some(from) => Some(match builder.plan.stage_of(&from, self.index)? {
                Some(stage) => builder.stage(stage)?,
                None => builder.image(&from, &builder.place(one.line))?,
            }),
        };
        match &from {
            Some(built) => digest.update(built.key.hex().as_bytes()),
            None => {
                let empty = Tree::new(builder.cache.scratch(), &bundles::limits::Limits::default())?;
                let origin = Origin::Context(builder.context);
                let copier = self.copier(origin, "the context", &empty);
                copier.identify(&source, &mut |bytes| digest.update(bytes))?;
            }
        }
        Ok(TreeMount { target, content: Content::Bind(from, source) })
    }

    fn cache(&self, asked: &mut Asked<'_>) -> Result<TreeMount, Failure> {
        let target = self.target(asked)?;
        let id = asked.take(&["id"]).unwrap_or_else(|| target.clone());
        // Each step has the cache for itself while it runs, which is within all of them.
        match asked.take(&["sharing"]).as_deref() {
            None | Some("shared" | "private" | "locked") => {}
            Some(other) => return Err(format!("sharing={other} is none of shared, private, locked").into()),
        }
        asked.take(&["ro", "readonly", "rw", "readwrite"]);
        let (uid, gid) = asked.owner()?;
        let root = Meta { uid, gid, ..Meta::with_mode(asked.mode(0o755)? as u16) };
        Ok(TreeMount { target, content: Content::Cache(CacheOptions { id, root }) })
    }

    fn copier<'a>(&self, origin: Origin<'a>, called: &'static str, tree: &'a Tree) -> Copier<'a> {
        let (owner, mode, exclude, parents) = (None, None, Patterns::default(), false);
        let latest = self.builder.options.epoch;
        Copier { origin, called, tree, owner, mode, exclude, parents, latest }
    }

    /// Puts the mounts into a tree.
    pub(super) fn mount(&self, mounts: Mounts, tree: &mut Tree) -> Result<Mounted, Failure> {
        let builder = self.builder;
        let scratch = builder.cache.scratch();
        let mut mounted = Mounted { places: Vec::new(), caches: BTreeMap::new() };
        // In one order for all steps, so that no two wait for each other.
        let mut held: BTreeMap<String, CacheMount> = BTreeMap::new();
        let ids = mounts.trees.iter().filter_map(|mount| match &mount.content {
            Content::Cache(options) => Some(options.id.clone()),
            _ => None,
        });
        for id in ids.collect::<std::collections::BTreeSet<String>>() {
            held.insert(id.clone(), builder.cache.mount(&Key::of(&[b"mount", id.as_bytes()]))?);
        }
        for mount in mounts.trees {
            let place = mount.place(tree)?;
            let content = mount.content;
            let mut changes = Changes::new(scratch)?;
            let mut latest = builder.options.epoch;
            match &content {
                Content::Empty => {
                    let root = Meta::with_mode(0o1777);
                    put_root(&self.copier(Origin::Tree(tree), "", tree), &place, root, &mut changes)?;
                }
                Content::Bind(from, source) => {
                    let other = from.as_ref().map(|built| built.state.tree(builder.cache)).transpose()?;
                    let (origin, called) = match &other {
                        Some(other) => (Origin::Tree(other), "what from= names"),
                        None => (Origin::Context(builder.context), "the context"),
                    };
                    put_bind(&self.copier(origin, called, tree), source, &place, &mut changes)?;
                }
                Content::Cache(options) => {
                    let Some(cache) = held.get(&options.id) else { return Err("a cache is not held".into()) };
                    let kept = cache.tree(builder.cache)?;
                    latest = now();
                    let (kept, root) = match &kept {
                        Some(kept) => (Some(kept), kept.node(bundles::tree::NodeId::ROOT).meta.clone()),
                        None => (None, options.root.clone()),
                    };
                    put_root(&self.copier(Origin::Tree(tree), "", tree), &place, root, &mut changes)?;
                    if let Some(kept) = kept {
                        let copier = self.copier(Origin::Tree(kept), "the cache", tree);
                        copier.copy("/", &String::from_utf8_lossy(&place), &mut changes)?;
                    }
                }
            }
            apply_changes(tree, &changes, scratch, latest)?;
            if let Content::Cache(options) = content
                && let Some(cache) = held.remove(&options.id)
            {
                mounted.caches.insert(place.clone(), (cache, options));
            }
            mounted.places.push(place);
        }
        Ok(mounted)
    }

    /// Takes what a step did at the places of mounts out of its changes, and keeps what it did in caches.
    pub(super) fn unmount(&self, mounted: Mounted, changes: &mut Changes) -> Result<(), Failure> {
        let scratch = self.builder.cache.scratch();
        let Mounted { mut places, mut caches } = mounted;
        // A mount within another one is taken out first.
        places.sort_by_key(|place| std::cmp::Reverse(place.len()));
        for place in places {
            let did = changes.divide(&place, scratch)?;
            if let Some((cache, options)) = caches.remove(&place)
                && (did.is_replaced || !did.changes.is_empty())
            {
                cache.keep(Kept { did, root: options.root, time: now() }, self.builder.cache)?;
            }
        }
        Ok(())
    }
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// An empty directory in place of what was there.
fn put_root(copier: &Copier<'_>, place: &[u8], root: Meta, changes: &mut Changes) -> Result<(), Failure> {
    copier.make_directories(place, changes)?;
    Ok(changes.put(place, root, Kind::Directory { opaque: true })?)
}

/// The files of a source in place of what was there.
fn put_bind(copier: &Copier<'_>, source: &str, place: &[u8], changes: &mut Changes) -> Result<(), Failure> {
    let missing = || format!("{source:?} is not in {}", copier.called);
    let real = copier.origin.resolve(clean(source).as_bytes()).ok_or_else(missing)?;
    let found = copier.origin.get(&real).ok_or_else(missing)?;
    if found.kind == FoundKind::Directory {
        put_root(copier, place, found.meta, changes)?;
    }
    let real = String::from_utf8(real).map_err(|_| format!("{source:?} is no name in UTF-8"))?;
    let place = String::from_utf8_lossy(place);
    Ok(copier.copy(&format!("/{real}"), &place, changes)?)
}

/// Options of a secret.
fn secret(asked: &mut Asked<'_>) -> Result<Secret, Failure> {
    let target = asked.take(&["target", "dst", "destination"]);
    let named = target.as_deref().and_then(|target| target.rsplit('/').next()).map(str::to_owned);
    let id = asked.take(&["id"]).or(named).ok_or("--mount=type=secret needs id=NAME")?;
    let (env, required) = (asked.take(&["env"]), asked.switch(&["required"]));
    Ok(Secret { id, target, env, mode: asked.mode(0o400)?, owner: asked.owner()?, required })
}

impl StageRun<'_> {
    /// Puts a secret into a step's files or its environment, if it was given.
    pub(super) fn put_secret(
        &self,
        secret: &Secret,
        files: &mut Vec<InlayFile>,
        env: &mut Vec<String>,
    ) -> Result<(), Failure> {
        let Some(value) = self.builder.options.secrets.get(&secret.id) else {
            let missing = format!("secret {} is required: give it with --secret id={0},src=FILE", secret.id);
            return if secret.required { Err(missing.into()) } else { Ok(()) };
        };
        if let Some(name) = &secret.env {
            let text = std::str::from_utf8(value).map_err(|_| format!("secret {} is no text", secret.id))?;
            env.push(format!("{name}={text}"));
        }
        if secret.env.is_none() || secret.target.is_some() {
            let usual = || format!("/run/secrets/{}", secret.id);
            let target = secret.target.clone().unwrap_or_else(usual);
            let path = format!("/{}", clean(&self.state.config.absolute(&target))).into_bytes();
            let (uid, gid) = secret.owner;
            files.push(InlayFile { path, mode: secret.mode, uid, gid, content: value.clone() });
        }
        Ok(())
    }
}

/// Directories of a tree above some paths, as they were before something was put there for a step alone.
pub(super) struct Before(BTreeMap<Vec<u8>, Meta>);

impl Before {
    /// Those above `paths`, which may begin with a slash.
    pub(super) fn new<'a>(tree: &Tree, paths: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut above = BTreeMap::new();
        for path in paths {
            let mut here = split(bare(path)).0;
            while !above.contains_key(here) {
                if let Some(id) = node_at(tree, here) {
                    above.insert(here.to_vec(), tree.node(id).meta.clone());
                }
                if here.is_empty() {
                    break;
                }
                here = split(here).0;
            }
        }
        Self(above)
    }

    /// A file that was there for the step alone is no change, nor are the directories that were made for it.
    pub(super) fn hide(&self, changes: &mut Changes, path: &[u8]) {
        let path = bare(path);
        changes.forget(path);
        let mut here = split(path).0;
        loop {
            let prefix = if here.is_empty() { Vec::new() } else { [here, b"/"].concat() };
            let is_below = |other: &[u8]| !other.is_empty() && other.starts_with(&prefix);
            if changes.paths().any(is_below) {
                return;
            }
            match self.0.get(here) {
                None => changes.forget(here),
                // What was made in it and is hidden has changed its time.
                Some(meta) => {
                    if changes.is_touched(here, meta) {
                        changes.forget(here);
                    }
                    return;
                }
            }
            here = split(here).0;
        }
    }
}

fn bare(path: &[u8]) -> &[u8] {
    path.strip_prefix(b"/").unwrap_or(path)
}
