// What the sweeps share: tables of system calls, from which the cells are generated. A cell is one call in which one argument
// is something odd, or two are, and what it answered is a line: which errors there are, and which of two comes first.
//
// Each cell is a child of its own with the same descriptors, files and memory, so that none depends on another: what a call
// that went well may have changed is made anew. All run in a
// sandbox, since natively this is a developer's machine, and a cell may name the wrong thing: an empty file system of their own
// where that is permitted, as their root, an own session, a user that owns nothing else, limits. No cell has a descriptor of
// anything that was there before, but for the pipe that it writes its line to.
#include "check.h"
#include <dirent.h>
#include <grp.h>
#include <limits.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <sys/wait.h>

enum kind { END, VALUE, FD, DIR_FD, PATH, IN, OUT, SIZE, FLAGS, FLAGS64, INT, LONG, OFFSET, ADDRESS, LENGTH };

// An argument: what it is in a call that goes well, and for memory how much of it the call takes.
struct argument {
    enum kind kind;
    long value;
    long size;
};
struct call {
    const char *name;
    long number;
    struct argument arguments[6];
};
#define V(value) {VALUE, (long)(value)}
#define F(which) {FD, which}
#define AT {DIR_FD, AT_FDCWD}
#define P(path) {PATH, (long)(path)}
#define I(pointer, size) {IN, (long)(pointer), size}
#define O(size) {OUT, 0, size}
#define S(value) {SIZE, value}
#define B(value) {FLAGS, value}
#define B64(value) {FLAGS64, value}
#define N(value) {INT, value}
#define L(value) {LONG, value}
#define OFF(value) {OFFSET, value}

// Descriptors of every kind, from FIRST_FD on. What a cell opens comes below.
enum {
    FIRST_FD = 100,
    RW = FIRST_FD, READ_ONLY, WRITE_ONLY, PATH_ONLY, DIRECTORY, PATH_DIRECTORY, PIPE_READ, PIPE_WRITE, STREAM, DATAGRAM, EVENT, EPOLL, MEMORY, TIMER, SIGNAL, WATCHES, FIFO, OTHER, LAST_FD,
    CLOSED = 99, OUTPUT = 200,
};
static const char *const fd_names[] = {"rw", "read-only", "write-only", "O_PATH", "directory", "O_PATH-directory", "pipe-read", "pipe-write", "stream", "datagram", "eventfd", "epoll", "memfd", "timerfd", "signalfd", "inotify", "fifo", "other"};

// Memory: a page that can be written and one that cannot, each with nothing behind it. So low that no sum of an address and a
// length leaves a program's half of the addresses by accident.
#define PAGES ((char *)0x10000000)
#define WRITABLE PAGES
#define READABLE (PAGES + 0x10000)
#define UNMAPPED (PAGES + 0x20000)
#define KERNEL_HALF ((char *)0xffff800000000000)
#define BETWEEN ((char *)0x800000000000)

static int cells;
// The working directory of all cells.
static char home[64];

static void sandbox(void) {
    NEED(dup2(1, OUTPUT)), NEED(fcntl(OUTPUT, F_SETFD, FD_CLOEXEC));
    // Whoever may not do one of these has less to lose, or is in a machine.
    if (unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0)
        if (mount("sweep", scratch_path, "tmpfs", 0, "size=16m,mode=755") == 0) NEED(chdir(scratch_path));
    // Queues and the like would stay otherwise.
    unshare(CLONE_NEWIPC);
    struct rlimit files = {512, 512}, size = {1 << 24, 1 << 24}, none = {0, 0};
    NEED(setrlimit(RLIMIT_NOFILE, &files)), NEED(setrlimit(RLIMIT_FSIZE, &size)), NEED(setrlimit(RLIMIT_CORE, &none)), NEED(setrlimit(RLIMIT_MEMLOCK, &(struct rlimit){65536, 65536})), NEED(setrlimit(RLIMIT_MSGQUEUE, &(struct rlimit){819200, 819200}));
    NEED(chmod(".", 0777));
    if (geteuid() == 0) {
        NEED(chroot(".")), NEED(chdir("/"));
        NEED(setgroups(0, NULL)), NEED(setresgid(54321, 54321, 54321)), NEED(setresuid(54321, 54321, 54321));
    }
    umask(022);
    // No program that it might start may gain anything back.
    NEED(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    for (int fd = 0; fd < 512; fd++) if (fd != OUTPUT) close(fd);
    // A working directory that nothing else is in: only of it is anything ever removed.
    if (geteuid() == 54321) NEED(mkdir("all", 0777)), NEED(chdir("all"));
    if (!getcwd(home, sizeof home)) _exit(98);
}

// Removes everything below the working directory.
static void wipe(void) {
    DIR *all = opendir(".");
    for (struct dirent *entry; all && (entry = readdir(all));) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 || unlink(entry->d_name) == 0) continue;
        chmod(entry->d_name, 0700);
        int directory = open(entry->d_name, O_DIRECTORY | O_NOFOLLOW);
        if (directory != -1 && fchdir(directory) == 0) wipe(), NEED(chdir(".."));
        close(directory);
        rmdir(entry->d_name);
    }
    if (all) closedir(all);
}

// The same files before each cell.
static void files(void) {
    // Without its bits it cannot be named from within.
    NEED(chmod(home, 0777)), wipe();
    NEED(mkdir("d", 0755)), NEED(mkdir("full", 0755));
    int fd = NEED(open("f", O_RDWR | O_CREAT, 0644));
    NEED(write(fd, "0123456789abcdef", 16)), close(fd);
    close(NEED(open("d/f", O_RDWR | O_CREAT, 0644))), close(NEED(open("full/f", O_RDWR | O_CREAT, 0644)));
    NEED(symlink("f", "l")), NEED(symlink("none", "dangling")), NEED(symlink("loop", "loop")), NEED(mkfifo("fifo", 0644));
}

static void put(int fd, int place) {
    if (fd == -1 || dup2(fd, place) == -1) dprintf(OUTPUT, "no descriptor %s: %s\n", fd_names[place - FIRST_FD], error_name(errno)), _exit(97);
    close(fd);
}

static void descriptors(void) {
    int two[2];
    sigset_t set;
    sigemptyset(&set), sigaddset(&set, SIGUSR2);
    put(open("f", O_RDWR), RW), put(open("f", O_RDONLY), READ_ONLY), put(open("f", O_WRONLY), WRITE_ONLY), put(open("f", O_PATH), PATH_ONLY), put(open("d", O_RDONLY | O_DIRECTORY), DIRECTORY), put(open("d", O_PATH), PATH_DIRECTORY);
    NEED(pipe2(two, O_NONBLOCK)), put(two[0], PIPE_READ), put(two[1], PIPE_WRITE);
    // The peers stay, so that nothing is an end of file.
    NEED(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, two)), put(two[0], STREAM), NEED(dup2(two[1], LAST_FD)), close(two[1]);
    NEED(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, two)), put(two[0], DATAGRAM), NEED(dup2(two[1], LAST_FD + 1)), close(two[1]);
    put(eventfd(0, EFD_NONBLOCK), EVENT), put(epoll_create1(0), EPOLL), put(syscall(SYS_memfd_create, "m", 2), MEMORY), put(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK), TIMER), put(signalfd(-1, &set, SFD_NONBLOCK), SIGNAL), put(inotify_init1(IN_NONBLOCK), WATCHES), put(open("fifo", O_RDWR | O_NONBLOCK), FIFO), put(open("d/f", O_RDWR), OTHER);
}

static void memory(void) {
    // One mapping above keeps the heap and everything else from being put between.
    NEED((long)mmap(PAGES, 0x40000, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
    NEED((long)mmap(WRITABLE, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
    NEED((long)mmap(READABLE, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
    munmap(WRITABLE + 8192, 0x8000), munmap(READABLE + 8192, 0x8000), munmap(UNMAPPED, 0x10000);
    memset(WRITABLE, 'x', 8192), memset(READABLE, 'x', 8192), mprotect(READABLE, 8192, PROT_READ);
}

struct odd {
    char label[48];
    long value;
};

static int fd_odds(int number, struct odd *odd) {
    static const struct odd numbers[] = {{"closed", CLOSED}, {"-1", -1}, {"beyond", INT_MAX}, {"lowest", INT_MIN}, {"high bits", 1L << 32 | CLOSED}};
    if (number < LAST_FD - FIRST_FD) return snprintf(odd->label, 48, "%s", fd_names[number]), odd->value = FIRST_FD + number, 1;
    number -= LAST_FD - FIRST_FD;
    if (number >= 5) return 0;
    return *odd = numbers[number], 1;
}

// Memory that a call takes or fills, `size` bytes of it: nowhere, at the end of what there is, across it, misaligned.
static int pointer_odds(const struct argument *argument, int number, struct odd *odd) {
    long size = argument->size;
    static const struct { const char *label; char *address; } nowhere[] = {{"NULL", NULL}, {"16", (char *)16}, {"unmapped", UNMAPPED}, {"kernel half", KERNEL_HALF}, {"between the halves", BETWEEN}, {"-1", (char *)-1L}};
    if (number < 6) return snprintf(odd->label, 48, "%s", nowhere[number].label), odd->value = (long)nowhere[number].address, 1;
    char *end = WRITABLE + 8192;
    if (argument->kind == PATH) {
        if (number == 6) return snprintf(odd->label, 48, "without an end"), odd->value = (long)memset(end - 16, 'x', 16), 1;
        if (number == 7) return snprintf(odd->label, 48, "empty"), odd->value = (long)"", 1;
        if (number == 8) return snprintf(odd->label, 48, "none"), odd->value = (long)"none", 1;
        if (number == 9) return snprintf(odd->label, 48, "below a file"), odd->value = (long)"f/x", 1;
        if (number == 10) return snprintf(odd->label, 48, "a loop"), odd->value = (long)"loop", 1;
        if (number == 11) return snprintf(odd->label, 48, "a dangling link"), odd->value = (long)"dangling", 1;
        if (number == 12) return snprintf(odd->label, 48, "a link"), odd->value = (long)"l", 1;
        if (number == 13) return snprintf(odd->label, 48, "a directory"), odd->value = (long)"d", 1;
        if (number == 14) return snprintf(odd->label, 48, "a full directory"), odd->value = (long)"full", 1;
        if (number == 15) return snprintf(odd->label, 48, "."), odd->value = (long)".", 1;
        if (number == 16) return snprintf(odd->label, 48, ".."), odd->value = (long)"..", 1;
        if (number == 17) return snprintf(odd->label, 48, "root"), odd->value = (long)"/", 1;
        if (number == 18) return snprintf(odd->label, 48, "slash behind a file"), odd->value = (long)"f/", 1;
        if (number == 19) return snprintf(odd->label, 48, "slash behind none"), odd->value = (long)"none/", 1;
        if (number == 20) return snprintf(odd->label, 48, "a fifo"), odd->value = (long)"fifo", 1;
        return 0;
    }
    if (number == 6) return snprintf(odd->label, 48, "at the end"), odd->value = (long)memcpy(end - size, argument->value ? (char *)argument->value : end - size, size), 1;
    if (number == 7 && size > 1) return snprintf(odd->label, 48, "a byte too short"), odd->value = (long)memcpy(end - size + 1, argument->value ? (char *)argument->value : end - size + 1, size - 1), 1;
    if (number == 8 && size > 1) return snprintf(odd->label, 48, "misaligned"), odd->value = (long)memcpy(WRITABLE + 4097, argument->value ? (char *)argument->value : WRITABLE + 4097, size), 1;
    if (number == 9 && argument->kind == OUT) return snprintf(odd->label, 48, "read-only"), odd->value = (long)READABLE, 1;
    return 0;
}

static int number_odds(const struct argument *argument, int number, struct odd *odd) {
    static const struct odd sizes[] = {{"0", 0}, {"1", 1}, {"-1", -1}, {"INT_MAX", INT_MAX}, {"LONG_MAX", LONG_MAX}, {"LONG_MIN", LONG_MIN}, {"1 << 32", 1L << 32}};
    static const struct odd ints[] = {{"0", 0}, {"1", 1}, {"-1", -1}, {"INT_MAX", INT_MAX}, {"INT_MIN", INT_MIN}, {"99", 99}, {"1 << 32", 1L << 32}};
    static const struct odd offsets[] = {{"0", 0}, {"1", 1}, {"-1", -1}, {"LONG_MAX", LONG_MAX}, {"LONG_MIN", LONG_MIN}, {"4096", 4096}};
    const struct odd *list = argument->kind == SIZE ? sizes : argument->kind == OFFSET || argument->kind == LONG ? offsets : ints;
    int count = argument->kind == OFFSET || argument->kind == LONG ? 6 : 7;
    if (number >= count) return 0;
    return *odd = list[number], 1;
}

// Addresses and lengths of calls that change mappings: none of them leads to more than the sweep's own pages.
static int address_odds(int number, struct odd *odd) {
    static const struct odd list[] = {{"NULL", 0}, {"16", 16}, {"unmapped", (long)UNMAPPED}, {"misaligned", (long)(WRITABLE + 4097)}, {"read-only", (long)READABLE}, {"kernel half", (long)0xffff800000000000}, {"between the halves", 0x800000000000}, {"the last page", 0x7ffffffff000}, {"-4096", -4096}, {"-1", -1}};
    return number < 10 ? *odd = list[number], 1 : 0;
}

static int length_odds(int number, struct odd *odd) {
    static const struct odd list[] = {{"0", 0}, {"1", 1}, {"4097", 4097}, {"with a hole", 0x9000}, {"-1", -1}, {"-4096", -4096}, {"LONG_MAX", LONG_MAX}, {"LONG_MIN", LONG_MIN}, {"all of a half", 0x7ffffffff000}};
    return number < 9 ? *odd = list[number], 1 : 0;
}

// The odd values of an argument, one after another.
static int odd_value(const struct argument *argument, int number, struct odd *odd) {
    switch (argument->kind) {
    case FD:
        return fd_odds(number, odd);
    case DIR_FD:
        if (number > 0) return fd_odds(number - 1, odd);
        return snprintf(odd->label, 48, "here"), odd->value = AT_FDCWD, 1;
    case PATH:
    case IN:
    case OUT:
        return pointer_odds(argument, number, odd);
    case FLAGS:
    case FLAGS64:
        if (number == (argument->kind == FLAGS ? 32 : 64)) return snprintf(odd->label, 48, "all bits"), odd->value = -1, 1;
        if (number > (argument->kind == FLAGS ? 32 : 64)) return 0;
        return snprintf(odd->label, 48, "bit %d", number), odd->value = argument->value ^ (argument->kind == FLAGS ? (long)(int)(1U << number) : (long)(1UL << number)), 1;
    case SIZE:
    case INT:
    case LONG:
    case OFFSET:
        return number_odds(argument, number, odd);
    case ADDRESS:
        return address_odds(number, odd);
    case LENGTH:
        return length_odds(number, odd);
    default:
        return 0;
    }
}

// One value that is wrong in any call, for pairs.
static int wrong_value(const struct argument *argument, struct odd *odd) {
    static const long wrong[] = {[ADDRESS] = 1, [LENGTH] = -1, [FD] = CLOSED, [DIR_FD] = CLOSED, [PATH] = 16, [IN] = 16, [OUT] = 16, [SIZE] = -1, [FLAGS] = -1, [FLAGS64] = -1, [INT] = -1, [LONG] = -1, [OFFSET] = -1};
    if (argument->kind <= VALUE) return 0;
    return snprintf(odd->label, 48, "wrong"), odd->value = wrong[argument->kind], 1;
}

static long arguments[6];
// What a cell answered, and the lines of a call that are not written yet.
static struct outcome {
    int is_there;
    int error;
    long result;
} *outcome;
static char lines[1 << 18];
static size_t filled;

static void say(const char *name, const char *label, const char *answer) {
    filled += snprintf(lines + filled, sizeof lines - filled, "%s%s: %s\n", name, label, answer);
}

static void flush(void) {
    for (size_t done = 0; done < filled;) done += NEED(write(OUTPUT, lines + done, filled - done));
    filled = 0;
}

// What a sweep leaves out: all cells of a call whose labels begin so.
struct left_out {
    const char *name, *label;
};
static const struct left_out *left_out;
#include "sweep_known.h"

static int is_left_out(const char *name, const char *label) {
    for (const struct left_out *out = left_out; out->name; out++)
        if (strcmp(name, out->name) == 0 && strncmp(label, out->label, strlen(out->label)) == 0) return 1;
    for (const struct left_out *out = known; out->name; out++)
        if (strcmp(name, out->name) == 0 && strcmp(label, out->label) == 0) return 1;
    return 0;
}

static void run_cell(const struct call *call, const char *label) {
    static int is_changed = 1;
    if (is_left_out(call->name, label)) return;
    cells++;
    if (is_changed) files(), descriptors();
    outcome->is_there = 0;
    int status;
    pid_t child = fork();
    if (child == 0) {
        // No cell is to wait for anything; one that does ends, and says so.
        setitimer(ITIMER_REAL, &(struct itimerval){{0}, {20, 0}}, NULL);
        long result = syscall(call->number, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4], arguments[5]);
        *outcome = (struct outcome){1, errno, result}, syscall(SYS_exit_group, 0);
    }
    if (child == -1 || waitpid(child, &status, 0) == -1) dprintf(OUTPUT, "no child: %s\n", error_name(errno)), _exit(96);
    char killed[32];
    if (WIFSIGNALED(status)) snprintf(killed, sizeof killed, "killed by %d", WTERMSIG(status)), say(call->name, label, killed);
    else if (!outcome->is_there) say(call->name, label, "ended");
    else say(call->name, label, outcome->result == -1 ? error_name(outcome->error) : "ok");
    is_changed = !outcome->is_there || outcome->result != -1;
}

static void defaults(const struct call *call) {
    for (int i = 0; i < 6; i++) {
        const struct argument *argument = &call->arguments[i];
        arguments[i] = argument->kind == OUT ? (long)WRITABLE : argument->value;
    }
}

static void run_call(const struct call *call) {
    char label[128];
    struct odd odd, other;
    defaults(call), run_cell(call, "");
    for (int i = 0; i < 6; i++)
        for (int number = 0; odd_value(&call->arguments[i], number, &odd); number++) {
            defaults(call), arguments[i] = odd.value;
            snprintf(label, sizeof label, " %d %s", i, odd.label), run_cell(call, label);
        }
    for (int i = 0; i < 6; i++)
        for (int j = i + 1; j < 6; j++)
            if (wrong_value(&call->arguments[i], &odd) && wrong_value(&call->arguments[j], &other)) {
                defaults(call), arguments[i] = odd.value, arguments[j] = other.value;
                snprintf(label, sizeof label, " %d and %d wrong", i, j), run_cell(call, label);
            }
}

// Sweeps the calls but for those cells; both lists end with an empty entry.
static int sweep(const struct call *calls, const struct left_out *without) {
    left_out = without;
    enter_scratch();
    pid_t child = NEED(fork());
    if (child == 0) {
        setsid(), sandbox();
        memory();
        outcome = (void *)NEED((long)mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
        for (const struct call *call = calls; call->name; call++) run_call(call), flush();
        dprintf(OUTPUT, "%d cells\n", cells), wipe(), _exit(0);
    }
    int status;
    NEED(waitpid(child, &status, 0));
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
