/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sinks record dirty pages: the user's bitmap (bitmap.c), and the ledger of a
 * tracker for pages harvested outside its own reads (ledger.c), which has a few
 * coarse ranges (coarse.c). Sinks do not depend on trackers or on what marks in
 * them.
 */
#ifndef __IOMMUFD_DIRTY_SINK_H
#define __IOMMUFD_DIRTY_SINK_H

#include <linux/bits.h>
#include <linux/iommu_dirty.h>
#include <linux/iommufd_dirty.h>
#include <linux/math.h>
#include <linux/mm_types.h>
#include <linux/mutex.h>
#include <linux/sizes.h>
#include <linux/xarray.h>

#include "range.h"

struct mem_cgroup;

/*
 * Maximum IOVA range of one harvest with the IOAS locked, holes apart. A harvest of a
 * device covers the same number of pages of the size that the device tracks.
 */
#define IOMMUFD_DIRTY_WINDOW_SHIFT	30
#define IOMMUFD_DIRTY_WINDOW		BIT(IOMMUFD_DIRTY_WINDOW_SHIFT)

/* ledger.c */

/* log2 of the bytes per ledger bit, the smallest page size of a READ */
#define IOMMUFD_DIRTY_LEDGER_SHIFT	12
#define IOMMUFD_DIRTY_LEDGER_MASK	(BIT(IOMMUFD_DIRTY_LEDGER_SHIFT) - 1)

/* Bits per chunk: 512 bytes of memory cover 16 MiB */
#define IOMMUFD_DIRTY_LEDGER_BITS	4096
#define IOMMUFD_DIRTY_LEDGER_CHUNK_SHIFT	24

/*
 * A mark of this size or larger allocates no chunks: 64 GiB would need 4096. Only
 * ranges marked without looking at individual pages are this large.
 */
#define IOMMUFD_DIRTY_LEDGER_LARGE	BIT(36)

/* Number of ranges that can be recorded without memory for a chunk */
#define IOMMUFD_DIRTY_LEDGER_COARSE	8

/**
 * struct iommufd_dirty_coarse - Dirty ranges of a ledger that have no bitmaps
 * @lock: Protects @ranges and, for changes, @nr; innermost lock of the dirty trackers
 * @ranges: Aligned to ledger pages, disjoint, unsorted
 * @nr: Number of ranges; read without the lock, so it is never 0 while there are any
 */
struct iommufd_dirty_coarse {
	struct mutex lock;	/* the innermost */
	struct iommufd_dirty_range ranges[IOMMUFD_DIRTY_LEDGER_COARSE];
	unsigned int nr;
};

void iommufd_dirty_coarse_init(struct iommufd_dirty_coarse *coarse);
void iommufd_dirty_coarse_purge(struct iommufd_dirty_coarse *coarse);
void iommufd_dirty_coarse_mark(struct iommufd_dirty_coarse *coarse,
			       unsigned long iova, unsigned long last);
bool iommufd_dirty_coarse_try_mark(struct iommufd_dirty_coarse *coarse,
				   unsigned long iova, unsigned long last);
void iommufd_dirty_coarse_clear(struct iommufd_dirty_coarse *coarse,
				unsigned long iova, unsigned long last);
bool iommufd_dirty_coarse_span(struct iommufd_dirty_coarse *coarse,
			       unsigned long iova, unsigned long *last);
void iommufd_dirty_coarse_report(struct iommufd_dirty_coarse *coarse,
				 unsigned long iova, unsigned long last,
				 const struct iommufd_dirty_range *clear,
				 struct iommu_dirty_sink *sink);

/* Number of locks for the bitmaps of a ledger: neighbours do not share one */
#define IOMMUFD_DIRTY_LEDGER_SHARDS	16

/**
 * struct iommufd_dirty_shard - Every IOMMUFD_DIRTY_LEDGER_SHARDS-th bitmap of a ledger
 * @lock: Protects these bitmaps, which of them exist, and the fields below. Only one
 *	shard is locked at a time
 * @recent: The bitmap of the last mark, NULL if that had none or it is gone
 * @recent_index: Index of @recent in iommufd_dirty_ledger::chunks
 */
struct iommufd_dirty_shard {
	struct mutex lock;	/* see above */
	unsigned long *recent;
	unsigned long recent_index;
};

/**
 * struct iommufd_dirty_ledger - Sparse record of dirty pages
 * @sink: Sink for a walk that marks pages in the ledger
 * @chunks: Bitmaps of IOMMUFD_DIRTY_LEDGER_BITS bits, indexed by IOVA. Without the lock
 *	of its shard, only the index of a bitmap can be used
 * @shards: Locks of the bitmaps
 * @coarse: What is dirty without a chunk
 * @observes: It belongs to a passive tracker
 * @starved: An allocation for a mark failed; marks do not allocate until @retry. Both
 *	are hints, which need no lock
 * @retry: In jiffies
 * @memcg: Memory cgroup to charge, with a reference; NULL charges the caller
 */
struct iommufd_dirty_ledger {
	struct iommu_dirty_sink sink;
	struct xarray chunks;
	struct iommufd_dirty_shard shards[IOMMUFD_DIRTY_LEDGER_SHARDS];
	struct iommufd_dirty_coarse coarse;
	bool observes;
	bool starved;
	unsigned long retry;
	struct mem_cgroup *memcg;
};

unsigned long *iommufd_dirty_ledger_alloc(gfp_t gfp);
void iommufd_dirty_ledger_init(struct iommufd_dirty_ledger *ledger);
void iommufd_dirty_ledger_purge(struct iommufd_dirty_ledger *ledger);
void iommufd_dirty_ledger_fini(struct iommufd_dirty_ledger *ledger);
int iommufd_dirty_ledger_reserve(struct iommufd_dirty_ledger *ledger,
				 unsigned long iova, unsigned long last);
void iommufd_dirty_ledger_trim(struct iommufd_dirty_ledger *ledger,
			       unsigned long iova, unsigned long last);
void iommufd_dirty_ledger_mark(struct iommufd_dirty_ledger *ledger,
			       unsigned long iova, unsigned long last);
void iommufd_dirty_ledger_mark_hole(struct iommufd_dirty_ledger *ledger,
				    unsigned long iova, unsigned long last);
bool iommufd_dirty_ledger_chunk(struct iommufd_dirty_ledger *ledger,
				unsigned long iova, unsigned long last,
				unsigned long *next);
bool iommufd_dirty_ledger_first(struct iommufd_dirty_ledger *ledger,
				unsigned long iova, unsigned long last,
				unsigned long *first);
unsigned long iommufd_dirty_ledger_bound(struct iommufd_dirty_ledger *ledger,
					 unsigned long size, unsigned long iova,
					 unsigned long last);
bool iommufd_dirty_ledger_run(struct iommufd_dirty_ledger *ledger,
			      unsigned long iova, unsigned long last,
			      struct iommufd_dirty_range *run);
void iommufd_dirty_ledger_clear(struct iommufd_dirty_ledger *ledger,
				unsigned long iova, unsigned long last);
void iommufd_dirty_ledger_report_coarse(struct iommufd_dirty_ledger *ledger,
					unsigned long iova, unsigned long last,
					unsigned int flags,
					struct iommu_dirty_sink *sink);
void iommufd_dirty_ledger_report(struct iommufd_dirty_ledger *ledger,
				 unsigned long iova, unsigned long last,
				 unsigned int flags,
				 struct iommu_dirty_sink *sink);

/* bitmap.c */

/*
 * One page of bitmap covers 128 MiB at 4 KiB per bit. The bitmap may start
 * anywhere in its first page, so add one page.
 */
#define IOMMUFD_DIRTY_BITMAP_PAGES \
	(DIV_ROUND_UP(IOMMUFD_DIRTY_WINDOW / SZ_4K / 8, PAGE_SIZE) + 1)

/**
 * struct iommufd_dirty_bitmap - Sink that marks pages in a user's bitmap
 * @sink: The embedded sink that the walkers use
 * @shift: log2 of the bytes per bit
 * @first_page: Page number of bit 0, in units of 1 << @shift
 * @uaddr: User address of the page that holds bit 0
 * @bit_offset: Offset of bit 0 from @uaddr, in bits
 * @win_page: Index of @pages[0] among the pages of the bitmap
 * @nr_pages: Number of pinned pages
 * @pages: The pinned pages
 * @added: Number of newly set bits, over all windows
 * @marked: Bits were marked in the pinned pages
 *
 * Only one call at a time uses a bitmap sink, so it needs no lock.
 */
struct iommufd_dirty_bitmap {
	struct iommu_dirty_sink sink;
	unsigned int shift;
	unsigned long first_page;
	unsigned long uaddr;
	unsigned int bit_offset;
	unsigned long win_page;
	unsigned int nr_pages;
	struct page *pages[IOMMUFD_DIRTY_BITMAP_PAGES];
	u64 added;
	bool marked;
};

int iommufd_dirty_bitmap_init(struct iommufd_dirty_bitmap *bitmap,
			      unsigned long iova, unsigned long last,
			      unsigned int shift, u64 data);
int iommufd_dirty_bitmap_pin(struct iommufd_dirty_bitmap *bitmap,
			     unsigned long iova, unsigned long *last);
void iommufd_dirty_bitmap_unpin(struct iommufd_dirty_bitmap *bitmap);

#endif
