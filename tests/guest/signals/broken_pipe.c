// SIGPIPE by write, writev, sendfile and send; MSG_NOSIGNAL and an ignored signal leave EPIPE.
#include "children.h"
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
int main(void) {
    enter_scratch();
    put_file("f", "content");
    int file = NEED(open("f", O_RDONLY)), pipes[2], socks[2];
    NEED(pipe(pipes)), NEED(socketpair(AF_UNIX, SOCK_STREAM, 0, socks));
    close(pipes[0]), close(socks[0]);
    struct iovec v = {"abc", 3};
    IN_CHILD("write", write(pipes[1], "x", 1));
    IN_CHILD("writev", writev(pipes[1], &v, 1));
    IN_CHILD("empty write", SHOW(write(pipes[1], "x", 0)));
    IN_CHILD("sendfile", sendfile(pipes[1], file, NULL, 3));
    IN_CHILD("splice", splice(file, NULL, pipes[1], NULL, 3, 0));
    IN_CHILD("socket", write(socks[1], "x", 1));
    IN_CHILD("nosignal", SHOW(send(socks[1], "x", 1, MSG_NOSIGNAL)));
    IN_CHILD("ignored", signal(SIGPIPE, SIG_IGN); SHOW(write(pipes[1], "x", 1)); SHOW(write(socks[1], "x", 1)));
    IN_CHILD("blocked", sigset_t set; sigemptyset(&set); sigaddset(&set, SIGPIPE); sigprocmask(SIG_BLOCK, &set, NULL);
             SHOW(write(pipes[1], "x", 1)); sigpending(&set); SHOW(sigismember(&set, SIGPIPE)));
    unlink("f");
    return 0;
}
