/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * iommufd dirty trackers: which pages did devices write to?
 *
 * The ioctls are issued on /dev/iommu and follow the conventions of
 * <linux/iommufd.h>: @size comes first and is the caller's sizeof() of the
 * struct. These errors are common to all of them:
 *
 *   -ENOTTY      the kernel is built without CONFIG_IOMMUFD_DIRTY
 *   -EINVAL      @size is smaller than the first version of the struct
 *   -E2BIG       a field that this kernel does not know is not 0
 *   -EOPNOTSUPP  a flag is unknown, or a reserved field is not 0; returned for
 *                no other reason
 *   -ENOENT      an id does not exist, or names another kind of object
 *   -EFAULT      a pointer points to memory that the caller cannot access
 *
 * After an error, each field has the caller's value unless its description or
 * that of the struct says otherwise. After -EFAULT, an array that the call
 * fills may be partly written.
 *
 * Documentation/userspace-api/iommufd_dirty.rst explains how to use them.
 */
#ifndef _UAPI_IOMMUFD_DIRTY_H
#define _UAPI_IOMMUFD_DIRTY_H

#include <linux/ioctl.h>
#include <linux/types.h>
#include <linux/iommufd.h>

enum {
	IOMMUFD_CMD_DIRTY_BASE = 0xC0,
	IOMMUFD_CMD_DIRTY_TRACKER_ALLOC = 0xC0,
	IOMMUFD_CMD_DIRTY_TRACKER_INFO = 0xC1,
	IOMMUFD_CMD_DIRTY_TRACKER_START = 0xC2,
	IOMMUFD_CMD_DIRTY_TRACKER_STOP = 0xC3,
	IOMMUFD_CMD_DIRTY_TRACKER_READ = 0xC4,
	IOMMUFD_CMD_DIRTY_TRACKER_SCAN = 0xC5,
	IOMMUFD_CMD_DIRTY_TRACKER_UNMAP = 0xC6,
	IOMMUFD_CMD_DIRTY_TRACKER_UPDATE = 0xC7,
	IOMMUFD_CMD_DIRTY_LIST = 0xC8,
	IOMMUFD_CMD_DIRTY_TRACKER_MARK = 0xC9,
};

/**
 * enum iommu_dirty_alloc_flags - Flags of an ALLOC
 * @IOMMU_DIRTY_ALLOC_PASSIVE: The tracker only observes: it makes no call of
 *	others fail. Each START implies IOMMU_DIRTY_START_DEGRADED. While only
 *	passive trackers run on an IOAS, all of a mapping of up to 2 MiB becomes
 *	dirty when it is unmapped
 * @IOMMU_DIRTY_ALLOC_FILE: Return a file descriptor that owns the tracker
 */
enum iommu_dirty_alloc_flags {
	IOMMU_DIRTY_ALLOC_PASSIVE = 1 << 0,
	IOMMU_DIRTY_ALLOC_FILE = 1 << 1,
};

/**
 * struct iommu_dirty_tracker_alloc - ioctl(IOMMU_DIRTY_TRACKER_ALLOC)
 * @size: sizeof(struct iommu_dirty_tracker_alloc)
 * @flags: Combination of enum iommu_dirty_alloc_flags
 * @target_id: Id of the IOAS or of the bound device to track
 * @out_tracker_id: Id of the new tracker; 0 with IOMMU_DIRTY_ALLOC_FILE
 * @out_fd: With IOMMU_DIRTY_ALLOC_FILE: the new file descriptor, which is
 *	close-on-exec. Otherwise unchanged
 * @__reserved: Must be 0
 *
 * Allocate a tracker. It is stopped, and allocating it does not affect DMA. An
 * IOAS tracker reports what any device or software writes to the IOAS. A device
 * tracker reports what that device writes, to any IOAS. Only the device's
 * driver feeds it; INFO reports whether there is such a driver. The memory for
 * what a tracker records is charged to the memory cgroup of the caller.
 *
 * IOMMU_DESTROY of @out_tracker_id stops and frees the tracker, or fails with
 * -EBUSY while another ioctl uses it. Closing the iommufd file frees it, too.
 *
 * With IOMMU_DIRTY_ALLOC_FILE, the tracker belongs to a file of its own. INFO,
 * START, STOP, READ, SCAN and MARK work on that file, with 0 as the id of the
 * tracker; all other ioctls fail with -ENOTTY. The last close of the file
 * destroys the tracker. The file gives no access to anything else of the
 * iommufd, and does not keep the iommufd or anything in it alive.
 *
 * The IOAS cannot be destroyed before a tracker that has neither flag. In all
 * other cases, destroying the IOAS stops its trackers for good: INFO reports
 * IOMMU_DIRTY_TRACKER_GONE. A device can always be unbound: its tracker keeps
 * the dirty pages and can still be read, stopped and destroyed.
 *
 * Return:
 * * 0 on success
 * * -ENOENT: no object has the id @target_id.
 * * -EINVAL: @target_id is neither an IOAS nor a device; or @size is too small
 *   for @out_fd with IOMMU_DIRTY_ALLOC_FILE.
 * * -EMFILE, -ENFILE: no file descriptor is free.
 * * -ENOMEM: out of memory.
 * * -EOPNOTSUPP, -EFAULT: see the head of this file.
 */
struct iommu_dirty_tracker_alloc {
	__u32 size;
	__u32 flags;
	__u32 target_id;
	__u32 out_tracker_id;
	__s32 out_fd;
	__u32 __reserved;
};

#define IOMMU_DIRTY_TRACKER_ALLOC \
	_IO(IOMMUFD_TYPE, IOMMUFD_CMD_DIRTY_TRACKER_ALLOC)

/**
 * enum iommu_dirty_format - Format of an IO page table
 * @IOMMU_DIRTY_FMT_UNKNOWN: The IOMMU driver does not report it
 * @IOMMU_DIRTY_FMT_VTD_SS: Intel VT-d second stage
 * @IOMMU_DIRTY_FMT_VTD_FS: Intel VT-d first stage
 * @IOMMU_DIRTY_FMT_AMD_V1: AMD-Vi host page table, v1
 * @IOMMU_DIRTY_FMT_AMD_V2: AMD-Vi guest page table, v2
 * @IOMMU_DIRTY_FMT_ARM_S1: Arm 64-bit stage 1
 * @IOMMU_DIRTY_FMT_ARM_S2: Arm 64-bit stage 2
 * @IOMMU_DIRTY_FMT_RISCV: RISC-V Sv39, Sv48 or Sv57
 */
enum iommu_dirty_format {
	IOMMU_DIRTY_FMT_UNKNOWN = 0,
	IOMMU_DIRTY_FMT_VTD_SS = 1,
	IOMMU_DIRTY_FMT_VTD_FS = 2,
	IOMMU_DIRTY_FMT_AMD_V1 = 3,
	IOMMU_DIRTY_FMT_AMD_V2 = 4,
	IOMMU_DIRTY_FMT_ARM_S1 = 5,
	IOMMU_DIRTY_FMT_ARM_S2 = 6,
	IOMMU_DIRTY_FMT_RISCV = 7,
};

/**
 * enum iommu_dirty_reason - Why a member can or cannot be tracked, or split
 * @IOMMU_DIRTY_REASON_OK: It can be tracked
 * @IOMMU_DIRTY_REASON_NO_DRIVER: The IOMMU driver offers no dirty tracking.
 *	Device: no driver provides it
 * @IOMMU_DIRTY_REASON_NO_HW: The IOMMU does not set dirty bits in page tables
 *	of this format
 * @IOMMU_DIRTY_REASON_NOT_REQUESTED: The IOMMU could, but nobody requested it.
 *	With IOMMU_DIRTY_MEMBER_AUTO: set IOMMU_OPTION_DIRTY_TRACKABLE on the
 *	IOAS before a device is attached to it. Otherwise: allocate the HWPT
 *	with IOMMU_HWPT_ALLOC_DIRTY_TRACKING
 * @IOMMU_DIRTY_REASON_NEST_PARENT: The HWPT is the parent of nested HWPTs, and
 *	the IOMMU driver cannot track such a combination
 * @IOMMU_DIRTY_REASON_ENABLE_FAILED: The driver failed to enable tracking
 * @IOMMU_DIRTY_REASON_INCOHERENT: The IOMMU sets dirty bits, but its accesses
 *	to page tables bypass the CPU caches, so software cannot share the
 *	tables
 * @IOMMU_DIRTY_REASON_UNBOUND: The device is no longer bound to this file
 * @IOMMU_DIRTY_REASON_NO_BBML: Arm: entries cannot change their size while they
 *	are in use, as SMMU_IDR3.BBML is not 2; only for splitting
 */
enum iommu_dirty_reason {
	IOMMU_DIRTY_REASON_OK = 0,
	IOMMU_DIRTY_REASON_NO_DRIVER = 1,
	IOMMU_DIRTY_REASON_NO_HW = 2,
	IOMMU_DIRTY_REASON_NOT_REQUESTED = 3,
	IOMMU_DIRTY_REASON_NEST_PARENT = 4,
	IOMMU_DIRTY_REASON_ENABLE_FAILED = 5,
	IOMMU_DIRTY_REASON_INCOHERENT = 6,
	IOMMU_DIRTY_REASON_UNBOUND = 7,
	IOMMU_DIRTY_REASON_NO_BBML = 8,
};

/**
 * enum iommu_dirty_member_type - Type of a member of a tracker
 * @IOMMU_DIRTY_MEMBER_HWPT: A hardware page table of the IOAS
 * @IOMMU_DIRTY_MEMBER_ACCESS: An in-kernel user of the IOAS, which writes to it
 *	with the CPU; it can always be tracked
 * @IOMMU_DIRTY_MEMBER_DEVICE: The device of a device tracker
 */
enum iommu_dirty_member_type {
	IOMMU_DIRTY_MEMBER_HWPT = 1,
	IOMMU_DIRTY_MEMBER_ACCESS = 2,
	IOMMU_DIRTY_MEMBER_DEVICE = 3,
};

/**
 * enum iommu_dirty_member_flags - Flags of a member
 * @IOMMU_DIRTY_MEMBER_TRACKED: The tracker is tracking this member now
 * @IOMMU_DIRTY_MEMBER_AUTO: The HWPT was made by attaching a device to the IOAS
 * @IOMMU_DIRTY_MEMBER_LIVE: UPDATE can change the ranges of the device in any
 *	state of the device
 * @IOMMU_DIRTY_MEMBER_QUIESCES: The device has states in which it starts no DMA
 *	(VFIO's STOP, STOP_COPY and RESUMING); UPDATE loses nothing in them
 * @IOMMU_DIRTY_MEMBER_QUIESCES_P2P: VFIO's P2P states are such states, too.
 *	Otherwise the device starts no DMA to its peers in them, but may still
 *	write to memory
 * @IOMMU_DIRTY_MEMBER_SPLITS: Large entries of the HWPT can be split:
 *	IOMMU_DIRTY_START_SPLIT and IOMMU_DIRTY_START_SPLIT_LAZY have an effect
 */
enum iommu_dirty_member_flags {
	IOMMU_DIRTY_MEMBER_TRACKED = 1 << 0,
	IOMMU_DIRTY_MEMBER_AUTO = 1 << 1,
	IOMMU_DIRTY_MEMBER_LIVE = 1 << 2,
	IOMMU_DIRTY_MEMBER_QUIESCES = 1 << 3,
	IOMMU_DIRTY_MEMBER_QUIESCES_P2P = 1 << 4,
	IOMMU_DIRTY_MEMBER_SPLITS = 1 << 5,
};

/**
 * struct iommu_dirty_member - One writer to what a tracker covers
 * @type: enum iommu_dirty_member_type
 * @id: Object id of the member
 * @format: enum iommu_dirty_format, 0 if the member has no IO page table
 * @reason: enum iommu_dirty_reason
 * @flags: Combination of enum iommu_dirty_member_flags
 * @split_reason: HWPT without IOMMU_DIRTY_MEMBER_SPLITS: enum
 *	iommu_dirty_reason, why its large entries cannot be split. Otherwise 0
 * @io_page_sizes: Bitmap of the sizes, in bytes, that an entry of the IO page
 *	table can have, or that a device can track by. One written byte makes
 *	all of an entry dirty. 0 if unknown: VFIO drivers report it only at
 *	START
 * @io_page_sizes_used: HWPT whose driver can read dirty bits: bitmap of the sizes
 *	of the entries that map memory for writing now. Sizes below that of the
 *	smallest table, such as 64 KiB beside 4 KiB, count as the smallest size.
 *	INFO looks for them, in time that grows with what is mapped. Otherwise 0
 * @split: HWPT: number of large entries that have been split. An entry that
 *	becomes tables of two levels counts once for each table
 * @unsplit: HWPT: how often entries stayed large that were to be split: there
 *	was no memory, or software was pinning pages there
 * @merged: HWPT: number of tables that have become large entries again
 * @unmerged: HWPT: how often a table from a split could not become a large
 *	entry again: its entries differed, or software was pinning pages there
 *
 * The numbers count from the time at which the HWPT was made. Tables from a split
 * also go when what they map is unmapped.
 */
struct iommu_dirty_member {
	__u32 type;
	__u32 id;
	__u32 format;
	__u32 reason;
	__u32 flags;
	__u32 split_reason;
	__aligned_u64 io_page_sizes;
	__aligned_u64 io_page_sizes_used;
	__aligned_u64 split;
	__aligned_u64 unsplit;
	__aligned_u64 merged;
	__aligned_u64 unmerged;
};

/**
 * enum iommu_dirty_state - State of a tracker
 * @IOMMU_DIRTY_STATE_STOPPED: It tracks nothing
 * @IOMMU_DIRTY_STATE_STARTING: An IOMMU_DIRTY_TRACKER_START is under way
 * @IOMMU_DIRTY_STATE_RUNNING: It tracks all members, or is degraded
 */
enum iommu_dirty_state {
	IOMMU_DIRTY_STATE_STOPPED = 0,
	IOMMU_DIRTY_STATE_STARTING = 1,
	IOMMU_DIRTY_STATE_RUNNING = 2,
};

/**
 * enum iommu_dirty_tracker_flags - Flags of a tracker
 * @IOMMU_DIRTY_TRACKER_DEGRADED: It was started with IOMMU_DIRTY_START_DEGRADED,
 *	or is passive; only while it runs
 * @IOMMU_DIRTY_TRACKER_BLIND: IOAS: a member cannot be tracked, so everything
 *	mapped for writing is reported as dirty. Device: its driver failed to
 *	report, or failed during an UPDATE, or is gone, or could not track the
 *	device when a degraded tracker was started; what the driver does not
 *	report is reported as dirty. Only while it runs
 * @IOMMU_DIRTY_TRACKER_PASSIVE: It was allocated with IOMMU_DIRTY_ALLOC_PASSIVE
 * @IOMMU_DIRTY_TRACKER_GONE: Its IOAS has been destroyed; it can only be closed
 *	or destroyed
 */
enum iommu_dirty_tracker_flags {
	IOMMU_DIRTY_TRACKER_DEGRADED = 1 << 0,
	IOMMU_DIRTY_TRACKER_BLIND = 1 << 1,
	IOMMU_DIRTY_TRACKER_PASSIVE = 1 << 2,
	IOMMU_DIRTY_TRACKER_GONE = 1 << 3,
};

/**
 * struct iommu_dirty_tracker_info - ioctl(IOMMU_DIRTY_TRACKER_INFO)
 * @size: sizeof(struct iommu_dirty_tracker_info)
 * @flags: Must be 0
 * @tracker_id: The tracker
 * @num_members: In: number of entries that @members has room for. Out: number
 *	of members
 * @members: Pointer to an array of struct iommu_dirty_member; ignored if
 *	@num_members is 0
 * @member_len: The caller's sizeof(struct iommu_dirty_member), which is also
 *	the stride of the array, in bytes. The kernel zeroes what it does not
 *	know
 * @out_state: enum iommu_dirty_state
 * @out_target_id: The @target_id of ALLOC
 * @out_max_trackers: Maximum number of trackers of one READ, and of passive
 *	and of other trackers that run on one IOAS or device
 * @out_page_sizes: Bitmap of the page sizes, in bytes, that READ accepts
 * @out_reads: Number of READ, SCAN and UNMAP calls of this tracker that
 *	succeeded
 * @out_pages: Number of pages that READ, SCAN and UNMAP have reported for this
 *	tracker, even if the call failed
 * @out_flags: Combination of enum iommu_dirty_tracker_flags
 * @__reserved: Must be 0
 * @out_max_ranges: Device: maximum number of ranges that it tracks. 0 if
 *	unknown, and for an IOAS, which needs no ranges
 * @out_num_ranges: Device, running: number of ranges that the tracker covers
 * @out_max_span: Device: maximum number of bytes from the start of the first
 *	range to the end of the last one. 0 if unknown, and for an IOAS
 * @out_tracked_page_size: Device, running: page size, in bytes, that the device
 *	tracks by; one written byte makes a whole page dirty. Otherwise 0
 *
 * Report what the tracker covers, member by member, and whether each member can
 * be tracked. An IOAS without members can be tracked: nothing writes to it. The
 * only member of a device tracker is the device.
 *
 * Return:
 * * 0 on success
 * * -EMSGSIZE: there are more members than @num_members. All out fields are
 *   valid, @num_members is the number of members, and @members has been filled.
 * * -EINVAL: @num_members is not 0, and @member_len is less than 32 bytes (the
 *   first version of the struct) or more than a page.
 * * -EINTR: killed.
 * * -ENOMEM: out of memory.
 * * -ENOENT, -EOPNOTSUPP, -EFAULT: see the head of this file.
 */
struct iommu_dirty_tracker_info {
	__u32 size;
	__u32 flags;
	__u32 tracker_id;
	__u32 num_members;
	__aligned_u64 members;
	__u32 member_len;
	__u32 out_state;
	__u32 out_target_id;
	__u32 out_max_trackers;
	__aligned_u64 out_page_sizes;
	__aligned_u64 out_reads;
	__aligned_u64 out_pages;
	__u32 out_flags;
	__u32 __reserved;
	__u32 out_max_ranges;
	__u32 out_num_ranges;
	__aligned_u64 out_max_span;
	__aligned_u64 out_tracked_page_size;
};

#define IOMMU_DIRTY_TRACKER_INFO \
	_IO(IOMMUFD_TYPE, IOMMUFD_CMD_DIRTY_TRACKER_INFO)

/**
 * enum iommu_dirty_start_flags - Flags of a START
 * @IOMMU_DIRTY_START_DEGRADED: IOAS: start even if a member cannot be tracked,
 *	and allow such members to join. As long as there is one, everything
 *	mapped for writing is reported as dirty. Device: report everything in
 *	the range of a READ or SCAN that the tracker does not cover as dirty. If
 *	the device cannot be tracked, start with @num_ranges 0: nothing is
 *	covered
 * @IOMMU_DIRTY_START_SPLIT: IOAS: split large entries of the IO page tables into
 *	the smallest ones before START returns, and those of new mappings and
 *	new HWPTs, so that one written byte makes one small page dirty
 * @IOMMU_DIRTY_START_SPLIT_LAZY: IOAS: split a large entry after it was found
 *	dirty. It is reported as a whole once, and precisely after that
 */
enum iommu_dirty_start_flags {
	IOMMU_DIRTY_START_DEGRADED = 1 << 0,
	IOMMU_DIRTY_START_SPLIT = 1 << 1,
	IOMMU_DIRTY_START_SPLIT_LAZY = 1 << 2,
};

/**
 * struct iommu_dirty_run - A range of IOVA, to be tracked or dirty
 * @iova: First byte
 * @length: Length in bytes
 */
struct iommu_dirty_run {
	__aligned_u64 iova;
	__aligned_u64 length;
};

/**
 * struct iommu_dirty_tracker_start - ioctl(IOMMU_DIRTY_TRACKER_START)
 * @size: sizeof(struct iommu_dirty_tracker_start)
 * @flags: Combination of enum iommu_dirty_start_flags
 * @tracker_id: The tracker
 * @out_type: After -ENXIO: enum iommu_dirty_member_type of the first member
 *	that cannot be tracked. Otherwise 0, also after other errors
 * @out_id: Object id of that member
 * @out_reason: enum iommu_dirty_reason of that member
 * @num_ranges: Device: in, number of entries in @ranges, 1 to 65536; out,
 *	number of entries that were written there. IOAS: must be 0
 * @__reserved: Must be 0
 * @ranges: Device: pointer to an array of struct iommu_dirty_run; in, what to
 *	track, in any order; out, what is tracked, in ascending order. IOAS:
 *	must be 0
 * @page_size: Device: in, page size to track by, in bytes, a power of two of at
 *	least 4096; out, what the device tracks by. IOAS: must be 0
 *
 * Track every member, or fail and track none. Once this has returned 0, each
 * page of a mapping that a device or an access writes to is reported by a later
 * READ, SCAN or UNMAP of this tracker. What was dirty before START is
 * discarded, for this tracker only. Several trackers can run on an IOAS or
 * device, beside IOMMU_HWPT_SET_DIRTY_TRACKING and
 * VFIO_DEVICE_FEATURE_DMA_LOGGING_START: each of them gets every dirty page.
 *
 * A HWPT that joins the IOAS while the tracker runs is tracked from its first
 * mapping on. If it cannot be tracked, the attach or IOMMU_HWPT_ALLOC fails
 * with -ENXIO, unless all trackers of the IOAS are degraded. The dirty pages of
 * a HWPT that leaves, and of a range that is unmapped by any means, are kept.
 * They are reported at their IOVA even if nothing is mapped there any more.
 *
 * With IOMMU_DIRTY_START_SPLIT or IOMMU_DIRTY_START_SPLIT_LAZY, the tracker
 * splits large entries of the IO page tables as long as it runs, of those HWPTs
 * where that is possible: START does not fail because of others, and INFO reports
 * which these are (IOMMU_DIRTY_MEMBER_SPLITS). What stays large is reported
 * coarsely, but not lost. The entries become large again when the last such
 * tracker of the IOAS is stopped. Small entries need memory, 2 GiB per TiB of IOVA
 * with pages of 4 KiB, and cost devices speed: the IOTLB reaches less far. The
 * memory is charged to the caller of START, or of the READ, map or attach that
 * makes the entries small. IOMMU_DIRTY_START_SPLIT fails if there is no memory, and
 * then makes the entries large again; no other call fails because of that. All
 * trackers of the IOAS see small entries.
 *
 * A device tracker tracks what the device writes within @ranges. Ranges are
 * rounded outwards to whole pages of the requested size and of the size that
 * the device tracks by, or to multiples of 64 such pages if the driver may need
 * it, and merged where they touch or overlap. If the device supports fewer
 * ranges, neighbours are merged across the smallest gaps, which are then
 * tracked, too; INFO reports how many ranges it supports. The ranges that are
 * finally tracked are written back. @page_size may then be larger than
 * requested: one written byte makes a whole page of that size dirty.
 *
 * A further tracker of the device covers all of the tracked ranges that contain
 * its own. If its own are not tracked yet, the device then tracks both. Where
 * its driver cannot change the ranges live, all ranges are reported as dirty to
 * all trackers. That is not done to a user who logs with
 * VFIO_DEVICE_FEATURE_DMA_LOGGING_START, nor to others for a passive tracker:
 * START then fails with -EBUSY unless the device starts no DMA (see UPDATE); a
 * degraded tracker starts all the same, and covers those of its ranges that are
 * tracked. Likewise, a passive tracker loses its coverage if the device cannot
 * track that much. What a tracker has requested otherwise stays tracked,
 * whatever other trackers UPDATE; what it covers beyond that may not.
 *
 * Return:
 * * 0 on success
 * * -ENXIO: @out_id cannot be tracked; the tracker is stopped.
 * * -EALREADY: the tracker is starting or running.
 * * -EBUSY: device: tracking @ranges, too, would make a gap for its user, who
 *   logs with VFIO_DEVICE_FEATURE_DMA_LOGGING_START; or the device's driver
 *   has its log in use.
 * * -EINVAL: @num_ranges or @page_size is out of its limits, a range is empty,
 *   or one of @num_ranges, @ranges and @page_size is not 0 for an IOAS; both
 *   IOMMU_DIRTY_START_SPLIT and IOMMU_DIRTY_START_SPLIT_LAZY, or one of them for
 *   a device or for a passive tracker.
 * * -EOVERFLOW: a range extends beyond the end of the address space, or up to
 *   the end if the device does not support such ranges.
 * * -E2BIG: the device cannot track that much, even as a single range; or all
 *   2^64 bytes would be one range, whose length does not fit in 64 bits.
 * * -ENODEV: the IOAS has been destroyed; the device was or is being unbound,
 *   or its driver is giving it up.
 * * -EUSERS: the maximum number of passive trackers, or of others, runs on the
 *   IOAS or device (out_max_trackers of struct iommu_dirty_tracker_info).
 * * -ENOMEM: out of memory; the tracker is stopped. A passive tracker of an
 *   IOAS fails so if there is none to keep what is dirty for others.
 * * -EINTR: killed. The tracker is stopped, or will be once the locks of the
 *   IOAS are free. Its next START or STOP waits for these locks and stops it.
 * * -EIO: an IOMMU driver failed to clear dirty bits, or the device's driver
 *   failed to start. Or that driver has failed for other trackers
 *   (IOMMU_DIRTY_TRACKER_BLIND), and one of them needs an UPDATE. The tracker
 *   is stopped.
 * * -ENOENT, -EOPNOTSUPP, -EFAULT: see the head of this file.
 */
struct iommu_dirty_tracker_start {
	__u32 size;
	__u32 flags;
	__u32 tracker_id;
	__u32 out_type;
	__u32 out_id;
	__u32 out_reason;
	__u32 num_ranges;
	__u32 __reserved;
	__aligned_u64 ranges;
	__aligned_u64 page_size;
};

#define IOMMU_DIRTY_TRACKER_START \
	_IO(IOMMUFD_TYPE, IOMMUFD_CMD_DIRTY_TRACKER_START)

/**
 * struct iommu_dirty_tracker_stop - ioctl(IOMMU_DIRTY_TRACKER_STOP)
 * @size: sizeof(struct iommu_dirty_tracker_stop)
 * @flags: Must be 0
 * @tracker_id: The tracker
 * @__reserved: Must be 0
 *
 * Stop tracking and discard the dirty pages that were not read. Hardware tracks
 * on as long as anybody else needs it. Stopping a stopped tracker succeeds.
 *
 * If the tracker has split large entries, and no other tracker of the IOAS does,
 * they become large again where their small entries are still contiguous and have
 * the same permissions. That takes time in proportion to the size of the IOAS,
 * and a quarter of a second more if software is pinning pages for longer than
 * that. A signal that kills the caller ends it; STOP has then done the rest. The
 * members in INFO count what became large and what did not.
 *
 * Return:
 * * 0 on success
 * * -EBUSY: a START of this tracker is under way.
 * * -EINTR: killed while waiting; the state of the tracker is as before.
 * * -EIO: the tracker is stopped, but an IOMMU driver or the device's driver
 *   failed to disable tracking.
 * * -ENOENT, -EOPNOTSUPP: see the head of this file.
 */
struct iommu_dirty_tracker_stop {
	__u32 size;
	__u32 flags;
	__u32 tracker_id;
	__u32 __reserved;
};

#define IOMMU_DIRTY_TRACKER_STOP \
	_IO(IOMMUFD_TYPE, IOMMUFD_CMD_DIRTY_TRACKER_STOP)

/**
 * struct iommu_dirty_read_tracker - One tracker of a READ or SCAN
 * @tracker_id: The tracker
 * @out_error: The positive errno if the call failed because of this tracker;
 *	otherwise 0
 * @out_pages: READ: number of bits of the bitmap that this tracker has newly
 *	set. SCAN: number of pages that it has found
 *
 * Both out fields are valid after an error, too, unless a tracker was not found
 * or an argument was rejected.
 */
struct iommu_dirty_read_tracker {
	__u32 tracker_id;
	__u32 out_error;
	__aligned_u64 out_pages;
};

/**
 * enum iommu_dirty_read_flags - Flags of a READ or SCAN
 * @IOMMU_DIRTY_READ_NO_CLEAR: Report pages, but leave them dirty
 * @IOMMU_DIRTY_READ_SPARSE: The caller knows that device trackers do not cover
 *	all of the range, and treats nothing there as clean: report what is
 *	known instead of failing with -ERANGE. This also reports what was dirty
 *	in ranges that an UPDATE has dropped
 */
enum iommu_dirty_read_flags {
	IOMMU_DIRTY_READ_NO_CLEAR = 1 << 0,
	IOMMU_DIRTY_READ_SPARSE = 1 << 1,
};

/**
 * struct iommu_dirty_tracker_read - ioctl(IOMMU_DIRTY_TRACKER_READ)
 * @size: sizeof(struct iommu_dirty_tracker_read)
 * @flags: Combination of enum iommu_dirty_read_flags
 * @trackers: Pointer to an array of struct iommu_dirty_read_tracker
 * @num_trackers: Number of entries in @trackers, 1 to out_max_trackers of
 *	struct iommu_dirty_tracker_info
 * @tracker_len: The caller's sizeof(struct iommu_dirty_read_tracker), which is
 *	also the stride of the array: 16 bytes to a page
 * @iova: First byte of the range
 * @length: Length of the range in bytes, not 0
 * @page_size: Bytes per bit of the bitmap, a power of two of at least 4096
 * @data: Pointer to the bitmap, with any alignment. Bit n % 8 of byte n / 8 is
 *	page n; page 0 contains @iova. The bitmap has
 *	(@iova + @length - 1) / @page_size - @iova / @page_size + 1 bits
 * @out_length: Number of bytes of the range, from @iova on, that were
 *	processed: @length on success. Valid after an error, too
 * @out_pages: Number of bits that were newly set, for all trackers. If two
 *	calls set the same bit at the same time, both may count it
 *
 * Set the bit of each page that holds a dirty byte of the range, and clear the
 * dirty state. Bits are set atomically and never cleared, so any number of
 * trackers and calls may share a bitmap. A page is dirty if a device or an
 * access has written to it since it was last reported, if it was unmapped after
 * such a write, or while an access has it pinned for writing.
 *
 * @page_size is independent of the size of IO page table entries, and @iova and
 * @length need not be multiples of it. A dirty entry that is only partly within
 * the range is reported for that part; calls for the rest report the rest. A
 * page of 4 KiB that is only partly within the range stays dirty.
 *
 * Copy a page only after the call has returned and, if several calls share a
 * bitmap, after all of them have. A dirty bit may be visible before the data
 * that it announces; only the IOTLB flush of the call puts the two in order.
 *
 * A marked page was dirty, whatever the call returns. After an error, a page
 * beyond @out_length that is not marked is still dirty, unless its tracker was
 * stopped or no longer covers it. The bitmap must be writable where it stands
 * for IOVA that is mapped, or was mapped when it became dirty; with a device
 * tracker, all of it must be.
 *
 * A device tracker covers what START or UPDATE has written back, less what
 * another tracker's UPDATE has dropped since; never less than requested, unless
 * it is degraded. The call ends with -ERANGE at the first IOVA that a tracker
 * does not cover, so that a page that was not queried is never treated as
 * clean; for a degraded tracker, it is dirty.
 *
 * The locks of an IOAS are held for at most 1 GiB of IOVA at a time, those of a
 * device for at most 262144 pages of the size that it tracks by; holes in which
 * there is nothing to look at do not count.
 *
 * Return:
 * * 0 on success
 * * -EFAULT: the bitmap beyond @out_length, @trackers or the struct itself is
 *   not writable memory.
 * * -EINTR: killed.
 * * -ENODATA: a tracker is not running, or was stopped during the call, even if
 *   it was started again: pages that STOP has discarded are not clean.
 *   @out_length is 0. Also if its IOAS has been destroyed.
 * * -ERANGE: a device tracker, whose out_error is set, does not cover the range
 *   from @out_length on.
 * * -ESTALE: a device tracker has lost coverage during the call, even if it
 *   covers the same again: part of the range may not have been queried.
 *   @out_length is 0. The next READ uses the new coverage. Not returned with
 *   IOMMU_DIRTY_READ_SPARSE.
 * * -EIO: an IOMMU driver failed to walk its page table, or a device's driver
 *   failed to report (-EFAULT, -EINTR or -ENOMEM if that driver returns them).
 *   The next READ reports as dirty everything that a device's driver was
 *   queried for. The driver's failure is returned only once: if it fails again,
 *   what it was queried for is reported as dirty at once
 *   (IOMMU_DIRTY_TRACKER_BLIND).
 * * -ENOMEM: out of memory.
 * * -EINVAL: @length, @page_size, @num_trackers or @tracker_len is out of its
 *   limits.
 * * -EOVERFLOW: the range or the bitmap extends beyond the end of the address
 *   space.
 * * -E2BIG, -ENOENT, -EOPNOTSUPP: see the head of this file.
 */
struct iommu_dirty_tracker_read {
	__u32 size;
	__u32 flags;
	__aligned_u64 trackers;
	__u32 num_trackers;
	__u32 tracker_len;
	__aligned_u64 iova;
	__aligned_u64 length;
	__aligned_u64 page_size;
	__aligned_u64 data;
	__aligned_u64 out_length;
	__aligned_u64 out_pages;
};

#define IOMMU_DIRTY_TRACKER_READ \
	_IO(IOMMUFD_TYPE, IOMMUFD_CMD_DIRTY_TRACKER_READ)

/**
 * struct iommu_dirty_tracker_scan - ioctl(IOMMU_DIRTY_TRACKER_SCAN)
 * @size: sizeof(struct iommu_dirty_tracker_scan)
 * @flags: Combination of enum iommu_dirty_read_flags
 * @trackers: As for struct iommu_dirty_tracker_read
 * @num_trackers: Same
 * @tracker_len: Same
 * @iova: First byte of the range
 * @length: Length of the range in bytes, not 0
 * @page_size: Runs begin and end at multiples of this many bytes, or at the
 *	ends of the range: a power of two of at least 4096
 * @runs: Pointer to an array of struct iommu_dirty_run
 * @num_runs: In: number of runs that @runs has room for, not 0. Out: number of
 *	runs that were written, also after an error
 * @__reserved: Must be 0
 * @out_length: Number of bytes of the range, from @iova on, that were
 *	processed, also after an error
 * @out_pages: Number of pages of @page_size that the runs hold
 *
 * Like READ, for address spaces with few dirty pages. The runs are in ascending
 * order, and do not overlap or touch. The results of several trackers are
 * merged.
 *
 * If the array is full before the end of the range, the call succeeds with
 * @out_length smaller than @length: continue there. Nothing beyond @out_length
 * is lost. Dirty pages that do not fit are kept in memory that is charged as
 * for ALLOC and is proportional to what is dirty. If a tracker does not cover
 * all of the range, the call fails with -ERANGE once all runs before
 * @out_length are written.
 *
 * Return: 0 or an error as for struct iommu_dirty_tracker_read, with @runs in
 * place of the bitmap; -EINVAL also if @num_runs is 0.
 */
struct iommu_dirty_tracker_scan {
	__u32 size;
	__u32 flags;
	__aligned_u64 trackers;
	__u32 num_trackers;
	__u32 tracker_len;
	__aligned_u64 iova;
	__aligned_u64 length;
	__aligned_u64 page_size;
	__aligned_u64 runs;
	__u32 num_runs;
	__u32 __reserved;
	__aligned_u64 out_length;
	__aligned_u64 out_pages;
};

#define IOMMU_DIRTY_TRACKER_SCAN \
	_IO(IOMMUFD_TYPE, IOMMUFD_CMD_DIRTY_TRACKER_SCAN)

/**
 * struct iommu_dirty_tracker_mark - ioctl(IOMMU_DIRTY_TRACKER_MARK)
 * @size: sizeof(struct iommu_dirty_tracker_mark)
 * @flags: Must be 0
 * @tracker_id: A running tracker
 * @num_runs: 0 if @data is a bitmap, otherwise the number of runs
 * @iova: First byte of the range of the bitmap; 0 with runs
 * @length: Length of that range in bytes, not 0; 0 with runs
 * @page_size: Bytes per bit of the bitmap, as for READ; 0 with runs
 * @data: Pointer to a bitmap as for READ, or to an array of
 *	struct iommu_dirty_run
 *
 * Make pages dirty again for this tracker, and for no other: those whose bits
 * are set, or those that the runs touch. The next READ or SCAN of the range
 * reports them. It is for pages that were read but not delivered, because the
 * transfer failed or the bitmap was lost, and for writes that only the caller
 * knows of. A page of 4 KiB that is only partly within the range or a run
 * becomes dirty as a whole.
 *
 * Nothing needs to be mapped at the pages, and a device tracker need not cover
 * them; READ reports what it does not cover only with IOMMU_DIRTY_READ_SPARSE.
 * Marks take 512 bytes for each 16 MiB that they touch, charged as for ALLOC.
 * Without memory, and for runs of more than 16 TiB, the kernel keeps a few
 * ranges instead of pages. Pages around the marked ones then become dirty, too,
 * and a part of such a range may stay dirty until all of it is read.
 *
 * After -EFAULT, -EINTR or -ENODATA, some of the pages may be marked. After any
 * other error, none is, unless @data changes during the call.
 *
 * Return:
 * * 0 on success
 * * -ENODATA: the tracker is not running, or was stopped during the call.
 * * -EFAULT: @data cannot be read.
 * * -EINTR: killed.
 * * -EINVAL: @length or @page_size is out of its limits, a run is empty, or
 *   one of @iova, @length and @page_size is not 0 with runs.
 * * -EOVERFLOW: the range, a run or the bitmap extends beyond the end of the
 *   address space.
 * * -ENOENT, -EOPNOTSUPP: see the head of this file.
 */
struct iommu_dirty_tracker_mark {
	__u32 size;
	__u32 flags;
	__u32 tracker_id;
	__u32 num_runs;
	__aligned_u64 iova;
	__aligned_u64 length;
	__aligned_u64 page_size;
	__aligned_u64 data;
};

#define IOMMU_DIRTY_TRACKER_MARK \
	_IO(IOMMUFD_TYPE, IOMMUFD_CMD_DIRTY_TRACKER_MARK)

/**
 * struct iommu_dirty_tracker_unmap - ioctl(IOMMU_DIRTY_TRACKER_UNMAP)
 * @size: sizeof(struct iommu_dirty_tracker_unmap)
 * @flags: Must be 0
 * @tracker_id: A running IOAS tracker
 * @__reserved: Must be 0
 * @iova: First byte of the range
 * @length: Length of the range in bytes, not 0
 * @page_size: Bytes per bit of the bitmap, as for READ
 * @data: Pointer to the bitmap, as for READ, but all of it should be writable
 * @out_unmapped: Number of bytes that were unmapped, also after an error
 * @out_length: Number of bytes of the range, from @iova on, that were processed
 *	for the bitmap, also after an error
 * @out_pages: Number of bits that were newly set
 *
 * Unmap the range from the IOAS as IOMMU_IOAS_UNMAP does, and set the bits of
 * the pages that were dirty. No write by a device to the old pages is missed,
 * not even during the call: once this has returned 0, the IOVA can be reused.
 * Other trackers of the IOAS report the same pages in their next READ or SCAN.
 *
 * The bitmap is checked before anything is unmapped. If it can no longer be
 * written afterwards, the dirty pages beyond @out_length are kept for the next
 * READ of the range. If the unmap fails, nothing is lost: what was unmapped
 * before the failure is in the bitmap, and once more in the next READ.
 *
 * A concurrent READ or SCAN of the same tracker may report pages of the range
 * instead of this call. To get all of them here, do not use the tracker in
 * other calls at the same time.
 *
 * Return:
 * * 0 on success, also if nothing was mapped
 * * -ENODATA: the tracker is not running, or was stopped during the call, even
 *   if it was started again. @out_length is 0. If @out_unmapped is not 0, treat
 *   all of these pages as dirty: STOP has discarded the record of which were.
 * * -EFAULT: the bitmap cannot be written; nothing was unmapped if
 *   @out_unmapped is 0.
 * * -ENOMEM: out of memory; nothing was unmapped if @out_unmapped is 0.
 * * -ENOENT: the range holds part of a mapping; the mappings before it were
 *   unmapped and reported. Also see the head of this file.
 * * -EBUSY, -EDEADLOCK: as IOMMU_IOAS_UNMAP.
 * * -EINTR: killed.
 * * -EINVAL: as for READ; also if @tracker_id is a device tracker or passive.
 * * -EOVERFLOW, -EOPNOTSUPP: as for READ.
 */
struct iommu_dirty_tracker_unmap {
	__u32 size;
	__u32 flags;
	__u32 tracker_id;
	__u32 __reserved;
	__aligned_u64 iova;
	__aligned_u64 length;
	__aligned_u64 page_size;
	__aligned_u64 data;
	__aligned_u64 out_unmapped;
	__aligned_u64 out_length;
	__aligned_u64 out_pages;
};

#define IOMMU_DIRTY_TRACKER_UNMAP \
	_IO(IOMMUFD_TYPE, IOMMUFD_CMD_DIRTY_TRACKER_UNMAP)

/**
 * enum iommu_dirty_update_flags - Flags of an UPDATE
 * @IOMMU_DIRTY_UPDATE_GAP_DIRTY: If tracking the device would have a gap,
 *	report all of its ranges, old and new, as dirty instead of failing
 */
enum iommu_dirty_update_flags {
	IOMMU_DIRTY_UPDATE_GAP_DIRTY = 1 << 0,
};

/**
 * struct iommu_dirty_tracker_update - ioctl(IOMMU_DIRTY_TRACKER_UPDATE)
 * @size: sizeof(struct iommu_dirty_tracker_update)
 * @flags: Combination of enum iommu_dirty_update_flags
 * @tracker_id: A running device tracker
 * @num_ranges: In and out, as for struct iommu_dirty_tracker_start
 * @ranges: Same
 * @page_size: Same
 *
 * Replace the tracked ranges, for mappings that come and go while a tracker
 * runs. What was dirty in the old ranges is kept and reported at its IOVA; what
 * is no longer covered is reported with IOMMU_DIRTY_READ_SPARSE. The ranges of
 * other trackers of the device stay tracked.
 *
 * No write to a page that is in both the old and the new ranges is missed if
 * the driver can change its ranges live (IOMMU_DIRTY_MEMBER_LIVE) or the device
 * starts no DMA: it is in VFIO's state STOP, STOP_COPY or RESUMING, or in a P2P
 * state if INFO reports IOMMU_DIRTY_MEMBER_QUIESCES_P2P. Otherwise there would
 * be a gap: the call fails with -EBUSY or, with IOMMU_DIRTY_UPDATE_GAP_DIRTY,
 * reports all ranges as dirty. It fails all the same if the device's user logs
 * with VFIO_DEVICE_FEATURE_DMA_LOGGING_START, or if the tracker is passive and
 * others are not.
 *
 * Return:
 * * 0 on success
 * * -EBUSY: there would be a gap; nothing has changed.
 * * -ENODATA: the tracker is not running.
 * * -ENODEV: the device no longer has a driver that tracks it, or its driver is
 *   giving it up. The old ranges are dirty if there was a gap.
 * * -EIO: the driver failed. If INFO reports IOMMU_DIRTY_TRACKER_BLIND, it
 *   tracks neither the new nor the old ranges, and the old ones are reported as
 *   dirty until an UPDATE succeeds. Otherwise the old ranges are tracked as
 *   before, and nothing is lost.
 * * -E2BIG, -EOVERFLOW: as for START; the old ranges are tracked as before, and
 *   are dirty if there was a gap.
 * * -EINTR: killed.
 * * -EINVAL: as for START; also if @tracker_id is an IOAS tracker.
 * * -ENOENT, -EOPNOTSUPP, -EFAULT: as for START; nothing has changed, except
 *   that the new ranges are tracked if memory became unwritable during the
 *   call.
 * * -ENOMEM: as for START, and as -E2BIG.
 */
struct iommu_dirty_tracker_update {
	__u32 size;
	__u32 flags;
	__u32 tracker_id;
	__u32 num_ranges;
	__aligned_u64 ranges;
	__aligned_u64 page_size;
};

#define IOMMU_DIRTY_TRACKER_UPDATE \
	_IO(IOMMUFD_TYPE, IOMMUFD_CMD_DIRTY_TRACKER_UPDATE)

/**
 * enum iommu_dirty_object_type - Type of an object of an iommufd file
 * @IOMMU_DIRTY_OBJECT_IOAS: An IO address space
 * @IOMMU_DIRTY_OBJECT_HWPT: A hardware page table of an IOAS
 * @IOMMU_DIRTY_OBJECT_HWPT_NESTED: A hardware page table that a guest fills in
 * @IOMMU_DIRTY_OBJECT_DEVICE: A device that is bound to the file
 * @IOMMU_DIRTY_OBJECT_TRACKER: A dirty tracker
 */
enum iommu_dirty_object_type {
	IOMMU_DIRTY_OBJECT_IOAS = 1,
	IOMMU_DIRTY_OBJECT_HWPT = 2,
	IOMMU_DIRTY_OBJECT_HWPT_NESTED = 3,
	IOMMU_DIRTY_OBJECT_DEVICE = 4,
	IOMMU_DIRTY_OBJECT_TRACKER = 5,
};

/**
 * enum iommu_dirty_object_flags - Flags of an object
 * @IOMMU_DIRTY_OBJECT_AUTO: The HWPT was made by attaching a device to the IOAS
 * @IOMMU_DIRTY_OBJECT_PASSIVE: The tracker is passive
 * @IOMMU_DIRTY_OBJECT_TYPE1: The tracker serves VFIO_IOMMU_DIRTY_PAGES
 * @IOMMU_DIRTY_OBJECT_PASID: The HWPT was allocated with IOMMU_HWPT_ALLOC_PASID:
 *	PASIDs of devices that are not listed as attached may write through it
 */
enum iommu_dirty_object_flags {
	IOMMU_DIRTY_OBJECT_AUTO = 1 << 1,
	IOMMU_DIRTY_OBJECT_PASSIVE = 1 << 2,
	IOMMU_DIRTY_OBJECT_TYPE1 = 1 << 3,
	IOMMU_DIRTY_OBJECT_PASID = 1 << 4,
};

/**
 * struct iommu_dirty_object - One object of an iommufd file
 * @type: enum iommu_dirty_object_type
 * @id: Object id
 * @parent_id: HWPT: its IOAS. Nested HWPT: the HWPT that it is nested in.
 *	Device: the HWPT that it is attached to, or 0; what its PASIDs are
 *	attached to is not reported. Tracker: the @target_id of ALLOC. IOAS: 0
 * @flags: Combination of enum iommu_dirty_object_flags
 * @state: enum iommu_dirty_state. Tracker: its state. HWPT: RUNNING if
 *	IOMMU_HWPT_SET_DIRTY_TRACKING has enabled tracking. Device: RUNNING if
 *	VFIO_DEVICE_FEATURE_DMA_LOGGING_START is in effect. Otherwise STOPPED
 * @num_trackers: IOAS, device: number of trackers that are starting or running
 *	on it, including those with a file of their own. Otherwise 0
 * @name: Device: its name in the kernel (for PCI, its address), truncated if
 *	necessary and always terminated by a 0
 */
struct iommu_dirty_object {
	__u32 type;
	__u32 id;
	__u32 parent_id;
	__u32 flags;
	__u32 state;
	__u32 num_trackers;
	__u8 name[40];
};

/**
 * struct iommu_dirty_list - ioctl(IOMMU_DIRTY_LIST)
 * @size: sizeof(struct iommu_dirty_list)
 * @flags: Must be 0
 * @first_id: List objects with this id and higher ids
 * @num_objects: In: number of entries that @objects has room for, not 0. Out:
 *	number of entries that were written
 * @objects: Pointer to an array of struct iommu_dirty_object
 * @object_len: The caller's sizeof(struct iommu_dirty_object), which is also
 *	the stride of the array, in bytes. The kernel zeroes what it does not
 *	know
 * @out_next_id: 0 if there are no more objects; otherwise the @first_id of the
 *	next call
 *
 * List the objects of this file that have one of the types above, by ascending
 * id. The list is not a snapshot: an object that comes or goes during the call
 * may or may not be in it. Listing changes nothing and takes no references that
 * make another call fail; unbinding a device waits while LIST examines that
 * device.
 *
 * Return:
 * * 0 on success, also if there are no objects
 * * -EINVAL: @num_objects is 0, or @object_len is less than 64 bytes (the first
 *   version of the struct) or more than a page.
 * * -EFAULT: @objects or the struct itself is not writable memory; @num_objects
 *   is meaningless then.
 * * -EINTR: killed.
 * * -EOPNOTSUPP: a flag is set.
 */
struct iommu_dirty_list {
	__u32 size;
	__u32 flags;
	__u32 first_id;
	__u32 num_objects;
	__aligned_u64 objects;
	__u32 object_len;
	__u32 out_next_id;
};

#define IOMMU_DIRTY_LIST _IO(IOMMUFD_TYPE, IOMMUFD_CMD_DIRTY_LIST)

/**
 * enum iommu_dirty_option - Values of struct iommu_option::option_id
 * @IOMMU_OPTION_DIRTY_TRACKABLE: Whether HWPTs that iommufd makes by itself,
 *	when a device is attached to an IOAS, can be tracked even if that costs
 *	something
 *
 * The @object_id of IOMMU_OPTION_DIRTY_TRACKABLE is an IOAS, @val64 is 0 or 1.
 * It applies to HWPTs that are made later; existing ones do not change, and
 * devices that are attached later may use them, too. New IOASes have the value
 * of the kernel parameter iommufd.dirty_trackable, which is 0 by default.
 *
 * 0: Such a HWPT has the page table format, the IOVA range and the entry sizes
 * that it has in a kernel without dirty trackers. It can be tracked only if
 * that is possible all the same.
 *
 * 1: It can be tracked wherever the IOMMU can. Its page table may have another
 * format, with fewer IOVA bits. It has no entries larger than 1 GiB.
 *
 * Errors of IOMMU_OPTION:
 *
 * * -ENOENT: @object_id is not an IOAS.
 * * -EINVAL: @val64 is neither 0 nor 1.
 * * -EOPNOTSUPP: @op is unknown, or @__reserved is not 0, or the kernel is
 *   built without CONFIG_IOMMUFD_DIRTY.
 */
enum iommu_dirty_option {
	IOMMU_OPTION_DIRTY_TRACKABLE = 0xC0,
};

#endif
