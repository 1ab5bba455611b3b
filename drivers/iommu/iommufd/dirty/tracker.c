// SPDX-License-Identifier: GPL-2.0-only
/*
 * The tracker, for either scope: create, start, stop, destroy. Called by the owners of
 * trackers, which are object.c, file.c and hwpt.c, by the doors and by other verbs.
 * Callers hold no lock other than vfio_mutex or that of the classic tracking.
 */
#include <trace/events/iommufd_dirty.h>

#include "device/device.h"
#include "ioas/ioas.h"
#include "verbs.h"

/**
 * iommufd_dirty_tracker_init() - Initialize a tracker
 * @tracker: The tracker, zeroed
 * @ioas: The IOAS to cover, with a reference held by the caller. NULL for a device
 * @device: The device to cover, with a reference held by the caller. NULL for an IOAS
 *
 * The tracker is stopped. Its memory is charged to the caller.
 *
 * Return: 0 or -ENOMEM.
 */
int iommufd_dirty_tracker_init(struct iommufd_dirty_tracker *tracker,
			       struct iommufd_ioas *ioas,
			       struct iommufd_dirty_device *device)
{
	if (ioas) {
		tracker->anchor = iommufd_dirty_anchor_get(ioas);
		if (!tracker->anchor)
			return -ENOMEM;
	}
	iommufd_dirty_ledger_init(&tracker->ledger);
	INIT_DELAYED_WORK(&tracker->abandon, iommufd_dirty_abandon);
	tracker->scope = ioas ? &iommufd_dirty_ioas_scope :
				&iommufd_dirty_device_scope;
	tracker->ioas = ioas;
	if (device)
		tracker->device = iommufd_dirty_device_hold(device);
	tracker->target_id = ioas ? ioas->obj.id : device->id;
	return 0;
}

/**
 * iommufd_dirty_tracker_fini() - Stop a tracker and drop its references
 * @tracker: The tracker, which nobody else uses
 */
void iommufd_dirty_tracker_fini(struct iommufd_dirty_tracker *tracker)
{
	/* This cannot fail; the trace event reports an error */
	iommufd_dirty_stop(tracker, false);
	tracker->scope->release(tracker);
	iommufd_dirty_ledger_fini(&tracker->ledger);
}

/**
 * iommufd_dirty_start() - Start a tracker
 * @tracker: The tracker
 * @req: What to track, and how; see struct iommufd_dirty_start_args
 *
 * Return: see struct iommu_dirty_tracker_start.
 */
int iommufd_dirty_start(struct iommufd_dirty_tracker *tracker,
			struct iommufd_dirty_start_args *req)
{
	int rc;

	if (tracker->passive)
		req->degraded = true;
	rc = tracker->scope->start(tracker, req);
	trace_iommufd_dirty_start(tracker->id, rc);
	return rc;
}

/**
 * iommufd_dirty_stop() - Stop a tracker
 * @tracker: The tracker
 * @killable: Return -EINTR with the tracker unchanged if killed while waiting
 *
 * Return: see struct iommu_dirty_tracker_stop.
 */
int iommufd_dirty_stop(struct iommufd_dirty_tracker *tracker, bool killable)
{
	int rc = tracker->scope->stop(tracker, killable);

	trace_iommufd_dirty_stop(tracker->id, rc);
	return rc;
}

/**
 * iommufd_dirty_next() - Find the next IOVA that can be dirty
 * @tracker: The tracker
 * @iova: Where to start
 * @last: Where to end, inclusive
 * @next: Out: first byte of the range that a provider may report, or that the ledger
 *	holds
 *
 * Return: false if nothing between @iova and @last can be dirty.
 */
bool iommufd_dirty_next(struct iommufd_dirty_tracker *tracker,
			unsigned long iova, unsigned long last,
			unsigned long *next)
{
	unsigned long first;
	bool provided, recorded;

	provided = tracker->scope->next(tracker, iova, last, next);
	recorded = iommufd_dirty_ledger_first(&tracker->ledger, iova,
					      provided ? *next : last, &first);
	if (recorded)
		*next = first;
	return provided || recorded;
}
