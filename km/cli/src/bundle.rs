//! What `km run` is given: a bundle, that is a directory with `config.json` and `rootfs.erofs`, or a program of this
//! machine, which is packed with its libraries on the fly.

use anyhow::{Context, Result, bail};
use bundles::bundle::{CONFIG, ROOTFS};
use bundles::config::{Process, RuntimeConfig};
use bundles::pack::{Program, pack_to_bundle};
use km_abi::records::BootConfig;
use std::fs::File;
use std::path::Path;

/// A program and the file system that it sees.
pub struct Bundle {
    /// The root file system, an EROFS image.
    pub rootfs: File,
    /// The process that `config.json` describes.
    pub process: BootConfig,
}

impl Bundle {
    /// Opens a bundle directory, or packs a program as one that is gone when this returns; the open image stays.
    ///
    /// # Errors
    /// A file is missing or is not what it should be.
    pub fn find(path: &Path, args: &[String]) -> Result<Self> {
        if path.is_dir() {
            return Self::open(path);
        }
        let Some(name) = path.to_str() else { bail!("{} is not a name in UTF-8", path.display()) };
        let command = [name.to_owned()].into_iter().chain(args.iter().cloned()).collect();
        let directory = tempfile::tempdir().context("make a directory for the packed program")?;
        let program = Program { command, ..Program::default() };
        pack_to_bundle(&program, directory.path()).with_context(|| format!("pack {name}"))?;
        Self::open(directory.path())
    }

    /// Opens a bundle directory.
    ///
    /// # Errors
    /// A file is missing or is not what it should be.
    pub fn open(directory: &Path) -> Result<Self> {
        let path = directory.join(CONFIG);
        let config = RuntimeConfig::load(&path).with_context(|| format!("read {}", path.display()))?;
        let Some(process) = config.process() else { bail!("{} has no field process", path.display()) };
        let rootfs = directory.join(ROOTFS);
        let rootfs = File::open(&rootfs).with_context(|| format!("open {}", rootfs.display()))?;
        let hostname = config.hostname().clone().unwrap_or_else(|| "localhost".to_owned());
        Ok(Self { rootfs, process: boot_config(process, hostname) })
    }
}

fn boot_config(process: &Process, hostname: String) -> BootConfig {
    let bytes = |list: &Option<Vec<String>>| -> Vec<Vec<u8>> {
        list.iter().flatten().map(|text| text.clone().into_bytes()).collect()
    };
    let user = process.user();
    BootConfig {
        args: bytes(process.args()),
        env: bytes(process.env()),
        cwd: process.cwd().as_os_str().as_encoded_bytes().to_vec(),
        uid: user.uid(),
        gid: user.gid(),
        groups: user.additional_gids().clone().unwrap_or_default(),
        hostname,
        resolv_conf: None,
        ..BootConfig::default()
    }
}
