// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * Requests page tables that can be tracked for an IOAS of an inherited iommufd, before
 * devices are attached to it: example-trackable FD IOAS
 */
#include <errno.h>
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

int main(int argc, char **argv)
{
	struct idirty *ctx;
	uint32_t ioas;
	int rc;

	if (argc < 3)
		return 2;
	ioas = strtoul(argv[2], NULL, 0);
	if (idirty_open(atoi(argv[1]), &ctx))
		fail();
	rc = idirty_set_trackable(ctx, ioas, 1);
	/* A kernel without trackers: devices work all the same */
	if (rc == -EOPNOTSUPP)
		printf("no dirty trackers\n");
	else if (rc)
		fail();
	printf("attach devices to IOAS %u now\n", ioas);
	idirty_close(ctx);
	return 0;
}
