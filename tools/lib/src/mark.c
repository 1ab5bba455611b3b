// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * MARK: pages that were read but not delivered become dirty again.
 */
#include "internal.h"

static void blame_mark(const struct idirty_mark_args *mark, int rc)
{
	if (!mark->num_runs)
		blame_range(mark->iova, mark->length, mark->page_size);
	else if (mark->iova || mark->length || mark->page_size)
		blame("num_runs", "is not 0, although there is a range", rc);
	else
		blame_ranges("runs", mark->runs, mark->num_runs);
}

int mark_pages(struct idirty_tracker *t, const struct idirty_mark_args *mark)
{
	struct iommu_dirty_tracker_mark cmd = {
		.size = sizeof(cmd),
		.flags = mark->flags,
		.tracker_id = t->id,
		.num_runs = mark->num_runs,
		.iova = mark->iova,
		.length = mark->length,
		.page_size = mark->page_size,
		.data = (uintptr_t)(mark->num_runs ? (const void *)mark->runs : mark->bitmap),
	};
	int rc;

	if (t->fallback)
		return failed(IDIRTY_VERB_MARK, -ENOTTY);
	if (mark->num_runs > UINT32_MAX)
		return blame("num_runs", "is too large", failed(IDIRTY_VERB_MARK, -EINVAL));
	rc = call(IDIRTY_VERB_MARK, t->fd, IOMMU_DIRTY_TRACKER_MARK, &cmd);
	if (rc == -EINVAL || rc == -EOVERFLOW)
		blame_mark(mark, rc);
	else if (rc == -EOPNOTSUPP)
		unknown_flags(IDIRTY_VERB_MARK);
	return rc;
}

int idirty_mark(struct idirty_tracker *tracker, const struct idirty_mark_args *mark)
{
	struct idirty_mark_args args;
	int rc = args_copy(IDIRTY_VERB_MARK, &args, sizeof(args), MARK_1_0, mark);

	return report(rc ? rc : mark_pages(tracker, &args));
}
