/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The AMD IOMMU driver's interface to dirty.c. Included by the driver's files. With
 * CONFIG_IOMMUFD_DIRTY off, its inlines keep the base driver's behaviour.
 */
#ifndef _AMD_DIRTY_H_
#define _AMD_DIRTY_H_

#include <linux/iommu_dirty.h>

#include "amd_iommu.h"
#include "dirty_base.h"

#ifdef CONFIG_IOMMUFD_DIRTY
extern const struct iommu_dirty_ops amd_dirty_v2_ops;

bool amd_dirty_supported(struct amd_iommu *iommu);
bool amd_dirty_check_attach(struct protection_domain *pdom,
			    struct amd_iommu *iommu);
enum iommu_dirty_cost amd_dirty_cost(struct device *dev, u32 flags);
enum iommu_dirty_reason amd_dirty_reason(struct amd_iommu *iommu, u32 flags);
void amd_dirty_describe(struct iommu_domain *domain,
			struct iommu_dirty_desc *desc);
int amd_dirty_harvest(struct iommu_domain *domain,
		      struct iommu_dirty_walk *walk);
int amd_dirty_split(struct iommu_domain *domain,
		    struct iommu_dirty_split *split, gfp_t gfp);
int amd_dirty_merge(struct iommu_domain *domain,
		    struct iommu_dirty_split *split);

#define AMD_DIRTY_V2_OPS	(&amd_dirty_v2_ops)
#else
#define AMD_DIRTY_V2_OPS	NULL

static inline bool amd_dirty_supported(struct amd_iommu *iommu)
{
	return amd_iommu_hd_support(iommu);
}

static inline bool amd_dirty_check_attach(struct protection_domain *pdom,
					  struct amd_iommu *iommu)
{
	return !pdom->domain.dirty_ops || amd_iommu_hd_support(iommu);
}

static inline enum iommu_dirty_reason amd_dirty_reason(struct amd_iommu *iommu,
						       u32 flags)
{
	return IOMMU_DIRTY_REASON_NO_DRIVER;
}
#endif
#endif
