//! Machine code of the vDSO (vdso(7)): the functions that a program calls instead of making a system call.
//!
//! The code runs as part of the program. It reads the clock page, which lies one page below the page that
//! [`text`] is placed in, [`TEXT_OFFSET`] bytes from that page's start. The library OS wraps it in an ELF image.

use core::arch::global_asm;

/// Where the code must lie in its page.
pub const TEXT_OFFSET: u64 = 0x800;

/// A function of the vDSO.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Function {
    /// Its name without `__vdso_`.
    pub name: &'static str,
    /// Where it starts in [`text`].
    pub offset: u64,
}

// Register use of `km_vdso_now`: in r8 = clock page, r9 = offset of the base in it; out rax = seconds, rdx = nanoseconds;
// clobbers rcx. The product of the difference and `mult` has up to 96 bits, hence `shrd`. A counter that is
// behind `tsc_base` (it was taken on another CPU) counts as no time passed.
global_asm!(
    r#"
    .pushsection .rodata.km_vdso, "a"
    .balign 16
    .globl km_vdso_text_start
    .hidden km_vdso_text_start
km_vdso_text_start:
km_vdso_clock:
    lea r8, [rip + km_vdso_text_start - {text_offset} - 4096]
    ret
    .balign 16
km_vdso_now:
    lfence
    rdtsc
    shl rdx, 32
    or rax, rdx
    sub rax, [r8]
    jae 1f
    xor eax, eax
1:  mov edx, [r8 + 8]
    mul rdx
    mov ecx, [r8 + 12]
    shrd rax, rdx, cl
    add rax, [r8 + r9]
    xor edx, edx
    mov ecx, 1000000000
    div rcx
    ret
    .balign 16
    .globl km_vdso_clock_gettime
    .hidden km_vdso_clock_gettime
km_vdso_clock_gettime:
    mov r9d, 16
    cmp edi, 1
    je 2f
    cmp edi, 4
    je 2f
    cmp edi, 6
    je 2f
    mov r9d, 32
    cmp edi, 7
    je 2f
    mov r9d, 24
    test edi, edi
    je 2f
    cmp edi, 5
    je 2f
    cmp edi, 11
    je 2f
    mov eax, 228
    syscall
    ret
2:  call km_vdso_clock
    call km_vdso_now
    mov [rsi], rax
    mov [rsi + 8], rdx
    xor eax, eax
    ret
    .balign 16
    .globl km_vdso_gettimeofday
    .hidden km_vdso_gettimeofday
km_vdso_gettimeofday:
    test rdi, rdi
    je 3f
    mov r9d, 24
    call km_vdso_clock
    call km_vdso_now
    mov [rdi], rax
    mov rax, rdx
    xor edx, edx
    mov ecx, 1000
    div rcx
    mov [rdi + 8], rax
3:  test rsi, rsi
    je 4f
    mov qword ptr [rsi], 0
4:  xor eax, eax
    ret
    .balign 16
    .globl km_vdso_time
    .hidden km_vdso_time
km_vdso_time:
    mov r9d, 24
    call km_vdso_clock
    call km_vdso_now
    test rdi, rdi
    je 5f
    mov [rdi], rax
5:  ret
    .balign 16
    .globl km_vdso_clock_getres
    .hidden km_vdso_clock_getres
km_vdso_clock_getres:
    mov eax, 229
    syscall
    ret
    .balign 16
    .globl km_vdso_getcpu
    .hidden km_vdso_getcpu
km_vdso_getcpu:
    test rdi, rdi
    je 6f
    mov dword ptr [rdi], 0
6:  test rsi, rsi
    je 7f
    mov dword ptr [rsi], 0
7:  xor eax, eax
    ret
    .globl km_vdso_text_end
    .hidden km_vdso_text_end
km_vdso_text_end:
    .popsection
    "#,
    text_offset = const TEXT_OFFSET,
);

unsafe extern "C" {
    static km_vdso_text_start: u8;
    static km_vdso_text_end: u8;
    static km_vdso_clock_gettime: u8;
    static km_vdso_gettimeofday: u8;
    static km_vdso_time: u8;
    static km_vdso_clock_getres: u8;
    static km_vdso_getcpu: u8;
}

/// The code, position-independent but for its distance to the clock page.
#[must_use]
pub fn text() -> &'static [u8] {
    let (start, end) = (&raw const km_vdso_text_start, &raw const km_vdso_text_end);
    // SAFETY: both labels are in one read-only section that nothing writes, `start` before `end`, and all bytes between
    // them are assembled code above.
    unsafe { core::slice::from_raw_parts(start, end.addr() - start.addr()) }
}

/// The functions in [`text`].
#[must_use]
pub fn functions() -> [Function; 5] {
    let start = (&raw const km_vdso_text_start).addr();
    let function = |name, label: *const u8| Function { name, offset: (label.addr() - start) as u64 };
    [
        function("clock_gettime", &raw const km_vdso_clock_gettime),
        function("gettimeofday", &raw const km_vdso_gettimeofday),
        function("time", &raw const km_vdso_time),
        function("clock_getres", &raw const km_vdso_clock_getres),
        function("getcpu", &raw const km_vdso_getcpu),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_lie_in_the_text_and_the_text_in_its_page() {
        assert!(TEXT_OFFSET as usize + text().len() <= 4096);
        for function in functions() {
            assert!((function.offset as usize) < text().len(), "{}", function.name);
        }
    }
}
