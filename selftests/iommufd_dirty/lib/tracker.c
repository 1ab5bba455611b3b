// SPDX-License-Identifier: GPL-2.0-only
/*
 * Wrappers for the ioctls of iommufd_dirty.h, one function each.
 */
#include <errno.h>

#include "lib.h"

int __tracker_alloc(int fd, __u32 target, __u32 *tracker)
{
	struct iommu_dirty_tracker_alloc cmd = {
		.size = sizeof(cmd),
		.target_id = target,
	};
	int rc = __iommufd_ioctl(fd, IOMMU_DIRTY_TRACKER_ALLOC, &cmd);

	*tracker = cmd.out_tracker_id;
	return rc;
}

__u32 tracker_alloc(int fd, __u32 target)
{
	__u32 tracker;

	check(__tracker_alloc(fd, target, &tracker));
	return tracker;
}

int __tracker_alloc_flags(int fd, __u32 target, __u32 flags, __u32 *tracker, int *file)
{
	struct iommu_dirty_tracker_alloc cmd = {
		.size = sizeof(cmd),
		.flags = flags,
		.target_id = target,
		.out_fd = -1,
	};
	int rc = __iommufd_ioctl(fd, IOMMU_DIRTY_TRACKER_ALLOC, &cmd);

	*tracker = cmd.out_tracker_id;
	*file = cmd.out_fd;
	return rc;
}

__u32 tracker_alloc_passive(int fd, __u32 target)
{
	__u32 tracker;
	int file;

	check(__tracker_alloc_flags(fd, target, IOMMU_DIRTY_ALLOC_PASSIVE, &tracker,
				    &file));
	return tracker;
}

int tracker_file(int fd, __u32 target, __u32 flags)
{
	__u32 tracker;
	int file;

	check(__tracker_alloc_flags(fd, target, flags | IOMMU_DIRTY_ALLOC_FILE,
				    &tracker, &file));
	return file;
}

int __tracker_info(int fd, struct iommu_dirty_tracker_info *info)
{
	info->size = sizeof(*info);
	return __iommufd_ioctl(fd, IOMMU_DIRTY_TRACKER_INFO, info);
}

struct iommu_dirty_tracker_info tracker_info(int fd, __u32 tracker,
					     struct iommu_dirty_member *member)
{
	struct iommu_dirty_tracker_info info = {
		.tracker_id = tracker,
		.num_members = 1,
		.members = (uintptr_t)member,
		.member_len = sizeof(*member),
	};

	check(__tracker_info(fd, &info));
	return info;
}

__u32 tracker_members(int fd, __u32 tracker, struct iommu_dirty_member *members,
		      __u32 max)
{
	struct iommu_dirty_tracker_info info = {
		.tracker_id = tracker,
		.num_members = max,
		.members = (uintptr_t)members,
		.member_len = sizeof(*members),
	};

	check(__tracker_info(fd, &info));
	return info.num_members;
}

__u32 member_flags(const struct iommu_dirty_member *member)
{
	bool splits = member->flags & IOMMU_DIRTY_MEMBER_SPLITS;
	bool can = member->split_reason == IOMMU_DIRTY_REASON_OK;

	if (splits != can)
		fatal("flags %#x, but split_reason %u", member->flags, member->split_reason);
	return member->flags & ~IOMMU_DIRTY_MEMBER_SPLITS;
}

__u32 tracker_state(int fd, __u32 tracker)
{
	struct iommu_dirty_member members[16];
	struct iommu_dirty_tracker_info info = {
		.tracker_id = tracker,
		.num_members = 16,
		.members = (uintptr_t)members,
		.member_len = sizeof(members[0]),
	};

	check(__tracker_info(fd, &info));
	return info.out_state;
}

__u32 tracker_flags(int fd, __u32 tracker)
{
	struct iommu_dirty_tracker_info info = { .tracker_id = tracker };
	int rc = __tracker_info(fd, &info);

	if (rc && rc != -EMSGSIZE)
		fatal("INFO: error %d", -rc);
	return info.out_flags;
}

struct iommu_dirty_object object_listed(int fd, __u32 id)
{
	struct iommu_dirty_object object = {};
	struct iommu_dirty_list cmd = {
		.size = sizeof(cmd),
		.first_id = id,
		.num_objects = 1,
		.objects = (uintptr_t)&object,
		.object_len = sizeof(object),
	};

	check(__iommufd_ioctl(fd, IOMMU_DIRTY_LIST, &cmd));
	if (cmd.num_objects != 1 || object.id != id)
		fatal("LIST does not know object %u", id);
	return object;
}

int __tracker_start_flags(int fd, __u32 tracker, __u32 flags,
			  struct iommu_dirty_tracker_start *out)
{
	struct iommu_dirty_tracker_start cmd = {
		.size = sizeof(cmd),
		.flags = flags,
		.tracker_id = tracker,
	};
	int rc = __iommufd_ioctl(fd, IOMMU_DIRTY_TRACKER_START, &cmd);

	if (out)
		*out = cmd;
	return rc;
}

int __tracker_start(int fd, __u32 tracker, struct iommu_dirty_tracker_start *out)
{
	return __tracker_start_flags(fd, tracker, 0, out);
}

void tracker_start(int fd, __u32 tracker)
{
	check(__tracker_start(fd, tracker, NULL));
}

int __device_start_flags(int fd, __u32 tracker, __u32 flags,
			 struct iommu_dirty_run *ranges, __u32 *num,
			 __u64 *page_size)
{
	struct iommu_dirty_tracker_start cmd = {
		.size = sizeof(cmd),
		.flags = flags,
		.tracker_id = tracker,
		.num_ranges = *num,
		.ranges = (uintptr_t)ranges,
		.page_size = *page_size,
	};
	int rc = __iommufd_ioctl(fd, IOMMU_DIRTY_TRACKER_START, &cmd);

	*num = cmd.num_ranges;
	*page_size = cmd.page_size;
	return rc;
}

int __device_start(int fd, __u32 tracker, struct iommu_dirty_run *ranges,
		   __u32 *num, __u64 *page_size)
{
	return __device_start_flags(fd, tracker, 0, ranges, num, page_size);
}

int __device_update(int fd, __u32 tracker, __u32 flags,
		    struct iommu_dirty_run *ranges, __u32 *num,
		    __u64 *page_size)
{
	struct iommu_dirty_tracker_update cmd = {
		.size = sizeof(cmd),
		.flags = flags,
		.tracker_id = tracker,
		.num_ranges = *num,
		.ranges = (uintptr_t)ranges,
		.page_size = *page_size,
	};
	int rc = __iommufd_ioctl(fd, IOMMU_DIRTY_TRACKER_UPDATE, &cmd);

	*num = cmd.num_ranges;
	*page_size = cmd.page_size;
	return rc;
}

static void device_insist(__u64 iova, __u64 length,
			  const struct iommu_dirty_run *range, __u32 num,
			  __u64 page_size)
{
	if (num != 1 || page_size != SZ_4K || range->iova != iova ||
	    range->length != length)
		fatal("%u ranges from %#llx +%#llx on have pages of %#llx bytes",
		      num, range->iova, range->length, page_size);
}

void device_start(int fd, __u32 tracker, __u64 iova, __u64 length)
{
	struct iommu_dirty_run range = { .iova = iova, .length = length };
	__u64 page_size = SZ_4K;
	__u32 num = 1;

	check(__device_start(fd, tracker, &range, &num, &page_size));
	device_insist(iova, length, &range, num, page_size);
}

void device_update(int fd, __u32 tracker, __u64 iova, __u64 length)
{
	struct iommu_dirty_run range = { .iova = iova, .length = length };
	__u64 page_size = SZ_4K;
	__u32 num = 1;

	check(__device_update(fd, tracker, 0, &range, &num, &page_size));
	device_insist(iova, length, &range, num, page_size);
}

int __tracker_stop(int fd, __u32 tracker)
{
	struct iommu_dirty_tracker_stop cmd = {
		.size = sizeof(cmd),
		.tracker_id = tracker,
	};

	return __iommufd_ioctl(fd, IOMMU_DIRTY_TRACKER_STOP, &cmd);
}

void tracker_stop(int fd, __u32 tracker)
{
	check(__tracker_stop(fd, tracker));
}

int __tracker_read(struct read_args *args)
{
	struct iommu_dirty_read_tracker entry = { .tracker_id = args->tracker };
	struct iommu_dirty_tracker_read cmd = {
		.size = sizeof(cmd),
		.flags = args->flags,
		.trackers = (uintptr_t)&entry,
		.num_trackers = 1,
		.tracker_len = sizeof(entry),
		.iova = args->iova,
		.length = args->length,
		.page_size = args->page_size,
		.data = (uintptr_t)args->data,
	};
	int rc = __iommufd_ioctl(args->fd, IOMMU_DIRTY_TRACKER_READ, &cmd);

	args->out_length = cmd.out_length;
	args->out_pages = cmd.out_pages;
	args->out_error = entry.out_error;
	if (!rc && entry.out_pages != cmd.out_pages)
		fatal("one tracker, but %llu pages of %llu in all",
		      entry.out_pages, cmd.out_pages);
	return rc;
}

__u64 tracker_read(struct read_args *args)
{
	check(__tracker_read(args));
	if (args->out_length != args->length)
		fatal("READ succeeded, but out_length is %#llx of %#llx",
		      args->out_length, args->length);
	return args->out_pages;
}

int __tracker_scan(struct scan_args *args)
{
	struct iommu_dirty_read_tracker entry = { .tracker_id = args->tracker };
	struct iommu_dirty_tracker_scan cmd = {
		.size = sizeof(cmd),
		.flags = args->flags,
		.trackers = (uintptr_t)&entry,
		.num_trackers = 1,
		.tracker_len = sizeof(entry),
		.iova = args->iova,
		.length = args->length,
		.page_size = args->page_size,
		.runs = (uintptr_t)args->runs,
		.num_runs = args->num_runs,
	};
	int rc = __iommufd_ioctl(args->fd, IOMMU_DIRTY_TRACKER_SCAN, &cmd);

	args->num_runs = cmd.num_runs;
	args->out_error = entry.out_error;
	args->out_length = cmd.out_length;
	args->out_pages = cmd.out_pages;
	return rc;
}

/* Checks what SCAN guarantees for a run; the previous run ended at @end */
static void scan_check_run(const struct read_args *args,
			   const struct iommu_dirty_run *run, __u64 end)
{
	__u64 mask = args->page_size - 1;
	__u64 range_end = args->iova + args->length;

	if (!run->length || run->iova < args->iova ||
	    run->iova + run->length - 1 > range_end - 1)
		fatal("the run %#llx +%#llx is not within the range", run->iova,
		      run->length);
	if ((run->iova & mask && run->iova != args->iova) ||
	    ((run->iova + run->length) & mask &&
	     run->iova + run->length != range_end))
		fatal("the run %#llx +%#llx is not whole pages", run->iova,
		      run->length);
	if (end && run->iova <= end)
		fatal("the run %#llx +%#llx is not after %#llx", run->iova,
		      run->length, end);
}

/* Marks the run in the bitmap of @args; returns the number of pages */
static __u64 scan_mark(const struct read_args *args,
		       const struct iommu_dirty_run *run)
{
	__u64 first = run->iova / args->page_size;
	__u64 last = (run->iova + run->length - 1) / args->page_size;
	__u64 base = args->iova / args->page_size;
	__u64 page;

	for (page = first; page <= last; page++)
		bitmap_set(args->data, page - base);
	return last - first + 1;
}

__u64 tracker_scan(struct read_args *args, __u32 room)
{
	struct iommu_dirty_run *runs = calloc(room, sizeof(*runs));
	struct scan_args scan = {
		.fd = args->fd,
		.tracker = args->tracker,
		.flags = args->flags,
		.page_size = args->page_size,
		.runs = runs,
	};
	__u64 end = 0, pages;
	__u32 i;

	args->out_pages = 0;
	args->out_length = 0;
	do {
		scan.iova = args->iova + args->out_length;
		scan.length = args->length - args->out_length;
		scan.num_runs = room;
		check(__tracker_scan(&scan));
		if (scan.num_runs > room || scan.out_length > scan.length ||
		    (scan.num_runs < room && scan.out_length != scan.length))
			fatal("SCAN: out_length %#llx of %#llx, %u runs of %u",
			      scan.out_length, scan.length, scan.num_runs, room);
		for (pages = 0, i = 0; i < scan.num_runs; i++) {
			scan_check_run(args, &runs[i], end);
			end = runs[i].iova + runs[i].length;
			pages += scan_mark(args, &runs[i]);
		}
		if (scan.out_pages != pages)
			fatal("out_pages of SCAN is %llu, but the runs hold %llu",
			      scan.out_pages, pages);
		args->out_pages += pages;
		args->out_length += scan.out_length;
	} while (args->out_length != args->length);
	free(runs);
	return args->out_pages;
}

int __tracker_unmap(struct read_args *args, __u64 *unmapped)
{
	struct iommu_dirty_tracker_unmap cmd = {
		.size = sizeof(cmd),
		.flags = args->flags,
		.tracker_id = args->tracker,
		.iova = args->iova,
		.length = args->length,
		.page_size = args->page_size,
		.data = (uintptr_t)args->data,
	};
	int rc = __iommufd_ioctl(args->fd, IOMMU_DIRTY_TRACKER_UNMAP, &cmd);

	args->out_length = cmd.out_length;
	args->out_pages = cmd.out_pages;
	*unmapped = cmd.out_unmapped;
	return rc;
}

int __tracker_mark(const struct read_args *args)
{
	struct iommu_dirty_tracker_mark cmd = {
		.size = sizeof(cmd),
		.flags = args->flags,
		.tracker_id = args->tracker,
		.iova = args->iova,
		.length = args->length,
		.page_size = args->page_size,
		.data = (uintptr_t)args->data,
	};

	return __iommufd_ioctl(args->fd, IOMMU_DIRTY_TRACKER_MARK, &cmd);
}

int __tracker_mark_runs(int fd, __u32 tracker, const struct iommu_dirty_run *runs,
			__u32 num)
{
	struct iommu_dirty_tracker_mark cmd = {
		.size = sizeof(cmd),
		.tracker_id = tracker,
		.num_runs = num,
		.data = (uintptr_t)runs,
	};

	return __iommufd_ioctl(fd, IOMMU_DIRTY_TRACKER_MARK, &cmd);
}
