//! Why a vCPU stopped: KVM's many reasons as the few that the monitor treats differently.

use kvm_bindings::{
    KVM_EXIT_FAIL_ENTRY, KVM_EXIT_HLT, KVM_EXIT_INTERNAL_ERROR, KVM_EXIT_INTR, KVM_EXIT_IO, KVM_EXIT_IO_OUT,
    KVM_EXIT_IRQ_WINDOW_OPEN, KVM_EXIT_MMIO, KVM_EXIT_SHUTDOWN, kvm_run,
};

/// Why a vCPU stopped.
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
        /// Where, guest-physical.
        gpa: u64,
        /// It is a write, not a read.
        write: bool,
    },
    /// A kick, or a signal.
    Interrupted,
    /// `HLT` in ring 0.
    Halt,
    /// A triple fault: the CPU could deliver no exception any more.
    Shutdown,
    /// KVM could not go on: an instruction it does not emulate, or an entry that the CPU refused.
    Failed {
        /// KVM's words for it.
        reason: String,
    },
}

/// The exit that KVM has written down in the page that it shares with a vCPU's owner.
pub(super) fn vm_exit(run: &kvm_run) -> VmExit {
    match run.exit_reason {
        KVM_EXIT_IO => port_access(run),
        KVM_EXIT_MMIO => {
            // SAFETY: plain numbers, valid whatever KVM has written; the exit's reason says that they are meant.
            let mmio = unsafe { run.__bindgen_anon_1.mmio };
            VmExit::Mmio { gpa: mmio.phys_addr, write: mmio.is_write != 0 }
        }
        KVM_EXIT_HLT => VmExit::Halt,
        KVM_EXIT_SHUTDOWN => VmExit::Shutdown,
        KVM_EXIT_INTR | KVM_EXIT_IRQ_WINDOW_OPEN => VmExit::Interrupted,
        KVM_EXIT_INTERNAL_ERROR => internal_error(run),
        KVM_EXIT_FAIL_ENTRY => {
            // SAFETY: as above.
            let code = unsafe { run.__bindgen_anon_1.fail_entry.hardware_entry_failure_reason };
            VmExit::Failed { reason: format!("the CPU refuses to enter it (code {code:#x})") }
        }
        other => VmExit::Failed { reason: format!("exit reason {other}, which no machine asks for") },
    }
}

fn port_access(run: &kvm_run) -> VmExit {
    // SAFETY: as above.
    let io = unsafe { run.__bindgen_anon_1.io };
    let access = match (u32::from(io.direction) == KVM_EXIT_IO_OUT, io.size, io.count) {
        (true, 4, 1) => return VmExit::Out { port: io.port },
        (true, 4, _) => "string OUT",
        (true, ..) => "narrow OUT",
        (false, ..) => "IN",
    };
    VmExit::Port { port: io.port, access }
}

fn internal_error(run: &kvm_run) -> VmExit {
    // SAFETY: as above.
    let internal = unsafe { run.__bindgen_anon_1.internal };
    let meaning = match internal.suberror {
        1 => "an instruction that KVM does not emulate",
        2 => "two exceptions at once",
        3 => "an exception while delivering one",
        4 => "an unexpected exit",
        _ => "unknown",
    };
    let count = (internal.ndata as usize).min(internal.data.len());
    VmExit::Failed { reason: format!("{meaning} (data {:x?})", &internal.data[..count]) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kvm_bindings::KVM_EXIT_IO_IN;

    fn exit(reason: u32, fill: impl FnOnce(&mut kvm_run)) -> VmExit {
        let mut run = kvm_run { exit_reason: reason, ..kvm_run::default() };
        fill(&mut run);
        vm_exit(&run)
    }

    fn io(direction: u32, size: u8, count: u32) -> VmExit {
        exit(KVM_EXIT_IO, |run| {
            let io = kvm_bindings::kvm_run__bindgen_ty_1__bindgen_ty_4 {
                direction: direction as u8,
                size,
                port: 0x501,
                count,
                data_offset: u64::MAX,
            };
            run.__bindgen_anon_1.io = io;
        })
    }

    #[test]
    fn only_a_single_32_bit_out_is_a_doorbell() {
        assert_eq!(io(KVM_EXIT_IO_OUT, 4, 1), VmExit::Out { port: 0x501 });
        for (size, count, access) in
            [(4, 2, "string OUT"), (4, 0, "string OUT"), (1, 1, "narrow OUT"), (2, 9, "narrow OUT")]
        {
            assert_eq!(io(KVM_EXIT_IO_OUT, size, count), VmExit::Port { port: 0x501, access });
        }
        assert_eq!(io(KVM_EXIT_IO_IN, 4, 1), VmExit::Port { port: 0x501, access: "IN" });
    }

    #[test]
    fn memory_accesses_have_an_address_and_a_direction() {
        for write in [false, true] {
            let seen = exit(KVM_EXIT_MMIO, |run| {
                let mmio = kvm_bindings::kvm_run__bindgen_ty_1__bindgen_ty_6 {
                    phys_addr: 1 << 40,
                    is_write: u8::from(write),
                    ..Default::default()
                };
                run.__bindgen_anon_1.mmio = mmio;
            });
            assert_eq!(seen, VmExit::Mmio { gpa: 1 << 40, write });
        }
    }

    #[test]
    fn failures_of_kvm_say_what_they_are() {
        let internal = exit(KVM_EXIT_INTERNAL_ERROR, |run| {
            let mut internal = kvm_bindings::kvm_run__bindgen_ty_1__bindgen_ty_13::default();
            // More data than there is room for.
            (internal.suberror, internal.ndata, internal.data[0]) = (1, u32::MAX, 0xbeef);
            run.__bindgen_anon_1.internal = internal;
        });
        let VmExit::Failed { reason } = internal else { panic!("{internal:?}") };
        assert!(reason.starts_with("an instruction that KVM does not emulate (data [beef, 0"), "{reason}");
        let entry = exit(KVM_EXIT_FAIL_ENTRY, |run| {
            run.__bindgen_anon_1.fail_entry.hardware_entry_failure_reason = 0x21;
        });
        assert_eq!(entry, VmExit::Failed { reason: "the CPU refuses to enter it (code 0x21)".into() });
        let unknown = exit(u32::MAX, |_| ());
        assert!(matches!(unknown, VmExit::Failed { reason } if reason.contains("4294967295")));
    }

    #[test]
    fn the_others_carry_nothing() {
        let plain = [
            (KVM_EXIT_HLT, VmExit::Halt),
            (KVM_EXIT_SHUTDOWN, VmExit::Shutdown),
            (KVM_EXIT_INTR, VmExit::Interrupted),
            (KVM_EXIT_IRQ_WINDOW_OPEN, VmExit::Interrupted),
        ];
        for (reason, expected) in plain {
            assert_eq!(exit(reason, |_| ()), expected);
        }
    }
}
