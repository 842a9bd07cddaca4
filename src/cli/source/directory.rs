//! A folder of documents, and the server that follows it.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Context;
use http::StatusCode;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use super::{LogLine, logs_path};
use crate::api::document::{self, Document};
use crate::api::image::{API_VERSION, KIND};
use crate::api::record::{BakeReport, Phase};
use crate::api::status::{ImageStatus, Replica, ReplicaPhase};
use crate::api::{FunctionName, ImageSpec};
use crate::cli::ask;
use crate::cluster::aggregate::aggregate;
use crate::cluster::entry::ready;
use crate::cluster::object::Object;

/// Where the admin port is if nothing else is said.
const ADMIN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 9090);

/// A folder.
pub struct Directory {
    folder: PathBuf,
    admin: SocketAddr,
    /// Namespace of names without one.
    pub namespace: String,
}

/// What the server says of a function.
#[derive(Deserialize)]
struct Served {
    name: FunctionName,
    #[serde(flatten)]
    report: BakeReport,
    spec: Option<ImageSpec>,
}

/// A document of the folder.
struct Found {
    file: PathBuf,
    /// Whether it is the only one of its file.
    alone: bool,
    document: Document,
}

impl Directory {
    /// A folder, and the admin port of its server.
    pub fn new(folder: PathBuf, namespace: String, admin: Option<SocketAddr>) -> Self {
        Self { folder, admin: admin.unwrap_or(ADMIN), namespace }
    }

    pub async fn get(&self, name: &FunctionName) -> anyhow::Result<Option<Object>> {
        Ok(self.list(true).await?.into_iter().find(|object| object.name().as_ref() == Some(name)))
    }

    pub async fn list(&self, all: bool) -> anyhow::Result<Vec<Object>> {
        let served = self.served().await;
        let mut objects = Vec::new();
        for found in self.documents()? {
            let Some(name) = found.document.name.as_ref().and_then(|name| name.parse::<FunctionName>().ok())
            else {
                continue;
            };
            if all || name.namespace() == self.namespace {
                objects.push(object(&name, &found, served.iter().find(|served| served.name == name)));
            }
        }
        Ok(objects)
    }

    /// Writes a function's document, in place of the one that is there.
    pub fn put(&self, name: &FunctionName, spec: &Value) -> anyhow::Result<()> {
        fs::create_dir_all(&self.folder)
            .with_context(|| format!("cannot make the folder {}", self.folder.display()))?;
        let file = match self.find(name)? {
            Some(found) => found,
            None => self.folder.join(format!("{}.{}.yaml", name.namespace(), name.function())),
        };
        let value = json!({"apiVersion": API_VERSION, "kind": KIND,
            "metadata": {"name": name.function(), "namespace": name.namespace()}, "spec": spec});
        let text = serde_saphyr::to_string(&value)?;
        if let Some(Err(problems)) = document::read(&text).pop().map(|document| document.image) {
            let lines: Vec<String> = problems
                .iter()
                .map(|problem| format!("{}: {}", problem.field.as_deref().unwrap_or("spec"), problem.message))
                .collect();
            anyhow::bail!("{}", lines.join("; "));
        }
        crate::volume::replace(&file, text.as_bytes())
            .with_context(|| format!("cannot write {}", file.display()))
    }

    pub fn remove(&self, name: &FunctionName) -> anyhow::Result<bool> {
        let Some(file) = self.find(name)? else { return Ok(false) };
        fs::remove_file(&file).with_context(|| format!("cannot remove {}", file.display()))?;
        Ok(true)
    }

    pub async fn logs(&self, name: &FunctionName, call: Option<&str>) -> anyhow::Result<Vec<LogLine>> {
        let (status, body) = self.ask(&logs_path(name, call)).await?;
        anyhow::ensure!(status == StatusCode::OK, "{name} is not published");
        Ok(serde_json::from_slice(&body)?)
    }

    /// The file that has a function's document and nothing else.
    fn find(&self, name: &FunctionName) -> anyhow::Result<Option<PathBuf>> {
        let mut found = self.documents()?.into_iter();
        let Some(found) = found.find(|found| found.document.name.as_deref() == Some(name.as_str())) else {
            return Ok(None);
        };
        anyhow::ensure!(
            found.alone,
            "{name} is in {} together with others: edit that file",
            found.file.display()
        );
        Ok(Some(found.file))
    }

    fn documents(&self) -> anyhow::Result<Vec<Found>> {
        let mut all = Vec::new();
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(all),
            entries => entries.with_context(|| format!("cannot read {}", self.folder.display()))?,
        };
        let mut files: Vec<PathBuf> =
            entries.flatten().map(|entry| entry.path()).filter(|path| is_document(path)).collect();
        files.sort();
        for file in files {
            let text =
                fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
            let documents = document::read(&text);
            let alone = documents.len() == 1;
            all.extend(documents.into_iter().map(|document| Found { file: file.clone(), alone, document }));
        }
        Ok(all)
    }

    /// What the server says; nothing when there is none.
    async fn served(&self) -> Vec<Served> {
        match self.ask("/functions").await {
            Ok((StatusCode::OK, body)) => serde_json::from_slice(&body).unwrap_or_default(),
            _ => Vec::new(),
        }
    }

    async fn ask(&self, path: &str) -> anyhow::Result<(StatusCode, bytes::Bytes)> {
        let stream = TcpStream::connect(self.admin)
            .await
            .with_context(|| format!("no server at {}: name its admin port with --admin", self.admin))?;
        ask::get(stream, &self.admin.to_string(), path).await
    }
}

fn is_document(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    !name.starts_with('.') && (name.ends_with(".yaml") || name.ends_with(".yml"))
}

/// The document as an object of a cluster would be, with what the server says as its status.
fn object(name: &FunctionName, found: &Found, served: Option<&Served>) -> Object {
    let (spec, problem) = match &found.document.image {
        Ok(image) => (serde_json::to_value(&image.spec).unwrap_or_default(), None),
        Err(problems) => {
            (Value::Null, problems.first().map(|problem| format!("{}: {problem}", found.file.display())))
        }
    };
    let current = served.filter(|served| {
        let wanted = found.document.image.as_ref().map(|image| &image.spec).ok();
        served.report.phase != Phase::Ready || served.spec.as_ref() == wanted
    });
    let (phase, reason, message) = match (problem, current) {
        (Some(problem), _) => (ReplicaPhase::PullFailed, "InvalidSpec".to_owned(), problem),
        (None, None) => {
            let message = "the server has not published this yet; its log says why if it cannot".to_owned();
            (ReplicaPhase::Pulling, "Pulling".to_owned(), message)
        }
        (None, Some(served)) => match served.report.phase {
            Phase::Baking => (ReplicaPhase::Baking, "Baking".to_owned(), served.report.message.clone()),
            Phase::Ready => ready(&served.report),
            Phase::Failed => {
                (ReplicaPhase::BakeFailed, served.report.reason.clone(), served.report.message.clone())
            }
        },
    };
    let digest = served.and_then(|served| served.report.serving.clone());
    let replica =
        Replica { name: "server".to_owned(), digest, phase, reason, message, observed_generation: 0 };
    let together = aggregate(std::slice::from_ref(&replica), 0, &[], "");
    let status = ImageStatus {
        conditions: together.conditions,
        digest: together.digest,
        message: Some(together.message),
        replicas: vec![replica],
    };
    let metadata = ObjectMeta {
        name: Some(name.function().to_owned()),
        namespace: Some(name.namespace().to_owned()),
        ..ObjectMeta::default()
    };
    Object { metadata, spec, status: Some(status) }
}
