// SPDX-License-Identifier: GPL-2.0-only
/*
 * Controls QEMUs with inner machines. Each has two channels, one for QMP and one for the
 * output of the inner software. A function that waits processes the channels of all
 * QEMUs. Called by vmm-migrate.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "vm.h"

#define PATIENCE	120	/* timeout in seconds for all waits */
#define LAST_PATIENCE	20	/* the same for the exit of QEMU */
#define SLOW		5000000UL
#define FAST		1000000000UL
#define EVENTS		"{'capabilities': [{'capability': 'events', 'state': true}]}"
#define LIMITS		"'max-bandwidth': %lu, 'downtime-limit': %u, 'avail-switchover-bandwidth': %lu"
#define STREAM		"{'uri': 'unix:/tmp/migration'}"

static struct vm vms[4];
static unsigned int nr_vms;

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static void path_of(char *path, size_t size, const struct vm *vm, const char *what)
{
	snprintf(path, size, "/tmp/%s.%s", vm->name, what);
}

static void show_end(const struct vm *vm, const char *path)
{
	char text[1500];
	ssize_t n;
	char *line;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	if (lseek(fd, 1 - (off_t)sizeof(text), SEEK_END) < 0)
		lseek(fd, 0, SEEK_SET);
	n = read(fd, text, sizeof(text) - 1);
	text[n < 0 ? 0 : n] = 0;
	for (line = strtok(text, "\r\n"); line; line = strtok(NULL, "\r\n"))
		printf("#   %s: %s: %s\n", vm->name, path, line);
	close(fd);
}

/* Prints the state and the last output of a QEMU */
static void show(const struct vm *vm)
{
	char path[64];

	printf("# %s: migration %s, %u rounds, %u passes; last answer: %.*s\n", vm->name,
	       vm->status[0] ? vm->status : "none", vm->rounds, vm->passes,
	       (int)strcspn(vm->answer, "\r\n"), vm->answer);
	path_of(path, sizeof(path), vm, "err");
	show_end(vm, path);
	path_of(path, sizeof(path), vm, "trace");
	show_end(vm, path);
}

/* Prints the kernel stack of each thread */
static void show_stacks(const struct vm *vm)
{
	char pattern[64];
	glob_t found;
	size_t i;

	snprintf(pattern, sizeof(pattern), "/proc/%d/task/*/stack", vm->pid);
	if (glob(pattern, 0, NULL, &found))
		return;
	for (i = 0; i < found.gl_pathc; i++)
		show_end(vm, found.gl_pathv[i]);
	globfree(&found);
}

/* Waits for a killed process; returns false if it is stuck in the kernel */
static bool has_ended(pid_t pid)
{
	double end = now() + LAST_PATIENCE;

	while (!waitpid(pid, NULL, WNOHANG)) {
		if (now() >= end)
			return false;
		usleep(10000);
	}
	return true;
}

void vm_quit(struct vm *vm)
{
	if (vm->pid <= 0)
		return;
	kill(vm->pid, SIGKILL);
	if (!has_ended(vm->pid)) {
		show_stacks(vm);
		/* Do not wait for it again */
		vm->pid = 0;
		fail("%s: QEMU does not exit after SIGKILL", vm->name);
	}
	vm->pid = 0;
	close(vm->qmp.fd);
	close(vm->serial.fd);
	vm->qmp.fd = -1;
	vm->serial.fd = -1;
}

void vm_quit_all(void)
{
	unsigned int i;

	for (i = 0; i < nr_vms; i++)
		vm_quit(&vms[i]);
}

void fail(const char *format, ...)
{
	unsigned int i;
	va_list args;

	fputs("# ", stdout);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	for (i = 0; i < nr_vms; i++)
		show(&vms[i]);
	vm_quit_all();
	exit(1);
}

/* QEMU writes one object per line, and each key that is used here occurs in it once */
const char *text_after(const char *line, const char *key)
{
	const char *at = strstr(line, key);

	return at ? at + strlen(key) : NULL;
}

unsigned long number_after(const char *line, const char *key)
{
	const char *at = text_after(line, key);

	return at ? strtoul(at, NULL, 0) : 0;
}

static void take_qmp(struct vm *vm, const char *line)
{
	const char *status = text_after(line, "\"status\": \"");

	if (strstr(line, "\"QMP\":"))
		vm->version = number_after(line, "\"major\": ");
	else if (strstr(line, "\"event\": \"MIGRATION_PASS\""))
		vm->rounds = number_after(line, "\"pass\": ");
	else if (strstr(line, "\"event\": \"MIGRATION\"") && status)
		snprintf(vm->status, sizeof(vm->status), "%.*s",
			 (int)strcspn(status, "\""), status);
	else if (strstr(line, "\"return\":") || strstr(line, "\"error\":"))
		snprintf(vm->answer, sizeof(vm->answer), "%s", line);
}

static void take_serial(struct vm *vm, const char *line)
{
	unsigned int passes, bad;

	if (sscanf(line, "devices %x iommu %x remap %x", &vm->devices, &vm->viommu,
		   &vm->remap) == 3) {
		vm->described = true;
	} else if (sscanf(line, "pass %x bad %x", &passes, &bad) == 2) {
		vm->passes++;
		vm->bad = bad;
	} else if (!strncmp(line, "bad page", 8)) {
		printf("# %s: %s\n", vm->name, line);
	}
}

static void take(struct vm *vm, struct lines *in, void (*line)(struct vm *, const char *))
{
	char *begin = in->text, *end;
	ssize_t n;

	n = read(in->fd, in->text + in->fill, sizeof(in->text) - 1 - in->fill);
	if (n <= 0) {
		close(in->fd);
		in->fd = -1;
		return;
	}
	in->fill += n;
	in->text[in->fill] = 0;
	while ((end = strchr(begin, '\n'))) {
		*end = 0;
		line(vm, begin);
		begin = end + 1;
	}
	in->fill -= begin - in->text;
	memmove(in->text, begin, in->fill);
}

/*
 * Waits until @end for the next output of any QEMU, and processes it, or for that of
 * another file. Returns whether there is some in that file. Without one, it is -1
 */
static bool take_next_or(double end, int other)
{
	struct pollfd fds[2 * ARRAY_SIZE(vms) + 1];
	int left = (end - now()) * 1000;
	unsigned int i;

	fds[2 * nr_vms] = (struct pollfd){ .fd = other, .events = POLLIN };
	for (i = 0; i < nr_vms; i++) {
		fds[2 * i] = (struct pollfd){ .fd = vms[i].qmp.fd, .events = POLLIN };
		fds[2 * i + 1] = (struct pollfd){ .fd = vms[i].serial.fd, .events = POLLIN };
	}
	if (poll(fds, 2 * nr_vms + 1, left > 0 ? left : 0) < 0 && errno != EINTR)
		fail("poll: %s", strerror(errno));
	for (i = 0; i < nr_vms; i++) {
		if (fds[2 * i].revents)
			take(&vms[i], &vms[i].qmp, take_qmp);
		if (fds[2 * i + 1].revents)
			take(&vms[i], &vms[i].serial, take_serial);
	}
	return fds[2 * nr_vms].revents;
}

static void take_next(double end)
{
	take_next_or(end, -1);
}

bool vm_wait_file(int fd)
{
	double end = now() + PATIENCE;

	while (!take_next_or(end, fd))
		if (now() >= end)
			return false;
	return true;
}

void vm_wait(struct vm *vm, const char *what, bool (*condition)(const struct vm *vm))
{
	double end = now() + PATIENCE;

	while (!condition(vm)) {
		if (vm->qmp.fd < 0)
			fail("%s: QEMU has ended before %s", vm->name, what);
		if (now() >= end)
			fail("%s: after %d s there is no %s", vm->name, PATIENCE, what);
		take_next(end);
	}
}

void vm_wait_passes(struct vm *vm, unsigned int more)
{
	double end = now() + PATIENCE;

	more += vm->passes;
	while (vm->passes < more) {
		if (vm->qmp.fd < 0 || now() >= end)
			fail("%s: after %u passes, %u are not reached", vm->name, vm->passes, more);
		take_next(end);
	}
}

static bool is_answered(const struct vm *vm)
{
	return vm->answer[0];
}

static void send_command(struct vm *vm, const char *format, va_list args)
{
	vm->answer[0] = 0;
	vdprintf(vm->qmp.fd, format, args);
	vm_wait(vm, "answer", is_answered);
}

void vm_refused(struct vm *vm, const char *text, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	send_command(vm, format, args);
	va_end(args);
	if (!strstr(vm->answer, "\"error\":") || !strstr(vm->answer, text))
		fail("%s: %s: %s", vm->name, format, vm->answer);
}

void vm_command(struct vm *vm, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	send_command(vm, format, args);
	va_end(args);
	if (strstr(vm->answer, "\"error\":"))
		fail("%s: %s: %s", vm->name, format, vm->answer);
}

void vm_query(struct vm *vm)
{
	vm_command(vm, "{'execute': 'query-migrate'}");
}

unsigned long vm_answer(const struct vm *vm, const char *key)
{
	char quoted[64];

	snprintf(quoted, sizeof(quoted), "\"%s\": ", key);
	return number_after(vm->answer, quoted);
}

/* Limits what a migration sends after the source stops: @msec at @bandwidth bytes/s */
/* In bytes per second, while the machine runs and when it is stopped */
static void limit(struct vm *vm, unsigned long running, unsigned int msec, unsigned long stopped)
{
	vm_command(vm, "{'execute': 'migrate-set-parameters', 'arguments': {"
		   LIMITS "}}", running, msec, stopped);
}

static bool is_over(const struct vm *vm)
{
	return !strcmp(vm->status, "completed") || !strcmp(vm->status, "failed") ||
	       !strcmp(vm->status, "cancelled");
}

void vm_precopy(struct vm *vm, unsigned int rounds, unsigned int passes)
{
	double end = now() + PATIENCE;

	passes += vm->passes;
	vm->rounds = 0;
	vm->status[0] = 0;
	/*
	 * QEMU stops the machine as soon as it finds nothing dirty. So a round must take longer
	 * than the device pauses. The rest that can be sent in time is one byte, less than a page.
	 */
	limit(vm, SLOW, 1, 1000);
	vm_command(vm, "{'execute': 'migrate', 'arguments': " STREAM "}");
	while ((vm->rounds < rounds || vm->passes < passes) && !is_over(vm)) {
		if (vm->qmp.fd < 0 || now() >= end)
			fail("%s: only %u rounds, or %u passes", vm->name, vm->rounds, vm->passes);
		take_next(end);
	}
	if (vm->rounds < rounds || vm->passes < passes)
		fail("%s: migration is already %s after %u of %u rounds, %u of %u passes",
		     vm->name, vm->status, vm->rounds, rounds, vm->passes, passes);
}

static void wait_over(struct vm *vm, const char *status)
{
	const char *reason;

	vm_wait(vm, "end of the migration", is_over);
	if (!strcmp(vm->status, status))
		return;
	vm_query(vm);
	reason = text_after(vm->answer, "\"error-desc\": \"");
	fail("%s: migration is not %s but %s: %.*s", vm->name, status, vm->status,
	     reason ? (int)strcspn(reason, "\"") : 0, reason);
}

void vm_complete(struct vm *vm)
{
	limit(vm, FAST, 10000, FAST);
	wait_over(vm, "completed");
}

void vm_cancel(struct vm *vm)
{
	vm_command(vm, "{'execute': 'migrate_cancel'}");
	wait_over(vm, "cancelled");
}

void arg(struct argv *argv, const char *format, ...)
{
	char *text, *word;
	va_list args;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		fail("no memory");
	va_end(args);
	for (word = strtok(text, " "); word; word = strtok(NULL, " ")) {
		if (argv->n == ARRAY_SIZE(argv->arg) - 1)
			fail("too many arguments");
		argv->arg[argv->n++] = word;
	}
}

/* Creates a channel; returns the end that stays open in QEMU */
static int channel(struct lines *lines, struct argv *argv, const char *id)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends))
		fail("socketpair: %s", strerror(errno));
	fcntl(ends[0], F_SETFD, FD_CLOEXEC);
	lines->fd = ends[0];
	arg(argv, "-chardev socket,id=%s,fd=%d", id, ends[1]);
	return ends[1];
}

static void run(const char *err, struct argv *argv)
{
	int fd = open(err, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	/* QEMU must not outlive the case: no one else can use its devices */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(fd, STDOUT_FILENO);
	dup2(fd, STDERR_FILENO);
	execv(argv->arg[0], argv->arg);
	_exit(127);
}

static bool is_greeted(const struct vm *vm)
{
	return vm->version;
}

struct vm *vm_start(const char *name, struct argv *argv, bool incoming)
{
	struct vm *vm = &vms[nr_vms];
	char path[64];
	int qmp, serial;

	if (nr_vms == ARRAY_SIZE(vms))
		fail("too many machines");
	nr_vms++;
	vm->name = name;
	qmp = channel(&vm->qmp, argv, "qmp");
	serial = channel(&vm->serial, argv, "serial");
	arg(argv, "-mon chardev=qmp,mode=control -serial chardev:serial -D /tmp/%s.trace%s",
	    name, incoming ? " -incoming defer" : "");
	path_of(path, sizeof(path), vm, "err");
	vm->pid = fork();
	if (vm->pid < 0)
		fail("fork: %s", strerror(errno));
	if (!vm->pid)
		run(path, argv);
	close(qmp);
	close(serial);

	vm_wait(vm, "greeting", is_greeted);
	vm_command(vm, "{'execute': 'qmp_capabilities'}");
	vm_command(vm, "{'execute': 'migrate-set-capabilities', 'arguments': " EVENTS "}");
	if (incoming)
		vm_command(vm, "{'execute': 'migrate-incoming', 'arguments': " STREAM "}");
	return vm;
}
