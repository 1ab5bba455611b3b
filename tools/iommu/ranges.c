// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sets of IOVA ranges.
 */
#include <stdlib.h>

#include "iommu-dirty.h"

static int by_iova(const void *a, const void *b)
{
	const struct idirty_range *x = a, *y = b;

	return (x->iova > y->iova) - (x->iova < y->iova);
}

size_t ranges_merge(struct idirty_range *ranges, size_t num)
{
	size_t kept = 0, i;

	qsort(ranges, num, sizeof(*ranges), by_iova);
	for (i = 0; i < num; i++) {
		struct idirty_range *before = kept ? &ranges[kept - 1] : NULL;
		uint64_t last = range_last(&ranges[i]);

		if (!before || (range_last(before) != UINT64_MAX &&
				ranges[i].iova > range_last(before) + 1))
			ranges[kept++] = ranges[i];
		else if (last > range_last(before))
			before->length = last - before->iova + 1;
	}
	return kept;
}
