// SPDX-License-Identifier: GPL-2.0-only
/*
 * Page tables built by generic_pt, which the x86 drivers and the RISC-V driver use in
 * Linux 7.3. The tests read the address and the level of the root from what the driver
 * would write to the hardware. Used by pgtable_kunit.c, see pgtable_kunit.h.
 */
#include <linux/io.h>
#include <linux/mem_encrypt.h>
#include <linux/module.h>
#include <linux/sizes.h>

#include "../../iommu-pages.h"
#include "gpt_base.h"
#include "pgtable_kunit.h"

/* Since Linux 6.13 it unmaps the whole block */
const bool pgt_arm_splits;

#ifdef CONFIG_IOMMU_PT
static const struct iommu_domain_ops gpt_domain_ops = {};

static void gpt_free(void *data)
{
	struct gpt *gpt = data;

	pt_iommu_deinit(&gpt->iommu);
}

/* The parts that all formats share, before and after the format's own */
static struct gpt *gpt_alloc(struct pgt *pgt)
{
	struct gpt *gpt = kunit_kzalloc(pgt->pt.test, sizeof(*gpt), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(pgt->pt.test, gpt);
	pgt->data = gpt;
	gpt_prepare(gpt);
	gpt->domain.ops = &gpt_domain_ops;
	return gpt;
}

static void gpt_ready(struct pgt *pgt, int rc)
{
	struct gpt *gpt = pgt->data;

	KUNIT_ASSERT_EQ(pgt->pt.test, 0, rc);
	KUNIT_ASSERT_EQ(pgt->pt.test, 0,
			kunit_add_action_or_reset(pgt->pt.test, gpt_free, gpt));
	pgt->pgsizes = pgt->fmt->pgsizes & gpt->domain.pgsize_bitmap;
	pgt->oas = 52;
}

static size_t gpt_map(struct pgt *pgt, unsigned long iova, phys_addr_t phys,
		      size_t pgsize, size_t pgcount, int prot)
{
	struct gpt *gpt = pgt->data;
	size_t mapped = 0;

	/* More pages at once can become one larger entry */
	if (gpt->iommu.ops->map_range(&gpt->iommu, iova, phys, pgsize, prot,
				      GFP_KERNEL, &mapped))
		return 0;
	return mapped;
}

static size_t gpt_unmap(struct pgt *pgt, unsigned long iova, size_t size)
{
	struct iommu_iotlb_gather gather;
	struct gpt *gpt = pgt->data;
	size_t unmapped;

	iommu_iotlb_gather_init(&gather);
	unmapped = gpt->iommu.ops->unmap_range(&gpt->iommu, iova, size,
					       &gather);
	iommu_put_pages_list(&gather.freelist);
	return unmapped;
}

#endif

#ifdef CONFIG_IOMMU_PT_AMDV1
static void amdv1_init(struct pgt *pgt)
{
	struct pt_iommu_amdv1_cfg cfg = {
		.common.hw_max_vasz_lg2 = pgt->fmt->bits,
		.common.hw_max_oasz_lg2 = 52,
		.common.features = BIT(PT_FEAT_DYNAMIC_TOP) |
				   BIT(PT_FEAT_AMDV1_ENCRYPT_TABLES) |
				   BIT(PT_FEAT_AMDV1_FORCE_COHERENCE),
		.starting_level = 2,
	};
	struct gpt *gpt = gpt_alloc(pgt);

	gpt_ready(pgt, pt_iommu_amdv1_init(&gpt->amdv1, &cfg, GFP_KERNEL));
}

static void amdv1_find_root(struct pgt *pgt)
{
	struct iommu_dirty_table *table = &pgt->pt.table;
	struct pt_iommu_amdv1_hw_info info;
	struct gpt *gpt = pgt->data;

	pt_iommu_amdv1_hw_info(&gpt->amdv1, &info);
	table->root = phys_to_virt(info.host_pt_root);
	table->top_level = info.mode - 1;
	table->bits = min(12 + 9 * info.mode, 64);
}

static phys_addr_t amdv1_iova_to_phys(struct pgt *pgt, unsigned long iova)
{
	struct gpt *gpt = pgt->data;

	return pt_iommu_amdv1_iova_to_phys(&gpt->domain, iova);
}

static const struct pgt_driver amdv1_driver = {
	.init = amdv1_init,
	.find_root = amdv1_find_root,
	.map = gpt_map,
	.unmap = gpt_unmap,
	.iova_to_phys = amdv1_iova_to_phys,
};

/* The table grows with the mapped IOVAs */
#define AMD_V1(_name, _bits)						\
	{ .name = _name, .kfmt = "amd_v1", .driver = &amdv1_driver,	\
	  .bits = _bits, .pgsizes = GENMASK_ULL(51, 12) }
#endif

#ifdef CONFIG_IOMMU_PT_X86_64
static void x86_64_init(struct pgt *pgt)
{
	struct pt_iommu_x86_64_cfg cfg = {
		.common.hw_max_vasz_lg2 = pgt->fmt->bits,
		.common.hw_max_oasz_lg2 = 52,
		.top_level = pgt->fmt->bits > 48 ? 4 : 3,
	};
	struct gpt *gpt = gpt_alloc(pgt);

	gpt_ready(pgt, pt_iommu_x86_64_init(&gpt->x86_64, &cfg, GFP_KERNEL));
}

static void x86_64_find_root(struct pgt *pgt)
{
	struct iommu_dirty_table *table = &pgt->pt.table;
	struct pt_iommu_x86_64_hw_info info;
	struct gpt *gpt = pgt->data;

	pt_iommu_x86_64_hw_info(&gpt->x86_64, &info);
	table->root = phys_to_virt(info.gcr3_pt);
	table->top_level = info.levels - 1;
	table->bits = 12 + 9 * info.levels;
}

static phys_addr_t x86_64_iova_to_phys(struct pgt *pgt, unsigned long iova)
{
	struct gpt *gpt = pgt->data;

	return pt_iommu_x86_64_iova_to_phys(&gpt->domain, iova);
}

static const struct pgt_driver x86_64_driver = {
	.init = x86_64_init,
	.find_root = x86_64_find_root,
	.map = gpt_map,
	.unmap = gpt_unmap,
	.iova_to_phys = x86_64_iova_to_phys,
};

#define X86_64(_name, _bits)						\
	{ .name = _name, .kfmt = "x86_64", .driver = &x86_64_driver,	\
	  .bits = _bits, .pgsizes = SZ_4K | SZ_2M | SZ_1G }
#endif

#ifdef CONFIG_IOMMU_PT_VTDSS
static void vtdss_init(struct pgt *pgt)
{
	struct pt_iommu_vtdss_cfg cfg = {
		.common.hw_max_vasz_lg2 = pgt->fmt->bits,
		.common.hw_max_oasz_lg2 = 52,
		.top_level = (pgt->fmt->bits - 12 + 8) / 9 - 1,
	};
	struct gpt *gpt = gpt_alloc(pgt);

	gpt_ready(pgt, pt_iommu_vtdss_init(&gpt->vtdss, &cfg, GFP_KERNEL));
}

static void vtdss_find_root(struct pgt *pgt)
{
	struct iommu_dirty_table *table = &pgt->pt.table;
	struct pt_iommu_vtdss_hw_info info;
	struct gpt *gpt = pgt->data;

	pt_iommu_vtdss_hw_info(&gpt->vtdss, &info);
	table->root = phys_to_virt(info.ssptptr);
	table->top_level = info.aw + 1;
	table->bits = 12 + 9 * (info.aw + 2);
}

static phys_addr_t vtdss_iova_to_phys(struct pgt *pgt, unsigned long iova)
{
	struct gpt *gpt = pgt->data;

	return pt_iommu_vtdss_iova_to_phys(&gpt->domain, iova);
}

static const struct pgt_driver vtdss_driver = {
	.init = vtdss_init,
	.find_root = vtdss_find_root,
	.map = gpt_map,
	.unmap = gpt_unmap,
	.iova_to_phys = vtdss_iova_to_phys,
};

#define VTD_SS(_name, _bits)						\
	{ .name = _name, .kfmt = "vtd_ss", .driver = &vtdss_driver,	\
	  .bits = _bits, .pgsizes = SZ_4K | SZ_2M | SZ_1G }
#endif

const struct pgt_fmt pgt_base_fmts[] = {
#ifdef CONFIG_IOMMU_PT_AMDV1
	AMD_V1("amd_v1_39", 39),
	AMD_V1("amd_v1_48", 48),
	AMD_V1("amd_v1_57", 57),
	AMD_V1("amd_v1_64", 64),
#endif
#ifdef CONFIG_IOMMU_PT_X86_64
	X86_64("x86_64_47", 47),
	X86_64("x86_64_56", 56),
#endif
#ifdef CONFIG_IOMMU_PT_VTDSS
	VTD_SS("vtd_ss_39", 39),
	VTD_SS("vtd_ss_48", 48),
	VTD_SS("vtd_ss_57", 57),
#endif
	{}
};

MODULE_IMPORT_NS("GENERIC_PT_IOMMU");
