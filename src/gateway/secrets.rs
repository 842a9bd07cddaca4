//! `/system/secrets`: names only; values go in and never come out.

use api::validate::is_dns_subdomain;
use axum::Json;
use axum::body::Body;
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{StatusCode, Uri};
use serde::{Deserialize, Serialize};

use crate::failure::{Failure, text};
use crate::request::{document, parameter};
use crate::{Shared, State};

/// Longest value in bytes, as the volume has it.
const VALUE_MAX: usize = volume::secrets::VALUE_MAX as usize;

/// A secret as clients send it.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Given {
    name: String,
    namespace: Option<String>,
    value: Option<String>,
    /// The same in base64; it counts if both are there.
    raw_value: Option<String>,
}

/// A secret as clients see it.
#[derive(Serialize)]
pub struct Seen {
    name: String,
    namespace: String,
}

impl Given {
    fn value(&self) -> Result<Vec<u8>, Failure> {
        let value = match (&self.raw_value, &self.value) {
            (Some(raw), _) if !raw.is_empty() => {
                STANDARD.decode(raw).map_err(|_| Failure::invalid("rawValue: is no base64"))?
            }
            (_, Some(value)) => value.clone().into_bytes(),
            _ => return Err(Failure::invalid("value: is required")),
        };
        if value.len() > VALUE_MAX {
            return Err(Failure::invalid(format!("value: has at most {VALUE_MAX} bytes")));
        }
        Ok(value)
    }
}

pub async fn list(shared: Shared, uri: Uri) -> Result<Json<Vec<Seen>>, Failure> {
    let namespace = shared.namespace(parameter(&uri, "namespace").as_deref())?;
    let names = shared.options.store.list(&namespace).await?;
    Ok(Json(names.into_iter().map(|name| Seen { name, namespace: namespace.clone() }).collect()))
}

pub async fn create(shared: Shared, uri: Uri, body: Body) -> Result<Response, Failure> {
    let (given, namespace) = read(&shared, &uri, body).await?;
    let value = given.value()?;
    let _changing = shared.changing.lock().await;
    if !shared.options.store.create(&namespace, &given.name, &value).await? {
        let told = format!("the secret {} exists in the namespace {namespace}", given.name);
        return Err(Failure::new(StatusCode::CONFLICT, told));
    }
    Ok(text(StatusCode::ACCEPTED, ""))
}

pub async fn update(shared: Shared, uri: Uri, body: Body) -> Result<Response, Failure> {
    let (given, namespace) = read(&shared, &uri, body).await?;
    let value = given.value()?;
    let _changing = shared.changing.lock().await;
    let done = shared.options.store.update(&namespace, &given.name, &value).await?;
    finish(done, &given, &namespace)
}

pub async fn delete(shared: Shared, uri: Uri, body: Body) -> Result<Response, Failure> {
    let (given, namespace) = read(&shared, &uri, body).await?;
    let _changing = shared.changing.lock().await;
    let done = shared.options.store.delete(&namespace, &given.name).await?;
    finish(done, &given, &namespace)
}

async fn read(state: &State, uri: &Uri, body: Body) -> Result<(Given, String), Failure> {
    let given: Given = document(body).await?;
    let namespace = parameter(uri, "namespace").or_else(|| given.namespace.clone());
    let namespace = state.namespace(namespace.as_deref())?;
    state.check_secret(&given.name)?;
    Ok((given, namespace))
}

fn finish(done: bool, given: &Given, namespace: &str) -> Result<Response, Failure> {
    if done {
        Ok(text(StatusCode::ACCEPTED, ""))
    } else {
        let told = format!("no secret {} that this API keeps in the namespace {namespace}", given.name);
        Err(Failure::not_found(told))
    }
}

impl State {
    /// Refuses what cannot be the name of a secret.
    pub fn check_secret(&self, name: &str) -> Result<(), Failure> {
        if is_dns_subdomain(name) {
            return Ok(());
        }
        let rule = "use lower-case letters, digits, `-` and `.`, starting and ending with a letter or digit";
        Err(Failure::invalid(format!("name: `{name}` cannot be the name of a secret: {rule}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_raw_value_counts() {
        let given = |text: &str| serde_json::from_str::<Given>(text).unwrap().value();
        assert_eq!(given(r#"{"value": "a", "rawValue": "YQo="}"#).unwrap(), b"a\n");
        assert_eq!(given(r#"{"value": "a", "rawValue": ""}"#).unwrap(), b"a");
        assert_eq!(given(r#"{"value": ""}"#).unwrap(), b"");
        assert_eq!(given(r#"{"rawValue": "?"}"#).unwrap_err().status, 400);
        assert_eq!(given("{}").unwrap_err().status, 400);
        assert_eq!(
            given(&format!(r#"{{"value": "{}"}}"#, "x".repeat(VALUE_MAX + 1))).unwrap_err().status,
            400
        );
    }
}
