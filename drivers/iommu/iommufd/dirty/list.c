// SPDX-License-Identifier: GPL-2.0-only
/*
 * LIST: the objects of an iommufd file, for an observer that did not create them.
 * Called from iommufd's ioctl table, without locks.
 *
 * An observer must not interfere. A reference to an object would make
 * IOMMU_DESTROY fail, or keep a HWPT that iommufd allocated itself from going
 * away with its last device. So objects are described under the xarray lock: an
 * object is not freed while it is in the xarray. Only the HWPT that a device is
 * attached to needs a mutex. For that, LIST holds a reference to the device;
 * unbinding waits for it.
 */
#include <linux/device.h>
#include <linux/sched/signal.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "object.h"

/* Size of the first version of struct iommu_dirty_object, the smallest accepted */
#define OBJECT_MIN_LEN	64

static void list_describe_hwpt(struct iommufd_hwpt_paging *hwpt,
			       struct iommu_dirty_object *out)
{
	struct iommufd_dirty_classic *classic;

	out->type = IOMMU_DIRTY_OBJECT_HWPT;
	out->parent_id = hwpt->ioas->obj.id;
	if (hwpt->auto_domain)
		out->flags |= IOMMU_DIRTY_OBJECT_AUTO;
	if (iommufd_dirty_for_pasids(hwpt))
		out->flags |= IOMMU_DIRTY_OBJECT_PASID;
	/* Pairs with classic_get(); it is freed with the HWPT */
	classic = smp_load_acquire(&hwpt->dirty.classic);
	if (classic &&
	    READ_ONCE(classic->tracker.state) == IOMMU_DIRTY_STATE_RUNNING)
		out->state = IOMMU_DIRTY_STATE_RUNNING;
}

static void list_describe_tracker(const struct iommufd_dirty_tracker *tracker,
				  struct iommu_dirty_object *out)
{
	out->type = IOMMU_DIRTY_OBJECT_TRACKER;
	out->parent_id = tracker->target_id;
	out->state = READ_ONCE(tracker->state);
	if (tracker->passive)
		out->flags |= IOMMU_DIRTY_OBJECT_PASSIVE;
	if (tracker->vfio_compat)
		out->flags |= IOMMU_DIRTY_OBJECT_TYPE1;
}

/*
 * Describe all but a device's HWPT and log; false if this type is not listed. States and
 * numbers are not locked: they may change at any time.
 */
static bool list_describe(struct iommufd_object *obj,
			  struct iommu_dirty_object *out)
{
	struct iommufd_hwpt_nested *nested;
	struct iommufd_device *idev;
	struct iommufd_ioas *ioas;

	*out = (struct iommu_dirty_object){ .id = obj->id };
	switch (obj->type) {
	case IOMMUFD_OBJ_IOAS:
		ioas = container_of(obj, struct iommufd_ioas, obj);
		out->type = IOMMU_DIRTY_OBJECT_IOAS;
		out->num_trackers = READ_ONCE(ioas->iopt.dirty.num_trackers);
		return true;
	case IOMMUFD_OBJ_HWPT_PAGING:
		list_describe_hwpt(container_of(obj, struct iommufd_hwpt_paging,
						common.obj), out);
		return true;
	case IOMMUFD_OBJ_HWPT_NESTED:
		nested = container_of(obj, struct iommufd_hwpt_nested,
				      common.obj);
		out->type = IOMMU_DIRTY_OBJECT_HWPT_NESTED;
		out->parent_id = nested->parent->common.obj.id;
		return true;
	case IOMMUFD_OBJ_DEVICE:
		idev = container_of(obj, struct iommufd_device, obj);
		out->type = IOMMU_DIRTY_OBJECT_DEVICE;
		strscpy((char *)out->name, dev_name(idev->dev),
			sizeof(out->name));
		return true;
	case IOMMUFD_OBJ_DIRTY_TRACKER:
		list_describe_tracker(&container_of(obj,
						    struct iommufd_dirty_object,
						    obj)->tracker, out);
		return true;
	default:
		return false;
	}
}

/* The HWPT that a device is attached to, and who tracks it. Drops the device reference */
static void list_describe_device(struct iommufd_ctx *ictx,
				 struct iommufd_device *idev,
				 struct iommu_dirty_object *out)
{
	struct iommufd_hw_pagetable *hwpt;

	mutex_lock(&idev->igroup->lock);
	hwpt = iommufd_device_attached_hwpt(idev);
	if (hwpt)
		out->parent_id = hwpt->obj.id;
	mutex_unlock(&idev->igroup->lock);
	iommufd_dirty_device_list(idev, out);
	iommufd_put_object(ictx, &idev->obj);
}

/* Find the first listed object with an id of at least @index; false if none */
static bool list_next(struct iommufd_ctx *ictx, unsigned long *index,
		      struct iommu_dirty_object *out)
{
	struct iommufd_device *idev = NULL;
	struct iommufd_object *obj;

	xa_lock(&ictx->objects);
	for (obj = xa_find(&ictx->objects, index, UINT_MAX, XA_PRESENT); obj;
	     obj = xa_find_after(&ictx->objects, index, UINT_MAX, XA_PRESENT)) {
		if (!list_describe(obj, out))
			continue;
		if (obj->type == IOMMUFD_OBJ_DEVICE && iommufd_lock_obj(obj))
			idev = container_of(obj, struct iommufd_device, obj);
		break;
	}
	xa_unlock(&ictx->objects);

	if (idev)
		list_describe_device(ictx, idev, out);
	return obj;
}

static int list_objects(struct iommufd_ctx *ictx, struct iommu_dirty_list *cmd,
			u32 room)
{
	void __user *to = u64_to_user_ptr(cmd->objects);
	struct iommu_dirty_object object;
	unsigned long index = cmd->first_id;
	int rc;

	while (list_next(ictx, &index, &object)) {
		if (cmd->num_objects == room) {
			cmd->out_next_id = index;
			return 0;
		}
		if (fatal_signal_pending(current))
			return -EINTR;
		rc = iommufd_dirty_copy_out(to, cmd->object_len, &object,
					    sizeof(object));
		if (rc)
			return rc;
		to += cmd->object_len;
		cmd->num_objects++;
		index++;
		cond_resched();
	}
	return 0;
}

/**
 * iommufd_dirty_list() - ioctl(IOMMU_DIRTY_LIST)
 * @ucmd: The call
 *
 * Return: see struct iommu_dirty_list.
 */
int iommufd_dirty_list(struct iommufd_ucmd *ucmd)
{
	struct iommu_dirty_list *cmd = ucmd->cmd;
	u32 room = cmd->num_objects;
	int rc;

	if (cmd->flags)
		return -EOPNOTSUPP;
	if (!room || cmd->object_len < OBJECT_MIN_LEN ||
	    cmd->object_len > PAGE_SIZE)
		return -EINVAL;

	cmd->num_objects = 0;
	cmd->out_next_id = 0;
	rc = list_objects(ucmd->ictx, cmd, room);
	if (rc)
		return rc;
	return iommufd_ucmd_respond(ucmd, sizeof(*cmd));
}
