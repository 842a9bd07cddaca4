//! `kontain-faas list`: the functions of a namespace, or of all of them.

use std::process::ExitCode;

use serde_json::json;

use super::output::{Format, print, table};
use super::source::ViewArgs;
use api::ImageObject;
use api::image::{API_VERSION, KIND};
use api::status::READY;

/// Characters of a digest that people read.
const SHORT_DIGEST: usize = 19;

/// Options of `list`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The functions of all namespaces.
    #[arg(short = 'A', long, env = "KONTAIN_ALL_NAMESPACES", value_parser = clap::builder::FalseyValueParser::new())]
    pub all_namespaces: bool,
    /// How, and of which source.
    #[command(flatten)]
    pub view: ViewArgs,
}

/// Prints a line for each function of the source.
///
/// # Errors
/// When the source cannot be asked.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (mut objects, passed_over) = runtime.block_on(async {
        let catalog = args.view.source.open().await?;
        anyhow::Ok((catalog.list(args.all_namespaces).await?, catalog.passed_over()))
    })?;
    for text in passed_over {
        eprintln!("{text}");
    }
    objects.sort_by(|a, b| a.name.cmp(&b.name));
    if args.view.output != Format::Table {
        let items: Vec<_> = objects.iter().map(whole).collect();
        print(args.view.output, &json!({"apiVersion": "v1", "kind": "List", "items": items}))?;
        return Ok(ExitCode::SUCCESS);
    }
    let rows: Vec<Vec<String>> = objects.iter().map(row).collect();
    print!("{}", table(&["NAMESPACE", "NAME", "READY", "DIGEST", "IMAGE", "MESSAGE"], &rows));
    Ok(ExitCode::SUCCESS)
}

fn row(object: &ImageObject) -> Vec<String> {
    let status = object.status.clone().unwrap_or_default();
    let ready = status.conditions.iter().find(|condition| condition.kind == READY);
    let digest = status.digest.unwrap_or_default();
    vec![
        object.name.namespace().to_owned(),
        object.name.function().to_owned(),
        ready.map_or_else(|| "Unknown".to_owned(), |ready| format!("{:?}", ready.status)),
        digest.get(..SHORT_DIGEST).unwrap_or(&digest).to_owned(),
        object.reference().to_owned(),
        status.message.unwrap_or_default(),
    ]
}

/// The object with what an API server leaves out in lists.
pub fn whole(object: &ImageObject) -> serde_json::Value {
    json!({"apiVersion": API_VERSION, "kind": KIND, "metadata": object.metadata, "spec": object.spec, "status": object.status})
}
