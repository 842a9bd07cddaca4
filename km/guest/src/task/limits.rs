//! Resource limits (getrlimit(2)).

use crate::errno::{Errno, Result};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// RLIM_INFINITY: no limit.
pub const INFINITY: u64 = u64::MAX;

/// Numbers of the resources that the library OS looks at.
pub mod resource {
    /// Size of a file.
    pub const FSIZE: usize = 1;
    /// Heap and other private memory.
    pub const DATA: usize = 2;
    /// Stack of the first thread.
    pub const STACK: usize = 3;
    /// Processes and threads of a user.
    pub const NPROC: usize = 6;
    /// Descriptors: one more than the highest number.
    pub const NOFILE: usize = 7;
    /// Locked memory in bytes.
    pub const MEMLOCK: usize = 8;
    /// CPU time in seconds.
    pub const CPU: usize = 0;
    /// Real-time signals that wait.
    pub const SIGPENDING: usize = 11;
    /// Bytes of POSIX message queues of a user.
    pub const MSGQUEUE: usize = 12;
    /// Bytes of the address space.
    pub const AS: usize = 9;
    /// How many there are.
    pub const COUNT: usize = 16;
}

/// `struct rlimit` (getrlimit(2)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Limit {
    /// The soft limit, which is enforced.
    pub current: u64,
    /// How far `current` can be raised.
    pub maximum: u64,
}

/// The limits of a process.
#[derive(Clone, Debug)]
pub struct Limits([Limit; resource::COUNT]);

impl Default for Limits {
    /// As a container has them.
    fn default() -> Self {
        let mut limits = [Limit { current: INFINITY, maximum: INFINITY }; resource::COUNT];
        let mut set = |resource: usize, current, maximum| limits[resource] = Limit { current, maximum };
        set(resource::STACK, 8 << 20, INFINITY);
        set(resource::NOFILE, 1 << 20, 1 << 20);
        // RLIMIT_CORE, RLIMIT_MEMLOCK, RLIMIT_SIGPENDING, RLIMIT_MSGQUEUE, RLIMIT_NICE, RLIMIT_RTPRIO
        set(4, 0, INFINITY);
        set(8, 8 << 20, 8 << 20);
        set(11, 4096, 4096);
        set(12, 819_200, 819_200);
        set(13, 0, 0);
        set(14, 0, 0);
        Self(limits)
    }
}

impl Limits {
    /// One of them.
    ///
    /// # Errors
    /// EINVAL for a number that is none.
    pub fn get(&self, resource: u64) -> Result<Limit> {
        self.0.get(usize::try_from(resource).map_err(|_| Errno::EINVAL)?).copied().ok_or(Errno::EINVAL)
    }

    /// RLIMIT_CPU, unless it is unlimited.
    #[must_use]
    pub fn cpu(&self) -> Option<Limit> {
        Some(self.0[resource::CPU]).filter(|limit| limit.current != INFINITY)
    }

    /// Changes one of them.
    ///
    /// # Errors
    /// EINVAL; EPERM for raising a maximum without privilege, or descriptors beyond what the system has.
    pub fn set(&mut self, resource: u64, limit: Limit, privileged: bool) -> Result<()> {
        let old = self.get(resource)?;
        if limit.current > limit.maximum {
            return Err(Errno::EINVAL);
        }
        let raised = limit.maximum > old.maximum && !privileged;
        if raised || resource == resource::NOFILE as u64 && limit.maximum > 1 << 20 {
            return Err(Errno::EPERM);
        }
        self.0[resource as usize] = limit;
        Ok(())
    }

    /// What is enforced for a resource of [`resource`].
    #[must_use]
    pub fn current(&self, resource: usize) -> u64 {
        self.0[resource].current
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maxima_only_sink_without_privilege() {
        let mut limits = Limits::default();
        let lower = Limit { current: 10, maximum: 20 };
        limits.set(7, lower, false).unwrap();
        assert_eq!(limits.get(7), Ok(lower));
        assert_eq!(limits.set(7, Limit { current: 10, maximum: 21 }, false), Err(Errno::EPERM));
        assert_eq!(limits.set(7, Limit { current: 30, maximum: 20 }, true), Err(Errno::EINVAL));
        assert_eq!(limits.get(16), Err(Errno::EINVAL));
    }
}
