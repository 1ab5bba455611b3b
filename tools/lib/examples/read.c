// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * Reads two trackers of an IOAS into one bitmap, with two threads, and prints how
 * many pages devices have written to within a second:
 * example-read FD IOAS IOVA LENGTH
 */
#include <stdio.h>
#include <stdlib.h>
#include <stdnoreturn.h>
#include <time.h>

#include <iommudirty.h>

#define PAGE	4096

static noreturn void fail(void)
{
	char text[200];

	fprintf(stderr, "%s\n", idirty_strerror(idirty_last_error(), text, sizeof(text)));
	exit(1);
}

static void read_both(struct idirty_tracker *const *t, uint64_t iova, uint64_t length)
{
	const struct timespec second = { 1, 0 };
	struct idirty_read_args read = {
		.size = sizeof(read),
		.iova = iova,
		.length = length,
		.page_size = PAGE,
	};
	uint64_t pages;

	/* READ only sets bits, so the bitmap must start as zero */
	read.bitmap = calloc(1, idirty_bitmap_bytes(iova, length, PAGE));
	if (!read.bitmap)
		exit(1);
	nanosleep(&second, NULL);
	if (idirty_read_threads(t, 2, &read, 2))
		fail();
	pages = idirty_bitmap_pages(iova, length, PAGE);
	printf("%llu of %llu pages\n",
	       (unsigned long long)idirty_bitmap_count(read.bitmap, pages),
	       (unsigned long long)pages);
	free(read.bitmap);
}

int main(int argc, char **argv)
{
	struct idirty_target target;
	struct idirty_tracker *t[2];
	struct idirty *ctx;
	int i;

	if (argc != 5)
		return 2;
	target = (struct idirty_target)IDIRTY_TARGET(strtoul(argv[2], NULL, 0));
	if (idirty_open(atoi(argv[1]), &ctx))
		fail();
	for (i = 0; i < 2; i++)
		if (idirty_alloc(ctx, &target, &t[i]) || idirty_start(t[i], 0, NULL, 0, NULL))
			fail();
	read_both(t, strtoull(argv[3], NULL, 0), strtoull(argv[4], NULL, 0));
	for (i = 0; i < 2; i++)
		if (idirty_destroy(t[i]))
			fail();
	idirty_close(ctx);
	return 0;
}
