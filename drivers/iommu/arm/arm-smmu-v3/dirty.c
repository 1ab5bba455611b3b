// SPDX-License-Identifier: GPL-2.0-only
/*
 * Dirty tracking of SMMUv3 domains for iommufd: calls the walker for a domain's
 * stage, or what splits and merges its large entries. Called by arm-smmu-v3.c and,
 * through the domain's ops, by iommufd. The caller holds no lock of the driver and keeps
 * the range of a walk mapped.
 *
 * "Arm System Memory Management Unit Architecture Specification" (IHI 0070),
 * "Hardware flag management": if SMMU_IDR0.HTTU indicates it, hardware makes an
 * entry with DBM writable on the first write, in stage 1 if CD.HA and CD.HD are
 * set, in stage 2 if STE.S2HA and STE.S2HD are set. arm-smmu-v3.c sets them for
 * the lifetime of a domain that was allocated with dirty tracking. Starting and
 * stopping only changes whether new entries are clean.
 *
 * The size of an entry in use may only be changed if SMMU_IDR3.BBML is 2: only then
 * does hardware cope with caches that hold the old size and the new one.
 */
#include <linux/iommu.h>
#include <linux/iommu_dirty.h>
#include <linux/iommu_dirty_split.h>

#include "../../dirty/pages.h"
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

/* Whether entries may change their size while they are in use */
static bool smmu_splits(struct arm_smmu_device *smmu)
{
	return smmu->features & ARM_SMMU_FEAT_BBML2;
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
	desc->split_reason = smmu_splits(smmu_domain->smmu) ?
				     IOMMU_DIRTY_REASON_OK :
				     IOMMU_DIRTY_REASON_NO_BBML;
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

/*
 * Pointers to tables have changed: TLBI commands without Leaf and without a level hint,
 * which is what a gather without a page size results in; one for all of the domain where
 * one for each page would take too long. ATCs are invalidated, too, and it waits for both.
 */
static void split_flush(struct iommu_domain *domain, unsigned long iova,
			unsigned long last)
{
	struct iommu_iotlb_gather gather;

	iommu_iotlb_gather_init(&gather);
	iommu_iotlb_gather_add_range(&gather, iova, last - iova + 1);
	iommu_iotlb_sync(domain, &gather);
}

/* The common part of split and merge; tables have the size of the granule */
static int split_steps(struct arm_smmu_domain *smmu_domain,
		       struct iommu_dirty_split *split, gfp_t gfp,
		       int (*step)(const struct iommu_dirty_table *table,
				   struct iommu_dirty_split *split))
{
	struct arm_smmu_device *smmu = smmu_domain->smmu;
	struct iommu_dirty_pages pages;
	struct iommu_dirty_table table;

	if (!smmu_splits(smmu))
		return -EOPNOTSUPP;
	arm_lpae_dirty_table(smmu_domain->pgtbl_ops, &table);
	iommu_dirty_pages_init(&pages, split, dev_to_node(smmu->dev), gfp,
			       1UL << table.page_shift);
	split->flags |= IOMMU_DIRTY_SPLIT_BBM2;
	return iommu_dirty_split_steps(&smmu_domain->domain, &table, split,
				       step, split_flush);
}

/**
 * arm_smmu_dirty_split() - iommu_dirty_ops::split()
 * @domain: A domain with dirty_ops
 * @split: The range
 * @gfp: How to allocate tables
 *
 * Context: as for struct iommu_dirty_split.
 * Return: 0, -ENOMEM, or -EOPNOTSUPP if SMMU_IDR3.BBML is not 2.
 */
int arm_smmu_dirty_split(struct iommu_domain *domain,
			 struct iommu_dirty_split *split, gfp_t gfp)
{
	struct arm_smmu_domain *smmu_domain = to_smmu_domain(domain);

	return split_steps(smmu_domain, split, gfp,
			   smmu_domain->stage == ARM_SMMU_DOMAIN_S1 ?
				   iommu_dirty_split_arm_s1 :
				   iommu_dirty_split_arm_s2);
}

/**
 * arm_smmu_dirty_merge() - iommu_dirty_ops::merge()
 * @domain: A domain with dirty_ops
 * @split: The range, and the array for tables
 *
 * Context: as for struct iommu_dirty_split.
 * Return: 0, -ENOSPC, or -EOPNOTSUPP if SMMU_IDR3.BBML is not 2.
 */
int arm_smmu_dirty_merge(struct iommu_domain *domain,
			 struct iommu_dirty_split *split)
{
	struct arm_smmu_domain *smmu_domain = to_smmu_domain(domain);

	return split_steps(smmu_domain, split, 0,
			   smmu_domain->stage == ARM_SMMU_DOMAIN_S1 ?
				   iommu_dirty_merge_arm_s1 :
				   iommu_dirty_merge_arm_s2);
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
