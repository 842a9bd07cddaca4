//! Generators laid out as programs have them.

use super::*;
use crate::mm::vma::{Backing, Prot, Traits};
use crate::mm::{MapRequest, Placement};

/// Three pages of a program.
fn program() -> (Rc<RefCell<AddressSpace>>, UserMemory, u64) {
    km_hal::host::reset(32 << 20);
    let space = Rc::new(RefCell::new(AddressSpace::new().unwrap()));
    let request = MapRequest {
        placement: Placement::Hint(0),
        len: 3 * PAGE_SIZE,
        prot: Prot::READ | Prot::WRITE,
        traits: Traits::empty(),
        backing: Backing::Anonymous,
        populate: false,
        no_reserve: false,
    };
    let start = space.borrow_mut().map(request).unwrap();
    (Rc::clone(&space), UserMemory::new(space), start)
}

/// Lays a generator down that has used up `used` buffers: the buffer, then index, key and position.
fn lay(memory: &UserMemory, at: u64, key: &[u8; KEY], used: u64) -> u64 {
    let mut generator = ChaCha12Rng::from_seed(*key);
    let mut buffer = [0; BUFFER];
    (0..used).for_each(|_| generator.fill_bytes(&mut buffer));
    memory.write(at, &buffer).unwrap();
    let key_at = at + BUFFER as u64 + 16;
    memory.store(at + BUFFER as u64, &5u64).unwrap();
    memory.write(key_at, key).unwrap();
    memory.store(key_at + KEY as u64, &[used * BLOCKS, 0]).unwrap();
    key_at
}

fn buffer_at(memory: &UserMemory, at: u64) -> [u8; BUFFER] {
    memory.load(at).unwrap()
}

#[test]
fn a_generator_goes_on_as_if_its_seed_had_been_another() {
    let (_space, memory, start) = program();
    // Over the border of two pages.
    let at = start + PAGE_SIZE - 272;
    let key_at = lay(&memory, at, &[7; KEY], 3);
    let generator = Generator::at(&memory, key_at).unwrap();
    assert_eq!((generator.buffer, generator.rounds), (at, Rounds::Twelve));
    generator.renew(&[9; KEY]).unwrap();
    let key: [u8; KEY] = memory.load(key_at).unwrap();
    assert_ne!(key, [7; KEY]);
    let mut fresh = ChaCha12Rng::from_seed(key);
    let mut expected = [0; BUFFER];
    (0..3).for_each(|_| fresh.fill_bytes(&mut expected));
    assert_eq!(buffer_at(&memory, at), expected);
    // The index and the position are the program's.
    assert_eq!(memory.load::<u64>(at + BUFFER as u64).unwrap(), 5);
    assert_eq!(memory.load::<[u64; 2]>(key_at + KEY as u64).unwrap(), [12, 0]);
}

#[test]
fn copies_stay_equal_and_secrets_make_a_difference() {
    let (_space, memory, start) = program();
    let places = [start, start + 512, start + PAGE_SIZE];
    let keys = places.map(|at| lay(&memory, at, &[7; KEY], 1));
    let renew = |index: usize, secret| Generator::at(&memory, keys[index]).unwrap().renew(&secret).unwrap();
    renew(0, [1; KEY]);
    renew(1, [1; KEY]);
    renew(2, [2; KEY]);
    let [first, copy, other] = places.map(|at| buffer_at(&memory, at));
    assert_eq!(first, copy);
    assert_ne!(first, other);
}

#[test]
fn words_that_are_not_of_the_stream_stay() {
    let (_space, memory, start) = program();
    let key_at = lay(&memory, start, &[7; KEY], 1);
    memory.store(start, &17u32).unwrap();
    Generator::at(&memory, key_at).unwrap().renew(&[1; KEY]).unwrap();
    assert_eq!(memory.load::<u32>(start).unwrap(), 17);
}

#[test]
fn a_key_without_its_stream_is_left_alone() {
    let (_space, memory, start) = program();
    let key_at = lay(&memory, start, &[7; KEY], 2);
    memory.store(key_at + KEY as u64, &[4u64, 0]).unwrap();
    assert!(Generator::at(&memory, key_at).is_none());
    // At the end of memory, where less can be looked at.
    let last = start + 3 * PAGE_SIZE - KEY as u64;
    memory.write(last, &[7; KEY]).unwrap();
    assert!(Generator::at(&memory, last).is_none());
}

#[test]
fn the_search_finds_what_was_drawn() {
    let (space, memory, start) = program();
    let key_at = lay(&memory, start + 64, &[7; KEY], 1);
    // A key that is used for something else, and zeros everywhere.
    memory.write(start + 2 * PAGE_SIZE, &[8; KEY]).unwrap();
    let found = |keys: Vec<[u8; KEY]>| -> Vec<u64> {
        Keys::new(keys).generators(&space).iter().map(|generator| generator.key).collect()
    };
    assert_eq!(found(vec![[8; KEY], [7; KEY], [0; KEY]]), [key_at]);
    assert_eq!(found(vec![[6; KEY]]), []);
}

#[test]
fn generators_that_ask_when_they_are_old_are_aged_and_nothing_else_is() {
    let (space, memory, start) = program();
    let words = |at, limit: u32, second: u64, interval: u64| {
        memory.store(at, &[3u32, limit]).unwrap();
        memory.store(at + 8, &[second, interval]).unwrap();
    };
    // Over the border of two pages as well.
    let mut expected = Vec::new();
    for (at, second, aged) in [
        (start + 64, 1000, 0),
        (start + 128, 999, 999),
        (start + PAGE_SIZE - 16, 1005, 0),
        (start + PAGE_SIZE + 256, 1006, 1006),
    ] {
        words(at, 1 << 16, second, 420);
        expected.push((at + 8, aged));
    }
    words(start + 512, 1 << 8, 1003, 3600);
    expected.push((start + 520, 0));
    // Neither the one kind nor the other.
    words(start + 768, 1 << 8, 1003, 420);
    expected.push((start + 776, 1003));
    let gnutls = start + 2 * PAGE_SIZE - 40;
    memory.write(gnutls, b"expand 32-byte k").unwrap();
    memory.store(gnutls + 80, &1001u64).unwrap();
    expected.push((gnutls + 80, 0));
    aging::age(&space, &(1000..=1005));
    for (at, second) in expected {
        assert_eq!(memory.load::<u64>(at).unwrap(), second, "at {:#x}", at - start);
    }
}
