// SPDX-License-Identifier: GPL-2.0-only
/*
 * Page tables built by io-pgtable-arm, on any architecture, if it is configured. The
 * tests read the address and the level of the root from the configuration that the
 * driver would write to the hardware. Used by pgtable_kunit.c, see pgtable_kunit.h.
 */
#include <kunit/device.h>
#include <linux/io.h>
#include <linux/io-pgtable.h>
#include <linux/sizes.h>

#include "pgtable_kunit.h"

#ifdef CONFIG_IOMMU_IO_PGTABLE_LPAE
#define PGS_4K		(SZ_4K | SZ_2M | SZ_1G)
#define PGS_16K		(SZ_16K | SZ_32M)
#define PGS_64K		(SZ_64K | SZ_512M)

/* The table of struct pgt::data */
struct arm_pgt {
	struct io_pgtable_ops *ops;
	struct io_pgtable_cfg cfg;
};

static void arm_free(void *ops)
{
	free_io_pgtable_ops(ops);
}

/* TCR.TG0 or VTCR.TG0 */
static unsigned int arm_granule_shift(unsigned int tg)
{
	return tg == 0 ? 12 : tg == 1 ? 16 : 14;
}

/* The manual counts levels from 0 to 3 towards the leaves */
static void arm_find_root(struct pgt *pgt)
{
	struct iommu_dirty_table *table = &pgt->pt.table;
	struct arm_pgt *arm = pgt->data;
	unsigned int start;
	u64 ttbr;

	if (pgt->fmt->fmt == ARM_64_LPAE_S1) {
		typeof(arm->cfg.arm_lpae_s1_cfg) *s1 =
			&arm->cfg.arm_lpae_s1_cfg;

		ttbr = s1->ttbr;
		table->page_shift = arm_granule_shift(s1->tcr.tg);
		table->bits = 64 - s1->tcr.tsz;
		start = 4 - DIV_ROUND_UP(table->bits - table->page_shift,
					 table->page_shift - 3);
	} else {
		typeof(arm->cfg.arm_lpae_s2_cfg) *s2 =
			&arm->cfg.arm_lpae_s2_cfg;

		ttbr = s2->vttbr;
		table->page_shift = arm_granule_shift(s2->vtcr.tg);
		table->bits = 64 - s2->vtcr.tsz;
		start = (table->page_shift == 12 ? 2 : 3) - s2->vtcr.sl;
	}
	table->root = phys_to_virt(ttbr);
	table->top_level = 3 - start;
}

static void arm_init(struct pgt *pgt)
{
	struct kunit *test = pgt->pt.test;
	struct arm_pgt *arm = kunit_kzalloc(test, sizeof(*arm), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, arm);
	pgt->data = arm;
	pgt->oas = pgt->fmt->pgsizes & SZ_64K ? 52 : 48;
	arm->cfg.quirks = IO_PGTABLE_QUIRK_ARM_HD;
	arm->cfg.pgsize_bitmap = pgt->fmt->pgsizes;
	arm->cfg.ias = pgt->fmt->bits;
	arm->cfg.oas = pgt->oas;
	arm->cfg.coherent_walk = true;
	arm->cfg.iommu_dev = kunit_device_register(test, "pgtable");
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, arm->cfg.iommu_dev);
	arm->ops = alloc_io_pgtable_ops(pgt->fmt->fmt, &arm->cfg, NULL);
	KUNIT_ASSERT_NOT_NULL(test, arm->ops);
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, arm_free, arm->ops));
	pgt->pgsizes = pgt->fmt->pgsizes & arm->cfg.pgsize_bitmap;
}

static size_t arm_map(struct pgt *pgt, unsigned long iova, phys_addr_t phys,
		      size_t pgsize, size_t pgcount, int prot)
{
	struct arm_pgt *arm = pgt->data;
	size_t mapped = 0;

	if (arm->ops->map_pages(arm->ops, iova, phys, pgsize, pgcount, prot,
				GFP_KERNEL, &mapped))
		return 0;
	return mapped;
}

static size_t arm_unmap(struct pgt *pgt, unsigned long iova, size_t size)
{
	struct arm_pgt *arm = pgt->data;

	return arm->ops->unmap_pages(arm->ops, iova, size, 1, NULL);
}

static phys_addr_t arm_iova_to_phys(struct pgt *pgt, unsigned long iova)
{
	struct arm_pgt *arm = pgt->data;

	return arm->ops->iova_to_phys(arm->ops, iova);
}

static const struct pgt_driver arm_driver = {
	.init = arm_init,
	.find_root = arm_find_root,
	.map = arm_map,
	.unmap = arm_unmap,
	.iova_to_phys = arm_iova_to_phys,
};

#define ARM_S1(_name, _kfmt, _bits, _pgsizes)				\
	{ .name = _name, .kfmt = _kfmt, .driver = &arm_driver,		\
	  .fmt = ARM_64_LPAE_S1, .bits = _bits, .pgsizes = _pgsizes }

#define ARM_S2(_name, _kfmt, _bits, _pgsizes)				\
	{ .name = _name, .kfmt = _kfmt, .driver = &arm_driver,		\
	  .fmt = ARM_64_LPAE_S2, .bits = _bits, .pgsizes = _pgsizes }
#endif

const struct pgt_fmt pgt_arm_fmts[] = {
#ifdef CONFIG_IOMMU_IO_PGTABLE_LPAE
	ARM_S1("arm_s1_4k_32", "arm_s1_4k", 32, PGS_4K),
	ARM_S1("arm_s1_4k_39", "arm_s1_4k", 39, PGS_4K),
	ARM_S1("arm_s1_4k_48", "arm_s1_4k", 48, PGS_4K),
	ARM_S1("arm_s1_16k_36", "arm_s1_16k", 36, PGS_16K),
	ARM_S1("arm_s1_16k_48", "arm_s1_16k", 48, PGS_16K),
	ARM_S1("arm_s1_64k_42", "arm_s1_64k", 42, PGS_64K),
	ARM_S1("arm_s1_64k_52", "arm_s1_64k", 52, PGS_64K | BIT_ULL(42)),
	/* 4k_40, 4k_43 and 16k_48 have 2 to 16 concatenated root tables */
	ARM_S2("arm_s2_4k_40", "arm_s2_4k", 40, PGS_4K),
	ARM_S2("arm_s2_4k_43", "arm_s2_4k", 43, PGS_4K),
	ARM_S2("arm_s2_4k_48", "arm_s2_4k", 48, PGS_4K),
	ARM_S2("arm_s2_16k_40", "arm_s2_16k", 40, PGS_16K),
	ARM_S2("arm_s2_16k_48", "arm_s2_16k", 48, PGS_16K),
	ARM_S2("arm_s2_64k_48", "arm_s2_64k", 48, PGS_64K),
#endif
	{ .more = pgt_base_fmts }
};
