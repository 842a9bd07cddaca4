//! What a call's machine is given beside the request: the files of secrets, and the request's variables.
//!
//! It goes to the machine after it was restored, so none of it is ever part of a snapshot; each call gets the secrets as
//! they are now.

use http::StatusCode;
use km_abi::records::{INLAY_MAX, Inlay, InlayFile};

use super::problem::{Component, Problem};
use crate::pool::program::REQUEST_ENV;
use api::image::Snapshot;
use api::{FailureReason, ImageSpec, Published};
use volume::secrets::Secrets;

/// Permissions of the files of secrets, as Kubernetes mounts them: the program may run as anybody.
const MODE: u32 = 0o644;
/// Bytes that the files of a function's secrets may have together; the rest of an inlay is for variables.
const SECRETS_MAX: usize = INLAY_MAX as usize - (1 << 20);
/// What clients are told to wait while a secret is missing.
const RETRY_SECS: u32 = 2;

/// Why the secrets of a function cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// One is not there.
    #[error(
        "there is no secret `{0}`: create it (for documents in a folder: secrets/{1}/{0}/KEY beside them)"
    )]
    Missing(String, String),
    /// They are too much.
    #[error("the function's secrets have more than {SECRETS_MAX} bytes together")]
    TooLarge,
}

impl SecretError {
    /// Its kind.
    pub fn reason(&self) -> FailureReason {
        match self {
            Self::Missing(..) => FailureReason::SecretMissing,
            Self::TooLarge => FailureReason::SecretTooLarge,
        }
    }

    /// The answer to a call.
    pub fn problem(&self) -> Problem {
        let reason = self.reason().into();
        let told = "the function's secrets cannot be had; its status has the details";
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, Component::Bake, reason, told)
            .with_detail(self.to_string())
            .retry_after(RETRY_SECS)
    }
}

/// The files of a function's secrets.
///
/// # Errors
/// See [`SecretError`].
pub fn secret_files(secrets: &Secrets, published: &Published) -> Result<Vec<InlayFile>, SecretError> {
    let namespace = published.name.namespace();
    let mut files = Vec::new();
    for mount in &published.spec.secrets {
        let known = secrets.get(namespace, &mount.name);
        let known = known.ok_or_else(|| SecretError::Missing(mount.name.clone(), namespace.to_owned()))?;
        let folder = mount.mount_path.trim_end_matches('/');
        for (key, value) in known.iter() {
            let path = format!("{folder}/{key}").into_bytes();
            files.push(InlayFile { path, mode: MODE, content: value.clone() });
        }
    }
    let bytes: usize = files.iter().map(|file| file.content.len()).sum();
    if bytes > SECRETS_MAX { Err(SecretError::TooLarge) } else { Ok(files) }
}

/// What is put into the machine of a call, encoded; nothing for most functions. `variables` are those of the request.
///
/// # Errors
/// The answer to the call when a secret is missing.
pub fn of_call(
    secrets: &Secrets,
    published: &Published,
    variables: impl FnOnce() -> Result<Vec<Vec<u8>>, Problem>,
) -> Result<Option<Vec<u8>>, Problem> {
    let files = secret_files(secrets, published).map_err(|error| error.problem())?;
    let mut inlay = Inlay { env: Vec::new(), files };
    if published.spec.protocol.traits().takes_variables {
        match published.spec.snapshot() {
            // It runs already: its environment cannot grow any more.
            Snapshot::Ready => {
                let mut content = variables()?.join(&b'\n');
                content.push(b'\n');
                inlay.files.push(InlayFile { path: REQUEST_ENV.into(), mode: MODE, content });
            }
            Snapshot::Start | Snapshot::None => inlay.env = variables()?,
        }
    }
    if inlay.is_empty() {
        return Ok(None);
    }
    let encoded = inlay.encode().map_err(|_| SecretError::TooLarge.problem())?;
    if encoded.len() as u64 > INLAY_MAX { Err(SecretError::TooLarge.problem()) } else { Ok(Some(encoded)) }
}

/// Whether a function's machines are given anything at all.
pub fn is_needed(spec: &ImageSpec) -> bool {
    !spec.secrets.is_empty() || spec.protocol.traits().takes_variables
}
