// SPDX-License-Identifier: GPL-2.0-only
/*
 * Prints the frequency of this machine's time stamp counter, in kHz. Called by run.sh,
 * which passes it to the guest: without KVM, QEMU lets guests read the counter of the
 * host. Linux would calibrate it with an emulated timer, and could be wrong by a factor
 * of ten if the emulator gets too little CPU time.
 */
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <x86intrin.h>

#define TRIES	100
#define WAIT_NS	50000000

struct reading {
	uint64_t ticks;
	int64_t ns;
};

/* Reads both clocks at the same time; uses the fastest of several tries */
static struct reading read_clocks(void)
{
	struct reading best = { 0 };
	uint64_t least = UINT64_MAX;
	struct timespec now;
	unsigned int i;

	for (i = 0; i < TRIES; i++) {
		uint64_t before = __rdtsc(), took;

		clock_gettime(CLOCK_MONOTONIC_RAW, &now);
		took = __rdtsc() - before;
		if (took >= least)
			continue;
		least = took;
		best.ticks = before + took / 2;
		best.ns = now.tv_sec * 1000000000LL + now.tv_nsec;
	}
	return best;
}

int main(void)
{
	const struct timespec wait = { .tv_nsec = WAIT_NS };
	struct reading from = read_clocks(), to;

	nanosleep(&wait, NULL);
	to = read_clocks();
	printf("%.0f\n", (to.ticks - from.ticks) * 1e6 / (to.ns - from.ns));
	return 0;
}
