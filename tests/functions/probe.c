// A function for tests: a server that behaves as its path asks, well or badly.
//
//   GET /                answers "ok"             GET /count           the number of calls of this process
//   GET /random          16 bytes in hex          GET /time            realtime and monotonic seconds
//   POST /discard        takes the body, answers its length             POST /echo   sends it back
//   GET /bytes/N         N bytes of body          GET /sleep/MS        answers later
//   GET /exit/N          ends without an answer   GET /crash           by a fault
//   GET /spin            never answers            GET /quiet           closes without an answer
//   GET /half            half of a response       GET /garbage         what is not HTTP
//   GET /log/N           N lines of log, then ok  GET /memory          takes all memory
//   GET /threads         as many threads as there can be, then ok      GET /headers   the head it got, as body
//   GET /forks           the same with processes                       GET /descriptors   and with open files
//   GET /environment     how many variables LONG… there are, and their bytes
//   GET /file/PATH       the content of a file   GET /fill/MIB         fills memory, holds it for a second, then ok
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static unsigned long count;
static char block[65536];

struct input {
    int fd;
    size_t used, filled;
    char bytes[65536];
};

static int send_all(int fd, const void *bytes, size_t size) {
    while (size > 0) {
        ssize_t sent = write(fd, bytes, size);
        if (sent <= 0) return -1;
        bytes = (const char *)bytes + sent, size -= sent;
    }
    return 0;
}

static int answer(int fd, const char *text) {
    char head[256];
    int length = snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\nX-Count: %lu\r\n\r\n", strlen(text), count);
    return send_all(fd, head, length) == -1 ? -1 : send_all(fd, text, strlen(text));
}

static int answer_bytes(int fd, unsigned long long size) {
    char head[128];
    int length = snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Length: %llu\r\nX-Count: %lu\r\n\r\n", size, count);
    if (send_all(fd, head, length) == -1) return -1;
    while (size > 0) {
        size_t part = size < sizeof block ? size : sizeof block;
        if (send_all(fd, block, part) == -1) return -1;
        size -= part;
    }
    return 0;
}

static int fill(struct input *in) {
    ssize_t got = read(in->fd, in->bytes, sizeof in->bytes);
    if (got <= 0) return -1;
    in->used = 0, in->filled = got;
    return 0;
}

static int next_byte(struct input *in) {
    if (in->used == in->filled && fill(in) == -1) return -1;
    return (unsigned char)in->bytes[in->used++];
}

// Takes `size` bytes of body; with `back`, sends them back.
static int take(struct input *in, unsigned long long size, int back) {
    while (size > 0) {
        if (in->used == in->filled && fill(in) == -1) return -1;
        size_t part = in->filled - in->used;
        if (part > size) part = size;
        if (back && send_all(in->fd, in->bytes + in->used, part) == -1) return -1;
        in->used += part, size -= part;
    }
    return 0;
}

// Takes a chunked body and returns its length, or -1.
static long long take_chunks(struct input *in) {
    long long total = 0;
    for (;;) {
        char line[32];
        size_t length = 0;
        for (int byte; (byte = next_byte(in)) != '\n';) {
            if (byte == -1 || length == sizeof line - 1) return -1;
            line[length++] = byte;
        }
        line[length] = 0;
        unsigned long long size = strtoull(line, NULL, 16);
        if (take(in, size + 2, 0) == -1) return -1;
        if (size == 0) return total;
        total += size;
    }
}

static void *asleep(void *unused) {
    pause();
    return unused;
}

static int badly(int fd, const char *path) {
    if (strncmp(path, "/exit/", 6) == 0) exit(atoi(path + 6));
    if (strcmp(path, "/words") == 0) {
        fprintf(stderr, "out of memory: killed process 1 (/probe)\nmemory allocation of 64 bytes failed\n");
        kill(getpid(), SIGKILL);
    }
    if (strcmp(path, "/crash") == 0) *(volatile int *)16 = 1;
    if (strcmp(path, "/spin") == 0) for (volatile int i = 0;; i++);
    if (strcmp(path, "/quiet") == 0) return -1;
    static const char half[] = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf";
    static const char garbage[] = "this is not HTTP at all\r\n\r\n";
    if (strcmp(path, "/half") == 0) return send_all(fd, half, sizeof half - 1), -1;
    if (strcmp(path, "/garbage") == 0) return send_all(fd, garbage, sizeof garbage - 1), -1;
    if (strcmp(path, "/memory") == 0) {
        for (;;) {
            char *more = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            if (more == MAP_FAILED) return answer(fd, "no more memory\n");
            memset(more, 1, 1 << 20);
        }
    }
    if (strncmp(path, "/fill/", 6) == 0) {
        for (int left = atoi(path + 6); left > 0; left--) {
            char *more = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            if (more == MAP_FAILED) return answer(fd, "no more memory\n");
            memset(more, 1, 1 << 20);
        }
        return sleep(1), answer(fd, "ok\n");
    }
    if (strcmp(path, "/threads") == 0) {
        pthread_attr_t small;
        pthread_t thread;
        int made = 0;
        pthread_attr_init(&small);
        pthread_attr_setstacksize(&small, 65536);
        while (made < 100000 && pthread_create(&thread, &small, asleep, NULL) == 0) made++;
        return answer(fd, "no more threads\n");
    }
    if (strcmp(path, "/forks") == 0) {
        pid_t pid;
        for (int made = 0; made < 100000 && (pid = fork()) > 0; made++) {
        }
        if (pid == 0) for (;;) pause();
        return answer(fd, "no more processes\n");
    }
    if (strcmp(path, "/descriptors") == 0) {
        while (dup(open("/dev/null", O_RDONLY)) >= 0) {
        }
        return answer(fd, "no more descriptors\n");
    }
    return answer(fd, "no such page\n");
}

static int well(struct input *in, const char *path, long long body) {
    char text[64];
    if (strcmp(path, "/") == 0) return answer(in->fd, "ok\n");
    if (strcmp(path, "/count") == 0) return snprintf(text, sizeof text, "%lu\n", count), answer(in->fd, text);
    if (strcmp(path, "/discard") == 0) return snprintf(text, sizeof text, "%lld\n", body), answer(in->fd, text);
    if (strncmp(path, "/bytes/", 7) == 0) return answer_bytes(in->fd, strtoull(path + 7, NULL, 10));
    if (strcmp(path, "/environment") == 0) {
        extern char **environ;
        unsigned long variables = 0, bytes = 0;
        for (char **variable = environ; *variable; variable++)
            if (strncmp(*variable, "LONG", 4) == 0) variables++, bytes += strlen(*variable) + 1;
        return snprintf(text, sizeof text, "%lu variables of %lu bytes\n", variables, bytes), answer(in->fd, text);
    }
    if (strncmp(path, "/file/", 6) == 0) {
        static char content[65536];
        FILE *file = fopen(path + 5, "r");
        if (!file) return answer(in->fd, "cannot open\n");
        size_t length = fread(content, 1, sizeof content - 1, file);
        content[length] = 0;
        // Those of /proc separate their parts by zero bytes.
        for (size_t i = 0; i < length; i++)
            if (!content[i]) content[i] = '\n';
        return fclose(file), answer(in->fd, content);
    }
    if (strncmp(path, "/sleep/", 7) == 0) return usleep(1000 * atoi(path + 7)), answer(in->fd, "slept\n");
    if (strcmp(path, "/random") == 0) {
        unsigned char random[16];
        if (getrandom(random, sizeof random, 0) != sizeof random) return -1;
        for (int i = 0; i < 16; i++) sprintf(text + 2 * i, "%02x", random[i]);
        return answer(in->fd, text);
    }
    if (strcmp(path, "/time") == 0) {
        struct timespec real, steady;
        clock_gettime(CLOCK_REALTIME, &real), clock_gettime(CLOCK_MONOTONIC, &steady);
        snprintf(text, sizeof text, "%ld.%09ld %ld.%09ld\n", (long)real.tv_sec, real.tv_nsec, (long)steady.tv_sec, steady.tv_nsec);
        return answer(in->fd, text);
    }
    if (strncmp(path, "/log/", 5) == 0) {
        for (long line = atol(path + 5); line > 0; line--) printf("line %ld of a program that talks too much\n", line);
        fflush(stdout);
        return answer(in->fd, "ok\n");
    }
    return badly(in->fd, path);
}

static const char *header(const char *head, const char *name) {
    size_t length = strlen(name);
    for (const char *line = strstr(head, "\r\n"); line; line = strstr(line + 2, "\r\n"))
        if (strncasecmp(line + 2, name, length) == 0 && line[2 + length] == ':') return line + 3 + length;
    return NULL;
}

static int serve_one(struct input *in) {
    static char head[65536];
    size_t length = 0;
    while (length < 4 || memcmp(head + length - 4, "\r\n\r\n", 4) != 0) {
        int byte = next_byte(in);
        if (byte == -1 || length == sizeof head - 1) return -1;
        head[length++] = byte;
        head[length] = 0;
    }
    count++;
    char path[1024] = "";
    sscanf(head, "%*s %1023s", path);
    const char *size = header(head, "content-length"), *coding = header(head, "transfer-encoding");
    if (strcmp(path, "/echo") == 0 && size) {
        char start[128];
        unsigned long long body = strtoull(size, NULL, 10);
        int bytes = snprintf(start, sizeof start, "HTTP/1.1 200 OK\r\nContent-Length: %llu\r\n\r\n", body);
        return send_all(in->fd, start, bytes) == -1 ? -1 : take(in, body, 1);
    }
    long long body = size ? strtoll(size, NULL, 10) : 0;
    if (coding) body = take_chunks(in);
    else if (take(in, body, 0) == -1) return -1;
    if (strcmp(path, "/headers") == 0) return answer(in->fd, head);
    return well(in, path, body);
}

int main(void) {
    signal(SIGPIPE, SIG_IGN);
    const char *port = getenv("PORT");
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(port ? atoi(port) : 8080)};
    int server = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(server, (struct sockaddr *)&here, sizeof here) == -1 || listen(server, 64) == -1) return 1;
    for (;;) {
        static struct input in;
        in.fd = accept(server, NULL, NULL), in.used = in.filled = 0;
        while (serve_one(&in) == 0) {
        }
        close(in.fd);
    }
}
