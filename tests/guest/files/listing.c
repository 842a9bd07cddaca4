// A directory lists each entry once, with its kind, also when it has many.
#include "check.h"
#include <dirent.h>
static int by_name(const struct dirent **a, const struct dirent **b) { return strcmp((*a)->d_name, (*b)->d_name); }
static void list(const char *path) {
    struct dirent **entries;
    int count = scandir(path, &entries, NULL, by_name);
    printf("%s: %d\n", path, count);
    for (int i = 0; i < count; i++) {
        int kind = entries[i]->d_type;
        if (count < 20)
            printf("  %s %s\n", entries[i]->d_name,
                   kind == DT_DIR ? "directory" : kind == DT_LNK ? "link" : kind == DT_REG ? "file" : "other");
        free(entries[i]);
    }
    if (count >= 0) free(entries);
}
int main(void) {
    enter_scratch();
    mkdir("d", 0755);
    put_file("d/file", "");
    mkdir("d/sub", 0755);
    symlink("file", "d/link");
    list("d");
    mkdir("many", 0755);
    char name[32];
    for (int i = 0; i < 500; i++) {
        sprintf(name, "many/entry-%03d", i);
        put_file(name, "");
    }
    list("many");
    DIR *dir = opendir("many");
    int removed = 0;
    for (struct dirent *entry; (entry = readdir(dir));) {
        if (entry->d_name[0] == '.') continue;
        sprintf(name, "many/%s", entry->d_name);
        removed += unlink(name) == 0;
    }
    printf("removed %d\n", removed);
    rewinddir(dir);
    int left = 0;
    while (readdir(dir)) left++;
    printf("left %d\n", left);
    closedir(dir);
    CHECK(opendir("d/file") == NULL && errno == ENOTDIR);
    CHECK(opendir("absent") == NULL && errno == ENOENT);
    char bytes[512];
    int fd = open("d/file", O_RDONLY);
    SHOW(syscall(SYS_getdents64, fd, bytes, sizeof bytes));
    fd = open("d", O_RDONLY);
    SHOW(syscall(SYS_getdents64, fd, bytes, 8));
    SHOW(read(fd, bytes, 8));
    unlink("d/file"), unlink("d/link"), rmdir("d/sub"), rmdir("d"), rmdir("many");
    return 0;
}
