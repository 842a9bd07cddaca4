//! How a function's program takes its call; what holds for each protocol stands in its [`Traits`] and nowhere else.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::image::Snapshot;

/// How a function's program takes its call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// It is an HTTP server.
    #[default]
    Http,
    /// It speaks the system calls of the first Kontain FAAS.
    Kontain,
    /// It reads the request from stdin and writes the response to stdout.
    Stdio,
}

/// What holds for a protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traits {
    /// The snapshot mode of functions that name none.
    pub snapshot: Snapshot,
    /// Whether requests can be sent before the snapshot is taken.
    pub warms_up: bool,
    /// Whether a call's machine is given the variables of its request (RFC 3875).
    pub takes_variables: bool,
}

impl Protocol {
    /// What holds for this protocol.
    #[must_use]
    pub const fn traits(self) -> Traits {
        match self {
            Self::Http => Traits { snapshot: Snapshot::Ready, warms_up: true, takes_variables: false },
            Self::Kontain => Traits { snapshot: Snapshot::Ready, warms_up: false, takes_variables: false },
            Self::Stdio => Traits { snapshot: Snapshot::Start, warms_up: false, takes_variables: true },
        }
    }
}
