//! Which addresses may be spoken to: never those that only exist on this machine's link, where clouds keep metadata, and, where
//! strangers name the images, public ones alone but for registries that the operator names.
//!
//! Checked for literal addresses in URLs and, by the resolver, for what names lead to, so that neither a redirect nor
//! a token realm nor a name server can make this process fetch a machine's credentials.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

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

/// What is spoken to beyond public addresses.
#[derive(Debug, Clone, Default)]
pub(super) struct Reach {
    /// Hosts that may be at private addresses; nothing where any may.
    private_hosts: Option<Arc<[String]>>,
}

impl Reach {
    /// Hosts are named as registries are; their ports do not count.
    pub(super) fn new(private_hosts: Option<&[String]>) -> Self {
        let bare = |host: &String| {
            let url = format!("http://{host}").parse::<Url>().ok();
            url.and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default()
        };
        Self { private_hosts: private_hosts.map(|hosts| hosts.iter().map(bare).collect()) }
    }

    fn permits(&self, host: &str, address: IpAddr) -> bool {
        let named = |hosts: &Arc<[String]>| hosts.iter().any(|one| one == host);
        !is_refused(address) && (self.private_hosts.as_ref().is_none_or(named) || is_public(address))
    }
}

/// Whether anybody on the Internet may have this address.
fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            let special = match (a, b, c) {
                (0 | 10 | 127 | 240.., ..) | (192, 168, _) | (198, 18 | 19, _) => true,
                (100, b, _) => (64..128).contains(&b),
                (172, b, _) => (16..32).contains(&b),
                (192, 0, c) => c == 0 || c == 2,
                _ => false,
            };
            !special && !is_refused(IpAddr::V4(address))
        }
        IpAddr::V6(address) => {
            let [first, second, ..] = address.segments();
            // Those that lead to addresses of IPv4, and documentation.
            let special = matches!((first, second), (0x2001, 0 | 0xdb8) | (0x2002, _));
            (0x2000..0x4000).contains(&first) && !special
        }
    }
}

/// Checks where a registry sends us: the scheme may not get worse, the address not be refused.
pub(super) fn check_target(
    host: &str,
    target: &Url,
    plain_allowed: bool,
    reach: &Reach,
) -> Result<(), RegistryError> {
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
    let own = target.host_str().unwrap_or_default();
    let refused_by_reach = match target.host() {
        Some(Host::Ipv4(address)) => !reach.permits(own, address.into()),
        Some(Host::Ipv6(address)) => !reach.permits(own, address.into()),
        _ => false,
    };
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
        Some(_) if refused_by_reach => {
            refuse("it is a private address, and no registry that the operator names")
        }
        Some(_) => Ok(()),
        None => refuse("it has no host"),
    }
}

/// The system's resolver without the addresses that are refused.
#[derive(Debug)]
pub(super) struct Resolver(pub(super) Reach);

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let reach = self.0.clone();
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let allowed: Vec<SocketAddr> =
                found.filter(|address| reach.permits(name.as_str(), address.ip())).collect();
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
    use std::net::{Ipv4Addr, Ipv6Addr};

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
            let checked = check_target("r", &url.parse().unwrap(), plain, &Reach::default());
            assert_eq!(checked.is_ok(), good, "{url}");
        }
    }

    #[test]
    fn strangers_reach_public_addresses_and_what_is_named() {
        let reach = Reach::new(Some(&["127.0.0.1:5000".to_owned(), "registry.internal".to_owned()]));
        for (url, good) in [
            ("https://93.184.216.34/", true),
            ("https://[2606:2800:220:1::1]/", true),
            ("https://127.0.0.1:5000/", true),
            ("https://127.0.0.2/", false),
            ("https://10.0.0.1/", false),
            ("https://172.31.0.1/", false),
            ("https://192.168.1.1/", false),
            ("https://100.64.0.1/", false),
            ("https://[fd00::1]/", false),
            ("https://[::1]/", false),
            ("https://[::ffff:10.0.0.1]/", false),
            ("https://[64:ff9b::a00:1]/", false),
            ("https://[2002:a00:1::]/", false),
            ("https://169.254.169.254/", false),
        ] {
            assert_eq!(check_target("r", &url.parse().unwrap(), false, &reach).is_ok(), good, "{url}");
        }
        let private = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
        assert!(reach.permits("registry.internal", private) && !reach.permits("other", private));
        assert!(!reach.permits("registry.internal", IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1))));
    }
}
