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

use api::{FunctionName, ImageObject};

use super::client::words;
use super::object::Object;
use crate::source::News;

/// First and longest pause after a failure.
const PAUSE: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(20));
/// Changes that wait to be taken; beyond, the stream is read no further.
const QUEUE: usize = 64;
const GONE: u16 = 410;

/// Watches for as long as the receiver lives.
/// A watch that is silent for longer than `silence` is begun anew.
pub fn watch(client: Client, namespace: Option<&str>, silence: Duration) -> mpsc::Receiver<News> {
    let (sender, receiver) = mpsc::channel(QUEUE);
    let api: Api<Object> = match namespace {
        Some(namespace) => Api::namespaced(client, namespace),
        None => Api::all(client),
    };
    let seconds = u32::try_from(silence.as_secs().max(1)).unwrap_or(u32::MAX);
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
    listed: &mut HashMap<FunctionName, ImageObject>,
    sender: &mpsc::Sender<News>,
) -> Option<()> {
    match event {
        Event::Init => listed.clear(),
        // An object that waits for a finalizer is as good as gone: its route goes at once.
        Event::InitApply(object) if is_leaving(&object) => {}
        Event::InitApply(object) => {
            listed.extend(object.into_image().map(|image| (image.name.clone(), image)))
        }
        Event::InitDone => {
            let objects = std::mem::take(listed);
            tracing::info!(images = objects.len(), "the Images are listed");
            sender.send(News::All { objects, complete: true }).await.ok()?;
        }
        Event::Apply(object) if !is_leaving(&object) => {
            if let Some(image) = object.into_image() {
                sender.send(News::Changed(Box::new(image))).await.ok()?;
            }
        }
        Event::Apply(object) | Event::Delete(object) => {
            if let Some(image) = object.into_image() {
                sender.send(News::Removed(image.name)).await.ok()?;
            }
        }
    }
    Some(())
}

fn is_leaving(object: &Object) -> bool {
    object.metadata.deletion_timestamp.is_some()
}

/// What a watch was to go on from is not there any more: it has to be begun anew.
pub fn is_gone(error: &watcher::Error) -> bool {
    match error {
        watcher::Error::WatchStartFailed(error) | watcher::Error::WatchFailed(error) => {
            super::client::code(error) == Some(GONE)
        }
        watcher::Error::InitialListFailed(_)
        | watcher::Error::WatchError(_)
        | watcher::Error::NoResourceVersion => false,
    }
}

/// The error in words.
pub fn tell(error: &watcher::Error) -> String {
    match error {
        watcher::Error::InitialListFailed(error)
        | watcher::Error::WatchStartFailed(error)
        | watcher::Error::WatchFailed(error) => words(error),
        watcher::Error::WatchError(status) => status.message.clone(),
        watcher::Error::NoResourceVersion => error.to_string(),
    }
}
