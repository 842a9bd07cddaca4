//! What the queue has to know of functions: that they are there, how many calls they take at once, how calls are tried again.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use api::units::Span;
use api::{FunctionName, ImageObject};
use control::source::ImageCatalog;
use serde_json::Value;
use tokio::sync::Mutex;

use super::retry::Retry;

/// What was read is believed for so long,
const FRESH: Duration = Duration::from_secs(5);
/// and that a function is not there for so long.
const FRESH_ABSENCE: Duration = Duration::from_millis(500);
/// What an Image has that says nothing.
const CONCURRENCY: u64 = 64;
const TIMEOUT: Duration = Duration::from_secs(30);
/// The variable by which images of OpenFaaS say how many calls they take at once.
const MAX_INFLIGHT: &str = "max_inflight";

/// What is known of a function.
#[derive(Clone, Debug)]
pub struct Known {
    /// Calls at once.
    pub at_once: usize,
    /// Longest time of a call.
    pub timeout: Duration,
    /// How calls are tried again.
    pub retry: Retry,
}

/// All functions by name.
pub type All = Arc<HashMap<FunctionName, Known>>;

/// The functions of a catalog.
pub struct Functions {
    catalog: Arc<dyn ImageCatalog>,
    retry: Retry,
    read: Mutex<Option<(Instant, All)>>,
}

impl Functions {
    /// Those of this catalog; `retry` holds for those whose annotations say nothing.
    pub fn new(catalog: Arc<dyn ImageCatalog>, retry: Retry) -> Self {
        Self { catalog, retry, read: Mutex::default() }
    }

    /// What is known of a function; nothing if there is none.
    ///
    /// # Errors
    /// When that cannot be read.
    pub async fn find(&self, name: &FunctionName) -> anyhow::Result<Option<Known>> {
        if let Some(known) = self.all(FRESH).await?.get(name) {
            return Ok(Some(known.clone()));
        }
        Ok(self.all(FRESH_ABSENCE).await?.get(name).cloned())
    }

    /// All functions; while they cannot be read, those that were there last.
    pub async fn last(&self) -> All {
        match self.all(FRESH).await {
            Ok(all) => all,
            Err(error) => {
                tracing::warn!("the functions of queued calls cannot be read: {error:#}");
                let read = self.read.lock().await;
                read.as_ref().map(|(_, all)| all.clone()).unwrap_or_default()
            }
        }
    }

    /// How calls are tried again of a function that is not known.
    pub fn unknown(&self) -> Known {
        Known { at_once: 1, timeout: TIMEOUT, retry: self.retry.clone() }
    }

    async fn all(&self, age: Duration) -> anyhow::Result<All> {
        let mut read = self.read.lock().await;
        if let Some((time, all)) = read.as_ref()
            && time.elapsed() < age
        {
            return Ok(all.clone());
        }
        let objects = self.catalog.list(true).await?;
        let known = |object: ImageObject| (object.name.clone(), self.known(&object));
        let all: All = Arc::new(objects.into_iter().map(known).collect());
        *read = Some((Instant::now(), all.clone()));
        Ok(all)
    }

    fn known(&self, object: &ImageObject) -> Known {
        let spec = &object.spec;
        let concurrency = spec["concurrency"].as_u64().unwrap_or(CONCURRENCY);
        let said = spec["env"].as_array().into_iter().flatten().find(|one| one["name"] == MAX_INFLIGHT);
        // The watchdog takes 0 for no limit.
        let said =
            said.and_then(|one| one["value"].as_str()?.trim().parse::<u64>().ok()).filter(|most| *most > 0);
        let at_once = said.map_or(concurrency, |said| said.min(concurrency));
        let timeout = spec["timeout"].as_str().and_then(|text| text.parse::<Span>().ok());
        let retry = self.retry.with(&annotations(object)).unwrap_or_else(|why| {
            tracing::warn!(function = %object.name, "{why}: the default counts");
            self.retry.clone()
        });
        Known {
            at_once: usize::try_from(at_once).unwrap_or(usize::MAX),
            timeout: timeout.map_or(TIMEOUT, Span::duration),
            retry,
        }
    }
}

fn annotations(object: &ImageObject) -> BTreeMap<String, String> {
    let all = object.metadata["annotations"].as_object().into_iter().flatten();
    let text = |value: &Value| value.as_str().map(str::to_owned);
    all.filter_map(|(name, value)| Some((name.clone(), text(value)?))).collect()
}

/// The name as callers of `/function/` write it, with its namespace.
pub fn path_name(name: &FunctionName) -> String {
    format!("{}.{}", name.function(), name.namespace())
}
