// SPDX-License-Identifier: GPL-2.0-only
/*
 * Calls from the rest of iommufd into the dirty trackers: when iommufd allocates
 * a HWPT, and for the option that says which kind; when a device is attached to one
 * or detached from one, and when a HWPT joins an IOAS. Functions that need a lock held
 * say so.
 */
#include <linux/iommu.h>
#include <linux/moduleparam.h>
#include <trace/events/iommufd_dirty.h>

#include "ioas/ioas.h"
#include "tests/break.h"

static bool dirty_trackable;
module_param(dirty_trackable, bool, 0444);
MODULE_PARM_DESC(dirty_trackable,
		 "Page tables that iommufd makes by itself can be tracked, whatever it costs");

/**
 * iommufd_dirty_init_iopt() - Initialize the dirty tracking state of an IOAS
 * @iopt: The IOAS
 */
void iommufd_dirty_init_iopt(struct io_pagetable *iopt)
{
	unsigned int i;

	init_rwsem(&iopt->dirty.attach_rwsem);
	for (i = 0; i < IOMMUFD_DIRTY_WINDOW_LOCKS; i++)
		mutex_init(&iopt->dirty.window_locks[i]);
	mutex_init(&iopt->dirty.split_mutex);
	mutex_init(&iopt->dirty.vfio_mutex);
	INIT_LIST_HEAD(&iopt->dirty.trackers);
	iopt->dirty.trackable = dirty_trackable;
}

/**
 * iommufd_dirty_option() - ioctl(IOMMU_OPTION), IOMMU_OPTION_DIRTY_TRACKABLE
 * @ucmd: struct iommu_option, whose reserved field has been checked
 *
 * Return: as for the other options of an IOAS.
 */
int iommufd_dirty_option(struct iommufd_ucmd *ucmd)
{
	struct iommu_option *cmd = ucmd->cmd;
	struct iommufd_ioas *ioas;
	int rc = 0;

	ioas = iommufd_get_ioas(ucmd->ictx, cmd->object_id);
	if (IS_ERR(ioas))
		return PTR_ERR(ioas);

	if (cmd->op == IOMMU_OPTION_OP_GET)
		cmd->val64 = READ_ONCE(ioas->iopt.dirty.trackable);
	else if (cmd->op != IOMMU_OPTION_OP_SET)
		rc = -EOPNOTSUPP;
	else if (cmd->val64 > 1)
		rc = -EINVAL;
	else
		WRITE_ONCE(ioas->iopt.dirty.trackable, cmd->val64);

	iommufd_put_object(ucmd->ictx, &ioas->obj);
	return rc;
}

static enum iommu_dirty_cost dirty_cost(struct iommufd_device *idev, u32 flags)
{
	const struct iommu_ops *ops;

	/* A device may be used without an IOMMU */
	if (!idev->dev->iommu)
		return IOMMU_DIRTY_IMPOSSIBLE;
	ops = dev_iommu_ops(idev->dev);
	return ops->dirty_cost ? ops->dirty_cost(idev->dev, flags) :
				 IOMMU_DIRTY_IMPOSSIBLE;
}

/**
 * iommufd_dirty_capable() - Check whether a HWPT for a device can be tracked
 * @idev: The device
 * @flags: IOMMU_HWPT_ALLOC_* that the HWPT is allocated with
 *
 * This covers more than IOMMU_CAP_DIRTY_TRACKING, which a driver reports only for
 * page tables in its default format. IOMMU_HW_CAP_DIRTY_TRACKING reports either
 * one to userspace.
 *
 * Return: true if the driver can harvest dirty bits of such a HWPT.
 */
bool iommufd_dirty_capable(struct iommufd_device *idev, u32 flags)
{
	return dirty_cost(idev, flags) != IOMMU_DIRTY_IMPOSSIBLE;
}

/**
 * iommufd_dirty_auto_flags() - Flags for a HWPT that iommufd allocates itself
 * @ioas: The IOAS
 * @idev: The device that it is allocated for
 * @pasid: The PASID that it is allocated for
 *
 * The flags do not enable tracking; they make the driver build a page table that
 * can be tracked later. Unless the IOAS has IOMMU_OPTION_DIRTY_TRACKABLE, the HWPT
 * must be the same as without CONFIG_IOMMUFD_DIRTY.
 *
 * Return: IOMMU_HWPT_ALLOC_DIRTY_TRACKING if the driver should be asked for it,
 * else 0.
 */
u32 iommufd_dirty_auto_flags(struct iommufd_ioas *ioas,
			     struct iommufd_device *idev, ioasid_t pasid)
{
	enum iommu_dirty_cost cost = dirty_cost(idev, 0);

	/* Some drivers reject dirty tracking for a PASID */
	if (pasid != IOMMU_NO_PASID || cost == IOMMU_DIRTY_IMPOSSIBLE)
		return 0;
	if (cost == IOMMU_DIRTY_COSTS && !READ_ONCE(ioas->iopt.dirty.trackable))
		return 0;
	return IOMMU_HWPT_ALLOC_DIRTY_TRACKING;
}

/**
 * iommufd_dirty_auto_retry() - Check whether to retry without dirty tracking
 * @flags: In: the flags of the attempt that failed. Out: 0 for the retry
 * @err: The error of that attempt
 *
 * Return: true if the caller should retry with the new flags.
 */
bool iommufd_dirty_auto_retry(u32 *flags, long err)
{
	if (!*flags ||
	    (err != -EOPNOTSUPP && err != -EINVAL && err != -EADDRINUSE))
		return false;
	*flags = 0;
	return true;
}

/**
 * iommufd_dirty_limit_entries() - Limit the entries of a HWPT that can be tracked
 * @ioas: The IOAS
 * @domain: The domain, nothing mapped in it
 * @flags: IOMMU_HWPT_ALLOC_* that it was allocated with
 * @auto_domain: iommufd makes the HWPT by itself
 *
 * One written byte makes a whole entry dirty, so an entry of many GiB would be
 * copied again and again. AMD v1 and Arm with 64 KiB pages have such entries. They
 * stay where no user has requested tracking: the IOTLB holds more of a large entry.
 */
void iommufd_dirty_limit_entries(struct iommufd_ioas *ioas,
				 struct iommu_domain *domain, u32 flags,
				 bool auto_domain)
{
	if ((flags & IOMMU_HWPT_ALLOC_DIRTY_TRACKING) &&
	    (!auto_domain || READ_ONCE(ioas->iopt.dirty.trackable)))
		domain->pgsize_bitmap &= 2 * IOMMUFD_DIRTY_WINDOW - 1;
}

static struct rw_semaphore *attach_rwsem(struct iommufd_hw_pagetable *hwpt)
{
	struct iommufd_hwpt_paging *paging = hwpt ? find_hwpt_paging(hwpt) :
						    NULL;

	return paging ? &paging->ioas->iopt.dirty.attach_rwsem : NULL;
}

/**
 * iommufd_dirty_attach_begin() - A device is about to be attached or detached
 * @hwpt: The HWPT that it is attached to or detached from
 * @old: The HWPT that is replaced, or NULL
 *
 * Until iommufd_dirty_attach_end(), no tracker of the IOASes enables or disables
 * tracking in hardware, or harvests. Enabling tracking and flushing the IOTLB can
 * both miss a device that is only half attached.
 */
void iommufd_dirty_attach_begin(struct iommufd_hw_pagetable *hwpt,
				struct iommufd_hw_pagetable *old)
{
	struct rw_semaphore *a = attach_rwsem(hwpt), *b = attach_rwsem(old);

	if (a > b)
		swap(a, b);
	if (a == b)
		b = NULL;
	if (a)
		down_write(a);
	if (b)
		down_write_nested(b, SINGLE_DEPTH_NESTING);
}

/**
 * iommufd_dirty_attach_end() - A device attach or detach has finished or failed
 * @hwpt: As for iommufd_dirty_attach_begin()
 * @old: As for iommufd_dirty_attach_begin()
 */
void iommufd_dirty_attach_end(struct iommufd_hw_pagetable *hwpt,
			      struct iommufd_hw_pagetable *old)
{
	struct rw_semaphore *a = attach_rwsem(hwpt), *b = attach_rwsem(old);

	if (a)
		up_write(a);
	if (b && b != a)
		up_write(b);
}

/* Enable tracking in a domain that joins; returns as iommufd_dirty_add_domain() */
static int add_tracked(struct io_pagetable *iopt, struct iommu_domain *domain)
{
	bool capable = iommufd_dirty_domain_capable(domain);

	if (!iommufd_dirty_watched(iopt) ||
	    iommufd_dirty_breaks(IOMMUFD_DIRTY_BREAK_ATTACH))
		return 0;
	if (capable && !domain->dirty_ops->set_dirty_tracking(domain, true))
		return 0;
	if (!iommufd_dirty_all_degraded(iopt))
		return -ENXIO;
	if (!iommufd_dirty_untracked(iopt))
		trace_iommufd_dirty_degraded(container_of(iopt,
							  struct iommufd_ioas,
							  iopt)->obj.id);
	domain->dirty_failed = capable;
	return 0;
}

/**
 * iommufd_dirty_add_domain() - A domain joins the IOAS
 * @iopt: The IOAS
 * @domain: The domain, nothing mapped in it
 *
 * Tracking is enabled before anything is mapped in the domain. If it cannot be
 * enabled, trackers in degraded mode treat everything mapped for writing as dirty
 * while the domain is part of the IOAS. If its areas then cannot be mapped,
 * iommufd_dirty_fill_failed() is called.
 *
 * Context: domains_rwsem is held for writing.
 * Return: 0, or -ENXIO if the domain cannot be tracked and a tracker on the IOAS
 * is neither in degraded mode nor abandoned.
 */
int iommufd_dirty_add_domain(struct io_pagetable *iopt,
			     struct iommu_domain *domain)
{
	int rc;

	lockdep_assert_held_write(&iopt->domains_rwsem);

	rc = add_tracked(iopt, domain);
	if (!rc && iommufd_dirty_domain_wide(domain))
		iopt->dirty.wide = true;
	return rc;
}
