// /proc/net/tcp and its relatives list sockets with their addresses and states.
// libc: musl
#include "../net/sockets.h"
static void count(const char *path, int port, const char *what) {
    FILE *f = fopen(path, "r");
    char line[512], local[64], wanted[16];
    int states[16] = {0};
    if (!f) { printf("%s: %s\n", path, error_name(errno)); return; }
    snprintf(wanted, 16, ":%04X", port);
    while (fgets(line, 512, f)) {
        unsigned state;
        if (sscanf(line, " %*d: %63s %*s %x", local, &state) == 2 && strstr(local, wanted) && state < 16) states[state]++;
    }
    fclose(f), printf("%s:", what);
    for (int i = 0; i < 16; i++) if (states[i]) printf(" %d in state %d", states[i], i);
    printf("\n");
}
int main(void) {
    int port, server = listener(&port, 5);
    count("/proc/net/tcp", port, "listening");
    int client = dial(port);
    count("/proc/net/tcp", port, "to be accepted");
    int peer = NEED(accept(server, NULL, NULL));
    count("/proc/net/tcp", port, "accepted");
    close(server), count("/proc/net/tcp", port, "listener closed");
    int udp = NEED(socket(AF_INET, SOCK_DGRAM, 0));
    struct sockaddr_in a = loopback(0);
    NEED(bind(udp, (void *)&a, sizeof a)), count("/proc/net/udp", port_of(udp), "udp");
    struct sockaddr_in6 a6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    int six = NEED(socket(AF_INET6, SOCK_STREAM, 0));
    socklen_t size = sizeof a6;
    NEED(bind(six, (void *)&a6, sizeof a6)), NEED(listen(six, 1)), getsockname(six, (void *)&a6, &size), count("/proc/net/tcp6", ntohs(a6.sin6_port), "tcp6");
    const char *files[] = {"/proc/net/tcp", "/proc/net/tcp6", "/proc/net/udp", "/proc/net/udp6", "/proc/net/unix", "/proc/net/dev", "/proc/net/route", "/proc/net/if_inet6", "/proc/net/raw", "/proc/net/sockstat", "/proc/net/netlink", "/proc/net/snmp"};
    for (int i = 0; i < 12; i++) printf("%s: %s\n", files[i], access(files[i], R_OK) ? error_name(errno) : "there");
    close(client), close(peer);
    return 0;
}
