/* Runs a command on a host that refuses parts of a worker's jail: without WHAT COMMAND [ARGUMENT …] */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NUMBER BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr))
#define ARGUMENT BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0]))
#define IS(value, miss) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, miss)
#define REFUSE(error) BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (error))
#define CALL(number, error) NUMBER, IS(number, 1), REFUSE(error)
#define PRCTL(option, error) NUMBER, IS(SYS_prctl, 3), ARGUMENT, IS(option, 1), REFUSE(error)
#define ALLOW BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

static struct sock_filter seccomp[] = {CALL(SYS_seccomp, EINVAL), PRCTL(PR_SET_SECCOMP, EINVAL), ALLOW};
/* Says that all is well and does nothing. */
static struct sock_filter pretended[] = {CALL(SYS_seccomp, 0), PRCTL(PR_SET_SECCOMP, 0), ALLOW};
static struct sock_filter privileges[] = {PRCTL(PR_SET_NO_NEW_PRIVS, EPERM), ALLOW};
static struct sock_filter walls[] = {CALL(SYS_unshare, EPERM), CALL(SYS_landlock_create_ruleset, ENOSYS), ALLOW};

#define PROGRAM(name) {#name, {sizeof name / sizeof *name, name}}
static const struct {
	const char *name;
	struct sock_fprog program;
} programs[] = {PROGRAM(seccomp), PROGRAM(pretended), PROGRAM(privileges), PROGRAM(walls)};

int main(int argc, char **argv)
{
	if (argc < 3)
		return 2;
	for (size_t i = 0; i < sizeof programs / sizeof *programs; i++) {
		if (strcmp(argv[1], programs[i].name))
			continue;
		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
		    syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &programs[i].program)) {
			perror("seccomp");
			return 3;
		}
		execv(argv[2], argv + 2);
		perror(argv[2]);
	}
	return 2;
}
