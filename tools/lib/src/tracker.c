// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * START, UPDATE and STOP.
 */
#include "internal.h"

/* Copies the ranges, because the kernel writes to the array that it is given */
static int ranges_copy(enum idirty_verb verb, const struct idirty_range *ranges,
		       size_t num, struct idirty_range **copy)
{
	/* The kernel takes no more */
	if (num > 65536)
		return blame("num", "is more than 65536", failed(verb, -EINVAL));
	if (num && !ranges)
		return blame("ranges", "is NULL", failed(verb, -EFAULT));
	*copy = calloc(num + 1, sizeof(**copy));
	if (!*copy)
		return failed(verb, -ENOMEM);
	if (num)
		memcpy(*copy, ranges, num * sizeof(**copy));
	return 0;
}

/* Replaces the tracked ranges and frees the old ones; called with the lock held */
static void covered_set(struct idirty_tracker *t, struct idirty_range *ranges,
			size_t num)
{
	free(t->covered);
	t->covered = ranges;
	t->num_covered = num;
}

static int start_fallback(struct idirty_tracker *t, uint32_t flags,
			  const struct idirty_range *ranges, size_t num,
			  uint64_t *page_size)
{
	struct idirty_range *covered;
	int rc;

	if (flags)
		return blame("flags", "is not 0, and the fallback has none",
			     failed(IDIRTY_VERB_START, -EOPNOTSUPP));
	rc = ranges_copy(IDIRTY_VERB_START, ranges, num, &covered);
	if (rc)
		return rc;
	pthread_mutex_lock(&t->lock);
	if (t->running)
		rc = failed(IDIRTY_VERB_START, -EALREADY);
	else
		rc = t->fallback->start(t, covered, &num, page_size);
	if (!rc) {
		t->running = true;
		t->page_size = *page_size;
		t->scan_from = 0;
		t->scan_last = 0;
		covered_set(t, covered, num);
	}
	pthread_mutex_unlock(&t->lock);
	if (rc)
		free(covered);
	return rc;
}

/* Finds out what the kernel does not accept. It has checked the ranges first */
static void blame_start(enum idirty_verb verb, int rc, const struct idirty_range *ranges,
			size_t num, uint64_t page_size)
{
	if (rc == -EOPNOTSUPP)
		unknown_flags(verb);
	if (rc != -EINVAL && rc != -EOVERFLOW)
		return;
	if (blame_ranges("ranges", ranges, num))
		return;
	if (rc == -EINVAL && num && (page_size < MIN_PAGE || (page_size & (page_size - 1))))
		blame("page_size", "is not a power of two of at least 4096", rc);
	else if (rc == -EINVAL)
		blame(num ? "tracker" : "num", num ? "is that of an IOAS, which has no ranges" :
		      "is 0, but a device needs ranges", rc);
}

#define SPLIT_FLAGS	(IDIRTY_START_SPLIT | IDIRTY_START_SPLIT_LAZY)

/* The kernel has refused flags that split, for whatever tracker this is */
static void blame_splits(uint32_t flags)
{
	blame("flags", (flags & SPLIT_FLAGS) == SPLIT_FLAGS ?
	      "has both IDIRTY_START_SPLIT and IDIRTY_START_SPLIT_LAZY" :
	      "splits entries, which needs an IOAS without ranges and no passive tracker", 0);
}

static int start_kernel(struct idirty_tracker *t, uint32_t flags,
			const struct idirty_range *ranges, size_t num,
			uint64_t *page_size)
{
	struct iommu_dirty_tracker_start cmd = {
		.size = sizeof(cmd),
		.flags = flags,
		.tracker_id = t->id,
		.num_ranges = num,
		.page_size = num ? *page_size : 0,
	};
	struct idirty_error *error = last_error();
	struct idirty_range *covered;
	int rc;

	rc = ranges_copy(IDIRTY_VERB_START, ranges, num, &covered);
	if (rc)
		return rc;
	if (num)
		cmd.ranges = (uintptr_t)covered;
	rc = call(IDIRTY_VERB_START, t->fd, IOMMU_DIRTY_TRACKER_START, &cmd);
	if (rc) {
		error->member_type = cmd.out_type;
		error->member_id = cmd.out_id;
		error->reason = cmd.out_reason;
		if (rc == -EINVAL && (flags & SPLIT_FLAGS))
			blame_splits(flags);
		else
			blame_start(IDIRTY_VERB_START, rc, ranges, num, *page_size);
		free(covered);
		return rc;
	}
	pthread_mutex_lock(&t->lock);
	covered_set(t, covered, cmd.num_ranges);
	pthread_mutex_unlock(&t->lock);
	*page_size = num ? cmd.page_size : MIN_PAGE;
	return 0;
}

static int start_tracker(struct idirty_tracker *tracker, uint32_t flags,
			 const struct idirty_range *ranges, size_t num,
			 uint64_t *page_size)
{
	uint64_t size = page_size && *page_size ? *page_size : MIN_PAGE;
	int rc;

	pthread_mutex_lock(&tracker->life);
	if (tracker->fallback)
		rc = start_fallback(tracker, flags, ranges, num, &size);
	else
		rc = start_kernel(tracker, flags, ranges, num, &size);
	pthread_mutex_unlock(&tracker->life);
	if (!rc && page_size)
		*page_size = size;
	return rc;
}

int idirty_start(struct idirty_tracker *tracker, uint32_t flags,
		 const struct idirty_range *ranges, size_t num,
		 uint64_t *page_size)
{
	return report(start_tracker(tracker, flags, ranges, num, page_size));
}

static int update_tracker(struct idirty_tracker *tracker, uint32_t flags,
			  const struct idirty_range *ranges, size_t num,
			  uint64_t *page_size)
{
	struct iommu_dirty_tracker_update cmd = {
		.size = sizeof(cmd),
		.flags = flags,
		.tracker_id = tracker->id,
		.num_ranges = num,
		.page_size = page_size && *page_size ? *page_size : MIN_PAGE,
	};
	uint64_t wanted = cmd.page_size;
	struct idirty_range *covered;
	int rc;

	/* A fallback would have to stop and start, and lose writes between the two */
	if (tracker->fallback)
		return blame("tracker", "uses a fallback, which cannot do that",
			     failed(IDIRTY_VERB_UPDATE, -EOPNOTSUPP));
	rc = ranges_copy(IDIRTY_VERB_UPDATE, ranges, num, &covered);
	if (rc)
		return rc;
	cmd.ranges = (uintptr_t)covered;
	pthread_mutex_lock(&tracker->life);
	rc = call(IDIRTY_VERB_UPDATE, tracker->fd, IOMMU_DIRTY_TRACKER_UPDATE,
		  &cmd);
	if (!rc) {
		pthread_mutex_lock(&tracker->lock);
		covered_set(tracker, covered, cmd.num_ranges);
		pthread_mutex_unlock(&tracker->lock);
	}
	pthread_mutex_unlock(&tracker->life);
	if (rc) {
		free(covered);
		blame_start(IDIRTY_VERB_UPDATE, rc, ranges, num, wanted);
	} else if (page_size) {
		*page_size = cmd.page_size;
	}
	return rc;
}

int idirty_update(struct idirty_tracker *tracker, uint32_t flags,
		  const struct idirty_range *ranges, size_t num,
		  uint64_t *page_size)
{
	return report(update_tracker(tracker, flags, ranges, num, page_size));
}

int idirty_covered(struct idirty_tracker *tracker, struct idirty_range **ranges,
		   size_t *num)
{
	int rc;

	pthread_mutex_lock(&tracker->lock);
	*num = tracker->num_covered;
	rc = ranges_copy(IDIRTY_VERB_INFO, tracker->covered, *num, ranges);
	pthread_mutex_unlock(&tracker->lock);
	return report(rc);
}

static int stop_fallback(struct idirty_tracker *t)
{
	int rc;

	pthread_mutex_lock(&t->lock);
	rc = t->running ? t->fallback->stop(t) : 0;
	t->running = false;
	pthread_mutex_unlock(&t->lock);
	return rc;
}

static int stop_kernel(struct idirty_tracker *t)
{
	struct iommu_dirty_tracker_stop cmd = {
		.size = sizeof(cmd),
		.tracker_id = t->id,
	};

	return call(IDIRTY_VERB_STOP, t->fd, IOMMU_DIRTY_TRACKER_STOP, &cmd);
}

/* STOP forgets all dirty pages, also those that wait for a reader */
int stop_tracker(struct idirty_tracker *tracker)
{
	int rc;

	pthread_mutex_lock(&tracker->life);
	rc = tracker->fallback ? stop_fallback(tracker) : stop_kernel(tracker);
	if (rc != -EBUSY) {
		pthread_mutex_lock(&tracker->lock);
		covered_set(tracker, NULL, 0);
		blocks_drop(tracker);
		pthread_mutex_unlock(&tracker->lock);
	}
	pthread_mutex_unlock(&tracker->life);
	return rc;
}

int idirty_stop(struct idirty_tracker *tracker)
{
	return report(stop_tracker(tracker));
}
