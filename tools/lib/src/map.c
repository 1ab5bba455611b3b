// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * IOVA to host addresses: the mappings of the caller, ordered by IOVA.
 */
#include "internal.h"

struct mapping {
	uint64_t iova;
	uint64_t last;
	char *host;
};

struct idirty_map {
	struct mapping *mappings;
	size_t num;
	size_t room;
};

int idirty_map_new(struct idirty_map **map)
{
	*map = calloc(1, sizeof(**map));
	return *map ? 0 : report(failed(IDIRTY_VERB_MAP, -ENOMEM));
}

void idirty_map_free(struct idirty_map *map)
{
	if (map)
		free(map->mappings);
	free(map);
}

/* Index of the first mapping that does not end before @iova */
static size_t lower(const struct idirty_map *map, uint64_t iova)
{
	size_t low = 0, high = map->num;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (map->mappings[mid].last < iova)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static int add(struct idirty_map *map, uint64_t iova, uint64_t length, void *host)
{
	struct mapping *more;
	uint64_t last;
	size_t at;

	if (!length)
		return blame("length", "is 0", failed(IDIRTY_VERB_MAP, -EINVAL));
	last = iova + (length - 1);
	if (last < iova)
		return blame("length", "exceeds the address space",
			     failed(IDIRTY_VERB_MAP, -EOVERFLOW));
	at = lower(map, iova);
	if (at < map->num && map->mappings[at].iova <= last)
		return blame("iova", "overlaps a mapping that was added",
			     failed(IDIRTY_VERB_MAP, -EEXIST));
	if (map->num == map->room) {
		size_t room = map->room ? 2 * map->room : 16;

		more = realloc(map->mappings, room * sizeof(*more));
		if (!more)
			return failed(IDIRTY_VERB_MAP, -ENOMEM);
		map->mappings = more;
		map->room = room;
	}
	memmove(map->mappings + at + 1, map->mappings + at,
		(map->num - at) * sizeof(*map->mappings));
	map->mappings[at] = (struct mapping){ iova, last, host };
	map->num++;
	return 0;
}

int idirty_map_add(struct idirty_map *map, uint64_t iova, uint64_t length,
		   void *host)
{
	return report(add(map, iova, length, host));
}

int idirty_map_remove(struct idirty_map *map, uint64_t iova, uint64_t length)
{
	size_t at = lower(map, iova);
	struct mapping *m = map->mappings + at;

	if (at == map->num || m->iova != iova || m->last - m->iova + 1 != length)
		return report(blame("iova", "and length are not those of a mapping",
				    failed(IDIRTY_VERB_MAP, -ENOENT)));
	map->num--;
	memmove(m, m + 1, (map->num - at) * sizeof(*m));
	return 0;
}

void *idirty_map_find(const struct idirty_map *map, uint64_t iova, uint64_t *length)
{
	size_t at = lower(map, iova);
	const struct mapping *m = map->mappings + at;

	if (at == map->num || m->iova > iova)
		return NULL;
	if (length && m->last - iova < *length)
		*length = m->last - iova + 1;
	return m->host + (iova - m->iova);
}

/* Length of the hole that starts at @iova, at most @length */
static uint64_t hole_length(const struct idirty_map *map, uint64_t iova, uint64_t length)
{
	size_t at = lower(map, iova);

	if (at == map->num || map->mappings[at].iova - iova >= length)
		return length;
	return map->mappings[at].iova - iova;
}

int idirty_map_run(const struct idirty_map *map, const struct idirty_range *run,
		   idirty_host_fn *fn, void *arg)
{
	uint64_t iova = run->iova, left = run->length;
	bool holes = false;
	int rc;

	while (left) {
		uint64_t length = left;
		void *host = idirty_map_find(map, iova, &length);

		if (host) {
			rc = fn(arg, host, iova, length);
			if (rc)
				return rc;
		} else {
			length = hole_length(map, iova, left);
			holes = true;
		}
		iova += length;
		left -= length;
	}
	return holes ? blame("run", "is not completely in the map",
			     failed(IDIRTY_VERB_MAP, -ENOENT)) : 0;
}
