// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * The rounds of a live migration: example-precopy FD IOAS IOVA LENGTH
 *
 * FD is the iommufd of a VMM. In place of sending memory, this prints which. After the
 * line "quiesce" it waits until the VMM has stopped its CPUs and devices, and says so.
 */
#include <stdio.h>
#include <stdlib.h>
#include <stdnoreturn.h>
#include <string.h>
#include <time.h>
#include <iommudirty.h>

static noreturn void fail(void)
{
	char text[200];

	fprintf(stderr, "%s\n", idirty_strerror(idirty_last_error(), text, sizeof(text)));
	exit(1);
}

static void send(const struct idirty_range *run)
{
	printf("%#llx %llu\n", (unsigned long long)run->iova, (unsigned long long)run->length);
}

static void read_and_send(struct idirty_tracker *t, struct idirty_read_args *read)
{
	const struct idirty_range ram = { read->iova, read->length };
	const struct timespec network = { .tv_nsec = 1000000 };
	struct idirty_range run;
	uint64_t pos = 0;

	/* READ only sets bits. No page may be copied before it has returned */
	memset(read->bitmap, 0, idirty_bitmap_bytes(ram.iova, ram.length, read->page_size));
	if (idirty_read(&t, 1, read, NULL))
		fail();
	while (idirty_bitmap_next_run(read->bitmap, &ram, read->page_size, &pos, &run))
		send(&run);
	fflush(stdout);
	nanosleep(&network, NULL);
}

int main(int argc, char **argv)
{
	struct idirty_read_args read = { .size = sizeof(read), .page_size = 4096 };
	struct idirty_target target;
	struct idirty_tracker *t;
	struct idirty *ctx;
	int rounds = 5;

	if (argc != 5)
		return 2;
	target = (struct idirty_target)IDIRTY_TARGET(strtoul(argv[2], NULL, 0));
	target.flags = IDIRTY_ALLOC_FILE;	/* however this ends, the tracker ends, too */
	read.iova = strtoull(argv[3], NULL, 0);
	read.length = strtoull(argv[4], NULL, 0);
	read.bitmap = malloc(idirty_bitmap_bytes(read.iova, read.length, read.page_size));
	if (!read.bitmap)
		return 1;
	/* START fails if writes could be missed; the error says whose, and why */
	if (idirty_open(atoi(argv[1]), &ctx) || idirty_alloc(ctx, &target, &t) ||
	    idirty_start(t, 0, NULL, 0, NULL))
		fail();

	send(&(struct idirty_range){ read.iova, read.length });
	do {
		read_and_send(t, &read);
	} while (read.out_pages > 16 && --rounds);
	printf("quiesce\n");
	fflush(stdout);
	getchar();
	/* The last READ: devices have written since the one before, but write no more */
	read_and_send(t, &read);
	if (idirty_stop(t) || idirty_destroy(t))
		fail();
	idirty_close(ctx);
	free(read.bitmap);
	return 0;
}
