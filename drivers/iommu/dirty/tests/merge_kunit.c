// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of merging what was split: each size of every format, writes by hardware
 * between the steps, tables that must stay, and what Arm needs.
 */
#include <linux/slab.h>

#include "split_kunit.h"

#define KMERGE	true

/* Map and split a page, with a page of the same size before and after it */
static u64 *split_one(struct ksplit *k, unsigned int level)
{
	const unsigned long size = kfmt_size(k->fmt, level);
	u64 *pte = ksplit_map(k, size, level, 0);

	ksplit_map(k, 0, level, 0);
	ksplit_map(k, 2 * size, level, 0);
	KUNIT_ASSERT_EQ(k->test, 0,
			ksplit_run(k, false, 0, 3 * size - 1, KSPLIT_ALL));
	return pte;
}

/* Only tables that lie within the range are merged */
static void check_merge(struct kunit *test, unsigned int level)
{
	struct ksplit *k = ksplit_alloc(test);
	const struct kfmt *fmt = k->fmt;
	const unsigned long size = kfmt_size(fmt, level);
	const unsigned long page = ksplit_page(fmt);
	const unsigned int tables = ksplit_nr_tables(fmt, level);
	const unsigned long first = size, last = 2 * size - 1;
	u64 *pte = split_one(k, level);
	unsigned int i;

	KUNIT_EXPECT_EQ(test, 0,
			ksplit_run(k, KMERGE, first + 1, last - 1, KSPLIT_ALL));
	KUNIT_EXPECT_NE(test, ksplit_translate(k, first).level, level);
	KUNIT_EXPECT_EQ(test, 0, ksplit_run(k, false, 0, 3 * size, KSPLIT_ALL));
	KUNIT_EXPECT_EQ(test, 0,
			ksplit_run(k, KMERGE, first, first, KSPLIT_ALL));
	KUNIT_EXPECT_EQ(test, k->split.done, 0);
	k->freed = 0;

	/* The pages at both ends and two in the middle are dirty */
	ksplit_write(k, 0);
	ksplit_write(k, first);
	ksplit_write(k, first + 77 * page);
	ksplit_write(k, first + 78 * page);
	ksplit_write(k, last);
	ksplit_write(k, last + 1);
	KUNIT_EXPECT_EQ(test, 0,
			ksplit_begin(k, KMERGE, first, last, KSPLIT_ALL));
	KUNIT_EXPECT_EQ(test, k->split.done, tables);
	KUNIT_EXPECT_EQ(test, k->split.left, 0);
	KUNIT_EXPECT_EQ(test, k->split.flush_iova, first);
	KUNIT_EXPECT_EQ(test, k->split.flush_last, last);
	ksplit_end(k, KMERGE);
	KUNIT_EXPECT_EQ(test, k->freed, tables);

	KUNIT_EXPECT_EQ(test, ksplit_translate(k, first).level, level);
	KUNIT_EXPECT_FALSE(test, ksplit_is_dirty(k, first));
	ksplit_expect(k, 0, 3 * size - 1, false);
	/* Nothing of the page is left but the entry as ksplit_map() writes it */
	KUNIT_EXPECT_EQ(test, *pte & ~fmt->accessed,
			(fmt->leaf ^ fmt->huge) |
			(KSPLIT_PHYS + first) >> fmt->addr_shift);
	KUNIT_ASSERT_EQ(test, k->rec->nr, 3);
	KUNIT_EXPECT_EQ(test, k->rec->ranges[0].first, first);
	KUNIT_EXPECT_EQ(test, k->rec->ranges[0].last, first + page - 1);
	KUNIT_EXPECT_EQ(test, k->rec->ranges[1].first, first + 77 * page);
	KUNIT_EXPECT_EQ(test, k->rec->ranges[1].last, first + 79 * page - 1);
	KUNIT_EXPECT_EQ(test, k->rec->ranges[2].first, last - page + 1);
	KUNIT_EXPECT_EQ(test, k->rec->ranges[2].last, last);

	/* The neighbours are still split */
	for (i = 0; i < 2; i++) {
		unsigned long at = i ? last + 1 : 0;

		KUNIT_EXPECT_EQ(test, ksplit_translate(k, at).level, 0);
		KUNIT_EXPECT_TRUE(test, ksplit_is_dirty(k, at));
	}
	KUNIT_EXPECT_EQ(test, 0,
			ksplit_run(k, KMERGE, first, last, KSPLIT_ALL));
	KUNIT_EXPECT_FALSE(test, iommu_dirty_split_needs_flush(&k->split));
	KUNIT_EXPECT_EQ(test, k->split.done, 0);
	KUNIT_EXPECT_EQ(test, k->split.left, 0);
}

static void test_sizes(struct kunit *test)
{
	unsigned int level;

	for (level = 1; level <= ksplit_top(test->param_value); level++)
		check_merge(test, level);
}

/* Hardware still uses the old table, and makes one of its entries dirty */
static void write_orphan(struct ksplit *k)
{
	unsigned int i;

	for (i = 0; i < k->split.nr_orphans; i++) {
		struct iommu_dirty_orphan *orphan = &k->orphans[i];
		unsigned long page = kfmt_size(k->fmt, orphan->level);
		unsigned long idx = (k->iova - orphan->iova) / page;

		if (k->iova < orphan->iova || idx >> (k->fmt->page_shift - 3))
			continue;
		kpte_dirty(&k->pt, &orphan->table[idx]);
		return;
	}
	KUNIT_FAIL(k->test, "no orphan");
}

static void test_written_late(struct kunit *test)
{
	struct ksplit *k = ksplit_alloc(test);
	const unsigned int level = ksplit_top(k->fmt);
	const unsigned long size = kfmt_size(k->fmt, level);
	const unsigned long page = ksplit_page(k->fmt);

	split_one(k, level);
	k->iova = size + 66 * page;
	k->late = write_orphan;
	KUNIT_EXPECT_EQ(test, 0,
			ksplit_begin(k, KMERGE, size, 2 * size - 1, KSPLIT_ALL));
	/* Until the flush, it is neither marked nor freed */
	KUNIT_EXPECT_EQ(test, k->rec->nr, 0);
	KUNIT_EXPECT_EQ(test, k->freed, 0);
	ksplit_end(k, KMERGE);
	kexpect_one(test, k->rec, k->iova, k->iova + page - 1);
	KUNIT_EXPECT_EQ(test, k->freed, ksplit_nr_tables(k->fmt, level));

	/* Without a sink, nobody needs the dirty bits */
	k->late = NULL;
	split_one(k, level);
	ksplit_write(k, k->iova);
	ksplit_begin(k, KMERGE, size, 2 * size - 1, KSPLIT_ALL);
	k->split.sink = NULL;
	ksplit_end(k, KMERGE);
	KUNIT_EXPECT_EQ(test, k->freed, 2 * ksplit_nr_tables(k->fmt, level));
}

/* The array for tables is too small: several rounds */
static void test_few_orphans(struct kunit *test)
{
	struct ksplit *k = ksplit_alloc(test);
	const unsigned int level = ksplit_top(k->fmt);
	const unsigned long size = kfmt_size(k->fmt, level);
	const unsigned int tables = ksplit_nr_tables(k->fmt, level);
	unsigned int rounds = 0;
	int rc;

	split_one(k, level);
	k->max_orphans = level > 1 ? 100 : 1;
	do {
		rc = ksplit_run(k, KMERGE, 0, 2 * size - 1, KSPLIT_ALL);
		KUNIT_ASSERT_LT(test, rounds, 100);
		rounds++;
		if (rc)
			KUNIT_EXPECT_EQ(test, k->split.done, k->max_orphans);
		ksplit_expect(k, 0, 3 * size - 1, false);
	} while (rc == -ENOSPC);
	KUNIT_EXPECT_EQ(test, rc, 0);
	KUNIT_EXPECT_EQ(test, rounds, DIV_ROUND_UP(2 * tables, k->max_orphans));
	KUNIT_EXPECT_EQ(test, k->freed, 2 * tables);
	KUNIT_EXPECT_EQ(test, ksplit_translate(k, 0).level, level);
	KUNIT_EXPECT_EQ(test, ksplit_translate(k, size).level, level);
}

static void expect_stays(struct ksplit *k)
{
	const unsigned long size = kfmt_size(k->fmt, 1);

	k->freed = 0;
	KUNIT_EXPECT_EQ(k->test, 0,
			ksplit_run(k, KMERGE, size, 2 * size - 1, KSPLIT_ALL));
	KUNIT_EXPECT_EQ(k->test, k->split.done, 0);
	KUNIT_EXPECT_EQ(k->test, k->split.left, 1);
	KUNIT_EXPECT_EQ(k->test, k->freed, 0);
	KUNIT_EXPECT_FALSE(k->test, iommu_dirty_split_needs_flush(&k->split));
}

/*
 * Each bit of an entry of a split table, other than A and D, is changed in turn: then the
 * table must stay. The first, the last, and one in the middle have it.
 */
static void test_not_uniform(struct kunit *test)
{
	struct ksplit *k = ksplit_alloc(test);
	const struct kfmt *fmt = k->fmt;
	const unsigned long size = kfmt_size(fmt, 1);
	const unsigned int entries = 1U << (fmt->page_shift - 3);
	unsigned int at[] = { 0, 1, entries / 2 + 1, entries - 1 };
	unsigned int bit, i;
	u64 *ptes;

	split_one(k, 1);
	ptes = kpt_entry(&k->pt, size, 0);
	for (i = 0; i < ARRAY_SIZE(at); i++) {
		for (bit = 0; bit < 64; bit++) {
			u64 flip = BIT_ULL(bit);

			/* Arm: AF is a bit that hardware sets */
			if (flip & (fmt->dirty | fmt->accessed) ||
			    (fmt->bbm && bit == 10))
				continue;
			ptes[at[i]] ^= flip;
			expect_stays(k);
			ptes[at[i]] ^= flip;
		}
	}
	/* All have it: neither writable, nor tracked */
	for (i = 0; i < entries; i++)
		ptes[i] &= ~fmt->protect;
	expect_stays(k);
	for (i = 0; i < entries; i++)
		ptes[i] |= fmt->protect;
	/* A hole at the start, and nothing but holes */
	ptes[0] = 0;
	expect_stays(k);
	memset(ptes, 0, entries * sizeof(*ptes));
	expect_stays(k);
}

/* Tables whose pages are contiguous but not aligned, or mapped as groups */
static void test_other_pages(struct kunit *test)
{
	struct ksplit *k = ksplit_alloc(test);
	const struct kfmt *fmt = k->fmt;
	const unsigned long size = kfmt_size(fmt, 1);
	const unsigned long page = ksplit_page(fmt);
	const unsigned int entries = 1U << (fmt->page_shift - 3);
	unsigned int group = fmt->groups[0], i;
	u64 *ptes;

	split_one(k, 1);
	ptes = kpt_entry(&k->pt, size, 0);
	for (i = 0; i < entries; i++)
		ptes[i] += page >> fmt->addr_shift;
	expect_stays(k);
	memset(ptes, 0, entries * sizeof(*ptes));
	for (i = 0; i < entries && group; i += 1U << group)
		ksplit_map(k, size + i * page, 0, group);
	expect_stays(k);

	/* Uniform, but the driver has made the table */
	memset(ptes, 0, entries * sizeof(*ptes));
	for (i = 0; i < entries; i++)
		ksplit_map(k, size + i * page, 0, 0);
	*kpt_entry(&k->pt, size, 1) &= ~fmt->mark;
	KUNIT_EXPECT_EQ(test, 0,
			ksplit_run(k, KMERGE, size, 2 * size - 1, KSPLIT_ALL));
	KUNIT_EXPECT_EQ(test, k->split.done, 0);
	KUNIT_EXPECT_EQ(test, k->split.left, 0);
	/* Then from a split again: this one is merged */
	*kpt_entry(&k->pt, size, 1) |= fmt->mark;
	KUNIT_EXPECT_EQ(test, 0,
			ksplit_run(k, KMERGE, size, 2 * size - 1, KSPLIT_ALL));
	KUNIT_EXPECT_EQ(test, k->split.done, 1);
	ksplit_expect(k, 0, 3 * size - 1, false);
}

/* Part of a page of 1 GiB was unmapped, or a small page differs: only the rest is merged */
static void test_giant_in_part(struct kunit *test)
{
	struct ksplit *k = ksplit_alloc(test);
	const unsigned long giant = kfmt_size(k->fmt, 2);
	const unsigned long huge = kfmt_size(k->fmt, 1);
	const unsigned int tables = ksplit_nr_tables(k->fmt, 2);

	if (ksplit_top(k->fmt) < 2)
		kunit_skip(test, "such pages have too many tables");
	split_one(k, 2);
	*kpt_entry(&k->pt, giant + 5 * huge, 0) = 0;
	*kpt_entry(&k->pt, giant + 7 * huge, 1) = 0;
	KUNIT_EXPECT_EQ(test, 0,
			ksplit_run(k, KMERGE, giant, 2 * giant - 1, KSPLIT_ALL));
	KUNIT_EXPECT_EQ(test, k->split.done, tables - 3);
	KUNIT_EXPECT_EQ(test, k->split.left, 2);
	KUNIT_EXPECT_EQ(test, k->freed, tables - 3);
	KUNIT_EXPECT_EQ(test, ksplit_translate(k, giant).level, 1);
	KUNIT_EXPECT_NULL(test, kpt_find(&k->pt, giant + 7 * huge).ptes);
	ksplit_expect(k, giant, giant + 5 * huge - 1, false);
	ksplit_expect(k, giant + 5 * huge + ksplit_page(k->fmt),
		      giant + 7 * huge - 1, false);
	ksplit_expect(k, giant + 8 * huge, 2 * giant - 1, false);
}

/* On Arm, nothing changes its size unless hardware allows it while an entry is in use */
static void test_bbm(struct kunit *test)
{
	struct ksplit *k = ksplit_alloc(test);
	const struct kfmt *fmt = k->fmt;
	const unsigned long size = kfmt_size(fmt, 1);
	const unsigned long group = size << fmt->groups[1];
	u64 *pte, before;

	if (!fmt->bbm)
		kunit_skip(test, "for Arm only");
	pte = ksplit_map(k, group, 1, 0);
	ksplit_map(k, 2 * group, 1, fmt->groups[1]);
	before = *pte;

	KUNIT_EXPECT_EQ(test, 0, ksplit_run(k, false, 0, 3 * group - 1, 0));
	KUNIT_EXPECT_EQ(test, k->split.left, 2);
	KUNIT_EXPECT_EQ(test, k->split.done, 0);
	KUNIT_EXPECT_EQ(test, *pte, before);
	KUNIT_EXPECT_EQ(test, ksplit_translate(k, 2 * group).entries,
			1U << fmt->groups[1]);

	/* nT would be a part of the address */
	*pte |= 0x10000;
	KUNIT_EXPECT_EQ(test, 0, ksplit_run(k, false, group, group,
					    IOMMU_DIRTY_SPLIT_BBM2));
	KUNIT_EXPECT_EQ(test, k->split.left, 1);
	KUNIT_EXPECT_EQ(test, *pte, before | 0x10000);
	*pte = before;

	KUNIT_EXPECT_EQ(test, 0, ksplit_run(k, false, group, group,
					    IOMMU_DIRTY_SPLIT_BBM2));
	KUNIT_EXPECT_EQ(test, k->split.done, 1);
	KUNIT_EXPECT_EQ(test, 0, ksplit_run(k, KMERGE, 0, 2 * group - 1, 0));
	KUNIT_EXPECT_EQ(test, k->split.left, 1);
	KUNIT_EXPECT_NE(test, *pte, before);
	KUNIT_EXPECT_EQ(test, 0, ksplit_run(k, KMERGE, 0, 2 * group - 1,
					    IOMMU_DIRTY_SPLIT_BBM2));
	KUNIT_EXPECT_EQ(test, *pte, before);
}

static struct kunit_case merge_cases[] = {
	KUNIT_CASE_PARAM(test_sizes, kfmt_gen_params),
	KUNIT_CASE_PARAM(test_written_late, kfmt_gen_params),
	KUNIT_CASE_PARAM(test_few_orphans, kfmt_gen_params),
	KUNIT_CASE_PARAM(test_not_uniform, kfmt_gen_params),
	KUNIT_CASE_PARAM(test_other_pages, kfmt_gen_params),
	KUNIT_CASE_PARAM(test_giant_in_part, kfmt_gen_params),
	KUNIT_CASE_PARAM(test_bbm, kfmt_gen_params),
	{}
};

static struct kunit_suite merge_suite = {
	.name = "iommu_dirty_merge",
	.test_cases = merge_cases,
};

kunit_test_suite(merge_suite);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("KUnit tests of merging entries of IO page tables");
