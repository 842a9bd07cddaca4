//! The signature of a context: `X-Build-Signature: sha256=HEX`, HMAC-SHA256 of the exact body with a secret that both sides have.
//!
//! The secret is read with each request, so that what is changed there counts at once.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, StatusCode};
use sha2::Sha256;

use crate::answer::Refusal;

const HEADER: &str = "x-build-signature";
const PREFIX: &str = "sha256=";

/// How contexts are signed.
#[derive(Debug, Clone)]
pub enum Signature {
    /// With the secret in this file, whose white space around it does not count.
    Of(PathBuf),
    /// Not at all: whoever reaches the builder may build and push.
    Nobody,
}

/// A signature that was sent, to be compared with that of the bytes.
pub struct Expected {
    mac: Hmac<Sha256>,
    sent: Vec<u8>,
}

impl Signature {
    /// The secret of a file.
    ///
    /// # Errors
    /// When it cannot be read, or is empty.
    pub fn of(file: PathBuf) -> io::Result<Self> {
        read(&file)?;
        Ok(Self::Of(file))
    }

    /// What a request says of its body; nothing where nobody signs.
    pub(crate) fn expected(&self, headers: &HeaderMap) -> Result<Option<Expected>, Refusal> {
        let Self::Of(file) = self else { return Ok(None) };
        let sent = headers.get(HEADER).and_then(|value| value.to_str().ok()?.strip_prefix(PREFIX));
        let sent =
            sent.ok_or_else(|| unauthorized("the header X-Build-Signature with sha256=HEX is missing"))?;
        let sent = hex::decode(sent).map_err(|_| unauthorized("the signature is malformed"))?;
        let secret = read(file).map_err(|error| {
            tracing::error!(%error, file = %file.display(), "nobody can build: the payload secret cannot be read");
            Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "the builder has no payload secret")
        })?;
        let mac = Hmac::new_from_slice(&secret);
        let mac = mac.map_err(|_| Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "no payload secret"))?;
        Ok(Some(Expected { mac, sent }))
    }
}

impl Expected {
    /// More of the body.
    pub fn update(&mut self, bytes: &[u8]) {
        self.mac.update(bytes);
    }

    /// Whether the signature is that of what came; compared in constant time.
    pub fn check(self) -> Result<(), Refusal> {
        self.mac.verify_slice(&self.sent).map_err(|_| unauthorized("the signature is not that of the body"))
    }
}

fn unauthorized(why: &str) -> Refusal {
    Refusal::new(StatusCode::UNAUTHORIZED, why)
}

fn read(file: &Path) -> io::Result<Vec<u8>> {
    let bytes = fs::read(file)?;
    match bytes.trim_ascii() {
        [] => Err(io::Error::new(io::ErrorKind::InvalidData, "it is empty")),
        secret => Ok(secret.to_vec()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of "what do ya want for nothing?" with the key "Jefe" (RFC 4231).
    const KNOWN: &str = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";

    #[test]
    fn only_the_signature_of_the_bytes_passes() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret");
        fs::write(&file, " \n").unwrap();
        assert!(Signature::of(file.clone()).is_err());
        fs::write(&file, "\nJefe \n").unwrap();
        let signature = Signature::of(file.clone()).unwrap();
        let check = |header: Option<&str>, bytes: &[u8]| {
            let value = header.map(|text| (HEADER.parse().unwrap(), text.parse().unwrap()));
            let mut expected = signature.expected(&value.into_iter().collect())?.unwrap();
            bytes.chunks(3).for_each(|piece| expected.update(piece));
            expected.check()
        };
        let bytes = b"what do ya want for nothing?";
        assert!(check(Some(&format!("sha256={KNOWN}")), bytes).is_ok());
        let short = &format!("sha256={}", &KNOWN[..62]);
        for header in
            [None, Some(""), Some(KNOWN), Some("sha256="), Some("sha256=zz"), Some("sha1=00"), Some(short)]
        {
            assert_eq!(
                check(header, bytes).err().map(|refusal| refusal.status.as_u16()),
                Some(401),
                "{header:?}"
            );
        }
        assert!(check(Some(&format!("sha256={KNOWN}")), &bytes[1..]).is_err());
        fs::write(&file, "").unwrap();
        assert_eq!(check(Some(&format!("sha256={KNOWN}")), bytes).unwrap_err().status.as_u16(), 503);
    }
}
