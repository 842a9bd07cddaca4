//! Builds the library OS's image, which the monitor carries in itself.
//!
//! The image is for another target than the monitor, with flags of its own, so it is built by another cargo in a
//! target folder of its own. Which tool or flags build the monitor (clippy, a sanitizer) does not matter to it.
#![forbid(unsafe_code)]

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

const TARGET: &str = "x86_64-unknown-none";
/// Small code that is position-independent but linked to a fixed address: see km/hal/image.ld.
const FLAGS: &str = "-Ccode-model=small\u{1f}-Crelocation-model=pic";
/// Images, and the variables in which the crate finds their paths.
const IMAGES: [(&str, &str); 2] = [("km-guest-image", "KM_GUEST_IMAGE"), ("selftest", "KM_SELFTEST_IMAGE")];

fn main() {
    // Asked when it runs: a build folder that was copied must not build the sources of where it came from.
    let Some(here) = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from) else {
        fail("cargo sets no folder")
    };
    let here = here.as_path();
    let Some(out) = env::var_os("OUT_DIR").map(PathBuf::from) else { fail("cargo sets no OUT_DIR") };
    for part in ["../abi", "../hal", "../guest", "../../Cargo.lock"] {
        println!("cargo::rerun-if-changed={}", here.join(part).display());
    }
    println!("cargo::rerun-if-changed=build.rs");
    let target_dir = out.join("image");
    build(here, &target_dir);
    for (name, variable) in IMAGES {
        let path = target_dir.join(TARGET).join("release").join(name);
        println!("cargo::rustc-env={variable}={}", path.display());
    }
}

fn build(here: &Path, target_dir: &Path) {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args([
        "build",
        "--release",
        "--locked",
        "--quiet",
        "--bins",
        "--target",
        TARGET,
        "--manifest-path",
    ]);
    command.arg(here.join("../guest/image/Cargo.toml")).arg("--target-dir").arg(target_dir);
    for (name, _) in env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("CARGO_BUILD_")
            || name.starts_with("CARGO_TARGET_")
            || name.starts_with("CARGO_PROFILE_")
            || matches!(&*name, "RUSTFLAGS" | "RUSTC_WORKSPACE_WRAPPER" | "RUSTC")
        {
            command.env_remove(&*name);
        }
    }
    command.env("CARGO_ENCODED_RUSTFLAGS", FLAGS);
    match command.status() {
        Ok(status) if status.success() => {}
        Ok(status) => fail(&format!("building the library OS ended with {status}")),
        Err(error) => fail(&format!("cannot run cargo for the library OS: {error}")),
    }
}

fn fail(message: &str) -> ! {
    println!("cargo::error={message}");
    std::process::exit(1)
}
