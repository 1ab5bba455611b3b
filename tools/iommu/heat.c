// SPDX-License-Identifier: GPL-2.0-only
/*
 * The cells of a heatmap. Addresses go to the right, in segments: large ranges that no
 * device wrote to are left out. Time goes down. A cell has the bytes that became dirty in
 * it per second.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "iommu-dirty.h"

/* A gap is left out if it is at least this part of the segment that it is in */
#define GAP		0.1
/* There are not more segments than leave each about so many columns */
#define NARROW		8

/* Parts of a sample that are smaller come from rounding */
#define ROUNDING	0.000001

static bool is_of(const struct heatmap *map, const struct sample *s)
{
	return s->fd == map->fd && s->ioas == map->ioas;
}

static double span(uint64_t first, uint64_t last)
{
	/* In double: a segment can be as large as the address space */
	return (double)(last - first) + 1;
}

/* Collects what was written within the bounds; NULL with a size of 0 if nothing was */
static struct idirty_range *collect(const struct heatmap *map, const struct record *record,
				    size_t *num)
{
	struct idirty_range *ranges;
	size_t i, j, room = 1;

	for (i = 0; i < record->num; i++)
		room += is_of(map, &record->samples[i]) ? record->samples[i].num_runs : 0;
	*num = 0;
	ranges = calloc(room, sizeof(*ranges));
	for (i = 0; ranges && i < record->num; i++) {
		const struct sample *s = &record->samples[i];

		for (j = 0; is_of(map, s) && j < s->num_runs; j++) {
			uint64_t first = s->runs[j].iova, last = range_last(&s->runs[j]);

			if (last < map->first || first > map->last)
				continue;
			first = first < map->first ? map->first : first;
			last = last > map->last ? map->last : last;
			/* All of 2^64 bytes have no length */
			if (!first && last == UINT64_MAX)
				last--;
			ranges[(*num)++] = (struct idirty_range){ first, last - first + 1 };
		}
	}
	if (ranges)
		*num = ranges_merge(ranges, *num);
	return ranges;
}

/* Ranges of one segment: from index @begin to before @end */
struct part {
	size_t begin;
	size_t end;
};

/* The largest gap of a part, as a fraction of the part; @after is the range before it */
static double largest_gap(const struct idirty_range *ranges, const struct part *part,
			  size_t *after)
{
	double all = span(ranges[part->begin].iova, range_last(&ranges[part->end - 1])), most = 0;
	size_t i;

	for (i = part->begin; i + 1 < part->end; i++) {
		double gap = (double)(ranges[i + 1].iova - range_last(&ranges[i])) - 1;

		if (gap <= most)
			continue;
		most = gap;
		*after = i;
	}
	return most / all;
}

/* Splits one part where that magnifies the rest of it most; false if no gap is large */
static bool split(struct part *parts, unsigned int num, const struct idirty_range *ranges)
{
	unsigned int which = 0, i;
	size_t after = 0, at = 0;
	double most = 0;

	for (i = 0; i < num; i++) {
		double gap = largest_gap(ranges, &parts[i], &after);

		if (gap <= most)
			continue;
		most = gap;
		which = i;
		at = after + 1;
	}
	if (most < GAP)
		return false;
	memmove(&parts[which + 1], &parts[which], (num - which) * sizeof(*parts));
	parts[which].end = at;
	parts[which + 1].begin = at;
	return true;
}

/*
 * Shares the columns out by the logarithm of the size in pages, so that a ring of
 * descriptors can be seen beside a terabyte; the last segment gets what is left
 */
static void share_columns(struct heatmap *map)
{
	unsigned int left = map->columns, i;
	double all = 0, sizes[HEAT_SEGMENTS];

	for (i = 0; i < map->num_segments; i++) {
		sizes[i] = log2(span(map->segments[i].first, map->segments[i].last) / 4096 + 2);
		all += sizes[i];
	}
	for (i = 0; i < map->num_segments; i++) {
		struct heat_segment *s = &map->segments[i];

		s->columns = i + 1 < map->num_segments ?
			     fmax(1, floor(map->columns * sizes[i] / all)) : left;
		left -= s->columns;
	}
}

static void find_segments(struct heatmap *map, const struct idirty_range *ranges, size_t num)
{
	unsigned int limit = map->columns / NARROW < HEAT_SEGMENTS ? map->columns / NARROW :
								      HEAT_SEGMENTS, i;
	struct part parts[HEAT_SEGMENTS] = { { 0, num } };

	map->num_segments = 1;
	while (map->num_segments < limit && split(parts, map->num_segments, ranges))
		map->num_segments++;
	for (i = 0; i < map->num_segments; i++) {
		map->segments[i].first = ranges[parts[i].begin].iova;
		map->segments[i].last = range_last(&ranges[parts[i].end - 1]);
	}
	/* The bounds may be outside of what was written */
	map->segments[0].first = map->first;
	map->segments[map->num_segments - 1].last = map->last;
	share_columns(map);
}

static void add_to_segment(double *bytes, const struct heat_segment *s,
			   const struct idirty_range *run)
{
	double cell = span(s->first, s->last) / s->columns, from, to;
	unsigned int c;

	if (range_last(run) < s->first || run->iova > s->last)
		return;
	from = run->iova > s->first ? run->iova - s->first : 0;
	to = range_last(run) < s->last ? span(s->first, range_last(run)) : span(s->first, s->last);
	for (c = from / cell; c < s->columns && c * cell < to; c++)
		bytes[c] += fmax(fmin((c + 1) * cell, to) - fmax(c * cell, from), 0);
}

/* A sample has what was written since the previous one, at @since */
static void add_sample(struct heatmap *map, const struct sample *s, double since, double *bytes)
{
	double height = map->end / map->rows;
	unsigned int row, c, i, at = 0;
	size_t j;

	for (c = 0; c < map->columns; c++)
		bytes[c] = 0;
	for (i = 0; i < map->num_segments; at += map->segments[i++].columns)
		for (j = 0; j < s->num_runs; j++)
			add_to_segment(bytes + at, &map->segments[i], &s->runs[j]);
	/* Rounding may place the end of the last sample below the last row */
	row = fmin(since / height, map->rows - 1);
	for (; row < map->rows && (row * height < s->time || since >= s->time); row++) {
		double both = fmin((row + 1) * height, s->time) - fmax(row * height, since);
		double part = since < s->time ? both / (s->time - since) : 1;

		/* A row that only seems to overlap, by rounding, would get a tiny rate */
		if (part < ROUNDING)
			continue;
		for (c = 0; c < map->columns; c++)
			map->cells[row * map->columns + c] += bytes[c] * part / height;
		if (since >= s->time)
			break;
	}
}

/* Fills in missing bounds; false if they are empty */
static bool find_bounds(struct heatmap *map, const struct record *record)
{
	uint64_t first = UINT64_MAX, last = 0;
	size_t i, j;

	for (i = 0; i < record->num; i++) {
		const struct sample *s = &record->samples[i];

		if (!is_of(map, s))
			continue;
		map->end = s->time;
		for (j = 0; j < s->num_runs; j++) {
			first = s->runs[j].iova < first ? s->runs[j].iova : first;
			last = range_last(&s->runs[j]) > last ? range_last(&s->runs[j]) : last;
		}
	}
	/* A record that took no time has no rate; a millisecond is what can be asked for */
	map->end = fmax(map->end, 0.001);
	if (map->first == UINT64_MAX)
		map->first = first;
	if (!map->last)
		map->last = last;
	return map->first <= map->last;
}

static int fill(struct heatmap *map, const struct record *record)
{
	double *bytes = calloc(map->columns, sizeof(*bytes)), since = 0;
	size_t i;

	map->cells = calloc((size_t)map->rows * map->columns, sizeof(*map->cells));
	for (i = 0; bytes && map->cells && i < record->num; i++) {
		const struct sample *s = &record->samples[i];

		if (!is_of(map, s))
			continue;
		add_sample(map, s, since, bytes);
		since = s->time;
	}
	free(bytes);
	return bytes && map->cells ? 0 : -ENOMEM;
}

int heatmap_fill(struct heatmap *map, const struct record *record)
{
	struct idirty_range *ranges;
	size_t num;
	int rc;

	if (!find_bounds(map, record))
		return -ENOENT;
	ranges = collect(map, record, &num);
	if (num)
		find_segments(map, ranges, num);
	rc = !ranges ? -ENOMEM : num ? fill(map, record) : -ENOENT;
	free(ranges);
	return rc;
}
