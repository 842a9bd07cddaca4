//! Addresses of the cluster's nodes and of its API server, written to the volume: no function may reach them, and the node, which has no
//! credentials, cannot ask for them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use futures_util::StreamExt;
use k8s_openapi::api::core::v1::{Node, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use tokio::sync::watch;
use volume::Volume;

use super::watch::{is_gone, tell};

/// Namespace and name of the API server's Service, which the API server itself keeps.
const API_SERVER: (&str, &str) = ("default", "kubernetes");
/// Between two tries of what the API server does not let this replica see, or cannot answer.
const PAUSE: Duration = Duration::from_secs(30);

/// How many kinds of objects are followed.
const KINDS: usize = 3;

/// The addresses of one object.
type AddressesOf<K> = fn(&K) -> Vec<String>;
/// What is known: by kind, then by object.
type Known = BTreeMap<&'static str, BTreeMap<String, BTreeSet<IpAddr>>>;

/// Keeps the volume's list for as long as the process lives. A watch that is silent for longer than `silence` is begun anew.
pub fn keep(client: &Client, volume: Volume, silence: Duration) {
    let (known, mut changes) = watch::channel(Known::new());
    let seconds = u32::try_from(silence.as_secs().max(1)).unwrap_or(u32::MAX);
    let config = watcher::Config::default().timeout(seconds);
    let (namespace, name) = API_SERVER;
    let service = config.clone().fields(&format!("metadata.name={name}"));
    let slices = config.clone().labels(&format!("kubernetes.io/service-name={name}"));
    tokio::spawn(follow(Api::all(client.clone()), config, "nodes", of_node, known.clone()));
    let services = Api::namespaced(client.clone(), namespace);
    tokio::spawn(follow(services, service, "services", of_service, known.clone()));
    let endpoints = Api::namespaced(client.clone(), namespace);
    tokio::spawn(follow(endpoints, slices, "endpointslices", of_slice, known));
    let before = volume::addresses::Addresses::default().news(&volume).ok().flatten().unwrap_or_default();
    tokio::spawn(async move {
        while changes.changed().await.is_ok() {
            let all = together(&changes.borrow_and_update(), &before);
            if let Err(error) = volume::addresses::write(&volume, &all) {
                tracing::warn!(%error, "cannot write down the cluster's own addresses");
            }
        }
    });
}

/// All addresses. Until each kind is listed, those of `before` are among them: what is not listed is not gone.
fn together(known: &Known, before: &[IpAddr]) -> BTreeSet<IpAddr> {
    let listed = known.values().flat_map(BTreeMap::values).flatten();
    let before = if known.len() < KINDS { before } else { &[] };
    listed.chain(before).copied().collect()
}

/// Follows the objects of a kind. What cannot be followed is told once, and tried again.
async fn follow<K>(
    api: Api<K>,
    config: watcher::Config,
    kind: &'static str,
    addresses: AddressesOf<K>,
    known: watch::Sender<Known>,
) where
    K: Resource + Clone + std::fmt::Debug + DeserializeOwned + Send + 'static,
{
    let begin = || watcher(api.clone(), config.clone()).boxed();
    let mut stream = begin();
    let mut listed = BTreeMap::new();
    let mut is_told = false;
    let read = |object: &K| addresses(object).iter().filter_map(|text| text.parse().ok()).collect();
    while let Some(event) = stream.next().await {
        match event {
            Err(error) => {
                if !is_told {
                    tracing::warn!(
                        "the cluster's {kind} cannot be followed, so functions are not kept from addresses of theirs that came since: {}; \
                         let this account list and watch them, or name them with --egress-own",
                        tell(&error)
                    );
                    is_told = true;
                }
                tokio::time::sleep(PAUSE).await;
                // An answer 410 to the beginning of a watch would be asked for again and again.
                if is_gone(&error) {
                    stream = begin();
                }
            }
            Ok(Event::Init) => listed.clear(),
            Ok(Event::InitApply(object)) => {
                listed.insert(object.name_any(), read(&object));
            }
            Ok(Event::InitDone) => {
                is_told = false;
                put(&known, kind, |all| *all = std::mem::take(&mut listed));
            }
            Ok(Event::Apply(object)) => put(&known, kind, |all| {
                all.insert(object.name_any(), read(&object));
            }),
            Ok(Event::Delete(object)) => put(&known, kind, |all| {
                all.remove(&object.name_any());
            }),
        }
    }
}

/// Changes what is known of a kind; nodes say every few minutes that they live, which is no change.
fn put(
    known: &watch::Sender<Known>,
    kind: &'static str,
    change: impl FnOnce(&mut BTreeMap<String, BTreeSet<IpAddr>>),
) {
    known.send_if_modified(|known| {
        let is_new = !known.contains_key(kind);
        let all = known.entry(kind).or_default();
        let before = all.clone();
        change(all);
        is_new || *all != before
    });
}

fn of_node(node: &Node) -> Vec<String> {
    let addresses = node.status.iter().flat_map(|status| status.addresses.iter().flatten());
    addresses.map(|one| one.address.clone()).collect()
}

fn of_service(service: &Service) -> Vec<String> {
    service.spec.iter().flat_map(|spec| spec.cluster_ips.iter().flatten()).cloned().collect()
}

fn of_slice(slice: &EndpointSlice) -> Vec<String> {
    slice.endpoints.iter().flat_map(|endpoint| endpoint.addresses.iter()).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn addresses_are_found_where_each_kind_has_them() {
        let node: Node = serde_json::from_value(json!({"status": {"addresses": [
            {"type": "InternalIP", "address": "10.0.0.1"}, {"type": "Hostname", "address": "one"}]}}))
        .unwrap();
        assert_eq!(of_node(&node), ["10.0.0.1", "one"]);
        let service =
            serde_json::from_value(json!({"spec": {"clusterIPs": ["10.96.0.1", "fd00::1"]}})).unwrap();
        assert_eq!(of_service(&service), ["10.96.0.1", "fd00::1"]);
        let slice = json!({"addressType": "IPv4", "endpoints": [{"addresses": ["10.0.0.9"]}]});
        assert_eq!(of_slice(&serde_json::from_value(slice).unwrap()), ["10.0.0.9"]);
    }

    #[test]
    fn nothing_is_gone_before_all_is_listed() {
        let ip = |last| IpAddr::from([10, 0, 0, last]);
        let (known, _changes) = watch::channel(Known::new());
        for kind in ["services", "endpointslices"] {
            put(&known, kind, |all| drop(all.insert("a".to_owned(), BTreeSet::from([ip(1)]))));
            assert_eq!(together(&known.borrow(), &[ip(9)]), BTreeSet::from([ip(1), ip(9)]));
        }
        put(&known, "nodes", |_| {});
        assert_eq!(together(&known.borrow(), &[ip(9)]), BTreeSet::from([ip(1)]));
    }

    #[test]
    fn only_changes_are_told() {
        let (known, changes) = watch::channel(Known::new());
        let one = || BTreeSet::from(["10.0.0.1".parse().unwrap()]);
        put(&known, "nodes", |_| {});
        assert!(changes.has_changed().unwrap(), "a first list, even if it is empty");
        let mut changes = known.subscribe();
        put(&known, "nodes", |all| drop(all.insert("a".to_owned(), one())));
        assert!(changes.has_changed().unwrap());
        changes.mark_unchanged();
        put(&known, "nodes", |all| drop(all.insert("a".to_owned(), one())));
        assert!(!changes.has_changed().unwrap());
    }
}
