//! Users, groups and capabilities of a process (credentials(7), capabilities(7)).

use alloc::vec::Vec;

/// All capabilities that there are (CAP_LAST_CAP is 40).
pub const ALL_CAPABILITIES: u64 = (1 << 41) - 1;
/// What Docker leaves to root in a container.
pub const CONTAINER_CAPABILITIES: u64 = 0xa804_25fb;

/// User, groups and capabilities of a process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Credentials {
    /// Effective user; file accesses use it.
    pub uid: u32,
    /// Effective group; file accesses use it.
    pub gid: u32,
    /// Supplementary groups.
    pub groups: Vec<u32>,
    /// Real user.
    pub real_uid: u32,
    /// Saved user.
    pub saved_uid: u32,
    /// Real group.
    pub real_gid: u32,
    /// Saved group.
    pub saved_gid: u32,
    /// Permitted capabilities.
    pub permitted: u64,
    /// Effective capabilities.
    pub effective: u64,
    /// Inheritable capabilities.
    pub inheritable: u64,
    /// Bounding set.
    pub bounding: u64,
}

/// CAP_SETGID.
pub const CAP_SETGID: u32 = 6;
/// CAP_SETUID.
pub const CAP_SETUID: u32 = 7;
/// CAP_KILL.
pub const CAP_KILL: u32 = 5;
/// CAP_SYS_RESOURCE.
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

    /// Adjusts capabilities after a change of users (capabilities(7), "Effect of user ID changes").
    pub fn users_changed(&mut self, before: &Self, keep: bool) {
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
    }
}
