//! One virtual machine and its run loop.

use super::doorbell::{self, Doorbell, DoorbellError};
use super::kick::Kick;
use super::report::{Breakdown, exit_reason};
use super::streams::{Arrivals, GuestStreams};
use crate::boot::image::GuestImage;
use crate::kvm::BareVm;
use crate::kvm::KvmError;
use crate::kvm::KvmKind;
use crate::kvm::exit::VmExit;
use crate::memory::{GuestMemory, MemoryError, Rootfs};
use km_abi::hypercall::{End, Exit, HyperPage, Idle, Interrupted, OpCode, Port, Running, TRANSFER_MAX};
use km_abi::layout::{DIRECT_MAP, HYPER_GPA};
use kvm_bindings::kvm_regs;
use std::mem::offset_of;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Why a machine stopped running.
#[derive(Debug)]
pub enum Stop {
    /// Nothing to do: it wants events, or to be run again at its deadline.
    Idle(Box<Idle>),
    /// The machine ended itself.
    Ended(End),
    /// It cannot go on.
    Broken(Breakdown),
    /// [`Kick::cancel`] was called, or [`GuestStreams::interrupted`] said so.
    Cancelled,
}

/// The end of a program that uses a port of the doorbells: the default action of Linux's SIGSEGV. A handler of the program
/// is not asked: the access has left the guest by then, and no library OS knows of it.
const PORT_FAULT: End = End::Killed { signal: 11 };

/// What a machine used so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Time in the guest.
    pub guest: Duration,
    /// How often it came back to the monitor.
    pub exits: u64,
}

/// A machine. It is run on the thread that holds it, whose [`super::kick::Ticker`] the caller starts and stops.
pub struct Vm {
    machine: BareVm,
    rootfs: Arc<Rootfs>,
    image: Arc<GuestImage>,
    doorbell: Doorbell,
    /// What the guest is told when it rings next.
    arrivals: Arrivals,
    kick: Kick,
    usage: Usage,
}

impl Vm {
    pub(super) fn new(machine: BareVm, rootfs: Arc<Rootfs>, image: Arc<GuestImage>) -> Self {
        Self {
            machine,
            rootfs,
            image,
            doorbell: Doorbell::default(),
            arrivals: Arrivals::default(),
            kick: Kick::default(),
            usage: Usage::default(),
        }
    }

    /// A way to stop it from elsewhere.
    #[must_use]
    pub fn kick(&self) -> Kick {
        self.kick.clone()
    }

    /// What it has of RAM.
    #[must_use]
    pub fn memory(&self) -> &GuestMemory {
        &self.machine.memory
    }

    /// The time-stamp counter as the guest would read it now.
    ///
    /// # Errors
    /// KVM refuses.
    pub fn tsc(&self, kind: KvmKind) -> Result<u64, KvmError> {
        self.machine.vcpu.tsc(kind)
    }

    /// Which process had the CPU last, in the guest's words; nothing if it tells of none.
    #[must_use]
    pub fn running(&self) -> Option<String> {
        let place = HYPER_GPA + offset_of!(HyperPage, running) as u64;
        let Running { pid, name, .. } = self.machine.memory.load(place).ok()?;
        let name = name.split(|&byte| byte == 0).next().unwrap_or_default();
        (pid != 0).then(|| format!("{} (process {pid})", name.escape_ascii()))
    }

    /// What it used so far.
    #[must_use]
    pub fn usage(&self) -> Usage {
        self.usage
    }

    /// Tells an idle guest what happened; it hears of it when it is run next.
    ///
    /// # Errors
    /// Never for events made by [`Arrivals`].
    pub fn deliver(&self, arrivals: &Arrivals) -> Result<(), MemoryError> {
        doorbell::deliver(&self.machine.memory, arrivals)
    }

    /// Runs until the guest is idle, ends or is stopped.
    ///
    /// # Errors
    /// KVM itself fails. Whatever the guest does is a [`Stop`].
    pub fn run(&mut self, streams: &mut dyn GuestStreams) -> Result<Stop, KvmError> {
        self.kick.running(true);
        let stop = self.run_loop(streams);
        self.kick.running(false);
        stop
    }

    fn run_loop(&mut self, streams: &mut dyn GuestStreams) -> Result<Stop, KvmError> {
        loop {
            if self.kick.cancelled() {
                return Ok(Stop::Cancelled);
            }
            let entered = Instant::now();
            let exit = self.machine.vcpu.run()?;
            self.usage.guest += entered.elapsed();
            self.usage.exits += 1;
            let stop = match exit {
                VmExit::Out { .. } | VmExit::Port { .. } if self.is_of_program() => {
                    Some(Stop::Ended(PORT_FAULT))
                }
                VmExit::Out { port } => match Port::try_from(port) {
                    Ok(port) => self.answer(port, streams),
                    Err(_) => Some(self.broken(&exit)?),
                },
                VmExit::Interrupted if !streams.interrupted(&self.machine.memory) => Some(Stop::Cancelled),
                VmExit::Interrupted => self.tick(streams)?,
                _ => Some(self.broken(&exit)?),
            };
            if let Some(stop) = stop {
                return Ok(stop);
            }
        }
    }

    /// The exit was made by code of the program. Its ring is the library OS's, so the CPU lets it ring the doorbells; as on
    /// Linux, ports are not for it.
    fn is_of_program(&self) -> bool {
        self.machine.vcpu.regs().rip < DIRECT_MAP
    }

    fn answer(&mut self, port: Port, streams: &mut dyn GuestStreams) -> Option<Stop> {
        let memory = &self.machine.memory;
        let page = match self.doorbell.answer(memory, &self.rootfs, streams) {
            Ok(page) => page,
            Err(error) => return Some(Stop::Broken(Breakdown::of_reason(error.to_string()))),
        };
        match port {
            Port::Submit => {
                streams.poll(&mut self.arrivals);
                let delivered = doorbell::deliver(memory, &self.arrivals);
                self.arrivals.clear();
                delivered.err().map(|error| Stop::Broken(Breakdown::of_reason(error.to_string())))
            }
            Port::Idle => Some(Stop::Idle(Box::new(page.idle))),
            Port::Exit => Some(ended(page.exit)),
            // What is written down there by a library OS that cannot go on may be anything.
            Port::Panic => Some(match End::try_from(page.exit) {
                Ok(End::OutOfMemory) => Stop::Ended(End::OutOfMemory),
                _ => Stop::Broken(Breakdown::of_reason(self.last_words(&page))),
            }),
        }
    }

    /// What the library OS wrote before it gave up.
    fn last_words(&self, page: &HyperPage) -> String {
        let op = &page.ops[0];
        let mut words = Vec::new();
        if page.op_count > 0 && op.code == OpCode::Write as u32 && op.len <= TRANSFER_MAX {
            words.resize(op.len as usize, 0);
            if self.machine.memory.read(op.gpa, &mut words).is_err() {
                words.clear();
            }
        }
        format!("the library OS gave up: {}", String::from_utf8_lossy(&words).trim_end())
    }

    fn broken(&mut self, exit: &VmExit) -> Result<Stop, KvmError> {
        let vcpu = &mut self.machine.vcpu;
        let breakdown = Breakdown::at(exit_reason(exit), vcpu.regs(), &vcpu.sregs(), &self.image);
        Ok(Stop::Broken(breakdown))
    }

    /// The time slice is over: the program goes on in the library OS, unless that has nothing to do; the library OS and
    /// ring 0 are only told.
    fn tick(&mut self, streams: &mut dyn GuestStreams) -> Result<Option<Stop>, KvmError> {
        let regs = self.machine.vcpu.regs();
        let in_program = self.machine.vcpu.sregs().cs.selector & 3 == 3 && regs.rip < DIRECT_MAP;
        let rests = if in_program { self.rest(streams) } else { Ok(false) };
        let memory = &self.machine.memory;
        let vcpu = &mut self.machine.vcpu;
        let done = match rests {
            Ok(true) => Ok(()),
            Ok(false) if in_program && !vcpu.event_in_flight()? => {
                let interrupted = Interrupted { rip: regs.rip, rsp: regs.rsp, rflags: regs.rflags };
                vcpu.set_regs(kvm_regs { rip: self.image.header().interrupt_entry, ..regs });
                memory.store(HYPER_GPA + offset_of!(HyperPage, interrupted) as u64, &interrupted)
            }
            Ok(false) => memory.store(HYPER_GPA + offset_of!(HyperPage, tick) as u64, &1u32),
            Err(error) => Err(error),
        };
        Ok(done.err().map(|error| Stop::Broken(Breakdown::of_reason(error.to_string()))))
    }

    /// Whether the library OS has said that this tick would find nothing to do, and nothing has happened since. What has
    /// is told when it rings next.
    fn rest(&mut self, streams: &mut dyn GuestStreams) -> Result<bool, MemoryError> {
        let place = HYPER_GPA + offset_of!(HyperPage, rest) as u64;
        let ticks: u32 = self.machine.memory.load(place)?;
        if ticks == 0 {
            return Ok(false);
        }
        streams.poll(&mut self.arrivals);
        self.machine.memory.store(place, &(ticks - 1))?;
        Ok(self.arrivals.is_empty())
    }
}

/// The end that a guest has written down.
fn ended(exit: Exit) -> Stop {
    match End::try_from(exit).map_err(DoorbellError::UnknownEnd) {
        Ok(end) => Stop::Ended(end),
        Err(error) => Stop::Broken(Breakdown::of_reason(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_without_meaning_breaks_the_machine() {
        assert!(matches!(ended(Exit { cause: 2, value: 9 }), Stop::Ended(End::Killed { signal: 9 })));
        for (cause, value) in [(0, 0), (1, 300), (2, 0), (77, 1), (u32::MAX, u32::MAX)] {
            let Stop::Broken(breakdown) = ended(Exit { cause, value }) else { panic!("{cause} {value}") };
            assert!(breakdown.reason.contains("the guest ended with cause"), "{breakdown}");
        }
    }
}
