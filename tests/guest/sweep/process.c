// Processes, identities, limits and scheduling, swept. Whom a call reaches is itself at most: all others are numbers that no
// process has.
// libc: musl
#include "../sweep.h"
#include <sys/uio.h>

#define NOBODY (1 << 22)
static struct rlimit limit = {512, 512};
static uint32_t header[2] = {0x20080522, 0}, sets[6];
static uint64_t mask[2] = {1, 0}, clone_arguments[11];
static struct sched_param parameter = {0};
static gid_t group[2] = {0, 0};
static struct iovec piece = {WRITABLE, 4}, other = {WRITABLE + 4096, 4};

static const struct call calls[] = {
    {"wait4", SYS_wait4, {N(-1), O(4), B(WNOHANG), O(144)}},
    {"waitid", SYS_waitid, {N(P_ALL), V(0), O(128), B(WEXITED | WNOHANG), O(144)}},
    {"waitid by pidfd", SYS_waitid, {V(3), F(RW), O(128), V(WEXITED | WNOHANG), V(NULL)}},
    {"execve", SYS_execve, {P("none"), I(mask + 1, 8), I(mask + 1, 8)}},
    {"execve of no program", SYS_execve, {P("f"), V(NULL), V(NULL)}},
    {"execveat", SYS_execveat, {AT, P("none"), V(NULL), V(NULL), B(0)}},
    {"execveat of a descriptor", SYS_execveat, {F(RW), P(""), V(NULL), V(NULL), V(AT_EMPTY_PATH)}},
    {"clone3", SYS_clone3, {I(clone_arguments, 64), N(56)}},
    {"getpgid", SYS_getpgid, {N(NOBODY)}},
    {"getsid", SYS_getsid, {N(NOBODY)}},
    {"setpgid", SYS_setpgid, {N(NOBODY), N(NOBODY)}},
    {"setpgid of itself", SYS_setpgid, {V(0), N(NOBODY)}},
    {"getpriority", SYS_getpriority, {N(0), V(0)}},
    {"setpriority", SYS_setpriority, {N(0), V(0), V(19)}},
    {"getrlimit", SYS_getrlimit, {N(7), O(16)}},
    {"setrlimit", SYS_setrlimit, {N(7), I(&limit, 16)}},
    {"prlimit64", SYS_prlimit64, {V(0), N(7), I(&limit, 16), O(16)}},
    {"prlimit64 of another", SYS_prlimit64, {N(NOBODY), V(7), V(NULL), O(16)}},
    {"getrusage", SYS_getrusage, {N(0), O(144)}},
    {"sysinfo", SYS_sysinfo, {O(112)}},
    {"uname", SYS_uname, {O(390)}},
    {"getcpu", SYS_getcpu, {O(4), O(4), V(NULL)}},
    {"getrandom", SYS_getrandom, {O(4), S(4), B(0)}},
    {"capget", SYS_capget, {I(header, 8), O(24)}},
    {"capset", SYS_capset, {I(header, 8), I(sets, 24)}},
    {"setuid", SYS_setuid, {N(54321)}},
    {"setgid", SYS_setgid, {N(54321)}},
    {"setreuid", SYS_setreuid, {N(54321), N(54321)}},
    {"setresuid", SYS_setresuid, {N(54321), N(54321), N(54321)}},
    {"setresgid", SYS_setresgid, {N(54321), N(54321), N(54321)}},
    {"getresuid", SYS_getresuid, {O(4), O(4), O(4)}},
    {"getresgid", SYS_getresgid, {O(4), O(4), O(4)}},
    {"setfsuid", SYS_setfsuid, {N(54321)}},
    {"setgroups", SYS_setgroups, {N(1), I(group, 4)}},
    {"getgroups", SYS_getgroups, {N(0), O(4)}},
    {"sched_setscheduler", SYS_sched_setscheduler, {V(0), N(0), I(&parameter, 4)}},
    {"sched_setscheduler of another", SYS_sched_setscheduler, {N(NOBODY), V(0), I(&parameter, 4)}},
    {"sched_getscheduler", SYS_sched_getscheduler, {N(NOBODY)}},
    {"sched_setparam", SYS_sched_setparam, {N(NOBODY), I(&parameter, 4)}},
    {"sched_getparam", SYS_sched_getparam, {N(NOBODY), O(4)}},
    {"sched_getparam of itself", SYS_sched_getparam, {V(0), O(4)}},
    {"sched_get_priority_max", SYS_sched_get_priority_max, {N(0)}},
    {"sched_rr_get_interval", SYS_sched_rr_get_interval, {N(NOBODY), O(16)}},
    {"sched_setaffinity", SYS_sched_setaffinity, {N(NOBODY), V(8), I(mask, 8)}},
    {"sched_setaffinity of itself", SYS_sched_setaffinity, {V(0), V(8), I(mask, 8)}},
    {"sched_getattr", SYS_sched_getattr, {V(0), O(56), N(56), B(0)}},
    {"ioprio_get", SYS_ioprio_get, {N(1), N(NOBODY)}},
    {"prctl", SYS_prctl, {B(PR_GET_DUMPABLE), V(0), V(0), V(0), V(0)}},
    {"prctl PR_SET_NAME", SYS_prctl, {V(PR_SET_NAME), I("name", 16)}},
    {"prctl PR_GET_NAME", SYS_prctl, {V(PR_GET_NAME), O(16)}},
    {"prctl PR_SET_PDEATHSIG", SYS_prctl, {V(PR_SET_PDEATHSIG), N(0)}},
    {"prctl PR_GET_PDEATHSIG", SYS_prctl, {V(PR_GET_PDEATHSIG), O(4)}},
    {"prctl PR_SET_DUMPABLE", SYS_prctl, {V(PR_SET_DUMPABLE), N(1)}},
    {"prctl PR_SET_KEEPCAPS", SYS_prctl, {V(PR_SET_KEEPCAPS), N(0)}},
    {"prctl PR_SET_CHILD_SUBREAPER", SYS_prctl, {V(PR_SET_CHILD_SUBREAPER), N(0)}},
    {"prctl PR_GET_CHILD_SUBREAPER", SYS_prctl, {V(PR_GET_CHILD_SUBREAPER), O(4)}},
    {"prctl PR_SET_NO_NEW_PRIVS", SYS_prctl, {V(PR_SET_NO_NEW_PRIVS), N(1), N(0), N(0), N(0)}},
    {"prctl PR_CAPBSET_READ", SYS_prctl, {V(PR_CAPBSET_READ), N(0)}},
    {"arch_prctl", SYS_arch_prctl, {V(0x1003), O(8)}},
    {"set_tid_address", SYS_set_tid_address, {O(4)}},
    {"personality", SYS_personality, {V(0xffffffff)}},
    {"pidfd_open", SYS_pidfd_open, {N(NOBODY), B(0)}},
    {"pidfd_getfd", SYS_pidfd_getfd, {F(RW), N(0), B(0)}},
    {"process_vm_readv", SYS_process_vm_readv, {N(NOBODY), I(&piece, 16), N(1), I(&other, 16), N(1), B(0)}},
    {"process_vm_writev", SYS_process_vm_writev, {N(NOBODY), I(&piece, 16), N(1), I(&other, 16), N(1), B(0)}},
    {"process_madvise", SYS_process_madvise, {F(RW), I(&piece, 16), N(1), N(0), B(0)}},
    {"kcmp", SYS_kcmp, {N(NOBODY), N(NOBODY), N(0), N(0), N(0)}},
    {0},
};

static const struct left_out without[] = {
    // Newer kernels know newer options of prctl, flags of execveat and pidfds of threads.
    {"prctl", " 0 bit 0"}, {"prctl", " 0 bit 4"}, {"prctl", " 0 bit 5"}, {"prctl", " 0 bit 6"}, {"execveat", " 4 bit 16"}, {"pidfd_open", " 1 bit 7"},
    {0},
};

int main(void) { return sweep(calls, without); }
