// SPDX-License-Identifier: GPL-2.0-only
/*
 * ALLOC, START, UPDATE and STOP: check the arguments, look up the objects, copy out the
 * results. Called from iommufd's ioctl table, without locks.
 */
#include <linux/mm.h>
#include <linux/slab.h>
#include <trace/events/iommufd_dirty.h>

#include "device/device.h"
#include "verbs.h"

static struct iommufd_dirty_tracker *
alloc_tracker(struct iommufd_ctx *ictx, struct iommufd_object *target)
{
	struct iommufd_dirty_device *device;
	struct iommufd_dirty_tracker *tracker;

	switch (target->type) {
	case IOMMUFD_OBJ_IOAS:
		return iommufd_dirty_tracker_new(ictx,
						 container_of(target,
							      struct iommufd_ioas,
							      obj), NULL);
	case IOMMUFD_OBJ_DEVICE:
		device = iommufd_dirty_device_get(container_of(target,
							       struct iommufd_device,
							       obj));
		if (IS_ERR(device))
			return ERR_CAST(device);
		tracker = iommufd_dirty_tracker_new(ictx, NULL, device);
		if (IS_ERR(tracker))
			iommufd_dirty_device_put(device);
		return tracker;
	default:
		return ERR_PTR(-EINVAL);
	}
}

/**
 * iommufd_dirty_tracker_alloc() - ioctl(IOMMU_DIRTY_TRACKER_ALLOC)
 * @ucmd: The call
 *
 * Return: see struct iommu_dirty_tracker_alloc.
 */
int iommufd_dirty_tracker_alloc(struct iommufd_ucmd *ucmd)
{
	struct iommu_dirty_tracker_alloc *cmd = ucmd->cmd;
	struct iommufd_dirty_tracker *tracker;
	struct iommufd_object *target;
	int rc;

	if (cmd->flags)
		return -EOPNOTSUPP;

	target = iommufd_get_object(ucmd->ictx, cmd->target_id,
				    IOMMUFD_OBJ_ANY);
	if (IS_ERR(target))
		return PTR_ERR(target);
	tracker = alloc_tracker(ucmd->ictx, target);
	if (IS_ERR(tracker)) {
		rc = PTR_ERR(tracker);
		goto out_put;
	}

	cmd->out_tracker_id = tracker->obj.id;
	rc = iommufd_ucmd_respond(ucmd, sizeof(*cmd));
	if (rc)
		iommufd_object_abort_and_destroy(ucmd->ictx, &tracker->obj);
	else
		iommufd_object_finalize(ucmd->ictx, &tracker->obj);
out_put:
	iommufd_put_object(ucmd->ictx, target);
	return rc;
}

/* An IOAS tracker takes neither ranges nor a page size */
static int start_check(const struct iommufd_dirty_tracker *tracker,
		       const struct iommu_dirty_tracker_start *cmd)
{
	if (tracker->device)
		return 0;
	return cmd->num_ranges || cmd->ranges || cmd->page_size ? -EINVAL : 0;
}

static int start_tracker(struct iommufd_dirty_tracker *tracker,
			 struct iommu_dirty_tracker_start *cmd)
{
	struct iommufd_dirty_start_args req = {
		.degraded = cmd->flags & IOMMU_DIRTY_START_DEGRADED,
		.page_size = cmd->page_size,
	};
	int rc;

	rc = start_check(tracker, cmd);
	if (rc)
		return rc;
	if (tracker->device) {
		req.ranges = iommufd_dirty_ranges_from_user(cmd->ranges,
							    cmd->num_ranges,
							    cmd->page_size);
		if (IS_ERR(req.ranges))
			return PTR_ERR(req.ranges);
	}
	rc = iommufd_dirty_start(tracker, &req);
	if (rc == -ENXIO) {
		cmd->out_type = req.failed.type;
		cmd->out_id = req.failed.id;
		cmd->out_reason = req.failed.reason;
	}
	if (!rc && tracker->device) {
		cmd->num_ranges = req.ranges->nr;
		cmd->page_size = req.page_size;
		rc = iommufd_dirty_ranges_to_user(cmd->ranges, req.ranges);
		if (rc)
			iommufd_dirty_stop(tracker, false);
	}
	kvfree(req.ranges);
	return rc;
}

/**
 * iommufd_dirty_tracker_start() - ioctl(IOMMU_DIRTY_TRACKER_START)
 * @ucmd: The call
 *
 * Return: see struct iommu_dirty_tracker_start.
 */
int iommufd_dirty_tracker_start(struct iommufd_ucmd *ucmd)
{
	struct iommu_dirty_tracker_start *cmd = ucmd->cmd;
	struct iommufd_dirty_tracker *tracker;
	int rc;

	cmd->out_type = 0;
	cmd->out_id = 0;
	cmd->out_reason = 0;
	if (iommufd_ucmd_respond(ucmd, sizeof(*cmd)))
		return -EFAULT;
	if ((cmd->flags & ~IOMMU_DIRTY_START_DEGRADED) || cmd->__reserved)
		return -EOPNOTSUPP;

	tracker = iommufd_get_dirty_tracker(ucmd->ictx, cmd->tracker_id);
	if (IS_ERR(tracker))
		return PTR_ERR(tracker);
	rc = start_tracker(tracker, cmd);
	if ((!rc || rc == -ENXIO) &&
	    iommufd_ucmd_respond(ucmd, sizeof(*cmd))) {
		if (!rc)
			iommufd_dirty_stop(tracker, false);
		rc = -EFAULT;
	}
	iommufd_put_object(ucmd->ictx, &tracker->obj);
	return rc;
}

static int update_tracker(struct iommufd_dirty_tracker *tracker,
			  struct iommu_dirty_tracker_update *cmd)
{
	struct iommufd_dirty_start_args req = {
		.gap_dirty = cmd->flags & IOMMU_DIRTY_UPDATE_GAP_DIRTY,
		.page_size = cmd->page_size,
	};
	int rc;

	if (!tracker->device)
		return -EINVAL;
	req.ranges = iommufd_dirty_ranges_from_user(cmd->ranges,
						    cmd->num_ranges,
						    cmd->page_size);
	if (IS_ERR(req.ranges))
		return PTR_ERR(req.ranges);
	rc = iommufd_dirty_update(tracker, &req);
	trace_iommufd_dirty_update(tracker->obj.id, rc);
	if (!rc) {
		cmd->num_ranges = req.ranges->nr;
		cmd->page_size = req.page_size;
		rc = iommufd_dirty_ranges_to_user(cmd->ranges, req.ranges);
	}
	kvfree(req.ranges);
	return rc;
}

/**
 * iommufd_dirty_tracker_update() - ioctl(IOMMU_DIRTY_TRACKER_UPDATE)
 * @ucmd: The call
 *
 * Return: see struct iommu_dirty_tracker_update.
 */
int iommufd_dirty_tracker_update(struct iommufd_ucmd *ucmd)
{
	struct iommu_dirty_tracker_update *cmd = ucmd->cmd;
	struct iommufd_dirty_tracker *tracker;
	int rc;

	/* Check that the result can be written while nothing has changed yet */
	if (iommufd_ucmd_respond(ucmd, sizeof(*cmd)))
		return -EFAULT;
	if (cmd->flags & ~IOMMU_DIRTY_UPDATE_GAP_DIRTY)
		return -EOPNOTSUPP;

	tracker = iommufd_get_dirty_tracker(ucmd->ictx, cmd->tracker_id);
	if (IS_ERR(tracker))
		return PTR_ERR(tracker);
	rc = update_tracker(tracker, cmd);
	if (!rc && iommufd_ucmd_respond(ucmd, sizeof(*cmd)))
		rc = -EFAULT;
	iommufd_put_object(ucmd->ictx, &tracker->obj);
	return rc;
}

/**
 * iommufd_dirty_tracker_stop() - ioctl(IOMMU_DIRTY_TRACKER_STOP)
 * @ucmd: The call
 *
 * Return: see struct iommu_dirty_tracker_stop.
 */
int iommufd_dirty_tracker_stop(struct iommufd_ucmd *ucmd)
{
	struct iommu_dirty_tracker_stop *cmd = ucmd->cmd;
	struct iommufd_dirty_tracker *tracker;
	int rc;

	if (cmd->flags || cmd->__reserved)
		return -EOPNOTSUPP;

	tracker = iommufd_get_dirty_tracker(ucmd->ictx, cmd->tracker_id);
	if (IS_ERR(tracker))
		return PTR_ERR(tracker);
	rc = iommufd_dirty_stop(tracker, true);
	iommufd_put_object(ucmd->ictx, &tracker->obj);
	return rc;
}
