// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * Tests that no dirty page is lost for the next reader: kernels without trackers clear
 * more pages than requested, and a SCAN may have no room for some pages.
 */
#include "fake.h"
#include "internal.h"

static void write_some(bool *want, unsigned int num, unsigned int entry)
{
	unsigned int page, i;

	while (num--) {
		page = fake_below(FAKE_PAGES);
		fake_write(page);
		for (i = 0; i < entry; i++)
			want[page / entry * entry + i] = true;
	}
}

/* SCANs with little room, and READs between them, for trackers of each kind */
static void test_scan(const char *name, const struct idirty_target *target, unsigned int num,
		      unsigned int entry)
{
	struct idirty_range all = { FAKE_IOVA, FAKE_SIZE }, runs[9];
	struct idirty_tracker *t[70];
	struct idirty *ctx;
	unsigned int round;

	fake_entry = entry;
	expect(!idirty_open(5, &ctx));
	for (round = 0; round < num; round++) {
		expect(!idirty_alloc(ctx, target, &t[round]));
		expect(!idirty_start(t[round], 0, &all,
				     idirty_tracker_backend(t[round]) == IDIRTY_BACKEND_VFIO,
				     NULL));
	}
	for (round = 0; round < 60; round++) {
		struct idirty_scan_args scan = {
			.size = sizeof(scan),
			.iova = FAKE_IOVA,
			.length = FAKE_SIZE,
			.page_size = 4096,
			.runs = runs,
		};
		struct idirty_read_args read = {
			.size = sizeof(read),
			.iova = FAKE_IOVA,
			.length = FAKE_SIZE,
			.page_size = 4096,
		};
		bool want[FAKE_PAGES] = {}, seen[FAKE_PAGES] = {};
		static uint8_t bitmap[FAKE_PAGES / 8];
		uint64_t behind = 0;
		unsigned int i, j, k;

		write_some(want, 100, entry);
		for (k = 0; scan.length; k++) {
			/* Pages that are written now are reported sooner or later */
			if (k == 3)
				write_some(want, 20, entry);
			/* The READ below reports the rest */
			if (k == 5 && round % 2)
				break;
			scan.num_runs = 1 + fake_below(9);
			expect(!idirty_scan(t, num, &scan));
			for (i = 0; i < scan.num_runs; i++) {
				expect(runs[i].iova >= behind && runs[i].length);
				behind = runs[i].iova + runs[i].length;
				for (j = 0; j < runs[i].length / 4096; j++)
					seen[(runs[i].iova - FAKE_IOVA) / 4096 + j] = true;
			}
			expect(scan.out_length);
			scan.iova += scan.out_length;
			scan.length -= scan.out_length;
			expect(behind <= scan.iova);
		}
		memset(bitmap, 0, sizeof(bitmap));
		read.bitmap = bitmap;
		expect(!idirty_read(t, num, &read, NULL));
		for (j = 0; j < FAKE_PAGES; j++)
			seen[j] |= idirty_bitmap_test(bitmap, j);
		expect(!memcmp(want, seen, sizeof(want)));
	}
	/* The library reads each window once, not once for each run */
	expect(fake_reads <= 60 * 110);
	for (round = 0; round < num; round++)
		expect(!idirty_destroy(t[round]));
	idirty_close(ctx);
	ok(name);
}

/* One tracker covers less than another: READ ends where one of them does not cover */
static void test_uncovered(void)
{
	const uint32_t hwpt = FAKE_HWPT;
	const struct idirty_target targets[] = {
		FAKE_TARGET(FAKE_DEVICE_FD, NULL, 0), FAKE_TARGET(-1, &hwpt, 1),
	};
	struct idirty_range range = { FAKE_IOVA, FAKE_SIZE / 2 };
	static uint8_t bitmap[FAKE_PAGES / 8];
	struct idirty_read_args read = { .size = sizeof(read),
					 .iova = FAKE_IOVA, .length = FAKE_SIZE,
					 .page_size = 4096, .bitmap = bitmap };
	struct idirty_tracker *t[2];
	struct idirty *ctx;

	fake_reset();
	fake_has_trackers = false;
	expect(!idirty_open(5, &ctx));
	expect(!idirty_alloc(ctx, &targets[0], &t[0]) && !idirty_start(t[0], 0, &range, 1, NULL));
	expect(!idirty_alloc(ctx, &targets[1], &t[1]) && !idirty_start(t[1], 0, NULL, 0, NULL));
	fake_write(5);
	fake_write(FAKE_PAGES - 1);
	expect(idirty_read(t, 2, &read, NULL) == -ERANGE);
	expect(read.out_length == FAKE_SIZE / 2 && read.length == FAKE_SIZE);
	expect(idirty_last_error()->tracker == 1 && idirty_last_error()->code == ERANGE);
	expect(idirty_bitmap_test(bitmap, 5) && !idirty_bitmap_test(bitmap, FAKE_PAGES - 1));
	/* The second one has reported page 5, but not the last page */
	read.flags = IDIRTY_READ_SPARSE;
	memset(bitmap, 0, sizeof(bitmap));
	expect(!idirty_read(t + 1, 1, &read, NULL));
	expect(!idirty_bitmap_test(bitmap, 5) && idirty_bitmap_test(bitmap, FAKE_PAGES - 1));
	expect(!idirty_destroy(t[0]) && !idirty_destroy(t[1]));
	idirty_close(ctx);
	ok("one of the trackers covers less");
}

/* Long ranges of which little is covered, and the end of the address space */
static void test_wide(void)
{
	struct idirty_target target = FAKE_TARGET(FAKE_DEVICE_FD, NULL, 0);
	struct idirty_range range = { FAKE_IOVA, FAKE_SIZE }, runs[4];
	struct idirty_scan_args scan = { .size = sizeof(scan),
					 .flags = IDIRTY_READ_SPARSE, .num_runs = 4,
					 .iova = FAKE_IOVA + 0x800, .length = 1ULL << 40,
					 .page_size = 1 << 30, .runs = runs };
	uint8_t byte = 0;
	unsigned int i;
	struct idirty_read_args read = { .size = sizeof(read),
					 .iova = -4096ULL, .length = 4096, .page_size = 4096,
					 .bitmap = &byte };
	struct idirty_tracker *t;
	struct idirty *ctx;

	fake_reset();
	fake_has_trackers = false;
	expect(!idirty_open(5, &ctx));
	expect(!idirty_alloc(ctx, &target, &t) && !idirty_start(t, 0, &range, 1, NULL));
	/* Not covered, so maybe not clean; READ_SPARSE accepts that */
	expect(idirty_read(&t, 1, &read, NULL) == -ERANGE && !read.out_length);
	expect(idirty_last_error()->tracker == 1);
	read.flags = IDIRTY_READ_SPARSE;
	expect(!idirty_read(&t, 1, &read, NULL) && read.out_length == 4096 && !byte);
	read.flags = 0;
	/* READ reports up to the end of the covered range */
	read.iova = FAKE_IOVA;
	read.length = FAKE_SIZE + 4096;
	read.page_size = 1 << 30;
	expect(idirty_read(&t, 1, &read, NULL) == -ERANGE && read.out_length == FAKE_SIZE);
	read.page_size = 4096;
	/* A SCAN also reports the dirty pages up to there, and where it has stopped */
	fake_write(FAKE_PAGES - 1);
	scan.flags = 0;
	scan.iova = FAKE_IOVA;
	scan.length = 2 * FAKE_SIZE;
	scan.page_size = 4096;
	expect(idirty_scan(&t, 1, &scan) == -ERANGE && scan.out_length == FAKE_SIZE);
	expect(idirty_last_error()->tracker == 1);
	expect(scan.num_runs == 1 && runs[0].iova == FAKE_IOVA + FAKE_SIZE - 4096);
	scan = (struct idirty_scan_args){ .size = sizeof(struct idirty_scan_args),
					  .flags = IDIRTY_READ_SPARSE, .num_runs = 4,
					  .iova = FAKE_IOVA + 0x800, .length = 1ULL << 40,
					  .page_size = 1 << 30, .runs = runs };
	fake_write(3);
	expect(!idirty_scan(&t, 1, &scan) && scan.num_runs == 1 && scan.out_length == 1ULL << 40);
	expect(runs[0].iova == FAKE_IOVA + 0x800 && runs[0].length == (1ULL << 30) - 0x800);
	/* READ of half a page: the page stays dirty */
	fake_write(7);
	read.iova = FAKE_IOVA + 7 * 4096;
	read.length = 2048;
	expect(!idirty_read(&t, 1, &read, NULL) && read.out_pages == 1);
	byte = 0;
	read.length = 4096;
	expect(!idirty_read(&t, 1, &read, NULL) && read.out_pages == 1);
	byte = 0;
	expect(!idirty_read(&t, 1, &read, NULL) && read.out_pages == 0);
	/* However often it is found, a page that waits for a reader is kept once */
	for (i = 0; i < 50; i++) {
		fake_write(9);
		expect(!idirty_read(&t, 1, &read, NULL));
		expect(t->blocks && !t->blocks->next);
	}
	read.iova += 2 * 4096;
	byte = 0;
	expect(!idirty_read(&t, 1, &read, NULL) && read.out_pages == 1 && !t->blocks);
	read.iova -= 2 * 4096;
	byte = 0;
	/* STOP drops such pages */
	fake_write(7);
	fake_write(8);
	expect(!idirty_read(&t, 1, &read, NULL) && read.out_pages == 1);
	expect(!idirty_stop(t) && !idirty_start(t, 0, &range, 1, NULL));
	read.iova += 4096;
	byte = 0;
	expect(!idirty_read(&t, 1, &read, NULL) && read.out_pages == 0);
	expect(!idirty_destroy(t));
	idirty_close(ctx);
	ok("wide ranges, and parts of pages");
}

/* An IO-PTE that extends beyond the READ's range on both sides */
static void test_large_entry(void)
{
	uint32_t hwpt = FAKE_HWPT;
	struct idirty_target target = FAKE_TARGET(-1, &hwpt, 1);
	uint8_t bytes[4] = {};
	struct idirty_read_args read = { .size = sizeof(read),
					 .iova = FAKE_IOVA + 13 * 4096, .length = 13 * 4096,
					 .page_size = 4096, .bitmap = bytes };
	struct idirty_tracker *t;
	struct idirty *ctx;

	fake_reset();
	fake_has_trackers = false;
	fake_entry = FAKE_PAGES;
	expect(!idirty_open(5, &ctx));
	expect(!idirty_alloc(ctx, &target, &t) && !idirty_start(t, 0, NULL, 0, NULL));
	fake_write(1000);
	expect(!idirty_read(&t, 1, &read, NULL));
	expect(read.out_pages == 13 && bytes[1] == 0x1f && !bytes[2] && !bytes[3]);
	expect(!idirty_destroy(t));
	idirty_close(ctx);
	ok("an IO-PTE larger than the range");
}

/* A SCAN continues in the middle of an IO-PTE, because of a run of another tracker */
static void test_scan_within(void)
{
	uint32_t hwpt = FAKE_HWPT;
	struct idirty_target targets[2] = {
		FAKE_TARGET(-1, &hwpt, 1), FAKE_TARGET(FAKE_DEVICE_FD, NULL, 0),
	};
	struct idirty_range all = { FAKE_IOVA, FAKE_SIZE }, run;
	struct idirty_scan_args scan = { .size = sizeof(scan),
					 .num_runs = 1, .iova = FAKE_IOVA, .length = FAKE_SIZE,
					 .page_size = 4096, .runs = &run };
	static uint8_t bitmap[FAKE_PAGES / 8];
	struct idirty_read_args read = { .size = sizeof(read),
					 .iova = FAKE_IOVA, .length = FAKE_SIZE, .page_size = 4096,
					 .bitmap = bitmap };
	struct idirty_tracker *t[2];
	struct idirty *ctx;
	unsigned int i;

	fake_reset();
	fake_has_trackers = false;
	fake_entry = 512;
	expect(!idirty_open(5, &ctx));
	for (i = 0; i < 2; i++)
		expect(!idirty_alloc(ctx, &targets[i], &t[i]) &&
		       !idirty_start(t[i], 0, &all, i, NULL));
	fake_write(3);
	fake_write(700);
	/* Now they are dirty only for the device's tracker */
	expect(!idirty_read(t, 1, &read, NULL) && read.out_pages == 1024);
	expect(!idirty_scan(t, 2, &scan) && scan.out_length == 700 * 4096);
	fake_write(600);
	scan.iova += scan.out_length;
	scan.length -= scan.out_length;
	scan.num_runs = 1;
	expect(!idirty_scan(t, 2, &scan) && run.iova == FAKE_IOVA + 700 * 4096);
	memset(bitmap, 0, sizeof(bitmap));
	expect(!idirty_read(t, 1, &read, NULL) && idirty_bitmap_test(bitmap, 600));
	for (i = 0; i < 2; i++)
		expect(!idirty_destroy(t[i]));
	idirty_close(ctx);
	ok("scan: within an IO-PTE");
}

/* Pages for which a SCAN of many trackers had no room are still dirty for each of them */
static void test_scan_rest(void)
{
	struct idirty_target target = IDIRTY_TARGET(FAKE_IOAS);
	struct idirty_range run;
	struct idirty_scan_args scan = { .size = sizeof(scan),
					 .num_runs = 1, .iova = FAKE_IOVA, .length = FAKE_SIZE,
					 .page_size = 4096, .runs = &run };
	struct idirty_unmap_args unmap = { .size = sizeof(unmap),
					   .iova = FAKE_IOVA, .length = FAKE_SIZE,
					   .page_size = 4096 };
	static uint8_t bitmap[FAKE_PAGES / 8];
	struct idirty_tracker *t[65];
	struct idirty *ctx;
	unsigned int i;

	fake_reset();
	expect(!idirty_open(5, &ctx));
	for (i = 0; i < 65; i++)
		expect(!idirty_alloc(ctx, &target, &t[i]) && !idirty_start(t[i], 0, NULL, 0, NULL));
	fake_write(2);
	fake_write(9);
	expect(!idirty_scan(t, 65, &scan));
	expect(scan.num_runs == 1 && run.iova == FAKE_IOVA + 2 * 4096);
	expect(scan.out_length == 9 * 4096 && scan.out_pages == 1);
	fake_write(11);
	scan.num_runs = 1;
	expect(!idirty_scan(t + 64, 1, &scan) && run.iova == FAKE_IOVA + 9 * 4096);
	scan.num_runs = 1;
	expect(!idirty_scan(t + 64, 1, &scan) && run.iova == FAKE_IOVA + 11 * 4096);
	scan.num_runs = 1;
	expect(!idirty_scan(t + 64, 1, &scan) && scan.num_runs == 0);
	unmap.bitmap = bitmap;
	expect(!idirty_unmap(t[3], &unmap) && bitmap[1] == 0xa);
	for (i = 0; i < 65; i++)
		expect(!idirty_destroy(t[i]));
	idirty_close(ctx);
	ok("scan: the rest");
}

static bool range_holds(const struct idirty_range *range, const struct idirty_range *part)
{
	return part->iova >= range->iova &&
	       part->iova + part->length <= range->iova + range->length;
}

/* More ranges than VFIO takes: in any order, overlapping, and not page aligned */
static void test_vfio_ranges(void)
{
	struct idirty_target target = FAKE_TARGET(FAKE_DEVICE_FD, NULL, 0);
	struct idirty_range ranges[300] = {}, *covered;
	uint64_t page_size = 4096, gap;
	struct idirty_tracker *t;
	struct idirty_tracker_info *info;
	struct idirty *ctx;
	size_t num, i, j;

	fake_reset();
	fake_has_trackers = false;
	fake_log_size = 16384;
	expect(!idirty_open(5, &ctx));
	expect(!idirty_alloc(ctx, &target, &t));
	/* 290 of them, with gaps of 1 to 4 pages, and ten that overlap */
	for (i = 0; i < 290; i++)
		ranges[i] = (struct idirty_range){ FAKE_IOVA + i * 8 * 4096 + 0x10,
						   (7 - i % 4) * 4096 - 0x20 };
	for (; i < 300; i++)
		ranges[i] = (struct idirty_range){ FAKE_IOVA + i * 4096, 0x1000 };
	for (i = 0; i < 300; i++) {
		struct idirty_range r = ranges[i];

		j = fake_below(300);
		ranges[i] = ranges[j];
		ranges[j] = r;
	}
	expect(!idirty_start(t, 0, ranges, 300, &page_size));
	expect(page_size == 16384);
	expect(!idirty_covered(t, &covered, &num) && num == fake_num_ranges && num == 256);
	expect(!memcmp(covered, fake_ranges, num * sizeof(*covered)));
	for (i = 0; i < 300; i++) {
		for (j = 0; j < num; j++)
			if (range_holds(&covered[j], &ranges[i]))
				break;
		expect(j < num);
	}
	/* Gaps that are left are not smaller than those that were closed */
	for (j = 1, gap = 4; j < num; j++)
		gap = min_u64(gap, (covered[j].iova - covered[j - 1].iova -
				    covered[j - 1].length) / 4096);
	expect(gap == 1);
	expect(!idirty_info(t, &info));
	expect(info->num_ranges == 256 && info->tracked_page_size == 16384);
	idirty_free(info);
	idirty_free(covered);
	expect(!idirty_stop(t));
	page_size = 65536;
	expect(!idirty_start(t, 0, ranges, 2, &page_size) && page_size == 65536);
	expect(fake_ranges[0].iova % 65536 == 0 && fake_ranges[0].length % 65536 == 0);
	expect(!idirty_stop(t));
	ranges[1].length = 0;
	expect(idirty_start(t, 0, ranges, 2, NULL) == -EINVAL);
	ranges[1] = (struct idirty_range){ -4096ULL, 4096 };
	expect(idirty_start(t, 0, ranges, 2, NULL) == -EOVERFLOW);
	expect(!idirty_destroy(t));
	idirty_close(ctx);
	ok("VFIO ranges");
}

int main(void)
{
	uint32_t hwpt = FAKE_HWPT;
	struct idirty_target ioas = IDIRTY_TARGET(FAKE_IOAS);
	struct idirty_target hwpts = FAKE_TARGET(-1, &hwpt, 1);
	struct idirty_target vfio = FAKE_TARGET(FAKE_DEVICE_FD, NULL, 0);

	fake_reset();
	test_scan("scan: 70 trackers", &ioas, 70, 1);
	fake_reset();
	ioas.flags = IDIRTY_ALLOC_FILE;
	test_scan("scan: 20 files", &ioas, 20, 1);
	fake_reset();
	fake_has_trackers = false;
	test_scan("scan: HWPTs", &hwpts, 1, 1);
	fake_reset();
	fake_has_trackers = false;
	test_scan("scan: HWPTs with pages of 2 MiB", &hwpts, 1, 512);
	fake_reset();
	fake_has_trackers = false;
	test_scan("scan: HWPTs with pages of 16 MiB", &hwpts, 1, 4096);
	fake_reset();
	fake_has_trackers = false;
	test_scan("scan: VFIO", &vfio, 1, 1);
	test_uncovered();
	test_wide();
	test_large_entry();
	test_scan_within();
	test_scan_rest();
	test_vfio_ranges();
	return 0;
}
