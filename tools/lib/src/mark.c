// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * MARK: pages that were read but not delivered become dirty again.
 */
#include <assert.h>

#include "internal.h"

int idirty_mark(struct idirty_tracker *tracker, const struct idirty_mark *mark)
{
	struct iommu_dirty_tracker_mark cmd = {
		.size = sizeof(cmd),
		.flags = mark->flags,
		.tracker_id = tracker->id,
		.num_runs = mark->num_runs,
		.iova = mark->iova,
		.length = mark->length,
		.page_size = mark->page_size,
		.data = (uintptr_t)(mark->num_runs ? (const void *)mark->runs : mark->bitmap),
	};

	static_assert(sizeof(*mark->runs) == sizeof(struct iommu_dirty_run), "same layout");
	if (tracker->fallback)
		return failed(IDIRTY_VERB_MARK, -ENOTTY);
	return call(IDIRTY_VERB_MARK, tracker->fd, IOMMU_DIRTY_TRACKER_MARK, &cmd);
}
