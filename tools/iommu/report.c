// SPDX-License-Identifier: GPL-2.0-only
/*
 * Prints the measurements of advise as a table, as a text plot and as JSON, and reads
 * them back from JSON, which is not trusted.
 */
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "advise.h"

#define PLOT_WIDTH	60
/* Bytes, bytes per second, nanoseconds: measured values are far below */
#define MAX_VALUE	1e18
#define MAX_TRACKERS	256

const struct advise_tracker *advise_next_ioas(const struct advise_result *result, size_t *pos)
{
	while (*pos < result->num) {
		const struct advise_tracker *t = &result->trackers[(*pos)++];
		size_t i = 0;

		while (!advise_same_ioas(&result->trackers[i], t))
			i++;
		if (&result->trackers[i] == t)
			return t;
	}
	return NULL;
}

static const char *throughput_text(double value, char *text, size_t size)
{
	if (value > 0)
		snprintf(text, size, "%.1f", value / 1048576);
	else
		snprintf(text, size, "-");
	return text;
}

static void print_tracker(const struct advise_tracker *t, const struct advise_result *result,
			  const struct advise_limits *limits)
{
	char text[32];
	size_t i;

	printf("%s", t->name);
	if (*t->format)
		printf(", %s", t->format);
	if (!t->num_rows) {
		printf(": not measured: %s\n", t->reason);
		return;
	}
	printf(": %.1f MiB/s dirtied every %g s, %.1f every %g s\n", t->rate / 1048576,
	       result->interval, t->slow_rate / 1048576, result->interval * ADVISE_SLOW);
	printf("%8s %12s %12s %12s %12s %12s\n", "pages", "READ ms", "bitmap B", "dirty MiB",
	       "round ms", "device MiB/s");
	for (i = 0; i < t->num_rows; i++) {
		const struct advise_row *row = &t->rows[i];

		printf("%8s %12.3f %12llu %12.1f %12.3f %12s\n", size_text(row->page_size),
		       row->read_ns / 1e6, (unsigned long long)row->bitmap_bytes,
		       row->sent_bytes / 1048576.0, advise_round(row, limits) * 1e3,
		       throughput_text(row->throughput, text, sizeof(text)));
	}
	printf("%8s %12s %12s %12s %12s %12s\n", "off", "", "", "", "",
	       throughput_text(t->throughput, text, sizeof(text)));
}

void advise_print(const struct advise_result *result, const struct advise_limits *limits)
{
	const struct advise_tracker *t;
	size_t i;

	for (i = 0; i < result->num; i++)
		print_tracker(&result->trackers[i], result, limits);
	for (i = 0; (t = advise_next_ioas(result, &i));) {
		struct advice advice;

		advise_recommend(result, t, limits, &advice);
		printf("For IOAS ");
		if (t->fd >= 0)
			printf("%d:", t->fd);
		if (advice.row)
			printf("%u: %s, pages of %s: %s.\n", t->ioas, advice.tracker->name,
			       size_text(advice.row->page_size), advice.reason);
		else
			printf("%u: nothing to recommend: %s.\n", t->ioas, advice.reason);
	}
}

void advise_decades(const struct advise_result *result, const struct advise_limits *limits,
		    int *first, int *last)
{
	double low = INFINITY, high = 1;
	size_t i, j;

	for (i = 0; i < result->num; i++)
		for (j = 0; j < result->trackers[i].num_rows; j++) {
			const struct advise_row *row = &result->trackers[i].rows[j];
			double round = advise_round(row, limits) * 1e9;

			low = fmin(low, fmax(row->read_ns, 1));
			if (row->sent_bytes)
				low = fmin(low, fmax(row->sent_bytes / limits->bandwidth * 1e9, 1));
			high = fmax(high, round);
		}
	*first = floor(log10(fmin(low, high)));
	*last = ceil(log10(high));
	if (*last <= *first)
		*last = *first + 1;
}

static void put(char *line, int first, int last, double ns, char c)
{
	int at = (log10(fmax(ns, 1)) - first) / (last - first) * (PLOT_WIDTH - 1) + 0.5;

	if (at >= 0 && at < PLOT_WIDTH)
		line[at] = line[at] == ' ' ? c : '*';
}

void advise_plot(const struct advise_result *result, const struct advise_limits *limits)
{
	char line[PLOT_WIDTH + 1] = "";
	int first, last;
	size_t i, j;

	advise_decades(result, limits, &first, &last);
	printf("# r: READ, s: sending, *: both; from %g to %g s, logarithmic\n",
	       pow(10, first - 9), pow(10, last - 9));
	for (i = 0; i < result->num; i++) {
		const struct advise_tracker *t = &result->trackers[i];

		for (j = 0; j < t->num_rows; j++) {
			const struct advise_row *row = &t->rows[j];

			memset(line, ' ', PLOT_WIDTH);
			put(line, first, last, row->read_ns, 'r');
			if (row->sent_bytes)
				put(line, first, last, row->sent_bytes / limits->bandwidth * 1e9,
				    's');
			printf("%-20s %4s |%s|\n", t->name, size_text(row->page_size), line);
		}
	}
}

static json_t *tracker_to_json(const struct advise_tracker *t)
{
	json_t *rows = json_array();
	size_t i;

	for (i = 0; i < t->num_rows; i++) {
		const struct advise_row *row = &t->rows[i];

		json_array_append_new(rows, json_pack("{s:I, s:I, s:I, s:I, s:f}", "page_size",
						      (json_int_t)row->page_size, "read_ns",
						      (json_int_t)row->read_ns, "bitmap_bytes",
						      (json_int_t)row->bitmap_bytes, "dirty_bytes",
						      (json_int_t)row->sent_bytes,
						      "bytes_per_second", row->throughput));
	}
	return json_pack("{s:s, s:s, s:s, s:o*, s:I, s:b, s:f, s:f, s:f, s:o}", "tracker",
			 t->name, "format", t->format, "reason", t->reason, "fd",
			 fd_to_json(t->fd), "ioas", (json_int_t)t->ioas, "covers_all",
			 t->covers_all, "rate", t->rate, "slow_rate", t->slow_rate,
			 "bytes_per_second_off", t->throughput, "page_sizes", rows);
}

json_t *advise_to_json(const struct advise_result *result, const struct advise_limits *limits)
{
	json_t *trackers = json_array(), *advices = json_array();
	const struct advise_tracker *t;
	int version = 1;
	size_t i;

	for (i = 0; i < result->num; i++) {
		json_array_append_new(trackers, tracker_to_json(&result->trackers[i]));
		/* A reader that ignores fd would confuse IOASes of different iommufds */
		if (result->trackers[i].fd >= 0)
			version = 2;
	}
	for (i = 0; (t = advise_next_ioas(result, &i));) {
		struct advice advice;

		advise_recommend(result, t, limits, &advice);
		json_array_append_new(advices,
				      json_pack("{s:o*, s:I, s:s, s:I, s:s}", "fd",
						fd_to_json(t->fd), "ioas", (json_int_t)t->ioas,
						"tracker", advice.row ? advice.tracker->name : "",
						"page_size", advice.row ?
						(json_int_t)advice.row->page_size : 0,
						"reason", advice.reason));
	}
	return json_pack("{s:i, s:f, s:f, s:f, s:o, s:o}", "iommu-dirty-advise", version,
			 "interval", result->interval, "bandwidth", limits->bandwidth, "slowdown",
			 limits->slowdown, "trackers", trackers, "recommendations", advices);
}

static bool in_range(double value)
{
	return value >= 0 && value <= MAX_VALUE;
}

static const char *row_from(json_t *json, struct advise_row *row)
{
	json_int_t page_size, read_ns, bitmap, sent;

	if (json_unpack(json, "{s:I, s:I, s:I, s:I, s:F}", "page_size", &page_size, "read_ns",
			&read_ns, "bitmap_bytes", &bitmap, "dirty_bytes", &sent,
			"bytes_per_second", &row->throughput))
		return "something is missing in what was measured for a page size";
	if (page_size < 4096 || (page_size & (page_size - 1)))
		return "a page size is out of range";
	if (!in_range(read_ns) || !in_range(bitmap) || !in_range(sent) ||
	    !in_range(row->throughput))
		return "a number is out of range";
	row->page_size = page_size;
	row->read_ns = read_ns;
	row->bitmap_bytes = bitmap;
	row->sent_bytes = sent;
	return NULL;
}

static const char *tracker_from(json_t *json, struct advise_tracker *t)
{
	const char *name, *format, *reason, *wrong = NULL;
	json_int_t ioas, fd = -1;
	int covers_all;
	json_t *rows;
	size_t i;

	if (json_unpack(json, "{s:s, s:s, s:s, s?I, s:I, s:b, s:F, s:F, s:F, s:o}", "tracker",
			&name, "format", &format, "reason", &reason, "fd", &fd, "ioas", &ioas,
			"covers_all", &covers_all, "rate", &t->rate, "slow_rate", &t->slow_rate,
			"bytes_per_second_off", &t->throughput, "page_sizes", &rows))
		return "something is missing in a tracker";
	if (ioas < 0 || ioas > UINT32_MAX || fd < -1 || fd > INT_MAX ||
	    !in_range(t->rate) || !in_range(t->slow_rate) || !in_range(t->throughput))
		return "a number is out of range";
	snprintf(t->name, sizeof(t->name), "%s", name);
	snprintf(t->format, sizeof(t->format), "%s", format);
	snprintf(t->reason, sizeof(t->reason), "%s", reason);
	t->fd = fd;
	t->ioas = ioas;
	t->covers_all = covers_all;
	t->num_rows = json_array_size(rows);
	if (t->num_rows > ADVISE_ROWS)
		return "a tracker has too many page sizes";
	for (i = 0; i < t->num_rows && !wrong; i++)
		wrong = row_from(json_array_get(rows, i), &t->rows[i]);
	return wrong;
}

static const char *result_from(json_t *json, struct advise_result *result)
{
	const char *wrong = NULL;
	json_t *trackers;
	int version;
	size_t num;

	if (json_unpack(json, "{s:i, s:F, s:o}", "iommu-dirty-advise", &version, "interval",
			&result->interval, "trackers", &trackers))
		return "not what iommu-dirty advise --json has written";
	if (version != 1 && version != 2)
		return "of a version that is not known here";
	if (!(result->interval > 0 && result->interval < 1e6))
		return "the interval is out of range";
	num = json_array_size(trackers);
	if (num > MAX_TRACKERS)
		return "there are too many trackers";
	result->trackers = calloc(num + 1, sizeof(*result->trackers));
	if (!result->trackers)
		return "out of memory";
	for (; result->num < num && !wrong; result->num++)
		wrong = tracker_from(json_array_get(trackers, result->num),
				     &result->trackers[result->num]);
	return wrong;
}

const char *advise_from_json(FILE *f, struct advise_result *result)
{
	json_t *json = json_loadf(f, 0, NULL);
	const char *wrong;

	*result = (struct advise_result){};
	if (!json)
		return "not JSON";
	wrong = result_from(json, result);
	json_decref(json);
	if (wrong)
		advise_free(result);
	return wrong;
}

void advise_free(struct advise_result *result)
{
	free(result->trackers);
	*result = (struct advise_result){};
}
