/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the walkers' tests share: the page-table formats as they know them, page
 * tables built from them, and a sink that keeps what it is told. The bits stand
 * here a second time on purpose: the tests must not share the definitions of the
 * code that they check.
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
 * @top_level: Level of the root of the deepest table
 * @leaf_level: Highest level that has leaves
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
 * @dbm: Bit of a leaf without which the dirty bits mean nothing (Arm)
 * @dirty: Bits to invert to make a leaf dirty
 * @accessed: Bits that hardware sets together with those
 * @lost: Bits that are lost when it is cleaned
 * @protect: The bit without which a device cannot write through a clean leaf; nor
 *	through a dirty one, but for formats with @dbm
 */
struct kfmt {
	const char *name;
	void (*walk)(const struct iommu_dirty_table *table,
		     struct iommu_dirty_walk *walk);
	unsigned int page_shift;
	unsigned int top_level;
	unsigned int leaf_level;
	unsigned int root_tables;
	u64 table;
	unsigned int level_shift;
	bool skips;
	unsigned int addr_shift;
	u64 leaf;
	u64 huge;
	unsigned int groups[5];
	u64 group;
	bool sized;
	u64 dbm;
	u64 dirty;
	u64 accessed;
	u64 lost;
	u64 protect;
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

/**
 * struct kpt_leaf - The entry that maps an IOVA, or the first of several
 * @ptes: The entry, or NULL if none does
 * @entries: How many neighbours are the same page
 * @level: Their level
 */
struct kpt_leaf {
	u64 *ptes;
	unsigned int entries;
	unsigned int level;
};

void kpt_init(struct kpt *pt, struct kunit *test, unsigned int top_level);
u64 *kpt_entry(struct kpt *pt, unsigned long iova, unsigned int level);
u64 *kpt_map(struct kpt *pt, unsigned long iova, unsigned int level,
	     unsigned int group);
struct kpt_leaf kpt_find(const struct kpt *pt, unsigned long iova);

static inline unsigned long kpt_last(const struct kpt *pt)
{
	return GENMASK(pt->table.bits - 1, 0);
}

static inline bool kpte_is_dirty(const struct kpt *pt, u64 pte)
{
	return (pte & pt->fmt->dirty) != (pt->fmt->leaf & pt->fmt->dirty);
}

/* Can a device write through a leaf? */
static inline bool kpte_is_writable(const struct kpt *pt, u64 pte)
{
	return (pte & pt->fmt->protect) ||
	       (pt->fmt->dbm && kpte_is_dirty(pt, pte));
}

/* What hardware makes of an entry when the device writes */
static inline u64 kpte_written(const struct kpt *pt, u64 pte)
{
	return kpte_is_dirty(pt, pte) ? pte :
		(pte | pt->fmt->accessed) ^ pt->fmt->dirty;
}

static inline void kpte_dirty(const struct kpt *pt, u64 *pte)
{
	*pte = kpte_written(pt, *pte);
}

/* What a dirty entry becomes */
static inline u64 kpte_cleaned(const struct kpt *pt, u64 pte)
{
	return (pte ^ pt->fmt->dirty) & ~pt->fmt->lost;
}

bool kpt_leaf_is_dirty(const struct kpt *pt, const struct kpt_leaf *leaf);

/**
 * struct krange - A range of IOVAs
 * @first: Its first byte
 * @last: Its last byte, inclusive
 */
struct krange {
	unsigned long first;
	unsigned long last;
};

/**
 * struct krec - A sink that keeps what it is told, neighbours merged
 * @sink: What the walker gets
 * @check: A table whose leaves must still be dirty when they are marked, or NULL
 * @nr: Number of ranges
 * @ranges: What was marked
 */
struct krec {
	struct iommu_dirty_sink sink;
	const struct kpt *check;
	unsigned int nr;
	struct krange ranges[8192];
};

struct krec *krec_alloc(struct kunit *test);
void krec_add(struct krec *rec, unsigned long first, unsigned long last);
struct iommu_dirty_walk kwalk(const struct kpt *pt, struct krec *rec,
			      unsigned long iova, unsigned long last,
			      unsigned int flags);
void kexpect_ranges(struct kunit *test, const struct krec *rec,
		    const struct krec *want);
void kexpect_one(struct kunit *test, const struct krec *rec,
		 unsigned long first, unsigned long last);

#endif
