// SPDX-License-Identifier: GPL-2.0-only
/*
 * Rivals of the walkers that depend on the base kernel, see struct bench_rival. In Linux
 * 7.3, generic_pt has a dirty walker for the second stage of VT-d and for AMD v1. Our
 * patches add x86_64, and a second walker that marks in a sink.
 */
#include <linux/io.h>
#include <linux/module.h>

#include "../../../dirty/tests/gpt_base.h"
#include "bench.h"

static struct gpt *gpt_alloc(struct bench_set *set)
{
	struct gpt *gpt = kunit_kzalloc(set->test, sizeof(*gpt), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(set->test, gpt);
	gpt_prepare(gpt);
	set->data = gpt;
	return gpt;
}

/* Physical addresses that are aligned to a page, but not to two */
static int gpt_map(struct bench_set *set, unsigned long iova, size_t size,
		   size_t pgsize)
{
	struct gpt *gpt = set->data;
	size_t mapped = 0;

	return gpt->iommu.ops->map_range(&gpt->iommu, iova, iova + pgsize, size,
					 IOMMU_READ | IOMMU_WRITE, GFP_KERNEL,
					 &mapped);
}

static void gpt_free(struct bench_set *set)
{
	struct gpt *gpt = set->data;

	pt_iommu_deinit(&gpt->iommu);
}

static void amdv1_init(struct bench_set *set)
{
	struct pt_iommu_amdv1_cfg cfg = {
		.common.hw_max_vasz_lg2 = BENCH_BITS,
		.common.hw_max_oasz_lg2 = 52,
		.common.features = BIT(PT_FEAT_DYNAMIC_TOP) |
				   BIT(PT_FEAT_AMDV1_ENCRYPT_TABLES) |
				   BIT(PT_FEAT_AMDV1_FORCE_COHERENCE),
		.starting_level = BENCH_TOP_LEVEL,
	};
	struct pt_iommu_amdv1_hw_info info;
	struct gpt *gpt = gpt_alloc(set);

	KUNIT_ASSERT_EQ(set->test, 0,
			pt_iommu_amdv1_init(&gpt->amdv1, &cfg, GFP_KERNEL));
	pt_iommu_amdv1_hw_info(&gpt->amdv1, &info);
	set->table.root = phys_to_virt(info.host_pt_root);
}

static int amdv1_read(struct bench_set *set, unsigned long iova, size_t size,
		      struct iommu_dirty_bitmap *dirty)
{
	struct gpt *gpt = set->data;

	return pt_iommu_amdv1_read_and_clear_dirty(&gpt->domain, iova, size, 0,
						   dirty);
}

static int amdv1_harvest(struct bench_set *set, struct iommu_dirty_walk *walk)
{
	struct gpt *gpt = set->data;

	return pt_iommu_amdv1_harvest_dirty(&gpt->domain, walk);
}

static void vtdss_init(struct bench_set *set)
{
	struct pt_iommu_vtdss_cfg cfg = {
		.common.hw_max_vasz_lg2 = BENCH_BITS,
		.common.hw_max_oasz_lg2 = 52,
		.top_level = BENCH_TOP_LEVEL,
	};
	struct pt_iommu_vtdss_hw_info info;
	struct gpt *gpt = gpt_alloc(set);

	KUNIT_ASSERT_EQ(set->test, 0,
			pt_iommu_vtdss_init(&gpt->vtdss, &cfg, GFP_KERNEL));
	pt_iommu_vtdss_hw_info(&gpt->vtdss, &info);
	set->table.root = phys_to_virt(info.ssptptr);
}

static int vtdss_read(struct bench_set *set, unsigned long iova, size_t size,
		      struct iommu_dirty_bitmap *dirty)
{
	struct gpt *gpt = set->data;

	return pt_iommu_vtdss_read_and_clear_dirty(&gpt->domain, iova, size, 0,
						   dirty);
}

static int vtdss_harvest(struct bench_set *set, struct iommu_dirty_walk *walk)
{
	struct gpt *gpt = set->data;

	return pt_iommu_vtdss_harvest_dirty(&gpt->domain, walk);
}

static void x86_64_init(struct bench_set *set)
{
	struct pt_iommu_x86_64_cfg cfg = {
		.common.hw_max_vasz_lg2 = BENCH_BITS,
		.common.hw_max_oasz_lg2 = 52,
		.top_level = BENCH_TOP_LEVEL,
	};
	struct pt_iommu_x86_64_hw_info info;
	struct gpt *gpt = gpt_alloc(set);

	KUNIT_ASSERT_EQ(set->test, 0,
			pt_iommu_x86_64_init(&gpt->x86_64, &cfg, GFP_KERNEL));
	pt_iommu_x86_64_hw_info(&gpt->x86_64, &info);
	set->table.root = phys_to_virt(info.gcr3_pt);
}

static int x86_64_read(struct bench_set *set, unsigned long iova, size_t size,
		       struct iommu_dirty_bitmap *dirty)
{
	struct gpt *gpt = set->data;

	return pt_iommu_x86_64_read_and_clear_dirty(&gpt->domain, iova, size, 0,
						    dirty);
}

static int x86_64_harvest(struct bench_set *set, struct iommu_dirty_walk *walk)
{
	struct gpt *gpt = set->data;

	return pt_iommu_x86_64_harvest_dirty(&gpt->domain, walk);
}

static const struct bench_rival amdv1 = {
	.name = "generic_pt",
	.init = amdv1_init,
	.map = gpt_map,
	.read = amdv1_read,
	.harvest = amdv1_harvest,
	.free = gpt_free,
};

static const struct bench_rival vtdss = {
	.name = "generic_pt",
	.init = vtdss_init,
	.map = gpt_map,
	.read = vtdss_read,
	.harvest = vtdss_harvest,
	.free = gpt_free,
};

static const struct bench_rival x86_64 = {
	.name = "generic_pt",
	.init = x86_64_init,
	.map = gpt_map,
	.read = x86_64_read,
	.harvest = x86_64_harvest,
	.free = gpt_free,
};

/**
 * bench_rival_base() - The base kernel's walker of a format
 * @fmt: The format
 *
 * Return: the rival, or NULL if there is none.
 */
const struct bench_rival *bench_rival_base(const struct bench_fmt *fmt)
{
	if (fmt->walk == iommu_dirty_walk_amd_v1)
		return &amdv1;
	if (fmt->walk == iommu_dirty_walk_vtd_ss)
		return &vtdss;
	if (fmt->walk == iommu_dirty_walk_x86_64)
		return &x86_64;
	return NULL;
}

MODULE_IMPORT_NS("GENERIC_PT_IOMMU");
