/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The dirty walker, instantiated once per page-table format.
 *
 * A format's .c file includes its fmt/<format>.h and then this file, which defines
 * the function FMT_WALK. The format header provides:
 *
 *   FMT_WALK             name of the function to define
 *   FMT_PAGE_SHIFT       log2 of the bytes that a level 0 entry maps and of the
 *                        table size; only for formats with a single granule
 *   FMT_TRACKED          bits that are all set in a leaf if it is present and
 *                        hardware sets its dirty bit
 *   FMT_DIRTY            the dirty bit of such a leaf
 *   FMT_CLEAN_CLEAR      bits to clear in a dirty entry to make it clean, or
 *   FMT_CLEAN_SET        bits to set instead, for formats where FMT_DIRTY is set
 *                        in clean entries and clear in dirty entries
 *   FMT_PROTECT          bits to clear to make an entry read-only, so that
 *                        hardware no longer makes it dirty
 *   FMT_PROTECT_SET      bits to set after that to make it read-only
 *   FMT_SETTLED          bits that are all set in a dirty entry if hardware does
 *                        not change it again before it is clean
 *   fmt_present(pte)     true if the entry maps memory or points to a table
 *   fmt_is_leaf(pte)     true if a present entry above level 0 maps memory
 *   FMT_LEAF_SET,        an entry above level 0 is a present leaf if all bits of
 *   FMT_LEAF_CLEAR       the first are set and all bits of the second are clear;
 *                        other present leaves may exist
 *   fmt_table(pte)       physical address of the table that the entry points to
 *   fmt_next_level()     level of that table, if entries can skip levels
 *   FMT_GROUPS           at least one of these bits is set in each leaf of a group:
 *                        neighbours that map one page together
 *   fmt_group_shift(pte, level, shift)
 *                        log2 of the number of entries in the group
 *
 * Level 0 is the lowest level: its entries are always leaves.
 *
 * Context: The walk takes no lock; its sink may take locks and sleep. The caller
 * prevents changes to the mappings of the range (in iommufd: it holds iova_rwsem,
 * and the range is within areas that are neither being mapped nor unmapped).
 * Entries outside the range may change at any time.
 *
 * Cleaning: With IOMMU_DIRTY_WALK_EXCLUSIVE, a plain store cleans a settled entry.
 * Hardware does not write to such an entry, the caller excludes other walks, and
 * nothing else changes the entries of a mapping, so the store changes only the
 * dirty bit. Otherwise, a locked operation on the entry cleans it, because hardware
 * may set A or D concurrently, and another walk may clean it, too. Each walk that
 * sees the entry dirty marks it. If the device writes between two such clears, the
 * second walk clears its D bit, but that walk has marked the page as well, and
 * reports it after the write.
 */
#include <linux/align.h>
#include <linux/atomic.h>
#include <linux/bits.h>
#include <linux/compiler.h>
#include <linux/export.h>
#include <linux/io.h>
#include <linux/iommu_dirty.h>
#include <linux/minmax.h>
#include <linux/prefetch.h>

#include "fmt/defaults.h"

#define FMT_WORD	64	/* entries per mask */
#define FMT_LINE	8	/* entries per 64-byte cache line */

/* Walks of a range that is about to be unmapped do not clean */
#define FMT_UNMAP	(IOMMU_DIRTY_WALK_PROTECT | IOMMU_DIRTY_WALK_RECHECK)

/*
 * Up to FMT_WORD entries of a table. Bit i of @dirty is set if entry i is a dirty
 * leaf. @all and @any hold the bits that are set in all and in any of the entries.
 */
struct fmt_word {
	u64 dirty;
	u64 all;
	u64 any;
};

/* The root may be larger than other tables, so its index has all remaining bits */
static __always_inline unsigned int
fmt_index(const struct iommu_dirty_table *table, unsigned long iova,
	  unsigned int level)
{
	unsigned long idx = iova >> fmt_shift(table, level);

	if (level < table->top_level)
		idx &= BIT(fmt_page_shift(table) - 3) - 1;
	return idx;
}

/* For a leaf or an absent entry: 1 if it is present and dirty, else 0 */
static __always_inline u64 fmt_dirty(u64 pte)
{
	return (pte & (FMT_TRACKED | FMT_DIRTY)) ==
	       (FMT_TRACKED | (FMT_DIRTY & ~FMT_CLEAN_SET));
}

/*
 * The same for an entry that fmt_protect() made read-only. Hardware that read the
 * entry earlier may set the dirty bit later without checking the permission again,
 * so the entry can be dirty although it is read-only.
 */
static u64 fmt_dirty_since(u64 pte)
{
	return fmt_present(pte) &&
	       (pte & FMT_DIRTY) == (FMT_DIRTY & ~FMT_CLEAN_SET);
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

/*
 * Make a clean or dirty entry read-only. A dirty entry needs it, too: its record may
 * be read before the unmap, and nothing would record a later write. Returns the
 * old value.
 */
static u64 fmt_protect(u64 *pte)
{
	u64 old = READ_ONCE(*pte);

	if (!fmt_present(old) ||
	    (!(old & FMT_PROTECT) && !(~old & FMT_PROTECT_SET)))
		return old;
	old = atomic64_fetch_andnot(FMT_PROTECT, (atomic64_t *)pte);
	/* Hardware does not make an entry dirty without the bits that are clear now */
	if (~old & FMT_PROTECT_SET)
		atomic64_or(FMT_PROTECT_SET, (atomic64_t *)pte);
	return old;
}

/* The dirty page at @iova reaches beyond the range: mark it, but do not clean it */
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

/* @all: if @mask is full, the bits that are set in all entries */
static void fmt_clean(struct iommu_dirty_walk *walk, u64 *ptes, u64 mask,
		      u64 all)
{
	bool exclusive = walk->flags & IOMMU_DIRTY_WALK_EXCLUSIVE;
	u64 keep = ~FMT_CLEAN_CLEAR;
	unsigned int i;

	if (mask == U64_MAX && exclusive &&
	    (all & FMT_SETTLED) == FMT_SETTLED) {
		/* Otherwise gcc uses byte operations, which are slower */
		OPTIMIZER_HIDE_VAR(keep);
#pragma GCC unroll 8
		for (i = 0; i < FMT_WORD; i++)
			WRITE_ONCE(ptes[i], (READ_ONCE(ptes[i]) & keep) |
					    FMT_CLEAN_SET);
		return;
	}
	for (; mask; mask &= mask - 1)
		fmt_clean_one(&ptes[__ffs64(mask)], exclusive);
}

/*
 * Bit i of @mask is set if ptes[i] is dirty; it maps the 1 << @shift bytes at
 * @iova + (i << @shift). Each dirty entry overlaps the range, so only the first and
 * the last can reach beyond it. Marks in ascending order. @all as for fmt_clean().
 */
static void fmt_take(struct iommu_dirty_walk *walk, u64 *ptes,
		     unsigned long iova, unsigned int shift, u64 mask, u64 all)
{
	unsigned int low = __ffs64(mask);
	unsigned int high = fls64(mask) - 1;
	unsigned long low_iova = iova + ((unsigned long)low << shift);
	unsigned long high_iova = iova + ((unsigned long)high << shift);
	bool whole = walk->flags & IOMMU_DIRTY_WALK_WHOLE;
	bool low_part = !whole && low_iova < walk->iova;
	bool high_part = !whole &&
			 high_iova + ((1UL << shift) - 1) > walk->last;

	if (walk->flags & FMT_UNMAP) {
		walk->sink->ops->mark_mask(walk->sink, iova, shift, mask);
		return;
	}
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
			fmt_clean(walk, ptes, mask, all);
			fmt_flush(walk, iova, shift, mask);
		}
	}

	if (high_part && !(low_part && low == high))
		fmt_mark_partial(walk, high_iova, shift);
}

/* A table that is being walked. Entries below @done have been processed */
struct fmt_place {
	u64 *ptes;
	unsigned int level;
	unsigned int shift;
	unsigned int done;
};

#ifdef FMT_GROUPS
/* The 1 << @group entries at @ptes are one page; at least one is dirty */
static void fmt_take_group(struct iommu_dirty_walk *walk, u64 *ptes,
			   unsigned long iova, unsigned int shift,
			   unsigned int group)
{
	unsigned long last = iova + (1UL << (shift + group)) - 1;
	unsigned int i;

	if (walk->flags & FMT_UNMAP) {
		walk->sink->ops->mark_range(walk->sink, iova, last);
		return;
	}
	if (!(walk->flags & IOMMU_DIRTY_WALK_WHOLE) &&
	    (iova < walk->iova || last > walk->last)) {
		fmt_mark_partial(walk, iova, shift + group);
		return;
	}

	if (walk->sink)
		walk->sink->ops->mark_range(walk->sink, iova, last);
	if (walk->flags & IOMMU_DIRTY_WALK_NO_CLEAR)
		return;
	/* Hardware may write to clean entries at any time */
	for (i = 0; i < 1U << group; i++)
		if (fmt_dirty(READ_ONCE(ptes[i])))
			fmt_clean_one(&ptes[i],
				      walk->flags & IOMMU_DIRTY_WALK_EXCLUSIVE);
	fmt_flush(walk, iova, shift + group, 1);
}

/*
 * Like fmt_take(), for entries that may belong to groups. Bit 0 of @mask is entry
 * @idx. The rest of the last group counts as done.
 */
static void fmt_take_grouped(struct iommu_dirty_walk *walk,
			     struct fmt_place *at, unsigned int idx,
			     unsigned long iova, u64 mask)
{
	for (; mask; mask &= mask - 1) {
		unsigned int i = idx + __ffs64(mask);
		unsigned int group, start;

		if (i < at->done)
			continue;
		group = fmt_group_shift(READ_ONCE(at->ptes[i]), at->level,
					at->shift);
		start = ALIGN_DOWN(i, 1U << group);
		/* The difference is negative if start is below idx */
		fmt_take_group(walk, &at->ptes[start],
			       iova + ((long)(int)(start - idx) << at->shift),
			       at->shift, group);
		at->done = start + (1U << group);
	}
}
#endif

/*
 * Widen the first and last index to whole groups: if a page is partly in the range,
 * its dirty bit may be in an entry outside the range.
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

/* Read an entry as @flags require. Returns its value, and in @dirty its state */
static u64 fmt_read_one(u64 *pte, unsigned int flags, u64 *dirty)
{
	u64 val = flags & IOMMU_DIRTY_WALK_PROTECT ? fmt_protect(pte) :
						     READ_ONCE(*pte);

	*dirty = flags & IOMMU_DIRTY_WALK_RECHECK ? fmt_dirty_since(val) :
						    fmt_dirty(val);
	return val;
}

/* Read @n entries, at most FMT_WORD */
static void fmt_read(u64 *ptes, unsigned int n, unsigned int flags,
		     struct fmt_word *word)
{
	unsigned int i;

	*word = (struct fmt_word){ .all = U64_MAX };
	for (i = 0; i < n; i++) {
		u64 dirty, pte = fmt_read_one(&ptes[i], flags, &dirty);

		word->dirty |= dirty << i;
		word->all &= pte;
		word->any |= pte;
	}
}

/*
 * Read FMT_WORD entries and prefetch as many from @next. Usually all entries are
 * tracked, so their dirty bits alone are enough. The loop shifts the dirty bits of
 * a cache line together: that of entry i to bit i. Without the pragma, half of the
 * executed instructions would be jumps.
 */
static __always_inline void fmt_read_word(u64 *ptes, const u64 *next,
					  struct fmt_word *word)
{
	u64 dirty = 0, all = U64_MAX, any = 0;
	unsigned int i, j;

	for (i = 0; i < FMT_WORD; i += FMT_LINE) {
		u64 line = 0;

		prefetch(next + i);
#pragma GCC unroll 8
		for (j = FMT_LINE; j; j--) {
			u64 pte = READ_ONCE(ptes[i + j - 1]);

			all &= pte;
			any |= pte;
			line = line * 2 + (pte & FMT_DIRTY);
		}
		line /= FMT_DIRTY;
		dirty = dirty >> FMT_LINE | line << (FMT_WORD - FMT_LINE);
	}
	if (FMT_DIRTY & FMT_CLEAN_SET)
		dirty = ~dirty;

	if (dirty && unlikely((all & FMT_TRACKED) != FMT_TRACKED))
		fmt_read(ptes, FMT_WORD, 0, word);
	else
		*word = (struct fmt_word){ dirty, all, any };
}

/*
 * Mark and clean the dirty entries in @word. Its first entry has index @idx and maps
 * @iova.
 */
static __always_inline void fmt_take_word(struct iommu_dirty_walk *walk,
					  struct fmt_place *at,
					  unsigned int idx, unsigned long iova,
					  struct fmt_word *word)
{
	if (at->done > idx)
		word->dirty &= at->done - idx < FMT_WORD ?
				       ~(BIT_ULL(at->done - idx) - 1) : 0;
	if (!word->dirty)
		return;
#ifdef FMT_GROUPS
	if (word->any & FMT_GROUPS) {
		fmt_take_grouped(walk, at, idx, iova, word->dirty);
		return;
	}
#endif
	fmt_take(walk, &at->ptes[idx], iova, at->shift, word->dirty, word->all);
}

/*
 * Level 0 has only leaves, so it is processed in masks. @next is the table that is
 * walked next, or @ptes.
 */
static void fmt_walk_leaves(const struct iommu_dirty_table *table,
			    struct iommu_dirty_walk *walk, u64 *ptes,
			    const u64 *next, unsigned long first,
			    unsigned long last)
{
	unsigned int flags = walk->flags & FMT_UNMAP;
	unsigned int shift = fmt_page_shift(table);
	unsigned int idx = fmt_index(table, first, 0);
	unsigned int last_idx = fmt_index(table, last, 0);
	unsigned long base = first - ((unsigned long)idx << shift);
	struct fmt_place at = { ptes, 0, shift, 0 };

	base = ALIGN_DOWN(base, 1UL << shift);
	fmt_widen(ptes, 0, shift, &idx, &last_idx);
	while (idx <= last_idx) {
		unsigned int n = min(FMT_WORD - idx % FMT_WORD,
				     last_idx - idx + 1);
		unsigned long iova = base + ((unsigned long)idx << shift);
		struct fmt_word word;

		if (n == FMT_WORD && !flags)
			fmt_read_word(&ptes[idx], &next[idx], &word);
		else
			fmt_read(&ptes[idx], n, flags, &word);
		fmt_take_word(walk, &at, idx, iova, &word);
		idx += n;
	}
}

/*
 * Above level 0, process the FMT_WORD entries from @idx as one mask if all of them
 * are leaves. Otherwise, do nothing and return false.
 */
static bool fmt_walk_huge(struct iommu_dirty_walk *walk, struct fmt_place *at,
			  unsigned int idx, unsigned long iova)
{
	struct fmt_word word;

	fmt_read_word(&at->ptes[idx], &at->ptes[idx], &word);
	if ((word.all & FMT_LEAF_SET) != FMT_LEAF_SET ||
	    (word.any & FMT_LEAF_CLEAR))
		return false;
	fmt_take_word(walk, at, idx, iova, &word);
	return true;
}

/* The table that the entry after @idx points to, or NULL */
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
 * The table that @pte points to, an entry at @level for @iova. Returns in @next the level of
 * its entries. An entry that skips levels maps only its lowest IOVAs, which limit @last.
 */
static __always_inline u64 *fmt_below(const struct iommu_dirty_table *table,
				      u64 pte, unsigned int level,
				      unsigned long iova, unsigned int *next,
				      unsigned long *last)
{
	*next = fmt_next_level(pte, level);
	if (WARN_ON_ONCE(*next >= level))
		return NULL;
	*last = min(*last, iova + (1UL << fmt_shift(table, *next + 1)) - 1);
	return phys_to_virt(fmt_table_shifted(pte, fmt_page_shift(table)));
}

/*
 * Walk @first to @last, inclusive, which is within the range and within the span of
 * the table @ptes. Recurses once per level.
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
	unsigned int flags = walk->flags & FMT_UNMAP;
	struct fmt_place at = { ptes, level, shift, 0 };

	base = ALIGN_DOWN(base, 1UL << shift);
	fmt_widen(ptes, level, shift, &idx, &last_idx);
	for (; idx <= last_idx; idx++) {
		unsigned long iova = base + ((unsigned long)idx << shift);
		u64 pte = READ_ONCE(ptes[idx]);
		unsigned long sub_first = max(first, iova);
		unsigned long sub_last = last;
		unsigned int next;
		u64 *sub;

		if (!fmt_present(pte))
			continue;
		if (fmt_is_leaf(pte)) {
			u64 dirty;

			if (!flags && !(idx % FMT_WORD) &&
			    last_idx - idx >= FMT_WORD - 1 &&
			    fmt_walk_huge(walk, &at, idx, iova)) {
				idx += FMT_WORD - 1;
				continue;
			}
			fmt_read_one(&ptes[idx], flags, &dirty);
			if (idx < at.done || !dirty)
				continue;
#ifdef FMT_GROUPS
			fmt_take_grouped(walk, &at, idx, iova, 1);
#else
			fmt_take(walk, &ptes[idx], iova, shift, 1, 0);
#endif
			continue;
		}

		sub = fmt_below(table, pte, level, iova, &next, &sub_last);
		if (!sub || sub_first > sub_last)
			continue;
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

/* Collect the sizes of what is mapped from @first to @last; as fmt_walk_table() */
static void fmt_sizes(const struct iommu_dirty_table *table,
		      struct iommu_dirty_walk *walk, const u64 *ptes,
		      unsigned int level, unsigned long first,
		      unsigned long last)
{
	unsigned int shift = fmt_shift(table, level);
	unsigned int idx = fmt_index(table, first, level);
	unsigned int last_idx = fmt_index(table, last, level);
	unsigned long base = first - ((unsigned long)idx << shift);

	if (!level) {
		walk->sizes |= BIT_ULL(shift);
		return;
	}
	base = ALIGN_DOWN(base, 1UL << shift);
	for (; idx <= last_idx; idx++) {
		unsigned long iova = base + ((unsigned long)idx << shift);
		u64 pte = READ_ONCE(ptes[idx]);
		unsigned long sub_last = last;
		const u64 *sub;
		unsigned int next;

		if (!fmt_present(pte))
			continue;
		if (fmt_is_leaf(pte)) {
			walk->sizes |= BIT_ULL(shift + fmt_group_shift(pte, level,
								       shift));
			continue;
		}
		sub = fmt_below(table, pte, level, iova, &next, &sub_last);
		if (sub && max(first, iova) <= sub_last)
			fmt_sizes(table, walk, sub, next, max(first, iova),
				  sub_last);
	}
}

/**
 * FMT_WALK() - Mark the dirty entries of a range in the sink and clean them
 * @table: The page table
 * @walk: The range, the sink, and the range to flush afterwards
 *
 * IOVAs beyond the span of the table are clean. Several walks may share one @walk to
 * be flushed together; the caller sets the range before each.
 */
void FMT_WALK(const struct iommu_dirty_table *table,
	      struct iommu_dirty_walk *walk)
{
	unsigned long last = walk->last;

	if (table->bits < BITS_PER_LONG)
		last = min(last, BIT(table->bits) - 1);
	if (walk->iova > last)
		return;
	if (walk->flags & IOMMU_DIRTY_WALK_PROTECT) {
		walk->flush_iova = min(walk->flush_iova, walk->iova);
		walk->flush_last = max(walk->flush_last, last);
	}

	if (walk->flags & IOMMU_DIRTY_WALK_SIZES)
		fmt_sizes(table, walk, table->root, table->top_level,
			  walk->iova, last);
	else if (table->top_level)
		fmt_walk_table(table, walk, table->root, table->top_level,
			       walk->iova, last);
	else
		fmt_walk_leaves(table, walk, table->root, table->root,
				walk->iova, last);
}
EXPORT_SYMBOL_GPL(FMT_WALK);
