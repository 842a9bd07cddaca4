//! Users, groups and capabilities (credentials(7), capabilities(7)).

use super::row::Row;
use crate::errno::{Errno, Result};
use crate::kernel::{Args, Ctx};
use crate::task::Credentials;
use crate::task::credentials::{CAP_SETGID, CAP_SETUID};
use crate::wait::SysResult;
use alloc::vec::Vec;

pub const ROWS: &[Row] = &[
    Row::full(102, "getuid", sys_getuid),
    Row::full(104, "getgid", sys_getgid),
    Row::full(105, "setuid", sys_setuid),
    Row::full(106, "setgid", sys_setgid),
    Row::full(107, "geteuid", sys_geteuid),
    Row::full(108, "getegid", sys_getegid),
    Row::full(113, "setreuid", sys_setreuid),
    Row::full(114, "setregid", sys_setregid),
    Row::full(115, "getgroups", sys_getgroups),
    Row::full(116, "setgroups", sys_setgroups),
    Row::full(117, "setresuid", sys_setresuid),
    Row::full(118, "getresuid", sys_getresuid),
    Row::full(119, "setresgid", sys_setresgid),
    Row::full(120, "getresgid", sys_getresgid),
    Row::full(122, "setfsuid", sys_setfsuid),
    Row::full(123, "setfsgid", sys_setfsgid),
    Row::full(125, "capget", sys_capget),
    Row::full(126, "capset", sys_capset),
];

/// "Leave it as it is".
const KEEP: u32 = u32::MAX;
/// Supplementary groups at most (NGROUPS_MAX).
const GROUPS_MAX: u64 = 65_536;

/// Changes users, and with them capabilities.
fn change_users(ctx: &mut Ctx<'_>, change: impl FnOnce(&mut Credentials)) {
    let process = ctx.process();
    let before = process.credentials.clone();
    change(&mut process.credentials);
    process.credentials.users_changed(&before, process.settings.keep_capabilities);
}

fn sys_getuid(ctx: &mut Ctx<'_>, _: &Args) -> SysResult {
    Ok(u64::from(ctx.process().credentials.real_uid))
}

fn sys_getgid(ctx: &mut Ctx<'_>, _: &Args) -> SysResult {
    Ok(u64::from(ctx.process().credentials.real_gid))
}

fn sys_geteuid(ctx: &mut Ctx<'_>, _: &Args) -> SysResult {
    Ok(u64::from(ctx.process().credentials.uid))
}

fn sys_getegid(ctx: &mut Ctx<'_>, _: &Args) -> SysResult {
    Ok(u64::from(ctx.process().credentials.gid))
}

fn sys_setuid(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let uid = args[0] as u32;
    let own = &ctx.process().credentials;
    if uid == KEEP {
        return Err(Errno::EINVAL.into());
    }
    if own.can(CAP_SETUID) {
        change_users(ctx, |own| (own.uid, own.real_uid, own.saved_uid) = (uid, uid, uid));
    } else if [own.real_uid, own.saved_uid].contains(&uid) {
        change_users(ctx, |own| own.uid = uid);
    } else {
        return Err(Errno::EPERM.into());
    }
    Ok(0)
}

fn sys_setgid(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let gid = args[0] as u32;
    let own = &mut ctx.process().credentials;
    if gid == KEEP {
        return Err(Errno::EINVAL.into());
    }
    if own.can(CAP_SETGID) {
        (own.gid, own.real_gid, own.saved_gid, own.fs_gid) = (gid, gid, gid, gid);
    } else if [own.real_gid, own.saved_gid].contains(&gid) {
        (own.gid, own.fs_gid) = (gid, gid);
    } else {
        return Err(Errno::EPERM.into());
    }
    Ok(0)
}

/// Answers the old number, whether or not it changed.
fn sys_setfsuid(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let uid = args[0] as u32;
    let own = &mut ctx.process().credentials;
    let old = own.fs_uid;
    let known = [own.uid, own.real_uid, own.saved_uid, own.fs_uid].contains(&uid);
    if uid != KEEP && (known || own.can(CAP_SETUID)) {
        own.set_fs_uid(uid);
    }
    Ok(u64::from(old))
}

/// The same for groups.
fn sys_setfsgid(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let gid = args[0] as u32;
    let own = &mut ctx.process().credentials;
    let old = own.fs_gid;
    let known = [own.gid, own.real_gid, own.saved_gid, own.fs_gid].contains(&gid);
    if gid != KEEP && (known || own.can(CAP_SETGID)) {
        own.fs_gid = gid;
    }
    Ok(u64::from(old))
}

/// Refuses numbers that an unprivileged process does not have already.
fn check(wanted: &[u32], had: [u32; 3], privileged: bool) -> Result<()> {
    let allowed = wanted.iter().all(|id| *id == KEEP || privileged || had.contains(id));
    if allowed { Ok(()) } else { Err(Errno::EPERM) }
}

fn chosen(wanted: u32, old: u32) -> u32 {
    if wanted == KEEP { old } else { wanted }
}

fn sys_setresuid(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let [real, effective, saved] = [args[0] as u32, args[1] as u32, args[2] as u32];
    let own = &ctx.process().credentials;
    check(&[real, effective, saved], [own.real_uid, own.uid, own.saved_uid], own.can(CAP_SETUID))?;
    change_users(ctx, |own| {
        own.real_uid = chosen(real, own.real_uid);
        own.uid = chosen(effective, own.uid);
        own.saved_uid = chosen(saved, own.saved_uid);
    });
    Ok(0)
}

fn sys_setresgid(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let [real, effective, saved] = [args[0] as u32, args[1] as u32, args[2] as u32];
    let own = &mut ctx.process().credentials;
    check(&[real, effective, saved], [own.real_gid, own.gid, own.saved_gid], own.can(CAP_SETGID))?;
    own.real_gid = chosen(real, own.real_gid);
    own.gid = chosen(effective, own.gid);
    own.fs_gid = own.gid;
    own.saved_gid = chosen(saved, own.saved_gid);
    Ok(0)
}

fn sys_setreuid(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let [real, effective] = [args[0] as u32, args[1] as u32];
    let own = &ctx.process().credentials;
    check(&[real], [own.real_uid, own.uid, own.uid], own.can(CAP_SETUID))?;
    check(&[effective], [own.real_uid, own.uid, own.saved_uid], own.can(CAP_SETUID))?;
    change_users(ctx, |own| {
        let old_real = own.real_uid;
        own.real_uid = chosen(real, old_real);
        own.uid = chosen(effective, own.uid);
        if real != KEEP || effective != KEEP && own.uid != old_real {
            own.saved_uid = own.uid;
        }
    });
    Ok(0)
}

fn sys_setregid(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let [real, effective] = [args[0] as u32, args[1] as u32];
    let own = &mut ctx.process().credentials;
    check(&[real], [own.real_gid, own.gid, own.gid], own.can(CAP_SETGID))?;
    check(&[effective], [own.real_gid, own.gid, own.saved_gid], own.can(CAP_SETGID))?;
    let old_real = own.real_gid;
    own.real_gid = chosen(real, old_real);
    own.gid = chosen(effective, own.gid);
    own.fs_gid = own.gid;
    if real != KEEP || effective != KEEP && own.gid != old_real {
        own.saved_gid = own.gid;
    }
    Ok(0)
}

fn store_three(ctx: &mut Ctx<'_>, args: &Args, values: [u32; 3]) -> SysResult {
    let memory = ctx.memory();
    for (address, value) in args.iter().zip(values) {
        memory.store(*address, &value)?;
    }
    Ok(0)
}

fn sys_getresuid(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let own = &ctx.process().credentials;
    let values = [own.real_uid, own.uid, own.saved_uid];
    store_three(ctx, args, values)
}

fn sys_getresgid(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let own = &ctx.process().credentials;
    let values = [own.real_gid, own.gid, own.saved_gid];
    store_three(ctx, args, values)
}

fn sys_getgroups(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let groups = ctx.process().credentials.groups.clone();
    let size = args[0] as i32;
    if size < 0 || size != 0 && (size as usize) < groups.len() {
        return Err(Errno::EINVAL.into());
    }
    if size != 0 {
        let bytes: Vec<u8> = groups.iter().flat_map(|group| group.to_le_bytes()).collect();
        ctx.memory().write(args[1], &bytes)?;
    }
    Ok(groups.len() as u64)
}

fn sys_setgroups(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let [count, list, ..] = *args;
    if !ctx.process().credentials.can(CAP_SETGID) {
        return Err(Errno::EPERM.into());
    }
    if count > GROUPS_MAX {
        return Err(Errno::EINVAL.into());
    }
    let memory = ctx.memory();
    let groups: Result<Vec<u32>> =
        (0..count).map(|index| memory.load(list.wrapping_add(4 * index))).collect();
    let mut groups = groups?;
    groups.sort_unstable();
    ctx.process().credentials.groups = groups;
    Ok(0)
}

/// _LINUX_CAPABILITY_VERSION_3 and its deprecated twin with the same layout.
const CAPABILITY_VERSIONS: [u32; 2] = [0x2008_0522, 0x2007_1026];

/// Reads the header of capget(2) and capset(2): the process; `None` when it only asked for the version.
fn capability_target(ctx: &mut Ctx<'_>, header: u64, data: u64) -> Result<Option<i32>> {
    let memory = ctx.memory();
    let [version, pid]: [u32; 2] = memory.load(header)?;
    if !CAPABILITY_VERSIONS.contains(&version) {
        memory.store(header, &CAPABILITY_VERSIONS[0])?;
        return if data == 0 { Ok(None) } else { Err(Errno::EINVAL) };
    }
    if (pid as i32) < 0 { Err(Errno::EINVAL) } else { Ok(Some(pid as i32)) }
}

fn sys_capget(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let [header, data, ..] = *args;
    let Some(pid) = capability_target(ctx, header, data)? else { return Ok(0) };
    let own = match pid {
        0 => &ctx.process().credentials,
        pid => {
            let owner = ctx.kernel.tasks.thread(pid).map_or(pid, |thread| thread.pid);
            &ctx.kernel.tasks.process(owner).ok_or(Errno::ESRCH)?.credentials
        }
    };
    let sets = [own.effective, own.permitted, own.inheritable];
    let words: [u32; 6] = core::array::from_fn(|index| (sets[index % 3] >> (32 * (index / 3))) as u32);
    if data != 0 {
        ctx.memory().store(data, &words)?;
    }
    Ok(0)
}

fn sys_capset(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let [header, data, ..] = *args;
    let Some(pid) = capability_target(ctx, header, data)? else { return Ok(0) };
    if pid != 0 && pid != ctx.process().pid {
        return Err(Errno::EPERM.into());
    }
    let words: [u32; 6] = ctx.memory().load(data)?;
    let set = |index: usize| u64::from(words[index]) | u64::from(words[index + 3]) << 32;
    let [effective, permitted, inheritable] = [set(0), set(1), set(2)];
    let own = &mut ctx.process().credentials;
    if permitted & !own.permitted != 0
        || effective & !permitted != 0
        || inheritable & !(own.inheritable | own.permitted) != 0
    {
        return Err(Errno::EPERM.into());
    }
    (own.effective, own.permitted, own.inheritable) = (effective, permitted, inheritable);
    Ok(0)
}
