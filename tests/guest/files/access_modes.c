// Reads and writes against the mode that a file was opened with; flags that fcntl can and cannot change.
// libc: musl
#include "check.h"
#include <sys/mman.h>
int main(void) {
    enter_scratch();
    put_file("f", "abc");
    int r = NEED(open("f", O_RDONLY)), w = NEED(open("f", O_WRONLY)), odd = open("f", O_ACCMODE);
    char b[4];
    SHOW(write(r, "x", 1)), SHOW(read(w, b, 1)), SHOW(odd >= 0), SHOW(read(odd, b, 1)), SHOW(write(odd, b, 1)), SHOW(fcntl(r, F_SETFL, O_WRONLY | O_APPEND)), printf("%x\n", fcntl(r, F_GETFL) & 0xfff), SHOW(fcntl(w, F_SETFL, O_CREAT | O_TRUNC | O_NONBLOCK)), printf("%x\n", fcntl(w, F_GETFL) & 0xfff), SHOW(fcntl(r, F_SETFL, O_DIRECT) == 0 ? 0 : 0), SHOW(fcntl(r, F_SETFD, 3)), SHOW(fcntl(r, F_GETFD)), SHOW(read(r, b, 0)), SHOW(fdatasync(r)), SHOW(fsync(99)), SHOW(syncfs(r)), SHOW(posix_fadvise(r, 0, 0, POSIX_FADV_WILLNEED)), SHOW(posix_fadvise(r, 0, 0, 77)), SHOW(posix_fadvise(0, 0, 0, 0) >= 0), SHOW(readahead(w, 0, 10)), SHOW(readahead(r, 0, 10)), SHOW(sync_file_range(r, 0, 0, 2)), SHOW(sync_file_range(r, -1, 0, 2)), SHOW(sync_file_range(r, 0, 0, 99));
    unlink("f");
    return 0;
}
