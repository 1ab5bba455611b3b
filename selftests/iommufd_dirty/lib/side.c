// SPDX-License-Identifier: GPL-2.0-only
/*
 * A call in a separate thread or process. The test continues once the call is done or
 * blocked. Used by tests that delay the kernel or a page fault.
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
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

bool side_killed(int (*call)(void *arg), void *arg, void (*before_kill)(void *arg))
{
	struct side *s = mmap(NULL, SZ_4K, PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	bool done;
	pid_t pid;

	if (s == MAP_FAILED)
		fatal("no memory");
	s->call = call;
	s->arg = arg;
	pid = check(fork());
	if (!pid) {
		side_run(s);
		_exit(0);
	}
	while (!__atomic_load_n(&s->tid, __ATOMIC_ACQUIRE))
		sched_yield();
	done = side_wait(s);
	if (before_kill)
		before_kill(arg);
	kill(pid, SIGKILL);
	if (waitpid(pid, NULL, 0) != pid)
		fatal("waitpid: error %d", errno);
	munmap(s, SZ_4K);
	return !done;
}
