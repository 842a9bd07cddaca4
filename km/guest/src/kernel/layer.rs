//! The end of a build step: what it changed goes to the monitor before the machine ends.

use super::Kernel;
use crate::errno::{Errno, Result};
use crate::fs::changes;
use crate::net::tcp::wire::Wire;
use alloc::rc::Rc;
use km_abi::hypercall::{Idle, NEVER, REPLY};

impl Kernel {
    /// Tells what changed in the rootfs. Where that fails the stream ends early, which its reader takes for a failure.
    pub(super) fn tell_changes(&mut self) {
        let host = Rc::clone(self.net.host());
        let stream = host.stream(REPLY);
        let mut out = |mut bytes: &[u8]| -> Result<()> {
            while !bytes.is_empty() {
                match stream.send(&mut bytes) {
                    Ok(_) => {}
                    // The monitor says when it takes more.
                    Err(Errno::EAGAIN) => {
                        host.idle(Idle { deadline_ns: NEVER, ..Idle::default() }, &mut |_, _| false);
                    }
                    Err(errno) => return Err(errno),
                }
            }
            Ok(())
        };
        if let Err(errno) = changes::tell(&self.vfs, &mut out) {
            crate::log!("what the step changed cannot be told: {errno:?}");
        }
    }
}
