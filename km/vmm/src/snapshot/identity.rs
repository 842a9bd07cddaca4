//! What a snapshot is bound to: the monitor's build and the host that it ran on.
//!
//! Before its snapshot a program has already asked the CPU which vector instructions it may use. So its memory is good only
//! for the same CPU under the same kind of KVM.

use std::arch::x86_64::__cpuid_count;
use std::fmt::Write as _;

use sha2::{Digest, Sha256};

/// Digests of build and host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Monitor and library OS.
    pub build: [u8; 32],
    /// Hash over what guests see of the CPU, and over the kind of KVM.
    pub host: [u8; 32],
}

impl Identity {
    /// The identity of this build with the library OS `image`, on this CPU with a KVM that calls itself `kvm`.
    #[must_use]
    pub fn new(image: &[u8], kvm: &str) -> Self {
        let build = Sha256::new()
            .chain_update(env!("CARGO_PKG_VERSION"))
            .chain_update(km_abi::ABI_VERSION.to_le_bytes())
            .chain_update(Sha256::digest(image))
            .finalize()
            .into();
        let host = Sha256::new().chain_update(cpu()).chain_update(kvm).finalize().into();
        Self { build, host }
    }

    /// Start of the build's digest, for people and protocol.
    #[must_use]
    pub fn build_text(&self) -> String {
        hex(&self.build)
    }

    /// Start of the host's digest, for people and protocol.
    #[must_use]
    pub fn host_text(&self) -> String {
        hex(&self.host)
    }
}

/// The feature leaves of CPUID, without what differs from core to core or from moment to moment.
fn cpu() -> Vec<u8> {
    // (leaf, subleaf, mask of EAX, EBX, ECX, EDX): leaf 1 EBX has the APIC id, leaf 0xD EBX follows XCR0.
    const LEAVES: [(u32, u32, [u32; 4]); 9] = [
        (0, 0, [!0; 4]),
        (1, 0, [!0, 0, !0, !0]),
        (7, 0, [!0; 4]),
        (7, 1, [!0; 4]),
        (0xd, 0, [!0, 0, !0, !0]),
        (0xd, 1, [!0, 0, !0, !0]),
        (0x8000_0001, 0, [!0, 0, !0, !0]),
        (0x8000_0007, 0, [0, 0, 0, !0]),
        (0x8000_0008, 0, [0, !0, 0, 0]),
    ];
    let mut bytes = Vec::new();
    for (leaf, subleaf, mask) in LEAVES {
        let max = __cpuid_count(leaf & 0x8000_0000, 0).eax;
        let got = if leaf <= max { __cpuid_count(leaf, subleaf) } else { __cpuid_count(0x8000_0000, 0) };
        for (value, mask) in [got.eax, got.ebx, got.ecx, got.edx].into_iter().zip(mask) {
            bytes.extend((value & mask).to_le_bytes());
        }
    }
    bytes
}

/// Lower-case hexadecimal digits.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identity_is_stable_and_tells_images_and_hosts_apart() {
        let one = Identity::new(b"image", "kvm");
        assert_eq!(one, std::thread::spawn(|| Identity::new(b"image", "kvm")).join().unwrap());
        assert_ne!(one.build, Identity::new(b"imagf", "kvm").build);
        assert_ne!(one.host, Identity::new(b"image", "pvm").host);
        assert_eq!(one.build_text().len(), 64);
    }
}
