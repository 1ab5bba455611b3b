// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the rest of iommufd asks the dirty trackers: when a device gets a HWPT
 * by being attached to an IOAS, when a HWPT or an access joins an IOAS, and
 * when one of the per-HWPT dirty ioctls is called. Each function says which
 * locks its caller holds.
 */
#include <linux/iommu.h>
#include <trace/events/iommufd_dirty.h>

#include "ioas/ioas.h"
#include "tests/break.h"

/**
 * iommufd_dirty_init_iopt() - Initialize what an IOAS has for dirty tracking
 * @iopt: The IOAS
 */
void iommufd_dirty_init_iopt(struct io_pagetable *iopt)
{
	init_rwsem(&iopt->dirty.attach_rwsem);
	mutex_init(&iopt->dirty.harvest_mutex);
	mutex_init(&iopt->dirty.vfio_mutex);
	INIT_LIST_HEAD(&iopt->dirty.trackers);
}

/**
 * iommufd_dirty_capable() - Can a HWPT for this device be tracked?
 * @idev: The device
 * @flags: IOMMU_HWPT_ALLOC_* that the HWPT is allocated with
 *
 * Wider than IOMMU_CAP_DIRTY_TRACKING, by which a driver tells of page tables in
 * the format that it uses without being asked. User space is told of either, as
 * IOMMU_HW_CAP_DIRTY_TRACKING.
 *
 * Return: true if the driver can harvest dirty bits of such a HWPT.
 */
bool iommufd_dirty_capable(struct iommufd_device *idev, u32 flags)
{
	const struct iommu_ops *ops = dev_iommu_ops(idev->dev);

	return ops->domain_alloc_user && ops->default_domain_ops &&
	       ops->default_domain_ops->dirty_capable &&
	       ops->default_domain_ops->dirty_capable(idev->dev, flags);
}

/**
 * iommufd_dirty_auto_flags() - Flags for a HWPT that iommufd makes by itself
 * @idev: The device that it is made for
 * @pasid: The PASID that it is made for
 *
 * Nothing is enabled by that; the driver only builds a page table that can be
 * tracked later.
 *
 * Return: IOMMU_HWPT_ALLOC_DIRTY_TRACKING where the driver should be asked for
 * it, else 0.
 */
u32 iommufd_dirty_auto_flags(struct iommufd_device *idev, ioasid_t pasid)
{
	/* VT-d takes no dirty tracking domain for a PASID */
	if (pasid != IOMMU_NO_PASID || !iommufd_dirty_capable(idev, 0))
		return 0;
	return IOMMU_HWPT_ALLOC_DIRTY_TRACKING;
}

/**
 * iommufd_dirty_auto_retry() - Did a HWPT fail for being asked to be trackable?
 * @flags: In: the flags that it was made with. Out: 0, to try again
 * @err: The error
 *
 * Return: true if it should be tried again with the new flags.
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
 * Until iommufd_dirty_attach_end() no tracker of the IOASes changes what is
 * enabled in hardware or harvests: half-attached, a device can be missed when
 * tracking is enabled and when the IOTLB is flushed.
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
 * iommufd_dirty_attach_end() - A device has been attached or detached, or not
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
 * Its tracking is enabled before anything is mapped in it. If that cannot be,
 * trackers in the degraded mode take all that is mapped for dirty as long as it is
 * there. If it does not get to join after all, iommufd_dirty_fill_failed() follows.
 *
 * Context: domains_rwsem is held for writing.
 * Return: 0, or -ENXIO if a tracker runs that has to track it and cannot.
 */
int iommufd_dirty_add_domain(struct io_pagetable *iopt,
			     struct iommu_domain *domain)
{
	bool capable = iommufd_dirty_domain_capable(domain);

	lockdep_assert_held_write(&iopt->domains_rwsem);

	if (list_empty(&iopt->dirty.trackers) ||
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
 * iommufd_dirty_hwpt_begin() - A per-HWPT dirty ioctl begins
 * @hwpt: The HWPT
 *
 * No tracker can start until iommufd_dirty_hwpt_end() or
 * iommufd_dirty_hwpt_set_end().
 *
 * Return: 0, or -EBUSY if a tracker runs on the IOAS.
 */
int iommufd_dirty_hwpt_begin(struct iommufd_hwpt_paging *hwpt)
{
	struct iommufd_ioas *ioas = hwpt->ioas;
	int rc = 0;

	mutex_lock(&ioas->mutex);
	if (!list_empty(&ioas->iopt.dirty.trackers))
		rc = -EBUSY;
	else
		ioas->iopt.dirty.hwpt_calls++;
	mutex_unlock(&ioas->mutex);
	return rc;
}

/**
 * iommufd_dirty_hwpt_end() - IOMMU_HWPT_GET_DIRTY_BITMAP ends
 * @hwpt: The HWPT
 */
void iommufd_dirty_hwpt_end(struct iommufd_hwpt_paging *hwpt)
{
	mutex_lock(&hwpt->ioas->mutex);
	hwpt->ioas->iopt.dirty.hwpt_calls--;
	mutex_unlock(&hwpt->ioas->mutex);
}

/**
 * iommufd_dirty_hwpt_set_end() - IOMMU_HWPT_SET_DIRTY_TRACKING ends
 * @hwpt: The HWPT
 * @enable: What was asked for
 * @rc: What became of it
 */
void iommufd_dirty_hwpt_set_end(struct iommufd_hwpt_paging *hwpt, bool enable,
				int rc)
{
	mutex_lock(&hwpt->ioas->mutex);
	hwpt->ioas->iopt.dirty.hwpt_calls--;
	if (!rc)
		hwpt->dirty.by_ioctl = enable;
	mutex_unlock(&hwpt->ioas->mutex);
}
