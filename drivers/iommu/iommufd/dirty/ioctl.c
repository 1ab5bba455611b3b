// SPDX-License-Identifier: GPL-2.0-only
/*
 * ALLOC, START and STOP: check the arguments, look the objects up, copy the
 * answer out. Called from iommufd's ioctl table.
 */

#include "dirty.h"

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
	if (target->type != IOMMUFD_OBJ_IOAS) {
		rc = -EOPNOTSUPP;
		goto out_put;
	}

	tracker = iommufd_dirty_tracker_new(ucmd->ictx,
					    container_of(target,
							 struct iommufd_ioas,
							 obj));
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

/**
 * iommufd_dirty_tracker_start() - ioctl(IOMMU_DIRTY_TRACKER_START)
 * @ucmd: The call
 *
 * Return: see struct iommu_dirty_tracker_start.
 */
int iommufd_dirty_tracker_start(struct iommufd_ucmd *ucmd)
{
	struct iommu_dirty_tracker_start *cmd = ucmd->cmd;
	struct iommu_dirty_member failed = {};
	struct iommufd_dirty_tracker *tracker;
	int rc;

	cmd->out_type = 0;
	cmd->out_id = 0;
	cmd->out_reason = 0;
	if (iommufd_ucmd_respond(ucmd, sizeof(*cmd)))
		return -EFAULT;
	if (cmd->flags & ~IOMMU_DIRTY_START_DEGRADED)
		return -EOPNOTSUPP;

	tracker = iommufd_get_dirty_tracker(ucmd->ictx, cmd->tracker_id);
	if (IS_ERR(tracker))
		return PTR_ERR(tracker);

	rc = iommufd_dirty_start(tracker,
				 cmd->flags & IOMMU_DIRTY_START_DEGRADED,
				 &failed);
	if (rc == -EOPNOTSUPP) {
		cmd->out_type = failed.type;
		cmd->out_id = failed.id;
		cmd->out_reason = failed.reason;
		if (iommufd_ucmd_respond(ucmd, sizeof(*cmd)))
			rc = -EFAULT;
	}
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
	rc = iommufd_dirty_stop(tracker);
	iommufd_put_object(ucmd->ictx, &tracker->obj);
	return rc;
}
