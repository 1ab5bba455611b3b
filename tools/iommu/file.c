// SPDX-License-Identifier: GPL-2.0-only
/*
 * Record files: lines of JSON. The first line is the header, each other line is what
 * was dirty in an IOAS since the previous sample:
 *
 *   {"iommu-dirty-record": 1, "page_size": 4096}
 *   {"time": 0.5, "ioas": 1, "runs": [[4294967296, 8192], ...]}
 *
 * If several iommufds were observed, the version is 2, and each sample has "fd", the
 * owner's file descriptor for the iommufd of the IOAS.
 */
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "iommu-dirty.h"

/* Longer lines are rejected */
#define MAX_LINE	(64 << 20)

static int write_line(FILE *f, json_t *json)
{
	int rc = json ? json_dumpf(json, f, JSON_COMPACT | JSON_PRESERVE_ORDER |
				    JSON_REAL_PRECISION(10)) : -1;

	json_decref(json);
	return rc || fputc('\n', f) == EOF || fflush(f) ? -EIO : 0;
}

int record_write_header(FILE *f, uint64_t page_size, bool several)
{
	return write_line(f, json_pack("{s:i, s:I}", "iommu-dirty-record", several ? 2 : 1,
				       "page_size", (json_int_t)page_size));
}

/* The JSON library has signed integers: addresses of 2^63 and above become negative */
int record_write_sample(FILE *f, const struct sample *sample)
{
	json_t *runs = json_array();
	size_t i;

	for (i = 0; i < sample->num_runs; i++)
		json_array_append_new(runs, json_pack("[I,I]",
						      (json_int_t)sample->runs[i].iova,
						      (json_int_t)sample->runs[i].length));
	return write_line(f, json_pack("{s:f, s:o*, s:I, s:o}", "time", sample->time, "fd",
				       fd_to_json(sample->fd), "ioas",
				       (json_int_t)sample->ioas, "runs", runs));
}

static const char *read_run(json_t *json, struct idirty_range *run)
{
	json_int_t iova, length;

	if (json_unpack(json, "[I,I!]", &iova, &length))
		return "a run is not [address, length]";
	run->iova = iova;
	run->length = length;
	if (length <= 0 || run->iova + (run->length - 1) < run->iova)
		return "a run ends before it begins";
	return NULL;
}

static const char *read_sample(json_t *json, struct sample *sample)
{
	const char *wrong = NULL;
	json_int_t ioas, fd = -1;
	json_t *runs;
	size_t i;

	if (json_unpack(json, "{s:F, s?I, s:I, s:o}", "time", &sample->time, "fd", &fd, "ioas",
			&ioas, "runs", &runs) || !json_is_array(runs))
		return "not a sample with time, ioas and runs";
	if (!isfinite(sample->time) || sample->time < 0 || ioas < 0 || ioas > UINT32_MAX ||
	    fd < -1 || fd > INT_MAX)
		return "time, fd or ioas out of range";
	sample->fd = fd;
	sample->ioas = ioas;
	sample->num_runs = json_array_size(runs);
	sample->runs = calloc(sample->num_runs + 1, sizeof(*sample->runs));
	if (!sample->runs)
		return "out of memory";
	for (i = 0; i < sample->num_runs && !wrong; i++)
		wrong = read_run(json_array_get(runs, i), &sample->runs[i]);
	return wrong;
}

static const char *read_header(json_t *json, struct record *record)
{
	json_int_t page_size;
	int version;

	if (json_unpack(json, "{s:i, s:I}", "iommu-dirty-record", &version, "page_size",
			&page_size))
		return "not a record of iommu-dirty";
	if (version != 1 && version != 2)
		return "a record of a version that is not known here";
	if (page_size < 4096 || (page_size & (page_size - 1)))
		return "the page size is out of range";
	record->page_size = page_size;
	return NULL;
}

static const char *read_line(const char *text, size_t len, struct record *record)
{
	struct sample *more, *sample;
	const char *wrong;
	json_t *json;

	json = json_loadb(text, len, 0, NULL);
	if (!json)
		return "not JSON";
	if (!record->page_size) {
		wrong = read_header(json, record);
	} else {
		more = realloc(record->samples, (record->num + 1) * sizeof(*more));
		if (!more) {
			json_decref(json);
			return "out of memory";
		}
		record->samples = more;
		sample = &more[record->num++];
		*sample = (struct sample){};
		wrong = read_sample(json, sample);
		if (!wrong && record->num > 1 && sample->time < sample[-1].time)
			wrong = "time goes backwards";
	}
	json_decref(json);
	return wrong;
}

const char *record_read(FILE *f, struct record *record, unsigned int *line)
{
	const char *wrong = NULL;
	char *text = NULL;
	size_t room = 0;
	ssize_t len;

	*record = (struct record){};
	*line = 0;
	while (!wrong && (len = getline(&text, &room, f)) > 0) {
		++*line;
		wrong = len > MAX_LINE ? "the line is too long" : read_line(text, len, record);
	}
	free(text);
	if (!wrong && !record->page_size)
		wrong = "the file is empty";
	if (wrong)
		record_free(record);
	return wrong;
}

void record_free(struct record *record)
{
	size_t i;

	for (i = 0; i < record->num; i++)
		free(record->samples[i].runs);
	free(record->samples);
	*record = (struct record){};
}
