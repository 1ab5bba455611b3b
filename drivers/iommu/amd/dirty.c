// SPDX-License-Identifier: GPL-2.0-only
/*
 * Dirty tracking of AMD-Vi domains for iommufd: chooses the table mode of a user's
 * domain, tracks v2 domains, and calls the walker for a domain's format, or what splits
 * and merges its large entries. Called by iommu.c and, through the domain's ops, by
 * iommufd. The caller holds no lock of the driver and keeps the range of a walk mapped.
 *
 * "AMD I/O Virtualization Technology (IOMMU) Specification" (48882). v1, "I/O Page
 * Tables for Host Translations": hardware sets HA and HD if iommu.c has set HAD in the
 * device table entry ("Device Table Entry Format"). v2, "I/O Page Tables for Guest
 * Translations": hardware always sets A and D, as a CPU does; SVA depends on it, too.
 * The driver sets both when it maps, but not while tracking is on.
 */
#include <linux/iommu.h>
#include <linux/iommu_dirty.h>
#include <linux/iommu_dirty_split.h>
#include <asm/iommu.h>
#include <uapi/linux/iommufd.h>

#include "../dirty/pages.h"
#include "dirty.h"

/*
 * Returns true if v2 was chosen and all IOMMUs of the machine support it. SNP forbids
 * DTE[Mode] = 0, which v2 without v1 needs.
 *
 * A user gets v2 only if the administrator has chosen it: v2 has fewer page sizes and
 * IOVA bits than v1, and no bit that forces coherent DMA, which KVM relies on.
 */
static bool v2_chosen(void)
{
	return dirty_v2_requested() && !amd_iommu_snp_en;
}

/**
 * amd_dirty_supported() - Check whether a user's domain can be tracked on request
 * @iommu: The IOMMU that the domain is allocated for or attached to
 *
 * The walkers read the tables through the CPU caches, and so does the IOMMU: the
 * driver always sets CONTROL_COHERENT_EN.
 *
 * Return: true if it can be tracked, in v1 or in v2 mode.
 */
bool amd_dirty_supported(struct amd_iommu *iommu)
{
	return amd_iommu_hd_support(iommu) || v2_chosen();
}

/**
 * amd_dirty_check_attach() - Check whether an IOMMU can use a domain
 * @pdom: The domain
 * @iommu: The IOMMU of the device to attach
 *
 * Return: false if @pdom was allocated with dirty tracking, in a different mode than
 * it would have for @iommu; otherwise true.
 */
bool amd_dirty_check_attach(struct protection_domain *pdom,
			    struct amd_iommu *iommu)
{
	return !pdom->domain.dirty_ops ||
	       (pdom->pd_mode == PD_MODE_V1) == amd_iommu_hd_support(iommu);
}

/* The parent of nested domains is a v1 table, so v2 does not help there */
static bool only_v1(struct amd_iommu *iommu, u32 flags)
{
	return (flags & IOMMU_HWPT_ALLOC_NEST_PARENT) &&
	       !amd_iommu_hd_support(iommu);
}

/**
 * amd_dirty_cost() - iommu_ops::dirty_cost()
 * @dev: The device
 * @flags: IOMMU_HWPT_ALLOC_* flags of the domain
 *
 * Return: IOMMU_DIRTY_COSTS if the domain is in another mode with dirty tracking.
 */
enum iommu_dirty_cost amd_dirty_cost(struct device *dev, u32 flags)
{
	struct amd_iommu *iommu = get_amd_iommu_from_dev(dev);

	bool v2 = !amd_iommu_hd_support(iommu);

	if (!amd_dirty_supported(iommu) || dirty_for_pasid(flags) ||
	    only_v1(iommu, flags))
		return IOMMU_DIRTY_IMPOSSIBLE;
	return v2 == dirty_v2_default() ? IOMMU_DIRTY_FREE : IOMMU_DIRTY_COSTS;
}

/**
 * amd_dirty_reason() - Why a domain without dirty tracking cannot be tracked
 * @iommu: The IOMMU that the domain is allocated for
 * @flags: IOMMU_HWPT_ALLOC_* flags of the domain
 *
 * Return: IOMMU_DIRTY_REASON_NOT_REQUESTED if only the request is missing.
 */
enum iommu_dirty_reason amd_dirty_reason(struct amd_iommu *iommu, u32 flags)
{
	if (!amd_dirty_supported(iommu))
		return IOMMU_DIRTY_REASON_NO_HW;
	if (dirty_for_pasid(flags))
		return IOMMU_DIRTY_REASON_NO_DRIVER;
	return only_v1(iommu, flags) ? IOMMU_DIRTY_REASON_NEST_PARENT :
				       IOMMU_DIRTY_REASON_NOT_REQUESTED;
}

/**
 * amd_dirty_describe() - iommu_domain_ops::dirty_describe()
 * @domain: A paging domain
 * @desc: Filled in
 */
void amd_dirty_describe(struct iommu_domain *domain,
			struct iommu_dirty_desc *desc)
{
	struct protection_domain *pdom = to_pdomain(domain);

	desc->format = pdom->pd_mode == PD_MODE_V2 ? IOMMU_DIRTY_FMT_AMD_V2 :
						     IOMMU_DIRTY_FMT_AMD_V1;
	desc->split_reason = IOMMU_DIRTY_REASON_OK;
	desc->reason = domain->dirty_ops ? IOMMU_DIRTY_REASON_OK :
					   pdom->dirty_reason;
}

static void find_table(struct protection_domain *pdom,
		       struct iommu_dirty_table *table)
{
	*table = (struct iommu_dirty_table){};
	if (pdom->pd_mode == PD_MODE_V2)
		dirty_v2_table(pdom, table);
	else
		dirty_v1_table(pdom, table);
}

/**
 * amd_dirty_harvest() - iommu_dirty_ops::harvest()
 * @domain: A domain with dirty_ops
 * @walk: The walk
 *
 * Context: as for the walkers.
 * Return: 0.
 */
int amd_dirty_harvest(struct iommu_domain *domain,
		      struct iommu_dirty_walk *walk)
{
	struct protection_domain *pdom = to_pdomain(domain);
	struct iommu_dirty_table table;

	find_table(pdom, &table);
	if (pdom->pd_mode == PD_MODE_V2)
		iommu_dirty_walk_x86_64(&table, walk);
	else
		iommu_dirty_walk_amd_v1(&table, walk);
	return 0;
}

/*
 * Pointers to tables have changed: INVALIDATE_IOMMU_PAGES with PDE set. Device TLBs are
 * flushed, too, and it waits for both.
 */
static void split_flush(struct iommu_domain *domain, unsigned long iova,
			unsigned long last)
{
	struct protection_domain *pdom = to_pdomain(domain);
	unsigned long flags;

	spin_lock_irqsave(&pdom->lock, flags);
	dirty_flush_tables(pdom, iova, last);
	spin_unlock_irqrestore(&pdom->lock, flags);
}

/**
 * amd_dirty_split() - iommu_dirty_ops::split()
 * @domain: A domain with dirty_ops
 * @split: The range
 * @gfp: How to allocate tables
 *
 * Context: as for struct iommu_dirty_split.
 * Return: 0 or -ENOMEM.
 */
int amd_dirty_split(struct iommu_domain *domain,
		    struct iommu_dirty_split *split, gfp_t gfp)
{
	struct protection_domain *pdom = to_pdomain(domain);
	struct iommu_dirty_pages pages;
	struct iommu_dirty_table table;

	find_table(pdom, &table);
	iommu_dirty_pages_init(&pages, split, dirty_nid(pdom), gfp, SZ_4K);
	return iommu_dirty_split_steps(domain, &table, split,
				       pdom->pd_mode == PD_MODE_V2 ?
					       iommu_dirty_split_x86_64 :
					       iommu_dirty_split_amd_v1,
				       split_flush);
}

/**
 * amd_dirty_merge() - iommu_dirty_ops::merge()
 * @domain: A domain with dirty_ops
 * @split: The range, and the array for tables
 *
 * Context: as for struct iommu_dirty_split.
 * Return: 0 or -ENOSPC.
 */
int amd_dirty_merge(struct iommu_domain *domain,
		    struct iommu_dirty_split *split)
{
	struct protection_domain *pdom = to_pdomain(domain);
	struct iommu_dirty_pages pages;
	struct iommu_dirty_table table;

	find_table(pdom, &table);
	iommu_dirty_pages_init(&pages, split, dirty_nid(pdom), 0, SZ_4K);
	return iommu_dirty_split_steps(domain, &table, split,
				       pdom->pd_mode == PD_MODE_V2 ?
					       iommu_dirty_merge_x86_64 :
					       iommu_dirty_merge_amd_v1,
				       split_flush);
}

static int v2_set_dirty_tracking(struct iommu_domain *domain, bool enable)
{
	WRITE_ONCE(domain->map_clean, enable);
	return 0;
}

const struct iommu_dirty_ops amd_dirty_v2_ops = {
	.set_dirty_tracking = v2_set_dirty_tracking,
	.harvest = amd_dirty_harvest,
	.split = amd_dirty_split,
	.merge = amd_dirty_merge,
};
