//! Follows `functions/` of the volume: what is published there is what this server serves.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};

use super::Server;
use super::functions::Function;
use super::report;
use super::revise::supervise;
use api::{FunctionName, Published};
use volume::records::{News, Records};

/// How often the folder is looked at without being told to.
const INTERVAL: Duration = Duration::from_millis(250);

/// By function: tells its supervisor of changes; its end, of the removal.
type Followed = HashMap<FunctionName, watch::Sender<Arc<Published>>>;

/// Follows the volume for as long as the server lives. `changed` cuts the wait short.
pub async fn follow(server: Arc<Server>, changed: Arc<Notify>) {
    let mut followed = Followed::new();
    let mut records = Records::default();
    loop {
        let (scanner, listed) = (server.clone(), server.is_listed());
        let scanned = tokio::task::spawn_blocking(move || {
            // Whom no function may reach comes first. Secrets afterwards: whoever writes a record wrote what it needs before.
            if let Some(reach) = &scanner.node.reach {
                reach.follow(&scanner.volume);
            }
            let news = records.news(&scanner.volume.functions());
            scanner.secrets.scan(&scanner.volume);
            (news, records)
        });
        let (news, back) = scanned.await.unwrap_or_else(|error| (Err(error.into()), Records::default()));
        records = back;
        match news {
            Ok(news) => apply(&server, &mut followed, news),
            Err(error) => {
                tracing::warn!(%error, "cannot read the published functions; going on with those known")
            }
        }
        server.scanned(listed);
        let _ = tokio::time::timeout(INTERVAL, changed.notified()).await;
    }
}

fn apply(server: &Arc<Server>, followed: &mut Followed, news: News) {
    for name in news.gone {
        followed.remove(&name);
        remove(server, &name);
    }
    let mut begun = Vec::new();
    for published in news.fresh.into_iter().map(Arc::new) {
        if let Some(versions) = followed.get(&published.name) {
            versions.send_replace(published);
            continue;
        }
        let function = Function::new(&published, &server.metrics, server.options.log_rate);
        let (sender, receiver) = watch::channel(published.clone());
        followed.insert(published.name.clone(), sender);
        begun.push((function, receiver));
    }
    let functions: Vec<_> = begun.iter().map(|(function, _)| function.clone()).collect();
    server.functions.insert(&functions);
    for (function, versions) in begun {
        tokio::spawn(supervise(server.clone(), function, versions));
    }
}

fn remove(server: &Arc<Server>, name: &FunctionName) {
    let function = server.functions.remove(name.as_str());
    server.metrics.forget(name.as_str());
    if let Some(function) = function {
        report::remove(server, &function);
    }
    tracing::info!(function = %name, "function removed");
}
