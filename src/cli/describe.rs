//! `kontain-faas describe`: everything that is known of one function.

use std::fmt::Write;
use std::process::ExitCode;

use anyhow::Context;

use super::list::whole;
use super::output::{Format, print, table};
use super::source::{self, FunctionArgs};
use api::ImageObject;

/// Options of `describe`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Which one, and how.
    #[command(flatten)]
    pub function: FunctionArgs,
}

/// Prints all that is known of one function: specification, status, last events.
///
/// # Errors
/// When there is no such function, or the source cannot be asked.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let FunctionArgs { name, view } = &args.function;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (object, events) = runtime.block_on(async {
        let catalog = view.source.open().await?;
        let name = source::name(&*catalog, name)?;
        let object = catalog.get(&name).await?.with_context(|| format!("{name} is not published"))?;
        // Who may not read Events still gets the rest.
        let events = catalog.events(&name).await.unwrap_or_default();
        anyhow::Ok((object, events))
    })?;
    if view.output == Format::Table {
        print!("{}", describe(&object, &events)?);
    } else {
        print(view.output, &whole(&object))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn describe(object: &ImageObject, events: &[String]) -> anyhow::Result<String> {
    let mut text = String::new();
    let name = &object.name;
    let status = object.status.clone().unwrap_or_default();
    writeln!(text, "Function:  {name}")?;
    writeln!(text, "Path:      /{name}/")?;
    writeln!(text, "Serves:    {}", status.digest.as_deref().unwrap_or("nothing yet"))?;
    writeln!(text, "Message:   {}", status.message.as_deref().unwrap_or("none yet"))?;
    writeln!(text, "\nConditions:")?;
    let conditions: Vec<Vec<String>> = status
        .conditions
        .iter()
        .map(|one| {
            vec![one.kind.clone(), format!("{:?}", one.status), one.reason.clone(), one.message.clone()]
        })
        .collect();
    indent(&mut text, &table(&["TYPE", "STATUS", "REASON", "MESSAGE"], &conditions))?;
    writeln!(text, "\nReplicas:")?;
    let replicas: Vec<Vec<String>> = status
        .replicas
        .iter()
        .map(|one| {
            vec![
                one.name.clone(),
                format!("{:?}", one.phase),
                one.digest.clone().unwrap_or_default(),
                one.message.clone(),
            ]
        })
        .collect();
    indent(&mut text, &table(&["NAME", "PHASE", "DIGEST", "MESSAGE"], &replicas))?;
    writeln!(text, "\nSpecification:")?;
    indent(&mut text, &serde_saphyr::to_string(&object.spec)?)?;
    if !events.is_empty() {
        writeln!(text, "\nEvents:")?;
        indent(&mut text, &events.join("\n"))?;
    }
    Ok(text)
}

fn indent(text: &mut String, lines: &str) -> std::fmt::Result {
    lines.lines().try_for_each(|line| writeln!(text, "  {line}"))
}
