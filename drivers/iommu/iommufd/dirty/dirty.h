/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The dirty tracker object of iommufd, private to the files of this folder.
 *
 *   ioctl.c	checks arguments, looks objects up
 *   tracker.c	allocation, START, STOP, destruction
 *   info.c	what a tracker covers
 *   read.c	READ: window by window over all trackers of a call
 *   harvest.c	the provider: IO page tables of an IOAS
 *   bitmap.c	the sink: the user's bitmap
 *   hooks.c	what the rest of iommufd calls
 *
 * Lock order: iommufd_ioas::mutex -> iommufd_group::lock ->
 * iommufd_dirty_iopt::attach_rwsem -> io_pagetable::domains_rwsem ->
 * iommufd_dirty_iopt::harvest_mutex -> io_pagetable::iova_rwsem.
 */
#ifndef __IOMMUFD_DIRTY_H
#define __IOMMUFD_DIRTY_H

#include <linux/atomic.h>
#include <linux/iommu_dirty.h>
#include <linux/math.h>
#include <linux/sizes.h>

#include "../iommufd_private.h"

/* The most trackers of one READ */
#define IOMMUFD_DIRTY_MAX_TRACKERS	64

/* IOVA that one harvest covers at the most, with the IOAS locked */
#define IOMMUFD_DIRTY_WINDOW_SHIFT	30
#define IOMMUFD_DIRTY_WINDOW		BIT(IOMMUFD_DIRTY_WINDOW_SHIFT)

/**
 * struct iommufd_dirty_tracker - A dirty tracker
 * @obj: iommufd's object
 * @ioas: The IOAS that it covers; the tracker holds a users reference
 * @state: enum iommu_dirty_state, under the same locks as
 *	iommufd_dirty_iopt::tracker
 * @reads: READ calls that have succeeded
 * @pages: Bits that READ calls have newly set
 */
struct iommufd_dirty_tracker {
	struct iommufd_object obj;
	struct iommufd_ioas *ioas;
	enum iommu_dirty_state state;
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

/* tracker.c */
int iommufd_dirty_start(struct iommufd_dirty_tracker *tracker,
			struct iommu_dirty_member *failed);
int iommufd_dirty_stop(struct iommufd_dirty_tracker *tracker);

/* info.c */
void iommufd_dirty_describe_hwpt(struct iommufd_hwpt_paging *hwpt,
				 struct iommu_dirty_member *member);
int iommufd_dirty_first_untrackable(struct iommufd_ioas *ioas,
				    struct iommu_dirty_member *member);

/* harvest.c */
bool iommufd_dirty_next(struct io_pagetable *iopt, unsigned long iova,
			unsigned long last, unsigned long *next);
int iommufd_dirty_harvest(struct iommufd_dirty_tracker *tracker,
			  enum iommu_dirty_state state, unsigned long iova,
			  unsigned long *last, unsigned int flags,
			  struct iommu_dirty_sink *sink);
int iommufd_dirty_forget(struct iommufd_dirty_tracker *tracker);

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
int iommufd_dirty_read(struct iommufd_dirty_tracker **trackers, u64 *added,
		       unsigned int nr, struct iommu_dirty_tracker_read *cmd);

#endif
