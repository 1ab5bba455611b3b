// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * Tests each function separately, with trackers and with both fallbacks.
 */
#include <fcntl.h>
#include <unistd.h>

#include "fake.h"
#include "internal.h"

static void test_bitmap(void)
{
	static uint8_t bits[80];
	unsigned int i, n, round;

	for (round = 0; round < 3000; round++) {
		uint64_t pages = 1 + fake_below(600), pos = 0, end, count = 0;
		uint8_t *bitmap = bits + fake_below(3);
		bool set[600] = {}, seen[600] = {};

		memset(bits, 0, sizeof(bits));
		/* Also beyond the end, where nothing may look */
		for (i = 0; i < fake_below(300); i++) {
			n = fake_below(600);
			set[n] = true;
			bitmap[n / 8] |= 1 << (n % 8);
		}
		while (idirty_bitmap_next(bitmap, pages, &pos, &end)) {
			expect(pos < end && end <= pages);
			expect(end == pages || !set[end]);
			for (; pos < end; pos++)
				seen[pos] = true;
		}
		for (i = 0; i < pages; i++) {
			expect(set[i] == seen[i]);
			expect(set[i] == !!idirty_bitmap_test(bitmap, i));
			count += set[i];
		}
		expect(count == idirty_bitmap_count(bitmap, pages));
	}
	expect(idirty_bitmap_pages(4095, 2, 4096) == 2);
	expect(idirty_bitmap_pages(0, 0, 4096) == 0);
	expect(idirty_bitmap_bytes(0, 9 * 4096, 4096) == 2);
	ok("bitmap");
}

static void test_runs(void)
{
	struct idirty_range range = { 0x1100, 0x3000 }, run;
	uint8_t bitmap = 0x9;	/* pages 1 and 4 */
	uint64_t pos = 0;

	expect(idirty_bitmap_next_run(&bitmap, &range, 4096, &pos, &run) == 1);
	expect(run.iova == 0x1100 && run.length == 0xf00);
	expect(idirty_bitmap_next_run(&bitmap, &range, 4096, &pos, &run) == 1);
	expect(run.iova == 0x4000 && run.length == 0x100);
	expect(idirty_bitmap_next_run(&bitmap, &range, 4096, &pos, &run) == 0);
	/* The last page of the address space */
	range = (struct idirty_range){ -4096ULL, 4096 };
	bitmap = 1;
	pos = 0;
	expect(idirty_bitmap_next_run(&bitmap, &range, 4096, &pos, &run) == 1);
	expect(run.iova == -4096ULL && run.length == 4096);
	ok("runs");
}

static char memory[3 * 4096];
static unsigned int translated;

static int on_host(void *arg, void *host, uint64_t iova, uint64_t length)
{
	expect(arg == &translated);
	expect((char *)host == memory + (iova < 0x9000 ? iova - 0x1000 : iova - 0x9000));
	translated += length;
	return 0;
}

static void test_map(void)
{
	struct idirty_range run = { 0x1800, 0x1000 };
	struct idirty_map *map;
	uint64_t length = 1 << 20;

	expect(!idirty_map_new(&map));
	expect(!idirty_map_add(map, 0x9000, 0x1000, memory));
	expect(!idirty_map_add(map, 0x1000, 0x1000, memory));
	expect(!idirty_map_add(map, 0x2000, 0x1000, memory + 0x1000));
	expect(idirty_map_add(map, 0x2fff, 2, memory) == -EEXIST);
	expect(idirty_map_add(map, 0x8fff, 2, memory) == -EEXIST);
	expect(idirty_map_add(map, -1ULL, 2, memory) == -EOVERFLOW);
	expect(idirty_map_find(map, 0x2800, &length) == memory + 0x1800 && length == 0x800);
	expect(!idirty_map_find(map, 0x3000, NULL));
	expect(!idirty_map_run(map, &run, on_host, &translated) && translated == 0x1000);
	/* The rest is translated despite holes */
	translated = 0;
	run.length = 0xa000;
	expect(idirty_map_run(map, &run, on_host, &translated) == -ENOENT && translated == 0x2800);
	run.iova = 0x3000;
	run.length = 0x1000;
	expect(idirty_map_run(map, &run, on_host, &translated) == -ENOENT && translated == 0x2800);
	expect(idirty_map_remove(map, 0x2000, 0x800) == -ENOENT);
	expect(!idirty_map_remove(map, 0x2000, 0x1000));
	expect(!idirty_map_find(map, 0x2000, NULL));
	expect(idirty_map_find(map, 0x9000, NULL) == memory);
	idirty_map_free(map);
	ok("map");
}

static void test_errors(void)
{
	struct idirty_target target = IDIRTY_TARGET(FAKE_IOAS);
	struct idirty_tracker *t;
	struct idirty *ctx;
	char text[200];

	fake_reset();
	expect(idirty_open(-1, &ctx) == -EBADF);
	expect(!idirty_open(5, &ctx));
	expect(!idirty_alloc(ctx, &target, &t));
	fake_reason = IOMMU_DIRTY_REASON_NO_HW;
	expect(idirty_start(t, 0, NULL, 0, NULL) == -ENXIO);
	expect(idirty_last_error()->member_id == FAKE_HWPT);
	idirty_strerror(idirty_last_error(), text, sizeof(text));
	expect(!strncmp(text, "START: HWPT 9 cannot be tracked: the IOMMU sets no", 50));
	/* Truncated, without an overrun */
	idirty_strerror(idirty_last_error(), text, 6);
	expect(!strcmp(text, "START"));
	expect(!idirty_destroy(t));
	target.id = 99;
	expect(idirty_alloc(ctx, &target, &t) == -ENOENT);
	idirty_strerror(idirty_last_error(), text, sizeof(text));
	expect(!strcmp(text, "ALLOC: no object has this id"));
	fake_has_trackers = false;
	expect(idirty_alloc(ctx, &target, &t) == -ENOTTY);
	idirty_strerror(idirty_last_error(), text, sizeof(text));
	expect(!strcmp(text, "ALLOC: this kernel has no dirty trackers (CONFIG_IOMMUFD_DIRTY)"));
	idirty_close(ctx);
	ok("errors");
}

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static uint32_t flags_of(struct idirty_tracker *t)
{
	struct idirty_tracker_info *info;
	uint32_t flags;

	expect(!idirty_info(t, &info));
	flags = info->flags;
	idirty_free(info);
	return flags;
}

/* A tracker with a file of its own needs neither the context nor the iommufd */
static void test_file(void)
{
	struct idirty_target target = IDIRTY_TARGET(FAKE_IOAS);
	struct idirty_range range = { FAKE_IOVA, 4096 };
	uint8_t bitmap[2] = {};
	struct idirty_read_args read = { .size = sizeof(read),
					 .iova = FAKE_IOVA, .length = 0x10000, .page_size = 4096,
					 .bitmap = bitmap };
	struct idirty_unmap_args unmap = { .size = sizeof(unmap),
					   .iova = FAKE_IOVA, .length = 0x10000, .page_size = 4096,
					   .bitmap = bitmap };
	struct idirty_mark_args mark = { .size = sizeof(mark), .num_runs = 1, .runs = &range };
	struct idirty_tracker *t, *same, *none;
	struct idirty *ctx;
	char text[200];
	int fd, other;

	fake_reset();
	expect(!idirty_open(5, &ctx));
	expect(!idirty_alloc(ctx, &target, &t) && idirty_tracker_fd(t) == -1);
	expect(!idirty_destroy(t));
	target.flags = IDIRTY_ALLOC_PASSIVE | IDIRTY_ALLOC_FILE;
	expect(!idirty_alloc(ctx, &target, &t) && !idirty_tracker_id(t));
	idirty_close(ctx);
	fd = idirty_tracker_fd(t);
	expect(is_open(fd));
	expect(flags_of(t) == IDIRTY_TRACKER_PASSIVE);
	expect(!idirty_start(t, 0, NULL, 0, NULL));
	fake_write(3);
	expect(!idirty_read(&t, 1, &read, NULL) && read.out_pages == 1 && bitmap[0] == 8);
	expect(!idirty_mark(t, &mark));
	expect(!idirty_read(&t, 1, &read, NULL) && read.out_pages == 1 && bitmap[0] == 9);
	expect(idirty_unmap(t, &unmap) == -ENOTTY);
	expect(!strcmp(idirty_strerror(idirty_last_error(), text, sizeof(text)),
		       "UNMAP: a tracker with a file of its own cannot do that"));

	/* As another process does that has received the file */
	other = dup(fd);
	expect(idirty_adopt(5, &none) == -ENOENT);
	expect(!idirty_adopt(fd, &same) && idirty_tracker_fd(same) == fd);
	expect(idirty_tracker_backend(same) == IDIRTY_BACKEND_TRACKER);
	expect(flags_of(same) == IDIRTY_TRACKER_PASSIVE);
	fake_write(9);
	expect(!idirty_read(&same, 1, &read, NULL) && bitmap[1] == 2);

	/* The IOAS is destroyed */
	fake_destroy_ioas();
	expect(flags_of(t) & IDIRTY_TRACKER_GONE);
	expect(idirty_read(&t, 1, &read, NULL) == -ENODATA && !read.out_length);
	expect(!strncmp(idirty_strerror(idirty_last_error(), text, sizeof(text)),
			"READ: a tracker is not running, or was stopped, or its IOAS is gone", 67));
	expect(idirty_start(t, 0, NULL, 0, NULL) == -ENODEV);
	expect(!strcmp(idirty_strerror(idirty_last_error(), text, sizeof(text)),
		       "START: the device is no longer bound to the iommufd, or the IOAS is gone"));
	expect(is_open(fd) && !idirty_destroy(t) && !is_open(fd));
	dup2(other, fd);
	expect(!idirty_destroy(same) && !is_open(fd));
	close(other);
	ok("file");
}

/* No flag is ignored: neither by the library, an older kernel nor a fallback */
static void test_flags(void)
{
	struct idirty_target target = IDIRTY_TARGET(FAKE_IOAS);
	uint32_t hwpt = FAKE_HWPT;
	struct idirty_tracker *t;
	struct idirty *ctx;
	char text[200];

	fake_reset();
	expect(!idirty_open(5, &ctx));
	target.flags = 4;
	expect(idirty_alloc(ctx, &target, &t) == -EOPNOTSUPP);
	fake_has_flags = false;
	for (target.flags = 1; target.flags < 4; target.flags++)
		expect(idirty_alloc(ctx, &target, &t) == -EOPNOTSUPP);
	expect(!strcmp(idirty_strerror(idirty_last_error(), text, sizeof(text)),
		       "ALLOC: flags has a bit that this kernel does not know"));
	target.flags = 0;
	expect(!idirty_alloc(ctx, &target, &t) && !idirty_destroy(t));
	fake_has_trackers = false;
	target.num_hwpts = 1;
	target.hwpts = &hwpt;
	target.flags = IDIRTY_ALLOC_PASSIVE;
	expect(idirty_alloc(ctx, &target, &t) == -EOPNOTSUPP);
	expect(idirty_last_error()->code == EOPNOTSUPP);
	target.num_hwpts = 0;
	expect(idirty_alloc(ctx, &target, &t) == -ENOTTY);
	idirty_close(ctx);
	ok("flags");
}

static void test_info_list(void)
{
	struct idirty_target target = IDIRTY_TARGET(FAKE_IOAS);
	struct idirty_object **objects;
	struct idirty_tracker *t;
	struct idirty_tracker_info *info;
	const struct idirty_member *m;
	struct idirty *ctx;
	size_t num, i;

	fake_reset();
	expect(!idirty_open(5, &ctx) && idirty_fd(ctx) == 5);
	expect(!idirty_alloc(ctx, &target, &t));
	expect(!idirty_info(t, &info));
	expect(info->num_members == 20 && info->weak == 0);
	m = info->members[19];
	expect(m->id == FAKE_HWPT + 19 && !m->flags && m->split_reason == IDIRTY_REASON_NO_BBML);
	expect(m->io_page_sizes == 0x40201000 && m->io_page_sizes_used == 0x201000);
	expect(m->split == 119 && m->unsplit == 219 && m->merged == 319 && m->unmerged == 419);
	m = info->members[18];
	expect(m->flags == IDIRTY_MEMBER_SPLITS && !m->split_reason);
	idirty_free(info);
	expect(!idirty_list(ctx, &objects, &num) && num == 5);
	for (i = 0; i < num; i++)
		expect(objects[i]->id == i && objects[i]->num_trackers == i + 1 &&
		       objects[i]->flags == IDIRTY_OBJECT_TYPE1 &&
		       objects[i]->state == IDIRTY_STATE_RUNNING &&
		       !strcmp(objects[i]->name, "0000:00:04.0"));
	idirty_free(objects);
	expect(!idirty_destroy(t));
	idirty_close(ctx);
	ok("info and list");
}

static void test_option(void)
{
	struct idirty *ctx;

	fake_reset();
	expect(!idirty_open(5, &ctx));
	expect(!idirty_set_trackable(ctx, FAKE_IOAS, 1) && fake_trackable);
	expect(idirty_set_trackable(ctx, FAKE_HWPT, 0) == -ENOENT && fake_trackable);
	expect(!idirty_set_trackable(ctx, FAKE_IOAS, 0) && !fake_trackable);
	/* As the condition of an if */
	expect(!idirty_set_trackable(ctx, FAKE_IOAS, 4) && fake_trackable);
	fake_has_trackers = false;
	expect(idirty_set_trackable(ctx, FAKE_IOAS, 0) == -EOPNOTSUPP && fake_trackable);
	expect(idirty_last_error()->verb == IDIRTY_VERB_OPTION);
	idirty_close(ctx);
	ok("option");
}

/* For all backends: exactly the written pages are reported, for random ranges */
static void test_reads(const char *name, struct idirty_target *target, unsigned int num)
{
	struct idirty_range all = { FAKE_IOVA, FAKE_SIZE };
	static uint8_t bitmap[FAKE_PAGES / 8 + 2], may[FAKE_PAGES / 8 + 2];
	static bool want[FAKE_PAGES];
	struct idirty_tracker *t[70];
	unsigned int i, round;
	struct idirty *ctx;

	expect(!idirty_open(5, &ctx));
	for (i = 0; i < num; i++) {
		expect(!idirty_alloc(ctx, target, &t[i]));
		expect(!idirty_start(t[i], 0, &all,
				     idirty_tracker_backend(t[i]) == IDIRTY_BACKEND_VFIO,
				     NULL));
	}
	expect(idirty_start(t[0], 0, NULL, 0, NULL) == -EALREADY);
	memset(want, 0, sizeof(want));
	for (round = 0; round < 200; round++) {
		uint64_t first = fake_below(FAKE_PAGES), pages = 1 + fake_below(FAKE_PAGES - first);
		uint64_t ps = 4096ULL << fake_below(4);
		struct idirty_read_args read = {
			.size = sizeof(read),
			.iova = FAKE_IOVA + first * 4096,
			.length = pages * 4096,
			.page_size = ps,
			.bitmap = bitmap,
		};

		for (i = 0; i < 200; i++) {
			unsigned int page = fake_below(FAKE_PAGES);

			fake_write(page);
			want[page] = true;
		}
		memset(bitmap, 0, sizeof(bitmap));
		expect(!idirty_read(t, num, &read, NULL));
		expect(read.out_length == read.length);
		expect(read.out_pages == idirty_bitmap_count(bitmap, sizeof(bitmap) * 8));
		memset(may, 0, sizeof(may));
		for (i = first; i < first + pages; i++) {
			uint64_t at = FAKE_IOVA + i * 4096ULL;
			uint64_t bit = at / ps - read.iova / ps;

			if (want[i])
				expect(idirty_bitmap_test(bitmap, bit));
			may[bit / 8] |= want[i] << (bit % 8);
			want[i] = false;
		}
		expect(!memcmp(may, bitmap, sizeof(may)));
	}
	for (i = 0; i < num; i++)
		expect(!idirty_destroy(t[i]));
	idirty_close(ctx);
	ok(name);
}

/* A tracker fails in the second of two ioctls, or in the first, which skips the second */
static void test_batches(void)
{
	static const unsigned int failing[2] = { 66, 3 };
	struct idirty_target target = IDIRTY_TARGET(FAKE_IOAS);
	static uint8_t bitmap[FAKE_PAGES / 8];
	struct idirty_read_args read = { .size = sizeof(read),
					 .iova = FAKE_IOVA, .length = FAKE_SIZE,
					 .page_size = 4096, .bitmap = bitmap };
	struct idirty_tracker *t[70];
	struct idirty *ctx;
	unsigned int i;

	fake_reset();
	expect(!idirty_open(5, &ctx));
	for (i = 0; i < 70; i++) {
		expect(!idirty_alloc(ctx, &target, &t[i]));
		expect(!idirty_start(t[i], 0, NULL, 0, NULL));
	}
	fake_fault_length = 0x10000;
	for (i = 0; i < 2; i++) {
		fake_fault_id = idirty_tracker_id(t[failing[i]]);
		expect(idirty_read(t, 70, &read, NULL) == -EFAULT);
		expect(idirty_last_error()->tracker == failing[i] + 1);
		expect(read.out_length == (failing[i] < 64 ? 0 : 0x10000));
	}
	/* In the first ioctl again, but there is no second one */
	expect(idirty_read(t, 64, &read, NULL) == -EFAULT);
	expect(read.out_length == 0x10000);
	for (i = 0; i < 70; i++)
		expect(!idirty_destroy(t[i]));
	idirty_close(ctx);
	ok("read: one of 70 trackers fails");
}

/* An ioctl can only take trackers of one iommufd */
static void test_two_iommufds(void)
{
	static const uint8_t both[1] = { 3 };
	struct idirty_target target = IDIRTY_TARGET(FAKE_IOAS);
	uint8_t bitmap[1] = {};
	struct idirty_read_args read = { .size = sizeof(read),
					 .iova = FAKE_IOVA, .length = 8 * 4096,
					 .page_size = 4096, .bitmap = bitmap };
	struct idirty_tracker *t[3];
	struct idirty *ctx[2];
	unsigned int i;

	fake_reset();
	expect(!idirty_open(5, &ctx[0]));
	expect(!idirty_open(6, &ctx[1]));
	for (i = 0; i < 3; i++) {
		expect(!idirty_alloc(ctx[i % 2], &target, &t[i]));
		expect(!idirty_start(t[i], 0, NULL, 0, NULL));
	}
	fake_write(0);
	fake_write(1);
	expect(!idirty_read(t, 3, &read, NULL));
	expect(read.out_length == read.length && read.out_pages == 2);
	expect(!memcmp(bitmap, both, sizeof(bitmap)));
	for (i = 0; i < 3; i++)
		expect(!idirty_destroy(t[i]));
	idirty_close(ctx[0]);
	idirty_close(ctx[1]);
	ok("read: trackers of two iommufds");
}

/* Trackers with files of their own, between others; one of them fails, or covers less */
static void test_files(void)
{
	struct idirty_target ioas = IDIRTY_TARGET(FAKE_IOAS);
	static uint8_t bitmap[FAKE_PAGES / 8];
	struct idirty_read_args read = { .size = sizeof(read),
					 .iova = FAKE_IOVA, .length = FAKE_SIZE,
					 .page_size = 4096, .bitmap = bitmap };
	struct idirty_tracker *t[6];
	struct idirty *ctx;
	uint64_t pages[6];
	unsigned int i;

	fake_reset();
	expect(!idirty_open(5, &ctx));
	for (i = 0; i < 6; i++) {
		/* Numbers 0 and 3 belong to the iommufd */
		ioas.flags = i % 3 ? IDIRTY_ALLOC_FILE : 0;
		expect(!idirty_alloc(ctx, &ioas, &t[i]) && !idirty_start(t[i], 0, NULL, 0, NULL));
		/* Earlier ones get it, too */
		fake_write(i);
	}
	expect(!idirty_read(t, 6, &read, pages));
	expect(read.out_length == read.length && read.out_pages == 6 && bitmap[0] == 63);
	expect(pages[0] == 6 && !pages[1] && !pages[5]);
	memset(bitmap, 0, sizeof(bitmap));
	expect(!idirty_stop(t[4]));
	fake_write(8);
	expect(idirty_read(t, 6, &read, NULL) == -ENODATA && !read.out_length);
	expect(idirty_last_error()->tracker == 5);
	/* The one after it was not read */
	memset(bitmap, 0, sizeof(bitmap));
	expect(!idirty_read(t + 5, 1, &read, NULL) && bitmap[1] == 1);
	for (i = 0; i < 6; i++)
		expect(!idirty_destroy(t[i]));
	idirty_close(ctx);
	ok("read: trackers with files of their own");
}

/* What was read is marked, and read again: of the one tracker only */
static void test_mark(void)
{
	struct idirty_target target = IDIRTY_TARGET(FAKE_IOAS);
	struct idirty_range runs[2] = { { FAKE_IOVA + 4096, 4096 }, { FAKE_IOVA + 3 * 4096, 1 } };
	uint8_t bitmap[2] = {};
	struct idirty_read_args read = { .size = sizeof(read),
					 .iova = FAKE_IOVA, .length = 0x10000, .page_size = 4096,
					 .bitmap = bitmap };
	struct idirty_mark_args mark = { .size = sizeof(mark),
					 .iova = FAKE_IOVA, .length = 0x10000, .page_size = 4096,
					 .bitmap = bitmap };
	struct idirty_tracker *t[2];
	struct idirty *ctx;
	char text[200];
	int i;

	fake_reset();
	expect(!idirty_open(5, &ctx));
	for (i = 0; i < 2; i++)
		expect(!idirty_alloc(ctx, &target, &t[i]) && !idirty_start(t[i], 0, NULL, 0, NULL));
	fake_write(2);
	fake_write(9);
	expect(!idirty_read(t, 2, &read, NULL) && read.out_pages == 2);
	expect(!idirty_mark(t[1], &mark));
	memset(bitmap, 0, sizeof(bitmap));
	expect(!idirty_read(t, 1, &read, NULL) && !read.out_pages);
	expect(!idirty_read(&t[1], 1, &read, NULL) && read.out_pages == 2);
	expect(bitmap[0] == 4 && bitmap[1] == 2);
	mark = (struct idirty_mark_args){ .size = sizeof(struct idirty_mark_args),
					  .num_runs = 2, .runs = runs };
	memset(bitmap, 0, sizeof(bitmap));
	expect(!idirty_mark(t[0], &mark));
	expect(!idirty_read(t, 2, &read, NULL) && bitmap[0] == 10 && !bitmap[1]);
	for (i = 0; i < 2; i++)
		expect(!idirty_destroy(t[i]));
	idirty_close(ctx);

	fake_reset();
	fake_has_trackers = false;
	target.vfio_fd = FAKE_DEVICE_FD;
	expect(!idirty_open(5, &ctx) && !idirty_alloc(ctx, &target, &t[0]));
	expect(idirty_mark(t[0], &mark) == -ENOTTY);
	expect(!strcmp(idirty_strerror(idirty_last_error(), text, sizeof(text)),
		       "MARK: the kernel or the fallback cannot make pages dirty again"));
	expect(!idirty_destroy(t[0]));
	idirty_close(ctx);
	ok("mark");
}

static void test_fallback(void)
{
	uint32_t hwpts[] = { FAKE_HWPT, 44 };
	struct idirty_target target = FAKE_TARGET(-1, hwpts, 2);
	static uint8_t bitmap[FAKE_PAGES / 8];
	struct idirty_read_args read = { .size = sizeof(read),
					 .iova = FAKE_IOVA, .length = FAKE_SIZE,
					 .page_size = 4096, .bitmap = bitmap };
	struct idirty_tracker *t;
	struct idirty_tracker_info *info;
	struct idirty *ctx;

	fake_reset();
	fake_has_trackers = false;
	expect(!idirty_open(5, &ctx));
	expect(!idirty_alloc(ctx, &target, &t));
	/* All or nothing */
	expect(idirty_start(t, 0, NULL, 0, NULL) == -ENXIO);
	expect(idirty_last_error()->member_id == 44);
	expect(fake_started == 1 && fake_stopped == 1);
	expect(!idirty_destroy(t));

	target.num_hwpts = 1;
	expect(!idirty_alloc(ctx, &target, &t));
	expect(idirty_tracker_backend(t) == IDIRTY_BACKEND_HWPT && !idirty_tracker_id(t));
	expect(idirty_start(t, IDIRTY_START_DEGRADED, NULL, 0, NULL) == -EOPNOTSUPP);
	expect(!idirty_info(t, &info));
	expect(info->weak & IDIRTY_WEAK_HOLES && info->state == IDIRTY_STATE_STOPPED);
	idirty_free(info);
	expect(idirty_read(&t, 1, &read, NULL) == -ENODATA && !read.out_length);
	expect(!idirty_start(t, 0, NULL, 0, NULL));

	/* A failure never makes a page clean */
	memset(bitmap, 0, sizeof(bitmap));
	fake_fail_cmd = IOMMU_HWPT_GET_DIRTY_BITMAP;
	fake_fail_errno = EIO;
	expect(idirty_read(&t, 1, &read, NULL) == -EIO);
	expect(idirty_bitmap_count(bitmap, FAKE_PAGES) == FAKE_PAGES);
	expect(idirty_last_error()->tracker == 1);
	/* The next READ reports them, too: the caller may have dropped that bitmap */
	memset(bitmap, 0, sizeof(bitmap));
	expect(!idirty_read(&t, 1, &read, NULL));
	expect(idirty_bitmap_count(bitmap, FAKE_PAGES) == FAKE_PAGES);
	memset(bitmap, 0, sizeof(bitmap));
	expect(!idirty_read(&t, 1, &read, NULL));
	expect(!idirty_bitmap_count(bitmap, FAKE_PAGES));
	expect(!idirty_destroy(t));
	idirty_close(ctx);
	ok("fallback");
}

static void test_unmap(void)
{
	struct idirty_target target = FAKE_TARGET(FAKE_DEVICE_FD, NULL, 0);
	struct idirty_range all = { FAKE_IOVA, FAKE_SIZE };
	uint8_t bitmap[8] = {};
	struct idirty_unmap_args unmap = { .size = sizeof(unmap),
					   .iova = FAKE_IOVA, .length = 0x10000,
					   .page_size = 4096, .bitmap = bitmap };
	struct idirty_tracker *t;
	uint32_t hwpt = FAKE_HWPT;
	struct idirty *ctx;

	fake_reset();
	fake_has_trackers = false;
	expect(!idirty_open(5, &ctx));
	expect(!idirty_alloc(ctx, &target, &t));
	expect(idirty_tracker_backend(t) == IDIRTY_BACKEND_VFIO);
	expect(idirty_start(t, 0, NULL, 0, NULL) == -EINVAL);
	expect(!idirty_start(t, 0, &all, 1, NULL));
	expect(idirty_unmap(t, &unmap) == -EINVAL);
	expect(!idirty_destroy(t) && fake_stopped == 1);

	target = (struct idirty_target)FAKE_TARGET(-1, &hwpt, 1);
	expect(!idirty_alloc(ctx, &target, &t) && !idirty_start(t, 0, NULL, 0, NULL));
	fake_write(3);
	expect(!idirty_unmap(t, &unmap));
	expect(unmap.out_unmapped == 0x10000 && unmap.out_pages == 1 && bitmap[0] == 8);
	fake_mapped = false;
	expect(idirty_unmap(t, &unmap) == -ENOENT && !unmap.out_unmapped);
	expect(!idirty_destroy(t));
	idirty_close(ctx);
	ok("unmap");
}

static void test_device(void)
{
	const struct idirty_range ranges[2] = {
		{ FAKE_IOVA + 0x20000, 0x1000 }, { FAKE_IOVA, 0x1000 },
	};
	struct idirty_target target = IDIRTY_TARGET(FAKE_DEVICE);
	struct idirty_range *covered;
	uint64_t page_size = 4096;
	struct idirty_tracker *t;
	struct idirty *ctx;
	char text[200];
	size_t num;

	fake_reset();
	expect(!idirty_open(5, &ctx));
	expect(!idirty_alloc(ctx, &target, &t));
	expect(idirty_start(t, 0, NULL, 0, NULL) == -EINVAL);
	expect(idirty_update(t, 0, ranges, 2, NULL) == -ENODATA);
	expect(idirty_start(t, 0, ranges, 65537, NULL) == -EINVAL);
	expect(!idirty_start(t, 0, ranges, 2, &page_size));
	expect(page_size == 65536);
	expect(!idirty_covered(t, &covered, &num));
	expect(num == 1 && covered[0].iova == FAKE_IOVA && covered[0].length == 0x21000);
	idirty_free(covered);
	expect(idirty_update(t, 0, ranges, 1, &page_size) == -EBUSY);
	idirty_strerror(idirty_last_error(), text, sizeof(text));
	expect(!strcmp(text, "UPDATE: the device may be doing DMA"));
	/* unchanged */
	expect(!idirty_covered(t, &covered, &num));
	expect(num == 1 && covered[0].length == 0x21000);
	idirty_free(covered);
	expect(!idirty_update(t, IDIRTY_UPDATE_GAP_DIRTY, ranges, 1, NULL));
	expect(!idirty_covered(t, &covered, &num));
	expect(num == 1 && covered[0].iova == ranges[0].iova && covered[0].length == 0x1000);
	idirty_free(covered);
	/* The tracker keeps running if STOP fails */
	fake_fail_cmd = IOMMU_DIRTY_TRACKER_STOP;
	fake_fail_errno = EBUSY;
	expect(idirty_stop(t) == -EBUSY);
	expect(!idirty_covered(t, &covered, &num));
	expect(num == 1);
	idirty_free(covered);
	expect(!idirty_stop(t));
	expect(!idirty_covered(t, &covered, &num));
	expect(num == 0);
	idirty_free(covered);
	expect(!idirty_destroy(t));
	idirty_close(ctx);
	ok("device");
}

int main(void)
{
	uint32_t hwpt = FAKE_HWPT;
	struct idirty_target ioas = IDIRTY_TARGET(FAKE_IOAS);
	struct idirty_target hwpts = FAKE_TARGET(-1, &hwpt, 1);
	struct idirty_target vfio = FAKE_TARGET(FAKE_DEVICE_FD, NULL, 0);

	test_bitmap();
	test_runs();
	test_map();
	test_errors();
	test_file();
	test_flags();
	test_device();
	test_info_list();
	test_option();
	fake_reset();
	test_reads("read: a tracker", &ioas, 1);
	/* More trackers than one ioctl takes */
	test_reads("read: 70 trackers", &ioas, 70);
	test_batches();
	test_two_iommufds();
	test_files();
	ioas.flags = IDIRTY_ALLOC_PASSIVE | IDIRTY_ALLOC_FILE;
	fake_reset();
	test_reads("read: 20 files", &ioas, 20);
	test_mark();
	fake_reset();
	fake_has_trackers = false;
	test_reads("read: HWPTs", &hwpts, 1);
	test_reads("read: VFIO", &vfio, 1);
	test_fallback();
	test_unmap();
	return 0;
}
