//! Secrets of the cluster: credentials for registries, and files that functions get.
//!
//! They are asked for by name, when they are needed: the role may not list or watch them.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use bundles::registry::Keychain;
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};

use super::client::{code, words};
use crate::reconcile::failure::Failure;
use api::{FailureReason, ImageSpec};
use volume::Volume;
use volume::secrets as on_volume;

/// What one answer may take.
const TIMEOUT: Duration = Duration::from_secs(20);
/// The type of a secret with credentials, and the key that it has them under.
const PULL_SECRET: (&str, &str) = ("kubernetes.io/dockerconfigjson", ".dockerconfigjson");

/// The credentials that an Image names, before those of this machine.
///
/// # Errors
/// When one of its secrets is missing or is none for registries.
pub async fn keychain(
    client: &Client,
    base: &Keychain,
    namespace: &str,
    spec: &ImageSpec,
) -> Result<Keychain, Failure> {
    let mut keychain = base.clone();
    for reference in &spec.image_pull_secrets {
        let name = &reference.name;
        let fix = format!(
            "kubectl -n {namespace} create secret docker-registry {name} --docker-server=HOST --docker-username=… --docker-password=…"
        );
        let secret = get(client, namespace, name, "pull secret", &fix).await?;
        let wrong = |why: String| {
            Failure::new(
                FailureReason::WrongPullSecret,
                format!("the pull secret {namespace}/{name} {why}; replace it: {fix}"),
            )
        };
        if secret.type_.as_deref() != Some(PULL_SECRET.0) {
            let kind = secret.type_.unwrap_or_default();
            return Err(wrong(format!("is of the type {kind}, not {}", PULL_SECRET.0)));
        }
        let value = secret.data.unwrap_or_default().remove(PULL_SECRET.1);
        let value = value.ok_or_else(|| wrong(format!("has no key {}", PULL_SECRET.1)))?;
        keychain =
            keychain.with_secret(&value.0).map_err(|error| wrong(format!("cannot be used: {error}")))?;
    }
    Ok(keychain)
}

/// Writes the secrets that calls of an Image get something of onto the volume, where the server finds them.
///
/// # Errors
/// When one is missing, or the volume refuses.
pub async fn mounts(
    client: &Client,
    volume: &Volume,
    namespace: &str,
    spec: &ImageSpec,
) -> Result<(), Failure> {
    for (name, needed) in spec.secret_names() {
        let fix = format!("kubectl -n {namespace} create secret generic {name} --from-literal=KEY=VALUE");
        let secret = match get(client, namespace, name, "secret", &fix).await {
            Ok(secret) => secret,
            Err(failure) => {
                if failure.reason == FailureReason::SecretMissing {
                    // What the cluster does not have any more is no secret of the function's any more.
                    let _ = on_volume::retain(volume, |space, secret| (space, secret) != (namespace, name));
                    if !needed {
                        continue;
                    }
                }
                return Err(failure);
            }
        };
        let files: BTreeMap<String, Vec<u8>> =
            secret.data.unwrap_or_default().into_iter().map(|(key, value)| (key, value.0)).collect();
        on_volume::write(volume, namespace, name, &files).map_err(|error| {
            Failure::new(
                FailureReason::Disk,
                format!("the secret {namespace}/{name} cannot be written to the volume: {error}"),
            )
        })?;
    }
    Ok(())
}

/// Removes the secrets from the volume that no Image mounts any more.
pub fn keep(volume: &Volume, wanted: &HashSet<(String, String)>) {
    let keep = |namespace: &str, name: &str| wanted.contains(&(namespace.to_owned(), name.to_owned()));
    if let Err(error) = on_volume::retain(volume, keep) {
        tracing::warn!("secrets that are not mounted any more cannot be removed: {error}");
    }
}

async fn get(client: &Client, namespace: &str, name: &str, what: &str, fix: &str) -> Result<Secret, Failure> {
    let api: Api<Secret> = Api::namespaced(client.clone(), namespace);
    match tokio::time::timeout(TIMEOUT, api.get(name)).await {
        Ok(answer) => answer.map_err(|error| failure(namespace, name, what, fix, &error)),
        Err(_) => Err(Failure {
            transient: true,
            ..Failure::new(
                FailureReason::ApiServer,
                format!("the API server is silent about the {what} {namespace}/{name}"),
            )
        }),
    }
}

/// Why the API server does not give a Secret.
fn failure(namespace: &str, name: &str, what: &str, fix: &str, error: &kube::Error) -> Failure {
    let why = words(error);
    match code(error) {
        Some(404) => Failure::new(
            FailureReason::SecretMissing,
            format!("the {what} {namespace}/{name} does not exist; {fix}"),
        ),
        Some(403) => Failure::new(
            FailureReason::Image(bundles::reason::Reason::Forbidden),
            format!(
                "the downloader may not read the {what} {namespace}/{name}: {why}; whoever owns the namespace grants it: kubectl -n {namespace} create rolebinding kontain-faas-secrets --clusterrole=kontain-faas-secrets --serviceaccount=kontain-faas:kontain-faas (names of the release), or add it to the chart's downloader.secretNamespaces"
            ),
        ),
        Some(_) => Failure::new(
            FailureReason::ApiServer,
            format!("the API server does not give the {what} {namespace}/{name}: {why}"),
        ),
        None => Failure {
            transient: true,
            ..Failure::new(
                FailureReason::ApiServer,
                format!("the API server cannot be asked for the {what} {namespace}/{name}: {why}"),
            )
        },
    }
}
