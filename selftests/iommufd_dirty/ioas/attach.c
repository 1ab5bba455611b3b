// SPDX-License-Identifier: GPL-2.0-only
/*
 * Devices and HWPTs that join and leave while a tracker runs: no write is missed.
 * unmap.c tests the dirty pages of HWPTs that are destroyed.
 */
#include <kselftest_harness.h>

#include <pthread.h>
#include <time.h>

#include "lib.h"

#define IOVA	0x40000000ULL
#define PAGES	64

FIXTURE(attach)
{
	struct env env;
	struct oracle o;
};

FIXTURE_SETUP(attach)
{
	OPEN_OR_SKIP(return, env_open(&self->env, 2));
	oracle_open(&self->o, &self->env, PAGES, IOVA);
	oracle_map(&self->o, self->env.ioas);
	env_twin(&self->env);
}

FIXTURE_TEARDOWN(attach)
{
	oracle_close(&self->o);
	env_close(&self->env);
}

static __u32 dirty_hwpt(struct env *env, unsigned int index, __u32 ioas)
{
	return hwpt_alloc(env->fd, env->edu[index].dev_id, ioas,
			  IOMMU_HWPT_ALLOC_DIRTY_TRACKING);
}

TEST_F(attach, attach)
{
	struct env *env = &self->env;
	__u32 hwpt;

	edu_detach(&env->edu[0]);
	env_start(env);
	edu_attach(&env->edu[0], env->ioas);
	EXPECT_TRUE(oracle_tracked(&self->o, 0));
	hwpt = dirty_hwpt(env, 1, env->ioas);
	edu_attach(&env->edu[1], hwpt);
	EXPECT_TRUE(oracle_tracked(&self->o, 1));
	EXPECT_TRUE(oracle_tracked(&self->o, 0));
	/* A second device on an already tracked HWPT */
	edu_detach(&env->edu[1]);
	object_destroy(env->fd, hwpt);
	edu_attach(&env->edu[1], env->ioas);
	EXPECT_TRUE(oracle_tracked(&self->o, 1));
}

/* From HWPT to HWPT, with writes before and after, and a READ at the end */
TEST_F(attach, replace)
{
	struct env *env = &self->env;
	__u32 hwpts[3] = {
		dirty_hwpt(env, 0, env->ioas), dirty_hwpt(env, 0, env->ioas),
		env->ioas,
	};
	unsigned int i;

	env_start(env);
	for (i = 0; i < 9; i++) {
		env_load(env, 0);
		oracle_write(&self->o, 0, i);
		edu_attach(&env->edu[0], hwpts[i % 3]);
		oracle_write(&self->o, 0, 20 + i);
	}
	EXPECT_EQ(18, oracle_read(&self->o, 0));
	oracle_check(&self->o);
	EXPECT_EQ(0, self->o.lost + self->o.extra);
	EXPECT_TRUE(oracle_tracked(&self->o, 0));
}

/* Attaches and detaches both devices in random order */
TEST_F_TIMEOUT(attach, random, 120)
{
	struct env *env = &self->env;
	__u32 to[2][3];
	unsigned int i, at[2] = { 2, 3 };

	for (i = 0; i < 2; i++) {
		to[i][0] = dirty_hwpt(env, i, env->ioas);
		to[i][1] = dirty_hwpt(env, i, env->ioas);
		to[i][2] = env->ioas;
	}
	env_start(env);
	for (i = 0; i < 80; i++) {
		unsigned int index = random_below(2), next = random_below(4);

		if (next != 3)
			edu_attach(&env->edu[index], to[index][next]);
		else if (at[index] != 3)
			edu_detach(&env->edu[index]);
		at[index] = next;
		for (index = 0; index < 2; index++) {
			if (at[index] == 3)
				continue;
			env_load(env, index);
			oracle_write(&self->o, index, random_below(PAGES));
		}
		if (!random_below(4)) {
			oracle_read(&self->o, 0);
			oracle_check(&self->o);
		}
	}
	oracle_read(&self->o, 0);
	oracle_check(&self->o);
	EXPECT_EQ(0, self->o.lost);
	EXPECT_EQ(0, self->o.extra);
	EXPECT_EQ(0, oracle_differing(&self->o));
}

/* From one tracked IOAS to another: each tracker reports writes to its IOAS */
TEST_F(attach, other_ioas)
{
	struct env *env = &self->env;
	struct env second = *env;
	struct oracle there = self->o;

	second.ioas = ioas_alloc(env->fd);
	ioas_set_huge_pages(env->fd, second.ioas, false);
	second.tracker = tracker_alloc(env->fd, second.ioas);
	env_twin(&second);
	there.env = &second;
	oracle_map(&there, second.ioas);
	env_start(env);
	env_start(&second);
	env_load(env, 0);
	oracle_write(&self->o, 0, 1);
	edu_attach(&env->edu[0], second.ioas);
	oracle_write(&self->o, 0, 2);
	edu_attach(&env->edu[0], env->ioas);
	oracle_write(&self->o, 0, 3);
	EXPECT_EQ(1, oracle_read(&there, 0));
	EXPECT_TRUE(bitmap_test(there.bitmap, 2));
	EXPECT_EQ(2, oracle_read(&self->o, 0));
	EXPECT_TRUE(bitmap_test(self->o.bitmap, 1));
	EXPECT_TRUE(bitmap_test(self->o.bitmap, 3));
}

struct crosser {
	struct edu *edu;
	__u32 to[2];
	pthread_barrier_t *start;
	pthread_t thread;
	unsigned int crossings;
};

#define CROSSINGS	600
#define PATIENCE	30	/* seconds without any crossing */

static void *crosser_run(void *arg)
{
	struct crosser *c = arg;
	unsigned int i;

	for (i = 0; i < CROSSINGS; i++) {
		pthread_barrier_wait(c->start);
		edu_attach(c->edu, c->to[i % 2]);
		__atomic_fetch_add(&c->crossings, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

/* Joins both threads; fatal only without progress, not if the machine is slow */
static void crossers_wait(struct crosser c[2])
{
	unsigned int i = 0, before = 0, sum;
	struct timespec end;

	while (i < 2) {
		clock_gettime(CLOCK_MONOTONIC, &end);
		end.tv_sec += PATIENCE;
		if (!pthread_clockjoin_np(c[i].thread, NULL, CLOCK_MONOTONIC, &end)) {
			i++;
			continue;
		}
		sum = __atomic_load_n(&c[0].crossings, __ATOMIC_RELAXED) +
		      __atomic_load_n(&c[1].crossings, __ATOMIC_RELAXED);
		if (sum == before)
			fatal("devices hang after %u crossings", sum);
		before = sum;
	}
}

/*
 * Two devices move between two IOASes in opposite directions, again and again. They
 * must not deadlock. A kernel in which they do cannot end the threads any more.
 */
TEST_F_TIMEOUT(attach, crossing, 240)
{
	struct env *env = &self->env;
	__u32 there = ioas_alloc(env->fd);
	struct crosser c[2];
	pthread_barrier_t start;
	unsigned int i;

	ioas_set_huge_pages(env->fd, there, false);
	pthread_barrier_init(&start, NULL, 2);
	for (i = 0; i < 2; i++) {
		__u32 hwpt[2] = {
			dirty_hwpt(env, i, env->ioas), dirty_hwpt(env, i, there),
		};

		c[i] = (struct crosser) {
			.edu = &env->edu[i],
			.to = { hwpt[!i], hwpt[i] },
			.start = &start,
		};
		edu_attach(c[i].edu, hwpt[i]);
	}
	env_start(env);
	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, pthread_create(&c[i].thread, NULL, crosser_run, &c[i]));
	crossers_wait(c);
	EXPECT_TRUE(oracle_tracked(&self->o, 0));
}

TEST_HARNESS_MAIN
