// SPDX-License-Identifier: GPL-2.0-only
/*
 * READ: for each window of the range, pin the bitmap, have every tracker mark
 * its dirty pages in it, part by part, unpin it. Called by ioctl_read.c, unmap.c, hwpt.c and
 * vfio_compat.c with checked arguments and with no lock other than vfio_mutex
 * held. scan.c shares the helpers.
 */
#include <linux/log2.h>
#include <linux/sched/signal.h>

#include "tests/break.h"
#include "verbs.h"

/* Number of harvests for which the bitmap stays pinned */
#define READ_PARTS	64

/**
 * iommufd_dirty_windows_next() - Find the next window in which a page can be dirty
 * @windows: The windows
 * @iova: Where to start
 * @last: Where to end, inclusive
 * @window: Out: the window
 *
 * For for_each_dirty_range().
 *
 * Return: false if nothing between @iova and @last can be dirty.
 */
bool iommufd_dirty_windows_next(const struct iommufd_dirty_windows *windows,
				unsigned long iova, unsigned long last,
				struct iommufd_dirty_range *window)
{
	unsigned long one, first = ULONG_MAX;
	bool found = false;
	unsigned int i;

	for (i = 0; i < windows->nr; i++) {
		if (!iommufd_dirty_next(windows->asked[i].tracker, iova, last,
					&one))
			continue;
		first = min(first, one);
		found = true;
	}
	return found && iommufd_dirty_window_next(windows->size, first, last,
						  window);
}

/**
 * iommufd_dirty_harvest_nth() - Harvest a window for one of a call's trackers
 * @asked: The trackers of the call
 * @n: Index of the tracker; those before it have been harvested with the same flags
 * @iova: As for iommufd_dirty_scope::harvest()
 * @last: Same
 * @flags: Same
 * @sink: Same; if it is not the tracker's own ledger, all trackers share it
 *
 * The harvest for one tracker feeds the ledgers of the other trackers of its IOAS or
 * device, so one harvest for each IOAS or device is enough.
 *
 * Return: as iommufd_dirty_scope::harvest().
 */
int iommufd_dirty_harvest_nth(struct iommufd_dirty_asked *asked,
			      unsigned int n, unsigned long iova,
			      unsigned long *last, unsigned int flags,
			      struct iommu_dirty_sink *sink)
{
	const struct iommufd_dirty_tracker *tracker = asked[n].tracker;
	unsigned int i;

	for (i = 0; i < n; i++)
		if (asked[i].tracker->ioas == tracker->ioas &&
		    asked[i].tracker->device == tracker->device)
			return tracker->scope->harvest_ledger(&asked[n], iova,
							      last, flags, sink);
	return tracker->scope->harvest(&asked[n], iova, last, flags, sink);
}

/*
 * The bitmap is pinned in windows of as many bits as IOMMUFD_DIRTY_WINDOW has 4 KiB pages.
 * They end at multiples of their size, so no IO page table entry of that size or less
 * crosses the end.
 */
static unsigned long read_window_size(const struct iommufd_dirty_request *req)
{
	return BIT(clamp(IOMMUFD_DIRTY_WINDOW_SHIFT - 12 + ilog2(req->page_size),
			 IOMMUFD_DIRTY_WINDOW_SHIFT, BITS_PER_LONG - 1));
}

/* Harvest into the pinned bitmap. @last shrinks to what the trackers have processed */
static int read_part(struct iommufd_dirty_asked *asked, unsigned int nr,
		     struct iommufd_dirty_bitmap *bitmap, unsigned long iova,
		     unsigned long *last, struct iommufd_dirty_request *req)
{
	unsigned int i;
	int rc = 0;

	if (fatal_signal_pending(current))
		return -EINTR;
	for (i = 0; i < nr && !rc; i++) {
		u64 before = bitmap->added;

		cond_resched();
		rc = iommufd_dirty_harvest_nth(asked, i, iova, last,
					       req->flags, &bitmap->sink);
		asked[i].added += bitmap->added - before;
		if (rc)
			req->failed = i + 1;
	}
	req->out_pages = bitmap->added;
	return rc;
}

/*
 * Pin the bitmap of a window and read it. @window shrinks if not all can be pinned, or if
 * it has too many parts: pinned pages cannot be migrated.
 */
static int read_window(struct iommufd_dirty_asked *asked, unsigned int nr,
		       struct iommufd_dirty_bitmap *bitmap,
		       struct iommufd_dirty_range *window,
		       struct iommufd_dirty_request *req)
{
	struct iommufd_dirty_windows all = { .asked = asked, .nr = nr };
	struct iommufd_dirty_range part;
	unsigned int left = READ_PARTS;
	int rc;

	rc = iommufd_dirty_bitmap_pin(bitmap, window->iova, &window->last);
	if (rc && iommufd_dirty_breaks(IOMMUFD_DIRTY_BREAK_RECORD))
		asked->tracker->scope->harvest(asked, window->iova,
					       &window->last, req->flags, NULL);
	if (rc)
		return rc;
	for_each_dirty_range(part, iommufd_dirty_windows_next, &all,
			     window->iova, window->last) {
		/* A hole before the part is clean, so it is done */
		req->out_length = part.iova - req->iova;
		rc = read_part(asked, nr, bitmap, part.iova, &part.last, req);
		if (!rc && !--left)
			window->last = part.last;
		if (rc || !left)
			break;
	}
	iommufd_dirty_bitmap_unpin(bitmap);
	return rc;
}

/**
 * iommufd_dirty_ask() - Start using a tracker in a call
 * @asked: Out: the call's state for the tracker
 * @tracker: The tracker; the call holds a reference to it
 */
void iommufd_dirty_ask(struct iommufd_dirty_asked *asked,
		       struct iommufd_dirty_tracker *tracker)
{
	*asked = (struct iommufd_dirty_asked){
		.tracker = tracker,
		.state = IOMMU_DIRTY_STATE_RUNNING,
		.stops = READ_ONCE(tracker->stops),
	};
}

/**
 * iommufd_dirty_check_running() - Check that all trackers have been running
 * @asked: The trackers
 * @nr: How many
 * @req: Out: which tracker has not
 *
 * STOP discards what is dirty, so a tracker that was stopped fails the check even if it
 * was started again.
 *
 * Return: 0 or -ENODATA.
 */
int iommufd_dirty_check_running(struct iommufd_dirty_asked *asked,
				unsigned int nr,
				struct iommufd_dirty_request *req)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		/*
		 * Unlocked: a caller that saw the effects of a STOP took a lock after
		 * it, so it also sees the new count.
		 */
		if (!iommufd_dirty_asked_valid(&asked[i])) {
			req->failed = i + 1;
			return -ENODATA;
		}
	}
	return 0;
}

/* Check that a tracker has lost no coverage since the call began */
static int check_covers(const struct iommufd_dirty_asked *asked,
			const struct iommufd_dirty_request *req)
{
	unsigned long length = req->length;
	u64 lost;
	int rc;

	if (!asked->tracker->scope->covers)
		return 0;
	rc = asked->tracker->scope->covers(asked->tracker, req->iova, &length,
					   &lost);
	if (rc)
		return rc;
	return lost == asked->lost ? 0 : -ESTALE;
}

/**
 * iommufd_dirty_check_done() - Check the trackers at the end of a call
 * @asked: The trackers
 * @nr: How many
 * @req: In: the request. Out: which tracker failed the check
 * @rc: Result of the call so far
 *
 * If a tracker was stopped or lost coverage during the call, it is unknown how much of
 * the range was processed, so req->out_length is 0. Coverage is not checked if
 * req->sparse is set.
 *
 * Return: -ENODATA if a tracker was stopped; otherwise @rc if it is an error; otherwise
 * -ESTALE if a device tracker has lost coverage, -EINTR if killed, or 0.
 */
int iommufd_dirty_check_done(struct iommufd_dirty_asked *asked, unsigned int nr,
			     struct iommufd_dirty_request *req, int rc)
{
	unsigned int i;
	int rc_covers;

	if (iommufd_dirty_check_running(asked, nr, req)) {
		req->out_length = 0;
		return -ENODATA;
	}
	for (i = 0; i < nr && !req->sparse; i++) {
		rc_covers = check_covers(&asked[i], req);
		if (!rc_covers)
			continue;
		req->out_length = 0;
		/* @rc takes precedence: some errors are reported only once */
		if (rc && rc_covers != -ENODATA)
			return rc;
		req->failed = i + 1;
		return rc_covers;
	}
	return rc;
}

static int read_range(struct iommufd_dirty_asked *asked, unsigned int nr,
		      struct iommufd_dirty_bitmap *bitmap,
		      struct iommufd_dirty_request *req)
{
	struct iommufd_dirty_windows windows = {
		.asked = asked,
		.nr = nr,
		.size = read_window_size(req),
	};
	struct iommufd_dirty_range window;
	int rc;

	for_each_dirty_range(window, iommufd_dirty_windows_next, &windows,
			     req->iova, req->iova + (req->length - 1)) {
		req->out_length = window.iova - req->iova;
		rc = read_window(asked, nr, bitmap, &window, req);
		if (rc)
			return rc;
		req->out_length = window.last - req->iova + 1;
	}
	req->out_length = req->length;
	return 0;
}

/**
 * iommufd_dirty_check_bitmap() - Check the bitmap of a call that must not fail halfway
 * @asked: The only tracker of the call
 * @req: The request
 *
 * Return: 0, or -EFAULT if the bitmap is not writable somewhere where it stands for IOVA
 * that can be dirty; -EINTR if killed, -ENOMEM, -EOVERFLOW.
 */
int iommufd_dirty_check_bitmap(struct iommufd_dirty_asked *asked,
			       const struct iommufd_dirty_request *req)
{
	unsigned long last = req->iova + (req->length - 1);
	struct iommufd_dirty_windows windows = {
		.asked = asked,
		.nr = 1,
		.size = read_window_size(req),
	};
	struct iommufd_dirty_bitmap bitmap;
	struct iommufd_dirty_range window;
	int rc;

	rc = iommufd_dirty_bitmap_init(&bitmap, req->iova, last,
				       ilog2(req->page_size), req->data);
	if (rc)
		return rc;
	for_each_dirty_range(window, iommufd_dirty_windows_next, &windows,
			     req->iova, last) {
		if (fatal_signal_pending(current))
			return -EINTR;
		/* If it pins a part only, the next window begins behind that */
		rc = iommufd_dirty_bitmap_pin(&bitmap, window.iova,
					      &window.last);
		if (rc)
			return rc;
		iommufd_dirty_bitmap_unpin(&bitmap);
	}
	return 0;
}

/**
 * iommufd_dirty_read() - Mark the dirty pages of trackers in a user's bitmap
 * @asked: The trackers; out: how many bits each of them has newly set
 * @nr: How many trackers
 * @req: In: range, page size, bitmap and flags. Out: how far the call got
 *
 * A dirty page beyond req->out_length that is not marked stays dirty, unless a tracker
 * was stopped or no longer covers it.
 *
 * Return: see struct iommu_dirty_tracker_read.
 */
int iommufd_dirty_read(struct iommufd_dirty_asked *asked, unsigned int nr,
		       struct iommufd_dirty_request *req)
{
	unsigned long last = req->iova + (req->length - 1);
	struct iommufd_dirty_bitmap bitmap;
	int rc;

	rc = iommufd_dirty_bitmap_init(&bitmap, req->iova, last,
				       ilog2(req->page_size), req->data);
	if (rc)
		return rc;
	rc = iommufd_dirty_check_running(asked, nr, req);
	if (rc)
		return rc;
	rc = read_range(asked, nr, &bitmap, req);
	return iommufd_dirty_check_done(asked, nr, req, rc);
}
