// SPDX-License-Identifier: GPL-2.0-only
/*
 * Dirty tracking of RISC-V IOMMU domains for iommufd: calls the walker for a domain's
 * table. Called by iommu.c and, through the domain's ops, by iommufd. The caller holds
 * no lock of the driver and keeps the range of a walk mapped.
 *
 * "RISC-V IOMMU Architecture Specification" 1.0, 2.4 "IOMMU updating of PTE accessed (A)
 * and dirty (D) updates": if capabilities.AMO_HWAD indicates it, hardware sets both bits
 * in first-stage entries for devices with DC.tc.SADE, before what the device writes can
 * be seen. iommu.c sets SADE for the lifetime of a domain that was allocated with dirty
 * tracking. Starting and stopping only changes whether new entries are clean.
 *
 * 6.3.6 "Accessed (A)/Dirty (D) bit updates and page promotions": what was cleaned must be
 * flushed. riscv_iommu_iotlb_sync() does that, and its IOFENCE.C has PW set (3.1.2): when
 * it returns, the CPUs see what devices have written through the old translations. The
 * driver does not enable ATS, so devices cache no translations.
 */
#include <linux/io.h>
#include <linux/iommu.h>
#include <linux/iommu_dirty.h>

#include "dirty.h"

/**
 * riscv_iommu_dirty_reason() - Why a domain without dirty tracking cannot be tracked
 * @iommu: The IOMMU that the domain is allocated for
 *
 * Return: IOMMU_DIRTY_REASON_NOT_REQUESTED if only the request is missing.
 */
enum iommu_dirty_reason
riscv_iommu_dirty_reason(struct riscv_iommu_device *iommu)
{
	return riscv_iommu_dirty_supported(iommu) ?
		       IOMMU_DIRTY_REASON_NOT_REQUESTED :
		       IOMMU_DIRTY_REASON_NO_HW;
}

/**
 * riscv_iommu_dirty_cost() - iommu_ops::dirty_cost()
 * @dev: The device
 * @flags: IOMMU_HWPT_ALLOC_* flags of the domain
 *
 * Return: IOMMU_DIRTY_COSTS if a domain of the device can be tracked: hardware then
 * updates its entries for as long as it exists.
 */
enum iommu_dirty_cost riscv_iommu_dirty_cost(struct device *dev, u32 flags)
{
	return riscv_iommu_dirty_supported(dev_to_iommu(dev)) ?
		       IOMMU_DIRTY_COSTS : IOMMU_DIRTY_IMPOSSIBLE;
}

/**
 * riscv_iommu_dirty_describe() - iommu_domain_ops::dirty_describe()
 * @domain: A paging domain
 * @desc: Filled in
 */
void riscv_iommu_dirty_describe(struct iommu_domain *domain,
				struct iommu_dirty_desc *desc)
{
	desc->format = IOMMU_DIRTY_FMT_RISCV;
	desc->reason = domain->dirty_ops ?
			       IOMMU_DIRTY_REASON_OK :
			       iommu_domain_to_riscv(domain)->dirty_reason;
}

/**
 * riscv_iommu_dirty_harvest() - iommu_dirty_ops::harvest()
 * @domain: A domain with dirty_ops
 * @walk: The walk
 *
 * Context: as for the walkers.
 * Return: 0.
 */
int riscv_iommu_dirty_harvest(struct iommu_domain *domain,
			      struct iommu_dirty_walk *walk)
{
	struct pt_iommu_riscv_64 *pt = &iommu_domain_to_riscv(domain)->riscvpt;
	struct pt_iommu_riscv_64_hw_info info;
	struct iommu_dirty_table table;

	pt_iommu_riscv_64_hw_info(pt, &info);
	table = (struct iommu_dirty_table) {
		.root = phys_to_virt(PFN_PHYS(info.ppn)),
		/* Sv39, with three levels, is mode 8 */
		.top_level = info.fsc_iosatp_mode - 6,
		.bits = pt->riscv_64pt.common.max_vasz_lg2,
	};
	iommu_dirty_walk_riscv(&table, walk);
	return 0;
}

/**
 * riscv_iommu_dirty_set_map_clean() - Set whether new entries start clean
 * @domain: A domain with dirty_ops
 * @clean: True while tracking is on; otherwise false, so that first writes cost less
 *
 * Entries that are mapped concurrently may start clean or dirty.
 */
void riscv_iommu_dirty_set_map_clean(struct iommu_domain *domain, bool clean)
{
	WRITE_ONCE(domain->map_clean, clean);
}
