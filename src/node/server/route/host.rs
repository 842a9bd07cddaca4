//! `FUNCTION.NAMESPACE.DOMAIN`: the host names the function, and the whole path is the function's.
//!
//! Such a host is an origin of the function's own. Every host with two labels or more below a domain is one of this dialect,
//! whether its function is published or not: no path on it leads to another function.

use std::str::FromStr;

use api::validate::{is_dns_label, is_dns_subdomain};

use super::{Dialect, Names, Route, Target};
use crate::server::problem::Problem;

/// `FUNCTION.NAMESPACE.DOMAIN`.
pub struct Host;

/// A domain below which functions have hosts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Domain(String);

impl Domain {
    /// The domain, in lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands before the domain in a host, without the dot between.
    fn strip<'a>(&self, host: &'a str) -> Option<&'a str> {
        let at = host.len().checked_sub(self.0.len())?;
        let (before, domain) = host.split_at_checked(at)?;
        before.strip_suffix('.').filter(|_| domain.eq_ignore_ascii_case(&self.0))
    }
}

impl FromStr for Domain {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let domain = text.to_ascii_lowercase();
        if is_dns_subdomain(&domain) {
            Ok(Self(domain))
        } else {
            Err(format!("`{text}` is no domain: write it like fn.example.com, without a scheme or a port"))
        }
    }
}

impl Dialect for Host {
    fn find(&self, names: &Names, target: Target<'_>) -> Option<Result<Route, Problem>> {
        if names.domains.is_empty() {
            return None;
        }
        let host = target.host.rsplit_once(':').map_or(target.host, |(host, _)| host);
        let host = host.strip_suffix('.').unwrap_or(host);
        let before = names.domains.iter().find_map(|domain| domain.strip(host))?;
        // One label is no function's: it may be the host that functions share.
        let (function, namespace) = before.rsplit_once('.')?;
        // Hosts are the same in capitals.
        let (function, namespace) = (function.to_ascii_lowercase(), namespace.to_ascii_lowercase());
        if !is_dns_subdomain(&function) || !is_dns_label(&namespace) {
            return Some(Err(Problem::not_found("the host names no function: FUNCTION.NAMESPACE.DOMAIN")));
        }
        let (name, rest) = (format!("{namespace}/{function}"), target.path.clone());
        Some(Ok(Route { function: name, prefix: String::new(), rest }))
    }

    fn owns_host(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::route::tests::routed;

    fn names() -> Names {
        let domains = ["example.com", "fn.Example.com"].map(|domain| domain.parse().unwrap());
        Names::new(domains.into(), "default".to_owned())
    }

    #[test]
    fn hosts_name_functions() {
        for (host, function) in [
            ("hello.default.example.com", "default/hello"),
            ("hello.default.example.com:8080", "default/hello"),
            ("Hello.DEFAULT.Example.Com.", "default/hello"),
            ("v2.hello.default.example.com", "default/v2.hello"),
            ("a.b.fn.example.com", "b/a"),
        ] {
            let expected = (function.to_owned(), String::new(), "/x/y?z".to_owned());
            assert_eq!(routed(&names(), host, "/x/y?z"), Ok(expected), "{host}");
        }
    }

    #[test]
    fn other_hosts_are_left_to_the_paths() {
        for host in
            ["", "example.com", "fn.example.com", "a.fn.example.com.evil", "ab.cexample.com", "[::1]:80"]
        {
            assert_eq!(routed(&names(), host, "/n/f/x").unwrap().0, "n/f", "{host}");
        }
        assert_eq!(routed(&Names::default(), "a.b.example.com", "/n/f/x").unwrap().0, "n/f");
    }

    #[test]
    fn a_host_that_names_no_function_leads_nowhere() {
        for host in ["a..example.com", "a_b.default.example.com", "-.default.example.com", ".a.example.com"] {
            assert_eq!(routed(&names(), host, "/n/f/x"), Err(404), "{host}");
        }
    }

    #[test]
    fn domains_are_checked() {
        for wrong in ["", ".", "a..b", "http://a.b", "a.b:80", "*.a.b", "a.b."] {
            assert!(wrong.parse::<Domain>().is_err(), "{wrong}");
        }
    }
}
