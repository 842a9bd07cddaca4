//! Messages of the control socket: JSON, one message per packet, at most [`CONTROL_MAX`] bytes to a worker and
//! [`PACKET_MAX`] from one.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use km_abi::hypercall::{REPLY, STDIN, STDOUT};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::packet::PACKET_MAX;
use super::text::{self, TEXT_MAX};
use super::{PROTOCOL_VERSION, SLOTS_MAX};
use crate::snapshot::page_list;

/// Longest control message in bytes: arguments and environment ([`crate::boot::strings::ALL_MAX`]), of which JSON makes six
/// bytes for one at worst, and the rest.
pub const CONTROL_MAX: usize = 16 << 20;

/// Why a control message is not one.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The message is longer than it may be.
    #[error("control message of {bytes} bytes: at most {limit} are allowed")]
    TooLong {
        /// Its bytes.
        bytes: usize,
        /// What it may have, in bytes.
        limit: usize,
    },
    /// Not the JSON of a message.
    #[error("control message is malformed: {0}")]
    Malformed(#[from] serde_json::Error),
    /// The worker is of another build.
    #[error(
        "the worker speaks version {0} of the protocol and not {PROTOCOL_VERSION}: install both programs from one build"
    )]
    Version(u32),
    /// The worker is not jailed.
    #[error(
        "workers cannot be jailed here: {measure} is refused ({why}). Nothing is run without it: a kernel with \
         CONFIG_SECCOMP_FILTER, and no sandbox around the server that refuses seccomp(2) or prctl(2)"
    )]
    Jail {
        /// The measure that does not hold.
        measure: &'static str,
        /// Why it does not.
        why: String,
    },
    /// A field is out of its bounds.
    #[error("control message has an unacceptable {0}")]
    Field(&'static str),
}

/// From the server to a worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ToWorker {
    /// The function that this worker serves from now on. Exactly once, with the descriptors of the rootfs image
    /// (read-only) and, where [`Assign::has_snapshot_fd`] says so, of the snapshot file.
    Assign(Box<Assign>),
    /// One more slot, with the worker's end of its stream, and of the one to its broker where there is one.
    Slot {
        /// Number of the slot, below [`SLOTS_MAX`].
        index: u8,
        /// The slot's end of a socket pair to its broker comes along ([`super::outbound`]).
        #[serde(default)]
        has_broker: bool,
    },
    /// There is no memory left for a machine that [`Grown`] told of: end it.
    NoMemory {
        /// [`super::Charged::machine`].
        machine: u64,
    },
    /// End all calls and leave.
    Shutdown,
}

/// From a worker to the server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum FromWorker {
    /// First message: jailed, and waiting for a function.
    Hello(Hello),
    /// The function is accepted; slots may follow.
    Assigned(Assigned),
    /// The function is refused; the worker leaves.
    Refused(Refused),
    /// A machine holds more memory than it is charged.
    Grown(Grown),
    /// What calls have taught, for the workers that come after.
    Learned(Learned),
}

/// The pages that calls use, as a list ([`crate::snapshot::page_list`]). Either side takes it for an attack and reads it as
/// one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Learned {
    /// The list in base64.
    pages: String,
}

impl Learned {
    /// A list's bytes.
    #[must_use]
    pub fn new(list: &[u8]) -> Self {
        Self { pages: BASE64_STANDARD.encode(list) }
    }

    /// The list's bytes; nothing where there are none to be had.
    #[must_use]
    pub fn bytes(&self) -> Option<Vec<u8>> {
        BASE64_STANDARD.decode(&self.pages).ok()
    }

    fn check(&self) -> Result<(), ControlError> {
        let most = page_list::BYTES_MAX.div_ceil(3) * 4;
        if self.pages.len() > most { Err(ControlError::Field("pages")) } else { Ok(()) }
    }
}

/// A machine's memory, told while it grows. Without an answer it goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grown {
    /// [`super::Charged::machine`].
    pub machine: u64,
    /// Bytes that it is to be charged from now on, a little more than it holds.
    pub bytes: u64,
}

/// What a worker is, before it knows a function.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hello {
    /// [`PROTOCOL_VERSION`] of the worker; 0 where none is told.
    #[serde(default)]
    pub protocol_version: u32,
    /// Version of the monitor–guest interface.
    pub abi_version: u32,
    /// Identity of the monitor's build, to which snapshots are bound.
    pub build: String,
    /// Identity of host CPU and KVM, to which snapshots are bound as well.
    pub kvm: String,
    /// The worker's jail, measure by measure.
    pub jail: Jail,
}

/// Measures without which a worker is refused at its Hello: one that was taken over by its guest could make any system call.
/// The others are further walls behind these two.
pub const REQUIRED_MEASURES: [&str; 2] = ["no-new-privs", "seccomp"];

/// The measures of a worker's jail.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Jail {
    /// Each measure and whether it holds.
    pub measures: Vec<Measure>,
}

/// One measure of the jail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measure {
    /// Its name, like `seccomp` or `landlock`.
    pub name: String,
    /// Nothing when a probe saw it hold, else why it does not; cut when it is sent.
    #[serde(serialize_with = "text::short_option")]
    pub missing: Option<String>,
}

/// What a worker is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Answer calls, each with a machine of its own.
    Serve,
    /// Boot, warm up and write a snapshot.
    Bake,
}

/// How a program takes its call and answers it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wire {
    /// Over a connection to its port, as HTTP/1.1.
    #[default]
    Http,
    /// From standard input to standard output.
    Stdio,
    /// By the system calls of the first Kontain FAAS.
    Kontain,
    /// Nothing goes in; what the program has changed in its rootfs comes out when it has ended ([`km_abi::changes`]).
    Changes,
}

impl Wire {
    /// The guest's streams for what goes to the program and what comes from it; none where the guest sees a connection to
    /// its port instead.
    #[must_use]
    pub const fn streams(self) -> Option<(u32, u32)> {
        match self {
            Self::Http => None,
            Self::Stdio => Some((STDIN, STDOUT)),
            Self::Kontain | Self::Changes => Some((STDIN, REPLY)),
        }
    }

    /// The guest sees a connection to its port.
    #[must_use]
    pub const fn is_connection(self) -> bool {
        self.streams().is_none()
    }
}

/// Where the machines of a function come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SnapshotMode {
    /// A snapshot of the program waiting for its first connection.
    Ready,
    /// A snapshot of the loaded program before its first instruction.
    Start,
    /// No snapshot: every machine boots.
    None,
}

/// The process that a machine starts, as the bundle's `config.json` and the Image have it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProcessSpec {
    /// Command and its arguments; not empty.
    pub args: Vec<String>,
    /// Environment, entries `NAME=value`.
    pub env: Vec<String>,
    /// Working directory; empty for `/`.
    pub cwd: String,
    /// User id of the process.
    pub uid: u32,
    /// Group id of the process.
    pub gid: u32,
    /// Supplementary groups of the process.
    pub groups: Vec<u32>,
    /// What uname(2) shows it.
    pub hostname: String,
    /// Its /etc/resolv.conf, where it may ask for connections to peers beyond its machine.
    #[serde(default)]
    pub resolv_conf: Option<String>,
}

/// What the machines of a function are made of, whatever a worker does with them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FunctionSpec {
    /// `namespace/name`; for messages alone.
    pub name: String,
    /// Key of the snapshot: what shaped it, as the server computed it. Bound into the file.
    pub snapshot_key: String,
    /// Memory of a machine in bytes; a multiple of [`crate::memory::GRANULE`].
    pub memory_bytes: u64,
    /// How the program takes its call.
    pub wire: Wire,
    /// TCP port of the program, for [`Wire::Http`].
    pub port: u16,
    /// The process that a machine starts.
    pub process: ProcessSpec,
    /// Which snapshot machines come from, or which one is to be written.
    pub snapshot: SnapshotMode,
}

/// The snapshot file that a serving worker is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GivenSnapshot {
    /// None: the worker boots cold.
    Nothing,
    /// One that the worker has to verify.
    Unverified,
    /// One that a worker of this server has verified, and that has not been writable since.
    Verified,
}

impl FunctionSpec {
    /// For a worker that answers calls.
    #[must_use]
    pub fn to_serve(self, snapshot: GivenSnapshot) -> Assign {
        Assign {
            function: self,
            role: Role::Serve,
            has_snapshot_fd: snapshot != GivenSnapshot::Nothing,
            verified: snapshot == GivenSnapshot::Verified,
            learned: None,
        }
    }

    /// For a worker that boots the program and fills a snapshot file, if the function has one.
    #[must_use]
    pub fn to_bake(self) -> Assign {
        let has_snapshot_fd = self.snapshot != SnapshotMode::None;
        Assign { function: self, role: Role::Bake, has_snapshot_fd, verified: false, learned: None }
    }
}

/// A function and what a worker does with it; made by [`FunctionSpec::to_serve`] and [`FunctionSpec::to_bake`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Assign {
    /// What its machines are made of.
    pub function: FunctionSpec,
    /// What this worker does.
    pub role: Role,
    /// A descriptor of a snapshot file comes along: to read for [`Role::Serve`], to fill for [`Role::Bake`].
    /// Without one a serving worker boots cold.
    pub has_snapshot_fd: bool,
    /// The content of the snapshot was verified before by a worker of this server and the file has not been
    /// writable since: check the header alone, so that a further worker is ready without reading it all.
    pub verified: bool,
    /// What calls of earlier workers have taught of the snapshot.
    #[serde(default)]
    pub learned: Option<Learned>,
}

impl Assign {
    /// The same, with what calls of earlier workers have taught.
    #[must_use]
    pub fn with(self, learned: Option<Learned>) -> Self {
        Self { learned, ..self }
    }

    /// Descriptors that come with this message.
    #[must_use]
    pub fn fd_count(&self) -> usize {
        1 + usize::from(self.has_snapshot_fd)
    }
}

/// A worker's answer to [`Assign`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Assigned {
    /// Bytes of the snapshot's memory that hold data.
    pub resident_bytes: u64,
    /// Time to open and check the snapshot, in microseconds.
    pub open_us: u64,
    /// The jail, after what could only be done now.
    pub jail: Jail,
}

/// A worker's other answer to [`Assign`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refused {
    /// What to do about it.
    pub reason: RefusedReason,
    /// What went wrong, for people; cut when it is sent.
    #[serde(serialize_with = "text::short")]
    pub message: String,
}

/// Why a worker refuses a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusedReason {
    /// The snapshot is damaged or of another build, CPU or function: boot cold and bake it again.
    Snapshot,
    /// The rootfs image cannot be used.
    Rootfs,
    /// A field of [`Assign`] is out of bounds.
    Assignment,
    /// This host lacks something (KVM, memory).
    Host,
}

impl ToWorker {
    /// The bytes of one packet.
    ///
    /// # Errors
    /// [`ControlError::TooLong`] when command and environment do not fit.
    pub fn encode(&self) -> Result<Vec<u8>, ControlError> {
        encode(self, CONTROL_MAX)
    }

    /// Reads a packet of the server.
    ///
    /// # Errors
    /// When it is not a message, or a field is out of bounds.
    pub fn decode(bytes: &[u8]) -> Result<Self, ControlError> {
        let message = decode(bytes, CONTROL_MAX)?;
        match &message {
            Self::Assign(assign) => check_assign(assign)?,
            Self::Slot { index, .. } if *index >= SLOTS_MAX => return Err(ControlError::Field("slot index")),
            Self::Slot { .. } | Self::NoMemory { .. } | Self::Shutdown => {}
        }
        Ok(message)
    }

    /// Descriptors that come with this message.
    #[must_use]
    pub fn fd_count(&self) -> usize {
        match self {
            Self::Assign(assign) => assign.fd_count(),
            Self::Slot { has_broker, .. } => 1 + usize::from(*has_broker),
            Self::NoMemory { .. } | Self::Shutdown => 0,
        }
    }
}

impl FromWorker {
    /// The bytes of one packet.
    ///
    /// # Errors
    /// [`ControlError::TooLong`]; does not happen with texts of sane length.
    pub fn encode(&self) -> Result<Vec<u8>, ControlError> {
        encode(self, PACKET_MAX)
    }

    /// Reads a packet of a worker. A worker never sends descriptors.
    ///
    /// # Errors
    /// When it is not a message, or a text is too long.
    pub fn decode(bytes: &[u8]) -> Result<Self, ControlError> {
        let message = decode(bytes, PACKET_MAX)?;
        match &message {
            Self::Hello(hello) => {
                if hello.protocol_version != PROTOCOL_VERSION {
                    return Err(ControlError::Version(hello.protocol_version));
                }
                check_text(&hello.build, "build")?;
                check_text(&hello.kvm, "kvm")?;
                check_jail(&hello.jail)?;
                check_required(&hello.jail)?;
            }
            Self::Assigned(assigned) => check_jail(&assigned.jail)?,
            Self::Refused(refused) => check_text(&refused.message, "message")?,
            Self::Grown(_) => {}
            Self::Learned(learned) => learned.check()?,
        }
        Ok(message)
    }
}

fn encode<T: Serialize>(message: &T, limit: usize) -> Result<Vec<u8>, ControlError> {
    let bytes = serde_json::to_vec(message)?;
    check_length(&bytes, limit)?;
    Ok(bytes)
}

fn decode<T: DeserializeOwned>(bytes: &[u8], limit: usize) -> Result<T, ControlError> {
    check_length(bytes, limit)?;
    Ok(serde_json::from_slice(bytes)?)
}

fn check_length(bytes: &[u8], limit: usize) -> Result<(), ControlError> {
    if bytes.len() > limit { Err(ControlError::TooLong { bytes: bytes.len(), limit }) } else { Ok(()) }
}

fn check_assign(assign: &Assign) -> Result<(), ControlError> {
    use km_abi::layout::{MEMORY_MAX, MEMORY_MIN};

    use crate::memory::GRANULE;

    let function = &assign.function;
    let memory_bytes = function.memory_bytes;
    if !(MEMORY_MIN..=MEMORY_MAX).contains(&memory_bytes) || !memory_bytes.is_multiple_of(GRANULE) {
        return Err(ControlError::Field("memory_bytes"));
    }
    if function.wire.is_connection() && function.port == 0 {
        return Err(ControlError::Field("port"));
    }
    if function.process.args.is_empty() {
        return Err(ControlError::Field("process.args"));
    }
    if assign.role == Role::Bake && assign.has_snapshot_fd == (function.snapshot == SnapshotMode::None) {
        return Err(ControlError::Field("has_snapshot_fd"));
    }
    check_text(&function.name, "name")?;
    check_text(&function.snapshot_key, "snapshot_key")?;
    assign.learned.as_ref().map_or(Ok(()), Learned::check)
}

fn check_jail(jail: &Jail) -> Result<(), ControlError> {
    if jail.measures.len() > 64 {
        return Err(ControlError::Field("jail"));
    }
    jail.measures.iter().try_for_each(|measure| {
        check_text(&measure.name, "jail")?;
        measure.missing.as_deref().map_or(Ok(()), |text| check_text(text, "jail"))
    })
}

fn check_required(jail: &Jail) -> Result<(), ControlError> {
    REQUIRED_MEASURES.into_iter().try_for_each(|measure| {
        let why = match jail.measures.iter().find(|one| one.name == measure) {
            Some(Measure { missing: None, .. }) => return Ok(()),
            Some(Measure { missing: Some(why), .. }) => why.clone(),
            None => "the worker does not know it".to_owned(),
        };
        Err(ControlError::Jail { measure, why })
    })
}

fn check_text(text: &str, field: &'static str) -> Result<(), ControlError> {
    if text.len() > TEXT_MAX { Err(ControlError::Field(field)) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
