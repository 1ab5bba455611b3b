// SPDX-License-Identifier: GPL-2.0-only
/*
 * Kernel allocations that fail on demand (CONFIG_FAILSLAB and
 * CONFIG_FAIL_PAGE_ALLOC, Documentation/fault-injection/fault-injection.rst).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "lib.h"

#define DEBUGFS	"/sys/kernel/debug"

static __thread int nth_fd;

static bool control(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool done = fd >= 0 && write(fd, text, strlen(text)) > 0;

	if (fd >= 0)
		close(fd);
	return done;
}

/* Also fail allocations that may sleep, and do not log each failure */
bool fail_setup(void)
{
	if (access(DEBUGFS "/failslab", F_OK))
		mount("debugfs", DEBUGFS, "debugfs", 0, NULL);
	/* Exists only with CONFIG_IOMMUFD_TEST, which adds more failures */
	control(DEBUGFS "/fail_iommufd/verbose", "0");
	return control(DEBUGFS "/failslab/ignore-gfp-wait", "N") &&
	       control(DEBUGFS "/failslab/verbose", "0") &&
	       control(DEBUGFS "/fail_page_alloc/ignore-gfp-wait", "N") &&
	       control(DEBUGFS "/fail_page_alloc/verbose", "0");
}

bool fail_pages(bool on)
{
	return control(DEBUGFS "/fail_page_alloc/min-order", on ? "0" : "1");
}

void fail_nth(unsigned int nth)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%u", nth);

	if (!nth_fd)
		nth_fd = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	if (nth_fd < 0 || pwrite(nth_fd, text, len, 0) != len)
		fatal("/proc/thread-self/fail-nth: error %d", errno);
}

unsigned int fail_nth_left(void)
{
	char text[16] = "";
	unsigned int left;

	if (pread(nth_fd, text, sizeof(text) - 1, 0) < 1)
		fatal("/proc/thread-self/fail-nth: error %d", errno);
	left = strtoul(text, NULL, 0);
	fail_nth(0);
	return left;
}

bool fail_nth_end(void)
{
	return !fail_nth_left();
}

void fail_nth_close(void)
{
	if (nth_fd)
		close(nth_fd);
	nth_fd = 0;
}
