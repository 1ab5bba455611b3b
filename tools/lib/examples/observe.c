// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * Observes an IOAS of an inherited iommufd for a second, and makes no call of its owner
 * fail: example-observe FD IOAS IOVA LENGTH
 */
#include <stdio.h>
#include <stdlib.h>
#include <stdnoreturn.h>
#include <time.h>
#include <unistd.h>

#include <iommudirty.h>

static noreturn void fail(void)
{
	char text[200];

	fprintf(stderr, "%s\n", idirty_strerror(idirty_last_error(), text, sizeof(text)));
	exit(1);
}

static uint32_t flags_of(struct idirty_tracker *t)
{
	struct idirty_tracker_info *info;
	uint32_t flags;

	if (idirty_info(t, &info))
		fail();
	flags = info->flags;
	idirty_free(info);
	return flags;
}

int main(int argc, char **argv)
{
	const struct timespec second = { .tv_sec = 1 };
	struct idirty_read_args read = { .size = sizeof(read), .page_size = 4096 };
	struct idirty_target target;
	struct idirty_tracker *t;
	struct idirty *ctx;

	if (argc < 5)
		return 2;
	target = (struct idirty_target)IDIRTY_TARGET(strtoul(argv[2], NULL, 0));
	target.flags = IDIRTY_ALLOC_PASSIVE | IDIRTY_ALLOC_FILE;
	read.iova = strtoull(argv[3], NULL, 0);
	read.length = strtoull(argv[4], NULL, 0);
	read.bitmap = calloc(1, idirty_bitmap_bytes(read.iova, read.length, 4096));
	if (!read.bitmap || idirty_open(atoi(argv[1]), &ctx) || idirty_alloc(ctx, &target, &t))
		fail();
	/* From here on, only the tracker's own file is needed */
	idirty_close(ctx);
	close(atoi(argv[1]));

	if (idirty_start(t, 0, NULL, 0, NULL))
		fail();
	nanosleep(&second, NULL);
	if (idirty_read(&t, 1, &read, NULL)) {
		if (flags_of(t) & IDIRTY_TRACKER_GONE)
			printf("the IOAS has been destroyed\n");
		fail();
	}
	/* A blind tracker reports all that is mapped */
	printf("%llu pages%s\n", (unsigned long long)read.out_pages,
	       flags_of(t) & IDIRTY_TRACKER_BLIND ? ", but not all members can be tracked" : "");
	free(read.bitmap);
	return idirty_destroy(t) ? 1 : 0;
}
