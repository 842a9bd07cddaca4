//! What a run measured, as one JSON file per runtime.

use crate::common::{node::Node, root};
use crate::matrix::Runtime;
use serde_json::{Value, json};

/// Writes the file of a runtime that passed.
///
/// Times of calls are those of echoes that found a machine waiting: the first calls and those of other kinds tell of
/// their bodies and of the queue.
pub fn write(node: &Node, runtime: &Runtime) {
    let baked = node.records().into_iter().find(|record| record["message"] == "baked");
    let baked = baked.unwrap_or_default();
    let calls = node.calls(runtime.name);
    let median = |field: &str| middle(calls.iter().filter(|call| call["pool_empty"] == false), field);
    let result = json!({
        "name": runtime.name,
        "title": runtime.title,
        "memory_mib": runtime.memory_mib,
        "boot_ms": baked["boot_ms"],
        "bake_ms": baked["total_ms"],
        "calls": calls.len(),
        "boot_us": median("boot_us"),
        "head_us": median("head_us"),
        "total_us": median("total_us"),
        "dirty_pages": median("dirty_pages"),
    });
    let folder = root().join("target/runtimes/results");
    std::fs::create_dir_all(&folder).expect("a folder can be made");
    let text = serde_json::to_string_pretty(&result).expect("numbers and names");
    std::fs::write(folder.join(format!("{}.json", runtime.name)), text + "\n")
        .expect("a file can be written");
}

fn middle<'a>(calls: impl Iterator<Item = &'a Value>, field: &str) -> u64 {
    let mut values: Vec<u64> = calls.filter_map(|call| call[field].as_u64()).collect();
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or_default()
}
