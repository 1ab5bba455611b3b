// SPDX-License-Identifier: GPL-2.0-only
/*
 * UPDATE: change the ranges of a running device tracker. Called by ioctl.c without
 * locks; iommufd_dirty_device::config_mutex is held throughout. A START that needs more
 * than what is tracked for others changes the ranges of the provider, too.
 *
 * A provider that has an update op changes its ranges live. Any other provider is
 * harvested into the ledgers, stopped, and started again. No write is missed if the
 * device is kept from DMA in between. If the provider starts neither with the new nor
 * with the old ranges, the old ones are treated as dirty until an UPDATE succeeds.
 */
#include <linux/err.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "../tests/break.h"
#include "device.h"

/*
 * Ranges to track for all trackers once @tracker gets @ranges; or ERR_PTR(). An UPDATE may
 * take from others what they cover without having asked for it, unless it is an observer's.
 */
static struct iommufd_dirty_ranges *
device_wanted(const struct iommufd_dirty_tracker *tracker,
	      const struct iommufd_dirty_ranges *ranges, u64 page_size)
{
	struct iommufd_dirty_ranges *wanted, *more;
	struct iommufd_dirty_tracker *other;
	bool all = tracker->passive ||
		   tracker->state != IOMMU_DIRTY_STATE_RUNNING;

	wanted = iommufd_dirty_ranges_union(ranges, NULL);
	list_for_each_entry(other, &tracker->device->trackers, item) {
		if (other == tracker || !other->covered || !wanted)
			continue;
		if (fatal_signal_pending(current)) {
			kvfree(wanted);
			return ERR_PTR(-EINTR);
		}
		more = iommufd_dirty_ranges_union(wanted, all ? other->covered :
								other->ranges);
		kvfree(wanted);
		wanted = more;
		/* Keep the set bounded, however many trackers there are */
		if (wanted &&
		    iommufd_dirty_ranges_coarsen(wanted,
						 IOMMUFD_DIRTY_MAX_RANGES)) {
			kvfree(wanted);
			wanted = NULL;
		}
		cond_resched();
	}
	if (!wanted)
		return ERR_PTR(-ENOMEM);
	iommufd_dirty_ranges_widen(wanted, page_size);
	return wanted;
}

/*
 * Page size to ask for then: the smallest that any tracker has asked for. Trackers that
 * cover nothing do not count.
 */
static u64 device_wanted_size(const struct iommufd_dirty_tracker *tracker,
			      u64 page_size)
{
	struct iommufd_dirty_tracker *other;

	list_for_each_entry(other, &tracker->device->trackers, item)
		if (other != tracker && other->covered)
			page_size = min(page_size, other->page_size);
	return page_size;
}

/**
 * struct device_change - A change of the ranges that a device is tracked for
 * @wanted: The new ranges; NULL once they are armed
 * @both: The union of the old and the new ranges
 * @page_size: Page size to track by, in bytes, in and out
 */
struct device_change {
	struct iommufd_dirty_ranges *wanted;
	const struct iommufd_dirty_ranges *both;
	u64 page_size;
};

/* Allocate what device_shrink() needs, as that cannot fail */
static int device_make_room(struct iommufd_dirty_device *device,
			    const struct iommufd_dirty_ranges *wanted)
{
	struct iommufd_dirty_tracker *tracker;

	lockdep_assert_held(&device->config_mutex);

	list_for_each_entry(tracker, &device->trackers, item) {
		if (!tracker->covered)
			continue;
		tracker->spare = iommufd_dirty_ranges_alloc(tracker->covered->nr +
							    wanted->nr);
		if (!tracker->spare)
			return -ENOMEM;
	}
	return 0;
}

static void device_free_room(struct iommufd_dirty_device *device)
{
	struct iommufd_dirty_tracker *tracker;

	lockdep_assert_held(&device->config_mutex);

	list_for_each_entry(tracker, &device->trackers, item) {
		kvfree(tracker->spare);
		tracker->spare = NULL;
	}
}

/* Drop from a tracker's coverage what is no longer tracked, even if it was promised */
static void device_shrink(struct iommufd_dirty_tracker *tracker,
			  const struct iommufd_dirty_ranges *armed)
{
	lockdep_assert_held(&tracker->device->lock);

	if (!tracker->covered)
		return;
	iommufd_dirty_ranges_intersect(tracker->spare, tracker->covered, armed);
	iommufd_dirty_device_cover(tracker, &tracker->spare);
}

static void device_take(struct iommufd_dirty_device *device,
			struct device_change *change)
{
	struct iommufd_dirty_tracker *tracker;

	lockdep_assert_held(&device->lock);

	kvfree(device->armed);
	device->armed = change->wanted;
	change->wanted = NULL;
	list_for_each_entry(tracker, &device->trackers, item)
		device_shrink(tracker, device->armed);
}

/* Restart the provider, on failure with the old ranges; if that fails, become blind */
static int device_exchange(struct iommufd_dirty_device *device,
			   struct device_change *change)
{
	u64 asked = change->page_size, old;
	int rc;

	lockdep_assert_held(&device->lock);

	if (!device->blind)
		device->provider->ops->stop(device->provider);
	rc = iommufd_dirty_device_fit(device, change->wanted,
				      &change->page_size, false);
	if (!rc) {
		device_take(device, change);
		device->page_size = change->page_size;
		device->asked_size = asked;
		device->blind = false;
		device->failed = false;
		device->by_user = false;
		device->unshareable = false;
	} else if (!device->blind) {
		old = device->asked_size;
		device->blind = iommufd_dirty_device_fit(device, device->armed,
							 &old, false);
		if (!device->blind) {
			device->page_size = old;
			device->unshareable = false;
		}
		device->by_user = false;
	}
	return rc;
}

static int device_restart(struct iommufd_dirty_device *device,
			  struct device_change *change, bool gap_dirty)
{
	const struct iommufd_dirty_provider_ops *ops = device->provider->ops;
	bool gap = device->blind;
	bool held;
	int rc;

	/* Harvest most of it before the device is held, as it cannot be resumed then */
	rc = iommufd_dirty_device_keep(device, false);
	if (rc)
		return rc;
	held = ops->hold && ops->hold(device->provider);
	if (!held && !gap_dirty && !device->blind)
		return -EBUSY;
	rc = iommufd_dirty_device_keep(device, false);
	/* Keep readers out until the gap is marked: the provider sees it as clean */
	mutex_lock(&device->lock);
	if (!rc)
		rc = device_exchange(device, change);
	iommufd_dirty_break_wait(IOMMUFD_DIRTY_BREAK_GAP);
	if (!held || !ops->release(device->provider))
		gap = true;
	if (gap)
		iommufd_dirty_device_mark(device,
					  rc ? device->armed : change->both,
					  0, ULONG_MAX);
	mutex_unlock(&device->lock);
	return rc;
}

static int device_update_live(struct iommufd_dirty_device *device,
			      struct device_change *change)
{
	int rc;

	mutex_lock(&device->lock);
	rc = iommufd_dirty_device_fit(device, change->wanted,
				      &change->page_size, true);
	if (!rc) {
		device_take(device, change);
		device->asked_size = device->page_size;
		device->by_user = false;
	}
	mutex_unlock(&device->lock);
	return rc;
}

/*
 * Whether a gap may be made for the tracker. All that is tracked is then reported as dirty.
 * The user of a device does not expect that, and nobody should suffer it for an observer.
 */
static bool device_may_gap(const struct iommufd_dirty_tracker *tracker)
{
	const struct iommufd_dirty_device *device = tracker->device;

	if (iommufd_dirty_logging(device))
		return false;
	return !tracker->passive ||
	       !iommufd_dirty_count(&device->trackers, false);
}

static int device_rearm(struct iommufd_dirty_tracker *tracker,
			const struct iommufd_dirty_start_args *req,
			bool gap_dirty)
{
	struct iommufd_dirty_device *device = tracker->device;
	bool may_gap = device_may_gap(tracker);
	struct device_change change = {};
	struct iommufd_dirty_ranges *both;
	int rc = -ENOMEM;
	bool live;

	live = device->provider->ops->update && !device->blind &&
	       !device->unshareable;
	/* Starting it again can go wrong, or end in larger pages, even without a gap */
	if (!live && tracker->passive && !may_gap)
		return -EBUSY;
	/* What the user has logged so far could not be kept */
	if (device->unshareable && iommufd_dirty_logging(device))
		return -EBUSY;
	change.page_size = live ? device->page_size :
				  device_wanted_size(tracker, req->page_size);
	change.wanted = device_wanted(tracker, req->ranges, change.page_size);
	if (IS_ERR(change.wanted))
		return PTR_ERR(change.wanted);
	both = iommufd_dirty_ranges_union(change.wanted, device->armed);
	if (!both || device_make_room(device, change.wanted))
		goto out_free;
	change.both = both;

	if (live)
		rc = device_update_live(device, &change);
	else
		rc = device_restart(device, &change, gap_dirty && may_gap);
out_free:
	device_free_room(device);
	kvfree(change.wanted);
	kvfree(both);
	return rc;
}

/* Take the coverage of passive trackers away; false if they have none */
static bool device_drop_passive(struct iommufd_dirty_device *device)
{
	struct iommufd_dirty_tracker *tracker;
	bool dropped = false;

	mutex_lock(&device->lock);
	list_for_each_entry(tracker, &device->trackers, item) {
		struct iommufd_dirty_ranges *none = NULL;

		if (!tracker->passive || !tracker->covered)
			continue;
		iommufd_dirty_device_cover(tracker, &none);
		kvfree(none);
		dropped = true;
	}
	mutex_unlock(&device->lock);
	return dropped;
}

/**
 * iommufd_dirty_device_rearm() - Make the provider track other ranges for a tracker
 * @tracker: A device tracker; what others need stays tracked
 * @req: The ranges and the page size that it asks for
 * @gap_dirty: If tracking would have a gap, treat everything as dirty rather than fail,
 *	unless a user would notice, or @tracker is passive and others are not
 *
 * If the device cannot track that much, it tracks nothing for passive trackers.
 *
 * Context: config_mutex is held. The device is armed and has a provider.
 * Return: 0; -EBUSY if there would be a gap; an error of iommufd_dirty_device_fit() or
 * iommufd_dirty_device_keep(); -ENOMEM.
 */
int iommufd_dirty_device_rearm(struct iommufd_dirty_tracker *tracker,
			       const struct iommufd_dirty_start_args *req,
			       bool gap_dirty)
{
	int rc;

	lockdep_assert_held(&tracker->device->config_mutex);

	rc = device_rearm(tracker, req, gap_dirty);
	/* Some drivers return other errors than -E2BIG if it is too much */
	if ((rc == -E2BIG || rc == -ENXIO || rc == -EIO) &&
	    !tracker->passive && device_drop_passive(tracker->device))
		rc = device_rearm(tracker, req, gap_dirty);
	return rc;
}

static int device_update_locked(struct iommufd_dirty_tracker *tracker,
				struct iommufd_dirty_start_args *req)
{
	struct iommufd_dirty_device *device = tracker->device;
	struct iommufd_dirty_claim claim;
	bool blind = device->blind;
	int rc;

	if (tracker->state != IOMMU_DIRTY_STATE_RUNNING)
		return -ENODATA;
	if (!device->provider || !device->armed ||
	    READ_ONCE(device->provider->leaving))
		return -ENODEV;
	rc = iommufd_dirty_device_claim(&claim, req);
	if (rc)
		return rc;
	rc = iommufd_dirty_device_rearm(tracker, req, req->gap_dirty);
	/*
	 * Errors other than -EIO mean that the old ranges are tracked as before or, for
	 * -EINTR and -ENODEV, that the device may have been blind before. UPDATE does
	 * not return -ENXIO.
	 */
	if (rc == -ENXIO ||
	    (device->blind && rc &&
	     !(blind && (rc == -EINTR || rc == -ENODEV))))
		rc = -EIO;
	if (rc) {
		iommufd_dirty_device_unclaim(&claim);
	} else {
		iommufd_dirty_device_settle(device, &claim, req);
		iommufd_dirty_device_mark_gain(tracker, claim.covered);
		iommufd_dirty_device_take(tracker, &claim);
	}
	return rc;
}

/**
 * iommufd_dirty_update() - Change the ranges of a device tracker
 * @tracker: A device tracker
 * @req: In: what to track from now on. Out: as for iommufd_dirty_start()
 *
 * Return: see struct iommu_dirty_tracker_update.
 */
int iommufd_dirty_update(struct iommufd_dirty_tracker *tracker,
			 struct iommufd_dirty_start_args *req)
{
	struct iommufd_dirty_device *device = tracker->device;
	int rc;

	if (mutex_lock_killable(&device->config_mutex))
		return -EINTR;
	rc = device_update_locked(tracker, req);
	mutex_unlock(&device->config_mutex);
	return rc;
}
