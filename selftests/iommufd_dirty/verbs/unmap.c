// SPDX-License-Identifier: GPL-2.0-only
/*
 * Dirty pages of an unmapped range are kept, however it was unmapped. The next READ,
 * and the next SCAN of another tracker, report them once.
 */
#include <unistd.h>

#include <kselftest_harness.h>

#include "lib.h"

#define PAGES	64
#define SIZE	(PAGES * SZ_4K)
/* Half on either side of a multiple of 1 GiB, the size of a harvest window */
#define IOVA	(2 * SZ_1G - SIZE / 2)

FIXTURE(unmap)
{
	struct env env;
	struct oracle o;
};

FIXTURE_SETUP(unmap)
{
	OPEN_OR_SKIP(return, env_open(&self->env, 2));
	oracle_open(&self->o, &self->env, PAGES, IOVA);
	oracle_map(&self->o, self->env.ioas);
	env_twin(&self->env);
}

FIXTURE_TEARDOWN(unmap)
{
	oracle_close(&self->o);
	env_close(&self->env);
}

/* Device @index writes the first, last, middle, and random pages */
static void dirty_some(struct oracle *o, unsigned int index)
{
	unsigned int i;

	env_load(o->env, index);
	oracle_write(o, index, 0);
	oracle_write(o, index, PAGES / 2 - 1);
	oracle_write(o, index, PAGES / 2);
	oracle_write(o, index, PAGES - 1);
	for (i = 0; i < 10; i++)
		oracle_write(o, index, random_below(PAGES));
}

/* Are exactly the written pages reported, and only once? */
static bool reported(struct oracle *o)
{
	__u64 found = oracle_read(o, 0), again;

	oracle_check(o);
	again = oracle_read(o, 0);
	if (!found || o->lost || o->extra || again)
		lib_note("%llu pages found, %llu again; %llu lost, %llu extra",
			 found, again, o->lost, o->extra);
	return found && !o->lost && !o->extra && !again;
}

TEST_F(unmap, ioas_unmap)
{
	struct env *env = &self->env;

	env_start(env);
	dirty_some(&self->o, 0);
	ioas_unmap(env->fd, env->ioas, IOVA, SIZE);
	EXPECT_TRUE(reported(&self->o));
}

TEST_F(unmap, ioas_unmap_all)
{
	struct env *env = &self->env;

	env_start(env);
	dirty_some(&self->o, 0);
	ioas_unmap(env->fd, env->ioas, 0, -1ULL);
	EXPECT_TRUE(reported(&self->o));
}

/* Without a running tracker nothing is kept */
TEST_F(unmap, stopped)
{
	struct env *env = &self->env;

	dirty_some(&self->o, 0);
	ioas_unmap(env->fd, env->ioas, IOVA, SIZE);
	env_start(env);
	EXPECT_EQ(0, oracle_read(&self->o, 0));
}

/* Pages that were read are not reported again, but those left by NO_CLEAR are */
TEST_F(unmap, read_before)
{
	struct env *env = &self->env;

	env_start(env);
	dirty_some(&self->o, 0);
	oracle_read(&self->o, 0);
	oracle_check(&self->o);
	env_load(env, 0);
	oracle_write(&self->o, 0, 3);
	EXPECT_EQ(1, oracle_read(&self->o, IOMMU_DIRTY_READ_NO_CLEAR));
	ioas_unmap(env->fd, env->ioas, IOVA, SIZE);
	EXPECT_EQ(1, oracle_read(&self->o, IOMMU_DIRTY_READ_NO_CLEAR));
	EXPECT_TRUE(reported(&self->o));
}

/* Maps memory that devices can write to but not read */
static void map_write_only(struct oracle *o)
{
	check(__ioas_map(o->env->fd, o->env->ioas, o->mem, SIZE, IOVA,
			 IOMMU_IOAS_MAP_WRITEABLE));
}

/* Pages that devices can write to but not read are reported like others */
TEST_F(unmap, write_only)
{
	struct env *env = &self->env;
	unsigned int round;

	env_start(env);
	for (round = 0; round < 3; round++) {
		ioas_unmap(env->fd, env->ioas, IOVA, SIZE);
		map_write_only(&self->o);
		dirty_some(&self->o, 0);
		EXPECT_TRUE(reported(&self->o));
		dirty_some(&self->o, 0);
		ioas_unmap(env->fd, env->ioas, IOVA, SIZE);
		EXPECT_TRUE(reported(&self->o));
		oracle_map(&self->o, env->ioas);
		dirty_some(&self->o, 0);
		EXPECT_TRUE(reported(&self->o));
	}
}

/* Different memory at the same IOVA: old and new pages are reported */
TEST_F(unmap, remap)
{
	struct env *env = &self->env;
	struct oracle other;
	unsigned int round;

	oracle_open(&other, env, PAGES, IOVA);
	env_start(env);
	for (round = 0; round < 3; round++) {
		env_load(env, 0);
		oracle_write(&self->o, 0, 1);
		oracle_write(&self->o, 0, 2);
		ioas_unmap(env->fd, env->ioas, IOVA, SIZE);
		oracle_map(&other, env->ioas);
		oracle_write(&other, 0, 2);
		oracle_write(&other, 0, PAGES - 1);
		EXPECT_EQ(3, oracle_read(&other, 0));
		EXPECT_TRUE(bitmap_test(other.bitmap, 1));
		EXPECT_TRUE(bitmap_test(other.bitmap, 2));
		EXPECT_TRUE(bitmap_test(other.bitmap, PAGES - 1));
		EXPECT_EQ(0, oracle_read(&other, 0));
		ioas_unmap(env->fd, env->ioas, IOVA, SIZE);
		EXPECT_EQ(0, oracle_read(&other, 0));
		oracle_map(&self->o, env->ioas);
	}
	oracle_close(&other);
}

/* The adjacent mapping stays, and is still reported exactly */
TEST_F(unmap, neighbour)
{
	struct env *env = &self->env;
	struct oracle other;

	oracle_open(&other, env, PAGES, IOVA + SIZE);
	oracle_map(&other, env->ioas);
	env_start(env);
	dirty_some(&self->o, 0);
	dirty_some(&other, 0);
	ioas_unmap(env->fd, env->ioas, IOVA, SIZE);
	EXPECT_TRUE(reported(&other));
	EXPECT_TRUE(reported(&self->o));
	dirty_some(&other, 0);
	EXPECT_TRUE(reported(&other));
	EXPECT_EQ(0, oracle_read(&self->o, 0));
	oracle_close(&other);
}

/* Twenty mappings in one call, with empty ranges at both ends */
TEST_F(unmap, many)
{
	struct env *env = &self->env;
	struct oracle many[20];
	unsigned int i;

	env_start(env);
	for (i = 0; i < 20; i++) {
		oracle_open(&many[i], env, 2, (4 + i) * SZ_1G);
		oracle_map(&many[i], env->ioas);
		env_load(env, 0);
		oracle_write(&many[i], 0, i % 2);
	}
	ioas_unmap(env->fd, env->ioas, 3 * SZ_1G, 24 * SZ_1G);
	for (i = 0; i < 20; i++) {
		EXPECT_TRUE(reported(&many[i]));
		oracle_close(&many[i]);
	}
	EXPECT_EQ(0, oracle_read(&self->o, 0));
}

/* A range that splits a mapping cannot be unmapped, and nothing is lost */
TEST_F(unmap, refused)
{
	struct env *env = &self->env;

	env_start(env);
	dirty_some(&self->o, 0);
	EXPECT_EQ(-ENOENT, __ioas_unmap(env->fd, env->ioas, IOVA, SIZE / 2));
	EXPECT_EQ(-ENOENT, __ioas_unmap(env->fd, env->ioas, IOVA + SZ_4K, SIZE));
	EXPECT_TRUE(reported(&self->o));
	dirty_some(&self->o, 0);
	EXPECT_TRUE(reported(&self->o));
}

/* Some pages are written through two HWPTs, others through one of them */
TEST_F(unmap, two_hwpts)
{
	struct env *env = &self->env;
	__u32 hwpt = hwpt_alloc(env->fd, env->edu[1].dev_id, env->ioas,
				IOMMU_HWPT_ALLOC_DIRTY_TRACKING);

	edu_attach(&env->edu[1], hwpt);
	env_start(env);
	dirty_some(&self->o, 0);
	dirty_some(&self->o, 1);
	ioas_unmap(env->fd, env->ioas, IOVA, SIZE);
	EXPECT_TRUE(reported(&self->o));
}

/*
 * Memory shared by IOMMU_IOAS_COPY: each IOAS has separate dirty pages, and
 * unmapping from one does not affect the other.
 */
TEST_F(unmap, copies)
{
	struct env *env = &self->env;
	struct env second = *env;
	struct oracle copy = self->o;

	second.ioas = ioas_alloc(env->fd);
	ioas_set_huge_pages(env->fd, second.ioas, false);
	env_map_stage(&second, second.ioas);
	ioas_copy(env->fd, second.ioas, env->ioas, IOVA, SIZE);
	edu_attach(&env->edu[1], second.ioas);
	second.tracker = tracker_alloc(env->fd, second.ioas);
	env_twin(&second);
	env_start(env);
	env_start(&second);
	copy.env = &second;

	env_load(env, 0);
	oracle_write(&self->o, 0, 1);
	env_load(env, 1);
	oracle_write(&self->o, 1, 2);
	ioas_unmap(env->fd, env->ioas, IOVA, SIZE);
	EXPECT_EQ(1, oracle_read(&self->o, 0));
	EXPECT_TRUE(bitmap_test(self->o.bitmap, 1));
	oracle_write(&self->o, 1, 4);
	EXPECT_EQ(2, oracle_read(&copy, IOMMU_DIRTY_READ_NO_CLEAR));
	ioas_unmap(env->fd, second.ioas, IOVA, SIZE);
	EXPECT_EQ(2, oracle_read(&copy, 0));
	EXPECT_TRUE(bitmap_test(copy.bitmap, 2));
	EXPECT_TRUE(bitmap_test(copy.bitmap, 4));
	EXPECT_EQ(0, oracle_read(&copy, 0));
	EXPECT_EQ(0, oracle_read(&self->o, 0));
}

/* Destroying a HWPT frees its page table */
TEST_F(unmap, hwpt_destroyed)
{
	struct env *env = &self->env;
	__u32 hwpt = hwpt_alloc(env->fd, env->edu[1].dev_id, env->ioas,
				IOMMU_HWPT_ALLOC_DIRTY_TRACKING);

	edu_attach(&env->edu[1], hwpt);
	env_start(env);
	dirty_some(&self->o, 1);
	edu_detach(&env->edu[1]);
	object_destroy(env->fd, hwpt);
	EXPECT_TRUE(reported(&self->o));
	/* The same with both the HWPT and the mapping gone */
	dirty_some(&self->o, 0);
	edu_detach(&env->edu[0]);
	ioas_unmap(env->fd, env->ioas, IOVA, SIZE);
	EXPECT_TRUE(reported(&self->o));
}

/* An automatic HWPT is freed when its last device is detached */
TEST_F(unmap, detached)
{
	struct env *env = &self->env;

	edu_attach(&env->edu[1], env->ioas);
	env_start(env);
	dirty_some(&self->o, 0);
	edu_detach(&env->edu[0]);
	dirty_some(&self->o, 1);
	edu_detach(&env->edu[1]);
	EXPECT_TRUE(reported(&self->o));
}

TEST_F(unmap, replaced)
{
	struct env *env = &self->env;
	__u32 hwpt = hwpt_alloc(env->fd, env->edu[0].dev_id, env->ioas,
				IOMMU_HWPT_ALLOC_DIRTY_TRACKING);
	__u32 other = ioas_alloc(env->fd);

	env_start(env);
	dirty_some(&self->o, 0);
	edu_attach(&env->edu[0], hwpt);
	EXPECT_TRUE(reported(&self->o));
	dirty_some(&self->o, 0);
	edu_attach(&env->edu[0], other);
	object_destroy(env->fd, hwpt);
	EXPECT_TRUE(reported(&self->o));
}

TEST_F(unmap, device_closed)
{
	struct env *env = &self->env;

	env_start(env);
	dirty_some(&self->o, 0);
	edu_close(&env->edu[0]);
	EXPECT_TRUE(reported(&self->o));
	edu_open(&env->edu[0], 0, env->fd);
	edu_attach(&env->edu[0], env->ioas);
	dirty_some(&self->o, 0);
	EXPECT_TRUE(reported(&self->o));
}

TEST_HARNESS_MAIN
