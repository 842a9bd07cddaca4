//! `/system/functions`, `/system/function/NAME`, `/system/scale-function/NAME`.

use std::collections::HashMap;

use api::{FunctionName, ImageObject};
use axum::Json;
use axum::body::Body;
use axum::extract::Path;
use axum::response::Response;
use control::source::Kept;
use http::{StatusCode, Uri};
use serde::Deserialize;

use crate::deployment::{Deployment, Status, named_secrets};
use crate::failure::{Failure, text};
use crate::queue::Queue;
use crate::request::{document, parameter};
use crate::{Shared, State};

/// What names a function that goes.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Gone {
    function_name: String,
    namespace: Option<String>,
}

/// What asks for more or fewer replicas.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
struct Scale {
    replicas: Option<u64>,
    namespace: Option<String>,
}

pub async fn list(shared: Shared, uri: Uri) -> Result<Json<Vec<Status>>, Failure> {
    let namespace = shared.namespace(parameter(&uri, "namespace").as_deref())?;
    let mut objects = shared.options.catalog.list(true).await?;
    objects.retain(|object| object.name.namespace() == namespace);
    objects.sort_by(|a, b| a.name.cmp(&b.name));
    let (answered, kept) = (shared.answered().await, shared.options.store.list(&namespace).await?);
    let seen = |object: &ImageObject| Status::of(object, answered.get(&object.name).copied(), &kept);
    Ok(Json(objects.iter().map(seen).collect()))
}

pub async fn describe(shared: Shared, Path(name): Path<String>, uri: Uri) -> Result<Json<Status>, Failure> {
    let name = shared.function(&name, parameter(&uri, "namespace").as_deref())?;
    let object = shared.get(&name).await?.ok_or_else(|| missing(&name))?;
    let (answered, kept) = (shared.answered().await, shared.options.store.list(name.namespace()).await?);
    Ok(Json(Status::of(&object, answered.get(&name).copied(), &kept)))
}

pub async fn create(shared: Shared, body: Body) -> Result<Response, Failure> {
    deploy(&shared, body, |old, name| match old {
        Some(_) => Err(Failure::invalid(format!("{name} is deployed already: update it with PUT"))),
        None => Ok(()),
    })
    .await
}

pub async fn update(shared: Shared, body: Body) -> Result<Response, Failure> {
    deploy(&shared, body, |old, name| old.map(|_| ()).ok_or_else(|| missing(name))).await
}

async fn deploy(
    state: &State,
    body: Body,
    may: impl Fn(Option<&ImageObject>, &FunctionName) -> Result<(), Failure>,
) -> Result<Response, Failure> {
    let given: Deployment = document(body).await?;
    let namespace = state.namespace(given.namespace.as_deref())?;
    let name = FunctionName::new(&namespace, &given.service)
        .filter(|name| !name.function().contains('.'))
        .ok_or_else(|| {
            let rule = "use lower-case letters, digits and `-`, starting and ending with a letter or digit";
            Failure::invalid(format!("service: `{}` cannot be the name of a function: {rule}", given.service))
        })?;
    let _changing = state.changing.lock().await;
    let old = state.get(&name).await?;
    may(old.as_ref(), &name)?;
    for secret in old.iter().flat_map(named_secrets) {
        if state.kept(&namespace, secret).await.is_err() {
            let told = "it has a secret that this API does not keep: update it by its document, or with `kontain-faas publish`";
            return Err(Failure::new(StatusCode::FORBIDDEN, format!("{name}: {told}")));
        }
    }
    let mut kept = Vec::new();
    for secret in given.secrets.iter().flatten() {
        kept.push((secret.clone(), state.kept(&namespace, secret).await?));
    }
    let spec = given.spec(&name, old.as_ref(), &kept)?;
    Queue::check(&given.marks().annotations).map_err(Failure::invalid)?;
    state.options.catalog.put(&name, &spec, Some(&given.marks()), old.as_ref()).await?;
    tracing::info!(function = %name, image = given.image, "deployed by the gateway");
    Ok(text(StatusCode::ACCEPTED, given.without_effect().join("\n")))
}

pub async fn delete(shared: Shared, uri: Uri, body: Body) -> Result<Response, Failure> {
    let given: Gone = document(body).await?;
    let namespace = parameter(&uri, "namespace").or(given.namespace);
    let name = shared.function(&given.function_name, namespace.as_deref())?;
    let _changing = shared.changing.lock().await;
    if !shared.options.catalog.remove(&name).await? {
        return Err(missing(&name));
    }
    tracing::info!(function = %name, "removed by the gateway");
    Ok(text(StatusCode::ACCEPTED, ""))
}

pub async fn scale(
    shared: Shared,
    Path(name): Path<String>,
    uri: Uri,
    body: Body,
) -> Result<Response, Failure> {
    let given: Scale = document(body).await?;
    if given.replicas.is_none() {
        return Err(Failure::invalid("replicas: is required"));
    }
    let namespace = parameter(&uri, "namespace").or(given.namespace);
    let name = shared.function(&name, namespace.as_deref())?;
    shared.get(&name).await?.ok_or_else(|| missing(&name))?;
    let told = "nothing to scale: every call has a machine of its own, made when it is needed";
    Ok(text(StatusCode::ACCEPTED, told))
}

fn missing(name: &FunctionName) -> Failure {
    Failure::not_found(format!("no function {} in the namespace {}", name.function(), name.namespace()))
}

impl State {
    /// The Image of a function.
    pub async fn get(&self, name: &FunctionName) -> Result<Option<ImageObject>, Failure> {
        Ok(self.options.catalog.get(name).await?)
    }

    /// Requests by function; nothing while no node can be asked.
    async fn answered(&self) -> HashMap<FunctionName, u64> {
        self.options.catalog.answered().await.unwrap_or_default()
    }

    /// What a secret is that a function names.
    async fn kept(&self, namespace: &str, secret: &str) -> Result<Kept, Failure> {
        let missing = || {
            Failure::invalid(format!(
                "secrets: `{secret}` is not in the namespace {namespace}, or not one that this API keeps"
            ))
        };
        self.check_secret(secret).map_err(|_| missing())?;
        self.options.store.find(namespace, secret).await?.ok_or_else(missing)
    }
}
