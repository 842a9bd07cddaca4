//! `/proc/PID/limits`.

use super::Subject;
use super::process::process;
use crate::errno::Result;
use crate::fs::synthetic::View;
use crate::task::limits::INFINITY;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// Name and unit of each resource, by its number, in the order of the file.
const ROWS: [(u64, &str, &str); 16] = [
    (0, "Max cpu time", "seconds"),
    (1, "Max file size", "bytes"),
    (2, "Max data size", "bytes"),
    (3, "Max stack size", "bytes"),
    (4, "Max core file size", "bytes"),
    (5, "Max resident set", "bytes"),
    (6, "Max processes", "processes"),
    (7, "Max open files", "files"),
    (8, "Max locked memory", "bytes"),
    (9, "Max address space", "bytes"),
    (10, "Max file locks", "locks"),
    (11, "Max pending signals", "signals"),
    (12, "Max msgqueue size", "bytes"),
    (13, "Max nice priority", ""),
    (14, "Max realtime priority", ""),
    (15, "Max realtime timeout", "us"),
];

fn value(value: u64) -> String {
    if value == INFINITY { "unlimited".to_string() } else { value.to_string() }
}

pub(super) fn limits(view: View<'_>, subject: Subject) -> Result<Vec<u8>> {
    let limits = &process(view, subject)?.limits;
    let mut text = format!("{:<26}{:<21}{:<21}Units     \n", "Limit", "Soft Limit", "Hard Limit");
    for (number, name, unit) in ROWS {
        let limit = limits.get(number)?;
        text += &format!("{name:<26}{:<21}{:<21}{unit:<10}\n", value(limit.current), value(limit.maximum));
    }
    Ok(text.into_bytes())
}
