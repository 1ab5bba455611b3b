// SPDX-License-Identifier: GPL-2.0-only
/*
 * Observers of a QEMU: `iommu-dirty watch --pid`, which prints a line per second and
 * address space. Called by vmm-migrate.c.
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

/* Runs iommu-dirty; returns its process, and its output in @fd */
static pid_t run_tool(const char *command, const char *option, const struct vm *vm, int *fd)
{
	char pid[16];
	pid_t child;
	int ends[2];

	snprintf(pid, sizeof(pid), "%d", vm->pid);
	if (pipe2(ends, O_CLOEXEC))
		fail("pipe: %s", strerror(errno));
	child = fork();
	if (child < 0)
		fail("fork: %s", strerror(errno));
	if (!child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(ends[1], STDOUT_FILENO);
		dup2(ends[1], STDERR_FILENO);
		execl(TOOL, TOOL, command, "--pid", pid, option, NULL);
		_exit(127);
	}
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
	observer->pid = run_tool("watch", NULL, vm, &observer->fd);
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

	pid = run_tool("advise", "--devices", vm, &fd);
	do
		snprintf(last, sizeof(last), "%s", line);
	while (read_line("advise", fd, line, sizeof(line)));
	close(fd);
	if (waitpid(pid, &status, 0) != pid || status)
		fail("advise: status %d: %s", status, last);
}

void observers_none(const struct vm *vm)
{
	unsigned int objects = 0;
	char line[256];
	int fd, status;
	pid_t pid;

	pid = run_tool("list", NULL, vm, &fd);
	while (read_line("list", fd, line, sizeof(line))) {
		objects++;
		if (strstr(line, "trackers with files"))
			fail("an observer has left a tracker: %s", line);
	}
	close(fd);
	if (waitpid(pid, &status, 0) != pid || status || objects < 3)
		fail("list failed: %s", line);
}
