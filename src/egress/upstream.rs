//! The servers of names that the operator has, and what they answer: the answer to the question, and nothing beside it.

use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use hickory_resolver::config::{ResolveHosts, ResolverConfig, ResolverOpts};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name as DnsName, RData, Record, RecordType};
use hickory_resolver::system_conf::parse_resolv_conf;
use hickory_resolver::{Resolver, TokioResolver};

use crate::settings::SettingsError;
use api::egress::name::Name;

/// How long an answer is good at most.
pub(crate) const TTL_MAX: u32 = 300;
/// How long one answer may take, with all that is tried.
const ASK_LIMIT: Duration = Duration::from_secs(10);
/// How long somebody waits who only wants to know whether there is an answer.
const PROBE_LIMIT: Duration = Duration::from_secs(3);
/// How long one server may take, and how often all are asked.
const TRY_LIMIT: Duration = Duration::from_secs(4);
const TRIES: usize = 2;
/// Aliases of aliases that are followed.
const ALIASES_MAX: usize = 16;
/// Records of one answer.
const RECORDS_MAX: usize = 64;
/// Greatest number of dots that resolv.conf(5) takes.
const NDOTS_MAX: usize = 15;

/// What there is to say to a question.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Answer {
    pub(crate) code: ResponseCode,
    /// Aliases from the name asked for on, then what the last of them has.
    pub(crate) records: Vec<Record>,
    /// How long it is good, in seconds.
    pub(crate) ttl: u32,
}

impl Answer {
    /// Nothing but a code, good for now.
    pub(crate) fn code(code: ResponseCode) -> Self {
        Self { code, records: Vec::new(), ttl: 0 }
    }

    /// What of `records` answers the question.
    fn new(name: &DnsName, kind: RecordType, records: &[Record]) -> Self {
        let mut at = name.to_lowercase();
        let mut chain = Vec::new();
        if kind != RecordType::CNAME {
            for _ in 0..ALIASES_MAX {
                let alias = records.iter().find_map(|record| match &record.data {
                    RData::CNAME(to) if record.name.to_lowercase() == at => {
                        Some((record, to.0.to_lowercase()))
                    }
                    _ => None,
                });
                let Some((record, to)) = alias else { break };
                chain.push(record.clone());
                at = to;
            }
        }
        let is_answer = |record: &&Record| record.record_type() == kind && record.name.to_lowercase() == at;
        chain.extend(records.iter().filter(is_answer).take(RECORDS_MAX).cloned());
        for record in &mut chain {
            record.ttl = record.ttl.min(TTL_MAX);
        }
        let ttl = chain.iter().map(|record| record.ttl).min().unwrap_or(0);
        Self { code: ResponseCode::NoError, records: chain, ttl }
    }

    fn of_error(error: &NetError) -> Self {
        match error {
            NetError::Dns(DnsError::NoRecordsFound(none))
                if matches!(none.response_code, ResponseCode::NoError | ResponseCode::NXDomain) =>
            {
                let ttl = none.negative_ttl.unwrap_or(0).min(TTL_MAX);
                Self { code: none.response_code, records: Vec::new(), ttl }
            }
            _ => Self::code(ResponseCode::ServFail),
        }
    }

    /// The addresses are those of the name asked for, and of no alias.
    pub(crate) fn is_direct(&self) -> bool {
        !self.records.iter().any(|record| record.record_type() == RecordType::CNAME)
    }

    pub(crate) fn addresses(&self) -> Vec<IpAddr> {
        let address = |record: &Record| match record.data {
            RData::A(ip) => Some(IpAddr::V4(ip.0)),
            RData::AAAA(ip) => Some(IpAddr::V6(ip.0)),
            _ => None,
        };
        self.records.iter().filter_map(address).collect()
    }

    /// The answer after it has been kept for some seconds.
    pub(crate) fn aged(mut self, seconds: u32) -> Self {
        for record in &mut self.records {
            record.ttl = record.ttl.saturating_sub(seconds);
        }
        self
    }
}

/// The servers.
pub(crate) struct Upstream {
    resolver: Option<TokioResolver>,
    search: Vec<Name>,
    ndots: usize,
}

impl Upstream {
    /// Those of a file in the form of resolv.conf(5).
    pub(crate) fn read(path: &Path) -> Result<Self, SettingsError> {
        let text = match std::fs::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(SettingsError::ResolvConf { path: path.to_owned(), error }),
        };
        match parse_resolv_conf(text) {
            Ok((config, options)) => Self::new(config, options),
            Err(error) => {
                tracing::warn!("{}: {error}: functions resolve no names", path.display());
                Ok(Self { resolver: None, search: Vec::new(), ndots: 1 })
            }
        }
    }

    pub(crate) fn new(config: ResolverConfig, mut options: ResolverOpts) -> Result<Self, SettingsError> {
        let name = |name: &DnsName| name.to_ascii().parse().ok();
        let search = config.search().iter().filter_map(name).collect();
        let ndots = options.ndots.clamp(1, NDOTS_MAX);
        // Functions have caches of their own, so that none sees what another asked for; and no file of this host's.
        options.cache_size = 0;
        options.use_hosts_file = ResolveHosts::Never;
        options.preserve_intermediates = true;
        options.edns0 = true;
        options.timeout = options.timeout.min(TRY_LIMIT);
        options.attempts = options.attempts.min(TRIES);
        let builder = Resolver::builder_with_config(config, TokioRuntimeProvider::default());
        let resolver = builder.with_options(options).build();
        let resolver = resolver.map_err(|error| SettingsError::Resolver(error.to_string()))?;
        Ok(Self { resolver: Some(resolver), search, ndots })
    }

    pub(crate) fn search(&self) -> &[Name] {
        &self.search
    }

    /// The domain of the cluster's Services, as the kubelet writes it into a pod's search list: `NAMESPACE.svc.DOMAIN svc.DOMAIN DOMAIN`.
    pub(crate) fn cluster_domain(&self) -> Option<Name> {
        self.search.iter().find_map(|name| name.as_str().strip_prefix("svc.")?.parse().ok())
    }

    pub(crate) fn ndots(&self) -> usize {
        self.ndots
    }

    /// Asks for a name as it is, without a search list.
    pub(crate) async fn ask(&self, name: &DnsName, kind: RecordType) -> Answer {
        let Some(resolver) = &self.resolver else { return Answer::code(ResponseCode::ServFail) };
        let mut whole = name.clone();
        whole.set_fqdn(true);
        match tokio::time::timeout(ASK_LIMIT, resolver.lookup(whole, kind)).await {
            Ok(Ok(lookup)) => Answer::new(name, kind, lookup.answers()),
            Ok(Err(error)) => Answer::of_error(&error),
            Err(_) => Answer::code(ResponseCode::ServFail),
        }
    }
}

/// Whether a server that the file names, in the form of resolv.conf(5), answers at all: functions' names are asked there.
///
/// # Errors
/// When the file cannot be read.
pub async fn answers(resolv_conf: &Path) -> Result<bool, SettingsError> {
    let upstream = Upstream::read(resolv_conf)?;
    let asked = tokio::time::timeout(PROBE_LIMIT, upstream.ask(&DnsName::root(), RecordType::SOA)).await;
    Ok(asked.is_ok_and(|answer| matches!(answer.code, ResponseCode::NoError | ResponseCode::NXDomain)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hickory_resolver::proto::rr::rdata::{A, CNAME};

    fn dns(text: &str) -> DnsName {
        DnsName::from_ascii(text).unwrap()
    }

    fn a(name: &str, last: u8, ttl: u32) -> Record {
        Record::from_rdata(dns(name), ttl, RData::A(A::new(192, 0, 2, last)))
    }

    fn alias(name: &str, to: &str) -> Record {
        Record::from_rdata(dns(name), 60, RData::CNAME(CNAME(dns(to))))
    }

    #[test]
    fn only_the_chain_from_the_question_is_the_answer() {
        let records = [
            a("other.example.", 9, 60),
            alias("B.example.", "c.example."),
            a("c.example.", 1, 9000),
            alias("a.example.", "b.example."),
            a("a.example.", 8, 60),
        ];
        let answer = Answer::new(&dns("A.example."), RecordType::A, &records);
        assert_eq!(answer.addresses(), ["192.0.2.1".parse::<IpAddr>().unwrap()]);
        assert!(!answer.is_direct());
        assert_eq!((answer.records.len(), answer.ttl, answer.records[2].ttl), (3, 60, TTL_MAX));
        assert_eq!(answer.clone().aged(100).records[2].ttl, TTL_MAX - 100);
        let answer = Answer::new(&dns("a.example."), RecordType::CNAME, &records);
        assert_eq!(answer.records.len(), 1);
        let direct = Answer::new(&dns("c.example."), RecordType::A, &records);
        assert!(direct.is_direct() && direct.addresses().len() == 1);
    }

    #[tokio::test]
    async fn servers_are_those_of_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("resolv.conf");
        let text = "nameserver 127.0.0.1\nsearch Corp.Example. lan\noptions ndots:5 timeout:30 attempts:9\n";
        std::fs::write(&path, text).unwrap();
        let read = Upstream::read(&path).unwrap();
        let search: Vec<_> = read.search().iter().map(Name::as_str).collect();
        assert_eq!((search, read.ndots()), (vec!["corp.example", "lan"], 5));
        let options = read.resolver.as_ref().unwrap().options();
        assert_eq!((options.timeout, options.attempts, options.cache_size), (TRY_LIMIT, TRIES, 0));
        // A host without any has no names, and all else.
        for text in [None, Some("# nothing\n")] {
            std::fs::remove_file(&path).unwrap();
            if let Some(text) = text {
                std::fs::write(&path, text).unwrap();
            }
            let none = Upstream::read(&path).unwrap();
            let answer = none.ask(&dns("a.example."), RecordType::A).await;
            assert_eq!((answer.code, none.ndots()), (ResponseCode::ServFail, 1));
            assert!(!answers(&path).await.unwrap());
            std::fs::write(&path, "").unwrap();
        }
        assert!(Upstream::read(folder.path()).is_err());
    }

    #[test]
    fn aliases_end() {
        let records = [alias("a.example.", "b.example."), alias("b.example.", "a.example.")];
        let answer = Answer::new(&dns("a.example."), RecordType::A, &records);
        assert_eq!((answer.records.len(), answer.addresses().len()), (ALIASES_MAX, 0));
    }
}
