// SPDX-License-Identifier: GPL-2.0-only
/*
 * A thread that makes a device write to random pages of an oracle's memory. Used
 * by tests whose READs must race with writes.
 */
#include "lib.h"

static void *writer_run(void *arg)
{
	struct writer *w = arg;
	unsigned int i;

	for (i = 0; i < w->rounds; i++) {
		unsigned int n;

		env_load(w->o->env, 0);
		for (n = 0; n < 20; n++)
			oracle_write(w->o, 0, random_below(w->o->pages));
	}
	__atomic_store_n(&w->done, true, __ATOMIC_RELEASE);
	return NULL;
}

void writer_start(struct writer *w, struct oracle *o, unsigned int rounds)
{
	w->o = o;
	w->rounds = rounds;
	w->done = false;
	if (pthread_create(&w->thread, NULL, writer_run, w))
		fatal("pthread_create failed");
}

bool writer_done(struct writer *w)
{
	return __atomic_load_n(&w->done, __ATOMIC_ACQUIRE);
}

size_t writer_settle(struct writer *w)
{
	pthread_join(w->thread, NULL);
	oracle_read(w->o, 0);
	oracle_copy(w->o);
	if (oracle_read(w->o, 0))
		fatal("dirty pages after the last READ");
	return oracle_differing(w->o);
}
