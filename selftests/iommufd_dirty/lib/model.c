// SPDX-License-Identifier: GPL-2.0-only
/*
 * A naive model of a tracker over 4 KiB IO page-table entries: a list of pages and
 * their dirty state. It computes the exact result that any READ must have.
 */
#include <string.h>

#include "lib.h"

void model_open(struct model *m, size_t num)
{
	m->num = num;
	m->iova = calloc(num, sizeof(*m->iova));
	m->dirty = calloc(num, sizeof(*m->dirty));
	if (!m->iova || !m->dirty)
		fatal("out of memory");
}

void model_close(struct model *m)
{
	free(m->iova);
	free(m->dirty);
}

void model_set_all(struct model *m)
{
	memset(m->dirty, 1, m->num * sizeof(*m->dirty));
}

size_t model_num_dirty(const struct model *m)
{
	size_t num = 0;
	size_t i;

	for (i = 0; i < m->num; i++)
		num += m->dirty[i];
	return num;
}

static __u64 model_mark(const struct read_args *args, __u64 first, __u64 last,
			void *data)
{
	__u64 base = args->iova / args->page_size;
	__u64 set = 0;
	__u64 page;

	for (page = first / args->page_size; page <= last / args->page_size;
	     page++) {
		set += !bitmap_test(data, page - base);
		bitmap_set(data, page - base);
	}
	return set;
}

__u64 model_read(struct model *m, const struct read_args *args, void *data)
{
	__u64 range_last = args->iova + args->length - 1;
	__u64 set = 0;
	size_t i;

	for (i = 0; i < m->num; i++) {
		__u64 first = m->iova[i];
		__u64 last = first + SZ_4K - 1;

		if (!m->dirty[i] || last < args->iova || first > range_last)
			continue;
		/* An entry that is only partly in the range stays dirty */
		if (first >= args->iova && last <= range_last &&
		    !(args->flags & IOMMU_DIRTY_READ_NO_CLEAR))
			m->dirty[i] = false;
		if (first < args->iova)
			first = args->iova;
		if (last > range_last)
			last = range_last;
		set += model_mark(args, first, last, data);
	}
	return set;
}

static bool touches(__u64 page, __u64 first, __u64 last)
{
	return page + (SZ_4K - 1) >= first && page <= last;
}

void model_mark_run(struct model *m, const struct iommu_dirty_run *run)
{
	size_t i;

	for (i = 0; i < m->num; i++)
		m->dirty[i] |= touches(m->iova[i], run->iova,
				       run->iova + (run->length - 1));
}

void model_mark_bitmap(struct model *m, const struct read_args *args, const void *data)
{
	__u64 range_last = args->iova + (args->length - 1);
	__u64 page = args->iova / args->page_size * args->page_size;
	__u64 bit;
	size_t i;

	for (bit = 0; page <= range_last; bit++, page += args->page_size) {
		__u64 first = page > args->iova ? page : args->iova;
		__u64 last = page + (args->page_size - 1);

		if (!bitmap_test(data, bit))
			continue;
		last = last < range_last ? last : range_last;
		for (i = 0; i < m->num; i++)
			m->dirty[i] |= touches(m->iova[i], first, last);
	}
}
