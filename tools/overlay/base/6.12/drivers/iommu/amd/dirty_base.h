/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How dirty.c finds the page table of a domain and flushes it, and which mode the driver
 * uses. This differs between base kernels; this is the one for Linux 6.12. Included by dirty.h.
 */
#ifndef _AMD_DIRTY_BASE_H_
#define _AMD_DIRTY_BASE_H_

#include <linux/iommu_dirty.h>
#include <linux/minmax.h>
#include <linux/seqlock.h>
#include <asm/iommu.h>
#include <uapi/linux/iommufd.h>

#include "amd_iommu.h"

/* The administrator has chosen v2 (amd_iommu=pgtbl_v2) */
static inline bool dirty_v2_requested(void)
{
	return amd_iommu_pgtable == AMD_IOMMU_V2 &&
	       check_feature(FEATURE_GT) && check_feature(FEATURE_GIOSUP);
}

/* Domains of users are in v1 mode whatever the administrator has chosen */
static inline bool dirty_v2_default(void)
{
	return false;
}

/* No domain of a user can be attached to a PASID */
static inline bool dirty_for_pasid(u32 flags)
{
	return false;
}

static inline void dirty_v2_table(struct protection_domain *pdom,
				  struct iommu_dirty_table *table)
{
	*table = (struct iommu_dirty_table) {
		.root = pdom->iop.pgd,
		.top_level = amd_iommu_gpt_level - 1,
		.bits = PM_LEVEL_SHIFT(amd_iommu_gpt_level),
	};
}

/*
 * A v1 table grows by a level when an address beyond its span is mapped, possibly
 * during a harvest. Both roots lead to everything that was mapped before, but root
 * and mode must be read together.
 */
static inline void dirty_v1_table(struct protection_domain *pdom,
				  struct iommu_dirty_table *table)
{
	struct amd_io_pgtable *pgtable = &pdom->iop;
	unsigned int seq;
	int mode;

	do {
		seq = read_seqcount_begin(&pgtable->seqcount);
		table->root = pgtable->root;
		mode = pgtable->mode;
	} while (read_seqcount_retry(&pgtable->seqcount, seq));

	table->top_level = mode - 1;
	table->bits = min(PM_LEVEL_SHIFT(mode), BITS_PER_LONG);
}

/* Where the driver allocates tables of the domain */
static inline int dirty_nid(const struct protection_domain *pdom)
{
	return pdom->iop.pgtbl.cfg.amd.nid;
}

/* The driver always sets PDE; protection_domain::lock is held */
static inline void dirty_flush_tables(struct protection_domain *pdom,
				      unsigned long iova, unsigned long last)
{
	amd_iommu_domain_flush_pages(pdom, iova, last - iova + 1);
}

/* The mode of a user's domain: v2 if v1 cannot have the requested dirty bits */
static inline enum io_pgtable_fmt amd_dirty_pgtable(struct amd_iommu *iommu,
						    u32 flags)
{
	if (IS_ENABLED(CONFIG_IOMMUFD_DIRTY) &&
	    (flags & IOMMU_HWPT_ALLOC_DIRTY_TRACKING) &&
	    !amd_iommu_hd_support(iommu))
		return AMD_IOMMU_V2;
	return AMD_IOMMU_V1;
}

/*
 * Whether users' domains of an IOMMU enforce coherent DMA, which v1 entries do. iommufd
 * and KVM query it once per device, before a domain exists, so the answer must hold for
 * every domain that the device can get.
 */
static inline bool amd_dirty_coherent(struct amd_iommu *iommu)
{
	return !IS_ENABLED(CONFIG_IOMMUFD_DIRTY) ||
	       amd_iommu_hd_support(iommu) || !dirty_v2_requested() ||
	       amd_iommu_snp_en;
}

/* Returns true if new v2 entries must start clean, so that hardware sets A and D */
static inline bool amd_dirty_map_clean(struct protection_domain *pdom)
{
#ifdef CONFIG_IOMMUFD_DIRTY
	return READ_ONCE(pdom->domain.map_clean);
#else
	return false;
#endif
}

#endif
