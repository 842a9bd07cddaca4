//! What commands do with the Images of a cluster, in the name of the kubeconfig's user.

use std::net::SocketAddr;

use anyhow::Context;
use http::StatusCode;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::api::networking::v1::Ingress;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::{Value, json};
use tokio::net::TcpStream;

use api::image::{API_VERSION, KIND};
use api::{FunctionName, ImageObject};

use super::client::{ConnectOptions, code, words};
use super::object::Object;
use crate::source::admin::{self, logs_path};
use crate::source::{Answer, ImageCatalog, LogLine, Marks};

/// How the pods and the Ingress of an installation are marked.
const LABEL: &str = "app.kubernetes.io/name=kontain-faas";
/// The admin port within a pod.
const ADMIN_PORT: u16 = 9090;
/// In whose name fields are changed.
const MANAGER: &str = "kubectl-kontain";

/// A cluster, by kubeconfig.
pub struct ClusterCatalog {
    client: Client,
    admin: Option<SocketAddr>,
    namespace: String,
}

impl ClusterCatalog {
    /// The cluster that the options name.
    ///
    /// # Errors
    /// When there is no usable kubeconfig.
    pub async fn connect(
        options: &ConnectOptions,
        namespace: Option<String>,
        admin: Option<SocketAddr>,
    ) -> anyhow::Result<Self> {
        let config = options.config().await.context(
            "no cluster: name a kubeconfig with --kubeconfig or KUBECONFIG, or a folder of documents with --images",
        )?;
        let namespace = namespace.unwrap_or_else(|| config.default_namespace.clone());
        Ok(Self { client: Client::try_from(config)?, admin, namespace })
    }

    fn api(&self, namespace: &str) -> Api<Object> {
        Api::namespaced(self.client.clone(), namespace)
    }

    async fn put(&self, name: &FunctionName, spec: &Value, old: Option<&ImageObject>) -> anyhow::Result<i64> {
        let api = self.api(name.namespace());
        let object = match old {
            Some(old) => {
                // What is not said any more has to be said to be gone.
                let mut fields = spec.clone();
                if let (Some(fields), Some(before)) = (fields.as_object_mut(), old.spec.as_object()) {
                    for key in before.keys() {
                        fields.entry(key.clone()).or_insert(Value::Null);
                    }
                }
                let patch =
                    json!({"metadata": {"resourceVersion": old.metadata["resourceVersion"]}, "spec": fields});
                let params =
                    PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
                api.patch(name.function(), &params, &Patch::Merge(&patch)).await.map_err(told)?
            }
            None => {
                let object = json!({"apiVersion": API_VERSION, "kind": KIND,
                    "metadata": {"name": name.function(), "namespace": name.namespace()}, "spec": spec});
                let params = PostParams { field_manager: Some(MANAGER.to_owned()), ..PostParams::default() };
                let dynamic: Api<kube::core::DynamicObject> = Api::namespaced_with(
                    self.client.clone(),
                    name.namespace(),
                    &kube::core::ApiResource::erase::<Object>(&()),
                );
                let created =
                    dynamic.create(&params, &serde_json::from_value(object)?).await.map_err(told)?;
                return Ok(created.metadata.generation.unwrap_or_default());
            }
        };
        Ok(object.metadata.generation.unwrap_or_default())
    }

    async fn events(&self, name: &FunctionName) -> anyhow::Result<Vec<String>> {
        let events: Api<Event> = Api::namespaced(self.client.clone(), name.namespace());
        let mut found = events.list(&ListParams::default()).await.map_err(told)?.items;
        found.retain(|event| {
            event.regarding.as_ref().is_some_and(|about| {
                about.kind.as_deref() == Some(KIND) && about.name.as_deref() == Some(name.function())
            })
        });
        let time = |event: &Event| {
            let series = event.series.as_ref().map(|series| series.last_observed_time.0);
            series.or_else(|| event.event_time.as_ref().map(|time| time.0))
        };
        found.sort_by_key(time);
        let line = |event: &Event| {
            let when = time(event).map(|time| time.to_string()).unwrap_or_default();
            let many =
                event.series.as_ref().map(|series| format!(" (x{})", series.count)).unwrap_or_default();
            let text = |text: &Option<String>| text.clone().unwrap_or_default();
            format!("{when} {} {}: {}{many}", text(&event.type_), text(&event.reason), text(&event.note))
        };
        Ok(found.iter().map(line).collect())
    }

    /// Lines of all replicas, in the order of their times.
    async fn logs(&self, name: &FunctionName, call: Option<&str>) -> anyhow::Result<Vec<LogLine>> {
        let path = logs_path(name, call);
        if let Some(address) = self.admin {
            let stream =
                TcpStream::connect(address).await.with_context(|| format!("no server at {address}"))?;
            return lines(name, admin::get(stream, &address.to_string(), &path).await?);
        }
        let pods: Api<Pod> = Api::all(self.client.clone());
        let pods = pods.list(&ListParams::default().labels(LABEL)).await.map_err(told)?;
        anyhow::ensure!(
            !pods.items.is_empty(),
            "no pod has the label {LABEL}: name an admin port with --admin"
        );
        let mut all = Vec::new();
        for pod in pods {
            let (Some(pod_name), Some(namespace)) = (pod.metadata.name, pod.metadata.namespace) else {
                continue;
            };
            let api: Api<Pod> = Api::namespaced(self.client.clone(), &namespace);
            let mut forward = api.portforward(&pod_name, &[ADMIN_PORT]).await.map_err(told)?;
            let Some(stream) = forward.take_stream(ADMIN_PORT) else { continue };
            match admin::get(stream, "localhost", &path).await {
                Ok(answer) => all.extend(lines(name, answer).unwrap_or_default()),
                Err(error) => eprintln!("{pod_name}: {error:#}"),
            }
        }
        all.sort_by(|a, b| a.time.cmp(&b.time));
        Ok(all)
    }
}

impl ImageCatalog for ClusterCatalog {
    fn namespace(&self) -> &str {
        &self.namespace
    }

    fn takes_local_images(&self) -> bool {
        false
    }

    fn get<'a>(&'a self, name: &'a FunctionName) -> Answer<'a, anyhow::Result<Option<ImageObject>>> {
        Box::pin(async move {
            let found = self.api(name.namespace()).get_opt(name.function()).await.map_err(told)?;
            Ok(found.and_then(Object::into_shown))
        })
    }

    fn list(&self, all: bool) -> Answer<'_, anyhow::Result<Vec<ImageObject>>> {
        Box::pin(async move {
            let api = if all { Api::all(self.client.clone()) } else { self.api(&self.namespace) };
            let found = api.list(&ListParams::default()).await.map_err(told)?;
            Ok(found.items.into_iter().filter_map(Object::into_shown).collect())
        })
    }

    fn put<'a>(
        &'a self,
        name: &'a FunctionName,
        spec: &'a Value,
        marks: Option<&'a Marks>,
        old: Option<&'a ImageObject>,
    ) -> Answer<'a, anyhow::Result<i64>> {
        Box::pin(async move {
            // Those of an object there are owned by whoever applied them, and merging cannot take one away.
            anyhow::ensure!(marks.is_none(), "labels and annotations are set in a folder of documents only");
            self.put(name, spec, old).await
        })
    }

    fn remove<'a>(&'a self, name: &'a FunctionName) -> Answer<'a, anyhow::Result<bool>> {
        Box::pin(async move {
            match self.api(name.namespace()).delete(name.function(), &DeleteParams::default()).await {
                Ok(_) => Ok(true),
                Err(error) if code(&error) == Some(404) => Ok(false),
                Err(error) => Err(told(error)),
            }
        })
    }

    fn logs<'a>(
        &'a self,
        name: &'a FunctionName,
        call: Option<&'a str>,
    ) -> Answer<'a, anyhow::Result<Vec<LogLine>>> {
        Box::pin(self.logs(name, call))
    }

    fn events<'a>(&'a self, name: &'a FunctionName) -> Answer<'a, anyhow::Result<Vec<String>>> {
        Box::pin(self.events(name))
    }

    fn url(&self) -> Answer<'_, anyhow::Result<Option<String>>> {
        Box::pin(async move {
            let ingresses: Api<Ingress> = Api::all(self.client.clone());
            // Users who may not look still get the path.
            let found = ingresses.list(&ListParams::default().labels(LABEL)).await;
            Ok(found.ok().and_then(|found| found.items.iter().find_map(address)))
        })
    }
}

fn address(ingress: &Ingress) -> Option<String> {
    let spec = ingress.spec.as_ref()?;
    let host = spec.rules.iter().flatten().find_map(|rule| rule.host.clone());
    let balancer = ingress.status.as_ref().and_then(|status| status.load_balancer.as_ref());
    let balancer = balancer.and_then(|balancer| balancer.ingress.as_ref()).and_then(|all| all.first());
    let balancer = balancer.and_then(|one| one.hostname.clone().or_else(|| one.ip.clone()));
    let scheme = if spec.tls.iter().flatten().next().is_some() { "https" } else { "http" };
    host.or(balancer).map(|host| format!("{scheme}://{host}"))
}

fn lines(name: &FunctionName, (status, body): (StatusCode, bytes::Bytes)) -> anyhow::Result<Vec<LogLine>> {
    anyhow::ensure!(status == StatusCode::OK, "{name} is not served there");
    Ok(serde_json::from_slice(&body)?)
}

/// The API server's own words; they name the field that is wrong.
fn told(error: kube::Error) -> anyhow::Error {
    match code(&error) {
        Some(404) if words(&error).contains("could not find the requested resource") => anyhow::anyhow!(
            "the cluster does not know Images: install the chart, or `kontain-faas crds | kubectl apply -f -`"
        ),
        _ => anyhow::anyhow!("{}", words(&error)),
    }
}
