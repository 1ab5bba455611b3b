// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * How trackers come and go. A tracker needs nothing of the context that it was allocated
 * in, only a file that takes its ioctls. With a file of its own it needs nothing else.
 */
#include <unistd.h>

#include "internal.h"

#define ALLOC_FLAGS	(IDIRTY_ALLOC_PASSIVE | IDIRTY_ALLOC_FILE)

static struct idirty_tracker *tracker_new(const struct idirty_target *target)
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
	t->target = *target;
	t->target.hwpts = hwpts;
	t->backend = IDIRTY_BACKEND_TRACKER;
	pthread_mutex_init(&t->life, NULL);
	pthread_mutex_init(&t->lock, NULL);
	return t;
}

static void tracker_free(struct idirty_tracker *t)
{
	pthread_mutex_destroy(&t->lock);
	pthread_mutex_destroy(&t->life);
	blocks_drop(t);
	free((void *)t->target.hwpts);
	free(t->covered);
	free(t);
}

static int tracker_fall_back(struct idirty_tracker *t)
{
	if (!t->target.num_hwpts && t->target.vfio_fd < 0)
		return -ENOTTY;
	if (t->target.flags)
		return blame("flags", "is not 0, and the fallback has none",
			     failed(IDIRTY_VERB_ALLOC, -EOPNOTSUPP));
	if (t->target.num_hwpts) {
		t->backend = IDIRTY_BACKEND_HWPT;
		t->fallback = &fallback_hwpt;
	} else {
		t->backend = IDIRTY_BACKEND_VFIO;
		t->fallback = &fallback_vfio;
	}
	note("no kernel trackers, the fallback is", idirty_backend_text(t->backend));
	return 0;
}

static int alloc(struct idirty *ctx, const struct idirty_target *target,
		 struct idirty_tracker **tracker)
{
	struct iommu_dirty_tracker_alloc cmd = {
		.size = sizeof(cmd),
		.flags = target->flags,
		.target_id = target->id,
	};
	struct idirty_tracker *t;
	int rc;

	if (target->flags & ~ALLOC_FLAGS)
		return unknown_flags(IDIRTY_VERB_ALLOC);
	if (target->num_hwpts && !target->hwpts)
		return blame("hwpts", "is NULL", failed(IDIRTY_VERB_ALLOC, -EINVAL));
	/* Many more than devices can be attached to */
	if (target->num_hwpts > 65536)
		return blame("num_hwpts", "is more than 65536", failed(IDIRTY_VERB_ALLOC, -EINVAL));
	t = tracker_new(target);
	if (!t)
		return failed(IDIRTY_VERB_ALLOC, -ENOMEM);
	rc = call(IDIRTY_VERB_ALLOC, ctx->fd, IOMMU_DIRTY_TRACKER_ALLOC, &cmd);
	if (rc == -ENOTTY)
		rc = tracker_fall_back(t);
	else if (rc == -EINVAL)
		blame("id", "is neither an IOAS nor a device", rc);
	else if (rc == -EOPNOTSUPP)
		blame("flags", "has a bit that this kernel does not know", rc);
	if (rc) {
		tracker_free(t);
		return rc;
	}
	t->id = cmd.out_tracker_id;
	t->owns_fd = target->flags & IDIRTY_ALLOC_FILE;
	t->fd = t->owns_fd ? cmd.out_fd : ctx->fd;
	*tracker = t;
	return 0;
}

int idirty_alloc(struct idirty *ctx, const struct idirty_target *target,
		 struct idirty_tracker **tracker)
{
	struct idirty_target args;
	int rc = args_copy(IDIRTY_VERB_ALLOC, &args, sizeof(args), TARGET_1_0, target);

	return report(rc ? rc : alloc(ctx, &args, tracker));
}

/* INFO without room for members: only the file of a tracker knows the id 0 */
static int adopt(int fd, struct idirty_tracker **tracker)
{
	struct iommu_dirty_tracker_info cmd = { .size = sizeof(cmd) };
	struct idirty_target target = IDIRTY_TARGET(0);
	struct idirty_tracker *t;
	int rc;

	rc = call(IDIRTY_VERB_INFO, fd, IOMMU_DIRTY_TRACKER_INFO, &cmd);
	if (rc && rc != -EMSGSIZE)
		return rc;
	target.id = cmd.out_target_id;
	target.flags = IDIRTY_ALLOC_FILE;
	if (cmd.out_flags & IOMMU_DIRTY_TRACKER_PASSIVE)
		target.flags |= IDIRTY_ALLOC_PASSIVE;
	t = tracker_new(&target);
	if (!t)
		return failed(IDIRTY_VERB_INFO, -ENOMEM);
	t->owns_fd = true;
	t->fd = fd;
	*tracker = t;
	return 0;
}

int idirty_adopt(int fd, struct idirty_tracker **tracker)
{
	return report(adopt(fd, tracker));
}

int idirty_destroy(struct idirty_tracker *tracker)
{
	struct iommu_destroy cmd = { .size = sizeof(cmd) };
	int rc = 0;

	if (!tracker)
		return 0;
	if (tracker->owns_fd) {
		close(tracker->fd);
	} else if (tracker->fallback) {
		rc = stop_tracker(tracker);
	} else {
		cmd.id = tracker->id;
		rc = call(IDIRTY_VERB_DESTROY, tracker->fd, IOMMU_DESTROY, &cmd);
		if (rc == -EBUSY)
			return report(rc);
	}
	tracker_free(tracker);
	return report(rc);
}

uint32_t idirty_tracker_id(const struct idirty_tracker *tracker)
{
	return tracker->id;
}

int idirty_tracker_fd(const struct idirty_tracker *tracker)
{
	return tracker->owns_fd ? tracker->fd : -1;
}

enum idirty_backend idirty_tracker_backend(const struct idirty_tracker *tracker)
{
	return tracker->backend;
}
