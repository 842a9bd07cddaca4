//! The programs of `tests/endurance`, which run for long.

use super::{outdated, root};
use std::path::PathBuf;
use std::process::Command;
use std::time::SystemTime;

/// Builds a program of `tests/endurance` with musl, or with glibc.
pub fn program(name: &str, compiler: &str) -> PathBuf {
    let folder = root().join("target/endurance");
    let output = folder.join(format!("{name}-{compiler}"));
    let source = root().join("tests/endurance").join(format!("{name}.c"));
    let headers = ["check.h", "children.h"].map(|header| root().join("tests/guest").join(header));
    if outdated(&output, &[&source, &headers[0], &headers[1]]) {
        std::fs::create_dir_all(&folder).expect("a folder can be made");
        // Tests run side by side: each builds its own and the last one stays.
        let fresh = tempfile::NamedTempFile::new_in(&folder).expect("a file can be made").into_temp_path();
        let mut command = Command::new(compiler);
        command.args(["-O1", "-g", "-w", "-pthread", "-o"]).arg(&fresh).arg(&source);
        if compiler == "musl-gcc" {
            command.arg("-static");
        }
        let result = command.output().expect("the compiler starts");
        assert!(result.status.success(), "{command:?}\n{}", String::from_utf8_lossy(&result.stderr));
        fresh.persist(&output).expect("a file can be renamed");
    }
    output
}

/// `STRESS_SEED`, or another one each time; what fails prints it.
pub fn seed() -> String {
    std::env::var("STRESS_SEED").unwrap_or_else(|_| {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("the clock is set");
        (now.as_micros() % 1_000_000_007).to_string()
    })
}
