/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The dirty tracker object of iommufd, private to the files of this folder.
 *
 * Calls go one way: doors -> verbs -> scopes -> sinks.
 *
 * Doors, the entry points:
 *   ioctl.c		the ioctls ALLOC, START, STOP, UPDATE
 *   ioctl_read.c	the ioctls READ, SCAN, UNMAP
 *   ioctl_mark.c	the ioctl MARK
 *   object.c		a tracker with an object id, and finding the tracker of a call
 *   file.c		the file of a tracker, with INFO, START, STOP, READ, SCAN, MARK
 *   hwpt.c		the classic ioctls of HWPTs, on top of a tracker
 *   vfio_compat.c	VFIO type1's dirty page tracking, on top of a tracker
 *   hooks.c, hooks.h	what the rest of iommufd calls
 * Verbs (verbs.h), the same for every scope:
 *   tracker.c		the tracker: create, start, stop, destroy
 *   read.c		READ: window by window over all trackers of a call
 *   scan.c		SCAN: the same, into runs
 *   unmap.c		UNMAP
 *   mark.c		MARK
 *   info.c, list.c	INFO, and LIST: the objects of a file
 *   trace.c		trace events
 * Scopes, what a tracker covers:
 *   ioas/		an IOAS: IO page tables, and software that writes
 *   device/		a device, tracked by its driver
 * Sinks, where dirty pages go:
 *   sink/		the user's bitmap, and the ledger of a tracker
 * Tests:
 *   tests/		KUnit, a benchmark, and switches that make tests skip a step
 *
 * Lock order: iommufd_dirty_iopt::vfio_mutex, iommufd_dirty_classic::mutex ->
 * iommufd_dirty_anchor::rwsem -> iommufd_ioas::mutex -> io_pagetable::domains_rwsem ->
 * iommufd_dirty_iopt::attach_rwsem -> one of iommufd_dirty_iopt::window_locks ->
 * io_pagetable::iova_rwsem -> iommufd_dirty_iopt::split_mutex -> iopt_pages::mutex ->
 * iommufd_dirty_shard::lock -> iommufd_dirty_coarse::lock.
 * iommufd_group::lock nests inside iommufd_ioas::mutex and outside attach_rwsem.
 *
 * Lock order of a device: iommufd_dirty_device::config_mutex -> locks that the driver
 * holds from iommufd_dirty_provider_ops::hold to release -> iommufd_dirty_device::lock
 * -> other locks of the driver, and those of the ledger. Locks of a device and locks of an
 * IOAS are never held together.
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

#include "base.h"
#include "sink/sink.h"

/*
 * Maximum number of trackers in one READ, and of trackers that run on one IOAS or
 * device: of passive ones, and of others. A harvest for one tracker marks in the ledgers
 * of all others while it holds the locks of the IOAS, so the number must be bounded.
 */
#define IOMMUFD_DIRTY_MAX_TRACKERS	64

struct iommufd_dirty_anchor;
struct iommufd_dirty_log_call;
struct iommufd_dirty_tracker;

/**
 * enum iommufd_dirty_splits - When a tracker splits large entries
 * @IOMMUFD_DIRTY_SPLIT_NEVER: Never
 * @IOMMUFD_DIRTY_SPLIT_LAZY: When they were found dirty
 * @IOMMUFD_DIRTY_SPLIT_EAGER: As soon as they are mapped
 */
enum iommufd_dirty_splits {
	IOMMUFD_DIRTY_SPLIT_NEVER = 0,
	IOMMUFD_DIRTY_SPLIT_LAZY,
	IOMMUFD_DIRTY_SPLIT_EAGER,
};

/**
 * struct iommufd_dirty_start_args - Arguments of START and UPDATE
 * @degraded: START: use degraded mode, which reports what cannot be tracked as dirty
 * @splits: START, IOAS tracker: when to split large entries
 * @gap_dirty: UPDATE: if tracking has a gap while the ranges are exchanged, report all
 *	of them as dirty rather than fail
 * @ranges: Device tracker: the ranges to track. Out: the ranges that are tracked
 * @page_size: Device tracker: the tracking page size in bytes, in and out
 * @call: Starts the driver for its user, who logs alone; otherwise NULL
 * @failed: Out: after -ENXIO, the member that cannot be tracked
 */
struct iommufd_dirty_start_args {
	bool degraded;
	enum iommufd_dirty_splits splits;
	bool gap_dirty;
	struct iommufd_dirty_ranges *ranges;
	u64 page_size;
	struct iommufd_dirty_log_call *call;
	struct iommu_dirty_member failed;
};

/**
 * struct iommufd_dirty_info - Buffer in which INFO collects the members
 * @members: The members
 * @room: How many entries @members has room for
 * @nr: Number of members found so far; can exceed @room
 *
 * User memory is not accessed until all locks have been dropped.
 */
struct iommufd_dirty_info {
	struct iommu_dirty_member *members;
	unsigned int room;
	unsigned int nr;
};

/**
 * iommufd_dirty_info_add() - Count a member, and store it if there is room
 * @info: The buffer
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
 * struct iommufd_dirty_asked - State of a call for one of its trackers
 * @tracker: The tracker; the call holds a reference to it
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
 * struct iommufd_dirty_scope - Operations that differ between IOAS and device trackers
 * @start: Start tracking, from IOMMU_DIRTY_STATE_STOPPED
 * @stop: Stop if running; a killable call gives up if killed
 * @info: Fill in the scope's part of INFO, and collect its members
 * @next: Find the next IOVA that a provider may report as dirty; false if there is none
 *	in the range
 * @covers: How much of a range the tracker can report, and how often it has lost
 *	coverage. NULL: everything, and never
 * @harvest: Read and clear a window into a sink, including what the ledger holds. Lowers
 *	@last if that is more than one harvest may do
 * @harvest_ledger: The same for the ledger only
 * @mark: Mark runs in the ledger
 * @wait: Wait for a harvest that is under way, and free ledger memory that a range does
 *	not need
 * @release: Drop the references of a stopped tracker
 *
 * The functions that implement them document arguments and return values. Callers hold
 * no lock other than iommufd_dirty_iopt::vfio_mutex or iommufd_dirty_classic::mutex.
 */
struct iommufd_dirty_scope {
	int (*start)(struct iommufd_dirty_tracker *tracker,
		     struct iommufd_dirty_start_args *req);
	int (*stop)(struct iommufd_dirty_tracker *tracker, bool killable);
	int (*info)(struct iommufd_dirty_tracker *tracker,
		    struct iommu_dirty_tracker_info *cmd,
		    struct iommufd_dirty_info *info);
	bool (*next)(struct iommufd_dirty_tracker *tracker, unsigned long iova,
		     unsigned long last, unsigned long *next);
	int (*covers)(struct iommufd_dirty_tracker *tracker, unsigned long iova,
		      unsigned long *length, u64 *lost);
	int (*harvest)(const struct iommufd_dirty_asked *asked,
		       unsigned long iova, unsigned long *last,
		       unsigned int flags, struct iommu_dirty_sink *sink);
	int (*harvest_ledger)(const struct iommufd_dirty_asked *asked,
			      unsigned long iova, unsigned long *last,
			      unsigned int flags,
			      struct iommu_dirty_sink *sink);
	int (*mark)(const struct iommufd_dirty_asked *asked,
		    const struct iommufd_dirty_range *runs, unsigned int nr);
	int (*wait)(struct iommufd_dirty_tracker *tracker, unsigned long iova,
		    unsigned long last);
	void (*release)(struct iommufd_dirty_tracker *tracker);
};

extern const struct iommufd_dirty_scope iommufd_dirty_ioas_scope;
extern const struct iommufd_dirty_scope iommufd_dirty_device_scope;

/* device/provider.c */
void iommufd_dirty_device_list(struct iommufd_device *idev,
			       struct iommu_dirty_object *out);

/**
 * struct iommufd_dirty_tracker - A dirty tracker
 * @id: Object id that trace events report: its own; that of its HWPT; 0 if a file owns it
 * @target_id: Object id of the IOAS or device
 * @scope: Operations of the IOAS or device scope
 * @ioas: The IOAS that it covers, valid while @anchor says so. NULL for a device tracker
 * @anchor: IOAS tracker: a reference. The IOAS can be destroyed before the tracker
 * @holds: It also holds a users reference to the IOAS, which rules that out
 * @domain: The only domain that it covers, for a HWPT's classic tracking. Software writes
 *	and unmapped pages are not recorded then. Otherwise NULL
 * @passive: It makes no call of others fail, and is always degraded
 * @device: The device that it covers, with a reference held. NULL for an IOAS tracker
 * @ranges: Device tracker: the ranges it was asked to cover, NULL if it is stopped;
 *	protected by iommufd_dirty_device::config_mutex
 * @page_size: The page size it was asked to track the device by; protected as @ranges
 * @covered: Device tracker: the ranges it does cover. They have been tracked since it
 *	was started or updated. NULL: none. Changed with config_mutex and
 *	iommufd_dirty_device::lock held, read with either held
 * @lost: How often it has lost coverage; protected as @covered
 * @spare: Room for the next @covered while an UPDATE is under way, otherwise NULL;
 *	protected as @ranges
 * @item: Entry in iommufd_dirty_iopt::trackers or iommufd_dirty_device::trackers unless
 *	it is stopped
 * @state: enum iommu_dirty_state, protected by the same locks as that list
 * @stops: How often it was stopped; protected as @state
 * @degraded: START asked for degraded mode; changes only while it is stopped
 * @splits: When it splits large entries; changes only while it is stopped, protected by
 *	iommufd_ioas::mutex
 * @vfio_compat: It serves VFIO_IOMMU_DIRTY_PAGES
 * @user_log: It serves VFIO_DEVICE_FEATURE_DMA_LOGGING_START, see device/log.c
 * @abandoned: The caller of START was killed before START finished, so the tracker
 *	counts as stopped. Set by that caller, cleared under the locks of @state
 * @abandon: Work that stops an abandoned tracker; it never waits for locks of the IOAS
 * @ledger: What was harvested outside of the tracker's own reads
 * @reads: Number of READ, SCAN and UNMAP ioctls that succeeded
 * @pages: Number of pages that these ioctls reported, even if they failed
 */
struct iommufd_dirty_tracker {
	u32 id;
	u32 target_id;
	const struct iommufd_dirty_scope *scope;
	struct iommufd_ioas *ioas;
	struct iommufd_dirty_anchor *anchor;
	bool holds;
	struct iommu_domain *domain;
	bool passive;
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
	enum iommufd_dirty_splits splits;
	bool vfio_compat;
	bool user_log;
	bool abandoned;
	struct delayed_work abandon;
	struct iommufd_dirty_ledger ledger;
	atomic64_t reads;
	atomic64_t pages;
};

/* How many of the trackers in the list of an IOAS or device are passive, or are not */
static inline unsigned int iommufd_dirty_count(const struct list_head *trackers,
					       bool passive)
{
	struct iommufd_dirty_tracker *tracker;
	unsigned int nr = 0;

	list_for_each_entry(tracker, trackers, item)
		if (!tracker->domain && !tracker->user_log &&
		    tracker->passive == passive)
			nr++;
	return nr;
}

/*
 * True if the tracker is in the state that the call needs and was not stopped since the
 * call began, not even to be started again. Exact only under the locks of the state.
 */
static inline bool
iommufd_dirty_asked_valid(const struct iommufd_dirty_asked *asked)
{
	return READ_ONCE(asked->tracker->state) == asked->state &&
	       READ_ONCE(asked->tracker->stops) == asked->stops;
}

#endif
