/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The benchmark of the dirty walkers: bench.c measures, bench_split.c measures how long
 * it takes to split and to merge entries, bench_result.c prints the results, bench_tables.c
 * builds the tables, or has them built by the rivals: bench_arm.c and bench_base.c.
 */
#ifndef __IOMMUFD_DIRTY_BENCH_H
#define __IOMMUFD_DIRTY_BENCH_H

#include <kunit/test.h>
#include <linux/iommu.h>
#include <linux/iommu_dirty_kunit.h>
#include <linux/iommu_dirty_split.h>

#include "../sink/sink.h"

/* 48 bits of IOVA in every format */
#define BENCH_TOP_LEVEL		3
#define BENCH_BITS		48

/**
 * struct bench_fmt - A page-table format
 * @name: Its name
 * @walk: Its walker
 * @split: Splits its large entries
 * @merge: Merges them again
 * @table: Bits of an entry that points to a table
 * @level_shift: Position of the table's level in such an entry, or 0
 * @addr_shift: Number of bits by which an entry shifts addresses to the right
 * @leaf: A clean entry of level 0, without address
 * @huge: Bits of @leaf to invert at level 1
 * @dirty: Bit to invert to make it dirty
 */
struct bench_fmt {
	const char *name;
	void (*walk)(const struct iommu_dirty_table *table,
		     struct iommu_dirty_walk *walk);
	int (*split)(const struct iommu_dirty_table *table,
		     struct iommu_dirty_split *split);
	int (*merge)(const struct iommu_dirty_table *table,
		     struct iommu_dirty_split *split);
	u64 table;
	unsigned int level_shift;
	unsigned int addr_shift;
	u64 leaf;
	u64 huge;
	u64 dirty;
};

/**
 * struct bench_layout - A layout of mappings
 * @name: Its name
 * @level: Level of the entries
 * @nr_windows: Number of mapped windows of IOMMUFD_DIRTY_WINDOW bytes
 * @stride: Distance between the starts of two windows
 * @steps: Number of parts of a pass
 */
struct bench_layout {
	const char *name;
	unsigned int level;
	unsigned int nr_windows;
	unsigned long stride;
	unsigned int steps;
};

struct bench_rival;

/**
 * struct bench_set - A table with a format and a layout
 * @test: The test that owns it
 * @fmt: The format
 * @layout: The layout
 * @table: The table to pass to the walker
 * @leaves: The tables that hold leaves, window by window
 * @per_window: Number of @leaves per window
 * @rival: Whose code has built the table, or NULL
 * @data: Of @rival
 */
struct bench_set {
	struct kunit *test;
	const struct bench_fmt *fmt;
	const struct bench_layout *layout;
	struct iommu_dirty_table table;
	u64 **leaves;
	unsigned int per_window;
	const struct bench_rival *rival;
	void *data;
};

/**
 * struct bench_rival - Page tables and a dirty walker of the base kernel
 * @name: Name of its code
 * @init: Create an empty table of @set->fmt and set @set->table.root
 * @map: Map @size bytes at @iova in pages of @pgsize. Returns 0 or -errno
 * @read: Mark the dirty entries of a range in @dirty and clean them
 * @harvest: A walker of the base kernel that marks in a sink, like ours; NULL if it has
 *	none
 * @free: Free the table
 */
struct bench_rival {
	const char *name;
	void (*init)(struct bench_set *set);
	int (*map)(struct bench_set *set, unsigned long iova, size_t size,
		   size_t pgsize);
	int (*read)(struct bench_set *set, unsigned long iova, size_t size,
		    struct iommu_dirty_bitmap *dirty);
	int (*harvest)(struct bench_set *set, struct iommu_dirty_walk *walk);
	void (*free)(struct bench_set *set);
};

extern const struct bench_fmt bench_fmts[];
extern const unsigned int bench_fmts_nr;

/* For KUNIT_CASE_PARAM() */
KUNIT_GENERATOR(bench_gen_params);

/* The format of bench_rival_arm() */
extern const struct bench_fmt *const bench_fmt_arm;

static inline unsigned long bench_iova(const struct bench_layout *layout,
				       unsigned int window)
{
	return window * layout->stride;
}

int bench_compare(const void *a, const void *b);
void bench_result(const struct bench_set *set, const char *what,
		  unsigned int per_mille, unsigned long entries, u64 median,
		  u64 low, u64 high);

const struct bench_rival *bench_rival_arm(void);
const struct bench_rival *bench_rival_base(const struct bench_fmt *fmt);

struct bench_set *bench_build(struct kunit *test, const struct bench_fmt *fmt,
			      const struct bench_layout *layout,
			      const struct bench_rival *rival);
void bench_free(struct bench_set *set);
unsigned int bench_set_dirty(struct bench_set *set, unsigned int window,
			     unsigned int per_mille);

#endif
