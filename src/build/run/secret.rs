//! Secrets of a step: files and variables that are there for it alone, and in no layer.

use bundles::tree::Tree;
use km_abi::records::InlayFile;

use super::{Failure, StageRun, file};
use crate::instruction::Mount;
use crate::layer::{Changes, split};
use crate::origin::node_at;

/// A mount that has only what this builder knows.
pub(super) struct Secret {
    id: String,
    target: Option<String>,
    env: Option<String>,
    mode: u32,
    required: bool,
}

impl StageRun<'_> {
    /// The secret that a mount names.
    pub(super) fn secret(&self, mount: &Mount) -> Result<Secret, Failure> {
        let (mut id, mut target, mut env) = (None, None, None);
        let (mut mode, mut required) = (0o400, false);
        for (name, value) in mount {
            let value = value.as_ref().map(|value| self.word(value)).transpose()?;
            match (name.as_str(), value) {
                ("type", _) => {}
                ("id", Some(value)) => id = Some(value),
                ("target" | "dst" | "destination", Some(value)) => target = Some(value),
                ("env", Some(value)) => env = Some(value),
                ("required", value) => required = value.is_none_or(|value| value == "true" || value == "1"),
                ("mode", Some(value)) => {
                    mode = u32::from_str_radix(&value, 8).map_err(|_| format!("mode={value} is no mode"))?;
                }
                ("uid" | "gid", Some(value)) if value == "0" => {}
                (name, _) => return Err(format!("--mount=type=secret with {name} is not there yet").into()),
            }
        }
        let named = target.as_deref().and_then(|target| target.rsplit('/').next()).map(str::to_owned);
        let id = id.or(named).ok_or("--mount=type=secret needs id=NAME")?;
        Ok(Secret { id, target, env, mode, required })
    }

    /// Puts it into a step's files or its environment, if it was given.
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
            let target = format!("/{}", crate::pattern::clean(&self.state.config.absolute(&target)));
            files.push(file(&target, secret.mode, value));
        }
        Ok(())
    }
}

/// A file that was there for the step alone is no change, nor are the directories that were made for it.
pub(super) fn hide(changes: &mut Changes, path: &[u8], tree: &Tree) {
    changes.forget(path);
    let mut here = split(path).0;
    loop {
        let prefix = if here.is_empty() { Vec::new() } else { [here, b"/"].concat() };
        let is_below = |other: &[u8]| !other.is_empty() && other.starts_with(&prefix);
        if changes.paths().any(is_below) {
            return;
        }
        match node_at(tree, here) {
            None => changes.forget(here),
            // What was made in it and is hidden has changed its time.
            Some(id) => {
                if changes.is_touched(here, &tree.node(id).meta) {
                    changes.forget(here);
                }
                return;
            }
        }
        here = split(here).0;
    }
}
