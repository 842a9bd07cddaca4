// Threads, signals, forks and mappings at random, each compared with a model of what must come out.
//
//   stress SEED MILLISECONDS
//
// Every worker thread owns mappings and knows what each of their pages holds. It maps, unmaps, protects, moves, drops,
// writes and checks pages; forks children that check the same pages and change theirs; starts threads and programs;
// sends queued signals to all workers; and computes with vector registers all the while, which handlers overwrite.
// At the end every signal has arrived once, every lock was exclusive and every page was as the model had it.
#include "../guest/children.h"
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/time.h>
#define WORKERS 6
#define REGIONS 6
#define PAGES 24
#define PAGE 4096
struct region {
    char *at;
    int shared;
    long pages;
    // 0: unmapped; else 1 + the value that all words of the page have.
    uint64_t model[PAGES];
    char prot[PAGES];
};
struct worker {
    int id;
    pid_t tid;
    pthread_t thread;
    uint64_t random;
    struct region regions[REGIONS];
    long operations, forks, threads, signals, programs, mappings;
    atomic_long sent_to_me, received;
    atomic_ullong sum_sent, sum_received;
};
static struct worker workers[WORKERS];
static atomic_int stopping, ready;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static long guarded_low, guarded_high;
static atomic_long guarded_expected;
static unsigned long seed;
static __thread struct worker *self;

static void fail(const char *what, long a, long b) {
    char text[256];
    int n = snprintf(text, sizeof text, "FAILED with seed %lu: %s (%ld, %ld), worker %d\n", seed, what, a, b, self ? self->id : -1);
    write(1, text, n), write(2, text, n);
    _exit(1);
}
static uint64_t mix(uint64_t x) {
    x ^= x >> 33, x *= 0xff51afd7ed558ccdULL, x ^= x >> 33, x *= 0xc4ceb9fe1a85ec53ULL;
    return x ^ x >> 33;
}
static uint64_t draw(struct worker *w) { return mix(w->random += 0x9e3779b97f4a7c15ULL); }
static long below(struct worker *w, long n) { return draw(w) % n; }

static void fill(struct region *r, long page, uint64_t value) {
    uint64_t *words = (uint64_t *)(r->at + page * PAGE);
    for (int i = 0; i < PAGE / 8; i += 37) words[i] = value;
    words[PAGE / 8 - 1] = value;
    r->model[page] = value + 1;
}
static void check_page(struct region *r, long page) {
    if (!r->model[page] || !(r->prot[page] & PROT_READ)) return;
    volatile uint64_t *words = (uint64_t *)(r->at + page * PAGE);
    for (int i = 0; i < PAGE / 8; i += 37)
        if (words[i] != r->model[page] - 1) fail("a page has other contents", words[i], r->model[page] - 1);
}
static void check_all(struct worker *w) {
    for (int i = 0; i < REGIONS; i++)
        for (long page = 0; page < w->regions[i].pages; page++) check_page(&w->regions[i], page);
}
static void let_go(struct region *r) {
    if (r->at && munmap(r->at, r->pages * PAGE)) fail("munmap", errno, r->pages);
    memset(r, 0, sizeof *r);
}
static void map(struct worker *w, struct region *r) {
    let_go(r);
    r->pages = 1 + below(w, PAGES), r->shared = below(w, 3) == 0;
    r->at = mmap(NULL, r->pages * PAGE, PROT_READ | PROT_WRITE, (r->shared ? MAP_SHARED : MAP_PRIVATE) | MAP_ANONYMOUS | (below(w, 4) ? 0 : MAP_NORESERVE), -1, 0);
    if (r->at == MAP_FAILED) fail("mmap", errno, r->pages);
    for (long page = 0; page < r->pages; page++) r->model[page] = 1, r->prot[page] = PROT_READ | PROT_WRITE;
    w->mappings++;
}
static void change(struct worker *w, struct region *r) {
    if (!r->at) return map(w, r);
    long first = below(w, r->pages), count = 1 + below(w, r->pages - first);
    char *at = r->at + first * PAGE;
    switch (below(w, 6)) {
    case 0:
        if (madvise(at, count * PAGE, MADV_DONTNEED)) fail("madvise", errno, count);
        if (!r->shared) for (long i = first; i < first + count; i++) if (r->model[i]) r->model[i] = 1;
        break;
    case 1:
        // Whatever lies free may be taken by another thread at once: parts go at the ends or stay reserved.
        if (first + count == r->pages && first > 0) {
            if (munmap(at, count * PAGE)) fail("munmap of the end", errno, count);
            memset(r->model + first, 0, count * sizeof r->model[0]), r->pages = first;
        } else if (first == 0 && count < r->pages) {
            if (munmap(at, count * PAGE)) fail("munmap of the start", errno, count);
            r->at += count * PAGE, r->pages -= count;
            memmove(r->model, r->model + count, r->pages * sizeof r->model[0]), memmove(r->prot, r->prot + count, r->pages);
        } else {
            if (mmap(at, count * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0) != at) fail("mmap of nothing", errno, count);
            for (long i = first; i < first + count; i++) r->model[i] = 0, r->prot[i] = 0;
        }
        break;
    case 2:
        if (mmap(at, count * PAGE, PROT_READ | PROT_WRITE, (r->shared ? MAP_SHARED : MAP_PRIVATE) | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != at) fail("mmap in place", errno, count);
        for (long i = first; i < first + count; i++) r->model[i] = 1, r->prot[i] = PROT_READ | PROT_WRITE;
        break;
    case 3: {
        int prot = (int[]){PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE}[below(w, 3)], holes = 0;
        for (long i = first; i < first + count; i++) holes += !r->model[i];
        if (holes) break;
        if (mprotect(at, count * PAGE, prot)) fail("mprotect", errno, count);
        for (long i = first; i < first + count; i++) r->prot[i] = prot;
        break;
    }
    case 4: {
        // Moving is for one mapping as a whole: all its pages the same.
        for (long i = 0; i < r->pages; i++) if (!r->model[i] || r->prot[i] != (PROT_READ | PROT_WRITE)) return;
        if (r->shared || r->pages == PAGES) return;
        long more = r->pages + 1 + below(w, PAGES - r->pages);
        char *moved = mremap(r->at, r->pages * PAGE, more * PAGE, MREMAP_MAYMOVE);
        // Parts that were mapped again are mappings of their own, as far as the kernel has not joined them.
        if (moved == MAP_FAILED) {
            if (errno != EFAULT) fail("mremap", errno, more);
            return;
        }
        r->at = moved;
        for (long i = r->pages; i < more; i++) r->model[i] = 1, r->prot[i] = PROT_READ | PROT_WRITE;
        r->pages = more;
        break;
    }
    default:
        for (long i = first; i < first + count; i++)
            if (r->model[i] && r->prot[i] & PROT_WRITE) fill(r, i, draw(w));
    }
    for (long page = 0; page < r->pages; page++) check_page(r, page);
}

// A child has the pages as they were, and what it writes stays its own but in shared mappings.
static void fork_once(struct worker *w) {
    uint64_t value = draw(w);
    int code = value % 100, pipes[2], status;
    NEED(pipe(pipes));
    pid_t pid = fork();
    if (pid == -1) fail("fork", errno, 0);
    if (pid == 0) {
        check_all(w);
        for (int i = 0; i < REGIONS; i++)
            for (long page = 0; page < w->regions[i].pages; page++)
                if (w->regions[i].model[page] && w->regions[i].prot[page] & PROT_WRITE) fill(&w->regions[i], page, mix(value + i * PAGES + page));
        check_all(w);
        if (write(pipes[1], &value, 8) != 8) fail("write in a child", errno, 0);
        if (value % 16 == 0) kill(getpid(), SIGKILL);
        _exit(code);
    }
    close(pipes[1]);
    uint64_t got = 0;
    ssize_t count;
    while ((count = read(pipes[0], &got, 8)) == -1 && errno == EINTR) {
    }
    close(pipes[0]);
    if (count != 8 || got != value) fail("a child's pipe", count, got);
    while (waitpid(pid, &status, 0) != pid) if (errno != EINTR) fail("waitpid", errno, pid);
    if (value % 16 == 0 ? !WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL : !WIFEXITED(status) || WEXITSTATUS(status) != code) fail("a child's status", status, code);
    for (int i = 0; i < REGIONS; i++)
        for (long page = 0; w->regions[i].shared && page < w->regions[i].pages; page++)
            if (w->regions[i].model[page] && w->regions[i].prot[page] & PROT_WRITE) w->regions[i].model[page] = mix(value + i * PAGES + page) + 1;
    check_all(w);
    w->forks++;
}
static void program_once(struct worker *w) {
    int code = below(w, 100), status;
    char text[16];
    snprintf(text, 16, "%d", code);
    pid_t pid = below(w, 2) ? vfork() : fork();
    if (pid == -1) fail("fork before exec", errno, 0);
    if (pid == 0) {
        execl("/proc/self/exe", "stress", text, NULL);
        _exit(111);
    }
    while (waitpid(pid, &status, 0) != pid) if (errno != EINTR) fail("waitpid of a program", errno, pid);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != code) fail("a program's status", status, code);
    w->programs++;
}
static void *short_thread(void *argument) { return (void *)mix((uint64_t)argument); }
static void thread_once(struct worker *w) {
    uint64_t value = draw(w);
    pthread_t thread;
    void *result;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes), pthread_attr_setstacksize(&attributes, 65536);
    int error = pthread_create(&thread, &attributes, short_thread, (void *)value);
    if (error) fail("pthread_create", error, 0);
    pthread_attr_destroy(&attributes);
    if ((error = pthread_join(thread, &result))) fail("pthread_join", error, 0);
    if ((uint64_t)result != mix(value)) fail("a thread's result", (long)result, value);
    w->threads++;
}

static void handler(int number, siginfo_t *info, void *context) {
    int error = errno;
    // Whatever a handler does to vector registers is undone.
    __asm__ volatile("pcmpeqd %%xmm0, %%xmm0\n pcmpeqd %%xmm3, %%xmm3\n pcmpeqd %%xmm7, %%xmm7\n pcmpeqd %%xmm15, %%xmm15" ::: "xmm0", "xmm3", "xmm7", "xmm15");
    if (self && number >= SIGRTMIN) {
        if (info->si_code != SI_QUEUE || info->si_pid != getpid()) fail("siginfo", info->si_code, info->si_pid);
        atomic_fetch_add(&self->received, 1), atomic_fetch_add(&self->sum_received, (uint64_t)info->si_value.sival_ptr);
    }
    (void)context, errno = error;
}
static void signal_once(struct worker *w) {
    struct worker *to = &workers[below(w, WORKERS)];
    siginfo_t info = {.si_code = SI_QUEUE, .si_pid = getpid(), .si_uid = getuid()};
    uint64_t value = draw(w) >> 8;
    info.si_value.sival_ptr = (void *)value;
    // Counted first: it may arrive before this call returns.
    atomic_fetch_add(&to->sent_to_me, 1), atomic_fetch_add(&to->sum_sent, value);
    if (syscall(SYS_rt_tgsigqueueinfo, getpid(), to->tid, SIGRTMIN + below(w, 4), &info)) {
        if (errno != EAGAIN) fail("rt_tgsigqueueinfo", errno, to->tid);
        atomic_fetch_sub(&to->sent_to_me, 1), atomic_fetch_sub(&to->sum_sent, value);
    }
    w->signals++;
}
static void lock_once(struct worker *w) {
    long count = 1 + below(w, 5);
    pthread_mutex_lock(&lock);
    long low = guarded_low;
    guarded_low += count;
    if (below(w, 8) == 0) sched_yield();
    guarded_high += count;
    if (guarded_low != low + count || guarded_high != guarded_low) fail("a lock was not exclusive", guarded_low, guarded_high);
    pthread_mutex_unlock(&lock);
    atomic_fetch_add(&guarded_expected, count);
}
static void compute(void) {
    // Sums of small integers are exact in any order and any register.
    double sums[8] = {0};
    for (int round = 1; round <= 2000; round++)
        for (int i = 0; i < 8; i++) sums[i] += round * (i + 1);
    for (int i = 0; i < 8; i++) if (sums[i] != 2001000.0 * (i + 1)) fail("vector registers", (long)sums[i], i);
}
static void *work(void *argument) {
    struct worker *w = self = argument;
    stack_t stack = {.ss_sp = malloc(65536), .ss_size = 65536};
    sigaltstack(&stack, NULL);
    w->tid = syscall(SYS_gettid);
    atomic_fetch_add(&ready, 1);
    while (atomic_load(&ready) <= WORKERS) sched_yield();
    while (!atomic_load(&stopping)) {
        switch (below(w, 40)) {
        case 0: fork_once(w); break;
        case 1: if (below(w, 4) == 0) program_once(w); break;
        case 2: thread_once(w); break;
        case 3 ... 9: signal_once(w); break;
        case 10 ... 16: lock_once(w); break;
        case 17 ... 19: compute(); break;
        case 20: map(w, &w->regions[below(w, REGIONS)]); break;
        case 21: { struct timespec nap = {0, below(w, 2000000)}; nanosleep(&nap, NULL); break; }
        default: change(w, &w->regions[below(w, REGIONS)]);
        }
        w->operations++;
    }
    check_all(w);
    atomic_fetch_add(&ready, 1);
    // Nobody sends any more once all are here; what is on its way arrives.
    while (atomic_load(&ready) <= 2 * WORKERS) sched_yield();
    for (int i = 0; i < 1000 && atomic_load(&w->received) != atomic_load(&w->sent_to_me); i++) sleep_ms(1);
    if (atomic_load(&w->received) != atomic_load(&w->sent_to_me)) fail("signals were lost or doubled", w->sent_to_me, w->received);
    if (atomic_load(&w->sum_received) != atomic_load(&w->sum_sent)) fail("values of signals", w->sum_sent, w->sum_received);
    for (int i = 0; i < REGIONS; i++) let_go(&w->regions[i]);
    sigaltstack(&(stack_t){.ss_flags = SS_DISABLE}, NULL), free(stack.ss_sp);
    return NULL;
}
int main(int argc, char **argv) {
    if (argc == 2) return atoi(argv[1]);
    seed = strtoul(argv[1], NULL, 10);
    long ms = atol(argv[2]);
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART};
    for (int i = 0; i < 4; i++) sigaction(SIGRTMIN + i, &action, NULL);
    sigaction(SIGALRM, &action, NULL);
    struct itimerval often = {{0, 3000}, {0, 3000}};
    setitimer(ITIMER_REAL, &often, NULL);
    for (int i = 0; i < WORKERS; i++) {
        workers[i].id = i, workers[i].random = mix(seed * WORKERS + i);
        int error = pthread_create(&workers[i].thread, NULL, work, &workers[i]);
        if (error) fail("pthread_create of a worker", error, i);
    }
    while (atomic_load(&ready) < WORKERS) sched_yield();
    atomic_fetch_add(&ready, 1);
    for (int64_t end = now_ms() + ms; now_ms() < end;) sleep_ms(20);
    atomic_store(&stopping, 1);
    struct worker all = {0};
    for (int i = 0; i < WORKERS; i++) {
        pthread_join(workers[i].thread, NULL);
        all.operations += workers[i].operations, all.forks += workers[i].forks, all.threads += workers[i].threads;
        all.signals += workers[i].signals, all.programs += workers[i].programs, all.mappings += workers[i].mappings;
    }
    if (guarded_low != atomic_load(&guarded_expected)) fail("what the lock guards", guarded_low, guarded_expected);
    printf("seed %lu: %ld operations, %ld signals, %ld forks, %ld programs, %ld threads, %ld mappings: all as the model has it\n", seed, all.operations, all.signals, all.forks, all.programs, all.threads, all.mappings);
    return 0;
}
