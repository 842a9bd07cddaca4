//! `km run BUNDLE -- sh -c …`: an image's own shell, as somebody at a terminal uses it.

use crate::common::{binary, run};
use crate::image;
use libtest_mimic::Failed;
use std::process::Command;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(120);

/// The image of the `shell` sample, with other commands.
pub fn by_hand() -> Result<(), Failed> {
    let image = image("shell")?;
    let folder = tempfile::tempdir().expect("a folder can be made");
    let bundle = folder.path().join("bundle");
    let mut make = Command::new(binary("kontain-faas"));
    make.args(["bundle", &format!("oci:{}:latest", image.display()), "-o"]).arg(&bundle);
    let made = run(&mut make, b"", LIMIT)?;
    if made.status != 0 {
        return Err(String::from_utf8_lossy(&made.stderr).into_owned().into());
    }
    let shell = |script: &str, input: &str| -> Result<(i32, String), Failed> {
        let mut command = Command::new(binary("km"));
        command.arg("run").arg(&bundle).args(["--", "sh", "-c", script]);
        let ended = run(&mut command, input.as_bytes(), LIMIT)?;
        Ok((ended.status, String::from_utf8_lossy(&ended.stdout).into_owned()))
    };
    let (status, output) = shell("ls / | wc -l; id; uname -a; sleep 1 & wait", "")?;
    let lines: Vec<&str> = output.lines().collect();
    let counted = lines.first().and_then(|line| line.trim().parse::<u32>().ok());
    let told = lines.get(1).is_some_and(|line| line.starts_with("uid=0(root) gid=0(root)"));
    let named = lines.get(2).is_some_and(|line| line.starts_with("Linux ") && line.contains("x86_64"));
    if status != 0 || lines.len() != 3 || counted.is_none_or(|count| count < 15) || !told || !named {
        return Err(format!("status {status}:\n{output}").into());
    }
    // A shell that reads its commands, as with somebody at the other end.
    let (status, output) = shell("exec sh", "cd /etc && ls passwd\nfalse || echo $?\n(exit 7)\nexit $?\n")?;
    if (status, output.as_str()) != (7, "passwd\n1\n") {
        return Err(format!("status {status}:\n{output}").into());
    }
    Ok(())
}
