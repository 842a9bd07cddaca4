//! `km run BUNDLE -- sh -c …`: an image's own programs, as somebody at a terminal uses them.

use crate::common::{binary, run};
use crate::image;
use libtest_mimic::Failed;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

const LIMIT: Duration = Duration::from_secs(120);

/// A bundle that is removed with it.
struct Bundle {
    folder: TempDir,
}

impl Bundle {
    fn of(name: &str) -> Result<Self, Failed> {
        let bundle = Self { folder: tempfile::tempdir().expect("a folder can be made") };
        let mut make = Command::new(binary("kontain-faas"));
        make.args(["bundle", &format!("oci:{}:latest", image(name)?.display()), "-o"]).arg(bundle.path());
        let made = run(&mut make, b"", LIMIT)?;
        if made.status == 0 {
            Ok(bundle)
        } else {
            Err(String::from_utf8_lossy(&made.stderr).into_owned().into())
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("bundle")
    }

    /// What a script of the image's shell ends with, and what it prints.
    fn shell(&self, script: &str, input: &str) -> Result<(i32, String), Failed> {
        let mut command = Command::new(binary("km"));
        command.arg("run").arg(self.path()).args(["--", "sh", "-c", script]);
        let ended = run(&mut command, input.as_bytes(), LIMIT)?;
        Ok((ended.status, String::from_utf8_lossy(&ended.stdout).into_owned()))
    }

    /// The same, of which these lines must be a part, in this order.
    fn prints(&self, script: &str, lines: &[&str]) -> Result<(), Failed> {
        let (status, output) = self.shell(script, "")?;
        let mut left = output.lines();
        match lines.iter().find(|line| !left.any(|printed| printed.contains(**line))) {
            None => Ok(()),
            Some(missing) => {
                Err(format!("{script}\nstatus {status}, {missing:?} is missing:\n{output}").into())
            }
        }
    }
}

/// The image of the `shell` sample, with other commands.
pub fn by_hand() -> Result<(), Failed> {
    let bundle = Bundle::of("shell")?;
    let (status, output) = bundle.shell("ls / | wc -l; id; uname -a; sleep 1 & wait", "")?;
    let lines: Vec<&str> = output.lines().collect();
    let counted = lines.first().and_then(|line| line.trim().parse::<u32>().ok());
    let told = lines.get(1).is_some_and(|line| line.starts_with("uid=0(root) gid=0(root)"));
    let named = lines.get(2).is_some_and(|line| line.starts_with("Linux ") && line.contains("x86_64"));
    if status != 0 || lines.len() != 3 || counted.is_none_or(|count| count < 15) || !told || !named {
        return Err(format!("status {status}:\n{output}").into());
    }
    // A shell that reads its commands, as with somebody at the other end.
    let (status, output) =
        bundle.shell("exec sh", "cd /etc && ls passwd\nfalse || echo $?\n(exit 7)\nexit $?\n")?;
    if (status, output.as_str()) != (7, "passwd\n1\n") {
        return Err(format!("status {status}:\n{output}").into());
    }
    Ok(())
}

/// gdb and strace, which trace other programs of the image.
pub fn debuggers() -> Result<(), Failed> {
    let bundle = Bundle::of("debuggers")?;
    bundle.prints(
        "cd /app; gdb -batch -ex 'break add' -ex run -ex backtrace -ex finish -ex 'print total' -ex continue \
         -ex 'info threads' -ex stepi -ex next -ex delete -ex 'set var total = 500' -ex continue ./program",
        &[
            "Breakpoint 1, add (first=3, second=4) at program.c:8",
            "#0  add (first=3, second=4)",
            "#1  0x",
            "Value returned is $1 = 7",
            "$2 = 7",
            "Breakpoint 1, add (first=30, second=40)",
            "* 2 ",
            "total 570",
            "exited with code 05]",
        ],
    )?;
    bundle.prints(
        "cd /app; gdb -batch -ex 'break main' -ex run -ex 'watch total' -ex continue -ex continue -ex 'print total' \
         -ex 'delete 2' -ex 'hbreak 24' -ex continue -ex delete -ex continue ./program",
        &[
            "Hardware watchpoint 2: total",
            "Old value = 0",
            "New value = 7",
            "add (first=3, second=4) at program.c:10",
            "Old value = 7",
            "New value = 77",
            "$1 = 77",
            "Hardware assisted breakpoint 3",
            "Breakpoint 3, main",
            "exited with code 05]",
        ],
    )?;
    bundle.prints(
        "cd /app; gdb -batch -ex run -ex backtrace -ex 'print total' --args ./program crash",
        &["received signal SIGSEGV", "main (count=2", "$1 = 77"],
    )?;
    bundle.prints(
        "sleep 100 & sleep 0.2; gdb -batch -p $! -ex 'print $pc != 0' -ex detach 2>&1; kill $!; wait $!; echo $?",
        &["$1 = 1", "detached]", "143"],
    )?;
    bundle.prints(
        "strace -f -o /tmp/calls sh -c 'echo one; (exit 3); /app/program; kill -TERM $$' ; echo $?; cat /tmp/calls",
        &[
            "143",
            "execve(\"/usr/bin/sh\", [\"sh\", \"-c\"",
            "write(1, \"one\\n\", 4)",
            "+++ exited with 3 +++",
            "--- SIGCHLD {si_signo=SIGCHLD, si_code=CLD_EXITED, si_pid=",
            "execve(\"/app/program\", [\"/app/program\"]",
            "write(1, \"sum 7\\ntotal 77\\n\", 15)",
            "+++ exited with 5 +++",
            "--- SIGTERM {si_signo=SIGTERM, si_code=SI_USER, si_pid=",
            "+++ killed by SIGTERM +++",
        ],
    )?;
    bundle.prints(
        "sleep 100 & sleep 0.2; timeout 1 strace -p $! 2>&1; kill $!; wait $!; echo $?",
        &["attached", "nanosleep(", "detached", "143"],
    )
}
