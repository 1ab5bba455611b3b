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
void intel_dirty_describe(struct iommu_domain *domain,
			  struct iommu_dirty_desc *desc);

/*
 * Bits that the driver must not set in a new first-stage entry: while dirty
 * tracking is on, hardware sets them (VT-d specification 5.10, 3.6.2).
 */
static inline u64 intel_dirty_map_mask(struct dmar_domain *domain)
{
	return READ_ONCE(domain->dirty_tracking) ?
		       DMA_FL_PTE_ACCESS | DMA_FL_PTE_DIRTY : 0;
}

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

static inline u64 intel_dirty_map_mask(struct dmar_domain *domain)
{
	return 0;
}
#endif
#endif
