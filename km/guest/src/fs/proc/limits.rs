//! `/proc/PID/limits`.

use super::Subject;
use super::process::process;
use crate::errno::Result;
use crate::fs::synthetic::View;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

pub(super) fn limits(view: View<'_>, subject: Subject) -> Result<Vec<u8>> {
    let files = process(view, subject)?.files.borrow().limit.to_string();
    let unlimited = "unlimited";
    let rows: [(&str, &str, &str); 16] = [
        ("Max cpu time", unlimited, "seconds"),
        ("Max file size", unlimited, "bytes"),
        ("Max data size", unlimited, "bytes"),
        ("Max stack size", "8388608", "bytes"),
        ("Max core file size", "0", "bytes"),
        ("Max resident set", unlimited, "bytes"),
        ("Max processes", unlimited, "processes"),
        ("Max open files", &files, "files"),
        ("Max locked memory", "65536", "bytes"),
        ("Max address space", unlimited, "bytes"),
        ("Max file locks", unlimited, "locks"),
        ("Max pending signals", "1024", "signals"),
        ("Max msgqueue size", "819200", "bytes"),
        ("Max nice priority", "0", ""),
        ("Max realtime priority", "0", ""),
        ("Max realtime timeout", unlimited, "us"),
    ];
    let head = format!("{:<26}{:<21}{:<21}Units\n", "Limit", "Soft Limit", "Hard Limit");
    let lines: String =
        rows.iter().map(|(name, value, unit)| format!("{name:<26}{value:<21}{value:<21}{unit}\n")).collect();
    Ok((head + &lines).into_bytes())
}
