/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Functions that base.h makes ops of, in whatever way the base kernel calls them.
 */
#ifndef __IOMMU_DIRTY_SOFT_OPS_H
#define __IOMMU_DIRTY_SOFT_OPS_H

#include <linux/iommu.h>
#include <linux/vfio.h>

/* iommu.c */
struct iommu_domain *
soft_alloc_paging_flags(struct device *dev, u32 flags,
			const struct iommu_user_data *user_data);
struct iommu_domain *
soft_alloc_nested(struct device *dev, struct iommu_domain *parent, u32 flags,
		  const struct iommu_user_data *user_data);

/* vfio.c */
int soft_vfio_region_info(struct vfio_device *vdev,
			  struct vfio_region_info *info,
			  struct vfio_info_cap *caps);

#endif
