// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * Tests programs that were compiled with another version of the header than the library:
 * their structs have another size.
 */
#include "fake.h"
#include "internal.h"

/* A struct as a later version may have it */
#define LATER(type) struct { struct type now; uint64_t more; }

static struct idirty *ctx;
static struct idirty_tracker *tracker;
static LATER(idirty_target) target = { .now = IDIRTY_TARGET(FAKE_IOAS) };
static LATER(idirty_read_args) read_args;
static LATER(idirty_scan_args) scan_args;
static LATER(idirty_mark_args) mark_args;
static LATER(idirty_unmap_args) unmap_args;
static struct idirty_precopy *precopy;
static LATER(idirty_precopy_limits) limits;
static LATER(idirty_precopy_ops) ops;
static LATER(idirty_precopy_result) result;

static void refused(enum idirty_verb verb, int error, int rc)
{
	expect(rc == -error);
	expect(idirty_last_error()->code == error && idirty_last_error()->verb == verb);
}

/*
 * A later program: what the library does not know must be 0. An earlier one than 1.0, or
 * one that has not set the size, is refused.
 */
static void test_size(enum idirty_verb verb, void *later, uint32_t now, int (*fn)(void))
{
	uint32_t *size = later;
	uint8_t *last = (uint8_t *)later + now + 7;

	*size = now + 8;
	*last = 1;
	refused(verb, E2BIG, fn());
	*size = now - 1;
	refused(verb, EINVAL, fn());
	*size = 0;
	refused(verb, EINVAL, fn());
	*size = UINT32_MAX;
	refused(verb, EINVAL, fn());
	*size = now + 8;
	*last = 0;
	expect(!fn() && *size == now + 8 && !*last);
}

static int call_alloc(void)
{
	return idirty_alloc(ctx, &target.now, &tracker);
}

static int call_read(void)
{
	return idirty_read(&tracker, 1, &read_args.now, NULL);
}

static int call_read_threads(void)
{
	return idirty_read_threads(&tracker, 1, &read_args.now, 2);
}

static int call_scan(void)
{
	return idirty_scan(&tracker, 1, &scan_args.now);
}

static int call_mark(void)
{
	return idirty_mark(tracker, &mark_args.now);
}

static int call_unmap(void)
{
	return idirty_unmap(tracker, &unmap_args.now);
}

static int call_precopy(void)
{
	return idirty_precopy_run(precopy, &limits.now, &ops.now, NULL, &result.now);
}

static void test_args(void)
{
	struct idirty_range runs[2] = {};
	uint8_t bitmap[2] = {};

	read_args.now = (struct idirty_read_args){ .iova = FAKE_IOVA, .length = 0x10000,
						   .page_size = 4096, .bitmap = bitmap };
	scan_args.now = (struct idirty_scan_args){ .iova = FAKE_IOVA, .length = 0x10000,
						   .page_size = 4096, .runs = runs, .num_runs = 2 };
	mark_args.now = (struct idirty_mark_args){ .runs = runs, .num_runs = 1 };
	unmap_args.now = (struct idirty_unmap_args){ .iova = FAKE_IOVA, .length = 0x10000,
						     .page_size = 4096, .bitmap = bitmap };
	fake_write(3);
	test_size(IDIRTY_VERB_READ, &read_args, sizeof(read_args.now), call_read);
	expect(read_args.now.out_length == 0x10000 && bitmap[0] == 8);
	test_size(IDIRTY_VERB_READ, &read_args, sizeof(read_args.now), call_read_threads);
	fake_write(5);
	test_size(IDIRTY_VERB_SCAN, &scan_args, sizeof(scan_args.now), call_scan);
	expect(scan_args.now.num_runs == 1 && scan_args.now.out_length == 0x10000);
	expect(runs[0].iova == FAKE_IOVA + 5 * 4096);
	test_size(IDIRTY_VERB_MARK, &mark_args, sizeof(mark_args.now), call_mark);
	bitmap[0] = 0;
	test_size(IDIRTY_VERB_UNMAP, &unmap_args, sizeof(unmap_args.now), call_unmap);
	expect(unmap_args.now.out_unmapped == 0x10000 && bitmap[0] == 0x20);
	ok("versions: READ, SCAN, MARK and UNMAP");
}

static int nothing(void *arg)
{
	(void)arg;
	return 0;
}

static int send_none(void *arg, uint64_t iova, uint64_t length)
{
	(void)arg;
	(void)iova;
	(void)length;
	return 0;
}

static void test_precopy(void)
{
	const struct idirty_range range = { FAKE_IOVA, 0x10000 };

	limits.now = (struct idirty_precopy_limits){ .size = sizeof(limits.now), .rounds = 1,
						     .flags = IDIRTY_PRECOPY_FORCE };
	ops.now = (struct idirty_precopy_ops){ .size = sizeof(ops.now), .send = send_none,
					       .quiesce = nothing };
	result.now.size = sizeof(result.now);
	expect(!idirty_precopy_new(&tracker, 1, &range, 1, 4096, &precopy));
	test_size(IDIRTY_VERB_PRECOPY, &limits, sizeof(limits.now), call_precopy);
	test_size(IDIRTY_VERB_PRECOPY, &ops, sizeof(ops.now), call_precopy);
	test_size(IDIRTY_VERB_PRECOPY, &result, sizeof(result.now), call_precopy);
	expect(result.now.decision == IDIRTY_FINISH && result.now.rounds == 1);
	/* A migration can be freed after its trackers */
	expect(!idirty_destroy(tracker));
	idirty_precopy_free(precopy);
	ok("versions: pre-copy");
}

static void test_error(void)
{
	LATER(idirty_error) error = {};
	char text[100];

	error.now = (struct idirty_error){ .size = sizeof(error), .code = ENOENT,
					   .verb = IDIRTY_VERB_ALLOC, .tracker = 3 };
	idirty_strerror(&error.now, text, sizeof(text));
	expect(!strcmp(text, "ALLOC: no object has this id (tracker 3 of the call)"));
	error.now.size = offsetof(struct idirty_error, tracker);
	idirty_strerror(&error.now, text, sizeof(text));
	expect(!strcmp(text, "ALLOC: no object has this id"));
	error.now.size = 0;
	idirty_strerror(&error.now, text, sizeof(text));
	expect(!strcmp(text, "no error"));
	ok("versions: errors");
}

int main(void)
{
	char text[20];

	snprintf(text, sizeof(text), "%d.%d.%d", IDIRTY_VERSION_MAJOR, IDIRTY_VERSION_MINOR,
		 IDIRTY_VERSION_PATCH);
	expect(!strcmp(text, IDIRTY_VERSION) && !strcmp(text, idirty_version()));
	ok("versions: of the library");
	fake_reset();
	expect(!idirty_open(5, &ctx));
	test_size(IDIRTY_VERB_ALLOC, &target, sizeof(target.now), call_alloc);
	expect(!idirty_start(tracker, 0, NULL, 0, NULL));
	ok("versions: target");
	/* A tracker outlives its context */
	idirty_close(ctx);
	test_args();
	test_precopy();
	test_error();
	return 0;
}
