// /proc/PID of children and threads: status, stat, task, comm, cmdline, environ, fd, and what vanishes.
// libc: glibc
#include "asleep.h"
#include "children.h"
#include <dirent.h>
static int entries(const char *path) {
    DIR *d = opendir(path);
    if (!d) return -1;
    int n = 0;
    for (struct dirent *e; (e = readdir(d));) n += e->d_name[0] != '.';
    return closedir(d), n;
}
static int links(const char *path) {
    struct stat st;
    return stat(path, &st) == 0 ? st.st_nlink : -1;
}
static void *body(void *gate) { return await_byte(*(int *)gate), gate; }
static void field(const char *path, const char *name) {
    FILE *f = fopen(path, "r");
    char line[256];
    if (!f) { printf("%s: %s\n", name, error_name(errno)); return; }
    while (fgets(line, 256, f)) if (!strncmp(line, name, strlen(name))) printf("%s", line);
    fclose(f);
}
int main(void) {
    int gate[2];
    syscall(SYS_close_range, 3, ~0U, 0);
    NEED(pipe(gate));
    pthread_t t;
    SHOW(links("/proc/self/task/")), SHOW(entries("/proc/self/task")), pthread_create(&t, NULL, body, &gate[0]), SHOW(entries("/proc/self/task")), SHOW(links("/proc/self/task")), field("/proc/self/status", "Threads"), pthread_setname_np(t, "worker");
    char path[64], text[64] = {0};
    FILE *f;
    DIR *d = opendir("/proc/self/task");
    for (struct dirent *e; (e = readdir(d));) if (e->d_name[0] != '.' && atoi(e->d_name) != getpid()) snprintf(path, 64, "/proc/self/task/%s", e->d_name), chdir(path), show_file("comm"), chdir("/");
    write(gate[1], "x", 1), pthread_join(t, NULL);
    // A thread may have been joined a little before it is gone.
    AWAIT(entries("/proc/self/task") == 1);
    SHOW(entries("/proc/self/task"));
    pid_t pid = NEED(fork());
    if (pid == 0) { await_byte(gate[0]); _exit(0); }
    await_asleep(pid);
    snprintf(path, 64, "/proc/%d/status", pid), field(path, "State:"), field(path, "Threads"), field(path, "Uid"), field(path, "SigBlk"), field(path, "NoNewPrivs");
    snprintf(path, 64, "/proc/%d/stat", pid), f = fopen(path, "r");
    int n, ppid;
    char state;
    fscanf(f, "%d (%63[^)]) %c %d", &n, text, &state, &ppid), fclose(f), CHECK(n == pid && ppid == getpid()), printf("%s\n", text);
    snprintf(path, 64, "/proc/%d/fd", pid), SHOW(entries(path)), kill(pid, SIGSTOP), waitpid(pid, NULL, WUNTRACED), snprintf(path, 64, "/proc/%d/status", pid), field(path, "State:"), kill(pid, SIGCONT);
    int fd = NEED(open(path, O_RDONLY));
    write(gate[1], "x", 1), waitpid(pid, NULL, 0), SHOW(read(fd, text, 10)), SHOW(access(path, F_OK)), SHOW(access("/proc/4999999", F_OK)), SHOW(open("/proc/self/status", O_WRONLY)), SHOW(unlink("/proc/self/status")), SHOW(mkdir("/proc/x", 0755)), SHOW(open("/proc/self/nothing", O_CREAT | O_WRONLY, 0644));
    return 0;
}
