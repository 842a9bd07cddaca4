//! The first stack of a program: System V ABI, AMD64 supplement, "Initial Stack and Register State".
//!
//! ```text
//! top     8 zero bytes
//!         path of the program, environment strings, argument strings
//!         "x86_64", 16 random bytes
//!         (aligned to 16) auxiliary vector, AT_NULL
//!         environment pointers, 0
//!         argument pointers, 0
//! rsp  →  argument count
//! ```

use crate::errno::{Errno, Result};
use alloc::vec::Vec;

/// Longest single argument or environment string, its NUL included (MAX_ARG_STRLEN).
pub const STRING_MAX: usize = 128 << 10;
/// What all strings and their pointers may take however small the stack is (ARG_MAX), and however large (three quarters of
/// its usual limit).
const ALL_MIN: u64 = 128 << 10;
const ALL_MAX: u64 = 6 << 20;

/// Bytes that all strings, their pointers and the path may take together: a quarter of the stack's soft limit (execve(2)).
#[must_use]
pub fn strings_max(stack_limit: u64) -> usize {
    (stack_limit / 4).clamp(ALL_MIN, ALL_MAX) as usize
}

/// Keys of the auxiliary vector (getauxval(3)).
#[expect(missing_docs, reason = "getauxval(3) describes them")]
pub mod at {
    pub const PHDR: u64 = 3;
    pub const PHENT: u64 = 4;
    pub const PHNUM: u64 = 5;
    pub const PAGESZ: u64 = 6;
    pub const BASE: u64 = 7;
    pub const FLAGS: u64 = 8;
    pub const ENTRY: u64 = 9;
    pub const UID: u64 = 11;
    pub const EUID: u64 = 12;
    pub const GID: u64 = 13;
    pub const EGID: u64 = 14;
    pub const PLATFORM: u64 = 15;
    pub const HWCAP: u64 = 16;
    pub const CLKTCK: u64 = 17;
    pub const SECURE: u64 = 23;
    pub const RANDOM: u64 = 25;
    pub const HWCAP2: u64 = 26;
    pub const EXECFN: u64 = 31;
    pub const SYSINFO_EHDR: u64 = 33;
    pub const MINSIGSTKSZ: u64 = 51;
}

/// What the stack is made of.
#[derive(Clone, Copy, Debug)]
pub struct Contents<'a> {
    /// Path by which the program was started (AT_EXECFN).
    pub path: &'a [u8],
    /// `argv`, without NULs.
    pub args: &'a [Vec<u8>],
    /// `NAME=value` strings, without NULs.
    pub env: &'a [Vec<u8>],
    /// Random bytes for AT_RANDOM.
    pub random: [u8; 16],
    /// The auxiliary vector but for AT_EXECFN, AT_PLATFORM, AT_RANDOM and AT_NULL, which are added.
    pub auxv: &'a [(u64, u64)],
}

/// A stack that is ready to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stack {
    /// The bytes that go to `pointer`; they end at the top.
    pub bytes: Vec<u8>,
    /// Stack pointer at the first instruction, a multiple of 16.
    pub pointer: u64,
    /// First and last address of the argument strings (/proc/PID/cmdline).
    pub args: (u64, u64),
    /// First and last address of the environment strings (/proc/PID/environ).
    pub env: (u64, u64),
    /// The whole auxiliary vector (/proc/PID/auxv).
    pub auxv: Vec<(u64, u64)>,
}

/// Lays out a stack that ends at `top`, a multiple of the page size.
///
/// # Errors
/// E2BIG when a string is longer than [`STRING_MAX`] or all of them take more than `room` ([`strings_max`]).
pub fn build(contents: &Contents<'_>, top: u64, room: usize) -> Result<Stack> {
    check_sizes(contents, room)?;
    let mut strings = Strings { top, bytes: alloc::vec![0; 8] };
    let path = strings.push(contents.path);
    let env: Vec<u64> = strings.push_all(contents.env);
    let env_start = strings.lowest();
    let args: Vec<u64> = strings.push_all(contents.args);
    let args_start = strings.lowest();
    let platform = strings.push(b"x86_64");
    let random = strings.push_bytes(&contents.random);

    let mut auxv = contents.auxv.to_vec();
    auxv.extend([(at::RANDOM, random), (at::EXECFN, path), (at::PLATFORM, platform), (0, 0)]);
    let words = words(&args, &env, &auxv);
    let pointer = (strings.lowest() - 8 * words.len() as u64) & !15;
    let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    bytes.resize((strings.lowest() - pointer) as usize, 0);
    bytes.extend(strings.bytes.iter().rev());
    Ok(Stack { bytes, pointer, args: (args_start, env_start), env: (env_start, path), auxv })
}

fn check_sizes(contents: &Contents<'_>, room: usize) -> Result<()> {
    let strings = || contents.args.iter().chain(contents.env);
    let total: usize = strings().map(|string| string.len() + 1 + size_of::<u64>()).sum();
    let too_long = strings().any(|string| string.len() >= STRING_MAX);
    if too_long || total + contents.path.len() + 1 > room { Err(Errno::E2BIG) } else { Ok(()) }
}

fn words(args: &[u64], env: &[u64], auxv: &[(u64, u64)]) -> Vec<u64> {
    let mut words = alloc::vec![args.len() as u64];
    words.extend(args);
    words.push(0);
    words.extend(env);
    words.push(0);
    words.extend(auxv.iter().flat_map(|(key, value)| [*key, *value]));
    words
}

/// Strings from the top downwards; `bytes` is in reverse order so that it can grow.
struct Strings {
    top: u64,
    bytes: Vec<u8>,
}

impl Strings {
    fn lowest(&self) -> u64 {
        self.top - self.bytes.len() as u64
    }

    fn push_bytes(&mut self, bytes: &[u8]) -> u64 {
        self.bytes.extend(bytes.iter().rev());
        self.lowest()
    }

    fn push(&mut self, string: &[u8]) -> u64 {
        self.bytes.push(0);
        self.push_bytes(string)
    }

    /// Pushes so that the first string has the lowest address, and returns the addresses in order.
    fn push_all(&mut self, strings: &[Vec<u8>]) -> Vec<u64> {
        let mut addresses: Vec<u64> = strings.iter().rev().map(|string| self.push(string)).collect();
        addresses.reverse();
        addresses
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOP: u64 = 0x7000_0000;

    fn strings(list: &[&str]) -> Vec<Vec<u8>> {
        list.iter().map(|string| string.as_bytes().to_vec()).collect()
    }

    fn word(stack: &Stack, index: u64) -> u64 {
        let at = 8 * index as usize;
        u64::from_le_bytes(stack.bytes[at..at + 8].try_into().unwrap())
    }

    fn string(stack: &Stack, address: u64) -> Vec<u8> {
        let bytes = &stack.bytes[(address - stack.pointer) as usize..];
        bytes[..bytes.iter().position(|&byte| byte == 0).unwrap()].to_vec()
    }

    #[test]
    fn pointers_lead_to_their_strings() {
        let (args, env) = (strings(&["prog", "", "x y"]), strings(&["A=1", "B="]));
        let contents = Contents {
            path: b"/bin/prog",
            args: &args,
            env: &env,
            random: [7; 16],
            auxv: &[(at::PAGESZ, 4096)],
        };
        let stack = build(&contents, TOP, 2 << 20).unwrap();
        assert_eq!(stack.pointer % 16, 0);
        assert_eq!(stack.pointer + stack.bytes.len() as u64, TOP);
        assert_eq!(word(&stack, 0), 3);
        for (index, arg) in args.iter().enumerate() {
            assert_eq!(&string(&stack, word(&stack, 1 + index as u64)), arg);
        }
        assert_eq!(word(&stack, 4), 0);
        assert_eq!(string(&stack, word(&stack, 5)), b"A=1");
        assert_eq!(word(&stack, 7), 0);
        assert_eq!((word(&stack, 8), word(&stack, 9)), (at::PAGESZ, 4096));
        assert_eq!(word(&stack, 10), at::RANDOM);
        let command_line =
            &stack.bytes[(stack.args.0 - stack.pointer) as usize..(stack.args.1 - stack.pointer) as usize];
        assert_eq!(command_line, b"prog\0\0x y\0");
    }

    #[test]
    fn too_much_is_refused() {
        let one = alloc::vec![alloc::vec![b'a'; STRING_MAX]];
        let many = alloc::vec![alloc::vec![b'a'; 1000]; 3000];
        for args in [&one, &many] {
            let contents = Contents { path: b"p", args, env: &[], random: [0; 16], auxv: &[] };
            assert_eq!(build(&contents, TOP, 2 << 20), Err(Errno::E2BIG));
        }
    }

    #[test]
    fn room_is_counted_to_the_byte() {
        let (args, env) = (strings(&["prog", "x"]), strings(&["A=1"]));
        let contents = Contents { path: b"/p", args: &args, env: &env, random: [0; 16], auxv: &[] };
        let taken = "/p prog x A=1 ".len() + 3 * size_of::<u64>();
        assert!(build(&contents, TOP, taken).is_ok());
        assert_eq!(build(&contents, TOP, taken - 1), Err(Errno::E2BIG));
        assert_eq!([0, 8 << 20, u64::MAX].map(strings_max), [128 << 10, 2 << 20, 6 << 20]);
    }
}
