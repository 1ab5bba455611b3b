// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a tracker covers: its members, and whether each can be tracked. Called
 * by START, which needs all of them to be trackable, and by the INFO ioctl.
 */
#include <linux/iommu.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "dirty.h"

/* Size of the first version of the struct, its smallest one ever */
#define MEMBER_MIN_LEN	32

/**
 * iommufd_dirty_describe_hwpt() - Fill in the member of a HWPT
 * @hwpt: The HWPT, in the list of its IOAS
 * @member: Out
 *
 * Context: iommufd_ioas::mutex is held.
 */
void iommufd_dirty_describe_hwpt(struct iommufd_hwpt_paging *hwpt,
				 struct iommu_dirty_member *member)
{
	struct iommu_domain *domain = hwpt->common.domain;
	struct iommu_dirty_desc desc = {
		.format = IOMMU_DIRTY_FMT_UNKNOWN,
		.reason = IOMMU_DIRTY_REASON_NO_DRIVER,
	};

	lockdep_assert_held(&hwpt->ioas->mutex);

	if (domain->ops->dirty_describe)
		domain->ops->dirty_describe(domain, &desc);

	if (desc.reason == IOMMU_DIRTY_REASON_OK && domain->dirty_failed)
		desc.reason = IOMMU_DIRTY_REASON_ENABLE_FAILED;

	*member = (struct iommu_dirty_member){
		.type = IOMMU_DIRTY_MEMBER_HWPT,
		.id = hwpt->common.obj.id,
		.format = desc.format,
		.reason = desc.reason,
		.flags = hwpt->auto_domain ? IOMMU_DIRTY_MEMBER_AUTO : 0,
		.io_page_sizes = domain->pgsize_bitmap,
	};
}

static void describe_access(struct iommufd_access *access,
			    struct iommu_dirty_member *member)
{
	*member = (struct iommu_dirty_member){
		.type = IOMMU_DIRTY_MEMBER_ACCESS,
		.id = access->obj.id,
		.reason = IOMMU_DIRTY_REASON_OK,
	};
}

/**
 * iommufd_dirty_first_untrackable() - Find a member that cannot be tracked
 * @ioas: The IOAS
 * @member: Out: the member
 *
 * Context: iommufd_ioas::mutex and domains_rwsem are held.
 * Return: 0 if all can be tracked, else -ENXIO.
 */
int iommufd_dirty_first_untrackable(struct iommufd_ioas *ioas,
				    struct iommu_dirty_member *member)
{
	struct iommufd_hwpt_paging *hwpt;

	lockdep_assert_held(&ioas->iopt.domains_rwsem);

	list_for_each_entry(hwpt, &ioas->hwpt_list, hwpt_item) {
		iommufd_dirty_describe_hwpt(hwpt, member);
		if (member->reason != IOMMU_DIRTY_REASON_OK)
			return -ENXIO;
	}
	return 0;
}

/**
 * iommufd_dirty_copy_out() - Write an entry of a user's array
 * @to: The entry
 * @len: How long an entry is for the user
 * @from: The entry as the kernel knows it
 * @known: How long it is; what the user has behind it is zeroed
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

/**
 * iommufd_dirty_info_add() - Collect a member, if there is room for it
 * @info: Where
 * @member: The member
 */
void iommufd_dirty_info_add(struct iommufd_dirty_info *info,
			    const struct iommu_dirty_member *member)
{
	if (info->nr < info->room)
		info->members[info->nr] = *member;
	info->nr++;
}

static void info_members(struct iommufd_dirty_tracker *tracker,
			 struct iommufd_dirty_info *info)
{
	struct iommufd_ioas *ioas = tracker->ioas;
	struct iommu_dirty_member member;
	struct iommufd_hwpt_paging *hwpt;
	struct iommufd_access *access;
	unsigned long index;

	lockdep_assert_held(&ioas->mutex);
	lockdep_assert_held(&ioas->iopt.domains_rwsem);

	list_for_each_entry(hwpt, &ioas->hwpt_list, hwpt_item) {
		iommufd_dirty_describe_hwpt(hwpt, &member);
		if (tracker->state == IOMMU_DIRTY_STATE_RUNNING &&
		    member.reason == IOMMU_DIRTY_REASON_OK)
			member.flags |= IOMMU_DIRTY_MEMBER_TRACKED;
		iommufd_dirty_info_add(info, &member);
	}
	xa_for_each(&ioas->iopt.access_list, index, access) {
		describe_access(access, &member);
		if (tracker->state == IOMMU_DIRTY_STATE_RUNNING)
			member.flags |= IOMMU_DIRTY_MEMBER_TRACKED;
		iommufd_dirty_info_add(info, &member);
	}
}

/**
 * iommufd_dirty_ioas_info() - What INFO tells of a tracker of an IOAS
 * @tracker: The tracker
 * @cmd: Out: what only such a tracker knows; zeroed by the caller
 * @info: Where to collect the members
 *
 * Return: 0, or -EINTR if killed.
 */
int iommufd_dirty_ioas_info(struct iommufd_dirty_tracker *tracker,
			    struct iommu_dirty_tracker_info *cmd,
			    struct iommufd_dirty_info *info)
{
	struct iommufd_ioas *ioas = tracker->ioas;

	if (mutex_lock_killable(&ioas->mutex))
		return -EINTR;
	if (down_read_killable(&ioas->iopt.domains_rwsem)) {
		mutex_unlock(&ioas->mutex);
		return -EINTR;
	}
	info_members(tracker, info);
	cmd->out_state = tracker->state;
	if (tracker->state != IOMMU_DIRTY_STATE_STOPPED && tracker->degraded)
		cmd->out_flags |= IOMMU_DIRTY_TRACKER_DEGRADED;
	if (tracker->state != IOMMU_DIRTY_STATE_STOPPED &&
	    iommufd_dirty_blind(tracker))
		cmd->out_flags |= IOMMU_DIRTY_TRACKER_BLIND;
	up_read(&ioas->iopt.domains_rwsem);
	mutex_unlock(&ioas->mutex);
	return 0;
}

/* All that the user has room for; how many there are is known afterwards only */
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
	cmd->out_target_id = iommufd_dirty_target_id(tracker);
	cmd->out_max_trackers = IOMMUFD_DIRTY_MAX_TRACKERS;
	/* Each power of two from 4 KiB on */
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

	tracker = iommufd_get_dirty_tracker(ucmd->ictx, cmd->tracker_id);
	if (IS_ERR(tracker))
		return PTR_ERR(tracker);

	rc = info_fill(tracker, cmd);
	if ((!rc || rc == -EMSGSIZE) &&
	    iommufd_ucmd_respond(ucmd, sizeof(*cmd)))
		rc = -EFAULT;
	iommufd_put_object(ucmd->ictx, &tracker->obj);
	return rc;
}
