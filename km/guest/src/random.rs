//! The machine's random generator: ChaCha20 keyed by the seed of the boot or the call.
//!
//! Every draw replaces the key by bytes of its own stream first, so that what was given out cannot be computed from
//! what memory holds later (fast key erasure).

use crate::state::machine_state;
use alloc::collections::VecDeque;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

machine_state! {
    fn key -> [u8; 32] = [0; 32]
}

machine_state! {
    fn identity -> [u8; 16] = [0; 16]
}

/// Seeds that are kept; programs draw few.
const SEEDS_MAX: usize = 1024;

machine_state! {
    /// The seeds that programs drew with getrandom(2), for the search for generators before a snapshot.
    fn seeds -> VecDeque<[u8; 32]> = VecDeque::new()
}

/// Remembers a seed that a program drew; only the latest are kept.
pub fn note_seed(seed: &[u8; 32]) {
    seeds(|seeds| {
        if seeds.len() == SEEDS_MAX {
            seeds.pop_front();
        }
        seeds.push_back(*seed);
    });
}

/// What [`note_seed`] remembered, which is forgotten by that.
#[must_use]
pub fn take_seeds() -> VecDeque<[u8; 32]> {
    seeds(core::mem::take)
}

/// Replaces the key by one that depends on the old key and on `seed`: a clone that is given a fresh seed draws what
/// no other clone draws.
pub fn rekey(seed: &[u8; 32]) {
    key(|key| {
        let mut mixed = *key;
        mixed.iter_mut().zip(seed).for_each(|(byte, fresh)| *byte ^= fresh);
        *key = [0; 32];
        ChaCha20Rng::from_seed(mixed).fill_bytes(key);
    });
    let mut drawn = [0; 16];
    fill(&mut drawn);
    identity(|identity| *identity = drawn);
}

/// Random bytes that stay the same until the next [`rekey`]: the boot id.
#[must_use]
pub fn boot_id() -> [u8; 16] {
    identity(|identity| *identity)
}

/// Fills `buffer` with bytes that no other clone has.
pub fn fill(buffer: &mut [u8]) {
    key(|key| {
        let mut generator = ChaCha20Rng::from_seed(*key);
        generator.fill_bytes(key);
        generator.fill_bytes(buffer);
    });
}

/// Eight bytes of the generator as a number.
#[must_use]
pub fn next_u64() -> u64 {
    let mut bytes = [0; 8];
    fill(&mut bytes);
    u64::from_le_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_differ_and_follow_the_seed() {
        rekey(&[1; 32]);
        let (first, second) = (next_u64(), next_u64());
        assert_ne!(first, second);
        let id = boot_id();
        key(|key| *key = [0; 32]);
        rekey(&[1; 32]);
        assert_eq!((boot_id(), next_u64()), (id, first));
        rekey(&[2; 32]);
        assert_ne!(next_u64(), second);
    }
}
