//! Which addresses may be spoken to: never those that only exist on this machine's link, where clouds keep metadata.
//!
//! Checked for literal addresses in URLs and, by the resolver, for what names lead to, so that neither a redirect nor
//! a token realm nor a name server can make this process fetch a machine's credentials.

use std::net::{IpAddr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

use super::RegistryError;

/// Whether an address is refused.
pub(super) fn is_refused(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            address.is_link_local()
                || address.is_unspecified()
                || address.is_multicast()
                || address.is_broadcast()
        }
        IpAddr::V6(address) => {
            let unique_local_metadata = address.segments()[..3] == [0xfd00, 0x0ec2, 0];
            address.is_unicast_link_local()
                || address.is_unspecified()
                || address.is_multicast()
                || unique_local_metadata
        }
    }
}

/// Checks where a registry sends us: the scheme may not get worse, the address not be refused.
pub(super) fn check_target(host: &str, target: &Url, plain_allowed: bool) -> Result<(), RegistryError> {
    let refuse = |reason| {
        Err(RegistryError::Refused {
            host: host.to_owned(),
            target: crate::digest::shorten(target.as_str()),
            reason,
        })
    };
    match target.scheme() {
        "https" => {}
        "http" if plain_allowed => {}
        "http" => return refuse("it is plain HTTP"),
        _ => return refuse("it is no web address"),
    }
    match target.host() {
        Some(Host::Ipv4(address)) if is_refused(address.into()) => {
            refuse("it is a metadata or link-local address")
        }
        Some(Host::Ipv6(address)) if is_refused(address.into()) => {
            refuse("it is a metadata or link-local address")
        }
        Some(Host::Domain(name))
            if name.trim_end_matches('.').eq_ignore_ascii_case("metadata.google.internal") =>
        {
            refuse("it is a metadata address")
        }
        Some(_) => Ok(()),
        None => refuse("it has no host"),
    }
}

/// The system's resolver without the addresses that are refused.
#[derive(Debug)]
pub(super) struct Resolver;

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let allowed: Vec<SocketAddr> = found.filter(|address| !is_refused(address.ip())).collect();
            if allowed.is_empty() {
                return Err(format!("{} has no address that may be used", name.as_str()).into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_and_plain_http_are_refused() {
        for (url, plain, good) in [
            ("https://auth.example/token", false, true),
            ("http://auth.example/token", false, false),
            ("http://127.0.0.1:5000/token", true, true),
            ("https://169.254.169.254/latest", true, false),
            ("https://[fe80::1]/", true, false),
            ("https://[::ffff:169.254.169.254]/", true, false),
            ("https://[fd00:ec2::254]/", true, false),
            ("https://metadata.google.internal/", true, false),
            ("https://0.0.0.0/", true, false),
            ("ftp://auth.example/", true, false),
            ("file:///etc/passwd", true, false),
        ] {
            assert_eq!(check_target("r", &url.parse().unwrap(), plain).is_ok(), good, "{url}");
        }
    }
}
