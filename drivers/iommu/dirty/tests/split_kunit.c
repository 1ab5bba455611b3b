// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of splitting large entries: each size of every format, ranges of which an
 * entry is a part and the other way round, entries that must stay, no memory, and writes
 * by hardware between the steps.
 */
#include <linux/slab.h>

#include "split_kunit.h"

/*
 * One page of the given level and group, split by a range that contains all or a part of
 * it, between two pages of the same size that the range does not touch.
 */
static void check_split(struct kunit *test, unsigned int level,
			unsigned int group, bool dirty)
{
	struct ksplit *k = ksplit_alloc(test);
	const struct kfmt *fmt = k->fmt;
	const unsigned long size = kfmt_size(fmt, level) << group;
	const unsigned long first = size, last = 2 * size - 1;
	const struct krange ranges[] = {
		{ first, last }, { first, first }, { last, last },
		{ first + size / 2 + 1, first + size / 2 + 2 },
	};
	unsigned int tables = ksplit_nr_tables(fmt, level) << group;
	unsigned int i;

	ksplit_map(k, 0, level, group);
	ksplit_map(k, last + 1, level, group);
	ksplit_write(k, 0);
	ksplit_write(k, last + 1);
	for (i = 0; i < ARRAY_SIZE(ranges); i++) {
		u64 *pte = kpt_entry(&k->pt, first, level);

		memset(pte, 0, sizeof(*pte) << group);
		ksplit_map(k, first, level, group);
		if (dirty)
			ksplit_write(k, last);
		k->allocated = 0;
		k->rec->check = dirty ? &k->pt : NULL;
		KUNIT_EXPECT_EQ(test, 0,
				ksplit_begin(k, false, ranges[i].first,
					     ranges[i].last, KSPLIT_ALL));
		KUNIT_EXPECT_EQ(test, k->split.flush_iova, first);
		KUNIT_EXPECT_EQ(test, k->split.flush_last, last);
		ksplit_end(k, false);

		KUNIT_EXPECT_EQ(test, k->allocated, tables);
		KUNIT_EXPECT_EQ(test, k->split.done, tables + !!group);
		KUNIT_EXPECT_EQ(test, k->split.left, 0);
		/* In a group, a late dirty bit could stand for any page */
		if (dirty || group)
			kexpect_one(test, k->rec, first, last);
		else
			KUNIT_EXPECT_EQ(test, k->rec->nr, 0);
		ksplit_expect(k, first, last, true);
		kwalk(&k->pt, k->rec, first, last, 0);
		KUNIT_EXPECT_EQ(test, k->rec->nr, 0);
	}

	/* The neighbours are as before */
	KUNIT_EXPECT_EQ(test, ksplit_translate(k, 0).level, level);
	KUNIT_EXPECT_EQ(test, ksplit_translate(k, last + 1).level, level);
	KUNIT_EXPECT_TRUE(test, ksplit_is_dirty(k, 0));
	KUNIT_EXPECT_TRUE(test, ksplit_is_dirty(k, last + 1));

	/* Nothing is left to split; the recheck has nothing to find */
	KUNIT_EXPECT_EQ(test, 0, ksplit_run(k, false, first, last, KSPLIT_ALL));
	KUNIT_EXPECT_FALSE(test, iommu_dirty_split_needs_flush(&k->split));
	KUNIT_EXPECT_EQ(test, k->split.done, 0);
	KUNIT_EXPECT_EQ(test, k->rec->nr, 0);
}

static void test_sizes(struct kunit *test)
{
	const struct kfmt *fmt = test->param_value;
	unsigned int level, group;

	for (level = 0; level <= ksplit_top(fmt); level++) {
		if (level) {
			check_split(test, level, 0, false);
			check_split(test, level, 0, true);
		}
		/* A few of the largest groups have enough tables */
		for (group = 1; level < 2 && group <= fmt->groups[level]; group++) {
			if (!fmt->sized && group != fmt->groups[level])
				continue;
			check_split(test, level, group, false);
			check_split(test, level, group, true);
		}
	}
}

/* With IOMMU_DIRTY_SPLIT_DIRTY, clean pages stay large, dirty ones become small */
static void test_dirty_only(struct kunit *test)
{
	struct ksplit *k = ksplit_alloc(test);
	const struct kfmt *fmt = k->fmt;
	unsigned int level = ksplit_top(fmt), group;
	unsigned long size, last = 0;
	unsigned int i;

	for (; level < 3; level--) {
		group = level < 2 ? fmt->groups[level] : 0;
		if (fmt->sized)
			group = min(group, 5U);
		if (!level && !group)
			break;
		size = kfmt_size(fmt, level) << group;
		for (i = 0; i < 4; i++)
			ksplit_map(k, 4 * size + i * size, level, group);
		ksplit_write(k, 6 * size - 1);
		last = 8 * size - 1;
		KUNIT_EXPECT_EQ(test, 0,
				ksplit_run(k, false, 4 * size, last,
					   KSPLIT_ALL | IOMMU_DIRTY_SPLIT_DIRTY));
		kexpect_one(test, k->rec, 5 * size, 6 * size - 1);
		ksplit_expect(k, 4 * size, last, false);
		ksplit_expect(k, 5 * size, 6 * size - 1, true);
		for (i = 0; i < 4; i++)
			KUNIT_EXPECT_EQ(test, i == 1 ? 0 : level,
					ksplit_translate(k, 4 * size + i * size).level);
		memset(kpt_entry(&k->pt, 4 * size, level), 0, 4 * sizeof(u64) << group);
	}
}

/* Pages that never become dirty or that nothing can split, and what is not mapped */
static void test_stays(struct kunit *test)
{
	struct ksplit *k = ksplit_alloc(test);
	const struct kfmt *fmt = k->fmt;
	const unsigned long size = kfmt_size(fmt, 1);
	const u64 absent = fmt->leaf & ~3ULL;
	u64 *pte = kpt_entry(&k->pt, 0, 1);
	u64 before[8];
	unsigned int i;

	for (i = 0; i < 4; i++)
		ksplit_map(k, i * size, 1, 0);
	/* Read-only; with and without a dirty bit */
	pte[0] &= ~fmt->protect;
	pte[1] = (pte[1] & ~fmt->protect) ^ fmt->dirty;
	pte[2] = absent;
	/* A table */
	ksplit_map(k, 5 * size, 0, 0);
	memcpy(before, pte, sizeof(before));
	KUNIT_EXPECT_EQ(test, 0,
			ksplit_run(k, false, 0, 3 * size - 1, KSPLIT_ALL));
	KUNIT_EXPECT_EQ(test, 0,
			ksplit_run(k, false, 4 * size, 8 * size - 1, KSPLIT_ALL));
	KUNIT_EXPECT_MEMEQ(test, pte, before, sizeof(before));
	KUNIT_EXPECT_EQ(test, k->allocated, 0);
	KUNIT_EXPECT_EQ(test, k->split.left, 0);

	if (fmt->huge == 0x80 && fmt->dirty == 0x40) {
		/* PAT of a large page */
		pte[3] |= 0x1000;
		KUNIT_EXPECT_EQ(test, 0,
				ksplit_run(k, false, 0, 4 * size - 1, KSPLIT_ALL));
		KUNIT_EXPECT_EQ(test, k->split.left, 1);
		KUNIT_EXPECT_EQ(test, pte[3], before[3] | 0x1000);
	}
}

/* Tables of each depth: the first and the last page, and ranges beyond the table */
static void test_ends(struct kunit *test)
{
	const struct kfmt *fmt = test->param_value;
	unsigned int top;

	for (top = 0; top <= fmt->top_level; top++) {
		unsigned int level = min(top, 1U);
		unsigned long size = kfmt_size(fmt, level), last;
		struct ksplit *k = ksplit_alloc(test);

		kpt_init(&k->pt, test, top);
		last = kpt_last(&k->pt);
		*kpt_map(&k->pt, last - size + 1, level, 0) |=
			KSPLIT_PHYS >> fmt->addr_shift;
		ksplit_map(k, 0, level, 0);
		if (last < ULONG_MAX) {
			KUNIT_EXPECT_EQ(test, 0,
					ksplit_run(k, false, last + 1, ULONG_MAX,
						   KSPLIT_ALL));
			KUNIT_EXPECT_EQ(test, k->split.done, 0);
		}
		KUNIT_EXPECT_EQ(test, 0,
				ksplit_run(k, false, size, last - size,
					   KSPLIT_ALL));
		KUNIT_EXPECT_EQ(test, k->split.done, 0);
		KUNIT_EXPECT_EQ(test, 0,
				ksplit_run(k, false, last, ULONG_MAX, KSPLIT_ALL));
		KUNIT_EXPECT_EQ(test, k->split.done, level);
		KUNIT_EXPECT_EQ(test, 0, ksplit_run(k, false, 0, 0, KSPLIT_ALL));
		KUNIT_EXPECT_EQ(test, k->split.done, level);
		KUNIT_EXPECT_EQ(test, ksplit_translate(k, 0).level, 0);
		KUNIT_EXPECT_EQ(test, ksplit_translate(k, last).level, 0);
		KUNIT_EXPECT_EQ(test, ksplit_translate(k, last).phys,
				KSPLIT_PHYS + size - 1);

		KUNIT_EXPECT_EQ(test, 0,
				ksplit_run(k, true, 0, ULONG_MAX, KSPLIT_ALL));
		KUNIT_EXPECT_EQ(test, k->split.done, 2 * level);
		KUNIT_EXPECT_EQ(test, ksplit_translate(k, last).level, level);
	}
}

/* Each allocation fails once; after each failure all is mapped as before */
static void test_no_memory(struct kunit *test)
{
	struct ksplit *k = ksplit_alloc(test);
	const struct kfmt *fmt = k->fmt;
	const unsigned int top = ksplit_top(fmt);
	const unsigned int group = fmt->sized ? 3 : fmt->groups[1];
	const unsigned long huge = kfmt_size(fmt, 1) << group;
	const unsigned long first = kfmt_size(fmt, top);
	const unsigned long second = ALIGN(2 * first, huge);
	const unsigned long last = second + 2 * huge - 1;
	unsigned int tables = ksplit_nr_tables(fmt, top) + (2U << group);
	unsigned int fails;

	ksplit_map(k, first, top, 0);
	ksplit_write(k, first);
	ksplit_map(k, second, 1, group);
	ksplit_map(k, second + huge, 1, group);
	for (fails = 0; fails <= tables; fails++) {
		k->budget = 1;
		if (!ksplit_run(k, false, first, last, KSPLIT_ALL))
			break;
		/* The first call has marked what was dirty, and cleaned it */
		if (!fails) {
			KUNIT_EXPECT_EQ(test, k->rec->ranges[0].first, first);
			KUNIT_EXPECT_EQ(test, k->rec->ranges[0].last,
					2 * first - 1);
		}
		if (fails % 64 && fails + 20 < tables)
			continue;
		ksplit_expect(k, first, 2 * first - 1, false);
		ksplit_expect(k, second, last, false);
	}
	KUNIT_EXPECT_EQ(test, k->allocated, tables);
	KUNIT_EXPECT_EQ(test, fails, tables - 1);
	ksplit_expect(k, first, 2 * first - 1, true);
	ksplit_expect(k, second, last, true);
	kwalk(&k->pt, k->rec, first, last, 0);
	KUNIT_EXPECT_EQ(test, k->rec->nr, 0);
}

/* The device writes while a table is allocated: the old entry becomes dirty */
static void write_during(struct ksplit *k)
{
	ksplit_write(k, k->iova);
}

static void test_written_before_exchange(struct kunit *test)
{
	struct ksplit *k = ksplit_alloc(test);
	const unsigned long size = kfmt_size(k->fmt, 1);

	ksplit_map(k, size, 1, 0);
	k->iova = size + size / 2;
	k->during = write_during;
	k->rec->check = &k->pt;
	KUNIT_EXPECT_EQ(test, 0,
			ksplit_run(k, false, size, 2 * size - 1, KSPLIT_ALL));
	kexpect_one(test, k->rec, size, 2 * size - 1);
	ksplit_expect(k, size, 2 * size - 1, true);
	KUNIT_EXPECT_FALSE(test, ksplit_is_dirty(k, k->iova));
}

/* A sink during whose first mark the entry changes */
struct moving_sink {
	struct iommu_dirty_sink sink;
	u64 *pte;
	unsigned int marks;
};

static void moving_mark_range(struct iommu_dirty_sink *sink, unsigned long iova,
			      unsigned long last)
{
	struct moving_sink *moving = container_of(sink, struct moving_sink, sink);

	/* A bit that hardware ignores stands for all that can change */
	if (!moving->marks++)
		*moving->pte ^= BIT_ULL(55);
}

static const struct iommu_dirty_sink_ops moving_ops = {
	.mark_range = moving_mark_range,
};

/* The entry changes between the look at it and the exchange: look again */
static void test_changed_before_exchange(struct kunit *test)
{
	struct ksplit *k = ksplit_alloc(test);
	const unsigned long size = kfmt_size(k->fmt, 1);
	struct moving_sink moving = { { &moving_ops } };
	struct ktrans trans;

	moving.pte = ksplit_map(k, size, 1, 0);
	ksplit_write(k, size);
	iommu_dirty_split_init(&k->split, &moving.sink, &k->tables, KSPLIT_ALL);
	k->split.iova = size;
	k->split.last = size;
	KUNIT_EXPECT_EQ(test, 0, k->fmt->split(&k->pt.table, &k->split));
	KUNIT_EXPECT_EQ(test, moving.marks, 2);
	trans = ksplit_translate(k, size);
	KUNIT_EXPECT_EQ(test, trans.level, 0);
	KUNIT_EXPECT_EQ(test, trans.phys, KSPLIT_PHYS + size);
}

/* Hardware that had read the old entry sets its dirty bit, without comparing it */
static void write_late(struct ksplit *k)
{
	u64 *pte = kpt_entry(&k->pt, k->iova, 1);

	*pte = (*pte & ~k->fmt->dirty) | (~k->fmt->leaf & k->fmt->dirty);
}

static void test_written_late(struct kunit *test)
{
	struct ksplit *k = ksplit_alloc(test);
	const struct kfmt *fmt = k->fmt;
	const unsigned long size = kfmt_size(fmt, 1);
	const unsigned long giant = kfmt_size(fmt, 2);
	const unsigned long last = 5 * size - 1;
	unsigned int i;

	if (!fmt->late)
		kunit_skip(test, "hardware compares the entry");
	for (i = 2; i < 5; i++)
		ksplit_map(k, i * size, 1, 0);
	/* Not from a split */
	ksplit_map(k, 5 * size, 0, 0);
	*kpt_entry(&k->pt, 5 * size, 1) ^= fmt->dirty;
	k->iova = 3 * size;
	k->late = write_late;
	KUNIT_EXPECT_EQ(test, 0,
			ksplit_run(k, false, 2 * size, 6 * size - 1, KSPLIT_ALL));
	kexpect_one(test, k->rec, 3 * size, 4 * size - 1);
	ksplit_expect(k, 2 * size, last, true);

	/* It is reported once */
	k->late = NULL;
	KUNIT_EXPECT_EQ(test, 0,
			ksplit_run(k, false, 2 * size, 6 * size - 1, KSPLIT_ALL));
	KUNIT_EXPECT_EQ(test, k->rec->nr, 0);

	/* Also below an entry of 1 GiB, of which the range is a part */
	if (ksplit_top(fmt) < 2)
		return;
	ksplit_map(k, giant, 2, 0);
	k->iova = giant + 7 * size;
	k->late = write_late;
	KUNIT_EXPECT_EQ(test, 0,
			ksplit_run(k, false, giant, giant, KSPLIT_ALL));
	kexpect_one(test, k->rec, k->iova, k->iova + size - 1);
}

static struct kunit_case split_cases[] = {
	KUNIT_CASE_PARAM(test_sizes, kfmt_gen_params),
	KUNIT_CASE_PARAM(test_dirty_only, kfmt_gen_params),
	KUNIT_CASE_PARAM(test_stays, kfmt_gen_params),
	KUNIT_CASE_PARAM(test_ends, kfmt_gen_params),
	KUNIT_CASE_PARAM(test_no_memory, kfmt_gen_params),
	KUNIT_CASE_PARAM(test_written_before_exchange, kfmt_gen_params),
	KUNIT_CASE_PARAM(test_changed_before_exchange, kfmt_gen_params),
	KUNIT_CASE_PARAM(test_written_late, kfmt_gen_params),
	{}
};

static struct kunit_suite split_suite = {
	.name = "iommu_dirty_split",
	.test_cases = split_cases,
};

kunit_test_suite(split_suite);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("KUnit tests of splitting entries of IO page tables");
