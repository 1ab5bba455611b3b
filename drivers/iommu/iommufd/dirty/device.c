// SPDX-License-Identifier: GPL-2.0-only
/*
 * START, STOP and INFO of a tracker of a device. The first START arms the
 * device's provider, the last STOP disarms it; further trackers share what is
 * armed, and each gets every dirty page. Called by tracker.c and info.c, without
 * locks.
 *
 * iommufd_dirty_device::config_mutex is held for the whole of each of them, lock
 * only where something changes or an op of the provider runs, so that reads go on
 * in between.
 */
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "dirty.h"

/* From how many ranges on a provider is asked for one less at a time */
#define MAX_ASKED	256U

/**
 * iommufd_dirty_device_unclaim() - Free sets of ranges
 * @claim: The sets
 */
void iommufd_dirty_device_unclaim(struct iommufd_dirty_claim *claim)
{
	kvfree(claim->ranges);
	kvfree(claim->covered);
}

/**
 * iommufd_dirty_device_claim() - Make sets of ranges for a tracker to keep
 * @claim: Out: the sets; to be freed by iommufd_dirty_device_unclaim()
 * @req: What is asked for
 *
 * Return: 0 or -ENOMEM, with nothing to be freed.
 */
int iommufd_dirty_device_claim(struct iommufd_dirty_claim *claim,
			       const struct iommufd_dirty_start *req)
{
	claim->page_size = req->page_size;
	claim->ranges = iommufd_dirty_ranges_union(req->ranges, NULL);
	claim->covered = iommufd_dirty_ranges_union(req->ranges, NULL);
	if (claim->ranges && claim->covered)
		return 0;
	iommufd_dirty_device_unclaim(claim);
	return -ENOMEM;
}

/**
 * iommufd_dirty_device_cover() - A tracker covers something else from now on
 * @tracker: The tracker, of a device
 * @covered: The ranges, or NULL; out: those that it has covered so far
 *
 * A READ or SCAN that goes on meanwhile is to notice if it is less.
 *
 * Context: config_mutex and lock are held.
 */
void iommufd_dirty_device_cover(struct iommufd_dirty_tracker *tracker,
				struct iommufd_dirty_ranges **covered)
{
	lockdep_assert_held(&tracker->device->config_mutex);
	lockdep_assert_held(&tracker->device->lock);

	swap(tracker->covered, *covered);
	if (*covered && !(tracker->covered &&
			  iommufd_dirty_ranges_cover(tracker->covered,
						     *covered)))
		tracker->lost++;
}

/**
 * iommufd_dirty_device_take() - Exchange a tracker's sets of ranges
 * @tracker: The tracker, of a device
 * @claim: The sets; those that the tracker has had are freed
 */
void iommufd_dirty_device_take(struct iommufd_dirty_tracker *tracker,
			       struct iommufd_dirty_claim *claim)
{
	lockdep_assert_held(&tracker->device->config_mutex);

	mutex_lock(&tracker->device->lock);
	swap(tracker->ranges, claim->ranges);
	iommufd_dirty_device_cover(tracker, &claim->covered);
	tracker->page_size = claim->page_size;
	mutex_unlock(&tracker->device->lock);
	iommufd_dirty_device_unclaim(claim);
}

static void device_set_state(struct iommufd_dirty_tracker *tracker,
			     enum iommu_dirty_state state)
{
	struct iommufd_dirty_device *device = tracker->device;

	lockdep_assert_held(&device->config_mutex);

	if (tracker->state == IOMMU_DIRTY_STATE_STOPPED)
		iommufd_dirty_ledger_charge(&tracker->ledger);
	mutex_lock(&device->lock);
	if (tracker->state == IOMMU_DIRTY_STATE_STOPPED)
		list_add_tail(&tracker->item, &device->trackers);
	if (state == IOMMU_DIRTY_STATE_STOPPED) {
		list_del(&tracker->item);
		WRITE_ONCE(tracker->stops, tracker->stops + 1);
	}
	WRITE_ONCE(tracker->state, state);
	mutex_unlock(&device->lock);
}

static void device_describe(const struct iommufd_dirty_device *device,
			    u32 reason, struct iommu_dirty_member *member)
{
	*member = (struct iommu_dirty_member){
		.type = IOMMU_DIRTY_MEMBER_DEVICE,
		.id = device->id,
		.reason = reason,
	};
}

/* Of the errors of a provider, those that a user can do something about */
static int device_start_error(int rc)
{
	switch (rc) {
	case 0:
	case -E2BIG:
	case -EBUSY:
	case -EINTR:
	case -ENOMEM:
	case -EOVERFLOW:
		return rc;
	case -EFBIG:
		return -E2BIG;
	case -EOPNOTSUPP:
		return -ENXIO;
	default:
		return -EIO;
	}
}

/* Ranges are multiples of so many bytes; 0 if there is no such number */
static u64 device_multiple(const struct iommufd_dirty_caps *caps, u64 page_size)
{
	u64 multiple;

	if (check_mul_overflow(page_size, (u64)(caps->granule ?: 1), &multiple))
		return 0;
	return multiple;
}

/* Make ranges such as the provider has announced to take */
static int device_shape(struct iommufd_dirty_device *device,
			struct iommufd_dirty_ranges *ranges, u64 page_size)
{
	struct iommufd_dirty_caps caps = {};
	u64 multiple;
	int rc;

	device->provider->ops->get_caps(device->provider, &caps);
	multiple = device_multiple(&caps, page_size);
	if (!multiple)
		return -E2BIG;
	iommufd_dirty_ranges_widen(ranges, multiple);
	rc = iommufd_dirty_ranges_coarsen(ranges, caps.max_ranges ?: UINT_MAX);
	if (!rc && caps.max_span &&
	    iommufd_dirty_ranges_span(ranges) > caps.max_span - 1)
		rc = -E2BIG;
	/* All 2^64 bytes have no length to be told by */
	if (!rc && ranges->nr == 1 &&
	    iommufd_dirty_ranges_span(ranges) == ULONG_MAX)
		rc = -E2BIG;
	return rc;
}

/*
 * The provider has found so many too many, and it may be one too many. To find out how
 * many of tens of thousands it takes is not worth asking each time.
 */
static unsigned int device_fewer(unsigned int nr)
{
	return nr > MAX_ASKED ? max(nr / 2, MAX_ASKED) : nr - 1;
}

/* It tracks by larger pages than it was asked for: do the ranges fit these? */
static bool device_aligned(struct iommufd_dirty_device *device,
			   const struct iommufd_dirty_ranges *ranges,
			   u64 page_size)
{
	struct iommufd_dirty_caps caps = {};
	u64 multiple;

	device->provider->ops->get_caps(device->provider, &caps);
	multiple = device_multiple(&caps, page_size);
	return multiple && iommufd_dirty_ranges_aligned(ranges, multiple);
}

/* Start the provider with ranges, or change them */
static int device_try(struct iommufd_dirty_device *device,
		      struct iommufd_dirty_ranges *ranges, u64 *page_size,
		      bool live)
{
	const struct iommufd_dirty_provider_ops *ops = device->provider->ops;
	int rc;

	rc = device_shape(device, ranges, *page_size);
	if (rc)
		return rc == -E2BIG ? -EFBIG : rc;
	if (live)
		return iommufd_dirty_device_update(device, ranges);
	rc = ops->start(device->provider, ranges->range, ranges->nr, page_size);
	if (!rc && WARN_ON_ONCE(!is_power_of_2(*page_size))) {
		ops->stop(device->provider);
		rc = -EIO;
	}
	return rc;
}

/**
 * iommufd_dirty_device_fit() - Find ranges that the provider takes, and start it
 * @device: The device, with a provider
 * @ranges: The ranges; they are rounded outwards to what the provider can, and
 *	neighbours, the closest first, are merged as long as it cannot track so many
 * @page_size: What to track by, in and out
 * @live: Update them rather than start
 *
 * Return: 0, or an error as of iommufd_dirty_provider_ops::start and update; -ENODEV if
 * somebody waits for the provider to leave.
 */
int iommufd_dirty_device_fit(struct iommufd_dirty_device *device,
			     struct iommufd_dirty_ranges *ranges,
			     u64 *page_size, bool live)
{
	u64 asked = *page_size, size;
	unsigned int nr;
	int rc;

	lockdep_assert_held(&device->lock);

	for (;;) {
		size = asked;
		rc = device_try(device, ranges, &size, live);
		nr = ranges->nr;
		if (!rc && size > asked &&
		    !device_aligned(device, ranges, size)) {
			device->provider->ops->stop(device->provider);
			asked = size;
			continue;
		}
		if (rc != -E2BIG || nr == 1)
			break;
		rc = -EINTR;
		if (fatal_signal_pending(current))
			break;
		if (READ_ONCE(device->provider->leaving))
			return -ENODEV;
		/* It may know better now how many it takes */
		rc = device_shape(device, ranges, asked);
		if (!rc && ranges->nr == nr)
			rc = iommufd_dirty_ranges_coarsen(ranges,
							  device_fewer(nr));
		if (rc)
			break;
		cond_resched();
	}
	if (!rc)
		*page_size = size;
	return device_start_error(rc);
}

/* Start the provider; it owns @ranges afterwards if that succeeds */
static int device_arm(struct iommufd_dirty_device *device,
		      struct iommufd_dirty_ranges *ranges, u64 *page_size)
{
	u64 asked = *page_size;
	int rc;

	mutex_lock(&device->lock);
	rc = iommufd_dirty_device_fit(device, ranges, page_size, false);
	if (!rc) {
		device->armed = ranges;
		device->page_size = *page_size;
		device->asked_size = asked;
		device->failed = false;
	}
	mutex_unlock(&device->lock);
	return rc;
}

static int device_start_first(struct iommufd_dirty_tracker *tracker,
			      struct iommufd_dirty_start *req)
{
	struct iommufd_dirty_ranges *armed;
	int rc;

	armed = iommufd_dirty_ranges_union(req->ranges, NULL);
	if (!armed)
		return -ENOMEM;
	rc = device_arm(tracker->device, armed, &req->page_size);
	if (rc) {
		kvfree(armed);
		return rc;
	}
	device_set_state(tracker, IOMMU_DIRTY_STATE_RUNNING);
	return 0;
}

static int device_start_next(struct iommufd_dirty_tracker *tracker,
			     struct iommufd_dirty_start *req)
{
	struct iommufd_dirty_device *device = tracker->device;
	int rc;

	if (!iommufd_dirty_ranges_cover(device->armed, req->ranges))
		return -EBUSY;
	/* All is dirty for those that run, but nothing is tracked */
	if (device->blind)
		return -EIO;
	/* What is dirty already is for the others only */
	device_set_state(tracker, IOMMU_DIRTY_STATE_STARTING);
	rc = iommufd_dirty_device_keep(device, false);
	device_set_state(tracker, rc ? IOMMU_DIRTY_STATE_STOPPED :
				       IOMMU_DIRTY_STATE_RUNNING);
	if (rc)
		iommufd_dirty_ledger_purge(&tracker->ledger);
	return rc;
}

/**
 * iommufd_dirty_device_settle() - Find what is tracked for a tracker now
 * @device: The device
 * @claim: What was asked for, in sets for the tracker to take
 * @req: What was asked for; out: the ranges that are armed and cover that
 */
void iommufd_dirty_device_settle(struct iommufd_dirty_device *device,
				 struct iommufd_dirty_claim *claim,
				 struct iommufd_dirty_start *req)
{
	unsigned int i;

	lockdep_assert_held(&device->config_mutex);

	for (i = 0; i < req->ranges->nr; i++) {
		struct iommufd_dirty_range *range = &req->ranges->range[i];

		iommufd_dirty_ranges_next(device->armed, range->iova,
					  range->last, range);
	}
	iommufd_dirty_ranges_normalize(req->ranges);
	iommufd_dirty_ranges_copy(claim->covered, req->ranges);
	req->page_size = device->page_size;
}

/* The degraded mode where nothing can be tracked: all is dirty, always */
static void device_start_blind(struct iommufd_dirty_tracker *tracker,
			       struct iommufd_dirty_claim *claim,
			       struct iommufd_dirty_start *req)
{
	kvfree(claim->covered);
	claim->covered = NULL;
	iommufd_dirty_device_take(tracker, claim);
	req->ranges->nr = 0;
	device_set_state(tracker, IOMMU_DIRTY_STATE_RUNNING);
}

static int device_start_locked(struct iommufd_dirty_tracker *tracker,
			       struct iommufd_dirty_start *req)
{
	struct iommufd_dirty_device *device = tracker->device;
	struct iommufd_dirty_claim claim;
	int rc;

	if (tracker->state != IOMMU_DIRTY_STATE_STOPPED)
		return -EALREADY;
	if (device->unbound ||
	    (device->provider && READ_ONCE(device->provider->leaving)))
		return -ENODEV;
	if (list_count_nodes(&device->trackers) >= IOMMUFD_DIRTY_MAX_TRACKERS)
		return -EUSERS;
	rc = iommufd_dirty_device_claim(&claim, req);
	if (rc)
		return rc;
	tracker->degraded = req->degraded;
	if (!device->provider)
		rc = -ENXIO;
	else if (device->armed)
		rc = device_start_next(tracker, req);
	else
		rc = device_start_first(tracker, req);
	if (!rc) {
		iommufd_dirty_device_settle(device, &claim, req);
		iommufd_dirty_device_take(tracker, &claim);
	} else if (rc == -ENXIO && req->degraded) {
		device_start_blind(tracker, &claim, req);
		rc = 0;
	} else {
		iommufd_dirty_device_unclaim(&claim);
	}
	if (rc == -ENXIO)
		device_describe(device,
				device->provider ?
					IOMMU_DIRTY_REASON_ENABLE_FAILED :
					IOMMU_DIRTY_REASON_NO_DRIVER,
				&req->failed);
	return rc;
}

static int device_start(struct iommufd_dirty_tracker *tracker,
			struct iommufd_dirty_start *req)
{
	struct iommufd_dirty_device *device = tracker->device;
	int rc;

	if (mutex_lock_killable(&device->config_mutex))
		return -EINTR;
	rc = device_start_locked(tracker, req);
	mutex_unlock(&device->config_mutex);
	return rc;
}

/* Does a tracker rely on what the provider tracks? */
static bool device_needed(const struct iommufd_dirty_device *device)
{
	struct iommufd_dirty_tracker *tracker;

	lockdep_assert_held(&device->config_mutex);

	list_for_each_entry(tracker, &device->trackers, item)
		if (tracker->covered)
			return true;
	return false;
}

static int device_stop_locked(struct iommufd_dirty_tracker *tracker)
{
	struct iommufd_dirty_device *device = tracker->device;
	struct iommufd_dirty_claim none = {};
	int rc = 0;

	if (tracker->state != IOMMU_DIRTY_STATE_RUNNING)
		return 0;
	device_set_state(tracker, IOMMU_DIRTY_STATE_STOPPED);
	if (device->armed && !device_needed(device)) {
		mutex_lock(&device->lock);
		if (device->provider && !device->blind)
			rc = device->provider->ops->stop(device->provider);
		kvfree(device->armed);
		device->armed = NULL;
		device->blind = false;
		mutex_unlock(&device->lock);
	}
	iommufd_dirty_ledger_purge(&tracker->ledger);
	iommufd_dirty_device_take(tracker, &none);
	return rc ? -EIO : 0;
}

static int device_stop(struct iommufd_dirty_tracker *tracker, bool killable)
{
	struct iommufd_dirty_device *device = tracker->device;
	int rc;

	if (!killable)
		mutex_lock(&device->config_mutex);
	else if (mutex_lock_killable(&device->config_mutex))
		return -EINTR;
	rc = device_stop_locked(tracker);
	mutex_unlock(&device->config_mutex);
	return rc;
}

static int device_info(struct iommufd_dirty_tracker *tracker,
		       struct iommu_dirty_tracker_info *cmd,
		       struct iommufd_dirty_info *info)
{
	struct iommufd_dirty_device *device = tracker->device;
	struct iommufd_dirty_caps caps = {};
	struct iommu_dirty_member member;

	if (mutex_lock_killable(&device->lock))
		return -EINTR;
	if (device->provider) {
		device_describe(device, IOMMU_DIRTY_REASON_OK, &member);
		device->provider->ops->get_caps(device->provider, &caps);
		if (device->provider->ops->update)
			member.flags |= IOMMU_DIRTY_MEMBER_LIVE;
		if (caps.quiesces)
			member.flags |= IOMMU_DIRTY_MEMBER_QUIESCES;
		if (caps.quiesces_p2p)
			member.flags |= IOMMU_DIRTY_MEMBER_QUIESCES_P2P;
		if (tracker->state == IOMMU_DIRTY_STATE_RUNNING &&
		    tracker->covered && !device->blind)
			member.flags |= IOMMU_DIRTY_MEMBER_TRACKED;
		member.io_page_sizes = caps.page_sizes;
	} else {
		device_describe(device,
				device->unbound ? IOMMU_DIRTY_REASON_UNBOUND :
						  IOMMU_DIRTY_REASON_NO_DRIVER,
				&member);
	}
	cmd->out_state = tracker->state;
	cmd->out_max_ranges = caps.max_ranges;
	cmd->out_max_span = caps.max_span;
	if (tracker->state == IOMMU_DIRTY_STATE_RUNNING) {
		if (tracker->degraded)
			cmd->out_flags |= IOMMU_DIRTY_TRACKER_DEGRADED;
		if (!tracker->covered ||
		    (device->armed && (device->blind || device->failed)))
			cmd->out_flags |= IOMMU_DIRTY_TRACKER_BLIND;
		if (tracker->covered && device->armed) {
			cmd->out_num_ranges = tracker->covered->nr;
			cmd->out_tracked_page_size = device->page_size;
		}
	}
	mutex_unlock(&device->lock);
	iommufd_dirty_info_add(info, &member);
	return 0;
}

static bool device_next(struct iommufd_dirty_tracker *tracker,
			unsigned long iova, unsigned long last,
			unsigned long *next)
{
	struct iommufd_dirty_device *device = tracker->device;
	struct iommufd_dirty_range part;
	bool found;

	mutex_lock(&device->lock);
	/* What is not covered is dirty then */
	if (tracker->state == IOMMU_DIRTY_STATE_RUNNING && tracker->degraded) {
		part.iova = iova;
		found = true;
	} else {
		found = iommufd_dirty_ranges_next(device->armed, iova, last,
						  &part);
	}
	mutex_unlock(&device->lock);
	if (found)
		*next = max(iova, part.iova);
	return found;
}

/**
 * iommufd_dirty_device_covers() - How much of a range does a tracker cover?
 * @tracker: The tracker, of a device
 * @iova: First byte of the range
 * @length: Its length. Out: of how many bytes from @iova on it can tell
 * @lost: Out: for iommufd_dirty_device_still_covers()
 *
 * Of pages that it does not cover it knows nothing, except in the degraded mode, where
 * they are dirty.
 *
 * Return: 0, -ENODATA if the tracker is not running, or -EINTR if killed.
 */
int iommufd_dirty_device_covers(struct iommufd_dirty_tracker *tracker,
				unsigned long iova, unsigned long *length,
				u64 *lost)
{
	struct iommufd_dirty_device *device = tracker->device;
	struct iommufd_dirty_range part;
	int rc = 0;

	if (mutex_lock_killable(&device->lock))
		return -EINTR;
	if (tracker->state != IOMMU_DIRTY_STATE_RUNNING) {
		rc = -ENODATA;
	} else if (!tracker->degraded) {
		if (!iommufd_dirty_ranges_next(tracker->covered, iova, iova,
					       &part))
			*length = 0;
		else if (part.last - iova < *length)
			*length = part.last - iova + 1;
	}
	*lost = tracker->lost;
	mutex_unlock(&device->lock);
	return rc;
}

/**
 * iommufd_dirty_device_still_covers() - Has a tracker covered what it did all along?
 * @tracker: The tracker, of a device
 * @lost: From iommufd_dirty_device_covers()
 *
 * If not, it was not asked for what it did not cover.
 *
 * Return: 0, -EAGAIN if it has covered less, if only for a while, or -EINTR if killed.
 */
int iommufd_dirty_device_still_covers(struct iommufd_dirty_tracker *tracker,
				      u64 lost)
{
	struct iommufd_dirty_device *device = tracker->device;
	int rc = 0;

	if (mutex_lock_killable(&device->lock))
		return -EINTR;
	if (tracker->lost != lost)
		rc = -EAGAIN;
	mutex_unlock(&device->lock);
	return rc;
}

static unsigned int device_window_shift(struct iommufd_dirty_tracker *tracker)
{
	struct iommufd_dirty_device *device = tracker->device;
	unsigned int shift;

	mutex_lock(&device->lock);
	shift = iommufd_dirty_device_window_shift(device);
	mutex_unlock(&device->lock);
	return shift;
}

/* What a harvest for another tracker has marked may not be in memory yet */
static int device_wait(struct iommufd_dirty_tracker *tracker,
		       unsigned long iova, unsigned long last)
{
	if (mutex_lock_killable(&tracker->device->lock))
		return -EINTR;
	mutex_unlock(&tracker->device->lock);
	iommufd_dirty_ledger_trim(&tracker->ledger, iova, last);
	return 0;
}

static void device_release(struct iommufd_dirty_tracker *tracker)
{
	iommufd_dirty_device_put(tracker->device);
}

const struct iommufd_dirty_scope iommufd_dirty_device_scope = {
	.start = device_start,
	.stop = device_stop,
	.info = device_info,
	.next = device_next,
	.window_shift = device_window_shift,
	.harvest = iommufd_dirty_device_harvest,
	.harvest_ledger = iommufd_dirty_device_harvest_ledger,
	.wait = device_wait,
	.release = device_release,
};
