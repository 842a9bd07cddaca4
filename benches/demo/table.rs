//! What the demo prints at its end.

use super::Row;
use crate::load::summary::micros;
use std::fmt::Write;

/// A line for each function.
pub fn table(rows: &[Row]) -> String {
    let mut text = format!(
        "{:<22} {:>9}  {:>9} {:>9} {:>9} {:>9}  {:>10} {:>7}  {:>10}\n",
        "a call's own machine", "ready in", "p50", "p90", "p99", "max", "to program", "pages", "a process"
    );
    for row in rows {
        let latency = row.outcome.latencies.summary();
        // Writing to a String cannot fail.
        writeln!(
            text,
            "{:<22} {:>9}  {:>9} {:>9} {:>9} {:>9}  {:>10} {:>7}  {:>10}",
            row.title,
            micros(u64::try_from(row.baked.as_micros()).unwrap_or(u64::MAX)),
            micros(latency.p50_us),
            micros(latency.p90_us),
            micros(latency.p99_us),
            micros(latency.max_us),
            micros(row.boot.p50_us),
            row.dirty_pages,
            micros(row.process.p50_us),
        )
        .ok();
    }
    text + "\n\
        ready in    publication to first call possible: unpacking, boot, snapshot\n\
        p50 … max   the client's whole call, over a kept connection\n\
        to program  machine taken to the call's first instruction in it (median)\n\
        pages       of 4 KiB that a call writes, and that are thrown away with its machine\n\
        a process   the same program started as a process for one call, with no isolation (median)\n"
}

/// A histogram for each function.
pub fn histograms(rows: &[Row]) -> String {
    rows.iter()
        .map(|row| format!("{}\n{}", row.title, row.outcome.latencies.bars()))
        .collect::<Vec<_>>()
        .join("\n")
}
