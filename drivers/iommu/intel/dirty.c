// SPDX-License-Identifier: GPL-2.0-only
/*
 * Dirty tracking of Intel VT-d domains for iommufd: chooses the stage of a
 * user's domain, tracks first-stage domains, and calls the walker for a domain's
 * format, or what splits and merges its large entries. Called by iommu.c and, through the
 * domain's ops, by iommufd. The caller holds no lock of the driver and keeps the range of
 * a walk mapped.
 *
 * Second stage: hardware sets A and D if iommu.c has set SSADE in the PASID entry.
 * First stage: hardware always sets them in scalable mode (VT-d specification
 * 5.10, 3.6.2). The driver sets both when it maps, but not while tracking is on.
 * Both stages need coherent page walks (ECAP.SMPWC): the walkers read the tables
 * through the CPU caches.
 */
#include <linux/export.h>
#include <linux/iommu.h>
#include <linux/iommu_dirty.h>
#include <linux/iommu_dirty_split.h>
#include <uapi/linux/iommufd.h>

#include "../dirty/pages.h"
#include "dirty.h"

static bool fs_supported(struct intel_iommu *iommu)
{
	return sm_supported(iommu) && ecap_flts(iommu->ecap) &&
	       ecap_smpwc(iommu->ecap) && dirty_fs_levels(iommu);
}

/**
 * intel_dirty_supported() - Check whether a domain of this kind can be tracked
 * @iommu: The IOMMU
 * @flags: IOMMU_HWPT_ALLOC_* flags of the domain
 *
 * The parent of nested domains is a second-stage table, so first stage does not
 * help there.
 *
 * Return: true if it can be tracked.
 */
bool intel_dirty_supported(struct intel_iommu *iommu, u32 flags)
{
	return ssads_supported(iommu) ||
	       (fs_supported(iommu) && !(flags & IOMMU_HWPT_ALLOC_NEST_PARENT));
}

/**
 * intel_dirty_first_stage() - Check whether a user's domain must use first stage
 * @iommu: The IOMMU
 * @flags: IOMMU_HWPT_ALLOC_* flags of the domain
 *
 * Return: true if dirty tracking is requested and second stage has no dirty bits;
 * without the request, what the driver does by default. Always false for the parent of
 * nested domains.
 */
bool intel_dirty_first_stage(struct intel_iommu *iommu, u32 flags)
{
	if (flags & IOMMU_HWPT_ALLOC_NEST_PARENT)
		return false;
	if (flags & IOMMU_HWPT_ALLOC_DIRTY_TRACKING)
		return !ssads_supported(iommu);
	return dirty_fs_default(iommu);
}

/**
 * intel_dirty_check_attach() - Check whether an IOMMU can use a domain
 * @domain: The domain
 * @iommu: The IOMMU of the device to attach
 *
 * Return: 0, or -EINVAL if the IOMMU lacks the stage that @domain uses, or the
 * dirty bits that @domain was allocated for.
 */
int intel_dirty_check_attach(struct dmar_domain *domain,
			     struct intel_iommu *iommu)
{
	bool dirty = domain->domain.dirty_ops;

	if (intel_domain_is_fs_paging(domain)) {
		if (!sm_supported(iommu) || !ecap_flts(iommu->ecap) ||
		    (dirty && !fs_supported(iommu)))
			return -EINVAL;
		return 0;
	}

	if ((sm_supported(iommu) && !ecap_slts(iommu->ecap)) ||
	    (dirty && !ssads_supported(iommu)))
		return -EINVAL;
	return 0;
}

/**
 * intel_dirty_harvest() - iommu_dirty_ops::harvest()
 * @domain: A domain with dirty_ops
 * @walk: The walk
 *
 * Context: as for the walkers.
 * Return: 0.
 */
int intel_dirty_harvest(struct iommu_domain *domain,
			struct iommu_dirty_walk *walk)
{
	struct dmar_domain *dmar_domain = to_dmar_domain(domain);
	struct iommu_dirty_table table;

	dirty_table(dmar_domain, &table);
	if (intel_domain_is_fs_paging(dmar_domain))
		iommu_dirty_walk_x86_64(&table, walk);
	else
		iommu_dirty_walk_vtd_ss(&table, walk);
	return 0;
}

/*
 * Pointers to tables have changed, so IH, the hint that only leaves have, must be 0 in both
 * stages. The driver's iotlb_sync() sets it unless tables are being freed. Device TLBs are
 * flushed, too, and it waits for both.
 */
static void split_flush(struct iommu_domain *domain, unsigned long iova,
			unsigned long last)
{
	cache_tag_flush_range(to_dmar_domain(domain), iova, last, 0);
}

/**
 * intel_dirty_split() - iommu_dirty_ops::split()
 * @domain: A domain with dirty_ops
 * @split: The range
 * @gfp: How to allocate tables
 *
 * Context: as for struct iommu_dirty_split.
 * Return: 0 or -ENOMEM.
 */
int intel_dirty_split(struct iommu_domain *domain,
		      struct iommu_dirty_split *split, gfp_t gfp)
{
	struct dmar_domain *dmar_domain = to_dmar_domain(domain);
	struct iommu_dirty_pages pages;
	struct iommu_dirty_table table;

	dirty_table(dmar_domain, &table);
	iommu_dirty_pages_init(&pages, split, dirty_nid(dmar_domain), gfp,
			       SZ_4K);
	return iommu_dirty_split_steps(domain, &table, split,
				       intel_domain_is_fs_paging(dmar_domain) ?
					       iommu_dirty_split_x86_64 :
					       iommu_dirty_split_vtd_ss,
				       split_flush);
}

/**
 * intel_dirty_merge() - iommu_dirty_ops::merge()
 * @domain: A domain with dirty_ops
 * @split: The range, and the array for tables
 *
 * Context: as for struct iommu_dirty_split.
 * Return: 0 or -ENOSPC.
 */
int intel_dirty_merge(struct iommu_domain *domain,
		      struct iommu_dirty_split *split)
{
	struct dmar_domain *dmar_domain = to_dmar_domain(domain);
	struct iommu_dirty_pages pages;
	struct iommu_dirty_table table;

	dirty_table(dmar_domain, &table);
	iommu_dirty_pages_init(&pages, split, dirty_nid(dmar_domain), 0, SZ_4K);
	return iommu_dirty_split_steps(domain, &table, split,
				       intel_domain_is_fs_paging(dmar_domain) ?
					       iommu_dirty_merge_x86_64 :
					       iommu_dirty_merge_vtd_ss,
				       split_flush);
}

/**
 * intel_dirty_cost() - iommu_ops::dirty_cost()
 * @dev: The device
 * @flags: IOMMU_HWPT_ALLOC_* flags of the domain
 *
 * First stage instead of second stage costs an IOVA bit: addresses are canonical.
 *
 * Return: IOMMU_DIRTY_COSTS if the domain is in another stage with dirty tracking.
 */
enum iommu_dirty_cost intel_dirty_cost(struct device *dev, u32 flags)
{
	struct device_domain_info *info = dev_iommu_priv_get(dev);
	u32 with = flags | IOMMU_HWPT_ALLOC_DIRTY_TRACKING;
	u32 without = flags & ~IOMMU_HWPT_ALLOC_DIRTY_TRACKING;

	if (!intel_dirty_supported(info->iommu, flags))
		return IOMMU_DIRTY_IMPOSSIBLE;
	return intel_dirty_first_stage(info->iommu, with) ==
	       intel_dirty_first_stage(info->iommu, without) ?
		       IOMMU_DIRTY_FREE : IOMMU_DIRTY_COSTS;
}

/**
 * intel_dirty_reason() - Why a domain without dirty tracking cannot be tracked
 * @iommu: The IOMMU that the domain is allocated for
 * @flags: IOMMU_HWPT_ALLOC_* flags of the domain
 *
 * Return: IOMMU_DIRTY_REASON_NOT_REQUESTED if only the request is missing.
 */
enum iommu_dirty_reason intel_dirty_reason(struct intel_iommu *iommu, u32 flags)
{
	if (intel_dirty_supported(iommu, flags))
		return IOMMU_DIRTY_REASON_NOT_REQUESTED;
	if (intel_dirty_supported(iommu, 0))
		return IOMMU_DIRTY_REASON_NEST_PARENT;
	return IOMMU_DIRTY_REASON_NO_HW;
}

/**
 * intel_dirty_describe() - iommu_domain_ops::dirty_describe()
 * @domain: A paging domain
 * @desc: Filled in
 */
void intel_dirty_describe(struct iommu_domain *domain,
			  struct iommu_dirty_desc *desc)
{
	struct dmar_domain *dmar_domain = to_dmar_domain(domain);

	desc->format = intel_domain_is_fs_paging(dmar_domain) ?
			       IOMMU_DIRTY_FMT_VTD_FS : IOMMU_DIRTY_FMT_VTD_SS;
	desc->split_reason = IOMMU_DIRTY_REASON_OK;
	desc->reason = domain->dirty_ops ? IOMMU_DIRTY_REASON_OK :
					   dmar_domain->dirty_reason;
}

static int intel_fs_set_dirty_tracking(struct iommu_domain *domain, bool enable)
{
	WRITE_ONCE(domain->map_clean, enable);
	return 0;
}

const struct iommu_dirty_ops intel_fs_dirty_ops = {
	.set_dirty_tracking = intel_fs_set_dirty_tracking,
	.harvest = intel_dirty_harvest,
	.split = intel_dirty_split,
	.merge = intel_dirty_merge,
};
