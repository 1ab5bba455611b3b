// SPDX-License-Identifier: GPL-2.0-only
/*
 * READ: for each window of the range, pin the bitmap, have every tracker mark
 * its dirty pages in it, unpin it. Called by ioctl_read.c with arguments checked and
 * without a lock.
 */
#include <linux/log2.h>
#include <linux/sched/signal.h>

#include "break.h"
#include "dirty.h"

/**
 * iommufd_dirty_next_of() - Find what can be dirty next for any tracker
 * @trackers: The trackers
 * @nr: How many
 * @iova: Where to start
 * @last: Where to end, inclusive
 * @next: Out: the first byte of the range that can be dirty
 *
 * Return: false if nothing between @iova and @last can be dirty.
 */
bool iommufd_dirty_next_of(struct iommufd_dirty_tracker **trackers,
			   unsigned int nr, unsigned long iova,
			   unsigned long last, unsigned long *next)
{
	unsigned long one, first = ULONG_MAX;
	bool found = false;
	unsigned int i;

	for (i = 0; i < nr; i++) {
		if (!iommufd_dirty_next(trackers[i], iova, last, &one))
			continue;
		first = min(first, one);
		found = true;
	}
	*next = first;
	return found;
}

/**
 * iommufd_dirty_window_mask() - How far does a window of a call go?
 * @trackers: The trackers
 * @nr: How many
 * @max_shift: log2 of what else limits it; IOMMUFD_DIRTY_WINDOW_SHIFT is in any case
 *	possible
 *
 * Return: the bits of an IOVA that are all set in the last byte of its window.
 */
unsigned long iommufd_dirty_window_mask(struct iommufd_dirty_tracker **trackers,
					unsigned int nr, unsigned int max_shift)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		max_shift = min(max_shift,
				trackers[i]->scope->window_shift(trackers[i]));
	return BIT(max(max_shift, IOMMUFD_DIRTY_WINDOW_SHIFT)) - 1;
}

/**
 * iommufd_dirty_harvest_nth() - Harvest a window for one of a call's trackers
 * @trackers: The trackers of the call
 * @n: Which one; those before it have been harvested, with the same flags
 * @iova: As for iommufd_dirty_harvest(), or iommufd_dirty_device_harvest()
 * @last: Same
 * @flags: Same
 * @sink: Same; if it is not the tracker's own ledger, all of them share it
 *
 * The harvest for one tracker feeds the ledgers of the others of its IOAS or
 * device, so that once for each is enough.
 *
 * Return: as iommufd_dirty_harvest() and iommufd_dirty_device_harvest().
 */
int iommufd_dirty_harvest_nth(struct iommufd_dirty_tracker **trackers,
			      unsigned int n, unsigned long iova,
			      unsigned long *last, unsigned int flags,
			      struct iommu_dirty_sink *sink)
{
	struct iommufd_dirty_tracker *tracker = trackers[n];
	unsigned int i;

	for (i = 0; i < n; i++)
		if (trackers[i]->ioas == tracker->ioas &&
		    trackers[i]->device == tracker->device)
			return tracker->scope->harvest_ledger(tracker, iova,
							      *last, flags,
							      sink);
	return tracker->scope->harvest(tracker, IOMMU_DIRTY_STATE_RUNNING, iova,
				       last, flags, sink);
}

/*
 * Windows end at multiples of their size, which no IO page table entry of that
 * size or less straddles. @last gets smaller if not all of the window was
 * dealt with by every tracker.
 */
static int read_window(struct iommufd_dirty_tracker **trackers, u64 *added,
		       unsigned int nr, struct iommufd_dirty_bitmap *bitmap,
		       unsigned long iova, unsigned long *last,
		       struct iommufd_dirty_request *req)
{
	unsigned int i;
	int rc;

	rc = iommufd_dirty_bitmap_pin(bitmap, iova, last);
	if (rc && iommufd_dirty_breaks(IOMMUFD_DIRTY_BREAK_RECORD))
		trackers[0]->scope->harvest(trackers[0],
					    IOMMU_DIRTY_STATE_RUNNING, iova,
					    last, req->flags, NULL);
	if (rc)
		return rc;

	for (i = 0; i < nr && !rc; i++) {
		u64 before = bitmap->added;

		cond_resched();
		rc = iommufd_dirty_harvest_nth(trackers, i, iova, last,
					       req->flags, &bitmap->sink);
		added[i] += bitmap->added - before;
		if (rc)
			req->failed = i + 1;
	}
	iommufd_dirty_bitmap_unpin(bitmap);
	return rc;
}

/**
 * iommufd_dirty_check_running() - Are all of the trackers running?
 * @trackers: The trackers
 * @nr: How many
 * @req: Out: which one is not
 *
 * Return: 0 or -ENODATA.
 */
int iommufd_dirty_check_running(struct iommufd_dirty_tracker **trackers,
				unsigned int nr,
				struct iommufd_dirty_request *req)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		/* Each harvest looks again, with the state locked */
		if (READ_ONCE(trackers[i]->state) !=
		    IOMMU_DIRTY_STATE_RUNNING) {
			req->failed = i + 1;
			return -ENODATA;
		}
	}
	return 0;
}

/**
 * iommufd_dirty_read() - Mark the dirty pages of trackers in a user's bitmap
 * @trackers: The trackers
 * @added: Out: how many bits each of them has newly set; zeroed by the caller
 * @nr: How many trackers
 * @req: In: range, page size, bitmap and flags. Out: how far it got
 *
 * A page behind req->out_length that is not marked is still dirty.
 *
 * Return: see struct iommu_dirty_tracker_read.
 */
int iommufd_dirty_read(struct iommufd_dirty_tracker **trackers, u64 *added,
		       unsigned int nr, struct iommufd_dirty_request *req)
{
	unsigned long iova = req->iova;
	unsigned long last = iova + (req->length - 1);
	struct iommufd_dirty_bitmap bitmap;
	unsigned long mask;
	int rc;

	rc = iommufd_dirty_bitmap_init(&bitmap, iova, last,
				       ilog2(req->page_size), req->data);
	if (rc)
		return rc;
	rc = iommufd_dirty_check_running(trackers, nr, req);
	if (rc)
		return rc;

	/* No more bits than for a window of small pages */
	mask = iommufd_dirty_window_mask(trackers, nr,
					 IOMMUFD_DIRTY_WINDOW_SHIFT - 12 +
					 ilog2(req->page_size));
	while (iommufd_dirty_next_of(trackers, nr, iova, last, &iova)) {
		unsigned long win_last = min(last, iova | mask);

		/* Holes hold nothing dirty */
		req->out_length = iova - req->iova;
		if (fatal_signal_pending(current))
			return -EINTR;
		rc = read_window(trackers, added, nr, &bitmap, iova, &win_last,
				 req);
		req->out_pages = bitmap.added;
		if (rc)
			return rc;
		if (win_last == last)
			break;
		iova = win_last + 1;
		req->out_length = iova - req->iova;
		cond_resched();
	}
	req->out_length = req->length;
	return 0;
}
