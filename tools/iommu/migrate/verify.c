// SPDX-License-Identifier: GPL-2.0-only
/*
 * The source's final comparison: whether the destination's memory, and the state that
 * its device shows, are the same as here, and the memory is the disk.
 */
#include <stdlib.h>
#include <string.h>

#include "source.h"

/* Without rewrites the memory must be the disk, which --image reads independently */
static bool has_disk(const struct source *s)
{
	return !s->work.ops->rewrites && s->opt->work.image;
}

static int disk_digest(const struct source *s, unsigned char disk[DIGEST_SIZE])
{
	int rc = digest_file(s->opt->work.image, s->range.length, disk);

	if (rc)
		return complain(EXIT_FAILED, "%s: %s", s->opt->work.image, strerror(-rc));
	report_digest("disk", disk);
	return EXIT_OK;
}

int verify_stayed(struct source *s, int code)
{
	unsigned char ours[DIGEST_SIZE], disk[DIGEST_SIZE];
	int rc;

	if (!has_disk(s))
		return code;
	digest(s->mem, s->range.length, ours);
	report_digest("source", ours);
	rc = disk_digest(s, disk);
	if (rc)
		return rc;
	if (memcmp(ours, disk, DIGEST_SIZE))
		return complain(EXIT_DIFFERS, "the memory is not the disk");
	return code;
}

/* Whether the destination's device shows the state that the source's must have */
static bool same_state(struct source *s)
{
	unsigned char page[PAGE], ours[DIGEST_SIZE];

	if (!s->num_devices || !s->work.ops->show_state)
		return true;
	s->work.ops->show_state(&s->work, page);
	digest(page, PAGE, ours);
	report_digest("our state", ours);
	report_digest("its state", s->result + DIGEST_SIZE);
	return !memcmp(ours, s->result + DIGEST_SIZE, DIGEST_SIZE);
}

static size_t differing_pages(struct source *s, const unsigned char *sums)
{
	unsigned char sum[SUM_SIZE];
	size_t differing = 0, i;

	for (i = 0; i < s->range.length; i += PAGE, sums += SUM_SIZE) {
		page_sum(s->mem + i, sum);
		differing += memcmp(sum, sums, SUM_SIZE) != 0;
	}
	return differing;
}

int verify_same(struct source *s)
{
	size_t head = DIGEST_SIZE * (1 + s->num_devices), differing;
	uint64_t pages = s->range.length / PAGE;
	unsigned char ours[DIGEST_SIZE], disk[DIGEST_SIZE];
	char text[STREAM_MAX_TEXT + 1];
	bool same;
	int rc;

	s->result = malloc(head + pages * SUM_SIZE);
	if (!s->result)
		return complain(EXIT_FAILED, "out of memory");
	digest(s->mem, s->range.length, ours);
	report_digest("source", ours);
	rc = stream_get_answer(&s->io, STREAM_RESULT, s->result,
			       head + pages * SUM_SIZE, text);
	if (rc)
		return complain(EXIT_FAILED, "the result: %s", strerror(-rc));
	report_digest("destination", s->result);
	differing = differing_pages(s, s->result + head);
	same = !differing && !memcmp(ours, s->result, DIGEST_SIZE);
	if (has_disk(s)) {
		rc = disk_digest(s, disk);
		if (rc)
			return rc;
		same &= !memcmp(disk, s->result, DIGEST_SIZE);
	}
	same &= same_state(s);
	report_text("compared", "%zu of %llu pages differ", differing,
		    (unsigned long long)pages);
	report_text("identical", "%s", same ? "yes" : "no");
	return same ? EXIT_OK : EXIT_DIFFERS;
}
