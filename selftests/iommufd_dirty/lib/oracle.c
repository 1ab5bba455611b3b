// SPDX-License-Identifier: GPL-2.0-only
/*
 * The memory oracle, modelled on KVM's dirty_log_test: devices keep writing new
 * values to pages. A page that was not reported must still have the value of its
 * last copy. A page that was reported should have a different value.
 */
#include <string.h>

#include "lib.h"

#define SHOWN 5

void oracle_open(struct oracle *o, struct env *env, size_t pages, __u64 iova)
{
	memset(o, 0, sizeof(*o));
	o->env = env;
	o->pages = pages;
	o->iova = iova;
	o->mem = mem_alloc(pages * SZ_4K);
	memset(o->mem, 0, pages * SZ_4K);
	o->shadow = mem_alloc(pages * sizeof(*o->shadow));
	o->bitmap = mem_alloc(bitmap_bytes(0, pages * SZ_4K, SZ_4K));
}

void oracle_map(struct oracle *o, __u32 ioas)
{
	ioas_map(o->env->fd, ioas, o->mem, o->pages * SZ_4K, o->iova);
}

void oracle_close(struct oracle *o)
{
	mem_free(o->bitmap, bitmap_bytes(0, o->pages * SZ_4K, SZ_4K));
	mem_free(o->shadow, o->pages * sizeof(*o->shadow));
	mem_free(o->mem, o->pages * SZ_4K);
}

/* The offset of the value varies by page: start, end, or in between */
static size_t oracle_offset(size_t page)
{
	return page % 3 == 0 ? 0 : page % 3 == 1 ? SZ_4K - 8 :
						   page * 8 % SZ_4K;
}

__u64 oracle_page_iova(const struct oracle *o, size_t page)
{
	return o->iova + page * SZ_4K;
}

static __u64 oracle_value(const struct oracle *o, size_t page)
{
	const __u64 *value = o->mem + page * SZ_4K + oracle_offset(page);

	return __atomic_load_n(value, __ATOMIC_ACQUIRE);
}

void oracle_write(struct oracle *o, unsigned int index, size_t page)
{
	env_store(o->env, index, oracle_page_iova(o, page) + oracle_offset(page));
	o->writes++;
}

void oracle_check(struct oracle *o)
{
	size_t page;

	for (page = 0; page < o->pages; page++) {
		__u64 value = oracle_value(o, page);
		bool reported = bitmap_test(o->bitmap, page);

		if (reported && value == o->shadow[page])
			o->extra++;
		if (!reported && value != o->shadow[page] && o->lost++ < SHOWN)
			lib_note("page %zu went from %llu to %llu unreported",
				 page, o->shadow[page], value);
		if (reported)
			o->shadow[page] = value;
	}
}

void oracle_copy(struct oracle *o)
{
	size_t page;

	for (page = 0; page < o->pages; page++)
		if (bitmap_test(o->bitmap, page))
			o->shadow[page] = oracle_value(o, page);
}

__u64 oracle_read(struct oracle *o, __u32 flags)
{
	__u64 length = o->pages * SZ_4K;
	__u64 set;

	memset(o->bitmap, 0, bitmap_bytes(o->iova, length, SZ_4K));
	set = env_read(o->env, o->iova, length, SZ_4K, flags, o->bitmap);
	if (set != bitmap_count(o->bitmap, o->pages))
		fatal("out_pages is %llu, but %llu bits are set", set,
		      bitmap_count(o->bitmap, o->pages));
	return set;
}

size_t oracle_differing(const struct oracle *o)
{
	size_t differing = 0;
	size_t page;

	for (page = 0; page < o->pages; page++)
		differing += oracle_value(o, page) != o->shadow[page];
	return differing;
}

bool oracle_tracked(struct oracle *o, unsigned int index)
{
	__u64 found;

	env_load(o->env, index);
	oracle_write(o, index, 0);
	oracle_write(o, index, random_below(o->pages));
	oracle_write(o, index, o->pages - 1);
	found = oracle_read(o, 0);
	oracle_check(o);
	return found && !o->lost && !o->extra && !oracle_differing(o);
}
