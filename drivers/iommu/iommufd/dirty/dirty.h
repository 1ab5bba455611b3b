/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The dirty tracker object of iommufd, private to the files of this folder.
 *
 *   ioctl.c	checks arguments, looks objects up: ALLOC, START, STOP
 *   ioctl_read.c	the same for READ, SCAN, UNMAP
 *   tracker.c	START, STOP, destruction
 *   info.c	what a tracker covers
 *   list.c	LIST: the objects of a file
 *   read.c	READ: window by window over all trackers of a call
 *   scan.c	SCAN: the same, into runs
 *   unmap.c	what is being unmapped, and UNMAP
 *   harvest.c	the provider: IO page tables of an IOAS
 *   access.c	the provider: software that writes to an IOAS
 *   bitmap.c	the sink: the user's bitmap
 *   ledger.c	the sink: a sparse record that a tracker keeps
 *   feed.c	the sink in front of them: to each tracker its share
 *   hooks.c	what the rest of iommufd calls
 *   trace.c	trace events
 *   break.c	switches by which tests leave out a part of all that
 *   vfio_compat.c	VFIO type1's dirty page tracking, on top of a tracker
 *
 * Lock order: iommufd_ioas::mutex -> io_pagetable::domains_rwsem ->
 * iommufd_dirty_iopt::attach_rwsem -> iommufd_dirty_iopt::harvest_mutex ->
 * io_pagetable::iova_rwsem -> iopt_pages::mutex -> iommufd_dirty_ledger::lock.
 * iommufd_group::lock comes behind iommufd_ioas::mutex and before attach_rwsem.
 */
#ifndef __IOMMUFD_DIRTY_H
#define __IOMMUFD_DIRTY_H

#include <linux/atomic.h>
#include <linux/iommu.h>
#include <linux/iommu_dirty.h>
#include <linux/list.h>
#include <linux/math.h>
#include <linux/sizes.h>

#include "../io_pagetable.h"
#include "../iommufd_private.h"
#include "ledger.h"

/* The most trackers of one READ */
#define IOMMUFD_DIRTY_MAX_TRACKERS	64

/* IOVA that one harvest covers at the most, with the IOAS locked */
#define IOMMUFD_DIRTY_WINDOW_SHIFT	30
#define IOMMUFD_DIRTY_WINDOW		BIT(IOMMUFD_DIRTY_WINDOW_SHIFT)

/**
 * struct iommufd_dirty_tracker - A dirty tracker
 * @obj: iommufd's object
 * @ioas: The IOAS that it covers; the tracker holds a users reference
 * @item: In iommufd_dirty_iopt::trackers unless it is stopped
 * @state: enum iommu_dirty_state, under the same locks as that list
 * @degraded: START has asked for the degraded mode; as @state
 * @vfio_compat: It serves VFIO_IOMMU_DIRTY_PAGES
 * @ledger: What was harvested outside of its own reads
 * @reads: READ, SCAN and UNMAP calls that have succeeded
 * @pages: Pages that they have reported
 */
struct iommufd_dirty_tracker {
	struct iommufd_object obj;
	struct iommufd_ioas *ioas;
	struct list_head item;
	enum iommu_dirty_state state;
	bool degraded;
	bool vfio_compat;
	struct iommufd_dirty_ledger ledger;
	atomic64_t reads;
	atomic64_t pages;
};

static inline struct iommufd_dirty_tracker *
iommufd_get_dirty_tracker(struct iommufd_ctx *ictx, u32 id)
{
	return container_of(iommufd_get_object(ictx, id,
					       IOMMUFD_OBJ_DIRTY_TRACKER),
			    struct iommufd_dirty_tracker, obj);
}

/* Can the driver of the domain track it for us, and was asked to? */
static inline bool iommufd_dirty_domain_capable(struct iommu_domain *domain)
{
	return domain->dirty_ops && domain->dirty_ops->harvest;
}

/* The areas of a range that devices can write to; iova_rwsem is held */
static inline struct iopt_area *
iommufd_dirty_writable(struct iopt_area *area, unsigned long iova,
		       unsigned long last)
{
	while (area && !(area->pages && (area->iommu_prot & IOMMU_WRITE)))
		area = iopt_area_iter_next(area, iova, last);
	return area;
}

static inline struct iopt_area *
iommufd_dirty_area_first(struct io_pagetable *iopt, unsigned long iova,
			 unsigned long last)
{
	return iommufd_dirty_writable(iopt_area_iter_first(iopt, iova, last),
				      iova, last);
}

static inline struct iopt_area *
iommufd_dirty_area_next(struct iopt_area *area, unsigned long iova,
			unsigned long last)
{
	return iommufd_dirty_writable(iopt_area_iter_next(area, iova, last),
				      iova, last);
}

/**
 * struct iommufd_dirty_feed - The sink that gives every tracker its share
 * @sink: What the walkers see
 * @iopt: The IOAS
 * @reader: The tracker whose ledger is left out, or NULL
 * @to: Its destination instead, or NULL
 */
struct iommufd_dirty_feed {
	struct iommu_dirty_sink sink;
	struct io_pagetable *iopt;
	const struct iommufd_dirty_tracker *reader;
	struct iommu_dirty_sink *to;
};

/**
 * struct iommufd_dirty_request - What READ, SCAN and UNMAP have in common
 * @flags: Combination of enum iommu_dirty_walk_flags
 * @iova: First byte of the range
 * @length: Its length; the range does not run beyond the end
 * @page_size: A power of two
 * @data: User address of the bitmap, or of the runs
 * @num_runs: In: how many runs there is room for. Out: how many were written
 * @out_length: Out: how many bytes of the range are dealt with
 * @out_pages: Out: how many pages were added
 * @failed: Out: 1 plus the index of the tracker that an error is about, or 0
 */
struct iommufd_dirty_request {
	unsigned int flags;
	unsigned long iova;
	unsigned long length;
	unsigned long page_size;
	u64 data;
	u64 num_runs;
	u64 out_length;
	u64 out_pages;
	unsigned int failed;
};

/* tracker.c */
struct iommufd_dirty_tracker *
iommufd_dirty_tracker_new(struct iommufd_ctx *ictx, struct iommufd_ioas *ioas);
int iommufd_dirty_start(struct iommufd_dirty_tracker *tracker, bool degraded,
			struct iommu_dirty_member *failed);
int iommufd_dirty_stop(struct iommufd_dirty_tracker *tracker);
bool iommufd_dirty_all_degraded(struct io_pagetable *iopt);

/* info.c */
int iommufd_dirty_copy_out(void __user *to, size_t len, const void *from,
			   size_t known);
void iommufd_dirty_describe_hwpt(struct iommufd_hwpt_paging *hwpt,
				 struct iommu_dirty_member *member);
int iommufd_dirty_first_untrackable(struct iommufd_ioas *ioas,
				    struct iommu_dirty_member *member);

/* harvest.c */
bool iommufd_dirty_next_mapped(struct io_pagetable *iopt, unsigned long iova,
			       unsigned long last, unsigned long *next);
bool iommufd_dirty_next(struct iommufd_dirty_tracker *tracker,
			unsigned long iova, unsigned long last,
			unsigned long *next);
int iommufd_dirty_harvest_area(struct iommu_domain *domain, unsigned long iova,
			       unsigned long last, unsigned int flags,
			       struct iommu_dirty_sink *sink);
int iommufd_dirty_harvest(struct iommufd_dirty_tracker *tracker,
			  enum iommu_dirty_state state, unsigned long iova,
			  unsigned long *last, unsigned int flags,
			  struct iommu_dirty_sink *sink);
int iommufd_dirty_harvest_ledger(struct iommufd_dirty_tracker *tracker,
				 unsigned long iova, unsigned long last,
				 unsigned int flags,
				 struct iommu_dirty_sink *sink);
void iommufd_dirty_harvest_wait(struct iommufd_dirty_tracker *tracker);
int iommufd_dirty_forget(struct iommufd_dirty_tracker *tracker);

/* access.c */
void iommufd_dirty_mark_pinned(struct iopt_area *area, unsigned long iova,
			       unsigned long last,
			       struct iommu_dirty_sink *sink);

/* feed.c */
void iommufd_dirty_mark_runs(struct iommu_dirty_sink *sink, unsigned long iova,
			     unsigned int shift, u64 mask);
struct iommu_dirty_sink *
iommufd_dirty_feed_init(struct iommufd_dirty_feed *feed,
			struct io_pagetable *iopt,
			const struct iommufd_dirty_tracker *reader,
			struct iommu_dirty_sink *to);
int iommufd_dirty_feed_reserve(struct iommufd_dirty_feed *feed,
			       unsigned long iova, unsigned long last);
void iommufd_dirty_feed_trim(struct io_pagetable *iopt, unsigned long iova,
			     unsigned long last);

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

/* read.c */
int iommufd_dirty_harvest_nth(struct iommufd_dirty_tracker **trackers,
			      unsigned int n, unsigned long iova,
			      unsigned long *last, unsigned int flags,
			      struct iommu_dirty_sink *sink);
bool iommufd_dirty_next_of(struct iommufd_dirty_tracker **trackers,
			   unsigned int nr, unsigned long iova,
			   unsigned long last, unsigned long *next);
int iommufd_dirty_check_running(struct iommufd_dirty_tracker **trackers,
				unsigned int nr,
				struct iommufd_dirty_request *req);
int iommufd_dirty_read(struct iommufd_dirty_tracker **trackers, u64 *added,
		       unsigned int nr, struct iommufd_dirty_request *req);

/* scan.c */
int iommufd_dirty_scan(struct iommufd_dirty_tracker **trackers, u64 *added,
		       unsigned int nr, struct iommufd_dirty_request *req);

/* unmap.c */
int iommufd_dirty_unmap(struct iommufd_dirty_tracker *tracker,
			struct iommufd_dirty_request *req,
			unsigned long *unmapped);

#endif
