//! What happened to an Image goes to the API server: this replica's own entry, then what all entries say together,
//! then Events.
//!
//! Both parts are applied on the server's side. The entry belongs to a field manager of this replica, so that replicas
//! never overwrite each other; the aggregate belongs to one that all share, because all compute the same.

use std::time::Duration;

use humantime::format_rfc3339_seconds;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::events::v1::Event;
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use api::FunctionName;
use api::image::{API_VERSION, KIND};
use api::status::ImageStatus;

use super::client::{code, words};
use super::events::event;
use super::object::Object;
use crate::reconcile::aggregate::aggregate;
use crate::source::{Write, Written};

/// The field manager that all replicas share, and the beginning of their own.
const MANAGER: &str = "kontain-faas";
/// Longest name of a field manager.
const MANAGER_MAX: usize = 128;
/// What one answer may take.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Writes to the API server, in one replica's name.
#[derive(Clone)]
pub struct Writer {
    client: Client,
    replica: String,
}

impl Writer {
    /// A writer in this replica's name.
    pub fn new(client: Client, replica: String) -> Self {
        Self { client, replica }
    }

    /// Writes a status and tells what happened.
    pub async fn write(&self, write: Write) -> Written {
        let (name, uid) = (write.object.name.clone(), write.object.uid.clone());
        let result = match self.status(&write).await {
            Ok(found) => {
                self.tell(&write).await;
                Ok(found)
            }
            Err(error) if matches!(code(&error), Some(404 | 409)) => {
                // Gone, or another one by now: the watch will say so.
                tracing::debug!(function = %name, "the status has no object any more: {}", words(&error));
                Err(write.notes)
            }
            Err(error) => {
                tracing::warn!(function = %name, "the status cannot be written: {}", words(&error));
                Err(write.notes)
            }
        };
        Written { name, uid, result }
    }

    async fn status(&self, write: &Write) -> Result<(ImageStatus, u64), kube::Error> {
        let (mut status, mut version, mut generation) = (write.status.clone(), 0, write.object.generation);
        if !status.replicas.contains(&write.replica) {
            let entry = json!({"replicas": [write.replica]});
            let object = self.apply(write, &manager(&self.replica), entry).await?;
            generation = object.metadata.generation.unwrap_or_default();
            (status, version) = taken(object);
        }
        let now = format_rfc3339_seconds(std::time::SystemTime::now()).to_string();
        let together = aggregate(&status.replicas, generation, &status.conditions, &now);
        if !together.is_in(&status) {
            let value = json!({"conditions": together.conditions, "digest": together.digest, "message": together.message});
            (status, version) = taken(self.apply(write, MANAGER, without_nulls(value)).await?);
        }
        Ok((status, version))
    }

    async fn apply(&self, write: &Write, manager: &str, status: Value) -> Result<Object, kube::Error> {
        let api: Api<Object> = Api::namespaced(self.client.clone(), write.object.name.namespace());
        // The uid makes sure that an object of the same name, made anew, does not get the old one's status.
        let body = json!({"apiVersion": API_VERSION, "kind": KIND,
            "metadata": {"name": write.object.name.function(), "uid": write.object.uid}, "status": status});
        let params = PatchParams::apply(manager).force();
        limited(api.patch_status(write.object.name.function(), &params, &Patch::Apply(&body))).await
    }

    /// Events are for people: one that cannot be written is a line in the log.
    async fn tell(&self, write: &Write) {
        let api: Api<Event> = Api::namespaced(self.client.clone(), write.object.name.namespace());
        for note in &write.notes {
            let event = event(&write.object, note, &self.replica, std::time::SystemTime::now());
            match limited(api.create(&PostParams::default(), &event)).await {
                Ok(_) => {}
                Err(error) if code(&error) == Some(409) => {}
                Err(error) => {
                    tracing::warn!(function = %write.object.name, "cannot write an Event: {}", words(&error));
                }
            }
        }
    }

    /// Whether the pod of another replica is gone for good.
    pub async fn is_gone(&self, namespace: &str, replica: &str) -> bool {
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), namespace);
        match limited(pods.get_metadata(replica)).await {
            Ok(_) => false,
            Err(error) if code(&error) == Some(404) => true,
            Err(error) => {
                tracing::warn!(replica, "cannot ask whether the replica still exists: {}", words(&error));
                false
            }
        }
    }

    /// Takes the entry of a replica that is gone out of an Image's status.
    pub async fn drop_entry(&self, name: &FunctionName, replica: &str) {
        let api: Api<Object> = Api::namespaced(self.client.clone(), name.namespace());
        let body = json!({"apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": name.function()}, "status": {}});
        let params = PatchParams::apply(&manager(replica)).force();
        let patch = Patch::Apply(&body);
        if let Err(error) = limited(api.patch_status(name.function(), &params, &patch)).await {
            tracing::debug!(function = %name, replica, "its entry stays: {}", words(&error));
        }
    }
}

/// The field manager of a replica.
fn manager(replica: &str) -> String {
    let whole = format!("{MANAGER}-{replica}");
    if whole.len() <= MANAGER_MAX {
        return whole;
    }
    format!("{MANAGER}-{}", hex::encode(Sha256::digest(replica.as_bytes())))
}

fn taken(object: Object) -> (ImageStatus, u64) {
    let version = object.metadata.resource_version.as_deref().and_then(|text| text.parse().ok());
    (object.status.unwrap_or_default(), version.unwrap_or(u64::MAX))
}

fn without_nulls(mut value: Value) -> Value {
    if let Some(object) = value.as_object_mut() {
        object.retain(|_, value| !value.is_null());
    }
    value
}

async fn limited<T>(answer: impl Future<Output = Result<T, kube::Error>>) -> Result<T, kube::Error> {
    match tokio::time::timeout(TIMEOUT, answer).await {
        Ok(answer) => answer,
        Err(_) => Err(kube::Error::Service("the API server does not answer".into())),
    }
}
