//! Large images in little memory: nothing of a layer is held but the piece that is being moved.

use std::fs::File;
use std::io::{Read, Write};
use std::process::Stdio;
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::faas;
use super::parts::image::Layout;
use super::parts::registry::{Guard, Registry};
use super::parts::skip;

/// What the process may have in memory at most.
const MEMORY_MAX_KIB: u64 = 64 * 1024;
const MIB: usize = 1 << 20;
/// Size of the one file where nobody says otherwise; `KONTAIN_IMAGE_MIB` does, by hand 5120.
const FILE_MIB: usize = 1024;

fn file_mib() -> usize {
    std::env::var("KONTAIN_IMAGE_MIB").ok().and_then(|text| text.parse().ok()).unwrap_or(FILE_MIB)
}

/// A tar stream of one large file: a little noise in each MiB, so that it is neither a bomb nor slow to move.
struct Large {
    at: usize,
    pieces: usize,
    head: Vec<u8>,
}

impl Large {
    fn new() -> Self {
        let mut header = tar::Header::new_ustar();
        header.set_path("large").expect("a short path");
        header.set_size((file_mib() * MIB) as u64);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_cksum();
        Self { at: 0, pieces: file_mib(), head: header.as_bytes().to_vec() }
    }
}

impl Iterator for Large {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        self.at += 1;
        match self.at {
            1 => Some(self.head.clone()),
            at if at < self.pieces + 2 => {
                let mut piece = vec![0; MIB];
                let mut state = at as u64;
                for byte in &mut piece[..16 * 1024] {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    *byte = (state >> 33) as u8;
                }
                Some(piece)
            }
            at if at == self.pieces + 2 => Some(vec![0; 1024]),
            _ => None,
        }
    }
}

#[test]
fn a_large_image() {
    let Some(registry) = Registry::start(Guard::default()) else {
        return skip("memory of large images", super::PROGRAMS);
    };
    let folder = tempfile::tempdir().expect("a folder can be made");
    let mut layout = Layout::new(&folder.path().join("layout"), &[]);
    let mut plain = Sha256::new();
    let mut packed = zstd::Encoder::new(Vec::new(), 1).expect("an encoder");
    for piece in Large::new() {
        plain.update(&piece);
        packed.write_all(&piece).expect("memory is writable");
    }
    let packed = packed.finish().expect("memory is writable");
    layout.manifest["layers"] =
        serde_json::json!([layout.blob(&packed, "application/vnd.oci.image.layer.v1.tar+zstd")]);
    layout.config["rootfs"]["diff_ids"] =
        serde_json::json!([format!("sha256:{}", hex::encode(plain.finalize()))]);
    registry.copy(&layout.write(), "large:v1", &[]);

    let mut command = faas();
    command.args(["bundle", &format!("docker://{}/large:v1", registry.host)]);
    command.args(["--insecure-registry", &registry.host, "-o"]).arg(folder.path().join("bundle"));
    let mut child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it starts");
    let mut most_kib = 0;
    let status = loop {
        most_kib = high_water_kib(child.id()).unwrap_or(most_kib);
        if let Some(status) = child.try_wait().expect("a child can be waited for") {
            break status;
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    let mut message = String::new();
    child.stderr.take().expect("stderr is piped").read_to_string(&mut message).expect("it is text");
    assert!(status.success(), "{message}");
    let rootfs = File::open(folder.path().join("bundle/rootfs.erofs")).expect("a bundle");
    assert!(rootfs.metadata().expect("metadata").len() > (file_mib() * MIB) as u64);
    eprintln!("{} MiB in {} MiB of memory", file_mib(), most_kib >> 10);
    assert!(most_kib > 0 && most_kib < MEMORY_MAX_KIB, "{most_kib} KiB were in memory");
}

/// The most that a process ever had in memory.
pub fn high_water_kib(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}
