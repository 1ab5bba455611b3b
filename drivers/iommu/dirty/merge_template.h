/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Merges tables that have come from a split into large entries again, instantiated once
 * per page-table format. IOMMU drivers call it; see struct iommu_dirty_split for the steps
 * and the locks of the caller.
 *
 * A format's .c file includes this file after split_template.h. It defines the function
 * FMT_MERGE, which the format header names.
 *
 * How a table is merged: Check that its entries are leaves that differ only in their
 * addresses, which are contiguous, and in A and D. Exchange the pointer to it for a clean
 * leaf. The dirty bits stay in the table, and hardware may add to them until the caller
 * has flushed. The recheck marks them and frees the table.
 */

/* Hardware may change these bits of a tracked leaf at any time */
#define FMT_VOLATILE	(FMT_DIRTY | (FMT_SETTLED & ~FMT_TRACKED))

/*
 * Check whether the table @sub, to which an entry at @level points, can be merged.
 * Returns in @leaf what to replace the pointer with.
 */
static bool fmt_is_uniform(const struct iommu_dirty_table *table,
			   const u64 *sub, unsigned int level, u64 *leaf)
{
	unsigned int page_shift = fmt_page_shift(table);
	u64 size = 1ULL << fmt_shift(table, level);
	u64 step = fmt_step(table, level - 1);
	u64 first = READ_ONCE(sub[0]), differ;
	unsigned int i;

	/* Without these bits, those that hardware may change could be permissions */
	if (!fmt_writable(first) || (first & FMT_GROUP_BITS) ||
	    (level > 1 && !fmt_is_leaf(first)) ||
	    (fmt_table_shifted(first, page_shift) & (size - 1)))
		return false;
	*leaf = fmt_cleaned((first & ~FMT_SMALL) | FMT_LARGE);
	differ = first ^ fmt_child(*leaf, level);
	for (i = 1; i < BIT(page_shift - 3); i++)
		differ |= READ_ONCE(sub[i]) ^ (first + i * step);
	return !(differ & ~FMT_VOLATILE);
}

static int fmt_merge_after(const struct iommu_dirty_table *table,
			   struct iommu_dirty_split *split, u64 *pte,
			   unsigned int level, unsigned long iova)
{
	unsigned int shift = fmt_shift(table, level);
	u64 leaf, old = READ_ONCE(*pte);
	u64 *sub;

	if (!(old & FMT_SPLIT_MARK) || iova < split->iova ||
	    iova + ((1UL << shift) - 1) > split->last)
		return 0;
	sub = phys_to_virt(fmt_table_shifted(old, fmt_page_shift(table)));
	if (!fmt_may_change_size(split) ||
	    !fmt_is_uniform(table, sub, level, &leaf)) {
		split->left++;
		return 0;
	}
	if (split->nr_orphans == split->max_orphans)
		return -ENOSPC;

	split->orphans[split->nr_orphans++] = (struct iommu_dirty_orphan){
		.table = sub,
		.iova = iova,
		.level = level - 1,
	};
	/* Hardware may set A in the pointer, but that does not matter any more */
	xchg(pte, leaf);
	fmt_split_flush(split, iova, shift);
	split->done++;
	return 0;
}

/* No hardware uses the table any more */
static void fmt_mark_orphan(const struct iommu_dirty_table *table,
			    struct iommu_dirty_split *split,
			    const struct iommu_dirty_orphan *orphan)
{
	unsigned int shift = fmt_shift(table, orphan->level);
	unsigned int i, entries = BIT(fmt_page_shift(table) - 3);

	for (i = 0; i < entries; i += FMT_WORD) {
		struct fmt_word word;

		fmt_read_word(&orphan->table[i], &orphan->table[i], &word);
		if (word.dirty)
			split->sink->ops->mark_mask(split->sink,
						    orphan->iova + ((unsigned long)i << shift),
						    shift, word.dirty);
	}
}

static int fmt_merge_recheck(const struct iommu_dirty_table *table,
			     struct iommu_dirty_split *split)
{
	unsigned int i;

	for (i = 0; i < split->nr_orphans; i++) {
		const struct iommu_dirty_orphan *orphan = &split->orphans[i];

		if (split->sink)
			fmt_mark_orphan(table, split, orphan);
		split->tables->ops->free(split->tables, orphan->table);
	}
	split->nr_orphans = 0;
	return 0;
}

static const struct fmt_visitor fmt_merge_visitor = {
	.after = fmt_merge_after,
};

/**
 * FMT_MERGE() - Merge the tables of a range that have come from a split, or recheck it
 * @table: The page table
 * @split: The range, the array for tables, and the range to flush afterwards
 *
 * For the steps, which include the recheck, and for the locks of the caller see
 * struct iommu_dirty_split.
 *
 * Return: 0, or -ENOSPC if the array is full: do the other steps, and merge the same
 * range again.
 */
int FMT_MERGE(const struct iommu_dirty_table *table,
	      struct iommu_dirty_split *split)
{
	if (split->flags & IOMMU_DIRTY_SPLIT_RECHECK)
		return fmt_merge_recheck(table, split);
	fmt_split_start(split);
	return fmt_visit(table, split, &fmt_merge_visitor, split->iova,
			 split->last);
}
EXPORT_SYMBOL_GPL(FMT_MERGE);
