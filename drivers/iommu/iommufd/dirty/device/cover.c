// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ranges of a device that a tracker covers: START, STOP and UPDATE exchange them,
 * and READ and SCAN look them up. Called by start.c and update.c with
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
 * iommufd_dirty_device_claim() - Make sets of ranges for a tracker to take
 * @claim: Out: the sets; to be freed by iommufd_dirty_device_unclaim()
 * @req: The ranges and the page size that are asked for
 *
 * Return: 0, or -ENOMEM with nothing to be freed.
 */
int iommufd_dirty_device_claim(struct iommufd_dirty_claim *claim,
			       const struct iommufd_dirty_start_args *req)
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
 * iommufd_dirty_device_cover() - Change the ranges that a tracker covers
 * @tracker: A device tracker
 * @covered: In: the new ranges, or NULL. Out: the old ones
 *
 * If coverage is lost, iommufd_dirty_tracker::lost is incremented, so that a READ or SCAN
 * under way notices.
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
 * iommufd_dirty_device_take() - Replace a tracker's sets of ranges
 * @tracker: A device tracker
 * @claim: The new sets; the tracker's old ones are freed
 *
 * Context: config_mutex is held.
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
 * iommufd_dirty_device_settle() - Find the ranges that a tracker now covers
 * @device: The device
 * @claim: The sets for the tracker to take; @claim->covered is filled in
 * @req: In: the ranges that were asked for. Out: the armed ranges that cover them, and
 *	the page size that the device tracks by
 *
 * Context: config_mutex is held.
 */
void iommufd_dirty_device_settle(struct iommufd_dirty_device *device,
				 struct iommufd_dirty_claim *claim,
				 struct iommufd_dirty_start_args *req)
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
 * iommufd_dirty_device_covers() - Find how much of a range a tracker can report
 * @tracker: A device tracker
 * @iova: First byte of the range
 * @length: In: length of the range in bytes. Out: how many bytes from @iova on the
 *	tracker can report
 * @lost: Out: how often it has lost coverage
 *
 * A tracker cannot report pages that it does not cover, except in degraded mode, where
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
