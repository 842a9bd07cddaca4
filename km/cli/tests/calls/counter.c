/* Answers every request with what clones must not share: a counter, random bytes, clocks. The path steers it. */
#include <netinet/in.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static int counter;

/* Rings a doorbell by code of the program. */
static void ring(uint32_t port)
{
	__asm__ volatile("outl %0, %w1" :: "a"(0), "d"(port) : "memory");
}

/* Ends the machine as the library OS does when it cannot go on, with more words than it would ever have: by an
   instruction of the library OS, which is `out dx, eax` wherever its byte is. */
static void last_words(void)
{
	struct op { uint32_t code, stream; uint64_t gpa, len, offset; int64_t result; };
	char *map = (char *)0x7f0000000000;
	struct op *op = (struct op *)(map + 0x5000 + 16);

	memset(map + 0x20000, 1, 20 << 10);
	memcpy(map + 0x20000, "many words", 10);
	*op = (struct op){.code = 1, .stream = 2, .gpa = 0x20000, .len = 20 << 10};
	*(uint32_t *)(map + 0x5000) = 1;
	__asm__ volatile("call *%2" :: "a"(0), "d"(0x503), "r"(memchr((char *)0x7f8000000000, 0xef, 2 << 20)) : "memory");
}

/* Another thread that can run as soon as the call is answered, and ends the machine at once. */
static sem_t answered;

static void *ender(void *unused)
{
	sem_wait(&answered);
	ring(0x502);
	return unused;
}

static void misbehave(const char *request)
{
	if (strstr(request, "/exit"))
		exit(3);
	if (strstr(request, "/crash"))
		raise(SIGSEGV);
	if (strstr(request, "/words")) {
		/* What the library OS says of others. */
		fprintf(stderr, "out of memory: killed process 1 (/counter)\nmemory allocation of 64 bytes failed\n");
		kill(getpid(), SIGKILL);
	}
	if (strstr(request, "/memory"))
		memset(mmap(NULL, 1ul << 30, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0), 1, 1ul << 30);
	if (strstr(request, "/turn")) {
		pthread_t thread;

		sem_init(&answered, 0, 0);
		pthread_create(&thread, NULL, ender, NULL);
	}
	if (strstr(request, "/doorbell"))
		for (const char *digit = strstr(request, "/doorbell") + 9; *digit >= '0' && *digit < '8'; digit++)
			ring(0x500 + *digit - '0');
	if (strstr(request, "/narrow"))
		__asm__ volatile("outb %b0, %w1" :: "a"(0), "d"(0x502));
	if (strstr(request, "/port"))
		__asm__ volatile("inl %w1, %0" : "=a"(counter) : "d"(0x500));
	if (strstr(request, "/last-words"))
		last_words();
	if (strstr(request, "/loop"))
		for (;;)
			;
	if (strstr(request, "/hang"))
		pause();
	if (strstr(request, "/flood"))
		for (;;)
			if (write(1, "flood flood flood\n", 18) < 0)
				exit(4);
}

static void answer(int client, const char *request)
{
	unsigned char bytes[16];
	char hex[33], body[512], head[256];
	struct timespec monotonic, wall;
	int i, body_len, head_len;

	getrandom(bytes, sizeof bytes, 0);
	for (i = 0; i < 16; i++)
		sprintf(hex + 2 * i, "%02x", bytes[i]);
	clock_gettime(CLOCK_MONOTONIC, &monotonic);
	clock_gettime(CLOCK_REALTIME, &wall);
	body_len = snprintf(body, sizeof body, "%d %s %lld %lld\n", ++counter, hex,
			    monotonic.tv_sec * 1000000000ll + monotonic.tv_nsec,
			    wall.tv_sec * 1000000000ll + wall.tv_nsec);
	head_len = snprintf(head, sizeof head,
			    "HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n", body_len);
	write(client, head, head_len);
	write(client, body, body_len);
	if (strstr(request, "/turn"))
		sem_post(&answered);
	if (strstr(request, "/after"))
		for (;;)
			;
}

int main(int argc, char **argv)
{
	const char *port = getenv("PORT");
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port ? atoi(port) : 8080)};
	int server = socket(AF_INET, SOCK_STREAM, 0);
	char request[8192];

	if (argc > 1)
		misbehave(argv[1]);
	if (bind(server, (void *)&address, sizeof address) || listen(server, 16)) {
		perror("listen");
		return 1;
	}
	printf("listening\n");
	fflush(stdout);
	for (;;) {
		int client = accept(server, 0, 0);
		ssize_t len = client < 0 ? -1 : read(client, request, sizeof request - 1);

		if (len > 0) {
			request[len] = 0;
			misbehave(request);
			answer(client, request);
		}
		close(client);
	}
}
