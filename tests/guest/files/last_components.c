// Every call that takes a path, over last components of every kind: links to nothing, slashes at the end, dots.
#include "check.h"
#include <sys/statfs.h>
#include <sys/xattr.h>
#include <utime.h>
static const char *PATHS[] = {"file", "file/", "file/.", "file/..", "dir", "dir/", "dir/.", "dir/..", "dir//", "missing", "missing/",
    "missing/.", "missing/..", "to-file", "to-file/", "to-file/.", "to-dir", "to-dir/", "to-dir/.", "to-dir/..", "to-nothing",
    "to-nothing/", "to-nothing/.", "to-itself", "to-itself/", ".", "./", "..", "", "/", "//", "dir/missing", "dir/missing/",
    "file/missing", "to-slash", "to-slash/", "to-file-slash", "to-file-slash/"};
static void make(void) {
    put_file("file", "x"), mkdir("dir", 0755);
    symlink("file", "to-file"), symlink("dir", "to-dir"), symlink("target", "to-nothing"), symlink("to-itself", "to-itself");
    symlink("dir/", "to-slash"), symlink("file/", "to-file-slash"), put_file("other", "y"), mkdir("empty", 0755);
}
static int made(void) { return !access("target", F_OK) << 1 | !access("missing", F_OK); }
static int cells;
static void again(void);
#define SWEEP(name, expression)                                                                                     \
    for (unsigned i = 0; i < sizeof PATHS / sizeof *PATHS; i++, cells++) {                                          \
        const char *path = PATHS[i];                                                                                \
        errno = 0;                                                                                                  \
        long answer = (long)(expression);                                                                           \
        const char *error = answer == -1 ? error_name(errno) : "ok";                                                \
        printf("%s(\"%s\"): %s, made %d\n", name, path, error, made());                                             \
        struct stat it;                                                                                             \
        if (answer != -1 || lstat("file", &it) || lstat("dir", &it)) again();                                       \
    }
static void clear(void) {
    static const char *names[] = {"file", "dir", "to-file", "to-dir", "to-nothing", "to-itself", "to-slash", "to-file-slash", "other", "empty", "target", "missing"};
    char inner[64];
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
        if (unlink(names[i]) == 0) continue;
        snprintf(inner, sizeof inner, "%s/missing", names[i]);
        unlink(inner), rmdir(inner), rmdir(names[i]);
    }
}
// Nothing that a step has changed is left for the next one.
static void again(void) { clear(), make(); }
int main(void) {
    // Two deep, so that nothing outside is `..`.
    enter_scratch(), mkdir("in", 0755), NEED(chdir("in")), make();
    char text[64];
    struct stat it;
    struct statfs fs;
    SWEEP("mkdir", mkdir(path, 0755));
    SWEEP("mknod", mknod(path, S_IFREG | 0644, 0));
    SWEEP("mkfifo", mknod(path, S_IFIFO | 0644, 0));
    SWEEP("symlink", symlink("x", path));
    SWEEP("link to", link("other", path));
    SWEEP("link from", link(path, "target"));
    SWEEP("linkat following", linkat(AT_FDCWD, path, AT_FDCWD, "target", AT_SYMLINK_FOLLOW));
    SWEEP("rename from", rename(path, "target"));
    SWEEP("rename file to", rename("other", path));
    SWEEP("rename directory to", rename("empty", path));
    SWEEP("renameat2 noreplace", syscall(SYS_renameat2, AT_FDCWD, "other", AT_FDCWD, path, 1));
    SWEEP("renameat2 exchange", syscall(SYS_renameat2, AT_FDCWD, "other", AT_FDCWD, path, 2));
    SWEEP("unlink", unlink(path));
    SWEEP("rmdir", rmdir(path));
    SWEEP("open", close(open(path, O_RDONLY)));
    SWEEP("open for writing", close(open(path, O_WRONLY)));
    SWEEP("open to create", close(open(path, O_WRONLY | O_CREAT, 0644)));
    SWEEP("open to read or create", close(open(path, O_RDONLY | O_CREAT, 0644)));
    SWEEP("open exclusively", close(open(path, O_WRONLY | O_CREAT | O_EXCL, 0644)));
    SWEEP("open without following", close(open(path, O_RDONLY | O_NOFOLLOW)));
    SWEEP("open a directory", close(open(path, O_RDONLY | O_DIRECTORY)));
    SWEEP("open a path", close(open(path, O_PATH)));
    SWEEP("open a link", close(open(path, O_PATH | O_NOFOLLOW)));
    SWEEP("open without a name", close(open(path, O_TMPFILE | O_RDWR, 0600)));
    SWEEP("stat", stat(path, &it));
    SWEEP("lstat", lstat(path, &it));
    SWEEP("access", access(path, R_OK));
    SWEEP("readlink", readlink(path, text, sizeof text));
    SWEEP("truncate", truncate(path, 1));
    SWEEP("chmod", path[0] == '/' ? 0 : chmod(path, 0755));
    SWEEP("lchown", path[0] == '/' ? 0 : lchown(path, -1, -1));
    SWEEP("utime", path[0] == '/' ? 0 : utimensat(AT_FDCWD, path, NULL, AT_SYMLINK_NOFOLLOW));
    SWEEP("statfs", statfs(path, &fs));
    SWEEP("getxattr", getxattr(path, "user.x", text, 1));
    SWEEP("execve", execve(path, NULL, NULL));
    printf("%d cells\n", cells);
    clear(), NEED(chdir("..")), rmdir("in");
    return 0;
}
