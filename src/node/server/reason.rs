//! Why a call has no answer of its function, in one word, and how calls end: what problem documents, records and metrics
//! show. Scripts match on the words, so they stay as they are.

use std::fmt;

use api::reason::FailureReason;
use serde::{Serialize, Serializer};

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident)*) => {
        /// Why a call has no answer of its function.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Reason {
            $($(#[$doc])* $name,)*
            /// The function cannot be made ready.
            Unready(FailureReason),
        }

        impl Reason {
            /// The word for machines.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)*
                    Self::Unready(reason) => reason.word(),
                }
            }
        }
    };
}

reasons! {
    /// Nothing is published there.
    NotFound
    /// The method is none that this server takes there.
    MethodNotAllowed
    /// The request names no function.
    FunctionMissing
    /// A function calls one that no rule of its Image names.
    NotAllowed
    /// Functions call each other in a circle, or in too long a chain.
    TooManyHops
    /// Asynchronous calls need a queue, which this node has not.
    NoQueue
    /// The server that calls are handed on to does not answer.
    Unreachable
    /// The function has as many calls as it may.
    FunctionBusy
    /// The node has as much as it may.
    NodeBusy
    /// The peer has as much under way as it may.
    PeerBusy
    /// A worker process failed and took the call with it.
    WorkerFailed
    /// The function is being made ready.
    Baking
    /// The body is longer than allowed.
    BodyTooLarge
    /// The body comes slower than allowed.
    BodyTooSlow
    /// The body is malformed, or its sender is gone.
    BodyMalformed
    /// The request names its host wrongly.
    HostInvalid
    /// The call's id is malformed.
    CallIdInvalid
    /// The function's answer is not HTTP.
    NotHttp
    /// The program did not get ready for its call.
    NotReady
    /// The program's reply cannot be read.
    ReplyMalformed
    /// The call took longer than it may.
    Deadline
    /// The request is not HTTP.
    Malformed
    /// The request's target is too long.
    TargetTooLong
    /// The request has too many header fields, or too long ones.
    HeadersTooLarge
    /// The head of the function's answer is too long.
    AnswerHeadTooLarge
    /// The program ended with another status than 0.
    ExitStatus
    /// The path cannot become a variable of the program.
    PathInvalid
    /// The function gave no whole answer.
    NoResponse
    /// The program ended without an answer.
    Exited
    /// A signal ended the program.
    Crashed
    /// The machine broke.
    MachineFault
    /// The machine ran out of memory.
    OutOfMemory
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl Serialize for Reason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.word())
    }
}

impl From<FailureReason> for Reason {
    fn from(reason: FailureReason) -> Self {
        Self::Unready(reason)
    }
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallResult {
    /// The client has the whole response.
    Complete,
    /// The client went away before.
    ClientGone,
    /// The response broke off after its head.
    Cut,
    /// The deadline came, before the response's head or after it.
    Deadline,
    /// A connection that was upgraded is over.
    TunnelEnded,
    /// The client got a problem document.
    Problem(Reason),
}

impl CallResult {
    /// The word of records and logs.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Complete => "ok",
            Self::ClientGone => "client gone",
            Self::Cut => "response ended early",
            Self::Deadline => "deadline",
            Self::TunnelEnded => "tunnel ended",
            Self::Problem(reason) => reason.word(),
        }
    }
}

impl fmt::Display for CallResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl Serialize for CallResult {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.word())
    }
}

impl From<Reason> for CallResult {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::Deadline => Self::Deadline,
            reason => Self::Problem(reason),
        }
    }
}
