// SPDX-License-Identifier: GPL-2.0-only
/*
 * Linked to the kernel's own selftests of iommufd: replaces ioctl(), so that a passive
 * tracker runs on each IOAS that a test allocates. The sources of the tests are unchanged,
 * and they must not notice. See upstream.sh.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/iommufd.h>
#include <linux/iommufd_dirty.h>

/* The files of the trackers; those of past tests are closed */
#define MAX_TRACKERS	200

static int trackers[MAX_TRACKERS];
static unsigned int nr_trackers;

static void broken(const char *what)
{
	dprintf(STDERR_FILENO, "not ok observer: %s: %m\n", what);
	abort();
}

static long call(int fd, unsigned long cmd, void *arg)
{
	return syscall(SYS_ioctl, fd, cmd, arg);
}

/* Opens the file that makes one allocation of this thread fail, if the kernel has it */
static int open_fail_nth(void)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/task/%ld/fail-nth", syscall(SYS_gettid));
	return open(path, O_RDWR | O_CLOEXEC);
}

static void observe(int iommufd, __u32 ioas)
{
	struct iommu_dirty_tracker_alloc alloc = {
		.size = sizeof(alloc),
		.flags = IOMMU_DIRTY_ALLOC_PASSIVE | IOMMU_DIRTY_ALLOC_FILE,
		.target_id = ioas,
	};
	struct iommu_dirty_tracker_start start = { .size = sizeof(start) };
	unsigned int i = nr_trackers++ % MAX_TRACKERS;
	int fd;

	if (call(iommufd, IOMMU_DIRTY_TRACKER_ALLOC, &alloc))
		broken("ALLOC");
	/* Tests may rely on the numbers of their own files */
	fd = fcntl(alloc.out_fd, F_DUPFD_CLOEXEC, 700);
	if (fd < 0)
		broken("F_DUPFD");
	close(alloc.out_fd);
	if (call(fd, IOMMU_DIRTY_TRACKER_START, &start))
		broken("START");
	if (trackers[i])
		close(trackers[i]);
	trackers[i] = fd;
}

int ioctl(int fd, unsigned long cmd, ...)
{
	char nth[16] = "";
	int fail, rc, error;
	va_list args;
	void *arg;

	va_start(args, cmd);
	arg = va_arg(args, void *);
	va_end(args);
	rc = call(fd, cmd, arg);
	if (rc || cmd != IOMMU_IOAS_ALLOC)
		return rc;

	/* The observer's own allocations do not count and do not fail */
	error = errno;
	fail = open_fail_nth();
	if (fail >= 0 && (read(fail, nth, sizeof(nth) - 1) < 0 || pwrite(fail, "0", 1, 0) < 0))
		broken("fail-nth");
	observe(fd, ((struct iommu_ioas_alloc *)arg)->out_ioas_id);
	if (fail >= 0) {
		if (atoi(nth) && dprintf(fail, "%d", atoi(nth)) < 0)
			broken("fail-nth");
		close(fail);
	}
	errno = error;
	return 0;
}
