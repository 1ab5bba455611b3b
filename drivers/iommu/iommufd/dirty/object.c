// SPDX-License-Identifier: GPL-2.0-only
/*
 * A tracker that is an object of an iommufd, and how the ioctls find their tracker:
 * among the objects, or in the tracker's own file. Called by the doors.
 */
#include <linux/err.h>

#include "object.h"

/**
 * iommufd_dirty_object_new() - Allocate a tracker with an object id
 * @ictx: The iommufd
 * @ioas: As for iommufd_dirty_tracker_init()
 * @device: Same
 * @flags: Combination of enum iommu_dirty_alloc_flags
 *
 * A tracker that is not passive keeps its IOAS from being destroyed.
 *
 * Return: the tracker, which is stopped and not visible until it is finalized; or
 * an error pointer.
 */
struct iommufd_dirty_object *
iommufd_dirty_object_new(struct iommufd_ctx *ictx, struct iommufd_ioas *ioas,
			 struct iommufd_dirty_device *device, u32 flags)
{
	struct iommufd_dirty_object *object;
	int rc;

	object = iommufd_object_alloc(ictx, object, IOMMUFD_OBJ_DIRTY_TRACKER);
	if (IS_ERR(object))
		return object;
	rc = iommufd_dirty_tracker_init(&object->tracker, ioas, device);
	if (rc) {
		iommufd_object_abort(ictx, &object->obj);
		return ERR_PTR(rc);
	}
	object->tracker.id = object->obj.id;
	iommufd_dirty_set_passive(&object->tracker, flags);
	if (ioas && !object->tracker.passive) {
		refcount_inc(&ioas->obj.users);
		object->tracker.holds = true;
	}
	return object;
}

/**
 * iommufd_dirty_object_destroy() - Stop a tracker and drop its references
 * @obj: The tracker's object, without users
 */
void iommufd_dirty_object_destroy(struct iommufd_object *obj)
{
	struct iommufd_dirty_object *object =
		container_of(obj, struct iommufd_dirty_object, obj);

	iommufd_dirty_tracker_fini(&object->tracker);
}

/**
 * iommufd_dirty_get() - Find the tracker of a call
 * @ucmd: The call
 * @id: Id of the tracker; 0 on the file of a tracker
 *
 * Return: the tracker, to be put by iommufd_dirty_put(), or ERR_PTR(-ENOENT).
 */
struct iommufd_dirty_tracker *iommufd_dirty_get(struct iommufd_ucmd *ucmd,
						u32 id)
{
	struct iommufd_object *obj;

	if (!ucmd->ictx) {
		if (id)
			return ERR_PTR(-ENOENT);
		return container_of(ucmd, struct iommufd_dirty_call,
				    ucmd)->tracker;
	}
	obj = iommufd_get_object(ucmd->ictx, id, IOMMUFD_OBJ_DIRTY_TRACKER);
	if (IS_ERR(obj))
		return ERR_CAST(obj);
	return &container_of(obj, struct iommufd_dirty_object, obj)->tracker;
}

/**
 * iommufd_dirty_put() - Drop the reference of iommufd_dirty_get()
 * @ucmd: The call
 * @tracker: The tracker
 */
void iommufd_dirty_put(struct iommufd_ucmd *ucmd,
		       struct iommufd_dirty_tracker *tracker)
{
	if (ucmd->ictx)
		iommufd_put_object(ucmd->ictx,
				   &container_of(tracker,
						 struct iommufd_dirty_object,
						 tracker)->obj);
}
