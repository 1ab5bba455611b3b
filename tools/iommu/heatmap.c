// SPDX-License-Identifier: GPL-2.0-only
/*
 * heatmap: draws a record, as text, JSON or a picture. Time goes down, addresses go to the
 * right.
 */
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "iommu-dirty.h"

struct heatmap_options {
	const char *file;
	const char *output;
	bool json;
	struct heatmap map;	/* fd of -1: any iommufd; ioas of 0: that of the first sample */
};

enum { KEY_FROM = 256, KEY_TO };

static const struct argp_option options[] = {
	{ "output", 'o', "FILE", 0, "draw a picture: FILE.svg, FILE.png or FILE.html", 0 },
	{ "json", 'j', NULL, 0, "print the cells as JSON", 0 },
	{ "ioas", 'a', "[FD:]ID", 0, "draw this address space (that of the first sample)", 0 },
	{ "rows", 'r', "N", 0, "rows of the time axis (24; 200 in pictures)", 0 },
	{ "columns", 'c', "N", 0, "columns of the address axis (64; 400 in pictures)", 0 },
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
		opt->map.fd = parse_number(state, arg, 0, INT_MAX);
	}
	opt->map.ioas = parse_number(state, colon ? colon + 1 : arg, 1, UINT32_MAX);
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct heatmap_options *opt = state->input;

	switch (key) {
	case 'o':
		if (!is_picture(arg))
			argp_error(state, "%s does not end with .svg, .png or .html", arg);
		opt->output = arg;
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

/* Cells differ by orders of magnitude, so steps of brightness do, too */
#define RAMP		".:-=+*#%@"
#define DECADES		4

struct scale {
	double low;
	double high;
};

static struct scale find_scale(const struct heatmap *map)
{
	struct scale scale = { INFINITY, 0 };
	size_t i;

	for (i = 0; i < (size_t)map->rows * map->columns; i++) {
		if (map->cells[i] <= 0)
			continue;
		scale.low = fmin(scale.low, map->cells[i]);
		scale.high = fmax(scale.high, map->cells[i]);
	}
	scale.low = fmax(scale.low, scale.high / pow(10, DECADES));
	return scale;
}

static char to_char(const struct scale *scale, double rate)
{
	double part = log(rate / scale->low) / log(scale->high / scale->low);

	if (rate <= 0)
		return ' ';
	/* With one value only, it is the brightest */
	return RAMP[scale->high > scale->low ?
		    (int)(fmin(fmax(part, 0), 1) * (sizeof(RAMP) - 2) + 0.5) : sizeof(RAMP) - 2];
}

static void print_row(const struct heatmap *map, const struct scale *scale, unsigned int row)
{
	const double *cell = &map->cells[row * map->columns];
	unsigned int i, c;

	printf("%9.3f |", map->end * (row + 1) / map->rows);
	for (i = 0; i < map->num_segments; i++) {
		if (i)
			fputs("~|", stdout);
		for (c = 0; c < map->segments[i].columns; c++)
			putchar(to_char(scale, *cell++));
	}
	puts("|");
}

static void print_ascii(const struct heatmap *map)
{
	struct scale scale = find_scale(map);
	unsigned int i;

	for (i = 0; i < map->rows; i++)
		print_row(map, &scale, i);
	for (i = 0; i < map->num_segments; i++) {
		const struct heat_segment *s = &map->segments[i];

		printf("#%s %u columns: %#llx to %#llx\n", i ? " ~" : "", s->columns,
		       (unsigned long long)s->first, (unsigned long long)s->last);
	}
	if (scale.high > 0)
		printf("# MiB/s dirtied in a cell: %c is %.3g, %c is %.3g, %s\n", RAMP[0],
		       scale.low / 1048576, RAMP[sizeof(RAMP) - 2], scale.high / 1048576,
		       "logarithmic; blank: clean");
	else
		puts("# blank: clean");
}

static json_t *rows_to_json(const struct heatmap *map)
{
	json_t *rows = json_array();
	unsigned int row, c;

	for (row = 0; row < map->rows; row++) {
		json_t *cells = json_array();

		for (c = 0; c < map->columns; c++)
			json_array_append_new(cells, json_real(map->cells[row * map->columns + c]));
		json_array_append_new(rows, cells);
	}
	return rows;
}

static json_t *segments_to_json(const struct heatmap *map)
{
	json_t *all = json_array();
	unsigned int i;

	for (i = 0; i < map->num_segments; i++) {
		const struct heat_segment *s = &map->segments[i];

		json_array_append_new(all, json_pack("{s:o, s:o, s:I}", "first",
						     address_to_json(s->first), "last",
						     address_to_json(s->last), "columns",
						     (json_int_t)s->columns));
	}
	return all;
}

/* Adds what the header tells about the IOAS, and which others there are */
static void add_spaces(json_t *json, const struct heatmap *map, json_t *header)
{
	json_t *space, *devices = json_array(), *others = json_array();
	size_t i;

	json_array_foreach(json_object_get(header, "address_spaces"), i, space) {
		json_t *fd = json_object_get(space, "fd");

		if (json_integer_value(json_object_get(space, "ioas")) == map->ioas &&
		    (fd ? json_integer_value(fd) : -1) == map->fd)
			json_array_extend(devices, json_object_get(space, "devices"));
		else
			json_array_append(others, space);
	}
	json_object_set_new(json, "devices", devices);
	json_object_set_new(json, "others", others);
}

static json_t *to_json(const struct heatmap_options *opt, const struct record *record)
{
	const struct heatmap *map = &opt->map;
	const char *start = "", *host = "";
	json_t *json;

	json_unpack(record->header, "{s?s, s?s}", "start", &start, "host", &host);
	json = json_pack("{s:i, s:o, s:s, s:s, s:I, s:o*, s:I, s:f, s:o, s:o}",
			 "iommu-dirty-heatmap", 1, "file", text_to_json(opt->file), "start", start,
			 "host", host, "page_size", (json_int_t)record->page_size,
			 "fd", fd_to_json(map->fd),
			 "ioas", (json_int_t)map->ioas, "seconds", map->end,
			 "segments", segments_to_json(map), "rows", rows_to_json(map));
	add_spaces(json, map, record->header);
	return json;
}

static int output(const struct heatmap_options *opt, const struct record *record)
{
	json_t *json;
	int rc = EXIT_OK;

	if (!opt->json && !opt->output) {
		print_ascii(&opt->map);
		return EXIT_OK;
	}
	json = to_json(opt, record);
	if (opt->output)
		rc = draw(json, opt->output);
	if (opt->json)
		print_json(json, true);
	else
		json_decref(json);
	return rc;
}

/* Resolves the iommufd and IOAS to draw; returns an exit code */
static int choose_ioas(struct heatmap_options *opt, const struct record *record)
{
	const struct sample *found = NULL;
	struct heatmap *map = &opt->map;
	size_t i;

	for (i = 0; i < record->num; i++) {
		const struct sample *s = &record->samples[i];

		if ((map->ioas && s->ioas != map->ioas) || (map->fd >= 0 && s->fd != map->fd))
			continue;
		if (!found)
			found = s;
		else if (map->ioas && s->fd != found->fd)
			return complain(EXIT_USAGE, "%s: there is --ioas %d:%u, and --ioas %d:%u",
					opt->file, found->fd, map->ioas, s->fd, map->ioas);
	}
	if (found) {
		map->fd = found->fd;
		map->ioas = found->ioas;
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
		.map = { .fd = -1, .first = UINT64_MAX },
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
	if (wrong && !line)
		return complain(EXIT_FAILED, "%s: %s", opt.file, wrong);
	if (wrong)
		return complain(EXIT_FAILED, "%s: line %u: %s", opt.file, line, wrong);
	if (record.cut_off)
		complain(0, "%s: line %u is cut off, and left out", opt.file, line);
	rc = choose_ioas(&opt, &record);
	if (rc) {
		record_free(&record);
		return rc;
	}
	/* Pictures have pixels, and text has characters */
	opt.map.rows = opt.map.rows ?: opt.output ? 200 : 24;
	opt.map.columns = opt.map.columns ?: opt.output ? 400 : 64;
	rc = heatmap_fill(&opt.map, &record);
	if (rc == -ENOENT)
		rc = complain(EXIT_NOTHING, "%s: nothing is dirty there", opt.file);
	else if (rc)
		rc = complain(EXIT_FAILED, "out of memory");
	else
		rc = output(&opt, &record);
	free(opt.map.cells);
	record_free(&record);
	return rc;
}
