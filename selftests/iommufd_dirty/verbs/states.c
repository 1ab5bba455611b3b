// SPDX-License-Identifier: GPL-2.0-only
/*
 * Verbs in the wrong state, several trackers on one IOAS, and the per-HWPT dirty ioctls
 * of iommufd before and after a tracker; classic.c has them beside one.
 */
#include <errno.h>
#include <kselftest_harness.h>

#include "lib.h"

#define IOVA	0x40000000ULL
#define PAGES	64

FIXTURE(states)
{
	struct env env;
	struct oracle o;
};

FIXTURE_SETUP(states)
{
	OPEN_OR_SKIP(return, env_open(&self->env, 2));
	oracle_open(&self->o, &self->env, PAGES, IOVA);
	oracle_map(&self->o, self->env.ioas);
}

FIXTURE_TEARDOWN(states)
{
	oracle_close(&self->o);
	env_close(&self->env);
}

static int read_tracker(struct oracle *o, __u32 tracker)
{
	struct read_args args = {
		.fd = o->env->fd,
		.tracker = tracker,
		.iova = IOVA,
		.length = PAGES * SZ_4K,
		.page_size = SZ_4K,
		.data = o->bitmap,
	};

	memset(o->bitmap, 0, PAGES / 8);
	return __tracker_read(&args);
}

static void dirty_three(struct oracle *o)
{
	env_load(o->env, 0);
	oracle_write(o, 0, 1);
	oracle_write(o, 0, 2);
	oracle_write(o, 0, PAGES - 1);
}

TEST_F(states, read_stopped)
{
	struct env *env = &self->env;

	dirty_three(&self->o);
	EXPECT_EQ(-ENODATA, read_tracker(&self->o, env->tracker));
	EXPECT_EQ(0, bitmap_count(self->o.bitmap, PAGES));
	env_start(env);
	EXPECT_EQ(0, read_tracker(&self->o, env->tracker));
	tracker_stop(env->fd, env->tracker);
	EXPECT_EQ(-ENODATA, read_tracker(&self->o, env->tracker));
	EXPECT_EQ(0, bitmap_count(self->o.bitmap, PAGES));
}

/* One of the trackers is stopped: the READ clears nothing in the others */
TEST_F(states, read_one_stopped)
{
	struct env *env = &self->env;
	struct iommu_dirty_read_tracker entries[2] = {
		{ .tracker_id = env->tracker },
		{ .tracker_id = tracker_alloc(env->fd, ioas_alloc(env->fd)) },
	};
	struct iommu_dirty_tracker_read cmd = {
		.size = sizeof(cmd),
		.trackers = (uintptr_t)entries,
		.num_trackers = 2,
		.tracker_len = sizeof(entries[0]),
		.iova = IOVA,
		.length = PAGES * SZ_4K,
		.page_size = SZ_4K,
		.data = (uintptr_t)self->o.bitmap,
	};
	__u64 before;

	env_start(env);
	dirty_three(&self->o);
	EXPECT_EQ(-ENODATA,
		  __iommufd_ioctl(env->fd, IOMMU_DIRTY_TRACKER_READ, &cmd));
	before = bitmap_count(self->o.bitmap, PAGES);
	EXPECT_EQ(before, cmd.out_pages);
	if (!cmd.out_length)
		EXPECT_EQ(3, oracle_read(&self->o, 0));
}

TEST_F(states, start_twice)
{
	struct env *env = &self->env;

	env_start(env);
	dirty_three(&self->o);
	EXPECT_EQ(-EALREADY, __tracker_start(env->fd, env->tracker, NULL));
	EXPECT_EQ(3, oracle_read(&self->o, 0));
}

/* Each tracker has a separate state; trackers.c tests what each reports */
TEST_F(states, second_tracker)
{
	struct env *env = &self->env;
	__u32 second = tracker_alloc(env->fd, env->ioas);

	EXPECT_NE(env->tracker, second);
	env_start(env);
	dirty_three(&self->o);
	EXPECT_EQ(IOMMU_DIRTY_STATE_STOPPED, tracker_state(env->fd, second));
	EXPECT_EQ(-ENODATA, read_tracker(&self->o, second));
	EXPECT_EQ(0, __tracker_stop(env->fd, second));
	EXPECT_EQ(IOMMU_DIRTY_STATE_RUNNING, tracker_state(env->fd, env->tracker));
	EXPECT_EQ(3, oracle_read(&self->o, IOMMU_DIRTY_READ_NO_CLEAR));
	object_destroy(env->fd, second);
	EXPECT_EQ(3, oracle_read(&self->o, 0));

	second = tracker_alloc(env->fd, env->ioas);
	EXPECT_EQ(0, __tracker_start(env->fd, second, NULL));
	EXPECT_EQ(-EALREADY, __tracker_start(env->fd, second, NULL));
	EXPECT_EQ(-EALREADY, __tracker_start(env->fd, env->tracker, NULL));
	tracker_stop(env->fd, env->tracker);
	EXPECT_EQ(IOMMU_DIRTY_STATE_RUNNING, tracker_state(env->fd, second));
	dirty_three(&self->o);
	EXPECT_EQ(0, read_tracker(&self->o, second));
	EXPECT_EQ(3, bitmap_count(self->o.bitmap, PAGES));
	EXPECT_EQ(-ENODATA, read_tracker(&self->o, env->tracker));
}

/* The per-HWPT ioctls work as before while no tracker runs */
TEST_F(states, legacy_alone)
{
	struct env *env = &self->env;
	__u32 hwpt = hwpt_alloc(env->fd, env->edu[1].dev_id, env->ioas,
				IOMMU_HWPT_ALLOC_DIRTY_TRACKING);
	unsigned int round;

	edu_attach(&env->edu[1], hwpt);
	for (round = 0; round < 3; round++) {
		__u64 word = 0;

		ASSERT_EQ(0, __hwpt_set_dirty(env->fd, hwpt, true));
		env_load(env, 1);
		oracle_write(&self->o, 1, 7 + round);
		EXPECT_EQ(0, __hwpt_get_dirty(env->fd, hwpt, IOVA,
					      PAGES * SZ_4K, &word));
		EXPECT_EQ(1ULL << (7 + round), word);
		ASSERT_EQ(0, __hwpt_set_dirty(env->fd, hwpt, false));
		env_start(env);
		tracker_stop(env->fd, env->tracker);
	}
}

/* The tracker is unaffected when a HWPT is detached and destroyed */
TEST_F(states, members_leave)
{
	struct env *env = &self->env;
	struct iommu_dirty_member m[4];
	__u32 hwpt = hwpt_alloc(env->fd, env->edu[1].dev_id, env->ioas,
				IOMMU_HWPT_ALLOC_DIRTY_TRACKING);

	edu_attach(&env->edu[1], hwpt);
	env_start(env);
	env_load(env, 1);
	oracle_write(&self->o, 1, 10);
	EXPECT_EQ(1, oracle_read(&self->o, 0));
	edu_detach(&env->edu[1]);
	object_destroy(env->fd, hwpt);
	EXPECT_EQ(1, tracker_members(env->fd, env->tracker, m, 4));
	dirty_three(&self->o);
	EXPECT_EQ(3, oracle_read(&self->o, 0));

	/* The last member leaves, too: nothing can write any more */
	edu_detach(&env->edu[0]);
	EXPECT_EQ(0, tracker_members(env->fd, env->tracker, m, 4));
	EXPECT_EQ(0, oracle_read(&self->o, 0));
	tracker_stop(env->fd, env->tracker);
	env_start(env);
	edu_attach(&env->edu[0], env->ioas);
	dirty_three(&self->o);
	EXPECT_EQ(3, oracle_read(&self->o, 0));
}

TEST_HARNESS_MAIN
