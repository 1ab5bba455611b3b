// SPDX-License-Identifier: GPL-2.0-only
/*
 * The fuzz target for record files, called by fuzz.c. An accepted file can be drawn.
 */
#include <math.h>
#include <stdlib.h>

#include "fuzz.h"
#include "iommu-dirty.h"

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
	map.fd = record.num ? record.samples[0].fd : -1;
	map.ioas = record.num ? record.samples[0].ioas : 0;
	if (!heatmap_fill(&map, &record))
		for (i = 0; i < map.rows * map.columns; i++)
			if (!(map.cells[i] >= 0 && isfinite(map.cells[i])))
				abort();
	free(map.cells);
	record_free(&record);
	return true;
}
