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
 * @table: Bits of an entry that points to a table
 * @leaf: Bits of an entry of level 0 that maps memory
 * @huge: Bits to add above level 0
 * @dirty: The dirty bit
 * @cleaned: What must be cleared of a dirty entry, and nothing else
 */
struct kfmt {
	const char *name;
	void (*walk)(const struct iommu_dirty_table *table,
		     struct iommu_dirty_walk *walk);
	u64 table;
	u64 leaf;
	u64 huge;
	u64 dirty;
	u64 cleaned;
};

extern const struct kfmt kfmts[];
extern const unsigned int kfmts_nr;

/* For KUNIT_CASE_PARAM() */
const void *kfmt_gen_params(const void *prev, char *desc);

/**
 * struct kpt - A page table
 * @test: The test that owns its memory
 * @fmt: Its format
 * @table: What the walker gets
 */
struct kpt {
	struct kunit *test;
	const struct kfmt *fmt;
	struct iommu_dirty_table table;
};

void kpt_init(struct kpt *pt, struct kunit *test, unsigned int top_level);
u64 *kpt_entry(struct kpt *pt, unsigned long iova, unsigned int level);
u64 *kpt_map(struct kpt *pt, unsigned long iova, unsigned int level);

#endif
