/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The verbs, which are the same for every scope. Called by the doors, and by each other.
 */
#ifndef __IOMMUFD_DIRTY_VERBS_H
#define __IOMMUFD_DIRTY_VERBS_H

#include "dirty.h"

/**
 * struct iommufd_dirty_request - Common arguments of READ, SCAN and UNMAP
 * @flags: Combination of enum iommu_dirty_walk_flags
 * @sparse: The user accepts that device trackers do not cover all of the range
 * @iova: First byte of the range
 * @length: Length in bytes; the range does not exceed the address space
 * @page_size: Bytes per page of the report, a power of two
 * @data: User address of the bitmap, or of the runs
 * @room: SCAN: how many runs there is room for
 * @num_runs: Out: how many runs were written
 * @out_length: Out: how many bytes of the range were processed
 * @out_pages: Out: how many pages were added to the bitmap or the runs
 * @failed: Out: 1 plus the index of the tracker that caused the error, or 0
 */
struct iommufd_dirty_request {
	unsigned int flags;
	bool sparse;
	unsigned long iova;
	unsigned long length;
	unsigned long page_size;
	u64 data;
	u64 room;
	u64 num_runs;
	u64 out_length;
	u64 out_pages;
	unsigned int failed;
};

/**
 * struct iommufd_dirty_windows - The windows of a call
 * @asked: The trackers of the call
 * @nr: How many
 * @size: Size of a window in bytes; windows end at multiples of it. 0: the whole range
 */
struct iommufd_dirty_windows {
	struct iommufd_dirty_asked *asked;
	unsigned int nr;
	unsigned long size;
};

/* tracker.c */
int iommufd_dirty_tracker_init(struct iommufd_dirty_tracker *tracker,
			       struct iommufd_ioas *ioas,
			       struct iommufd_dirty_device *device);
void iommufd_dirty_tracker_fini(struct iommufd_dirty_tracker *tracker);
int iommufd_dirty_start(struct iommufd_dirty_tracker *tracker,
			struct iommufd_dirty_start_args *req);
int iommufd_dirty_stop(struct iommufd_dirty_tracker *tracker, bool killable);
bool iommufd_dirty_next(struct iommufd_dirty_tracker *tracker,
			unsigned long iova, unsigned long last,
			unsigned long *next);

/* ioctl_read.c */
int iommufd_dirty_check_request(const struct iommufd_dirty_request *req);

/* info.c */
int iommufd_dirty_copy_out(void __user *to, size_t len, const void *from,
			   size_t known);

/* read.c */
int iommufd_dirty_harvest_nth(struct iommufd_dirty_asked *asked,
			      unsigned int n, unsigned long iova,
			      unsigned long *last, unsigned int flags,
			      struct iommu_dirty_sink *sink);
bool iommufd_dirty_windows_next(const struct iommufd_dirty_windows *windows,
				unsigned long iova, unsigned long last,
				struct iommufd_dirty_range *window);
void iommufd_dirty_ask(struct iommufd_dirty_asked *asked,
		       struct iommufd_dirty_tracker *tracker);
int iommufd_dirty_check_running(struct iommufd_dirty_asked *asked,
				unsigned int nr,
				struct iommufd_dirty_request *req);
int iommufd_dirty_check_done(struct iommufd_dirty_asked *asked, unsigned int nr,
			     struct iommufd_dirty_request *req, int rc);
int iommufd_dirty_check_bitmap(struct iommufd_dirty_asked *asked,
			       const struct iommufd_dirty_request *req);
int iommufd_dirty_read(struct iommufd_dirty_asked *asked, unsigned int nr,
		       struct iommufd_dirty_request *req);

/* scan.c */
int iommufd_dirty_scan(struct iommufd_dirty_asked *asked, unsigned int nr,
		       struct iommufd_dirty_request *req);

/* mark.c */
int iommufd_dirty_mark_bitmap(const struct iommufd_dirty_asked *asked,
			      const struct iommufd_dirty_request *req);
int iommufd_dirty_mark_user_runs(const struct iommufd_dirty_asked *asked,
				 u64 user, u32 num);

/* unmap.c */
int iommufd_dirty_unmap(struct iommufd_dirty_asked *asked,
			struct iommufd_dirty_request *req,
			unsigned long *unmapped);

#endif
