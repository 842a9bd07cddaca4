// A listing continues where telldir said, and meets what was there all the time once, whatever changes meanwhile.
#include "check.h"
#include <dirent.h>
int main(void) {
    enter_scratch();
    char name[32];
    for (int i = 0; i < 500; i++) { sprintf(name, "f%03d", i); put_file(name, ""); }
    DIR *dir = opendir(".");
    int seen[500] = {0}, others = 0, count = 0;
    long middle = 0;
    char at[32] = "";
    for (struct dirent *e; (e = readdir(dir));) {
        int n;
        if (sscanf(e->d_name, "f%d", &n) == 1) seen[n]++; else others++;
        if (++count == 200) middle = telldir(dir);
        if (count == 201) strcpy(at, e->d_name);
        if (count == 250) for (int i = 0; i < 500; i += 2) { sprintf(name, "f%03d", i); unlink(name); }
        if (count == 251) put_file("new", "");
    }
    int odd = 0, twice = 0;
    for (int i = 0; i < 500; i++) { if (i % 2 && seen[i] == 1) odd++; if (seen[i] > 1) twice++; }
    printf("odd %d twice %d\n", odd, twice);
    rewinddir(dir);
    count = 0;
    while (readdir(dir)) count++;
    printf("after %d\n", count);
    seekdir(dir, middle);
    CHECK(readdir(dir) != NULL);
    closedir(dir);
    int fd = NEED(open(".", O_RDONLY | O_DIRECTORY));
    char small[16];
    SHOW(syscall(SYS_getdents64, fd, small, sizeof small));
    SHOW(read(fd, small, 1));
    SHOW(syscall(SYS_getdents64, 0, small, sizeof small));
    for (int i = 0; i < 500; i++) { sprintf(name, "f%03d", i); unlink(name); }
    unlink("new");
    mkdir("gone", 0755);
    int gone = NEED(open("gone", O_RDONLY | O_DIRECTORY));
    rmdir("gone");
    char room[512];
    SHOW(syscall(SYS_getdents64, gone, room, sizeof room));
    SHOW(openat(gone, "x", O_CREAT | O_WRONLY, 0644));
    struct stat st;
    SHOW(fstat(gone, &st));
    printf("nlink %ld\n", (long)st.st_nlink);
    return 0;
}
