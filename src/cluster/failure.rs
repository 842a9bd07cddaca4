//! Why an Image is not published, in the words of a condition: one for machines, and a line with cause and fix.

use super::client::{code, words};
use crate::download::publish::PublishError;

/// Longest line in a condition; Events take no more.
const MESSAGE_MAX: usize = 1000;

/// Reasons that a pull secret helps against.
const CREDENTIALS: [&str; 3] = ["Unauthorized", "Forbidden", "CredentialsInvalid"];
/// How.
const HOW_TO_LOG_IN: &str = " (kubectl create secret docker-registry makes one in the Image's namespace, spec.imagePullSecrets names it)";

/// Why an Image is not published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// One word for machines.
    pub reason: &'static str,
    /// One line for people.
    pub message: String,
    /// Whether this is about the API server's absence, and so says nothing about the Image.
    pub transient: bool,
}

impl Failure {
    /// With a line of its own.
    pub fn new(reason: &'static str, message: impl Into<String>) -> Self {
        Self { reason, message: one_line(&message.into()), transient: false }
    }

    /// A specification that cannot be published as it is.
    pub fn invalid(problems: &str) -> Self {
        Self::new("InvalidSpec", format!("{problems}; what was published before goes on"))
    }

    /// The answer to a question about a Secret.
    pub fn of_secret(namespace: &str, name: &str, what: &str, fix: &str, error: &kube::Error) -> Self {
        match code(error) {
            Some(404) => {
                Self::new("SecretMissing", format!("the {what} {namespace}/{name} does not exist; {fix}"))
            }
            Some(403) => Self::new(
                "Forbidden",
                format!(
                    "the downloader may not read the {what} {namespace}/{name}: {}; bind the chart's role to its service account again",
                    words(error)
                ),
            ),
            Some(_) => Self::new(
                "ApiServer",
                format!("the API server does not give the {what} {namespace}/{name}: {}", words(error)),
            ),
            None => Self {
                transient: true,
                ..Self::new(
                    "ApiServer",
                    format!(
                        "the API server cannot be asked for the {what} {namespace}/{name}: {}",
                        words(error)
                    ),
                )
            },
        }
    }

    /// What came of fetching or writing the image.
    pub fn of_publish(error: &PublishError, image: &str) -> Self {
        let reason = error.reason().word();
        let hint = if CREDENTIALS.contains(&reason) { HOW_TO_LOG_IN } else { "" };
        Self::new(reason, format!("{image}: {}{hint}", error.explain()))
    }
}

/// One line of bounded length without control characters: parts of it are a stranger's words.
pub fn one_line(text: &str) -> String {
    let mut line: String =
        text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).take(MESSAGE_MAX).collect();
    if line.len() < text.len() {
        line.push('…');
    }
    // Counted in bytes by the API server.
    while line.len() > MESSAGE_MAX + 3 {
        line.pop();
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    #[test]
    fn lines_are_short_and_plain() {
        assert_eq!(one_line("a\nb\u{1b}c"), "a b c");
        assert!(one_line(&"ä".repeat(5000)).len() <= MESSAGE_MAX + 3);
    }
}
