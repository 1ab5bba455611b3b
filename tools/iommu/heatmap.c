// SPDX-License-Identifier: GPL-2.0-only
/*
 * heatmap: draws a record as a picture. Time goes down, addresses go to the right; a
 * cell shows the average fraction of its pages that was dirty in a sample.
 */
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "iommu-dirty.h"

struct heatmap_options {
	const char *file;
	const char *svg;
	const char *png;
	int fd;			/* -1: any iommufd */
	uint32_t ioas;		/* 0: the IOAS of the first sample */
	bool json;
	struct heatmap map;
};

enum { KEY_SVG = 256, KEY_PNG, KEY_FROM, KEY_TO };

static const struct argp_option options[] = {
	{ "svg", KEY_SVG, "FILE", 0, "draw an SVG picture", 0 },
	{ "png", KEY_PNG, "FILE", 0, "draw a PNG picture", 0 },
	{ "json", 'j', NULL, 0, "print the cells as JSON", 0 },
	{ "ioas", 'a', "[FD:]ID", 0, "draw this address space (that of the first sample)", 0 },
	{ "rows", 'r', "N", 0, "rows of the time axis (24)", 0 },
	{ "columns", 'c', "N", 0, "columns of the address axis (64)", 0 },
	{ "from", KEY_FROM, "IOVA", 0, "start at this address (the first dirty one)", 0 },
	{ "to", KEY_TO, "IOVA", 0, "end at this address (the last dirty one)", 0 },
	{ 0 }
};

/* ID, or FD:ID as printed by rate */
static void parse_ioas(struct argp_state *state, char *arg, struct heatmap_options *opt)
{
	char *colon = strchr(arg, ':');

	if (colon) {
		*colon = 0;
		opt->fd = parse_number(state, arg, 0, INT_MAX);
	}
	opt->ioas = parse_number(state, colon ? colon + 1 : arg, 1, UINT32_MAX);
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct heatmap_options *opt = state->input;

	switch (key) {
	case KEY_SVG:
		opt->svg = arg;
		break;
	case KEY_PNG:
		opt->png = arg;
		break;
	case 'j':
		opt->json = true;
		break;
	case 'a':
		parse_ioas(state, arg, opt);
		break;
	case 'r':
		opt->map.rows = parse_number(state, arg, 1, 4096);
		break;
	case 'c':
		opt->map.columns = parse_number(state, arg, 1, 4096);
		break;
	case KEY_FROM:
		opt->map.first = parse_size(state, arg, 0, UINT64_MAX - 1);
		break;
	case KEY_TO:
		opt->map.last = parse_size(state, arg, 1, UINT64_MAX);
		break;
	case ARGP_KEY_ARG:
		if (opt->file)
			argp_error(state, "only one file can be drawn: %s and %s are two",
				   opt->file, arg);
		opt->file = arg;
		break;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "name the file that iommu-dirty record has written");
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

/* Fills in missing bounds from the record; false if nothing is dirty or they are empty */
static bool find_bounds(struct heatmap *map, const struct record *record, int fd,
			uint32_t ioas)
{
	uint64_t first = UINT64_MAX, last = 0;
	bool any = false;
	size_t i, j;

	for (i = 0; i < record->num; i++) {
		const struct sample *s = &record->samples[i];

		if (s->fd != fd || s->ioas != ioas)
			continue;
		map->end = s->time;
		for (j = 0; j < s->num_runs; j++) {
			uint64_t end = s->runs[j].iova + (s->runs[j].length - 1);

			any = true;
			if (s->runs[j].iova < first)
				first = s->runs[j].iova;
			if (end > last)
				last = end;
		}
	}
	if (map->first == UINT64_MAX)
		map->first = first;
	if (!map->last)
		map->last = last;
	return any && map->first <= map->last;
}

static void add_run(struct heatmap *map, unsigned int row, const struct idirty_range *run)
{
	/* In double: a cell can be as large as the address space */
	double cell = ((double)(map->last - map->first) + 1) / map->columns;
	uint64_t end = run->iova + (run->length - 1);
	double from, to;
	unsigned int c;

	if (end < map->first || run->iova > map->last)
		return;
	from = run->iova > map->first ? run->iova - map->first : 0;
	to = (end < map->last ? end - map->first : map->last - map->first) + 1.0;
	for (c = from / cell; c < map->columns && c * cell < to; c++) {
		double a = c * cell > from ? c * cell : from;
		double b = (c + 1) * cell < to ? (c + 1) * cell : to;

		if (b > a)
			map->cells[row * map->columns + c] += (b - a) / cell;
	}
}

int heatmap_fill(struct heatmap *map, const struct record *record, int fd, uint32_t ioas)
{
	unsigned int *samples, row, c;
	size_t i, j;

	if (!find_bounds(map, record, fd, ioas))
		return -ENOENT;
	samples = calloc(map->rows, sizeof(*samples));
	map->cells = calloc((size_t)map->rows * map->columns, sizeof(*map->cells));
	if (!samples || !map->cells) {
		free(samples);
		return -ENOMEM;
	}
	for (i = 0; i < record->num; i++) {
		const struct sample *s = &record->samples[i];

		if (s->fd != fd || s->ioas != ioas)
			continue;
		/* A sample covers the time before it */
		row = map->end > 0 ? ceil(s->time / map->end * map->rows) : 0;
		row -= row > 0;
		samples[row]++;
		for (j = 0; j < s->num_runs; j++)
			add_run(map, row, &s->runs[j]);
	}
	for (row = 0; row < map->rows; row++)
		for (c = 0; samples[row] && c < map->columns; c++) {
			double *cell = &map->cells[row * map->columns + c];

			*cell /= samples[row];
			if (*cell > 1)
				*cell = 1;
		}
	free(samples);
	return 0;
}

/* A digit for the tenths; a cell that is dirty at all is not a blank */
static char to_char(double part)
{
	if (part <= 0)
		return ' ';
	return '0' + (part >= 1 ? 9 : (int)(part * 10));
}

static void print_ascii(const struct heatmap *map)
{
	unsigned int row, c;

	printf("# addresses %#llx to %#llx, %.3f s; 0 to 9: tenths of a cell that are dirty\n",
	       (unsigned long long)map->first, (unsigned long long)map->last, map->end);
	for (row = 0; row < map->rows; row++) {
		printf("%9.3f |", map->end * (row + 1) / map->rows);
		for (c = 0; c < map->columns; c++)
			putchar(to_char(map->cells[row * map->columns + c]));
		printf("|\n");
	}
}

static void print_cells(const struct heatmap *map)
{
	json_t *rows = json_array();
	unsigned int row, c;

	for (row = 0; row < map->rows; row++) {
		json_t *cells = json_array();

		for (c = 0; c < map->columns; c++)
			json_array_append_new(cells, json_real(map->cells[row * map->columns + c]));
		json_array_append_new(rows, cells);
	}
	print_json(json_pack("{s:I, s:I, s:f, s:o}", "first", (json_int_t)map->first, "last",
			     (json_int_t)map->last, "seconds", map->end, "rows", rows));
}

static int output(const struct heatmap_options *opt)
{
	const char *wrong = NULL;

	if (opt->svg)
		wrong = draw_heatmap(&opt->map, opt->svg, true);
	if (wrong)
		return complain(EXIT_FAILED, "%s: %s", opt->svg, wrong);
	if (opt->png)
		wrong = draw_heatmap(&opt->map, opt->png, false);
	if (wrong)
		return complain(EXIT_FAILED, "%s: %s", opt->png, wrong);
	if (opt->json)
		print_cells(&opt->map);
	else if (!opt->svg && !opt->png)
		print_ascii(&opt->map);
	return EXIT_OK;
}

/* Resolves the iommufd and IOAS to draw; returns an exit code */
static int choose_ioas(struct heatmap_options *opt, const struct record *record)
{
	const struct sample *found = NULL;
	size_t i;

	for (i = 0; i < record->num; i++) {
		const struct sample *s = &record->samples[i];

		if ((opt->ioas && s->ioas != opt->ioas) || (opt->fd >= 0 && s->fd != opt->fd))
			continue;
		if (!found)
			found = s;
		else if (opt->ioas && s->fd != found->fd)
			return complain(EXIT_USAGE, "%s: there is --ioas %d:%u, and --ioas %d:%u",
					opt->file, found->fd, opt->ioas, s->fd, opt->ioas);
	}
	if (found) {
		opt->fd = found->fd;
		opt->ioas = found->ioas;
	}
	return EXIT_OK;
}

int cmd_heatmap(int argc, char **argv)
{
	static const struct argp argp = {
		.options = options,
		.parser = parse,
		.args_doc = "FILE",
		.doc = "Draw what iommu-dirty record has written, address by time.",
	};
	struct heatmap_options opt = {
		.fd = -1,
		.map = { .rows = 24, .columns = 64, .first = UINT64_MAX },
	};
	struct record record;
	const char *wrong;
	unsigned int line;
	FILE *f;
	int rc;

	parse_options(&argp, argc, argv, &opt);
	f = record_open(opt.file, false);
	if (!f)
		return complain(EXIT_FAILED, "%s: %s", opt.file, strerror(errno));
	wrong = record_read(f, &record, &line);
	fclose(f);
	if (wrong)
		return complain(EXIT_FAILED, "%s: line %u: %s", opt.file, line, wrong);
	if (record.cut_off)
		complain(0, "%s: line %u is cut off, and left out", opt.file, line);
	rc = choose_ioas(&opt, &record);
	if (rc) {
		record_free(&record);
		return rc;
	}
	rc = heatmap_fill(&opt.map, &record, opt.fd, opt.ioas);
	if (rc == -ENOENT)
		rc = complain(EXIT_NOTHING, "%s: nothing is dirty there", opt.file);
	else if (rc)
		rc = complain(EXIT_FAILED, "out of memory");
	else
		rc = output(&opt);
	free(opt.map.cells);
	record_free(&record);
	return rc;
}
