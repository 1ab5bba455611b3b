// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * Checks whether an IOAS of an inherited iommufd can be tracked:
 * example-alloc FD IOAS
 */
#include <stdio.h>
#include <stdlib.h>
#include <stdnoreturn.h>

#include <iommudirty.h>

static noreturn void fail(void)
{
	char text[200];

	fprintf(stderr, "%s\n", idirty_strerror(idirty_last_error(), text, sizeof(text)));
	exit(1);
}

static void print_members(struct idirty_tracker *t)
{
	struct idirty_tracker_info *info;
	size_t i;

	if (idirty_info(t, &info))
		fail();
	printf("%s with %zu members\n", idirty_backend_text(info->backend), info->num_members);
	for (i = 0; i < info->num_members; i++)
		printf("%u, %s: %s\n", info->members[i]->id,
		       idirty_format_text(info->members[i]->format),
		       idirty_reason_text(info->members[i]->reason));
	idirty_free(info);
}

int main(int argc, char **argv)
{
	struct idirty_target target;
	struct idirty_tracker *t;
	struct idirty *ctx;

	if (argc < 3)
		return 2;
	target = (struct idirty_target)IDIRTY_TARGET(strtoul(argv[2], NULL, 0));
	if (idirty_open(atoi(argv[1]), &ctx) || idirty_alloc(ctx, &target, &t))
		fail();
	print_members(t);
	/* Fails if a member cannot be tracked; the error names the member */
	if (idirty_start(t, 0, NULL, 0, NULL))
		fail();
	printf("started\n");
	if (idirty_destroy(t))
		fail();
	idirty_close(ctx);
	return 0;
}
