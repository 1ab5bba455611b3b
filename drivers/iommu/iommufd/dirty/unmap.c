// SPDX-License-Identifier: GPL-2.0-only
/*
 * UNMAP: an unmap like any other, which records what is dirty in the ledgers of all
 * trackers, and then a READ of the tracker's. Called by ioctl_read.c and vfio_compat.c
 * with arguments checked and without a lock.
 */
#include <linux/log2.h>
#include <linux/sched/signal.h>

#include "verbs.h"

/* Can the bitmap be written wherever it stands for something mapped? */
static int unmap_check_bitmap(struct iommufd_dirty_tracker *tracker,
			      const struct iommufd_dirty_request *req)
{
	unsigned long iova = req->iova, last = iova + (req->length - 1);
	struct iommufd_dirty_bitmap bitmap;
	int rc;

	rc = iommufd_dirty_bitmap_init(&bitmap, iova, last,
				       ilog2(req->page_size), req->data);
	if (rc)
		return rc;
	while (iommufd_dirty_next(tracker, iova, last, &iova)) {
		unsigned long win_last =
			min(last, iova | (IOMMUFD_DIRTY_WINDOW - 1));
		unsigned long pinned_last = win_last;

		if (fatal_signal_pending(current))
			return -EINTR;
		rc = iommufd_dirty_bitmap_pin(&bitmap, iova, &pinned_last);
		if (rc)
			return rc;
		iommufd_dirty_bitmap_unpin(&bitmap);
		if (pinned_last != win_last)
			return -EFAULT;
		if (win_last == last)
			break;
		iova = win_last + 1;
		cond_resched();
	}
	return 0;
}

/**
 * iommufd_dirty_unmap() - Unmap a range, mark its dirty pages in a bitmap
 * @asked: A tracker of the IOAS; out: how many bits it has newly set
 * @req: In: range, page size and bitmap. Out: how far the bitmap got
 * @unmapped: Out: how many bytes were unmapped
 *
 * Return: see struct iommu_dirty_tracker_unmap.
 */
int iommufd_dirty_unmap(struct iommufd_dirty_asked *asked,
			struct iommufd_dirty_request *req,
			unsigned long *unmapped)
{
	int rc, rc_read;

	rc = iommufd_dirty_check_running(asked, 1, req);
	if (rc)
		return rc;
	rc = unmap_check_bitmap(asked->tracker, req);
	if (rc)
		return rc;
	/* That may have taken long */
	rc = iommufd_dirty_check_running(asked, 1, req);
	if (rc)
		return rc;
	rc = iopt_unmap_iova(&asked->tracker->ioas->iopt, req->iova, req->length,
			     unmapped);
	if (rc && !*unmapped)
		return rc;
	/*
	 * After an error, too, the ledger has what was unmapped before it. But who
	 * gets one may not look at the bitmap, so nothing is forgotten then.
	 */
	if (rc)
		req->flags |= IOMMU_DIRTY_WALK_NO_CLEAR;
	rc_read = iommufd_dirty_read(asked, 1, req);
	/* A STOP has forgotten what was unmapped: that is worse than any other error */
	return rc && rc_read != -ENODATA ? rc : rc_read;
}
