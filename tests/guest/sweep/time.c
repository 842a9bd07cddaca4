// Signals, clocks and timers, swept.
// libc: musl
#include "../sweep.h"
#include <poll.h>
#include <sys/select.h>
#include <sys/timex.h>

static struct timespec now = {0, 0}, long_ago = {1, 0};
static struct itimerspec timer = {{0, 0}, {1000, 0}};
static struct itimerval old_timer = {{0, 0}, {1000, 0}};
static struct timeval zero = {0, 0};
static uint64_t set = 1 << (SIGUSR1 - 1), action[4] = {0}, stack[3] = {(uint64_t)WRITABLE, 0, 8192};
static struct pollfd watched = {-1, POLLIN};
static struct epoll_event event = {EPOLLIN};
static siginfo_t info = {.si_code = SI_QUEUE};

static const struct call calls[] = {
    {"rt_sigaction", SYS_rt_sigaction, {N(SIGUSR1), I(action, 32), O(32), S(8)}},
    {"rt_sigprocmask", SYS_rt_sigprocmask, {N(SIG_BLOCK), I(&set, 8), O(8), S(8)}},
    {"rt_sigprocmask's question", SYS_rt_sigprocmask, {N(99), V(NULL), O(8), S(8)}},
    {"rt_sigpending", SYS_rt_sigpending, {O(8), S(8)}},
    {"rt_sigtimedwait", SYS_rt_sigtimedwait, {I(&set, 8), O(128), I(&now, 16), S(8)}},
    {"rt_sigsuspend", SYS_rt_sigsuspend, {V(NULL), S(8)}},
    {"sigaltstack", SYS_sigaltstack, {I(stack, 24), O(24)}},
    {"kill", SYS_kill, {V(1 << 22), N(0)}},
    {"kill itself", SYS_kill, {V(0), V(0)}},
    {"tkill", SYS_tkill, {N(1 << 22), N(0)}},
    {"tgkill", SYS_tgkill, {N(1 << 22), N(1 << 22), N(0)}},
    {"rt_sigqueueinfo", SYS_rt_sigqueueinfo, {V(1 << 22), N(0), I(&info, 128)}},
    {"rt_tgsigqueueinfo", SYS_rt_tgsigqueueinfo, {V(1 << 22), N(1 << 22), N(0), I(&info, 128)}},
    {"signalfd", SYS_signalfd, {F(SIGNAL), I(&set, 8), S(8)}},
    {"signalfd4", SYS_signalfd4, {N(-1), I(&set, 8), S(8), B(0)}},
    {"pidfd_send_signal", SYS_pidfd_send_signal, {F(RW), N(0), V(NULL), B(0)}},
    {"nanosleep", SYS_nanosleep, {I(&now, 16), O(16)}},
    {"clock_nanosleep", SYS_clock_nanosleep, {N(CLOCK_MONOTONIC), V(0), I(&now, 16), O(16)}},
    {"clock_nanosleep until", SYS_clock_nanosleep, {V(CLOCK_MONOTONIC), B(TIMER_ABSTIME), I(&long_ago, 16), O(16)}},
    {"clock_gettime", SYS_clock_gettime, {N(CLOCK_REALTIME), O(16)}},
    {"clock_getres", SYS_clock_getres, {N(CLOCK_REALTIME), O(16)}},
    {"gettimeofday", SYS_gettimeofday, {O(16), O(8)}},
    {"time", SYS_time, {O(8)}},
    {"times", SYS_times, {O(32)}},
    {"getitimer", SYS_getitimer, {N(ITIMER_REAL), O(32)}},
    {"setitimer", SYS_setitimer, {N(ITIMER_VIRTUAL), I(&old_timer, 32), O(32)}},
    {"alarm", SYS_alarm, {V(0)}},
    {"timer_create", SYS_timer_create, {N(CLOCK_MONOTONIC), V(NULL), O(4)}},
    {"timer_settime", SYS_timer_settime, {N(0), B(0), I(&timer, 32), O(32)}},
    {"timer_gettime", SYS_timer_gettime, {N(0), O(32)}},
    {"timer_getoverrun", SYS_timer_getoverrun, {N(0)}},
    {"timer_delete", SYS_timer_delete, {N(0)}},
    {"timerfd_create", SYS_timerfd_create, {N(CLOCK_MONOTONIC), B(0)}},
    {"timerfd_settime", SYS_timerfd_settime, {F(TIMER), B(0), I(&timer, 32), O(32)}},
    {"timerfd_gettime", SYS_timerfd_gettime, {F(TIMER), O(32)}},
    {"eventfd2", SYS_eventfd2, {N(0), B(0)}},
    {"poll", SYS_poll, {I(&watched, 8), V(1), V(0)}},
    {"ppoll", SYS_ppoll, {I(&watched, 8), V(1), I(&now, 16), I(&set, 8), S(8)}},
    {"select", SYS_select, {N(1), I("\0\0\0\0\0\0\0", 8), O(8), V(NULL), I(&zero, 16)}},
    {"pselect6", SYS_pselect6, {V(1), I("\0\0\0\0\0\0\0", 8), V(NULL), V(NULL), I(&now, 16), V(NULL)}},
    {"epoll_create1", SYS_epoll_create1, {B(0)}},
    {"epoll_ctl add", SYS_epoll_ctl, {F(EPOLL), V(EPOLL_CTL_ADD), F(PIPE_READ), I(&event, 12)}},
    {"epoll_ctl", SYS_epoll_ctl, {V(EPOLL), N(EPOLL_CTL_DEL), F(PIPE_READ), V(&event)}},
    {"epoll_ctl mod", SYS_epoll_ctl, {F(EPOLL), V(EPOLL_CTL_MOD), F(PIPE_READ), I(&event, 12)}},
    {"epoll_wait", SYS_epoll_wait, {F(EPOLL), O(12), N(1), V(0)}},
    {"epoll_pwait", SYS_epoll_pwait, {F(EPOLL), O(12), N(1), V(0), I(&set, 8), S(8)}},
    {"epoll_pwait2", SYS_epoll_pwait2, {F(EPOLL), O(12), N(1), I(&now, 16), I(&set, 8), S(8)}},
    {0},
};

static const struct left_out without[] = {
    // These wait for ever.
    {"rt_sigtimedwait", " 2 NULL"}, {"rt_sigsuspend", " 0 NULL"}, {"clock_nanosleep until", " 1 bit 0"}, {"ppoll", " 2 NULL"}, {"select", " 4 NULL"}, {"pselect6", " 4 NULL"}, {"epoll_pwait2", " 3 NULL"},
    // Kernels do not agree: of some age.
    {"pidfd_send_signal", " 3 bit "}, {"epoll_wait", " 0 and 2 wrong"}, {"epoll_pwait", " 0 and 2 wrong"}, {"epoll_pwait2", " 0 and 2 wrong"},
    {0},
};

int main(void) { return sweep(calls, without); }
