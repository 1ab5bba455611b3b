// SPDX-License-Identifier: GPL-2.0-only
/*
 * The tracker object that userspace sees, for either scope: create, start, stop,
 * destroy. Called by the doors, by other verbs and by iommufd's object destruction.
 * Callers hold no lock other than vfio_mutex, except that list.c calls
 * iommufd_dirty_target_id() under the xarray lock.
 */
#include <trace/events/iommufd_dirty.h>

#include "device/device.h"
#include "ioas/ioas.h"
#include "verbs.h"

/**
 * iommufd_dirty_tracker_new() - Allocate a tracker
 * @ictx: The iommufd
 * @ioas: The IOAS to cover, with a reference held by the caller. NULL for a device
 * @device: The device to cover; on success the tracker takes over the caller's
 *	reference. NULL for an IOAS
 *
 * Return: the tracker, which is stopped and not visible until it is finalized; or
 * an error pointer.
 */
struct iommufd_dirty_tracker *
iommufd_dirty_tracker_new(struct iommufd_ctx *ictx, struct iommufd_ioas *ioas,
			  struct iommufd_dirty_device *device)
{
	struct iommufd_dirty_tracker *tracker;

	tracker = iommufd_object_alloc(ictx, tracker,
				       IOMMUFD_OBJ_DIRTY_TRACKER);
	if (IS_ERR(tracker))
		return tracker;
	iommufd_dirty_ledger_init(&tracker->ledger);
	INIT_DELAYED_WORK(&tracker->abandon, iommufd_dirty_abandon);
	tracker->scope = ioas ? &iommufd_dirty_ioas_scope :
				&iommufd_dirty_device_scope;
	tracker->ioas = ioas;
	tracker->device = device;
	if (ioas)
		refcount_inc(&ioas->obj.users);
	return tracker;
}

/**
 * iommufd_dirty_target_id() - Get the id of what a tracker covers
 * @tracker: The tracker
 *
 * Return: the object id of its IOAS or device. The device may have been unbound.
 */
u32 iommufd_dirty_target_id(const struct iommufd_dirty_tracker *tracker)
{
	return tracker->ioas ? tracker->ioas->obj.id : tracker->device->id;
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
	int rc = tracker->scope->start(tracker, req);

	trace_iommufd_dirty_start(tracker->obj.id, rc);
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

	trace_iommufd_dirty_stop(tracker->obj.id, rc);
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

/**
 * iommufd_dirty_tracker_destroy() - Stop a tracker and drop its references
 * @obj: The tracker's object, without users
 */
void iommufd_dirty_tracker_destroy(struct iommufd_object *obj)
{
	struct iommufd_dirty_tracker *tracker =
		container_of(obj, struct iommufd_dirty_tracker, obj);

	/* Destruction cannot fail; the trace event reports an error */
	iommufd_dirty_stop(tracker, false);
	tracker->scope->release(tracker);
}
