//! Tokens from the realm that a challenge names.

use reqwest::RequestBuilder;
use serde::Deserialize;
use url::Url;

use super::session::Session;
use super::{Credentials, RegistryError};

/// No answer with a token is longer.
const ANSWER_MAX: u64 = 256 * 1024;

#[derive(Deserialize)]
struct Answer {
    token: Option<String>,
    access_token: Option<String>,
}

impl Session {
    /// Asks the realm for a token.
    pub(super) async fn token(
        &self,
        realm: &str,
        service: Option<&str>,
        scope: Option<&str>,
    ) -> Result<String, RegistryError> {
        let nonsense =
            |what: &str| RegistryError::Protocol { host: self.host.clone(), what: what.to_owned() };
        let realm: Url = realm.parse().map_err(|_| nonsense("its token realm is no URL"))?;
        let plain_allowed = self.is_insecure(&realm);
        self.check(&realm, plain_allowed)?;
        let usual = || format!("repository:{}:{}", self.repository, self.actions);
        let mut wanted = scope.map_or_else(usual, str::to_owned);
        for source in &self.sources {
            let scope = format!("repository:{source}:pull");
            if !wanted.split(' ').any(|one| one == scope) {
                wanted = format!("{wanted} {scope}");
            }
        }
        let response = self.token_request(realm, service, &wanted).send().await;
        let response = response.map_err(|error| RegistryError::from_client(&self.host, error))?;
        match response.status().as_u16() {
            200 => {}
            401 | 403 => return Err(self.unauthorized()),
            status @ (408 | 429 | 500..=599) => {
                let retry_after = super::backoff::retry_after(response.headers());
                return Err(RegistryError::Busy { host: self.host.clone(), status, retry_after });
            }
            // Redirects included: credentials go where the challenge said, nowhere else.
            status => {
                return Err(RegistryError::Status {
                    host: self.host.clone(),
                    status,
                    what: "a token".to_owned(),
                });
            }
        }
        let bytes = self.read(response, "a token", ANSWER_MAX).await?;
        let answer: Answer = serde_json::from_slice(&bytes).map_err(|_| nonsense("its token is not JSON"))?;
        let token = answer.token.or(answer.access_token).filter(|token| !token.is_empty());
        token.ok_or_else(|| nonsense("there is no token in its answer"))
    }

    fn token_request(&self, realm: Url, service: Option<&str>, scope: &str) -> RequestBuilder {
        let service = service.unwrap_or_default();
        match &self.credentials {
            Credentials::IdentityToken(token) => {
                let form = [
                    ("grant_type", "refresh_token"),
                    ("service", service),
                    ("scope", scope),
                    ("client_id", "kontain-faas"),
                    ("refresh_token", token),
                ];
                let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
                let form_type = "application/x-www-form-urlencoded";
                self.http.post(realm).header(reqwest::header::CONTENT_TYPE, form_type).body(body)
            }
            credentials => {
                let mut url = realm;
                if !service.is_empty() {
                    url.query_pairs_mut().append_pair("service", service);
                }
                url.query_pairs_mut().append_pair("scope", scope);
                let request = self.http.get(url);
                match credentials {
                    Credentials::Basic { user, password } => request.basic_auth(user, Some(password)),
                    _ => request,
                }
            }
        }
    }
}
