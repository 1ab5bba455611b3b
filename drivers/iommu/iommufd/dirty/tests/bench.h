/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The benchmark of the dirty walkers: bench.c measures, bench_tables.c builds the
 * tables.
 */
#ifndef __IOMMUFD_DIRTY_BENCH_H
#define __IOMMUFD_DIRTY_BENCH_H

#include <kunit/test.h>
#include <linux/io-pgtable.h>
#include <linux/iommu_dirty_kunit.h>

#include "../sink/sink.h"

/* 48 bits of IOVA in every format */
#define BENCH_TOP_LEVEL		3
#define BENCH_BITS		48

/**
 * struct bench_fmt - A page-table format
 * @name: Its name
 * @walk: Its walker
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

/**
 * struct bench_set - A table with a format and a layout
 * @test: The test that owns it
 * @fmt: The format
 * @layout: The layout
 * @table: The table to pass to the walker
 * @leaves: The tables that hold leaves, window by window
 * @per_window: Number of @leaves per window
 * @cfg: The io-pgtable-arm configuration, if io-pgtable-arm has built the table
 * @ops: The io-pgtable-arm operations, or NULL
 */
struct bench_set {
	struct kunit *test;
	const struct bench_fmt *fmt;
	const struct bench_layout *layout;
	struct iommu_dirty_table table;
	u64 **leaves;
	unsigned int per_window;
	struct io_pgtable_cfg cfg;
	struct io_pgtable_ops *ops;
};

extern const struct bench_fmt bench_fmts[];
extern const unsigned int bench_fmts_nr;
extern const struct bench_fmt *const bench_fmt_arm;

static inline unsigned long bench_iova(const struct bench_layout *layout,
				       unsigned int window)
{
	return window * layout->stride;
}

struct bench_set *bench_build(struct kunit *test, const struct bench_fmt *fmt,
			      const struct bench_layout *layout);
struct bench_set *bench_build_arm(struct kunit *test,
				  const struct bench_layout *layout);
void bench_free(struct bench_set *set);
unsigned int bench_set_dirty(struct bench_set *set, unsigned int window,
			     unsigned int per_mille);

#endif
