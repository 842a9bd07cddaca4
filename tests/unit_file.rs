//! The unit for machines with systemd: it is free of mistakes, and its program takes the environment that it gives.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says why and ends")]

use std::path::{Path, PathBuf};
use std::process::Command;

fn unit() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/systemd/kontain-faas.service");
    std::fs::read_to_string(path).unwrap()
}

fn program() -> PathBuf {
    env!("CARGO_BIN_EXE_kontain-faas").into()
}

#[test]
fn systemd_finds_no_mistake() {
    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        eprintln!("SKIPPED: no systemd-analyze on this machine");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("kontain-faas.service");
    // What is installed there is not the test's.
    std::fs::write(&file, unit().replace("/usr/local/bin/kontain-faas", program().to_str().unwrap()))
        .unwrap();
    let output = Command::new("systemd-analyze")
        .args(["verify", "--recursive-errors=no", "--man=no"])
        .arg(&file)
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && told.is_empty(), "{told}");
}

#[test]
fn every_variable_of_it_is_an_option() {
    let help = Command::new(program()).args(["serve", "--help"]).env_clear().output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let unit = unit();
    let names: Vec<&str> = unit
        .lines()
        .filter_map(|line| line.strip_prefix("Environment=")?.split_once('='))
        .map(|(name, _)| name)
        .collect();
    assert!(!names.is_empty());
    for name in names {
        assert!(help.contains(&format!("[env: {name}=")), "{name} is no option of serve");
    }
}
