/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Splits large entries into tables of smaller ones, instantiated once per page-table
 * format. IOMMU drivers call it; see struct iommu_dirty_split for the steps and the
 * locks of the caller.
 *
 * A format's .c file includes its fmt/<format>.h, walk_template.h, and then this file,
 * which defines the function FMT_SPLIT. Besides what the walk needs, the format header
 * provides:
 *
 *   FMT_SPLIT            name of the function to define
 *   FMT_SPLIT_MARK       bit that is set in an entry that points to a table from a
 *                        split: neither hardware nor drivers look at it there
 *   FMT_ADDR_SHIFT       number of bits by which an entry shifts an address to the
 *                        right; 0 if omitted
 *   FMT_UNSPLITTABLE     bits of a leaf that no smaller leaf can have; 0 if omitted
 *   FMT_LARGE            bits of a leaf above level 0 that one of level 0 has not; 0 if
 *                        omitted
 *   FMT_SMALL            the reverse; 0 if omitted
 *   FMT_BBM              true if hardware needs a feature for it (Arm); false if omitted
 *   fmt_make_table(phys, level)
 *                        an entry at @level that points to a table of the next level
 *   fmt_single(pte, level, shift, i)
 *                        with FMT_GROUPS: entry @i of a group as a leaf of its own
 *
 * How an entry is split: Fill a table with clean leaves. If the entry is dirty, mark it.
 * Exchange it for a pointer to the table, unless it has changed; then look at it again.
 * Hardware that walks the tables finds either the old entry or all new ones, which
 * translate alike. Documentation/driver-api/iommu_dirty.rst has the argument in full.
 */
#include <asm/barrier.h>
#include <linux/iommu_dirty_split.h>

#ifndef FMT_ADDR_SHIFT
#define FMT_ADDR_SHIFT	0
#endif
#ifndef FMT_UNSPLITTABLE
#define FMT_UNSPLITTABLE	0ULL
#endif
#ifndef FMT_LARGE
#define FMT_LARGE	0ULL
#endif
#ifndef FMT_SMALL
#define FMT_SMALL	0ULL
#endif
#ifndef FMT_BBM
#define FMT_BBM	false
#endif
#ifdef FMT_GROUPS
#define FMT_GROUP_BITS	FMT_GROUPS
#else
#define FMT_GROUP_BITS	0ULL
#endif

/* A table from a split has the clean value of the dirty bit, which a table can ignore */
#define FMT_SPLIT_TABLE	(FMT_SPLIT_MARK | (FMT_DIRTY & FMT_CLEAN_SET))

/*
 * What a visit of a range does with its entries. They return 0, a negative errno, which
 * ends the visit, or 1 if the entry's table need not be visited.
 */
struct fmt_visitor {
	/* An entry above level 0 */
	int (*before)(const struct iommu_dirty_table *table,
		      struct iommu_dirty_split *split, u64 *ptes,
		      unsigned int idx, unsigned int level, unsigned long iova);
	/* The same, after what is below it; only for an entry that points to a table */
	int (*after)(const struct iommu_dirty_table *table,
		     struct iommu_dirty_split *split, u64 *pte,
		     unsigned int level, unsigned long iova);
	/* Entries @idx to @last_idx of a table of level 0; the first maps @iova */
	void (*pages)(const struct iommu_dirty_table *table,
		      struct iommu_dirty_split *split, u64 *ptes,
		      unsigned int idx, unsigned int last_idx,
		      unsigned long iova);
};

static void fmt_visit_pages(const struct iommu_dirty_table *table,
			    struct iommu_dirty_split *split,
			    const struct fmt_visitor *visitor, u64 *ptes,
			    unsigned long first, unsigned long last)
{
	if (visitor->pages)
		visitor->pages(table, split, ptes, fmt_index(table, first, 0),
			       fmt_index(table, last, 0),
			       ALIGN_DOWN(first, 1UL << fmt_page_shift(table)));
}

/* Visit @first to @last, inclusive, in the table @ptes above level 0 */
static int fmt_visit_table(const struct iommu_dirty_table *table,
			   struct iommu_dirty_split *split,
			   const struct fmt_visitor *visitor, u64 *ptes,
			   unsigned int level, unsigned long first,
			   unsigned long last)
{
	unsigned int shift = fmt_shift(table, level);
	unsigned int idx = fmt_index(table, first, level);
	unsigned int last_idx = fmt_index(table, last, level);
	unsigned long iova = ALIGN_DOWN(first, 1UL << shift);
	int rc = 0;

	for (; idx <= last_idx && rc >= 0; idx++, iova += 1UL << shift) {
		unsigned long sub_first = max(first, iova), sub_last = last;
		unsigned int next;
		u64 *sub;
		u64 pte;

		rc = visitor->before ? visitor->before(table, split, ptes, idx,
						       level, iova) : 0;
		if (rc)
			continue;
		pte = READ_ONCE(ptes[idx]);
		if (!fmt_present(pte) || fmt_is_leaf(pte))
			continue;

		sub = fmt_below(table, pte, level, iova, &next, &sub_last);
		if (!sub || sub_first > sub_last)
			continue;
		if (next)
			rc = fmt_visit_table(table, split, visitor, sub, next,
					     sub_first, sub_last);
		else
			fmt_visit_pages(table, split, visitor, sub, sub_first,
					sub_last);
		if (rc >= 0 && visitor->after)
			rc = visitor->after(table, split, &ptes[idx], level,
					    iova);
	}
	return min(rc, 0);
}

static int fmt_visit(const struct iommu_dirty_table *table,
		     struct iommu_dirty_split *split,
		     const struct fmt_visitor *visitor, unsigned long first,
		     unsigned long last)
{
	if (table->bits < BITS_PER_LONG)
		last = min(last, BIT(table->bits) - 1);
	if (first > last)
		return 0;
	if (table->top_level)
		return fmt_visit_table(table, split, visitor, table->root,
				       table->top_level, first, last);
	fmt_visit_pages(table, split, visitor, table->root, first, last);
	return 0;
}

/* A tracked leaf, when clean */
static u64 fmt_cleaned(u64 pte)
{
	return (pte & ~FMT_CLEAN_CLEAR) | FMT_CLEAN_SET;
}

static void fmt_split_start(struct iommu_dirty_split *split)
{
	split->done = 0;
	split->left = 0;
}

static u64 fmt_step(const struct iommu_dirty_table *table, unsigned int level)
{
	return 1ULL << (fmt_shift(table, level) - FMT_ADDR_SHIFT);
}

/* A leaf of the level below @level, with the address and properties of the leaf @pte */
static u64 fmt_child(u64 pte, unsigned int level)
{
	return level == 1 ? (pte & ~FMT_LARGE) | FMT_SMALL : pte;
}

/* Others never become dirty */
static bool fmt_writable(u64 pte)
{
	return (pte & FMT_TRACKED) == FMT_TRACKED && (pte & FMT_PROTECT);
}

static void fmt_split_mark(struct iommu_dirty_split *split, unsigned long iova,
			   unsigned int shift)
{
	if (split->sink)
		split->sink->ops->mark_range(split->sink, iova,
					     iova + (1UL << shift) - 1);
}

static void fmt_split_flush(struct iommu_dirty_split *split, unsigned long iova,
			    unsigned int shift)
{
	split->flush_iova = min(split->flush_iova, iova);
	split->flush_last = max(split->flush_last, iova + (1UL << shift) - 1);
}

/* Check whether entries may change their size while hardware uses them */
static bool fmt_may_change_size(const struct iommu_dirty_split *split)
{
	return !FMT_BBM || (split->flags & IOMMU_DIRTY_SPLIT_BBM2);
}

/*
 * Split the leaf @pte, which maps @iova at @level, down to level 0. One level after the
 * other: if there is no memory for all, the smaller leaves are of use, too.
 */
static int fmt_split_leaf(const struct iommu_dirty_table *table,
			  struct iommu_dirty_split *split, u64 *pte,
			  unsigned int level, unsigned long iova)
{
	unsigned int shift = fmt_shift(table, level);
	unsigned int entries = BIT(fmt_page_shift(table) - 3);
	unsigned int i;
	u64 old, new, child, step;
	u64 *sub;
	int rc = 0;

	old = READ_ONCE(*pte);
	if (!fmt_writable(old))
		return 0;
	if ((old & FMT_UNSPLITTABLE) || !fmt_may_change_size(split)) {
		split->left++;
		return 0;
	}
	sub = split->tables->ops->alloc(split->tables);
	if (!sub)
		return -ENOMEM;

	/* Hardware can change A and D meanwhile; the new leaves have their own */
	old = READ_ONCE(*pte);
	child = fmt_cleaned(fmt_child(old, level));
	step = fmt_step(table, level - 1);
	for (i = 0; i < entries; i++)
		sub[i] = child + i * step;
	new = fmt_make_table(virt_to_phys(sub), level) | FMT_SPLIT_TABLE;
	/* Hardware that finds the pointer must find the leaves, too */
	dma_wmb();
	do {
		/* Record, then clear */
		if (fmt_dirty(old))
			fmt_split_mark(split, iova, shift);
	} while (!try_cmpxchg(pte, &old, new));
	fmt_split_flush(split, iova, shift);
	split->done++;

	for (i = 0; level > 1 && !rc && i < entries; i++)
		rc = fmt_split_leaf(table, split, &sub[i], level - 1,
				    iova + ((unsigned long)i << fmt_shift(table, level - 1)));
	return rc;
}

#ifdef FMT_GROUPS
static bool fmt_group_is_dirty(const u64 *ptes, unsigned int group)
{
	unsigned int i;

	for (i = 0; i < 1U << group; i++)
		if (fmt_dirty(READ_ONCE(ptes[i])))
			return true;
	return false;
}

/*
 * Make the group that contains entry @idx, which maps @iova, into single leaves, one
 * after the other: an entry of the group and its new value translate alike. A dirty bit
 * in one entry can stand for any page of the group, even after its neighbours are
 * singles. So the whole group is marked, dirty or not; the flush ends this.
 */
static int fmt_split_group(const struct iommu_dirty_table *table,
			   struct iommu_dirty_split *split, u64 *ptes,
			   unsigned int idx, unsigned int level,
			   unsigned long iova, unsigned int group)
{
	unsigned int shift = fmt_shift(table, level);
	unsigned int start = ALIGN_DOWN(idx, 1U << group);
	unsigned int i;
	int rc = 0;

	/* Done with the first of its entries in the range */
	if (idx != start && split->iova < iova)
		return 0;
	if (!fmt_writable(READ_ONCE(ptes[idx])))
		return 0;
	if (!fmt_may_change_size(split)) {
		split->left++;
		return 0;
	}
	if ((split->flags & IOMMU_DIRTY_SPLIT_DIRTY) &&
	    !fmt_group_is_dirty(&ptes[start], group))
		return 0;

	iova = ALIGN_DOWN(iova, 1UL << (shift + group));
	fmt_split_mark(split, iova, shift + group);
	for (i = 0; i < 1U << group; i++) {
		u64 old = READ_ONCE(ptes[start + i]), new;

		do {
			new = fmt_cleaned(fmt_single(old, level, shift, i));
		} while (!try_cmpxchg(&ptes[start + i], &old, new));
	}
	fmt_split_flush(split, iova, shift + group);
	split->done++;

	for (i = 0; level && !rc && i < 1U << group; i++)
		rc = fmt_split_leaf(table, split, &ptes[start + i], level,
				    iova + ((unsigned long)i << shift));
	return rc;
}

static void fmt_split_pages(const struct iommu_dirty_table *table,
			    struct iommu_dirty_split *split, u64 *ptes,
			    unsigned int idx, unsigned int last_idx,
			    unsigned long iova)
{
	unsigned int shift = fmt_page_shift(table);

	for (; idx <= last_idx; idx++, iova += 1UL << shift) {
		u64 pte = READ_ONCE(ptes[idx]);
		unsigned int group;

		if (!(pte & FMT_GROUPS) || !fmt_present(pte))
			continue;
		group = fmt_group_shift(pte, 0, shift);
		if (group)
			fmt_split_group(table, split, ptes, idx, 0, iova, group);
	}
}
#endif

static int fmt_split_before(const struct iommu_dirty_table *table,
			    struct iommu_dirty_split *split, u64 *ptes,
			    unsigned int idx, unsigned int level,
			    unsigned long iova)
{
	u64 pte = READ_ONCE(ptes[idx]);

	if (!fmt_present(pte) || !fmt_is_leaf(pte))
		return 0;
#ifdef FMT_GROUPS
	if (pte & FMT_GROUPS)
		return fmt_split_group(table, split, ptes, idx, level, iova,
				       fmt_group_shift(pte, level,
						       fmt_shift(table, level))) ?: 1;
#endif
	if ((split->flags & IOMMU_DIRTY_SPLIT_DIRTY) && !fmt_dirty(pte))
		return 1;
	return fmt_split_leaf(table, split, &ptes[idx], level, iova) ?: 1;
}

/*
 * Hardware that set the dirty bit of the old leaf without comparing it has changed the
 * entry that points to the table. Which page it wrote is not known.
 */
static int fmt_split_late(const struct iommu_dirty_table *table,
			  struct iommu_dirty_split *split, u64 *ptes,
			  unsigned int idx, unsigned int level,
			  unsigned long iova)
{
	u64 pte = READ_ONCE(ptes[idx]);

	if (!fmt_present(pte) || fmt_is_leaf(pte) || !(pte & FMT_SPLIT_MARK) ||
	    !((pte ^ FMT_SPLIT_TABLE) & FMT_DIRTY))
		return 0;
	fmt_split_mark(split, iova, fmt_shift(table, level));
	if (FMT_CLEAN_SET)
		atomic64_or(FMT_DIRTY, (atomic64_t *)&ptes[idx]);
	else
		atomic64_andnot(FMT_DIRTY, (atomic64_t *)&ptes[idx]);
	return 0;
}

static const struct fmt_visitor fmt_split_visitor = {
	.before = fmt_split_before,
#ifdef FMT_GROUPS
	.pages = fmt_split_pages,
#endif
};

static const struct fmt_visitor fmt_late_visitor = {
	.before = fmt_split_late,
};

/**
 * FMT_SPLIT() - Split the large entries of a range, or recheck it
 * @table: The page table
 * @split: The range, where tables come from, and the range to flush afterwards
 *
 * For the steps, which include the recheck, and for the locks of the caller see
 * struct iommu_dirty_split.
 *
 * Return: 0, or -ENOMEM if some entries stay large for lack of memory. The other steps
 * are then needed, too.
 */
int FMT_SPLIT(const struct iommu_dirty_table *table,
	      struct iommu_dirty_split *split)
{
	/* What was changed may extend beyond the range */
	if (split->flags & IOMMU_DIRTY_SPLIT_RECHECK)
		return fmt_visit(table, split, &fmt_late_visitor,
				 split->flush_iova, split->flush_last);
	fmt_split_start(split);
	return fmt_visit(table, split, &fmt_split_visitor, split->iova,
			 split->last);
}
EXPORT_SYMBOL_GPL(FMT_SPLIT);
