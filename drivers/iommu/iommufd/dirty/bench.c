// SPDX-License-Identifier: GPL-2.0-only
/*
 * Benchmark of the dirty walkers, run as a KUnit suite: 64 GiB of IOVA in 4 KiB
 * entries, read into the bitmap of a user process as the READ ioctl does, but
 * for its locks and the IOTLB flush. In the same run over the same tables: a
 * plain sequential read of all entries and, for Arm stage 1, the walker of
 * io-pgtable-arm, which has also built that table.
 *
 * Prints one line of JSON per measurement, in nanoseconds for each entry:
 * median, smallest and largest of BENCH_PASSES passes.
 */
#include <kunit/test.h>
#include <linux/io-pgtable.h>
#include <linux/iova_bitmap.h>
#include <linux/ktime.h>
#include <linux/mman.h>
#include <linux/mm.h>
#include <linux/prandom.h>
#include <linux/sort.h>
#include <linux/uaccess.h>

#include "dirty.h"

#define BENCH_PASSES	7
#define BENCH_SIZE	(64UL << 30)
#define BENCH_ENTRIES	(BENCH_SIZE / SZ_4K)
#define BENCH_TABLES	(BENCH_ENTRIES / 512)
#define BENCH_BITMAP	(BENCH_ENTRIES / 8)

struct bench_fmt {
	const char *name;
	void (*walk)(const struct iommu_dirty_table *table,
		     struct iommu_dirty_walk *walk);
	u64 table;		/* bits of an entry that points to a table */
	unsigned int level_shift; /* where that tells the table's level */
	unsigned int addr_shift;
	u64 leaf;		/* a clean entry */
	u64 dirty;		/* bits to invert to make it dirty */
	bool io_pgtable;	/* built by io-pgtable-arm */
};

static const struct bench_fmt bench_fmts[] = {
	{ "vtd_ss", iommu_dirty_walk_vtd_ss, 0x3, 0, 0, 0x103, 0x200 },
	{ "x86_64", iommu_dirty_walk_x86_64, 0x27, 0, 0, 0x27, 0x40 },
	{ "amd_v1", iommu_dirty_walk_amd_v1, 0x6000000000000001, 9, 0,
	  0x6000000000000021, 0x40 },
	{ "arm_s1", iommu_dirty_walk_arm_s1, 0x3, 0, 0, 0x80000000007c3, 0x80,
	  true },
	{ "arm_s2", iommu_dirty_walk_arm_s2, 0x3, 0, 0, 0x8000000000743, 0x80 },
	{ "riscv", iommu_dirty_walk_riscv, 0x1, 0, 2, 0x57, 0x80 },
};

static void bench_desc(const struct bench_fmt *fmt, char *desc)
{
	strscpy(desc, fmt->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(bench, bench_fmts, bench_desc);

struct bench {
	struct kunit *test;
	const struct bench_fmt *fmt;
	struct iommu_dirty_table table;
	u64 *root;
	u64 *mids[BENCH_TABLES / 512];
	u64 **leaves;
	struct io_pgtable_cfg cfg;
	struct io_pgtable_ops *ops;
	unsigned long user;
};

static u64 *bench_alloc_table(struct bench *b)
{
	u64 *table = (u64 *)get_zeroed_page(GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(b->test, table);
	return table;
}

static u64 bench_table_entry(const struct bench_fmt *fmt, u64 *table,
			     unsigned int level)
{
	return virt_to_phys(table) >> fmt->addr_shift | fmt->table |
	       (fmt->level_shift ? (u64)(level + 1) << fmt->level_shift : 0);
}

/* Three levels: 64 GiB need no more */
static void bench_build(struct bench *b)
{
	unsigned int i, j, k;

	b->root = bench_alloc_table(b);
	for (i = 0; i < ARRAY_SIZE(b->mids); i++) {
		b->mids[i] = bench_alloc_table(b);
		b->root[i] = bench_table_entry(b->fmt, b->mids[i], 1);
		for (j = 0; j < 512; j++) {
			u64 *leaf = bench_alloc_table(b);

			b->mids[i][j] = bench_table_entry(b->fmt, leaf, 0);
			b->leaves[i * 512 + j] = leaf;
			for (k = 0; k < 512; k++)
				leaf[k] = b->fmt->leaf;
		}
	}
	b->table = (struct iommu_dirty_table){
		.root = b->root, .top_level = 2, .bits = 39, .page_shift = 12,
	};
}

#ifdef CONFIG_IOMMU_IO_PGTABLE_LPAE
static void bench_no_flush_all(void *cookie)
{
}

static void bench_no_flush_walk(unsigned long iova, size_t size, size_t granule,
				void *cookie)
{
}

static const struct iommu_flush_ops bench_no_flush = {
	.tlb_flush_all = bench_no_flush_all,
	.tlb_flush_walk = bench_no_flush_walk,
};

static void bench_build_arm(struct bench *b)
{
	unsigned long iova = 0;
	unsigned int i, j;
	u64 *l0, *l1;

	b->cfg = (struct io_pgtable_cfg){
		.quirks = IO_PGTABLE_QUIRK_ARM_HD,
		.pgsize_bitmap = SZ_4K,
		.ias = 39, .oas = 48,
		.coherent_walk = true,
		.tlb = &bench_no_flush,
	};
	b->ops = alloc_io_pgtable_ops(ARM_64_LPAE_S1, &b->cfg, NULL);
	KUNIT_ASSERT_NOT_NULL(b->test, b->ops);
	while (iova < BENCH_SIZE) {
		size_t mapped = 0;

		KUNIT_ASSERT_EQ(b->test,
				b->ops->map_pages(b->ops, iova, iova, SZ_4K,
						  512, IOMMU_READ | IOMMU_WRITE,
						  GFP_KERNEL, &mapped), 0);
		iova += mapped;
	}
	l0 = phys_to_virt(b->cfg.arm_lpae_s1_cfg.ttbr & GENMASK_ULL(47, 12));
	for (i = 0; i < ARRAY_SIZE(b->mids); i++) {
		l1 = phys_to_virt(l0[i] & GENMASK_ULL(47, 12));
		for (j = 0; j < 512; j++)
			b->leaves[i * 512 + j] =
				phys_to_virt(l1[j] & GENMASK_ULL(47, 12));
	}
	b->table = (struct iommu_dirty_table){
		.root = l0, .top_level = 2, .bits = 39, .page_shift = 12,
	};
}

static int bench_rival_window(struct iova_bitmap *bitmap, unsigned long iova,
			      size_t length, void *opaque)
{
	struct iommu_iotlb_gather gather;
	struct iommu_dirty_bitmap dirty;
	struct bench *b = opaque;

	iommu_dirty_bitmap_init(&dirty, bitmap, &gather);
	return b->ops->read_and_clear_dirty(b->ops, iova, length, 0, &dirty);
}

/* As iommufd's IOMMU_HWPT_GET_DIRTY_BITMAP does */
static void bench_rival(struct bench *b)
{
	struct iova_bitmap *bitmap;

	bitmap = iova_bitmap_alloc(0, BENCH_SIZE, SZ_4K,
				   (u64 __user *)b->user);
	KUNIT_ASSERT_FALSE(b->test, IS_ERR(bitmap));
	KUNIT_EXPECT_EQ(b->test,
			iova_bitmap_for_each(bitmap, b, bench_rival_window), 0);
	iova_bitmap_free(bitmap);
}
#else
static void bench_build_arm(struct bench *b)
{
	bench_build(b);
}

static void bench_rival(struct bench *b)
{
}
#endif

/* Make @per_mille of the entries dirty and all others clean */
static void bench_set_dirty(struct bench *b, unsigned int per_mille)
{
	struct rnd_state rnd;
	unsigned int i, j;

	prandom_seed_state(&rnd, per_mille);
	for (i = 0; i < BENCH_TABLES; i++)
		for (j = 0; j < 512; j++) {
			u64 clean = (b->leaves[i][j] & ~b->fmt->dirty) |
				    (b->fmt->leaf & (b->fmt->dirty | 0x20));
			bool dirty = per_mille == 1000 ||
				     (per_mille &&
				      prandom_u32_state(&rnd) % 1000 < per_mille);

			b->leaves[i][j] = dirty ? clean ^ b->fmt->dirty : clean;
		}
}

static void bench_ours(struct bench *b, unsigned int flags, u64 *added)
{
	struct iommufd_dirty_bitmap bitmap;
	struct iommu_dirty_walk walk;
	unsigned long iova;

	KUNIT_ASSERT_EQ(b->test,
			iommufd_dirty_bitmap_init(&bitmap, 0, BENCH_SIZE - 1,
						  12, b->user), 0);
	iommu_dirty_walk_init(&walk, &bitmap.sink,
			      flags | IOMMU_DIRTY_WALK_EXCLUSIVE);
	for (iova = 0; iova < BENCH_SIZE; iova += IOMMUFD_DIRTY_WINDOW) {
		walk.iova = iova;
		walk.last = iova + IOMMUFD_DIRTY_WINDOW - 1;
		KUNIT_ASSERT_EQ(b->test,
				iommufd_dirty_bitmap_pin(&bitmap, iova,
							 &walk.last), 0);
		b->fmt->walk(&b->table, &walk);
		iommufd_dirty_bitmap_unpin(&bitmap);
	}
	*added = bitmap.added;
}

static void bench_sequential(struct bench *b)
{
	u64 sum = 0;
	unsigned int i, j;

	for (i = 0; i < BENCH_TABLES; i++)
		for (j = 0; j < 512; j++)
			sum += READ_ONCE(b->leaves[i][j]);
	/* so that it is not left out */
	WRITE_ONCE(b->user, b->user + (sum == 1));
}

static int bench_cmp(const void *a, const void *b)
{
	return *(const u64 *)a < *(const u64 *)b ? -1 :
	       *(const u64 *)a > *(const u64 *)b;
}

enum bench_what { BENCH_SEQUENTIAL, BENCH_CLEAR, BENCH_NO_CLEAR, BENCH_RIVAL };

static void bench_measure(struct bench *b, const char *name,
			  enum bench_what what, unsigned int per_mille)
{
	u64 ns[BENCH_PASSES], added = 0;
	unsigned int i;

	for (i = 0; i < BENCH_PASSES; i++) {
		ktime_t start;

		bench_set_dirty(b, per_mille);
		KUNIT_ASSERT_EQ(b->test, clear_user((void __user *)b->user,
						    BENCH_BITMAP), 0);
		start = ktime_get();
		switch (what) {
		case BENCH_SEQUENTIAL:
			bench_sequential(b);
			break;
		case BENCH_CLEAR:
			bench_ours(b, 0, &added);
			break;
		case BENCH_NO_CLEAR:
			bench_ours(b, IOMMU_DIRTY_WALK_NO_CLEAR, &added);
			break;
		case BENCH_RIVAL:
			bench_rival(b);
			break;
		}
		ns[i] = ktime_to_ns(ktime_sub(ktime_get(), start));
		cond_resched();
	}
	sort(ns, BENCH_PASSES, sizeof(*ns), bench_cmp, NULL);
	/* picoseconds for each entry */
	for (i = 0; i < BENCH_PASSES; i++)
		ns[i] = ns[i] * 1000 / BENCH_ENTRIES;
	pr_info("bench: {\"format\":\"%s\",\"what\":\"%s\",\"dirty_per_mille\":%u,\"ps_median\":%llu,\"ps_min\":%llu,\"ps_max\":%llu,\"pages\":%llu}\n",
		b->fmt->name, name, per_mille, ns[BENCH_PASSES / 2], ns[0],
		ns[BENCH_PASSES - 1], added);
}

static void bench_free(struct bench *b)
{
	unsigned int i;

	if (b->ops) {
		free_io_pgtable_ops(b->ops);
		return;
	}
	for (i = 0; i < BENCH_TABLES; i++)
		free_page((unsigned long)b->leaves[i]);
	for (i = 0; i < ARRAY_SIZE(b->mids); i++)
		free_page((unsigned long)b->mids[i]);
	free_page((unsigned long)b->root);
}

static void bench_format(struct kunit *test)
{
	static const unsigned int per_mille[] = { 0, 1, 10, 100, 1000 };
	struct bench *b = kunit_kzalloc(test, sizeof(*b), GFP_KERNEL);
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, b);
	b->test = test;
	b->fmt = test->param_value;
	b->leaves = kunit_kcalloc(test, BENCH_TABLES, sizeof(*b->leaves),
				  GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, b->leaves);
	b->user = kunit_vm_mmap(test, NULL, 0, BENCH_BITMAP,
				PROT_READ | PROT_WRITE,
				MAP_ANONYMOUS | MAP_PRIVATE, 0);
	KUNIT_ASSERT_NE(test, b->user, 0);
	if (b->fmt->io_pgtable)
		bench_build_arm(b);
	else
		bench_build(b);

	bench_measure(b, "sequential", BENCH_SEQUENTIAL, 0);
	for (i = 0; i < ARRAY_SIZE(per_mille); i++) {
		bench_measure(b, "clear", BENCH_CLEAR, per_mille[i]);
		bench_measure(b, "no_clear", BENCH_NO_CLEAR, per_mille[i]);
		if (b->ops)
			bench_measure(b, "io-pgtable-arm", BENCH_RIVAL,
				      per_mille[i]);
	}
	bench_free(b);
}

static struct kunit_case bench_cases[] = {
	KUNIT_CASE_PARAM(bench_format, bench_gen_params),
	{}
};

static struct kunit_suite bench_suite = {
	.name = "iommufd_dirty_bench",
	.test_cases = bench_cases,
};

kunit_test_suite(bench_suite);
