// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the rest of iommufd asks the dirty trackers: when a device gets a HWPT
 * by being attached to an IOAS, when a HWPT or an access joins an IOAS, and
 * when one of the per-HWPT dirty ioctls is called. Each function says which
 * locks its caller holds.
 */
#include <linux/iommu.h>

#include "dirty.h"

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
	if (pasid != IOMMU_NO_PASID ||
	    !dev_iommu_ops(idev->dev)->domain_alloc_user ||
	    !device_iommu_capable(idev->dev, IOMMU_CAP_DIRTY_TRACKING))
		return 0;
	return IOMMU_HWPT_ALLOC_DIRTY_TRACKING;
}

/**
 * iommufd_dirty_add_domain() - A domain joins the IOAS
 * @iopt: The IOAS
 * @domain: The domain, nothing mapped in it
 *
 * Context: domains_rwsem is held for writing.
 * Return: 0, or -EOPNOTSUPP if a tracker runs and cannot track it.
 */
int iommufd_dirty_add_domain(struct io_pagetable *iopt,
			     struct iommu_domain *domain)
{
	const struct iommu_dirty_ops *ops = domain->dirty_ops;

	lockdep_assert_held_write(&iopt->domains_rwsem);

	if (!iopt->dirty.tracker)
		return 0;
	if (!ops || !ops->harvest || ops->set_dirty_tracking(domain, true))
		return -EOPNOTSUPP;
	return 0;
}

/**
 * iommufd_dirty_add_access() - In-kernel software starts to use the IOAS
 * @iopt: The IOAS
 *
 * Context: domains_rwsem is held for writing.
 * Return: 0, or -EOPNOTSUPP if a tracker runs, which would miss its writes.
 */
int iommufd_dirty_add_access(struct io_pagetable *iopt)
{
	lockdep_assert_held_write(&iopt->domains_rwsem);

	return iopt->dirty.tracker ? -EOPNOTSUPP : 0;
}

/**
 * iommufd_dirty_hwpt_set_begin() - IOMMU_HWPT_SET_DIRTY_TRACKING begins
 * @hwpt: The HWPT
 *
 * Return: 0 with iommufd_ioas::mutex held until iommufd_dirty_hwpt_set_end(),
 * or -EBUSY if a tracker runs on the IOAS.
 */
int iommufd_dirty_hwpt_set_begin(struct iommufd_hwpt_paging *hwpt)
{
	mutex_lock(&hwpt->ioas->mutex);
	if (hwpt->ioas->iopt.dirty.tracker) {
		mutex_unlock(&hwpt->ioas->mutex);
		return -EBUSY;
	}
	return 0;
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
	if (!rc)
		hwpt->dirty.by_ioctl = enable;
	mutex_unlock(&hwpt->ioas->mutex);
}

/**
 * iommufd_dirty_hwpt_get_begin() - IOMMU_HWPT_GET_DIRTY_BITMAP begins
 * @hwpt: The HWPT
 *
 * No tracker can start until iommufd_dirty_hwpt_get_end().
 *
 * Return: 0, or -EBUSY if a tracker runs on the IOAS.
 */
int iommufd_dirty_hwpt_get_begin(struct iommufd_hwpt_paging *hwpt)
{
	struct iommufd_ioas *ioas = hwpt->ioas;
	int rc = 0;

	mutex_lock(&ioas->mutex);
	if (ioas->iopt.dirty.tracker)
		rc = -EBUSY;
	else
		ioas->iopt.dirty.hwpt_reads++;
	mutex_unlock(&ioas->mutex);
	return rc;
}

/**
 * iommufd_dirty_hwpt_get_end() - IOMMU_HWPT_GET_DIRTY_BITMAP ends
 * @hwpt: The HWPT
 */
void iommufd_dirty_hwpt_get_end(struct iommufd_hwpt_paging *hwpt)
{
	mutex_lock(&hwpt->ioas->mutex);
	hwpt->ioas->iopt.dirty.hwpt_reads--;
	mutex_unlock(&hwpt->ioas->mutex);
}
