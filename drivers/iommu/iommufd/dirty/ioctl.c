// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ioctls of the dirty trackers but INFO: check the arguments, look the
 * objects up, copy the answer out. Called from iommufd's ioctl table.
 */
#include <linux/log2.h>
#include <linux/overflow.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>

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

	tracker = iommufd_object_alloc(ucmd->ictx, tracker,
				       IOMMUFD_OBJ_DIRTY_TRACKER);
	if (IS_ERR(tracker)) {
		rc = PTR_ERR(tracker);
		goto out_put;
	}
	tracker->ioas = container_of(target, struct iommufd_ioas, obj);
	refcount_inc(&tracker->ioas->obj.users);

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
	if (cmd->flags)
		return -EOPNOTSUPP;

	tracker = iommufd_get_dirty_tracker(ucmd->ictx, cmd->tracker_id);
	if (IS_ERR(tracker))
		return PTR_ERR(tracker);

	rc = iommufd_dirty_start(tracker, &failed);
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

static int read_check(const struct iommu_dirty_tracker_read *cmd)
{
	u64 last;

	if ((cmd->flags & ~IOMMU_DIRTY_READ_NO_CLEAR) || cmd->__reserved)
		return -EOPNOTSUPP;
	if (!cmd->num_trackers ||
	    cmd->num_trackers > IOMMUFD_DIRTY_MAX_TRACKERS)
		return -EINVAL;
	if (!cmd->length || !is_power_of_2(cmd->page_size) ||
	    cmd->page_size < SZ_4K)
		return -EINVAL;
	if (check_add_overflow(cmd->iova, cmd->length - 1, &last))
		return -EOVERFLOW;
	return 0;
}

/* Everything that READ needs for each of its trackers */
struct read_trackers {
	struct iommu_dirty_read_tracker __user *user;
	struct iommu_dirty_read_tracker entries[IOMMUFD_DIRTY_MAX_TRACKERS];
	struct iommufd_dirty_tracker *trackers[IOMMUFD_DIRTY_MAX_TRACKERS];
	u64 added[IOMMUFD_DIRTY_MAX_TRACKERS];
	unsigned int nr;
};

static void read_put_trackers(struct iommufd_ctx *ictx,
			      struct read_trackers *set)
{
	while (set->nr)
		iommufd_put_object(ictx, &set->trackers[--set->nr]->obj);
}

static int read_get_trackers(struct iommufd_ctx *ictx,
			     struct read_trackers *set,
			     const struct iommu_dirty_tracker_read *cmd)
{
	int rc;

	set->user = u64_to_user_ptr(cmd->trackers);
	if (copy_from_user(set->entries, set->user,
			   cmd->num_trackers * sizeof(*set->entries)))
		return -EFAULT;

	for (; set->nr != cmd->num_trackers; set->nr++) {
		struct iommufd_dirty_tracker *tracker;

		rc = -EOPNOTSUPP;
		if (set->entries[set->nr].__reserved)
			goto err_put;
		tracker = iommufd_get_dirty_tracker(ictx,
						    set->entries[set->nr].tracker_id);
		rc = PTR_ERR_OR_ZERO(tracker);
		if (rc)
			goto err_put;
		set->trackers[set->nr] = tracker;
	}
	return 0;

err_put:
	read_put_trackers(ictx, set);
	return rc;
}

static int read_respond(struct iommufd_ucmd *ucmd, struct read_trackers *set)
{
	struct iommu_dirty_tracker_read *cmd = ucmd->cmd;
	unsigned int i;

	for (i = 0; i < set->nr; i++)
		set->entries[i].out_pages = set->added[i];
	if (copy_to_user(set->user, set->entries,
			 set->nr * sizeof(*set->entries)))
		return -EFAULT;
	return iommufd_ucmd_respond(ucmd, sizeof(*cmd));
}

/**
 * iommufd_dirty_tracker_read() - ioctl(IOMMU_DIRTY_TRACKER_READ)
 * @ucmd: The call
 *
 * Return: see struct iommu_dirty_tracker_read.
 */
int iommufd_dirty_tracker_read(struct iommufd_ucmd *ucmd)
{
	struct iommu_dirty_tracker_read *cmd = ucmd->cmd;
	struct read_trackers *set;
	unsigned int i;
	int rc;

	/* Find out that the answer cannot be written before there is one */
	cmd->out_length = 0;
	cmd->out_pages = 0;
	if (iommufd_ucmd_respond(ucmd, sizeof(*cmd)))
		return -EFAULT;
	rc = read_check(cmd);
	if (rc)
		return rc;

	set = kzalloc(sizeof(*set), GFP_KERNEL_ACCOUNT);
	if (!set)
		return -ENOMEM;
	rc = read_get_trackers(ucmd->ictx, set, cmd);
	if (rc)
		goto out_free;
	rc = read_respond(ucmd, set);
	if (rc)
		goto out_put;

	rc = iommufd_dirty_read(set->trackers, set->added, set->nr, cmd);
	for (i = 0; i < set->nr; i++) {
		if (!rc)
			atomic64_inc(&set->trackers[i]->reads);
		atomic64_add(set->added[i], &set->trackers[i]->pages);
	}
	if (read_respond(ucmd, set))
		rc = -EFAULT;
out_put:
	read_put_trackers(ucmd->ictx, set);
out_free:
	kfree(set);
	return rc;
}
