//! The program that the self-test runs in ring 3.

/// Where its code is.
pub const CODE: u64 = 0x40_0000;
/// Its stack pointer: of no use, so that a push by an entry would be noticed.
pub const STACK: u64 = 0x1234_5670;
/// Pages that it touches one after another; nothing is mapped there.
pub const TOUCHED: u64 = 0x4000_0000;
/// System calls of the first part.
pub const CALLS: u64 = 20_000;
/// Pages of the second part.
pub const PAGES: u64 = 255;
/// What RAX says of a system call of the first part; anything else is the number of the part that has ended.
pub const CALL: u64 = 0;

/// The code, by hand: parts end with a system call that carries their number.
pub const BYTES: &[u8] = &[
    0xbb, 0x20, 0x4e, 0, 0, // mov ebx, CALLS
    0x31, 0xc0, // 1: xor eax, eax
    0x0f, 0x05, // syscall
    0xff, 0xcb, // dec ebx
    0x75, 0xf8, // jnz 1b
    0xb8, 1, 0, 0, 0, 0x0f, 0x05, // part 1 has ended
    0xba, 1, 0, 0, 0, // mov edx, 1
    0x89, 0xd6, // 2: mov esi, edx
    0xc1, 0xe6, 0x0c, // shl esi, 12
    0x81, 0xc6, 0, 0, 0, 0x40, // add esi, TOUCHED
    0x89, 0x16, // mov [rsi], edx
    0xff, 0xc2, // inc edx
    0x81, 0xfa, 0, 1, 0, 0, // cmp edx, PAGES + 1
    0x75, 0xe9, // jne 2b
    0xb8, 2, 0, 0, 0, 0x0f, 0x05, // part 2 has ended
    0x0f, 0x0b, // ud2
    0xcc, // int3
    0xf4, // hlt: general protection
    0x31, 0xc9, // xor ecx, ecx
    0xf7, 0xf1, // div ecx: divide error
    0xb8, 3, 0, 0, 0, 0x0f, 0x05, // part 3 has ended
    0xfd, // std: entries must not depend on it
    0xeb, 0xfe, // jmp $
];
