//! What commands do with the documents of a folder; what is said of them comes from the node that serves them.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use anyhow::Context;
use api::document::{self, Document};
use api::image::{API_VERSION, DEFAULT_NAMESPACE, KIND, Metadata};
use api::status::{Condition, ImageStatus, READY, Truth};
use api::{FunctionName, ImageObject};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use volume::FileStamp;
use volume::statuses::NamedStatus;

use super::documents::{is_document, lost_below, object, parse, twice};
use super::secrets::SECRETS;
use crate::source::admin::{self, logs_path};
use crate::source::{Answer, ImageCatalog, LogLine, Marks, NO_SERVER};

/// Where the admin port is if nothing else is said.
const ADMIN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9090);
/// Where functions are called if nothing else is said.
const URL: &str = "http://127.0.0.1:8080";
/// A server that is there answers within this time.
const ANSWER: Duration = Duration::from_secs(5);

/// A folder, and the admin port of the node that serves it.
pub struct FolderCatalog {
    folder: PathBuf,
    admin: SocketAddr,
    namespace: String,
}

/// A document of the folder.
struct Found {
    file: PathBuf,
    stamp: FileStamp,
    /// Whether it is the only one of its file.
    alone: bool,
    document: Document,
}

impl Found {
    /// The object with the metadata that people are shown.
    fn shown(&self) -> Option<ImageObject> {
        let mut object = object(&self.file, self.stamp, &self.document)?;
        let (function, namespace) = (object.name.function(), object.name.namespace());
        let mut metadata = json!({"name": function, "namespace": namespace});
        if let Ok(image) = &self.document.image {
            for (key, marks) in
                [("labels", &image.metadata.labels), ("annotations", &image.metadata.annotations)]
            {
                if !marks.is_empty() {
                    metadata[key] = json!(marks);
                }
            }
            if let Some(time) = &image.metadata.creation_timestamp {
                metadata["creationTimestamp"] = json!(time);
            }
        }
        object.metadata = metadata;
        Some(object)
    }

    /// What a new version of the document keeps of its metadata.
    fn metadata(&self) -> Metadata {
        self.document.image.as_ref().map(|image| image.metadata.clone()).unwrap_or_default()
    }
}

impl FolderCatalog {
    /// The documents of `folder`.
    #[must_use]
    pub fn new(folder: PathBuf, namespace: Option<String>, admin: Option<SocketAddr>) -> Self {
        let namespace = namespace.unwrap_or_else(|| DEFAULT_NAMESPACE.to_owned());
        Self { folder, admin: admin.unwrap_or(ADMIN), namespace }
    }

    async fn list(&self, all: bool) -> anyhow::Result<Vec<ImageObject>> {
        let statuses = self.statuses().await;
        let mut objects = HashMap::new();
        for mut object in self.documents()?.iter().filter_map(Found::shown) {
            if !all && object.name.namespace() != self.namespace {
                continue;
            }
            object.status = Some(match &statuses {
                Ok(statuses) => statuses.get(&object.name).cloned().unwrap_or_else(|| {
                    let why = "the server has not published this yet; its log says why if it cannot";
                    unknown("Pulling", 0, why.to_owned())
                }),
                Err(error) => unknown(NO_SERVER, i64::MAX, format!("{error:#}")),
            });
            // The first one counts, as for the node.
            match objects.entry(object.name.clone()) {
                Entry::Vacant(place) => drop(place.insert(object)),
                Entry::Occupied(mut place) => {
                    let told = twice(&object, place.get());
                    say(place.get_mut(), told);
                }
            }
        }
        Ok(objects.into_values().collect())
    }

    /// Where its secrets lie.
    pub(super) fn secrets_folder(&self) -> PathBuf {
        self.folder.join(SECRETS)
    }

    /// Writes a function's document, in place of the one that is there.
    fn write(&self, name: &FunctionName, spec: &Value, marks: Option<&Marks>) -> anyhow::Result<i64> {
        fs::create_dir_all(&self.folder)
            .with_context(|| format!("cannot make the folder {}", self.folder.display()))?;
        let (file, mut metadata) = match self.find(name)? {
            Some(found) => (found.file.clone(), found.metadata()),
            None => {
                let now = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
                let metadata = Metadata { creation_timestamp: Some(now), ..Metadata::default() };
                (self.folder.join(format!("{}.{}.yaml", name.namespace(), name.function())), metadata)
            }
        };
        (metadata.name, metadata.namespace) = (name.function().to_owned(), name.namespace().to_owned());
        if let Some(Marks { labels, annotations }) = marks {
            (metadata.labels, metadata.annotations) = (labels.clone(), annotations.clone());
        }
        let mut metadata = serde_json::to_value(&metadata)?;
        metadata.as_object_mut().map(|fields| fields.remove("generation"));
        let value = json!({"apiVersion": API_VERSION, "kind": KIND, "metadata": metadata, "spec": spec});
        let text = serde_saphyr::to_string(&value)?;
        if let Some(Err(problems)) = document::read(&text).pop().map(|document| document.image) {
            let lines: Vec<String> = problems
                .iter()
                .map(|problem| format!("{}: {}", problem.field.as_deref().unwrap_or("spec"), problem.message))
                .collect();
            anyhow::bail!("{}", lines.join("; "));
        }
        volume::replace(&file, text.as_bytes())
            .with_context(|| format!("cannot write {}", file.display()))?;
        let data = fs::metadata(&file).with_context(|| format!("cannot read {}", file.display()))?;
        Ok(FileStamp::of(&data).mtime_micros())
    }

    /// A function's document, if its file has no other one.
    fn find(&self, name: &FunctionName) -> anyhow::Result<Option<Found>> {
        let mut found = self.documents()?.into_iter();
        let Some(found) = found.find(|found| found.document.name.as_deref() == Some(name.as_str())) else {
            return Ok(None);
        };
        anyhow::ensure!(
            found.alone,
            "{name} is in {} together with others: edit that file",
            found.file.display()
        );
        Ok(Some(found))
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
            let cannot = || format!("cannot read {}", file.display());
            let stamp = FileStamp::of(&fs::metadata(&file).with_context(cannot)?);
            let text = fs::read_to_string(&file).with_context(cannot)?;
            let documents = parse(&file, &text).unwrap_or_default();
            let alone = documents.len() == 1;
            let found = |document| Found { file: file.clone(), stamp, alone, document };
            all.extend(documents.into_iter().map(found));
        }
        Ok(all)
    }

    /// What is said of the Images, by function.
    async fn statuses(&self) -> anyhow::Result<HashMap<FunctionName, ImageStatus>> {
        let (status, body) = self.ask("/images").await?;
        anyhow::ensure!(status == StatusCode::OK, "the server at {} answers {status}", self.admin);
        let statuses: Vec<NamedStatus> = serde_json::from_slice(&body)?;
        Ok(statuses.into_iter().map(|one| (one.name, one.status)).collect())
    }

    async fn ask(&self, path: &str) -> anyhow::Result<(StatusCode, bytes::Bytes)> {
        let nobody = || {
            format!(
                "no server answers at {}: start one with `kontain-faas serve`, or name its admin port with --admin",
                self.admin
            )
        };
        let answer = async {
            let stream = TcpStream::connect(self.admin).await?;
            admin::get(stream, &self.admin.to_string(), path).await
        };
        let answer = tokio::time::timeout(ANSWER, answer).await;
        answer
            .unwrap_or_else(|_| Err(anyhow::anyhow!("nothing came within {} s", ANSWER.as_secs())))
            .with_context(nobody)
    }
}

/// What an entry of `/functions` says of a function's calls.
#[derive(Deserialize)]
struct Counted {
    name: FunctionName,
    answered: u64,
}

/// Adds to what is said of an Image.
fn say(object: &mut ImageObject, what: Option<String>) {
    let said = object.status.as_mut().map(|status| &mut status.message);
    if let (Some(what), Some(message)) = (what, said) {
        *message = Some([message.take(), Some(what)].into_iter().flatten().collect::<Vec<_>>().join("; "));
    }
}

/// What is said of an Image of which nothing is known.
fn unknown(reason: &str, observed_generation: i64, why: String) -> ImageStatus {
    let condition = Condition {
        kind: READY.to_owned(),
        status: Truth::Unknown,
        observed_generation,
        last_transition_time: String::new(),
        reason: reason.to_owned(),
        message: why.clone(),
    };
    ImageStatus { conditions: vec![condition], message: Some(why), ..ImageStatus::default() }
}

impl ImageCatalog for FolderCatalog {
    fn namespace(&self) -> &str {
        &self.namespace
    }

    fn takes_local_images(&self) -> bool {
        true
    }

    fn get<'a>(&'a self, name: &'a FunctionName) -> Answer<'a, anyhow::Result<Option<ImageObject>>> {
        Box::pin(async move { Ok(self.list(true).await?.into_iter().find(|object| object.name == *name)) })
    }

    fn list(&self, all: bool) -> Answer<'_, anyhow::Result<Vec<ImageObject>>> {
        Box::pin(self.list(all))
    }

    fn passed_over(&self) -> Vec<String> {
        lost_below(&self.folder)
    }

    fn put<'a>(
        &'a self,
        name: &'a FunctionName,
        spec: &'a Value,
        marks: Option<&'a Marks>,
        _: Option<&'a ImageObject>,
    ) -> Answer<'a, anyhow::Result<i64>> {
        Box::pin(async move { self.write(name, spec, marks) })
    }

    fn remove<'a>(&'a self, name: &'a FunctionName) -> Answer<'a, anyhow::Result<bool>> {
        Box::pin(async move {
            let Some(Found { file, .. }) = self.find(name)? else { return Ok(false) };
            fs::remove_file(&file).with_context(|| format!("cannot remove {}", file.display()))?;
            Ok(true)
        })
    }

    fn logs<'a>(
        &'a self,
        name: &'a FunctionName,
        call: Option<&'a str>,
    ) -> Answer<'a, anyhow::Result<Vec<LogLine>>> {
        Box::pin(async move {
            let (status, body) = self.ask(&logs_path(name, call)).await?;
            anyhow::ensure!(status == StatusCode::OK, "{name} is not published");
            Ok(serde_json::from_slice(&body)?)
        })
    }

    fn answered(&self) -> Answer<'_, anyhow::Result<HashMap<FunctionName, u64>>> {
        Box::pin(async move {
            let (status, body) = self.ask("/functions").await?;
            anyhow::ensure!(status == StatusCode::OK, "the server at {} answers {status}", self.admin);
            let functions: Vec<Counted> = serde_json::from_slice(&body)?;
            Ok(functions.into_iter().map(|one| (one.name, one.answered)).collect())
        })
    }

    fn events<'a>(&'a self, _: &'a FunctionName) -> Answer<'a, anyhow::Result<Vec<String>>> {
        Box::pin(std::future::ready(Ok(Vec::new())))
    }

    fn url(&self) -> Answer<'_, anyhow::Result<Option<String>>> {
        Box::pin(std::future::ready(Ok(Some(URL.to_owned()))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_keeps_its_marks() {
        let folder = tempfile::tempdir().unwrap();
        let catalog = FolderCatalog::new(folder.path().to_owned(), None, None);
        let name: FunctionName = "team/hello".parse().unwrap();
        // Texts that YAML could take for something else.
        let nasty =
            ["yes", "1.0", "null", "a: b", "- x", "#", "two\nlines\n", " ", "\u{85}", "'\"", "0x1F", "~"];
        let labels = nasty.iter().map(|text| ((*text).to_owned(), (*text).to_owned())).collect();
        let marks = Marks { labels, annotations: [("k".to_owned(), "v".to_owned())].into() };
        let spec = |value: &str| json!({"image": "r.example/x:1", "env": [{"name": "A", "value": value}]});
        catalog.write(&name, &spec("yes"), Some(&marks)).unwrap();
        let read = |catalog: &FolderCatalog| catalog.find(&name).unwrap().unwrap();
        let first = read(&catalog).metadata();
        assert_eq!((&first.labels, &first.annotations), (&marks.labels, &marks.annotations));
        for text in nasty {
            // As `publish` does, which knows nothing of them.
            catalog.write(&name, &spec(text), None).unwrap();
            let found = read(&catalog);
            assert_eq!(found.metadata(), first);
            assert_eq!(found.document.image.unwrap().spec.env[0].value, text);
        }
        catalog.write(&name, &spec("x"), Some(&Marks::default())).unwrap();
        let bare = read(&catalog).metadata();
        assert!(bare.labels.is_empty() && bare.annotations.is_empty());
        assert_eq!(bare.creation_timestamp, first.creation_timestamp);
        assert!(read(&catalog).shown().unwrap().metadata["creationTimestamp"].is_string());
    }
}
