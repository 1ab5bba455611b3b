/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The SMMUv3 driver's interface to dirty.c. Included by arm-smmu-v3.c. With
 * CONFIG_IOMMUFD_DIRTY off, its inlines keep the base driver's behaviour.
 */
#ifndef _ARM_SMMU_V3_DIRTY_H_
#define _ARM_SMMU_V3_DIRTY_H_

#include <linux/io-pgtable.h>
#include <linux/iommu_dirty.h>

#include "arm-smmu-v3.h"

#ifdef CONFIG_IOMMUFD_DIRTY
enum iommu_dirty_cost arm_smmu_dirty_cost(struct device *dev, u32 flags);
void arm_smmu_dirty_describe(struct iommu_domain *domain,
			     struct iommu_dirty_desc *desc);
int arm_smmu_dirty_harvest(struct iommu_domain *domain,
			   struct iommu_dirty_walk *walk);
int arm_smmu_dirty_split(struct iommu_domain *domain,
			 struct iommu_dirty_split *split, gfp_t gfp);
int arm_smmu_dirty_merge(struct iommu_domain *domain,
			 struct iommu_dirty_split *split);
void arm_smmu_dirty_set_map_clean(struct arm_smmu_domain *smmu_domain,
				  bool clean);
#else
static inline void
arm_smmu_dirty_set_map_clean(struct arm_smmu_domain *smmu_domain, bool clean)
{
}
#endif

/* SMMU_IDR0.HTTU applies to both stages; the base driver tracks stage 1 only */
static inline bool arm_smmu_dirty_stage2(void)
{
	return IS_ENABLED(CONFIG_IOMMUFD_DIRTY);
}

#endif
