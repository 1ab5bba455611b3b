/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The dirty tracker object of iommufd, private to the files of this folder.
 *
 *   ioctl.c	checks arguments, looks objects up: ALLOC, START, STOP, UPDATE
 *   ioctl_read.c	the same for READ, SCAN, UNMAP
 *   tracker.c	the object, whatever its scope
 *   ioas.c	START and STOP of an IOAS
 *   device.c	START and STOP of a device
 *   device_update.c	UPDATE
 *   info.c	what a tracker covers
 *   list.c	LIST: the objects of a file
 *   read.c	READ: window by window over all trackers of a call
 *   scan.c	SCAN: the same, into runs
 *   unmap.c	what is being unmapped, and UNMAP
 *   harvest.c	the provider: IO page tables of an IOAS
 *   access.c	the provider: software that writes to an IOAS
 *   provider.c	the providers that drivers register for their devices
 *   device_harvest.c	harvests from them
 *   ranges.c	what they track
 *   bitmap.c	the sink: the user's bitmap
 *   ledger.c	the sink: a sparse record that a tracker keeps
 *   feed.c	the sink in front of them: to each tracker its share
 *   hooks.c	what the rest of iommufd calls
 *   trace.c	trace events
 *   break.c	switches by which tests leave out a part of all that
 *   vfio_compat.c	VFIO type1's dirty page tracking, on top of a tracker
 *
 * Lock order: iommufd_dirty_iopt::vfio_mutex -> iommufd_ioas::mutex ->
 * io_pagetable::domains_rwsem -> iommufd_dirty_iopt::attach_rwsem ->
 * iommufd_dirty_iopt::harvest_mutex -> io_pagetable::iova_rwsem ->
 * iopt_pages::mutex -> iommufd_dirty_ledger::lock.
 * iommufd_group::lock comes behind iommufd_ioas::mutex and before attach_rwsem.
 *
 * Of a device: iommufd_dirty_device::config_mutex -> what the driver holds from
 * iommufd_dirty_provider_ops::hold to release -> iommufd_dirty_device::lock -> other
 * locks of the driver, and iommufd_dirty_ledger::lock. None of these is held with
 * one of an IOAS.
 */
#ifndef __IOMMUFD_DIRTY_H
#define __IOMMUFD_DIRTY_H

#include <linux/atomic.h>
#include <linux/iommu.h>
#include <linux/iommu_dirty.h>
#include <linux/iommufd_dirty.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/math.h>
#include <linux/mutex.h>
#include <linux/sizes.h>
#include <linux/workqueue.h>

#include "../io_pagetable.h"
#include "../iommufd_private.h"
#include "ledger.h"
#include "ranges.h"

/*
 * The most trackers of one READ, and the most that run on an IOAS or on a device: what
 * is cleaned for one is marked for all others while the IOAS is locked
 */
#define IOMMUFD_DIRTY_MAX_TRACKERS	64

/*
 * IOVA that one harvest covers at the most, with the IOAS locked. That of a device
 * covers as many pages, of those that it tracks by.
 */
#define IOMMUFD_DIRTY_WINDOW_SHIFT	30
#define IOMMUFD_DIRTY_WINDOW		BIT(IOMMUFD_DIRTY_WINDOW_SHIFT)

/* How often a harvest looks again whether somebody is done with pinned pages */
#define IOMMUFD_DIRTY_PATIENCE		64

struct iommufd_dirty_tracker;

/**
 * struct iommufd_dirty_start - What START and UPDATE are about
 * @degraded: What cannot be tracked shall be reported as dirty
 * @gap_dirty: So shall be what is written while the ranges are exchanged
 * @ranges: Of a device: what to track. Out: what is tracked
 * @page_size: Of a device: the bytes to track by, in and out
 * @failed: Out: after -ENXIO, the member that cannot be tracked
 */
struct iommufd_dirty_start {
	bool degraded;
	bool gap_dirty;
	struct iommufd_dirty_ranges *ranges;
	u64 page_size;
	struct iommu_dirty_member failed;
};

/**
 * struct iommufd_dirty_info - Where INFO collects the members: memory of the user is
 *	not accessed before all locks have been dropped
 * @members: The first of them
 * @room: How many fit
 * @nr: How many there are so far
 */
struct iommufd_dirty_info {
	struct iommu_dirty_member *members;
	unsigned int room;
	unsigned int nr;
};

/**
 * struct iommufd_dirty_scope - What trackers of an IOAS and of a device do each in
 *	their own way
 * @start: Start to track, from IOMMU_DIRTY_STATE_STOPPED
 * @stop: Stop, if it is running; or give up if killed
 * @info: Fill in what INFO tells of the scope, and collect its members
 * @next: Find the next IOVA that the providers may have to tell of; false if there
 *	is none in the range
 * @window_shift: log2 of the IOVA that one harvest deals with at the most
 * @harvest: Read and clear a window into a sink, the ledger's included
 * @harvest_ledger: The same for the ledger only
 * @wait: Wait for the harvest that is under way, and have the ledger give back
 *	memory that it does not need for a range
 * @release: Give back what the tracker was made with; it is stopped
 *
 * Arguments and return values are those of the functions that implement them. No
 * lock is held when they are called.
 */
struct iommufd_dirty_scope {
	int (*start)(struct iommufd_dirty_tracker *tracker,
		     struct iommufd_dirty_start *req);
	int (*stop)(struct iommufd_dirty_tracker *tracker, bool killable);
	int (*info)(struct iommufd_dirty_tracker *tracker,
		    struct iommu_dirty_tracker_info *cmd,
		    struct iommufd_dirty_info *info);
	bool (*next)(struct iommufd_dirty_tracker *tracker, unsigned long iova,
		     unsigned long last, unsigned long *next);
	unsigned int (*window_shift)(struct iommufd_dirty_tracker *tracker);
	int (*harvest)(struct iommufd_dirty_tracker *tracker,
		       enum iommu_dirty_state state, unsigned long iova,
		       unsigned long *last, unsigned int flags,
		       struct iommu_dirty_sink *sink);
	int (*harvest_ledger)(struct iommufd_dirty_tracker *tracker,
			      unsigned long iova, unsigned long last,
			      unsigned int flags,
			      struct iommu_dirty_sink *sink);
	int (*wait)(struct iommufd_dirty_tracker *tracker, unsigned long iova,
		    unsigned long last);
	void (*release)(struct iommufd_dirty_tracker *tracker);
};

extern const struct iommufd_dirty_scope iommufd_dirty_ioas_scope;
extern const struct iommufd_dirty_scope iommufd_dirty_device_scope;

/**
 * struct iommufd_dirty_tracker - A dirty tracker
 * @obj: iommufd's object
 * @scope: What depends on what it covers
 * @ioas: The IOAS that it covers; the tracker holds a users reference. NULL if it
 *	covers a device
 * @device: That device, of which the tracker holds a reference; or NULL
 * @ranges: What of the device it was asked to cover, NULL if it is stopped; protected
 *	by iommufd_dirty_device::config_mutex
 * @page_size: What it has asked to track the device by; as @ranges
 * @covered: What of the device it does cover: all of this has been tracked since it
 *	was started or updated. NULL: nothing. Changed with that mutex and
 *	iommufd_dirty_device::lock held, read with either
 * @lost: How often it has ceased to cover something; as @covered
 * @spare: Room for the next @covered while an UPDATE is under way, otherwise NULL;
 *	as @ranges
 * @item: In iommufd_dirty_iopt::trackers or iommufd_dirty_device::trackers unless
 *	it is stopped
 * @state: enum iommu_dirty_state, under the same locks as that list
 * @stops: How often it was stopped; as @state
 * @degraded: START has asked for the degraded mode; as @state
 * @vfio_compat: It serves VFIO_IOMMU_DIRTY_PAGES
 * @abandoned: The caller of START was killed before that had an end: it is as good as
 *	stopped. Set once by that caller, cleared under the locks of @state
 * @abandon: Stops it then; tries, and waits for nobody
 * @ledger: What was harvested outside of its own reads
 * @reads: READ, SCAN and UNMAP calls that have succeeded
 * @pages: Pages that they have reported
 */
struct iommufd_dirty_tracker {
	struct iommufd_object obj;
	const struct iommufd_dirty_scope *scope;
	struct iommufd_ioas *ioas;
	struct iommufd_dirty_device *device;
	struct iommufd_dirty_ranges *ranges;
	u64 page_size;
	struct iommufd_dirty_ranges *covered;
	u64 lost;
	struct iommufd_dirty_ranges *spare;
	struct list_head item;
	enum iommu_dirty_state state;
	unsigned long stops;
	bool degraded;
	bool vfio_compat;
	bool abandoned;
	struct delayed_work abandon;
	struct iommufd_dirty_ledger ledger;
	atomic64_t reads;
	atomic64_t pages;
};

/**
 * struct iommufd_dirty_device - A device that is tracked by its driver
 * @kref: The device and its trackers hold references
 * @id: Object id of the device
 * @config_mutex: Held for the whole of a START, STOP or UPDATE, so that there is
 *	one at a time
 * @lock: Held while an op of the provider runs. What follows is changed with both
 *	held and read with either
 * @provider: What the driver has registered, or NULL
 * @unbound: The device is gone
 * @blind: Nothing is tracked, because the provider failed to start again after it
 *	was stopped for an UPDATE, or has gone: all of @armed is taken for dirty
 * @quiet: Nor does it write any more, since the provider has gone
 * @failed: The provider has failed to report since it was started. Once is told by
 *	an error; from then on what it fails to report is taken for dirty
 * @trackers: Those that are starting or running
 * @armed: What the provider tracks, NULL if no tracker runs
 * @page_size: What it tracks by
 * @asked_size: What it was asked to track by: @armed is in multiples of this
 */
struct iommufd_dirty_device {
	struct kref kref;
	u32 id;
	struct mutex config_mutex;	/* one change at a time */
	struct mutex lock;		/* one op of the provider at a time */
	struct iommufd_dirty_provider *provider;
	bool unbound;
	bool blind;
	bool quiet;
	bool failed;
	struct list_head trackers;
	struct iommufd_dirty_ranges *armed;
	u64 page_size;
	u64 asked_size;
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

/*
 * Is it tracked, on an IOAS on which a tracker runs? iommu_domain::dirty_failed is
 * changed with iommufd_ioas::mutex and domains_rwsem held, read with either
 */
static inline bool iommufd_dirty_domain_tracked(struct iommu_domain *domain)
{
	return iommufd_dirty_domain_capable(domain) && !domain->dirty_failed;
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
 * @iova: First byte that @to is ready for; the rest goes into the ledger of @reader
 * @last: Last byte, inclusive
 */
struct iommufd_dirty_feed {
	struct iommu_dirty_sink sink;
	struct io_pagetable *iopt;
	struct iommufd_dirty_tracker *reader;
	struct iommu_dirty_sink *to;
	unsigned long iova;
	unsigned long last;
};

/**
 * struct iommufd_dirty_asked - A tracker that READ, SCAN or UNMAP asks
 * @tracker: The tracker, of which the call holds a reference
 * @stops: How often it had been stopped when the call began
 * @lost: Of a device: how often it had ceased to cover something
 * @added: Out: how many pages it has reported
 */
struct iommufd_dirty_asked {
	struct iommufd_dirty_tracker *tracker;
	unsigned long stops;
	u64 lost;
	u64 added;
};

/**
 * struct iommufd_dirty_request - What READ, SCAN and UNMAP have in common
 * @flags: Combination of enum iommu_dirty_walk_flags
 * @sparse: The user knows that trackers of devices do not cover all of the range
 * @iova: First byte of the range
 * @length: Its length; the range does not run beyond the end
 * @page_size: A power of two
 * @data: User address of the bitmap, or of the runs
 * @room: How many runs there is room for
 * @num_runs: Out: how many of them were written
 * @out_length: Out: how many bytes of the range are dealt with
 * @out_pages: Out: how many pages were added
 * @failed: Out: 1 plus the index of the tracker that an error is about, or 0
 */
struct iommufd_dirty_request {
	unsigned int flags;
	bool sparse;
	unsigned long iova;
	unsigned long length;
	unsigned long page_size;
	u64 data;
	u64 room;
	u64 num_runs;
	u64 out_length;
	u64 out_pages;
	unsigned int failed;
};

/* tracker.c */
struct iommufd_dirty_tracker *
iommufd_dirty_tracker_new(struct iommufd_ctx *ictx, struct iommufd_ioas *ioas,
			  struct iommufd_dirty_device *device);
u32 iommufd_dirty_target_id(const struct iommufd_dirty_tracker *tracker);
int iommufd_dirty_start(struct iommufd_dirty_tracker *tracker,
			struct iommufd_dirty_start *req);
int iommufd_dirty_stop(struct iommufd_dirty_tracker *tracker, bool killable);
int iommufd_dirty_forget(struct iommufd_dirty_tracker *tracker);
bool iommufd_dirty_next(struct iommufd_dirty_tracker *tracker,
			unsigned long iova, unsigned long last,
			unsigned long *next);

/* ioas.c */
void iommufd_dirty_abandon(struct work_struct *work);
void iommufd_dirty_abandon_now(struct iommufd_dirty_tracker *tracker);
bool iommufd_dirty_all_degraded(struct io_pagetable *iopt);
bool iommufd_dirty_untracked(struct io_pagetable *iopt);
bool iommufd_dirty_blind(struct iommufd_dirty_tracker *tracker);

/**
 * struct iommufd_dirty_claim - What becomes of a tracker's sets of ranges
 * @ranges: See struct iommufd_dirty_tracker
 * @covered: Same
 * @page_size: Same
 */
struct iommufd_dirty_claim {
	struct iommufd_dirty_ranges *ranges;
	struct iommufd_dirty_ranges *covered;
	u64 page_size;
};

/* device.c */
int iommufd_dirty_device_fit(struct iommufd_dirty_device *device,
			     struct iommufd_dirty_ranges *ranges,
			     u64 *page_size, bool live);
int iommufd_dirty_device_claim(struct iommufd_dirty_claim *claim,
			       const struct iommufd_dirty_start *req);
void iommufd_dirty_device_unclaim(struct iommufd_dirty_claim *claim);
void iommufd_dirty_device_settle(struct iommufd_dirty_device *device,
				 struct iommufd_dirty_claim *claim,
				 struct iommufd_dirty_start *req);
void iommufd_dirty_device_take(struct iommufd_dirty_tracker *tracker,
			       struct iommufd_dirty_claim *claim);
void iommufd_dirty_device_cover(struct iommufd_dirty_tracker *tracker,
				struct iommufd_dirty_ranges **covered);
int iommufd_dirty_device_covers(struct iommufd_dirty_tracker *tracker,
				unsigned long iova, unsigned long *length,
				u64 *lost);
int iommufd_dirty_device_still_covers(struct iommufd_dirty_tracker *tracker,
				      u64 lost);

/* device_update.c */
int iommufd_dirty_update(struct iommufd_dirty_tracker *tracker,
			 struct iommufd_dirty_start *req);

/* device_harvest.c */
void iommufd_dirty_device_mark(struct iommufd_dirty_device *device,
			       const struct iommufd_dirty_ranges *ranges,
			       unsigned long iova, unsigned long last);
unsigned int
iommufd_dirty_device_window_shift(const struct iommufd_dirty_device *device);
void iommufd_dirty_device_mark_gain(struct iommufd_dirty_tracker *tracker,
				    const struct iommufd_dirty_ranges *covered);
int iommufd_dirty_device_keep(struct iommufd_dirty_device *device,
			      bool leaving);
int iommufd_dirty_device_update(struct iommufd_dirty_device *device,
				const struct iommufd_dirty_ranges *ranges);
int iommufd_dirty_device_harvest(struct iommufd_dirty_tracker *tracker,
				 enum iommu_dirty_state state,
				 unsigned long iova, unsigned long *last,
				 unsigned int flags,
				 struct iommu_dirty_sink *sink);
int iommufd_dirty_device_harvest_ledger(struct iommufd_dirty_tracker *tracker,
					unsigned long iova, unsigned long last,
					unsigned int flags,
					struct iommu_dirty_sink *sink);

/* provider.c */
struct iommufd_dirty_device *
iommufd_dirty_device_get(struct iommufd_device *idev);
void iommufd_dirty_device_put(struct iommufd_dirty_device *device);

/* info.c */
int iommufd_dirty_copy_out(void __user *to, size_t len, const void *from,
			   size_t known);
void iommufd_dirty_describe_hwpt(struct iommufd_hwpt_paging *hwpt,
				 struct iommu_dirty_member *member);
int iommufd_dirty_first_untrackable(struct iommufd_ioas *ioas,
				    struct iommu_dirty_member *member);
void iommufd_dirty_info_add(struct iommufd_dirty_info *info,
			    const struct iommu_dirty_member *member);
int iommufd_dirty_ioas_info(struct iommufd_dirty_tracker *tracker,
			    struct iommu_dirty_tracker_info *cmd,
			    struct iommufd_dirty_info *info);

/* harvest.c */
bool iommufd_dirty_next_mapped(struct io_pagetable *iopt, unsigned long iova,
			       unsigned long last, unsigned long *next);
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
int iommufd_dirty_harvest_wait(struct iommufd_dirty_tracker *tracker,
			       unsigned long iova, unsigned long last);

/* access.c */
void iommufd_dirty_mark_pinned(struct iopt_area *area, unsigned long iova,
			       unsigned long last,
			       struct iommu_dirty_sink *sink,
			       unsigned int *patience);

/* feed.c */
void iommufd_dirty_mark_runs(struct iommu_dirty_sink *sink, unsigned long iova,
			     unsigned int shift, u64 mask);
struct iommu_dirty_sink *
iommufd_dirty_feed_init(struct iommufd_dirty_feed *feed,
			struct io_pagetable *iopt,
			struct iommufd_dirty_tracker *reader,
			struct iommu_dirty_sink *to);
struct iommu_dirty_sink *
iommufd_dirty_feed_window(struct iommufd_dirty_feed *feed, unsigned long iova,
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
int iommufd_dirty_harvest_nth(struct iommufd_dirty_asked *asked,
			      unsigned int n, unsigned long iova,
			      unsigned long *last, unsigned int flags,
			      struct iommu_dirty_sink *sink);
unsigned long iommufd_dirty_window_mask(struct iommufd_dirty_asked *asked,
					unsigned int nr,
					unsigned int max_shift);
bool iommufd_dirty_next_of(struct iommufd_dirty_asked *asked, unsigned int nr,
			   unsigned long iova, unsigned long last,
			   unsigned long *next);
void iommufd_dirty_ask(struct iommufd_dirty_asked *asked,
		       struct iommufd_dirty_tracker *tracker);
int iommufd_dirty_check_running(struct iommufd_dirty_asked *asked,
				unsigned int nr,
				struct iommufd_dirty_request *req);
int iommufd_dirty_check_done(struct iommufd_dirty_asked *asked, unsigned int nr,
			     struct iommufd_dirty_request *req);
int iommufd_dirty_read(struct iommufd_dirty_asked *asked, unsigned int nr,
		       struct iommufd_dirty_request *req);

/* scan.c */
int iommufd_dirty_scan(struct iommufd_dirty_asked *asked, unsigned int nr,
		       struct iommufd_dirty_request *req);

/* unmap.c */
int iommufd_dirty_unmap(struct iommufd_dirty_asked *asked,
			struct iommufd_dirty_request *req,
			unsigned long *unmapped);

#endif
