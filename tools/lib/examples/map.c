// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * Finds the memory of this process that a device has written to. A run of IOVAs that
 * is mapped to two buffers is reported as two pieces.
 */
#include <stdio.h>

#include <iommudirty.h>

static char low[0x3000], high[0x2000];

static int print_piece(void *arg, void *host, uint64_t iova, uint64_t length)
{
	const char *name = (char *)host >= low && (char *)host < low + sizeof(low) ?
			   "low" : "high";
	char *base = *name == 'l' ? low : high;

	(void)arg;
	printf("%#llx: %s + %#zx, %llu bytes\n", (unsigned long long)iova, name,
	       (size_t)((char *)host - base), (unsigned long long)length);
	return 0;
}

int main(void)
{
	const struct idirty_range run = { 0x12000, 0x2000 };
	struct idirty_map *map;
	int rc;

	rc = idirty_map_new(&map);
	if (rc)
		return 1;
	rc = idirty_map_add(map, 0x10000, sizeof(low), low);
	if (!rc)
		rc = idirty_map_add(map, 0x13000, sizeof(high), high);
	if (!rc)
		rc = idirty_map_run(map, &run, print_piece, NULL);
	printf("%#x: %s\n", 0x20000,
	       idirty_map_find(map, 0x20000, NULL) ? "mapped" : "not mapped");
	idirty_map_free(map);
	return rc ? 1 : 0;
}
