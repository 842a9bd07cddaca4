//! Options for what functions may reach beyond their machines.

use std::path::PathBuf;

use api::egress::name::Name;
use egress::policy::network;
use egress::{Allow, Mode, Policy, Settings};
use ipnet::IpNet;

/// Where a pod finds the API server: the kubelet sets it, whatever else a pod has.
const API_SERVER: &str = "KUBERNETES_SERVICE_HOST";

/// What the operator of a node lets functions reach.
#[derive(Clone, Debug, clap::Args)]
pub struct EgressArgs {
    /// What functions may connect to: `off` (nothing), `declared` (what spec.egress of their Images says), or `public` (every
    /// public address as well).
    #[arg(long, env = "KONTAIN_EGRESS", value_name = "off|declared|public", default_value = "declared")]
    pub egress: Mode,
    /// Addresses that are not public and that Images may declare: a network, or a name that leads to them; with NAMESPACE= for the
    /// Images of one namespace. The node's own and those of link-local and special networks need their very network.
    #[arg(long, env = "KONTAIN_EGRESS_ALLOW", value_name = "[NAMESPACE=]CIDR|NAME", value_delimiter = ',')]
    pub egress_allow: Vec<Allow>,
    /// Addresses that no function connects to, whatever else is said.
    #[arg(long, env = "KONTAIN_EGRESS_DENY", value_name = "CIDR", value_delimiter = ',', value_parser = network)]
    pub egress_deny: Vec<IpNet>,
    /// Addresses that are treated as this node's own are: those of the cluster's other nodes and of its API server. In a pod, those of its
    /// node and of the service `kubernetes` are known.
    #[arg(long, env = "KONTAIN_EGRESS_OWN", value_name = "CIDR", value_delimiter = ',', value_parser = network)]
    pub egress_own: Vec<IpNet>,
    /// The domain of the cluster's Services, like cluster.local: Images may name those of their own namespace. In a pod, what the search
    /// list of resolv.conf says.
    #[arg(long, env = "KONTAIN_EGRESS_CLUSTER_DOMAIN", value_name = "DOMAIN")]
    pub egress_cluster_domain: Option<Name>,
    /// The name servers that resolve for functions, as resolv.conf(5) has them.
    #[arg(long, env = "KONTAIN_EGRESS_RESOLV_CONF", value_name = "FILE", default_value = "/etc/resolv.conf")]
    pub egress_resolv_conf: PathBuf,
}

impl EgressArgs {
    /// The broker's settings that the options describe.
    pub fn settings(&self) -> Settings {
        let api_server = std::env::var(API_SERVER).ok();
        let api_server_address = api_server.as_deref().and_then(|text| network(text).ok());
        let policy = Policy {
            mode: self.egress,
            allow: self.egress_allow.clone(),
            deny: self.egress_deny.clone(),
            own: self.egress_own.iter().copied().chain(api_server_address).collect(),
            cluster_domain: self.egress_cluster_domain.clone(),
            ..Policy::default()
        };
        let resolv_conf = self.egress_resolv_conf.clone();
        Settings { policy, resolv_conf, is_in_cluster: api_server.is_some(), ..Settings::default() }
    }
}
