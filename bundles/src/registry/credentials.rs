//! Credentials for registries: docker's `config.json` with its helper programs, and pull secrets of Kubernetes.
//!
//! A file of this machine's user may name helper programs; a secret that came over the network may not.

use std::path::PathBuf;

use docker_credential::{CredentialRetrievalError, DockerCredential};
use serde_json::{Map, Value, json};

use super::RegistryError;
use crate::reference::RegistryReference;

/// What to show a registry.
#[derive(Clone, PartialEq, Eq)]
pub enum Credentials {
    /// No `Authorization` at all.
    Anonymous,
    /// HTTP Basic authentication (RFC 7617), or the same at a token realm.
    Basic {
        /// User name, without a colon.
        user: String,
        /// Password or access token.
        password: String,
    },
    /// A refresh token of the OAuth kind.
    IdentityToken(String),
}

impl std::fmt::Debug for Credentials {
    /// Secrets stay out of logs.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Anonymous => "Anonymous",
            Self::Basic { .. } => "Basic(…)",
            Self::IdentityToken(_) => "IdentityToken(…)",
        })
    }
}

impl From<DockerCredential> for Credentials {
    fn from(credential: DockerCredential) -> Self {
        match credential {
            DockerCredential::IdentityToken(token) => Self::IdentityToken(token),
            DockerCredential::UsernamePassword(user, password) => Self::Basic { user, password },
        }
    }
}

/// Where credentials are looked up: pull secrets first, in order, then the user's file.
#[derive(Clone, Debug, Default)]
pub struct Keychain {
    secrets: Vec<Value>,
    file: Option<PathBuf>,
}

impl Keychain {
    /// Without secrets and without a file: everything is anonymous.
    #[must_use]
    pub fn anonymous() -> Self {
        Self::default()
    }

    /// With docker's `config.json`: the given one, or that in its usual place if there is one.
    #[must_use]
    pub fn with_file(mut self, file: Option<PathBuf>) -> Self {
        self.file = file.or_else(usual_file);
        self
    }

    /// With the value of a secret of the type `kubernetes.io/dockerconfigjson`.
    ///
    /// # Errors
    /// When it is no such value.
    pub fn with_secret(mut self, dockerconfigjson: &[u8]) -> Result<Self, RegistryError> {
        let value: Value = serde_json::from_slice(dockerconfigjson)
            .map_err(|error| RegistryError::Credentials(format!("the pull secret is not JSON: {error}")))?;
        if !value["auths"].is_object() {
            return Err(RegistryError::Credentials("the pull secret has no \"auths\"".to_owned()));
        }
        self.secrets.push(value);
        Ok(self)
    }

    /// The credentials for an image. Helper programs are run, so this blocks.
    ///
    /// # Errors
    /// When a file or secret cannot be understood, or a helper fails.
    pub fn find(&self, reference: &RegistryReference) -> Result<Credentials, RegistryError> {
        let image = format!("{}/{}", reference.host, reference.repository);
        for secret in &self.secrets {
            if let Some(entry) = secret["auths"].as_object().and_then(|auths| best(auths, &image)) {
                // Only the entry goes on: helpers that a secret names are never run.
                let config = json!({"auths": {&reference.host: entry}}).to_string();
                return lookup(config.as_bytes(), &reference.host);
            }
        }
        let Some(file) = &self.file else { return Ok(Credentials::Anonymous) };
        let config = std::fs::read(file).map_err(RegistryError::disk(file))?;
        lookup(&config, &reference.host)
    }
}

fn lookup(config: &[u8], host: &str) -> Result<Credentials, RegistryError> {
    match docker_credential::get_credential_from_reader(config, host) {
        Ok(credential) => Ok(credential.into()),
        Err(CredentialRetrievalError::NoCredentialConfigured) => Ok(Credentials::Anonymous),
        // What helpers say when they simply have nothing for this host.
        Err(CredentialRetrievalError::HelperFailure { stdout, .. })
            if stdout.contains("credentials not found") =>
        {
            Ok(Credentials::Anonymous)
        }
        Err(error) => Err(RegistryError::Credentials(error.to_string())),
    }
}

/// The entry with the longest key that is the image's host, or a path above the image.
fn best<'a>(auths: &'a Map<String, Value>, image: &str) -> Option<&'a Value> {
    let matches = |key: &str| {
        let key = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://")).unwrap_or(key);
        let key = key.trim_end_matches('/').trim_end_matches("/v1").trim_end_matches("/v2");
        let rest = image.strip_prefix(key)?;
        (rest.is_empty() || rest.starts_with('/')).then_some(key.len())
    };
    let found = auths.iter().filter_map(|(key, value)| Some((matches(key)?, value)));
    found.max_by_key(|(length, _)| *length).map(|(_, value)| value)
}

fn usual_file() -> Option<PathBuf> {
    let var = |name| std::env::var_os(name).map(PathBuf::from);
    let candidates = [
        var("REGISTRY_AUTH_FILE"),
        var("DOCKER_CONFIG").map(|dir| dir.join("config.json")),
        var("HOME").map(|home| home.join(".docker/config.json")),
        var("XDG_RUNTIME_DIR").map(|dir| dir.join("containers/auth.json")),
    ];
    candidates.into_iter().flatten().find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(secret: &str, image: &str) -> Credentials {
        let keychain = Keychain::anonymous().with_secret(secret.as_bytes()).unwrap();
        keychain.find(&image.parse().unwrap()).unwrap()
    }

    #[test]
    fn the_longest_key_wins() {
        // "dTpw" is "u:p", "dTpx" is "u:q".
        let secret = r#"{"auths": {"https://r.example:5000/v1/": {"auth": "dTpw"}, "r.example:5000/team": {"auth": "dTpx"}}}"#;
        let basic =
            |password: &str| Credentials::Basic { user: "u".to_owned(), password: password.to_owned() };
        assert_eq!(find(secret, "r.example:5000/other/x"), basic("p"));
        assert_eq!(find(secret, "r.example:5000/team/x"), basic("q"));
        assert_eq!(find(secret, "r.example:5000/teams/x"), basic("p"));
        assert_eq!(find(secret, "r.example/x"), Credentials::Anonymous);
    }

    #[test]
    fn secrets_run_no_helpers() {
        let secret = r#"{"auths": {}, "credsStore": "evil", "credHelpers": {"r.example": "evil"}}"#;
        assert_eq!(find(secret, "r.example/x"), Credentials::Anonymous);
        assert!(Keychain::anonymous().with_secret(b"{}").is_err());
        assert_eq!(format!("{:?}", Credentials::IdentityToken("secret".to_owned())), "IdentityToken(…)");
    }
}
