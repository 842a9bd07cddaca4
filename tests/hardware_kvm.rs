//! Hardware KVM: `km run`, a bake, and calls through `serve`, on AMD-V with nested paging as QEMU emulates it.
//!
//! The static binaries run in a Linux of their own (`tests/qemu/`). Needs no KVM of this machine. Set `SKIP_QEMU` to
//! leave it out.
#![allow(clippy::expect_used, reason = "a test that cannot go on says why and ends")]

mod common;

use common::{binary, node::function, root, run};
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
