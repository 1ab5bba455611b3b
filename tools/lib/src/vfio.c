// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * The fallback for a device: DMA logging of its migration driver, through device
 * features of VFIO. Called with the tracker's lock held.
 */
#include <assert.h>

#include "internal.h"

#include <linux/vfio.h>

/* Drivers clear their log in words of this many pages */
#define WORD_PAGES	64

static int feature(struct idirty_tracker *t, enum idirty_verb verb, uint32_t what,
		   void *arg, size_t size)
{
	struct {
		struct vfio_device_feature head;
		uint64_t arg[4];
	} cmd = {
		.head.argsz = sizeof(cmd.head) + size,
		.head.flags = what,
	};

	int rc;

	static_assert(offsetof(struct vfio_device_feature, data) == 8, "no gap");
	if (size)
		memcpy(cmd.head.data, arg, size);
	rc = call(verb, t->target.vfio_fd, VFIO_DEVICE_FEATURE, &cmd);
	if (!rc && size)
		memcpy(arg, cmd.head.data, size);
	return rc;
}

static int by_iova(const void *a, const void *b)
{
	const struct idirty_range *l = a, *r = b;

	return (l->iova > r->iova) - (l->iova < r->iova);
}

static int largest_first(const void *a, const void *b)
{
	const uint64_t *l = a, *r = b;

	return (*l < *r) - (*l > *r);
}

static uint64_t gap(const struct idirty_range *range)
{
	return range[1].iova - (range[0].iova + range[0].length);
}

/*
 * Widens the ranges to whole pages, sorts them, and merges those that touch or
 * overlap. Returns -EINVAL or -EOVERFLOW if a range is not valid.
 */
static int ranges_sort(struct idirty_range *r, size_t *num, uint64_t page_size)
{
	size_t i, n = 0;
	int rc;

	for (i = 0; i < *num; i++) {
		uint64_t last = r[i].iova + (r[i].length - 1);

		rc = check_range(IDIRTY_VERB_START, r[i].iova, r[i].length, page_size);
		if (rc) {
			blame_ranges("ranges", r, *num);
			return rc;
		}
		/* VFIO does not take a range that ends at 2^64 */
		if ((last | (page_size - 1)) == UINT64_MAX)
			return blame_entry("ranges", i, "ends at 2^64",
					   failed(IDIRTY_VERB_START, -EOVERFLOW));
		r[i].iova &= ~(page_size - 1);
		r[i].length = (last | (page_size - 1)) - r[i].iova + 1;
	}
	qsort(r, *num, sizeof(*r), by_iova);
	for (i = 1; i < *num; i++) {
		uint64_t end = r[n].iova + r[n].length;

		if (r[i].iova > end)
			r[++n] = r[i];
		else if (r[i].iova + r[i].length > end)
			r[n].length = r[i].iova + r[i].length - r[n].iova;
	}
	*num = n + 1;
	return 0;
}

/* Merges ranges across the smallest gaps, until VFIO takes as many */
static int ranges_join(struct idirty_range *r, size_t *num)
{
	size_t i, n = 0, larger = 0, equal;
	uint64_t *gaps, cut;

	if (*num <= VFIO_RANGES)
		return 0;
	gaps = calloc(*num, sizeof(*gaps));
	if (!gaps)
		return failed(IDIRTY_VERB_START, -ENOMEM);
	for (i = 0; i + 1 < *num; i++)
		gaps[i] = gap(r + i);
	qsort(gaps, *num - 1, sizeof(*gaps), largest_first);
	cut = gaps[VFIO_RANGES - 2];
	while (gaps[larger] > cut)
		larger++;
	free(gaps);
	equal = VFIO_RANGES - 1 - larger;
	for (i = 1; i < *num; i++) {
		uint64_t before = r[i].iova - (r[n].iova + r[n].length);

		if (before > cut || (before == cut && equal)) {
			equal -= before == cut;
			r[++n] = r[i];
		} else {
			r[n].length = r[i].iova + r[i].length - r[n].iova;
		}
	}
	*num = n + 1;
	return 0;
}

static int vfio_start(struct idirty_tracker *t, struct idirty_range *ranges,
		      size_t *num, uint64_t *page_size)
{
	struct vfio_device_feature_dma_logging_control control = {
		.page_size = *page_size,
		.ranges = (uintptr_t)ranges,
	};
	int rc;

	static_assert(sizeof(*ranges) ==
		       sizeof(struct vfio_device_feature_dma_logging_range),
		       "the same layout");
	if (!*num)
		return blame("num", "is 0, but a device needs ranges",
			     failed(IDIRTY_VERB_START, -EINVAL));
	rc = ranges_sort(ranges, num, *page_size);
	if (!rc)
		rc = ranges_join(ranges, num);
	if (rc)
		return rc;
	control.num_ranges = *num;
	rc = feature(t, IDIRTY_VERB_START, VFIO_DEVICE_FEATURE_SET |
		     VFIO_DEVICE_FEATURE_DMA_LOGGING_START, &control, sizeof(control));
	if (!rc)
		*page_size = control.page_size;
	return rc;
}

static int vfio_stop(struct idirty_tracker *t)
{
	return feature(t, IDIRTY_VERB_STOP, VFIO_DEVICE_FEATURE_SET |
		       VFIO_DEVICE_FEATURE_DMA_LOGGING_STOP, NULL, 0);
}

/*
 * A window is whole words of one range: if only part of a word was asked for, the
 * driver would clear the rest of it without reporting it.
 */
static bool vfio_window(const struct idirty_tracker *t, uint64_t iova, uint64_t last,
			uint64_t *first, uint64_t *end)
{
	uint64_t word = WORD_PAGES * t->page_size;
	uint64_t from, to, range_last;
	const struct idirty_range *r;
	size_t i;

	for (i = 0; i < t->num_covered; i++)
		if (t->covered[i].iova + (t->covered[i].length - 1) >= iova)
			break;
	r = t->covered + i;
	if (i == t->num_covered || r->iova > last)
		return false;
	range_last = r->length - 1;
	/* Offsets from the start of the range, where the driver's first word starts */
	from = iova > r->iova ? iova - r->iova : 0;
	to = min_u64(min_u64(last - r->iova, range_last), from | (WINDOW - 1));
	*first = r->iova + from / word * word;
	*end = r->iova + min_u64(to | (word - 1), range_last);
	return true;
}

static int vfio_read(struct idirty_tracker *t, uint32_t flags, uint64_t iova,
		     uint64_t length, void *bitmap)
{
	struct vfio_device_feature_dma_logging_report report = {
		.iova = iova,
		.length = length,
		.page_size = MIN_PAGE,
		.bitmap = (uintptr_t)bitmap,
	};

	if (flags & IDIRTY_READ_NO_CLEAR)
		return blame("flags", "has IDIRTY_READ_NO_CLEAR, which VFIO has not",
			     failed(IDIRTY_VERB_READ, -EOPNOTSUPP));
	return feature(t, IDIRTY_VERB_READ, VFIO_DEVICE_FEATURE_GET |
		       VFIO_DEVICE_FEATURE_DMA_LOGGING_REPORT, &report, sizeof(report));
}

const struct fallback fallback_vfio = {
	.start = vfio_start,
	.stop = vfio_stop,
	.window = vfio_window,
	.read = vfio_read,
	.weak = IDIRTY_WEAK_RANGES | IDIRTY_WEAK_SOFTWARE | IDIRTY_WEAK_EXCLUSIVE |
		IDIRTY_WEAK_ONE_DEVICE | IDIRTY_WEAK_VERBS,
};
