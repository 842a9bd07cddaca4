//! A node of our own: images packed by `kontain-faas pack`, served by `kontain-faas serve`, both as child processes, so
//! that what is shown and measured is what a user gets who types the same commands.

use super::client::Client;
use super::samples::Sample;
use anyhow::{Context, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::Deserialize;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Longest time for all bakes together.
const BAKE_LIMIT: Duration = Duration::from_secs(180);

/// A running server and its folders.
#[derive(Debug)]
pub struct Node {
    child: Child,
    /// Address of the function port.
    pub functions: SocketAddr,
    /// Address of the admin port.
    pub admin: SocketAddr,
}

/// An entry of `/functions`.
#[derive(Debug, Deserialize)]
pub struct State {
    /// `namespace/function`.
    pub name: String,
    /// `Baking`, `Ready` or `Failed`.
    pub phase: String,
    /// One line for people.
    pub message: String,
}

/// An entry of `/calls`.
#[derive(Clone, Debug, Deserialize)]
pub struct Record {
    /// Whether no shell was waiting.
    pub pool_empty: bool,
    /// Machine taken → first instruction of the call.
    pub boot_us: u64,
    /// Machine taken → first byte of the response.
    pub first_byte_us: Option<u64>,
    /// Machine taken → machine stopped.
    pub run_us: u64,
    /// Machine stopped → machine gone.
    pub teardown_us: u64,
    /// Pages of 4 KiB that the call wrote.
    pub dirty_pages: u64,
    /// Exits to the monitor.
    pub exits: u64,
}

/// A child process's command line, for people to repeat.
fn shown(program: &Path, arguments: &[String]) -> String {
    let words: Vec<_> = arguments.iter().map(String::as_str).collect();
    format!("$ {} {}", program.display(), words.join(" "))
}

/// Packs a program as an OCI image in `folder` and writes the Image document that publishes it.
///
/// # Errors
/// The program cannot be packed.
pub fn publish(sample: &Sample, folder: &Path, document: &str) -> anyhow::Result<String> {
    let program = std::env::current_exe()?;
    let mut arguments =
        vec!["pack".to_owned(), "-o".to_owned(), format!("oci:{}", folder.join(sample.name).display())];
    sample.add.iter().for_each(|path| arguments.extend(["--add".to_owned(), path.clone()]));
    arguments.push("--".to_owned());
    arguments.extend(sample.packed_command());
    let result = Command::new(&program).args(&arguments).output()?;
    if !result.status.success() {
        bail!("{}\n{}", shown(&program, &arguments), String::from_utf8_lossy(&result.stderr));
    }
    let text = format!(
        "apiVersion: build.kontain.app/v1\nkind: Image\nmetadata: {{name: {name}}}\nspec:\n  image: oci:{name}\n{document}",
        name = sample.name
    );
    // The server looks at whole documents only: written beside, then moved.
    let (fresh, path) =
        (folder.join(format!(".{}.new", sample.name)), folder.join(format!("{}.yaml", sample.name)));
    fs::write(&fresh, text)?;
    fs::rename(fresh, path)?;
    Ok(shown(&program, &arguments))
}

impl Node {
    /// Starts the server over a folder of Image documents. Its log goes to `log`.
    ///
    /// # Errors
    /// It does not start or does not say where it listens.
    pub fn start(images: &Path, volume: &Path, log: &Path) -> anyhow::Result<(Self, String)> {
        let program = std::env::current_exe()?;
        let folder = |path: &Path| path.display().to_string();
        let arguments: Vec<String> =
            ["serve", "--images", &folder(images), "--volume", &folder(volume), "--listen"]
                .into_iter()
                .chain(["127.0.0.1:0", "--admin", "127.0.0.1:0"])
                .map(str::to_owned)
                .collect();
        let errors = fs::File::create(log).with_context(|| format!("write {}", log.display()))?;
        let child = Command::new(&program)
            .args(&arguments)
            .stdin(Stdio::null())
            .stdout(errors.try_clone()?)
            .stderr(errors)
            .spawn()
            .with_context(|| shown(&program, &arguments))?;
        let unknown = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut node = Self { child, functions: unknown, admin: unknown };
        (node.functions, node.admin) = node.addresses(log)?;
        Ok((node, shown(&program, &arguments)))
    }

    /// The addresses that the server's log names.
    fn addresses(&mut self, log: &Path) -> anyhow::Result<(SocketAddr, SocketAddr)> {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(10) {
            let text = fs::read_to_string(log)?;
            if let Some(found) = text.lines().find_map(listening) {
                return Ok(found);
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("the server ended with {status}:\n{text}");
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        bail!("the server does not say where it listens; its log is {}", log.display())
    }

    /// Waits until all of the named functions are ready, and tells how long each one took. `changed` is told of each.
    ///
    /// # Errors
    /// One failed to bake, or all of them take too long.
    pub fn wait(&self, names: &[&str], mut changed: impl FnMut(&str, Duration)) -> anyhow::Result<()> {
        let begun = Instant::now();
        let mut open: Vec<String> = names.iter().map(|name| format!("default/{name}")).collect();
        while !open.is_empty() {
            let states: Vec<State> = self.ask("/functions")?;
            for state in states.iter().filter(|state| state.phase != "Baking") {
                let Some(at) = open.iter().position(|name| *name == state.name) else { continue };
                if state.phase != "Ready" {
                    bail!("{}: {}", state.name, state.message);
                }
                changed(&open.swap_remove(at), begun.elapsed());
            }
            if begun.elapsed() > BAKE_LIMIT {
                bail!("{} not ready after {BAKE_LIMIT:?}", open.join(", "));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// The records of the last calls of a function, oldest first.
    ///
    /// # Errors
    /// The admin port does not answer.
    pub fn records(&self, name: &str, last: u64) -> anyhow::Result<Vec<Record>> {
        self.ask(&format!("/calls?function=default/{name}&last={last}"))
    }

    fn ask<T: for<'a> Deserialize<'a>>(&self, path: &str) -> anyhow::Result<T> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let answer = runtime.block_on(async { Client::new(self.admin).get(path).await })?;
        serde_json::from_slice(&answer.body)
            .with_context(|| format!("{path}: {}", String::from_utf8_lossy(&answer.body)))
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // SIGTERM lets it end its workers; what does not go is killed.
        if let Ok(pid) = i32::try_from(self.child.id()) {
            kill(Pid::from_raw(pid), Signal::SIGTERM).ok();
        }
        for _ in 0..500 {
            if let Ok(Some(_)) = self.child.try_wait() {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// The two addresses of a log record that says where the server listens.
fn listening(line: &str) -> Option<(SocketAddr, SocketAddr)> {
    let record: serde_json::Value = serde_json::from_str(line).ok()?;
    let field =
        |name: &str| record.get(name).or_else(|| record.get("fields")?.get(name))?.as_str()?.parse().ok();
    Some((field("functions")?, field("admin")?))
}

/// A fresh folder for images, volume and log below `base`; what an earlier run left is removed.
///
/// # Errors
/// It cannot be made.
pub fn workspace(base: &Path) -> anyhow::Result<(PathBuf, PathBuf, PathBuf)> {
    let base = std::path::absolute(base)?;
    for part in ["images", "volume"] {
        let path = base.join(part);
        if path.exists() {
            fs::remove_dir_all(&path).with_context(|| format!("remove {}", path.display()))?;
        }
        fs::create_dir_all(&path).with_context(|| format!("make {}", path.display()))?;
    }
    Ok((base.join("images"), base.join("volume"), base.join("server.log")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_from_flat_and_nested_records() {
        let expected = ("127.0.0.1:80".parse().unwrap(), "127.0.0.1:90".parse().unwrap());
        let flat = r#"{"message":"serving","functions":"127.0.0.1:80","admin":"127.0.0.1:90"}"#;
        let nested = r#"{"fields":{"message":"serving","functions":"127.0.0.1:80","admin":"127.0.0.1:90"}}"#;
        assert_eq!(listening(flat), Some(expected));
        assert_eq!(listening(nested), Some(expected));
        assert_eq!(listening("serving functions=127.0.0.1:80"), None);
    }
}
