// SPDX-License-Identifier: GPL-2.0-only
/*
 * HWPTs that cannot be tracked because they were allocated without dirty tracking.
 * A strict tracker keeps them out. A tracker in degraded mode reports everything
 * that is mapped for writing as dirty while they exist.
 */
#include <errno.h>

#include <kselftest_harness.h>

#include "lib.h"

#define IOVA	0x40000000ULL
#define PAGES	64
#define SIZE	(PAGES * SZ_4K)

FIXTURE(degraded)
{
	struct env env;
	struct oracle o;
};

FIXTURE_SETUP(degraded)
{
	OPEN_OR_SKIP(return, env_open(&self->env, 2));
	oracle_open(&self->o, &self->env, PAGES, IOVA);
	oracle_map(&self->o, self->env.ioas);
	/* The same memory next to it, mapped read-only */
	check(__ioas_map(self->env.fd, self->env.ioas, self->o.mem, SIZE,
			 IOVA + SIZE, IOMMU_IOAS_MAP_READABLE));
	env_twin(&self->env);
}

FIXTURE_TEARDOWN(degraded)
{
	oracle_close(&self->o);
	env_close(&self->env);
}

static void start_degraded(struct env *env)
{
	check(__tracker_start_flags(env->fd, env->tracker,
				    IOMMU_DIRTY_START_DEGRADED, NULL));
	check(__tracker_start_flags(env->fd, env->twin,
				    IOMMU_DIRTY_START_DEGRADED, NULL));
}

/* The member for HWPT @id, or NULL */
static const struct iommu_dirty_member *member_of(struct env *env, __u32 id)
{
	static struct iommu_dirty_member m[8];
	__u32 i, num = tracker_members(env->fd, env->tracker, m, 8);

	for (i = 0; i < num; i++)
		if (m[i].id == id)
			return &m[i];
	return NULL;
}

/* Is everything that is mapped for writing dirty, and nothing else? */
static bool all_dirty(struct oracle *o)
{
	unsigned char bitmap[2 * PAGES / 8] = {};
	__u64 found = env_read(o->env, IOVA, 2 * SIZE, SZ_4K, 0, bitmap);

	return found == PAGES && bitmap_count(bitmap, PAGES) == PAGES;
}

/* Attaches device 1 to an untrackable HWPT */
static __u32 blind_hwpt(struct env *env)
{
	__u32 hwpt = hwpt_alloc(env->fd, env->edu[1].dev_id, env->ioas, 0);

	edu_attach(&env->edu[1], hwpt);
	return hwpt;
}

static void blind_leave(struct env *env, __u32 hwpt)
{
	edu_detach(&env->edu[1]);
	object_destroy(env->fd, hwpt);
}

TEST_F(degraded, enforcing)
{
	struct env *env = &self->env;
	__u32 hwpt;

	env_start(env);
	EXPECT_EQ(-ENXIO, __hwpt_alloc(env->fd, env->edu[1].dev_id,
				       env->ioas, 0, &hwpt));
	EXPECT_EQ(0, tracker_flags(env->fd, env->tracker));
	EXPECT_TRUE(oracle_tracked(&self->o, 0));

	/* A degraded tracker does not help while a strict one runs */
	tracker_stop(env->fd, env->twin);
	ASSERT_EQ(0, __tracker_start_flags(env->fd, env->twin,
					   IOMMU_DIRTY_START_DEGRADED, NULL));
	EXPECT_EQ(-ENXIO, __hwpt_alloc(env->fd, env->edu[1].dev_id,
				       env->ioas, 0, &hwpt));
	EXPECT_EQ(IOMMU_DIRTY_TRACKER_DEGRADED,
		  tracker_flags(env->fd, env->twin));
	EXPECT_TRUE(oracle_tracked(&self->o, 0));
	tracker_stop(env->fd, env->tracker);
	EXPECT_EQ(0, __hwpt_alloc(env->fd, env->edu[1].dev_id, env->ioas, 0,
				  &hwpt));
}

TEST_F(degraded, join)
{
	struct env *env = &self->env;
	const struct iommu_dirty_member *m;
	unsigned int i;
	__u32 hwpt;

	start_degraded(env);
	EXPECT_EQ(IOMMU_DIRTY_TRACKER_DEGRADED,
		  tracker_flags(env->fd, env->tracker));
	EXPECT_TRUE(oracle_tracked(&self->o, 0));

	hwpt = blind_hwpt(env);
	EXPECT_EQ(IOMMU_DIRTY_TRACKER_DEGRADED | IOMMU_DIRTY_TRACKER_BLIND,
		  tracker_flags(env->fd, env->tracker));
	m = member_of(env, hwpt);
	ASSERT_NE(NULL, m);
	EXPECT_EQ(IOMMU_DIRTY_REASON_NOT_REQUESTED, m->reason);
	EXPECT_FALSE(m->flags & IOMMU_DIRTY_MEMBER_TRACKED);
	for (i = 0; i < 3; i++)
		EXPECT_TRUE(all_dirty(&self->o));

	/* Its device may have written until it left: all dirty once, then exact */
	blind_leave(env, hwpt);
	EXPECT_EQ(IOMMU_DIRTY_TRACKER_DEGRADED,
		  tracker_flags(env->fd, env->tracker));
	EXPECT_TRUE(all_dirty(&self->o));
	EXPECT_EQ(0, oracle_read(&self->o, 0));
	EXPECT_TRUE(oracle_tracked(&self->o, 0));
	tracker_stop(env->fd, env->tracker);
	EXPECT_EQ(0, tracker_flags(env->fd, env->tracker));
}

/* While the tracker is blind, unmapped ranges and new mappings are dirty */
TEST_F(degraded, unmap)
{
	struct env *env = &self->env;
	__u32 hwpt;

	start_degraded(env);
	hwpt = blind_hwpt(env);
	EXPECT_TRUE(all_dirty(&self->o));
	ioas_unmap(env->fd, env->ioas, IOVA, SIZE);
	EXPECT_TRUE(all_dirty(&self->o));
	EXPECT_EQ(0, oracle_read(&self->o, 0));
	oracle_map(&self->o, env->ioas);
	EXPECT_TRUE(all_dirty(&self->o));
	ioas_unmap(env->fd, env->ioas, IOVA, SIZE);
	blind_leave(env, hwpt);
	EXPECT_TRUE(all_dirty(&self->o));
	oracle_map(&self->o, env->ioas);
	EXPECT_EQ(0, oracle_read(&self->o, 0));
}

/* The HWPT exists before START, and its device writes */
TEST_F(degraded, start)
{
	struct env *env = &self->env;
	struct iommu_dirty_tracker_start start;
	__u32 third = tracker_alloc(env->fd, env->ioas);
	__u32 hwpt = blind_hwpt(env);

	EXPECT_EQ(-ENXIO, __tracker_start(env->fd, third, &start));
	EXPECT_EQ(IOMMU_DIRTY_MEMBER_HWPT, start.out_type);
	EXPECT_EQ(hwpt, start.out_id);
	EXPECT_EQ(IOMMU_DIRTY_REASON_NOT_REQUESTED, start.out_reason);

	start_degraded(env);
	EXPECT_EQ(IOMMU_DIRTY_TRACKER_DEGRADED | IOMMU_DIRTY_TRACKER_BLIND,
		  tracker_flags(env->fd, env->tracker));
	env_load(env, 1);
	oracle_write(&self->o, 1, 7);
	EXPECT_EQ(PAGES, oracle_read(&self->o, 0));
	oracle_copy(&self->o);
	EXPECT_EQ(0, oracle_differing(&self->o));
	EXPECT_EQ(-ENXIO, __tracker_start(env->fd, third, &start));
	EXPECT_EQ(hwpt, start.out_id);
	EXPECT_EQ(IOMMU_DIRTY_REASON_NOT_REQUESTED, start.out_reason);

	blind_leave(env, hwpt);
	EXPECT_EQ(0, __tracker_start(env->fd, third, &start));
	EXPECT_TRUE(all_dirty(&self->o));
	EXPECT_TRUE(oracle_tracked(&self->o, 0));
	EXPECT_EQ(-ENXIO, __hwpt_alloc(env->fd, env->edu[1].dev_id,
				       env->ioas, 0, &hwpt));
}

/* Two untrackable HWPTs: blind until the second one leaves */
TEST_F(degraded, twice)
{
	struct env *env = &self->env;
	__u32 second = hwpt_alloc(env->fd, env->edu[1].dev_id, env->ioas, 0);
	__u32 hwpt = blind_hwpt(env);

	start_degraded(env);
	EXPECT_TRUE(all_dirty(&self->o));
	blind_leave(env, hwpt);
	EXPECT_TRUE(tracker_flags(env->fd, env->tracker) &
		    IOMMU_DIRTY_TRACKER_BLIND);
	EXPECT_TRUE(all_dirty(&self->o));
	EXPECT_TRUE(all_dirty(&self->o));
	object_destroy(env->fd, second);
	EXPECT_FALSE(tracker_flags(env->fd, env->tracker) &
		     IOMMU_DIRTY_TRACKER_BLIND);
	EXPECT_TRUE(all_dirty(&self->o));
	EXPECT_TRUE(oracle_tracked(&self->o, 0));
}

/* The member for the untracked automatic HWPT, or NULL */
static const struct iommu_dirty_member *untracked_auto(struct env *env)
{
	static struct iommu_dirty_member m[8];
	__u32 i, num = tracker_members(env->fd, env->tracker, m, 8);

	for (i = 0; i < num; i++)
		if (m[i].flags == IOMMU_DIRTY_MEMBER_AUTO)
			return &m[i];
	return NULL;
}

/*
 * Attaches a device behind an IOMMU without dirty bits: a software IOMMU device with
 * a different page-table format than the other devices.
 */
TEST_F(degraded, attach)
{
	struct env *env = &self->env;
	const struct iommu_dirty_member *m;
	struct edu other;

	OPEN_OR_SKIP(return, soft_open_other(&other, env->fd));
	soft_faults(&other, (struct soft_faults) { .untrackable = 1 });
	env_start(env);
	EXPECT_EQ(-ENXIO, __edu_attach(&other, env->ioas));
	EXPECT_TRUE(oracle_tracked(&self->o, 0));
	tracker_stop(env->fd, env->tracker);
	tracker_stop(env->fd, env->twin);

	start_degraded(env);
	ASSERT_EQ(0, __edu_attach(&other, env->ioas));
	EXPECT_TRUE(tracker_flags(env->fd, env->tracker) &
		    IOMMU_DIRTY_TRACKER_BLIND);
	m = untracked_auto(env);
	ASSERT_NE(NULL, m);
	EXPECT_EQ(IOMMU_DIRTY_MEMBER_HWPT, m->type);
	EXPECT_EQ(IOMMU_DIRTY_REASON_NO_HW, m->reason);
	edu_dma_from(&other, ENV_STAGE_IOVA, 0, 8);
	edu_dma_to(&other, IOVA + 5 * SZ_4K, 0, 8);
	EXPECT_EQ(env->value, *(__u64 *)(self->o.mem + 5 * SZ_4K));
	EXPECT_TRUE(all_dirty(&self->o));
	edu_detach(&other);
	EXPECT_FALSE(tracker_flags(env->fd, env->tracker) &
		     IOMMU_DIRTY_TRACKER_BLIND);
	EXPECT_TRUE(all_dirty(&self->o));
	oracle_copy(&self->o);
	EXPECT_TRUE(oracle_tracked(&self->o, 0));
	edu_close(&other);
}

TEST_HARNESS_MAIN
