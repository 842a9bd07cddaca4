//! The watch: a stream of changes that survives whatever happens to the connection.
//!
//! kube's watcher lists, watches, resumes and lists again after 410. Here it gets a pause between failures, and a list
//! counts only when it came to its end: what a partial list does not name is not gone.

use std::collections::HashMap;
use std::pin::pin;
use std::time::Duration;

use futures_util::StreamExt;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client};
use tokio::sync::mpsc;

use super::Options;
use super::client::words;
use super::object::Object;
use crate::api::FunctionName;

/// First and longest pause after a failure.
const PAUSE: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(20));
/// Changes that wait to be taken; beyond, the stream is read no further.
const QUEUE: usize = 64;
const GONE: u16 = 410;

/// What is new.
#[derive(Debug)]
pub enum News {
    /// An Image is new or changed.
    Changed(Box<Object>),
    /// An Image is gone.
    Removed(FunctionName),
    /// All that there are.
    All(HashMap<FunctionName, Object>),
    /// The API server does not answer as it should; said once for each time that this begins.
    Away(String),
}

/// Watches for as long as the receiver lives.
pub fn watch(client: Client, options: &Options) -> mpsc::Receiver<News> {
    let (sender, receiver) = mpsc::channel(QUEUE);
    let api: Api<Object> = match &options.namespace {
        Some(namespace) => Api::namespaced(client, namespace),
        None => Api::all(client),
    };
    let seconds = u32::try_from(options.watch_timeout.as_secs().max(1)).unwrap_or(u32::MAX);
    let config = watcher::Config::default().timeout(seconds);
    tokio::spawn(async move {
        let mut pause = PAUSE.0;
        loop {
            let stream = watcher(api.clone(), config.clone());
            if run(stream, &sender, &mut pause).await.is_none() {
                return;
            }
        }
    });
    receiver
}

/// Passes on what the stream says. `Some` when another stream has to begin, `None` when nobody listens any more.
async fn run(
    stream: impl StreamExt<Item = watcher::Result<Event<Object>>>,
    sender: &mpsc::Sender<News>,
    pause: &mut Duration,
) -> Option<()> {
    let mut stream = pin!(stream);
    let mut listed = HashMap::new();
    let mut away = false;
    while let Some(event) = stream.next().await {
        let event = match event {
            Ok(event) => event,
            Err(error) => {
                let text = tell(&error);
                if !away {
                    tracing::warn!("the Images cannot be watched now: {text}");
                    sender.send(News::Away(text)).await.ok()?;
                    away = true;
                }
                tokio::time::sleep(pause.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
                *pause = (*pause * 2).min(PAUSE.1);
                // An answer 410 to the beginning of a watch would be asked for again and again.
                if is_gone(&error) {
                    return Some(());
                }
                continue;
            }
        };
        if away && !matches!(event, Event::Init) {
            tracing::info!("the Images are watched again");
            away = false;
        }
        if !matches!(event, Event::Init) {
            *pause = PAUSE.0;
        }
        take(event, &mut listed, sender).await?;
    }
    Some(())
}

async fn take(
    event: Event<Object>,
    listed: &mut HashMap<FunctionName, Object>,
    sender: &mpsc::Sender<News>,
) -> Option<()> {
    match event {
        Event::Init => listed.clear(),
        Event::InitApply(object) => {
            if let Some(name) = object.name() {
                listed.insert(name, object.slim());
            }
        }
        Event::InitDone => sender.send(News::All(std::mem::take(listed))).await.ok()?,
        // One that waits for a finalizer is as good as gone: its route goes at once.
        Event::Apply(object) if object.metadata.deletion_timestamp.is_some() => {
            if let Some(name) = object.name() {
                sender.send(News::Removed(name)).await.ok()?;
            }
        }
        Event::Apply(object) => sender.send(News::Changed(Box::new(object.slim()))).await.ok()?,
        Event::Delete(object) => {
            if let Some(name) = object.name() {
                sender.send(News::Removed(name)).await.ok()?;
            }
        }
    }
    Some(())
}

fn is_gone(error: &watcher::Error) -> bool {
    match error {
        watcher::Error::WatchStartFailed(error) | watcher::Error::WatchFailed(error) => {
            super::client::code(error) == Some(GONE)
        }
        watcher::Error::InitialListFailed(_)
        | watcher::Error::WatchError(_)
        | watcher::Error::NoResourceVersion => false,
    }
}

fn tell(error: &watcher::Error) -> String {
    match error {
        watcher::Error::InitialListFailed(error)
        | watcher::Error::WatchStartFailed(error)
        | watcher::Error::WatchFailed(error) => words(error),
        watcher::Error::WatchError(status) => status.message.clone(),
        watcher::Error::NoResourceVersion => error.to_string(),
    }
}
