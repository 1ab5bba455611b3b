// SPDX-License-Identifier: GPL-2.0-only
/*
 * The rounds of a live migration: example-vmm FD IOAS IOVA LENGTH
 *
 * FD is the iommufd. The functions before migrate() stand for what a VMM has. README.md
 * shows migrate().
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <iommudirty.h>

static void wait_for_network(void)
{
	const struct timespec time = { 0, 1000000 };

	nanosleep(&time, NULL);
}

static void send_all(const struct idirty_range *ram)
{
	printf("all: %llu bytes\n", (unsigned long long)ram->length);
	wait_for_network();
}

static void send_dirty(const struct idirty_range *ram, const void *bitmap)
{
	struct idirty_range run;
	uint64_t pos = 0;

	while (idirty_bitmap_next_run(bitmap, ram, 4096, &pos, &run))
		printf("%#llx: %llu bytes\n", (unsigned long long)run.iova,
		       (unsigned long long)run.length);
	wait_for_network();
}

static void stop_guest_and_devices(void)
{
	printf("guest and devices have stopped\n");
}

/* Returns 0, or a negative errno after which idirty_last_error() says why */
static int migrate(int iommufd, uint32_t ioas, const struct idirty_range *ram, void *bitmap)
{
	size_t bytes = idirty_bitmap_bytes(ram->iova, ram->length, 4096);
	struct idirty_target target = IDIRTY_TARGET(ioas);
	struct idirty_read read = {
		.iova = ram->iova,
		.length = ram->length,
		.page_size = 4096,
		.bitmap = bitmap,
	};
	struct idirty_tracker *tracker;
	struct idirty *ctx;
	int rc;

	rc = idirty_open(iommufd, &ctx);
	if (rc)
		return rc;
	rc = idirty_alloc(ctx, &target, &tracker);
	if (rc)
		goto out_close;
	rc = idirty_start(tracker, 0, NULL, 0, NULL);
	if (rc)
		goto out_destroy;

	send_all(ram);
	do {
		memset(bitmap, 0, bytes);
		rc = idirty_read(&tracker, 1, &read, NULL);
		if (rc)
			goto out_destroy;
		send_dirty(ram, bitmap);
	} while (read.out_pages > 1000);

	stop_guest_and_devices();
	/* The last READ: devices have written since the one before, but write no more */
	memset(bitmap, 0, bytes);
	rc = idirty_read(&tracker, 1, &read, NULL);
	if (!rc)
		send_dirty(ram, bitmap);
out_destroy:
	idirty_destroy(tracker);
out_close:
	idirty_close(ctx);
	return rc;
}

int main(int argc, char **argv)
{
	struct idirty_range ram;
	char text[200];
	void *bitmap;
	int rc;

	if (argc != 5)
		return 2;
	ram.iova = strtoull(argv[3], NULL, 0);
	ram.length = strtoull(argv[4], NULL, 0);
	bitmap = malloc(idirty_bitmap_bytes(ram.iova, ram.length, 4096));
	if (!bitmap)
		return 1;
	rc = migrate(atoi(argv[1]), strtoul(argv[2], NULL, 0), &ram, bitmap);
	free(bitmap);
	if (!rc)
		return 0;
	fprintf(stderr, "%s\n", idirty_strerror(idirty_last_error(), text, sizeof(text)));
	return 1;
}
