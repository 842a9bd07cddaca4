//! Build secrets: sealed by the client for this builder's key, with NaCl's box, in a file of the archive.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use crypto_box::aead::Aead;
use crypto_box::{PublicKey, SalsaBox, SecretKey};
use serde::{Deserialize, Serialize};

const VERSION: &str = "v1";
const ALGORITHM: &str = "nacl/box";
/// Characters of a public key in base64 by which it is called.
const ID: usize = 8;
const NONCE: usize = 24;
/// Names, and so files below /run/secrets.
const NAME_MAX: usize = 128;

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// Its file.
    #[error("it cannot be read")]
    Read(#[from] std::io::Error),
    /// What is in it.
    #[error("expected 32 bytes in base64")]
    Malformed,
}

/// Why secrets cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum SealedError {
    /// No key.
    #[error("the context has build secrets, and this builder has no key for them")]
    NoKey,
    /// No such document.
    #[error("com.openfaas.secrets is malformed: {0}")]
    Malformed(String),
    /// Another format.
    #[error("com.openfaas.secrets has version {0:?} and algorithm {1:?}: expected {VERSION} and {ALGORITHM}")]
    Format(String, String),
    /// Sealed for somebody else.
    #[error("build secrets are sealed for the key {0:?}, and the builder has {1:?}: ask it at /publickey")]
    OtherKey(String, String),
    /// A name that no file can have.
    #[error("{0:?} cannot be the name of a build secret")]
    Name(String),
    /// Bytes that were changed, or are sealed for another key.
    #[error("the build secret {0:?} cannot be opened with the builder's key")]
    Broken(String),
}

/// Opens secrets.
pub struct PrivateKey {
    secret: SecretKey,
    public: String,
}

/// What `/publickey` tells.
#[derive(Debug, Serialize)]
pub struct Public<'a> {
    key_id: &'a str,
    algorithm: &'static str,
    public_key: &'a str,
}

#[derive(Deserialize)]
struct Sealed {
    #[serde(default)]
    version: String,
    #[serde(default)]
    algorithm: String,
    #[serde(default)]
    key_id: Option<String>,
    #[serde(default)]
    public_key: String,
    #[serde(default)]
    secrets: BTreeMap<String, String>,
}

impl PrivateKey {
    /// The key of a file.
    ///
    /// # Errors
    /// See [`KeyError`].
    pub fn of_file(file: &Path) -> Result<Self, KeyError> {
        Self::new(&fs::read_to_string(file)?)
    }

    fn new(text: &str) -> Result<Self, KeyError> {
        let bytes = key(text).ok_or(KeyError::Malformed)?;
        let secret = SecretKey::from_bytes(bytes);
        let public = STANDARD.encode(secret.public_key().as_bytes());
        Ok(Self { secret, public })
    }

    /// What clients seal with.
    pub fn public(&self) -> Public<'_> {
        Public { key_id: self.id(), algorithm: ALGORITHM, public_key: &self.public }
    }

    fn id(&self) -> &str {
        self.public.get(..ID).unwrap_or_default()
    }

    /// The secrets of a sealed document.
    pub fn open(&self, document: &[u8]) -> Result<BTreeMap<String, Vec<u8>>, SealedError> {
        let malformed = |why: &dyn std::fmt::Display| SealedError::Malformed(why.to_string());
        let document = std::str::from_utf8(document).map_err(|error| malformed(&error))?;
        let sealed: Sealed =
            serde_saphyr::from_str(document).map_err(|_| malformed(&"it is not the YAML expected here"))?;
        if sealed.version != VERSION || sealed.algorithm != ALGORITHM {
            return Err(SealedError::Format(sealed.version, sealed.algorithm));
        }
        if let Some(other) = sealed.key_id.filter(|id| !id.is_empty() && id != self.id()) {
            return Err(SealedError::OtherKey(other, self.id().to_owned()));
        }
        let sender = key(&sealed.public_key).ok_or_else(|| malformed(&"public_key is no key"))?;
        let opener = SalsaBox::new(&PublicKey::from_bytes(sender), &self.secret);
        let mut secrets = BTreeMap::new();
        for (name, value) in sealed.secrets {
            if !is_name(&name) {
                return Err(SealedError::Name(name));
            }
            let opened = STANDARD.decode(value.trim()).ok().and_then(|bytes| {
                let (nonce, sealed) = bytes.split_first_chunk::<NONCE>()?;
                opener.decrypt(&(*nonce).into(), sealed).ok()
            });
            let opened = opened.ok_or_else(|| SealedError::Broken(name.clone()))?;
            secrets.insert(name, opened);
        }
        Ok(secrets)
    }
}

fn key(text: &str) -> Option<[u8; 32]> {
    STANDARD.decode(text.trim()).ok()?.try_into().ok()
}

fn is_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    !name.is_empty() && name.len() <= NAME_MAX && !name.starts_with('.') && name.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    // Made with libsodium: the builder's key is the bytes 0 to 31, the sender's 100 to 131, the nonce 0 to 23.
    const PRIVATE: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n";
    const PUBLIC: &str = "j0DFrbaPJWJK5bIU6nZ6bslNgp09e14a0bpvPiE4KF8=";
    const SENDER: &str = "fZwkMWU5glwYluV/KBl3Rnk85gy+461H2p0HuF+lXio=";
    const VALUE: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXwJNSv5EHZo0MZOovD5feZiZ/mU3Ea5M=";

    fn document(version: &str, id: &str, name: &str, value: &str) -> String {
        format!(
            "version: {version}\nalgorithm: nacl/box\nkey_id: {id}\npublic_key: {SENDER}\nsecrets:\n  {name}: {value}\n"
        )
    }

    #[test]
    fn what_libsodium_sealed_is_opened() {
        let key = PrivateKey::new(PRIVATE).unwrap();
        let public = serde_json::to_value(key.public()).unwrap();
        assert_eq!(
            public,
            serde_json::json!({"key_id": "j0DFrbaP", "algorithm": "nacl/box", "public_key": PUBLIC})
        );
        let opened = key.open(document("v1", "j0DFrbaP", "pip-token", VALUE).as_bytes()).unwrap();
        assert_eq!(opened, BTreeMap::from([("pip-token".to_owned(), b"hunter2".to_vec())]));
        assert!(key.open(document("v1", "''", "a", VALUE).as_bytes()).is_ok());
    }

    #[test]
    fn others_are_refused() {
        let key = PrivateKey::new(PRIVATE).unwrap();
        let open = |text: String| key.open(text.as_bytes()).unwrap_err();
        assert!(matches!(open(document("v2", "''", "a", VALUE)), SealedError::Format(..)));
        assert!(matches!(open(document("v1", "other", "a", VALUE)), SealedError::OtherKey(..)));
        assert!(matches!(open(document("v1", "''", "../a", VALUE)), SealedError::Name(_)));
        let changed = VALUE.replace("wJN", "wJO");
        for value in [&changed[..], "AAAA", "''", "?"] {
            assert!(
                matches!(
                    open(document("v1", "''", "a", value)),
                    SealedError::Broken(_) | SealedError::Malformed(_)
                ),
                "{value}"
            );
        }
        assert!(matches!(open("[".to_owned()), SealedError::Malformed(_)));
        assert!(PrivateKey::new("AAAA").is_err() && PrivateKey::new("?").is_err());
    }
}
