//! `mounts`, `mountinfo` and `mountstats` of a process.

use super::Subject;
use crate::errno::Result;
use crate::fs::synthetic::View;
use crate::fs::vfs::Mount;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

fn lines(view: View<'_>, line: impl Fn((usize, &Mount)) -> String) -> Result<Vec<u8>> {
    Ok(view.kernel.vfs.mounts().iter().enumerate().map(line).collect::<String>().into_bytes())
}

fn mode(mount: &Mount) -> &'static str {
    if mount.read_only { "ro" } else { "rw" }
}

pub(super) fn mounts(view: View<'_>, _: Subject) -> Result<Vec<u8>> {
    lines(view, |(_, mount)| {
        let kind = mount.root.volume.kind.name();
        format!("{kind} {} {kind} {},relatime 0 0\n", mount.path, mode(mount))
    })
}

pub(super) fn mountinfo(view: View<'_>, _: Subject) -> Result<Vec<u8>> {
    lines(view, |(index, mount)| {
        let (kind, dev, mode) = (mount.root.volume.kind.name(), mount.root.volume.dev, mode(mount));
        let (id, parent) = (20 + index, if index == 0 { 1 } else { 20 });
        format!("{id} {parent} 0:{dev} / {} {mode},relatime - {kind} {kind} {mode}\n", mount.path)
    })
}
