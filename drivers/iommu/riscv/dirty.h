/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The RISC-V IOMMU driver's interface to dirty.c. Included by iommu.c. With
 * CONFIG_IOMMUFD_DIRTY off, domains can be tracked with the ioctls of iommufd's HWPTs
 * only.
 */
#ifndef _RISCV_IOMMU_DIRTY_H_
#define _RISCV_IOMMU_DIRTY_H_

#include <linux/iommu_dirty.h>

#include "iommu.h"

/*
 * The driver cannot flush page tables from the CPU caches, so the IOMMU reads and updates
 * them there.
 */
static inline bool riscv_iommu_dirty_supported(struct riscv_iommu_device *iommu)
{
	return iommu->caps & RISCV_IOMMU_CAPABILITIES_AMO_HWAD;
}

#ifdef CONFIG_IOMMUFD_DIRTY
enum iommu_dirty_cost riscv_iommu_dirty_cost(struct device *dev, u32 flags);
enum iommu_dirty_reason
riscv_iommu_dirty_reason(struct riscv_iommu_device *iommu);
void riscv_iommu_dirty_describe(struct iommu_domain *domain,
				struct iommu_dirty_desc *desc);
int riscv_iommu_dirty_harvest(struct iommu_domain *domain,
			      struct iommu_dirty_walk *walk);
void riscv_iommu_dirty_set_map_clean(struct iommu_domain *domain, bool clean);
#else
static inline enum iommu_dirty_reason
riscv_iommu_dirty_reason(struct riscv_iommu_device *iommu)
{
	return IOMMU_DIRTY_REASON_NO_DRIVER;
}

static inline void riscv_iommu_dirty_set_map_clean(struct iommu_domain *domain,
						   bool clean)
{
}
#endif
#endif
