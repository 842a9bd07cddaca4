//! Hardware KVM: `km run`, a bake, and calls through `serve`, on AMD-V with nested paging as QEMU emulates it.
//!
//! The static binaries run in a Linux of their own (`tests/qemu/`). Needs no KVM of this machine. Set `SKIP_QEMU` to
//! leave it out.
#![allow(clippy::expect_used, reason = "a test that cannot go on says why and ends")]

mod common;
#[allow(dead_code, reason = "the differential tests use the rest")]
mod guest;

use common::{binary, long, node::function, root, run};
use guest::{Build, Program};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// What runs inside; each line of its output is looked for below.
const SCRIPT: &str = r#"
export PATH=/work:$PATH TMPDIR=/tmp
km run ./hello; echo "hello ended with $?"
km run ./cpu; echo "cpu ended with $?"
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

fn binaries_are_static(path: &Path) -> bool {
    let bytes = std::fs::read(path).expect("readable");
    // A dynamically linked program names its interpreter near its beginning.
    !bytes[..4096.min(bytes.len())].windows(8).any(|window| window == b"/ld-linu")
}

/// A static program of this source, built if it is not yet.
fn built(source: &str) -> PathBuf {
    let source = root().join(source);
    let output = root().join("target/functions").join(source.file_stem().expect("a source has a name"));
    if common::outdated(&output, &[&source]) {
        std::fs::create_dir_all(output.parent().expect("below target")).expect("a folder can be made");
        let mut compile = Command::new("musl-gcc");
        let result = compile.args(["-O1", "-static", "-o"]).arg(&output).arg(&source).status();
        assert!(result.expect("musl-gcc starts").success());
    }
    output
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
    let (hello, cpu) = (built("tests/guest/process/hello.c"), built("tests/hardware/cpu.c"));
    let mut qemu = Command::new(root().join("tests/qemu/run.sh"));
    qemu.arg(SCRIPT)
        .args([&km, &server, &hello, &cpu, &function("probe")])
        .env("LIMIT", "600")
        .env("MEMORY", "3072");
    let ended = run(&mut qemu, b"", Duration::from_secs(900)).expect("QEMU ends in time");
    let text = String::from_utf8_lossy(&ended.stdout).into_owned();
    let told = format!("{text}\n{}", String::from_utf8_lossy(&ended.stderr));
    assert_eq!(ended.status, 0, "{told}");
    let cpu = [
        "features: 0 too many, 0 missing, leaves up to d and 80000008",
        "registers: 0 read, 0 written",
        "cpu ended with 0",
    ];
    let lines = ["hello", "hello ended with 0", "call 1 counts 1", "call 5 counts 1", "SVM"];
    for line in lines.into_iter().chain(cpu) {
        assert!(text.contains(line), "{line:?} is missing:\n{told}");
    }
}

/// Runs a program, with what it is given, and marks where its output begins and ends.
const EACH: &str = r#"
each() {
    program=$1; shift
    echo "--- $program"
    timeout 120 ./km run --cwd /tmp "$@" 2>/tmp/errors
    echo "--- $program ended with $?"
}
"#;

/// How long the stress test lasts there, in milliseconds.
const STRESS_MS: &str = "15000";

/// A program as it is run on hardware KVM: under a name that tells its family, statically linked.
struct Guest {
    program: Program,
    name: String,
    path: PathBuf,
}

impl Guest {
    fn copy(program: Program, folder: &Path) -> Self {
        let build = if program.builds().contains(&Build::Musl) { Build::Musl } else { Build::GlibcStatic };
        let name = format!("guest-{}", program.test_name(build).replace('/', "-"));
        let built = program.compile(build).unwrap_or_else(|problem| panic!("{problem}"));
        let path = folder.join(&name);
        std::fs::copy(built, &path).expect("a program can be copied");
        Self { program, name, path }
    }

    /// The line of the script that runs it.
    fn line(&self) -> String {
        let env =
            self.program.env.iter().flat_map(|(name, value)| ["--env".to_owned(), format!("{name}={value}")]);
        let path = [format!("./{}", self.name), "--".to_owned()];
        let args = self.program.args.iter().cloned();
        let words: String = env.chain(path).chain(args).map(|word| format!(" {}", quoted(&word))).collect();
        let stdin = quoted(&String::from_utf8_lossy(&self.program.stdin));
        format!("printf %s {stdin} | each {}{words}\n", self.name)
    }

    /// The emulated CPU raises exceptions in its own ways (error codes of `int n`, addresses behind x87 instructions, reads before
    /// writes), so what programs print of them is compared with the host's CPU alone. Here they must come to their end.
    fn depends_on_the_cpu(&self) -> bool {
        self.name.starts_with("guest-exceptions-")
    }

    /// What the machine prints between its marks if it does as Linux does here.
    fn expected(&self) -> String {
        let mut native = Command::new(&self.path);
        native
            .args(&self.program.args)
            .env_clear()
            .envs(self.program.env.iter().cloned())
            .current_dir("/tmp");
        let native = run(&mut native, &self.program.stdin, Duration::from_secs(60));
        let native = native.unwrap_or_else(|problem| panic!("natively: {problem}"));
        let (name, output) = (&self.name, String::from_utf8_lossy(&native.stdout));
        let end = format!("--- {name} ended with {}\n", native.status);
        if self.depends_on_the_cpu() { end } else { format!("--- {name}\n{output}{end}") }
    }
}

/// A word for the shell.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[test]
fn programs_do_the_same_on_hardware_kvm() {
    let km = binary("km");
    if std::env::var_os("SKIP_QEMU").is_some() || !binaries_are_static(&km) {
        eprintln!("\n*** SKIPPED: programs on hardware KVM: SKIP_QEMU is set, or km is not static ***\n");
        return;
    }
    let folder = tempfile::TempDir::with_prefix("guests-").expect("a folder can be made");
    // Sanitizers have no static form, and the emulated machine has no libraries.
    let is_sanitized = |program: &Program| program.test_name(Build::Glibc).starts_with("sanitizers/");
    let (sanitized, programs): (Vec<Program>, Vec<Program>) =
        guest::programs().into_iter().partition(is_sanitized);
    eprintln!("\n*** SKIPPED on hardware KVM: {} programs with sanitizers ***\n", sanitized.len());
    let copies = programs.into_iter().map(|program| Guest::copy(program, folder.path()));
    // The emulated CPU gives `int 0x80` another error code than any processor does: its calls do not arrive there.
    let (old_calls, guests): (Vec<Guest>, Vec<Guest>) =
        copies.partition(|guest| guest.name.starts_with("guest-exceptions-legacy"));
    eprintln!("\n*** SKIPPED on hardware KVM: {} program of `int 0x80`: QEMU's CPU ***\n", old_calls.len());
    let (stress, seed) = (folder.path().join("stress"), long::seed());
    std::fs::copy(long::program("stress", "musl-gcc"), &stress).expect("a program can be copied");
    let mut script: String = EACH.to_owned() + &guests.iter().map(Guest::line).collect::<String>();
    script += &format!("each stress ./stress -- {seed} {STRESS_MS}\nexit 0\n");
    let mut qemu = Command::new(root().join("tests/qemu/run.sh"));
    qemu.arg(script).args([&km, &stress]).args(guests.iter().map(|guest| &guest.path));
    qemu.env("LIMIT", "1500").env("MEMORY", "3072");
    let ended = run(&mut qemu, b"", Duration::from_secs(1800)).expect("QEMU ends in time");
    let text = String::from_utf8_lossy(&ended.stdout).into_owned();
    assert_eq!(ended.status, 0, "{text}\n{}", String::from_utf8_lossy(&ended.stderr));
    let (_, stressed) = text.split_once("--- stress\n").unwrap_or_else(|| panic!("no stress test:\n{text}"));
    assert!(stressed.contains("all as the model has it"), "seed {seed}:\n{stressed}");
    let mut wrong = Vec::new();
    for guest in &guests {
        let (name, expected) = (&guest.name, guest.expected());
        if !text.contains(&expected) {
            let begun = text.split(&format!("--- {name}\n")).nth(1).unwrap_or("nothing");
            let got = begun.split("\n--- guest-").next().unwrap_or(begun);
            wrong.push(format!("{name}\nnatively:\n{expected}\non hardware KVM:\n{got}\n"));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), guests.len(), wrong.join("\n"));
}
