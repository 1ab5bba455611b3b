// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sets of IOVA ranges: the ranges that userspace wants a device to be tracked for, and
 * those that the device can track. Called by ioctl.c, which copies them from and to
 * userspace, and by the files of this folder. Callers protect their sets, so no function
 * takes a lock.
 */
#include <linux/align.h>
#include <linux/limits.h>
#include <linux/log2.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/uaccess.h>
#include <uapi/linux/iommufd_dirty.h>

#include "ranges.h"

/**
 * iommufd_dirty_ranges_alloc() - Allocate a set
 * @nr: Number of ranges
 *
 * Return: a set of @nr ranges, to be filled in, and freed with kvfree(); or NULL without
 * memory.
 */
struct iommufd_dirty_ranges *iommufd_dirty_ranges_alloc(unsigned int nr)
{
	struct iommufd_dirty_ranges *ranges;

	ranges = kvmalloc(struct_size(ranges, range, nr), GFP_KERNEL_ACCOUNT);
	if (ranges)
		ranges->nr = nr;
	return ranges;
}

static int range_cmp(const void *a, const void *b)
{
	const struct iommufd_dirty_range *x = a, *y = b;

	/* There can be twice IOMMUFD_DIRTY_MAX_RANGES ranges */
	cond_resched();
	if (x->iova != y->iova)
		return x->iova < y->iova ? -1 : 1;
	return 0;
}

/**
 * iommufd_dirty_ranges_normalize() - Turn ranges in any order into a set
 * @ranges: The ranges; those that overlap or touch are merged
 */
void iommufd_dirty_ranges_normalize(struct iommufd_dirty_ranges *ranges)
{
	unsigned int i, n = 0;

	sort(ranges->range, ranges->nr, sizeof(ranges->range[0]), range_cmp,
	     NULL);
	for (i = 1; i < ranges->nr; i++) {
		struct iommufd_dirty_range *prev = &ranges->range[n];

		if (prev->last == ULONG_MAX ||
		    ranges->range[i].iova <= prev->last + 1)
			prev->last = max(prev->last, ranges->range[i].last);
		else
			ranges->range[++n] = ranges->range[i];
	}
	ranges->nr = n + 1;
}

/**
 * iommufd_dirty_ranges_widen() - Round ranges outwards to page boundaries
 * @ranges: The ranges
 * @page_size: A power of two
 */
void iommufd_dirty_ranges_widen(struct iommufd_dirty_ranges *ranges,
				u64 page_size)
{
	unsigned int i;

	for (i = 0; i < ranges->nr; i++) {
		ranges->range[i].iova &= ~(page_size - 1);
		ranges->range[i].last |= page_size - 1;
	}
	iommufd_dirty_ranges_normalize(ranges);
}

/**
 * iommufd_dirty_ranges_aligned() - Check that ranges begin and end at page boundaries
 * @ranges: The ranges
 * @page_size: A power of two
 *
 * Return: true if all of them do.
 */
bool iommufd_dirty_ranges_aligned(const struct iommufd_dirty_ranges *ranges,
				  u64 page_size)
{
	unsigned int i;

	for (i = 0; i < ranges->nr; i++)
		if (!IS_ALIGNED(ranges->range[i].iova, page_size) ||
		    !IS_ALIGNED(ranges->range[i].last + 1, page_size))
			return false;
	return true;
}

static int range_from_user(struct iommufd_dirty_range *range,
			   struct iommu_dirty_run __user *user, u64 page_size)
{
	struct iommu_dirty_run run;
	u64 last;

	if (copy_from_user(&run, user, sizeof(run)))
		return -EFAULT;
	/* The ranges are written back later; fail now if they cannot be */
	if (copy_to_user(user, &run, sizeof(run)))
		return -EFAULT;
	if (!run.length)
		return -EINVAL;
	if (check_add_overflow(run.iova, run.length - 1, &last))
		return -EOVERFLOW;
	range->iova = run.iova & ~(page_size - 1);
	range->last = last | (page_size - 1);
	return 0;
}

/**
 * iommufd_dirty_ranges_from_user() - Copy a set from userspace
 * @user: User address of an array of struct iommu_dirty_run
 * @num: Number of entries
 * @page_size: The ranges are rounded outwards to multiples of it
 *
 * Return: the set, to be freed with kvfree(), or an error pointer; see struct
 * iommu_dirty_tracker_start.
 */
struct iommufd_dirty_ranges *
iommufd_dirty_ranges_from_user(u64 user, u32 num, u64 page_size)
{
	struct iommu_dirty_run __user *runs = u64_to_user_ptr(user);
	struct iommufd_dirty_ranges *ranges;
	unsigned int i;
	int rc;

	if (!num || num > IOMMUFD_DIRTY_MAX_RANGES ||
	    !is_power_of_2(page_size) || page_size < SZ_4K)
		return ERR_PTR(-EINVAL);
	ranges = iommufd_dirty_ranges_alloc(num);
	if (!ranges)
		return ERR_PTR(-ENOMEM);
	for (i = 0; i < num; i++) {
		rc = range_from_user(&ranges->range[i], &runs[i], page_size);
		if (rc) {
			kvfree(ranges);
			return ERR_PTR(rc);
		}
		cond_resched();
	}
	iommufd_dirty_ranges_normalize(ranges);
	return ranges;
}

/**
 * iommufd_dirty_ranges_to_user() - Copy a set to userspace
 * @user: User address of an array of struct iommu_dirty_run that is long enough
 * @ranges: The set, which is not a single range of all 2^64 bytes
 *
 * Return: 0 or -EFAULT.
 */
int iommufd_dirty_ranges_to_user(u64 user,
				 const struct iommufd_dirty_ranges *ranges)
{
	struct iommu_dirty_run __user *runs = u64_to_user_ptr(user);
	unsigned int i;

	for (i = 0; i < ranges->nr; i++) {
		const struct iommufd_dirty_range *range = &ranges->range[i];
		struct iommu_dirty_run run = {
			.iova = range->iova,
			.length = range->last - range->iova + 1,
		};

		if (copy_to_user(&runs[i], &run, sizeof(run)))
			return -EFAULT;
	}
	return 0;
}

/**
 * iommufd_dirty_ranges_union() - Make the union of two sets
 * @a: One set
 * @b: The other, or NULL
 *
 * Return: a new set, to be freed with kvfree(), or NULL without memory.
 */
struct iommufd_dirty_ranges *
iommufd_dirty_ranges_union(const struct iommufd_dirty_ranges *a,
			   const struct iommufd_dirty_ranges *b)
{
	struct iommufd_dirty_ranges *ranges;

	ranges = iommufd_dirty_ranges_alloc(a->nr + (b ? b->nr : 0));
	if (!ranges)
		return NULL;
	memcpy(ranges->range, a->range, flex_array_size(a, range, a->nr));
	if (b)
		memcpy(ranges->range + a->nr, b->range,
		       flex_array_size(b, range, b->nr));
	iommufd_dirty_ranges_normalize(ranges);
	return ranges;
}

/**
 * iommufd_dirty_ranges_intersect() - Make the intersection of two sets
 * @to: Out: the intersection, which may be empty; has room for as many ranges as @a
 *	and @b have together
 * @a: One set
 * @b: The other
 */
void iommufd_dirty_ranges_intersect(struct iommufd_dirty_ranges *to,
				    const struct iommufd_dirty_ranges *a,
				    const struct iommufd_dirty_ranges *b)
{
	unsigned int i = 0, j = 0, n = 0;

	while (i < a->nr && j < b->nr) {
		unsigned long iova = max(a->range[i].iova, b->range[j].iova);
		unsigned long last = min(a->range[i].last, b->range[j].last);

		if (iova <= last) {
			to->range[n].iova = iova;
			to->range[n++].last = last;
		}
		if (a->range[i].last == last)
			i++;
		else
			j++;
	}
	to->nr = n;
}

/**
 * iommufd_dirty_ranges_copy() - Copy a set over another one
 * @to: Out: the copy; has room for all ranges of @from
 * @from: The set to copy
 */
void iommufd_dirty_ranges_copy(struct iommufd_dirty_ranges *to,
			       const struct iommufd_dirty_ranges *from)
{
	to->nr = from->nr;
	memcpy(to->range, from->range,
	       flex_array_size(from, range, from->nr));
}

static unsigned long range_gap(const struct iommufd_dirty_ranges *ranges,
			       unsigned int i)
{
	return ranges->range[i].iova - ranges->range[i - 1].last - 1;
}

static int gap_cmp(const void *a, const void *b)
{
	unsigned long x = *(const unsigned long *)a;
	unsigned long y = *(const unsigned long *)b;

	cond_resched();
	return x < y ? -1 : x > y;
}

/**
 * iommufd_dirty_ranges_coarsen() - Reduce the number of ranges
 * @ranges: The set
 * @max: Maximum number of ranges, at least one
 *
 * Neighbours with the smallest gaps between them are merged.
 *
 * Return: 0, or -ENOMEM with nothing changed.
 */
int iommufd_dirty_ranges_coarsen(struct iommufd_dirty_ranges *ranges,
				 unsigned int max)
{
	unsigned int i, n = 0, equal = 0, merge;
	unsigned long *gaps, widest;

	if (ranges->nr <= max)
		return 0;
	merge = ranges->nr - max;
	gaps = kvmalloc_array(ranges->nr - 1, sizeof(*gaps),
			      GFP_KERNEL_ACCOUNT);
	if (!gaps)
		return -ENOMEM;
	for (i = 1; i < ranges->nr; i++)
		gaps[i - 1] = range_gap(ranges, i);
	sort(gaps, ranges->nr - 1, sizeof(*gaps), gap_cmp, NULL);
	widest = gaps[merge - 1];
	/* Not all gaps of the widest size need to be closed: count those that do */
	for (i = 0; i < merge; i++)
		equal += gaps[i] == widest;
	kvfree(gaps);

	for (i = 1; i < ranges->nr; i++) {
		unsigned long gap = ranges->range[i].iova -
				    ranges->range[n].last - 1;

		if (gap < widest || (gap == widest && equal)) {
			equal -= gap == widest;
			ranges->range[n].last = ranges->range[i].last;
		} else {
			ranges->range[++n] = ranges->range[i];
		}
	}
	ranges->nr = n + 1;
	return 0;
}

/**
 * iommufd_dirty_ranges_span() - Distance from the first to the last byte of a set
 * @ranges: The set
 *
 * Return: the distance, which is the span in bytes minus one.
 */
unsigned long
iommufd_dirty_ranges_span(const struct iommufd_dirty_ranges *ranges)
{
	return ranges->range[ranges->nr - 1].last - ranges->range[0].iova;
}

/* Index of the first range that ends at or after @iova; ranges->nr if there is none */
static unsigned int ranges_find(const struct iommufd_dirty_ranges *ranges,
				unsigned long iova)
{
	unsigned int low = 0, high = ranges->nr;

	while (low < high) {
		unsigned int mid = low + (high - low) / 2;

		if (ranges->range[mid].last < iova)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/**
 * iommufd_dirty_ranges_next() - Find the next range
 * @ranges: The set, or NULL for an empty one
 * @iova: Where to start
 * @last: Where to end, inclusive
 * @part: Out: the first range that has a byte between @iova and @last, not clipped
 *
 * Return: false if there is none.
 */
bool iommufd_dirty_ranges_next(const struct iommufd_dirty_ranges *ranges,
			       unsigned long iova, unsigned long last,
			       struct iommufd_dirty_range *part)
{
	unsigned int i;

	if (!ranges)
		return false;
	i = ranges_find(ranges, iova);
	if (i == ranges->nr || ranges->range[i].iova > last)
		return false;
	*part = ranges->range[i];
	return true;
}

/**
 * iommufd_dirty_ranges_cover() - Check whether a set contains all of another one
 * @ranges: The set
 * @part: The other set
 *
 * Return: true if each range of @part is within a range of @ranges.
 */
bool iommufd_dirty_ranges_cover(const struct iommufd_dirty_ranges *ranges,
				const struct iommufd_dirty_ranges *part)
{
	struct iommufd_dirty_range range;
	unsigned int i;

	for (i = 0; i < part->nr; i++)
		if (!iommufd_dirty_ranges_next(ranges, part->range[i].iova,
					       part->range[i].last, &range) ||
		    range.iova > part->range[i].iova ||
		    range.last < part->range[i].last)
			return false;
	return true;
}
