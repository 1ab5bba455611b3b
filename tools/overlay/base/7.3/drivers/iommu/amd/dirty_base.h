/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How dirty.c finds the page table of a domain and flushes it, and which mode the driver
 * uses. This differs between base kernels; this is the one for Linux 7.3. Included by dirty.h.
 */
#ifndef _AMD_DIRTY_BASE_H_
#define _AMD_DIRTY_BASE_H_

#include <linux/generic_pt/iommu.h>
#include <linux/iommu_dirty.h>
#include <linux/minmax.h>
#include <uapi/linux/iommufd.h>

#include "amd_iommu.h"

/*
 * The administrator has chosen v2 (amd_iommu=pgtbl_v2), or the hardware has no v1. The
 * driver has checked that it has v2.
 */
static inline bool dirty_v2_requested(void)
{
	return amd_iommu_pgtable == PD_MODE_V2;
}

/* Domains of users are in v2 mode, too */
static inline bool dirty_v2_default(void)
{
	return dirty_v2_requested();
}

/* The driver does not track domains that may be attached to a PASID */
static inline bool dirty_for_pasid(u32 flags)
{
	return flags & IOMMU_HWPT_ALLOC_PASID;
}

static inline void dirty_v2_table(struct protection_domain *pdom,
				  struct iommu_dirty_table *table)
{
	struct pt_iommu_x86_64_hw_info info;

	pt_iommu_x86_64_hw_info(&pdom->amdv2, &info);
	*table = (struct iommu_dirty_table) {
		.root = iommu_phys_to_virt(info.gcr3_pt),
		.top_level = info.levels - 1,
		.bits = pdom->amdv2.x86_64_pt.common.max_vasz_lg2,
	};
}

/*
 * A v1 table grows by a level when an address beyond its span is mapped, possibly
 * during a harvest. Both roots lead to everything that was mapped before; the driver
 * reads root and mode together.
 */
static inline void dirty_v1_table(struct protection_domain *pdom,
				  struct iommu_dirty_table *table)
{
	struct pt_iommu_amdv1_hw_info info;

	pt_iommu_amdv1_hw_info(&pdom->amdv1, &info);
	*table = (struct iommu_dirty_table) {
		.root = iommu_phys_to_virt(info.host_pt_root),
		.top_level = info.mode - 1,
		.bits = min(12 + 9 * info.mode, BITS_PER_LONG),
	};
}

/* Where the driver allocates tables of the domain */
static inline int dirty_nid(const struct protection_domain *pdom)
{
	return pdom->iommu.nid;
}

/* Pointers to tables have changed; protection_domain::lock is held */
static inline void dirty_flush_tables(struct protection_domain *pdom,
				      unsigned long iova, unsigned long last)
{
	amd_iommu_domain_flush_pages(pdom, iova, last,
				     CMD_INV_IOMMU_PAGES_PDE_MASK);
}

#endif
