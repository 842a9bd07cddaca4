//! What a cluster needs for functions to be called: each check in a file of its own, judged from the objects alone.
//!
//! ```text
//!  look.rs ── lists objects ──► definition.rs  rights.rs  device.rs  pods.rs  route.rs  images.rs ──► findings
//! ```
//! Nothing is changed. What the kubeconfig's user may not see is said, and is no failure.

mod definition;
mod device;
mod finding;
mod images;
mod look;
mod pods;
mod rights;
mod route;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Container, PodSpec};

pub use self::finding::{Finding, Verdict};
use self::look::Cluster;
use crate::source::cluster::client::ConnectOptions;

/// Which cluster, and where in it.
#[derive(Clone, Debug, Default)]
pub struct Target {
    /// How it is found.
    pub cluster: ConnectOptions,
    /// Namespace of the installation; by default the only one that there is.
    pub namespace: Option<String>,
}

/// The oldest minor version of Kubernetes 1 whose API has all that the chart uses: `unhealthyPodEvictionPolicy`.
const OLDEST_MINOR: u32 = 27;

/// Everything, in the order in which one thing needs the other.
///
/// # Errors
/// When there is no kubeconfig.
pub async fn all(target: &Target) -> anyhow::Result<Vec<Finding>> {
    let cluster = Cluster::connect(&target.cluster).await?;
    let mut findings = vec![match cluster.version().await {
        Ok((major, minor)) => version(&major, &minor),
        Err(error) => {
            let fix = "start it, or name the right one with --kubeconfig or --context";
            return Ok(vec![Finding::fail("API server", error, fix)]);
        }
    }];
    findings.push(cluster.definition().await);
    match installation(&cluster.deployments().await, target.namespace.as_deref()) {
        Ok((finding, installed)) => {
            findings.push(finding);
            findings.extend(cluster.installed(&installed).await);
        }
        Err(finding) => findings.push(finding),
    }
    findings.push(cluster.images().await);
    Ok(findings)
}

fn version(major: &str, minor: &str) -> Finding {
    let what = "API server";
    let found = format!("Kubernetes {major}.{minor}");
    // Some say "34+".
    let number = minor.trim_end_matches('+').parse::<u32>().unwrap_or(u32::MAX);
    if major == "1" && number < OLDEST_MINOR {
        return Finding::warn(what, found, format!("Kubernetes 1.{OLDEST_MINOR} or newer"));
    }
    Finding::ok(what, found)
}

/// An installation of the chart, or of the YAML that is made of it.
pub struct Installed {
    /// Namespace that the installation lives in.
    pub namespace: String,
    /// What every object of it is called, or begins with.
    pub name: String,
    /// Its pods as they are asked for.
    pub pod: PodSpec,
}

impl Installed {
    fn container(&self, name: &str) -> Option<&Container> {
        self.pod.containers.iter().find(|container| container.name == name)
    }

    /// The value of an option of a container, as `--option=value`.
    fn option(&self, container: &str, option: &str) -> Option<&str> {
        let arguments = self.container(container)?.args.as_deref().unwrap_or_default();
        arguments.iter().find_map(|argument| argument.strip_prefix(option)?.strip_prefix('='))
    }
}

fn installation(
    deployments: &Result<Vec<Deployment>, String>,
    namespace: Option<&str>,
) -> Result<(Finding, Installed), Finding> {
    let what = "installation";
    let all = match deployments {
        Ok(all) => all,
        Err(error) => {
            return Err(Finding::warn(what, error.clone(), "a kubeconfig whose user may list deployments"));
        }
    };
    let here: Vec<&Deployment> = all
        .iter()
        .filter(|one| namespace.is_none_or(|namespace| one.metadata.namespace.as_deref() == Some(namespace)))
        .collect();
    let [one] = here[..] else {
        return Err(if here.is_empty() {
            let fix = "helm install kontain-faas deploy/chart -n kontain-faas --create-namespace";
            Finding::fail(what, "there is none", fix)
        } else {
            Finding::fail(what, format!("there are {}", here.len()), "name one with -n NAMESPACE")
        });
    };
    let pod = one.spec.as_ref().and_then(|spec| spec.template.spec.clone()).unwrap_or_default();
    let installed = Installed {
        namespace: one.metadata.namespace.clone().unwrap_or_default(),
        name: one.metadata.name.clone().unwrap_or_default(),
        pod,
    };
    let wanted = one.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
    let ready = one.status.as_ref().and_then(|status| status.ready_replicas).unwrap_or(0);
    let found = format!("{}/{}: {ready} of {wanted} pods ready", installed.namespace, installed.name);
    let finding = if ready == 0 && wanted > 0 {
        Finding::fail(what, found, "what follows says why")
    } else if ready < wanted {
        Finding::warn(what, found, "what follows says why; a pod is ready when it has tried every Image")
    } else {
        Finding::ok(what, found)
    };
    Ok((finding, installed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    pub(super) fn object<T: serde::de::DeserializeOwned>(value: serde_json::Value) -> T {
        serde_json::from_value(value).unwrap()
    }

    fn deployment(namespace: &str, ready: i32) -> Deployment {
        object(json!({"metadata": {"name": "kontain-faas", "namespace": namespace},
            "spec": {"replicas": 2, "selector": {}, "template": {"spec": {"containers": [
                {"name": "downloader", "args": ["download", "--kube", "--watch-namespace=team"]}]}}},
            "status": {"readyReplicas": ready}}))
    }

    #[test]
    fn an_installation_is_found_wherever_it_is() {
        let verdict = |all: Vec<Deployment>, namespace| match installation(&Ok(all), namespace) {
            Ok((finding, _)) | Err(finding) => finding.verdict,
        };
        assert_eq!(verdict(vec![], None), Verdict::Fail);
        assert_eq!(verdict(vec![deployment("a", 2)], None), Verdict::Ok);
        assert_eq!(verdict(vec![deployment("a", 1)], None), Verdict::Warn);
        assert_eq!(verdict(vec![deployment("a", 0)], None), Verdict::Fail);
        assert_eq!(verdict(vec![deployment("a", 2)], Some("b")), Verdict::Fail);
        assert_eq!(verdict(vec![deployment("a", 2), deployment("b", 2)], None), Verdict::Fail);
        assert_eq!(verdict(vec![deployment("a", 2), deployment("b", 2)], Some("b")), Verdict::Ok);
        let (_, installed) = installation(&Ok(vec![deployment("a", 2)]), None).ok().unwrap();
        assert_eq!(installed.option("downloader", "--watch-namespace"), Some("team"));
        assert_eq!(installed.option("downloader", "--watch"), None);
    }

    #[test]
    fn old_clusters_are_told() {
        assert_eq!(version("1", "34+").verdict, Verdict::Ok);
        assert_eq!(version("1", "20").verdict, Verdict::Warn);
    }
}
