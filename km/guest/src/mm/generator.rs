//! Random generators that programs keep in their own memory, made fresh in every clone.
//!
//! Some keep their state in pages that a fork wipes, and those are wiped in a clone. Others ask for new entropy once theirs is
//! old: [`aging`] makes it old. One kind does neither: ChaCha of Rust's `rand` (`thread_rng`, and with it Deno's `crypto`) goes on with what it has. Its
//! key came from the kernel as 32 bytes and lies beside the stream's position and the buffer that was made of both.
//! Before a snapshot the machine is searched for such keys; one whose buffer is the stream of that very key is a generator
//! beyond doubt. In a clone it gets another key and the buffer that belongs to it, as if the kernel had given
//! other bytes from the start. A key that is used for something else has no such buffer and stays what it is.

pub mod aging;

use super::space::AddressSpace;
use super::user::UserMemory;
use crate::errno::{Errno, Result};
use alloc::collections::BTreeSet;
use alloc::rc::Rc;
use alloc::vec;
use alloc::vec::Vec;
use core::cell::RefCell;
use km_abi::layout::PAGE_SIZE;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use rand_chacha::{ChaCha8Rng, ChaCha12Rng, ChaCha20Rng};

/// Bytes of the key, and of the position after it: the next block's number and the stream's.
const KEY: usize = 32;
const POSITION: usize = 16;
/// Blocks that a buffer holds, and their bytes.
const BLOCKS: u64 = 4;
const BLOCK: usize = 64;
const BUFFER: usize = BLOCKS as usize * BLOCK;
/// Most places that are looked at in a process: a program may fill its memory with numbers that it drew.
const PLACES_MAX: usize = 4096;
/// Buffers are looked for so far from their keys.
const REACH: u64 = 512;

/// How many rounds a generator's blocks have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rounds {
    Eight,
    Twelve,
    Twenty,
}

/// A generator in a program's memory.
pub struct Generator {
    memory: UserMemory,
    key: u64,
    buffer: u64,
    rounds: Rounds,
}

/// Keys that are looked for.
pub struct Keys {
    keys: BTreeSet<[u8; KEY]>,
    beginnings: Beginnings,
}

impl Keys {
    /// Of what programs drew.
    pub fn new(seeds: impl IntoIterator<Item = [u8; KEY]>) -> Self {
        let keys = seeds.into_iter().collect();
        let beginnings = Beginnings::new(&keys);
        Self { keys, beginnings }
    }

    /// The generators in a process's memory.
    pub fn generators(&self, space: &Rc<RefCell<AddressSpace>>) -> Vec<Generator> {
        let mut places = Vec::new();
        if !self.keys.is_empty() {
            space.borrow().private_words(&mut |va, word| {
                if self.beginnings.contain(word) && places.len() < PLACES_MAX {
                    places.push(va);
                }
            });
        }
        let memory = UserMemory::new(Rc::clone(space));
        let is_key = |va: &u64| memory.load(*va).is_ok_and(|key: [u8; KEY]| self.keys.contains(&key));
        places.retain(is_key);
        places.into_iter().filter_map(|va| Generator::at(&memory, va)).collect()
    }
}

/// Lower halves of the keys' first words: nearly every word that begins no key is ruled out by its lower half alone.
struct Beginnings {
    halves: Vec<bool>,
    words: BTreeSet<u32>,
}

impl Beginnings {
    fn new(seeds: &BTreeSet<[u8; KEY]>) -> Self {
        // Memory is full of zeros.
        let words = seeds.iter().map(first_word).filter(|word| *word != 0).collect::<BTreeSet<_>>();
        let mut halves = vec![false; 1 << 16];
        words.iter().for_each(|word| halves[usize::from(*word as u16)] = true);
        Self { halves, words }
    }

    fn contain(&self, word: u32) -> bool {
        self.halves[usize::from(word as u16)] && self.words.contains(&word)
    }
}

fn first_word(key: &[u8; KEY]) -> u32 {
    u32::from_le_bytes([key[0], key[1], key[2], key[3]])
}

impl Generator {
    /// The generator whose key lies at `key`, if the rest of it is there.
    fn at(memory: &UserMemory, key: u64) -> Option<Self> {
        let mut state = GeneratorState::load(memory, key).ok()?;
        let (start, around) = surroundings(memory, key)?;
        [Rounds::Twelve, Rounds::Twenty, Rounds::Eight].into_iter().find_map(|rounds| {
            // Some keep an index in the first word, so the last block is compared.
            let whole = state.buffer(rounds);
            let last = &whole[BUFFER - BLOCK..];
            let at = around.windows(BLOCK).step_by(4).position(|window| window == last)? * 4;
            let buffer = (start + at as u64).checked_sub((BUFFER - BLOCK) as u64)?;
            Some(Self { memory: memory.clone(), key, buffer, rounds })
        })
    }

    /// Gives it a key that follows from the old one and `secret`, so that copies of one generator stay equal.
    ///
    /// # Errors
    /// EFAULT when the program's memory is not what it was; ENOMEM.
    pub fn renew(&self, secret: &[u8; KEY]) -> Result<()> {
        let mut state = GeneratorState::load(&self.memory, self.key)?;
        let old = state.buffer(self.rounds);
        state.key.iter_mut().zip(secret).for_each(|(byte, fresh)| *byte ^= fresh);
        let mixed = state.key;
        ChaCha20Rng::from_seed(mixed).fill_bytes(&mut state.key);
        let new = state.buffer(self.rounds);
        let mut buffer = [0; BUFFER];
        self.memory.read(self.buffer, &mut buffer)?;
        // Replace words of the stream only: an index, or a word that was wiped after use, stays.
        for at in
            (0..BUFFER).step_by(4).filter(|at| buffer[*at..*at + 4] == old[*at..*at + 4]).collect::<Vec<_>>()
        {
            buffer[at..at + 4].copy_from_slice(&new[at..at + 4]);
        }
        self.memory.write(self.buffer, &buffer)?;
        self.memory.write(self.key, &state.key)
    }
}

/// What a generator's stream follows from.
struct GeneratorState {
    key: [u8; KEY],
    /// The block after those in the buffer.
    next_block: u64,
    stream: u64,
}

impl GeneratorState {
    fn load(memory: &UserMemory, address: u64) -> Result<Self> {
        let position = address.checked_add(KEY as u64).ok_or(Errno::EFAULT)?;
        let [next_block, stream] = memory.load::<[u64; POSITION / 8]>(position)?;
        Ok(Self { key: memory.load(address)?, next_block, stream })
    }

    /// The blocks before the next one.
    fn buffer(&mut self, rounds: Rounds) -> [u8; BUFFER] {
        macro_rules! blocks {
            ($generator:ty) => {{
                let mut generator = <$generator>::from_seed(self.key);
                generator.set_stream(self.stream);
                generator.set_word_pos(u128::from(self.next_block.wrapping_sub(BLOCKS)) * BLOCK as u128 / 4);
                let mut buffer = [0; BUFFER];
                generator.fill_bytes(&mut buffer);
                buffer
            }};
        }
        match rounds {
            Rounds::Eight => blocks!(ChaCha8Rng),
            Rounds::Twelve => blocks!(ChaCha12Rng),
            Rounds::Twenty => blocks!(ChaCha20Rng),
        }
    }
}

/// The memory around a key and where it starts, as far as there is any.
fn surroundings(memory: &UserMemory, key: u64) -> Option<(u64, Vec<u8>)> {
    let end = key + (KEY + POSITION) as u64;
    let starts = [key.saturating_sub(REACH) & !3, key & !(PAGE_SIZE - 1)];
    let ends = [end + REACH, end.next_multiple_of(PAGE_SIZE)];
    let mut ranges = starts.into_iter().flat_map(|start| ends.map(|end| (start, end)));
    ranges.find_map(|(start, end)| {
        let mut bytes = vec![0; (end - start) as usize];
        memory.read(start, &mut bytes).ok().map(|()| (start, bytes))
    })
}

#[cfg(test)]
mod tests;
