// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * INFO: what a tracker covers. For a fallback, as much of that as is known.
 */
#include "internal.h"

/* Room for members on the first attempt */
#define INFO_ROOM	16

/*
 * Allocates the info and its members at once, for idirty_free(). The caller has pointers
 * to the members, so that later versions can have more fields
 */
static struct idirty_tracker_info *info_new(size_t num, struct idirty_member **members)
{
	const struct idirty_member **pointers;
	struct idirty_tracker_info *info;
	size_t i;

	info = calloc(1, sizeof(*info) + num * (sizeof(*pointers) + sizeof(**members)));
	if (!info)
		return NULL;
	pointers = (void *)(info + 1);
	*members = (void *)(pointers + num);
	for (i = 0; i < num; i++)
		pointers[i] = *members + i;
	info->num_members = num;
	info->members = pointers;
	return info;
}

static int info_fallback(struct idirty_tracker *t, struct idirty_tracker_info **out)
{
	size_t num = t->backend == IDIRTY_BACKEND_HWPT ? t->target.num_hwpts : 0;
	struct idirty_member *members;
	struct idirty_tracker_info *info = info_new(num, &members);
	size_t i;

	if (!info)
		return failed(IDIRTY_VERB_INFO, -ENOMEM);
	info->backend = t->backend;
	info->weak = t->fallback->weak;
	info->target_id = t->target.id;
	info->max_trackers = 1;
	info->page_sizes = ~(MIN_PAGE - 1);
	pthread_mutex_lock(&t->lock);
	info->state = t->running ? IDIRTY_STATE_RUNNING : IDIRTY_STATE_STOPPED;
	info->reads = t->reads;
	info->pages = t->pages;
	info->max_ranges = t->backend == IDIRTY_BACKEND_VFIO ? VFIO_RANGES : 0;
	info->num_ranges = t->num_covered;
	info->tracked_page_size = t->running ? t->page_size : 0;
	for (i = 0; i < num; i++) {
		members[i].type = IDIRTY_MEMBER_HWPT;
		members[i].id = t->target.hwpts[i];
		members[i].flags = t->running ? IDIRTY_MEMBER_TRACKED : 0;
	}
	pthread_mutex_unlock(&t->lock);
	*out = info;
	return 0;
}

static struct idirty_tracker_info *info_from(const struct iommu_dirty_tracker_info *cmd,
					     const struct iommu_dirty_member *from)
{
	struct idirty_member *to;
	struct idirty_tracker_info *info = info_new(cmd->num_members, &to);
	size_t i;

	if (!info)
		return NULL;
	info->backend = IDIRTY_BACKEND_TRACKER;
	info->target_id = cmd->out_target_id;
	info->state = cmd->out_state;
	info->flags = cmd->out_flags;
	info->max_trackers = cmd->out_max_trackers;
	info->page_sizes = cmd->out_page_sizes;
	info->reads = cmd->out_reads;
	info->pages = cmd->out_pages;
	info->max_ranges = cmd->out_max_ranges;
	info->num_ranges = cmd->out_num_ranges;
	info->max_span = cmd->out_max_span;
	info->tracked_page_size = cmd->out_tracked_page_size;
	for (i = 0; i < cmd->num_members; i++)
		to[i] = (struct idirty_member){
			.type = from[i].type,
			.id = from[i].id,
			.format = from[i].format,
			.reason = from[i].reason,
			.flags = from[i].flags,
			.split_reason = from[i].split_reason,
			.io_page_sizes = from[i].io_page_sizes,
			.io_page_sizes_used = from[i].io_page_sizes_used,
			.split = from[i].split,
			.unsplit = from[i].unsplit,
			.merged = from[i].merged,
			.unmerged = from[i].unmerged,
		};
	return info;
}

static int info_kernel(struct idirty_tracker *t, struct idirty_tracker_info **info)
{
	struct iommu_dirty_member *members = NULL;
	__u32 room = INFO_ROOM;
	int rc;

	for (;;) {
		struct iommu_dirty_tracker_info cmd = {
			.size = sizeof(cmd),
			.tracker_id = t->id,
			.num_members = room,
			.member_len = sizeof(*members),
		};

		free(members);
		members = calloc(room, sizeof(*members));
		if (!members)
			return failed(IDIRTY_VERB_INFO, -ENOMEM);
		cmd.members = (uintptr_t)members;
		rc = call(IDIRTY_VERB_INFO, t->fd, IOMMU_DIRTY_TRACKER_INFO,
			  &cmd);
		if (!rc) {
			*info = info_from(&cmd, members);
			if (!*info)
				rc = failed(IDIRTY_VERB_INFO, -ENOMEM);
			break;
		}
		if (rc != -EMSGSIZE)
			break;
		room = cmd.num_members;
	}
	free(members);
	return rc;
}

int idirty_info(struct idirty_tracker *tracker, struct idirty_tracker_info **info)
{
	return report(tracker->fallback ? info_fallback(tracker, info) :
					  info_kernel(tracker, info));
}
