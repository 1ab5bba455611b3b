// SPDX-License-Identifier: GPL-2.0-only
/*
 * The setup for tests of failing calls: memory that devices write to, two running
 * trackers, a stopped one, and the pin counts from before the setup.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib.h"

/* The sum of the numbers after @name in a file of "name number" lines */
static __u64 number_of(const char *path, const char *name)
{
	char line[128];
	FILE *f = fopen(path, "r");
	size_t len = strlen(name);
	__u64 sum = 0;

	if (!f)
		fatal("%s: error %d", path, errno);
	while (fgets(line, sizeof(line), f))
		if (!strncmp(line, name, len) && strchr(" :\t", line[len]))
			sum += strtoull(line + len + 1, NULL, 0);
	fclose(f);
	return sum;
}

/* Pages pinned in the system, and pinned memory accounted to this process */
void pins_read(struct pins *pins)
{
	FILE *f = fopen("/proc/sys/vm/stat_refresh", "w");

	/* Fold in the per-CPU counters */
	if (f) {
		fputs("1\n", f);
		fclose(f);
	}
	pins->pinned = number_of("/proc/vmstat", "nr_foll_pin_acquired") -
		       number_of("/proc/vmstat", "nr_foll_pin_released");
	pins->accounted = number_of("/proc/self/status", "VmPin");
}

int ground_map(struct ground *g)
{
	return __ioas_map(g->env.fd, g->env.ioas, g->mem, GROUND_SIZE, GROUND_IOVA,
			  IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE);
}

const char *ground_open(struct ground *g)
{
	const char *reason;

	pins_read(&g->before);
	reason = env_open(&g->env, 2);
	if (reason)
		return reason;
	/* Shared with forked processes */
	g->mem = mmap(NULL, GROUND_SIZE, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (g->mem == MAP_FAILED)
		fatal("no memory");
	check(ground_map(g));
	consumer_open(&g->first, g->env.fd, g->env.ioas, g->mem, GROUND_IOVA,
		      GROUND_PAGES);
	consumer_open(&g->second, g->env.fd, g->env.ioas, g->mem, GROUND_IOVA,
		      GROUND_PAGES);
	tracker_start(g->env.fd, g->first.tracker);
	tracker_start(g->env.fd, g->second.tracker);
	return NULL;
}

void ground_write(struct ground *g, unsigned int index)
{
	unsigned int i;

	env_load(&g->env, index);
	for (i = 0; i < 4; i++)
		env_store(&g->env, index,
			  GROUND_IOVA + random_below(GROUND_PAGES) * SZ_4K);
}

void ground_abandon(struct ground *g)
{
	env_close(&g->env);
}

void ground_end(struct ground *g)
{
	struct pins after;

	pins_read(&after);
	if (after.pinned != g->before.pinned ||
	    after.accounted != g->before.accounted)
		fatal("%lld pages are still pinned, %lld KiB accounted",
		      after.pinned - g->before.pinned,
		      after.accounted - g->before.accounted);
	consumer_close(&g->first);
	consumer_close(&g->second);
	munmap(g->mem, GROUND_SIZE);
	g->mem = NULL;
}

void ground_close(struct ground *g)
{
	/* Fails if any of them is still in use */
	object_destroy(g->env.fd, g->first.tracker);
	object_destroy(g->env.fd, g->second.tracker);
	object_destroy(g->env.fd, g->env.tracker);
	edu_detach(&g->env.edu[0]);
	object_destroy(g->env.fd, g->env.ioas);
	ground_abandon(g);
	ground_end(g);
}
