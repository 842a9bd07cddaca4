//! The worker protocol: what a server and a `km worker` process say to each other.
//!
//! ```text
//! server                                              km worker (one function, at most 8 slots)
//!   │  control socket, SOCK_SEQPACKET, fd 3 there        │
//!   │◄──────────── Hello ────────────────────────────────│   jailed and ready, knows no function
//!   │───────────── Assign + [rootfs, snapshot] ─────────►│
//!   │◄──────────── Assigned | Refused ───────────────────│
//!   │───────────── Slot{index} + [stream, broker] ──────►│   SOCK_STREAM, frames in both directions; SOCK_SEQPACKET
//!   │◄──────────── Grown{machine, bytes} ────────────────│   a machine holds more memory than it is charged
//!   │◄──────────── Learned{pages} ───────────────────────│   what its calls use, for the workers that come after
//!   │───────────── NoMemory{machine} ───────────────────►│   … and the node has none left: it ends
//!   │───────────── Shutdown (or end of the socket) ─────►│
//! ```
//!
//! * [`control`]: the messages of the control socket, JSON, one per packet.
//! * [`packet`]: sending and receiving such packets with descriptors; long messages to a worker go in a file.
//! * [`frame`]: the frames of a slot's stream.
//! * [`call`]: the JSON payloads of those frames.
//! * [`outbound`]: what a slot and its broker say to each other of connections that the program opens.
//! * [`text`]: how long a text in any of them may be.
//!
//! Either side treats the other as an attacker: lengths are checked before memory is allocated, every field has a bound,
//! and unknown fields, kinds and connections end the conversation. Nothing here waits or reads a clock, so any event loop
//! can be built around it.

pub mod call;
pub mod control;
pub mod frame;
pub mod outbound;
pub mod packet;
pub mod text;

pub use call::{
    Boot, Call, Charged, Ended, ListeningPort, NotReady, NotReadyReason, Outcome, Prepared, Ready,
    Snapshotted, Started,
};
pub use control::{
    Assign, Assigned, CONTROL_MAX, ControlError, FromWorker, FunctionSpec, GivenSnapshot, Grown, Hello, Jail,
    Learned, Measure, ProcessSpec, REQUIRED_MEASURES, Refused, RefusedReason, Role, SnapshotMode, ToWorker,
    Wire,
};
pub use frame::{ConnectionId, Frame, FrameDecoder, FrameError, Header, Kind, LogStream, PAYLOAD_MAX};
pub use outbound::{Ask, Grant, OutboundError, Wish};

/// Changes whenever a message or frame of this module changes. Both programs come from one build; a worker of another
/// version is refused at its Hello.
pub const PROTOCOL_VERSION: u32 = 6;
/// Descriptor at which a worker finds its control socket.
pub const CONTROL_FD: i32 = 3;
/// Slots of one worker at most: every VM on a process's memory map makes each of its page faults dearer.
pub const SLOTS_MAX: u8 = 8;
