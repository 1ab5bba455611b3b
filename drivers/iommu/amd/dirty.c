// SPDX-License-Identifier: GPL-2.0-only
/*
 * Dirty tracking of AMD-Vi domains for iommufd: which table mode a domain uses
 * for it, v2 tracking as such, and the way from a domain to the walker of its
 * format. Called by iommu.c and, through the domain's ops, by iommufd.
 *
 * Section names are those of the "AMD I/O Virtualization Technology (IOMMU)
 * Specification" (48882). v1, "I/O Page Tables for Host Translations": hardware
 * maintains HA and HD where the device table entry says so (DTE[HAD], "Device
 * Table Entry Format"), which iommu.c sees to. v2, "I/O Page Tables for Guest
 * Translations": hardware always maintains A and D, as a processor does, on
 * which SVA depends as well. So there is nothing to enable; but the driver sets
 * both ahead when it maps, and must not while tracking.
 *
 * The walkers look at the tables through the CPU caches, and so does the IOMMU:
 * the driver always sets CONTROL_COHERENT_EN.
 */
#include <linux/iommu.h>
#include <linux/iommu_dirty.h>
#include <linux/minmax.h>
#include <linux/seqlock.h>
#include <linux/spinlock.h>
#include <asm/iommu.h>
#include <uapi/linux/iommufd.h>

#include "dirty.h"

/*
 * Has the administrator chosen v2, by amd_iommu=pgtbl_v2, and can it be had? Features
 * are those that all IOMMUs of the machine share. SNP forbids DTE[Mode] = 0, which v2
 * without v1 has.
 *
 * Without that choice no user gets v2: it has fewer page sizes and IOVA bits than v1,
 * and no bit that forces DMA to be coherent, upon which KVM relies.
 */
static bool v2_chosen(void)
{
	return amd_iommu_pgtable == AMD_IOMMU_V2 &&
	       check_feature(FEATURE_GT) && check_feature(FEATURE_GIOSUP) &&
	       !amd_iommu_snp_en;
}

/**
 * amd_dirty_supported() - Can a user's domain be tracked if that is asked for?
 * @iommu: The IOMMU that it is allocated for or attached to
 *
 * Return: true if it can, in v1 or in v2 mode.
 */
bool amd_dirty_supported(struct amd_iommu *iommu)
{
	return amd_iommu_hd_support(iommu) || v2_chosen();
}

/**
 * amd_dirty_pgtable() - Which table mode shall a user's domain use?
 * @iommu: The IOMMU that it is allocated for, or NULL
 * @flags: IOMMU_HWPT_ALLOC_* that it is allocated with
 *
 * Return: v2 if dirty bits are asked for and v1 has none, else v1.
 */
enum io_pgtable_fmt amd_dirty_pgtable(struct amd_iommu *iommu, u32 flags)
{
	if ((flags & IOMMU_HWPT_ALLOC_DIRTY_TRACKING) &&
	    !amd_iommu_hd_support(iommu))
		return AMD_IOMMU_V2;
	return AMD_IOMMU_V1;
}

/**
 * amd_dirty_coherent() - Is DMA of users' domains behind this IOMMU coherent?
 * @iommu: The IOMMU
 *
 * v1 entries force it. iommufd and KVM ask once for a device, before there is a
 * domain: the answer has to be that for any domain that the device can get.
 *
 * Return: false if one of them can be in v2 mode.
 */
bool amd_dirty_coherent(struct amd_iommu *iommu)
{
	return amd_iommu_hd_support(iommu) || !v2_chosen();
}

/**
 * amd_dirty_check_attach() - Can a domain be used behind this IOMMU?
 * @pdom: The domain
 * @iommu: The IOMMU of the device to attach
 *
 * Return: true unless @pdom was allocated for dirty bits, in another mode than it
 * would be for @iommu.
 */
bool amd_dirty_check_attach(struct protection_domain *pdom,
			    struct amd_iommu *iommu)
{
	return !pdom->domain.dirty_ops ||
	       (pdom->pd_mode == PD_MODE_V1) == amd_iommu_hd_support(iommu);
}

/**
 * amd_dirty_capable() - iommu_domain_ops::dirty_capable()
 * @dev: The device
 * @flags: IOMMU_HWPT_ALLOC_* that a domain is allocated with
 *
 * Return: true if a domain that is allocated so can be tracked.
 */
bool amd_dirty_capable(struct device *dev, u32 flags)
{
	return amd_dirty_supported(get_amd_iommu_from_dev(dev));
}

/**
 * amd_dirty_reason() - Why a domain that is allocated without it is untrackable
 * @iommu: The IOMMU that it is allocated for
 *
 * Return: IOMMU_DIRTY_REASON_NOT_REQUESTED if it only had to be asked for.
 */
enum iommu_dirty_reason amd_dirty_reason(struct amd_iommu *iommu)
{
	return amd_dirty_supported(iommu) ? IOMMU_DIRTY_REASON_NOT_REQUESTED :
					    IOMMU_DIRTY_REASON_NO_HW;
}

/**
 * amd_dirty_describe() - iommu_domain_ops::dirty_describe()
 * @domain: A paging domain
 * @desc: Out
 */
void amd_dirty_describe(struct iommu_domain *domain,
			struct iommu_dirty_desc *desc)
{
	struct protection_domain *pdom = to_pdomain(domain);

	desc->format = pdom->pd_mode == PD_MODE_V2 ? IOMMU_DIRTY_FMT_AMD_V2 :
						     IOMMU_DIRTY_FMT_AMD_V1;
	desc->reason = domain->dirty_ops ? IOMMU_DIRTY_REASON_OK :
					   pdom->dirty_reason;
}

/*
 * A v1 table grows by a level when something beyond its span is mapped, also
 * during a harvest: what was mapped before is the same below both roots, but
 * root and mode must be of one time.
 */
static void v1_table(struct amd_io_pgtable *pgtable,
		     struct iommu_dirty_table *table)
{
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

/**
 * amd_dirty_harvest() - iommu_dirty_ops::harvest()
 * @domain: A domain with dirty_ops
 * @walk: The walk
 *
 * Context: as the walkers.
 * Return: 0.
 */
int amd_dirty_harvest(struct iommu_domain *domain,
		      struct iommu_dirty_walk *walk)
{
	struct protection_domain *pdom = to_pdomain(domain);
	struct iommu_dirty_table table = {};

	if (pdom->pd_mode == PD_MODE_V2) {
		table.root = pdom->iop.pgd;
		table.top_level = amd_iommu_gpt_level - 1;
		table.bits = PM_LEVEL_SHIFT(amd_iommu_gpt_level);
		iommu_dirty_walk_x86_64(&table, walk);
	} else {
		v1_table(&pdom->iop, &table);
		iommu_dirty_walk_amd_v1(&table, walk);
	}
	return 0;
}

static int v2_set_dirty_tracking(struct iommu_domain *domain, bool enable)
{
	WRITE_ONCE(to_pdomain(domain)->map_clean, enable);
	return 0;
}

static int v2_read_and_clear_dirty(struct iommu_domain *domain,
				   unsigned long iova, size_t size,
				   unsigned long flags,
				   struct iommu_dirty_bitmap *dirty)
{
	/* Without a bitmap iommufd only cleans, ahead of enabling */
	if (!READ_ONCE(to_pdomain(domain)->map_clean) && dirty->bitmap)
		return -EINVAL;
	return iommu_dirty_read_and_clear(domain, iova, size, flags, dirty);
}

const struct iommu_dirty_ops amd_dirty_v2_ops = {
	.set_dirty_tracking = v2_set_dirty_tracking,
	.read_and_clear_dirty = v2_read_and_clear_dirty,
	.harvest = amd_dirty_harvest,
};
