//! How the published functions stand.

use super::Finding;
use crate::source::cluster::object::Object;
use api::status::{READY, Truth};

/// Counts those that are ready, and names the first that is not.
pub fn finding(images: &[Object]) -> Finding {
    let what = "functions";
    let unready: Vec<&Object> = images.iter().filter(|image| !ready(image)).collect();
    let Some(first) = unready.first() else {
        return Finding::ok(what, format!("{} published, all of them ready", images.len()));
    };
    let (namespace, name) = (text(&first.metadata.namespace), text(&first.metadata.name));
    let message = first.status.as_ref().and_then(|status| status.message.as_deref());
    let message = message.unwrap_or("nobody has looked at it yet");
    Finding::warn(
        what,
        format!("{} of {} not ready; {namespace}/{name}: {message}", unready.len(), images.len()),
        format!("kontain-faas describe {name} -n {namespace}"),
    )
}

fn text(text: &Option<String>) -> &str {
    text.as_deref().unwrap_or_default()
}

fn ready(image: &Object) -> bool {
    let conditions = image.status.as_ref().map(|status| status.conditions.as_slice());
    conditions.unwrap_or_default().iter().any(|one| one.kind == READY && one.status == Truth::True)
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::super::tests::object;
    use super::*;
    use serde_json::json;

    #[test]
    fn the_first_that_is_not_ready_is_named() {
        assert_eq!(finding(&[]).verdict, Verdict::Ok);
        let bad: Object = object(json!({"metadata": {"name": "a", "namespace": "b"}, "spec": {},
            "status": {"message": "no such tag"}}));
        let finding = finding(&[bad]);
        assert!(
            finding.verdict == Verdict::Warn && finding.found.contains("b/a: no such tag"),
            "{finding:?}"
        );
    }
}
