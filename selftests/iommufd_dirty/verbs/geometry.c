// SPDX-License-Identifier: GPL-2.0-only
/*
 * All shapes of READ: page sizes from 4 KiB to 1 GiB, ranges and bitmaps at any
 * alignment, holes, and widely spaced mappings. The result must match a naive model
 * bit for bit, and READ must not touch any other memory.
 */
#include <kselftest_harness.h>

#include "lib.h"

#define IOVA	0x40000000ULL
#define PAGES	256
#define GUARD	64	/* bytes around each bitmap that must not change */

FIXTURE(geometry)
{
	struct env env;
	void *mem;
	struct model model;
};

FIXTURE_SETUP(geometry)
{
	OPEN_OR_SKIP(return, env_open(&self->env, 1));
	self->mem = mem_alloc(PAGES * SZ_4K);
}

FIXTURE_TEARDOWN(geometry)
{
	env_close(&self->env);
}

/* A model of contiguous pages, in one mapping */
static void map_range(struct env *env, struct model *m, void *mem, __u64 iova)
{
	size_t i;

	model_open(m, PAGES);
	for (i = 0; i < PAGES; i++)
		m->iova[i] = iova + i * SZ_4K;
	ioas_map(env->fd, env->ioas, mem, PAGES * SZ_4K, iova);
}

static void map_sparse(struct env *env, struct model *m, void *mem,
		       const __u64 *iovas, size_t num)
{
	size_t i;

	model_open(m, num);
	for (i = 0; i < num; i++) {
		m->iova[i] = iovas[i];
		ioas_map(env->fd, env->ioas, (char *)mem + i * SZ_4K, SZ_4K,
			 iovas[i]);
	}
}

static void write_page(struct env *env, struct model *m, size_t i)
{
	env_store(env, 0, m->iova[i] + random_below(SZ_4K / 8) * 8);
	m->dirty[i] = true;
}

static void write_random(struct env *env, struct model *m, unsigned int num)
{
	while (num--)
		write_page(env, m, random_below(m->num));
}

static void write_all(struct env *env, struct model *m)
{
	size_t i;

	for (i = 0; i < m->num; i++)
		write_page(env, m, i);
}

/*
 * The same READ on the kernel and on the model. Both bitmaps start @align bytes
 * after an 8-byte boundary, have guards around them, and have random bits preset.
 * Bitmaps, guards and counts must be equal.
 */
static bool read_matches(FIXTURE_DATA(geometry) * self, __u64 iova, __u64 length,
			 __u64 page_size, __u32 flags, unsigned int align)
{
	struct read_args args = {
		.fd = self->env.fd,
		.tracker = self->env.tracker,
		.flags = flags,
		.iova = iova,
		.length = length,
		.page_size = page_size,
	};
	size_t size = bitmap_bytes(iova, length, page_size) + 2 * GUARD + align;
	unsigned char *got = mem_alloc(size);
	unsigned char *want = mem_alloc(size);
	__u64 set, want_set;
	bool same;
	size_t i;

	for (i = 0; i < size; i++)
		got[i] = random_u64() & random_u64() & random_u64();
	memcpy(want, got, size);
	want_set = model_read(&self->model, &args, want + GUARD + align);
	args.data = got + GUARD + align;
	set = tracker_read(&args);

	same = set == want_set && !memcmp(got, want, size);
	if (!same)
		lib_note("READ(%#llx, %#llx, %#llx, %#x, +%u): %llu bits, not %llu",
			 iova, length, page_size, flags, align, set, want_set);
	mem_free(got, size);
	mem_free(want, size);
	return same;
}

TEST_F_TIMEOUT(geometry, page_sizes, 120)
{
	struct env *env = &self->env;
	struct model *m = &self->model;
	__u64 length = PAGES * SZ_4K;
	__u64 size;

	map_range(env, m, self->mem, IOVA);
	env_start(env);
	env_load(env, 0);
	for (size = SZ_4K; size <= SZ_1G; size *= 2) {
		write_random(env, m, 10);
		EXPECT_TRUE(read_matches(self, IOVA, length, size,
					 IOMMU_DIRTY_READ_NO_CLEAR, 0));
		EXPECT_TRUE(read_matches(self, IOVA, length, size, 0, 0));
		EXPECT_TRUE(read_matches(self, IOVA, length, size, 0, 0));
	}
}

/* Pages of up to 1 GiB; the range starts and ends within a page */
TEST_F(geometry, page_sizes_unaligned)
{
	struct env *env = &self->env;
	struct model *m = &self->model;
	__u64 iova = IOVA + SZ_1G - 100 * SZ_4K;
	__u64 size;

	map_range(env, m, self->mem, iova);
	env_start(env);
	env_load(env, 0);
	for (size = SZ_4K; size <= SZ_1G; size *= 2) {
		write_random(env, m, 10);
		EXPECT_TRUE(read_matches(self, iova + 3 * SZ_4K,
					 200 * SZ_4K, size, 0, size / SZ_4K % 8));
	}
	EXPECT_TRUE(read_matches(self, iova, PAGES * SZ_4K, SZ_4K, 0, 0));
	EXPECT_EQ(0, model_num_dirty(m));
}

/* Random start, length, page size and bitmap alignment */
TEST_F_TIMEOUT(geometry, random_ranges, 120)
{
	struct env *env = &self->env;
	struct model *m = &self->model;
	__u64 span = (PAGES + 20) * SZ_4K;
	unsigned int i;

	map_range(env, m, self->mem, IOVA);
	env_start(env);
	env_load(env, 0);
	for (i = 0; i < 150; i++) {
		__u64 first = random_below(span);
		__u64 length = 1 + random_below(span - first);
		__u64 size = SZ_4K << random_below(8);
		__u32 flags = random_below(4) ? 0 : IOMMU_DIRTY_READ_NO_CLEAR;

		write_random(env, m, 5);
		ASSERT_TRUE(read_matches(self, IOVA - 10 * SZ_4K + first,
					 length, size, flags, random_below(8)));
	}
	EXPECT_TRUE(read_matches(self, IOVA, PAGES * SZ_4K, SZ_4K, 0, 0));
	EXPECT_EQ(0, model_num_dirty(m));
}

/* Ranges smaller than a page: reported, but left dirty */
TEST_F(geometry, tiny)
{
	struct env *env = &self->env;
	struct model *m = &self->model;

	map_range(env, m, self->mem, IOVA);
	env_start(env);
	env_load(env, 0);
	write_page(env, m, 1);
	EXPECT_TRUE(read_matches(self, IOVA + SZ_4K, 1, SZ_4K, 0, 0));
	EXPECT_TRUE(read_matches(self, IOVA + 2 * SZ_4K - 1, 1, SZ_4K, 0, 1));
	EXPECT_TRUE(read_matches(self, IOVA + SZ_4K - 1, 1, SZ_4K, 0, 2));
	EXPECT_TRUE(read_matches(self, IOVA + 2 * SZ_4K, 1, SZ_4K, 0, 3));
	EXPECT_TRUE(read_matches(self, IOVA + SZ_4K - 1, 2, SZ_4K, 0, 4));
	EXPECT_TRUE(read_matches(self, IOVA + SZ_4K, SZ_4K - 1, SZ_1G, 0, 5));
	EXPECT_EQ(1, model_num_dirty(m));
	EXPECT_TRUE(read_matches(self, IOVA + SZ_4K, SZ_4K, SZ_4K, 0, 6));
	EXPECT_EQ(0, model_num_dirty(m));
	EXPECT_TRUE(read_matches(self, IOVA + SZ_4K, 1, SZ_4K, 0, 0));
}

/* Bitmaps that start or end at a page boundary, or cross one */
TEST_F(geometry, bitmap_at_page_end)
{
	struct env *env = &self->env;
	struct model *m = &self->model;
	size_t bytes = PAGES / 8;
	unsigned char *buf = mem_alloc(4 * SZ_4K);
	unsigned char want[PAGES / 8];
	unsigned int back;

	map_range(env, m, self->mem, IOVA);
	env_start(env);
	env_load(env, 0);
	ASSERT_EQ(0, mprotect(buf, SZ_4K, PROT_NONE));
	ASSERT_EQ(0, mprotect(buf + 3 * SZ_4K, SZ_4K, PROT_NONE));
	for (back = 0; back <= bytes; back++) {
		/* At the very start, across the middle, at the very end */
		struct read_args args = {
			.fd = env->fd,
			.tracker = env->tracker,
			.iova = IOVA,
			.length = PAGES * SZ_4K,
			.page_size = SZ_4K,
			.data = back == 0 ? buf + SZ_4K :
				back == bytes ? buf + 3 * SZ_4K - bytes :
						buf + 2 * SZ_4K - back,
		};

		write_random(env, m, 12);
		memset(buf + SZ_4K, 0, 2 * SZ_4K);
		memset(want, 0, sizeof(want));
		ASSERT_EQ(model_read(m, &args, want), tracker_read(&args));
		EXPECT_EQ(0, memcmp(args.data, want, bytes));
		EXPECT_EQ(bitmap_count(want, PAGES),
			  bitmap_count(buf + SZ_4K, 2 * SZ_4K * 8));
	}
}

/* Single pages with holes between them, and holes at both ends */
TEST_F(geometry, holes)
{
	struct env *env = &self->env;
	struct model *m = &self->model;
	__u64 iovas[40];
	__u64 iova = IOVA;
	unsigned int i;

	for (i = 0; i < 40; i++) {
		iovas[i] = iova;
		iova += SZ_4K << (i % 10 + !(i % 3));
	}
	map_sparse(env, m, self->mem, iovas, 40);
	env_start(env);
	env_load(env, 0);
	for (i = 0; i < 3; i++) {
		write_random(env, m, 20);
		EXPECT_TRUE(read_matches(self, IOVA - SZ_2M, iova + SZ_1G - IOVA,
					 SZ_4K, 0, i));
		EXPECT_EQ(0, model_num_dirty(m));
	}
	/* The whole range is a hole */
	EXPECT_TRUE(read_matches(self, IOVA + 8 * SZ_1G, SZ_1G, SZ_4K, 0, 0));
}

/* One READ of 4 KiB pages across several bitmap windows of 64 GiB */
TEST_F_TIMEOUT(geometry, sparse_130g, 120)
{
	static const __u64 iovas[] = {
		0, SZ_1G, 64 * SZ_1G - SZ_4K, 64 * SZ_1G, 65 * SZ_1G,
		128 * SZ_1G - SZ_4K, 128 * SZ_1G, 129 * SZ_1G,
		130 * SZ_1G - SZ_4K,
	};
	struct env *env = &self->env;
	struct model *m = &self->model;

	map_sparse(env, m, self->mem, iovas, ARRAY_SIZE(iovas));
	env_start(env);
	env_load(env, 0);
	write_all(env, m);
	EXPECT_TRUE(read_matches(self, 0, 130 * SZ_1G, SZ_4K, 0, 3));
	EXPECT_EQ(0, model_num_dirty(m));
	write_all(env, m);
	EXPECT_TRUE(read_matches(self, SZ_4K, 129 * SZ_1G, SZ_4K, 0, 0));
	EXPECT_EQ(2, model_num_dirty(m));
}

/* A terabyte, and the whole aperture */
TEST_F_TIMEOUT(geometry, sparse_1t, 120)
{
	/* AMD reserves the 12 GiB below 1 TiB */
	static const __u64 iovas[] = {
		0, 300 * SZ_1G, 511 * SZ_1G, 512 * SZ_1G, 700 * SZ_1G,
		1011 * SZ_1G, 1012 * SZ_1G - SZ_4K,
	};
	struct env *env = &self->env;
	struct model *m = &self->model;
	struct iommu_iova_range low, high;

	ioas_aperture(env->fd, env->ioas, &low, &high);
	if (high.last < 1024 * SZ_1G)
		SKIP(return, "the aperture is smaller than 1 TiB");
	map_sparse(env, m, self->mem, iovas, ARRAY_SIZE(iovas));
	env_start(env);
	env_load(env, 0);
	write_all(env, m);
	EXPECT_TRUE(read_matches(self, 0, 1024 * SZ_1G, SZ_64K,
				 IOMMU_DIRTY_READ_NO_CLEAR, 5));
	EXPECT_TRUE(read_matches(self, 0, 1024 * SZ_1G, SZ_64K, 0, 1));
	EXPECT_EQ(0, model_num_dirty(m));
	write_all(env, m);
	/* AMD v1 has 64 bits, too many for a bitmap */
	EXPECT_TRUE(read_matches(self, 0, high.last < 1ULL << 48 ?
				 high.last + 1 : 1ULL << 48, SZ_1G, 0, 0));
	EXPECT_EQ(0, model_num_dirty(m));
}

/* Ranges beyond the aperture, where nothing can be mapped */
TEST_F(geometry, beyond_aperture)
{
	struct env *env = &self->env;
	struct model *m = &self->model;

	map_range(env, m, self->mem, IOVA);
	env_start(env);
	env_load(env, 0);
	write_random(env, m, 10);
	EXPECT_TRUE(read_matches(self, -SZ_1G, SZ_1G, SZ_4K, 0, 0));
	EXPECT_TRUE(read_matches(self, -SZ_4K, SZ_4K, SZ_4K, 0, 0));
	EXPECT_TRUE(read_matches(self, 1ULL << 47, SZ_1G, SZ_2M, 0, 0));
	EXPECT_TRUE(read_matches(self, 1ULL << 62, 1ULL << 62, SZ_1G << 10,
				 0, 0));
	EXPECT_TRUE(read_matches(self, IOVA, PAGES * SZ_4K, SZ_4K, 0, 0));
}

TEST_HARNESS_MAIN
