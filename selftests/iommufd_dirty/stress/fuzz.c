// SPDX-License-Identifier: GPL-2.0-only
/*
 * Makes random calls from several threads, with arguments that are near the limits or
 * make no sense. Whatever they return, the kernel log must stay clean and nothing may
 * hang. At the end all objects can be destroyed and no page is pinned.
 *
 * FUZZ_CALLS is the number of calls, DIRTY_SEED determines their arguments.
 */
#include <kselftest_harness.h>

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

#include "lib.h"

#define THREADS		2
#define MEM_SIZE	(16 * SZ_1M)
#define IDS		24
#define MAX_COVERED	(1024 * SZ_1G)

union command {
	__u32 size;
	__u64 words[16];
	struct iommu_dirty_tracker_alloc alloc;
	struct iommu_dirty_tracker_info info;
	struct iommu_dirty_tracker_start start;
	struct iommu_dirty_tracker_stop stop;
	struct iommu_dirty_tracker_read read;
	struct iommu_dirty_tracker_scan scan;
	struct iommu_dirty_tracker_unmap unmap;
	struct iommu_dirty_tracker_mark mark;
	struct iommu_dirty_tracker_update update;
};

struct fuzzer {
	struct ground *g;
	char *mem;
	__u64 state;
	unsigned int calls;
	unsigned int succeeded;
	pthread_t thread;
};

FIXTURE(fuzz)
{
	struct ground g;
	char *mem;
};

FIXTURE_SETUP(fuzz)
{
	OPEN_OR_SKIP(return, ground_open(&self->g));
	self->mem = mem_alloc(MEM_SIZE);
	if (self->g.env.edu[0].soft) {
		soft_provider(&self->g.env.edu[0], PROVIDER_PLAIN);
		soft_provider(&self->g.env.edu[1], PROVIDER_LIVE);
	}
}

FIXTURE_TEARDOWN(fuzz)
{
	if (self->g.mem)
		ground_close(&self->g);
}

static __u64 below(struct fuzzer *f, __u64 limit)
{
	f->state ^= f->state << 13;
	f->state ^= f->state >> 7;
	f->state ^= f->state << 17;
	return f->state % limit;
}

static __u64 any(struct fuzzer *f)
{
	return (below(f, 1ULL << 32) << 32 | below(f, 1ULL << 32)) >> below(f, 64);
}

/* Mostly @good, sometimes off by one or anything else */
static __u64 about(struct fuzzer *f, __u64 good)
{
	switch (below(f, 16)) {
	case 0:
		return good + below(f, 3) - 1;
	case 1:
		return any(f);
	default:
		return good;
	}
}

static __u64 flag(struct fuzzer *f)
{
	return about(f, below(f, 4) == 0);
}

/* Object ids are small; many of the objects are trackers */
static __u32 id(struct fuzzer *f)
{
	return about(f, 1 + below(f, IDS));
}

static __u64 pointer(struct fuzzer *f)
{
	switch (below(f, 8)) {
	case 0:
		return any(f);
	case 1:		/* may cross the end of the memory */
		return (uintptr_t)f->mem + MEM_SIZE - below(f, 64);
	default:
		return (uintptr_t)f->mem + below(f, MEM_SIZE / 2);
	}
}

static __u64 iova(struct fuzzer *f)
{
	return about(f, GROUND_IOVA + SZ_4K * below(f, GROUND_PAGES));
}

static __u64 length(struct fuzzer *f)
{
	switch (below(f, 8)) {
	case 0:
		return any(f);
	case 1:
		return 1ULL << below(f, 40);
	default:
		return SZ_4K * below(f, GROUND_PAGES);
	}
}

static __u64 page_size(struct fuzzer *f)
{
	return about(f, 1ULL << (12 + below(f, 30)));
}

/* Fills in the array of trackers for READ and SCAN */
static __u64 entries(struct fuzzer *f, __u32 *num, __u32 *len)
{
	struct iommu_dirty_read_tracker *entry;
	unsigned int i;

	*num = about(f, 1 + below(f, 4));
	*len = about(f, sizeof(*entry));
	if (!below(f, 8))
		return pointer(f);
	entry = (void *)(f->mem + below(f, SZ_4K) * sizeof(*entry));
	for (i = 0; i < 4; i++)
		entry[i] = (struct iommu_dirty_read_tracker) {
			.tracker_id = id(f),
		};
	return (uintptr_t)entry;
}

/*
 * Fills in ranges for START and UPDATE of a device. They are limited so that a later
 * READ takes no more than a moment; 2^64 bytes of small pages would take much longer.
 */
static __u64 ranges(struct fuzzer *f, __u32 *num)
{
	struct iommu_dirty_run *run;
	unsigned int i;

	*num = about(f, 1 + below(f, 4));
	if (!below(f, 8))
		return pointer(f);
	run = (void *)(f->mem + below(f, SZ_4K) * sizeof(*run));
	for (i = 0; i < 4; i++)
		run[i] = (struct iommu_dirty_run) {
			.iova = iova(f),
			.length = length(f) % MAX_COVERED,
		};
	return (uintptr_t)run;
}

static __u32 target(struct fuzzer *f)
{
	switch (below(f, 4)) {
	case 0:
		return id(f);
	case 1:
		return f->g->env.edu[below(f, 2)].dev_id;
	default:
		return f->g->env.ioas;
	}
}

static unsigned long fill_tracker(struct fuzzer *f, union command *c)
{
	switch (below(f, 5)) {
	case 0:
		c->size = sizeof(c->alloc);
		c->alloc.flags = flag(f);
		c->alloc.target_id = target(f);
		return IOMMU_DIRTY_TRACKER_ALLOC;
	case 1:
		c->size = sizeof(c->info);
		c->info.tracker_id = id(f);
		c->info.num_members = about(f, below(f, 8));
		c->info.members = pointer(f);
		c->info.member_len = about(f, sizeof(struct iommu_dirty_member));
		return IOMMU_DIRTY_TRACKER_INFO;
	case 2:
		c->size = sizeof(c->start);
		c->start.flags = flag(f);
		c->start.tracker_id = id(f);
		if (below(f, 2)) {
			c->start.ranges = ranges(f, &c->start.num_ranges);
			c->start.page_size = page_size(f);
		}
		return IOMMU_DIRTY_TRACKER_START;
	case 3:
		c->size = sizeof(c->update);
		c->update.flags = flag(f);
		c->update.tracker_id = id(f);
		c->update.ranges = ranges(f, &c->update.num_ranges);
		c->update.page_size = page_size(f);
		return IOMMU_DIRTY_TRACKER_UPDATE;
	default:
		c->size = sizeof(c->stop);
		c->stop.tracker_id = id(f);
		return IOMMU_DIRTY_TRACKER_STOP;
	}
}

static unsigned long fill_dirty(struct fuzzer *f, union command *c)
{
	switch (below(f, 4)) {
	case 0:
		c->size = sizeof(c->read);
		c->read.flags = flag(f);
		c->read.trackers = entries(f, &c->read.num_trackers,
					   &c->read.tracker_len);
		c->read.iova = iova(f);
		c->read.length = length(f);
		c->read.page_size = page_size(f);
		c->read.data = pointer(f);
		return IOMMU_DIRTY_TRACKER_READ;
	case 1:
		c->size = sizeof(c->scan);
		c->scan.flags = flag(f);
		c->scan.trackers = entries(f, &c->scan.num_trackers,
					   &c->scan.tracker_len);
		c->scan.iova = iova(f);
		c->scan.length = length(f);
		c->scan.page_size = page_size(f);
		c->scan.runs = pointer(f);
		c->scan.num_runs = about(f, below(f, 8));
		return IOMMU_DIRTY_TRACKER_SCAN;
	case 2:
		c->size = sizeof(c->mark);
		c->mark.flags = flag(f);
		c->mark.tracker_id = id(f);
		if (below(f, 2)) {
			c->mark.data = ranges(f, &c->mark.num_runs);
			return IOMMU_DIRTY_TRACKER_MARK;
		}
		c->mark.iova = iova(f);
		c->mark.length = length(f) % MAX_COVERED;
		c->mark.page_size = page_size(f);
		c->mark.data = pointer(f);
		return IOMMU_DIRTY_TRACKER_MARK;
	default:
		c->size = sizeof(c->unmap);
		c->unmap.tracker_id = id(f);
		c->unmap.iova = iova(f);
		c->unmap.length = length(f);
		c->unmap.page_size = page_size(f);
		c->unmap.data = pointer(f);
		return IOMMU_DIRTY_TRACKER_UNMAP;
	}
}

static int random_call(struct fuzzer *f)
{
	union command c = {};
	unsigned long cmd;

	switch (below(f, 16)) {
	case 0:
		return ground_map(f->g);
	case 1:
		/* Spare the objects that the test needs */
		return __object_destroy(f->g->env.fd, f->g->first.tracker +
						      2 + below(f, IDS));
	}
	cmd = below(f, 3) ? fill_dirty(f, &c) : fill_tracker(f, &c);
	c.size = about(f, c.size);
	if (!below(f, 64))
		c.words[below(f, ARRAY_SIZE(c.words))] ^= any(f);
	return __iommufd_ioctl(f->g->env.fd, cmd, &c);
}

static void *fuzzer_run(void *arg)
{
	struct fuzzer *f = arg;
	unsigned int i;

	for (i = 0; i < f->calls; i++)
		f->succeeded += !random_call(f);
	return NULL;
}

/* Destroys what the calls have allocated; nothing has kept the ids */
static void destroy_all(struct ground *g)
{
	__u32 i;

	for (i = g->second.tracker + 1; i < g->second.tracker + 4096; i++)
		__object_destroy(g->env.fd, i);
}

TEST_F_TIMEOUT(fuzz, calls, 600)
{
	struct fuzzer fuzzers[THREADS];
	const char *text = getenv("FUZZ_CALLS");
	unsigned int calls = text ? strtoul(text, NULL, 0) : 10000;
	unsigned int succeeded = 0, i;

	for (i = 0; i < THREADS; i++) {
		fuzzers[i] = (struct fuzzer) {
			.g = &self->g,
			.mem = self->mem,
			/* Consecutive numbers would make all threads do the same */
			.state = random_u64() ^ (i * 0x9e3779b97f4a7c15),
			.calls = calls / THREADS,
		};
		ASSERT_EQ(0, pthread_create(&fuzzers[i].thread, NULL, fuzzer_run,
					    &fuzzers[i]));
	}
	for (i = 0; i < THREADS; i++) {
		pthread_join(fuzzers[i].thread, NULL);
		succeeded += fuzzers[i].succeeded;
	}
	lib_note("%u calls, %u succeeded", calls, succeeded);
	EXPECT_LT(calls / 20, succeeded);
	destroy_all(&self->g);
	/* Tracking still works */
	ground_map(&self->g);
	tracker_stop(self->g.env.fd, self->g.first.tracker);
	tracker_start(self->g.env.fd, self->g.first.tracker);
	ground_write(&self->g, 0);
	EXPECT_EQ(0, __consumer_read(&self->g.first, 0, NULL));
	EXPECT_LT(0, self->g.first.reported);
}

TEST_HARNESS_MAIN
