// SPDX-License-Identifier: GPL-2.0-only
/*
 * Dirty tracking of SMMUv3 domains for iommufd: calls the walker for a domain's
 * stage. Called by arm-smmu-v3.c and, through the domain's ops, by iommufd. The
 * caller holds no lock of the driver and keeps the range of a walk mapped.
 *
 * "Arm System Memory Management Unit Architecture Specification" (IHI 0070),
 * "Hardware flag management": if SMMU_IDR0.HTTU indicates it, hardware makes an
 * entry with DBM writable on the first write, in stage 1 if CD.HA and CD.HD are
 * set, in stage 2 if STE.S2HA and STE.S2HD are set. arm-smmu-v3.c sets them for
 * the lifetime of a domain that was allocated with dirty tracking. Starting and
 * stopping only changes whether new entries are clean.
 */
#include <linux/iommu.h>
#include <linux/iommu_dirty.h>

#include "../../io-pgtable-arm.h"
#include "dirty.h"

/*
 * Page walks must be coherent (SMMU_IDR0.COHACC): the walkers read the tables through
 * the CPU caches, and update the same entries atomically as hardware does.
 */
static enum iommu_dirty_reason smmu_reason(struct arm_smmu_device *smmu)
{
	if (!(smmu->features & ARM_SMMU_FEAT_HD))
		return IOMMU_DIRTY_REASON_NO_HW;
	if (!(smmu->features & ARM_SMMU_FEAT_COHERENCY))
		return IOMMU_DIRTY_REASON_INCOHERENT;
	return IOMMU_DIRTY_REASON_NOT_REQUESTED;
}

/**
 * arm_smmu_dirty_cost() - iommu_ops::dirty_cost()
 * @dev: The device
 * @flags: IOMMU_HWPT_ALLOC_* flags of the domain
 *
 * Return: IOMMU_DIRTY_COSTS if a domain of the device can be tracked, in either
 * stage: hardware then updates its entries for as long as it exists.
 */
enum iommu_dirty_cost arm_smmu_dirty_cost(struct device *dev, u32 flags)
{
	struct arm_smmu_master *master = dev_iommu_priv_get(dev);

	return smmu_reason(master->smmu) == IOMMU_DIRTY_REASON_NOT_REQUESTED ?
		       IOMMU_DIRTY_COSTS : IOMMU_DIRTY_IMPOSSIBLE;
}

/**
 * arm_smmu_dirty_describe() - iommu_domain_ops::dirty_describe()
 * @domain: A paging domain that iommufd has allocated
 * @desc: Filled in
 */
void arm_smmu_dirty_describe(struct iommu_domain *domain,
			     struct iommu_dirty_desc *desc)
{
	struct arm_smmu_domain *smmu_domain = to_smmu_domain(domain);

	desc->format = smmu_domain->stage == ARM_SMMU_DOMAIN_S1 ?
			       IOMMU_DIRTY_FMT_ARM_S1 : IOMMU_DIRTY_FMT_ARM_S2;
	desc->reason = domain->dirty_ops ? IOMMU_DIRTY_REASON_OK :
					   smmu_reason(smmu_domain->smmu);
}

/**
 * arm_smmu_dirty_harvest() - iommu_dirty_ops::harvest()
 * @domain: A domain with dirty_ops
 * @walk: The walk
 *
 * Context: as for the walkers.
 * Return: 0.
 */
int arm_smmu_dirty_harvest(struct iommu_domain *domain,
			   struct iommu_dirty_walk *walk)
{
	struct arm_smmu_domain *smmu_domain = to_smmu_domain(domain);
	struct iommu_dirty_table table;

	arm_lpae_dirty_table(smmu_domain->pgtbl_ops, &table);
	if (smmu_domain->stage == ARM_SMMU_DOMAIN_S1)
		iommu_dirty_walk_arm_s1(&table, walk);
	else
		iommu_dirty_walk_arm_s2(&table, walk);
	return 0;
}

/**
 * arm_smmu_dirty_set_map_clean() - Set whether new entries start clean
 * @smmu_domain: A domain with dirty_ops
 * @clean: True while tracking is on; otherwise false, so that first writes cost less
 *
 * No other code changes the quirks of a domain in use. Entries that are mapped
 * concurrently may start clean or dirty.
 */
void arm_smmu_dirty_set_map_clean(struct arm_smmu_domain *smmu_domain,
				  bool clean)
{
	struct io_pgtable_cfg *cfg =
		&io_pgtable_ops_to_pgtable(smmu_domain->pgtbl_ops)->cfg;
	unsigned long quirks = cfg->quirks & ~IO_PGTABLE_QUIRK_ARM_MAP_CLEAN;

	if (clean)
		quirks |= IO_PGTABLE_QUIRK_ARM_MAP_CLEAN;
	WRITE_ONCE(cfg->quirks, quirks);
}
