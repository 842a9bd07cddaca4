//! siginfo_t (sigaction(2)): what a handler, sigwaitinfo or a signalfd learns of a signal.

use super::Signal;

/// Size of a siginfo_t.
pub const INFO_BYTES: usize = 128;

/// Values of `si_code`: why the signal was sent (sigaction(2)).
#[expect(missing_docs, reason = "sigaction(2) describes them")]
pub mod code {
    pub const USER: i32 = 0;
    pub const KERNEL: i32 = 0x80;
    pub const QUEUE: i32 = -1;
    pub const TIMER: i32 = -2;
    pub const MESGQ: i32 = -3;
    pub const TKILL: i32 = -6;
    pub const ILL_ILLOPN: i32 = 2;
    pub const FPE_INTDIV: i32 = 1;
    pub const FPE_FLTINV: i32 = 7;
    pub const FPE_FLTDIV: i32 = 3;
    pub const FPE_FLTOVF: i32 = 4;
    pub const FPE_FLTUND: i32 = 5;
    pub const FPE_FLTRES: i32 = 6;
    pub const SEGV_MAPERR: i32 = 1;
    pub const SEGV_ACCERR: i32 = 2;
    pub const BUS_ADRALN: i32 = 1;
    pub const BUS_ADRERR: i32 = 2;
    pub const TRAP_BRKPT: i32 = 1;
    pub const TRAP_TRACE: i32 = 2;
    pub const TRAP_HWBKPT: i32 = 4;
    pub const CLD_EXITED: i32 = 1;
    pub const CLD_KILLED: i32 = 2;
    pub const CLD_DUMPED: i32 = 3;
    pub const CLD_STOPPED: i32 = 5;
    pub const CLD_CONTINUED: i32 = 6;
}

/// The part of a siginfo_t that depends on where the signal came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nothing is known (SI_KERNEL).
    None,
    /// kill, tgkill: si_pid and si_uid; with sigqueue also si_value.
    Sender {
        /// `si_pid`: the sending process.
        pid: i32,
        /// `si_uid`: its real user.
        uid: u32,
        /// `si_value`: what came with it (sigqueue(3)).
        value: u64,
    },
    /// An exception of the CPU.
    Fault {
        /// `si_addr`: where it happened, or what was accessed.
        address: u64,
    },
    /// SIGCHLD: si_pid, si_uid, si_status.
    Child {
        /// `si_pid`: the child.
        pid: i32,
        /// `si_uid`: its real user.
        uid: u32,
        /// `si_status`: exit status or signal.
        status: i32,
    },
    /// timer_create: si_timerid, si_overrun, si_value.
    Timer {
        /// `si_timerid`: number of the timer.
        id: i32,
        /// `si_overrun`: expirations that this signal stands for, besides its own.
        overrun: i32,
        /// `si_value`: what timer_create(2) was given.
        value: u64,
    },
    /// A file that became ready (F_SETSIG of fcntl(2)).
    Poll {
        /// `si_band`: bits of poll(2).
        band: i64,
        /// `si_fd`: the descriptor through which O_ASYNC was set.
        fd: i32,
    },
    /// rt_sigqueueinfo: the bytes after si_code as the sender gave them.
    Raw([u8; INFO_BYTES - 12]),
}

/// A signal on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Info {
    /// `si_signo`: which signal it is.
    pub signal: Signal,
    /// `si_code`: why it was sent.
    pub code: i32,
    /// The fields that depend on the code.
    pub origin: Origin,
}

impl Info {
    /// A signal that the kernel itself sends.
    #[must_use]
    pub fn kernel(signal: Signal) -> Self {
        Self { signal, code: code::KERNEL, origin: Origin::None }
    }

    /// A signal of kill(2) (`code::USER`) or tgkill(2) (`code::TKILL`).
    #[must_use]
    pub fn from_sender(signal: Signal, code: i32, pid: i32, uid: u32) -> Self {
        Self { signal, code, origin: Origin::Sender { pid, uid, value: 0 } }
    }

    /// What an exception raises.
    #[must_use]
    pub fn fault(signal: Signal, code: i32, address: u64) -> Self {
        Self { signal, code, origin: Origin::Fault { address } }
    }

    /// A siginfo_t that a program made itself (rt_sigqueueinfo(2)), for another signal number.
    #[must_use]
    pub fn from_program(signal: Signal, bytes: &[u8; INFO_BYTES]) -> Self {
        let mut rest = [0; INFO_BYTES - 12];
        rest.copy_from_slice(&bytes[12..]);
        let code = i32::from_le_bytes([bytes[8], bytes[9], bytes[10], bytes[11]]);
        Self { signal, code, origin: Origin::Raw(rest) }
    }

    /// The number of the timer that sent it, if one did.
    #[must_use]
    pub fn timer(&self) -> Option<i32> {
        match self.origin {
            Origin::Timer { id, .. } => Some(id),
            _ => None,
        }
    }

    /// The `siginfo_t` as the program sees it.
    #[must_use]
    pub fn encode(&self) -> [u8; INFO_BYTES] {
        let mut bytes = [0; INFO_BYTES];
        let mut put =
            |offset: usize, value: &[u8]| bytes[offset..offset + value.len()].copy_from_slice(value);
        put(0, &i32::from(self.signal.number()).to_le_bytes());
        put(8, &self.code.to_le_bytes());
        match self.origin {
            Origin::None => {}
            Origin::Sender { pid, uid, value } => {
                put(16, &pid.to_le_bytes());
                put(20, &uid.to_le_bytes());
                put(24, &value.to_le_bytes());
            }
            Origin::Fault { address } => put(16, &address.to_le_bytes()),
            Origin::Child { pid, uid, status } => {
                put(16, &pid.to_le_bytes());
                put(20, &uid.to_le_bytes());
                put(24, &status.to_le_bytes());
            }
            Origin::Timer { id, overrun, value } => {
                put(16, &id.to_le_bytes());
                put(20, &overrun.to_le_bytes());
                put(24, &value.to_le_bytes());
            }
            Origin::Poll { band, fd } => {
                put(16, &band.to_le_bytes());
                put(24, &fd.to_le_bytes());
            }
            Origin::Raw(rest) => put(12, &rest),
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_programs_own_info_comes_back_as_it_was() {
        let mut bytes = [0; INFO_BYTES];
        for (index, byte) in bytes.iter_mut().enumerate().skip(8) {
            *byte = index as u8;
        }
        let info = Info::from_program(Signal::USR1, &bytes);
        let encoded = info.encode();
        assert_eq!(encoded[8..], bytes[8..]);
        assert_eq!(encoded[0], 10);
    }

    #[test]
    fn faults_have_their_address_where_programs_look() {
        let bytes = Info::fault(Signal::SEGV, code::SEGV_MAPERR, 0x1234_5678).encode();
        assert_eq!(bytes[16..24], 0x1234_5678u64.to_le_bytes());
        assert_eq!(bytes[8], 1);
    }
}
