// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests nested translation: the page table that is tracked is the parent of a nested
 * HWPT, and the device uses different addresses than the IOAS. Needs the software
 * IOMMU, whose first stage adds an offset.
 */
#include <kselftest_harness.h>

#include "lib.h"

#define IOVA	0x40000000ULL
#define PAGES	64
#define OFFSET	0x5000ULL

FIXTURE(soft_nested)
{
	struct env env;
	struct oracle o;
	__u32 parent;
	__u32 nested;
};

static int nest(struct env *env, __u32 parent, __u64 offset, __u32 *hwpt)
{
	return __soft_nest(&env->edu[0], env->fd, parent, 0, offset, hwpt);
}

FIXTURE_SETUP(soft_nested)
{
	struct env *env = &self->env;

	OPEN_OR_SKIP(return, env_open(&self->env, 1));
	oracle_open(&self->o, env, PAGES, IOVA);
	oracle_map(&self->o, env->ioas);
	self->parent = hwpt_alloc(env->fd, env->edu[0].dev_id, env->ioas,
				  IOMMU_HWPT_ALLOC_NEST_PARENT |
				  IOMMU_HWPT_ALLOC_DIRTY_TRACKING);
	ASSERT_EQ(0, nest(env, self->parent, OFFSET, &self->nested));
}

FIXTURE_TEARDOWN(soft_nested)
{
	oracle_close(&self->o);
	env_close(&self->env);
}

/* Writes through the first stage; returns how many pages READ has found */
static __u64 write_and_read(FIXTURE_DATA(soft_nested) * self)
{
	struct env *env = &self->env;
	struct oracle *o = &self->o;
	static const size_t pages[] = { 0, 7, PAGES - 1 };
	__u64 found;
	size_t i;

	mem_fill(env->stage, ++env->value, SZ_4K);
	edu_dma_from(&env->edu[0], ENV_STAGE_IOVA - OFFSET, 0, 8);
	for (i = 0; i < 3; i++)
		edu_dma_to(&env->edu[0],
			   oracle_page_iova(o, pages[i]) - OFFSET, 0, 8);
	found = oracle_read(o, 0);
	oracle_check(o);
	return found;
}

TEST_F(soft_nested, started_before)
{
	struct iommu_dirty_member members[4];
	struct env *env = &self->env;
	__u32 i, num, seen = 0;

	edu_attach(&env->edu[0], self->nested);
	env_start(env);
	num = tracker_members(env->fd, env->tracker, members, 4);
	for (i = 0; i < num; i++) {
		if (members[i].id != self->parent)
			continue;
		EXPECT_EQ(IOMMU_DIRTY_REASON_OK, members[i].reason);
		EXPECT_EQ(IOMMU_DIRTY_MEMBER_TRACKED, member_flags(&members[i]));
		seen++;
	}
	EXPECT_EQ(1, seen);

	EXPECT_EQ(3, write_and_read(self));
	EXPECT_EQ(3, write_and_read(self));
	EXPECT_EQ(0, self->o.lost);
	EXPECT_EQ(0, oracle_differing(&self->o));
}

TEST_F(soft_nested, attached_while_running)
{
	struct env *env = &self->env;

	env_start(env);
	edu_attach(&env->edu[0], self->nested);
	EXPECT_EQ(3, write_and_read(self));

	/* Through another first stage, then through none, to the same memory */
	ASSERT_EQ(0, nest(env, self->parent, OFFSET, &self->nested));
	edu_attach(&env->edu[0], self->nested);
	EXPECT_EQ(3, write_and_read(self));
	edu_attach(&env->edu[0], self->parent);
	env_load(env, 0);
	oracle_write(&self->o, 0, 9);
	EXPECT_EQ(1, oracle_read(&self->o, 0));
	oracle_check(&self->o);
	EXPECT_EQ(0, self->o.lost);
	EXPECT_EQ(0, oracle_differing(&self->o));
}

/* START refuses a parent that was allocated without dirty tracking */
TEST_F(soft_nested, not_requested)
{
	struct iommu_dirty_tracker_start start;
	struct env *env = &self->env;
	__u32 parent = hwpt_alloc(env->fd, env->edu[0].dev_id, env->ioas,
				  IOMMU_HWPT_ALLOC_NEST_PARENT);
	__u32 nested;

	ASSERT_EQ(0, nest(env, parent, 0, &nested));
	EXPECT_EQ(-ENXIO, __tracker_start(env->fd, env->tracker, &start));
	EXPECT_EQ(parent, start.out_id);
	EXPECT_EQ(IOMMU_DIRTY_REASON_NOT_REQUESTED, start.out_reason);
	object_destroy(env->fd, nested);
	object_destroy(env->fd, parent);
	env_start(env);
}

TEST_HARNESS_MAIN
