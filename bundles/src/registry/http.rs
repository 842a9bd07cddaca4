//! The HTTP clients below a [`Client`](super::Client): one that goes through the environment's proxies and one that does
//! not.

use std::sync::Arc;
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{ClientBuilder, Method, RequestBuilder};
use url::{Host, Url};

use super::addresses::{Reach, Resolver};
use super::{Options, RegistryError, tls};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Makes requests. Cheap to clone; clones share connections.
#[derive(Clone, Debug)]
pub(super) struct Http {
    outward: reqwest::Client,
    /// For this machine itself: a proxy elsewhere would look for the registry on its own.
    inward: reqwest::Client,
}

impl Http {
    pub(super) fn new(options: &Options) -> Result<Self, RegistryError> {
        let tls = tls::config(options)?;
        let reach = Reach::new(options.private_hosts.as_deref());
        let builder = || {
            reqwest::Client::builder()
                .tls_backend_preconfigured(tls.clone())
                .dns_resolver(Arc::new(Resolver(reach.clone())))
                .redirect(Policy::none())
                .connect_timeout(CONNECT_TIMEOUT)
                .read_timeout(options.rate_window)
                .user_agent(concat!("kontain-faas/", env!("CARGO_PKG_VERSION")))
        };
        let build =
            |builder: ClientBuilder| builder.build().map_err(|error| RegistryError::Tls(error.to_string()));
        Ok(Self { outward: build(builder())?, inward: build(builder().no_proxy())? })
    }

    pub(super) fn get(&self, url: Url) -> RequestBuilder {
        self.of(&url).get(url)
    }

    pub(super) fn head(&self, url: Url) -> RequestBuilder {
        self.of(&url).head(url)
    }

    pub(super) fn post(&self, url: Url) -> RequestBuilder {
        self.of(&url).post(url)
    }

    pub(super) fn request(&self, method: Method, url: Url) -> RequestBuilder {
        self.of(&url).request(method, url)
    }

    fn of(&self, url: &Url) -> &reqwest::Client {
        if is_loopback(url) { &self.inward } else { &self.outward }
    }
}

/// Whether a URL means this machine, by the rule that docker and its like have for proxies.
fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.to_canonical().is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxies_are_not_for_this_machine() {
        for (url, expected) in [
            ("http://127.0.0.1:5000/v2/", true),
            ("https://127.1.2.3/", true),
            ("http://[::1]:5000/", true),
            ("http://[::ffff:127.0.0.1]/", true),
            ("http://LocalHost:5000/", true),
            ("http://localhost.example/", false),
            ("http://10.0.0.1/", false),
        ] {
            assert_eq!(is_loopback(&url.parse().unwrap()), expected, "{url}");
        }
    }
}
