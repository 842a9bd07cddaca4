//! Users, groups and capabilities of a process (credentials(7), capabilities(7)).

use alloc::vec::Vec;

/// All capabilities that there are (CAP_LAST_CAP is 40).
pub const ALL_CAPABILITIES: u64 = (1 << 41) - 1;
/// What Docker leaves to root in a container.
pub const CONTAINER_CAPABILITIES: u64 = 0xa804_25fb;

/// User, groups and capabilities of a process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Credentials {
    /// Effective user: decides what the process may do to others.
    pub uid: u32,
    /// Effective group.
    pub gid: u32,
    /// Supplementary groups (getgroups(2)).
    pub groups: Vec<u32>,
    /// Real user: who started the process.
    pub real_uid: u32,
    /// Saved user: an effective one to come back to (setresuid(2)).
    pub saved_uid: u32,
    /// Real group.
    pub real_gid: u32,
    /// Saved group: an effective one to come back to.
    pub saved_gid: u32,
    /// Capabilities that may be made effective, bit n for number n.
    pub permitted: u64,
    /// Capabilities that count now.
    pub effective: u64,
    /// User as the file system sees it (setfsuid(2)).
    pub fs_uid: u32,
    /// Group as the file system sees it.
    pub fs_gid: u32,
    /// Capabilities that execve(2) may pass on (capabilities(7)).
    pub inheritable: u64,
    /// Capabilities that execve(2) can give at most.
    pub bounding: u64,
}

/// CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER, CAP_FSETID, CAP_MKNOD.
const FILE_CAPABILITIES: u64 = 0x1f | 1 << 27;

/// Number of the capability to change groups at will.
pub const CAP_SETGID: u32 = 6;
/// Number of the capability to change users at will.
pub const CAP_SETUID: u32 = 7;
/// Number of the capability to signal processes of others.
pub const CAP_KILL: u32 = 5;
/// Number of the capability to trace and inspect processes of others.
pub const CAP_SYS_PTRACE: u32 = 19;
/// May lock memory beyond RLIMIT_MEMLOCK.
pub const CAP_IPC_LOCK: u32 = 14;
/// Number of the capability to raise priorities.
pub const CAP_SYS_NICE: u32 = 23;
/// Number of the capability to raise hard limits.
pub const CAP_SYS_RESOURCE: u32 = 24;

impl Credentials {
    /// Those of a container's first process with this user.
    #[must_use]
    pub fn container(uid: u32, gid: u32, groups: Vec<u32>) -> Self {
        let own = if uid == 0 { CONTAINER_CAPABILITIES } else { 0 };
        Self {
            uid,
            gid,
            groups,
            fs_uid: uid,
            fs_gid: gid,
            real_uid: uid,
            saved_uid: uid,
            real_gid: gid,
            saved_gid: gid,
            permitted: own,
            effective: own,
            inheritable: 0,
            bounding: CONTAINER_CAPABILITIES,
        }
    }

    /// Whether a capability is effective.
    #[must_use]
    pub fn can(&self, capability: u32) -> bool {
        self.effective >> capability & 1 == 1
    }

    /// The file system sees the effective user and group again, as after every change of them.
    pub fn follow_users(&mut self) {
        (self.fs_uid, self.fs_gid) = (self.uid, self.gid);
    }

    /// setfsuid(2): root's power over files goes and comes with it.
    pub fn set_fs_uid(&mut self, uid: u32) {
        if self.fs_uid == 0 && uid != 0 {
            self.effective &= !FILE_CAPABILITIES;
        } else if self.fs_uid != 0 && uid == 0 {
            self.effective |= self.permitted & FILE_CAPABILITIES;
        }
        self.fs_uid = uid;
    }

    /// Adjusts capabilities after a change of users (capabilities(7), "Effect of user ID changes").
    pub fn users_changed(&mut self, before: &Self, keep: bool) {
        self.fs_uid = self.uid;
        let had_root = [before.uid, before.real_uid, before.saved_uid].contains(&0);
        let has_root = [self.uid, self.real_uid, self.saved_uid].contains(&0);
        if had_root && !has_root && !keep {
            self.permitted = 0;
            self.effective = 0;
        }
        if before.uid == 0 && self.uid != 0 {
            self.effective = 0;
        } else if before.uid != 0 && self.uid == 0 {
            self.effective = self.permitted;
        }
    }

    /// Adjusts capabilities at execve(2).
    pub fn executed(&mut self) {
        let own = if self.uid == 0 || self.real_uid == 0 { self.bounding } else { 0 };
        self.permitted = own;
        self.effective = if self.uid == 0 { own } else { 0 };
        self.saved_uid = self.uid;
        self.saved_gid = self.gid;
        self.follow_users();
    }
}
