// SPDX-License-Identifier: GPL-2.0-only
/*
 * The page-table formats for the tests of the walkers, written from the
 * specifications a second time, and tables in memory built from them. Used by the
 * KUnit suites in this directory, see walk_kunit.h.
 */
#include <linux/io.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/sizes.h>

#include "walk_kunit.h"

#define BIT51	0x0008000000000000ULL
#define BIT52	0x0010000000000000ULL
#define BIT56	0x0100000000000000ULL
#define BIT63	0x8000000000000000ULL

/* Valid, AF, inner shareable; AP[2:1] or S2AP; DBM */
#define ARM_LEAF(ap)	(BIT51 | 0x703 | (ap) << 6)

#define ARM_S1(_name, _page_shift, _top_level, ...) {			\
	.name = _name, .walk = iommu_dirty_walk_arm_s1,			\
	.split = iommu_dirty_split_arm_s1,				\
	.merge = iommu_dirty_merge_arm_s1,				\
	.mark = BIT56, .bbm = true, .late = true,			\
	.page_shift = _page_shift, .top_level = _top_level,		\
	.leaf_level = 2,						\
	.table = 0x3, .leaf = ARM_LEAF(3), .huge = 0x2,			\
	.groups = { __VA_ARGS__ }, .group = BIT52, .dbm = BIT51,	\
	.dirty = 0x80, .protect = BIT51 }

#define ARM_S2(_name, _page_shift, _top_level, _roots, ...) {		\
	.name = _name, .walk = iommu_dirty_walk_arm_s2,			\
	.split = iommu_dirty_split_arm_s2,				\
	.merge = iommu_dirty_merge_arm_s2,				\
	.mark = BIT56, .bbm = true, .late = true,			\
	.page_shift = _page_shift, .top_level = _top_level,		\
	.leaf_level = 2, .root_tables = _roots,				\
	.table = 0x3, .leaf = ARM_LEAF(1), .huge = 0x2,			\
	.groups = { __VA_ARGS__ }, .group = BIT52, .dbm = BIT51,	\
	.dirty = 0x80, .protect = BIT51 }

const struct kfmt kfmts[] = {
	{
		.name = "vtd_ss", .walk = iommu_dirty_walk_vtd_ss,
		.split = iommu_dirty_split_vtd_ss,
		.merge = iommu_dirty_merge_vtd_ss,
		.mark = 0x8, .late = true,
		.page_shift = 12, .top_level = 4, .leaf_level = 2,
		.table = 0x3,		/* R W */
		.leaf = 0x3,
		.huge = 0x80,
		.dirty = 0x200, .accessed = 0x100, .protect = 0x2,
	},
	{
		/* Devices can write but not read */
		.name = "vtd_ss_write_only", .walk = iommu_dirty_walk_vtd_ss,
		.split = iommu_dirty_split_vtd_ss,
		.merge = iommu_dirty_merge_vtd_ss,
		.mark = 0x8, .late = true,
		.page_shift = 12, .top_level = 4, .leaf_level = 2,
		.table = 0x3,
		.leaf = 0x2,
		.huge = 0x80,
		.dirty = 0x200, .accessed = 0x100, .protect = 0x2,
	},
	{
		.name = "x86_64", .walk = iommu_dirty_walk_x86_64,
		.split = iommu_dirty_split_x86_64,
		.merge = iommu_dirty_merge_x86_64,
		.mark = 0x800, .late = true,
		.page_shift = 12, .top_level = 4, .leaf_level = 2,
		.table = 0x27,		/* A U W P */
		.leaf = 0x7,
		.huge = 0x80,
		.dirty = 0x40, .accessed = 0x20, .lost = 0x20,
		.protect = 0x2,
	},
	{
		.name = "amd_v1", .walk = iommu_dirty_walk_amd_v1,
		.split = iommu_dirty_split_amd_v1,
		.merge = iommu_dirty_merge_amd_v1,
		.mark = 0x10, .late = true,
		.page_shift = 12, .top_level = 5, .leaf_level = 4,
		.table = 0x6000000000000001,	/* IW IR PR */
		.level_shift = 9, .skips = true,
		.leaf = 0x6000000000000001,
		/* The largest size is 4 PiB */
		.groups = { 8, 8, 8, 8, 4 }, .sized = true, .group = 0xe00,
		.dirty = 0x40, .accessed = 0x20,
		.protect = 0x4000000000000000,
	},
	ARM_S1("arm_s1_4k", 12, 3, 4, 4, 4),
	ARM_S1("arm_s1_16k", 14, 3, 7, 5),
	ARM_S1("arm_s1_64k", 16, 2, 5, 5),
	ARM_S2("arm_s2_4k", 12, 2, 16, 4, 4, 4),
	ARM_S2("arm_s2_16k", 14, 2, 2, 7, 5),
	ARM_S2("arm_s2_64k", 16, 2, 0, 5, 5),
	{
		.name = "riscv", .walk = iommu_dirty_walk_riscv,
		.split = iommu_dirty_split_riscv,
		.merge = iommu_dirty_merge_riscv,
		.mark = 0x200,
		.page_shift = 12, .top_level = 4, .leaf_level = 4,
		.table = 0x1, .addr_shift = 2,
		.leaf = 0x17,		/* U W R V */
		.groups = { 4 }, .group = BIT63,
		.dirty = 0x80, .accessed = 0x40, .protect = 0x4,
	},
};

const unsigned int kfmts_nr = ARRAY_SIZE(kfmts);

KUNIT_GENERATOR(kfmt_gen_params)
{
	const struct kfmt *next = prev ? (const struct kfmt *)prev + 1 : kfmts;

	if (next == kfmts + kfmts_nr)
		return NULL;
	strscpy(desc, next->name, KUNIT_PARAM_DESC_SIZE);
	return next;
}

static u64 *kpt_alloc_table(struct kpt *pt, unsigned int pages)
{
	u64 *table = kunit_kzalloc(pt->test, pages << pt->fmt->page_shift,
				   GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(pt->test, table);
	KUNIT_ASSERT_TRUE(pt->test, IS_ALIGNED((unsigned long)table,
					       1UL << pt->fmt->page_shift));
	return table;
}

/* Create an empty table. Only the format's top level has a root of several tables */
void kpt_init(struct kpt *pt, struct kunit *test, unsigned int top_level)
{
	const struct kfmt *fmt = test->param_value;
	unsigned int roots = top_level == fmt->top_level && fmt->root_tables ?
				     fmt->root_tables : 1;

	pt->test = test;
	pt->fmt = fmt;
	pt->skip = false;
	pt->table.top_level = top_level;
	pt->table.page_shift = fmt->page_shift;
	pt->table.bits = min(kfmt_shift(fmt, top_level + 1) + ilog2(roots),
			     64U);
	pt->table.root = kpt_alloc_table(pt, roots);
}

/*
 * Find the entry that maps @iova at @level, and create the tables above it. Returns
 * NULL if an existing entry skips the level.
 */
u64 *kpt_entry(struct kpt *pt, unsigned long iova, unsigned int level)
{
	const struct kfmt *fmt = pt->fmt;
	unsigned int entries = 1U << (fmt->page_shift - 3);
	unsigned int at = pt->table.top_level;
	unsigned long idx = iova >> kfmt_shift(fmt, at);
	u64 *table = pt->table.root;

	while (at > level) {
		u64 *pte = &table[idx];
		unsigned int next = at - 1;

		if (!*pte) {
			/* Skip levels whose IOVA bits are all 0 */
			while (pt->skip && next > level &&
			       !((iova >> kfmt_shift(fmt, next)) % entries))
				next--;
			*pte = virt_to_phys(kpt_alloc_table(pt, 1)) >>
				       fmt->addr_shift | fmt->table;
			if (fmt->level_shift)
				*pte |= (u64)(next + 1) << fmt->level_shift;
		}
		if (fmt->level_shift)
			next = (*pte >> fmt->level_shift & 7) - 1;
		/* An existing entry that skips levels may not reach @iova or @level */
		if (next < level ||
		    iova % kfmt_size(fmt, at) >= kfmt_size(fmt, next + 1))
			return NULL;
		table = phys_to_virt((*pte << fmt->addr_shift) &
				     GENMASK_ULL(47, fmt->page_shift));
		at = next;
		idx = (iova >> kfmt_shift(fmt, at)) % entries;
	}
	return &table[idx];
}

/*
 * Map @iova with 1 << @group clean leaves at @level, to any address. Returns the
 * first leaf.
 */
u64 *kpt_map(struct kpt *pt, unsigned long iova, unsigned int level,
	     unsigned int group)
{
	const struct kfmt *fmt = pt->fmt;
	u64 *pte = kpt_entry(pt, iova, level);
	unsigned int i;

	for (i = 0; i < 1U << group; i++) {
		pte[i] = fmt->leaf ^ (level ? fmt->huge : 0);
		if (!group)
			continue;
		pte[i] |= fmt->group;
		/* The address encodes the size: one zero bit, with ones below it */
		if (fmt->sized)
			pte[i] |= GENMASK_ULL(kfmt_shift(fmt, level) + group - 1,
					      12) &
				  ~BIT_ULL(kfmt_shift(fmt, level) + group - 1);
	}
	return pte;
}

bool kpte_is_leaf(const struct kfmt *fmt, u64 pte, unsigned int level)
{
	unsigned int next = pte >> fmt->level_shift & 7;

	if (!level)
		return true;
	if (fmt->level_shift)
		return next == 0 || next == 7;
	/* One bit distinguishes leaves from tables; on RISC-V, any of R, W and X */
	if (fmt->huge)
		return !((pte ^ fmt->leaf ^ fmt->huge) & fmt->huge);
	return pte & 0xe;
}

/* log2 of the number of leaves in the page of this leaf */
unsigned int kpte_group(const struct kfmt *fmt, u64 pte, unsigned int level)
{
	unsigned int shift = 12;

	if (!fmt->group || (pte & fmt->group) != fmt->group)
		return 0;
	if (!fmt->sized)
		return fmt->groups[level];
	/* The lowest zero bit is half of the size */
	while (pte & BIT_ULL(shift))
		shift++;
	return shift + 1 - kfmt_shift(fmt, level);
}

/*
 * Find the leaf that maps @iova, as the specifications define. Entries that are not
 * present must be 0.
 */
struct kpt_leaf kpt_find(const struct kpt *pt, unsigned long iova)
{
	const struct kfmt *fmt = pt->fmt;
	struct kpt_leaf leaf = { .level = pt->table.top_level };
	unsigned long idx = iova >> kfmt_shift(fmt, leaf.level);
	u64 *table = pt->table.root;

	if (iova > kpt_last(pt))
		return leaf;
	while (table[idx] && !kpte_is_leaf(fmt, table[idx], leaf.level)) {
		unsigned int next = leaf.level - 1;

		if (fmt->level_shift)
			next = (table[idx] >> fmt->level_shift & 7) - 1;
		if (iova % kfmt_size(fmt, leaf.level) >= kfmt_size(fmt, next + 1))
			return leaf;
		table = phys_to_virt((table[idx] << fmt->addr_shift) &
				     GENMASK_ULL(47, fmt->page_shift));
		leaf.level = next;
		idx = (iova >> kfmt_shift(fmt, next)) %
		      (1U << (fmt->page_shift - 3));
	}
	if (table[idx]) {
		leaf.entries = 1U << kpte_group(fmt, table[idx], leaf.level);
		leaf.ptes = &table[ALIGN_DOWN(idx, leaf.entries)];
	}
	return leaf;
}

bool kpt_leaf_is_dirty(const struct kpt *pt, const struct kpt_leaf *leaf)
{
	unsigned int i;

	for (i = 0; i < leaf->entries; i++)
		if (kpte_is_dirty(pt, leaf->ptes[i]))
			return true;
	return false;
}
