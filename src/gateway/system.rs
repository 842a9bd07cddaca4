//! `/system/info` and `/system/namespaces`.

use axum::Json;
use axum::extract::Path;
use axum::response::Response;
use http::StatusCode;
use serde_json::{Value, json};

use crate::failure::{Failure, text};
use crate::{Shared, State};

/// What this is; clients read all of these objects and crash where one is missing.
pub async fn info() -> Json<Value> {
    let version = json!({"release": env!("CARGO_PKG_VERSION"), "sha": ""});
    let provider = json!({"provider": "kontain-faas", "orchestration": "kvm", "version": version});
    Json(json!({"provider": provider, "version": version, "arch": "x86_64"}))
}

pub async fn namespaces(shared: Shared) -> Result<Json<Vec<String>>, Failure> {
    Ok(Json(shared.namespaces().await?))
}

pub async fn namespace(shared: Shared, Path(name): Path<String>) -> Result<Json<Value>, Failure> {
    let name = shared.namespace(Some(&name))?;
    if !shared.namespaces().await?.contains(&name) {
        return Err(Failure::not_found(format!("nothing is in a namespace {name}")));
    }
    Ok(Json(json!({"name": name, "annotations": {}, "labels": {}})))
}

/// Making, changing and removing a namespace.
pub async fn change_namespace() -> Response {
    let told = "namespaces are not made here: one is there as soon as a function or a secret is in it";
    text(StatusCode::NOT_IMPLEMENTED, told)
}

impl State {
    /// Namespaces that have a function or a secret, and that of names without one.
    async fn namespaces(&self) -> Result<Vec<String>, Failure> {
        let objects = self.options.catalog.list(true).await?;
        let mut all: Vec<String> = objects.iter().map(|object| object.name.namespace().to_owned()).collect();
        all.extend(self.options.store.namespaces().await?);
        all.push(self.options.namespace.clone());
        all.sort();
        all.dedup();
        Ok(all)
    }
}
