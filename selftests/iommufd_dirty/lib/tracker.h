/* SPDX-License-Identifier: GPL-2.0-only */
/* The ioctls of a tracker, and iommufd's mock devices. */
#ifndef _IOMMUFD_DIRTY_LIB_TRACKER_H
#define _IOMMUFD_DIRTY_LIB_TRACKER_H

#include <linux/iommufd_dirty.h>

/* tracker.c */
int __tracker_alloc(int fd, __u32 target, __u32 *tracker);
__u32 tracker_alloc(int fd, __u32 target);
/* With IOMMU_DIRTY_ALLOC_x; @file: with IOMMU_DIRTY_ALLOC_FILE, the new file */
int __tracker_alloc_flags(int fd, __u32 target, __u32 flags, __u32 *tracker, int *file);
__u32 tracker_alloc_passive(int fd, __u32 target);
/* Returns the file, on which the tracker has the id 0; @flags: besides the one for it */
int tracker_file(int fd, __u32 target, __u32 flags);
int __tracker_info(int fd, struct iommu_dirty_tracker_info *info);
/* INFO with room for one member */
struct iommu_dirty_tracker_info tracker_info(int fd, __u32 tracker,
					     struct iommu_dirty_member *member);
/* Fills @members and returns how many there are; fatal if more than @max */
__u32 tracker_members(int fd, __u32 tracker, struct iommu_dirty_member *members,
		      __u32 max);
/*
 * The flags of a member of an IOAS tracker without IOMMU_DIRTY_MEMBER_SPLITS, which depends
 * on the IOMMU; fatal if that contradicts the member's split_reason
 */
__u32 member_flags(const struct iommu_dirty_member *member);
__u32 tracker_state(int fd, __u32 tracker);
/* INFO's out_flags: a mask of IOMMU_DIRTY_TRACKER_x */
__u32 tracker_flags(int fd, __u32 tracker);
/* What LIST reports about an object; fatal if there is none */
struct iommu_dirty_object object_listed(int fd, __u32 id);
int __tracker_start(int fd, __u32 tracker, struct iommu_dirty_tracker_start *out);
int __tracker_start_flags(int fd, __u32 tracker, __u32 flags,
			  struct iommu_dirty_tracker_start *out);
void tracker_start(int fd, __u32 tracker);
int __tracker_stop(int fd, __u32 tracker);
void tracker_stop(int fd, __u32 tracker);

/* One READ of one tracker */
struct read_args {
	int fd;
	__u32 tracker;
	__u32 flags;
	__u64 iova;
	__u64 length;
	__u64 page_size;
	void *data;
	__u64 out_length;
	__u64 out_pages;
	__u32 out_error;	/* of the tracker */
};

int __tracker_read(struct read_args *args);
/* Returns the number of newly set bits; fatal unless out_length == length */
__u64 tracker_read(struct read_args *args);

/* One SCAN of one tracker */
struct scan_args {
	int fd;
	__u32 tracker;
	__u32 flags;
	__u64 iova;
	__u64 length;
	__u64 page_size;
	struct iommu_dirty_run *runs;
	__u32 num_runs;		/* in: capacity, out: number of runs */
	__u32 out_error;	/* of the tracker */
	__u64 out_length;
	__u64 out_pages;
};

int __tracker_scan(struct scan_args *args);
/*
 * Like tracker_read(), but with as many SCANs as needed, each for up to @room runs.
 * Fatal if a run is malformed.
 */
__u64 tracker_scan(struct read_args *args, __u32 room);
/* UNMAP. @unmapped: bytes that were unmapped, also valid after an error */
int __tracker_unmap(struct read_args *args, __u64 *unmapped);
/* MARK of a bitmap, and of runs */
int __tracker_mark(const struct read_args *args);
int __tracker_mark_runs(int fd, __u32 tracker, const struct iommu_dirty_run *runs,
			__u32 num);

/* For device trackers; each call updates @ranges, *@num and *@page_size */
int __device_start_flags(int fd, __u32 tracker, __u32 flags,
			 struct iommu_dirty_run *ranges, __u32 *num,
			 __u64 *page_size);
int __device_start(int fd, __u32 tracker, struct iommu_dirty_run *ranges,
		   __u32 *num, __u64 *page_size);
int __device_update(int fd, __u32 tracker, __u32 flags,
		    struct iommu_dirty_run *ranges, __u32 *num,
		    __u64 *page_size);
/* One range and 4 KiB pages, which the device must accept unchanged */
void device_start(int fd, __u32 tracker, __u64 iova, __u64 length);
void device_update(int fd, __u32 tracker, __u64 iova, __u64 length);

/* mock.c: iommufd's mock devices; -ENOTTY without CONFIG_IOMMUFD_TEST */
struct mock {
	__u32 id;		/* destroy this object to remove the device */
	__u32 dev_id;
	__u32 hwpt;
};

/* Attaches an untrackable device to @pt */
int __mock_attach(int fd, __u32 pt, struct mock *mock);

#endif
