// SPDX-License-Identifier: GPL-2.0-only
/*
 * Signals that end an observer. A tracker of this program stays in the observed one if
 * this program dies without destroying it. So while it has trackers, these signals are
 * blocked except where it waits, and a wait returns -EINTR. Writes to a closed pipe fail
 * rather than kill. Called by observe.c and measure.c.
 */
#include <errno.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>

#include "iommu-dirty.h"

static const int signals[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM };

#define NUM_SIGNALS (sizeof(signals) / sizeof(*signals))

static sigset_t before;
static int caught;

static void catch(int signal)
{
	__atomic_store_n(&caught, signal, __ATOMIC_RELAXED);
}

void interrupt_begin(void)
{
	const struct sigaction action = { .sa_handler = catch };
	struct sigaction old;
	sigset_t set;
	size_t i;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	for (i = 0; i < NUM_SIGNALS; i++)
		sigaddset(&set, signals[i]);
	sigprocmask(SIG_BLOCK, &set, &before);
	for (i = 0; i < NUM_SIGNALS; i++) {
		/* nohup(1) ignores SIGHUP */
		sigaction(signals[i], NULL, &old);
		if (old.sa_handler != SIG_IGN)
			sigaction(signals[i], &action, NULL);
	}
}

int interrupt_poll(struct pollfd *fds, unsigned int num, double until)
{
	for (;;) {
		/* ppoll() takes no infinity */
		double left = fmin(until - seconds_now(), 1e6);
		struct timespec ts = { 0 };
		int rc;

		if (left > 0) {
			ts.tv_sec = left;
			ts.tv_nsec = (left - ts.tv_sec) * 1e9;
		}
		rc = ppoll(fds, num, &ts, &before);
		if (__atomic_load_n(&caught, __ATOMIC_RELAXED))
			return -EINTR;
		if (rc > 0)
			return rc;
		if (rc < 0 && errno != EINTR)
			return -errno;
		if (!rc && seconds_now() >= until)
			return 0;
	}
}

void interrupt_mask(sigset_t *mask)
{
	*mask = before;
}

void interrupt_end(bool fatal)
{
	size_t i;

	if (caught && fatal) {
		/* Die as without the handlers, so that a shell sees why */
		for (i = 0; i < NUM_SIGNALS; i++)
			if (signals[i] == caught)
				signal(signals[i], SIG_DFL);
		raise(caught);
	}
	caught = 0;
	sigprocmask(SIG_SETMASK, &before, NULL);
}
