//! Layers of any bytes: refused or applied, never a panic; what was applied can be written as an image.
//!
//! The checksums of tar headers are put right first, or hardly any input would get past the first block.
#![no_main]

use std::fs::File;

use bundles::digest::Digest;
use bundles::layer::{Layer, apply};
use bundles::limits::Limits;
use bundles::tree::Tree;
use libfuzzer_sys::fuzz_target;

fn repair(bytes: &mut [u8]) {
    for header in bytes.chunks_exact_mut(512) {
        if header[257..262] == *b"ustar" {
            header[148..156].fill(b' ');
            let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
            header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        }
    }
}

fuzz_target!(|data: &[u8]| {
    let limits = Limits { inodes: 1000, unpacked_bytes: 1 << 20, ..Limits::default() };
    let dir = std::env::temp_dir();
    let mut tree = Tree::new(&dir, &limits).expect("a tree");
    let mut left = limits.unpacked_bytes;
    let mut bytes = data.to_vec();
    repair(&mut bytes);
    let half = bytes.len() / 1024 * 512;
    for part in [&bytes[..half], &bytes[half..]] {
        let digest = Digest::of(part);
        let layer = Layer { digest: None, size: part.len() as u64, diff_id: digest };
        if apply(&mut tree, part, &layer, &limits, &mut left).is_err() {
            return;
        }
    }
    let image: File = tempfile_in(&dir);
    bundles::erofs::write(&tree, [0; 16], &image).expect("an image");
});

fn tempfile_in(dir: &std::path::Path) -> File {
    let path = dir.join(format!("fuzz-layer-{}", std::process::id()));
    let file = File::options().read(true).write(true).create(true).truncate(true).open(&path).expect("a file");
    std::fs::remove_file(path).expect("unlinked");
    file
}
