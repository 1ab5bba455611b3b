/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A tracker's record of the dirty pages that were harvested outside of its own
 * reads: see ledger.c.
 */
#ifndef __IOMMUFD_DIRTY_LEDGER_H
#define __IOMMUFD_DIRTY_LEDGER_H

#include <linux/bits.h>
#include <linux/iommu_dirty.h>
#include <linux/iommufd_dirty.h>
#include <linux/mutex.h>
#include <linux/xarray.h>

struct mem_cgroup;

/* A bit of the ledger stands for that many bytes, the smallest page of a READ */
#define IOMMUFD_DIRTY_LEDGER_SHIFT	12

/* Bits of a chunk, which covers 16 MiB with 512 bytes of memory */
#define IOMMUFD_DIRTY_LEDGER_BITS	4096
#define IOMMUFD_DIRTY_LEDGER_CHUNK_SHIFT	24

/*
 * A mark of so many bytes takes no chunks: 64 GiB would be 4096 of them. Only what is
 * marked without a look at what is in it is that large
 */
#define IOMMUFD_DIRTY_LEDGER_LARGE	BIT(36)

/* Ranges that can be recorded when there is no memory for a chunk */
#define IOMMUFD_DIRTY_LEDGER_COARSE	8

/**
 * struct iommufd_dirty_ledger - Sparse record of dirty pages
 * @sink: To mark pages from a walk
 * @lock: Protects the rest; the innermost lock of the dirty trackers
 * @chunks: Bitmaps of IOMMUFD_DIRTY_LEDGER_BITS bits by IOVA
 * @coarse: Dirty ranges for which there was no memory, aligned to pages of the
 *	ledger, disjoint, in no order
 * @nr_coarse: How many there are
 * @starved: There was no memory for a mark, so that until @retry none is looked for
 * @retry: In jiffies
 * @memcg: What the memory is charged to, with a reference; NULL: to the caller
 */
struct iommufd_dirty_ledger {
	struct iommu_dirty_sink sink;
	struct mutex lock;	/* the innermost */
	struct xarray chunks;
	struct iommufd_dirty_range coarse[IOMMUFD_DIRTY_LEDGER_COARSE];
	unsigned int nr_coarse;
	bool starved;
	unsigned long retry;
	struct mem_cgroup *memcg;
};

unsigned long *iommufd_dirty_ledger_alloc(gfp_t gfp);
void iommufd_dirty_ledger_init(struct iommufd_dirty_ledger *ledger);
void iommufd_dirty_ledger_charge(struct iommufd_dirty_ledger *ledger);
void iommufd_dirty_ledger_purge(struct iommufd_dirty_ledger *ledger);
int iommufd_dirty_ledger_reserve(struct iommufd_dirty_ledger *ledger,
				 unsigned long iova, unsigned long last);
void iommufd_dirty_ledger_trim(struct iommufd_dirty_ledger *ledger,
			       unsigned long iova, unsigned long last);
void iommufd_dirty_ledger_mark(struct iommufd_dirty_ledger *ledger,
			       unsigned long iova, unsigned long last);
void iommufd_dirty_ledger_mark_hole(struct iommufd_dirty_ledger *ledger,
				    unsigned long iova, unsigned long last);
bool iommufd_dirty_ledger_run(struct iommufd_dirty_ledger *ledger,
			      unsigned long iova, unsigned long last,
			      struct iommufd_dirty_range *run);
void iommufd_dirty_ledger_clear(struct iommufd_dirty_ledger *ledger,
				unsigned long iova, unsigned long last);
void iommufd_dirty_ledger_report(struct iommufd_dirty_ledger *ledger,
				 unsigned long iova, unsigned long last,
				 unsigned int flags,
				 struct iommu_dirty_sink *sink);

#endif
