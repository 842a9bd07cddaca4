// Sockets, swept.
// libc: musl
#include "../sweep.h"
#include <netinet/in.h>
#include <sys/uio.h>

static struct sockaddr_un name = {AF_UNIX, "none"}, fresh = {AF_UNIX, "new"};
static struct sockaddr_in local = {AF_INET, 0, {0x0100007f}};
static struct iovec piece = {WRITABLE, 4};
static struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};
static struct mmsghdr messages[1] = {{{.msg_iov = &piece, .msg_iovlen = 1}}};
static struct timespec now = {0, 0};
static int one = 1;
static socklen_t length = 4, long_length = 128;

static const struct call calls[] = {
    {"socket", SYS_socket, {N(AF_UNIX), B(SOCK_STREAM), N(0)}},
    {"socket of IP", SYS_socket, {V(AF_INET), B(SOCK_STREAM), N(0)}},
    {"socketpair", SYS_socketpair, {N(AF_UNIX), B(SOCK_STREAM), N(0), O(8)}},
    {"bind", SYS_bind, {F(STREAM), I(&fresh, 110), N(110)}},
    {"connect", SYS_connect, {F(DATAGRAM), I(&name, 110), N(110)}},
    {"listen", SYS_listen, {F(STREAM), N(1)}},
    {"accept", SYS_accept, {F(STREAM), O(110), I(&long_length, 4)}},
    {"accept4", SYS_accept4, {F(STREAM), O(110), I(&long_length, 4), B(0)}},
    {"getsockname", SYS_getsockname, {F(STREAM), O(110), I(&long_length, 4)}},
    {"getpeername", SYS_getpeername, {F(STREAM), O(110), I(&long_length, 4)}},
    {"sendto", SYS_sendto, {F(STREAM), I("abcd", 4), S(4), B(MSG_DONTWAIT | MSG_NOSIGNAL), V(NULL), V(0)}},
    {"sendto somebody", SYS_sendto, {F(DATAGRAM), I("abcd", 4), S(4), V(MSG_DONTWAIT), I(&name, 110), N(110)}},
    {"recvfrom", SYS_recvfrom, {F(STREAM), O(4), S(4), B(MSG_DONTWAIT), O(110), I(&long_length, 4)}},
    {"sendmsg", SYS_sendmsg, {F(STREAM), I(&message, 56), B(MSG_DONTWAIT | MSG_NOSIGNAL)}},
    {"recvmsg", SYS_recvmsg, {F(STREAM), I(&message, 56), B(MSG_DONTWAIT)}},
    {"sendmmsg", SYS_sendmmsg, {F(STREAM), I(messages, 64), N(1), B(MSG_DONTWAIT | MSG_NOSIGNAL)}},
    {"recvmmsg", SYS_recvmmsg, {F(STREAM), I(messages, 64), N(1), B(MSG_DONTWAIT), I(&now, 16)}},
    {"shutdown", SYS_shutdown, {F(STREAM), N(SHUT_RD)}},
    {"setsockopt", SYS_setsockopt, {F(STREAM), N(SOL_SOCKET), N(SO_PASSCRED), I(&one, 4), N(4)}},
    {"getsockopt", SYS_getsockopt, {F(STREAM), N(SOL_SOCKET), N(SO_TYPE), O(4), I(&length, 4)}},
    {0},
};

static const struct left_out without[] = {
    {0},
};

int main(void) { return sweep(calls, without); }
