// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * Runs the pre-copy rounds for the memory of an IOAS, without a destination:
 * example-precopy_run FD IOAS IOVA LENGTH
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

/* A VMM sends the memory that is mapped at @iova: see idirty_map(3) */
static int send_run(void *arg, uint64_t iova, uint64_t length)
{
	unsigned long long *bytes = arg;

	(void)iova;
	*bytes += length;
	return 0;
}

static enum idirty_decision decide(void *arg, const struct idirty_round *round,
				   enum idirty_decision proposed)
{
	(void)arg;
	printf("round %u: %llu bytes sent, %llu dirty now\n", round->round,
	       (unsigned long long)round->sent_bytes, (unsigned long long)round->dirty_bytes);
	return proposed;
}

/* A VMM stops all devices */
static int quiesce(void *arg)
{
	(void)arg;
	printf("stop\n");
	return 0;
}

static void migrate(struct idirty_tracker *t, const struct idirty_range *range)
{
	static const struct idirty_precopy_ops ops = {
		.size = sizeof(ops), .send = send_run, .decide = decide, .quiesce = quiesce,
	};
	const struct idirty_precopy_limits limits = { .size = sizeof(limits),
						      .rounds = 3, .flags = IDIRTY_PRECOPY_FORCE };
	struct idirty_precopy_result result = { .size = sizeof(result) };
	unsigned long long bytes = 0;
	struct idirty_precopy *p;

	if (idirty_precopy_new(&t, 1, range, 1, 4096, &p))
		fail();
	if (idirty_precopy_run(p, &limits, &ops, &bytes, &result))
		fail();
	printf("%s after %u rounds\n",
	       result.decision == IDIRTY_FINISH ? "done" : "given up", result.rounds);
	idirty_precopy_free(p);
}

int main(int argc, char **argv)
{
	struct idirty_target target;
	struct idirty_range range;
	struct idirty_tracker *t;
	struct idirty *ctx;

	if (argc != 5)
		return 2;
	target = (struct idirty_target)IDIRTY_TARGET(strtoul(argv[2], NULL, 0));
	range = (struct idirty_range){ strtoull(argv[3], NULL, 0), strtoull(argv[4], NULL, 0) };
	if (idirty_open(atoi(argv[1]), &ctx) || idirty_alloc(ctx, &target, &t) ||
	    idirty_start(t, 0, NULL, 0, NULL))
		fail();
	migrate(t, &range);
	if (idirty_destroy(t))
		fail();
	idirty_close(ctx);
	return 0;
}
