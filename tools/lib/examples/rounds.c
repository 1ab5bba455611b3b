// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * Prints once a second which pages of an IOAS have become dirty. The iommufd is
 * inherited, as in a helper that a VMM starts:
 * example-rounds FD IOAS IOVA LENGTH
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <iommudirty.h>

static int fail(void)
{
	char text[200];

	fprintf(stderr, "%s\n", idirty_strerror(idirty_last_error(), text, sizeof(text)));
	return 1;
}

static int print_dirty(struct idirty_tracker *t, uint64_t iova, uint64_t length)
{
	struct idirty_range runs[256];
	uint32_t n;

	while (length) {
		struct idirty_scan_args scan = {
			.size = sizeof(scan),
			.num_runs = 256,
			.iova = iova,
			.length = length,
			.page_size = 4096,
			.runs = runs,
		};

		if (idirty_scan(&t, 1, &scan))
			return -1;
		for (n = 0; n < scan.num_runs; n++)
			printf("%#llx %llu\n", (unsigned long long)runs[n].iova,
			       (unsigned long long)runs[n].length);
		/* There may have been more than 256 */
		iova += scan.out_length;
		length -= scan.out_length;
	}
	return 0;
}

int main(int argc, char **argv)
{
	const struct timespec second = { 1, 0 };
	struct idirty_target target;
	struct idirty_tracker *t;
	struct idirty *ctx;
	int i, rc;

	if (argc != 5)
		return 2;
	target = (struct idirty_target)IDIRTY_TARGET(strtoul(argv[2], NULL, 0));
	if (idirty_open(atoi(argv[1]), &ctx) || idirty_alloc(ctx, &target, &t) ||
	    idirty_start(t, 0, NULL, 0, NULL))
		return fail();
	for (i = 0; i < 10; i++) {
		nanosleep(&second, NULL);
		if (print_dirty(t, strtoull(argv[3], NULL, 0), strtoull(argv[4], NULL, 0)))
			return fail();
	}
	rc = idirty_destroy(t) ? fail() : 0;
	idirty_close(ctx);
	return rc;
}
