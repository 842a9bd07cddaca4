// Accesses that fail: to pages of each kind, at each place around a page's end, aligned or not, with the alignment check on.
// libc: musl
// build: -mno-red-zone
#include "machine.h"
static char name[80];
static const struct form { const char *name, *bytes; int len, size, needs; } forms[] = {
    {"mov al, [rdi]", "\x8a\x07", 2, 1, 1}, {"mov [rdi], al", "\x88\x07", 2, 1, 1}, {"mov ax, [rdi]", "\x66\x8b\x07", 3, 2, 1}, {"mov [rdi], ax", "\x66\x89\x07", 3, 2, 1},
    {"mov eax, [rdi]", "\x8b\x07", 2, 4, 1}, {"mov [rdi], eax", "\x89\x07", 2, 4, 1}, {"mov rax, [rdi]", "\x48\x8b\x07", 3, 8, 1}, {"mov [rdi], rax", "\x48\x89\x07", 3, 8, 1},
    {"add [rdi], eax", "\x01\x07", 2, 4, 1}, {"lock add [rdi], eax", "\xf0\x01\x07", 3, 4, 1}, {"xchg [rdi], rax", "\x48\x87\x07", 3, 8, 1}, {"cmpxchg [rdi], rcx", "\x48\x0f\xb1\x0f", 4, 8, 1},
    {"cmpxchg8b", "\x0f\xc7\x0f", 3, 8, 1}, {"cmpxchg16b", "\x48\x0f\xc7\x0f", 4, 16, 16}, {"movaps load", "\x0f\x28\x07", 3, 16, 16}, {"movaps store", "\x0f\x29\x07", 3, 16, 16},
    {"movups load", "\x0f\x10\x07", 3, 16, 1}, {"movups store", "\x0f\x11\x07", 3, 16, 1}, {"addps", "\x0f\x58\x07", 3, 16, 16}, {"movntps", "\x0f\x2b\x07", 3, 16, 16}, {"movnti", "\x0f\xc3\x07", 3, 4, 1},
    {"stosq", "\x48\xab", 2, 8, 1}, {"lodsq", "\x48\xad", 2, 8, 1}, {"movsq", "\x48\xa5", 2, 8, 1}, {"scasd", "\xaf", 1, 4, 1}, {"push [rdi]", "\xff\x37\x58", 3, 8, 1}, {"pop [rdi]", "\x50\x8f\x07", 3, 8, 1},
    {"fld tbyte", "\xdb\x2f\xdb\xe3", 4, 10, 1}, {"fild", "\xdf\x2f\xdb\xe3", 4, 8, 1}, {"prefetch", "\x0f\x18\x0f", 3, 1, 1}, {"clflush", "\x0f\xae\x3f", 3, 1, 1}, {"jmp [rdi]", "\x48\xff\x27", 3, 8, 1}};
static const struct form avx[] = {
    {"vmovaps ymm load", "\xc5\xfc\x28\x07", 4, 32, 32}, {"vmovaps ymm store", "\xc5\xfc\x29\x07", 4, 32, 32}, {"vmovups ymm load", "\xc5\xfc\x10\x07", 4, 32, 1}, {"vmovups ymm store", "\xc5\xfc\x11\x07", 4, 32, 1},
    {"vmovaps xmm load", "\xc5\xf8\x28\x07", 4, 16, 16}, {"vmovntps ymm", "\xc5\xfc\x2b\x07", 4, 32, 32}, {"vaddps ymm", "\xc5\xfc\x58\x07", 4, 32, 1}, {"vmaskmovps none", "\xc4\xe2\x7d\x2c\x07", 5, 32, 1}};
#define COUNT(list) (int)(sizeof(list) / sizeof *(list))
static void show(const char *what, const struct form *f, unsigned char *at) {
    sprintf(name, "%s, %s at data%+ld", what, f->name, (long)(at - data));
    if (f->bytes[1] == '\xff' && f->len == 3 && f->bytes[0] == 0x48) *(uint64_t *)data = 8;
    machine_bytes(name, f->bytes, f->len, at, 0, 0, 0);
}
static void ends(const char *what, const struct form *f, int step) {
    for (int back = f->size + 1; back >= -1; back -= back > 3 && back < f->size - 1 ? step : 1) show(what, f, data + 4096 - back);
}
// The page behind the data: not mapped, no rights, read-only, behind a file's end, and the other way round.
static void pages(const struct form *f) {
    NEED(munmap(data + 4096, 4096));
    ends("unmapped", f, 3);
    NEED(mmap(data + 4096, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
    ends("read-only", f, 3);
    int fd = NEED(open("file", O_RDWR | O_CREAT | O_TRUNC, 0600));
    NEED(ftruncate(fd, 0));
    NEED(mmap(data + 4096, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0));
    ends("file's end", f, 3);
    close(fd);
    NEED(mmap(data + 4096, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
    ends("no rights", f, 3);
    for (int i = -2; i < 1; i++) show("before", f, data + i);
}
static void addresses(const struct form *f) {
    static const uint64_t far[] = {0, 8, 4095, 0x7fffffffe000, 0x7fffffffeff9, 0x7fffffffeffd, 0x7ffffffffff9, 0x7fffffffffff, 0x800000000000, 0x800000000008, 0x8000000000000000, 0xffff7fffffffffff, 0xffff800000000000, 0xffff888000000000, 0xffffffff81000000, 0xffffffffff5ff000, 0xffffffffff600000, 0xffffffffff600400, 0xffffffffffffe000, 0xfffffffffffffff0, 0xffffffffffffffff};
    for (int i = 0; i < COUNT(far); i++) {
        sprintf(name, "%s at %lx", f->name, (unsigned long)far[i]);
        // Over an end of the addresses that there are: the CPU reports either of two exceptions, and hosts without hardware
        // virtualization the other one.
        uint64_t last = far[i] + f->size - 1;
        if ((int64_t)far[i] >> 47 != (int64_t)last >> 47 || last < far[i]) continue;
        machine_bytes(name, f->bytes, f->len, (void *)far[i], 0, 0, 0);
    }
}
static void stacks(void) {
    static const uint64_t places[] = {0, 8, 0x800000000000, 0x8000000000000000, 0xffff800000000000};
    static const struct { const char *name, *bytes; int len; } ways[] = {{"push", "\x48\x89\xc4\x50", 4}, {"pop", "\x48\x89\xc4\x58", 4}, {"call", "\x48\x89\xc4\xff\xd1", 5}, {"ret", "\x48\x89\xc4\xc3", 4}, {"mov [rsp]", "\x48\x89\xc4\x8b\x0c\x24", 6}, {"mov [rbp]", "\x48\x89\xc5\x8b\x4d\x00", 6}, {"enter", "\x48\x89\xc4\xc8\x08\0\0", 7}, {"leave", "\x48\x89\xc5\xc9", 4}, {"ud2", "\x48\x89\xc4\x0f\x0b", 5}, {"int3", "\x48\x89\xc4\xcc", 4}};
    for (int w = 0; w < COUNT(ways); w++)
        for (int p = 0; p < COUNT(places); p++) {
            sprintf(name, "%s with a stack at %lx", ways[w].name, (unsigned long)places[p]);
            machine_bytes(name, ways[w].bytes, ways[w].len, data, places[p], (unsigned long)code, 0);
        }
}
static void fetches(void) {
    static const uint64_t places[] = {0, 1, 4096, 0x7fffffffe000, 0x800000000000, 0x8000000000000000, 0xffff800000000000, 0xffffffff81000000, 0xffffffffffffffff};
    for (int p = 0; p < COUNT(places); p++) {
        sprintf(name, "jump to %lx", (unsigned long)places[p]), machine_bytes(name, "\xff\xe0", 2, data, places[p], 0, 0);
        sprintf(name, "call to %lx", (unsigned long)places[p]), machine_bytes(name, "\xff\xd0", 2, data, places[p], 0, 0);
        sprintf(name, "return to %lx", (unsigned long)places[p]), machine_bytes(name, "\x50\xc3", 2, data, places[p], 0, 0);
    }
    machine_bytes("jump to data", "\xff\xe0", 2, data, (unsigned long)data, 0, 0), machine_bytes("jump behind data", "\xff\xe0", 2, data, (unsigned long)data + 4096, 0, 0);
    // Instructions of each length over the end of the code's page.
    static const char *const over[] = {"\x90", "\x48\x90", "\x48\x89\xc0", "\x48\x83\xc0\x00", "\x05\0\0\0\0", "\x48\x05\0\0\0\0", "\x48\xc7\xc0\0\0\0\0", "\x0f\x1f\x84\0\0\0\0\0", "\x66\x0f\x1f\x84\0\0\0\0\0", "\x48\xb8\0\0\0\0\0\0\0\0", "\x0f\x0b", "\xcd\x04", "\xcd\x80", "\x0f\x05", "\xcc"};
    static const int lens[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 2, 2, 2, 2, 1};
    for (int i = 0; i < COUNT(over); i++)
        for (int in = 1; in <= lens[i]; in++) {
            unsigned char *at = code + 4096 - in;
            memcpy(at, over[i], in);
            sprintf(name, "instruction %d, %d of %d bytes in the page", i, in, lens[i]);
            machine_try(name, at, data, 39, 0, 0);
        }
}
static void aligned(const struct form *list, int count) {
    for (int ac = 0; ac < 2; ac++)
        for (int i = 0; i < count; i++)
            for (int at = 0; at < 34; at += at < 9 || at > 30 ? 1 : 3) {
                // pushfq; or [rsp], AC; popfq; the instruction; pushfq; and [rsp], ~AC; popfq
                unsigned char bytes[64] = {0x9c, 0x81, 0x0c, 0x24, 0, 0, 4, 0, 0x9d};
                memcpy(bytes + 9, list[i].bytes, list[i].len);
                memcpy(bytes + 9 + list[i].len, "\x9c\x81\x24\x24\xff\xff\xfb\xff\x9d", 9);
                if (list[i].bytes[0] == 0x48 && list[i].bytes[1] == '\xff') continue;
                sprintf(name, "%s, %s at data+%d", ac ? "checked" : "unchecked", list[i].name, 64 + at);
                memset(data, 0, 4096);
                if (ac) machine_bytes(name, bytes, 18 + list[i].len, data + 64 + at, 0, 0, 0);
                else machine_bytes(name, list[i].bytes, list[i].len, data + 64 + at, 0, 0, 0);
            }
}
int main(void) {
    enter_scratch();
    machine_init();
    int has_avx = __builtin_cpu_supports("avx");
    for (int i = 0; i < COUNT(forms); i++) pages(&forms[i]), addresses(&forms[i]);
    for (int i = 0; has_avx && i < COUNT(avx); i++) pages(&avx[i]), addresses(&avx[i]);
    stacks(), fetches(), aligned(forms, COUNT(forms));
    if (has_avx) aligned(avx, COUNT(avx));
    unlink("file");
    printf("%d cells\n", cells);
    return 0;
}
