// SPDX-License-Identifier: GPL-2.0-only
/*
 * UNMAP: an ordinary unmap, which records dirty pages in the ledgers of all trackers,
 * followed by a READ of the range. Called by ioctl_read.c and vfio_compat.c with checked
 * arguments and with no lock other than vfio_mutex held.
 */
#include "verbs.h"

/**
 * iommufd_dirty_unmap() - Unmap a range, mark its dirty pages in a bitmap
 * @asked: An IOAS tracker; out: how many bits it has newly set
 * @req: In: range, page size and bitmap. Out: how far READ got
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
	rc = iommufd_dirty_check_bitmap(asked, req);
	if (rc)
		return rc;
	/* The check of the bitmap can take long, so the tracker may have stopped */
	rc = iommufd_dirty_check_running(asked, 1, req);
	if (rc)
		return rc;
	rc = iopt_unmap_iova(&asked->tracker->ioas->iopt, req->iova, req->length,
			     unmapped);
	if (rc && !*unmapped)
		return rc;
	/*
	 * After an error, the ledger holds what was unmapped before it. Userspace
	 * may ignore the bitmap after an error, so report without clearing.
	 */
	if (rc)
		req->flags |= IOMMU_DIRTY_WALK_NO_CLEAR;
	rc_read = iommufd_dirty_read(asked, 1, req);
	/* A STOP discarded what was unmapped, so -ENODATA overrides other errors */
	return rc && rc_read != -ENODATA ? rc : rc_read;
}
