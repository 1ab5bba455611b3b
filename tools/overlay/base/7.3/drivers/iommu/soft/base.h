/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The interfaces of the kernel that differ between base kernels. This is the one for
 * Linux 7.3. Included by soft.h.
 */
#ifndef __IOMMU_DIRTY_SOFT_BASE_H
#define __IOMMU_DIRTY_SOFT_BASE_H

#include <linux/iommu.h>
#include <linux/module.h>
#include <linux/vfio.h>
#include <uapi/linux/iommufd.h>

#include "../iommu-pages.h"
#include "ops.h"

static inline void soft_free_pages(void *table, size_t size)
{
	iommu_free_pages(table);
}

/* The arguments of iommu_domain_ops::attach_dev() */
#define SOFT_ATTACH_ARGS \
	struct iommu_domain *domain, struct device *dev, \
	struct iommu_domain *old

#define SOFT_ALLOC_PASID		IOMMU_HWPT_ALLOC_PASID

#define SOFT_ALLOC_OPS \
	.domain_alloc_paging_flags = soft_alloc_paging_flags, \
	.domain_alloc_nested = soft_alloc_nested

#define SOFT_REGION_OP \
	.get_region_info_caps = soft_vfio_region_info, \
	.ioctl = soft_vfio_ioctl

#define SOFT_VFIO_PASID_OPS \
	.pasid_attach_ioas = vfio_iommufd_physical_pasid_attach_ioas, \
	.pasid_detach_ioas = vfio_iommufd_physical_pasid_detach_ioas,

/* vfio handles the rest itself */
static inline long soft_vfio_base_ioctl(struct vfio_device *vdev,
					unsigned int cmd, void __user *arg)
{
	return -ENOTTY;
}

#endif
