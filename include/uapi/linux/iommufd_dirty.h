/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * iommufd dirty trackers: which pages did devices write?
 *
 * The ioctls are issued on /dev/iommu and follow the conventions of
 * <linux/iommufd.h>: @size comes first and is the caller's sizeof(), fields
 * that a newer kernel adds must be 0 towards an older one (-E2BIG otherwise),
 * flags that are unknown, or not for this kind of tracker, and nonzero reserved
 * fields are refused with -EOPNOTSUPP and nothing else is, an id that does not
 * exist or names another kind of object with -ENOENT, and a pointer to memory
 * that the caller cannot access with -EFAULT. A kernel without
 * CONFIG_IOMMUFD_DIRTY answers -ENOTTY.
 *
 * After an error every field is as the caller has left it, unless its
 * description or the struct's says more. An array that the call fills may hold
 * anything after -EFAULT.
 *
 * Documentation/userspace-api/iommufd_dirty.rst tells how to use them.
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
};

/**
 * struct iommu_dirty_tracker_alloc - ioctl(IOMMU_DIRTY_TRACKER_ALLOC)
 * @size: sizeof(struct iommu_dirty_tracker_alloc)
 * @flags: Must be 0
 * @target_id: The IOAS to track, or the bound device
 * @out_tracker_id: The id of the new tracker
 *
 * Make a tracker. The tracker is stopped, and allocating it changes nothing for
 * DMA. One of an IOAS reports what any device or software writes to the IOAS. One
 * of a device reports what that device writes, to whatever IOAS, and is fed by the
 * device's migration driver alone; INFO tells whether there is one.
 *
 * The IOAS cannot be destroyed before the tracker. A device can be unbound: its
 * tracker keeps what was dirty and can be read, stopped and destroyed.
 * IOMMU_DESTROY on @out_tracker_id stops and frees it, or fails with -EBUSY while
 * another ioctl uses it; closing the iommufd file does so too.
 *
 * Return:
 * * 0 on success
 * * -ENOENT: no object has the id @target_id.
 * * -EINVAL: @target_id names an object that cannot be the scope of a tracker.
 * * -EOPNOTSUPP: a flag is set.
 * * -ENOMEM: out of memory.
 */
struct iommu_dirty_tracker_alloc {
	__u32 size;
	__u32 flags;
	__u32 target_id;
	__u32 out_tracker_id;
};

#define IOMMU_DIRTY_TRACKER_ALLOC \
	_IO(IOMMUFD_TYPE, IOMMUFD_CMD_DIRTY_TRACKER_ALLOC)

/**
 * enum iommu_dirty_format - Format of an IO page table
 * @IOMMU_DIRTY_FMT_UNKNOWN: The IOMMU driver does not say
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
 * enum iommu_dirty_reason - Why a member can or cannot be tracked
 * @IOMMU_DIRTY_REASON_OK: It can be tracked
 * @IOMMU_DIRTY_REASON_NO_DRIVER: The IOMMU driver offers no dirty tracking; of
 *	a device: it has no migration driver that does
 * @IOMMU_DIRTY_REASON_NO_HW: The IOMMU does not set dirty bits in page tables
 *	of this format
 * @IOMMU_DIRTY_REASON_NOT_REQUESTED: The IOMMU could, but the HWPT was
 *	allocated without IOMMU_HWPT_ALLOC_DIRTY_TRACKING
 * @IOMMU_DIRTY_REASON_NEST_PARENT: The page table is the parent of nested ones,
 *	and the driver cannot track such a combination
 * @IOMMU_DIRTY_REASON_ENABLE_FAILED: The IOMMU driver failed to enable tracking
 * @IOMMU_DIRTY_REASON_INCOHERENT: The IOMMU sets dirty bits, but accesses page
 *	tables past the caches of the CPUs, so that software cannot share them
 * @IOMMU_DIRTY_REASON_UNBOUND: The device is not bound to this file any more
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
};

/**
 * enum iommu_dirty_member_type - What a member of a tracker is
 * @IOMMU_DIRTY_MEMBER_HWPT: A hardware page table of the IOAS
 * @IOMMU_DIRTY_MEMBER_ACCESS: An in-kernel user of the IOAS, which writes to it
 *	with the CPU; can always be tracked
 * @IOMMU_DIRTY_MEMBER_DEVICE: The device of a tracker that was allocated for one
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
 * @IOMMU_DIRTY_MEMBER_LIVE: The ranges of the device can be changed by UPDATE
 *	whatever it is doing
 * @IOMMU_DIRTY_MEMBER_QUIESCES: The device has states in which it starts no DMA
 *	(VFIO's STOP, STOP_COPY and RESUMING): UPDATE then loses nothing
 * @IOMMU_DIRTY_MEMBER_QUIESCES_P2P: VFIO's P2P states are such ones, too. By
 *	themselves they only say that the device starts no DMA to its peers, and it
 *	may go on writing to memory
 */
enum iommu_dirty_member_flags {
	IOMMU_DIRTY_MEMBER_TRACKED = 1 << 0,
	IOMMU_DIRTY_MEMBER_AUTO = 1 << 1,
	IOMMU_DIRTY_MEMBER_LIVE = 1 << 2,
	IOMMU_DIRTY_MEMBER_QUIESCES = 1 << 3,
	IOMMU_DIRTY_MEMBER_QUIESCES_P2P = 1 << 4,
};

/**
 * struct iommu_dirty_member - One thing that writes to what a tracker covers
 * @type: enum iommu_dirty_member_type
 * @id: Object id of the member
 * @format: enum iommu_dirty_format, 0 where the member has no IO page table
 * @reason: enum iommu_dirty_reason
 * @flags: enum iommu_dirty_member_flags
 * @__reserved: 0
 * @io_page_sizes: Bitmap of the sizes, in bytes, that an entry of the IO page
 *	table can have, or that a device can track by; a dirty entry makes all of
 *	its bytes dirty. 0 if unknown: VFIO's drivers tell at START only
 */
struct iommu_dirty_member {
	__u32 type;
	__u32 id;
	__u32 format;
	__u32 reason;
	__u32 flags;
	__u32 __reserved;
	__aligned_u64 io_page_sizes;
};

/**
 * enum iommu_dirty_state - State of a tracker
 * @IOMMU_DIRTY_STATE_STOPPED: It tracks nothing
 * @IOMMU_DIRTY_STATE_STARTING: An IOMMU_DIRTY_TRACKER_START is under way
 * @IOMMU_DIRTY_STATE_RUNNING: It tracks all members
 */
enum iommu_dirty_state {
	IOMMU_DIRTY_STATE_STOPPED = 0,
	IOMMU_DIRTY_STATE_STARTING = 1,
	IOMMU_DIRTY_STATE_RUNNING = 2,
};

/**
 * enum iommu_dirty_tracker_flags - What else there is to say of a tracker
 * @IOMMU_DIRTY_TRACKER_DEGRADED: It was started in the degraded mode
 * @IOMMU_DIRTY_TRACKER_BLIND: A member cannot be tracked, and all that is mapped
 *	for writing is reported as dirty; of a device: its driver has failed to
 *	report, or after a part of an UPDATE, or has gone, and what it does not
 *	tell of the ranges is; or it could not be tracked when it was started in the
 *	degraded mode
 */
enum iommu_dirty_tracker_flags {
	IOMMU_DIRTY_TRACKER_DEGRADED = 1 << 0,
	IOMMU_DIRTY_TRACKER_BLIND = 1 << 1,
};

/**
 * struct iommu_dirty_tracker_info - ioctl(IOMMU_DIRTY_TRACKER_INFO)
 * @size: sizeof(struct iommu_dirty_tracker_info)
 * @flags: Must be 0
 * @tracker_id: The tracker
 * @num_members: In: how many entries @members has room for. Out: how many
 *	members there are
 * @members: Pointer to an array of struct iommu_dirty_member; ignored if
 *	@num_members is 0
 * @member_len: sizeof(struct iommu_dirty_member) as the caller knows it, which
 *	is also the stride of the array. What the kernel does not know of it is
 *	zeroed
 * @out_state: enum iommu_dirty_state
 * @out_target_id: The id that the tracker was allocated with
 * @out_max_trackers: The most trackers that one READ takes, and the most that run
 *	on one IOAS or on one device
 * @out_page_sizes: Bitmap of the page sizes, in bytes, that READ accepts
 * @out_reads: How many READ, SCAN and UNMAP calls of this tracker have succeeded
 * @out_pages: How many pages they have reported for this tracker
 * @out_flags: Combination of enum iommu_dirty_tracker_flags; 0 if it is stopped
 * @__reserved: Must be 0
 * @out_max_ranges: Of a device: the most ranges that it tracks. 0 if it does not
 *	say, and for an IOAS, which needs none
 * @out_num_ranges: Of a running tracker of a device: how many ranges it covers
 * @out_max_span: Of a device: the most bytes from the start of its first range
 *	to the end of its last one. 0 if it does not say, and for an IOAS
 * @out_tracked_page_size: Of a running tracker of a device: the bytes that the
 *	device takes for dirty when it writes to one of them; otherwise 0
 *
 * What the tracker covers, member by member, and whether each can be tracked.
 * An IOAS without any member can be tracked: nothing writes to it. A tracker of a
 * device has that device as its only member.
 *
 * Return:
 * * 0 on success
 * * -EMSGSIZE: there are more members than @num_members; all out fields are
 *   valid, @num_members says how many, and as many entries as fit were written.
 * * -EINVAL: @member_len is smaller than the first version of the struct (32
 *   bytes) or larger than a page while @num_members is not 0.
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
 * @IOMMU_DIRTY_START_DEGRADED: Start even if a member cannot be tracked, and let
 *	one that cannot be tracked join: as long as there is one, everything that
 *	is mapped for writing is reported as dirty. Of a device: report as dirty
 *	whatever of a READ's or SCAN's range the tracker does not cover, and if the
 *	device cannot be tracked start all the same, with @num_ranges 0: nothing is
 *	covered
 */
enum iommu_dirty_start_flags {
	IOMMU_DIRTY_START_DEGRADED = 1 << 0,
};

/**
 * struct iommu_dirty_run - A run of IOVA: to be tracked, or dirty
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
 * @out_type: After -ENXIO: enum iommu_dirty_member_type of the first member that
 *	cannot be tracked; otherwise 0, after another error too
 * @out_id: Its object id
 * @out_reason: enum iommu_dirty_reason, why it cannot
 * @num_ranges: For a device. In: number of entries in @ranges, 1 to 65536. Out:
 *	how many were written there. 0 for an IOAS
 * @__reserved: Must be 0
 * @ranges: For a device: pointer to an array of struct iommu_dirty_run, what to
 *	track, in any order. Out: what is tracked, in ascending order. 0 for an
 *	IOAS
 * @page_size: For a device. In: the bytes to track by, a power of two of at least
 *	4096. Out: what the device tracks by. 0 for an IOAS
 *
 * Track every member, or fail and track none. Once this has returned 0, each
 * page of a mapping that a device or an access writes to is reported by a later
 * READ, SCAN or UNMAP of this tracker. What was dirty before is forgotten, by
 * this tracker only: any number of them can run on an IOAS, and each gets every
 * dirty page.
 *
 * A HWPT that joins the IOAS while the tracker runs is tracked from its first
 * mapping on; if it cannot be, what would make it join (the attach, or
 * IOMMU_HWPT_ALLOC) fails with -ENXIO. The dirty pages of a HWPT that leaves
 * are kept, and so are those of a range that is unmapped by any means: they are
 * reported at their IOVA although nothing is mapped there any more. Memory for
 * that is charged to whoever started the tracker.
 *
 * A tracker of a device tracks what the device writes within @ranges. They are
 * widened to whole pages of the @page_size asked for and of that which the device
 * tracks by, or to multiples of 64 of them if its driver may need that, and merged
 * where they touch or overlap. If the device has room for fewer, neighbours are
 * merged across the smallest gaps, which are then tracked too, and INFO knows how
 * many it has room for. What the device tracks in the end is
 * written back to @ranges and @page_size, which may be larger than asked for: one
 * written byte makes a whole such page dirty. A further tracker of the same device
 * can start where its ranges are tracked already, and reports what else is. What it
 * has asked for stays tracked whatever others UPDATE; what else is need not.
 *
 * Return:
 * * 0 on success
 * * -ENXIO: @out_id cannot be tracked; nothing has changed.
 * * -EALREADY: the tracker is starting or running.
 * * -EBUSY: a HWPT of the IOAS is tracked with IOMMU_HWPT_SET_DIRTY_TRACKING, or
 *   IOMMU_HWPT_GET_DIRTY_BITMAP is under way. While the tracker runs, those
 *   calls fail with -EBUSY. Of a device: VFIO_DEVICE_FEATURE_DMA_LOGGING_START
 *   is in force, which in turn fails with -EBUSY while the tracker runs; or
 *   another tracker runs and does not cover @ranges.
 * * -EINVAL: @num_ranges or @page_size is out of its limits, a range is empty, or
 *   one of them is given for an IOAS.
 * * -EOVERFLOW: a range runs beyond the end of the address space, or, where the
 *   device does not take such ranges, up to it.
 * * -E2BIG: the device cannot track so much, even as a single range; or all 2^64
 *   bytes would be tracked as one, which has no length.
 * * -ENODEV: the device is being unbound, or was, or its driver gives it up.
 * * -EUSERS: as many trackers as can (out_max_trackers of
 *   struct iommu_dirty_tracker_info) run on the IOAS or the device.
 * * -ENOMEM: out of memory; the tracker is stopped.
 * * -EINTR: killed; the tracker is stopped, or will be when those who hold the locks
 *   of the IOAS let go of them. The next START or STOP waits for the locks, and ends
 *   the killed one.
 * * -EIO: an IOMMU driver failed to clear them, or the migration driver failed to
 *   start, or it has failed for other trackers (IOMMU_DIRTY_TRACKER_BLIND) and
 *   one of these needs an UPDATE; the tracker is stopped.
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
 * Stop tracking: nothing stays enabled in hardware, and what was not read is
 * forgotten. Stopping a stopped tracker succeeds.
 *
 * Return:
 * * 0 on success
 * * -EBUSY: a START of this tracker is under way.
 * * -EINTR: killed while it waited; the state of the tracker is as before.
 * * -EIO: the tracker is stopped, but an IOMMU driver or the migration driver
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
 * @out_error: If the call failed because of this tracker: the error, positive;
 *	otherwise 0
 * @out_pages: READ: how many bits of the bitmap this tracker has newly set. SCAN:
 *	how many pages it has found
 *
 * Both out fields are valid after an error, too, unless a tracker was not found or
 * an argument was refused.
 */
struct iommu_dirty_read_tracker {
	__u32 tracker_id;
	__u32 out_error;
	__aligned_u64 out_pages;
};

/**
 * enum iommu_dirty_read_flags - Flags of a READ or SCAN
 * @IOMMU_DIRTY_READ_NO_CLEAR: Report, but leave the pages dirty
 * @IOMMU_DIRTY_READ_SPARSE: The caller knows that trackers of devices do not cover
 *	all of the range, and takes nothing there for clean: report what is known
 *	rather than fail with -ERANGE. What was dirty in ranges that an UPDATE has
 *	left out is got this way
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
 * @num_trackers: Number of entries in it, 1 to out_max_trackers of
 *	struct iommu_dirty_tracker_info
 * @tracker_len: sizeof(struct iommu_dirty_read_tracker) as the caller knows it,
 *	which is also the stride of the array
 * @iova: First byte of the range
 * @length: Length of the range in bytes, not 0
 * @page_size: Bytes that one bit of the bitmap stands for: a power of two of at
 *	least 4096
 * @data: Pointer to the bitmap. Bit n % 8 of byte n / 8 is page n; page 0 is
 *	the one that holds @iova. Any alignment. It has
 *	(@iova + @length - 1) / @page_size - @iova / @page_size + 1 bits
 * @out_length: How many bytes of the range, from @iova on, are dealt with: after
 *	0 that is @length, and it is valid after an error, too
 * @out_pages: How many bits were newly set, the sum over all trackers. Two calls
 *	that set the same bit of a bitmap at the same time may both count it
 *
 * Set the bit of each page that holds a dirty byte of the range, and clear the
 * dirty state. Each tracker ORs its pages in; bits are set atomically and none
 * is ever cleared, so any number of calls may share a bitmap. A page is dirty if
 * a device or an access has written to it since it was reported last, if it was
 * unmapped after such a write, or while an access has it pinned for writing. No
 * constraint ties @page_size to the size of IO page table entries, nor @iova and
 * @length to @page_size. A dirty entry that the range holds only in part is
 * reported for the bytes within the range, and the rest of it by calls for the
 * rest. A page of 4 KiB that the range holds only in part stays dirty.
 *
 * Copy a page only after the call has returned, and if several calls share a
 * bitmap, after each of them has: the dirty bit may be visible before the data
 * that it announces, and only the IOTLB flush of the call puts the one behind
 * the other.
 *
 * After an error too, @out_length bytes of the range have been dealt with, and
 * a page behind them that is not marked is still dirty, unless its tracker was
 * stopped or has ceased to cover it. The bitmap is accessed only where it stands
 * for IOVA that is mapped or was when it got dirty.
 *
 * A tracker of a device covers what START or UPDATE has written back to its ranges,
 * less what is not tracked any more because another tracker's UPDATE needed other
 * ranges; never less than was asked for. Of other IOVA it knows nothing: the call
 * ends where the first such tracker ends, with -ERANGE, @out_length there, and
 * ERANGE in the tracker's out_error. A page is never taken for clean because nobody
 * has looked.
 *
 * Return:
 * * 0 on success
 * * -EFAULT: the bitmap behind @out_length, @trackers or the struct itself is
 *   not writable memory.
 * * -EINTR: killed.
 * * -ENODATA: a tracker is not running, or was stopped meanwhile, even if it was
 *   started again: what STOP has forgotten is not clean. @out_length is 0; pages that
 *   are marked were dirty.
 * * -ERANGE: from @out_length on a tracker of a device does not cover the range.
 *   Before that all is well; pages that are marked behind it were dirty.
 * * -ESTALE: a tracker of a device has ceased to cover something meanwhile, even if it
 *   covers that again: it was not asked for that. @out_length is 0; pages that are
 *   marked were dirty. INFO and the next READ know what it covers. Not with
 *   IOMMU_DIRTY_READ_SPARSE.
 * * -EIO: an IOMMU driver failed to walk its page table, or a migration driver
 *   failed to report. What the latter was asked for is reported as dirty by the
 *   next READ, as after -EFAULT and -ENOMEM from it. It is an error once; if the
 *   driver fails again, what it was asked for is reported as dirty right away
 *   (IOMMU_DIRTY_TRACKER_BLIND).
 * * -ENOMEM: out of memory.
 * * -EINVAL: @length, @page_size, @num_trackers or @tracker_len is out of its
 *   limits.
 * * -EOVERFLOW: the range or the bitmap runs beyond the end of the address
 *   space.
 * * -ENOENT, -EOPNOTSUPP: see the head of this file.
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
 * @page_size: Runs begin and end at multiples of it, or at the ends of the range:
 *	a power of two of at least 4096
 * @runs: Pointer to an array of struct iommu_dirty_run
 * @num_runs: In: for how many runs it has room, not 0. Out: how many were
 *	written, also after an error
 * @__reserved: Must be 0
 * @out_length: How many bytes of the range, from @iova on, are dealt with, also
 *	after an error
 * @out_pages: How many pages of @page_size the runs hold
 *
 * The same as READ, for address spaces of which little is dirty: the runs come in
 * the order of their IOVA, do not overlap, and do not touch each other. What one
 * tracker has found and what another has is merged.
 *
 * A range that a tracker does not cover ends with -ERANGE as for READ, once all runs
 * before @out_length have been written; runs behind it were dirty as well.
 *
 * If the array is full before the end of the range the call succeeds with
 * @out_length smaller than @length: go on from there. Nothing behind @out_length
 * is forgotten. What does not fit is kept in memory charged as by START, which
 * is proportional to what is dirty.
 *
 * Return: 0 or an error as for struct iommu_dirty_tracker_read, with @runs in
 * the place of the bitmap and -EINVAL also for a @num_runs of 0.
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
 * struct iommu_dirty_tracker_unmap - ioctl(IOMMU_DIRTY_TRACKER_UNMAP)
 * @size: sizeof(struct iommu_dirty_tracker_unmap)
 * @flags: Must be 0
 * @tracker_id: A running tracker of an IOAS
 * @__reserved: Must be 0
 * @iova: First byte of the range
 * @length: Length of the range in bytes, not 0
 * @page_size: Bytes that one bit of the bitmap stands for, as for READ
 * @data: Pointer to the bitmap, as for READ
 * @out_unmapped: How many bytes were unmapped, also after an error
 * @out_length: How many bytes of the range, from @iova on, the bitmap has been
 *	told of, also after an error
 * @out_pages: How many bits were newly set
 *
 * Unmap the range from the IOAS as IOMMU_IOAS_UNMAP does, and set the bits of the
 * pages that were dirty. No write that a device does to the old pages is missed,
 * not even one that it does during the call: once this has returned 0, the IOVA
 * can be given another meaning. Other trackers of the IOAS report the same pages
 * with their next READ or SCAN.
 *
 * That the bitmap can be written is checked before anything is unmapped. If it
 * cannot be written any more afterwards, the dirty pages behind @out_length are
 * kept for the next READ of the range. If the unmap fails, nothing is forgotten:
 * what was unmapped before is in the bitmap, and in the next READ once more.
 *
 * A READ or SCAN of the same tracker that runs beside the call may take a page of
 * the range: it reports it then instead of the call. Who wants each of them here,
 * lets no other call use the tracker meanwhile.
 *
 * Return:
 * * 0 on success, also if nothing was mapped
 * * -ENODATA: the tracker is not running, or was stopped meanwhile, even if it was
 *   started again. @out_length is 0. If @out_unmapped is not 0, what STOP has forgotten
 *   of these pages nobody knows: all of them may be dirty.
 * * -EFAULT: the bitmap cannot be written; nothing was unmapped if @out_unmapped
 *   is 0.
 * * -ENOMEM: out of memory; nothing was unmapped if @out_unmapped is 0.
 * * -ENOENT: the range holds a mapping in part; the mappings before it were
 *   unmapped and reported. Also see the head of this file.
 * * -EBUSY, -EDEADLOCK: as IOMMU_IOAS_UNMAP.
 * * -EINTR: killed.
 * * -EINVAL: as for READ; also for the tracker of a device.
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
 * @IOMMU_DIRTY_UPDATE_GAP_DIRTY: If the device cannot be tracked without a gap,
 *	take all of its ranges, old and new, for dirty rather than fail
 */
enum iommu_dirty_update_flags {
	IOMMU_DIRTY_UPDATE_GAP_DIRTY = 1 << 0,
};

/**
 * struct iommu_dirty_tracker_update - ioctl(IOMMU_DIRTY_TRACKER_UPDATE)
 * @size: sizeof(struct iommu_dirty_tracker_update)
 * @flags: Combination of enum iommu_dirty_update_flags
 * @tracker_id: A running tracker of a device
 * @num_ranges: As for struct iommu_dirty_tracker_start, out as well as in
 * @ranges: Same
 * @page_size: Same
 *
 * Track other ranges from now on: mappings come and go while a tracker runs.
 * What was dirty in the old ranges is kept and reported at its IOVA, in those that
 * are not covered any more to who sets IOMMU_DIRTY_READ_SPARSE. Where the driver
 * can change its ranges live (IOMMU_DIRTY_MEMBER_LIVE), or the device starts no
 * DMA (it is in VFIO's state STOP, STOP_COPY or RESUMING, or in a P2P state if
 * INFO says IOMMU_DIRTY_MEMBER_QUIESCES_P2P), no write to a page that is in the
 * old and in the new ranges is missed. Otherwise there would be a gap, and the
 * call fails with -EBUSY, or takes all ranges for dirty if
 * IOMMU_DIRTY_UPDATE_GAP_DIRTY is set. If other trackers of the device run, it
 * goes on tracking their ranges too.
 *
 * Return:
 * * 0 on success
 * * -EBUSY: the device may be doing DMA; nothing has changed.
 * * -ENODATA: the tracker is not running.
 * * -ENODEV: the device has no driver that tracks it any more, or its driver gives it
 *   up. The old ranges are dirty if there was a gap.
 * * -EIO: the driver failed. If INFO says IOMMU_DIRTY_TRACKER_BLIND nothing could
 *   be armed again, and the old ranges are reported as dirty until an UPDATE
 *   succeeds. Otherwise they are tracked as before, and nothing is lost.
 * * -E2BIG, -EOVERFLOW: as for START; the old ranges are tracked as before, and are
 *   dirty if there was a gap.
 * * -EINTR: killed.
 * * -EINVAL: the tracker is one of an IOAS; also as for START.
 * * -ENOENT, -EOPNOTSUPP, -EFAULT: as for START; nothing has changed, except that
 *   the new ranges are tracked if @ranges has become unwritable meanwhile.
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
 * enum iommu_dirty_object_type - What an object of an iommufd file is
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
 * struct iommu_dirty_object - One object of an iommufd file
 * @type: enum iommu_dirty_object_type
 * @id: Its id
 * @parent_id: Of a HWPT: its IOAS. Of a nested HWPT: the HWPT that it is nested
 *	in. Of a device: the HWPT that it is attached to, 0 if it is not. Of a
 *	tracker: the id that it was allocated with. Of an IOAS: 0
 * @flags: Of a HWPT: IOMMU_DIRTY_MEMBER_AUTO or 0
 * @state: Of a tracker: enum iommu_dirty_state; else 0
 * @__reserved: 0
 * @name: Of a device: its name in the kernel (of a PCI device its address), cut
 *	to what fits; always ends with a 0
 */
struct iommu_dirty_object {
	__u32 type;
	__u32 id;
	__u32 parent_id;
	__u32 flags;
	__u32 state;
	__u32 __reserved;
	__u8 name[40];
};

/**
 * struct iommu_dirty_list - ioctl(IOMMU_DIRTY_LIST)
 * @size: sizeof(struct iommu_dirty_list)
 * @flags: Must be 0
 * @first_id: List objects of this id and greater ones
 * @num_objects: In: how many entries @objects has room for, not 0. Out: how many
 *	were written
 * @objects: Pointer to an array of struct iommu_dirty_object
 * @object_len: sizeof(struct iommu_dirty_object) as the caller knows it, which is
 *	also the stride of the array. What the kernel does not know of it is zeroed
 * @out_next_id: 0 if that were all; else @first_id of the next call
 *
 * The objects of this file, in the order of their ids, other kinds left out. The
 * list is not a snapshot: an object that comes or goes meanwhile may be in it or
 * not. Listing changes nothing and keeps nothing from being destroyed; a device
 * that is being unbound is waited for, as ever.
 *
 * Return:
 * * 0 on success, also if there are no objects
 * * -EINVAL: @num_objects is 0, or @object_len is smaller than the first version
 *   of the struct (64 bytes) or larger than a page.
 * * -EFAULT: @objects or the struct itself is not writable memory; @num_objects
 *   then means nothing.
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

#endif
