/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Loops over the parts of an IOVA range: runs of dirty pages, ranges of a set, and
 * windows. A range can end with the address space, so no loop may compute the byte
 * after its end. Used by all files of the trackers; no lock is needed.
 */
#ifndef __IOMMUFD_DIRTY_RANGE_H
#define __IOMMUFD_DIRTY_RANGE_H

#include <linux/iommufd_dirty.h>
#include <linux/minmax.h>
#include <linux/sched.h>

/**
 * struct iommufd_dirty_iter - State of for_each_dirty_range()
 * @part: The current part
 * @iova: Where to look for the next part
 * @last: Where the range ends, inclusive
 * @started: @part is valid
 */
struct iommufd_dirty_iter {
	struct iommufd_dirty_range *part;
	unsigned long iova;
	unsigned long last;
	bool started;
};

/* Move behind the current part; false if that was the end of the range */
static inline bool iommufd_dirty_iter_step(struct iommufd_dirty_iter *iter)
{
	if (!iter->started) {
		iter->started = true;
		return true;
	}
	if (iter->part->last >= iter->last)
		return false;
	iter->iova = iter->part->last + 1;
	cond_resched();
	return true;
}

/**
 * for_each_dirty_range() - Loop over the parts of an IOVA range, in ascending order
 * @cur: struct iommufd_dirty_range, the current part. The body may change its last byte
 *	to continue elsewhere
 * @next: bool next(from, iova, last, &cur): finds the first part that has a byte between
 *	iova and last, both inclusive; false if there is none
 * @from: Passed to @next
 * @first: First byte of the range
 * @stop: Last byte, inclusive
 *
 * Context: may sleep.
 */
#define for_each_dirty_range(cur, next, from, first, stop)		\
	for (struct iommufd_dirty_iter __iter = {			\
		.part = &(cur), .iova = (first), .last = (stop), };	\
	     iommufd_dirty_iter_step(&__iter) &&			\
	     (next)(from, __iter.iova, __iter.last, __iter.part);)

/**
 * iommufd_dirty_window_next() - Split a range into windows, for for_each_dirty_range()
 * @size: Size of a window in bytes, a power of two; windows end at multiples of it.
 *	0: one window
 * @iova: Where the next window starts
 * @last: Where the range ends, inclusive
 * @window: Out: the window
 *
 * Return: true.
 */
static inline bool iommufd_dirty_window_next(unsigned long size,
					     unsigned long iova,
					     unsigned long last,
					     struct iommufd_dirty_range *window)
{
	window->iova = iova;
	window->last = min(last, iova | (size - 1));
	return true;
}

/**
 * iommufd_dirty_window_bound() - Bound what one harvest has to look at
 * @size: Size of a window in bytes, a power of two
 * @iova: First byte of the harvest
 * @last: Last byte, inclusive
 * @next: Where there is something to look at; anything before that costs nothing
 *
 * Return: the last byte of the window of @iova, or of the last window before that of @next
 * if that is further; at most @last.
 */
static inline unsigned long
iommufd_dirty_window_bound(unsigned long size, unsigned long iova,
			   unsigned long last, unsigned long next)
{
	next &= ~(size - 1);
	return min(last, next > iova ? next - 1 : iova | (size - 1));
}

#endif
