//! How the downloader is: `/healthz`, `/readyz` and `/metrics` on a port of its own.

use std::collections::HashMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Request, Response, StatusCode};

use crate::api::status::ReplicaPhase;
use crate::server::body::Body;

/// What is known about it.
#[derive(Debug, Default)]
pub struct Health {
    ready: AtomicBool,
    listed: AtomicBool,
    images: AtomicUsize,
    untried: AtomicUsize,
    away: Mutex<Option<String>>,
    phases: Mutex<HashMap<ReplicaPhase, usize>>,
    /// Attempts to publish.
    pub attempts: AtomicU64,
    /// Attempts that failed.
    pub failures: AtomicU64,
}

impl Health {
    /// Every Image of the first list was tried once: from now on this is ready.
    pub fn set_ready(&self) {
        self.ready.store(true, Ordering::Relaxed);
    }

    /// The Images were listed.
    pub fn set_listed(&self) {
        self.listed.store(true, Ordering::Relaxed);
        self.set_away(None);
    }

    /// The API server does not answer, or does again.
    pub fn set_away(&self, away: Option<String>) {
        *self.away.lock().unwrap_or_else(PoisonError::into_inner) = away;
    }

    /// How many Images there are, how many are not tried yet, and how many stand in each phase.
    pub fn set_counts(&self, (images, untried): (usize, usize), phases: HashMap<ReplicaPhase, usize>) {
        self.images.store(images, Ordering::Relaxed);
        self.untried.store(untried, Ordering::Relaxed);
        *self.phases.lock().unwrap_or_else(PoisonError::into_inner) = phases;
    }

    /// Why traffic should not come yet, if so.
    pub fn unready(&self) -> Option<String> {
        if self.ready.load(Ordering::Relaxed) {
            return None;
        }
        if self.listed.load(Ordering::Relaxed) {
            let (untried, images) =
                (self.untried.load(Ordering::Relaxed), self.images.load(Ordering::Relaxed));
            return Some(format!("{untried} of {images} Images were not tried yet"));
        }
        let away = self.away.lock().unwrap_or_else(PoisonError::into_inner);
        Some(away.clone().map_or_else(
            || "the Images are not listed yet".to_owned(),
            |why| format!("the Images cannot be listed: {why}"),
        ))
    }

    /// Answers a request.
    pub fn answer<B>(&self, request: &Request<B>) -> Response<Body> {
        let (status, text) = match request.uri().path() {
            "/healthz" => (StatusCode::OK, "ok\n".to_owned()),
            "/readyz" => match self.unready() {
                None => (StatusCode::OK, "ready\n".to_owned()),
                Some(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {why}\n")),
            },
            "/metrics" => (StatusCode::OK, self.metrics()),
            _ => (StatusCode::NOT_FOUND, "there are /healthz, /readyz and /metrics\n".to_owned()),
        };
        let mut response = Response::new(Body::full(Bytes::from(text)));
        *response.status_mut() = status;
        let kind = HeaderValue::from_static("text/plain; charset=utf-8");
        response.headers_mut().insert(CONTENT_TYPE, kind);
        response
    }

    fn metrics(&self) -> String {
        let mut text = String::new();
        let _ = writeln!(text, "# TYPE kontain_downloader_images gauge");
        for (phase, count) in &*self.phases.lock().unwrap_or_else(PoisonError::into_inner) {
            let _ = writeln!(text, "kontain_downloader_images{{phase=\"{phase:?}\"}} {count}");
        }
        for (name, value) in [("attempts", &self.attempts), ("failures", &self.failures)] {
            let _ = writeln!(text, "# TYPE kontain_downloader_{name}_total counter");
            let _ = writeln!(text, "kontain_downloader_{name}_total {}", value.load(Ordering::Relaxed));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_comes_after_the_first_list_and_stays() {
        let health = Health::default();
        health.set_away(Some("refused".into()));
        assert!(health.unready().unwrap().contains("refused"));
        health.set_listed();
        health.set_counts((3, 2), HashMap::from([(ReplicaPhase::Pulling, 3)]));
        assert_eq!(health.unready().unwrap(), "2 of 3 Images were not tried yet");
        health.set_ready();
        health.set_away(Some("refused".into()));
        assert_eq!(health.unready(), None);
        assert!(health.metrics().contains("phase=\"Pulling\"} 3"));
    }
}
