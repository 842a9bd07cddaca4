//! A call's machine: taken from a pool, given back to it however the call ends.
//!
//! [`ActiveCall`] owns the machine: dropping it gives the call up and destroys the machine, [`ActiveCall::finish`] lets it
//! come to rest first. Both return at once; a task takes the slot back.

use std::ops::Deref;
use std::sync::Arc;

use egress::Usage;
use km_vmm::protocol::Ended;

use super::function_pool::{Ending, Pool};
use super::machine::Machine;
use super::table::ChargedSlot;
use crate::logs::CallLog;

/// What is called when the machine is gone, with what the worker said of it and what it has used of the network.
pub type Epilogue = Box<dyn FnOnce(Option<Ended>, Usage) + Send + Sync>;

/// A call that holds a machine.
pub struct ActiveCall {
    machine: Machine,
    pool: Arc<Pool>,
    epilogue: Option<Epilogue>,
}

impl std::fmt::Debug for ActiveCall {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ActiveCall").field("machine", &self.machine).finish_non_exhaustive()
    }
}

impl ActiveCall {
    /// Takes charge of a shell for a call to which `hops` others led.
    pub fn new(pool: Arc<Pool>, shell: ChargedSlot, log: CallLog, hops: u32, epilogue: Epilogue) -> Self {
        Self { machine: Machine::new(shell, log, hops), pool, epilogue: Some(epilogue) }
    }

    /// The client has the whole response: lets the machine come to rest and takes its slot back.
    pub fn finish(mut self) {
        self.end(Ending::Finish);
    }

    fn end(&mut self, ending: Ending) {
        let Some(epilogue) = self.epilogue.take() else { return };
        let Some((shell, mut log, known)) = self.machine.take() else { return };
        let ending = if known.is_some() { Ending::Ended } else { ending };
        let pool = self.pool.clone();
        tokio::spawn(async move {
            let (ended, usage) = pool.recycle(shell, ending, &mut log).await;
            log.flush();
            epilogue(known.or(ended), usage);
        });
    }
}

impl Deref for ActiveCall {
    type Target = Machine;

    fn deref(&self) -> &Machine {
        &self.machine
    }
}

impl Drop for ActiveCall {
    fn drop(&mut self) {
        self.end(Ending::Cancel);
    }
}
