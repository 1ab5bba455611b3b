// SPDX-License-Identifier: GPL-2.0-only
/*
 * Unmaps a range while devices write to it at full speed. All writes before the
 * accesses were refused must be reported, and nothing may change afterwards: the
 * copy must match the memory.
 *
 * If the kernel is made to leave the entries writable when it looks at the dirty bits
 * (CONFIG_IOMMUFD_DIRTY_BREAK), the test must find missed pages.
 */
#include <kselftest_harness.h>

#include <pthread.h>

#include "lib.h"

#define IOVA	0x40000000ULL
#define PAGES	64
#define SIZE	(PAGES * SZ_4K)
#define DEVICES	2
#define ROUNDS	40

FIXTURE(soft_unmap)
{
	struct env env;
	__u64 *mem;
	struct consumer first;
	struct consumer second;
};

FIXTURE_SETUP(soft_unmap)
{
	struct env *env = &self->env;
	unsigned int i;

	OPEN_OR_SKIP(return, env_open_soft(env, DEVICES));
	self->mem = mem_alloc(SIZE);
	consumer_open(&self->first, env->fd, env->ioas, self->mem, IOVA, PAGES);
	consumer_open(&self->second, env->fd, env->ioas, self->mem, IOVA, PAGES);
	tracker_start(env->fd, self->first.tracker);
	tracker_start(env->fd, self->second.tracker);
	edu_attach(&env->edu[1], env->ioas);
	for (i = 0; i < DEVICES; i++) {
		struct storm storm = {
			.iova = IOVA,
			.length = SIZE,
			.seed = random_u64() >> 32,
			.threads = 2,
		};

		storm_start(&env->edu[i], &storm);
	}
}

FIXTURE_TEARDOWN(soft_unmap)
{
	unsigned int i;

	if (!self->mem)
		return;
	for (i = 0; i < DEVICES; i++)
		storm_stop(&self->env.edu[i]);
	consumer_close(&self->first);
	consumer_close(&self->second);
	env_close(&self->env);
	mem_free(self->mem, SIZE);
}

static int unmap_ioas(FIXTURE_DATA(soft_unmap) * self)
{
	struct env *env = &self->env;
	int rc = __ioas_unmap(env->fd, env->ioas, IOVA, SIZE);

	return rc ? rc : __consumer_read(&self->first, 0, NULL);
}

/* The bitmap of UNMAP must have all dirty pages, so no READ follows */
static int unmap_verb(FIXTURE_DATA(soft_unmap) * self)
{
	return __consumer_unmap(&self->first, 0, PAGES);
}

/*
 * Maps, lets the devices write, cleans all entries while they keep writing, unmaps.
 * Repeats that up to @rounds times and stops after a round with missed pages.
 * Returns how many pages were missed.
 */
static size_t run(FIXTURE_DATA(soft_unmap) * self,
		  int (*unmap)(FIXTURE_DATA(soft_unmap) * self),
		  unsigned int rounds)
{
	struct env *env = &self->env;
	size_t missed = 0;
	unsigned int i;

	for (i = 0; i < rounds && !missed; i++) {
		ioas_map(env->fd, env->ioas, self->mem, SIZE, IOVA);
		storm_wait(&env->edu[i % DEVICES], PAGES);
		check(__consumer_read(&self->first, 0, NULL));
		check(unmap(self));
		missed = consumer_differing(&self->first);
		/* This tracker is not read in between */
		missed += consumer_missed(&self->second);
	}
	lib_note("%u of %u rounds: %llu writes, %llu refused, %zu pages missed",
		 i, rounds, storm_writes(&env->edu[0]), storm_faults(&env->edu[0]),
		 missed);
	return missed;
}

TEST_F_TIMEOUT(soft_unmap, ioas_unmap, 120)
{
	EXPECT_EQ(0, run(self, unmap_ioas, ROUNDS));
	EXPECT_LT(0, storm_faults(&self->env.edu[0]));
}

TEST_F_TIMEOUT(soft_unmap, verb, 120)
{
	EXPECT_EQ(0, run(self, unmap_verb, ROUNDS));
	EXPECT_LT(0, storm_faults(&self->env.edu[0]));
}

struct reader {
	struct consumer *c;
	bool stop;
};

static void *reader_run(void *arg)
{
	struct reader *r = arg;

	while (!__atomic_load_n(&r->stop, __ATOMIC_ACQUIRE))
		__consumer_read(r->c, 0, NULL);
	return NULL;
}

/* A reader keeps reading what the unmaps record */
TEST_F_TIMEOUT(soft_unmap, with_reader, 120)
{
	struct reader reader = { .c = &self->second };
	pthread_t thread;

	ASSERT_EQ(0, pthread_create(&thread, NULL, reader_run, &reader));
	EXPECT_EQ(0, run(self, unmap_ioas, ROUNDS));
	__atomic_store_n(&reader.stop, true, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
}

/*
 * A device that cannot be tracked makes everything dirty, including unmapped pages. They
 * must not be marked so early that a concurrent reader misses the last writes.
 */
TEST_F_TIMEOUT(soft_unmap, untracked, 120)
{
	struct reader reader = { .c = &self->second };
	struct env *env = &self->env;
	pthread_t thread;
	__u32 hwpt;

	tracker_stop(env->fd, self->first.tracker);
	tracker_stop(env->fd, self->second.tracker);
	edu_detach(&env->edu[1]);
	hwpt = hwpt_alloc(env->fd, env->edu[1].dev_id, env->ioas, 0);
	edu_attach(&env->edu[1], hwpt);
	check(__tracker_start_flags(env->fd, self->first.tracker,
				    IOMMU_DIRTY_START_DEGRADED, NULL));
	check(__tracker_start_flags(env->fd, self->second.tracker,
				    IOMMU_DIRTY_START_DEGRADED, NULL));
	ASSERT_EQ(0, pthread_create(&thread, NULL, reader_run, &reader));
	EXPECT_EQ(0, run(self, unmap_ioas, 5 * ROUNDS));
	__atomic_store_n(&reader.stop, true, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
}

TEST_F_TIMEOUT(soft_unmap, ioas_unmap_without_protect, 240)
{
	if (!break_kernel(1U << BREAK_PROTECT))
		SKIP(return, "no CONFIG_IOMMUFD_DIRTY_BREAK");
	EXPECT_LT(0, run(self, unmap_ioas, 10 * ROUNDS));
	break_kernel(0);
}

TEST_F_TIMEOUT(soft_unmap, verb_without_protect, 240)
{
	if (!break_kernel(1U << BREAK_PROTECT))
		SKIP(return, "no CONFIG_IOMMUFD_DIRTY_BREAK");
	EXPECT_LT(0, run(self, unmap_verb, 10 * ROUNDS));
	break_kernel(0);
}

TEST_HARNESS_MAIN
