// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * Linked with error.c and bitmap.c of the C library: prints the texts of all errors, and the
 * runs of random bitmaps. like_c.rs prints the same with the crate.
 */
#include <stdio.h>

#include "internal.h"

static uint64_t below(uint64_t limit)
{
	static uint64_t seed = 88172645463325252ULL;

	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed % limit;
}

static void print_error(const struct idirty_error *error)
{
	char text[300];

	printf("%s\n", idirty_strerror(error, text, sizeof(text)));
}

static void print_errors(void)
{
	static const enum idirty_verb verbs[] = {
		IDIRTY_VERB_ALLOC, IDIRTY_VERB_INFO, IDIRTY_VERB_START, IDIRTY_VERB_STOP,
		IDIRTY_VERB_READ, IDIRTY_VERB_SCAN, IDIRTY_VERB_UNMAP, IDIRTY_VERB_UPDATE,
		IDIRTY_VERB_DESTROY, IDIRTY_VERB_LIST, IDIRTY_VERB_MARK,
		IDIRTY_VERB_OPTION,
	};
	struct idirty_error error = { .size = sizeof(error) };
	unsigned int i;

	for (i = 0; i < sizeof(verbs) / sizeof(*verbs); i++) {
		error.verb = verbs[i];
		for (error.code = 1; error.code < 134; error.code++)
			for (error.tracker = 0; error.tracker < 3; error.tracker++)
				print_error(&error);
	}
	error = (struct idirty_error){
		.size = sizeof(error), .code = ENXIO, .verb = IDIRTY_VERB_START,
	};
	for (error.member_type = 1; error.member_type < 5; error.member_type++)
		for (error.reason = 0; error.reason < 10; error.reason++)
			print_error(&error);
	for (i = 0; i < 10; i++)
		printf("%s\n", idirty_format_text(i));
}

static void print_runs(void)
{
	static uint8_t bitmap[4096];
	struct idirty_range range, run;
	uint64_t page_size, pages, pos, page;

	page_size = 4096ULL << below(12);
	range.length = 1 + below(page_size * (1 + below(300)));
	range.iova = below(2) ? below(1ULL << 40) : UINT64_MAX - (range.length - 1);
	memset(bitmap, 0, sizeof(bitmap));
	pages = idirty_bitmap_pages(range.iova, range.length, page_size);
	for (page = 0; page < pages; page++)
		if (below(3))
			bit_set(bitmap, page);
	printf("%llu pages, %llu dirty\n", (unsigned long long)pages,
	       (unsigned long long)idirty_bitmap_count(bitmap, pages));
	for (pos = 0; idirty_bitmap_next_run(bitmap, &range, page_size, &pos, &run); )
		printf("%#llx %llu\n", (unsigned long long)run.iova,
		       (unsigned long long)run.length);
}

int main(void)
{
	int i;

	print_errors();
	for (i = 0; i < 300; i++)
		print_runs();
	return 0;
}
