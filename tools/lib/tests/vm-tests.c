// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * Tests that every backend must pass with a real device. Called by vm.c. The results are
 * compared with the writes that the test has issued and with the memory.
 */
#include <errno.h>
#include <string.h>

#include "vm.h"

#define MAX_TRACKERS	8

static struct idirty_tracker *start(struct stage *s, const struct idirty_target *target)
{
	struct idirty_range all = { VM_IOVA, VM_SIZE };
	struct idirty_tracker *t;

	check(idirty_alloc(s->ctx, target, &t));
	check(idirty_start(t, 0, &all, idirty_tracker_backend(t) == IDIRTY_BACKEND_VFIO, NULL));
	return t;
}

/* Checks that the backend is the one that @target asks for, and that INFO reports it */
static bool backend_is_right(struct idirty_tracker *t, const struct idirty_target *target)
{
	struct idirty_tracker_info *info;
	bool right;

	check(idirty_info(t, &info));
	right = info->backend == idirty_tracker_backend(t) &&
		info->state == IDIRTY_STATE_RUNNING &&
		!info->weak == (info->backend == IDIRTY_BACKEND_TRACKER);
	if (target->num_hwpts)
		right &= info->backend == IDIRTY_BACKEND_HWPT;
	else if (target->vfio_fd >= 0)
		right &= info->backend == IDIRTY_BACKEND_VFIO;
	else
		right &= info->backend == IDIRTY_BACKEND_TRACKER && info->num_members == 1;
	idirty_free(info);
	return right;
}

/* Checks for exactly the written pages, in units of @page_size */
static bool is_exact(const struct stage *s, const void *bitmap, uint64_t page_size)
{
	bool want[VM_PAGES] = {};
	unsigned int page, per = page_size / SZ_4K;

	for (page = 0; page < VM_PAGES; page++)
		want[page / per] |= s->written[page];
	for (page = 0; page < VM_PAGES / per; page++)
		if (want[page] != !!idirty_bitmap_test(bitmap, page)) {
			lib_note("page %u of %llu bytes: written %d", page,
				 (unsigned long long)page_size, want[page]);
			return false;
		}
	return true;
}

static struct idirty_read_args whole(void *bitmap, uint64_t page_size)
{
	memset(bitmap, 0, VM_PAGES / 8);
	return (struct idirty_read_args){
		.size = sizeof(struct idirty_read_args),
		.iova = VM_IOVA,
		.length = VM_SIZE,
		.page_size = page_size,
		.bitmap = bitmap,
	};
}

void test_rounds(struct stage *s, const struct idirty_target *target, const char *name)
{
	struct idirty_tracker *t = start(s, target);
	bool good = backend_is_right(t, target);
	bool keeps = idirty_tracker_backend(t) != IDIRTY_BACKEND_VFIO;
	uint8_t bitmap[VM_PAGES / 8];
	struct idirty_read_args read;
	unsigned int round;

	for (round = 0; round < 10 && good; round++) {
		uint64_t page_size = round % 3 ? SZ_4K : SZ_64K;

		memset(s->written, 0, sizeof(s->written));
		stage_write_some(s, 40);
		if (keeps && round % 2) {
			read = whole(bitmap, page_size);
			read.flags = IDIRTY_READ_NO_CLEAR;
			check(idirty_read(&t, 1, &read, NULL));
			good &= is_exact(s, bitmap, page_size);
		}
		read = whole(bitmap, page_size);
		check(idirty_read(&t, 1, &read, NULL));
		good &= is_exact(s, bitmap, page_size) && read.out_length == VM_SIZE &&
			read.out_pages == idirty_bitmap_count(bitmap, VM_PAGES);
		/* READ has cleared them */
		memset(s->written, 0, sizeof(s->written));
		read = whole(bitmap, SZ_4K);
		check(idirty_read(&t, 1, &read, NULL));
		good &= is_exact(s, bitmap, SZ_4K) && !read.out_pages;
	}
	check(idirty_stop(t));
	good &= idirty_read(&t, 1, &read, NULL) == -ENODATA;
	good &= idirty_last_error()->code == ENODATA;
	check(idirty_destroy(t));
	report(name, good);
}

void test_scan(struct stage *s, const struct idirty_target *target, const char *name)
{
	struct idirty_tracker *t = start(s, target);
	uint8_t bitmap[VM_PAGES / 8] = {};
	struct idirty_range runs[7];
	struct idirty_scan_args scan = {
		.size = sizeof(scan),
		.iova = VM_IOVA,
		.length = VM_SIZE,
		.page_size = SZ_4K,
		.runs = runs,
	};
	unsigned int calls = 0, i;
	uint64_t page, end;

	memset(s->written, 0, sizeof(s->written));
	stage_write_some(s, 60);
	while (scan.length && calls++ < VM_PAGES) {
		scan.num_runs = 7;
		check(idirty_scan(&t, 1, &scan));
		for (i = 0; i < scan.num_runs; i++) {
			page = (runs[i].iova - VM_IOVA) / SZ_4K;
			end = page + runs[i].length / SZ_4K;
			for (; page < end && page < VM_PAGES; page++)
				bitmap_set(bitmap, page);
		}
		scan.iova += scan.out_length;
		scan.length -= scan.out_length;
	}
	check(idirty_destroy(t));
	/* Sixty pages are too many for the room of one call */
	report(name, !scan.length && calls > 1 && is_exact(s, bitmap, SZ_4K));
}

static void copy_reported(struct stage *s, const void *bitmap)
{
	const struct idirty_range range = { VM_IOVA, VM_SIZE };
	struct idirty_range run;
	uint64_t pos = 0;

	while (idirty_bitmap_next_run(bitmap, &range, SZ_4K, &pos, &run))
		stage_copy(s, run.iova, run.length);
}

void test_threads(struct stage *s, const struct idirty_target *target, unsigned int num,
		  const char *name)
{
	struct idirty_tracker *t[MAX_TRACKERS], *witness = NULL;
	uint8_t bitmap[VM_PAGES / 8];
	struct idirty_read_args read;
	bool good = true;
	unsigned int i;

	for (i = 0; i < num; i++)
		t[i] = start(s, target);
	/* A tracker that is only read at the end must report everything, too */
	if (idirty_tracker_backend(t[0]) == IDIRTY_BACKEND_TRACKER)
		witness = start(s, target);
	stage_copy(s, VM_IOVA, VM_SIZE);
	memset(s->written, 0, sizeof(s->written));
	s->writes = 0;
	stage_run(s);
	while (__atomic_load_n(&s->writes, __ATOMIC_RELAXED) < 1500) {
		read = whole(bitmap, SZ_4K);
		check(idirty_read_threads(t, num, &read, 4));
		copy_reported(s, bitmap);
	}
	stage_halt(s);
	read = whole(bitmap, SZ_4K);
	check(idirty_read_threads(t, num, &read, 4));
	copy_reported(s, bitmap);
	if (stage_differing(s)) {
		lib_note("%u pages differ", stage_differing(s));
		good = false;
	}
	if (witness) {
		read = whole(bitmap, SZ_4K);
		check(idirty_read(&witness, 1, &read, NULL));
		good &= is_exact(s, bitmap, SZ_4K);
		check(idirty_destroy(witness));
	}
	for (i = 0; i < num; i++)
		check(idirty_destroy(t[i]));
	report(name, good);
}

void test_unmap(struct stage *s, const struct idirty_target *target, const char *name)
{
	struct idirty_tracker *t = start(s, target);
	uint8_t bitmap[VM_PAGES / 8] = {};
	struct idirty_unmap_args unmap = {
		.size = sizeof(unmap),
		.iova = VM_IOVA,
		.length = VM_SIZE,
		.page_size = SZ_4K,
		.bitmap = bitmap,
	};
	struct idirty_read_args read;
	bool good;

	memset(s->written, 0, sizeof(s->written));
	stage_write_some(s, 30);
	check(idirty_unmap(t, &unmap));
	good = unmap.out_unmapped == VM_SIZE && is_exact(s, bitmap, SZ_4K);
	ioas_map(s->fd, s->ioas, s->mem, VM_SIZE, VM_IOVA);
	/* Reported pages are not reported again */
	read = whole(bitmap, SZ_4K);
	check(idirty_read(&t, 1, &read, NULL));
	good &= !read.out_pages;
	check(idirty_destroy(t));
	report(name, good);
}

static int send_run(void *arg, uint64_t iova, uint64_t length)
{
	stage_copy(arg, iova, length);
	return 0;
}

static int quiesce(void *arg)
{
	stage_halt(arg);
	return 0;
}

void test_precopy(struct stage *s, const struct idirty_target *target, const char *name)
{
	static const struct idirty_precopy_ops ops = {
		.size = sizeof(ops),
		.send = send_run,
		.quiesce = quiesce,
	};
	const struct idirty_precopy_limits limits = { .size = sizeof(limits),
						      .rounds = 5, .flags = IDIRTY_PRECOPY_FORCE };
	const struct idirty_range range = { VM_IOVA, VM_SIZE };
	struct idirty_tracker *t = start(s, target);
	struct idirty_precopy_result result = { .size = sizeof(result) };
	struct idirty_precopy *p;

	memset(s->copy, 0xa5, VM_SIZE);
	check(idirty_precopy_new(&t, 1, &range, 1, SZ_4K, &p));
	stage_run(s);
	check(idirty_precopy_run(p, &limits, &ops, s, &result));
	idirty_precopy_free(p);
	check(idirty_destroy(t));
	report(name, result.decision == IDIRTY_FINISH && result.sent_bytes >= VM_SIZE &&
	       !s->running && !stage_differing(s));
}
