//! The end of a call that has a response: its machine goes to rest or is destroyed, its turns are given back.

use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;

use super::admission::NodeTurn;
use super::calls::CallFacts;
use super::reason::CallResult;
use crate::pool::ActiveCall;

/// What a call gives back when it ends; dropped, the call is given up.
#[derive(Debug)]
pub struct CallEnd {
    call: ActiveCall,
    facts: Arc<CallFacts>,
    _turns: (OwnedSemaphorePermit, NodeTurn),
}

impl CallEnd {
    /// For a call with its machine, its facts and its turns with function and node.
    pub fn new(call: ActiveCall, facts: Arc<CallFacts>, turns: (OwnedSemaphorePermit, NodeTurn)) -> Self {
        Self { call, facts, _turns: turns }
    }

    /// The machine's side of the call.
    pub fn call(&self) -> &ActiveCall {
        &self.call
    }

    /// What is known of it.
    pub fn facts(&self) -> &CallFacts {
        &self.facts
    }

    /// The response is whole.
    pub fn complete(self) {
        self.facts.ended(CallResult::Complete);
        self.call.finish();
    }

    /// The response is not whole and never will be.
    pub fn fail(self, result: impl Into<CallResult>) {
        self.facts.ended(result.into());
    }
}
