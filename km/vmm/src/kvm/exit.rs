//! Why a vCPU stopped, as far as the monitor tells cases apart.

/// An exit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VmExit {
    /// A single 32-bit `OUT`: a doorbell, if the port is one.
    Out {
        /// The port.
        port: u16,
    },
    /// Any other port access.
    Port {
        /// The port.
        port: u16,
        /// `IN` or `OUT`, width and count.
        access: &'static str,
    },
    /// An access to memory that is not there, or a write to the rootfs.
    Mmio {
        /// Guest-physical address.
        gpa: u64,
        /// A write.
        write: bool,
    },
    /// A kick, or a signal.
    Interrupted,
    /// `HLT` in ring 0.
    Halt,
    /// A triple fault.
    Shutdown,
    /// KVM could not go on: an instruction it does not emulate, or an entry that the CPU refused.
    Failed {
        /// KVM's words for it.
        reason: String,
    },
}
