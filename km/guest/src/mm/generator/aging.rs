//! Generators that ask for new entropy when theirs is old by the wall clock, aged before a snapshot.
//!
//! OpenSSL's and GnuTLS's keep the second of their last seeding. Clones begin long before that is old, so it is set to 0
//! in the snapshot: the first draw in each clone begins with new entropy from the kernel, as after a long suspension.
//! Where they lie is known from what is around that second:
//!
//! ```text
//! OpenSSL  u32 draws since then, u32 most draws, u64 the second, u64 most seconds   (PROV_DRBG, RAND_DRBG of 1.1.1)
//! GnuTLS   64 bytes of ChaCha's state, u64 draws, u32 fork id, u64 the second       (prng_ctx_st)
//! ```

use super::super::space::AddressSpace;
use super::super::user::UserMemory;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::ops::RangeInclusive;

/// Most generators of a process that are looked after: each thread may have some of its own.
const GENERATORS_MAX: usize = 1 << 16;
/// Most draws and most seconds: OpenSSL's for a primary generator, and for those that it seeds.
const OPENSSL: [(u32, u32); 2] = [(1 << 8, 3600), (1 << 16, 420)];
/// The first words of ChaCha's state: "expand 32-byte k".
const CHACHA: [u32; 4] = [0x6170_7865, 0x3320_646e, 0x7962_2d32, 0x6b20_6574];
/// From the last of these words to the second of GnuTLS's last seeding.
const GNUTLS_SEEDED: u64 = 80 - 12;

/// The last words that a search has seen.
#[derive(Default)]
struct Window {
    words: [u32; 5],
}

impl Window {
    /// Takes the next word, which lies at `va`, and tells where the second of a generator's last seeding is to be.
    fn next(&mut self, va: u64, word: u32, seconds: &RangeInclusive<u64>) -> Option<u64> {
        self.words.rotate_left(1);
        self.words[4] = word;
        let [_, limit, low, high, _] = self.words;
        if OPENSSL.contains(&(limit, word)) && seconds.contains(&(u64::from(high) << 32 | u64::from(low))) {
            return va.checked_sub(8);
        }
        if self.words[1..] == CHACHA { va.checked_add(GNUTLS_SEEDED) } else { None }
    }
}

/// Ages the generators in a process's memory that were seeded in one of these seconds since 1970.
pub fn age(space: &Rc<RefCell<AddressSpace>>, seconds: &RangeInclusive<u64>) {
    let (mut window, mut places) = (Window::default(), Vec::new());
    space.borrow().private_words(&mut |va, word| {
        if let Some(place) = window.next(va, word, seconds).filter(|_| places.len() < GENERATORS_MAX) {
            places.push(place);
        }
    });
    let memory = UserMemory::new(Rc::clone(space));
    for place in places {
        if memory.load(place).is_ok_and(|second: u64| seconds.contains(&second)) {
            // Failure is ignored: what the program cannot write is no generator.
            let _ = memory.store(place, &0u64);
        }
    }
}
