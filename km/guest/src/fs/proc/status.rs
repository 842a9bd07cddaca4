//! `stat`, `statm`, `status` and the names of a process.

use super::process::process;
use super::{Scope, Subject};
use crate::errno::{Errno, Result};
use crate::fs::synthetic::View;
use crate::kernel::Kernel;
use crate::mm::user::UserMemory;
use crate::signal::action::{DEFAULT, IGNORE};
use crate::signal::{SigSet, Signal};
use crate::task::limits::resource;
use crate::task::{Process, Thread};
use crate::wait::Interruption;
use alloc::format;
use alloc::rc::Rc;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// Longest argument or environment list that is shown.
const TEXT_MAX: u64 = 2 << 20;

/// Strings in a program's memory. The program may have unmapped or overwritten them; then this is shorter or different.
fn strings(process: &Process, (start, end): (u64, u64)) -> Vec<u8> {
    let len = end.saturating_sub(start).min(TEXT_MAX);
    let mut text = alloc::vec![0; len as usize];
    match UserMemory::new(Rc::clone(&process.space)).read(start, &mut text) {
        Ok(()) => text,
        Err(_) => Vec::new(),
    }
}

pub(super) fn command_line(view: View<'_>, subject: Subject) -> Result<Vec<u8>> {
    let process = process(view, subject)?;
    Ok(if process.zombie.is_some() { Vec::new() } else { strings(process, process.program.args) })
}

pub(super) fn environment(view: View<'_>, subject: Subject) -> Result<Vec<u8>> {
    let process = process(view, subject)?;
    Ok(if process.zombie.is_some() { Vec::new() } else { strings(process, process.program.env) })
}

pub(super) fn auxiliary_vector(view: View<'_>, subject: Subject) -> Result<Vec<u8>> {
    let pairs = &process(view, subject)?.program.auxv;
    Ok(pairs.iter().flat_map(|&(key, value)| [key.to_le_bytes(), value.to_le_bytes()].concat()).collect())
}

pub(super) fn comm(view: View<'_>, subject: Subject) -> Result<Vec<u8>> {
    let mut name = name(view, subject)?.into_bytes();
    name.push(b'\n');
    Ok(name)
}

pub(super) fn set_comm(kernel: &mut Kernel, subject: Subject, bytes: &[u8]) -> Result<()> {
    let thread = kernel.tasks.find_thread_mut(subject.tid).ok_or(Errno::ESRCH)?;
    thread.set_name(bytes.strip_suffix(b"\n").unwrap_or(bytes));
    Ok(())
}

fn name(view: View<'_>, subject: Subject) -> Result<String> {
    let process = process(view, subject)?;
    let path = process.program.path.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
    let name = view.kernel.tasks.thread(subject.tid).map_or(path, |thread| &thread.name);
    Ok(String::from_utf8_lossy(&name[..name.len().min(15)]).into_owned())
}

fn is_traced_stop(thread: &Thread) -> bool {
    thread.wait.as_ref().is_some_and(|wait| wait.interruption == Interruption::Stopped)
}

fn state(view: View<'_>, subject: Subject) -> (char, &'static str) {
    let stopped = view.kernel.tasks.process(subject.pid).is_some_and(|process| process.stopped.is_some());
    match view.kernel.tasks.thread(subject.tid) {
        Some(thread) if is_traced_stop(thread) => ('t', "tracing stop"),
        Some(_) if stopped => ('T', "stopped"),
        Some(thread) if thread.wait.is_some() => ('S', "sleeping"),
        Some(_) => ('R', "running"),
        None => ('Z', "zombie"),
    }
}

/// Nanoseconds of a clock tick, in which `stat` counts (sysconf(3), _SC_CLK_TCK).
const TICK_NS: u64 = 10_000_000;

/// CPU time of a subject in nanoseconds: of the whole process, or of one of its threads.
fn cpu_ns(view: View<'_>, subject: Subject) -> u64 {
    match subject.scope {
        Scope::Process => view.kernel.process_cpu_ns(subject.pid),
        Scope::Thread => view.kernel.cpu_ns(subject.tid),
    }
}

/// `/proc/PID/schedstat`: time on a CPU and time spent waiting for one in nanoseconds, and turns; only the first is known.
pub(super) fn schedstat(view: View<'_>, subject: Subject) -> Result<Vec<u8>> {
    process(view, subject)?;
    Ok(format!("{} 0 1\n", view.kernel.cpu_ns(subject.tid)).into_bytes())
}

/// `/proc/PID/sched`: the rows that tools look for.
pub(super) fn sched(view: View<'_>, subject: Subject) -> Result<Vec<u8>> {
    let (name, process) = (name(view, subject)?, process(view, subject)?);
    let used_ns = view.kernel.cpu_ns(subject.tid);
    let used = format!("{}.{:06}", used_ns / 1_000_000, used_ns % 1_000_000);
    let priority = (120 + process.settings.nice).to_string();
    let rows = [
        ("se.sum_exec_runtime", used.as_str()),
        ("nr_switches", "1"),
        ("nr_voluntary_switches", "1"),
        ("nr_involuntary_switches", "0"),
        ("policy", "0"),
        ("prio", &priority),
    ];
    let lines: String = rows.iter().map(|(row, value)| format!("{row:<45}:{value:>21}\n")).collect();
    let rule = "-".repeat(67);
    Ok(format!("{name} ({}, #threads: {})\n{rule}\n{lines}", subject.tid, process.threads.len()).into_bytes())
}

/// proc_pid_stat(5); fields that mean nothing here are 0.
pub(super) fn stat(view: View<'_>, subject: Subject) -> Result<Vec<u8>> {
    let process = process(view, subject)?;
    let (virtual_bytes, resident) = process.space.borrow().usage();
    let (heap, args, env) = (process.space.borrow().heap().0, process.program.args, process.program.env);
    let text = format!(
        "{tid} ({name}) {state} {parent} {group} {session} 0 -1 4194304 {faults} 0 0 0 {ticks} 0 {children} 0 \
         {priority} {nice} {threads} 0 {started} {virtual_bytes} {pages} 18446744073709551615 1 1 {stack} 0 0 0 0 0 0 0 0 0 17 0 0 0 0 0 0 \
         0 0 {heap} {} {} {} {} 0\n",
        args.0,
        args.1,
        env.0,
        env.1,
        tid = subject.tid,
        name = name(view, subject)?,
        state = state(view, subject).0,
        parent = process.parent,
        group = process.group,
        session = process.session,
        faults = process.faults,
        ticks = cpu_ns(view, subject) / TICK_NS,
        children = process.children_usage.cpu_ns / TICK_NS,
        priority = 20 + process.settings.nice,
        nice = process.settings.nice,
        threads = process.threads.len(),
        started = (process.started_ns / TICK_NS).max(1),
        pages = resident / 4096,
        stack = process.program.stack,
    );
    Ok(text.into_bytes())
}

/// `/proc/PID/statm`: sizes in pages (proc_pid_statm(5)).
pub(super) fn statm(view: View<'_>, subject: Subject) -> Result<Vec<u8>> {
    let (virtual_bytes, resident) = process(view, subject)?.space.borrow().usage();
    let (size, resident) = (virtual_bytes / 4096, resident / 4096);
    Ok(format!("{size} {resident} 0 0 0 {resident} 0\n").into_bytes())
}

/// `/proc/PID/status` (proc_pid_status(5)).
pub(super) fn status(view: View<'_>, subject: Subject) -> Result<Vec<u8>> {
    let process = process(view, subject)?;
    let who = &process.credentials;
    let (letter, word) = state(view, subject);
    let groups: String = who.groups.iter().map(|group| format!("{group} ")).collect();
    let head = format!(
        "Name:\t{name}\nUmask:\t{umask:04o}\nState:\t{letter} ({word})\nTgid:\t{pid}\nNgid:\t0\nPid:\t{tid}\n\
         PPid:\t{parent}\nTracerPid:\t{tracer}\nUid:\t{}\t{}\t{}\t{}\nGid:\t{}\t{}\t{}\t{}\nFDSize:\t256\nGroups:\t{groups}\n\
         NStgid:\t{pid}\nNSpid:\t{tid}\nNSpgid:\t{group}\nNSsid:\t{session}\n",
        who.real_uid,
        who.uid,
        who.saved_uid,
        who.uid,
        who.real_gid,
        who.gid,
        who.saved_gid,
        who.gid,
        name = name(view, subject)?,
        umask = process.fs.borrow().umask,
        pid = process.pid,
        tid = subject.tid,
        parent = process.parent,
        tracer = view.kernel.tasks.traces.get(&subject.tid).map_or(0, |trace| trace.tracer.1),
        group = process.group,
        session = process.session,
    );
    let rest = memory_lines(process) + &signal_lines(view, subject, process) + &other_lines(process);
    Ok((head + &rest).into_bytes())
}

fn memory_lines(process: &Process) -> String {
    let (virtual_bytes, resident) = process.space.borrow().usage();
    let rows = [
        ("VmPeak", virtual_bytes),
        ("VmSize", virtual_bytes),
        ("VmLck", process.space.borrow().locked_bytes()),
        ("VmPin", 0),
        ("VmHWM", resident),
        ("VmRSS", resident),
        ("RssAnon", resident),
        ("RssFile", 0),
        ("RssShmem", 0),
        ("VmData", virtual_bytes),
        ("VmStk", 132 << 10),
        ("VmSwap", 0),
    ];
    rows.iter().map(|(name, bytes)| format!("{name}:\t{:8} kB\n", bytes / 1024)).collect()
}

fn signal_lines(view: View<'_>, subject: Subject, process: &Process) -> String {
    let thread = view.kernel.tasks.thread(subject.tid).map(|thread| &thread.signals);
    let shared = &process.signals;
    let (mut ignored, mut caught) = (SigSet::EMPTY, SigSet::EMPTY);
    for signal in (1..=64).filter_map(Signal::new) {
        match shared.actions.borrow().get(signal).handler {
            DEFAULT => {}
            IGNORE => ignored = ignored.with(signal),
            _ => caught = caught.with(signal),
        }
    }
    format!(
        "Threads:\t{}\nSigQ:\t{}/{}\nSigPnd:\t{:016x}\nShdPnd:\t{:016x}\nSigBlk:\t{:016x}\nSigIgn:\t{:016x}\n\
         SigCgt:\t{:016x}\n",
        process.threads.len(),
        shared.pending.len() + thread.map_or(0, |thread| thread.pending.len()),
        process.limits.current(resource::SIGPENDING),
        thread.map_or(0, |thread| thread.pending.set().0),
        shared.pending.set().0,
        thread.map_or(0, |thread| thread.mask.0),
        ignored.0,
        caught.0,
    )
}

fn other_lines(process: &Process) -> String {
    let who = &process.credentials;
    format!(
        "CapInh:\t{:016x}\nCapPrm:\t{:016x}\nCapEff:\t{:016x}\nCapBnd:\t{:016x}\n\
         CapAmb:\t{:016x}\nNoNewPrivs:\t{no_new}\nSeccomp:\t0\nSeccomp_filters:\t0\nCpus_allowed:\t1\n\
         Cpus_allowed_list:\t0\nMems_allowed:\t1\nMems_allowed_list:\t0\nvoluntary_ctxt_switches:\t1\n\
         nonvoluntary_ctxt_switches:\t0\n",
        who.inheritable,
        who.permitted,
        who.effective,
        who.bounding,
        0,
        no_new = u8::from(process.settings.no_new_privs),
    )
}
