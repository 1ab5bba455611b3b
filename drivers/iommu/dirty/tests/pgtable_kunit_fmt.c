// SPDX-License-Identifier: GPL-2.0-only
/*
 * Page tables built by the IOMMU drivers' own code, if it can be linked:
 * io-pgtable-arm on any architecture, AMD's code on x86. The tests read the address
 * and the level of the root from the configuration that the driver would write to
 * the hardware. Used by pgtable_kunit.c, see pgtable_kunit.h.
 */
#include <kunit/device.h>
#include <linux/io.h>
#include <linux/numa.h>
#include <linux/sizes.h>
#include <linux/slab.h>

#include "pgtable_kunit.h"

#define PGS_4K		(SZ_4K | SZ_2M | SZ_1G)
#define PGS_16K		(SZ_16K | SZ_32M)
#define PGS_64K		(SZ_64K | SZ_512M)

#define ARM_S1(_name, _kfmt, _bits, _pgsizes)				\
	{ .name = _name, .kfmt = _kfmt, .fmt = ARM_64_LPAE_S1,		\
	  .bits = _bits, .pgsizes = _pgsizes }

#define ARM_S2(_name, _kfmt, _bits, _pgsizes)				\
	{ .name = _name, .kfmt = _kfmt, .fmt = ARM_64_LPAE_S2,		\
	  .bits = _bits, .pgsizes = _pgsizes }

/* The table grows with the mapped IOVAs */
#define AMD_V1(_name, _bits)						\
	{ .name = _name, .kfmt = "amd_v1", .fmt = AMD_IOMMU_V1,		\
	  .bits = _bits, .pgsizes = GENMASK_ULL(51, 12) }

#define AMD_V2(_name, _bits)						\
	{ .name = _name, .kfmt = "x86_64", .fmt = AMD_IOMMU_V2,		\
	  .bits = _bits, .pgsizes = PGS_4K }

static const struct pgt_fmt pgt_fmts[] = {
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
#ifdef CONFIG_AMD_IOMMU
	AMD_V1("amd_v1_39", 39),
	AMD_V1("amd_v1_48", 48),
	AMD_V1("amd_v1_57", 57),
	AMD_V1("amd_v1_64", 64),
	AMD_V2("amd_v2_48", 48),
	AMD_V2("amd_v2_57", 57),
#endif
};

const void *pgt_gen_params(const void *prev, char *desc)
{
	const struct pgt_fmt *next =
		prev ? (const struct pgt_fmt *)prev + 1 : pgt_fmts;

	if (next == pgt_fmts + ARRAY_SIZE(pgt_fmts))
		return NULL;
	strscpy(desc, next->name, KUNIT_PARAM_DESC_SIZE);
	return next;
}

#ifdef CONFIG_AMD_IOMMU
#include "../../amd/amd_iommu.h"

/*
 * AMD's code needs the table to be part of a domain. A domain without devices does
 * not access hardware.
 */
static void amd_init(struct pgt *pgt, struct kunit *test)
{
	struct protection_domain *pdom =
		kunit_kzalloc(test, sizeof(*pdom), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, pdom);
	INIT_LIST_HEAD(&pdom->dev_list);
	INIT_LIST_HEAD(&pdom->dev_data_list);
	spin_lock_init(&pdom->lock);
	xa_init(&pdom->iommu_array);
	pdom->pd_mode = pgt->fmt->fmt == AMD_IOMMU_V1 ? PD_MODE_V1 : PD_MODE_V2;
	pgt->cfg = &pdom->iop.pgtbl.cfg;
	pgt->cfg->amd.nid = NUMA_NO_NODE;
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
	struct amd_io_pgtable *iop = io_pgtable_ops_to_data(pgt->ops);
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
#else
static void amd_init(struct pgt *pgt, struct kunit *test)
{
}

static void amd_set_levels(struct kunit *test, int levels)
{
}

static void amd_find_root(struct pgt *pgt)
{
}
#endif

static void arm_init(struct pgt *pgt, struct kunit *test)
{
	pgt->cfg = kunit_kzalloc(test, sizeof(*pgt->cfg), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, pgt->cfg);
	pgt->cfg->quirks = IO_PGTABLE_QUIRK_ARM_HD;
	pgt->cfg->pgsize_bitmap = pgt->fmt->pgsizes;
	pgt->cfg->ias = pgt->fmt->bits;
	pgt->cfg->oas = pgt->fmt->pgsizes & SZ_64K ? 52 : 48;
	pgt->cfg->coherent_walk = true;
	pgt->cfg->iommu_dev = kunit_device_register(test, "pgtable");
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, pgt->cfg->iommu_dev);
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
	unsigned int start;
	u64 ttbr;

	if (pgt->fmt->fmt == ARM_64_LPAE_S1) {
		typeof(pgt->cfg->arm_lpae_s1_cfg) *s1 =
			&pgt->cfg->arm_lpae_s1_cfg;

		ttbr = s1->ttbr;
		table->page_shift = arm_granule_shift(s1->tcr.tg);
		table->bits = 64 - s1->tcr.tsz;
		start = 4 - DIV_ROUND_UP(table->bits - table->page_shift,
					 table->page_shift - 3);
	} else {
		typeof(pgt->cfg->arm_lpae_s2_cfg) *s2 =
			&pgt->cfg->arm_lpae_s2_cfg;

		ttbr = s2->vttbr;
		table->page_shift = arm_granule_shift(s2->vtcr.tg);
		table->bits = 64 - s2->vtcr.tsz;
		start = (table->page_shift == 12 ? 2 : 3) - s2->vtcr.sl;
	}
	table->root = phys_to_virt(ttbr);
	table->top_level = 3 - start;
}

/* Read the root again: an AMD v1 table adds levels on demand */
void pgt_find_root(struct pgt *pgt)
{
	if (pgt->fmt->fmt == ARM_64_LPAE_S1 || pgt->fmt->fmt == ARM_64_LPAE_S2)
		arm_find_root(pgt);
	else
		amd_find_root(pgt);
}

static void pgt_free(void *ops)
{
	free_io_pgtable_ops(ops);
}

/* Create an empty table of the test's format; the test frees it when it ends */
void pgt_init(struct pgt *pgt, struct kunit *test)
{
	const struct pgt_fmt *fmt = test->param_value;
	unsigned int i;

	pgt->fmt = fmt;
	pgt->pt.test = test;
	for (i = 0; i < kfmts_nr; i++)
		if (!strcmp(kfmts[i].name, fmt->kfmt))
			pgt->pt.fmt = &kfmts[i];
	pgt->pt.table.page_shift = pgt->pt.fmt->page_shift;

	if (fmt->fmt == ARM_64_LPAE_S1 || fmt->fmt == ARM_64_LPAE_S2)
		arm_init(pgt, test);
	else
		amd_init(pgt, test);
	if (fmt->fmt == AMD_IOMMU_V2)
		amd_set_levels(test, (fmt->bits - 12) / 9);
	pgt->ops = alloc_io_pgtable_ops(fmt->fmt, pgt->cfg, NULL);
	KUNIT_ASSERT_NOT_NULL(test, pgt->ops);
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, pgt_free, pgt->ops));
	pgt_find_root(pgt);
	KUNIT_ASSERT_EQ(test, pgt->pt.table.page_shift,
			pgt->pt.fmt->page_shift);
}
