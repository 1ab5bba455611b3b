/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tables for a split, from the allocator that IOMMU drivers use for all of theirs. It differs
 * between base kernels; this is the one for Linux 7.3. Included by the drivers' files that
 * split and merge.
 */
#ifndef _IOMMU_DIRTY_PAGES_H
#define _IOMMU_DIRTY_PAGES_H

#include <linux/iommu_dirty_split.h>
#include <linux/mm.h>
#include <linux/sched.h>

#include "../iommu-pages.h"

/**
 * struct iommu_dirty_pages - Allocates the tables of one split, and frees those of a merge
 * @tables: For the split
 * @nid: NUMA node
 * @gfp: Allocation flags; a merge allocates nothing
 * @size: Size of a table in bytes
 */
struct iommu_dirty_pages {
	struct iommu_dirty_tables tables;
	int nid;
	gfp_t gfp;
	size_t size;
};

static inline u64 *iommu_dirty_pages_alloc(struct iommu_dirty_tables *tables)
{
	const struct iommu_dirty_pages *pages =
		container_of(tables, struct iommu_dirty_pages, tables);

	/* One entry of many GiB needs many thousand tables */
	cond_resched();
	return iommu_alloc_pages_node_sz(pages->nid, pages->gfp,
					 pages->size);
}

static inline void iommu_dirty_pages_free(struct iommu_dirty_tables *tables,
					  u64 *table)
{
	iommu_free_pages(table);
}

static const struct iommu_dirty_tables_ops iommu_dirty_pages_ops = {
	.alloc = iommu_dirty_pages_alloc,
	.free = iommu_dirty_pages_free,
};

/* Gives the split its tables; @pages is in use until the split or merge has ended */
static inline void iommu_dirty_pages_init(struct iommu_dirty_pages *pages,
					  struct iommu_dirty_split *split,
					  int nid, gfp_t gfp, size_t size)
{
	*pages = (struct iommu_dirty_pages){
		.tables.ops = &iommu_dirty_pages_ops,
		.nid = nid,
		.gfp = gfp,
		.size = size,
	};
	split->tables = &pages->tables;
}

#endif
