// SPDX-License-Identifier: GPL-2.0-only
/*
 * The order and the output of the results of bench.c and bench_split.c.
 */
#include "bench.h"

/* For sort() of times */
int bench_compare(const void *a, const void *b)
{
	return *(const u64 *)a < *(const u64 *)b ? -1 :
	       *(const u64 *)a > *(const u64 *)b;
}

/* Print a result as a line of JSON; the times are for @entries entries, in nanoseconds */
void bench_result(const struct bench_set *set, const char *what,
		  unsigned int per_mille, unsigned long entries, u64 median,
		  u64 low, u64 high)
{
	pr_info("bench: {\"layout\":\"%s\",\"format\":\"%s\",\"what\":\"%s\",\"dirty_per_mille\":%u,\"ps_median\":%llu,\"ps_min\":%llu,\"ps_max\":%llu}\n",
		set->layout->name, set->fmt->name, what, per_mille,
		median * 1000 / entries, low * 1000 / entries,
		high * 1000 / entries);
}
