/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How dirty.c finds the page table of a domain, and which stage the driver uses. This
 * differs between base kernels; this is the one for Linux 7.3. Included by dirty.h.
 */
#ifndef _INTEL_DIRTY_BASE_H_
#define _INTEL_DIRTY_BASE_H_

#include <linux/generic_pt/iommu.h>
#include <linux/io.h>
#include <linux/iommu_dirty.h>

#include "iommu.h"

/* compute_vasz_lg2_fs() chooses four levels, which are always supported, or five */
static inline bool dirty_fs_levels(struct intel_iommu *iommu)
{
	return true;
}

static inline bool dirty_fs_default(struct intel_iommu *iommu)
{
	return sm_supported(iommu) && ecap_flts(iommu->ecap);
}

/* Where the driver allocates tables of the domain */
static inline int dirty_nid(const struct dmar_domain *domain)
{
	return domain->iommu.nid;
}

static inline void dirty_table(struct dmar_domain *domain,
			       struct iommu_dirty_table *table)
{
	struct pt_iommu_x86_64_hw_info fs;
	struct pt_iommu_vtdss_hw_info ss;

	if (intel_domain_is_fs_paging(domain)) {
		pt_iommu_x86_64_hw_info(&domain->fspt, &fs);
		*table = (struct iommu_dirty_table) {
			.root = phys_to_virt(fs.gcr3_pt),
			.top_level = fs.levels - 1,
			.bits = domain->fspt.x86_64_pt.common.max_vasz_lg2,
		};
	} else {
		pt_iommu_vtdss_hw_info(&domain->sspt, &ss);
		*table = (struct iommu_dirty_table) {
			.root = phys_to_virt(ss.ssptptr),
			.top_level = ss.aw + 1,
			.bits = domain->sspt.vtdss_pt.common.max_vasz_lg2,
		};
	}
}

#endif
