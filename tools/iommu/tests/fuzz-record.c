// SPDX-License-Identifier: GPL-2.0-only
/*
 * The fuzz target for record files, called by fuzz.c. An accepted file can be drawn.
 */
#include <stdlib.h>

#include "fuzz.h"
#include "iommu-dirty.h"

/* Stubs: heatmap.c refers to these, but does not call them here */
void parse_options(const struct argp *argp, int argc, char **argv, void *input)
{
	(void)argp;
	(void)argc;
	(void)argv;
	(void)input;
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

bool fuzz_one(char *text, size_t len)
{
	struct heatmap map = {
		.rows = 1 + fuzz_below(9),
		.columns = 1 + fuzz_below(40),
		.first = fuzz_below(2) ? UINT64_MAX : 0,
	};
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
	if (record.num && !heatmap_fill(&map, &record, record.samples[0].fd,
					record.samples[0].ioas))
		for (i = 0; i < map.rows * map.columns; i++)
			if (!(map.cells[i] >= 0 && map.cells[i] <= 1))
				abort();
	free(map.cells);
	record_free(&record);
	return true;
}
