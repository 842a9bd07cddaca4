// Who a message is from: ancillary data of unix sockets of each type, by each call, from senders that have forked, executed
// another program, ended or changed their users since. Who is named must be who sent.
// libc: musl
#include "sockets.h"
#include <pthread.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
static int cells, file;
static pid_t receiver, child;
static const char *const hows[] = {"send", "write", "writev", "sendto", "sendmsg", "sendmmsg", "sendfile", "own name", "effective name", "files", "files and name", "two lists of files", "security", "unknown", "short name", "bad file", "another level"};
#define HOWS (int)(sizeof(hows) / sizeof *(hows))
struct ids { int pid, uid, gid; };
struct control { char bytes[256]; size_t len; };
static void item(struct control *c, int level, int type, const void *data, size_t len) {
    struct cmsghdr *h = (void *)(c->bytes + c->len);
    h->cmsg_level = level, h->cmsg_type = type, h->cmsg_len = CMSG_LEN(len);
    memcpy(CMSG_DATA(h), data, len);
    c->len += CMSG_SPACE(len);
}
static long send_one(int how, int fd) {
    struct iovec v = {"hello", 5};
    struct control c = {{0}};
    struct ids own = {getpid(), getuid(), getgid()}, effective = {getpid(), geteuid(), getegid()};
    int two[] = {file, file}, bad = 999, zero = 0;
    off_t start = 0;
    switch (how) {
    case 0: return send(fd, "hello", 5, 0);
    case 1: return write(fd, "hello", 5);
    case 2: return writev(fd, &v, 1);
    case 3: return sendto(fd, "hello", 5, 0, NULL, 0);
    case 6: return sendfile(fd, file, &start, 5);
    case 7: item(&c, SOL_SOCKET, 2, &own, sizeof own); break;
    case 8: item(&c, SOL_SOCKET, 2, &effective, sizeof effective); break;
    case 9: item(&c, SOL_SOCKET, SCM_RIGHTS, two, sizeof two); break;
    case 10: item(&c, SOL_SOCKET, 2, &own, sizeof own), item(&c, SOL_SOCKET, SCM_RIGHTS, two, 4); break;
    case 11: item(&c, SOL_SOCKET, SCM_RIGHTS, two, sizeof two), item(&c, SOL_SOCKET, SCM_RIGHTS, two, 4); break;
    case 12: item(&c, SOL_SOCKET, 3, "label", 5); break;
    case 13: item(&c, SOL_SOCKET, 77, &zero, 4); break;
    case 14: item(&c, SOL_SOCKET, 2, &own, 8); break;
    case 15: item(&c, SOL_SOCKET, SCM_RIGHTS, &bad, 4); break;
    case 16: item(&c, IPPROTO_IP, 2, &zero, 4); break;
    }
    struct mmsghdr m = {.msg_hdr = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = c.len ? c.bytes : NULL, .msg_controllen = c.len}};
    return how == 5 ? sendmmsg(fd, &m, 1, 0) : sendmsg(fd, &m.msg_hdr, 0);
}
static void say_send(int how, int fd) {
    long r = send_one(how, fd);
    printf(" %s", r < 0 ? error_name(errno) : r == (how == 5 ? 1 : 5) ? "sent" : "sent a part");
}
static const char *who_is(int pid) { return pid == receiver ? "the receiver" : pid == child ? "the child" : pid == 0 ? "nobody" : "another"; }
static void show_control(struct msghdr *m) {
    for (struct cmsghdr *h = CMSG_FIRSTHDR(m); h; h = CMSG_NXTHDR(m, h)) {
        int *n = (int *)CMSG_DATA(h), count = (h->cmsg_len - CMSG_LEN(0)) / 4;
        if (h->cmsg_type == 2 && count < 3) printf(" a part of a name, %d;", (int)h->cmsg_len);
        else if (h->cmsg_type == 2) printf(" from %s %d %d;", who_is(n[0]), n[1], n[2]);
        else if (h->cmsg_type == SCM_RIGHTS) {
            printf(" %d files", count);
            for (int i = 0; i < count; i++) {
                char byte = '?';
                printf("%s", pread(n[i], &byte, 1, 1) == 1 && byte == 'e' ? "" : " BAD"), close(n[i]);
            }
            printf(";");
        } else printf(" level %d type %d length %d;", h->cmsg_level, h->cmsg_type, (int)h->cmsg_len);
    }
}
static void take(int fd, size_t room) {
    char bytes[64], control[512];
    struct iovec v = {bytes, sizeof bytes};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = room};
    long r = recvmsg(fd, &m, MSG_DONTWAIT);
    printf(" got %ld %s flags %x:", r, r < 0 ? error_name(errno) : "", r < 0 ? 0 : m.msg_flags);
    if (r >= 0) show_control(&m);
    puts("");
}
static void *in_thread(void *p) { return say_send(((int *)p)[0], ((int *)p)[1]), NULL; }
static const char *const whos[] = {"itself", "a thread", "a child", "a child that ended", "another program", "another user", "an effective user", "a real user", "a group"};
#define WHOS (int)(sizeof(whos) / sizeof *(whos))
static void become(int who) {
    if (who == 5) setresgid(1001, 1001, 1001), setresuid(1000, 1000, 1000);
    if (who == 6) setresgid(-1, 1001, -1), setresuid(-1, 1000, -1);
    if (who == 7) setresgid(1001, 0, 0), setresuid(1000, 0, 0);
    if (who == 8) setresgid(1001, 1002, 1003);
}
// Lets one of `whos` send, and returns when it has.
static void let_send(int who, int how, int fd) {
    int pair[] = {how, fd}, done[2];
    if (who == 0) return say_send(how, fd);
    if (who == 1) {
        pthread_t t;
        pthread_create(&t, NULL, in_thread, pair), pthread_join(t, NULL);
        return;
    }
    NEED(pipe(done));
    fflush(stdout);
    child = fork();
    if (child == 0) {
        close(done[0]);
        become(who);
        if (who == 4) {
            char a[8], b[8], c[8];
            sprintf(a, "%d", how), sprintf(b, "%d", fd), sprintf(c, "%d", file);
            execl("/proc/self/exe", "again", a, b, c, NULL);
        }
        say_send(how, fd), fflush(stdout), close(done[1]);
        if (who == 2) pause();
        _exit(0);
    }
    char byte;
    close(done[1]), read(done[0], &byte, 1), close(done[0]);
    if (who != 2) waitpid(child, NULL, 0);
}
static void table(void) {
    static const int types[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET};
    static const char *const whens[] = {"unasked", "asked by the receiver", "asked by the sender", "asked too late"};
    int on = 1;
    for (int t = 0; t < 3; t++)
        for (int who = 0; who < WHOS; who++)
            for (int how = 0; how < HOWS; how++)
                for (int when = 0; when < 4; when++) {
                    if (who > 1 && when == 3 && how > 1) continue;
                    int p[2];
                    NEED(socketpair(AF_UNIX, types[t], 0, p));
                    if (when == 1 || when == 2) NEED(setsockopt(p[when == 1], SOL_SOCKET, SO_PASSCRED, &on, sizeof on));
                    printf("type %d, %s, %s, %s:", types[t], whos[who], hows[how], whens[when]), cells++;
                    let_send(who, how, p[0]);
                    if (when == 3) NEED(setsockopt(p[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof on));
                    take(p[1], 512);
                    if (who == 2) kill(child, SIGKILL), waitpid(child, NULL, 0);
                    child = -1, close(p[0]), close(p[1]);
                }
}
// Less room than there is ancillary data: what is told, and that no file stays open that nobody was told of.
static void rooms(void) {
    int on = 1, before = dup(0);
    close(before);
    for (int passes = 0; passes < 2; passes++)
        for (int how = 7; how < 12; how++)
            for (int room = 0; room < 80; room += 4) {
                int p[2];
                NEED(socketpair(AF_UNIX, SOCK_DGRAM, 0, p));
                if (passes) NEED(setsockopt(p[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof on));
                printf("%s, %s, room %d:", hows[how], passes ? "asked" : "unasked", room), cells++;
                say_send(how, p[0]), take(p[1], room), close(p[0]), close(p[1]);
                int now = dup(0);
                if (now != before) printf("  a file stayed open\n");
                close(now);
            }
}
// What different senders write into one stream does not come as one, if the receiver wants to know them.
static void runs(void) {
    for (int t = 0; t < 3; t += 2)
        for (int asked = 0; asked < 2; asked++)
            for (int order = 0; order < 16; order++) {
                int p[2];
                NEED(socketpair(AF_UNIX, t ? SOCK_SEQPACKET : SOCK_STREAM, 0, p));
                NEED(setsockopt(p[1], SOL_SOCKET, SO_PASSCRED, &asked, sizeof asked));
                printf("order %x, asked %d:", order, asked), cells++;
                pid_t last = -1;
                for (int i = 0; i < 4; i++) let_send(order >> i & 1 ? 3 : 0, i == 2 ? 9 : 0, p[0]);
                puts("");
                for (int i = 0; i < 5; i++) take(p[1], 512);
                child = -1, close(p[0]), close(p[1]);
            }
}
// SO_PEERCRED: who listened and who connected, whatever became of them.
static void peers(void) {
    struct sockaddr_un a = {AF_UNIX, "\0guest-ancillary"};
    socklen_t len = 2 + 16;
    for (int t = 0; t < 2; t++)
        for (int who = 2; who < WHOS; who++)
            for (int passes = 0; passes < 2; passes++) {
                if (who == 4) continue;
                int type = t ? SOCK_SEQPACKET : SOCK_STREAM, on = 1, done[2];
                int l = NEED(socket(AF_UNIX, type, 0));
                NEED(bind(l, (void *)&a, len)), NEED(listen(l, 4));
                if (passes) NEED(setsockopt(l, SOL_SOCKET, SO_PASSCRED, &on, sizeof on));
                printf("type %d, %s connects%s:", type, whos[who], passes ? ", asked" : ""), cells++;
                fflush(stdout), NEED(pipe(done));
                child = fork();
                if (child == 0) {
                    close(done[0]), become(who);
                    int c = NEED(socket(AF_UNIX, type, 0));
                    NEED(connect(c, (void *)&a, len)), say_send(0, c);
                    struct ids ids;
                    socklen_t n = sizeof ids;
                    getsockopt(c, SOL_SOCKET, SO_PEERCRED, &ids, &n), printf(" sees %s %d %d;", who_is(ids.pid), ids.uid, ids.gid), fflush(stdout), close(done[1]);
                    if (who == 2) pause();
                    _exit(0);
                }
                char byte;
                close(done[1]), read(done[0], &byte, 1), close(done[0]);
                if (who != 2) waitpid(child, NULL, 0);
                int s = NEED(accept(l, NULL, NULL));
                struct ids ids;
                socklen_t n = sizeof ids;
                getsockopt(s, SOL_SOCKET, SO_PEERCRED, &ids, &n), printf(" is %s %d %d;", who_is(ids.pid), ids.uid, ids.gid);
                // Whether or not it was asked for before, the name is there for who asks now.
                NEED(setsockopt(s, SOL_SOCKET, SO_PASSCRED, &on, sizeof on)), take(s, 512);
                if (who == 2) kill(child, SIGKILL), waitpid(child, NULL, 0);
                child = -1, close(s), close(l);
            }
}
int main(int argc, char **argv) {
    if (argc > 3) {
        file = atoi(argv[3]), say_send(atoi(argv[1]), atoi(argv[2])), fflush(stdout);
        return 0;
    }
    receiver = getpid(), child = -1;
    file = NEED(memfd_create("file", 0)), NEED(write(file, "hello", 5));
    table(), rooms(), runs(), peers();
    printf("%d cells\n", cells);
    return 0;
}
