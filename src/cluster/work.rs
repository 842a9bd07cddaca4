//! The work on one Image: secrets, registry, bundle, record. It runs beside the books and touches none of them.

use std::sync::Arc;

use bundles::reference::Reference;
use kube::Client;

use super::failure::Failure;
use super::object::Object;
use super::secrets;
use crate::api::FunctionName;
use crate::download::publish::{Outcome, Publisher};
use crate::volume::Volume;

/// What work needs besides the Image.
#[derive(Clone)]
pub struct Tools {
    /// For secrets.
    pub client: Client,
    /// For bundles and records.
    pub publisher: Arc<Publisher>,
    /// For secrets that become files.
    pub volume: Volume,
}

/// What came of it.
pub struct Done {
    /// Whose.
    pub name: FunctionName,
    /// The object that it was done for.
    pub object: Arc<Object>,
    /// The outcome.
    pub result: Result<Outcome, Failure>,
}

/// Publishes an Image.
pub async fn publish(tools: Tools, name: FunctionName, object: Arc<Object>) -> Done {
    let result = attempt(&tools, &object).await;
    if let Err(failure) = &result {
        tracing::warn!(function = %name, reason = failure.reason, "{}", failure.message);
    }
    Done { name, object, result }
}

async fn attempt(tools: &Tools, object: &Object) -> Result<Outcome, Failure> {
    let image = object.image().map_err(|problems| Failure::invalid(&problems))?;
    let reference: Reference =
        image.spec.image.parse().map_err(|error| Failure::invalid(&format!("spec.image: {error}")))?;
    let namespace = image.metadata.namespace.clone();
    secrets::mounts(&tools.client, &tools.volume, &namespace, &image.spec).await?;
    let keychain =
        secrets::keychain(&tools.client, tools.publisher.keychain(), &namespace, &image.spec).await?;
    let publisher = tools.publisher.clone();
    let published = tokio::task::spawn_blocking(move || {
        publisher
            .publish(&image, &reference, &keychain)
            .map_err(|error| Failure::of_publish(&error, &image.spec.image))
    });
    match published.await {
        Ok(result) => result,
        Err(error) => Err(Failure::new("Internal", format!("publishing broke off: {error}; this is a bug"))),
    }
}
