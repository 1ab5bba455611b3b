// SPDX-License-Identifier: GPL-2.0-only
/*
 * ALLOC, START, UPDATE and STOP: check the arguments, look up the objects, copy out the
 * results. Called from iommufd's ioctl table, without locks.
 */
#include <linux/fcntl.h>
#include <linux/file.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/stddef.h>
#include <trace/events/iommufd_dirty.h>

#include "device/device.h"
#include "object.h"

/**
 * struct new_tracker - What ALLOC has made: a tracker with an id, or a file
 * @object: With an id, or NULL
 * @filp: The file, or NULL
 */
struct new_tracker {
	struct iommufd_dirty_object *object;
	struct file *filp;
};

static int alloc_tracker(struct iommufd_ucmd *ucmd, struct iommufd_ioas *ioas,
			 struct iommufd_dirty_device *device,
			 struct new_tracker *new)
{
	struct iommu_dirty_tracker_alloc *cmd = ucmd->cmd;

	if (cmd->flags & IOMMU_DIRTY_ALLOC_FILE)
		return iommufd_dirty_file_new(ioas, device, cmd->flags,
					      &new->filp);
	new->object = iommufd_dirty_object_new(ucmd->ictx, ioas, device,
					       cmd->flags);
	return PTR_ERR_OR_ZERO(new->object);
}

/* Holds a reference to the target no longer than needed: it makes calls of others fail */
static int alloc_for_target(struct iommufd_ucmd *ucmd, struct new_tracker *new)
{
	struct iommu_dirty_tracker_alloc *cmd = ucmd->cmd;
	struct iommufd_dirty_device *device;
	struct iommufd_object *target;
	int rc;

	target = iommufd_get_object(ucmd->ictx, cmd->target_id,
				    IOMMUFD_OBJ_ANY);
	if (IS_ERR(target))
		return PTR_ERR(target);
	switch (target->type) {
	case IOMMUFD_OBJ_IOAS:
		rc = alloc_tracker(ucmd,
				   container_of(target, struct iommufd_ioas, obj),
				   NULL, new);
		break;
	case IOMMUFD_OBJ_DEVICE:
		device = iommufd_dirty_device_get(container_of(target,
							       struct iommufd_device,
							       obj));
		if (IS_ERR(device)) {
			rc = PTR_ERR(device);
			break;
		}
		rc = alloc_tracker(ucmd, NULL, device, new);
		iommufd_dirty_device_put(device);
		break;
	default:
		rc = -EINVAL;
	}
	iommufd_put_object(ucmd->ictx, target);
	return rc;
}

static int alloc_object(struct iommufd_ucmd *ucmd)
{
	struct iommu_dirty_tracker_alloc *cmd = ucmd->cmd;
	struct new_tracker new = {};
	int rc;

	rc = alloc_for_target(ucmd, &new);
	if (rc)
		return rc;
	cmd->out_tracker_id = new.object->obj.id;
	if (iommufd_ucmd_respond(ucmd, sizeof(*cmd))) {
		iommufd_object_abort_and_destroy(ucmd->ictx, &new.object->obj);
		return -EFAULT;
	}
	iommufd_object_finalize(ucmd->ictx, &new.object->obj);
	return 0;
}

static int alloc_file(struct iommufd_ucmd *ucmd)
{
	struct iommu_dirty_tracker_alloc *cmd = ucmd->cmd;
	struct new_tracker new = {};
	int fd, rc;

	if (ucmd->user_size < offsetofend(typeof(*cmd), out_fd))
		return -EINVAL;
	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0)
		return fd;
	rc = alloc_for_target(ucmd, &new);
	if (rc)
		goto err_fd;
	cmd->out_tracker_id = 0;
	cmd->out_fd = fd;
	if (iommufd_ucmd_respond(ucmd, sizeof(*cmd))) {
		rc = -EFAULT;
		goto err_fput;
	}
	fd_install(fd, new.filp);
	return 0;

err_fput:
	fput(new.filp);
err_fd:
	put_unused_fd(fd);
	return rc;
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

	if ((cmd->flags & ~(IOMMU_DIRTY_ALLOC_PASSIVE |
			    IOMMU_DIRTY_ALLOC_FILE)) || cmd->__reserved)
		return -EOPNOTSUPP;
	return cmd->flags & IOMMU_DIRTY_ALLOC_FILE ? alloc_file(ucmd) :
						     alloc_object(ucmd);
}

#define SPLIT_FLAGS	(IOMMU_DIRTY_START_SPLIT | IOMMU_DIRTY_START_SPLIT_LAZY)

/*
 * An IOAS tracker takes neither ranges nor a page size. A device tracker has no page table,
 * and a passive one must not change those of others.
 */
static int start_check(const struct iommufd_dirty_tracker *tracker,
		       const struct iommu_dirty_tracker_start *cmd)
{
	u32 splits = cmd->flags & SPLIT_FLAGS;

	if (splits == SPLIT_FLAGS ||
	    (splits && (tracker->device || tracker->passive)))
		return -EINVAL;
	if (tracker->device)
		return 0;
	return cmd->num_ranges || cmd->ranges || cmd->page_size ? -EINVAL : 0;
}

static enum iommufd_dirty_splits start_splits(u32 flags)
{
	if (flags & IOMMU_DIRTY_START_SPLIT)
		return IOMMUFD_DIRTY_SPLIT_EAGER;
	return flags & IOMMU_DIRTY_START_SPLIT_LAZY ? IOMMUFD_DIRTY_SPLIT_LAZY :
						      IOMMUFD_DIRTY_SPLIT_NEVER;
}

static int start_tracker(struct iommufd_dirty_tracker *tracker,
			 struct iommu_dirty_tracker_start *cmd)
{
	struct iommufd_dirty_start_args req = {
		.degraded = cmd->flags & IOMMU_DIRTY_START_DEGRADED,
		.splits = start_splits(cmd->flags),
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
	if ((cmd->flags & ~(IOMMU_DIRTY_START_DEGRADED | SPLIT_FLAGS)) ||
	    cmd->__reserved)
		return -EOPNOTSUPP;

	tracker = iommufd_dirty_get(ucmd, cmd->tracker_id);
	if (IS_ERR(tracker))
		return PTR_ERR(tracker);
	rc = start_tracker(tracker, cmd);
	if ((!rc || rc == -ENXIO) &&
	    iommufd_ucmd_respond(ucmd, sizeof(*cmd))) {
		if (!rc)
			iommufd_dirty_stop(tracker, false);
		rc = -EFAULT;
	}
	iommufd_dirty_put(ucmd, tracker);
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
	trace_iommufd_dirty_update(tracker->id, rc);
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

	tracker = iommufd_dirty_get(ucmd, cmd->tracker_id);
	if (IS_ERR(tracker))
		return PTR_ERR(tracker);
	rc = update_tracker(tracker, cmd);
	if (!rc && iommufd_ucmd_respond(ucmd, sizeof(*cmd)))
		rc = -EFAULT;
	iommufd_dirty_put(ucmd, tracker);
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

	tracker = iommufd_dirty_get(ucmd, cmd->tracker_id);
	if (IS_ERR(tracker))
		return PTR_ERR(tracker);
	rc = iommufd_dirty_stop(tracker, true);
	iommufd_dirty_put(ucmd, tracker);
	return rc;
}
