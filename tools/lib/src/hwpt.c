// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * The fallback for an IOAS: the per-HWPT ioctls of upstream, for each HWPT that
 * the caller has named. Called with the tracker's lock held.
 */
#include "internal.h"

static int set_tracking(struct idirty_tracker *t, enum idirty_verb verb,
			uint32_t hwpt, bool on)
{
	struct iommu_hwpt_set_dirty_tracking cmd = {
		.size = sizeof(cmd),
		.flags = on ? IOMMU_HWPT_DIRTY_TRACKING_ENABLE : 0,
		.hwpt_id = hwpt,
	};

	return call(verb, t->fd, IOMMU_HWPT_SET_DIRTY_TRACKING, &cmd);
}

static int hwpt_start(struct idirty_tracker *t, struct idirty_range *ranges,
		      size_t *num, uint64_t *page_size)
{
	struct idirty_error *error = last_error();
	size_t i;
	int rc;

	(void)ranges;
	if (*num)
		return blame("num", "is not 0, but HWPTs have no ranges",
			     failed(IDIRTY_VERB_START, -EOPNOTSUPP));
	for (i = 0; i < t->target.num_hwpts; i++) {
		struct idirty_error why;

		rc = set_tracking(t, IDIRTY_VERB_START, t->target.hwpts[i], true);
		if (!rc)
			continue;
		why = *error;
		if (rc == -EOPNOTSUPP) {
			why.member_type = IDIRTY_MEMBER_HWPT;
			why.member_id = t->target.hwpts[i];
			why.reason = IDIRTY_REASON_NOT_REQUESTED;
			why.code = ENXIO;
			rc = -ENXIO;
		}
		while (i--)
			if (set_tracking(t, IDIRTY_VERB_START, t->target.hwpts[i], false))
				note_error("a HWPT stays tracked after a failed START");
		*error = why;
		return rc;
	}
	*page_size = MIN_PAGE;
	return 0;
}

/* Continues after a failure, so that as little as possible stays enabled */
static int hwpt_stop(struct idirty_tracker *t)
{
	size_t i;
	int rc = 0;

	for (i = 0; i < t->target.num_hwpts; i++) {
		int one = set_tracking(t, IDIRTY_VERB_STOP, t->target.hwpts[i], false);

		if (one)
			rc = one;
	}
	return rc;
}

/*
 * The kernel clears a whole IO page table entry even if only part of it is asked
 * for. So within the range of an earlier SCAN, start the window where that SCAN
 * started, or at a multiple of WINDOW.
 */
static bool hwpt_window(const struct idirty_tracker *t, uint64_t iova, uint64_t last,
			uint64_t *first, uint64_t *end)
{
	uint64_t from = iova & ~(WINDOW - 1);

	*first = iova & ~(MIN_PAGE - 1);
	if (t->scan_from < iova && last <= t->scan_last)
		*first = from > t->scan_from ? from : t->scan_from & ~(MIN_PAGE - 1);
	*end = min_u64(last | (MIN_PAGE - 1), iova | (WINDOW - 1));
	return true;
}

static int hwpt_read(struct idirty_tracker *t, uint32_t flags, uint64_t iova,
		     uint64_t length, void *bitmap)
{
	size_t i;
	int rc;

	for (i = 0; i < t->target.num_hwpts; i++) {
		struct iommu_hwpt_get_dirty_bitmap cmd = {
			.size = sizeof(cmd),
			.hwpt_id = t->target.hwpts[i],
			.flags = flags & IDIRTY_READ_NO_CLEAR ?
				IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR : 0,
			.iova = iova,
			.length = length,
			.page_size = MIN_PAGE,
			.data = (uintptr_t)bitmap,
		};

		rc = call(IDIRTY_VERB_READ, t->fd, IOMMU_HWPT_GET_DIRTY_BITMAP,
			  &cmd);
		if (rc)
			return rc;
	}
	return 0;
}

const struct fallback fallback_hwpt = {
	.start = hwpt_start,
	.stop = hwpt_stop,
	.window = hwpt_window,
	.read = hwpt_read,
	.weak = IDIRTY_WEAK_LATE_HWPT | IDIRTY_WEAK_UNMAP | IDIRTY_WEAK_HOLES |
		IDIRTY_WEAK_SOFTWARE | IDIRTY_WEAK_EXCLUSIVE | IDIRTY_WEAK_PARTIAL |
		IDIRTY_WEAK_REWRITE,
};
