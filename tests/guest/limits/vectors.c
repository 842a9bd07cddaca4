// 1024 pieces are a vector and 1025 are not, whichever call takes it; lengths whose sum is at its limit and beyond.
// libc: musl
#include "check.h"
#include <limits.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>

static struct iovec pieces[1100];
static char bytes[1100];

static void each(int file, int *pipe, int *pair, long count) {
    struct msghdr message = {.msg_iov = pieces, .msg_iovlen = count};
    struct iovec one = {bytes, 1};
    printf("%ld pieces\n", count);
    SHOW(syscall(SYS_writev, file, pieces, count)), SHOW(lseek(file, 0, SEEK_SET)), SHOW(syscall(SYS_readv, file, pieces, count)), SHOW(lseek(file, 0, SEEK_SET)), SHOW(syscall(SYS_pwritev, file, pieces, count, 0L, 0L)), SHOW(syscall(SYS_preadv, file, pieces, count, 0L, 0L)), SHOW(syscall(SYS_pwritev2, file, pieces, count, 0L, 0L, 0)), SHOW(syscall(SYS_preadv2, file, pieces, count, 0L, 0L, 0)), SHOW(syscall(SYS_writev, pipe[1], pieces, count)), SHOW(read(pipe[0], bytes, sizeof bytes)), TRY(syscall(SYS_vmsplice, pipe[1], pieces, count, SPLICE_F_NONBLOCK)), TRY(read(pipe[0], bytes, sizeof bytes)), SHOW(sendmsg(pair[0], &message, MSG_DONTWAIT)), SHOW(recvmsg(pair[1], &message, MSG_DONTWAIT)), SHOW(syscall(SYS_process_vm_readv, getpid(), pieces, count, pieces, count, 0)), SHOW(syscall(SYS_process_vm_readv, getpid(), &one, 1, pieces, count, 0)), SHOW(syscall(SYS_process_vm_readv, getpid(), pieces, count, &one, 1, 0)), SHOW(syscall(SYS_process_vm_writev, getpid(), pieces, count, &one, 1, 0)), SHOW(syscall(SYS_process_vm_writev, getpid(), &one, 1, pieces, count, 0));
}

int main(void) {
    int pipe[2], pair[2], file = NEED(syscall(SYS_memfd_create, "f", 0));
    for (int i = 0; i < 1100; i++) pieces[i] = (struct iovec){bytes + i, 1};
    NEED(pipe2(pipe, O_NONBLOCK)), NEED(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    each(file, pipe, pair, 1023), each(file, pipe, pair, 1024), each(file, pipe, pair, 1025), each(file, pipe, pair, INT_MAX), each(file, pipe, pair, 0), each(file, pipe, pair, -1), each(file, pipe, pair, 1L << 32);
    // Lengths: negative ones, sums beyond what a call moves and beyond what a signed word holds.
    struct iovec lengths[3] = {{bytes, 1}, {bytes, SSIZE_MAX}, {bytes, 1}};
    SHOW(writev(file, lengths, 1)), SHOW(writev(pipe[1], lengths, 2)), SHOW(writev(pipe[1], lengths, 3)), lengths[1].iov_len = (size_t)SSIZE_MAX + 1, SHOW(writev(pipe[1], lengths, 2)), SHOW(readv(pipe[0], lengths, 2)), lengths[1].iov_len = -1, SHOW(writev(pipe[1], lengths, 2)), lengths[0].iov_len = 0, lengths[1].iov_len = 0, SHOW(writev(file, lengths, 2)), SHOW(readv(file, lengths, 2));
    lengths[0] = (struct iovec){(void *)16, 0}, lengths[1] = (struct iovec){bytes, 1};
    SHOW(lseek(file, 0, SEEK_SET)), SHOW(writev(file, lengths, 2)), lengths[0].iov_base = (void *)-1L, SHOW(writev(file, lengths, 2)), lengths[0].iov_len = 1, SHOW(writev(file, lengths, 2));
    return 0;
}
