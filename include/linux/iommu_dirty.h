/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reads and clears the dirty bits of IO page tables.
 *
 * The walkers in drivers/iommu/dirty/ find dirty entries and mark them in a
 * sink. IOMMU drivers call the walker of their format from
 * iommu_dirty_ops::harvest. Neither depends on iommufd. The walkers take no
 * lock: their caller keeps the mappings of the range stable.
 */
#ifndef __LINUX_IOMMU_DIRTY_H
#define __LINUX_IOMMU_DIRTY_H

#include <linux/bitops.h>
#include <linux/errno.h>
#include <linux/overflow.h>
#include <linux/types.h>
#include <uapi/linux/iommufd_dirty.h>

struct iommu_dirty_sink;
struct iommu_dirty_walk;
struct iommu_domain;

/**
 * struct iommu_dirty_sink_ops - Operations of a sink, where a walk marks pages
 * @mark_mask: Bit i of @mask stands for the 1 << @shift bytes at
 *	@iova + (i << @shift); mark those whose bit is set. All of them are
 *	within the range of the walk, unless IOMMU_DIRTY_WALK_WHOLE, _PROTECT
 *	or _RECHECK is set. @mask is not 0
 * @mark_range: Mark @iova to @last, inclusive
 *
 * A walk marks an entry before it cleans it, so marking cannot fail: the caller
 * of the walk has prepared the sink for the whole range. The ops are called in
 * the context of the walk.
 */
struct iommu_dirty_sink_ops {
	void (*mark_mask)(struct iommu_dirty_sink *sink, unsigned long iova,
			  unsigned int shift, u64 mask);
	void (*mark_range)(struct iommu_dirty_sink *sink, unsigned long iova,
			   unsigned long last);
};

/**
 * struct iommu_dirty_sink - Embedded in every sink
 * @ops: Operations of the sink
 */
struct iommu_dirty_sink {
	const struct iommu_dirty_sink_ops *ops;
};

/**
 * iommu_dirty_sink_mark() - Mark a range that has not been checked
 * @sink: The sink
 * @iova: First byte
 * @length: Length in bytes
 *
 * Return: 0, or -EFAULT with nothing marked if the range is empty or overflows.
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
 * iommu_dirty_mark_runs() - Mark the runs of a mask one by one
 * @sink: The sink; its granularity may differ from that of the mask
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
 * @IOMMU_DIRTY_WALK_EXCLUSIVE: The caller ensures that no other walk cleans
 *	entries of the table at the same time, so that plain stores can be used
 * @IOMMU_DIRTY_WALK_PROTECT: The range is about to be unmapped: make each entry
 *	read-only, and mark it if it was dirty at that moment. Entries that
 *	extend beyond the range are marked as a whole. Needs a sink, and a flush
 *	of the whole range
 * @IOMMU_DIRTY_WALK_RECHECK: The range was walked with IOMMU_DIRTY_WALK_PROTECT
 *	and flushed: mark entries that hardware has made dirty since, because it
 *	had read them before they became read-only. Entries that were dirty then
 *	may be marked again. Nothing is changed. Needs a sink
 * @IOMMU_DIRTY_WALK_WHOLE: Mark and clean entries that extend beyond the range as
 *	a whole; the sink accepts marks outside the range
 * @IOMMU_DIRTY_WALK_SIZES: Only collect in @sizes the sizes of what is mapped in
 *	the range. Tables of level 0 are not read: they count as entries of the
 *	smallest size. Nothing is marked or changed
 */
enum iommu_dirty_walk_flags {
	IOMMU_DIRTY_WALK_NO_CLEAR = 1 << 0,
	IOMMU_DIRTY_WALK_EXCLUSIVE = 1 << 1,
	IOMMU_DIRTY_WALK_PROTECT = 1 << 2,
	IOMMU_DIRTY_WALK_RECHECK = 1 << 3,
	IOMMU_DIRTY_WALK_WHOLE = 1 << 4,
	IOMMU_DIRTY_WALK_SIZES = 1 << 5,
};

/**
 * struct iommu_dirty_walk - One walk over a range of an IO page table
 * @iova: First byte of the range
 * @last: Last byte of the range, inclusive
 * @flags: Combination of enum iommu_dirty_walk_flags
 * @sink: Where to mark dirty entries; NULL to clean them without marking
 * @flush_iova: First byte of what was cleaned and has not been flushed yet
 * @flush_last: Last byte, inclusive; less than @flush_iova if nothing was
 *	cleaned
 * @sizes: Bitmap of the sizes in bytes that IOMMU_DIRTY_WALK_SIZES has found
 *
 * A dirty entry that extends beyond the range is marked for the bytes within the
 * range and stays dirty, as the rest would be lost otherwise. The exceptions are
 * IOMMU_DIRTY_WALK_WHOLE, _PROTECT and _RECHECK.
 *
 * The caller must flush @flush_iova to @flush_last from the IOTLB before it
 * reports what the walk found: a device with a cached translation would not set
 * the dirty bit again.
 */
struct iommu_dirty_walk {
	unsigned long iova;
	unsigned long last;
	unsigned int flags;
	struct iommu_dirty_sink *sink;
	unsigned long flush_iova;
	unsigned long flush_last;
	u64 sizes;
};

/**
 * struct iommu_dirty_table - An IO page table
 * @root: The root table
 * @top_level: Level of the root. Level 0 is the lowest: its entries are leaves
 * @bits: Number of IOVA bits that the table translates
 * @page_shift: log2 of the granule in bytes, for formats that have several (Arm)
 */
struct iommu_dirty_table {
	u64 *root;
	unsigned int top_level;
	unsigned int bits;
	unsigned int page_shift;
};

/**
 * enum iommu_dirty_cost - What it costs a user's domain that it can be tracked
 * @IOMMU_DIRTY_IMPOSSIBLE: It cannot be tracked
 * @IOMMU_DIRTY_COSTS: IOMMU_HWPT_ALLOC_DIRTY_TRACKING changes the domain: the
 *	format of its page table, or how hardware uses the table even while
 *	nobody tracks
 * @IOMMU_DIRTY_FREE: The domain is the same as without that flag
 */
enum iommu_dirty_cost {
	IOMMU_DIRTY_IMPOSSIBLE = 0,
	IOMMU_DIRTY_COSTS,
	IOMMU_DIRTY_FREE,
};

/**
 * struct iommu_dirty_desc - An IOMMU driver's description of a domain
 * @format: Format of its page table
 * @reason: Why its dirty bits can or cannot be tracked
 * @split_reason: Why its large entries can or cannot be split. What cannot be tracked is
 *	never split, so a driver need not repeat that. IOMMU_DIRTY_REASON_NO_DRIVER
 *	unless the driver changes it
 */
struct iommu_dirty_desc {
	enum iommu_dirty_format format;
	enum iommu_dirty_reason reason;
	enum iommu_dirty_reason split_reason;
};

/**
 * iommu_dirty_walk_init() - Prepare a walk
 * @walk: The walk
 * @sink: Where to mark dirty entries, or NULL
 * @flags: Combination of enum iommu_dirty_walk_flags
 *
 * The caller sets the range, and sets it again for each further walk that is
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
 * iommu_dirty_walk_needs_flush() - Check whether a walk needs an IOTLB flush
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

#endif
