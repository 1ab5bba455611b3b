// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the tests of splitting and merging share; see split_kunit.h. Nothing here uses
 * the definitions of the code under test.
 */
#include <linux/slab.h>

#include "split_kunit.h"

/* The contents of a new table do not matter */
#define KSPLIT_POISON	0xa5

static u64 *ksplit_alloc_table(struct iommu_dirty_tables *tables)
{
	struct ksplit *k = container_of(tables, struct ksplit, tables);
	u64 *table;

	if (!k->budget)
		return NULL;
	k->budget--;
	if (k->during)
		k->during(k);
	if (k->nr_spare)
		table = k->spare[--k->nr_spare];
	else
		table = kunit_kmalloc(k->test, 1UL << k->fmt->page_shift,
				      GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(k->test, table);
	memset(table, KSPLIT_POISON, 1UL << k->fmt->page_shift);
	k->allocated++;
	return table;
}

/* Nothing may look at the table any more */
static void ksplit_free_table(struct iommu_dirty_tables *tables, u64 *table)
{
	struct ksplit *k = container_of(tables, struct ksplit, tables);

	KUNIT_EXPECT_TRUE(k->test, k->flushed);
	memset(table, KSPLIT_POISON, 1UL << k->fmt->page_shift);
	if (k->nr_spare < KSPLIT_ORPHANS)
		k->spare[k->nr_spare++] = table;
	k->freed++;
}

static const struct iommu_dirty_tables_ops ksplit_ops = {
	.alloc = ksplit_alloc_table,
	.free = ksplit_free_table,
};

/* @k is zeroed */
void ksplit_init(struct ksplit *k, struct kunit *test)
{
	k->test = test;
	k->fmt = test->param_value;
	k->rec = krec_alloc(test);
	k->sink = &k->rec->sink;
	k->tables.ops = &ksplit_ops;
	k->max_orphans = KSPLIT_ORPHANS;
	k->budget = UINT_MAX;
	kpt_init(&k->pt, test, k->fmt->top_level);
}

struct ksplit *ksplit_alloc(struct kunit *test)
{
	struct ksplit *k = kunit_kzalloc(test, sizeof(*k), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, k);
	ksplit_init(k, test);
	return k;
}

/* Map @iova to KSPLIT_PHYS + @iova, with 1 << @group entries at @level */
u64 *ksplit_map(struct ksplit *k, unsigned long iova, unsigned int level,
		unsigned int group)
{
	const struct kfmt *fmt = k->fmt;
	u64 *pte = kpt_map(&k->pt, iova, level, group);
	bool own = !group || (!fmt->sized && !fmt->addr_shift);
	unsigned int i;

	for (i = 0; i < 1U << group; i++) {
		u64 phys = KSPLIT_PHYS + iova +
			   (own ? i * kfmt_size(fmt, level) : 0);

		pte[i] |= phys >> fmt->addr_shift;
		/* Svnapot: page number 1000 in binary is 16 pages */
		if (group && fmt->addr_shift)
			pte[i] |= 8 << 10;
	}
	return pte;
}

/* Translate an IOVA that the leaf @pte maps, as the specifications define */
struct ktrans ksplit_trans(const struct kfmt *fmt, u64 pte, unsigned int level,
			   unsigned long iova)
{
	u64 addr = GENMASK_ULL(47, fmt->page_shift);
	unsigned int group = kpte_group(fmt, pte, level);
	unsigned long size = kfmt_size(fmt, level);
	struct ktrans trans = { .level = level, .entries = 1U << group };

	/* Otherwise, each entry of a group has its own address */
	if (fmt->sized || fmt->addr_shift)
		size <<= group;
	trans.phys = ((pte << fmt->addr_shift) & addr & ~(size - 1)) |
		     (iova & (size - 1));
	trans.attrs = (level ? pte ^ fmt->huge : pte) &
		      ~(addr >> fmt->addr_shift | fmt->dirty | fmt->accessed);
	if (group)
		trans.attrs &= ~fmt->group;
	return trans;
}

struct ktrans ksplit_translate(struct ksplit *k, unsigned long iova)
{
	struct kpt_leaf leaf = kpt_find(&k->pt, iova);
	struct ktrans none = {};

	if (!leaf.ptes)
		return none;
	return ksplit_trans(k->fmt,
			    leaf.ptes[(iova / kfmt_size(k->fmt, leaf.level)) %
				      leaf.entries],
			    leaf.level, iova);
}

/*
 * @first to @last is mapped as ksplit_map() did; @small: by single entries of level 0.
 * Large ranges are checked at some pages and near both ends.
 */
void ksplit_expect(struct ksplit *k, unsigned long first, unsigned long last,
		   bool small)
{
	const unsigned long page = ksplit_page(k->fmt);
	unsigned long nr = (last - first + page) / page, i;

	for (i = 0; i < nr; i += nr < 4096 || i < 5 || i > nr - 8 ? 1 : 7) {
		unsigned long iova = first + i * page;
		struct ktrans trans = ksplit_translate(k, iova);

		KUNIT_ASSERT_EQ(k->test, trans.attrs, k->fmt->leaf & ~k->fmt->dirty);
		KUNIT_ASSERT_EQ(k->test, trans.phys, KSPLIT_PHYS + iova);
		if (!small)
			continue;
		KUNIT_ASSERT_EQ(k->test, trans.level, 0);
		KUNIT_ASSERT_EQ(k->test, trans.entries, 1);
	}
}

/* The exchange, and what hardware does after it */
int ksplit_begin(struct ksplit *k, bool merge, unsigned long iova,
		 unsigned long last, unsigned int flags)
{
	int rc;

	k->rec->nr = 0;
	k->flushed = false;
	iommu_dirty_split_init(&k->split, k->sink, &k->tables, flags);
	k->split.iova = iova;
	k->split.last = last;
	k->split.orphans = k->orphans;
	k->split.max_orphans = k->max_orphans;
	rc = merge ? k->fmt->merge(&k->pt.table, &k->split) :
		     k->fmt->split(&k->pt.table, &k->split);
	if (k->late)
		k->late(k);
	return rc;
}

/* The flush, and the recheck */
void ksplit_end(struct ksplit *k, bool merge)
{
	k->flushed = true;
	k->split.flags |= IOMMU_DIRTY_SPLIT_RECHECK;
	KUNIT_EXPECT_EQ(k->test, 0,
			merge ? k->fmt->merge(&k->pt.table, &k->split) :
				k->fmt->split(&k->pt.table, &k->split));
	KUNIT_EXPECT_EQ(k->test, k->split.nr_orphans, 0);
}

/* All steps */
int ksplit_run(struct ksplit *k, bool merge, unsigned long iova,
	       unsigned long last, unsigned int flags)
{
	int rc = ksplit_begin(k, merge, iova, last, flags);

	ksplit_end(k, merge);
	return rc;
}

/* A write by hardware that finds the entry now */
void ksplit_write(struct ksplit *k, unsigned long iova)
{
	struct kpt_leaf leaf = kpt_find(&k->pt, iova);

	KUNIT_ASSERT_NOT_NULL(k->test, leaf.ptes);
	kpte_dirty(&k->pt, &leaf.ptes[(iova / kfmt_size(k->fmt, leaf.level)) %
				      leaf.entries]);
}

bool ksplit_is_dirty(struct ksplit *k, unsigned long iova)
{
	struct kpt_leaf leaf = kpt_find(&k->pt, iova);

	return kpt_leaf_is_dirty(&k->pt, &leaf);
}

bool ksplit_is_marked(struct ksplit *k, unsigned long iova)
{
	unsigned int i;

	for (i = 0; i < k->rec->nr; i++)
		if (iova >= k->rec->ranges[i].first &&
		    iova <= k->rec->ranges[i].last)
			return true;
	return false;
}
