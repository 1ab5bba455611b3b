/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The dirty walker, instantiated once per page-table format.
 *
 * A format's .c file includes its fmt/<format>.h and then this file, and so
 * defines the function FMT_WALK. The format header gives
 *
 *   FMT_WALK             name of the function to define
 *   FMT_PAGE_SHIFT       log2 of the bytes that an entry of level 0 maps
 *   FMT_TABLE_SHIFT      log2 of the entries of a table
 *   FMT_CLEAN_BITS       bits to clear in an entry to make it clean
 *   fmt_present(pte)     does the entry map anything or point to a table?
 *   fmt_is_leaf(pte)     above level 0, of a present entry: does it map memory?
 *   fmt_table(pte)       physical address of the table that it points to
 *   fmt_is_dirty(pte)    of a leaf or an absent entry: present and dirty?
 *
 * Level 0 is the lowest: its entries are always leaves.
 *
 * Context: the walk takes no lock and does not sleep. The caller keeps the
 * mappings of the walked range from being removed or changed meanwhile (in
 * iommufd: iova_rwsem held, and the range within areas that are neither being
 * mapped nor unmapped). Entries outside of the range may change at any time.
 *
 * Entries are cleaned by a locked operation on the one word. Hardware may set
 * A or D in the entry at the same time, and a second walk may clean it as well:
 * whoever has seen the entry dirty has marked it, and clears only bits that
 * it has seen. If the device writes again between the two, its D is wiped out
 * by the second walk, but that walk has marked the page, and reports it after
 * the write.
 */
#include <linux/align.h>
#include <linux/atomic.h>
#include <linux/bits.h>
#include <linux/export.h>
#include <linux/io.h>
#include <linux/iommu_dirty.h>
#include <linux/minmax.h>

#define FMT_GROUP 64	/* entries that one mask covers */

static inline unsigned int fmt_shift(unsigned int level)
{
	return FMT_PAGE_SHIFT + level * FMT_TABLE_SHIFT;
}

static inline unsigned int fmt_index(unsigned long iova, unsigned int level)
{
	return (iova >> fmt_shift(level)) & (BIT(FMT_TABLE_SHIFT) - 1);
}

static void fmt_clean(struct iommu_dirty_walk *walk, u64 *ptes,
		      unsigned long iova, unsigned int shift, u64 mask)
{
	unsigned long first = iova + ((unsigned long)__ffs64(mask) << shift);
	unsigned long last = iova + ((unsigned long)fls64(mask) << shift) - 1;

	if (walk->flags & IOMMU_DIRTY_WALK_NO_CLEAR)
		return;

	for (; mask; mask &= mask - 1)
		atomic64_andnot(FMT_CLEAN_BITS,
				(atomic64_t *)&ptes[__ffs64(mask)]);

	walk->flush_iova = min(walk->flush_iova, first);
	walk->flush_last = max(walk->flush_last, last);
}

/* The dirty entry at @iova reaches beyond the range: mark, do not clean. */
static void fmt_mark_partial(struct iommu_dirty_walk *walk, unsigned long iova,
			     unsigned int shift)
{
	unsigned long last = iova + (1UL << shift) - 1;

	if (walk->sink)
		walk->sink->ops->mark_range(walk->sink, max(iova, walk->iova),
					    min(last, walk->last));
}

/*
 * Bit i of @mask says that ptes[i] is dirty, which maps the 1 << @shift bytes
 * at @iova + (i << @shift). Each of them holds a byte of the range, so only the
 * outermost ones can reach beyond it. Marks in ascending order.
 */
static void fmt_take(struct iommu_dirty_walk *walk, u64 *ptes,
		     unsigned long iova, unsigned int shift, u64 mask)
{
	unsigned int low = __ffs64(mask);
	unsigned int high = fls64(mask) - 1;
	unsigned long low_iova = iova + ((unsigned long)low << shift);
	unsigned long high_iova = iova + ((unsigned long)high << shift);
	bool low_part = low_iova < walk->iova;
	bool high_part = high_iova + ((1UL << shift) - 1) > walk->last;

	if (low_part) {
		fmt_mark_partial(walk, low_iova, shift);
		mask &= ~BIT_ULL(low);
	}
	if (high_part)
		mask &= ~BIT_ULL(high);

	if (mask) {
		/* Record, then clear */
		if (walk->sink)
			walk->sink->ops->mark_mask(walk->sink, iova, shift,
						   mask);
		fmt_clean(walk, ptes, iova, shift, mask);
	}

	if (high_part && !(low_part && low == high))
		fmt_mark_partial(walk, high_iova, shift);
}

/* Level 0: nothing but leaves, so nothing but masks */
static void fmt_walk_leaves(struct iommu_dirty_walk *walk, u64 *table,
			    unsigned long first, unsigned long last)
{
	unsigned int idx = fmt_index(first, 0);
	unsigned int last_idx = fmt_index(last, 0);
	unsigned long iova = ALIGN_DOWN(first, 1UL << FMT_PAGE_SHIFT);

	while (idx <= last_idx) {
		unsigned int n = min(FMT_GROUP - idx % FMT_GROUP,
				     last_idx - idx + 1);
		u64 mask = 0;
		unsigned int i;

		for (i = 0; i < n; i++)
			mask |= (u64)fmt_is_dirty(READ_ONCE(table[idx + i])) << i;
		if (mask)
			fmt_take(walk, &table[idx], iova, FMT_PAGE_SHIFT, mask);
		idx += n;
		iova += (unsigned long)n << FMT_PAGE_SHIFT;
	}
}

/*
 * @first to @last, inclusive, lie within the span of @table and within the
 * range. Recurses once per level of the table.
 */
static void fmt_walk_table(struct iommu_dirty_walk *walk, u64 *table,
			   unsigned int level, unsigned long first,
			   unsigned long last)
{
	unsigned int shift = fmt_shift(level);
	unsigned int idx = fmt_index(first, level);
	unsigned int last_idx = fmt_index(last, level);
	unsigned long iova = ALIGN_DOWN(first, 1UL << shift);

	if (!level) {
		fmt_walk_leaves(walk, table, first, last);
		return;
	}

	for (; idx <= last_idx; idx++, iova += 1UL << shift) {
		u64 pte = READ_ONCE(table[idx]);
		unsigned long entry_last = iova + (1UL << shift) - 1;

		if (!fmt_present(pte))
			continue;
		if (!fmt_is_leaf(pte))
			fmt_walk_table(walk, phys_to_virt(fmt_table(pte)),
				       level - 1, max(first, iova),
				       min(last, entry_last));
		else if (fmt_is_dirty(pte))
			fmt_take(walk, &table[idx], iova, shift, 1);
	}
}

/**
 * FMT_WALK() - Mark the dirty entries of a range in the sink and clean them
 * @table: The page table
 * @walk: The range, the sink, and what has to be flushed afterwards
 *
 * What lies beyond the span of the table is not dirty. Several walks may share
 * one @walk, with the range set anew for each, and be flushed together.
 */
void FMT_WALK(const struct iommu_dirty_table *table,
	      struct iommu_dirty_walk *walk)
{
	unsigned int bits = fmt_shift(table->top_level + 1);
	unsigned long table_last = bits < BITS_PER_LONG ? BIT(bits) - 1 :
							  ULONG_MAX;

	if (walk->iova > table_last)
		return;

	fmt_walk_table(walk, table->root, table->top_level, walk->iova,
		       min(walk->last, table_last));
}
EXPORT_SYMBOL_GPL(FMT_WALK);
