// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests an IOMMU driver that fails or is slow, with devices of the software IOMMU:
 * tracking cannot be enabled in a page table, harvests fail halfway, and IOTLB flushes
 * and attaching are held while other calls run. No write of a device may be missed, and
 * tracking is enabled in all page tables or in none.
 */
#include <errno.h>
#include <fcntl.h>
#include <kselftest_harness.h>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib.h"

#define IOVA	0x40000000ULL
#define PAGES	64
#define SIZE	(PAGES * SZ_4K)

FIXTURE(soft_faults)
{
	struct env env;
	struct oracle o;
};

FIXTURE_SETUP(soft_faults)
{
	OPEN_OR_SKIP(return, env_open_soft(&self->env, 2));
	oracle_open(&self->o, &self->env, PAGES, IOVA);
	oracle_map(&self->o, self->env.ioas);
}

FIXTURE_TEARDOWN(soft_faults)
{
	if (!self->o.mem)
		return;
	oracle_close(&self->o);
	env_close(&self->env);
}

static __u32 dirty_hwpt(struct env *env, unsigned int index)
{
	return hwpt_alloc(env->fd, env->edu[index].dev_id, env->ioas,
			  IOMMU_HWPT_ALLOC_DIRTY_TRACKING);
}

/* Lets the device write; returns whether READ finds exactly these pages */
static bool tracked(struct oracle *o, unsigned int index)
{
	env_load(o->env, index);
	oracle_write(o, index, 0);
	oracle_write(o, index, PAGES - 1);
	return oracle_read(o, 0) == 2 && bitmap_test(o->bitmap, 0) &&
	       bitmap_test(o->bitmap, PAGES - 1);
}

/* START names the page table that failed, and leaves none enabled */
TEST_F(soft_faults, enable)
{
	struct env *env = &self->env;
	struct iommu_dirty_tracker_start start;
	unsigned int i;
	__u32 hwpt[2];

	for (i = 0; i < 2; i++) {
		hwpt[i] = dirty_hwpt(env, i);
		edu_attach(&env->edu[i], hwpt[i]);
	}
	for (i = 0; i < 2; i++) {
		soft_fail_once(&env->edu[i], FAULT_ENABLE, EIO);
		/* What comes before the failed one is disabled, the rest is never enabled */
		soft_count(&env->edu[!i], i ? FAULT_DISABLE : FAULT_ENABLE);
		EXPECT_EQ(-ENXIO, __tracker_start(env->fd, env->tracker, &start));
		EXPECT_EQ(IOMMU_DIRTY_MEMBER_HWPT, start.out_type);
		EXPECT_EQ(hwpt[i], start.out_id);
		EXPECT_EQ(IOMMU_DIRTY_REASON_ENABLE_FAILED, start.out_reason);
		EXPECT_EQ(IOMMU_DIRTY_STATE_STOPPED, tracker_state(env->fd, env->tracker));
		EXPECT_EQ(i, soft_counted(&env->edu[!i]));
	}
	/* One that is on for classic tracking stays on */
	check(__hwpt_set_dirty(env->fd, hwpt[0], true));
	soft_count(&env->edu[0], FAULT_DISABLE);
	soft_fail_once(&env->edu[1], FAULT_ENABLE, EIO);
	EXPECT_EQ(-ENXIO, __tracker_start(env->fd, env->tracker, &start));
	EXPECT_EQ(0, soft_counted(&env->edu[0]));
	check(__hwpt_set_dirty(env->fd, hwpt[0], false));
	EXPECT_EQ(1, soft_counted(&env->edu[0]));

	env_start(env);
	EXPECT_TRUE(tracked(&self->o, 0));
	EXPECT_TRUE(tracked(&self->o, 1));
	for (i = 0; i < 2; i++)
		soft_count(&env->edu[i], FAULT_DISABLE);
	tracker_stop(env->fd, env->tracker);
	for (i = 0; i < 2; i++)
		EXPECT_EQ(1, soft_counted(&env->edu[i]));
}

/* Tracking cannot be disabled: STOP returns the error, but stops the tracker */
TEST_F(soft_faults, disable)
{
	struct env *env = &self->env;

	env_start(env);
	soft_fail_once(&env->edu[0], FAULT_DISABLE, EIO);
	EXPECT_EQ(-EIO, __tracker_stop(env->fd, env->tracker));
	EXPECT_EQ(IOMMU_DIRTY_STATE_STOPPED, tracker_state(env->fd, env->tracker));
	env_start(env);
	EXPECT_TRUE(tracked(&self->o, 0));
	tracker_stop(env->fd, env->tracker);
}

/*
 * A HWPT that cannot be tracked joins and leaves. Everything is dirty before and after,
 * until @failed leaves too, the HWPT of device 1 in which tracking could not be enabled.
 */
static void check_blind(struct __test_metadata *_metadata, struct oracle *o, __u32 failed)
{
	struct iommu_dirty_tracker_start start;
	struct env *env = o->env;
	__u32 other;

	EXPECT_EQ(IOMMU_DIRTY_TRACKER_DEGRADED | IOMMU_DIRTY_TRACKER_BLIND,
		  tracker_flags(env->fd, env->tracker));
	other = hwpt_alloc(env->fd, env->edu[1].dev_id, env->ioas, 0);
	EXPECT_EQ(PAGES, oracle_read(o, 0));
	object_destroy(env->fd, other);
	EXPECT_EQ(IOMMU_DIRTY_TRACKER_DEGRADED | IOMMU_DIRTY_TRACKER_BLIND,
		  tracker_flags(env->fd, env->tracker));
	EXPECT_EQ(PAGES, oracle_read(o, 0));
	EXPECT_EQ(PAGES, oracle_read(o, 0));

	/* START asks the driver once more */
	other = tracker_alloc(env->fd, env->ioas);
	soft_fail_once(&env->edu[1], FAULT_ENABLE, EIO);
	EXPECT_EQ(-ENXIO, __tracker_start(env->fd, other, &start));
	EXPECT_EQ(failed, start.out_id);
	EXPECT_EQ(IOMMU_DIRTY_REASON_ENABLE_FAILED, start.out_reason);
	edu_detach(&env->edu[1]);
	object_destroy(env->fd, failed);
	EXPECT_EQ(IOMMU_DIRTY_TRACKER_DEGRADED, tracker_flags(env->fd, env->tracker));
	EXPECT_EQ(PAGES, oracle_read(o, 0));
	EXPECT_TRUE(tracked(o, 0));
	EXPECT_EQ(0, __tracker_start(env->fd, other, &start));
	object_destroy(env->fd, other);
}

static void start_degraded(struct env *env)
{
	check(__tracker_start_flags(env->fd, env->tracker, IOMMU_DIRTY_START_DEGRADED,
				    NULL));
}

/* Writes through a page table without tracking are unknown, so everything is dirty */
TEST_F(soft_faults, enable_degraded)
{
	struct env *env = &self->env;
	__u32 hwpt = dirty_hwpt(env, 1);

	edu_attach(&env->edu[1], hwpt);
	soft_fail_once(&env->edu[1], FAULT_ENABLE, EIO);
	start_degraded(env);
	check_blind(_metadata, &self->o, hwpt);
	tracker_stop(env->fd, env->tracker);

	edu_attach(&env->edu[1], dirty_hwpt(env, 1));
	soft_fail_once(&env->edu[1], FAULT_ENABLE, EIO);
	start_degraded(env);
	EXPECT_EQ(PAGES, oracle_read(&self->o, 0));
	tracker_stop(env->fd, env->tracker);
	/* The next START enables it, and is not blind */
	start_degraded(env);
	EXPECT_EQ(IOMMU_DIRTY_TRACKER_DEGRADED, tracker_flags(env->fd, env->tracker));
	EXPECT_TRUE(tracked(&self->o, 1));
}

/* The same with a HWPT that joins later; trackers that are not degraded refuse it */
TEST_F(soft_faults, enable_joining)
{
	struct env *env = &self->env;
	__u32 hwpt;

	env_start(env);
	soft_fail_once(&env->edu[1], FAULT_ENABLE, EIO);
	EXPECT_EQ(-ENXIO, __hwpt_alloc(env->fd, env->edu[1].dev_id, env->ioas,
				       IOMMU_HWPT_ALLOC_DIRTY_TRACKING, &hwpt));
	EXPECT_TRUE(tracked(&self->o, 0));
	tracker_stop(env->fd, env->tracker);

	start_degraded(env);
	EXPECT_TRUE(tracked(&self->o, 0));
	soft_fail_once(&env->edu[1], FAULT_ENABLE, EIO);
	hwpt = dirty_hwpt(env, 1);
	edu_attach(&env->edu[1], hwpt);
	check_blind(_metadata, &self->o, hwpt);
}

/*
 * Tracking failed for a degraded tracker, and works for one that needs it: neither is
 * blind then, and the degraded one gets what was written before.
 */
TEST_F(soft_faults, enable_later)
{
	struct env *env = &self->env;
	__u32 other = tracker_alloc(env->fd, env->ioas);

	edu_attach(&env->edu[1], dirty_hwpt(env, 1));
	soft_fail_once(&env->edu[1], FAULT_ENABLE, EIO);
	start_degraded(env);
	EXPECT_EQ(PAGES, oracle_read(&self->o, 0));
	env_load(env, 1);
	oracle_write(&self->o, 1, 3);
	tracker_start(env->fd, other);
	EXPECT_EQ(IOMMU_DIRTY_TRACKER_DEGRADED, tracker_flags(env->fd, env->tracker));
	EXPECT_EQ(PAGES, oracle_read(&self->o, 0));
	oracle_copy(&self->o);
	EXPECT_TRUE(tracked(&self->o, 1));
	object_destroy(env->fd, other);
}

/*
 * A harvest that fails halfway has cleaned some entries. They are flushed anyway, so
 * that the next write is seen. Entries that it did not reach are still dirty.
 */
TEST_F(soft_faults, harvest)
{
	struct env *env = &self->env;
	struct read_args args = {
		.fd = env->fd,
		.tracker = env->tracker,
		.iova = IOVA,
		.length = SIZE,
		.page_size = SZ_4K,
		.data = self->o.bitmap,
	};

	env_start(env);
	env_load(env, 0);
	oracle_write(&self->o, 0, 3);
	oracle_write(&self->o, 0, PAGES - 1);
	soft_fail_once(&env->edu[0], FAULT_HARVEST, EIO);
	EXPECT_EQ(-EIO, __tracker_read(&args));
	EXPECT_EQ(0, args.out_length);
	EXPECT_TRUE(bitmap_test(self->o.bitmap, 3));
	oracle_write(&self->o, 0, 3);
	EXPECT_EQ(2, oracle_read(&self->o, 0));
	EXPECT_TRUE(bitmap_test(self->o.bitmap, 3));
	EXPECT_TRUE(bitmap_test(self->o.bitmap, PAGES - 1));
	EXPECT_EQ(0, oracle_read(&self->o, 0));
}

/* The harvest of START fails: the tracker is stopped, and tracking disabled */
TEST_F(soft_faults, harvest_at_start)
{
	struct env *env = &self->env;

	edu_attach(&env->edu[1], dirty_hwpt(env, 1));
	soft_count(&env->edu[1], FAULT_DISABLE);
	soft_fail_once(&env->edu[0], FAULT_HARVEST, EIO);
	EXPECT_EQ(-EIO, __tracker_start(env->fd, env->tracker, NULL));
	EXPECT_EQ(IOMMU_DIRTY_STATE_STOPPED, tracker_state(env->fd, env->tracker));
	EXPECT_EQ(1, soft_counted(&env->edu[1]));
	env_start(env);
	EXPECT_TRUE(tracked(&self->o, 0));
}

/* An unmap can harvest only once; if that fails, the whole range is dirty */
TEST_F(soft_faults, harvest_at_unmap)
{
	struct env *env = &self->env;

	env_start(env);
	env_load(env, 0);
	oracle_write(&self->o, 0, PAGES - 2);
	soft_fail_once(&env->edu[0], FAULT_HARVEST, EIO);
	ioas_unmap(env->fd, env->ioas, IOVA, SIZE);
	EXPECT_EQ(PAGES, oracle_read(&self->o, 0));
	EXPECT_EQ(0, oracle_read(&self->o, 0));
}

/*
 * A page table that leaves is walked in windows of 1 GiB. Here there are two, and the
 * walk of the second one fails.
 */
TEST_F(soft_faults, leaves_in_windows)
{
	struct env *env = &self->env;
	struct oracle o;

	oracle_open(&o, env, PAGES, 4 * SZ_1G - SIZE / 2);
	oracle_map(&o, env->ioas);
	env_start(env);
	/* Two walks per window; skip the window of self->o and the first one of @o */
	soft_faults(&env->edu[0], (struct soft_faults) {
		.op = FAULT_HARVEST, .error = EIO, .skip = 4, .count = 1,
	});
	edu_detach(&env->edu[0]);
	EXPECT_EQ(0, oracle_read(&self->o, 0));
	EXPECT_EQ(PAGES / 2, oracle_read(&o, 0));
	EXPECT_FALSE(bitmap_test(o.bitmap, PAGES / 2 - 1));
	EXPECT_TRUE(bitmap_test(o.bitmap, PAGES / 2));
	oracle_close(&o);
}

struct caller {
	struct env *env;
	pthread_t thread;
	pid_t tid;
	__u32 id;
	__u64 iova;
	__u64 length;
	void *data;
	bool done;
	int rc;
	struct scan_args scan;
};

static void caller_end(struct caller *c, int rc)
{
	c->rc = rc;
	__atomic_store_n(&c->done, true, __ATOMIC_RELEASE);
}

static void *set_run(void *arg)
{
	struct caller *c = arg;

	caller_end(c, __hwpt_set_dirty(c->env->fd, c->id, true));
	return NULL;
}

static int start_call(void *arg)
{
	struct env *env = arg;

	return __tracker_start(env->fd, env->tracker, NULL);
}

/* A tracker starts while SET_DIRTY_TRACKING cleans entries: it waits, and none fails */
TEST_F(soft_faults, start_during_set)
{
	struct env *env = &self->env;
	struct caller c = { .env = env, .id = dirty_hwpt(env, 1) };
	__u64 word = 0;
	struct side s;

	edu_attach(&env->edu[1], c.id);
	/* The second SET finds a dirty entry, so it flushes */
	check(__hwpt_set_dirty(env->fd, c.id, true));
	env_load(env, 1);
	oracle_write(&self->o, 1, 5);
	soft_faults(&env->edu[1], (struct soft_faults) { .hold_flush = 1 });
	ASSERT_EQ(0, pthread_create(&c.thread, NULL, set_run, &c));
	soft_wait_held(&env->edu[1]);
	side_start(&s, start_call, env);
	EXPECT_FALSE(side_wait(&s));
	soft_faults(&env->edu[1], (struct soft_faults) {});
	pthread_join(c.thread, NULL);
	EXPECT_EQ(0, c.rc);
	EXPECT_EQ(0, side_end(&s));
	EXPECT_TRUE(tracked(&self->o, 1));
	EXPECT_EQ(0, __hwpt_get_dirty(env->fd, c.id, IOVA, SIZE, &word));
	EXPECT_EQ(1ULL << 0 | 1ULL << (PAGES - 1), word);
	EXPECT_EQ(0, __hwpt_set_dirty(env->fd, c.id, false));
	EXPECT_TRUE(tracked(&self->o, 1));
}

struct attach_call {
	struct edu *edu;
	__u32 hwpt;
};

static int attach_call(void *arg)
{
	struct attach_call *c = arg;

	return __edu_attach(c->edu, c->hwpt);
}

static int read_call(void *arg)
{
	return oracle_read(arg, 0);
}

/*
 * Device 0 is attached to a new page table. When that is half done, it uses the page table
 * already, but flushes do not reach it. So @call must wait. Returns what it returns.
 * soft_pasid.c has more of this, for PASIDs.
 */
static int while_half_attached(struct __test_metadata *_metadata, struct oracle *o,
			       int (*call)(void *arg), void *arg)
{
	struct attach_call c = { &o->env->edu[0], dirty_hwpt(o->env, 0) };
	struct side attach, other;

	soft_faults(c.edu, (struct soft_faults) { .hold_attach = 1 });
	side_start(&attach, attach_call, &c);
	soft_wait_held(c.edu);
	env_load(o->env, 0);
	oracle_write(o, 0, 3);
	side_start(&other, call, arg);
	EXPECT_FALSE(side_wait(&other));
	soft_faults(c.edu, (struct soft_faults) {});
	EXPECT_EQ(0, side_end(&attach));
	return side_end(&other);
}

TEST_F(soft_faults, read_half_attached)
{
	struct env *env = &self->env;

	env_start(env);
	EXPECT_EQ(1, while_half_attached(_metadata, &self->o, read_call, &self->o));
	oracle_check(&self->o);
	env_load(env, 0);
	oracle_write(&self->o, 0, 3);
	EXPECT_EQ(1, oracle_read(&self->o, 0));
	oracle_check(&self->o);
	EXPECT_EQ(0, oracle_differing(&self->o));
}

TEST_F(soft_faults, start_half_attached)
{
	struct env *env = &self->env;

	/* Or flushes of the page table that it leaves would reach the device */
	edu_detach(&env->edu[0]);
	EXPECT_EQ(0, while_half_attached(_metadata, &self->o, start_call, env));
	EXPECT_EQ(0, oracle_read(&self->o, 0));
	env_load(env, 0);
	oracle_write(&self->o, 0, 3);
	EXPECT_EQ(1, oracle_read(&self->o, 0));
}

static void *read_run(void *arg)
{
	struct caller *c = arg;
	struct read_args args = {
		.fd = c->env->fd,
		.tracker = c->id,
		.iova = c->iova,
		.length = c->length,
		.page_size = SZ_4K,
		.data = c->data,
	};

	caller_end(c, __tracker_read(&args));
	return NULL;
}

static void *scan_run(void *arg)
{
	struct caller *c = arg;

	__atomic_store_n(&c->tid, gettid(), __ATOMIC_RELEASE);
	c->scan = (struct scan_args) {
		.fd = c->env->fd,
		.tracker = c->id,
		.iova = IOVA,
		.length = SIZE,
		.page_size = SZ_4K,
		.runs = c->data,
		.num_runs = 64,
	};
	caller_end(c, __tracker_scan(&c->scan));
	return NULL;
}

/*
 * A SCAN is held where it writes its first run. Then it finds a page that a READ of
 * another tracker has marked in the meantime. Until the READ has flushed the IOTLB, the
 * device may write to the page again unseen, so the SCAN must not return before that.
 */
TEST_F(soft_faults, scan_waits_for_flush)
{
	struct env *env = &self->env;
	struct caller reader = {
		.env = env, .id = env->tracker, .iova = IOVA, .length = SIZE,
	};
	struct caller scanner = { .env = env };
	struct hold hold;

	env_twin(env);
	env_start(env);
	hold_open(&hold);
	reader.data = self->o.bitmap;
	scanner.id = env->twin;
	scanner.data = hold.page;
	env_load(env, 0);
	oracle_write(&self->o, 0, 1);
	oracle_write(&self->o, 0, 9);
	ASSERT_EQ(0, pthread_create(&scanner.thread, NULL, scan_run, &scanner));
	hold_wait(&hold);

	oracle_write(&self->o, 0, 30);
	soft_faults(&env->edu[0], (struct soft_faults) { .hold_flush = 1 });
	ASSERT_EQ(0, pthread_create(&reader.thread, NULL, read_run, &reader));
	soft_wait_held(&env->edu[0]);
	hold_release(&hold);
	hold_wait_blocked(scanner.tid, &scanner.done);
	EXPECT_FALSE(scanner.done);
	EXPECT_FALSE(reader.done);

	soft_faults(&env->edu[0], (struct soft_faults) {});
	pthread_join(reader.thread, NULL);
	pthread_join(scanner.thread, NULL);
	EXPECT_EQ(0, reader.rc);
	EXPECT_EQ(0, scanner.rc);
	EXPECT_EQ(3, scanner.scan.num_runs);
	EXPECT_EQ(IOVA + 30 * SZ_4K, scanner.scan.runs[2].iova);
	hold_close(&hold);
}

static int args_call(void *arg)
{
	return __tracker_read(arg);
}

/*
 * While a READ waits for its flush, one of another GiB proceeds. But one of another tracker,
 * for whom the first one has recorded what it has cleaned, must not return before the flush.
 */
TEST_F(soft_faults, reads_wait_for_flush_of_their_window)
{
	struct env *env = &self->env;
	struct caller first = {
		.env = env, .id = env->tracker, .iova = IOVA, .length = SIZE,
	};
	unsigned char bitmaps[2][PAGES / 8] = {};
	struct read_args args[2];
	struct side sides[2];
	unsigned int i;

	env_twin(env);
	env_start(env);
	ioas_map(env->fd, env->ioas, self->o.mem, SIZE, IOVA + SZ_1G);
	first.data = self->o.bitmap;
	env_load(env, 0);
	oracle_write(&self->o, 0, 1);
	soft_faults(&env->edu[0], (struct soft_faults) { .hold_flush = 1 });
	ASSERT_EQ(0, pthread_create(&first.thread, NULL, read_run, &first));
	soft_wait_held(&env->edu[0]);

	for (i = 0; i < 2; i++) {
		args[i] = (struct read_args) {
			.fd = env->fd,
			.tracker = env->twin,
			.iova = i ? IOVA : IOVA + SZ_1G,
			.length = SIZE,
			.page_size = SZ_4K,
			.data = bitmaps[i],
		};
		side_start(&sides[i], args_call, &args[i]);
		EXPECT_EQ(!i, side_wait(&sides[i]));
	}
	EXPECT_FALSE(__atomic_load_n(&first.done, __ATOMIC_ACQUIRE));
	soft_faults(&env->edu[0], (struct soft_faults) {});
	pthread_join(first.thread, NULL);
	EXPECT_EQ(0, first.rc);
	for (i = 0; i < 2; i++)
		EXPECT_EQ(0, side_end(&sides[i]));
	EXPECT_EQ(0, args[0].out_pages);
	EXPECT_EQ(1, args[1].out_pages);
	EXPECT_TRUE(bitmap_test(bitmaps[1], 1));
	ioas_unmap(env->fd, env->ioas, IOVA + SZ_1G, SIZE);
}

/*
 * READs into a bitmap in a file, whose page is written back while READ has it pinned.
 * Bits that are set later must be written back, too. Of two mappings of @len bytes at
 * @mem, the second has been unmapped, so READ marks it last. @file is a block device.
 */
static __u64 read_into_file(struct env *env, __u32 ioas, void *mem, __u64 len, int file)
{
	struct caller c = {
		.env = env,
		.id = tracker_alloc(env->fd, ioas),
		.iova = 4 * SZ_1G,
		.length = 2 * len,
	};
	static char bitmap[SZ_4K];

	c.data = mmap(NULL, SZ_4K, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	if (c.data == MAP_FAILED)
		fatal("mmap of the file: error %d", errno);
	memset(c.data, 0, SZ_4K);
	ioas_map(env->fd, ioas, mem, len, c.iova);
	ioas_map(env->fd, ioas, (char *)mem + len, len, c.iova + len);
	tracker_start(env->fd, c.id);
	env_store(env, 0, c.iova);
	env_store(env, 0, c.iova + len);
	ioas_unmap(env->fd, ioas, c.iova + len, len);

	soft_faults(&env->edu[0], (struct soft_faults) { .hold_flush = 1 });
	if (pthread_create(&c.thread, NULL, read_run, &c))
		fatal("pthread_create");
	soft_wait_held(&env->edu[0]);
	if (msync(c.data, SZ_4K, MS_SYNC))
		fatal("msync: error %d", errno);
	soft_faults(&env->edu[0], (struct soft_faults) {});
	pthread_join(c.thread, NULL);
	check(c.rc);

	munmap(c.data, SZ_4K);
	/* Drop the page from the page cache unless it is dirty */
	posix_fadvise(file, 0, SZ_4K, POSIX_FADV_DONTNEED);
	if (pread(file, bitmap, SZ_4K, 0) != SZ_4K)
		fatal("pread: error %d", errno);
	return bitmap_count(bitmap, 2 * len / SZ_4K);
}

static int open_ram_disk(void)
{
	return open("/dev/ram0", O_RDWR | O_CLOEXEC);
}

/* READ sets single bits */
TEST_F(soft_faults, bitmap_in_file)
{
	int file = open_ram_disk();

	if (file < 0)
		SKIP(return, "this kernel has no CONFIG_BLK_DEV_RAM");
	env_load(&self->env, 0);
	EXPECT_EQ(2, read_into_file(&self->env, self->env.ioas, self->o.mem, SZ_4K, file));
	close(file);
}

/* READ sets whole words, for pages of 2 MiB */
TEST_F(soft_faults, words_in_file)
{
	void *mem = mem_alloc_huge(2 * SZ_2M);
	struct env *env = &self->env;
	int file = open_ram_disk();
	__u32 ioas;

	if (file < 0)
		SKIP(return, "this kernel has no CONFIG_BLK_DEV_RAM");
	ASSERT_NE(NULL, mem);
	memset(mem, 0, 2 * SZ_2M);
	ioas = ioas_alloc(env->fd);
	env_map_stage(env, ioas);
	edu_attach(&env->edu[0], ioas);
	env_load(env, 0);
	EXPECT_EQ(1024, read_into_file(env, ioas, mem, SZ_2M, file));
	close(file);
}

/* A device whose IOMMU driver does not support trackers: iommufd's mock device */
TEST_F(soft_faults, foreign_driver)
{
	struct env *env = &self->env;
	struct iommu_dirty_member m[4];
	struct mock mock;
	__u32 i, num;
	int rc;

	env_start(env);
	rc = __mock_attach(env->fd, env->ioas, &mock);
	if (rc == -ENOTTY)
		SKIP(return, "no CONFIG_IOMMUFD_TEST");
	EXPECT_EQ(-ENXIO, rc);
	EXPECT_TRUE(tracked(&self->o, 0));
	tracker_stop(env->fd, env->tracker);

	start_degraded(env);
	ASSERT_EQ(0, __mock_attach(env->fd, env->ioas, &mock));
	EXPECT_EQ(IOMMU_DIRTY_TRACKER_DEGRADED | IOMMU_DIRTY_TRACKER_BLIND,
		  tracker_flags(env->fd, env->tracker));
	num = tracker_members(env->fd, env->tracker, m, 4);
	for (i = 0; i < num && m[i].id != mock.hwpt; i++)
		;
	ASSERT_GT(num, i);
	EXPECT_EQ(IOMMU_DIRTY_REASON_NO_DRIVER, m[i].reason);
	EXPECT_EQ(IOMMU_DIRTY_MEMBER_AUTO, member_flags(&m[i]));
	EXPECT_EQ(PAGES, oracle_read(&self->o, 0));
	object_destroy(env->fd, mock.id);
	EXPECT_EQ(IOMMU_DIRTY_TRACKER_DEGRADED, tracker_flags(env->fd, env->tracker));
	EXPECT_EQ(PAGES, oracle_read(&self->o, 0));
	EXPECT_TRUE(tracked(&self->o, 0));
	tracker_stop(env->fd, env->tracker);

	/* A passive tracker does not stand in the way either */
	env->tracker = tracker_alloc_passive(env->fd, env->ioas);
	env_start(env);
	ASSERT_EQ(0, __mock_attach(env->fd, env->ioas, &mock));
	EXPECT_EQ(IOMMU_DIRTY_TRACKER_PASSIVE | IOMMU_DIRTY_TRACKER_DEGRADED |
		  IOMMU_DIRTY_TRACKER_BLIND, tracker_flags(env->fd, env->tracker));
	EXPECT_EQ(PAGES, oracle_read(&self->o, 0));
	object_destroy(env->fd, mock.id);
}

TEST_HARNESS_MAIN
