// SPDX-License-Identifier: GPL-2.0-only
/*
 * Calls from the rest of iommufd into the dirty trackers: when iommufd allocates
 * a HWPT, when a device is attached to one or detached from one, and when a HWPT
 * joins an IOAS. Functions that need a lock held say so.
 */
#include <linux/iommu.h>
#include <trace/events/iommufd_dirty.h>

#include "ioas/ioas.h"
#include "tests/break.h"

/**
 * iommufd_dirty_init_iopt() - Initialize the dirty tracking state of an IOAS
 * @iopt: The IOAS
 */
void iommufd_dirty_init_iopt(struct io_pagetable *iopt)
{
	init_rwsem(&iopt->dirty.attach_rwsem);
	mutex_init(&iopt->dirty.harvest_mutex);
	mutex_init(&iopt->dirty.vfio_mutex);
	INIT_LIST_HEAD(&iopt->dirty.trackers);
}

static enum iommu_dirty_cost dirty_cost(struct iommufd_device *idev, u32 flags)
{
	const struct iommu_ops *ops = dev_iommu_ops(idev->dev);

	if (!ops->domain_alloc_user || !ops->default_domain_ops ||
	    !ops->default_domain_ops->dirty_cost)
		return IOMMU_DIRTY_IMPOSSIBLE;
	return ops->default_domain_ops->dirty_cost(idev->dev, flags);
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
 * @idev: The device that it is allocated for
 * @pasid: The PASID that it is allocated for
 *
 * The flags do not enable tracking; they make the driver build a page table that
 * can be tracked later.
 *
 * Return: IOMMU_HWPT_ALLOC_DIRTY_TRACKING if the driver should be asked for it,
 * else 0.
 */
u32 iommufd_dirty_auto_flags(struct iommufd_device *idev, ioasid_t pasid)
{
	/* VT-d rejects dirty tracking domains for a PASID */
	if (pasid != IOMMU_NO_PASID || !iommufd_dirty_capable(idev, 0))
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
	bool capable = iommufd_dirty_domain_capable(domain);

	lockdep_assert_held_write(&iopt->domains_rwsem);

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
