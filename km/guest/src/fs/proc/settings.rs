//! Files below /proc/PID that keep what is written to them.

use super::Subject;
use super::process::process;
use crate::errno::{Errno, Result};
use crate::fs::synthetic::View;
use crate::kernel::Kernel;
use crate::task::Process;
use crate::task::credentials::CAP_SYS_RESOURCE;
use crate::task::process::PrctlSettings;
use alloc::format;
use alloc::vec::Vec;
use core::num::IntErrorKind;

/// A number as these files take it: decimal, or with `0x` hexadecimal, or with `0` octal, and space around it. ERANGE for
/// one that does not fit.
fn number<T: TryFrom<i128>>(bytes: &[u8]) -> Result<T> {
    let text = core::str::from_utf8(bytes).map_err(|_| Errno::EINVAL)?.trim();
    let (is_negative, digits) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let digits = digits.strip_prefix('+').filter(|_| !is_negative).unwrap_or(digits);
    let (base, digits) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, &digits[2..]),
        [b'0', _, ..] => (8, &digits[1..]),
        _ => (10, digits),
    };
    if digits.starts_with(['-', '+']) {
        return Err(Errno::EINVAL);
    }
    let value = i128::from_str_radix(digits, base).map_err(|error| match error.kind() {
        IntErrorKind::PosOverflow => Errno::ERANGE,
        _ => Errno::EINVAL,
    })?;
    T::try_from(if is_negative { -value } else { value }).map_err(|_| Errno::ERANGE)
}

fn target(kernel: &mut Kernel, subject: Subject) -> Result<&mut Process> {
    kernel.tasks.process_mut(subject.pid).ok_or(Errno::ESRCH)
}

fn line(view: View<'_>, subject: Subject, value: impl FnOnce(&PrctlSettings) -> i64) -> Result<Vec<u8>> {
    Ok(format!("{}\n", value(&process(view, subject)?.settings)).into_bytes())
}

pub(super) fn oom_score_adj(view: View<'_>, subject: Subject) -> Result<Vec<u8>> {
    line(view, subject, |settings| i64::from(settings.oom_score_adj))
}

/// Without CAP_SYS_RESOURCE it only rises from the lowest value that somebody with it has set, 0 at first.
pub(super) fn set_oom_score_adj(kernel: &mut Kernel, subject: Subject, bytes: &[u8]) -> Result<()> {
    let value: i32 = number(bytes)?;
    let value =
        i16::try_from(value).ok().filter(|value| (-1000..=1000).contains(value)).ok_or(Errno::EINVAL)?;
    let process = target(kernel, subject)?;
    let is_privileged = process.credentials.can(CAP_SYS_RESOURCE);
    if value < process.settings.oom_score_adj_min && !is_privileged {
        return Err(Errno::EACCES);
    }
    process.settings.oom_score_adj = value;
    if is_privileged {
        process.settings.oom_score_adj_min = value;
    }
    Ok(())
}

/// There are no core files: the value is kept alone (core(5)).
pub(super) fn coredump_filter(view: View<'_>, subject: Subject) -> Result<Vec<u8>> {
    const DEFAULT: u32 = 0x33;
    let filter = process(view, subject)?.settings.coredump_filter.unwrap_or(DEFAULT);
    Ok(format!("{filter:08x}\n").into_bytes())
}

pub(super) fn set_coredump_filter(kernel: &mut Kernel, subject: Subject, bytes: &[u8]) -> Result<()> {
    /// The bits that core(5) has.
    const KNOWN: u32 = 0x1ff;
    let value: u32 = number(bytes)?;
    target(kernel, subject)?.settings.coredump_filter = Some(value & KNOWN);
    Ok(())
}

/// What PR_GET_TIMERSLACK says (prctl(2)).
pub(super) fn timer_slack(view: View<'_>, subject: Subject) -> Result<Vec<u8>> {
    line(view, subject, |settings| settings.slack_ns().cast_signed())
}

pub(super) fn set_timer_slack(kernel: &mut Kernel, subject: Subject, bytes: &[u8]) -> Result<()> {
    let value: u64 = number(bytes)?;
    target(kernel, subject)?.settings.timer_slack_ns = value;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_a_base_and_one_sign() {
        assert_eq!(number(b" -12\n"), Ok(-12));
        assert_eq!([&b"0x1f"[..], b"017", b"+7", b"0"].map(number), [Ok(31), Ok(15), Ok(7), Ok(0)]);
        for bad in [&b""[..], b"--1", b"-+1", b"0x", b"1 2", b"08", b"\xff"] {
            assert_eq!(number::<i32>(bad), Err(Errno::EINVAL));
        }
        assert_eq!([&b"4294967296"[..], b"-1"].map(number::<u32>), [Err(Errno::ERANGE); 2]);
    }
}
