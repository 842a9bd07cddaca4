//! What requests say: parameters of the query, namespaces, documents.

use std::time::Duration;

use api::FunctionName;
use api::validate::{is_dns_label, is_reserved};
use axum::body::Body;
use http::{StatusCode, Uri};
use http_body_util::BodyExt;
use serde::de::DeserializeOwned;

use crate::State;
use crate::failure::Failure;

/// Longest document of a request: a secret of 1 MiB is in there twice, once as base64.
const BODY_MAX: usize = 4 << 20;
/// A longer one is read so far, and thrown away.
const DISCARDED_MAX: usize = 16 << 20;
/// A document must be here within this time.
const BODY_TIME: Duration = Duration::from_secs(30);
/// What OpenFaaS' client writes for "no namespace".
const NO_NAMESPACE: &str = "openfaas-fn";

/// A parameter of the query; of several the last one counts, and one without a value is none.
pub fn parameter(uri: &Uri, name: &str) -> Option<String> {
    let pairs = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
    let last = pairs.filter(|(key, _)| key == name).last();
    last.map(|(_, value)| value.into_owned()).filter(|value| !value.is_empty())
}

/// The document of a request.
pub async fn document<T: DeserializeOwned>(body: Body) -> Result<T, Failure> {
    let bytes = match tokio::time::timeout(BODY_TIME, read(body)).await {
        Ok(Ok(Some(bytes))) => bytes,
        Ok(Ok(None)) => {
            let text = format!("a request has at most {BODY_MAX} bytes here");
            return Err(Failure::new(StatusCode::PAYLOAD_TOO_LARGE, text));
        }
        Ok(Err(_)) => return Err(Failure::invalid("the request's body is malformed or incomplete")),
        Err(_) => return Err(Failure::new(StatusCode::REQUEST_TIMEOUT, "the body comes too slowly")),
    };
    serde_json::from_slice(&bytes)
        .map_err(|error| Failure::invalid(format!("not the JSON expected here: {error}")))
}

/// The bytes of a body; nothing if there are more than [`BODY_MAX`]. The rest is read all the same, as far as that is worth it: a client that
/// still writes when the connection ends does not read the answer.
async fn read(mut body: Body) -> Result<Option<Vec<u8>>, axum::Error> {
    let (mut bytes, mut seen) = (Vec::new(), 0);
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        seen += data.len();
        if seen <= BODY_MAX {
            bytes.extend_from_slice(&data);
        } else {
            bytes = Vec::new();
        }
        if seen > DISCARDED_MAX {
            break;
        }
    }
    Ok((seen <= BODY_MAX).then_some(bytes))
}

impl State {
    /// The namespace that a client means.
    pub fn namespace(&self, given: Option<&str>) -> Result<String, Failure> {
        match given {
            None | Some("" | NO_NAMESPACE) => Ok(self.options.namespace.clone()),
            Some(given) if is_dns_label(given) && !is_reserved(given) => Ok(given.to_owned()),
            Some(given) => Err(Failure::invalid(format!("`{given}` cannot be a namespace of functions"))),
        }
    }

    /// A function that is named with its namespace, or as `NAME.NAMESPACE`, or alone.
    pub fn function(&self, name: &str, namespace: Option<&str>) -> Result<FunctionName, Failure> {
        let (name, namespace) = match (namespace.filter(|given| !given.is_empty()), name.rsplit_once('.')) {
            (None, Some((name, namespace))) => (name, Some(namespace)),
            (namespace, _) => (name, namespace),
        };
        let namespace = self.namespace(namespace)?;
        FunctionName::new(&namespace, name)
            .ok_or_else(|| Failure::invalid(format!("`{name}` cannot be the name of a function")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_parameter_counts() {
        let uri: Uri = "/x?a=1&b=%20&a=2&c=".parse().unwrap();
        assert_eq!(parameter(&uri, "a").as_deref(), Some("2"));
        assert_eq!(parameter(&uri, "b").as_deref(), Some(" "));
        assert_eq!((parameter(&uri, "c"), parameter(&uri, "d")), (None, None));
    }
}
