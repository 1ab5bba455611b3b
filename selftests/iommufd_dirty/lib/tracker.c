// SPDX-License-Identifier: GPL-2.0-only
/*
 * The verbs of iommufd_dirty.h, one function each.
 */
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

int __tracker_info(int fd, struct iommu_dirty_tracker_info *info)
{
	info->size = sizeof(*info);
	return __iommufd_ioctl(fd, IOMMU_DIRTY_TRACKER_INFO, info);
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

int __tracker_start(int fd, __u32 tracker, struct iommu_dirty_tracker_start *out)
{
	struct iommu_dirty_tracker_start cmd = {
		.size = sizeof(cmd),
		.tracker_id = tracker,
	};
	int rc = __iommufd_ioctl(fd, IOMMU_DIRTY_TRACKER_START, &cmd);

	if (out)
		*out = cmd;
	return rc;
}

void tracker_start(int fd, __u32 tracker)
{
	check(__tracker_start(fd, tracker, NULL));
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
		.iova = args->iova,
		.length = args->length,
		.page_size = args->page_size,
		.data = (uintptr_t)args->data,
	};
	int rc = __iommufd_ioctl(args->fd, IOMMU_DIRTY_TRACKER_READ, &cmd);

	args->out_length = cmd.out_length;
	args->out_pages = cmd.out_pages;
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
