// HTTP/1.1 with pipelined requests on one connection, bodies both ways, and a close at the end.
#include "sockets.h"
#include <pthread.h>
static int port, l;
static void *server(void *unused) {
    int fd = NEED(accept(l, NULL, NULL)), served = 0;
    FILE *in = fdopen(fd, "r"), *out = fdopen(dup(fd), "w");
    char line[256], path[64];
    while (fgets(line, 256, in)) {
        int length = 0, close = 0;
        sscanf(line, "%*s %63s", path);
        while (fgets(line, 256, in) && strcmp(line, "\r\n")) sscanf(line, "Content-Length: %d", &length), close |= !strcmp(line, "Connection: close\r\n");
        char *body = malloc(length + 1);
        fread(body, 1, length, in), body[length] = 0;
        long sum = 0;
        for (int i = 0; i < length; i++) sum += body[i];
        free(body);
        char answer[128];
        int n = snprintf(answer, 128, "%d %s %ld", ++served, path, sum);
        fprintf(out, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", n, answer), fflush(out);
        if (close) break;
    }
    fclose(in), fclose(out);
    return NULL;
}
int main(void) {
    l = listener(&port, 4);
    pthread_t t;
    pthread_create(&t, NULL, server, NULL);
    int fd = dial(port);
    FILE *out = fdopen(dup(fd), "w"), *in = fdopen(fd, "r");
    for (int i = 0; i < 30; i++) fprintf(out, "POST /p%d HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n%s\r\n", i, i * 1000, i == 29 ? "Connection: close\r\n" : ""), fprintf(out, "%0*d", i * 1000, i);
    fflush(out);
    char line[256];
    for (int i = 0, length = 0; i < 30; i++) {
        while (fgets(line, 256, in) && strcmp(line, "\r\n")) sscanf(line, "Content-Length: %d", &length);
        fread(line, 1, length, in), line[length] = 0, puts(line);
    }
    SHOW(fgetc(in)), pthread_join(t, NULL);
    return 0;
}
