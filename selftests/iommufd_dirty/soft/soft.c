// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reads a tracker while devices of the software IOMMU write at full speed, from several
 * threads. After the last READ the copy that a migration would have made must match
 * the memory. Without the IOTLB flush it does not match, which proves that this test
 * can fail.
 */
#include <kselftest_harness.h>

#include <pthread.h>
#include <time.h>

#include "lib.h"

#define IOVA	0x40000000ULL
#define PAGES	200	/* fewer than a device's translation cache holds */
#define SWEEP	16384	/* many more than it holds */
#define WORDS	(SZ_4K / 8)
#define ROUNDS	24

FIXTURE(soft)
{
	struct env env;
	size_t pages;
	__u64 *mem;
	__u64 copy[SWEEP];
	unsigned char bitmap[SWEEP / 8];
	struct storm storm;
	__u64 reported;
};

FIXTURE_SETUP(soft)
{
	struct env *env = &self->env;

	OPEN_OR_SKIP(return, env_open_soft(env, 2));
	storm_skip_flush(false);
	self->mem = mem_alloc(SWEEP * SZ_4K);
	self->storm = (struct storm) {
		.iova = IOVA,
		.seed = random_u64(),
		.threads = 3,
	};
}

FIXTURE_TEARDOWN(soft)
{
	env_close(&self->env);
	if (!self->mem)
		return;
	storm_skip_flush(false);
	mem_free(self->mem, SWEEP * SZ_4K);
}

static void start(FIXTURE_DATA(soft) * self, size_t pages)
{
	self->pages = pages;
	self->storm.length = pages * SZ_4K;
	ioas_map(self->env.fd, self->env.ioas, self->mem, pages * SZ_4K, IOVA);
	env_start(&self->env);
}

static __u64 word(const __u64 *mem, size_t page)
{
	return __atomic_load_n(&mem[page * WORDS], __ATOMIC_ACQUIRE);
}

/* One round of a migration: READs and copies the reported pages */
static __u64 read_and_copy(FIXTURE_DATA(soft) * self)
{
	__u64 pages;
	size_t page;

	memset(self->bitmap, 0, sizeof(self->bitmap));
	pages = env_read(&self->env, IOVA, self->pages * SZ_4K, SZ_4K, 0,
			 self->bitmap);
	for (page = 0; page < self->pages; page++)
		if (bitmap_test(self->bitmap, page))
			self->copy[page] = word(self->mem, page);
	self->reported += pages;
	return pages;
}

/* The last READ, with the device stopped; returns the number of missed pages */
static size_t missed(FIXTURE_DATA(soft) * self)
{
	size_t num = 0;
	size_t page;

	read_and_copy(self);
	for (page = 0; page < self->pages; page++)
		num += self->copy[page] != word(self->mem, page);
	if (read_and_copy(self))
		fatal("dirty pages after the last READ");
	return num;
}

/* READs; before every second one, the device writes as often as there are pages */
static size_t run(FIXTURE_DATA(soft) * self, unsigned int devices)
{
	struct edu *edu = self->env.edu;
	unsigned int i, round;
	size_t lost;

	for (i = 0; i < devices; i++)
		storm_start(&edu[i], &self->storm);
	for (round = 0; round < ROUNDS; round++) {
		if (round % 2)
			storm_wait(&edu[round / 2 % devices], self->pages);
		read_and_copy(self);
	}
	for (i = 0; i < devices; i++)
		storm_stop(&edu[i]);
	lost = missed(self);
	lib_note("%llu writes, %llu pages reported, %zu missed",
		 storm_writes(&edu[0]), self->reported, lost);
	return lost;
}

TEST_F_TIMEOUT(soft, random, 120)
{
	start(self, PAGES);
	EXPECT_EQ(0, run(self, 1));
	EXPECT_LT(PAGES, self->reported);
	EXPECT_EQ(0, storm_running(&self->env.edu[0]));
}

TEST_F_TIMEOUT(soft, sequential, 120)
{
	self->storm.sequential = 1;
	start(self, PAGES);
	EXPECT_EQ(0, run(self, 1));
	EXPECT_LT(PAGES, self->reported);
}

/* Each sweep writes a page only once, so no later write hides a loss */
TEST_F_TIMEOUT(soft, sweep, 120)
{
	struct edu *edu = &self->env.edu[0];
	time_t end = time(NULL) + 10;
	unsigned int reads = 0;
	unsigned int i;

	self->storm.threads = 1;
	self->storm.sequential = 1;
	self->storm.limit = SWEEP;
	start(self, SWEEP);
	for (i = 0; i < 10 && (!i || time(NULL) < end); i++) {
		storm_start(edu, &self->storm);
		while (storm_running(edu)) {
			read_and_copy(self);
			reads++;
		}
		storm_stop(edu);
		EXPECT_EQ(0, missed(self));
	}
	EXPECT_LE(i * SWEEP, self->reported);
	lib_note("%u READs during %u sweeps", reads, i);
}

TEST_F_TIMEOUT(soft, many_threads, 120)
{
	self->storm.threads = STORM_MAX_THREADS;
	start(self, PAGES);
	EXPECT_EQ(0, run(self, 1));
}

/* The flush must reach all devices that use the page table */
TEST_F_TIMEOUT(soft, two_devices, 120)
{
	edu_attach(&self->env.edu[1], self->env.ioas);
	start(self, PAGES);
	EXPECT_EQ(0, run(self, 2));
}

/* Proves that the tests above can fail */
TEST_F_TIMEOUT(soft, no_flush_is_seen, 120)
{
	storm_skip_flush(true);
	start(self, PAGES);
	EXPECT_LT(0, run(self, 1));
}

/* A fixed number of writes, all to mapped memory */
TEST_F(soft, limit)
{
	struct edu *edu = &self->env.edu[0];
	__u64 writes = storm_writes(edu);
	__u64 faults = storm_faults(edu);

	self->storm.limit = 1000;
	start(self, PAGES);
	storm_start(edu, &self->storm);
	while (storm_running(edu))
		read_and_copy(self);
	EXPECT_EQ(writes + 3 * 1000, storm_writes(edu));
	EXPECT_EQ(faults, storm_faults(edu));
	EXPECT_EQ(0, missed(self));
	storm_stop(edu);
}

TEST_F(soft, bad_values)
{
	struct edu *edu = &self->env.edu[0];

	self->storm.length = SZ_4K;
	self->storm.threads = STORM_MAX_THREADS + 1;
	EXPECT_EQ(-EINVAL, __storm_start(edu, &self->storm));
	self->storm.threads = 1;
	self->storm.length = SZ_4K - 1;
	EXPECT_EQ(-EINVAL, __storm_start(edu, &self->storm));
	EXPECT_FALSE(storm_running(edu));
}

/* Memory next to self->mem that is mapped and unmapped while the device writes to it */
#define NEAR_PAGES	40
#define NEAR		(IOVA + PAGES * SZ_4K)

struct mapper {
	struct env *env;
	pthread_t thread;
	unsigned int rounds;
	unsigned int wrong;
	__u64 hits;
	bool done;
};

static void *mapper_run(void *arg)
{
	__u64 *mem = mem_alloc(NEAR_PAGES * SZ_4K);
	__u64 before[NEAR_PAGES];
	struct mapper *m = arg;
	struct env *env = m->env;
	unsigned int i;
	size_t page;

	for (i = 0; i < m->rounds; i++) {
		memset(mem, 0, NEAR_PAGES * SZ_4K);
		ioas_map(env->fd, env->ioas, mem, NEAR_PAGES * SZ_4K, NEAR);
		storm_wait(&env->edu[0], 2 * NEAR_PAGES);
		ioas_unmap(env->fd, env->ioas, NEAR, NEAR_PAGES * SZ_4K);
		for (page = 0; page < NEAR_PAGES; page++) {
			before[page] = word(mem, page);
			m->hits += before[page] != 0;
		}
		/* Unmapped memory must not be written to any more */
		storm_wait(&env->edu[0], 2 * NEAR_PAGES);
		for (page = 0; page < NEAR_PAGES; page++)
			m->wrong += before[page] != word(mem, page);
	}
	mem_free(mem, NEAR_PAGES * SZ_4K);
	__atomic_store_n(&m->done, true, __ATOMIC_RELEASE);
	return NULL;
}

TEST_F_TIMEOUT(soft, map_and_unmap, 120)
{
	struct edu *edu = &self->env.edu[0];
	struct mapper m = { .env = &self->env, .rounds = ROUNDS };
	__u64 faults = storm_faults(edu);

	start(self, PAGES);
	self->storm.length += NEAR_PAGES * SZ_4K;
	storm_start(edu, &self->storm);
	ASSERT_EQ(0, pthread_create(&m.thread, NULL, mapper_run, &m));
	while (!__atomic_load_n(&m.done, __ATOMIC_ACQUIRE))
		read_and_copy(self);
	pthread_join(m.thread, NULL);
	storm_stop(edu);
	EXPECT_EQ(0, missed(self));
	EXPECT_EQ(0, m.wrong);
	EXPECT_LT(0, m.hits);
	EXPECT_LT(faults, storm_faults(edu));
	lib_note("%llu writes, %llu of them to pages that came and went, %llu faults",
		 storm_writes(edu), m.hits, storm_faults(edu) - faults);
}

/* A detached device writes nothing; when it is attached again it is tracked */
TEST_F_TIMEOUT(soft, detach, 120)
{
	struct edu *edu = &self->env.edu[0];
	unsigned int round;
	size_t page;

	start(self, PAGES);
	storm_start(edu, &self->storm);
	for (round = 0; round < ROUNDS; round++) {
		storm_wait(edu, PAGES);
		read_and_copy(self);
	}
	/* Later writes can only be reported while the HWPT exists */
	storm_stop(edu);
	EXPECT_EQ(0, missed(self));
	storm_start(edu, &self->storm);
	edu_detach(edu);
	for (page = 0; page < PAGES; page++)
		self->copy[page] = word(self->mem, page);
	storm_wait(edu, 4 * PAGES);
	for (page = 0; page < PAGES; page++)
		ASSERT_EQ(self->copy[page], word(self->mem, page));
	edu_attach(edu, self->env.ioas);
	for (round = 0; round < ROUNDS; round++) {
		storm_wait(edu, PAGES);
		read_and_copy(self);
	}
	storm_stop(edu);
	EXPECT_EQ(0, missed(self));
}

TEST_HARNESS_MAIN
