//! `/proc/sysvipc`: the objects of System V IPC, as ipcs(1) reads them.

use super::Subject;
use super::table::{ProcEntry, What};
use crate::errno::Result;
use crate::fs::synthetic::View;
use crate::ipc::registry::{Object, Permissions, Registry};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use km_abi::layout::PAGE_SIZE;

pub(super) const ENTRIES: &[ProcEntry] =
    &[("msg", What::File(msg)), ("sem", What::File(sem)), ("shm", What::File(shm))];

fn start(id: i32, permissions: &Permissions) -> String {
    format!("{:>10} {id:>10}  {:>4o}", permissions.key, permissions.mode)
}

fn owners(permissions: &Permissions) -> String {
    let Permissions { uid, gid, maker_uid, maker_gid, .. } = permissions;
    format!("{uid:>5} {gid:>5} {maker_uid:>5} {maker_gid:>5}")
}

fn shm(view: View<'_>, _: Subject) -> Result<Vec<u8>> {
    let mut text = String::from(
        "       key      shmid perms                  size  cpid  lpid nattch   uid   gid  cuid  cgid      atime      \
         dtime      ctime                   rss                  swap\n",
    );
    for (id, segment) in view.kernel.ipc.shm.iter() {
        let permissions = segment.permissions().get();
        text += &format!(
            "{} {:>21} {:>5} {:>5}  {:>5} {} {:>10} {:>10} {:>10} {:>21} {:>21}\n",
            start(id, &permissions),
            segment.size,
            segment.maker,
            segment.last_user.get(),
            Registry::attachments(segment, 0),
            owners(&permissions),
            segment.attached_s.get(),
            segment.detached_s.get(),
            segment.changed_s.get(),
            segment.pages_in_memory() * PAGE_SIZE,
            0,
        );
    }
    Ok(text.into_bytes())
}

fn sem(view: View<'_>, _: Subject) -> Result<Vec<u8>> {
    let mut text = String::from(
        "       key      semid perms      nsems   uid   gid  cuid  cgid      otime      ctime\n",
    );
    for (id, set) in view.kernel.ipc.sem.iter() {
        let permissions = set.permissions().get();
        text += &format!(
            "{} {:>10} {} {:>10} {:>10}\n",
            start(id, &permissions),
            set.count(),
            owners(&permissions),
            set.operated_s.get(),
            set.changed_s.get(),
        );
    }
    Ok(text.into_bytes())
}

fn msg(view: View<'_>, _: Subject) -> Result<Vec<u8>> {
    let mut text = String::from(
        "       key      msqid perms      cbytes       qnum lspid lrpid   uid   gid  cuid  cgid      stime      rtime      \
         ctime\n",
    );
    for (id, queue) in view.kernel.ipc.msg.iter() {
        let permissions = queue.permissions().get();
        let (count, bytes) = queue.usage();
        text += &format!(
            "{}  {bytes:>10} {count:>10} {:>5} {:>5} {} {:>10} {:>10} {:>10}\n",
            start(id, &permissions),
            queue.last_sender.get(),
            queue.last_receiver.get(),
            owners(&permissions),
            queue.sent_s.get(),
            queue.received_s.get(),
            queue.changed_s.get(),
        );
    }
    Ok(text.into_bytes())
}
