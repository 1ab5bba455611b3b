// SPDX-License-Identifier: GPL-2.0-only
/*
 * The page-table formats of the software IOMMU, for table.c, which builds tables,
 * and dma.c, which emulates the hardware. Constant data, used without locks. The
 * bits are not taken from the headers of the walkers under test: they are defined
 * a second time, from the specifications that these headers cite.
 */
#include "soft.h"

#define BIT47_12	0x0000fffffffff000ULL
#define BIT51_12	0x000ffffffffff000ULL
#define BIT53_10	0x003ffffffffffc00ULL

/* All formats; devices are created in this order */
const struct soft_fmt soft_fmts[] = {
	{
		.name = "vtd_ss", .id = IOMMU_DIRTY_FMT_VTD_SS,
		.walk = iommu_dirty_walk_vtd_ss,
		.split = iommu_dirty_split_vtd_ss,
		.merge = iommu_dirty_merge_vtd_ss,
		.bits = 48, .top_level = 3,
		.addr = BIT51_12, .present = 0x1,	/* R: always set here */
		.table = 0x3, .table_accessed = 0x100,
		.leaf = 0x1, .huge = 0x80, .leaf_mask = 0x80,
		.write = 0x2, .accessed = 0x100, .dirty = 0x200,
	},
	{
		/* In the upper half of 48 bits, bits 63 to 48 are set, too */
		.name = "x86_64", .id = IOMMU_DIRTY_FMT_VTD_FS,
		.walk = iommu_dirty_walk_x86_64,
		.split = iommu_dirty_split_x86_64,
		.merge = iommu_dirty_merge_x86_64,
		.bits = 47, .top_level = 3,
		.addr = BIT51_12, .present = 0x1,
		.table = 0x7, .table_accessed = 0x20,	/* U W P */
		.leaf = 0x5, .huge = 0x80, .leaf_mask = 0x80,
		.write = 0x2, .accessed = 0x20, .dirty = 0x40,
		.always = true,
	},
	{
		.name = "amd_v1", .id = IOMMU_DIRTY_FMT_AMD_V1,
		.walk = iommu_dirty_walk_amd_v1,
		.split = iommu_dirty_split_amd_v1,
		.merge = iommu_dirty_merge_amd_v1,
		.bits = 48, .top_level = 3, .level_shift = 9,
		.addr = BIT51_12, .present = 0x1,
		.table = 0x6000000000000001,		/* IW IR PR */
		.leaf = 0x2000000000000001, .leaf_mask = 0xe00,
		.write = 0x4000000000000000, .accessed = 0x20, .dirty = 0x40,
	},
	{
		/* AF, inner shareable, AP[2:1] = read-only for all; write: DBM */
		.name = "arm_s1", .id = IOMMU_DIRTY_FMT_ARM_S1,
		.walk = iommu_dirty_walk_arm_s1,
		.split = iommu_dirty_split_arm_s1,
		.merge = iommu_dirty_merge_arm_s1,
		.bits = 48, .top_level = 3,
		.addr = BIT47_12, .present = 0x1, .table = 0x3,
		.leaf = 0x7c3, .huge = 0x2, .leaf_mask = 0x2,
		.write = 0x0008000000000000, .dirty = 0x80,
		.dirty_writes = true, .always = true,
	},
	{
		/* The same with S2AP = read-only, and 16 tables as the root */
		.name = "arm_s2", .id = IOMMU_DIRTY_FMT_ARM_S2,
		.walk = iommu_dirty_walk_arm_s2,
		.split = iommu_dirty_split_arm_s2,
		.merge = iommu_dirty_merge_arm_s2,
		.bits = 43, .top_level = 2, .root_order = 4,
		.addr = BIT47_12, .present = 0x1, .table = 0x3,
		.leaf = 0x77f, .huge = 0x2, .leaf_mask = 0x2,
		.write = 0x0008000000000000, .dirty = 0x80,
		.dirty_writes = true, .always = true,
	},
	{
		.name = "riscv", .id = IOMMU_DIRTY_FMT_RISCV,
		.walk = iommu_dirty_walk_riscv,
		.split = iommu_dirty_split_riscv,
		.merge = iommu_dirty_merge_riscv,
		.bits = 47, .top_level = 3, .addr_shift = 2,
		.addr = BIT53_10, .present = 0x1, .table = 0x1,
		.leaf = 0x13, .leaf_mask = 0x2,		/* U R V */
		.write = 0x4, .accessed = 0x40, .dirty = 0x80,
		.always = true,
	},
};

const unsigned int soft_nr_fmts = ARRAY_SIZE(soft_fmts);
