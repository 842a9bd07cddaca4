//! The questions to the API server, and what is asked of pods and of the Ingress.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::Context;
use http::StatusCode;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec};
use k8s_openapi::api::core::v1::{Node, Pod};
use k8s_openapi::api::networking::v1::{Ingress, IngressClass};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{ListParams, PostParams};
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use kube::{Api, Client};
use serde::de::DeserializeOwned;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::rights::{self, Place, Right};
use super::route::{self, Address};
use super::{Finding, Installed, definition, device, images, pods};
use crate::source::admin;
use crate::source::cluster::client::{ConnectOptions, code, words};
use crate::source::cluster::object::Object;
use api::crd::{GROUP, PLURAL};

/// How the objects of an installation are marked.
const LABEL: &str = "app.kubernetes.io/name=kontain-faas";
/// Containers of the pods and their admin ports.
const ADMIN_PORTS: [(&str, u16); 2] = [("server", 9090), ("downloader", 9091)];
/// What an answer of a pod or of the Ingress may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// What the API server may take for one answer.
const API_PATIENCE: Duration = Duration::from_secs(20);

/// A cluster to look at.
pub struct Cluster {
    client: Client,
}

impl Cluster {
    pub async fn connect(options: &ConnectOptions) -> anyhow::Result<Self> {
        let advice = "no cluster: name a kubeconfig with --kubeconfig or KUBECONFIG";
        let mut config = options.config().await.context(advice)?;
        config.connect_timeout = Some(PATIENCE);
        config.read_timeout = Some(API_PATIENCE);
        Ok(Self { client: Client::try_from(config)? })
    }

    /// Major and minor version of the API server.
    pub async fn version(&self) -> Result<(String, String), String> {
        let version = self.client.apiserver_version().await.map_err(|error| words(&error))?;
        Ok((version.major, version.minor))
    }

    pub async fn definition(&self) -> Finding {
        let api: Api<CustomResourceDefinition> = Api::all(self.client.clone());
        match api.get_opt(&format!("{PLURAL}.{GROUP}")).await {
            Ok(found) => definition::finding(found.as_ref()),
            Err(error) => unseen("definition", &words(&error)),
        }
    }

    pub async fn deployments(&self) -> Result<Vec<Deployment>, String> {
        list(&Api::all(self.client.clone()), LABEL).await
    }

    pub async fn images(&self) -> Finding {
        match list::<Object>(&Api::all(self.client.clone()), "").await {
            Ok(all) => images::finding(&all),
            Err(error) => unseen("functions", &error),
        }
    }

    /// All that is about one installation.
    pub async fn installed(&self, installed: &Installed) -> Vec<Finding> {
        let mut findings = vec![self.rights(installed).await, self.device(installed).await];
        findings.extend(self.secrets(installed).await);
        findings.extend(self.addresses(installed).await);
        findings.extend(self.pods(installed).await);
        findings.push(self.route(installed).await);
        findings
    }

    async fn rights(&self, installed: &Installed) -> Finding {
        let account = installed.pod.service_account_name.as_deref().unwrap_or("default");
        let watched = installed.option("downloader", "--watch-namespace");
        let mut answers = Vec::new();
        for right in rights::ASKED {
            let namespace = match right.place {
                Place::Watched => watched,
                Place::Own => Some(installed.namespace.as_str()),
            };
            match self.allowed(&right, &installed.namespace, account, namespace).await {
                Ok(allowed) => answers.push((right, allowed)),
                Err(error) => return unseen("rights", &error),
            }
        }
        rights::finding(&format!("{}/{account}", installed.namespace), &answers)
    }

    /// Whether the Secrets that Images name may be read; nothing to say where they may, or where none names any.
    async fn secrets(&self, installed: &Installed) -> Option<Finding> {
        let account = installed.pod.service_account_name.as_deref().unwrap_or("default");
        let images = list::<Object>(&Api::all(self.client.clone()), "").await.ok()?;
        let watched = installed.option("downloader", "--watch-namespace");
        let namespaces: BTreeSet<String> = images
            .iter()
            .filter(|image| names_secrets(image))
            .filter_map(|image| image.metadata.namespace.clone())
            .filter(|namespace| watched.is_none_or(|watched| watched == namespace))
            .collect();
        let mut without = Vec::new();
        for namespace in namespaces {
            match self.allowed(&rights::SECRETS, &installed.namespace, account, Some(&namespace)).await {
                Ok(true) => {}
                Ok(false) => without.push(namespace),
                Err(error) => return Some(unseen("secrets", &error)),
            }
        }
        rights::secrets(&format!("{}-secrets", installed.name), &installed.namespace, account, &without)
    }

    /// Whether the addresses of nodes and API server may be followed; nothing to say where they may.
    async fn addresses(&self, installed: &Installed) -> Option<Finding> {
        let account = installed.pod.service_account_name.as_deref().unwrap_or("default");
        let mut without = Vec::new();
        for (right, namespace) in rights::ADDRESSES {
            match self.allowed(&right, &installed.namespace, account, namespace).await {
                Ok(true) => {}
                Ok(false) => without.push(right),
                Err(error) => return Some(unseen("addresses", &error)),
            }
        }
        rights::addresses(&format!("{}/{account}", installed.namespace), &without)
    }

    /// Whether a service account has a right, in a namespace or in all of them.
    async fn allowed(
        &self,
        right: &Right,
        home: &str,
        account: &str,
        namespace: Option<&str>,
    ) -> Result<bool, String> {
        let review = SubjectAccessReview {
            spec: SubjectAccessReviewSpec {
                user: Some(format!("system:serviceaccount:{home}:{account}")),
                groups: Some(vec![
                    "system:serviceaccounts".to_owned(),
                    format!("system:serviceaccounts:{home}"),
                    "system:authenticated".to_owned(),
                ]),
                resource_attributes: Some(ResourceAttributes {
                    verb: Some(right.verb.to_owned()),
                    group: Some(right.group.to_owned()),
                    resource: Some(right.resource.to_owned()),
                    subresource: Some(right.subresource.to_owned()),
                    namespace: namespace.map(str::to_owned),
                    ..ResourceAttributes::default()
                }),
                ..SubjectAccessReviewSpec::default()
            },
            ..SubjectAccessReview::default()
        };
        let api: Api<SubjectAccessReview> = Api::all(self.client.clone());
        let answer = api.create(&PostParams::default(), &review).await.map_err(|error| words(&error))?;
        Ok(answer.status.is_some_and(|status| status.allowed))
    }

    async fn device(&self, installed: &Installed) -> Finding {
        match list::<Node>(&Api::all(self.client.clone()), "").await {
            Ok(nodes) => device::finding(installed.container("server"), &nodes),
            Err(error) => unseen("device", &error),
        }
    }

    async fn pods(&self, installed: &Installed) -> Vec<Finding> {
        let api: Api<Pod> = Api::namespaced(self.client.clone(), &installed.namespace);
        let all = match list(&api, LABEL).await {
            Ok(all) => pods::alive(all),
            Err(error) => return vec![unseen("pods", &error)],
        };
        let (mut reasons, mut ready) = (Vec::new(), Vec::new());
        for pod in &all {
            let name = pod.metadata.name.clone().unwrap_or_default();
            let mut answers = Vec::new();
            for container in pods::unready(pod) {
                answers.extend(unready(&api, &name, container).await);
            }
            if pods::is_ready(pod)
                && let Some((_, text)) = readiness(&api, &name, "server").await
            {
                ready.push((name.clone(), text));
            }
            reasons.extend(pods::reason(pod, &answers).map(|reason| (name, reason)));
        }
        vec![pods::image(&all), pods::finding(all.len(), &reasons), pods::jail(&ready)]
    }

    async fn route(&self, installed: &Installed) -> Finding {
        let api: Api<Ingress> = Api::namespaced(self.client.clone(), &installed.namespace);
        let all = match list(&api, LABEL).await {
            Ok(all) => all,
            Err(error) => return unseen("ingress", &error),
        };
        let Some(one) = all.first() else { return self.http_route(installed).await };
        let classes = match list::<IngressClass>(&Api::all(self.client.clone()), "").await {
            Ok(classes) => classes,
            Err(error) => return unseen("ingress", &error),
        };
        match route::ingress(one, &classes) {
            Ok(address) => route::tried(&address, &answer(&address).await),
            Err(finding) => finding,
        }
    }

    async fn http_route(&self, installed: &Installed) -> Finding {
        let kind = GroupVersionKind::gvk("gateway.networking.k8s.io", "v1", "HTTPRoute");
        let resource = ApiResource::from_gvk(&kind);
        let api: Api<DynamicObject> =
            Api::namespaced_with(self.client.clone(), &installed.namespace, &resource);
        match api.list(&ListParams::default().labels(LABEL)).await {
            Ok(found) => match found.items.first() {
                Some(found) => route::http_route(found),
                None => route::none(&installed.name),
            },
            // The cluster does not know the Gateway API.
            Err(error) if code(&error) == Some(404) => route::none(&installed.name),
            Err(error) => unseen("ingress", &words(&error)),
        }
    }
}

/// Whether an Image needs a Secret of its namespace.
fn names_secrets(image: &Object) -> bool {
    let spec = &image.spec;
    let list = |key: &str| spec[key].as_array().into_iter().flatten();
    list("secrets").chain(list("imagePullSecrets")).next().is_some()
        || list("env").any(|variable| variable["valueFrom"].is_object())
}

async fn list<K>(api: &Api<K>, label: &str) -> Result<Vec<K>, String>
where
    K: Clone + DeserializeOwned + std::fmt::Debug,
{
    let found = api.list(&ListParams::default().labels(label)).await;
    found.map(|found| found.items).map_err(|error| words(&error))
}

fn unseen(what: &'static str, error: &str) -> Finding {
    Finding::warn(what, format!("cannot be looked at: {error}"), "a kubeconfig whose user may")
}

/// What a container that is not ready says of itself; nothing when it cannot be asked.
async fn unready(api: &Api<Pod>, pod: &str, container: &str) -> Option<String> {
    let (status, text) = readiness(api, pod, container).await?;
    (!status.is_success()).then(|| format!("{container}: {}", text.trim()))
}

/// What a container answers to `/readyz`.
async fn readiness(api: &Api<Pod>, pod: &str, container: &str) -> Option<(StatusCode, String)> {
    let (_, port) = ADMIN_PORTS.into_iter().find(|(name, _)| *name == container)?;
    let asked = async {
        let mut forward = api.portforward(pod, &[port]).await.ok()?;
        let stream = forward.take_stream(port)?;
        admin::get(stream, "localhost", "/readyz").await.ok()
    };
    let (status, body) = timeout(PATIENCE, asked).await.ok()??;
    Some((status, String::from_utf8_lossy(&body).into_owned()))
}

/// What a health check through the Ingress is answered with. Over TLS only the connection is tried.
async fn answer(address: &Address) -> Result<u16, String> {
    let port = if address.tls { 443 } else { 80 };
    let asked = async {
        let stream =
            TcpStream::connect((address.peer.as_str(), port)).await.map_err(|error| error.to_string())?;
        if address.tls {
            return Ok(200);
        }
        let (status, _) =
            admin::get(stream, &address.host, "/healthz").await.map_err(|error| format!("{error:#}"))?;
        Ok(status.as_u16())
    };
    timeout(PATIENCE, asked).await.unwrap_or_else(|_| Err("no answer within 5 s".to_owned()))
}
