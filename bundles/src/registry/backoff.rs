//! When to try again: waits that double, with chance in them, and longer ones where the server asks for it.

use std::future::Future;
use std::time::{Duration, SystemTime};

use reqwest::header::{HeaderMap, RETRY_AFTER};

use super::{Options, RegistryError};

/// A transfer that was too slow is tried so often in all, at most: each attempt takes the whole time for which the rate is
/// watched, and others wait for this one's place.
const SLOW_ATTEMPTS: u32 = 2;

/// Runs `attempt` until it succeeds, fails for good, or has failed often enough.
pub(super) async fn retry<T, F, A>(options: &Options, attempt: A) -> Result<T, RegistryError>
where
    F: Future<Output = Result<T, RegistryError>>,
    A: FnMut() -> F,
{
    retry_while(options, || false, attempt).await
}

/// As [`retry()`], but failures before which there was `progress` do not count: a long transfer may break off often.
pub(super) async fn retry_while<T, F, A>(
    options: &Options,
    mut progress: impl FnMut() -> bool,
    mut attempt: A,
) -> Result<T, RegistryError>
where
    F: Future<Output = Result<T, RegistryError>>,
    A: FnMut() -> F,
{
    let (mut failed, mut slow) = (0, 0);
    loop {
        let error = match attempt().await {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        if progress() {
            (failed, slow) = (0, 0);
        }
        failed += 1;
        slow += u32::from(matches!(error, RegistryError::TooSlow { .. }));
        let is_over = failed >= options.attempts || slow >= SLOW_ATTEMPTS;
        let Some(asked) = error.retry().filter(|_| !is_over) else { return Err(error) };
        tokio::time::sleep(wait(options, failed, asked, rand::random::<f64>())).await;
    }
}

/// The wait after `failed` failures; `chance` is between 0 and 1.
fn wait(options: &Options, failed: u32, asked: Option<Duration>, chance: f64) -> Duration {
    let doubled = options.backoff.saturating_mul(1 << (failed - 1).min(16)).min(options.backoff_max);
    let chosen = doubled.mul_f64(0.5 + chance / 2.0);
    asked.map_or(chosen, |asked| asked.max(chosen)).min(options.backoff_max)
}

/// `Retry-After`: seconds, or a date.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(SystemTime::now()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_and_are_capped() {
        let options = Options {
            backoff: Duration::from_secs(1),
            backoff_max: Duration::from_secs(10),
            ..Options::default()
        };
        assert_eq!(wait(&options, 1, None, 1.0), Duration::from_secs(1));
        assert_eq!(wait(&options, 3, None, 0.0), Duration::from_secs(2));
        assert_eq!(wait(&options, 30, None, 1.0), Duration::from_secs(10));
        assert_eq!(wait(&options, 1, Some(Duration::from_secs(7)), 0.0), Duration::from_secs(7));
        assert_eq!(wait(&options, 1, Some(Duration::from_secs(7000)), 0.0), Duration::from_secs(10));
    }

    #[test]
    fn failures_after_progress_do_not_count() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let options = Options {
            attempts: 2,
            backoff: Duration::ZERO,
            backoff_max: Duration::ZERO,
            ..Options::default()
        };
        let attempts = |progress: bool| {
            let mut made = 0;
            let attempt = || {
                made += 1;
                let busy = RegistryError::Busy { host: String::new(), status: 503, retry_after: None };
                std::future::ready(if made < 9 { Err(busy) } else { Ok(()) })
            };
            let result = runtime.block_on(retry_while(&options, || progress, attempt));
            (result.is_ok(), made)
        };
        assert_eq!(attempts(true), (true, 9));
        assert_eq!(attempts(false), (false, 2));
    }

    #[test]
    fn slow_transfers_are_given_up_soon() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let options = Options { backoff: Duration::ZERO, ..Options::default() };
        let mut made = 0;
        let attempt = || {
            made += 1;
            std::future::ready(Err::<(), _>(RegistryError::TooSlow { host: String::new(), floor: 1 }))
        };
        assert!(runtime.block_on(retry_while(&options, || false, attempt)).is_err());
        assert_eq!(made, SLOW_ATTEMPTS);
    }
}
