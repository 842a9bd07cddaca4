//! Peers of this process itself, when it fetches what a function's owner has named: the same names and addresses are open to it as
//! to the function's machines, and no others. Whoever connects must use these addresses, and ask again for each redirect.

use std::net::{IpAddr, SocketAddr};

use hickory_resolver::proto::rr::{Name as DnsName, RecordType};
use km_abi::outbound::Transport;

use crate::broker::{Broker, Function};
use crate::policy::{Given, Question, Refusal, Resolution};
use api::egress::name::Name;

/// Why there is no peer.
#[derive(Debug, thiserror::Error)]
pub enum PeerError {
    /// A text that is no name of a host.
    #[error("{0:?} is no name of a host")]
    Name(String),
    /// By a rule.
    #[error("egress to {destination} {why}")]
    Refused {
        /// `HOST:PORT`.
        destination: String,
        /// Why, with the fix.
        why: String,
    },
    /// The name has no address.
    #[error("{0} has no address")]
    Absent(Name),
}

impl Broker {
    /// The addresses behind `host`, a name or an address, to which the function may open TCP connections at `port`.
    ///
    /// # Errors
    /// See [`PeerError`]; of several refusals the first.
    pub async fn peers(
        &self,
        function: &Function,
        host: &str,
        port: u16,
    ) -> Result<Vec<SocketAddr>, PeerError> {
        let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
        if let Ok(ip) = bare.parse::<IpAddr>() {
            let to = SocketAddr::new(ip, port);
            self.judge(function, &[], to)?;
            return Ok(vec![to]);
        }
        let name: Name = host.parse().map_err(|_| PeerError::Name(host.to_owned()))?;
        if self.resolution(function, &name) == Resolution::Refuse {
            let destination = format!("{name}:{port}");
            let why = Refusal::Undeclared.told(self.declarer());
            return Err(PeerError::Refused { destination, why });
        }
        let dns = DnsName::from_ascii(name.as_str()).map_err(|_| PeerError::Name(host.to_owned()))?;
        let (mut open, mut first) = (Vec::new(), None);
        for kind in [RecordType::A, RecordType::AAAA] {
            let answer = self.upstream.ask(&dns, kind).await;
            let names = [Given { name: name.clone(), direct: answer.is_direct() }];
            for ip in answer.addresses() {
                let to = SocketAddr::new(ip, port);
                match self.judge(function, &names, to) {
                    Ok(()) => open.push(to),
                    Err(error) => first = first.or(Some(error)),
                }
            }
        }
        if open.is_empty() { Err(first.unwrap_or(PeerError::Absent(name))) } else { Ok(open) }
    }

    fn judge(&self, function: &Function, names: &[Given], to: SocketAddr) -> Result<(), PeerError> {
        let (namespace, rules) = (function.namespace(), &*function.rules);
        let question = Question { namespace, rules, names, transport: Transport::Tcp, to };
        let refused = |refusal: Refusal| {
            let (destination, why) = (question.destination(), refusal.told(self.declarer()));
            PeerError::Refused { destination, why }
        };
        self.decide(&question).map_err(refused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;

    #[tokio::test]
    async fn addresses_are_judged_as_a_machines() {
        let broker = Broker::new(Settings::default()).unwrap();
        let rules = vec!["*:443".parse().unwrap()];
        let function = broker.function("default", "f", rules, Vec::new()).unwrap();
        let public = broker.peers(&function, "93.184.216.34", 443).await.unwrap();
        assert_eq!(public, ["93.184.216.34:443".parse().unwrap()]);
        for (host, port) in [
            ("93.184.216.34", 80),
            ("127.0.0.1", 443),
            ("[::1]", 443),
            ("169.254.169.254", 443),
            ("10.0.0.1", 443),
        ] {
            let refused = broker.peers(&function, host, port).await;
            assert!(matches!(refused, Err(PeerError::Refused { .. })), "{host}:{port} {refused:?}");
        }
        assert!(matches!(broker.peers(&function, "a b", 443).await, Err(PeerError::Name(_))));
        let narrow =
            broker.function("default", "g", vec!["a.example:443".parse().unwrap()], Vec::new()).unwrap();
        let refused = broker.peers(&narrow, "b.example", 443).await;
        assert!(matches!(refused, Err(PeerError::Refused { .. })), "{refused:?}");
    }
}
