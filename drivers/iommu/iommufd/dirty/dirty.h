/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The dirty tracker object of iommufd, private to the files of this folder.
 *
 * Calls go one way: from the doors to the verbs, from there to the scopes, and to the
 * sinks in the end.
 *
 * Doors, who calls in:
 *   ioctl.c		the ioctls ALLOC, START, STOP, UPDATE
 *   ioctl_read.c	the ioctls READ, SCAN, UNMAP
 *   vfio_compat.c	VFIO type1's dirty page tracking, on top of a tracker
 *   hooks.c, hooks.h	what the rest of iommufd calls
 * Verbs (verbs.h), the same for every scope:
 *   tracker.c		the object: made, started, stopped, destroyed
 *   read.c		READ: window by window over all trackers of a call
 *   scan.c		SCAN: the same, into runs
 *   unmap.c		UNMAP
 *   info.c, list.c	INFO, and LIST: the objects of a file
 *   trace.c		trace events
 * Scopes, what a tracker covers:
 *   ioas/		an IOAS: IO page tables, and software that writes
 *   device/		a device, which its driver tracks
 * Sinks, where dirty pages go:
 *   sink/		the user's bitmap, and the ledger that a tracker keeps
 * Tests:
 *   tests/		KUnit, a benchmark, and switches by which tests leave out a
 *			part of all that
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
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/workqueue.h>

#include "../io_pagetable.h"
#include "../iommufd_private.h"
#include "sink/sink.h"

/*
 * The most trackers of one READ, and the most that run on an IOAS or on a device: what
 * is cleaned for one is marked for all others while the IOAS is locked
 */
#define IOMMUFD_DIRTY_MAX_TRACKERS	64

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
 * iommufd_dirty_info_add() - Collect a member, if there is room for it
 * @info: Where
 * @member: The member
 */
static inline void
iommufd_dirty_info_add(struct iommufd_dirty_info *info,
		       const struct iommu_dirty_member *member)
{
	if (info->nr < info->room)
		info->members[info->nr] = *member;
	info->nr++;
}

/**
 * struct iommufd_dirty_asked - A tracker that a call asks
 * @tracker: The tracker; the call holds a reference
 * @state: The state that the tracker must be in
 * @stops: How often the tracker had been stopped when the call began
 * @lost: Device tracker: how often it had lost coverage when the call began
 * @added: Out: how many pages the tracker has reported
 */
struct iommufd_dirty_asked {
	struct iommufd_dirty_tracker *tracker;
	enum iommu_dirty_state state;
	unsigned long stops;
	u64 lost;
	u64 added;
};

/**
 * struct iommufd_dirty_scope - What trackers of an IOAS and of a device do each in
 *	their own way
 * @start: Start to track, from IOMMU_DIRTY_STATE_STOPPED
 * @stop: Stop, if it is running; or give up if killed
 * @info: Fill in what INFO tells of the scope, and collect its members
 * @next: Find the next IOVA that the providers may have to tell of; false if there
 *	is none in the range
 * @covers: How much of a range the tracker can tell of, and how often it has ceased to
 *	cover something. NULL: all, and never
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
	int (*covers)(struct iommufd_dirty_tracker *tracker, unsigned long iova,
		      unsigned long *length, u64 *lost);
	unsigned int (*window_shift)(struct iommufd_dirty_tracker *tracker);
	int (*harvest)(const struct iommufd_dirty_asked *asked,
		       unsigned long iova, unsigned long *last,
		       unsigned int flags, struct iommu_dirty_sink *sink);
	int (*harvest_ledger)(const struct iommufd_dirty_asked *asked,
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

/*
 * Is the tracker in the state that the call relies on, and has it not been stopped since
 * the call began, even if it was started again? Exact under the locks of the state
 */
static inline bool
iommufd_dirty_asked_valid(const struct iommufd_dirty_asked *asked)
{
	return READ_ONCE(asked->tracker->state) == asked->state &&
	       READ_ONCE(asked->tracker->stops) == asked->stops;
}

static inline struct iommufd_dirty_tracker *
iommufd_get_dirty_tracker(struct iommufd_ctx *ictx, u32 id)
{
	return container_of(iommufd_get_object(ictx, id,
					       IOMMUFD_OBJ_DIRTY_TRACKER),
			    struct iommufd_dirty_tracker, obj);
}

#endif
