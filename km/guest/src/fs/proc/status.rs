//! `stat`, `statm`, `status` and the names of a process.

use super::Subject;
use super::process::process;
use crate::errno::Result;
use crate::fs::synthetic::View;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

pub(super) fn command_line(view: View<'_>, subject: Subject) -> Result<Vec<u8>> {
    process(view, subject).map(|_| Vec::new())
}

pub(super) fn environment(view: View<'_>, subject: Subject) -> Result<Vec<u8>> {
    process(view, subject).map(|_| Vec::new())
}

pub(super) fn comm(view: View<'_>, subject: Subject) -> Result<Vec<u8>> {
    let mut name = name(view, subject)?.into_bytes();
    name.push(b'\n');
    Ok(name)
}

fn name(view: View<'_>, subject: Subject) -> Result<String> {
    process(view, subject).map(|_| String::from("program"))
}

fn state(view: View<'_>, subject: Subject) -> char {
    match view.kernel.tasks.thread(subject.tid) {
        Some(thread) if thread.wait.is_some() => 'S',
        Some(_) => 'R',
        None => 'Z',
    }
}

fn thread_count(view: View<'_>, subject: Subject) -> usize {
    view.kernel.tasks.threads().filter(|thread| thread.pid == subject.pid).count()
}

/// proc_pid_stat(5); fields that mean nothing here are 0.
pub(super) fn stat(view: View<'_>, subject: Subject) -> Result<Vec<u8>> {
    let process = process(view, subject)?;
    let (virtual_bytes, resident) = process.space.borrow().usage();
    let text = format!(
        "{} ({}) {} {} {} {} 0 -1 4194304 0 0 0 0 0 0 0 0 20 0 {} 0 1 {virtual_bytes} {} 18446744073709551615 \
         1 1 0 0 0 0 0 0 0 0 0 0 17 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n",
        subject.tid,
        name(view, subject)?,
        state(view, subject),
        process.parent,
        process.pid,
        process.pid,
        thread_count(view, subject),
        resident / 4096,
    );
    Ok(text.into_bytes())
}

/// proc_pid_statm(5).
pub(super) fn statm(view: View<'_>, subject: Subject) -> Result<Vec<u8>> {
    let (virtual_bytes, resident) = process(view, subject)?.space.borrow().usage();
    let (size, resident) = (virtual_bytes / 4096, resident / 4096);
    Ok(format!("{size} {resident} 0 0 0 {resident} 0\n").into_bytes())
}

/// proc_pid_status(5).
pub(super) fn status(view: View<'_>, subject: Subject) -> Result<Vec<u8>> {
    let process = process(view, subject)?;
    let (virtual_bytes, resident) = process.space.borrow().usage();
    let (uid, gid) = (process.credentials.uid, process.credentials.gid);
    let groups: String = process.credentials.groups.iter().map(|group| format!("{group} ")).collect();
    let state = match state(view, subject) {
        'S' => "S (sleeping)",
        'R' => "R (running)",
        _ => "Z (zombie)",
    };
    let capabilities = if uid == 0 { 0xa804_25fb_u64 } else { 0 };
    let umask = process.fs.borrow().umask;
    let (size_kb, resident_kb) = (virtual_bytes / 1024, resident / 1024);
    let text = format!(
        "Name:\t{name}\nUmask:\t{umask:04o}\nState:\t{state}\nTgid:\t{pid}\nNgid:\t0\nPid:\t{tid}\nPPid:\t{parent}\n\
         TracerPid:\t0\nUid:\t{uid}\t{uid}\t{uid}\t{uid}\nGid:\t{gid}\t{gid}\t{gid}\t{gid}\nFDSize:\t256\n\
         Groups:\t{groups}\nVmPeak:\t{size_kb:8} kB\nVmSize:\t{size_kb:8} kB\nVmLck:\t       0 kB\n\
         VmPin:\t       0 kB\nVmHWM:\t{resident_kb:8} kB\nVmRSS:\t{resident_kb:8} kB\nRssAnon:\t{resident_kb:8} kB\n\
         RssFile:\t       0 kB\nRssShmem:\t       0 kB\nVmData:\t{size_kb:8} kB\nVmStk:\t     132 kB\n\
         VmSwap:\t       0 kB\nThreads:\t{threads}\n\
         CapInh:\t0000000000000000\nCapPrm:\t{capabilities:016x}\nCapEff:\t{capabilities:016x}\n\
         CapBnd:\t00000000a80425fb\nCapAmb:\t0000000000000000\nNoNewPrivs:\t0\nSeccomp:\t0\n\
         Cpus_allowed:\t1\nCpus_allowed_list:\t0\nMems_allowed:\t1\nMems_allowed_list:\t0\n\
         voluntary_ctxt_switches:\t1\nnonvoluntary_ctxt_switches:\t0\n",
        name = name(view, subject)?,
        pid = process.pid,
        tid = subject.tid,
        parent = process.parent,
        threads = thread_count(view, subject),
    );
    Ok(text.into_bytes())
}
