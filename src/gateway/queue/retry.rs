//! What is tried again, when, and how often.
//!
//! As OpenFaaS has it: what the platform answered in a function's place, and the codes of a list. Annotations of the function say
//! it for that function: `com.openfaas.retry.attempts`, `.codes`, `.min_wait`, `.max_wait`.

use std::collections::BTreeMap;
use std::time::Duration;

use api::units::Span;
use http::header::RETRY_AFTER;
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;

/// Beginning of the annotations' names.
const PREFIX: &str = "com.openfaas.retry.";
/// Marks answers that no function gave.
pub const INTERNAL: &str = "x-openfaas-internal";
/// Longest that a `Retry-After` is waited for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);
/// Longest wait that an annotation may say.
const WAIT_MAX: Duration = Duration::from_secs(24 * 3600);

/// How calls of a function are tried again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retry {
    /// Attempts in all.
    pub attempts: u32,
    /// Answers of a function that are tried again.
    pub codes: Vec<u16>,
    /// Wait after the first attempt; doubled with each further one,
    pub min_wait: Duration,
    /// up to this.
    pub max_wait: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            attempts: 10,
            codes: vec![408, 429, 500, 502, 504],
            min_wait: Duration::from_secs(10),
            max_wait: Duration::from_secs(120),
        }
    }
}

impl Retry {
    /// What a function's annotations say, and these where they say nothing. Attempts are at most the operator's.
    ///
    /// # Errors
    /// The first annotation that cannot be read.
    pub fn with(&self, annotations: &BTreeMap<String, String>) -> Result<Self, String> {
        let get = |name: &str| annotations.get(&format!("{PREFIX}{name}")).map(|text| text.trim());
        let wrong =
            |name: &str, text: &str, what: &str| format!("annotation {PREFIX}{name}: `{text}` is no {what}");
        let span = |name: &str, default| match get(name) {
            None => Ok(default),
            Some(text) => match text.parse::<Span>() {
                Ok(span) if span.duration() <= WAIT_MAX => Ok(span.duration()),
                _ => Err(wrong(name, text, "duration of at most 24h, like 10s")),
            },
        };
        let attempts = match get("attempts") {
            None => self.attempts,
            Some(text) => match text.parse::<u32>() {
                Ok(attempts) if attempts > 0 => attempts.min(self.attempts),
                _ => return Err(wrong("attempts", text, "number of attempts")),
            },
        };
        let codes = match get("codes") {
            None => self.codes.clone(),
            Some(text) => {
                let code = |code: &str| code.trim().parse().ok().filter(|code| (100..=599).contains(code));
                let codes: Option<Vec<u16>> = text.split(',').map(code).collect();
                codes.ok_or_else(|| wrong("codes", text, "list of codes, like 429,503"))?
            }
        };
        let (min_wait, max_wait) = (span("min_wait", self.min_wait)?, span("max_wait", self.max_wait)?);
        Ok(Self { attempts, codes, min_wait, max_wait: max_wait.max(min_wait) })
    }

    /// Whether an answer is to be tried again. Of those that the platform gave, what the request itself is to blame for is not.
    pub fn is_failure(&self, status: u16, headers: &HeaderMap) -> bool {
        let waits = [StatusCode::NOT_FOUND, StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS];
        let platform = status >= 500 || waits.iter().any(|wait| wait.as_u16() == status);
        self.codes.contains(&status) || headers.contains_key(INTERNAL) && platform
    }

    /// How long to wait after so many attempts: half of it for sure, the other half by chance, and never less than was asked for.
    pub fn wait(&self, tries: u32, asked: Option<Duration>) -> Duration {
        let doubled = 2u32.saturating_pow(tries.saturating_sub(1));
        let whole = self.min_wait.saturating_mul(doubled).min(self.max_wait);
        let chance = whole.mul_f64(0.5 + fastrand::f64() / 2.0);
        chance.max(asked.unwrap_or_default().min(RETRY_AFTER_MAX))
    }
}

/// What `Retry-After` says: seconds or a date.
pub fn asked(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
    date.duration_since(now).try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn annotations(list: &[(&str, &str)]) -> BTreeMap<String, String> {
        list.iter().map(|(name, value)| (format!("{PREFIX}{name}"), (*value).to_owned())).collect()
    }

    #[test]
    fn annotations_count() {
        let retry = Retry::default();
        assert_eq!(retry.with(&BTreeMap::new()), Ok(retry.clone()));
        let said = annotations(&[
            ("attempts", "3"),
            ("codes", "503, 418"),
            ("min_wait", "20ms"),
            ("max_wait", "1m30s"),
        ]);
        let said = retry.with(&said).unwrap();
        assert_eq!((said.attempts, said.codes), (3, vec![503, 418]));
        assert_eq!((said.min_wait.as_millis(), said.max_wait.as_secs()), (20, 90));
        assert_eq!(retry.with(&annotations(&[("attempts", "999")])).unwrap().attempts, 10);
        let long = retry.with(&annotations(&[("min_wait", "5m")])).unwrap();
        assert_eq!(long.max_wait, long.min_wait);
        for (name, value) in [
            ("attempts", "0"),
            ("attempts", "many"),
            ("codes", "500,"),
            ("codes", "99"),
            ("min_wait", "10"),
            ("max_wait", "99d"),
        ] {
            let told = retry.with(&annotations(&[(name, value)])).unwrap_err();
            assert!(told.contains(name) && told.contains(value), "{told}");
        }
    }

    #[test]
    fn waits_grow_by_chance() {
        let retry = Retry::default();
        for (tries, least, most) in [(1, 5, 10), (2, 10, 20), (4, 40, 80), (5, 60, 120), (400, 60, 120)] {
            for _ in 0..100 {
                let wait = retry.wait(tries, None);
                assert!((Duration::from_secs(least)..=Duration::from_secs(most)).contains(&wait), "{wait:?}");
            }
        }
        assert_eq!(retry.wait(1, Some(Duration::from_secs(60))).as_secs(), 60);
        assert_eq!(retry.wait(1, Some(Duration::from_secs(1 << 40))), RETRY_AFTER_MAX);
    }

    #[test]
    fn what_is_tried_again() {
        let (plain, mut internal) = (HeaderMap::new(), HeaderMap::new());
        internal.insert(INTERNAL, "proxy".parse().unwrap());
        let retry = Retry::default();
        let failures = |headers| {
            let codes = [200, 302, 400, 404, 405, 408, 413, 429, 500, 501, 502, 503, 504];
            codes.into_iter().filter(|code| retry.is_failure(*code, headers)).collect::<Vec<_>>()
        };
        assert_eq!(failures(&plain), [408, 429, 500, 502, 504]);
        assert_eq!(failures(&internal), [404, 408, 429, 500, 501, 502, 503, 504]);
    }

    #[test]
    fn retry_after_is_read() {
        let now = "2026-01-01T00:00:00Z".parse().unwrap();
        let asked = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, text.parse().unwrap());
            asked(&headers, now).map(|wait| wait.as_secs())
        };
        assert_eq!((asked("7"), asked("Thu, 01 Jan 2026 00:01:00 GMT")), (Some(7), Some(60)));
        assert_eq!((asked("soon"), asked("Thu, 01 Jan 2025 00:01:00 GMT")), (None, None));
    }
}
