//! Extended attributes (xattr(7)).

use super::at::{self, AT_FDCWD, AT_SYMLINK_NOFOLLOW};
use super::row::Row;
use crate::errno::{Errno, Result};
use crate::fs::node::Node;
use crate::fs::node::meta::{self, MAY_READ, MAY_WRITE, S_IFDIR, S_IFREG};
use crate::fs::node::volume::FsKind;
use crate::kernel::{Args, Ctx};
use crate::wait::SysResult;
use alloc::rc::Rc;
use alloc::vec::Vec;

pub const ROWS: &[Row] = &[
    Row::full(188, "setxattr", sys_setxattr),
    Row::full(189, "lsetxattr", sys_lsetxattr),
    Row::full(190, "fsetxattr", sys_fsetxattr),
    Row::full(191, "getxattr", sys_getxattr),
    Row::full(192, "lgetxattr", sys_lgetxattr),
    Row::full(193, "fgetxattr", sys_fgetxattr),
    Row::full(194, "listxattr", sys_listxattr),
    Row::full(195, "llistxattr", sys_llistxattr),
    Row::full(196, "flistxattr", sys_flistxattr),
    Row::full(197, "removexattr", sys_removexattr),
    Row::full(198, "lremovexattr", sys_lremovexattr),
    Row::full(199, "fremovexattr", sys_fremovexattr),
];

const NAME_MAX: usize = 255;
const VALUE_MAX: u64 = 65_536;

type Work = fn(&mut Ctx<'_>, &Rc<Node>, &Args) -> SysResult;

fn with_path(ctx: &mut Ctx<'_>, args: &Args, follow: bool, work: Work) -> SysResult {
    let flags = if follow { 0 } else { AT_SYMLINK_NOFOLLOW };
    let node = at::node_at(ctx, AT_FDCWD as u64, args[0], flags)?;
    work(ctx, &node, args)
}

fn with_file(ctx: &mut Ctx<'_>, args: &Args, work: Work) -> SysResult {
    let file = ctx.file(args[0])?;
    let node = match file.file.node() {
        Some(node) => Rc::clone(node),
        None => crate::fs::open::node_of(&ctx.kernel.vfs.nameless, &file),
    };
    work(ctx, &node, args)
}

fn sys_setxattr(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    with_path(ctx, args, true, set)
}

fn sys_lsetxattr(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    with_path(ctx, args, false, set)
}

fn sys_fsetxattr(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    with_file(ctx, args, set)
}

fn sys_getxattr(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    with_path(ctx, args, true, get)
}

fn sys_lgetxattr(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    with_path(ctx, args, false, get)
}

fn sys_fgetxattr(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    with_file(ctx, args, get)
}

fn sys_listxattr(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    with_path(ctx, args, true, list)
}

fn sys_llistxattr(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    with_path(ctx, args, false, list)
}

fn sys_flistxattr(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    with_file(ctx, args, list)
}

fn sys_removexattr(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    with_path(ctx, args, true, remove)
}

fn sys_lremovexattr(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    with_path(ctx, args, false, remove)
}

fn sys_fremovexattr(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    with_file(ctx, args, remove)
}

fn name(ctx: &mut Ctx<'_>, address: u64) -> Result<Vec<u8>> {
    let name = ctx
        .memory()
        .string(address, NAME_MAX + 1)
        .map_err(|errno| if errno == Errno::ENAMETOOLONG { Errno::ERANGE } else { errno })?;
    if name.is_empty() { Err(Errno::ERANGE) } else { Ok(name) }
}

/// Who may touch an attribute depends on the class of its name.
fn check(ctx: &mut Ctx<'_>, node: &Node, name: &[u8], want: u32) -> Result<()> {
    let (who, attributes) = (at::who(ctx), node.meta.get());
    if want == MAY_WRITE && matches!(node.volume.kind, FsKind::Sysfs | FsKind::Proc | FsKind::Cgroup2) {
        return Err(Errno::EOPNOTSUPP);
    }
    if matches!(name, b"user." | b"trusted." | b"security.") {
        return Err(Errno::EINVAL);
    }
    if name.starts_with(b"user.") {
        let usable = matches!(attributes.kind(), S_IFREG | S_IFDIR);
        if !usable {
            return Err(if want == MAY_WRITE { Errno::EPERM } else { Errno::ENODATA });
        }
        return meta::check(&who, &attributes, want);
    }
    if name.starts_with(b"trusted.") {
        // CAP_SYS_ADMIN, which nobody in a container has.
        return Err(if want == MAY_WRITE { Errno::EPERM } else { Errno::ENODATA });
    }
    let known = name.starts_with(b"security.") || name.starts_with(b"system.posix_acl_");
    if !known {
        return Err(Errno::EOPNOTSUPP);
    }
    let allowed = want == MAY_READ || meta::owns(&who, &attributes);
    if allowed { Ok(()) } else { Err(Errno::EPERM) }
}

fn set(ctx: &mut Ctx<'_>, node: &Rc<Node>, args: &Args) -> SysResult {
    if args[4] & !3 != 0 {
        return Err(Errno::EINVAL.into());
    }
    let name = name(ctx, args[1])?;
    if args[3] > VALUE_MAX {
        return Err(Errno::E2BIG.into());
    }
    check(ctx, node, &name, MAY_WRITE)?;
    let mut value = alloc::vec![0; args[3] as usize];
    ctx.memory().read(args[2], &mut value)?;
    node.set_xattr(&name, value, args[4])?;
    Ok(0)
}

/// Writes a result, or says how long it is when the buffer has no length.
fn give(ctx: &mut Ctx<'_>, bytes: &[u8], address: u64, len: u64) -> SysResult {
    if len == 0 {
        return Ok(bytes.len() as u64);
    }
    if (bytes.len() as u64) > len {
        return Err(Errno::ERANGE.into());
    }
    ctx.memory().write(address, bytes)?;
    Ok(bytes.len() as u64)
}

fn get(ctx: &mut Ctx<'_>, node: &Rc<Node>, args: &Args) -> SysResult {
    let name = name(ctx, args[1])?;
    check(ctx, node, &name, MAY_READ)?;
    let value = node.xattr(&name)?;
    give(ctx, &value, args[2], args[3])
}

fn list(ctx: &mut Ctx<'_>, node: &Rc<Node>, args: &Args) -> SysResult {
    let names = node.xattr_names().into_iter().filter(|name| !name.starts_with(b"trusted."));
    let list: Vec<u8> = names.flat_map(|name| [name.as_slice(), b"\0"].concat()).collect();
    give(ctx, &list, args[1], args[2])
}

fn remove(ctx: &mut Ctx<'_>, node: &Rc<Node>, args: &Args) -> SysResult {
    let name = name(ctx, args[1])?;
    check(ctx, node, &name, MAY_WRITE)?;
    node.remove_xattr(&name)?;
    Ok(0)
}
