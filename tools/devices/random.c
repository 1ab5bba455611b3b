// SPDX-License-Identifier: GPL-2.0-only
/*
 * Random numbers. random_init() prints the seed; DIRTY_SEED repeats a failed run.
 */
#include <time.h>

#include "devices.h"

static __u64 state;

void random_init(void)
{
	const char *text = getenv("DIRTY_SEED");
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	state = text ? strtoull(text, NULL, 0) :
		       now.tv_sec * 1000000007ULL + now.tv_nsec;
	if (!state)
		state = 1;
	lib_note("DIRTY_SEED=%#llx", state);
}

__u64 random_u64(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

__u64 random_below(__u64 limit)
{
	return random_u64() % limit;
}
