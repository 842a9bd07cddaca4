//! `kontain-faas publish`: an image becomes a function, in a cluster or in a folder that a server follows.

use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context;
use bundles::reference::Reference;
use serde_json::{Map, Value, json};

use super::Usage;
use super::source::{self, SourceArgs};
use api::reason::FailureReason;
use api::status::{BAKED, Condition, PULLED, READY, Truth, WARMUP_ADVICE};
use api::{FunctionName, ImageObject};
use control::source::{ImageCatalog, NO_SERVER};

/// How often is asked how far it is.
const INTERVAL: Duration = Duration::from_millis(200);
/// How long a new route may be unknown to the way that leads to it.
const ROUTE: Duration = Duration::from_secs(15);

/// Options of `publish`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The function: NAME, or NAMESPACE/NAME.
    #[arg(value_name = "NAME")]
    pub name: String,
    /// Its image: docker://HOST/REPOSITORY[:TAG][@DIGEST], or, into a folder, oci:PATH and the like.
    #[arg(value_name = "IMAGE")]
    pub image: String,
    /// A variable of its environment; without a value it is taken out.
    #[arg(short, long, env = "KONTAIN_ENV", value_name = "NAME=VALUE")]
    pub env: Vec<String>,
    /// Where its program listens.
    #[arg(long, env = "KONTAIN_PORT", value_name = "PORT")]
    pub port: Option<u16>,
    /// Memory of one machine.
    #[arg(long, env = "KONTAIN_FUNCTION_MEMORY", value_name = "SIZE")]
    pub memory: Option<String>,
    /// How long a call may take.
    #[arg(long, env = "KONTAIN_TIMEOUT", value_name = "DURATION")]
    pub timeout: Option<String>,
    /// How long its bake may take, from the program's start to the written snapshot; at most 10m.
    #[arg(long, env = "KONTAIN_BAKE_TIMEOUT", value_name = "DURATION")]
    pub bake_timeout: Option<String>,
    /// Calls in flight at once on one node.
    #[arg(long, env = "KONTAIN_CONCURRENCY", value_name = "N")]
    pub concurrency: Option<u32>,
    /// How it takes calls: http, kontain or stdio.
    #[arg(long, env = "KONTAIN_PROTOCOL", value_name = "PROTOCOL")]
    pub protocol: Option<String>,
    /// How its calls are kept apart: vm, reset or process.
    #[arg(long, env = "KONTAIN_ISOLATION", value_name = "MODE")]
    pub isolation: Option<String>,
    /// A secret with the registry's credentials.
    #[arg(long, env = "KONTAIN_PULL_SECRET", value_name = "NAME")]
    pub pull_secret: Vec<String>,
    /// A secret whose keys become files.
    #[arg(long, env = "KONTAIN_SECRET", value_name = "NAME=FOLDER")]
    pub secret: Vec<String>,
    /// A variable of its environment that each call takes from a key of a secret.
    #[arg(long, env = "KONTAIN_SECRET_ENV", value_name = "NAME=SECRET/KEY")]
    pub secret_env: Vec<String>,
    /// A path that is requested before the snapshot is taken; `auto` for what the server advises, with --wait.
    #[arg(long, env = "KONTAIN_WARMUP", value_name = "PATH")]
    pub warmup: Vec<String>,
    /// Wait until calls are served, tell each step, and call it once.
    #[arg(long, env = "KONTAIN_WAIT", value_parser = clap::builder::FalseyValueParser::new())]
    pub wait: bool,
    /// How long to wait.
    #[arg(long, env = "KONTAIN_WAIT_TIMEOUT", value_name = "DURATION", default_value = "5m", value_parser = humantime::parse_duration)]
    pub wait_timeout: Duration,
    /// Where functions are called; by default the address of the installation's Ingress, or the local server.
    #[arg(long, env = "KONTAIN_URL", value_name = "URL")]
    pub url: Option<String>,
    /// Where it is published.
    #[command(flatten)]
    pub source: SourceArgs,
}

impl Args {
    fn is_warmed_up_as_advised(&self) -> bool {
        self.warmup.iter().any(|path| path == "auto")
    }
}

/// Publishes, and waits if that is asked for.
///
/// # Errors
/// When it is refused, or does not get ready.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(publish(args))
}

async fn publish(args: &Args) -> anyhow::Result<ExitCode> {
    let catalog = args.source.open().await?;
    let name = source::name(&*catalog, &args.name)?;
    let old = catalog.get(&name).await?;
    let before = old.as_ref().map(|object| object.spec.clone()).unwrap_or_default();
    let spec = spec(args, &*catalog, before.as_object().cloned().unwrap_or_default())?;
    let same = old.as_ref().is_some_and(|old| old.spec == spec);
    let generation = catalog.put(&name, &spec, None, old.as_ref()).await?;
    let word = match (&old, same) {
        (None, _) => "published",
        (Some(_), false) => "changed",
        (Some(_), true) => "unchanged",
    };
    println!("{name} {word}");
    if !args.wait {
        return Ok(ExitCode::SUCCESS);
    }
    let mut waiter = Waiter { catalog: &*catalog, name: &name, generation, begun: Instant::now() };
    let served = waiter.wait(args.wait_timeout).await?;
    if args.is_warmed_up_as_advised() && served.contains(WARMUP_ADVICE) {
        let old = catalog.get(&name).await?;
        let mut spec = spec.clone();
        spec["warmup"] = json!([{"path": "/"}]);
        waiter.generation = catalog.put(&name, &spec, None, old.as_ref()).await?;
        println!("{name} changed: {WARMUP_ADVICE}");
        waiter.wait(args.wait_timeout).await?;
    }
    let url = match &args.url {
        Some(url) => Some(url.clone()),
        None => catalog.url().await?,
    };
    match url {
        Some(url) => first_call(&format!("{}/{name}/", url.trim_end_matches('/'))).await,
        None => {
            println!("ready: /{name}/ below the address of your ingress (--url names it)");
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// The specification: what there is, and what the options change of it.
fn spec(args: &Args, catalog: &dyn ImageCatalog, mut spec: Map<String, Value>) -> anyhow::Result<Value> {
    spec.insert("image".into(), json!(image(&args.image, catalog)?));
    let texts = [
        ("timeout", &args.timeout),
        ("bakeTimeout", &args.bake_timeout),
        ("protocol", &args.protocol),
        ("isolation", &args.isolation),
    ];
    for (key, value) in texts {
        if let Some(value) = value {
            spec.insert(key.into(), json!(value));
        }
    }
    if args.is_warmed_up_as_advised() {
        let alone = args.warmup.len() == 1 && args.wait;
        alone.then_some(()).ok_or_else(|| Usage("--warmup auto: goes alone and with --wait".to_owned()))?;
    } else if !args.warmup.is_empty() {
        let requests: Vec<Value> = args.warmup.iter().map(|path| json!({"path": path})).collect();
        spec.insert("warmup".into(), json!(requests));
    }
    if let Some(port) = args.port {
        spec.insert("port".into(), json!(port));
    }
    if let Some(concurrency) = args.concurrency {
        spec.insert("concurrency".into(), json!(concurrency));
    }
    if let Some(memory) = &args.memory {
        spec.insert("resources".into(), json!({"limits": {"memory": memory}}));
    }
    for text in &args.env {
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, Some(json!({"name": name, "value": value}))),
            None => (text.as_str(), None),
        };
        if name.is_empty() {
            return Err(Usage(format!("--env {text}: expected NAME=VALUE")).into());
        }
        replace(&mut spec, "env", name, value);
    }
    for text in &args.secret_env {
        let parts = text.split_once('=').and_then(|(name, of)| Some((name, of.split_once('/')?)));
        let (name, (secret, key)) =
            parts.ok_or_else(|| Usage(format!("--secret-env {text}: expected NAME=SECRET/KEY")))?;
        let source = json!({"secretKeyRef": {"name": secret, "key": key}});
        replace(&mut spec, "env", name, Some(json!({"name": name, "valueFrom": source})));
    }
    for name in &args.pull_secret {
        replace(&mut spec, "imagePullSecrets", name, Some(json!({"name": name})));
    }
    for text in &args.secret {
        let (name, folder) =
            text.split_once('=').ok_or_else(|| Usage(format!("--secret {text}: expected NAME=FOLDER")))?;
        replace(&mut spec, "secrets", name, Some(json!({"name": name, "mountPath": folder})));
    }
    Ok(Value::Object(spec))
}

/// Puts an entry into a list of named ones, in the place of that with the same name.
fn replace(spec: &mut Map<String, Value>, key: &str, name: &str, entry: Option<Value>) {
    let list = spec.entry(key).or_insert_with(|| json!([]));
    let Some(list) = list.as_array_mut() else { return };
    let place = list.iter().position(|entry| entry["name"] == name);
    match (place, entry) {
        (Some(place), Some(entry)) => list[place] = entry,
        (Some(place), None) => drop(list.remove(place)),
        (None, Some(entry)) => list.push(entry),
        (None, None) => {}
    }
    if list.is_empty() {
        spec.remove(key);
    }
}

/// The reference as it is written down: paths are whole, since documents take relative ones from their own folder.
fn image(text: &str, catalog: &dyn ImageCatalog) -> anyhow::Result<String> {
    let reference: Reference = text.parse().map_err(|error| Usage(format!("{error}")))?;
    match (&reference, catalog.takes_local_images()) {
        (Reference::Registry(_), _) => Ok(reference.to_string()),
        (_, false) => Err(Usage(format!(
            "{text} is on this machine, where the cluster does not see it: push it to a registry (skopeo copy {text} docker://HOST/REPOSITORY:TAG)"
        ))
        .into()),
        (_, true) => {
            Ok(reference.relative_to(&std::env::current_dir().context("there is no current folder")?).to_string())
        }
    }
}

struct Waiter<'a> {
    catalog: &'a dyn ImageCatalog,
    name: &'a FunctionName,
    generation: i64,
    begun: Instant,
}

impl Waiter<'_> {
    /// Tells each step until calls are served; gives the last.
    async fn wait(&self, limit: Duration) -> anyhow::Result<String> {
        let mut told = String::new();
        let mut last = None;
        let mut answered = false;
        loop {
            let object = self.catalog.get(self.name).await?;
            let object = object.with_context(|| format!("{} was removed meanwhile", self.name))?;
            let absence = absence(&object);
            // A server that was there a moment ago may be restarting.
            anyhow::ensure!(answered || absence.is_none(), "{}: {}", self.name, absence.unwrap_or_default());
            answered |= absence.is_none();
            if let Some((line, ready)) = self.step(&object) {
                if line != told {
                    self.tell(&line);
                    told.clone_from(&line);
                }
                match ready {
                    Truth::True => return Ok(line),
                    // A registry may have had a bad moment: what fails is tried again until the time is up, but
                    // what the program or the specification does wrong stays so.
                    Truth::False => last = Some(line),
                    Truth::Unknown => last = None,
                }
                if ready == Truth::False && is_final(&object) {
                    break;
                }
            }
            if self.begun.elapsed() >= limit {
                break;
            }
            tokio::time::sleep(INTERVAL).await;
        }
        let why = last.unwrap_or_else(|| format!("not ready after {}", humantime::format_duration(limit)));
        anyhow::bail!("{}: {why}", self.name)
    }

    /// Where it stands, if the status is about what was published.
    fn step(&self, object: &ImageObject) -> Option<(String, Truth)> {
        let status = object.status.as_ref()?;
        let find = |kind: &str| status.conditions.iter().find(|condition| condition.kind == kind);
        let ready = find(READY).filter(|ready| ready.observed_generation >= self.generation)?;
        let line = |condition: &Condition| format!("{}: {}", condition.reason, condition.message);
        let failed =
            [PULLED, BAKED].into_iter().filter_map(find).find(|condition| condition.status == Truth::False);
        Some((line(failed.unwrap_or(ready)), ready.status))
    }

    fn tell(&self, line: &str) {
        let seconds = self.begun.elapsed().as_secs_f64();
        if std::io::stderr().is_terminal() {
            eprintln!("\x1b[2m{seconds:6.1}s\x1b[0m {line}");
        } else {
            eprintln!("{seconds:.1}s {line}");
        }
    }
}

/// Why nobody can say anything of it, if that is so: then waiting does not help. It is published all the same.
fn absence(object: &ImageObject) -> Option<String> {
    let mut conditions = object.status.iter().flat_map(|status| &status.conditions);
    let nobody = conditions.find(|condition| condition.reason == NO_SERVER)?;
    Some(format!("its document is written, but {}", nobody.message))
}

/// Whether trying again cannot help.
fn is_final(object: &ImageObject) -> bool {
    let conditions = object.status.iter().flat_map(|status| &status.conditions);
    let mut failed = conditions.filter(|condition| condition.status == Truth::False);
    failed.any(|condition| condition.kind == BAKED || FailureReason::InvalidSpec.is(&condition.reason))
}

/// Calls the function once, and tells what that took.
async fn first_call(url: &str) -> anyhow::Result<ExitCode> {
    let client = client()?;
    let begun = Instant::now();
    loop {
        let sent = Instant::now();
        let answer = client.get(url).send().await;
        let took = sent.elapsed();
        match answer {
            // The server, or the ingress before it, may learn of the function a moment later.
            Ok(answer) if [404, 503].contains(&answer.status().as_u16()) && begun.elapsed() < ROUTE => {}
            Ok(answer) => {
                let status = answer.status();
                let timing = answer.headers().get("server-timing").and_then(|value| value.to_str().ok());
                let timing = timing.map(|timing| format!(" ({timing})")).unwrap_or_default();
                println!("{url}\nfirst call: {status} in {:.1} ms{timing}", took.as_secs_f64() * 1e3);
                return Ok(if status.is_server_error() { ExitCode::FAILURE } else { ExitCode::SUCCESS });
            }
            Err(error) if begun.elapsed() >= ROUTE => {
                println!("{url}");
                return Err(error)
                    .with_context(|| format!("{url} cannot be called: name the way there with --url"));
            }
            Err(_) => {}
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

fn client() -> anyhow::Result<reqwest::Client> {
    // Whoever was first is the same provider.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Ok(reqwest::Client::builder().connect_timeout(Duration::from_secs(5)).build()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn named_entries_are_replaced_in_their_place() {
        let mut spec = Map::new();
        replace(&mut spec, "env", "A", Some(json!({"name": "A", "value": "1"})));
        replace(&mut spec, "env", "B", Some(json!({"name": "B", "value": "2"})));
        replace(&mut spec, "env", "A", Some(json!({"name": "A", "value": "3"})));
        assert_eq!(spec["env"], json!([{"name": "A", "value": "3"}, {"name": "B", "value": "2"}]));
        replace(&mut spec, "env", "A", None);
        replace(&mut spec, "env", "B", None);
        assert!(spec.is_empty());
    }
}
