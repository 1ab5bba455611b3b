/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Splits large entries of IO page tables, so that one written byte makes one small page
 * dirty, and merges them again.
 *
 * IOMMU drivers call the functions of their format, as they call the walkers of
 * iommu_dirty.h. Both work on tables that hardware is using. Neither takes a lock: for
 * the locks of their caller see struct iommu_dirty_split.
 */
#ifndef __LINUX_IOMMU_DIRTY_SPLIT_H
#define __LINUX_IOMMU_DIRTY_SPLIT_H

#include <linux/iommu_dirty.h>
#include <linux/types.h>

struct iommu_dirty_tables;

/**
 * struct iommu_dirty_tables_ops - Where tables come from
 * @alloc: Allocate a table of the format's size, aligned to its size, in memory that
 *	the driver frees with its other tables of the domain. Its contents do not matter.
 *	Returns NULL if there is no memory
 * @free: Free a table that neither hardware nor software can reach any more
 *
 * Both are called in the context of the function that splits or merges, and may sleep if
 * that may.
 */
struct iommu_dirty_tables_ops {
	u64 *(*alloc)(struct iommu_dirty_tables *tables);
	void (*free)(struct iommu_dirty_tables *tables, u64 *table);
};

/**
 * struct iommu_dirty_tables - Embedded in what a driver needs to allocate tables
 * @ops: Its operations
 */
struct iommu_dirty_tables {
	const struct iommu_dirty_tables_ops *ops;
};

/**
 * struct iommu_dirty_orphan - A table that a merge has replaced by a large entry
 * @table: The table; hardware may use it until the flush
 * @iova: First byte that the table maps
 * @level: Level of the entries of the table
 */
struct iommu_dirty_orphan {
	u64 *table;
	unsigned long iova;
	unsigned int level;
};

/**
 * enum iommu_dirty_split_flags - Flags of a split or a merge
 * @IOMMU_DIRTY_SPLIT_DIRTY: Split only entries that are dirty
 * @IOMMU_DIRTY_SPLIT_RECHECK: The same range was split or merged, and flushed: mark what
 *	hardware has made dirty too late, because it had read the old entries. After a
 *	merge, free the tables that it has replaced
 * @IOMMU_DIRTY_SPLIT_BBM2: Arm: an entry may change its size while it is in use
 *	(SMMU_IDR3.BBML is 2)
 */
enum iommu_dirty_split_flags {
	IOMMU_DIRTY_SPLIT_DIRTY = 1 << 0,
	IOMMU_DIRTY_SPLIT_RECHECK = 1 << 1,
	IOMMU_DIRTY_SPLIT_BBM2 = 1 << 2,
};

/**
 * struct iommu_dirty_split - Large entries of a range to split, or to merge again
 * @iova: First byte of the range
 * @last: Last byte of the range, inclusive
 * @flags: Combination of enum iommu_dirty_split_flags
 * @sink: Where to mark dirty entries that vanish; NULL if nobody needs them
 * @tables: Where tables come from. A merge needs it only for the recheck
 * @orphans: Merge only: array for the tables that it replaces
 * @max_orphans: Merge only: number of its elements
 * @nr_orphans: Merge only: number of elements in use, until the recheck
 * @flush_iova: First byte of what was changed and has not been flushed yet
 * @flush_last: Last byte, inclusive; less than @flush_iova if nothing was changed
 * @done: Number of large entries that the last call has split or merged again. An entry
 *	that becomes tables of two levels counts once for each table
 * @left: Number of entries that the last call could not split, because hardware does not
 *	allow it, or of tables that it could not merge, because their entries differ
 *
 * The steps of the caller are:
 *
 * 1. Split or merge. Entries change from a leaf to a table or back in one atomic step.
 * 2. If iommu_dirty_split_needs_flush(), flush @flush_iova to @flush_last from the IOTLB
 *    and from the caches for entries above the leaves, in the IOMMU and in the devices,
 *    and wait until that has ended.
 * 3. Do the same call with IOMMU_DIRTY_SPLIT_RECHECK, and with the same @flush_iova and
 *    @flush_last.
 * 4. Only then release the locks below, and report what @sink has got.
 *
 * Splitting takes each entry that overlaps the range as a whole, down to the smallest
 * pages; what it marks may extend beyond the range, as with IOMMU_DIRTY_WALK_WHOLE. Merging
 * takes only tables that have come from splitting and lie within the range. The work
 * of one call, and the memory that it allocates, are bounded by the size of the range and
 * of the largest entry.
 *
 * Each call has a flush and a recheck of its own. The recheck does not look at the range.
 *
 * Context: The caller of either function prevents changes to the mappings of the entries
 * that overlap the range, as for the walkers; lookups of addresses there, as some drivers
 * read an entry twice to look one up; and walks that clean with plain stores: exclusive
 * ones (IOMMU_DIRTY_WALK_EXCLUSIVE) and iommu_dirty_ops::read_and_clear_dirty(). A merge
 * frees tables: its caller also prevents all other walks of the range. The range of a merge
 * lies within a single mapping of the user of the domain, who allows large entries there.
 * The caller holds these locks from the first step to the third.
 */
struct iommu_dirty_split {
	unsigned long iova;
	unsigned long last;
	unsigned int flags;
	struct iommu_dirty_sink *sink;
	struct iommu_dirty_tables *tables;
	struct iommu_dirty_orphan *orphans;
	unsigned int max_orphans;
	unsigned int nr_orphans;
	unsigned long flush_iova;
	unsigned long flush_last;
	unsigned long done;
	unsigned long left;
};

/**
 * iommu_dirty_split_init() - Prepare a split or a merge
 * @split: The split
 * @sink: Where to mark dirty entries, or NULL
 * @tables: Where tables come from
 * @flags: Combination of enum iommu_dirty_split_flags
 *
 * The caller sets the range, and for a merge @orphans and @max_orphans.
 */
static inline void iommu_dirty_split_init(struct iommu_dirty_split *split,
					  struct iommu_dirty_sink *sink,
					  struct iommu_dirty_tables *tables,
					  unsigned int flags)
{
	*split = (struct iommu_dirty_split){
		.flags = flags,
		.sink = sink,
		.tables = tables,
		.flush_iova = ULONG_MAX,
	};
}

/**
 * iommu_dirty_split_needs_flush() - Check whether a flush is needed
 * @split: The split or merge
 *
 * Return: true if @split->flush_iova to @split->flush_last must be flushed.
 */
static inline bool
iommu_dirty_split_needs_flush(const struct iommu_dirty_split *split)
{
	return split->flush_iova <= split->flush_last;
}

/**
 * iommu_dirty_split_steps() - Do all steps of a split or a merge but those of the locks
 * @domain: The domain
 * @table: Its page table
 * @split: The split or merge
 * @step: The function of the format
 * @flush: Flushes a range, its last byte inclusive, as struct iommu_dirty_split requires
 *
 * For iommu_dirty_ops::split() and ::merge(). @split is then ready for the next range.
 *
 * Context: as for @step; @flush is called in the same context.
 * Return: what the first call of @step has returned.
 */
static inline int
iommu_dirty_split_steps(struct iommu_domain *domain,
			const struct iommu_dirty_table *table,
			struct iommu_dirty_split *split,
			int (*step)(const struct iommu_dirty_table *table,
				    struct iommu_dirty_split *split),
			void (*flush)(struct iommu_domain *domain,
				      unsigned long iova, unsigned long last))
{
	int rc = step(table, split);

	/* After an error, too: what was changed before it is in use */
	if (!iommu_dirty_split_needs_flush(split))
		return rc;
	flush(domain, split->flush_iova, split->flush_last);
	split->flags |= IOMMU_DIRTY_SPLIT_RECHECK;
	step(table, split);
	split->flags &= ~IOMMU_DIRTY_SPLIT_RECHECK;
	split->flush_iova = ULONG_MAX;
	split->flush_last = 0;
	return rc;
}

int iommu_dirty_split_amd_v1(const struct iommu_dirty_table *table,
			     struct iommu_dirty_split *split);
int iommu_dirty_split_arm_s1(const struct iommu_dirty_table *table,
			     struct iommu_dirty_split *split);
int iommu_dirty_split_arm_s2(const struct iommu_dirty_table *table,
			     struct iommu_dirty_split *split);
int iommu_dirty_split_riscv(const struct iommu_dirty_table *table,
			    struct iommu_dirty_split *split);
int iommu_dirty_split_vtd_ss(const struct iommu_dirty_table *table,
			     struct iommu_dirty_split *split);
int iommu_dirty_split_x86_64(const struct iommu_dirty_table *table,
			     struct iommu_dirty_split *split);

int iommu_dirty_merge_amd_v1(const struct iommu_dirty_table *table,
			     struct iommu_dirty_split *split);
int iommu_dirty_merge_arm_s1(const struct iommu_dirty_table *table,
			     struct iommu_dirty_split *split);
int iommu_dirty_merge_arm_s2(const struct iommu_dirty_table *table,
			     struct iommu_dirty_split *split);
int iommu_dirty_merge_riscv(const struct iommu_dirty_table *table,
			    struct iommu_dirty_split *split);
int iommu_dirty_merge_vtd_ss(const struct iommu_dirty_table *table,
			     struct iommu_dirty_split *split);
int iommu_dirty_merge_x86_64(const struct iommu_dirty_table *table,
			     struct iommu_dirty_split *split);

#endif
