// SPDX-License-Identifier: GPL-2.0-only
/*
 * Makes the kernel wait, with userfaultfd(), where it accesses user memory. Used by
 * tests of what can happen during such an access.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib.h"

void hold_open_at(struct hold *h, void *page)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = { .mode = UFFDIO_REGISTER_MODE_MISSING };

	h->page = page;
	h->fd = syscall(SYS_userfaultfd, O_CLOEXEC);
	range.range.start = (uintptr_t)h->page;
	range.range.len = SZ_4K;
	if (h->fd < 0 || ioctl(h->fd, UFFDIO_API, &api) ||
	    ioctl(h->fd, UFFDIO_REGISTER, &range))
		fatal("userfaultfd: error %d", errno);
}

void hold_open(struct hold *h)
{
	hold_open_at(h, mem_alloc(SZ_4K));
}

void hold_wait(struct hold *h)
{
	struct uffd_msg msg;

	if (read(h->fd, &msg, sizeof(msg)) != sizeof(msg) ||
	    msg.event != UFFD_EVENT_PAGEFAULT)
		fatal("userfaultfd: no fault");
}

void hold_release(struct hold *h)
{
	struct uffdio_zeropage zero = {
		.range.start = (uintptr_t)h->page,
		.range.len = SZ_4K,
	};

	if (ioctl(h->fd, UFFDIO_ZEROPAGE, &zero))
		fatal("UFFDIO_ZEROPAGE: error %d", errno);
}

void hold_close(struct hold *h)
{
	close(h->fd);
	mem_free(h->page, SZ_4K);
}

/*
 * The state of a thread of any process, from /proc; 0 if it has just ended. Does not
 * allocate memory, which would take locks.
 */
static char state_of(pid_t tid)
{
	char path[64], text[256] = "";
	char *end;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	if (read(fd, text, sizeof(text) - 1) < 0)
		*text = 0;
	close(fd);
	/* number (name) state ... */
	end = strrchr(text, ')');
	return end ? end[2] : 0;
}

/* Consecutive looks, to rule out a short wait for a lock */
#define BLOCKED_LOOKS	20

void hold_wait_blocked(pid_t tid, const bool *done)
{
	unsigned int looks = 0;

	while (looks < BLOCKED_LOOKS && !__atomic_load_n(done, __ATOMIC_ACQUIRE)) {
		looks = state_of(tid) == 'D' ? looks + 1 : 0;
		sched_yield();
	}
}
