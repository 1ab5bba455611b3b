// SPDX-License-Identifier: GPL-2.0-only
/*
 * An IOMMU without dirty bits: a tracker can be allocated, but INFO reports that the
 * HWPT cannot be tracked. START fails and returns the HWPT and the reason. Degraded
 * mode reports everything as dirty. Skipped if the IOMMU has dirty bits.
 */
#include <kselftest_harness.h>

#include "lib.h"

#define IOVA	0x40000000ULL
#define PAGES	64

FIXTURE(nohw)
{
	struct env env;
	struct oracle o;
	struct iommu_dirty_member member;
};

FIXTURE_SETUP(nohw)
{
	const char *reason = env_open(&self->env, 1);
	struct env *env = &self->env;

	if (reason)
		SKIP(return, "%s", reason);
	oracle_open(&self->o, env, PAGES, IOVA);
	oracle_map(&self->o, env->ioas);
	ASSERT_EQ(1, tracker_members(env->fd, env->tracker, &self->member, 1));
	if (self->member.reason == IOMMU_DIRTY_REASON_OK)
		SKIP(return, "the IOMMU has dirty bits");
}

FIXTURE_TEARDOWN(nohw)
{
	oracle_close(&self->o);
	env_close(&self->env);
}

TEST_F(nohw, info)
{
	struct iommu_dirty_member *m = &self->member;

	EXPECT_EQ(IOMMU_DIRTY_MEMBER_HWPT, m->type);
	EXPECT_EQ(IOMMU_DIRTY_REASON_NO_HW, m->reason);
	EXPECT_EQ(IOMMU_DIRTY_MEMBER_AUTO, m->flags);
	EXPECT_NE(IOMMU_DIRTY_FMT_UNKNOWN, m->format);
	EXPECT_TRUE(m->io_page_sizes & SZ_4K);
}

TEST_F(nohw, start)
{
	struct env *env = &self->env;
	struct iommu_dirty_tracker_start start;

	EXPECT_EQ(-ENXIO, __tracker_start(env->fd, env->tracker, &start));
	EXPECT_EQ(IOMMU_DIRTY_MEMBER_HWPT, start.out_type);
	EXPECT_EQ(self->member.id, start.out_id);
	EXPECT_EQ(IOMMU_DIRTY_REASON_NO_HW, start.out_reason);
	EXPECT_EQ(IOMMU_DIRTY_STATE_STOPPED, tracker_state(env->fd, env->tracker));
}

/* Allocating a HWPT with dirty tracking fails */
TEST_F(nohw, hwpt_alloc)
{
	struct env *env = &self->env;
	__u32 hwpt;

	EXPECT_EQ(-EOPNOTSUPP, __hwpt_alloc(env->fd, env->edu[0].dev_id, env->ioas,
					    IOMMU_HWPT_ALLOC_DIRTY_TRACKING, &hwpt));
	EXPECT_FALSE(hw_capabilities(env->fd, env->edu[0].dev_id) &
		     IOMMU_HW_CAP_DIRTY_TRACKING);
}

/* A tracker of an empty IOAS runs: the device cannot be attached to it */
TEST_F(nohw, attach)
{
	struct env *env = &self->env;
	__u32 ioas = ioas_alloc(env->fd);
	__u32 tracker = tracker_alloc(env->fd, ioas);

	tracker_start(env->fd, tracker);
	EXPECT_EQ(-ENXIO, __edu_attach(&env->edu[0], ioas));
	EXPECT_EQ(0, tracker_members(env->fd, tracker, NULL, 0));
}

TEST_F(nohw, degraded)
{
	struct env *env = &self->env;
	struct oracle *o = &self->o;

	check(__tracker_start_flags(env->fd, env->tracker,
				    IOMMU_DIRTY_START_DEGRADED, NULL));
	env_load(env, 0);
	oracle_write(o, 0, 5);
	EXPECT_EQ(PAGES, oracle_read(o, 0));
	oracle_check(o);
	EXPECT_EQ(0, o->lost);
	EXPECT_EQ(PAGES, oracle_read(o, 0));
}

TEST_HARNESS_MAIN
