// Meeting others where they block: no program guesses how long somebody takes to get somewhere.
#ifndef ASLEEP_H
#define ASLEEP_H
#include "check.h"
#include <pthread.h>

// The state letter that proc(5) has of a thread or of the first thread of a process; 0 if there is none.
static inline char state_of(pid_t tid) {
    char path[32], text[256] = {0};
    snprintf(path, sizeof path, "/proc/%d/stat", tid);
    int fd = open(path, O_RDONLY);
    if (fd == -1) return 0;
    ssize_t size = read(fd, text, sizeof text - 1);
    close(fd);
    char *end = size > 0 ? strrchr(text, ')') : NULL;
    return end ? end[2] : 0;
}

// Waits until a thread is in a state, and still so a little later.
static inline void await_state(pid_t tid, char state) {
    for (int seen = 0; seen < 3; sleep_ms(1)) seen = state_of(tid) == state ? seen + 1 : 0;
}

static inline void await_asleep(pid_t tid) { await_state(tid, 'S'); }

// A thread writes its number here just before the call that blocks it; nothing between the two may sleep.
static inline void announce(volatile pid_t *place) { __atomic_store_n(place, (pid_t)syscall(SYS_gettid), __ATOMIC_SEQ_CST); }

static inline pid_t announced(volatile pid_t *place) {
    while (!__atomic_load_n(place, __ATOMIC_SEQ_CST)) sleep_ms(1);
    return *place;
}

static inline void await_announced(volatile pid_t *place) { await_asleep(announced(place)); }

// Waits until a condition holds.
#define AWAIT(condition)                                                                                            \
    do {                                                                                                            \
        while (!(condition)) sleep_ms(1);                                                                           \
    } while (0)

struct once_asleep { pid_t sleeper; void (*act)(void); };

static void *act_once_asleep(void *argument) {
    struct once_asleep task = *(struct once_asleep *)argument;
    free(argument);
    await_asleep(task.sleeper), task.act();
    return NULL;
}

// Runs `act` in another thread, which lets no signal in, as soon as the caller sleeps in its next call.
static inline pthread_t once_asleep(void (*act)(void)) {
    struct once_asleep *task = malloc(sizeof *task);
    *task = (struct once_asleep){syscall(SYS_gettid), act};
    sigset_t all, before;
    pthread_t thread;
    sigfillset(&all), pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_create(&thread, NULL, act_once_asleep, task);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return thread;
}
#endif
