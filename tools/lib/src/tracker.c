// SPDX-License-Identifier: GPL-2.0-only
/*
 * The life of a tracker: ALLOC, INFO, START, STOP, destruction.
 */
#include "internal.h"

/* Members for which there is room at first */
#define INFO_ROOM	16

static struct idirty_tracker *tracker_new(struct idirty *ctx,
					  const struct idirty_target *target)
{
	struct idirty_tracker *t = calloc(1, sizeof(*t));
	uint32_t *hwpts;

	if (!t)
		return NULL;
	hwpts = calloc(target->num_hwpts + 1, sizeof(*hwpts));
	if (!hwpts) {
		free(t);
		return NULL;
	}
	if (target->num_hwpts)
		memcpy(hwpts, target->hwpts, target->num_hwpts * sizeof(*hwpts));
	t->ctx = ctx;
	t->target = *target;
	t->target.hwpts = hwpts;
	pthread_mutex_init(&t->lock, NULL);
	return t;
}

static void tracker_free(struct idirty_tracker *t)
{
	pthread_mutex_destroy(&t->lock);
	free((void *)t->target.hwpts);
	free(t);
}

static int tracker_fall_back(struct idirty_tracker *t)
{
	if (t->target.num_hwpts) {
		t->backend = IDIRTY_BACKEND_HWPT;
		t->fallback = &fallback_hwpt;
	} else if (t->target.vfio_fd >= 0) {
		t->backend = IDIRTY_BACKEND_VFIO;
		t->fallback = &fallback_vfio;
	} else {
		return -ENOTTY;
	}
	return 0;
}

int idirty_alloc(struct idirty *ctx, const struct idirty_target *target,
		 struct idirty_tracker **tracker)
{
	struct iommu_dirty_tracker_alloc cmd = {
		.size = sizeof(cmd),
		.target_id = target->id,
	};
	struct idirty_tracker *t;
	int rc;

	if (target->__reserved)
		return failed(IDIRTY_VERB_ALLOC, -EOPNOTSUPP);
	t = tracker_new(ctx, target);
	if (!t)
		return failed(IDIRTY_VERB_ALLOC, -ENOMEM);
	rc = call(IDIRTY_VERB_ALLOC, ctx->fd, IOMMU_DIRTY_TRACKER_ALLOC, &cmd);
	if (!rc) {
		t->backend = IDIRTY_BACKEND_TRACKER;
		t->id = cmd.out_tracker_id;
	} else if (rc == -ENOTTY) {
		rc = tracker_fall_back(t);
	}
	if (rc) {
		tracker_free(t);
		return rc;
	}
	*tracker = t;
	return 0;
}

int idirty_destroy(struct idirty_tracker *tracker)
{
	struct iommu_destroy cmd = { .size = sizeof(cmd) };
	int rc;

	if (!tracker)
		return 0;
	if (tracker->fallback) {
		rc = idirty_stop(tracker);
	} else {
		cmd.id = tracker->id;
		rc = call(IDIRTY_VERB_DESTROY, tracker->ctx->fd, IOMMU_DESTROY, &cmd);
		if (rc == -EBUSY)
			return rc;
	}
	tracker_free(tracker);
	return rc;
}

uint32_t idirty_tracker_id(const struct idirty_tracker *tracker)
{
	return tracker->id;
}

enum idirty_backend idirty_tracker_backend(const struct idirty_tracker *tracker)
{
	return tracker->backend;
}

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
		rc = call(IDIRTY_VERB_INFO, tracker->ctx->fd, IOMMU_DIRTY_TRACKER_INFO,
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

static int start_fallback(struct idirty_tracker *t, uint32_t flags,
			  const struct idirty_range *ranges, size_t num,
			  uint64_t *page_size)
{
	int rc;

	if (flags)
		return failed(IDIRTY_VERB_START, -EOPNOTSUPP);
	pthread_mutex_lock(&t->lock);
	if (t->running)
		rc = failed(IDIRTY_VERB_START, -EALREADY);
	else
		rc = t->fallback->start(t, ranges, num, page_size);
	if (!rc)
		t->running = true;
	pthread_mutex_unlock(&t->lock);
	return rc;
}

int idirty_start(struct idirty_tracker *tracker, uint32_t flags,
		 const struct idirty_range *ranges, size_t num,
		 uint64_t *page_size)
{
	struct iommu_dirty_tracker_start cmd = {
		.size = sizeof(cmd),
		.flags = flags,
		.tracker_id = tracker->id,
	};
	struct idirty_error *error = last_error();
	uint64_t granted = MIN_PAGE;
	int rc;

	if (tracker->fallback) {
		rc = start_fallback(tracker, flags, ranges, num, &granted);
	} else if (num) {
		rc = failed(IDIRTY_VERB_START, -EOPNOTSUPP);
	} else {
		rc = call(IDIRTY_VERB_START, tracker->ctx->fd,
			  IOMMU_DIRTY_TRACKER_START, &cmd);
		if (rc) {
			error->member_type = cmd.out_type;
			error->member_id = cmd.out_id;
			error->reason = cmd.out_reason;
		}
	}
	if (!rc && page_size)
		*page_size = granted;
	return rc;
}

int idirty_stop(struct idirty_tracker *tracker)
{
	struct iommu_dirty_tracker_stop cmd = {
		.size = sizeof(cmd),
		.tracker_id = tracker->id,
	};
	int rc = 0;

	if (!tracker->fallback)
		return call(IDIRTY_VERB_STOP, tracker->ctx->fd,
			    IOMMU_DIRTY_TRACKER_STOP, &cmd);
	pthread_mutex_lock(&tracker->lock);
	if (tracker->running)
		rc = tracker->fallback->stop(tracker);
	tracker->running = false;
	pthread_mutex_unlock(&tracker->lock);
	return rc;
}
