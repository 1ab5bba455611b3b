// SPDX-License-Identifier: GPL-2.0-only
/*
 * INFO: what a tracker covers, and its state. Called from iommufd's ioctl table,
 * without locks.
 */
#include <linux/iommu.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "object.h"

/* Size of the first version of struct iommu_dirty_member, the smallest accepted */
#define MEMBER_MIN_LEN	32

/**
 * iommufd_dirty_copy_out() - Write one entry of a user's array
 * @to: The user's entry
 * @len: Size of an entry of the user, in bytes
 * @from: The kernel's entry
 * @known: Size of @from, in bytes; the rest of the user's entry is zeroed
 *
 * Return: 0 or -EFAULT.
 */
int iommufd_dirty_copy_out(void __user *to, size_t len, const void *from,
			   size_t known)
{
	known = min(len, known);
	if (copy_to_user(to, from, known) ||
	    clear_user(to + known, len - known))
		return -EFAULT;
	return 0;
}

/*
 * Collect as many members as the user has room for. The number of members is not
 * known in advance, so retry with a larger buffer until they fit.
 */
static int info_collect(struct iommufd_dirty_tracker *tracker,
			struct iommu_dirty_tracker_info *cmd,
			struct iommufd_dirty_info *info)
{
	unsigned int wanted;
	int rc;

	for (;;) {
		cmd->out_flags = 0;
		cmd->out_max_ranges = 0;
		cmd->out_num_ranges = 0;
		cmd->out_max_span = 0;
		cmd->out_tracked_page_size = 0;
		info->nr = 0;
		rc = tracker->scope->info(tracker, cmd, info);
		wanted = min(info->nr, cmd->num_members);
		if (rc || wanted <= info->room)
			return rc;
		kvfree(info->members);
		info->room = 0;
		info->members = kvmalloc_array(wanted, sizeof(*info->members),
					       GFP_KERNEL_ACCOUNT);
		if (!info->members)
			return -ENOMEM;
		info->room = wanted;
	}
}

static int info_write(const struct iommu_dirty_tracker_info *cmd,
		      const struct iommufd_dirty_info *info)
{
	void __user *to = u64_to_user_ptr(cmd->members);
	unsigned int i;
	int rc;

	for (i = 0; i < min(info->nr, cmd->num_members); i++) {
		rc = iommufd_dirty_copy_out(to + (size_t)i * cmd->member_len,
					    cmd->member_len, &info->members[i],
					    sizeof(info->members[i]));
		if (rc)
			return rc;
	}
	return info->nr > cmd->num_members ? -EMSGSIZE : 0;
}

static int info_fill(struct iommufd_dirty_tracker *tracker,
		     struct iommu_dirty_tracker_info *cmd)
{
	struct iommufd_dirty_info info = {};
	int rc;

	rc = info_collect(tracker, cmd, &info);
	if (!rc)
		rc = info_write(cmd, &info);
	kvfree(info.members);
	if (rc && rc != -EMSGSIZE)
		return rc;

	cmd->num_members = info.nr;
	if (tracker->passive)
		cmd->out_flags |= IOMMU_DIRTY_TRACKER_PASSIVE;
	cmd->out_target_id = tracker->target_id;
	cmd->out_max_trackers = IOMMUFD_DIRTY_MAX_TRACKERS;
	/* Every power of two from 4 KiB up */
	cmd->out_page_sizes = ~(SZ_4K - 1ULL);
	cmd->out_reads = atomic64_read(&tracker->reads);
	cmd->out_pages = atomic64_read(&tracker->pages);
	return rc;
}

/**
 * iommufd_dirty_tracker_info() - ioctl(IOMMU_DIRTY_TRACKER_INFO)
 * @ucmd: The call
 *
 * Return: see struct iommu_dirty_tracker_info.
 */
int iommufd_dirty_tracker_info(struct iommufd_ucmd *ucmd)
{
	struct iommu_dirty_tracker_info *cmd = ucmd->cmd;
	struct iommufd_dirty_tracker *tracker;
	int rc;

	if (cmd->flags || cmd->__reserved)
		return -EOPNOTSUPP;
	if (cmd->num_members && (cmd->member_len < MEMBER_MIN_LEN ||
				 cmd->member_len > PAGE_SIZE))
		return -EINVAL;

	tracker = iommufd_dirty_get(ucmd, cmd->tracker_id);
	if (IS_ERR(tracker))
		return PTR_ERR(tracker);

	rc = info_fill(tracker, cmd);
	if ((!rc || rc == -EMSGSIZE) &&
	    iommufd_ucmd_respond(ucmd, sizeof(*cmd)))
		rc = -EFAULT;
	iommufd_dirty_put(ucmd, tracker);
	return rc;
}
