/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The Intel IOMMU driver's interface to dirty.c. Included by iommu.c after
 * iommu.h. With CONFIG_IOMMUFD_DIRTY off, its inlines keep the base driver's
 * behaviour.
 */
#ifndef _INTEL_DIRTY_H_
#define _INTEL_DIRTY_H_

#include <linux/iommu_dirty.h>

#include "iommu.h"
#include "dirty_base.h"

#ifdef CONFIG_IOMMUFD_DIRTY
extern const struct iommu_dirty_ops intel_fs_dirty_ops;

bool intel_dirty_supported(struct intel_iommu *iommu, u32 flags);
bool intel_dirty_first_stage(struct intel_iommu *iommu, u32 flags);
int intel_dirty_check_attach(struct dmar_domain *domain,
			     struct intel_iommu *iommu);
enum iommu_dirty_cost intel_dirty_cost(struct device *dev, u32 flags);
enum iommu_dirty_reason intel_dirty_reason(struct intel_iommu *iommu,
					   u32 flags);
int intel_dirty_harvest(struct iommu_domain *domain,
			struct iommu_dirty_walk *walk);
int intel_dirty_split(struct iommu_domain *domain,
		      struct iommu_dirty_split *split, gfp_t gfp);
int intel_dirty_merge(struct iommu_domain *domain,
		      struct iommu_dirty_split *split);
void intel_dirty_describe(struct iommu_domain *domain,
			  struct iommu_dirty_desc *desc);

#define INTEL_DIRTY_FS_OPS	(&intel_fs_dirty_ops)
#else
#define INTEL_DIRTY_FS_OPS	NULL

static inline bool intel_dirty_supported(struct intel_iommu *iommu, u32 flags)
{
	return ssads_supported(iommu);
}

static inline enum iommu_dirty_reason
intel_dirty_reason(struct intel_iommu *iommu, u32 flags)
{
	return IOMMU_DIRTY_REASON_NO_DRIVER;
}

static inline bool intel_dirty_first_stage(struct intel_iommu *iommu, u32 flags)
{
	return false;
}

static inline int intel_dirty_check_attach(struct dmar_domain *domain,
					   struct intel_iommu *iommu)
{
	return domain->domain.dirty_ops && !ssads_supported(iommu) ? -EINVAL :
								     0;
}
#endif
#endif
