//! Readiness of TCP sockets, as tcp_poll() of Linux has it.

use super::{Tcp, TcpState};
use crate::fs::file::Ready;
use crate::net::socket::Halves;
use crate::net::tcp::urgent::Urgent;
use crate::net::tcp::wire::Wire;

impl Tcp {
    pub(super) fn readiness(&self) -> Ready {
        let mut ready = match &*self.state.borrow() {
            TcpState::Listening(listener) => {
                return if listener.is_empty() { Ready::empty() } else { Ready::IN };
            }
            TcpState::Connecting | TcpState::Reaching(_) => Ready::empty(),
            TcpState::Closed if self.is_reset.get() => all_over(),
            TcpState::Closed => Ready::OUT | Ready::HUP,
            TcpState::Connected(_) if self.is_reset.get() => all_over(),
            TcpState::Connected(wire) => self.of_connection(&**wire),
        };
        if self.common.error.get().is_some() {
            ready |= Ready::ERR;
        }
        ready
    }

    fn of_connection(&self, wire: &dyn Wire) -> Ready {
        let shut = self.shut.get();
        let mut ready = Ready::empty();
        ready.set(Ready::PRI, wire.urgent().is_some_and(Urgent::is_waiting));
        let hears_no_more = shut.contains(Halves::READ) || wire.peer_finished();
        if hears_no_more {
            ready |= Ready::IN | Ready::RDHUP;
        } else if wire.has_bytes(self.common.options.low_water.get()) {
            ready |= Ready::IN;
        }
        if shut.contains(Halves::WRITE) {
            ready |= Ready::OUT;
            if hears_no_more {
                ready |= Ready::HUP;
            }
        } else if wire.has_room() {
            ready |= Ready::OUT;
        } else {
            self.common.no_space.set(true);
        }
        ready
    }
}

/// After a RST or a refused connection.
fn all_over() -> Ready {
    Ready::IN | Ready::OUT | Ready::RDHUP | Ready::HUP
}
