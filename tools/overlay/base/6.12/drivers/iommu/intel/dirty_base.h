/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How dirty.c finds the page table of a domain, and which stage the driver uses. This
 * differs between base kernels; this is the one for Linux 6.12. Included by dirty.h.
 */
#ifndef _INTEL_DIRTY_BASE_H_
#define _INTEL_DIRTY_BASE_H_

#include <linux/iommu_dirty.h>

#include "iommu.h"

static inline bool intel_domain_is_fs_paging(struct dmar_domain *domain)
{
	return domain->use_first_level;
}

/* intel_pasid_setup_first_level() accepts tables of four or five levels */
static inline bool dirty_fs_levels(struct intel_iommu *iommu)
{
	unsigned int level = agaw_to_level(iommu->agaw);

	return level == 4 || (level == 5 && cap_fl5lp_support(iommu->cap));
}

/* The driver would never walk a second-stage table on an IOMMU without second stage */
static inline bool dirty_fs_default(struct intel_iommu *iommu)
{
	return sm_supported(iommu) && !ecap_slts(iommu->ecap);
}

static inline void dirty_table(struct dmar_domain *domain,
			       struct iommu_dirty_table *table)
{
	*table = (struct iommu_dirty_table) {
		.root = &domain->pgd->val,
		.top_level = agaw_to_level(domain->agaw) - 1,
		.bits = agaw_to_width(domain->agaw),
	};
}

/* Where the driver allocates tables of the domain */
static inline int dirty_nid(const struct dmar_domain *domain)
{
	return domain->nid;
}

/*
 * Bits that the driver must not set in a new first-stage entry: while dirty
 * tracking is on, hardware sets them (VT-d specification 5.10, 3.6.2).
 */
static inline u64 intel_dirty_map_mask(struct dmar_domain *domain)
{
#ifdef CONFIG_IOMMUFD_DIRTY
	if (READ_ONCE(domain->domain.map_clean))
		return DMA_FL_PTE_ACCESS | DMA_FL_PTE_DIRTY;
#endif
	return 0;
}

#endif
