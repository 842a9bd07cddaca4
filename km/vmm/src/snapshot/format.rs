//! The trailer of a snapshot file: one page, fixed layout, everything in it checked.

use km_abi::layout::{MEMORY_MAX, MEMORY_MIN, PAGE_SIZE};
use sha2::{Digest, Sha256};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::{Identity, PAGE, Page};

/// First word of a trailer.
const MAGIC: u64 = u64::from_le_bytes(*b"km-snap\n");
/// Version of file layout, digest and everything else that this crate puts into a machine beside the library OS
/// (GDT, IDT, page-table layout). Raise it with every change of these, or old files are misread.
const FORMAT: u32 = 1;

/// Why a file is not used as a snapshot.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The file cannot be read or written.
    #[error("snapshot file: {0}")]
    Io(#[from] std::io::Error),
    /// It is not a snapshot, or not a whole one.
    #[error("not a snapshot: {0}")]
    Malformed(&'static str),
    /// It is a snapshot of another build, host or function.
    #[error("snapshot was made by or for another {0}")]
    Mismatch(&'static str),
    /// Its content does not match its digest.
    #[error("snapshot is damaged: its content does not match its digest")]
    Digest,
    /// Others than its owner may read or write it.
    #[error("snapshot file has mode {0:o}: only its owner may have access")]
    Mode(u32),
}

/// When in a program's life the snapshot was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Moment {
    /// It waits for a connection.
    Ready = 1,
    /// It is loaded and has not executed an instruction.
    Start = 2,
}

/// What a snapshot must match to be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// Monitor build and host.
    pub identity: Identity,
    /// The function's snapshot key: everything else that shaped it, hashed by the server.
    pub key: String,
    /// Memory of a machine.
    pub memory_bytes: u64,
    /// Length of the rootfs image.
    pub rootfs_bytes: u64,
    /// At which point of the program's life it is to have been taken.
    pub moment: Moment,
}

/// The state of a machine beside its memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// Root of the page tables in use.
    pub cr3: u64,
    /// CLOCK_MONOTONIC of the guest.
    pub monotonic_ns: u64,
    /// The wall clock in nanoseconds since 1970 when CLOCK_MONOTONIC was that.
    pub realtime_ns: u64,
}

/// What a trailer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trailer {
    raw: RawTrailer,
}

/// The bytes of a trailer, at the start of the file's last page; the rest of that page is zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct RawTrailer {
    magic: u64,
    format: u32,
    abi: u32,
    build: [u8; 32],
    host: [u8; 32],
    key: [u8; 32],
    memory_bytes: u64,
    rootfs_bytes: u64,
    data_pages: u64,
    cr3: u64,
    monotonic_ns: u64,
    realtime_ns: u64,
    moment: u32,
    reserved: u32,
    digest: [u8; 32],
}

const RAW: usize = size_of::<RawTrailer>();
const _: () = assert!(RAW == 16 + 3 * 32 + 6 * 8 + 8 + 32 && RAW <= PAGE);

impl Trailer {
    /// The trailer of a snapshot to be written; [`Self::seal`] completes it.
    #[must_use]
    pub fn new(expected: &Expected, state: State) -> Self {
        let raw = RawTrailer {
            magic: MAGIC,
            format: FORMAT,
            abi: km_abi::ABI_VERSION,
            build: expected.identity.build,
            host: expected.identity.host,
            key: Sha256::digest(&expected.key).into(),
            memory_bytes: expected.memory_bytes,
            rootfs_bytes: expected.rootfs_bytes,
            data_pages: 0,
            cr3: state.cr3,
            monotonic_ns: state.monotonic_ns,
            realtime_ns: state.realtime_ns,
            moment: expected.moment as u32,
            reserved: 0,
            digest: [0; 32],
        };
        Self { raw }
    }

    /// Puts in what the pages hashed to.
    #[must_use]
    pub fn seal(mut self, pages: ContentHash) -> Self {
        self.raw.data_pages = pages.pages;
        self.raw.digest = pages.finish(&self);
        self
    }

    /// The page to write.
    #[must_use]
    pub fn encode(&self) -> Page {
        let mut page = [0; PAGE];
        page[..RAW].copy_from_slice(self.raw.as_bytes());
        page
    }

    /// Reads a trailer and holds every field against what is wanted.
    ///
    /// # Errors
    /// When it is not a trailer or one of another build, host or function.
    pub fn decode(page: &Page, expected: &Expected) -> Result<Self, SnapshotError> {
        let (head, rest) = page.split_at(RAW);
        let raw = RawTrailer::read_from_bytes(head).map_err(|_| SnapshotError::Malformed("short trailer"))?;
        if raw.magic != MAGIC {
            return Err(SnapshotError::Malformed("no magic number"));
        }
        if raw.reserved != 0 || rest.iter().any(|&byte| byte != 0) {
            return Err(SnapshotError::Malformed("reserved bytes are set"));
        }
        let wanted = Self::new(expected, State::default()).raw;
        let fields = [
            (raw.format == wanted.format, "file format"),
            (raw.abi == wanted.abi, "interface version"),
            (raw.build == wanted.build, "monitor build"),
            (raw.host == wanted.host, "host CPU or KVM"),
            (raw.key == wanted.key, "function"),
            (raw.memory_bytes == wanted.memory_bytes, "memory size"),
            (raw.rootfs_bytes == wanted.rootfs_bytes, "rootfs image"),
            (raw.moment == wanted.moment, "moment"),
        ];
        if let Some((_, what)) = fields.into_iter().find(|(same, _)| !same) {
            return Err(SnapshotError::Mismatch(what));
        }
        Self { raw }.check_state()
    }

    fn check_state(self) -> Result<Self, SnapshotError> {
        let raw = &self.raw;
        if !(MEMORY_MIN..=MEMORY_MAX).contains(&raw.memory_bytes)
            || !raw.memory_bytes.is_multiple_of(PAGE_SIZE)
        {
            return Err(SnapshotError::Malformed("memory size"));
        }
        if raw.cr3 == 0 || !raw.cr3.is_multiple_of(PAGE_SIZE) || raw.cr3 >= raw.memory_bytes {
            return Err(SnapshotError::Malformed("page-table root"));
        }
        if raw.data_pages > raw.memory_bytes / PAGE_SIZE {
            return Err(SnapshotError::Malformed("page count"));
        }
        Ok(self)
    }

    /// Whether `pages` are the ones that this trailer was sealed with.
    ///
    /// # Errors
    /// [`SnapshotError::Digest`] when they are not.
    pub fn check_content(&self, pages: ContentHash) -> Result<(), SnapshotError> {
        let count = pages.pages;
        if pages.finish(self) == self.raw.digest && count == self.raw.data_pages {
            Ok(())
        } else {
            Err(SnapshotError::Digest)
        }
    }

    /// The machine's state beside its memory.
    #[must_use]
    pub fn state(&self) -> State {
        let RawTrailer { cr3, monotonic_ns, realtime_ns, .. } = self.raw;
        State { cr3, monotonic_ns, realtime_ns }
    }

    /// Memory of the machine in bytes; the trailer follows it in the file.
    #[must_use]
    pub fn memory_bytes(&self) -> u64 {
        self.raw.memory_bytes
    }

    /// Pages that are not zero.
    #[must_use]
    pub fn data_pages(&self) -> u64 {
        self.raw.data_pages
    }

    /// Digest of the whole content.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        self.raw.digest
    }

    /// Digest of the whole content, hexadecimal.
    #[must_use]
    pub fn digest_hex(&self) -> String {
        super::identity::hex(&self.raw.digest)
    }
}

/// The digest that the trailer of a snapshot file states, whoever wrote it and for whatever; nothing where it is no trailer.
#[must_use]
pub fn stated_digest(page: &Page) -> Option<[u8; 32]> {
    let (raw, _) = RawTrailer::read_from_prefix(page).ok()?;
    (raw.magic == MAGIC && raw.format == FORMAT).then_some(raw.digest)
}

/// SHA-256 over the pages that are not zero, each with its address, in ascending order; then the trailer.
///
/// Zero pages count for nothing, so it does not matter whether the file system kept them as holes.
#[derive(Clone, Default)]
pub struct ContentHash {
    hash: Sha256,
    pages: u64,
}

impl ContentHash {
    /// Takes the page at `gpa`, unless it is zero.
    pub fn page(&mut self, gpa: u64, page: &[u8]) {
        if !is_zero(page) {
            self.hash.update(gpa.to_le_bytes());
            self.hash.update(page);
            self.pages += 1;
        }
    }

    fn finish(mut self, trailer: &Trailer) -> [u8; 32] {
        let mut raw = trailer.raw;
        raw.digest = [0; 32];
        self.hash.update(raw.as_bytes());
        self.hash.finalize().into()
    }
}

/// Whether a page holds nothing.
#[must_use]
pub fn is_zero(page: &[u8]) -> bool {
    // Whole lines at a time, so that the compiler compares vectors and a page with data is left early.
    let lines = page.chunks_exact(64);
    lines.remainder().iter().all(|&byte| byte == 0) && { lines }.all(|line| line == [0; 64])
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    type Change = fn(&mut Expected);

    pub(crate) fn expected() -> Expected {
        Expected {
            identity: Identity { build: [1; 32], host: [2; 32] },
            key: "key".into(),
            memory_bytes: MEMORY_MIN,
            rootfs_bytes: 8192,
            moment: Moment::Ready,
        }
    }

    pub(crate) fn state() -> State {
        State { cr3: 0x10_0000, monotonic_ns: 5, realtime_ns: 6 }
    }

    #[test]
    fn a_trailer_reads_as_written() {
        let trailer = Trailer::new(&expected(), state()).seal(ContentHash::default());
        let read = Trailer::decode(&trailer.encode(), &expected()).unwrap();
        assert_eq!(read, trailer);
        assert_eq!(read.state(), state());
        read.check_content(ContentHash::default()).unwrap();
    }

    #[test]
    fn another_build_host_function_or_size_is_refused_by_name() {
        let page = Trailer::new(&expected(), state()).seal(ContentHash::default()).encode();
        let changes: [(Change, &str); 6] = [
            (|e| e.identity.build = [9; 32], "monitor build"),
            (|e| e.identity.host = [9; 32], "host CPU or KVM"),
            (|e| e.key.push('x'), "function"),
            (|e| e.memory_bytes += 4096, "memory size"),
            (|e| e.rootfs_bytes += 1, "rootfs image"),
            (|e| e.moment = Moment::Start, "moment"),
        ];
        for (change, name) in changes {
            let mut expected = expected();
            change(&mut expected);
            let error = Trailer::decode(&page, &expected).unwrap_err();
            assert!(matches!(error, SnapshotError::Mismatch(what) if what == name), "{name}: {error}");
        }
    }

    proptest! {
        #[test]
        fn every_flipped_bit_is_seen(at in 0..PAGE, bit in 0u8..8) {
            let mut page = Trailer::new(&expected(), state()).seal(ContentHash::default()).encode();
            page[at] ^= 1 << bit;
            let seen = Trailer::decode(&page, &expected())
                .and_then(|trailer| trailer.check_content(ContentHash::default()));
            prop_assert!(seen.is_err());
        }

        #[test]
        fn no_page_makes_decoding_panic(bytes in proptest::collection::vec(any::<u8>(), 0..RAW), magic in any::<bool>()) {
            let mut page = [0; PAGE];
            page[..bytes.len()].copy_from_slice(&bytes);
            if magic {
                page[..8].copy_from_slice(&MAGIC.to_le_bytes());
            }
            prop_assert!(Trailer::decode(&page, &expected()).is_err());
        }
    }
}
