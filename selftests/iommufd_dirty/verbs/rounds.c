// SPDX-License-Identifier: GPL-2.0-only
/*
 * The memory oracle over many rounds: devices write the round's value to random
 * pages, and READ must report exactly the pages that changed.
 */
#include <kselftest_harness.h>

#include "lib.h"

#define IOVA	0x40000000ULL
#define PAGES	600	/* more than one leaf table of 512 entries */

FIXTURE(rounds)
{
	struct env env;
	struct oracle o;
};

FIXTURE_SETUP(rounds)
{
	OPEN_OR_SKIP(return, env_open(&self->env, 2));
	oracle_open(&self->o, &self->env, PAGES, IOVA);
	oracle_map(&self->o, self->env.ioas);
}

FIXTURE_TEARDOWN(rounds)
{
	oracle_close(&self->o);
	env_close(&self->env);
}

static void write_random(struct oracle *o, unsigned int index, unsigned int num)
{
	env_load(o->env, index);
	while (num--)
		oracle_write(o, index, random_below(o->pages));
}

/* With 4 KiB IO page-table entries: no page lost, no clean page reported */
static bool exact(const struct oracle *o)
{
	if (o->lost || o->extra)
		lib_note("%llu writes: %llu pages lost, %llu clean pages reported",
			 o->writes, o->lost, o->extra);
	return !o->lost && !o->extra;
}

TEST_F_TIMEOUT(rounds, random, 120)
{
	unsigned int round;

	env_start(&self->env);
	for (round = 0; round < 12; round++) {
		write_random(&self->o, 0, 1 << (round % 8));
		oracle_read(&self->o, 0);
		oracle_check(&self->o);
	}
	EXPECT_TRUE(exact(&self->o));
	EXPECT_EQ(0, oracle_read(&self->o, 0));
}

TEST_F_TIMEOUT(rounds, all_pages, 120)
{
	size_t page;

	env_start(&self->env);
	env_load(&self->env, 0);
	for (page = 0; page < PAGES; page++)
		oracle_write(&self->o, 0, page);
	EXPECT_EQ(PAGES, oracle_read(&self->o, 0));
	oracle_check(&self->o);
	EXPECT_EQ(0, oracle_read(&self->o, 0));
	EXPECT_TRUE(exact(&self->o));
}

/* Only the first or last page of the range and of leaf tables */
TEST_F(rounds, edges)
{
	static const size_t edges[] = { 0, 511, 512, PAGES - 1, 63, 64 };
	size_t i;

	env_start(&self->env);
	for (i = 0; i < ARRAY_SIZE(edges); i++) {
		env_load(&self->env, 0);
		oracle_write(&self->o, 0, edges[i]);
		EXPECT_EQ(1, oracle_read(&self->o, 0));
		EXPECT_TRUE(bitmap_test(self->o.bitmap, edges[i]));
		oracle_check(&self->o);
	}
	EXPECT_TRUE(exact(&self->o));
}

/*
 * A DMA read brings the clean entry into the IOTLB. A following write must set the
 * dirty bit, and the read alone must not.
 */
TEST_F(rounds, read_then_write)
{
	size_t page;

	env_start(&self->env);
	for (page = 0; page < 32; page++)
		edu_dma_from(&self->env.edu[0], oracle_page_iova(&self->o, page),
			     0, 64);
	EXPECT_EQ(0, oracle_read(&self->o, 0));
	for (page = 0; page < 32; page++)
		edu_dma_from(&self->env.edu[0], oracle_page_iova(&self->o, page),
			     0, 64);
	env_load(&self->env, 0);
	for (page = 0; page < 32; page += 2)
		oracle_write(&self->o, 0, page);
	EXPECT_EQ(16, oracle_read(&self->o, 0));
	oracle_check(&self->o);
	EXPECT_TRUE(exact(&self->o));
}

/* Pages are written again after each READ: needs the IOTLB flush */
TEST_F(rounds, write_again)
{
	unsigned int round;
	size_t page;

	env_start(&self->env);
	for (round = 0; round < 8; round++) {
		env_load(&self->env, 0);
		for (page = 500; page < 524; page++)
			oracle_write(&self->o, 0, page);
		EXPECT_EQ(24, oracle_read(&self->o, 0));
		oracle_check(&self->o);
	}
	EXPECT_TRUE(exact(&self->o));
}

/* Several writes to a page between two READs count as one */
TEST_F(rounds, write_twice)
{
	env_start(&self->env);
	write_random(&self->o, 0, 50);
	write_random(&self->o, 0, 50);
	oracle_read(&self->o, 0);
	oracle_check(&self->o);
	EXPECT_TRUE(exact(&self->o));
}

TEST_F(rounds, no_clear)
{
	struct oracle *o = &self->o;
	__u64 set;

	env_start(&self->env);
	write_random(o, 0, 60);
	set = oracle_read(o, IOMMU_DIRTY_READ_NO_CLEAR);
	EXPECT_LT(0, set);
	oracle_check(o);
	EXPECT_EQ(set, oracle_read(o, IOMMU_DIRTY_READ_NO_CLEAR));

	/* These pages stay dirty, and new writes add to them */
	write_random(o, 0, 60);
	EXPECT_LE(set, oracle_read(o, IOMMU_DIRTY_READ_NO_CLEAR));
	set = oracle_read(o, 0);
	oracle_check(o);
	EXPECT_EQ(0, o->lost);
	EXPECT_EQ(0, oracle_read(o, 0));
	EXPECT_EQ(0, oracle_read(o, IOMMU_DIRTY_READ_NO_CLEAR));
	write_random(o, 0, 60);
	oracle_read(o, 0);
	oracle_check(o);
	EXPECT_EQ(0, o->lost);
}

TEST_F(rounds, mapped_after_start)
{
	struct oracle late[3];
	unsigned int i;

	env_start(&self->env);
	for (i = 0; i < 3; i++) {
		oracle_open(&late[i], &self->env, 20, IOVA + (i + 1) * SZ_1G);
		oracle_map(&late[i], self->env.ioas);
		EXPECT_EQ(0, oracle_read(&late[i], 0));
		write_random(&late[i], 0, 10);
		oracle_read(&late[i], 0);
		oracle_check(&late[i]);
		EXPECT_TRUE(exact(&late[i]));
		write_random(&late[i], 0, 10);
	}
	for (i = 0; i < 3; i++) {
		oracle_read(&late[i], 0);
		oracle_check(&late[i]);
		EXPECT_TRUE(exact(&late[i]));
		oracle_close(&late[i]);
	}
}

/* Memory mapped at two IOVAs is dirty only at the IOVA used for the write */
TEST_F(rounds, mapped_twice)
{
	struct oracle alias = self->o;

	alias.iova = IOVA + SZ_1G;
	oracle_map(&alias, self->env.ioas);
	env_start(&self->env);
	env_load(&self->env, 0);
	oracle_write(&self->o, 0, 3);
	oracle_write(&alias, 0, 4);
	EXPECT_EQ(1, oracle_read(&self->o, 0));
	EXPECT_TRUE(bitmap_test(self->o.bitmap, 3));
	EXPECT_EQ(1, oracle_read(&alias, 0));
	EXPECT_TRUE(bitmap_test(alias.bitmap, 4));
}

/* Unmapped and mapped again: nothing is dirty, and writes are tracked */
TEST_F(rounds, remap)
{
	unsigned int round;

	env_start(&self->env);
	for (round = 0; round < 4; round++) {
		write_random(&self->o, 0, 20);
		oracle_read(&self->o, 0);
		oracle_check(&self->o);
		ioas_unmap(self->env.fd, self->env.ioas, IOVA, PAGES * SZ_4K);
		oracle_map(&self->o, self->env.ioas);
		EXPECT_EQ(0, oracle_read(&self->o, 0));
	}
	EXPECT_TRUE(exact(&self->o));
}

static void two_hwpts(struct env *env, struct oracle *o)
{
	unsigned int round;

	for (round = 0; round < 6; round++) {
		write_random(o, 0, 40);
		write_random(o, 1, 40);
		/* Both write one page: two dirty entries, one bit in the bitmap */
		oracle_write(o, 0, 100 + round);
		oracle_write(o, 1, 100 + round);
		oracle_read(o, 0);
		oracle_check(o);
	}
	if (oracle_read(o, 0))
		fatal("dirty pages that nobody wrote");
}

/* Device 0 on the HWPT that iommufd allocated, device 1 on an explicit one */
TEST_F_TIMEOUT(rounds, two_hwpts, 120)
{
	struct env *env = &self->env;
	__u32 hwpt = hwpt_alloc(env->fd, env->edu[1].dev_id, env->ioas,
				IOMMU_HWPT_ALLOC_DIRTY_TRACKING);

	edu_attach(&env->edu[1], hwpt);
	env_start(env);
	two_hwpts(env, &self->o);
	EXPECT_TRUE(exact(&self->o));
}

/* Both devices on one HWPT */
TEST_F_TIMEOUT(rounds, two_devices, 120)
{
	edu_attach(&self->env.edu[1], self->env.ioas);
	env_start(&self->env);
	two_hwpts(&self->env, &self->o);
	EXPECT_TRUE(exact(&self->o));
}

/* Two trackers on two IOASes in one READ */
TEST_F(rounds, two_trackers)
{
	struct env *env = &self->env;
	struct iommu_dirty_read_tracker trackers[2] = {};
	struct iommu_dirty_tracker_read cmd = {
		.size = sizeof(cmd),
		.trackers = (uintptr_t)trackers,
		.num_trackers = 2,
		.tracker_len = sizeof(trackers[0]),
		.iova = IOVA,
		.length = PAGES * SZ_4K,
		.page_size = SZ_4K,
		.data = (uintptr_t)self->o.bitmap,
	};
	__u32 ioas = ioas_alloc(env->fd);

	ioas_set_huge_pages(env->fd, ioas, false);
	env_map_stage(env, ioas);
	oracle_map(&self->o, ioas);
	edu_attach(&env->edu[1], ioas);
	trackers[0].tracker_id = env->tracker;
	trackers[1].tracker_id = tracker_alloc(env->fd, ioas);
	env_start(env);
	tracker_start(env->fd, trackers[1].tracker_id);

	env_load(env, 0);
	oracle_write(&self->o, 0, 1);
	oracle_write(&self->o, 0, 2);
	env_load(env, 1);
	oracle_write(&self->o, 1, 2);
	oracle_write(&self->o, 1, 513);
	ASSERT_EQ(0, __iommufd_ioctl(env->fd, IOMMU_DIRTY_TRACKER_READ, &cmd));
	EXPECT_EQ(3, cmd.out_pages);
	EXPECT_EQ(cmd.length, cmd.out_length);
	/* Page 2 is counted once, for whichever tracker came first */
	EXPECT_EQ(3, trackers[0].out_pages + trackers[1].out_pages);
	EXPECT_LE(1, trackers[0].out_pages);
	EXPECT_LE(1, trackers[1].out_pages);
	EXPECT_EQ(3, bitmap_count(self->o.bitmap, PAGES));
	oracle_check(&self->o);
	EXPECT_TRUE(exact(&self->o));
}

/*
 * Tests 40 pages at @iova and unmaps them; twice, with different memory. Stale IOTLB
 * entries of the first mapping would swallow the writes to the second one.
 */
static void one_place(struct env *env, __u64 iova)
{
	struct oracle o[2];
	unsigned int i;

	lib_note("40 pages at %#llx", iova);
	for (i = 0; i < 2; i++) {
		oracle_open(&o[i], env, 40, iova);
		oracle_map(&o[i], env->ioas);
		write_random(&o[i], 0, 30);
		oracle_write(&o[i], 0, 0);
		oracle_write(&o[i], 0, 39);
		oracle_read(&o[i], 0);
		oracle_check(&o[i]);
		if (o[i].shadow[0] != env->value || o[i].shadow[39] != env->value)
			fatal("writes to %#llx did not arrive, mapping %u",
			      iova, i);
		write_random(&o[i], 0, 30);
		oracle_read(&o[i], 0);
		oracle_check(&o[i]);
		if (!exact(&o[i]))
			fatal("wrong at IOVA %#llx, mapping %u", iova, i);
		/* Refill the IOTLB, which READ has flushed */
		oracle_write(&o[i], 0, 0);
		oracle_write(&o[i], 0, 39);
		ioas_unmap(env->fd, env->ioas, iova, 40 * SZ_4K);
	}
	oracle_close(&o[0]);
	oracle_close(&o[1]);
}

/* The ends of the aperture, and boundaries of tables of each level */
TEST_F_TIMEOUT(rounds, places, 120)
{
	struct iommu_iova_range low, high;
	__u64 end;

	ioas_aperture(self->env.fd, self->env.ioas, &low, &high);
	end = high.last + 1;
	env_start(&self->env);
	one_place(&self->env, low.start);
	one_place(&self->env, end - 40 * SZ_4K);
	one_place(&self->env, 8 * SZ_1G - 20 * SZ_4K);
	if (end > 1024 * SZ_1G)
		one_place(&self->env, 512 * SZ_1G - 20 * SZ_4K);
	EXPECT_EQ(0, low.start);
}

TEST_HARNESS_MAIN
