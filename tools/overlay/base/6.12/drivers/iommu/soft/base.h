/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The interfaces of the kernel that differ between base kernels, as in Linux 7.3. This is
 * the one for Linux 6.12. Included by soft.h.
 */
#ifndef __IOMMU_DIRTY_SOFT_BASE_H
#define __IOMMU_DIRTY_SOFT_BASE_H

#include <linux/err.h>
#include <linux/iommu.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/uaccess.h>
#include <linux/vfio.h>

#include "../iommu-pages.h"
#include "ops.h"

/* The namespace is a string since Linux 6.13 */
#undef MODULE_IMPORT_NS
#define MODULE_IMPORT_NS(ns)		MODULE_INFO(import_ns, ns)

/* Page tables that are freed after a flush are in a plain list */
#define iommu_pages_list		list_head
#define IOMMU_PAGES_LIST_INIT(name)	LIST_HEAD_INIT(name)

static inline void iommu_pages_list_add(struct list_head *list, void *table)
{
	list_add_tail(&virt_to_page(table)->lru, list);
}

static inline bool iommu_pages_list_empty(struct list_head *list)
{
	return list_empty(list);
}

static inline void *iommu_alloc_pages_sz(gfp_t gfp, size_t size)
{
	return iommu_alloc_pages(gfp, get_order(size));
}

static inline void soft_free_pages(void *table, size_t size)
{
	iommu_free_pages(table, get_order(size));
}

/* The arguments of iommu_domain_ops::attach_dev() */
#define SOFT_ATTACH_ARGS \
	struct iommu_domain *domain, struct device *dev

/* IOMMU_HWPT_ALLOC_PASID: users cannot attach PASIDs before Linux 6.15 */
#define SOFT_ALLOC_PASID		0U

static inline struct iommu_domain *soft_alloc_paging(struct device *dev)
{
	return soft_alloc_paging_flags(dev, 0, NULL);
}

static inline struct iommu_domain *
soft_alloc_user(struct device *dev, u32 flags, struct iommu_domain *parent,
		const struct iommu_user_data *user_data)
{
	return parent ? soft_alloc_nested(dev, parent, flags, user_data) :
			soft_alloc_paging_flags(dev, flags, user_data);
}

#define SOFT_ALLOC_OPS \
	.domain_alloc_paging = soft_alloc_paging, \
	.domain_alloc_user = soft_alloc_user

#define SOFT_REGION_OP .ioctl = soft_vfio_ioctl
#define SOFT_VFIO_PASID_OPS

/* The ioctls that vfio handles itself in later kernels */
static inline long soft_vfio_base_ioctl(struct vfio_device *vdev,
					unsigned int cmd, void __user *arg)
{
	const size_t minsz = offsetofend(struct vfio_region_info, offset);
	struct vfio_region_info info = {};
	int rc;

	if (cmd != VFIO_DEVICE_GET_REGION_INFO)
		return -ENOTTY;
	if (copy_from_user(&info, arg, minsz))
		return -EFAULT;
	if (info.argsz < minsz)
		return -EINVAL;
	rc = soft_vfio_region_info(vdev, &info, NULL);
	if (rc)
		return rc;
	return copy_to_user(arg, &info, minsz) ? -EFAULT : 0;
}

#endif
