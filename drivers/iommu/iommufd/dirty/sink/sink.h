/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where dirty pages go: the user's bitmap (bitmap.c) and the record that a tracker
 * keeps of what was harvested outside of its own reads (ledger.c). A sink knows
 * nothing of trackers, nor of who marks in it.
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

struct mem_cgroup;

/*
 * IOVA that one harvest covers at the most, with the IOAS locked. That of a device
 * covers as many pages, of those that it tracks by.
 */
#define IOMMUFD_DIRTY_WINDOW_SHIFT	30
#define IOMMUFD_DIRTY_WINDOW		BIT(IOMMUFD_DIRTY_WINDOW_SHIFT)

/* ledger.c */

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

/* bitmap.c */

/*
 * A page of bitmap covers 128 MiB at 4 KiB a bit; one more, as the bitmap may
 * start anywhere in its first page.
 */
#define IOMMUFD_DIRTY_BITMAP_PAGES \
	(DIV_ROUND_UP(IOMMUFD_DIRTY_WINDOW / SZ_4K / 8, PAGE_SIZE) + 1)

/**
 * struct iommufd_dirty_bitmap - The sink that marks pages in a user's bitmap
 * @sink: What the walkers see
 * @shift: log2 of the bytes that a bit stands for
 * @first_page: Page number, in units of 1 << @shift, of bit 0
 * @uaddr: User address of the page that holds bit 0
 * @bit_offset: Number of bit 0, counted from @uaddr on
 * @win_page: Which page of the bitmap @pages[0] is
 * @nr_pages: How many pages are pinned
 * @pages: The pinned pages
 * @added: How many bits were newly set, over all windows
 * @marked: Something was marked in the pinned pages
 *
 * Used by one call at a time, so it needs no lock.
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
