/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Code that the tests of splitting and merging share, on top of walk_kunit.h: mappings
 * with addresses, a translation of IOVAs written from the specifications, an allocator of
 * tables that can fail, and hooks that play the hardware between the steps.
 */
#ifndef __IOMMU_DIRTY_SPLIT_KUNIT_H
#define __IOMMU_DIRTY_SPLIT_KUNIT_H

#include <linux/sizes.h>

#include "walk_kunit.h"

#define KSPLIT_ORPHANS	1100
/* Where tests map to */
#define KSPLIT_PHYS	(5UL * SZ_1T)
/* What hardware with all features can do */
#define KSPLIT_ALL	IOMMU_DIRTY_SPLIT_BBM2

/**
 * struct ksplit - The state of a test
 * @test: The test
 * @fmt: The format
 * @pt: The page table
 * @rec: Collects the marks of a run, unless the test sets another @sink
 * @sink: The sink of a run
 * @tables: The allocator
 * @orphans: For merges
 * @max_orphans: Number of them that a run may use
 * @spare: Tables that were freed
 * @nr_spare: Their number
 * @budget: Number of allocations until one fails
 * @allocated: Number of tables that were allocated
 * @freed: Number of tables that were freed
 * @flushed: The changes have been flushed
 * @during: Called while a table is allocated
 * @late: Called after the exchange, before the flush
 * @iova: For @during and @late
 * @split: The last split or merge
 */
struct ksplit {
	struct kunit *test;
	const struct kfmt *fmt;
	struct kpt pt;
	struct krec *rec;
	struct iommu_dirty_sink *sink;
	struct iommu_dirty_tables tables;
	struct iommu_dirty_orphan orphans[KSPLIT_ORPHANS];
	unsigned int max_orphans;
	u64 *spare[KSPLIT_ORPHANS];
	unsigned int nr_spare;
	unsigned int budget;
	unsigned int allocated;
	unsigned int freed;
	bool flushed;
	void (*during)(struct ksplit *k);
	void (*late)(struct ksplit *k);
	unsigned long iova;
	struct iommu_dirty_split split;
};

/**
 * struct ktrans - How an IOVA is translated
 * @phys: The physical address; the page is not mapped if @attrs is 0
 * @attrs: The bits of the entry other than its address, size, A and D
 * @level: Level of the entry
 * @entries: Number of entries of the page
 */
struct ktrans {
	u64 phys;
	u64 attrs;
	unsigned int level;
	unsigned int entries;
};

void ksplit_init(struct ksplit *k, struct kunit *test);
struct ksplit *ksplit_alloc(struct kunit *test);
u64 *ksplit_map(struct ksplit *k, unsigned long iova, unsigned int level,
		unsigned int group);
struct ktrans ksplit_trans(const struct kfmt *fmt, u64 pte, unsigned int level,
			   unsigned long iova);
struct ktrans ksplit_translate(struct ksplit *k, unsigned long iova);
void ksplit_expect(struct ksplit *k, unsigned long first, unsigned long last,
		   bool small);
int ksplit_begin(struct ksplit *k, bool merge, unsigned long iova,
		 unsigned long last, unsigned int flags);
void ksplit_end(struct ksplit *k, bool merge);
int ksplit_run(struct ksplit *k, bool merge, unsigned long iova,
	       unsigned long last, unsigned int flags);
void ksplit_write(struct ksplit *k, unsigned long iova);
bool ksplit_is_dirty(struct ksplit *k, unsigned long iova);
bool ksplit_is_marked(struct ksplit *k, unsigned long iova);

/* The highest level whose entries tests split completely: 1 GiB, or 32 or 512 MiB */
static inline unsigned int ksplit_top(const struct kfmt *fmt)
{
	return fmt->page_shift == 12 ? 2 : 1;
}

/* Number of tables that a leaf of this level becomes */
static inline unsigned int ksplit_nr_tables(const struct kfmt *fmt,
					    unsigned int level)
{
	unsigned int nr = 0;

	while (level--)
		nr = (nr << (fmt->page_shift - 3)) + 1;
	return nr;
}

static inline unsigned long ksplit_page(const struct kfmt *fmt)
{
	return 1UL << fmt->page_shift;
}

#endif
