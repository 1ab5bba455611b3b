// SPDX-License-Identifier: GPL-2.0-only
/*
 * What of a device a tracker covers: the sets of ranges that START and UPDATE exchange,
 * and what a READ or SCAN asks of them. Called by start.c and update.c with
 * iommufd_dirty_device::config_mutex held, and by read.c and ioctl_read.c without locks.
 */
#include <linux/mm.h>
#include <linux/slab.h>

#include "device.h"

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

/**
 * iommufd_dirty_device_covers() - How much of a range does a tracker cover?
 * @tracker: The tracker, of a device
 * @iova: First byte of the range
 * @length: Its length. Out: of how many bytes from @iova on it can tell
 * @lost: Out: how often it has ceased to cover something
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
