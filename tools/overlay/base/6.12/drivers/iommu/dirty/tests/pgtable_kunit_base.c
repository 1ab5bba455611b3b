// SPDX-License-Identifier: GPL-2.0-only
/*
 * Page tables built by the code of x86 drivers in Linux 6.12: those of AMD, on x86. The
 * tests read the address and the level of the root from where the driver finds what it
 * would write to the hardware. Used by pgtable_kunit.c, see pgtable_kunit.h.
 */
#include <linux/io-pgtable.h>
#include <linux/numa.h>
#include <linux/sizes.h>

#include "pgtable_kunit.h"

const bool pgt_arm_splits = true;

#ifdef CONFIG_AMD_IOMMU
#include "../../amd/amd_iommu.h"

static void amd_free(void *ops)
{
	free_io_pgtable_ops(ops);
}

static void amd_restore_levels(void *levels)
{
	amd_iommu_gpt_level = (long)levels;
}

/* All v2 tables of a machine have the same number of levels */
static void amd_set_levels(struct kunit *test, int levels)
{
	long old = amd_iommu_gpt_level;

	if (old == levels)
		return;
	if (!list_empty(&amd_iommu_list))
		kunit_skip(test, "the machine's own tables have %ld levels", old);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test,
							   amd_restore_levels,
							   (void *)old));
	amd_iommu_gpt_level = levels;
}

static void amd_find_root(struct pgt *pgt)
{
	struct amd_io_pgtable *iop = io_pgtable_ops_to_data(pgt->data);
	struct iommu_dirty_table *table = &pgt->pt.table;

	if (pgt->fmt->fmt == AMD_IOMMU_V1) {
		table->root = iop->root;
		table->top_level = iop->mode - 1;
	} else {
		table->root = iop->pgd;
		table->top_level = amd_iommu_gpt_level - 1;
	}
	table->bits = min(12 + 9 * (table->top_level + 1), 64U);
}

/*
 * AMD's code needs the table to be part of a domain. A domain without devices does
 * not access hardware.
 */
static void amd_init(struct pgt *pgt)
{
	struct kunit *test = pgt->pt.test;
	struct protection_domain *pdom =
		kunit_kzalloc(test, sizeof(*pdom), GFP_KERNEL);
	struct io_pgtable_cfg *cfg;

	KUNIT_ASSERT_NOT_NULL(test, pdom);
	INIT_LIST_HEAD(&pdom->dev_list);
	INIT_LIST_HEAD(&pdom->dev_data_list);
	spin_lock_init(&pdom->lock);
	xa_init(&pdom->iommu_array);
	pdom->pd_mode = pgt->fmt->fmt == AMD_IOMMU_V1 ? PD_MODE_V1 : PD_MODE_V2;
	cfg = &pdom->iop.pgtbl.cfg;
	cfg->amd.nid = NUMA_NO_NODE;
	if (pgt->fmt->fmt == AMD_IOMMU_V2)
		amd_set_levels(test, (pgt->fmt->bits - 12) / 9);
	pgt->data = alloc_io_pgtable_ops(pgt->fmt->fmt, cfg, NULL);
	KUNIT_ASSERT_NOT_NULL(test, pgt->data);
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, amd_free, pgt->data));
	pgt->pgsizes = pgt->fmt->pgsizes & cfg->pgsize_bitmap;
	pgt->oas = cfg->oas;
}

static size_t amd_map(struct pgt *pgt, unsigned long iova, phys_addr_t phys,
		      size_t pgsize, size_t pgcount, int prot)
{
	struct io_pgtable_ops *ops = pgt->data;
	size_t mapped = 0;

	if (ops->map_pages(ops, iova, phys, pgsize, pgcount, prot, GFP_KERNEL,
			   &mapped))
		return 0;
	return mapped;
}

static size_t amd_unmap(struct pgt *pgt, unsigned long iova, size_t size)
{
	struct io_pgtable_ops *ops = pgt->data;

	return ops->unmap_pages(ops, iova, size, 1, NULL);
}

static phys_addr_t amd_iova_to_phys(struct pgt *pgt, unsigned long iova)
{
	struct io_pgtable_ops *ops = pgt->data;

	return ops->iova_to_phys(ops, iova);
}

static const struct pgt_driver amd_driver = {
	.init = amd_init,
	.find_root = amd_find_root,
	.map = amd_map,
	.unmap = amd_unmap,
	.iova_to_phys = amd_iova_to_phys,
};

/* The table grows with the mapped IOVAs */
#define AMD_V1(_name, _bits)						\
	{ .name = _name, .kfmt = "amd_v1", .driver = &amd_driver,	\
	  .fmt = AMD_IOMMU_V1, .bits = _bits,				\
	  .pgsizes = GENMASK_ULL(51, 12) }

#define AMD_V2(_name, _bits)						\
	{ .name = _name, .kfmt = "x86_64", .driver = &amd_driver,	\
	  .fmt = AMD_IOMMU_V2, .bits = _bits,				\
	  .pgsizes = SZ_4K | SZ_2M | SZ_1G }
#endif

const struct pgt_fmt pgt_base_fmts[] = {
#ifdef CONFIG_AMD_IOMMU
	AMD_V1("amd_v1_39", 39),
	AMD_V1("amd_v1_48", 48),
	AMD_V1("amd_v1_57", 57),
	AMD_V1("amd_v1_64", 64),
	AMD_V2("amd_v2_48", 48),
	AMD_V2("amd_v2_57", 57),
#endif
	{}
};
