// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * INFO: what a tracker covers. For a fallback, as much of that as is known.
 */
#include "internal.h"

/* Room for members on the first attempt */
#define INFO_ROOM	16

static int info_fallback(struct idirty_tracker *t, struct idirty_info **out)
{
	size_t num = t->backend == IDIRTY_BACKEND_HWPT ? t->target.num_hwpts : 0;
	struct idirty_info *info = calloc(1, sizeof(*info) +
					  num * sizeof(info->members[0]));
	size_t i;

	if (!info)
		return failed(IDIRTY_VERB_INFO, -ENOMEM);
	info->backend = t->backend;
	info->weak = t->fallback->weak;
	info->target_id = t->target.id;
	info->max_trackers = 1;
	info->page_sizes = ~(MIN_PAGE - 1);
	info->num_members = num;
	pthread_mutex_lock(&t->lock);
	info->state = t->running ? IDIRTY_STATE_RUNNING : IDIRTY_STATE_STOPPED;
	info->reads = t->reads;
	info->pages = t->pages;
	info->max_ranges = t->backend == IDIRTY_BACKEND_VFIO ? VFIO_RANGES : 0;
	info->num_ranges = t->num_covered;
	info->tracked_page_size = t->running ? t->page_size : 0;
	for (i = 0; i < num; i++) {
		info->members[i].type = IOMMU_DIRTY_MEMBER_HWPT;
		info->members[i].id = t->target.hwpts[i];
		info->members[i].flags = t->running ? IDIRTY_MEMBER_TRACKED : 0;
	}
	pthread_mutex_unlock(&t->lock);
	*out = info;
	return 0;
}

static struct idirty_info *info_from(const struct iommu_dirty_tracker_info *cmd,
				     const struct iommu_dirty_member *members)
{
	struct idirty_info *info = calloc(1, sizeof(*info) +
					  cmd->num_members * sizeof(info->members[0]));
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
	info->num_members = cmd->num_members;
	for (i = 0; i < cmd->num_members; i++)
		info->members[i] = (struct idirty_member){
			.type = members[i].type,
			.id = members[i].id,
			.format = members[i].format,
			.reason = members[i].reason,
			.flags = members[i].flags,
			.io_page_sizes = members[i].io_page_sizes,
		};
	return info;
}

int idirty_info(struct idirty_tracker *tracker, struct idirty_info **info)
{
	struct iommu_dirty_member *members = NULL;
	__u32 room = INFO_ROOM;
	int rc;

	if (tracker->fallback)
		return info_fallback(tracker, info);
	for (;;) {
		struct iommu_dirty_tracker_info cmd = {
			.size = sizeof(cmd),
			.tracker_id = tracker->id,
			.num_members = room,
			.member_len = sizeof(*members),
		};

		free(members);
		members = calloc(room, sizeof(*members));
		if (!members)
			return failed(IDIRTY_VERB_INFO, -ENOMEM);
		cmd.members = (uintptr_t)members;
		rc = call(IDIRTY_VERB_INFO, tracker->fd, IOMMU_DIRTY_TRACKER_INFO,
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
