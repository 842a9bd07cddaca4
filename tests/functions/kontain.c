// A function for tests in the manner of the first Kontain FAAS: it asks for its call by system call 504 and answers by 503,
// as the request's URL asks.
//
//   /json   {"Status":201,"Data":the body}      /lines   the same in lines          /document   the request as it came
//   /count  calls of this process               /random  8 random bytes             /bad        no reply document
//   /none   ends without a reply                /crash   a fault                    /spin       never replies
//   /twice  two replies                         /pieces  asks for 7 bytes at a time, then as /json
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { PUTDATA = 503, GETDATA = 504 };
enum { SIZE = 8 << 20 };

static unsigned long count;
static char request[SIZE], reply[SIZE + 64];

// Base64 of a short text, which is all that the answers below need.
static const char *base64(const unsigned char *bytes, size_t size) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    static char text[256];
    size_t used = 0;
    for (size_t at = 0; at < size && used + 4 < sizeof text; at += 3) {
        unsigned group = bytes[at] << 16 | (at + 1 < size ? bytes[at + 1] << 8 : 0) | (at + 2 < size ? bytes[at + 2] : 0);
        text[used++] = digits[group >> 18];
        text[used++] = digits[group >> 12 & 63];
        text[used++] = at + 1 < size ? digits[group >> 6 & 63] : '=';
        text[used++] = at + 2 < size ? digits[group & 63] : '=';
    }
    text[used] = 0;
    return text;
}

static int put(size_t size) { return syscall(PUTDATA, reply, size) == (long)size ? 0 : 3; }

static int put_json(int status, const char *data, size_t length) {
    size_t size = sprintf(reply, "{\"Status\":%d,\"Data\":\"", status);
    memcpy(reply + size, data, length);
    return put(size + length + sprintf(reply + size + length, "\"}"));
}

int main(void) {
    long got = syscall(GETDATA, request, 7), more;
    if (got != 7) return 90;
    int in_pieces = 0;
    while ((more = syscall(GETDATA, request + got, in_pieces ? 7 : SIZE - 1 - got)) > 0) {
        got += more;
        in_pieces = strstr(request, "/pieces") != 0;
    }
    if (more < 0) return 91;
    count++;
    char *data = strstr(request, "\"Data\":\""), *url = strstr(request, "\"Url\":\"");
    if (!data || !url) return 92;
    data += 8;
    size_t length = request + got - 2 - data;
#define ASKED(path) (memmem(url, 64, path, strlen(path)) != 0)
    if (ASKED("/json") || ASKED("/pieces")) return put_json(201, data, length);
    if (ASKED("/lines")) {
        size_t size = sprintf(reply, "STATUSCODE: 201\nDATA: ");
        memcpy(reply + size, data, length);
        return put(size + length + sprintf(reply + size + length, "\n"));
    }
    if (ASKED("/document")) return put_json(200, base64((unsigned char *)request, 180), strlen(base64((unsigned char *)request, 180)));
    if (ASKED("/count")) {
        char text[32];
        int size = sprintf(text, "%lu", count);
        const char *encoded = base64((unsigned char *)text, size);
        return put_json(200, encoded, strlen(encoded));
    }
    if (ASKED("/random")) {
        unsigned char random[8];
        if (getrandom(random, sizeof random, 0) != sizeof random) return 1;
        const char *encoded = base64(random, sizeof random);
        return put_json(200, encoded, strlen(encoded));
    }
    if (ASKED("/bad")) return put(sprintf(reply, "hello"));
    if (ASKED("/twice")) return put_json(200, "MQ==", 4), put_json(500, "Mg==", 4), 0;
    if (ASKED("/none")) return 7;
    if (ASKED("/crash")) *(volatile int *)8 = 1;
    while (ASKED("/spin")) count++;
    return 93;
}
