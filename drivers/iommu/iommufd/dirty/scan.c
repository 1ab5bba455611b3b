// SPDX-License-Identifier: GPL-2.0-only
/*
 * SCAN: report dirty pages as an array of runs, for address spaces in which a
 * bitmap would be nearly all zeroes. Called by ioctl_read.c with checked
 * arguments and without locks.
 *
 * A walk cannot stop when the user's array is full. So SCAN harvests a window
 * into the ledgers of the trackers and takes the runs from there: it writes a
 * run to the user first and clears it in the ledgers after that. Runs that did
 * not fit stay in the ledgers.
 */
#include <linux/log2.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>

#include "verbs.h"

/**
 * struct scan - A SCAN under way
 * @asked: The trackers
 * @nr: How many
 * @req: The request
 * @open: @run is valid
 * @run: The run being assembled, in whole pages of the request but clipped to
 *	its range; it grows as long as the next dirty page touches it
 */
struct scan {
	struct iommufd_dirty_asked *asked;
	unsigned int nr;
	struct iommufd_dirty_request *req;
	bool open;
	struct iommufd_dirty_range run;
};

static unsigned long scan_last(const struct scan *scan)
{
	return scan->req->iova + (scan->req->length - 1);
}

static unsigned int scan_shift(const struct scan *scan)
{
	return ilog2(scan->req->page_size);
}

/* Count the pages of the open run that a tracker found, and clear them if it may */
static u64 scan_settle(struct scan *scan, struct iommufd_dirty_ledger *ledger)
{
	unsigned int shift = scan_shift(scan);
	struct iommufd_dirty_range run;
	u64 pages = 0;

	for_each_dirty_range(run, iommufd_dirty_ledger_run, ledger,
			     scan->run.iova, scan->run.last) {
		pages += (run.last >> shift) - (run.iova >> shift) + 1;
		/* Further runs in the last page are counted already */
		run.last |= scan->req->page_size - 1;
	}
	if (!(scan->req->flags & IOMMU_DIRTY_WALK_NO_CLEAR))
		iommufd_dirty_ledger_clear(ledger, scan->run.iova,
					   scan->run.last);
	return pages;
}

/* Write the open run to the user. @written is false if the array is full */
static int scan_write(struct scan *scan, bool *written)
{
	struct iommufd_dirty_request *req = scan->req;
	struct iommu_dirty_run run = {
		.iova = scan->run.iova,
		.length = scan->run.last - scan->run.iova + 1,
	};
	struct iommu_dirty_run __user *to = u64_to_user_ptr(req->data);
	unsigned int i;
	int rc;

	*written = false;
	if (req->num_runs == scan->req->room)
		return 0;
	/* Clear only what this call has found, nothing that follows a new START */
	rc = iommufd_dirty_check_running(scan->asked, scan->nr, req);
	if (rc)
		return rc;
	if (copy_to_user(to + req->num_runs, &run, sizeof(run)))
		return -EFAULT;
	for (i = 0; i < scan->nr; i++)
		scan->asked[i].added +=
			scan_settle(scan, &scan->asked[i].tracker->ledger);
	req->out_pages += (scan->run.last >> scan_shift(scan)) -
			  (scan->run.iova >> scan_shift(scan)) + 1;
	req->num_runs++;
	scan->open = false;
	*written = true;
	return 0;
}

/* Find the run of any tracker that starts first */
static bool scan_next(const struct scan *scan, unsigned long iova,
		      unsigned long last, struct iommufd_dirty_range *run)
{
	struct iommufd_dirty_range one;
	bool found = false;
	unsigned int i;

	for (i = 0; i < scan->nr; i++) {
		if (!iommufd_dirty_ledger_run(&scan->asked[i].tracker->ledger,
					      iova, last, &one))
			continue;
		if (!found || one.iova < run->iova)
			*run = one;
		found = true;
	}
	return found;
}

/* Collect the runs of a window. @more is false if the array is full */
static int scan_window(struct scan *scan, unsigned long iova,
		       unsigned long last, bool *more)
{
	struct iommufd_dirty_range run;
	int rc;

	*more = true;
	for_each_dirty_range(run, scan_next, scan, iova, last) {
		unsigned long mask = scan->req->page_size - 1;
		unsigned long first = max(run.iova & ~mask, scan->req->iova);

		run.last = min(run.last | mask, scan_last(scan));
		if (scan->open && first > scan->run.last &&
		    first - scan->run.last > 1) {
			rc = scan_write(scan, more);
			if (rc || !*more)
				return rc;
		}
		if (!scan->open)
			scan->run.iova = first;
		scan->run.last = run.last;
		scan->open = true;
	}
	return 0;
}

/* Harvest a window into the ledgers */
static int scan_harvest(struct scan *scan, unsigned long iova,
			unsigned long *last)
{
	unsigned int i;
	int rc;

	if (fatal_signal_pending(current))
		return -EINTR;
	for (i = 0; i < scan->nr; i++) {
		rc = iommufd_dirty_harvest_nth(scan->asked, i, iova, last, 0,
					       &scan->asked[i].tracker->ledger.sink);
		if (rc) {
			scan->req->failed = i + 1;
			return rc;
		}
	}
	return 0;
}

static int scan_range(struct scan *scan)
{
	/* The trackers limit each harvest, but holes can be passed at once */
	struct iommufd_dirty_windows windows = {
		.asked = scan->asked,
		.nr = scan->nr,
	};
	struct iommufd_dirty_range window;
	bool more = true;
	int rc;

	for_each_dirty_range(window, iommufd_dirty_windows_next, &windows,
			     scan->req->iova, scan_last(scan)) {
		if (!scan->open)
			scan->req->out_length = window.iova - scan->req->iova;
		rc = scan_harvest(scan, window.iova, &window.last);
		if (rc)
			return rc;
		rc = scan_window(scan, window.iova, window.last, &more);
		if (rc || !more)
			return rc;
	}
	if (scan->open) {
		rc = scan_write(scan, &more);
		if (rc || !more)
			return rc;
	}
	scan->req->out_length = scan->req->length;
	return 0;
}

/**
 * iommufd_dirty_scan() - Write the dirty pages of trackers to userspace as runs
 * @asked: The trackers; out: how many pages each of them has reported
 * @nr: How many trackers
 * @req: In: range, page size, array and its room, flags. Out: how far the call got
 *
 * Dirty pages beyond req->out_length stay dirty, unless a tracker was stopped.
 *
 * Return: see struct iommu_dirty_tracker_scan.
 */
int iommufd_dirty_scan(struct iommufd_dirty_asked *asked, unsigned int nr,
		       struct iommufd_dirty_request *req)
{
	struct scan scan = {
		.asked = asked,
		.nr = nr,
		.req = req,
	};
	unsigned int i;
	int rc, rc_wait;

	rc = iommufd_dirty_check_running(asked, nr, req);
	if (rc)
		return rc;
	rc = scan_range(&scan);
	/* Harvests of other calls may have marked in the ledgers: let them flush */
	for (i = 0; i < nr; i++) {
		rc_wait = asked[i].tracker->scope->wait(asked[i].tracker,
							req->iova,
							scan_last(&scan));
		rc = rc ? rc : rc_wait;
	}
	/* Resume at the run that was not written */
	if (scan.open)
		req->out_length = scan.run.iova - req->iova;
	return iommufd_dirty_check_done(asked, nr, req, rc);
}
