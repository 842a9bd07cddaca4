//! Who may ask: whoever knows the user and the password, or the token, that lie in files; or everybody.
//!
//! The files are read with each request, so that what is changed there counts at once. Texts are compared by their digests and
//! in constant time, so that neither their length nor their beginning shows. Browsers keep passwords and send them along
//! with whatever a page asks for, and functions' pages come from this very host: requests that pages send are refused.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, HeaderName, ORIGIN};
use http::{HeaderMap, StatusCode};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

use crate::failure::Failure;

/// Where browsers say what a request belongs to; `none` is what a person typed.
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Who may ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Auth {
    accepted: Vec<Accepted>,
    open: bool,
}

/// A way to show who one is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Accepted {
    /// Files of a user's name and password.
    Basic(PathBuf, PathBuf),
    /// File of a token.
    Bearer(PathBuf),
}

impl Auth {
    /// Everybody may ask.
    pub fn open() -> Self {
        Self { accepted: Vec::new(), open: true }
    }

    /// Who knows what is in these files: of a user's name and a password, or of a token.
    ///
    /// # Errors
    /// When none is given, or one cannot be read or is empty.
    pub fn of_files(basic: Option<(PathBuf, PathBuf)>, token: Option<PathBuf>) -> anyhow::Result<Self> {
        let basic = basic.map(|(user, password)| Accepted::Basic(user, password));
        let accepted: Vec<Accepted> = basic.into_iter().chain(token.map(Accepted::Bearer)).collect();
        anyhow::ensure!(!accepted.is_empty(), "no file has credentials");
        for one in &accepted {
            match one {
                Accepted::Basic(user, password) => drop((read(user)?, read(password)?)),
                Accepted::Bearer(token) => drop(read(token)?),
            }
        }
        Ok(Self { accepted, open: false })
    }

    /// Whether everybody may ask.
    pub fn is_open(&self) -> bool {
        self.open
    }

    /// Lets a request pass, or says what to answer.
    pub(crate) fn check(&self, headers: &HeaderMap) -> Result<(), Failure> {
        let of_page = headers.get(&FETCH_SITE).is_some_and(|site| site != "none");
        if of_page || headers.contains_key(ORIGIN) {
            let text = "this API is not for pages of browsers: the request has Origin or Sec-Fetch-Site";
            return Err(Failure::new(StatusCode::FORBIDDEN, text));
        }
        let given = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
        // A client that has not logged in sends `Bearer` with nothing after it.
        if self.open || self.accepted.iter().any(|one| one.accepts(given)) {
            return Ok(());
        }
        Err(Failure::new(
            StatusCode::UNAUTHORIZED,
            "unauthorized: log in with the gateway's user and password",
        ))
    }
}

impl Accepted {
    fn accepts(&self, given: &str) -> bool {
        let Some((scheme, given)) = given.split_once(' ') else { return false };
        let known = match self {
            Self::Basic(user, password) if scheme.eq_ignore_ascii_case("basic") => {
                let Ok(given) = STANDARD.decode(given.trim()) else { return false };
                let Some(colon) = given.iter().position(|byte| *byte == b':') else { return false };
                let (given_user, given_password) = (&given[..colon], &given[colon + 1..]);
                read(user)
                    .and_then(|user| Ok(same(&user, given_user) & same(&read(password)?, given_password)))
            }
            Self::Bearer(token) if scheme.eq_ignore_ascii_case("bearer") => {
                read(token).map(|token| same(&token, given.trim().as_bytes()))
            }
            _ => return false,
        };
        match known {
            Ok(same) => same.into(),
            Err(error) => {
                tracing::error!("nobody can log in to the gateway: {error:#}");
                false
            }
        }
    }
}

/// What a file has, without a line's end.
fn read(path: &Path) -> anyhow::Result<String> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let text = text.trim_end_matches(['\r', '\n']);
    anyhow::ensure!(!text.is_empty(), "{} is empty", path.display());
    Ok(text.to_owned())
}

fn same(known: &str, given: &[u8]) -> Choice {
    Sha256::digest(known.as_bytes()).as_slice().ct_eq(Sha256::digest(given).as_slice())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(list: &[(HeaderName, &str)]) -> HeaderMap {
        list.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect()
    }

    #[test]
    fn only_who_knows_them_passes() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            path
        };
        let basic = (file("user", "admin\n"), file("password", "se:cret\n"));
        let auth = Auth::of_files(Some(basic), Some(file("token", "t0ken"))).unwrap();
        let status = |given: &str| {
            auth.check(&headers(&[(AUTHORIZATION, given)])).err().map(|failure| failure.status.as_u16())
        };
        let basic = |text: &str| format!("Basic {}", STANDARD.encode(text));
        for good in [
            basic("admin:se:cret"),
            "bearer t0ken".to_owned(),
            basic("admin:se:cret").replace("Basic", "basic"),
        ] {
            assert_eq!(status(&good), None, "{good}");
        }
        for bad in [
            String::new(),
            "Bearer".to_owned(),
            "Bearer ".to_owned(),
            basic("admin:"),
            basic("admin"),
            basic(""),
            basic("admin:se:cret\n"),
            basic("Admin:se:cret"),
            basic("admin:se:cre"),
            "Basic !".to_owned(),
            "Bearer t0ken2".to_owned(),
            "Basic t0ken".to_owned(),
            "t0ken".to_owned(),
        ] {
            assert_eq!(status(&bad), Some(401), "{bad}");
        }
        fs::write(folder.path().join("password"), "other").unwrap();
        assert_eq!(status(&basic("admin:se:cret")), Some(401));
        assert_eq!(status(&basic("admin:other")), None);
        fs::write(folder.path().join("password"), "").unwrap();
        assert_eq!(status(&basic("admin:")), Some(401), "an empty file opens nothing");
    }

    #[test]
    fn files_must_have_something() {
        let folder = tempfile::tempdir().unwrap();
        let empty = folder.path().join("empty");
        fs::write(&empty, "\n").unwrap();
        assert!(Auth::of_files(None, None).is_err());
        assert!(Auth::of_files(None, Some(empty)).is_err());
        assert!(Auth::of_files(None, Some(folder.path().join("none"))).is_err());
    }

    #[test]
    fn pages_are_refused_in_any_case() {
        let status = |list: &[(HeaderName, &str)]| {
            Auth::open().check(&headers(list)).err().map(|failure| failure.status)
        };
        assert_eq!(status(&[]), None);
        assert_eq!(status(&[(AUTHORIZATION, "Bearer ")]), None);
        assert_eq!(status(&[(FETCH_SITE, "none")]), None);
        assert_eq!(status(&[(FETCH_SITE, "same-origin")]), Some(StatusCode::FORBIDDEN));
        assert_eq!(status(&[(ORIGIN, "http://127.0.0.1:8080")]), Some(StatusCode::FORBIDDEN));
    }
}
