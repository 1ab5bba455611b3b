/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The page-table formats as the walkers' tests know them, and page tables
 * built from them. The bits stand here a second time on purpose: the tests
 * must not share the definitions of the code that they check.
 */
#ifndef __IOMMU_DIRTY_WALK_KUNIT_H
#define __IOMMU_DIRTY_WALK_KUNIT_H

#include <kunit/test.h>
#include <linux/iommu_dirty.h>

/**
 * struct kfmt - A page-table format
 * @name: Name of the test's parameter
 * @walk: The walker under test
 * @page_shift: log2 of a page of level 0, and of a table
 * @top_level: Level of the root
 * @root_tables: How many tables stand side by side as the root
 * @table: Bits of an entry that points to a table
 * @level_shift: Where such an entry tells the level of that table, from 1 on;
 *	0: nowhere
 * @skips: Entries may skip levels
 * @addr_shift: How far an address is shifted to the right in an entry
 * @leaf: Bits of a clean entry of level 0 that maps memory
 * @huge: Bits to invert above level 0
 * @groups: log2 of how many neighbours may be one page, by level
 * @group: Bits to add to a leaf in a group
 * @sized: The size of a group is in the address, as AMD has it
 * @dirty: Bits to invert to make a leaf dirty
 * @accessed: Bits that are lost when it is cleaned
 */
struct kfmt {
	const char *name;
	void (*walk)(const struct iommu_dirty_table *table,
		     struct iommu_dirty_walk *walk);
	unsigned int page_shift;
	unsigned int top_level;
	unsigned int root_tables;
	u64 table;
	unsigned int level_shift;
	bool skips;
	unsigned int addr_shift;
	u64 leaf;
	u64 huge;
	unsigned int groups[3];
	u64 group;
	bool sized;
	u64 dirty;
	u64 accessed;
};

extern const struct kfmt kfmts[];
extern const unsigned int kfmts_nr;

/* For KUNIT_CASE_PARAM() */
const void *kfmt_gen_params(const void *prev, char *desc);

static inline unsigned int kfmt_shift(const struct kfmt *fmt,
				      unsigned int level)
{
	return fmt->page_shift + level * (fmt->page_shift - 3);
}

static inline unsigned long kfmt_size(const struct kfmt *fmt,
				      unsigned int level)
{
	return 1UL << kfmt_shift(fmt, level);
}

/**
 * struct kpt - A page table
 * @test: The test that owns its memory
 * @fmt: Its format
 * @skip: Skip levels, where the format can, in entries that are made
 * @table: What the walker gets
 */
struct kpt {
	struct kunit *test;
	const struct kfmt *fmt;
	bool skip;
	struct iommu_dirty_table table;
};

void kpt_init(struct kpt *pt, struct kunit *test, unsigned int top_level);
u64 *kpt_entry(struct kpt *pt, unsigned long iova, unsigned int level);
u64 *kpt_map(struct kpt *pt, unsigned long iova, unsigned int level,
	     unsigned int group);

static inline void kpte_dirty(const struct kpt *pt, u64 *pte)
{
	u64 clean = READ_ONCE(*pte) & pt->fmt->dirty;

	if (clean == (pt->fmt->leaf & pt->fmt->dirty))
		*pte = (*pte | pt->fmt->accessed) ^ pt->fmt->dirty;
}

static inline bool kpte_is_dirty(const struct kpt *pt, u64 pte)
{
	return (pte & pt->fmt->dirty) != (pt->fmt->leaf & pt->fmt->dirty);
}

/* What a dirty entry becomes */
static inline u64 kpte_cleaned(const struct kpt *pt, u64 pte)
{
	return (pte ^ pt->fmt->dirty) & ~pt->fmt->accessed;
}

#endif
