/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Code that the tests of the walkers share: descriptions of the page-table formats,
 * page tables built from them, and a sink that records the marks. The tests define
 * the bits a second time on purpose: they must not use the definitions of the code
 * under test.
 */
#ifndef __IOMMU_DIRTY_WALK_KUNIT_H
#define __IOMMU_DIRTY_WALK_KUNIT_H

#include <kunit/test.h>
#include <linux/iommu_dirty.h>
#include <linux/iommu_dirty_kunit.h>
#include <linux/iommu_dirty_split.h>

/**
 * struct kfmt - A page-table format
 * @name: Name of the test parameter
 * @walk: The walker under test
 * @split: Splits large entries
 * @merge: Merges them again
 * @mark: Bit of an entry that points to a table from a split
 * @bbm: Hardware needs a feature for that (Arm)
 * @late: The specification does not exclude that hardware sets the dirty bit of an entry
 *	that has changed since hardware read it
 * @page_shift: log2 of the size of a level 0 page and of a table
 * @top_level: Level of the root of the deepest table
 * @leaf_level: Highest level that has leaves
 * @root_tables: Number of concatenated tables in the root; 0 for a single table
 * @table: Bits of an entry that points to a table
 * @level_shift: Position of that table's level in such an entry, counted from 1;
 *	0: not stored
 * @skips: Entries may skip levels
 * @addr_shift: Number of bits by which an entry shifts an address to the right
 * @leaf: Bits of a clean level 0 entry that maps memory
 * @huge: Bits of a leaf to invert above level 0
 * @groups: log2 of the maximum number of neighbours in one page, by level
 * @group: Bits to add to a leaf in a group
 * @sized: The address encodes the size of a group (AMD)
 * @dbm: Bit of a leaf without which its dirty bits have no meaning (Arm)
 * @dirty: Bits to invert to make a leaf dirty
 * @accessed: Bits that hardware sets together with @dirty
 * @lost: Bits other than @dirty that cleaning clears
 * @protect: Bit without which a device cannot write through a clean leaf; in formats
 *	without @dbm, not through a dirty leaf either
 */
struct kfmt {
	const char *name;
	void (*walk)(const struct iommu_dirty_table *table,
		     struct iommu_dirty_walk *walk);
	int (*split)(const struct iommu_dirty_table *table,
		     struct iommu_dirty_split *split);
	int (*merge)(const struct iommu_dirty_table *table,
		     struct iommu_dirty_split *split);
	u64 mark;
	bool bbm;
	bool late;
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
KUNIT_GENERATOR(kfmt_gen_params);

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
 * @skip: New entries skip levels where possible
 * @table: The table to pass to the walker
 */
struct kpt {
	struct kunit *test;
	const struct kfmt *fmt;
	bool skip;
	struct iommu_dirty_table table;
};

/**
 * struct kpt_leaf - The entries that map an IOVA
 * @ptes: The first entry, or NULL if the IOVA is not mapped
 * @entries: Number of entries of the page
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
bool kpte_is_leaf(const struct kfmt *fmt, u64 pte, unsigned int level);
unsigned int kpte_group(const struct kfmt *fmt, u64 pte, unsigned int level);
struct kpt_leaf kpt_find(const struct kpt *pt, unsigned long iova);

static inline unsigned long kpt_last(const struct kpt *pt)
{
	return GENMASK(pt->table.bits - 1, 0);
}

static inline bool kpte_is_dirty(const struct kpt *pt, u64 pte)
{
	return (pte & pt->fmt->dirty) != (pt->fmt->leaf & pt->fmt->dirty);
}

/* True if a device can write through a leaf */
static inline bool kpte_is_writable(const struct kpt *pt, u64 pte)
{
	return (pte & pt->fmt->protect) ||
	       (pt->fmt->dbm && kpte_is_dirty(pt, pte));
}

/* The value that hardware gives to an entry when the device writes */
static inline u64 kpte_written(const struct kpt *pt, u64 pte)
{
	return kpte_is_dirty(pt, pte) ? pte :
		(pte | pt->fmt->accessed) ^ pt->fmt->dirty;
}

static inline void kpte_dirty(const struct kpt *pt, u64 *pte)
{
	*pte = kpte_written(pt, *pte);
}

/* The value of a dirty entry after cleaning */
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
 * struct krec - A sink that records the marked ranges and merges neighbours
 * @sink: The embedded sink
 * @check: A table whose leaves must still be dirty when they are marked, or NULL
 * @nr: Number of ranges
 * @ranges: The marked ranges
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
