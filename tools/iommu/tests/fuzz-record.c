// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reads damaged records: fuzz-record FILE SEED N. Each of N inputs is the file
 * with a few bytes changed, cut out or repeated; reading it must end, with a
 * record that can be drawn or with a message. To be built with sanitizers.
 */
#include <stdlib.h>
#include <string.h>

#include "iommu-dirty.h"

#define SPICES	10

static uint64_t seed;

static size_t below(size_t limit)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return limit ? seed % limit : 0;
}

/* What heatmap.c takes from elsewhere; it is not called here */
uint64_t parse_number(struct argp_state *state, const char *arg, uint64_t min, uint64_t max)
{
	(void)state;
	(void)arg;
	(void)max;
	return min;
}

void print_json(json_t *json)
{
	json_decref(json);
}

const char *draw_heatmap(const struct heatmap *map, const char *file, bool svg)
{
	(void)map;
	(void)file;
	return svg ? "no" : NULL;
}

static size_t damage(char *text, size_t len)
{
	static const char *const spice[SPICES] = { "-1", "1e999", "18446744073709551615", "[", "}",
					     "\"", "\n", "\0", "null", "4096" };
	size_t n = 1 + below(4), at, i;

	while (n--) {
		at = below(len);
		switch (below(4)) {
		case 0:
			text[at] = below(256);
			break;
		case 1:
			text[at] ^= 1 << below(8);
			break;
		case 2:
			len = at + 1;
			break;
		default:
			i = below(SPICES);
			if (at + strlen(spice[i]) < len)
				memcpy(text + at, spice[i], strlen(spice[i]));
		}
	}
	return len;
}

static bool try(char *text, size_t len)
{
	struct heatmap map = { .rows = 1 + below(9), .columns = 1 + below(40) };
	struct record record;
	const char *wrong;
	unsigned int line, i;
	FILE *f = fmemopen(text, len, "r");

	if (!f)
		exit(1);
	wrong = record_read(f, &record, &line);
	fclose(f);
	if (wrong)
		return false;
	if (record.num && !heatmap_fill(&map, &record, record.samples[0].ioas))
		for (i = 0; i < map.rows * map.columns; i++)
			if (!(map.cells[i] >= 0 && map.cells[i] <= 1))
				abort();
	free(map.cells);
	record_free(&record);
	return true;
}

int main(int argc, char **argv)
{
	static char good[1 << 16], text[1 << 16];
	unsigned long n, accepted = 0, i;
	size_t len;
	FILE *f;

	if (argc != 4)
		return 2;
	f = fopen(argv[1], "r");
	if (!f)
		return 1;
	len = fread(good, 1, sizeof(good), f);
	fclose(f);
	seed = strtoull(argv[2], NULL, 0) | 1;
	n = strtoul(argv[3], NULL, 0);
	if (!try(good, len))
		return 1;
	for (i = 0; i < n; i++) {
		memcpy(text, good, len);
		accepted += try(text, damage(text, len));
	}
	printf("%lu inputs, %lu of them taken for records\n", n, accepted);
	return 0;
}
