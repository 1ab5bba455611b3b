// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * Tests the thread rules. Readers share trackers and a bitmap while other threads write,
 * call INFO and get errors. At the end each written page is in the bitmap, and each
 * thread has a separate last error. Threads also start, update and stop a tracker that
 * is read; it must report the ranges that it covers. To be built with SANITIZE=thread.
 */
#include "fake.h"
#include "internal.h"

#define TRACKERS	8
#define ROUNDS		200
#define CHANGES		2

static struct idirty_tracker *trackers[TRACKERS];
static uint8_t bitmap[FAKE_PAGES / 8];
static struct idirty *ctx;

static void *writer(void *arg)
{
	unsigned int page;

	(void)arg;
	for (page = 0; page < FAKE_PAGES; page++)
		fake_write(page);
	return NULL;
}

static void *reader(void *arg)
{
	struct idirty_read_args read = { .size = sizeof(read),
					 .iova = FAKE_IOVA, .length = FAKE_SIZE,
					 .page_size = 4096, .bitmap = bitmap };
	unsigned int i;

	for (i = 0; i < ROUNDS; i++)
		if (idirty_read_threads(trackers, TRACKERS, &read, (uintptr_t)arg))
			return "read failed";
	return NULL;
}

static void *stranger(void *arg)
{
	struct idirty_target none = IDIRTY_TARGET(99);
	struct idirty_tracker *t;
	struct idirty_tracker_info *info;
	unsigned int i;

	(void)arg;
	for (i = 0; i < ROUNDS; i++) {
		int want = fake_has_trackers ? ENOENT : ENOTTY;

		if (idirty_alloc(ctx, &none, &t) != -want ||
		    idirty_last_error()->code != want)
			return "wrong error";
		if (idirty_info(trackers[i % TRACKERS], &info))
			return "info failed";
		idirty_free(info);
	}
	return NULL;
}

static void run(const char *name, struct idirty_target *target, unsigned int num)
{
	void *(*const fns[])(void *) = { writer, reader, reader, stranger };
	struct idirty_read_args rest = { .size = sizeof(rest),
					 .iova = FAKE_IOVA, .length = FAKE_SIZE,
					 .page_size = 4096, .bitmap = bitmap };
	pthread_t threads[4];
	unsigned int i;
	void *rc;

	memset(bitmap, 0, sizeof(bitmap));
	expect(!idirty_open(5, &ctx));
	for (i = 0; i < TRACKERS; i++) {
		if (i >= num) {
			trackers[i] = trackers[0];
			continue;
		}
		expect(!idirty_alloc(ctx, target, &trackers[i]));
		expect(!idirty_start(trackers[i], 0, NULL, 0, NULL));
	}
	for (i = 0; i < 4; i++)
		expect(!pthread_create(&threads[i], NULL, fns[i], (void *)(uintptr_t)(i + 1)));
	for (i = 0; i < 4; i++) {
		pthread_join(threads[i], &rc);
		if (rc)
			printf("not ok - %s\n", (char *)rc);
		expect(!rc);
	}
	expect(!idirty_read(trackers, TRACKERS, &rest, NULL));
	expect(idirty_bitmap_count(bitmap, FAKE_PAGES) == FAKE_PAGES);
	for (i = 0; i < num; i++)
		expect(!idirty_destroy(trackers[i]));
	idirty_close(ctx);
	ok(name);
}

/* One tracker fails: the error has its number, and out_length how far all of them got */
static void one_fails(void)
{
	struct idirty_target target = IDIRTY_TARGET(FAKE_IOAS);
	struct idirty_read_args read = { .size = sizeof(read),
					 .iova = FAKE_IOVA, .length = FAKE_SIZE,
					 .page_size = 4096, .bitmap = bitmap };
	unsigned int i;

	fake_reset();
	memset(bitmap, 0, sizeof(bitmap));
	expect(!idirty_open(5, &ctx));
	for (i = 0; i < TRACKERS; i++) {
		expect(!idirty_alloc(ctx, &target, &trackers[i]));
		expect(!idirty_start(trackers[i], 0, NULL, 0, NULL));
	}
	for (i = 0; i < TRACKERS; i++) {
		fake_write(2);
		fake_write(900);
		fake_fault_id = idirty_tracker_id(trackers[i]);
		fake_fault_length = (i + 1) * 4096 * 50;
		expect(idirty_read_threads(trackers, TRACKERS, &read, 4) == -EFAULT);
		expect(idirty_last_error()->code == EFAULT);
		expect(idirty_last_error()->tracker == i + 1);
		expect(read.out_length == fake_fault_length);
		/* The other trackers have reached the end */
		expect(read.out_pages == 2);
		expect(idirty_bitmap_test(bitmap, 2) && idirty_bitmap_test(bitmap, 900));
		memset(bitmap, 0, sizeof(bitmap));
		fake_fault_id = 0;
		expect(!idirty_read_threads(trackers, TRACKERS, &read, 4));
		expect(read.out_length == FAKE_SIZE && read.out_pages == 1);
		expect(idirty_bitmap_test(bitmap, 900));
		memset(bitmap, 0, sizeof(bitmap));
	}
	for (i = 0; i < TRACKERS; i++)
		expect(!idirty_destroy(trackers[i]));
	idirty_close(ctx);
	ok("threads: one of the trackers fails");
}

/* The range is divided: all bits in their places, and the first part that fails counts */
static void divided(void)
{
	/*
	 * The memory begins at a multiple of 1 GiB. A part ends after three of its pages, as the
	 * bitmap has a byte for eight. The first page of the range is read in part.
	 */
	uint64_t begin = FAKE_IOVA - (2ULL << 30) + (1ULL << 20) + 3 * 4096, page, at;
	struct idirty_target target = IDIRTY_TARGET(FAKE_IOAS);
	struct idirty_read_args read = { .size = sizeof(read), .iova = begin + 5,
					 .length = (4ULL << 30) - 5, .page_size = 4096 };
	unsigned int i, threads;

	fake_reset();
	expect(read.bitmap = calloc(1, read.length / 4096 / 8 + 1));
	expect(!idirty_open(5, &ctx));
	for (i = 0; i < 2; i++) {
		expect(!idirty_alloc(ctx, &target, &trackers[i]));
		expect(!idirty_start(trackers[i], 0, NULL, 0, NULL));
	}
	/* With 0, the size decides: not even one thread is worth it */
	for (threads = 0; threads < 10; threads++) {
		for (page = 0; page < FAKE_PAGES; page += 511)
			fake_write(page);
		expect(!idirty_read_threads(trackers, 2, &read, threads));
		expect(read.out_length == read.length);
		for (page = 0; page < FAKE_PAGES; page++) {
			at = (FAKE_IOVA - begin) / 4096 + page;
			expect(idirty_bitmap_test(read.bitmap, at) == !(page % 511));
		}
		expect(idirty_bitmap_count(read.bitmap, read.length / 4096 + 1) ==
		       FAKE_PAGES / 511 + 1);
		memset(read.bitmap, 0, read.length / 4096 / 8 + 1);
	}
	fake_fault_id = idirty_tracker_id(trackers[1]);
	fake_fault_length = 4096;
	expect(idirty_read_threads(trackers, 2, &read, 4) == -EFAULT);
	expect(idirty_last_error()->tracker == 2);
	expect(read.out_length == 4096);
	fake_fault_id = 0;
	/* After this error nothing counts, not even the parts before */
	fake_stale_iova = begin + (3ULL << 30);
	expect(idirty_read_threads(trackers, 2, &read, 4) == -ESTALE);
	expect(idirty_last_error()->tracker == 1);
	expect(!read.out_length);
	fake_stale_iova = 0;
	/* No page size is too large, and no range too long */
	read.page_size = 1ULL << 63;
	read.iova = 0;
	read.length = UINT64_MAX;
	fake_write(0);
	expect(!idirty_read_threads(trackers, 2, &read, 4));
	expect(read.out_pages && idirty_bitmap_test(read.bitmap, 0));
	read.page_size = 3;
	expect(idirty_read_threads(trackers, 2, &read, 4) == -EINVAL);
	for (i = 0; i < 2; i++)
		expect(!idirty_destroy(trackers[i]));
	idirty_close(ctx);
	free(read.bitmap);
	ok("threads: parts of a range");
}

/* The range is not divided for a fallback, which may not read parts of an entry */
static void whole(struct idirty_target *target)
{
	struct idirty_read_args read = { .size = sizeof(read), .iova = FAKE_IOVA,
					 .length = 4ULL << 30, .page_size = 4096 };

	expect(read.bitmap = calloc(1, read.length / 4096 / 8));
	expect(!idirty_open(5, &ctx));
	expect(!idirty_alloc(ctx, target, &trackers[0]));
	expect(!idirty_start(trackers[0], 0, NULL, 0, NULL));
	fake_reads = 0;
	expect(!idirty_read_threads(trackers, 1, &read, 4));
	expect(fake_reads == 1 && read.out_length == read.length);
	expect(!idirty_destroy(trackers[0]));
	idirty_close(ctx);
	free(read.bitmap);
	ok("threads: a range for a fallback");
}

/* Each call may come too late or too early, but only these errors are possible */
static void *changer(void *arg)
{
	struct idirty_range range = { FAKE_IOVA, 4096 * (uintptr_t)arg };
	struct idirty_range *covered;
	unsigned int i;
	size_t num;
	int rc;

	for (i = 0; i < CHANGES; i++) {
		rc = idirty_start(trackers[0], 0, &range, 1, NULL);
		if (rc && rc != -EALREADY)
			return "start failed";
		rc = idirty_update(trackers[0], IDIRTY_UPDATE_GAP_DIRTY, &range, 1, NULL);
		if (rc && rc != -ENODATA && rc != -EOPNOTSUPP)
			return "update failed";
		if (idirty_covered(trackers[0], &covered, &num))
			return "covered failed";
		rc = num > 1 || (num && covered[0].iova != FAKE_IOVA);
		idirty_free(covered);
		if (rc)
			return "covers a range that was not requested";
		if ((uintptr_t)arg == 3 && idirty_stop(trackers[0]))
			return "stop failed";
	}
	return NULL;
}

static void *scanner(void *arg)
{
	struct idirty_range runs[3];
	unsigned int i;

	(void)arg;
	for (i = 0; i < CHANGES; i++) {
		struct idirty_scan_args scan = { .size = sizeof(scan),
						 .flags = IDIRTY_READ_SPARSE,
						 .num_runs = 3, .iova = FAKE_IOVA,
						 .length = FAKE_SIZE, .page_size = 4096,
						 .runs = runs };
		int rc = idirty_scan(trackers, 1, &scan);

		if (rc && rc != -ENODATA)
			return "scan failed";
	}
	return NULL;
}

static void changes(const char *name, struct idirty_target *target, bool update)
{
	void *(*const fns[])(void *) = { update ? changer : scanner, changer, changer, scanner };
	struct idirty_range *covered;
	pthread_t threads[4];
	unsigned int i, round;
	size_t num;
	void *rc;

	expect(!idirty_open(5, &ctx));
	expect(!idirty_alloc(ctx, target, &trackers[0]));
	/* Check after few calls, many times: later calls would hide a race */
	for (round = 0; round < ROUNDS; round++) {
		for (i = 0; i < 4; i++)
			expect(!pthread_create(&threads[i], NULL, fns[i],
					       (void *)(uintptr_t)(i + 1)));
		for (i = 0; i < 4; i++) {
			pthread_join(threads[i], &rc);
			if (rc)
				printf("not ok - %s\n", (char *)rc);
			expect(!rc);
		}
		expect(!idirty_covered(trackers[0], &covered, &num));
		if (update && fake_covered.length)
			expect(num == 1 && covered[0].length == fake_covered.length);
		else if (update)
			expect(num == 0);
		idirty_free(covered);
	}
	expect(!idirty_destroy(trackers[0]));
	idirty_close(ctx);
	ok(name);
}

int main(void)
{
	struct idirty_target ioas = IDIRTY_TARGET(FAKE_IOAS);
	uint32_t hwpt = FAKE_HWPT;
	struct idirty_target hwpts = FAKE_TARGET(-1, &hwpt, 1);
	struct idirty_target vfio = FAKE_TARGET(FAKE_DEVICE_FD, NULL, 0);
	struct idirty_target device = IDIRTY_TARGET(FAKE_DEVICE);

	fake_reset();
	run("threads: trackers", &ioas, TRACKERS);
	one_fails();
	divided();
	fake_reset();
	ioas.flags = IDIRTY_ALLOC_FILE;
	run("threads: files", &ioas, TRACKERS);
	fake_reset();
	fake_has_trackers = false;
	run("threads: HWPTs", &hwpts, 1);
	whole(&hwpts);
	changes("threads: START and STOP of VFIO", &vfio, false);
	fake_reset();
	changes("threads: START, UPDATE and STOP", &device, true);
	return 0;
}
