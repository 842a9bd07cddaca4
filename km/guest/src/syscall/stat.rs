//! Attributes as programs ask for them: stat(2), statx(2), statfs(2), access(2), readlink(2).

use super::at::{self, AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_NOFOLLOW};
use super::row::Row;
use crate::errno::{Errno, Result};
use crate::fs::file::OpenFile;
use crate::fs::node::meta::{self, Meta, S_IFBLK, S_IFCHR, S_IFLNK, Time};
use crate::fs::node::volume::{FsKind, Volume};
use crate::fs::node::{Body, Node};
use crate::fs::synthetic::View;
use crate::fs::walk::Restrict;
use crate::kernel::{Args, Ctx};
use crate::wait::SysResult;
use alloc::rc::Rc;
use alloc::vec::Vec;
use zerocopy::{Immutable, IntoBytes};

pub const ROWS: &[Row] = &[
    Row::full(4, "stat", sys_stat),
    Row::full(5, "fstat", sys_fstat),
    Row::full(6, "lstat", sys_lstat),
    Row::full(21, "access", sys_access),
    Row::full(89, "readlink", sys_readlink),
    Row::full(137, "statfs", sys_statfs),
    Row::full(138, "fstatfs", sys_fstatfs),
    Row::full(262, "newfstatat", sys_newfstatat),
    Row::full(267, "readlinkat", sys_readlinkat),
    Row::full(269, "faccessat", sys_faccessat),
    Row::full(332, "statx", sys_statx),
    Row::full(439, "faccessat2", sys_faccessat2),
];

const BLOCK_SIZE: u32 = 4096;

/// What the calls of this family report.
struct Facts {
    meta: Meta,
    dev: u64,
    ino: u64,
    size: u64,
    blocks: u64,
}

fn facts(node: &Node) -> Facts {
    if let Body::Open(file) = &node.body {
        return file_facts(file, &node.volume);
    }
    let (size, blocks) = match &node.body {
        Body::File(data) => (data.size(), data.blocks()),
        Body::Link(target) => (target.len() as u64, 0),
        Body::Dir(_) => (u64::from(BLOCK_SIZE), 8),
        Body::Magic(_) => (64, 0),
        _ => (0, 0),
    };
    Facts { meta: node.meta.get(), dev: node.volume.dev, ino: node.ino, size, blocks }
}

/// Facts of an open file without an inode.
fn file_facts(file: &OpenFile, nameless: &Volume) -> Facts {
    let mode = file.file.mode();
    let meta = file.file.attributes().map_or_else(|| Meta::new(mode, 0, 0), |own| own.meta(mode));
    Facts { meta, dev: nameless.dev + 1, ino: file.file.number(), size: 0, blocks: 0 }
}

fn open_facts(ctx: &mut Ctx<'_>, fd: u64) -> Result<Facts> {
    let file = ctx.handle(fd)?;
    Ok(match file.file.node() {
        Some(node) => facts(node),
        None => file_facts(&file, &ctx.kernel.vfs.nameless),
    })
}

/// `struct stat` of x86-64.
#[derive(IntoBytes, Immutable)]
#[repr(C)]
struct Stat {
    dev: u64,
    ino: u64,
    nlink: u64,
    mode: u32,
    uid: u32,
    gid: u32,
    pad: u32,
    rdev: u64,
    size: u64,
    block_size: u64,
    blocks: u64,
    times: [u64; 6],
    unused: [u64; 3],
}

fn pair(time: Time) -> [u64; 2] {
    [time.s.cast_unsigned(), u64::from(time.ns)]
}

fn store_stat(ctx: &mut Ctx<'_>, address: u64, facts: &Facts) -> SysResult {
    let meta = &facts.meta;
    let [[atime, atime_ns], [mtime, mtime_ns], [ctime, ctime_ns]] =
        [pair(meta.atime), pair(meta.mtime), pair(meta.ctime)];
    let stat = Stat {
        dev: facts.dev,
        ino: facts.ino,
        nlink: u64::from(meta.nlink),
        mode: meta.mode,
        uid: meta.uid,
        gid: meta.gid,
        pad: 0,
        rdev: u64::from(meta.rdev),
        size: facts.size,
        block_size: u64::from(BLOCK_SIZE),
        blocks: facts.blocks,
        times: [atime, atime_ns, mtime, mtime_ns, ctime, ctime_ns],
        unused: [0; 3],
    };
    ctx.memory().store(address, &stat)?;
    Ok(0)
}

fn stat_at(ctx: &mut Ctx<'_>, dirfd: u64, path: u64, buffer: u64, flags: u64) -> SysResult {
    let node = at::node_at(ctx, dirfd, path, flags)?;
    store_stat(ctx, buffer, &facts(&node))
}

fn sys_stat(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    stat_at(ctx, AT_FDCWD as u64, args[0], args[1], 0)
}

fn sys_lstat(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    stat_at(ctx, AT_FDCWD as u64, args[0], args[1], AT_SYMLINK_NOFOLLOW)
}

fn sys_fstat(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let facts = open_facts(ctx, args[0])?;
    store_stat(ctx, args[1], &facts)
}

/// AT_NO_AUTOMOUNT and AT_STATX_*SYNC* change nothing here.
const HARMLESS: u64 = 0x800 | SYNC_TYPE;
/// AT_STATX_FORCE_SYNC and AT_STATX_DONT_SYNC, which exclude each other.
const SYNC_TYPE: u64 = 0x6000;

fn sys_newfstatat(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    if args[3] & !(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | HARMLESS) != 0 {
        return Err(Errno::EINVAL.into());
    }
    stat_at(ctx, args[0], args[1], args[2], args[3])
}

#[derive(Clone, Copy, IntoBytes, Immutable)]
#[repr(C)]
struct StatxTime {
    s: i64,
    ns: u32,
    reserved: u32,
}

/// `struct statx` (statx(2)).
#[derive(IntoBytes, Immutable)]
#[repr(C)]
struct Statx {
    mask: u32,
    block_size: u32,
    attributes: u64,
    nlink: u32,
    uid: u32,
    gid: u32,
    mode: u16,
    spare0: u16,
    ino: u64,
    size: u64,
    blocks: u64,
    attributes_mask: u64,
    times: [StatxTime; 4],
    rdev: [u32; 2],
    dev: [u32; 2],
    mount_id: u64,
    spare: [u64; 13],
}

/// STATX_BASIC_STATS, STATX_BTIME and STATX_MNT_ID.
const STATX_GIVEN: u32 = 0x1fff;

/// Major and minor of a device number in the kernel's 32-bit encoding.
fn device(number: u64) -> [u32; 2] {
    let number = number as u32;
    [number >> 8 & 0xfff, number & 0xff | number >> 12 & 0xf_ff00]
}

fn sys_statx(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let unknown = args[2] & !(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | HARMLESS) != 0;
    if unknown || args[2] & SYNC_TYPE == SYNC_TYPE || args[3] & 0x8000_0000 != 0 {
        return Err(Errno::EINVAL.into());
    }
    let node = at::node_at(ctx, args[0], args[1], args[2])?;
    let facts = facts(&node);
    let meta = &facts.meta;
    let time = |time: Time| StatxTime { s: time.s, ns: time.ns, reserved: 0 };
    let statx = Statx {
        mask: STATX_GIVEN,
        block_size: BLOCK_SIZE,
        attributes: if is_mount(&node) { 0x2000 } else { 0 },
        nlink: meta.nlink,
        uid: meta.uid,
        gid: meta.gid,
        mode: meta.mode as u16,
        spare0: 0,
        ino: facts.ino,
        size: facts.size,
        blocks: facts.blocks,
        attributes_mask: 0x2000,
        times: [time(meta.atime), time(meta.btime), time(meta.ctime), time(meta.mtime)],
        rdev: device(u64::from(meta.rdev)),
        dev: device(facts.dev),
        mount_id: 20 + facts.dev,
        spare: [0; 13],
    };
    ctx.memory().store(args[4], &statx)?;
    Ok(0)
}

fn is_mount(node: &Node) -> bool {
    node.place().is_none_or(|place| place.parent.volume.dev != node.volume.dev)
}

fn sys_access(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    access_at(ctx, AT_FDCWD as u64, args[0], args[1], 0)
}

fn sys_faccessat(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    access_at(ctx, args[0], args[1], args[2], 0)
}

fn sys_faccessat2(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    access_at(ctx, args[0], args[1], args[2], args[3])
}

const AT_EACCESS: u64 = 0x200;

fn access_at(ctx: &mut Ctx<'_>, dirfd: u64, path: u64, mode: u64, flags: u64) -> SysResult {
    let (mode, flags) = (mode & 0xffff_ffff, flags & 0xffff_ffff);
    if mode & !7 != 0 || flags & !(AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) != 0 {
        return Err(Errno::EINVAL.into());
    }
    let who = if flags & AT_EACCESS != 0 { at::who(ctx) } else { at::real_who(ctx) };
    let node = at::node_for(ctx, &who, dirfd, path, flags)?;
    let read_only = matches!(node.volume.kind, FsKind::Sysfs | FsKind::Cgroup2);
    let special = matches!(node.meta.get().kind(), S_IFCHR | S_IFBLK | S_IFLNK);
    if mode & 2 != 0 && read_only && !special {
        return Err(Errno::EROFS.into());
    }
    meta::check(&who, &node.meta.get(), mode as u32)?;
    Ok(0)
}

fn sys_readlink(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    readlink_at(ctx, AT_FDCWD as u64, args[0], args[1], args[2])
}

fn sys_readlinkat(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    readlink_at(ctx, args[0], args[1], args[2], args[3])
}

fn readlink_at(ctx: &mut Ctx<'_>, dirfd: u64, path: u64, buffer: u64, len: u64) -> SysResult {
    if len as i32 <= 0 {
        return Err(Errno::EINVAL.into());
    }
    let path = at::path(ctx, path)?;
    let node = if path.is_empty() {
        // A descriptor of the link itself (O_PATH | O_NOFOLLOW).
        let own = if dirfd as i32 == AT_FDCWD { None } else { ctx.handle(dirfd)?.file.node().cloned() };
        own.ok_or(Errno::ENOENT)?
    } else {
        at::walk(ctx, dirfd, &path, Restrict::NO_FOLLOW)?.find(&path)?.node()?
    };
    let target = link_text(ctx, &node)
        .map_err(|errno| if path.is_empty() && errno == Errno::EINVAL { Errno::ENOENT } else { errno })?;
    if matches!(node.body, Body::Link(_)) {
        node.accessed();
    }
    let count = target.len().min(len as usize);
    ctx.memory().write(buffer, &target[..count])?;
    Ok(count as u64)
}

fn link_text(ctx: &Ctx<'_>, node: &Rc<Node>) -> Result<Vec<u8>> {
    match &node.body {
        Body::Link(target) => Ok(target.clone()),
        Body::Magic(magic) => magic.text(View { kernel: &*ctx.kernel, tid: ctx.tid }),
        _ => Err(Errno::EINVAL),
    }
}

/// Kinds of file systems whose files have no path.
const PIPEFS_MAGIC: u64 = 0x5049_5045;
const SOCKFS_MAGIC: u64 = 0x534f_434b;
const ANON_INODE_FS_MAGIC: u64 = 0x0904_1934;

/// The kind of file system that an open file without an inode is of.
fn magic_without_node(file: &OpenFile) -> u64 {
    match file.file.mode() & meta::S_IFMT {
        meta::S_IFIFO => PIPEFS_MAGIC,
        meta::S_IFSOCK => SOCKFS_MAGIC,
        _ => ANON_INODE_FS_MAGIC,
    }
}

fn store_statfs(ctx: &mut Ctx<'_>, address: u64, volume: &Volume, magic: u64) -> SysResult {
    let (lower_blocks, lower_inodes) = volume.lower().map_or((0, 0), |fs| fs.totals());
    let free = volume.limit_pages.saturating_sub(volume.used_pages());
    let flags = 0x1000 | 0x20; // ST_RELATIME, ST_VALID
    let statfs: [u64; 15] = [
        magic,
        u64::from(BLOCK_SIZE),
        lower_blocks + volume.limit_pages,
        free,
        free,
        lower_inodes + volume.limit_pages,
        volume.limit_pages.saturating_sub(volume.used_entries()),
        volume.dev,
        255,
        u64::from(BLOCK_SIZE),
        flags,
        0,
        0,
        0,
        0,
    ];
    ctx.memory().store(address, &statfs)?;
    Ok(0)
}

fn sys_statfs(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let node = at::node_at(ctx, AT_FDCWD as u64, args[0], 0)?;
    store_statfs(ctx, args[1], &node.volume, node.volume.kind.magic())
}

fn sys_fstatfs(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let file = ctx.handle(args[0])?;
    let (volume, magic) = match file.file.node() {
        Some(node) => (Rc::clone(&node.volume), node.volume.kind.magic()),
        None => (Rc::clone(&ctx.kernel.vfs.nameless), magic_without_node(&file)),
    };
    store_statfs(ctx, args[1], &volume, magic)
}
