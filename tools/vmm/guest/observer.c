// SPDX-License-Identifier: GPL-2.0-only
/*
 * Observers of a QEMU: mostly `iommu-dirty watch --pid`, which prints a line per second
 * and address space. Called by vmm-migrate.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vm.h"

#define TOOL	"/bin/iommu-dirty"

/* Runs a command of iommu-dirty; returns its process, and its output in @fd */
static pid_t run_tool(const char *command, const struct vm *vm, int *fd)
{
	struct argv argv = {};
	pid_t child;
	int ends[2];

	arg(&argv, TOOL " %s --pid %d", command, vm->pid);
	if (pipe2(ends, O_CLOEXEC))
		fail("pipe: %s", strerror(errno));
	child = fork();
	if (child < 0)
		fail("fork: %s", strerror(errno));
	if (!child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		signal(SIGPIPE, SIG_DFL);
		dup2(ends[1], STDOUT_FILENO);
		dup2(ends[1], STDERR_FILENO);
		execv(TOOL, argv.arg);
		_exit(127);
	}
	/* arg() has allocated one text for all words */
	free(argv.arg[0]);
	close(ends[1]);
	*fd = ends[0];
	return child;
}

/* Reads a line without its end; false at the end of the output */
static bool read_line(const char *what, int fd, char *line, size_t size)
{
	size_t n = 0;
	bool more;

	for (;;) {
		if (!vm_wait_file(fd))
			fail("%s: no output", what);
		more = read(fd, line + n, 1) == 1;
		if (!more || line[n] == '\n')
			break;
		if (n < size - 1)
			n++;
	}
	line[n] = 0;
	return n || more;
}

void observer_start(struct observer *observer, const struct vm *vm)
{
	observer->vm = vm;
	observer->pid = run_tool("watch", vm, &observer->fd);
}

void observer_wait_dirty(struct observer *observer)
{
	unsigned long pages = 0;
	char line[256];

	/* the columns are address space, devices, pages; the head has no numbers */
	while (!pages) {
		if (!read_line("observer", observer->fd, line, sizeof(line)))
			fail("the observer of %s has ended", observer->vm->name);
		if (strstr(line, "iommu-dirty:"))
			fail("the observer of %s: %s", observer->vm->name, line);
		if (sscanf(line, "%*s %*u %lu", &pages) != 1)
			pages = 0;
	}
}

static int wait_end(struct observer *observer)
{
	int status;

	if (waitpid(observer->pid, &status, 0) != observer->pid)
		fail("waitpid: %s", strerror(errno));
	if (observer->fd >= 0)
		close(observer->fd);
	return status;
}

void observer_kill(struct observer *observer)
{
	kill(observer->pid, SIGKILL);
	wait_end(observer);
}

void observer_wait_end(struct observer *observer)
{
	bool told = false;
	char line[256];
	int status;

	while (read_line("observer", observer->fd, line, sizeof(line)))
		if (strstr(line, "iommu-dirty:"))
			told = true;
	status = wait_end(observer);
	if (!WIFEXITED(status) || !WEXITSTATUS(status) || !told)
		fail("the observer did not tell that QEMU has ended");
}

void observer_advise(const struct vm *vm)
{
	char line[256] = "", last[256];
	int fd, status;
	pid_t pid;

	pid = run_tool("advise --devices", vm, &fd);
	do
		snprintf(last, sizeof(last), "%s", line);
	while (read_line("advise", fd, line, sizeof(line)));
	close(fd);
	if (waitpid(pid, &status, 0) != pid || status)
		fail("advise: status %d: %s", status, last);
}

/* Whether the objects of QEMU have trackers of observers */
static bool is_observed(const struct vm *vm)
{
	unsigned int objects = 0;
	bool observed = false;
	char line[256];
	int fd, status;
	pid_t pid;

	pid = run_tool("list", vm, &fd);
	while (read_line("list", fd, line, sizeof(line))) {
		objects++;
		if (strstr(line, "trackers with files"))
			observed = true;
	}
	close(fd);
	if (waitpid(pid, &status, 0) != pid || status || objects < 3)
		fail("list failed: %s", line);
	return observed;
}

void observers_none(const struct vm *vm)
{
	if (is_observed(vm))
		fail("%s: an observer has left a tracker", vm->name);
}

/* Starts a command, ends it by a signal while it has trackers */
static void observer_signal(const struct vm *vm, const char *command, int number)
{
	struct observer observer = { .vm = vm };
	unsigned int tries = 100;
	int status;

	observer.pid = run_tool(command, vm, &observer.fd);
	while (!is_observed(vm))
		if (!--tries || waitpid(observer.pid, &status, WNOHANG))
			fail("%s has no tracker", command);
	if (number == SIGPIPE) {
		close(observer.fd);
		observer.fd = -1;
	} else {
		kill(observer.pid, number);
	}
	status = wait_end(&observer);
	if (!WIFSIGNALED(status) || WTERMSIG(status) != number)
		fail("%s: status %d, not signal %d", command, status, number);
	if (is_observed(vm))
		fail("%s has left a tracker after signal %d", command, number);
}

void observers_signal(const struct vm *vm)
{
	static const int signals[] = {
		SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGKILL, SIGABRT, SIGXFSZ, SIGALRM,
	};
	static const char *const commands[] = {
		"rate --duration 1000s", "watch", "advise --interval 1000s",
		"record --duration 1000s --interval 1000s -o /dev/null",
	};
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(commands); i++)
		for (j = 0; j < ARRAY_SIZE(signals); j++)
			observer_signal(vm, commands[i], signals[j]);
	/* its output is a pipe that nobody reads any more */
	observer_signal(vm, "watch", SIGPIPE);
}
