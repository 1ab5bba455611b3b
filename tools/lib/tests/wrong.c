// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * Tests wrong uses of each function: the error, and what its text says is wrong. The log
 * must have the same text, once for each error.
 */
#include "fake.h"
#include "internal.h"

static struct idirty *ctx;
/* Trackers of an IOAS and of a device; then with a HWPT and with VFIO as fallbacks */
static struct idirty_tracker *ioas, *device, *hwpt, *vfio;
static const struct idirty_range good = { FAKE_IOVA, 0x10000 };
static uint8_t bitmap[16];

static char logged[200];
static enum idirty_log_level level;
static unsigned int num_logged;

static void on_log(void *arg, enum idirty_log_level log_level, const char *text)
{
	expect(arg == &num_logged);
	level = log_level;
	num_logged++;
	snprintf(logged, sizeof(logged), "%s", text);
}

static void wrong(int rc, int error, const char *text)
{
	char said[200];

	idirty_strerror(idirty_last_error(), said, sizeof(said));
	if (rc != -error || strcmp(said, text))
		printf("%d, not %d: \"%s\", not \"%s\"\n", rc, -error, said, text);
	expect(rc == -error && !strcmp(said, text));
	expect(num_logged == 1 && level == IDIRTY_LOG_ERROR && !strcmp(logged, text));
	num_logged = 0;
}

static struct idirty_tracker *tracker_of(struct idirty_target target)
{
	struct idirty_tracker *t;

	expect(!idirty_alloc(ctx, &target, &t));
	return t;
}

static void test_alloc(void)
{
	struct idirty_target target = IDIRTY_TARGET(FAKE_HWPT);
	struct idirty_tracker *t;
	struct idirty *none;

	wrong(idirty_open(-1, &none), EBADF, "open: iommufd is negative");
	wrong(idirty_alloc(ctx, &target, &t), EINVAL, "ALLOC: id is neither an IOAS nor a device");
	target.id = 99;
	wrong(idirty_alloc(ctx, &target, &t), ENOENT, "ALLOC: no object has this id");
	target.flags = 1U << 31;
	wrong(idirty_alloc(ctx, &target, &t), EOPNOTSUPP,
	      "ALLOC: flags has a bit that is not known or not available");
	target.flags = 0;
	target.num_hwpts = 1;
	wrong(idirty_alloc(ctx, &target, &t), EINVAL, "ALLOC: hwpts is NULL");
	target.hwpts = &target.id;
	target.num_hwpts = SIZE_MAX;
	wrong(idirty_alloc(ctx, &target, &t), EINVAL, "ALLOC: num_hwpts is more than 65536");
	target.size = 1;
	wrong(idirty_alloc(ctx, &target, &t), EINVAL, "ALLOC: size is not the size of the struct");
	wrong(idirty_adopt(5, &t), ENOENT, "INFO: no object has this id");
	wrong(idirty_set_trackable(ctx, FAKE_HWPT, 1), ENOENT,
	      "OPTION: ioas_id is not that of an IOAS");
	ok("wrong: open, ALLOC, OPTION");
}

static void test_start(void)
{
	struct idirty_range ranges[3] = { good, good, { FAKE_IOVA, 0 } };
	const uint32_t both = IDIRTY_START_SPLIT | IDIRTY_START_SPLIT_LAZY;
	uint64_t size = 5000;

	wrong(idirty_start(ioas, 0, &good, 1, NULL), EINVAL,
	      "START: tracker is that of an IOAS, which has no ranges");
	wrong(idirty_start(device, 0, NULL, 0, NULL), EINVAL,
	      "START: num is 0, but a device needs ranges");
	wrong(idirty_start(device, 0, NULL, 2, NULL), EFAULT, "START: ranges is NULL");
	wrong(idirty_start(device, 0, ranges, 3, NULL), EINVAL, "START: ranges[2] is empty");
	ranges[1].length = -FAKE_IOVA + 1;
	wrong(idirty_start(device, 0, ranges, 2, NULL), EOVERFLOW,
	      "START: ranges[1] exceeds the address space");
	wrong(idirty_start(device, 0, &good, 1, &size), EINVAL,
	      "START: page_size is not a power of two of at least 4096");
	wrong(idirty_start(device, 0, ranges, 65537, NULL), EINVAL,
	      "START: num is more than 65536");
	wrong(idirty_start(ioas, IDIRTY_START_SPLIT_LAZY << 1, NULL, 0, NULL), EOPNOTSUPP,
	      "START: flags has a bit that is not known or not available");
	wrong(idirty_start(ioas, both, NULL, 0, NULL), EINVAL,
	      "START: flags has both IDIRTY_START_SPLIT and IDIRTY_START_SPLIT_LAZY");
	wrong(idirty_start(device, IDIRTY_START_SPLIT, &good, 1, NULL), EINVAL,
	      "START: flags splits entries, which needs an IOAS without ranges and no passive tracker");
	expect(!idirty_start(device, 0, &good, 1, NULL));
	expect(!idirty_start(ioas, IDIRTY_START_SPLIT_LAZY, NULL, 0, NULL));
	wrong(idirty_start(ioas, 0, NULL, 0, NULL), EALREADY,
	      "START: the tracker is starting or running");
	wrong(idirty_update(ioas, 0, &good, 1, NULL), EINVAL,
	      "UPDATE: tracker is that of an IOAS, which has no ranges");
	wrong(idirty_update(device, 0, NULL, 0, NULL), EINVAL,
	      "UPDATE: num is 0, but a device needs ranges");
	wrong(idirty_update(device, 0, ranges, 2, NULL), EOVERFLOW,
	      "UPDATE: ranges[1] exceeds the address space");
	wrong(idirty_update(device, 0, &good, 1, &size), EINVAL,
	      "UPDATE: page_size is not a power of two of at least 4096");
	ok("wrong: START, UPDATE");
}

static void test_read(void)
{
	struct idirty_read_args read = { .size = sizeof(read), .iova = FAKE_IOVA,
					 .page_size = 4096, .bitmap = bitmap };

	wrong(idirty_read(&ioas, 0, &read, NULL), EINVAL, "READ: num is 0");
	wrong(idirty_read(&ioas, 1, &read, NULL), EINVAL, "READ: length is 0");
	wrong(idirty_read_threads(&ioas, 1, &read, 0), EINVAL, "READ: length is 0");
	read.length = UINT64_MAX;
	wrong(idirty_read(&ioas, 1, &read, NULL), EOVERFLOW,
	      "READ: length exceeds the address space");
	read.length = 4096;
	read.page_size = 2048;
	wrong(idirty_read_threads(&ioas, 1, &read, 1), EINVAL,
	      "READ: page_size is not a power of two of at least 4096");
	read.page_size = 4096;
	read.flags = 4;
	wrong(idirty_read(&ioas, 1, &read, NULL), EOPNOTSUPP,
	      "READ: flags has a bit that is not known or not available");
	read.flags = 0;
	read.bitmap = NULL;
	wrong(idirty_read(&ioas, 1, &read, NULL), EFAULT, "READ: bitmap is NULL");
	/* One error, though each part of the range would have it */
	read.length = 4ULL << 30;
	wrong(idirty_read_threads(&ioas, 1, &read, 4), EFAULT, "READ: bitmap is NULL");
	expect(!read.out_length && !read.out_pages);
	wrong(idirty_read_threads(&ioas, 0, &read, 4), EINVAL, "READ: num is 0");
	read.size = 0;
	wrong(idirty_read(&ioas, 1, &read, NULL), EINVAL,
	      "READ: size is not the size of the struct");
	ok("wrong: READ");
}

static void test_scan(void)
{
	struct idirty_range run;
	struct idirty_scan_args scan = { .size = sizeof(scan), .length = 4096,
					 .page_size = 4096, .runs = &run };

	wrong(idirty_scan(&ioas, 1, &scan), EINVAL, "SCAN: num_runs is 0");
	scan.num_runs = 1;
	wrong(idirty_scan(&ioas, 0, &scan), EINVAL, "SCAN: num is 0");
	scan.num_runs = 1;
	scan.runs = NULL;
	wrong(idirty_scan(&ioas, 1, &scan), EFAULT, "SCAN: runs is NULL");
	ok("wrong: SCAN");
}

static void test_unmap(void)
{
	struct idirty_unmap_args unmap = { .size = sizeof(unmap), .length = 4096,
					   .page_size = 1, .bitmap = bitmap };

	wrong(idirty_unmap(ioas, &unmap), EINVAL,
	      "UNMAP: page_size is not a power of two of at least 4096");
	unmap.page_size = 4096;
	wrong(idirty_unmap(device, &unmap), EINVAL,
	      "UNMAP: tracker is that of a device, or passive");
	unmap.flags = 1;
	wrong(idirty_unmap(ioas, &unmap), EOPNOTSUPP,
	      "UNMAP: flags has a bit that is not known or not available");
	ok("wrong: UNMAP");
}

static void test_mark(void)
{
	struct idirty_range runs[2] = { good, { FAKE_IOVA, 0 } };
	struct idirty_mark_args mark = { .size = sizeof(mark), .runs = runs, .num_runs = 2 };

	wrong(idirty_mark(ioas, &mark), EINVAL, "MARK: runs[1] is empty");
	mark.page_size = 4096;
	wrong(idirty_mark(ioas, &mark), EINVAL,
	      "MARK: num_runs is not 0, although there is a range");
	mark.num_runs = 0;
	wrong(idirty_mark(ioas, &mark), EINVAL, "MARK: length is 0");
	mark.flags = 1;
	wrong(idirty_mark(ioas, &mark), EOPNOTSUPP,
	      "MARK: flags has a bit that is not known or not available");
	ok("wrong: MARK");
}

static void test_map(void)
{
	struct idirty_map *map;

	expect(!idirty_map_new(&map) && !idirty_map_add(map, 0x1000, 0x1000, bitmap));
	wrong(idirty_map_add(map, 0x1000, 0, bitmap), EINVAL, "map: length is 0");
	wrong(idirty_map_add(map, 0x1fff, 1, bitmap), EEXIST,
	      "map: iova overlaps a mapping that was added");
	wrong(idirty_map_add(map, 0x1000, UINT64_MAX, bitmap), EOVERFLOW,
	      "map: length exceeds the address space");
	wrong(idirty_map_remove(map, 0x1000, 1), ENOENT,
	      "map: iova and length are not those of a mapping");
	/* This may be no error of the caller, and is not logged */
	expect(idirty_map_run(map, &good, NULL, NULL) == -ENOENT && !num_logged);
	idirty_map_free(map);
	ok("wrong: map");
}

static void test_precopy(void)
{
	struct idirty_precopy_limits limits = { .size = sizeof(limits), .flags = 4 };
	struct idirty_precopy_result result = { .size = sizeof(result) };
	struct idirty_precopy_ops ops = { .size = sizeof(ops) };
	struct idirty_range ranges[2] = { good, { FAKE_IOVA, 0 } };
	struct idirty_precopy *p;

	wrong(idirty_precopy_new(&ioas, 0, ranges, 1, 4096, &p), EINVAL, "pre-copy: num is 0");
	wrong(idirty_precopy_new(&ioas, 1, ranges, 0, 4096, &p), EINVAL,
	      "pre-copy: num_ranges is 0");
	wrong(idirty_precopy_new(&ioas, 1, ranges, 2, 4096, &p), EINVAL,
	      "pre-copy: ranges[1] is empty");
	wrong(idirty_precopy_new(&ioas, 1, ranges, 1, 4097, &p), EINVAL,
	      "pre-copy: page_size is not a power of two of at least 4096");
	expect(!idirty_precopy_new(&ioas, 1, ranges, 1, 4096, &p));
	wrong(idirty_precopy_run(p, &limits, &ops, NULL, &result), EOPNOTSUPP,
	      "pre-copy: flags has a bit that is not known or not available");
	limits.flags = 0;
	ops.send = NULL;
	wrong(idirty_precopy_run(p, &limits, &ops, NULL, &result), EINVAL,
	      "pre-copy: send is NULL");
	idirty_precopy_free(p);
	ok("wrong: pre-copy");
}

static void test_fallbacks(void)
{
	struct idirty_range end = { -8192ULL, 8192 };
	struct idirty_target target = FAKE_TARGET(FAKE_DEVICE_FD, NULL, 0);
	struct idirty_read_args read = { .size = sizeof(read), .iova = FAKE_IOVA, .length = 4096,
					 .page_size = 4096, .bitmap = bitmap,
					 .flags = IDIRTY_READ_NO_CLEAR };
	struct idirty_tracker *t;

	wrong(idirty_start(hwpt, 1, NULL, 0, NULL), EOPNOTSUPP,
	      "START: flags is not 0, and the fallback has none");
	wrong(idirty_start(hwpt, 0, &good, 1, NULL), EOPNOTSUPP,
	      "START: num is not 0, but HWPTs have no ranges");
	wrong(idirty_start(vfio, 0, NULL, 0, NULL), EINVAL,
	      "START: num is 0, but a device needs ranges");
	wrong(idirty_start(vfio, 0, &end, 1, NULL), EOVERFLOW, "START: ranges[0] ends at 2^64");
	expect(!idirty_start(vfio, 0, &good, 1, NULL));
	wrong(idirty_update(vfio, 0, &good, 1, NULL), EOPNOTSUPP,
	      "UPDATE: tracker uses a fallback, which cannot do that");
	wrong(idirty_read(&vfio, 1, &read, NULL), EOPNOTSUPP,
	      "READ: flags has IDIRTY_READ_NO_CLEAR, which VFIO has not (tracker 1 of the call)");
	target.flags = IDIRTY_ALLOC_FILE;
	wrong(idirty_alloc(ctx, &target, &t), EOPNOTSUPP,
	      "ALLOC: flags is not 0, and the fallback has none");
	wrong(idirty_set_trackable(ctx, FAKE_IOAS, 1), EOPNOTSUPP,
	      "OPTION: this kernel has no dirty trackers (CONFIG_IOMMUFD_DIRTY)");
	ok("wrong: fallbacks");
}

static int no_send(void *arg, uint64_t iova, uint64_t length)
{
	(void)arg;
	(void)iova;
	(void)length;
	return -EPIPE;
}

static int no_quiesce(void *arg)
{
	(void)arg;
	return -EPIPE;
}

/* What no call returns is a note */
static void test_notes(void)
{
	struct idirty_precopy_limits limits = { .size = sizeof(limits), .rounds = 1 };
	struct idirty_precopy_result result = { .size = sizeof(result) };
	struct idirty_precopy_ops ops = {
		.size = sizeof(ops), .send = no_send, .quiesce = no_quiesce,
	};
	struct idirty_precopy *p;

	expect(!idirty_start(hwpt, 0, NULL, 0, NULL));
	expect(!idirty_precopy_new(&hwpt, 1, &good, 1, 4096, &p));
	expect(idirty_precopy_run(p, &limits, &ops, NULL, &result) == -EPIPE);
	expect(num_logged == 2 && level == IDIRTY_LOG_ERROR);
	expect(!strcmp(logged, "pre-copy: Broken pipe"));
	num_logged = 0;
	idirty_precopy_free(p);
	idirty_set_log(NULL, NULL);
	expect(idirty_start(hwpt, 0, NULL, 0, NULL) == -EALREADY && !num_logged);
	idirty_set_log(on_log, &num_logged);
	ok("notes");
}

int main(void)
{
	const uint32_t id = FAKE_HWPT;

	fake_reset();
	idirty_set_log(on_log, &num_logged);
	expect(!idirty_open(5, &ctx));
	ioas = tracker_of((struct idirty_target)IDIRTY_TARGET(FAKE_IOAS));
	device = tracker_of((struct idirty_target)IDIRTY_TARGET(FAKE_DEVICE));
	test_alloc();
	test_start();
	test_read();
	test_scan();
	test_unmap();
	test_mark();
	test_map();
	test_precopy();
	fake_has_trackers = false;
	hwpt = tracker_of((struct idirty_target)FAKE_TARGET(-1, &id, 1));
	expect(num_logged == 1 && level == IDIRTY_LOG_NOTE);
	expect(!strcmp(logged, "no kernel trackers, the fallback is: dirty tracking of each HWPT"));
	vfio = tracker_of((struct idirty_target)FAKE_TARGET(FAKE_DEVICE_FD, NULL, 0));
	num_logged = 0;
	test_fallbacks();
	test_notes();
	expect(!idirty_destroy(hwpt) && !idirty_destroy(vfio));
	expect(!idirty_destroy(ioas) && !idirty_destroy(device));
	idirty_close(ctx);
	return 0;
}
