//! One slot: a thread that holds at most one machine and does what its stream says.
//!
//! ```text
//!          Prepare ──────────────► Shell ──┐
//! Empty ──┤                                ├─ Call ─► (call) ─► Ended ─► Empty        role Serve
//!          Boot ─► Ready ────────► Booted ─┘
//!          Boot ─► Ready ─► Booted ─ Call … Finish ─► Ready ─► Booted ─ Snapshot ─► Empty     role Bake
//! ```
//!
//! A machine is made, run and destroyed on this thread: only this slot waits for it.

use std::sync::mpsc::Receiver;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use super::SlotSockets;
use super::call;
use super::drive::Guest;
use super::function::{Function, micros};
use super::growth::{Growth, faults};
use super::outbound::Outbound;
use super::stream::SlotStream;
use super::stride::Stride;
use super::{bake, drive::DriveError};
use crate::jail::urgency::{Pace, Urgency, thread_time};
use crate::protocol::{Boot, Call, Charged, Ended, Frame, FrameError, Kind, Outcome, Prepared, Role};
use crate::shell::Shell;
use crate::vm::kick::Ticker;
use km_abi::records::INLAY_MAX;

/// Why a slot gives up its stream; the server may open another one.
#[derive(Debug, thiserror::Error)]
pub enum SlotError {
    /// The server does not keep to the protocol.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The socket to the server failed.
    #[error("slot stream: {0}")]
    Stream(#[from] std::io::Error),
    /// A machine cannot be driven.
    #[error(transparent)]
    Drive(#[from] DriveError),
}

/// What a slot holds.
pub enum Held {
    /// No machine.
    Empty,
    /// A clone that waits for its call.
    Shell(Box<Shell>),
    /// A machine that has booted.
    Booted(Box<Guest>),
}

/// A slot and what it needs to make machines.
pub struct Slot {
    /// What its machines are made of, shared by all slots.
    pub function: Arc<Function>,
    /// The timer by which this thread's guests are interrupted.
    pub ticker: Ticker,
    /// How urgent this thread is: it gives way to others unless it has a machine for a call.
    pub pace: Pace,
    /// What is to be put into the machine of the next call.
    pub inlay: Vec<u8>,
    index: usize,
    /// Page faults and processor time of this thread when it last waited, or had made a shell: taken then, and not when a call comes.
    waited: (u64, Duration),
}

/// Serves one stream after the other until the worker leaves.
pub fn run(
    index: usize,
    streams: &Receiver<SlotSockets>,
    function: &OnceLock<Arc<Function>>,
    mut ticker: Ticker,
    mut pace: Pace,
) {
    while let Ok(sockets) = streams.recv() {
        let Some(function) = function.get() else { continue };
        let mut slot = Slot {
            function: Arc::clone(function),
            ticker,
            pace,
            inlay: Vec::new(),
            index,
            waited: <_>::default(),
        };
        let served = slot.serve(&mut SlotStream::new(sockets.stream, Outbound::new(sockets.broker)));
        if let Err(error) = served {
            eprintln!("km worker: {}: {error}", function.spec.name);
        }
        (ticker, pace) = (slot.ticker, slot.pace);
    }
}

impl Slot {
    /// Whether a machine that boots for a call is held before the program's first instruction until the call is there.
    #[must_use]
    pub fn starts_with_its_call(&self) -> bool {
        !self.function.spec.wire.is_connection() || !self.inlay.is_empty()
    }

    /// Watches how much memory the slot's machine takes from now on. `granule` is what one page fault gives it at most.
    #[must_use]
    pub fn growth(&self, charged: Charged, granule: u64) -> Growth {
        Growth::new(Arc::clone(&self.function), self.index, charged, granule, self.waited.0)
    }

    /// Page faults of this thread before the call.
    #[must_use]
    pub fn faults_when_waiting(&self) -> u64 {
        self.waited.0
    }

    /// Watches how long the slot's machine computes from now on.
    #[must_use]
    pub fn stride(&self) -> Stride {
        Stride::new(self.pace.clone(), self.waited.1)
    }

    fn serve(&mut self, stream: &mut SlotStream) -> Result<(), SlotError> {
        let mut held = Held::Empty;
        loop {
            self.hurry(!matches!(held, Held::Empty));
            stream.flush_within(None)?;
            match stream.next()? {
                Some(frame) => {
                    held = self.obey(&frame, held, stream)?;
                    if matches!(held, Held::Empty) {
                        stream.outbound.clear();
                    }
                }
                None if stream.ended() => return Ok(()),
                None => {
                    self.waited = (faults(), thread_time());
                    stream.wait(true, None)?;
                }
            }
        }
    }

    fn obey(&mut self, frame: &Frame, held: Held, stream: &mut SlotStream) -> Result<Held, SlotError> {
        let now = Instant::now();
        // Other connections live and die with their call.
        frame.header()?.of_call()?;
        let bakes = self.function.role == Role::Bake;
        match (frame.kind, held) {
            (Kind::Prepare, Held::Empty) => self.prepare(stream),
            (Kind::Boot, Held::Empty) => {
                self.hurry(true);
                bake::boot(self, &frame.record::<Boot>()?, now, stream)
            }
            (Kind::Call, Held::Booted(machine)) if bakes => {
                bake::warm_up(self, machine, &frame.record::<Call>()?, now, stream)
            }
            (Kind::Call, held) if !bakes => {
                self.hurry(true);
                let ended = call::run(self, held, &frame.record::<Call>()?, now, stream)?;
                stream.queue_record(Kind::Ended, &ended)?;
                Ok(Held::Empty)
            }
            (Kind::Inlay, held) if !bakes => {
                if self.inlay.len() + frame.payload.len() > INLAY_MAX as usize {
                    return Err(FrameError::Length { kind: Kind::Inlay, len: self.inlay.len() }.into());
                }
                self.inlay.extend_from_slice(&frame.payload);
                Ok(held)
            }
            (Kind::Snapshot, Held::Booted(mut machine)) if bakes => {
                bake::snapshot(self, &mut machine, stream)
            }
            // What was sent before the server heard of the end of a call.
            (Kind::Data | Kind::End | Kind::Finish | Kind::Cancel, Held::Empty) => {
                self.inlay = Vec::new();
                Ok(Held::Empty)
            }
            (Kind::Cancel, held) => {
                let start = Instant::now();
                drop(held);
                self.inlay = Vec::new();
                let teardown_us = micros(start.elapsed());
                stream.queue_record(Kind::Ended, &Ended { teardown_us, ..ended(Outcome::Cancelled) })?;
                Ok(Held::Empty)
            }
            (kind, _) => Err(FrameError::Unexpected(kind).into()),
        }
    }

    /// A thread with a machine for a call does not give way, unless it bakes.
    fn hurry(&mut self, has_machine: bool) {
        let hurries = has_machine && self.function.role == Role::Serve;
        self.pace.set(if hurries { Urgency::Prompt } else { Urgency::Patient });
    }

    fn prepare(&mut self, stream: &mut SlotStream) -> Result<Held, SlotError> {
        match self.function.shell(&mut self.ticker) {
            Ok(Some((shell, touched_pages))) => {
                let prepared = Prepared {
                    create_us: micros(shell.create),
                    prerun_us: micros(shell.prerun),
                    touched_pages,
                };
                // A call may be here already, and then nothing is waited for in between.
                self.waited = (faults(), thread_time());
                stream.queue_record(Kind::Prepared, &prepared)?;
                Ok(Held::Shell(Box::new(shell)))
            }
            Ok(None) => self.failed("there is no snapshot to make a machine from", stream),
            Err(error) => self.failed(&error.to_string(), stream),
        }
    }

    /// Tells the server that no machine could be had.
    pub fn failed(&self, message: &str, stream: &mut SlotStream) -> Result<Held, SlotError> {
        let message = message.to_owned();
        stream.queue_record(Kind::Ended, &ended(Outcome::Fault { message }))?;
        Ok(Held::Empty)
    }
}

/// An end without figures.
#[must_use]
pub fn ended(outcome: Outcome) -> Ended {
    Ended {
        outcome,
        boot_us: 0,
        first_byte_us: None,
        run_us: 0,
        teardown_us: 0,
        dirty_pages: 0,
        touched_pages: 0,
        exits: 0,
        page_faults: 0,
    }
}
