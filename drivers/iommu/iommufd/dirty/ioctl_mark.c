// SPDX-License-Identifier: GPL-2.0-only
/*
 * MARK: checks the arguments and looks up the tracker. Called from iommufd's ioctl
 * table, without locks.
 */
#include <trace/events/iommufd_dirty.h>

#include "object.h"

/* A bitmap has a range and a page size, runs have neither */
static int mark_check(const struct iommu_dirty_tracker_mark *cmd,
		      const struct iommufd_dirty_request *req)
{
	if (!cmd->num_runs)
		return iommufd_dirty_check_request(req);
	return cmd->iova || cmd->length || cmd->page_size ? -EINVAL : 0;
}

/**
 * iommufd_dirty_tracker_mark() - ioctl(IOMMU_DIRTY_TRACKER_MARK)
 * @ucmd: The call
 *
 * Return: see struct iommu_dirty_tracker_mark.
 */
int iommufd_dirty_tracker_mark(struct iommufd_ucmd *ucmd)
{
	struct iommu_dirty_tracker_mark *cmd = ucmd->cmd;
	struct iommufd_dirty_request req = {
		.iova = cmd->iova,
		.length = cmd->length,
		.page_size = cmd->page_size,
		.data = cmd->data,
	};
	struct iommufd_dirty_tracker *tracker;
	struct iommufd_dirty_asked asked;
	int rc;

	if (cmd->flags)
		return -EOPNOTSUPP;
	rc = mark_check(cmd, &req);
	if (rc)
		return rc;
	tracker = iommufd_dirty_get(ucmd, cmd->tracker_id);
	if (IS_ERR(tracker))
		return PTR_ERR(tracker);
	iommufd_dirty_ask(&asked, tracker);
	if (cmd->num_runs)
		rc = iommufd_dirty_mark_user_runs(&asked, cmd->data,
						  cmd->num_runs);
	else
		rc = iommufd_dirty_mark_bitmap(&asked, &req);
	trace_iommufd_dirty_mark(cmd->tracker_id, cmd->iova, cmd->length,
				 cmd->num_runs, rc);
	if (rc)
		trace_iommufd_dirty_error(cmd->tracker_id, rc);
	iommufd_dirty_put(ucmd, tracker);
	return rc;
}
