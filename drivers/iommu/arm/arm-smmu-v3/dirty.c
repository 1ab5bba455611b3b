// SPDX-License-Identifier: GPL-2.0-only
/*
 * Dirty tracking of SMMUv3 domains for iommufd: the way from a domain to the
 * walker of its stage. Called by arm-smmu-v3.c and, through the domain's ops,
 * by iommufd.
 *
 * "Arm System Memory Management Unit Architecture Specification" (IHI 0070),
 * "Hardware flag management": where SMMU_IDR0.HTTU says so, hardware makes an
 * entry with DBM writable when it is written through, in stage 1 if CD.HA and
 * CD.HD are set, in stage 2 if STE.S2HA and STE.S2HD are. arm-smmu-v3.c sets
 * them for as long as a domain lives that was allocated with dirty tracking. All
 * that starting and stopping changes is whether new entries are clean.
 *
 * The page walks of the SMMU have to be coherent (SMMU_IDR0.COHACC): the walker
 * looks at the tables through the CPU caches, and hardware and it update the
 * same entries atomically.
 */
#include <linux/iommu.h>
#include <linux/iommu_dirty.h>

#include "../../io-pgtable-arm.h"
#include "dirty.h"

static enum iommu_dirty_reason smmu_reason(struct arm_smmu_device *smmu)
{
	if (!(smmu->features & ARM_SMMU_FEAT_HD))
		return IOMMU_DIRTY_REASON_NO_HW;
	if (!(smmu->features & ARM_SMMU_FEAT_COHERENCY))
		return IOMMU_DIRTY_REASON_INCOHERENT;
	return IOMMU_DIRTY_REASON_NOT_REQUESTED;
}

/**
 * arm_smmu_dirty_capable() - iommu_domain_ops::dirty_capable()
 * @dev: The device
 * @flags: IOMMU_HWPT_ALLOC_* that a domain is allocated with
 *
 * Return: true if a domain can be tracked, which is of either stage.
 */
bool arm_smmu_dirty_capable(struct device *dev, u32 flags)
{
	struct arm_smmu_master *master = dev_iommu_priv_get(dev);

	return smmu_reason(master->smmu) == IOMMU_DIRTY_REASON_NOT_REQUESTED;
}

/**
 * arm_smmu_dirty_describe() - iommu_domain_ops::dirty_describe()
 * @domain: A paging domain that iommufd has allocated
 * @desc: Out
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
 * Context: as the walkers.
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
 * arm_smmu_dirty_set_map_clean() - Shall new entries start clean?
 * @smmu_domain: A domain with dirty_ops
 * @clean: Yes, as tracking is on; without it a first write costs less
 *
 * Nobody else changes the quirks of a domain that is in use. Entries that are
 * mapped meanwhile may be of either kind.
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
