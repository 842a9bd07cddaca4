//! Why an Image is not published, in the words of a condition: one for machines, and a line with cause and fix.

use api::FailureReason;
use bundles::reason::{Outlook, Reason};

use crate::publish::PublishError;

/// Longest line in a condition; Events take no more.
const MESSAGE_MAX: usize = 1000;

/// Reasons that a pull secret helps against.
const CREDENTIALS: [Reason; 3] = [Reason::Unauthorized, Reason::Forbidden, Reason::CredentialsInvalid];
const HOW_TO_LOG_IN: &str = " (kubectl create secret docker-registry makes one in the Image's namespace, spec.imagePullSecrets names it)";

/// Why an Image is not published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// One word for machines.
    pub reason: FailureReason,
    /// One line for people.
    pub message: String,
    /// Whether this is about the API server's absence, and so says nothing about the Image.
    pub transient: bool,
    /// Whether nothing was tried, because the same image was refused before.
    pub repeated: bool,
}

/// When an Image that failed is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Not before it changes.
    Never,
    /// With the next resync, when its tag may name another image; what it names now stays refused.
    AtResync,
    /// Soon, after pauses that grow.
    Soon,
}

impl Failure {
    /// With a line of its own.
    pub fn new(reason: FailureReason, message: impl Into<String>) -> Self {
        Self { reason, message: one_line(&message.into()), transient: false, repeated: false }
    }

    /// A specification that cannot be published as it is.
    pub fn invalid(problems: &str) -> Self {
        Self::new(FailureReason::InvalidSpec, format!("{problems}; what was published before goes on"))
    }

    /// When the Image is tried again.
    pub fn retry(&self) -> Retry {
        match self.reason {
            FailureReason::InvalidSpec => Retry::Never,
            FailureReason::Image(reason) if reason.outlook() == Outlook::Lasting => Retry::AtResync,
            _ => Retry::Soon,
        }
    }

    /// What came of fetching or writing the image.
    pub fn of_publish(error: &PublishError, image: &str) -> Self {
        let reason = error.reason();
        let hint = if CREDENTIALS.contains(&reason) { HOW_TO_LOG_IN } else { "" };
        let repeated = error.is_repeated();
        Self { repeated, ..Self::new(reason.into(), format!("{image}: {}{hint}", error.explain())) }
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
