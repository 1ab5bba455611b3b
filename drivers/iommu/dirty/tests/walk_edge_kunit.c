// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of the dirty walkers: unusual tables and unusual ranges.
 */
#include <linux/sizes.h>
#include <linux/slab.h>

#include "walk_kunit.h"

/*
 * One dirty page of the given level and group, and ranges that contain all or a part
 * of it. In a group, the last entry is dirty.
 */
static void check_partial(struct kunit *test, unsigned int level,
			  unsigned int group)
{
	const struct kfmt *fmt = test->param_value;
	unsigned long size = kfmt_size(fmt, level) << group;
	unsigned long first = kfmt_size(fmt, level + 1) - size;
	unsigned long last = first + size - 1;
	struct krec *rec = krec_alloc(test);
	struct iommu_dirty_walk walk;
	struct kpt pt;
	u64 *pte, dirty;

	rec->check = &pt;
	kpt_init(&pt, test, fmt->top_level);
	pt.skip = fmt->skips;
	pte = kpt_map(&pt, first, level, group) + (1U << group) - 1;
	kpte_dirty(&pt, pte);
	dirty = *pte;

	walk = kwalk(&pt, rec, first + 1, last, 0);
	kexpect_one(test, rec, first + 1, last);
	KUNIT_EXPECT_EQ(test, *pte, dirty);
	KUNIT_EXPECT_FALSE(test, iommu_dirty_walk_needs_flush(&walk));
	kwalk(&pt, rec, 0, last - 1, 0);
	kexpect_one(test, rec, first, last - 1);
	KUNIT_EXPECT_EQ(test, *pte, dirty);
	kwalk(&pt, rec, first + 7, first + 7, 0);
	kexpect_one(test, rec, first + 7, first + 7);
	KUNIT_EXPECT_EQ(test, *pte, dirty);

	kwalk(&pt, rec, 0, first - 1, 0);
	KUNIT_EXPECT_EQ(test, rec->nr, 0);
	kwalk(&pt, rec, last + 1, ULONG_MAX, 0);
	KUNIT_EXPECT_EQ(test, rec->nr, 0);
	KUNIT_EXPECT_EQ(test, *pte, dirty);

	walk = kwalk(&pt, rec, first, last, 0);
	kexpect_one(test, rec, first, last);
	KUNIT_EXPECT_EQ(test, *pte, kpte_cleaned(&pt, dirty));
	KUNIT_EXPECT_EQ(test, walk.flush_iova, first);
	KUNIT_EXPECT_EQ(test, walk.flush_last, last);

	/* A window that is smaller than the page, and clean neighbours */
	*pte = dirty;
	walk = kwalk(&pt, rec, first + 7, first + 7, IOMMU_DIRTY_WALK_WHOLE);
	kexpect_one(test, rec, first, last);
	KUNIT_EXPECT_EQ(test, *pte, kpte_cleaned(&pt, dirty));
	KUNIT_EXPECT_EQ(test, walk.flush_iova, first);
	KUNIT_EXPECT_EQ(test, walk.flush_last, last);
	kwalk(&pt, rec, 0, ULONG_MAX, IOMMU_DIRTY_WALK_WHOLE);
	KUNIT_EXPECT_EQ(test, rec->nr, 0);
}

static void test_partial(struct kunit *test)
{
	const struct kfmt *fmt = test->param_value;
	unsigned int level, group;

	for (level = 0; level <= fmt->leaf_level; level++) {
		check_partial(test, level, 0);
		for (group = 1; group <= fmt->groups[level]; group++)
			if (fmt->sized || group == fmt->groups[level])
				check_partial(test, level, group);
	}
}

/*
 * Dirty neighbours in three tables. Walk ranges of growing length in their middle,
 * every second one with half an entry at both ends, and then walk all of them: the
 * second walk must not report what the first walk has cleaned.
 */
static void test_runs(struct kunit *test)
{
	const struct kfmt *fmt = test->param_value;
	struct krec *rec = krec_alloc(test), *want = krec_alloc(test);
	const unsigned long page = kfmt_size(fmt, 0);
	const unsigned int nr = 3U << (fmt->page_shift - 3);
	const unsigned long base = kfmt_size(fmt, 2) - kfmt_size(fmt, 1);
	const unsigned long base_last = base + page * nr - 1;
	u64 **ptes = kunit_kcalloc(test, nr, sizeof(*ptes), GFP_KERNEL);
	unsigned int i, j;
	struct kpt pt;

	KUNIT_ASSERT_NOT_NULL(test, ptes);
	kpt_init(&pt, test, fmt->top_level);
	for (i = 0; i < nr; i++)
		ptes[i] = kpt_map(&pt, base + page * i, 0, 0);

	/* Every length with 512 entries per table, fewer with larger tables */
	for (i = 1; i <= nr; i += 1 + (nr - 1) / 1536 * 8) {
		unsigned long first = base + page / 2 * (nr - i);
		unsigned long last = first + page * i - 1;
		unsigned long clean = ALIGN(first, page);
		unsigned long clean_end = ALIGN_DOWN(last + 1, page);

		for (j = 0; j < nr; j++)
			kpte_dirty(&pt, ptes[j]);
		kwalk(&pt, rec, first, last, 0);
		kexpect_one(test, rec, first, last);

		want->nr = 0;
		if (clean > base)
			krec_add(want, base, clean - 1);
		if (clean_end <= base_last)
			krec_add(want, clean_end, base_last);
		kwalk(&pt, rec, base, base_last, 0);
		kexpect_ranges(test, rec, want);
	}
}

/*
 * Present entries above level 0: 64 leaves, then 64 entries that start with a leaf
 * and include tables, and then leaves again, but too few for a whole mask.
 */
static void test_mixed(struct kunit *test)
{
	const struct kfmt *fmt = test->param_value;
	const unsigned long page = kfmt_size(fmt, 0), huge = kfmt_size(fmt, 1);
	struct krec *rec = krec_alloc(test), *want = krec_alloc(test);
	struct kpt pt;
	unsigned int i;

	kpt_init(&pt, test, fmt->top_level);
	for (i = 0; i < 150; i++) {
		unsigned long last = huge * (i + 1) - 1;
		bool leaf = i < 64 || i >= 128 || !(i % 4);
		unsigned long first = last + 1 - (leaf ? huge : page);
		u64 *pte = kpt_map(&pt, first, leaf ? 1 : 0, 0);

		if (i % 7 == 3)
			continue;
		kpte_dirty(&pt, pte);
		krec_add(want, first, last);
	}
	kwalk(&pt, rec, 0, huge * 150 - 1, 0);
	kexpect_ranges(test, rec, want);
	kwalk(&pt, rec, 0, ULONG_MAX, 0);
	KUNIT_EXPECT_EQ(test, rec->nr, 0);
}

/*
 * A walk must ignore dirty bits in absent entries, in entries that point to tables,
 * and in leaves whose dirty bits hardware does not maintain.
 */
static void test_not_leaves(struct kunit *test)
{
	const struct kfmt *fmt = test->param_value;
	struct krec *rec = krec_alloc(test);
	unsigned int level;
	struct kpt pt;

	kpt_init(&pt, test, fmt->top_level);
	kpt_map(&pt, kfmt_size(fmt, 2) * 5 - kfmt_size(fmt, 0), 0, 0);
	for (level = 1; level <= 2; level++)
		*kpt_entry(&pt, kfmt_size(fmt, 2) * 5 - 1, level) |=
			fmt->dirty;
	/* In all formats, the present bits are among the two lowest bits */
	for (level = 0; level <= 2; level++)
		*kpt_entry(&pt, kfmt_size(fmt, 2) * 5 -
				3 * kfmt_size(fmt, level), level) =
			((fmt->leaf ^ fmt->dirty) & ~3ULL) | 0x1234567890000;
	for (level = 0; fmt->dbm && level <= 2; level++)
		*kpt_map(&pt, kfmt_size(fmt, 2) * 6 -
				5 * kfmt_size(fmt, level), level, 0) ^=
			fmt->dbm | fmt->dirty;
	kwalk(&pt, rec, 0, ULONG_MAX, 0);
	KUNIT_EXPECT_EQ(test, rec->nr, 0);
}

/*
 * The first and the last page of tables of each depth, their first and last bytes,
 * and ranges beyond the table.
 */
static void test_ends(struct kunit *test)
{
	const struct kfmt *fmt = test->param_value;
	const unsigned long page = kfmt_size(fmt, 0);
	struct krec *rec = krec_alloc(test);
	unsigned int top;

	for (top = 0; top <= fmt->top_level; top++) {
		u64 *low, *high;
		unsigned long last;
		struct kpt pt;

		kpt_init(&pt, test, top);
		last = kpt_last(&pt);
		low = kpt_map(&pt, 0, 0, 0);
		high = kpt_map(&pt, last - page + 1, 0, 0);
		kpte_dirty(&pt, low);
		kpte_dirty(&pt, high);

		if (last < ULONG_MAX) {
			kwalk(&pt, rec, last + 1, ULONG_MAX, 0);
			KUNIT_EXPECT_EQ(test, rec->nr, 0);
			kwalk(&pt, rec, ULONG_MAX, ULONG_MAX, 0);
			KUNIT_EXPECT_EQ(test, rec->nr, 0);
		}
		kwalk(&pt, rec, page, last - page, 0);
		KUNIT_EXPECT_EQ(test, rec->nr, 0);
		kwalk(&pt, rec, 0, 0, 0);
		kexpect_one(test, rec, 0, 0);
		kwalk(&pt, rec, last, ULONG_MAX, 0);
		kexpect_one(test, rec, last, last);
		KUNIT_EXPECT_TRUE(test, kpte_is_dirty(&pt, *low));
		KUNIT_EXPECT_TRUE(test, kpte_is_dirty(&pt, *high));

		kwalk(&pt, rec, 0, last - page, 0);
		kexpect_one(test, rec, 0, page - 1);
		KUNIT_EXPECT_FALSE(test, kpte_is_dirty(&pt, *low));
		kwalk(&pt, rec, 0, ULONG_MAX, 0);
		kexpect_one(test, rec, last - page + 1, last);
		KUNIT_EXPECT_FALSE(test, kpte_is_dirty(&pt, *high));
	}
}

/* One page per 16 GiB, with some holes, walked in windows and then all at once */
static void test_sparse(struct kunit *test)
{
	const struct kfmt *fmt = test->param_value;
	const unsigned long page = kfmt_size(fmt, 0), window = 100UL * SZ_1G;
	struct krec *rec = krec_alloc(test), *want = krec_alloc(test);
	unsigned long iova, found = 0;
	u64 *ptes[64];
	struct kpt pt;
	unsigned int i;

	kpt_init(&pt, test, fmt->top_level);
	for (i = 0; i < ARRAY_SIZE(ptes); i++) {
		iova = i * 16UL * SZ_1G + (i * 2654435761UL) % SZ_1G;
		iova = ALIGN_DOWN(iova, page);
		ptes[i] = NULL;
		if (i / 5 % 3 == 1)
			continue;
		ptes[i] = kpt_map(&pt, iova, 0, 0);
		kpte_dirty(&pt, ptes[i]);
		krec_add(want, iova, iova + page - 1);
	}

	for (iova = 1; iova < SZ_1T; iova += window) {
		kwalk(&pt, rec, iova, iova + window - 1,
		      IOMMU_DIRTY_WALK_NO_CLEAR);
		for (i = 0; i < rec->nr; i++, found++) {
			KUNIT_ASSERT_LT(test, found, want->nr);
			KUNIT_EXPECT_EQ(test, rec->ranges[i].last,
					want->ranges[found].last);
		}
	}
	KUNIT_EXPECT_EQ(test, found, want->nr);

	kwalk(&pt, rec, 0, SZ_1T - 1, 0);
	kexpect_ranges(test, rec, want);
	for (i = 0; i < ARRAY_SIZE(ptes); i++)
		if (ptes[i])
			KUNIT_EXPECT_FALSE(test, kpte_is_dirty(&pt, *ptes[i]));
}

/* Without a sink, a walk cleans and returns the range to flush */
static void test_clean_only(struct kunit *test)
{
	const struct kfmt *fmt = test->param_value;
	const unsigned long low = kfmt_size(fmt, 0), high = kfmt_size(fmt, 2);
	struct iommu_dirty_walk walk;
	u64 *ptes[3];
	struct kpt pt;

	kpt_init(&pt, test, fmt->top_level);
	ptes[0] = kpt_map(&pt, low, 0, 0);
	ptes[1] = kpt_map(&pt, high, 1, 0);
	ptes[2] = kpt_map(&pt, 2 * high, 1, 0);
	kpte_dirty(&pt, ptes[0]);
	kpte_dirty(&pt, ptes[1]);
	kpte_dirty(&pt, ptes[2]);

	walk = kwalk(&pt, NULL, 0, 2 * high, 0);
	KUNIT_EXPECT_FALSE(test, kpte_is_dirty(&pt, *ptes[0]));
	KUNIT_EXPECT_FALSE(test, kpte_is_dirty(&pt, *ptes[1]));
	KUNIT_EXPECT_TRUE(test, kpte_is_dirty(&pt, *ptes[2]));
	KUNIT_EXPECT_EQ(test, walk.flush_iova, low);
	KUNIT_EXPECT_EQ(test, walk.flush_last, high + kfmt_size(fmt, 1) - 1);
}

/*
 * A page was clean when it became read-only. Hardware that had read its last entry
 * before sets the dirty bit now, without checking the entry again.
 */
static void check_recheck(const struct kpt *pt, struct krec *rec, u64 *ptes,
			  unsigned int level, unsigned int group)
{
	const unsigned int flags = IOMMU_DIRTY_WALK_RECHECK |
				   IOMMU_DIRTY_WALK_EXCLUSIVE;
	const unsigned long size = kfmt_size(pt->fmt, level) << group;
	const unsigned long first = size, last = first + size - 1;
	u64 *pte = ptes + (1U << group) - 1;
	struct iommu_dirty_walk walk;
	u64 late;

	kwalk(pt, rec, first, last + size, flags);
	KUNIT_EXPECT_EQ(pt->test, rec->nr, 0);
	*pte ^= pt->fmt->dirty;
	late = *pte;
	walk = kwalk(pt, rec, first, last + size, flags);
	kexpect_one(pt->test, rec, first, last);
	KUNIT_EXPECT_EQ(pt->test, *pte, late);
	KUNIT_EXPECT_FALSE(pt->test, iommu_dirty_walk_needs_flush(&walk));
}

/*
 * One page in a group of the given size, clean or dirty. Afterwards, no entry of it
 * permits writes. The dirty entry stays dirty, unless the dirty bit is also the write
 * permission. Its neighbours, one of which is not present, do not change.
 */
static void check_protect(struct kunit *test, unsigned int level,
			  unsigned int group, bool dirty)
{
	const struct kfmt *fmt = test->param_value;
	const unsigned long size = kfmt_size(fmt, level) << group;
	const unsigned long first = size, last = first + size - 1;
	const u64 absent = fmt->leaf & ~3ULL;
	struct krec *rec = krec_alloc(test);
	u64 *ptes, *other, *hole, before;
	struct iommu_dirty_walk walk;
	struct kpt pt;
	unsigned int i;

	kpt_init(&pt, test, fmt->top_level);
	ptes = kpt_map(&pt, first, level, group);
	other = kpt_map(&pt, 0, level, group);
	hole = kpt_entry(&pt, last + 1, level);
	*hole = absent;
	if (dirty)
		kpte_dirty(&pt, ptes);
	kpte_dirty(&pt, other);
	before = *other;

	walk = kwalk(&pt, rec, first, last + size,
		     IOMMU_DIRTY_WALK_PROTECT | IOMMU_DIRTY_WALK_EXCLUSIVE);
	if (dirty)
		kexpect_one(test, rec, first, last);
	else
		KUNIT_EXPECT_EQ(test, rec->nr, 0);
	for (i = 0; i < 1U << group; i++) {
		KUNIT_EXPECT_FALSE(test, kpte_is_writable(&pt, ptes[i]));
		KUNIT_EXPECT_EQ(test, kpte_is_dirty(&pt, ptes[i]),
				dirty && !i && !fmt->dbm);
	}
	KUNIT_EXPECT_EQ(test, *other, before);
	KUNIT_EXPECT_EQ(test, *hole, absent);
	/* A writable entry may be in an IOTLB even if no entry was dirty */
	KUNIT_EXPECT_LE(test, walk.flush_iova, first);
	KUNIT_EXPECT_GE(test, walk.flush_last, last);
	if (!dirty)
		check_recheck(&pt, rec, ptes, level, group);
}

/* Before an unmap, a device cannot write through an entry that was walked */
static void test_protect(struct kunit *test)
{
	const struct kfmt *fmt = test->param_value;
	unsigned int level, group;

	for (level = 0; level <= fmt->leaf_level; level++) {
		check_protect(test, level, 0, false);
		check_protect(test, level, 0, true);
		for (group = 1; group <= fmt->groups[level]; group++) {
			if (!fmt->sized && group != fmt->groups[level])
				continue;
			check_protect(test, level, group, false);
			check_protect(test, level, group, true);
		}
	}
}

static u64 sizes_of(struct kpt *pt, unsigned long iova, unsigned long last)
{
	struct krec *rec = krec_alloc(pt->test);
	struct iommu_dirty_walk walk;

	walk = kwalk(pt, rec, iova, last, IOMMU_DIRTY_WALK_SIZES);
	KUNIT_EXPECT_EQ(pt->test, rec->nr, 0);
	KUNIT_EXPECT_FALSE(pt->test, iommu_dirty_walk_needs_flush(&walk));
	return walk.sizes;
}

static void check_size(struct kunit *test, unsigned int level,
		       unsigned int group)
{
	const struct kfmt *fmt = test->param_value;
	unsigned long size = kfmt_size(fmt, level) << group;
	unsigned long first = kfmt_size(fmt, level + 1) - size;
	unsigned long last = first + size - 1;
	/* Groups of level 0 are not told apart */
	u64 found = level ? size : kfmt_size(fmt, 0);
	struct kpt pt;
	u64 *pte, old;

	kpt_init(&pt, test, fmt->top_level);
	pt.skip = fmt->skips;
	KUNIT_EXPECT_EQ(test, sizes_of(&pt, 0, ULONG_MAX), 0);
	pte = kpt_map(&pt, first, level, group);
	kpte_dirty(&pt, pte);
	old = *pte;
	KUNIT_EXPECT_EQ(test, sizes_of(&pt, 0, ULONG_MAX), found);
	KUNIT_EXPECT_EQ(test, sizes_of(&pt, first, first), found);
	KUNIT_EXPECT_EQ(test, sizes_of(&pt, last, last), found);
	if (level)
		KUNIT_EXPECT_EQ(test, sizes_of(&pt, 0, first - 1), 0);
	KUNIT_EXPECT_EQ(test, sizes_of(&pt, last + 1, ULONG_MAX), 0);
	KUNIT_EXPECT_EQ(test, *pte, old);
	if (!level)
		return;
	kpt_map(&pt, 0, 0, 0);
	KUNIT_EXPECT_EQ(test, sizes_of(&pt, 0, ULONG_MAX),
			found | kfmt_size(fmt, 0));
	KUNIT_EXPECT_EQ(test, sizes_of(&pt, first, last), found);
}

static void test_sizes(struct kunit *test)
{
	const struct kfmt *fmt = test->param_value;
	unsigned int level, group;

	for (level = 0; level <= fmt->leaf_level; level++) {
		check_size(test, level, 0);
		for (group = 1; group <= fmt->groups[level]; group++)
			if (fmt->sized || group == fmt->groups[level])
				check_size(test, level, group);
	}
}

static struct kunit_case edge_cases[] = {
	KUNIT_CASE_PARAM(test_partial, kfmt_gen_params),
	KUNIT_CASE_PARAM(test_runs, kfmt_gen_params),
	KUNIT_CASE_PARAM(test_mixed, kfmt_gen_params),
	KUNIT_CASE_PARAM(test_not_leaves, kfmt_gen_params),
	KUNIT_CASE_PARAM(test_ends, kfmt_gen_params),
	KUNIT_CASE_PARAM(test_sparse, kfmt_gen_params),
	KUNIT_CASE_PARAM(test_clean_only, kfmt_gen_params),
	KUNIT_CASE_PARAM(test_protect, kfmt_gen_params),
	KUNIT_CASE_PARAM(test_sizes, kfmt_gen_params),
	{}
};

static struct kunit_suite edge_suite = {
	.name = "iommu_dirty_walk_edge",
	.test_cases = edge_cases,
};

kunit_test_suite(edge_suite);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("KUnit tests of the IO page table dirty walkers");
