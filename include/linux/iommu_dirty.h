/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reading and clearing the dirty bits of IO page tables.
 *
 * The walkers of drivers/iommu/dirty/ find dirty entries and hand them to a
 * sink; IOMMU drivers call the walker of their format from
 * iommu_dirty_ops::harvest. Neither knows of iommufd.
 */
#ifndef __LINUX_IOMMU_DIRTY_H
#define __LINUX_IOMMU_DIRTY_H

#include <linux/bitops.h>
#include <linux/errno.h>
#include <linux/kconfig.h>
#include <linux/overflow.h>
#include <linux/sizes.h>
#include <linux/types.h>
#include <uapi/linux/iommufd_dirty.h>

struct iommu_dirty_bitmap;
struct iommu_dirty_sink;
struct iommu_dirty_walk;
struct iommu_domain;

/**
 * struct iommu_dirty_sink_ops - Where a walk writes what it finds
 * @mark_mask: Bit i of @mask stands for the 1 << @shift bytes at
 *	@iova + (i << @shift); mark those that are set. All of them lie within
 *	the range of the walk, unless IOMMU_DIRTY_WALK_WHOLE is set
 * @mark_range: Mark @iova to @last, inclusive
 *
 * A walk marks an entry first and cleans it then, so the ops cannot fail: who
 * starts the walk has made the sink ready for the whole of the walk's range.
 * They are called in the context of the walk.
 */
struct iommu_dirty_sink_ops {
	void (*mark_mask)(struct iommu_dirty_sink *sink, unsigned long iova,
			  unsigned int shift, u64 mask);
	void (*mark_range)(struct iommu_dirty_sink *sink, unsigned long iova,
			   unsigned long last);
};

/**
 * struct iommu_dirty_sink - Embedded in every sink
 * @ops: Its operations
 */
struct iommu_dirty_sink {
	const struct iommu_dirty_sink_ops *ops;
};

/**
 * iommu_dirty_sink_mark() - Mark what somebody reports who may be wrong
 * @sink: The sink
 * @iova: First byte
 * @length: Bytes
 *
 * Return: 0, or -EFAULT if that is not a range; nothing is marked then.
 */
static inline int iommu_dirty_sink_mark(struct iommu_dirty_sink *sink,
					unsigned long iova, size_t length)
{
	unsigned long last;

	if (!length || check_add_overflow(iova, length - 1, &last))
		return -EFAULT;
	sink->ops->mark_range(sink, iova, last);
	return 0;
}

/**
 * iommu_dirty_mark_runs() - Mark a mask run by run
 * @sink: A sink that has another granularity than the mask
 * @iova: As for iommu_dirty_sink_ops::mark_mask()
 * @shift: Same
 * @mask: Same
 */
static inline void iommu_dirty_mark_runs(struct iommu_dirty_sink *sink,
					 unsigned long iova, unsigned int shift,
					 u64 mask)
{
	while (mask) {
		unsigned int low = __ffs64(mask);
		unsigned int n = mask == U64_MAX ? 64 : ffz(mask >> low);
		unsigned long first = iova + ((unsigned long)low << shift);

		sink->ops->mark_range(sink, first,
				      first + (((unsigned long)n << shift) - 1));
		if (low + n >= 64)
			break;
		mask &= U64_MAX << (low + n);
	}
}

/**
 * enum iommu_dirty_walk_flags - Flags of a walk
 * @IOMMU_DIRTY_WALK_NO_CLEAR: Leave the entries dirty
 * @IOMMU_DIRTY_WALK_EXCLUSIVE: The caller sees to it that nobody else cleans
 *	entries of the table meanwhile, so that a plain store can do
 * @IOMMU_DIRTY_WALK_PROTECT: The range is about to be unmapped: each entry, as it
 *	is looked at, atomically becomes read-only, and if it was dirty it is
 *	marked. Entries that reach beyond the range are marked as a whole. Needs
 *	a sink, and a flush of the whole range
 * @IOMMU_DIRTY_WALK_RECHECK: The range has been walked with
 *	@IOMMU_DIRTY_WALK_PROTECT, and flushed: mark what hardware has made dirty
 *	meanwhile, as it had read the entry before. What was dirty at that time may be
 *	marked again. Nothing is changed. Needs a sink
 * @IOMMU_DIRTY_WALK_WHOLE: Entries that reach beyond the range are marked as a whole
 *	and cleaned; the sink takes what is outside of the range, too
 */
enum iommu_dirty_walk_flags {
	IOMMU_DIRTY_WALK_NO_CLEAR = 1 << 0,
	IOMMU_DIRTY_WALK_EXCLUSIVE = 1 << 1,
	IOMMU_DIRTY_WALK_PROTECT = 1 << 2,
	IOMMU_DIRTY_WALK_RECHECK = 1 << 3,
	IOMMU_DIRTY_WALK_WHOLE = 1 << 4,
};

/**
 * struct iommu_dirty_walk - One walk over a range of an IO page table
 * @iova: First byte of the range
 * @last: Last byte of the range, inclusive
 * @flags: Combination of enum iommu_dirty_walk_flags
 * @sink: Where to mark dirty entries; NULL to clean without a record
 * @flush_iova: First byte of what was cleaned and is not flushed yet
 * @flush_last: Last byte of it, inclusive; smaller than @flush_iova if nothing
 *	was cleaned
 *
 * A dirty entry that reaches beyond the range is marked for the bytes within
 * and left dirty, as the rest of it would be forgotten otherwise; unless
 * IOMMU_DIRTY_WALK_WHOLE is set.
 *
 * The caller has to flush @flush_iova to @flush_last from the IOTLB before it
 * reports what the walk found: a device that still holds the translation would
 * not set the dirty bit again.
 */
struct iommu_dirty_walk {
	unsigned long iova;
	unsigned long last;
	unsigned int flags;
	struct iommu_dirty_sink *sink;
	unsigned long flush_iova;
	unsigned long flush_last;
};

/**
 * struct iommu_dirty_table - An IO page table
 * @root: The table at @top_level
 * @top_level: Level of the root, counted from 0, whose entries are always
 *	leaves
 * @bits: Bits of the IOVAs that the table translates
 * @page_shift: log2 of the granule, for formats that have several (Arm)
 */
struct iommu_dirty_table {
	u64 *root;
	unsigned int top_level;
	unsigned int bits;
	unsigned int page_shift;
};

/**
 * struct iommu_dirty_desc - What an IOMMU driver says of a domain
 * @format: Format of its page table
 * @reason: Whether and why its dirty bits can be tracked or not
 */
struct iommu_dirty_desc {
	enum iommu_dirty_format format;
	enum iommu_dirty_reason reason;
};

/**
 * iommu_dirty_pgsizes() - Page sizes of a domain that can be tracked
 * @pgsize_bitmap: Those that its format has
 *
 * A byte that is written makes the whole entry dirty, so one of many GiB would have
 * all of them copied again and again. AMD v1 and Arm with 64 KiB pages have such.
 *
 * Return: those of 1 GiB at the most.
 */
static inline unsigned long iommu_dirty_pgsizes(unsigned long pgsize_bitmap)
{
	if (!IS_ENABLED(CONFIG_IOMMUFD_DIRTY))
		return pgsize_bitmap;
	return pgsize_bitmap & (SZ_1G | (SZ_1G - 1));
}

/**
 * iommu_dirty_walk_init() - Prepare a walk
 * @walk: The walk
 * @sink: Where to mark dirty entries, or NULL
 * @flags: Combination of enum iommu_dirty_walk_flags
 *
 * The range is the caller's to set, and to set anew for a further walk that is
 * flushed together with this one.
 */
static inline void iommu_dirty_walk_init(struct iommu_dirty_walk *walk,
					 struct iommu_dirty_sink *sink,
					 unsigned int flags)
{
	*walk = (struct iommu_dirty_walk){
		.flags = flags,
		.sink = sink,
		.flush_iova = ULONG_MAX,
	};
}

/**
 * iommu_dirty_walk_needs_flush() - Has the walk cleaned anything?
 * @walk: The walk
 *
 * Return: true if @walk->flush_iova to @walk->flush_last must be flushed.
 */
static inline bool
iommu_dirty_walk_needs_flush(const struct iommu_dirty_walk *walk)
{
	return walk->flush_iova <= walk->flush_last;
}

void iommu_dirty_walk_amd_v1(const struct iommu_dirty_table *table,
			     struct iommu_dirty_walk *walk);
void iommu_dirty_walk_arm_s1(const struct iommu_dirty_table *table,
			     struct iommu_dirty_walk *walk);
void iommu_dirty_walk_arm_s2(const struct iommu_dirty_table *table,
			     struct iommu_dirty_walk *walk);
void iommu_dirty_walk_riscv(const struct iommu_dirty_table *table,
			    struct iommu_dirty_walk *walk);
void iommu_dirty_walk_vtd_ss(const struct iommu_dirty_table *table,
			     struct iommu_dirty_walk *walk);
void iommu_dirty_walk_x86_64(const struct iommu_dirty_table *table,
			     struct iommu_dirty_walk *walk);

int iommu_dirty_read_and_clear(struct iommu_domain *domain, unsigned long iova,
			       size_t size, unsigned long flags,
			       struct iommu_dirty_bitmap *dirty);

#endif
