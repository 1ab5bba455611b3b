// SPDX-License-Identifier: GPL-2.0-only
/*
 * The members of an IOAS tracker, and whether each of them can be tracked. Called by
 * START, which fails if one cannot be tracked unless it asks for degraded mode, and by
 * INFO. Harvests and unmaps ask whether a domain is not tracked. Functions that need a
 * lock held say so.
 */
#include <linux/iommu.h>

#include "ioas.h"

/**
 * iommufd_dirty_untracked() - Check for a domain that is not tracked
 * @iopt: The IOAS, with a tracker that is running or about to run
 *
 * Context: domains_rwsem is held.
 * Return: true if writes by the devices of at least one domain are not tracked.
 */
bool iommufd_dirty_untracked(struct io_pagetable *iopt)
{
	struct iommu_domain *domain;
	unsigned long index;

	lockdep_assert_held(&iopt->domains_rwsem);

	xa_for_each(&iopt->domains, index, domain)
		if (!iommufd_dirty_domain_tracked(domain))
			return true;
	return false;
}

/**
 * iommufd_dirty_blind() - Check whether a tracker is blind
 * @tracker: An IOAS tracker, starting or running
 *
 * A blind tracker treats everything that is mapped for writing as dirty.
 *
 * Context: domains_rwsem is held.
 * Return: true if it uses degraded mode and a domain is not tracked.
 */
bool iommufd_dirty_blind(struct iommufd_dirty_tracker *tracker)
{
	return tracker->degraded &&
	       iommufd_dirty_untracked(&tracker->ioas->iopt);
}

/**
 * iommufd_dirty_describe_hwpt() - Describe a HWPT as a member
 * @hwpt: The HWPT, in the list of its IOAS
 * @member: Out: the member
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
		.split_reason = IOMMU_DIRTY_REASON_NO_DRIVER,
	};

	lockdep_assert_held(&hwpt->ioas->mutex);

	if (domain->ops->dirty_describe)
		domain->ops->dirty_describe(domain, &desc);

	if (desc.reason == IOMMU_DIRTY_REASON_OK && domain->dirty_failed)
		desc.reason = IOMMU_DIRTY_REASON_ENABLE_FAILED;
	/* What cannot be tracked is not split */
	if (desc.reason != IOMMU_DIRTY_REASON_OK)
		desc.split_reason = desc.reason;

	*member = (struct iommu_dirty_member){
		.type = IOMMU_DIRTY_MEMBER_HWPT,
		.id = hwpt->common.obj.id,
		.format = desc.format,
		.reason = desc.reason,
		.flags = hwpt->auto_domain ? IOMMU_DIRTY_MEMBER_AUTO : 0,
		.split_reason = desc.split_reason,
		.io_page_sizes = domain->pgsize_bitmap,
		.split = READ_ONCE(domain->dirty_split),
		.unsplit = READ_ONCE(domain->dirty_unsplit),
		.merged = READ_ONCE(domain->dirty_merged),
		.unmerged = READ_ONCE(domain->dirty_unmerged),
	};
	if (desc.split_reason == IOMMU_DIRTY_REASON_OK)
		member->flags |= IOMMU_DIRTY_MEMBER_SPLITS;
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

/*
 * The sizes in bytes, as a bitmap, of the entries through which devices can write. Entries may
 * be split meanwhile.
 */
static u64 sizes_used(struct io_pagetable *iopt, struct iommu_domain *domain)
{
	struct iommu_dirty_walk walk;
	struct iopt_area *area;

	lockdep_assert_held(&iopt->domains_rwsem);
	lockdep_assert_held(&iopt->iova_rwsem);

	iommu_dirty_walk_init(&walk, NULL, IOMMU_DIRTY_WALK_SIZES);
	for (area = iommufd_dirty_area_first(iopt, 0, ULONG_MAX); area;
	     area = iommufd_dirty_area_next(area, 0, ULONG_MAX)) {
		walk.iova = iopt_area_iova(area);
		walk.last = iopt_area_last_iova(area);
		/* What was found is right, whatever else fails */
		if (domain->dirty_ops->harvest(domain, &walk))
			break;
		cond_resched();
	}
	return walk.sizes;
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
		struct iommu_domain *domain = hwpt->common.domain;

		iommufd_dirty_describe_hwpt(hwpt, &member);
		if (iommufd_dirty_domain_capable(domain))
			member.io_page_sizes_used =
				sizes_used(&ioas->iopt, domain);
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

static int info_fill(struct iommufd_dirty_tracker *tracker,
		     struct iommu_dirty_tracker_info *cmd,
		     struct iommufd_dirty_info *info)
{
	struct iommufd_ioas *ioas = tracker->ioas;
	int rc = 0;

	lockdep_assert_held_read(&tracker->anchor->rwsem);

	if (mutex_lock_killable(&ioas->mutex))
		return -EINTR;
	if (down_read_killable(&ioas->iopt.domains_rwsem)) {
		rc = -EINTR;
		goto out_ioas;
	}
	if (down_read_killable(&ioas->iopt.iova_rwsem)) {
		rc = -EINTR;
		goto out_domains;
	}
	info_members(tracker, info);
	up_read(&ioas->iopt.iova_rwsem);
	cmd->out_state = tracker->state;
	if (tracker->state != IOMMU_DIRTY_STATE_STOPPED && tracker->degraded)
		cmd->out_flags |= IOMMU_DIRTY_TRACKER_DEGRADED;
	if (tracker->state != IOMMU_DIRTY_STATE_STOPPED &&
	    iommufd_dirty_blind(tracker))
		cmd->out_flags |= IOMMU_DIRTY_TRACKER_BLIND;
out_domains:
	up_read(&ioas->iopt.domains_rwsem);
out_ioas:
	mutex_unlock(&ioas->mutex);
	return rc;
}

/**
 * iommufd_dirty_ioas_info() - Fill in INFO for an IOAS tracker
 * @tracker: The tracker
 * @cmd: Out: the fields that depend on the scope; zeroed by the caller
 * @info: Where to collect the members
 *
 * An IOAS that has been destroyed has no members.
 *
 * Return: 0, or -EINTR if killed.
 */
int iommufd_dirty_ioas_info(struct iommufd_dirty_tracker *tracker,
			    struct iommu_dirty_tracker_info *cmd,
			    struct iommufd_dirty_info *info)
{
	int rc = iommufd_dirty_enter(tracker);

	if (rc == -ENODEV) {
		cmd->out_state = IOMMU_DIRTY_STATE_STOPPED;
		cmd->out_flags |= IOMMU_DIRTY_TRACKER_GONE;
		return 0;
	}
	if (rc)
		return rc;
	rc = info_fill(tracker, cmd, info);
	iommufd_dirty_exit(tracker);
	return rc;
}
