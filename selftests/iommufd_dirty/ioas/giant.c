// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two physically contiguous 1 GiB pages, as a VM on such memory has. AMD's v1 tables
 * map them with one entry, or with two where the user has requested tracking. A write is
 * reported once, as the whole entry, whatever windows the READs use. A write before
 * START is never reported.
 *
 * The machine needs hugepagesz=1G hugepages=2, with the pages at a multiple of 2 GiB.
 */
#include <kselftest_harness.h>

#include "lib.h"

#define PAGES	2
#define IOVA	(4 * SZ_1G)
#define SIZE	(PAGES * SZ_1G)
#define BITS	(SZ_1G / SZ_4K)

FIXTURE(giant)
{
	struct env env;
	__u32 ioas;
	char *mem;
	unsigned char *bitmap;
};

FIXTURE_VARIANT(giant)
{
	bool trackable;		/* IOMMU_OPTION_DIRTY_TRACKABLE */
	__u64 entry;
};

FIXTURE_VARIANT_ADD(giant, free)
{
	.trackable = false,
	.entry = 2 * SZ_1G,
};

FIXTURE_VARIANT_ADD(giant, requested)
{
	.trackable = true,
	.entry = SZ_1G,
};

FIXTURE_SETUP(giant)
{
	struct env *env = &self->env;
	unsigned int i;

	OPEN_OR_SKIP(return, env_open(env, 1));
	self->mem = mem_alloc_giant(PAGES);
	self->bitmap = mem_alloc(SIZE / SZ_4K / 8);
	check(__ioas_alloc(env->fd, &self->ioas));
	check(__ioas_set_trackable(env->fd, self->ioas, variant->trackable));
	env_map_stage(env, self->ioas);
	edu_attach(&env->edu[0], self->ioas);
	ioas_map(env->fd, self->ioas, self->mem, SIZE, IOVA);
	env->tracker = tracker_alloc(env->fd, self->ioas);
	env->twin = tracker_alloc(env->fd, self->ioas);
	env_load(env, 0);
	for (i = 0; i < PAGES; i++)
		env_store(env, 0, IOVA + i * SZ_1G);
	env_start(env);
}

FIXTURE_TEARDOWN(giant)
{
	env_close(&self->env);
	mem_free(self->bitmap, SIZE / SZ_4K / 8);
}

/* Number of bits that a READ sets in a zeroed bitmap */
#define read_flags(iova, length, flags)					\
({									\
	memset(self->bitmap, 0, SIZE / SZ_4K / 8);			\
	env_read(&self->env, iova, length, SZ_4K, flags, self->bitmap);	\
})
#define read_bits(iova, length)	read_flags(iova, length, 0)

/* All in one test, because clearing 1 GiB pages takes long */
TEST_F_TIMEOUT(giant, once, 120)
{
	const __u64 bits = variant->entry / SZ_4K;
	struct env *env = &self->env;
	struct iommu_dirty_member m;
	unsigned int i;

	ASSERT_EQ(1, tracker_members(env->fd, env->tracker, &m, 1));
	EXPECT_TRUE(m.io_page_sizes & variant->entry);
	if (variant->trackable)
		EXPECT_EQ(0, m.io_page_sizes & ~(2 * SZ_1G - 1));
	EXPECT_EQ(0, read_bits(IOVA, SIZE));
	for (i = 0; i < PAGES; i++) {
		env_load(env, 0);
		env_store(env, 0, IOVA + i * SZ_1G + 0x5000);
		EXPECT_EQ(bits, read_flags(IOVA, SIZE, IOMMU_DIRTY_READ_NO_CLEAR));
		EXPECT_EQ(bits, read_bits(IOVA, SIZE));
		EXPECT_TRUE(bitmap_test(self->bitmap, i * BITS));
		EXPECT_TRUE(bitmap_test(self->bitmap, (i + 1) * BITS - 1));
		EXPECT_EQ(0, read_bits(IOVA, SIZE));
	}
	/* READs of a part of the entry keep the rest for later */
	for (i = 0; i < 4; i++) {
		env_load(env, 0);
		env_store(env, 0, IOVA + SZ_1G);
		EXPECT_EQ(BITS / 4, read_bits(IOVA + SZ_1G, SZ_1G / 4));
		EXPECT_EQ(0, read_bits(IOVA + SZ_1G, SZ_1G / 4));
	}
	EXPECT_EQ(bits - BITS / 4, read_bits(IOVA, SIZE));
	EXPECT_EQ(0, read_bits(IOVA, SIZE));
	/* The entry goes before it is read */
	env_load(env, 0);
	env_store(env, 0, IOVA + SZ_1G);
	ioas_unmap(env->fd, self->ioas, IOVA, SIZE);
	EXPECT_EQ(bits, read_bits(IOVA, SIZE));
	EXPECT_EQ(0, read_bits(IOVA, SIZE));
}

TEST_HARNESS_MAIN
