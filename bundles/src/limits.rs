//! Bounds on what an image may ask for; every loop and allocation that an image drives is under one of them.

/// Bounds for one image. The defaults let every ordinary image through and stop the bombs.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Bytes of a manifest, an index or an image configuration.
    pub document_bytes: u64,
    /// Layers of an image.
    pub layers: usize,
    /// Indexes inside indexes until a manifest must be reached.
    pub index_depth: usize,
    /// Bytes of one compressed layer.
    pub layer_bytes: u64,
    /// Bytes of all layers together once decompressed.
    pub unpacked_bytes: u64,
    /// A layer may decompress to so many times its compressed size …
    pub ratio: u64,
    /// … or to so many bytes, whichever is more: small layers compress extremely well.
    pub ratio_free_bytes: u64,
    /// Files, directories and links created by all layers together.
    pub inodes: u32,
    /// Bytes of names, link targets and extended attributes held in memory.
    pub metadata_bytes: u64,
    /// Bytes of one extension header (PAX records, GNU long name) of a tar stream.
    pub extension_bytes: u64,
    /// Bytes of the names and values of one file's extended attributes.
    pub xattr_bytes: usize,
}

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

impl Default for Limits {
    fn default() -> Self {
        Self {
            document_bytes: 4 * MIB,
            layers: 512,
            index_depth: 4,
            layer_bytes: 16 * GIB,
            unpacked_bytes: 32 * GIB,
            ratio: 200,
            ratio_free_bytes: 64 * MIB,
            inodes: 1_000_000,
            metadata_bytes: 256 * MIB,
            extension_bytes: MIB,
            xattr_bytes: 64 * 1024,
        }
    }
}
