//! `km worker`: a jailed process that holds at most 8 machines of one function.
//!
//! ```text
//! control thread            8 slot threads
//!   open KVM, enter jail
//!   start them ───────────► tick, filter, wait
//!   filter, Hello
//!   Assign: check, verify
//!   Slot: hand over ──────► frames ◄─► machine
//!   NoMemory ─────────────► … ends
//!   Shutdown: leave
//! ```
//!
//! * `stream`, `conversation`, `connections`, `tail`: frames of a slot, and the streams of a machine as such frames.
//! * [`outbound`]: the connections that a machine has opened.
//! * `drive`, `ready`: running a machine until something is reached.
//! * `call`, `bake`, `slot`: what a slot does with it.
//! * `function`: what the slots share. `growth`, `stride`: what their machines take of the node's memory
//!   and processors.
//!
//! The process never executes, opens or connects to anything again once it has said Hello.

mod bake;
mod call;
mod connections;
mod conversation;
mod drive;
mod function;
mod growth;
pub mod outbound;
mod ready;
mod slot;
mod stream;
mod stride;
mod tail;

use std::io;
use std::os::fd::OwnedFd;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use crate::jail::urgency::Pace;
use crate::jail::{self, JailError, filter, rights};
use crate::memory::pagemap::PageMap;
use crate::protocol::packet::{self, Packet};
use crate::protocol::{
    Assign, Assigned, CONTROL_FD, ControlError, FromWorker, Hello, Jail, PROTOCOL_VERSION, SLOTS_MAX,
    ToWorker,
};
use crate::snapshot::Identity;
use crate::vm::kick::Ticker;
use crate::vm::{Monitor, MonitorError};
use function::{Function, Ground, micros};
use growth::Ledger;

/// Why a worker leaves in disorder.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// It was not started by a server.
    #[error("this command is started by a server: {0}")]
    Jail(#[from] JailError),
    /// No machines can be made here.
    #[error(transparent)]
    Monitor(#[from] MonitorError),
    /// The process cannot be set up.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The server does not keep to the protocol.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// The server sends what has no place.
    #[error("protocol: {0}")]
    Protocol(&'static str),
    /// A thread could not be put under its filter.
    #[error("a slot's thread has died")]
    Thread,
}

/// Serves until the server says or closes its socket.
///
/// # Errors
/// See [`WorkerError`].
pub fn run() -> Result<(), WorkerError> {
    rights::close_from(CONTROL_FD.unsigned_abs() + 1)?;
    // A session of its own is a group of its own to the scheduler (sched(7), autogroup). One that has it already is fine.
    let _ = nix::unistd::setsid();
    let socket = rights::inherited_socket(CONTROL_FD)?;
    let ground = Arc::new(ground(socket.try_clone()?)?);
    let function = Arc::new(OnceLock::new());
    let mut jail = jail::enter();
    let slots = start_slots(&function, &mut jail)?;
    if let Some(missing) = jail.missing() {
        eprintln!("km worker: the jail lacks {missing}");
    }
    let hello = Hello {
        protocol_version: PROTOCOL_VERSION,
        abi_version: km_abi::ABI_VERSION,
        build: ground.identity.build_text(),
        kvm: format!("{:?} {}", ground.monitor.kind(), ground.identity.host_text()),
        jail: jail.clone(),
    };
    send(&socket, &FromWorker::Hello(hello))?;
    let control = Control { socket, ground, function, slots, jail };
    let served = control.serve();
    // Slots wait for streams until the process ends: their filters do not let them leave.
    std::mem::forget(control);
    served
}

/// Build and host, as snapshots are bound to them.
#[must_use]
pub fn identity(monitor: &Monitor) -> Identity {
    let mut kvm = format!("{:?}", monitor.kind());
    for entry in monitor.cpuid().as_slice() {
        // Leaves 1 and 0xB name the core that was asked.
        let ebx = if matches!(entry.function, 1 | 0xb | 0x1f | 0x8000_001e) { 0 } else { entry.ebx };
        let core = if matches!(entry.function, 0xb | 0x1f) { 0 } else { entry.edx };
        kvm.push_str(&format!(
            " {:x}.{:x}:{:x},{ebx:x},{:x},{core:x}",
            entry.function, entry.index, entry.eax, entry.ecx
        ));
    }
    Identity::new(crate::GUEST_IMAGE, &kvm)
}

fn ground(control: OwnedFd) -> Result<Ground, WorkerError> {
    let monitor = Arc::new(Monitor::open(crate::GUEST_IMAGE)?);
    let identity = identity(&monitor);
    Ok(Ground { monitor, identity, page_map: PageMap::open()?, ledger: Ledger::new(control) })
}

/// Starts the threads of all slots and puts them and this one under their filters.
fn start_slots(
    function: &Arc<OnceLock<Arc<Function>>>,
    jail: &mut Jail,
) -> Result<Vec<Sender<SlotSockets>>, WorkerError> {
    let tried = filter::probe();
    let (report, reports) = channel();
    let mut slots = Vec::new();
    for index in 0..SLOTS_MAX {
        let (sender, streams) = channel();
        let (function, report) = (Arc::clone(function), report.clone());
        let name = format!("slot {index}");
        std::thread::Builder::new().name(name).stack_size(512 << 10).spawn(move || {
            let ticker = Ticker::new().map_err(io::Error::from);
            let pace = Pace::new();
            let filtered = filter::apply(filter::ThreadRole::Slot);
            // The control thread waits for this message, so that it is received.
            let _ = report.send((ticker.as_ref().err().map(ToString::to_string), filtered));
            if let Ok(ticker) = ticker {
                slot::run(usize::from(index), &streams, &function, ticker, pace);
            }
        })?;
        slots.push(sender);
    }
    let mut result = tried;
    for _ in 0..SLOTS_MAX {
        let (tick, filtered) = reports.recv().map_err(|_| WorkerError::Thread)?;
        if let Some(error) = tick {
            return Err(io::Error::other(error).into());
        }
        result = result.and(filtered);
    }
    jail.note("seccomp", result.and(filter::apply(filter::ThreadRole::Control)));
    Ok(slots)
}

/// What a slot is given to speak to the server.
#[derive(Debug)]
struct SlotSockets {
    /// Frames.
    stream: OwnedFd,
    /// The broker of its connections, if the function may have any.
    broker: Option<OwnedFd>,
}

struct Control {
    socket: OwnedFd,
    ground: Arc<Ground>,
    function: Arc<OnceLock<Arc<Function>>>,
    slots: Vec<Sender<SlotSockets>>,
    jail: Jail,
}

impl Control {
    fn serve(&self) -> Result<(), WorkerError> {
        loop {
            let Packet { bytes, fds } = match packet::receive(&self.socket) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                other => other?,
            };
            if bytes.is_empty() {
                return Ok(());
            }
            let message = ToWorker::decode(&bytes)?;
            if message.fd_count() != fds.len() {
                return Err(WorkerError::Protocol("a message has the wrong number of descriptors"));
            }
            match message {
                ToWorker::Assign(assign) => {
                    if !self.assign(*assign, fds)? {
                        return Ok(());
                    }
                }
                ToWorker::Slot { index, .. } => self.open_slot(index, fds)?,
                ToWorker::NoMemory { machine } => self.ground.ledger.refuse(machine),
                ToWorker::Shutdown => return Ok(()),
            }
        }
    }

    /// Takes on the function; false when it was refused.
    fn assign(&self, assign: Assign, fds: Vec<OwnedFd>) -> Result<bool, WorkerError> {
        let start = Instant::now();
        if self.function.get().is_some() {
            return Err(WorkerError::Protocol("a second function"));
        }
        let function = match Function::new(assign, fds, Arc::clone(&self.ground)) {
            Ok(function) => function,
            Err(refused) => {
                send(&self.socket, &FromWorker::Refused(refused))?;
                return Ok(false);
            }
        };
        let assigned = Assigned {
            resident_bytes: function.resident_bytes(),
            open_us: micros(start.elapsed()),
            jail: self.jail.clone(),
        };
        // Set before the answer, since slots may be used as soon as that is there.
        let _ = self.function.set(Arc::new(function));
        send(&self.socket, &FromWorker::Assigned(assigned))?;
        Ok(true)
    }

    fn open_slot(&self, index: u8, fds: Vec<OwnedFd>) -> Result<(), WorkerError> {
        if self.function.get().is_none() {
            return Err(WorkerError::Protocol("a slot before the function"));
        }
        let mut fds = fds.into_iter();
        let (Some(slot), Some(stream)) = (self.slots.get(usize::from(index)), fds.next()) else {
            return Err(WorkerError::Protocol("a slot that does not exist"));
        };
        slot.send(SlotSockets { stream, broker: fds.next() }).map_err(|_| WorkerError::Thread)
    }
}

fn send(socket: &OwnedFd, message: &FromWorker) -> Result<(), WorkerError> {
    Ok(packet::send(socket, &message.encode()?, &[])?)
}
