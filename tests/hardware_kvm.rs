//! Hardware KVM: `km run`, a bake, and calls through `serve`, on AMD-V with nested paging as QEMU emulates it.
//!
//! The static binaries run in a Linux of their own (`tests/qemu/`). Needs no KVM of this machine. Set `SKIP_QEMU` to
//! leave it out.
#![allow(clippy::expect_used, reason = "a test that cannot go on says why and ends")]

mod common;
#[allow(dead_code, reason = "the differential tests use the rest")]
mod guest;

use common::{binary, node::function, root, run};
use guest::{Build, Program};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

/// What runs inside; each line of its output is looked for below.
const SCRIPT: &str = r#"
export PATH=/work:$PATH TMPDIR=/tmp
km run ./hello; echo "hello ended with $?"
km run ./probe & sleep 1; kill $!
mkdir -p images
kontain-faas pack -o oci:images/probe -- ./probe || exit 1
printf 'apiVersion: build.kontain.app/v1\nkind: Image\nmetadata: {name: probe}\nspec: {image: "oci:probe"}\n' > images/probe.yaml
kontain-faas serve --images images --volume /tmp/volume --listen 127.0.0.1:8080 --admin 127.0.0.1:9090 > /tmp/log 2>&1 &
for i in $(seq 100); do
    wget -q -O - http://127.0.0.1:9090/functions 2>/dev/null | grep -q '"phase":"Ready"' && break
    sleep 1
done
for i in 1 2 3 4 5; do echo "call $i counts $(wget -q -O - http://127.0.0.1:8080/default/probe/count)"; done
kontain-faas doctor | grep KVM
kill %2; wait
grep '"level":"\(WARN\|ERROR\)"' /tmp/log
exit 0
"#;

fn binaries_are_static(path: &std::path::Path) -> bool {
    let bytes = std::fs::read(path).expect("readable");
    // A dynamically linked program names its interpreter near its beginning.
    !bytes[..4096.min(bytes.len())].windows(8).any(|window| window == b"/ld-linu")
}

#[test]
fn machines_run_on_hardware_kvm() {
    let (km, server) = (binary("km"), binary("kontain-faas"));
    if std::env::var_os("SKIP_QEMU").is_some() || !binaries_are_static(&km) {
        eprintln!(
            "\n*** SKIPPED: hardware KVM: SKIP_QEMU is set, or the binaries are not static (make build) ***\n"
        );
        return;
    }
    let hello = root().join("target/functions/hello");
    if common::outdated(&hello, &[&root().join("tests/guest/process/hello.c")]) {
        std::fs::create_dir_all(hello.parent().expect("below target")).expect("a folder can be made");
        let mut compile = Command::new("musl-gcc");
        let result = compile
            .args(["-O1", "-static", "-o"])
            .arg(&hello)
            .arg(root().join("tests/guest/process/hello.c"))
            .status();
        assert!(result.expect("musl-gcc starts").success());
    }
    let mut qemu = Command::new(root().join("tests/qemu/run.sh"));
    qemu.arg(SCRIPT)
        .args([&km, &server, &hello, &function("probe")])
        .env("LIMIT", "600")
        .env("MEMORY", "3072");
    let ended = run(&mut qemu, b"", Duration::from_secs(900)).expect("QEMU ends in time");
    let text = String::from_utf8_lossy(&ended.stdout).into_owned();
    let told = format!("{text}\n{}", String::from_utf8_lossy(&ended.stderr));
    assert_eq!(ended.status, 0, "{told}");
    for line in ["hello", "hello ended with 0", "call 1 counts 1", "call 5 counts 1", "SVM"] {
        assert!(text.contains(line), "{line:?} is missing:\n{told}");
    }
}

/// Programs of `tests/guest` that between them use every path between hardware and library OS: entries, faults of all
/// kinds, page tables that change under threads and children, preemption, vector state.
const PROGRAMS: [&str; 42] = [
    "events/one_loop",
    "exec/from_a_thread",
    "exec/scripts",
    "exec/spawn",
    "exec/vfork_exec",
    "files/lock_conflicts",
    "files/rename_flags",
    "files/terminal_jobs",
    "fork/copy_on_write_large",
    "fork/many_at_once",
    "fork/memory_is_copied",
    "fork/vfork_shares",
    "groups/pipeline_job",
    "memory/advice_more",
    "memory/file_tails",
    "memory/huge_reservations",
    "memory/jit",
    "memory/shared_files",
    "memory/split_and_merge",
    "memory/write_barrier",
    "net/chat",
    "net/tcp_stream",
    "net/unix_rights",
    "pidfd/basics",
    "process/fault_divide",
    "process/fault_opcode",
    "process/registers",
    "signals/alternate_stack",
    "signals/fault_details",
    "signals/fault_recovery",
    "signals/queued",
    "signals/real_time_order",
    "signals/restart_table",
    "signals/stack_overflow",
    "threads/futex_requeue",
    "threads/inheritance_futex",
    "threads/preemption",
    "threads/producer_consumer",
    "threads/robust_mutex",
    "vector/across_switches",
    "vector/in_handlers",
    "wait/stopped",
];

/// Runs every program of its folder and marks where its output begins and ends.
const EACH: &str = r#"
for program in guest-*; do
    echo "--- $program"
    timeout 120 ./km run --cwd /tmp ./$program 2>/tmp/errors </dev/null
    echo "--- $program ended with $?"
done
exit 0
"#;

/// A copy of a program under a name that tells its family.
fn copied(program: &Program, folder: &std::path::Path) -> (String, PathBuf) {
    let name = format!("guest-{}", program.test_name(Build::Musl).replace('/', "-"));
    let built = program.compile(Build::Musl).unwrap_or_else(|problem| panic!("{problem}"));
    let path = folder.join(&name);
    std::fs::copy(built, &path).expect("a program can be copied");
    (name, path)
}

#[test]
fn programs_do_the_same_on_hardware_kvm() {
    let km = binary("km");
    if std::env::var_os("SKIP_QEMU").is_some() || !binaries_are_static(&km) {
        eprintln!("\n*** SKIPPED: programs on hardware KVM: SKIP_QEMU is set, or km is not static ***\n");
        return;
    }
    let wanted: BTreeSet<String> = PROGRAMS.iter().map(|name| format!("{name}/musl")).collect();
    let programs: Vec<Program> =
        guest::programs().into_iter().filter(|one| wanted.contains(&one.test_name(Build::Musl))).collect();
    assert_eq!(programs.len(), PROGRAMS.len(), "a program is gone");
    let folder = tempfile::TempDir::with_prefix("guests-").expect("a folder can be made");
    let copies: Vec<(String, PathBuf)> =
        programs.iter().map(|program| copied(program, folder.path())).collect();
    let mut qemu = Command::new(root().join("tests/qemu/run.sh"));
    qemu.arg(EACH).arg(&km).args(copies.iter().map(|copy| &copy.1));
    let ended = run(qemu.env("LIMIT", "900"), b"", Duration::from_secs(1200)).expect("QEMU ends in time");
    let text = String::from_utf8_lossy(&ended.stdout).into_owned();
    assert_eq!(ended.status, 0, "{text}\n{}", String::from_utf8_lossy(&ended.stderr));
    let mut wrong = Vec::new();
    for (name, path) in &copies {
        let native = run(Command::new(path).env_clear().current_dir("/tmp"), b"", Duration::from_secs(60));
        let native = native.unwrap_or_else(|problem| panic!("natively: {problem}"));
        let expected = format!(
            "--- {name}\n{}--- {name} ended with {}\n",
            String::from_utf8_lossy(&native.stdout),
            native.status
        );
        if !text.contains(&expected) {
            let begun = text.split(&format!("--- {name}\n")).nth(1).unwrap_or("nothing");
            let got = begun.split("\n--- guest-").next().unwrap_or(begun);
            wrong.push(format!("{name}\nnatively:\n{expected}\non hardware KVM:\n{got}\n"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
