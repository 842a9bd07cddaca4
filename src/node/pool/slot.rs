//! A slot of a worker, with its place at the broker of connections outward, where the function may have any.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use egress::{KnownName, Session, Usage};
use worker::process::{Worker, WorkerError};
use worker::slot::Slot;

use super::node::Node;
use super::table::SlotOfWorker;

/// A slot, and what its machine may reach.
#[derive(Debug)]
pub struct MachineSlot {
    slot: Slot,
    session: Option<Session>,
}

impl MachineSlot {
    /// One more slot of a worker, whose machines reach what `function` may.
    ///
    /// # Errors
    /// When the worker has no more slots or is gone, or this process may not have more descriptors.
    pub async fn of(
        worker: &Arc<Worker>,
        node: &Node,
        function: Option<&Arc<egress::Function>>,
    ) -> Result<Self, WorkerError> {
        let attached = match (&node.reach, function) {
            (Some(reach), Some(function)) => Some(reach.broker().attach(function)?),
            _ => None,
        };
        let (session, theirs) = attached.unzip();
        Ok(Self { slot: worker.add_slot(theirs).await?, session })
    }

    /// A call begins, to which `hops` others led: from here its machine's wishes for connections are heard.
    pub fn begins(&self, call: &str, hops: u32) {
        if let Some(session) = &self.session {
            session.begin(call, hops);
        }
    }

    /// What the program has resolved in this call.
    pub fn names(&self) -> Vec<KnownName> {
        self.session.as_ref().map(Session::names).unwrap_or_default()
    }

    /// The call is over, and with it every connection of its machine.
    pub fn ends(&self) -> Usage {
        let Some(session) = &self.session else { return Usage::default() };
        let usage = session.end();
        if session.is_over() {
            // It broke the broker's protocol, or is gone.
            self.slot.worker().kill();
        }
        usage
    }
}

impl Deref for MachineSlot {
    type Target = Slot;

    fn deref(&self) -> &Slot {
        &self.slot
    }
}

impl DerefMut for MachineSlot {
    fn deref_mut(&mut self) -> &mut Slot {
        &mut self.slot
    }
}

impl SlotOfWorker for MachineSlot {
    type Worker = Worker;

    fn worker(&self) -> &Arc<Worker> {
        self.slot.worker()
    }
}
