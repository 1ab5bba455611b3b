/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The dirty walker, instantiated once per page-table format.
 *
 * A format's .c file includes its fmt/<format>.h and then this file, and so
 * defines the function FMT_WALK. The format header gives
 *
 *   FMT_WALK             name of the function to define
 *   FMT_PAGE_SHIFT       log2 of the bytes that an entry of level 0 maps, which
 *                        is also that of the size of a table; if the format has
 *                        only one
 *   FMT_CLEAN_CLEAR      bits to clear in a dirty entry to make it clean, or
 *   FMT_CLEAN_SET        bits to set for that
 *   FMT_SETTLED          bits that, all set in a dirty entry, keep hardware from
 *                        changing it before it is clean
 *   fmt_present(pte)     does the entry map anything or point to a table?
 *   fmt_is_leaf(pte)     above level 0, of a present entry: does it map memory?
 *   fmt_table(pte)       physical address of the table that it points to
 *   fmt_maybe_dirty(pte) cheap and inexact: 0 only if the entry is not dirty
 *   fmt_dirty(pte)       of a leaf or an absent entry: 1 if it is present and
 *                        dirty, else 0; without a branch, as it is unpredictable
 *   fmt_next_level()     level of that table, if it need not be the next one
 *   FMT_GROUPS, fmt_group_shift(pte, level, shift)
 *                        log2 of the number of neighbours that map one page
 *                        together, where a leaf can be one of several
 *
 * Level 0 is the lowest: its entries are always leaves.
 *
 * Context: the walk takes no lock and does not sleep. The caller keeps the
 * mappings of the walked range from being removed or changed meanwhile (in
 * iommufd: iova_rwsem held, and the range within areas that are neither being
 * mapped nor unmapped). Entries outside of the range may change at any time.
 *
 * How an entry is cleaned: with IOMMU_DIRTY_WALK_EXCLUSIVE by a plain store, if
 * it is settled. Hardware does not write to such an entry, the caller excludes
 * other walks, and nothing else changes the entries of a mapping; so the store
 * writes back what was read but for the dirty bit. Otherwise by a locked
 * operation on the one word: hardware may set A or D at the same time, and
 * another walk may clean it as well. Whoever has seen the entry dirty has marked
 * it. If the device writes again between two such clears, its D is wiped out by
 * the second walk, but that walk has marked the page, and reports it after the
 * write.
 */
#include <linux/align.h>
#include <linux/atomic.h>
#include <linux/bits.h>
#include <linux/export.h>
#include <linux/io.h>
#include <linux/iommu_dirty.h>
#include <linux/minmax.h>
#include <linux/prefetch.h>

#define FMT_WORD	64	/* entries that one mask covers */
#define FMT_LINE	8	/* entries of a usual cache line */

#ifndef FMT_CLEAN_CLEAR
#define FMT_CLEAN_CLEAR	0ULL
#endif
#ifndef FMT_CLEAN_SET
#define FMT_CLEAN_SET	0ULL
#endif

static __always_inline unsigned int
fmt_page_shift(const struct iommu_dirty_table *table)
{
#ifdef FMT_PAGE_SHIFT
	return FMT_PAGE_SHIFT;
#else
	return table->page_shift;
#endif
}

#ifndef fmt_table_shifted
static inline phys_addr_t fmt_table_shifted(u64 pte, unsigned int page_shift)
{
	return fmt_table(pte);
}
#endif

#ifndef fmt_next_level
static inline unsigned int fmt_next_level(u64 pte, unsigned int level)
{
	return level - 1;
}
#endif

#ifndef FMT_GROUPS
static inline unsigned int fmt_group_shift(u64 pte, unsigned int level,
					   unsigned int shift)
{
	return 0;
}
#endif

/* log2 of the bytes that an entry maps; above the top level, of all the table */
static __always_inline unsigned int
fmt_shift(const struct iommu_dirty_table *table, unsigned int level)
{
	return fmt_page_shift(table) + level * (fmt_page_shift(table) - 3);
}

/* The top level may be wider than a page: its index has all bits that are left */
static __always_inline unsigned int
fmt_index(const struct iommu_dirty_table *table, unsigned long iova,
	  unsigned int level)
{
	unsigned long idx = iova >> fmt_shift(table, level);

	if (level < table->top_level)
		idx &= BIT(fmt_page_shift(table) - 3) - 1;
	return idx;
}

static __always_inline void fmt_clean_one(u64 *pte, bool exclusive)
{
	u64 old = READ_ONCE(*pte);

	if (exclusive && (old & FMT_SETTLED) == FMT_SETTLED)
		WRITE_ONCE(*pte, (old & ~FMT_CLEAN_CLEAR) | FMT_CLEAN_SET);
	else if (FMT_CLEAN_SET)
		atomic64_or(FMT_CLEAN_SET, (atomic64_t *)pte);
	else
		atomic64_andnot(FMT_CLEAN_CLEAR, (atomic64_t *)pte);
}

/* The dirty page at @iova reaches beyond the range: mark, do not clean. */
static void fmt_mark_partial(struct iommu_dirty_walk *walk, unsigned long iova,
			     unsigned int shift)
{
	unsigned long last = iova + (1UL << shift) - 1;

	if (walk->sink)
		walk->sink->ops->mark_range(walk->sink, max(iova, walk->iova),
					    min(last, walk->last));
}

static void fmt_flush(struct iommu_dirty_walk *walk, unsigned long iova,
		      unsigned int shift, u64 mask)
{
	unsigned long first = iova + ((unsigned long)__ffs64(mask) << shift);
	unsigned long last = iova + ((unsigned long)fls64(mask) << shift) - 1;

	walk->flush_iova = min(walk->flush_iova, first);
	walk->flush_last = max(walk->flush_last, last);
}

static void fmt_clean(struct iommu_dirty_walk *walk, u64 *ptes, u64 mask)
{
	bool exclusive = walk->flags & IOMMU_DIRTY_WALK_EXCLUSIVE;
	unsigned int i;

	if (mask == U64_MAX) {
		for (i = 0; i < FMT_WORD; i++)
			fmt_clean_one(&ptes[i], exclusive);
		return;
	}
	for (; mask; mask &= mask - 1)
		fmt_clean_one(&ptes[__ffs64(mask)], exclusive);
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
		if (!(walk->flags & IOMMU_DIRTY_WALK_NO_CLEAR)) {
			fmt_clean(walk, ptes, mask);
			fmt_flush(walk, iova, shift, mask);
		}
	}

	if (high_part && !(low_part && low == high))
		fmt_mark_partial(walk, high_iova, shift);
}

#ifdef FMT_GROUPS
/* 1 << @group entries at @ptes, at least one of them dirty, are one page. */
static void fmt_take_group(struct iommu_dirty_walk *walk, u64 *ptes,
			   unsigned long iova, unsigned int shift,
			   unsigned int group)
{
	unsigned long last = iova + (1UL << (shift + group)) - 1;
	unsigned int i;

	if (iova < walk->iova || last > walk->last) {
		fmt_mark_partial(walk, iova, shift + group);
		return;
	}

	if (walk->sink)
		walk->sink->ops->mark_range(walk->sink, iova, last);
	if (walk->flags & IOMMU_DIRTY_WALK_NO_CLEAR)
		return;
	for (i = 0; i < 1U << group; i++)
		fmt_clean_one(&ptes[i],
			      walk->flags & IOMMU_DIRTY_WALK_EXCLUSIVE);
	fmt_flush(walk, iova, shift + group, 1);
}

/*
 * Like fmt_take(), of entries that may belong to groups: @ptes is entry @idx of
 * @table. Returns the index behind the last group: the caller may come across
 * the rest of it.
 */
static unsigned int fmt_take_grouped(struct iommu_dirty_walk *walk, u64 *table,
				     unsigned int idx, unsigned long iova,
				     unsigned int level, unsigned int shift,
				     u64 mask)
{
	unsigned int done = 0;

	for (; mask; mask &= mask - 1) {
		unsigned int i = idx + __ffs64(mask);
		unsigned int group, start;

		if (i < done)
			continue;
		group = fmt_group_shift(READ_ONCE(table[i]), level, shift);
		start = ALIGN_DOWN(i, 1U << group);
		/* start may be below idx: the difference is negative then */
		fmt_take_group(walk, &table[start],
			       iova + ((long)(int)(start - idx) << shift),
			       shift, group);
		done = start + (1U << group);
	}
	return done;
}

/* Does any of the dirty entries belong to a group? */
static bool fmt_any_group(const u64 *ptes, unsigned int level,
			  unsigned int shift, u64 mask)
{
	for (; mask; mask &= mask - 1)
		if (fmt_group_shift(READ_ONCE(ptes[__ffs64(mask)]), level,
				    shift))
			return true;
	return false;
}
#endif

/*
 * Widen first and last index to whole groups: the dirty bit of a page that is
 * partly within the range may be in an entry that is not.
 */
static __always_inline void fmt_widen(const u64 *table, unsigned int level,
				      unsigned int shift, unsigned int *idx,
				      unsigned int *last_idx)
{
	unsigned int group;

	group = fmt_group_shift(READ_ONCE(table[*idx]), level, shift);
	*idx = ALIGN_DOWN(*idx, 1U << group);
	group = fmt_group_shift(READ_ONCE(table[*last_idx]), level, shift);
	*last_idx |= (1U << group) - 1;
}

/* Which of the @n entries at @ptes are dirty? Prefetch as many of @next. */
static __always_inline u64 fmt_dirty_mask(const u64 *ptes, unsigned int n,
					  const u64 *next)
{
	unsigned int i, j;
	u64 mask = 0;

	for (i = 0; i + FMT_LINE <= n; i += FMT_LINE) {
		u64 any = 0;

		prefetch(next + i);
		for (j = i; j < i + FMT_LINE; j++)
			any |= fmt_maybe_dirty(READ_ONCE(ptes[j]));
		if (likely(!any))
			continue;
		for (j = i; j < i + FMT_LINE; j++)
			mask |= fmt_dirty(READ_ONCE(ptes[j])) << j;
	}
	for (; i < n; i++)
		mask |= fmt_dirty(READ_ONCE(ptes[i])) << i;
	return mask;
}

/*
 * Level 0: nothing but leaves, so nothing but masks. @next is the table that
 * will be walked after this one, or this one.
 */
static void fmt_walk_leaves(const struct iommu_dirty_table *table,
			    struct iommu_dirty_walk *walk, u64 *ptes,
			    const u64 *next, unsigned long first,
			    unsigned long last)
{
	unsigned int shift = fmt_page_shift(table);
	unsigned int idx = fmt_index(table, first, 0);
	unsigned int last_idx = fmt_index(table, last, 0);
	unsigned long base = first - ((unsigned long)idx << shift);
	unsigned int done = 0;

	base = ALIGN_DOWN(base, 1UL << shift);
	fmt_widen(ptes, 0, shift, &idx, &last_idx);
	while (idx <= last_idx) {
		unsigned int n = min(FMT_WORD - idx % FMT_WORD,
				     last_idx - idx + 1);
		unsigned long iova = base + ((unsigned long)idx << shift);
		u64 mask = fmt_dirty_mask(&ptes[idx], n, &next[idx]);

		if (done > idx)
			mask &= done - idx < FMT_WORD ?
					~(BIT_ULL(done - idx) - 1) : 0;
		if (mask) {
#ifdef FMT_GROUPS
			if (fmt_any_group(&ptes[idx], 0, shift, mask))
				done = fmt_take_grouped(walk, ptes, idx, iova,
							0, shift, mask);
			else
#endif
				fmt_take(walk, &ptes[idx], iova, shift, mask);
		}
		idx += n;
	}
}

/* Level 0 table that the entry after @idx points to, or NULL */
static __always_inline u64 *fmt_next_leaves(const struct iommu_dirty_table *table,
					    u64 *ptes, unsigned int idx,
					    unsigned int last_idx)
{
	u64 pte;

	if (idx >= last_idx)
		return NULL;
	pte = READ_ONCE(ptes[idx + 1]);
	if (!fmt_present(pte) || fmt_is_leaf(pte))
		return NULL;
	return phys_to_virt(fmt_table_shifted(pte, fmt_page_shift(table)));
}

/*
 * @first to @last, inclusive, lie within the span of the table @ptes and within
 * the range. Recurses once per level of the table.
 */
static void fmt_walk_table(const struct iommu_dirty_table *table,
			   struct iommu_dirty_walk *walk, u64 *ptes,
			   unsigned int level, unsigned long first,
			   unsigned long last)
{
	unsigned int shift = fmt_shift(table, level);
	unsigned int idx = fmt_index(table, first, level);
	unsigned int last_idx = fmt_index(table, last, level);
	unsigned long base = first - ((unsigned long)idx << shift);
	unsigned int done = 0;

	base = ALIGN_DOWN(base, 1UL << shift);
	fmt_widen(ptes, level, shift, &idx, &last_idx);
	for (; idx <= last_idx; idx++) {
		unsigned long iova = base + ((unsigned long)idx << shift);
		u64 pte = READ_ONCE(ptes[idx]);
		unsigned long sub_first = max(first, iova);
		unsigned long sub_last;
		unsigned int next;
		u64 *sub;

		if (!fmt_present(pte))
			continue;
		if (fmt_is_leaf(pte)) {
			if (idx < done || !fmt_dirty(pte))
				continue;
#ifdef FMT_GROUPS
			done = fmt_take_grouped(walk, ptes, idx, iova, level,
						shift, 1);
#else
			fmt_take(walk, &ptes[idx], iova, shift, 1);
#endif
			continue;
		}

		/* Where levels are skipped, only the lowest IOVAs are mapped */
		next = fmt_next_level(pte, level);
		if (WARN_ON_ONCE(next >= level))
			continue;
		sub_last = min(last, iova + (1UL << fmt_shift(table, next + 1)) - 1);
		if (sub_first > sub_last)
			continue;

		sub = phys_to_virt(fmt_table_shifted(pte, fmt_page_shift(table)));
		if (next)
			fmt_walk_table(table, walk, sub, next, sub_first,
				       sub_last);
		else
			fmt_walk_leaves(table, walk, sub,
					fmt_next_leaves(table, ptes, idx,
							last_idx) ?: sub,
					sub_first, sub_last);
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
	unsigned long last = walk->last;

	if (table->bits < BITS_PER_LONG)
		last = min(last, BIT(table->bits) - 1);
	if (walk->iova > last)
		return;

	if (table->top_level)
		fmt_walk_table(table, walk, table->root, table->top_level,
			       walk->iova, last);
	else
		fmt_walk_leaves(table, walk, table->root, table->root,
				walk->iova, last);
}
EXPORT_SYMBOL_GPL(FMT_WALK);
