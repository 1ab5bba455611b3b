// SPDX-License-Identifier: GPL-2.0-only
/*
 * A call in a thread of its own, beside the test, which goes on when the call is done
 * or waits for somebody. Used by tests that hold up the kernel, or a page fault.
 */
#include <sched.h>
#include <unistd.h>

#include "lib.h"

static void *side_run(void *arg)
{
	struct side *s = arg;

	__atomic_store_n(&s->tid, gettid(), __ATOMIC_RELEASE);
	s->rc = s->call(s->arg);
	__atomic_store_n(&s->done, true, __ATOMIC_RELEASE);
	return NULL;
}

void side_start(struct side *s, int (*call)(void *arg), void *arg)
{
	*s = (struct side) { .call = call, .arg = arg };
	if (pthread_create(&s->thread, NULL, side_run, s))
		fatal("no thread");
	while (!__atomic_load_n(&s->tid, __ATOMIC_ACQUIRE))
		sched_yield();
}

bool side_wait(struct side *s)
{
	hold_wait_blocked(s->tid, &s->done);
	return __atomic_load_n(&s->done, __ATOMIC_ACQUIRE);
}

int side_end(struct side *s)
{
	pthread_join(s->thread, NULL);
	return s->rc;
}
