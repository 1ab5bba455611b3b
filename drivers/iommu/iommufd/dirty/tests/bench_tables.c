// SPDX-License-Identifier: GPL-2.0-only
/*
 * The IO page tables that bench.c measures. A rival of the walkers builds its own, as it
 * does in use; this file builds all others, and makes entries dirty in any table.
 */
#include <linux/gfp.h>
#include <linux/io.h>
#include <linux/prandom.h>

#include "bench.h"

#define BENCH_ADDR	GENMASK_ULL(51, 12)

const struct bench_fmt bench_fmts[] = {
	{ "vtd_ss", iommu_dirty_walk_vtd_ss, iommu_dirty_split_vtd_ss,
	  iommu_dirty_merge_vtd_ss, 0x3, 0, 0, 0x103, 0x80, 0x200 },
	{ "x86_64", iommu_dirty_walk_x86_64, iommu_dirty_split_x86_64,
	  iommu_dirty_merge_x86_64, 0x27, 0, 0, 0x27, 0x80, 0x40 },
	{ "amd_v1", iommu_dirty_walk_amd_v1, iommu_dirty_split_amd_v1,
	  iommu_dirty_merge_amd_v1, 0x6000000000000001, 9, 0,
	  0x6000000000000021, 0, 0x40 },
	{ "arm_s1", iommu_dirty_walk_arm_s1, iommu_dirty_split_arm_s1,
	  iommu_dirty_merge_arm_s1, 0x3, 0, 0, 0x80000000007c3, 0x2, 0x80 },
	{ "arm_s2", iommu_dirty_walk_arm_s2, iommu_dirty_split_arm_s2,
	  iommu_dirty_merge_arm_s2, 0x3, 0, 0, 0x8000000000743, 0x2, 0x80 },
	{ "riscv", iommu_dirty_walk_riscv, iommu_dirty_split_riscv,
	  iommu_dirty_merge_riscv, 0x1, 0, 2, 0x57, 0, 0x80 },
};

const unsigned int bench_fmts_nr = ARRAY_SIZE(bench_fmts);
const struct bench_fmt *const bench_fmt_arm = &bench_fmts[3];

KUNIT_GENERATOR(bench_gen_params)
{
	const struct bench_fmt *next =
		prev ? (const struct bench_fmt *)prev + 1 : bench_fmts;

	if (next == bench_fmts + bench_fmts_nr)
		return NULL;
	strscpy(desc, next->name, KUNIT_PARAM_DESC_SIZE);
	return next;
}

static u64 *bench_alloc_table(struct kunit *test)
{
	u64 *table = (u64 *)get_zeroed_page(GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, table);
	return table;
}

static u64 *bench_sub_table(const struct bench_fmt *fmt, u64 pte)
{
	return phys_to_virt((pte << fmt->addr_shift) & BENCH_ADDR);
}

/* Find or create the table at @level that maps @iova */
static u64 *bench_leaf_table(struct bench_set *set, unsigned long iova,
			     unsigned int level)
{
	const struct bench_fmt *fmt = set->fmt;
	u64 *table = set->table.root;
	unsigned int l;

	for (l = set->table.top_level; l > level; l--) {
		u64 *pte = &table[(iova >> (12 + 9 * l)) % 512];

		if (!*pte) {
			u64 *sub = bench_alloc_table(set->test);

			*pte = virt_to_phys(sub) >> fmt->addr_shift |
			       fmt->table;
			if (fmt->level_shift)
				*pte |= (u64)l << fmt->level_shift;
		}
		table = bench_sub_table(fmt, *pte);
	}
	return table;
}

static struct bench_set *bench_alloc_set(struct kunit *test,
					 const struct bench_fmt *fmt,
					 const struct bench_layout *layout)
{
	struct bench_set *set = kunit_kzalloc(test, sizeof(*set), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, set);
	set->test = test;
	set->fmt = fmt;
	set->layout = layout;
	set->per_window = layout->level ? 1 : 512;
	set->table.top_level = BENCH_TOP_LEVEL;
	set->table.bits = BENCH_BITS;
	set->table.page_shift = 12;
	set->leaves = kunit_kcalloc(test,
				    layout->nr_windows * set->per_window,
				    sizeof(*set->leaves), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, set->leaves);
	return set;
}

/* Find the tables that hold leaves; create them unless a rival has done so */
static void bench_find_leaves(struct bench_set *set)
{
	unsigned int level = set->layout->level;
	unsigned int window, i;

	for (window = 0; window < set->layout->nr_windows; window++)
		for (i = 0; i < set->per_window; i++)
			set->leaves[window * set->per_window + i] =
				bench_leaf_table(set,
						 bench_iova(set->layout,
							    window) +
						 i * SZ_2M, level);
}

static void bench_map(struct bench_set *set)
{
	size_t pgsize = set->layout->level ? SZ_2M : SZ_4K;
	unsigned int window;

	for (window = 0; window < set->layout->nr_windows; window++)
		KUNIT_ASSERT_EQ(set->test, 0,
				set->rival->map(set,
						bench_iova(set->layout, window),
						IOMMUFD_DIRTY_WINDOW, pgsize));
}

/**
 * bench_build() - Build a table
 * @test: The test that will own it
 * @fmt: The format
 * @layout: The layout
 * @rival: Builds the table; NULL if this file does
 *
 * Return: the table, with all leaves clean.
 */
struct bench_set *bench_build(struct kunit *test, const struct bench_fmt *fmt,
			      const struct bench_layout *layout,
			      const struct bench_rival *rival)
{
	struct bench_set *set = bench_alloc_set(test, fmt, layout);
	unsigned int i, j;

	set->rival = rival;
	if (rival) {
		rival->init(set);
		bench_map(set);
	} else {
		set->table.root = bench_alloc_table(test);
	}
	bench_find_leaves(set);
	for (i = 0; i < layout->nr_windows * set->per_window; i++)
		for (j = 0; j < 512; j++)
			set->leaves[i][j] =
				fmt->leaf ^ (layout->level ? fmt->huge : 0);
	return set;
}

static void bench_free_table(const struct bench_set *set, u64 *table,
			     unsigned int level)
{
	unsigned int i;

	for (i = 0; i < 512 && level > set->layout->level; i++)
		if (table[i])
			bench_free_table(set,
					 bench_sub_table(set->fmt, table[i]),
					 level - 1);
	free_page((unsigned long)table);
}

/**
 * bench_free() - Free a table
 * @set: The table
 */
void bench_free(struct bench_set *set)
{
	if (set->rival)
		set->rival->free(set);
	else
		bench_free_table(set, set->table.root, set->table.top_level);
}

/**
 * bench_set_dirty() - Make some entries of a window dirty, all others clean
 * @set: The table
 * @window: The window
 * @per_mille: Share of entries to make dirty; each call selects the same entries
 *
 * Return: the number of dirty entries.
 */
unsigned int bench_set_dirty(struct bench_set *set, unsigned int window,
			     unsigned int per_mille)
{
	u64 **leaves = &set->leaves[window * set->per_window];
	unsigned int nr = set->per_window * 512;
	/* Makes the share exact for all windows together */
	unsigned int nr_dirty = (window + 1UL) * nr * per_mille / 1000 -
				(unsigned long)window * nr * per_mille / 1000;
	/* The walkers ignore the address */
	u64 clean = set->fmt->leaf ^
		    (set->layout->level ? set->fmt->huge : 0);
	u64 fill = nr_dirty == nr ? clean ^ set->fmt->dirty : clean;
	struct rnd_state rnd;
	unsigned int i, j;

	for (i = 0; i < set->per_window; i++)
		for (j = 0; j < 512; j++)
			leaves[i][j] = fill;
	if (nr_dirty == nr)
		return nr;

	prandom_seed_state(&rnd, window + 1);
	for (i = 0; i < nr_dirty;) {
		unsigned int entry = prandom_u32_state(&rnd) % nr;
		u64 *pte = &leaves[entry / 512][entry % 512];

		i += *pte == clean;
		*pte = clean ^ set->fmt->dirty;
	}
	return nr_dirty;
}
