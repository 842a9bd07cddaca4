// getrusage, times, sysinfo, getloadavg: sane numbers and errors.
// libc: musl
#include "check.h"
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <sys/times.h>
int main(void) {
    struct rusage u;
    static volatile char touched[4 << 20];
    for (int i = 0; i < sizeof touched; i += 4096) touched[i] = 1;
    struct sysinfo s;
    SHOW(getrusage(RUSAGE_SELF, &u)), CHECK(u.ru_maxrss > 3000), CHECK(u.ru_minflt > 0), SHOW(getrusage(99, &u)), SHOW(sysinfo(&s)), CHECK(s.totalram * s.mem_unit > 1 << 20), CHECK(s.freeram <= s.totalram), CHECK(s.procs >= 1), SHOW(syscall(SYS_sysinfo, 8)), SHOW(syscall(SYS_times, 8)), TRY(syscall(SYS_times, 0));
    double l[3];
    SHOW(getloadavg(l, 3) > 0), SHOW(get_nprocs() >= 1), SHOW(sysconf(_SC_PAGESIZE)), SHOW(sysconf(_SC_CLK_TCK)), SHOW(sysconf(_SC_NPROCESSORS_ONLN) >= 1), SHOW(sysconf(_SC_PHYS_PAGES) > 1000);
    return 0;
}
