// SPDX-License-Identifier: GPL-2.0-only
/*
 * 2 MiB IO page-table entries: one dirty bit stands for 512 pages of 4 KiB. A
 * READ of a part of such an entry must keep the rest for later READs.
 */
#include <kselftest_harness.h>

#include "lib.h"

#define IOVA	(4 * SZ_1G)
#define HUGE	4	/* pages of 2 MiB */
#define SIZE	(HUGE * SZ_2M)

FIXTURE(hugepages)
{
	struct env env;
	__u32 ioas;
	char *mem;
	unsigned char bitmap[SIZE / SZ_4K / 8];
};

FIXTURE_SETUP(hugepages)
{
	struct env *env = &self->env;
	struct iommu_dirty_member m;

	OPEN_OR_SKIP(return, env_open(env, 1));
	self->mem = env_alloc_huge(env, HUGE, IOVA, &self->ioas);
	if (!self->mem)
		SKIP(return, "no 2 MiB huge pages");
	env->tracker = tracker_alloc(env->fd, self->ioas);
	env_start(env);
	env_load(env, 0);

	ASSERT_EQ(1, tracker_members(env->fd, env->tracker, &m, 1));
	if (!(m.io_page_sizes & SZ_2M))
		SKIP(return, "this IOMMU has no 2 MiB entries");
	env_store(env, 0, IOVA);
	ASSERT_EQ(512, env_read(env, IOVA, SIZE, SZ_4K, 0, self->bitmap));
	memset(self->bitmap, 0, sizeof(self->bitmap));
}

FIXTURE_TEARDOWN(hugepages)
{
	env_close(&self->env);
	mem_free(self->mem, SIZE);
}

/* Number of bits that a READ of @length bytes at @offset sets in a zeroed bitmap */
#define read_bits(offset, length, page_size, flags)			\
({									\
	memset(self->bitmap, 0, sizeof(self->bitmap));			\
	env_read(&self->env, IOVA + (offset), length, page_size, flags,	\
		 self->bitmap);						\
})

TEST_F(hugepages, info)
{
	struct iommu_dirty_member m;

	ASSERT_EQ(1, tracker_members(self->env.fd, self->env.tracker, &m, 1));
	EXPECT_TRUE(m.io_page_sizes & SZ_4K);
	EXPECT_TRUE(m.io_page_sizes & SZ_2M);
}

/* A small write makes all 512 pages dirty, and no adjacent ones */
TEST_F(hugepages, whole_entry)
{
	unsigned int i;

	for (i = 0; i < HUGE; i++) {
		env_load(&self->env, 0);
		env_store(&self->env, 0, IOVA + i * SZ_2M + 77 * SZ_4K);
		EXPECT_EQ(512, read_bits(0, SIZE, SZ_4K, 0));
		EXPECT_FALSE(i && bitmap_test(self->bitmap, i * 512 - 1));
		EXPECT_TRUE(bitmap_test(self->bitmap, i * 512));
		EXPECT_TRUE(bitmap_test(self->bitmap, i * 512 + 511));
		EXPECT_EQ(0, read_bits(0, SIZE, SZ_4K, 0));
	}
}

TEST_F(hugepages, page_sizes)
{
	__u64 size;

	for (size = SZ_4K; size <= SZ_1G; size *= 2) {
		env_load(&self->env, 0);
		env_store(&self->env, 0, IOVA);
		env_store(&self->env, 0, IOVA + 3 * SZ_2M - 8);
		EXPECT_EQ(size < SZ_2M ? 2 * SZ_2M / size :
			  size == SZ_2M ? 2 : size == 2 * SZ_2M ? 2 : 1,
			  read_bits(0, SIZE, size, 0));
		EXPECT_EQ(0, read_bits(0, SIZE, size, 0));
	}
}

/* Half of an entry: its pages are reported once, and the rest is kept */
TEST_F(hugepages, part_of_entry)
{
	env_load(&self->env, 0);
	env_store(&self->env, 0, IOVA + SZ_2M);

	EXPECT_EQ(256, read_bits(SZ_2M, SZ_1M, SZ_4K, 0));
	EXPECT_EQ(0, read_bits(SZ_2M, SZ_1M, SZ_4K, 0));
	EXPECT_EQ(0, read_bits(0, SZ_2M, SZ_4K, 0));
	EXPECT_EQ(0, read_bits(2 * SZ_2M, SZ_2M, SZ_4K, 0));
	EXPECT_EQ(256, read_bits(SZ_2M, SZ_2M, SZ_4K, IOMMU_DIRTY_READ_NO_CLEAR));
	EXPECT_EQ(2, read_bits(2 * SZ_2M - 2 * SZ_4K, 2 * SZ_4K, SZ_4K, 0));
	EXPECT_EQ(254, read_bits(0, SIZE, SZ_4K, 0));
	EXPECT_EQ(0, read_bits(0, SIZE, SZ_4K, 0));
}

/* Partial 4 KiB pages stay dirty although the entry was cleaned */
TEST_F(hugepages, bytes_of_entry)
{
	env_load(&self->env, 0);
	env_store(&self->env, 0, IOVA + SZ_2M);

	EXPECT_EQ(1, read_bits(SZ_2M + 5, 1, SZ_4K, 0));
	EXPECT_EQ(2, read_bits(SZ_2M + 2 * SZ_4K - 1, 2, SZ_4K, 0));
	EXPECT_EQ(512, read_bits(0, SIZE, SZ_4K, 0));
	EXPECT_EQ(0, read_bits(0, SIZE, SZ_4K, 0));
}

/* A partial READ cleans the hardware entry: the next write sets the bit again */
TEST_F(hugepages, part_is_written_again)
{
	unsigned int i;

	for (i = 0; i < 4; i++) {
		env_load(&self->env, 0);
		env_store(&self->env, 0, IOVA + i * SZ_4K);
		EXPECT_EQ(256, read_bits(0, SZ_1M, SZ_4K, 0));
		EXPECT_EQ(0, read_bits(0, SZ_1M, SZ_4K, 0));
	}
	EXPECT_EQ(256, read_bits(0, SIZE, SZ_4K, 0));
}

/* After a partial SCAN by one tracker the other one still reports it all */
TEST_F(hugepages, part_for_others)
{
	struct env *env = &self->env;
	struct iommu_dirty_run run;
	struct scan_args scan = {
		.fd = env->fd,
		.iova = IOVA + SZ_2M + SZ_1M,
		.length = SZ_1M / 2,
		.page_size = SZ_4K,
		.runs = &run,
		.num_runs = 1,
	};
	__u32 tracker = env->tracker;

	env->tracker = tracker_alloc(env->fd, self->ioas);
	tracker_start(env->fd, env->tracker);
	scan.tracker = env->tracker;
	env_load(env, 0);
	env_store(env, 0, IOVA + SZ_2M);

	ASSERT_EQ(0, __tracker_scan(&scan));
	ASSERT_EQ(1, scan.num_runs);
	EXPECT_EQ(scan.iova, run.iova);
	EXPECT_EQ(scan.length, run.length);
	EXPECT_EQ(512 - 128, read_bits(0, SIZE, SZ_4K, 0));
	EXPECT_EQ(0, read_bits(0, SIZE, SZ_4K, 0));
	env->tracker = tracker;
	EXPECT_EQ(512, read_bits(0, SIZE, SZ_4K, 0));
	EXPECT_EQ(0, read_bits(0, SIZE, SZ_4K, 0));
}

/* A range that starts within one dirty entry and ends within another */
TEST_F(hugepages, both_ends_in_part)
{
	unsigned int i;

	env_load(&self->env, 0);
	for (i = 0; i < HUGE; i++)
		env_store(&self->env, 0, IOVA + i * SZ_2M);
	EXPECT_EQ(1024 + 512, read_bits(SZ_1M, 3 * SZ_2M, SZ_4K, 0));
	EXPECT_EQ(512, read_bits(0, SIZE, SZ_4K, IOMMU_DIRTY_READ_NO_CLEAR));
	EXPECT_TRUE(bitmap_test(self->bitmap, 255));
	EXPECT_FALSE(bitmap_test(self->bitmap, 256));
	EXPECT_FALSE(bitmap_test(self->bitmap, 3 * 512 + 255));
	EXPECT_TRUE(bitmap_test(self->bitmap, 3 * 512 + 256));
	EXPECT_EQ(512, read_bits(0, SIZE, SZ_4K, 0));
	EXPECT_EQ(0, read_bits(0, SIZE, SZ_4K, 0));
}

/* The per-HWPT ioctl on half of an entry */
TEST_F(hugepages, per_hwpt_part)
{
	struct env *env = &self->env;
	__u32 hwpt;

	tracker_stop(env->fd, env->tracker);
	hwpt = hwpt_alloc(env->fd, env->edu[0].dev_id, self->ioas,
			  IOMMU_HWPT_ALLOC_DIRTY_TRACKING);
	edu_attach(&env->edu[0], hwpt);
	ASSERT_EQ(0, __hwpt_set_dirty(env->fd, hwpt, true));
	env_load(env, 0);
	env_store(env, 0, IOVA + SZ_2M);
	memset(self->bitmap, 0, sizeof(self->bitmap));
	ASSERT_EQ(0, __hwpt_get_dirty(env->fd, hwpt, IOVA + SZ_2M, SZ_1M, self->bitmap));
	EXPECT_EQ(256, bitmap_count(self->bitmap, sizeof(self->bitmap) * 8));
}

/* Written again after each READ: the flush must cover a 2 MiB entry */
TEST_F(hugepages, write_again)
{
	unsigned int i;

	for (i = 0; i < 8; i++) {
		env_load(&self->env, 0);
		env_store(&self->env, 0, IOVA + SZ_2M + (500 + i) * SZ_4K);
		EXPECT_EQ(512, read_bits(0, SIZE, SZ_4K, 0));
		EXPECT_EQ(self->env.value,
			  *(__u64 *)(self->mem + SZ_2M + (500 + i) * SZ_4K));
	}
}

/* Adjacent entries of 4 KiB and 2 MiB */
TEST_F(hugepages, mixed)
{
	void *small = mem_alloc(16 * SZ_4K);
	unsigned int i;

	for (i = 0; i < 16; i++)
		ioas_map(self->env.fd, self->ioas, small + i * SZ_4K, SZ_4K,
			 IOVA - (16 - i) * SZ_4K);
	env_load(&self->env, 0);
	env_store(&self->env, 0, IOVA - SZ_4K);
	env_store(&self->env, 0, IOVA);
	EXPECT_EQ(1 + 512, read_bits(-16 * SZ_4K, 16 * SZ_4K + SIZE - SZ_2M,
				     SZ_4K, 0));
	EXPECT_TRUE(bitmap_test(self->bitmap, 15));
	EXPECT_TRUE(bitmap_test(self->bitmap, 16));
	EXPECT_FALSE(bitmap_test(self->bitmap, 16 + 512));
}

TEST_HARNESS_MAIN
