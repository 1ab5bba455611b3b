/* SPDX-License-Identifier: GPL-2.0-only */
/* Calls in another thread, and pages on which a call blocks. */
#ifndef _IOMMUFD_DIRTY_LIB_SIDE_H
#define _IOMMUFD_DIRTY_LIB_SIDE_H

#include <pthread.h>
#include <stdbool.h>
#include <sys/types.h>

/*
 * hold.c: a page whose first access blocks, including an access by the kernel on
 * behalf of another thread
 */
struct hold {
	int fd;
	void *page;
};

void hold_open(struct hold *h);
/* With the caller's page, not accessed yet; close h->fd, not hold_close() */
void hold_open_at(struct hold *h, void *page);
/* Waits until somebody blocks on the page */
void hold_wait(struct hold *h);
/* Zero-fills the page and lets the blocked threads continue */
void hold_release(struct hold *h);
void hold_close(struct hold *h);
/*
 * Waits until @done is set or thread @tid, of any process, is in uninterruptible or
 * killable sleep, as when it waits for a kernel lock
 */
void hold_wait_blocked(pid_t tid, const bool *done);

/* side.c: a call in a separate thread */
struct side {
	int (*call)(void *arg);
	void *arg;
	pthread_t thread;
	pid_t tid;
	bool done;
	int rc;
};

void side_start(struct side *s, int (*call)(void *arg), void *arg);
/* Waits until the call is done (true) or blocked as in hold_wait_blocked() */
bool side_wait(struct side *s);
/* Waits until the call is done; returns its return value */
int side_end(struct side *s);
/*
 * Makes the call in a child process and kills the child when it is blocked, after
 * @before_kill(@arg) if that is not NULL. False if the call was done instead
 */
bool side_killed(int (*call)(void *arg), void *arg, void (*before_kill)(void *arg));

#endif
