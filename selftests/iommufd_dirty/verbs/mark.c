// SPDX-License-Identifier: GPL-2.0-only
/*
 * MARK: pages that were read but not delivered become dirty again, from a bitmap or from
 * runs, for one tracker. The results are compared with a model bit by bit.
 */
#include <errno.h>
#include <kselftest_harness.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>

#include "lib.h"

#define IOVA	0x40000000ULL
#define PAGES	64
#define SIZE	(PAGES * SZ_4K)
/* The model also has pages around the mapping */
#define AROUND	16
#define MODEL_IOVA	(IOVA - AROUND * SZ_4K)
#define MODEL_PAGES	(PAGES + 2 * AROUND)

FIXTURE(mark)
{
	struct env env;
	struct oracle o;
	struct model model;
	struct read_args args;
	unsigned char bits[64];
};

FIXTURE_SETUP(mark)
{
	unsigned int i;

	OPEN_OR_SKIP(return, env_open(&self->env, 1));
	oracle_open(&self->o, &self->env, PAGES, IOVA);
	oracle_map(&self->o, self->env.ioas);
	env_twin(&self->env);
	model_open(&self->model, MODEL_PAGES);
	for (i = 0; i < MODEL_PAGES; i++)
		self->model.iova[i] = MODEL_IOVA + i * SZ_4K;
	env_start(&self->env);
	self->args = (struct read_args) {
		.fd = self->env.fd,
		.tracker = self->env.tracker,
		.iova = IOVA,
		.length = SIZE,
		.page_size = SZ_4K,
		.data = self->bits,
	};
}

FIXTURE_TEARDOWN(mark)
{
	model_close(&self->model);
	oracle_close(&self->o);
	env_close(&self->env);
}

/* READ of everything around the mapping must find what the model has */
static bool matches(FIXTURE_DATA(mark) * self, __u32 tracker, bool clear)
{
	unsigned char got[MODEL_PAGES / 8] = {}, want[MODEL_PAGES / 8] = {};
	struct read_args args = {
		.fd = self->env.fd,
		.tracker = tracker,
		.flags = clear ? 0 : IOMMU_DIRTY_READ_NO_CLEAR,
		.iova = MODEL_IOVA,
		.length = MODEL_PAGES * SZ_4K,
		.page_size = SZ_4K,
		.data = got,
	};

	model_read(&self->model, &args, want);
	tracker_read(&args);
	return !memcmp(got, want, sizeof(got));
}

static int mark_all(FIXTURE_DATA(mark) * self, const struct iommu_dirty_run *runs,
		    __u32 num)
{
	return __tracker_mark_runs(self->env.fd, self->env.tracker, runs, num);
}

/* What was read and lost is marked, and found again */
TEST_F(mark, what_was_read)
{
	env_load(&self->env, 0);
	oracle_write(&self->o, 0, 3);
	oracle_write(&self->o, 0, 40);
	EXPECT_EQ(2, tracker_read(&self->args));
	EXPECT_EQ(0, __tracker_mark(&self->args));
	memset(self->bits, 0, sizeof(self->bits));
	EXPECT_EQ(2, tracker_read(&self->args));
	EXPECT_TRUE(bitmap_test(self->bits, 3));
	EXPECT_TRUE(bitmap_test(self->bits, 40));
	memset(self->bits, 0, sizeof(self->bits));
	EXPECT_EQ(0, tracker_read(&self->args));
}

/* Any range, page size, bits and place of the bitmap */
TEST_F_TIMEOUT(mark, random_bitmaps, 120)
{
	unsigned int i, j, offset;

	for (i = 0; i < 400; i++) {
		__u64 first = random_below(MODEL_PAGES * SZ_4K);

		offset = random_below(8);
		self->args.page_size = SZ_4K << random_below(6);
		self->args.iova = MODEL_IOVA + first;
		self->args.length = 1 + random_below(MODEL_PAGES * SZ_4K - first);
		self->args.data = self->bits + offset;
		for (j = 0; j < sizeof(self->bits); j++)
			self->bits[j] = random_u64() & random_u64();
		ASSERT_EQ(0, __tracker_mark(&self->args));
		model_mark_bitmap(&self->model, &self->args, self->args.data);
		/* marks add up until a READ clears them */
		if (i % 3 == 2)
			ASSERT_TRUE(matches(self, self->env.tracker, i % 2));
	}
	ASSERT_TRUE(matches(self, self->env.tracker, true));
	EXPECT_EQ(0, model_num_dirty(&self->model));
	/* the other tracker has no marks */
	EXPECT_TRUE(matches(self, self->env.twin, true));
}

/* Runs are rounded to pages of 4 KiB. More of them than the kernel marks at a time */
TEST_F(mark, runs)
{
	static struct iommu_dirty_run runs[150];
	unsigned int i;

	for (i = 0; i < 150; i++) {
		runs[i].iova = MODEL_IOVA + i % 30 * 3 * SZ_4K + random_below(SZ_4K);
		runs[i].length = 1 + random_below(SZ_4K);
		model_mark_run(&self->model, &runs[i]);
	}
	ASSERT_EQ(0, mark_all(self, runs, 150));
	EXPECT_TRUE(matches(self, self->env.tracker, true));
	EXPECT_TRUE(matches(self, self->env.tracker, true));
}

TEST_F(mark, is_found_by_scan)
{
	struct iommu_dirty_run run = { .iova = IOVA + 5 * SZ_4K, .length = 2 * SZ_4K };
	struct iommu_dirty_run found[4];
	struct scan_args scan = {
		.fd = self->env.fd,
		.tracker = self->env.tracker,
		.length = ~0ULL,
		.page_size = SZ_4K,
		.runs = found,
		.num_runs = 4,
	};

	ASSERT_EQ(0, mark_all(self, &run, 1));
	ASSERT_EQ(0, __tracker_scan(&scan));
	ASSERT_EQ(1, scan.num_runs);
	EXPECT_EQ(run.iova, found[0].iova);
	EXPECT_EQ(run.length, found[0].length);
}

/* The last page of the address space, and runs too large for single pages */
TEST_F(mark, large)
{
	struct iommu_dirty_run runs[2] = {
		{ .iova = -SZ_4K, .length = SZ_4K },
		{ .iova = 1ULL << 40, .length = 1ULL << 37 },
	};
	struct iommu_dirty_run found[4];
	struct scan_args scan = {
		.fd = self->env.fd,
		.tracker = self->env.tracker,
		.iova = SZ_4K,
		.length = -SZ_4K,
		.page_size = SZ_4K,
		.runs = found,
		.num_runs = 4,
	};

	ASSERT_EQ(0, mark_all(self, runs, 2));
	ASSERT_EQ(0, __tracker_scan(&scan));
	ASSERT_EQ(2, scan.num_runs);
	EXPECT_EQ(0, memcmp(&found[0], &runs[1], sizeof(runs[1])));
	EXPECT_EQ(0, memcmp(&found[1], &runs[0], sizeof(runs[0])));
	/* a bitmap with a bit for the last page */
	self->args.iova = -2 * SZ_4K;
	self->args.length = 2 * SZ_4K;
	self->bits[0] = 0xfe;
	ASSERT_EQ(0, __tracker_mark(&self->args));
	self->bits[0] = 0;
	EXPECT_EQ(1, tracker_read(&self->args));
	EXPECT_EQ(2, self->bits[0]);

	/* a READ takes a part of the hole at once, a later one gets the rest */
	ASSERT_EQ(0, mark_all(self, &runs[1], 1));
	self->args.iova = runs[1].iova + SZ_1G;
	self->args.length = 2 * SZ_1G;
	self->args.page_size = SZ_1G;
	memset(self->bits, 0, sizeof(self->bits));
	EXPECT_EQ(2, tracker_read(&self->args));
	self->args.iova = runs[1].iova;
	self->args.length = runs[1].length;
	memset(self->bits, 0, sizeof(self->bits));
	EXPECT_EQ(runs[1].length / SZ_1G - 2, tracker_read(&self->args));
	EXPECT_EQ(0xf9, self->bits[0]);
	memset(self->bits, 0, sizeof(self->bits));
	EXPECT_EQ(0, tracker_read(&self->args));
}

/* What is a hole for the first tracker of a call need not be one for the second */
TEST_F(mark, for_the_second)
{
	enum { RUNS = 300 };
	struct iommu_dirty_run runs[RUNS], found[RUNS + 1];
	struct iommu_dirty_read_tracker entries[2] = {
		{ .tracker_id = self->env.twin },
		{ .tracker_id = self->env.tracker },
	};
	struct iommu_dirty_tracker_scan scan = {
		.size = sizeof(scan),
		.trackers = (uintptr_t)entries,
		.num_trackers = 2,
		.tracker_len = sizeof(entries[0]),
		.length = 1ULL << 62,
		.page_size = SZ_4K,
		.runs = (uintptr_t)found,
		.num_runs = ARRAY_SIZE(found),
	};
	unsigned char bits[RUNS / 8 * 2] = {};
	struct iommu_dirty_tracker_read read = {
		.size = sizeof(read),
		.trackers = (uintptr_t)entries,
		.num_trackers = 2,
		.tracker_len = sizeof(entries[0]),
		.iova = 64 * SZ_1G,
		.length = RUNS * SZ_1G,
		.page_size = SZ_1G,
		.data = (uintptr_t)bits,
	};
	unsigned int i;

	for (i = 0; i < RUNS; i++)
		runs[i] = (struct iommu_dirty_run) {
			.iova = (64 + i) * SZ_1G + i * SZ_4K,
			.length = SZ_4K,
		};
	ASSERT_EQ(0, mark_all(self, runs, RUNS));
	ASSERT_EQ(0, __iommufd_ioctl(self->env.fd, IOMMU_DIRTY_TRACKER_SCAN, &scan));
	EXPECT_EQ(scan.length, scan.out_length);
	ASSERT_EQ(RUNS, scan.num_runs);
	EXPECT_EQ(0, memcmp(runs, found, sizeof(runs)));

	ASSERT_EQ(0, mark_all(self, runs, RUNS));
	ASSERT_EQ(0, __iommufd_ioctl(self->env.fd, IOMMU_DIRTY_TRACKER_READ, &read));
	EXPECT_EQ(read.length, read.out_length);
	EXPECT_EQ(RUNS, read.out_pages);
	EXPECT_EQ(0, entries[0].out_pages);
	EXPECT_EQ(RUNS, entries[1].out_pages);
	for (i = 0; i < RUNS; i++)
		EXPECT_TRUE(bitmap_test(bits, i));
}

/* STOP discards marks like everything else */
TEST_F(mark, stop)
{
	struct iommu_dirty_run run = { .iova = IOVA, .length = SZ_4K };

	ASSERT_EQ(0, mark_all(self, &run, 1));
	tracker_stop(self->env.fd, self->env.tracker);
	EXPECT_EQ(-ENODATA, mark_all(self, &run, 1));
	EXPECT_EQ(-ENODATA, __tracker_mark(&self->args));
	tracker_start(self->env.fd, self->env.tracker);
	EXPECT_TRUE(matches(self, self->env.tracker, true));
}

TEST_F(mark, errors)
{
	struct iommu_dirty_run runs[100];
	struct iommu_dirty_tracker_mark cmd = {
		.size = sizeof(cmd),
		.tracker_id = self->env.tracker,
		.num_runs = 1,
		.data = (uintptr_t)runs,
	};
	char *pages = mem_alloc(2 * SZ_4K);
	unsigned int i;

	memset(self->bits, 0xff, sizeof(self->bits));
	for (i = 0; i < 100; i++)
		runs[i] = (struct iommu_dirty_run) { .iova = IOVA, .length = SZ_4K };
#define mark_fails(error, field, value)						\
	do {									\
		struct read_args bad = self->args;				\
										\
		bad.field = (value);						\
		EXPECT_EQ(-(error), __tracker_mark(&bad));			\
	} while (0)
	mark_fails(ENOENT, tracker, 0);
	mark_fails(ENOENT, tracker, self->env.ioas);
	mark_fails(EOPNOTSUPP, flags, 1);
	mark_fails(EINVAL, length, 0);
	mark_fails(EOVERFLOW, length, -IOVA + 1);
	mark_fails(EINVAL, page_size, 0);
	mark_fails(EINVAL, page_size, SZ_4K / 2);
	mark_fails(EINVAL, page_size, 3 * SZ_4K);
	mark_fails(EFAULT, data, NULL);
	mark_fails(EOVERFLOW, data, (void *)-1UL);
	cmd.iova = IOVA;
	EXPECT_EQ(-EINVAL, __iommufd_ioctl(self->env.fd, IOMMU_DIRTY_TRACKER_MARK, &cmd));
	cmd.iova = 0;
	cmd.page_size = SZ_4K;
	EXPECT_EQ(-EINVAL, __iommufd_ioctl(self->env.fd, IOMMU_DIRTY_TRACKER_MARK, &cmd));
	/* half of the bitmap can be read; so few bits are copied at once, and none is marked */
	memset(pages, 0xff, SZ_4K);
	ASSERT_EQ(0, mprotect(pages + SZ_4K, SZ_4K, PROT_NONE));
	mark_fails(EFAULT, data, pages + SZ_4K - SIZE / SZ_4K / 16);
	/* a bad run far behind good ones: none is marked */
	runs[99].length = 0;
	EXPECT_EQ(-EINVAL, mark_all(self, runs, 100));
	runs[99].length = -IOVA + 1;
	EXPECT_EQ(-EOVERFLOW, mark_all(self, runs, 100));
	EXPECT_EQ(-EFAULT, mark_all(self, NULL, 1));
	EXPECT_TRUE(matches(self, self->env.tracker, true));
	mem_free(pages, 2 * SZ_4K);
}

/* More bits than the kernel copies at a time; nothing is mapped there */
TEST_F(mark, many_bits)
{
	const __u64 bits = 3 * 4096 + 5;
	unsigned char *want = mem_alloc(2 * SZ_4K), *got = mem_alloc(2 * SZ_4K);
	unsigned int i;

	self->args.iova = 1ULL << 45;
	self->args.length = bits * SZ_4K;
	for (i = 0; i < bits; i++)
		if (!random_below(1 + i / 1000))
			bitmap_set(want, i);
	self->args.data = want;
	ASSERT_EQ(0, __tracker_mark(&self->args));
	self->args.data = got;
	EXPECT_EQ(bitmap_count(want, bits), tracker_read(&self->args));
	EXPECT_EQ(0, memcmp(got, want, 2 * SZ_4K));
	mem_free(want, 2 * SZ_4K);
	mem_free(got, 2 * SZ_4K);
}

/* A long run is read in many parts, from its middle: each is dirty once */
TEST_F(mark, large_in_parts)
{
	struct iommu_dirty_run run = { .iova = 1ULL << 45, .length = 1ULL << 37 };
	unsigned int i;

	ASSERT_EQ(0, mark_all(self, &run, 1));
	for (i = 0; i < 30; i++) {
		self->args.iova = run.iova + (2 * i + 1) * 2 * SZ_1G;
		EXPECT_EQ(PAGES, tracker_read(&self->args));
		memset(self->bits, 0, sizeof(self->bits));
		EXPECT_EQ(0, tracker_read(&self->args));
	}
}

struct marker {
	FIXTURE_DATA(mark) * self;
	unsigned int begun;	/* READs that have begun, and that are done */
	unsigned int completed;
	unsigned int reported[PAGES];
	unsigned int lost;
	bool done;
};

#define ROUNDS	1000

/* Marks each page in turn; a READ that begins later has reported it once it is done */
static void *marker_run(void *arg)
{
	struct marker *m = arg;
	unsigned int i, before, until;

	for (i = 0; i < ROUNDS; i++) {
		struct iommu_dirty_run run = {
			.iova = IOVA + i % PAGES * SZ_4K,
			.length = SZ_4K,
		};

		before = __atomic_load_n(&m->reported[i % PAGES], __ATOMIC_ACQUIRE);
		check(mark_all(m->self, &run, 1));
		until = __atomic_load_n(&m->begun, __ATOMIC_ACQUIRE) + 1;
		while ((int)(until - __atomic_load_n(&m->completed, __ATOMIC_ACQUIRE)) > 0)
			sched_yield();
		m->lost += __atomic_load_n(&m->reported[i % PAGES],
					   __ATOMIC_ACQUIRE) == before;
	}
	__atomic_store_n(&m->done, true, __ATOMIC_RELEASE);
	return NULL;
}

/* No mark is lost to concurrent READs of all pages, and none is reported twice */
TEST_F_TIMEOUT(mark, while_reading, 120)
{
	struct marker m = { .self = self };
	unsigned int i, reads = 0, reported = 0;
	pthread_t thread;

	ASSERT_EQ(0, pthread_create(&thread, NULL, marker_run, &m));
	while (!__atomic_load_n(&m.done, __ATOMIC_ACQUIRE)) {
		__atomic_store_n(&m.begun, ++reads, __ATOMIC_RELEASE);
		memset(self->bits, 0, sizeof(self->bits));
		tracker_read(&self->args);
		for (i = 0; i < PAGES; i++)
			if (bitmap_test(self->bits, i))
				__atomic_fetch_add(&m.reported[i], 1, __ATOMIC_RELEASE);
		__atomic_store_n(&m.completed, reads, __ATOMIC_RELEASE);
	}
	pthread_join(thread, NULL);
	for (i = 0; i < PAGES; i++)
		reported += m.reported[i];
	lib_note("%u READs", reads);
	EXPECT_EQ(0, m.lost);
	EXPECT_EQ(ROUNDS, reported);
}

TEST_HARNESS_MAIN
