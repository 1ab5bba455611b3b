// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reads a tracker for the measurements: the GiBs that devices have written to.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "advise.h"

const uint64_t advise_page_sizes[ADVISE_ROWS] = { 1 << 12, 1 << 16, 1 << 21, 1 << 30 };

/* Adds a run to the byte count, and the GiBs that contain it to the extents */
static int add_run(void *arg, const struct idirty_range *run)
{
	const uint64_t mask = advise_page_sizes[ADVISE_ROWS - 1] - 1;
	struct subject *s = arg;
	uint64_t first = run->iova & ~mask, last = (run->iova + (run->length - 1)) | mask;
	struct idirty_range *more;

	s->bytes += run->length;
	more = realloc(s->extents, (s->num_extents + 1) * sizeof(*more));
	if (!more)
		return -ENOMEM;
	s->extents = more;
	more[s->num_extents++] = (struct idirty_range){ first, last - first + 1 };
	s->num_extents = ranges_merge(s->extents, s->num_extents);
	return 0;
}

int subject_scan(struct subject *s)
{
	struct reading reading;
	int rc;

	s->bytes = 0;
	if (!s->is_device)
		return observe_scan(s->watched, advise_page_sizes[0], add_run, s);
	rc = subject_read(s, advise_page_sizes[0], &reading);
	s->bytes = reading.sent_bytes;
	return rc;
}

int subject_read(struct subject *s, uint64_t page_size, struct reading *reading)
{
	size_t i;
	int rc;

	*reading = (struct reading){};
	for (i = 0; i < s->num_extents; i++) {
		struct idirty_read_args read = {
			.size = sizeof(read),
			.iova = s->extents[i].iova,
			.length = s->extents[i].length,
			.page_size = page_size,
		};
		size_t size = idirty_bitmap_bytes(read.iova, read.length, page_size);
		double begin;

		read.bitmap = calloc(1, size);
		if (!read.bitmap)
			return -ENOMEM;
		begin = seconds_now();
		rc = idirty_read(&s->watched->tracker, 1, &read, NULL);
		reading->seconds += seconds_now() - begin;
		reading->bitmap_bytes += size;
		reading->sent_bytes += page_size * idirty_bitmap_count(read.bitmap,
			idirty_bitmap_pages(read.iova, read.length, page_size));
		free(read.bitmap);
		if (rc)
			return observe_check(s->watched, rc);
	}
	return 0;
}
