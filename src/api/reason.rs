//! One word for each way in which an Image can fail, from its document to the answers of its function.
//!
//! The words are what conditions, reports, problem documents and metrics show; scripts match on them, so they stay as
//! they are.

use std::fmt;

use bundles::reason::Reason as ImageReason;
use serde::{Serialize, Serializer};

/// Why an Image is not published, or its function does not get ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FailureReason {
    /// Fetching, verifying or unpacking the image failed, or the bundle of it.
    Image(ImageReason),
    /// The specification is refused.
    InvalidSpec,
    /// A pull secret is of another type, or has no credentials in it.
    WrongPullSecret,
    /// The API server does not give what is asked for.
    ApiServer,
    /// An error of this program.
    Internal,
    /// A secret that the function mounts does not exist.
    SecretMissing,
    /// The secrets of a call are longer than a machine takes.
    SecretTooLarge,
    /// A variable cannot have the value that a secret gives it.
    SecretInvalid,
    /// The program listens nowhere.
    NotListening,
    /// The program listens on another port.
    WrongPort,
    /// The program never comes to rest.
    NeverIdle,
    /// The program does not read its standard input.
    NotReading,
    /// The program ended instead of waiting for calls.
    Exited,
    /// The machine cannot go on.
    Fault,
    /// A warm-up request was not answered.
    Warmup,
    /// The bake took longer than it may.
    Timeout,
    /// The bundle names no program, or is damaged.
    Bundle,
    /// The worker refuses the root file system.
    Rootfs,
    /// The worker refuses the snapshot.
    Snapshot,
    /// The worker refuses its task.
    Assignment,
    /// The disk takes no snapshot.
    Disk,
    /// The node's memory for machines is used up.
    Memory,
    /// The host lacks something.
    Host,
    /// A worker process failed.
    Worker,
}

impl FailureReason {
    /// The word as statuses, metrics and problem documents have it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Image(reason) => reason.word(),
            Self::InvalidSpec => "InvalidSpec",
            Self::WrongPullSecret => "WrongPullSecret",
            Self::ApiServer => "ApiServer",
            Self::Internal => "Internal",
            Self::SecretMissing => "SecretMissing",
            Self::SecretTooLarge => "SecretTooLarge",
            Self::SecretInvalid => "SecretInvalid",
            Self::NotListening => "NotListening",
            Self::WrongPort => "WrongPort",
            Self::NeverIdle => "NeverIdle",
            Self::NotReading => "NotReading",
            Self::Exited => "Exited",
            Self::Fault => "Fault",
            Self::Warmup => "Warmup",
            Self::Timeout => "Timeout",
            Self::Bundle => "Bundle",
            Self::Rootfs => "Rootfs",
            Self::Snapshot => "Snapshot",
            Self::Assignment => "Assignment",
            Self::Disk => "Disk",
            Self::Memory => "Memory",
            Self::Host => "Host",
            Self::Worker => "Worker",
        }
    }

    /// Whether a status, where every replica wrote its word, names this reason.
    #[must_use]
    pub fn is(self, word: &str) -> bool {
        self.word() == word
    }

    /// Not the function is the cause, but the host or a secret: that may change at any time, and callers are asked to come
    /// again.
    #[must_use]
    pub const fn is_of_host(self) -> bool {
        matches!(self, Self::Host | Self::Worker | Self::Memory | Self::Disk) || self.waits_for_secrets()
    }

    /// It can be tried again as soon as a secret changes.
    #[must_use]
    pub const fn waits_for_secrets(self) -> bool {
        matches!(self, Self::SecretMissing | Self::SecretTooLarge | Self::SecretInvalid)
    }
}

impl fmt::Display for FailureReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl Serialize for FailureReason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.word())
    }
}

impl From<ImageReason> for FailureReason {
    fn from(reason: ImageReason) -> Self {
        Self::Image(reason)
    }
}
