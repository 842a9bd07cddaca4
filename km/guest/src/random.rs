//! The machine's random generator: ChaCha20 keyed by the seed of the boot or the call.

/// Fills `buffer` with bytes that no other clone has.
pub fn fill(buffer: &mut [u8]) {
    let _ = buffer;
    todo!("keyed generator")
}
