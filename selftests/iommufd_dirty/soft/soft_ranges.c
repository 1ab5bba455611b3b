// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests a provider's limits, to which START must adapt the ranges, and UPDATE while the
 * device writes at full speed: live, and with a gap that is reported as dirty.
 */
#include <errno.h>
#include <kselftest_harness.h>

#include "lib.h"

#define IOVA	LOGGED_IOVA
#define PAGES	LOGGED_PAGES
#define SIZE	LOGGED_SIZE
#define AT(page) LOGGED_AT(page)
#define RANGES	16
#define ROUNDS	40

FIXTURE(soft_ranges)
{
	struct logged l;
	struct edu *edu;
	struct iommu_dirty_run ranges[RANGES];
	__u32 num;
	__u64 page_size;
};

FIXTURE_SETUP(soft_ranges)
{
	unsigned int i;

	OPEN_OR_SKIP(return, logged_open_soft(&self->l, PROVIDER_PLAIN));
	self->edu = &self->l.env.edu[0];
	/* pairs of pages; gaps of 6 pages after even ones, of 2 after odd ones */
	for (i = 0; i < RANGES; i++) {
		self->ranges[i].iova = AT(i / 2 * 12 + i % 2 * 8);
		self->ranges[i].length = 2 * SZ_4K;
	}
	self->num = RANGES;
	self->page_size = SZ_4K;
}

FIXTURE_TEARDOWN(soft_ranges)
{
	if (self->edu)
		logged_close(&self->l);
}

static int start(FIXTURE_DATA(soft_ranges) * self)
{
	return __device_start(self->l.env.fd, self->l.tracker, self->ranges,
			      &self->num, &self->page_size);
}

/* All requested ranges are tracked, and all ranges that START has returned, too */
static void check_tracked(struct __test_metadata *_metadata,
			  FIXTURE_DATA(soft_ranges) * self)
{
	struct logged *l = &self->l;
	unsigned int page, i;

	for (i = 0; i < RANGES; i++)
		logged_write(l, i / 2 * 12 + i % 2 * 8 + random_below(2));
	EXPECT_TRUE(logged_exact(l, l->tracker));
	for (page = 0; page < PAGES; page++) {
		env_store(&l->env, 0, AT(page));
		for (i = 0; i < self->num; i++)
			if (AT(page) - self->ranges[i].iova < self->ranges[i].length)
				bitmap_set(l->want, page);
	}
	EXPECT_TRUE(logged_exact(l, l->tracker));
}

TEST_F(soft_ranges, as_they_are)
{
	ASSERT_EQ(0, start(self));
	EXPECT_EQ(RANGES, self->num);
	check_tracked(_metadata, self);
}

/* START closes the smallest gaps first: those of 2 pages, not of 6 */
TEST_F(soft_ranges, max_ranges)
{
	struct iommu_dirty_tracker_info info;
	struct iommu_dirty_member member;
	unsigned int i;

	soft_faults(self->edu, (struct soft_faults) { .max_ranges = 9 });
	info = logged_info(&self->l, self->l.tracker, &member);
	EXPECT_EQ(9, info.out_max_ranges);
	EXPECT_EQ(~(SZ_4K - 1), member.io_page_sizes);
	ASSERT_EQ(0, start(self));
	EXPECT_EQ(9, self->num);
	for (i = 0; i < self->num; i++)
		EXPECT_GE(6 * SZ_4K, self->ranges[i].length);
	check_tracked(_metadata, self);
	info = logged_info(&self->l, self->l.tracker, &member);
	EXPECT_EQ(9, info.out_num_ranges);
}

TEST_F(soft_ranges, one_range)
{
	soft_faults(self->edu, (struct soft_faults) { .max_ranges = 1 });
	ASSERT_EQ(0, start(self));
	EXPECT_EQ(1, self->num);
	EXPECT_EQ(94 * SZ_4K, self->ranges[0].length);
	check_tracked(_metadata, self);
}

/* No range can be the whole address space: its length does not fit in 64 bits */
TEST_F(soft_ranges, whole_space)
{
	struct iommu_dirty_run low = { 0, SZ_4K }, high = { -SZ_4K, SZ_4K };
	unsigned int i;

	for (i = 1; i <= 2; i++) {
		soft_faults(self->edu, (struct soft_faults) { .max_ranges = i });
		self->ranges[0] = (struct iommu_dirty_run) { 0, ~0ULL };
		self->num = 1;
		EXPECT_EQ(-E2BIG, start(self));
		self->ranges[0] = low;
		self->ranges[1] = high;
		self->num = 2;
		ASSERT_EQ(i == 1 ? -E2BIG : 0, start(self));
		EXPECT_EQ(2, self->num);
		EXPECT_EQ(0, memcmp(&self->ranges[0], &low, sizeof(low)));
		EXPECT_EQ(0, memcmp(&self->ranges[1], &high, sizeof(high)));
	}
}

/* The driver has no known limit but returns E2BIG twice: one range less each time */
TEST_F(soft_ranges, found_out)
{
	soft_faults(self->edu, (struct soft_faults) {
		.op = FAULT_START,
		.error = E2BIG,
		.count = 2,
	});
	ASSERT_EQ(0, start(self));
	EXPECT_EQ(RANGES - 2, self->num);
	check_tracked(_metadata, self);
}

TEST_F(soft_ranges, never)
{
	soft_faults(self->edu, (struct soft_faults) {
		.op = FAULT_START,
		.error = E2BIG,
		.count = 100,
	});
	EXPECT_EQ(-E2BIG, start(self));
}

TEST_F(soft_ranges, max_span)
{
	soft_faults(self->edu, (struct soft_faults) { .max_span = 94 * SZ_4K - 1 });
	EXPECT_EQ(-E2BIG, start(self));
	soft_faults(self->edu, (struct soft_faults) { .max_span = 94 * SZ_4K });
	self->num = RANGES;
	EXPECT_EQ(0, start(self));
	check_tracked(_metadata, self);
}

/* Ranges at both ends of the address space, for a device that accepts them */
TEST_F(soft_ranges, both_ends)
{
	struct iommu_dirty_run ends[2] = {
		{ .iova = ~0ULL, .length = 1 },
		{ .iova = 0, .length = 1 },
	};
	__u32 num = 2;

	ASSERT_EQ(0, __device_start(self->l.env.fd, self->l.tracker, ends, &num,
				    &self->page_size));
	EXPECT_EQ(2, num);
	EXPECT_EQ(0, ends[0].iova);
	EXPECT_EQ(SZ_4K, ends[0].length);
	EXPECT_EQ(-SZ_4K, ends[1].iova);
	EXPECT_EQ(SZ_4K, ends[1].length);
	EXPECT_TRUE(logged_exact(&self->l, self->l.tracker));
}

/* Almost the whole address space, in pages of 1 TiB */
TEST_F(soft_ranges, exabytes)
{
	struct logged *l = &self->l;
	struct iommu_dirty_run all = { .length = -(2ULL << 40) }, runs[2];
	__u64 page_size = 1ULL << 40;
	struct read_args read = {
		.fd = l->env.fd,
		.tracker = l->tracker,
		.length = 1ULL << 63,
		.page_size = page_size,
		.data = mem_alloc(SZ_1M),
	};
	struct scan_args scan = {
		.fd = l->env.fd,
		.tracker = l->tracker,
		.length = all.length,
		.page_size = page_size,
		.runs = runs,
		.num_runs = 2,
	};
	__u32 num = 1;

	ASSERT_EQ(0, __device_start(l->env.fd, l->tracker, &all, &num, &page_size));
	ASSERT_EQ(1ULL << 40, page_size);
	env_store(&l->env, 0, AT(5));
	EXPECT_EQ(1, tracker_read(&read));
	EXPECT_TRUE(bitmap_test(read.data, AT(5) >> 40));
	EXPECT_EQ(0, tracker_read(&read));

	env_store(&l->env, 0, AT(PAGES - 1));
	EXPECT_EQ(0, __tracker_scan(&scan));
	EXPECT_EQ(all.length, scan.out_length);
	ASSERT_EQ(1, scan.num_runs);
	EXPECT_EQ(AT(0) >> 40 << 40, runs[0].iova);
	EXPECT_EQ(1ULL << 40, runs[0].length);
	EXPECT_EQ(0, tracker_read(&read));
	mem_free(read.data, SZ_1M);
}

TEST_F(soft_ranges, granule)
{
	struct iommu_dirty_member member;
	struct logged *l = &self->l;
	unsigned int page;

	soft_faults(self->edu, (struct soft_faults) { .granule = SZ_64K });
	logged_info(l, l->tracker, &member);
	EXPECT_EQ(~(SZ_64K - 1), member.io_page_sizes);
	self->num = 1;
	ASSERT_EQ(0, start(self));
	EXPECT_EQ(SZ_64K, self->page_size);
	EXPECT_EQ(IOVA, self->ranges[0].iova);
	EXPECT_EQ(SZ_64K, self->ranges[0].length);
	env_store(&l->env, 0, AT(1));
	for (page = 0; page < 16; page++)
		bitmap_set(l->want, page);
	EXPECT_TRUE(logged_exact(l, l->tracker));
}

/* Ranges must be multiples of 64 pages, which are larger than requested */
TEST_F(soft_ranges, multiple)
{
	soft_faults(self->edu, (struct soft_faults) {
		.granule = SZ_64K,
		.multiple = 64,
	});
	self->num = 1;
	ASSERT_EQ(0, start(self));
	EXPECT_EQ(SZ_64K, self->page_size);
	EXPECT_EQ(0, self->ranges[0].iova % (64 * SZ_64K));
	EXPECT_EQ(64 * SZ_64K, self->ranges[0].length);
}

static int update_to(struct logged *l, __u64 pages)
{
	struct iommu_dirty_run range = { .iova = IOVA, .length = pages * SZ_4K };
	__u64 page_size = SZ_4K;
	__u32 num = 1;

	return __device_update(l->env.fd, l->tracker,
			       IOMMU_DIRTY_UPDATE_GAP_DIRTY, &range, &num,
			       &page_size);
}

/* UPDATE keeps dirty pages, both of a range that stays and of one that goes */
TEST_F(soft_ranges, live_keeps)
{
	struct logged *l = &self->l;

	soft_provider(self->edu, PROVIDER_LIVE);
	ASSERT_EQ(0, __logged_start(l));
	logged_write(l, 3);
	logged_write(l, PAGES - 3);
	EXPECT_EQ(0, __logged_update(l, 0, IOVA, SIZE / 2));
	EXPECT_TRUE(logged_exact(l, l->tracker));
	logged_write(l, 3);
	/* not tracked any more */
	env_store(&l->env, 0, AT(PAGES - 3));
	EXPECT_EQ(0, __logged_update(l, 0, IOVA, SIZE));
	logged_write(l, PAGES - 4);
	EXPECT_TRUE(logged_exact(l, l->tracker));
}

/* Two consumers, one of which changes its ranges, while three threads write */
static void storm_of_updates(struct __test_metadata *_metadata, struct logged *l,
			     unsigned int provider)
{
	struct storm storm = {
		.iova = IOVA,
		.length = SIZE,
		.seed = random_u64(),
		.threads = 3,
	};
	struct edu *edu = &l->env.edu[0];
	struct consumer a, b;
	unsigned int i;

	soft_provider(edu, provider);
	consumer_open(&a, l->env.fd, edu->dev_id, l->mem, IOVA, PAGES);
	consumer_open(&b, l->env.fd, edu->dev_id, l->mem, IOVA, PAGES);
	l->tracker = a.tracker;
	device_start(l->env.fd, a.tracker, IOVA, SIZE);
	device_start(l->env.fd, b.tracker, IOVA, SIZE);
	storm_start(edu, &storm);
	for (i = 0; i < ROUNDS; i++) {
		storm_wait(edu, 500);
		/* consumer b still needs the whole range */
		EXPECT_EQ(0, update_to(l, 1 + random_below(PAGES)));
		storm_wait(edu, 500);
		EXPECT_EQ(0, i % 2 ? __consumer_read(&a, 0, NULL) :
				     __consumer_scan(&a, CONSUMER_RUNS));
		if (i % 3 == 0)
			EXPECT_EQ(0, __consumer_read(&b, 0, NULL));
	}
	storm_stop(edu);
	EXPECT_EQ(0, consumer_missed(&a));
	EXPECT_EQ(0, consumer_missed(&b));
	lib_note("%llu writes, %llu pages reported", storm_writes(edu), a.reported);
	consumer_close(&a);
	consumer_close(&b);
}

TEST_F(soft_ranges, live_while_it_writes)
{
	storm_of_updates(_metadata, &self->l, PROVIDER_LIVE);
}

TEST_F(soft_ranges, restarted_while_it_writes)
{
	storm_of_updates(_metadata, &self->l, PROVIDER_PLAIN);
}

static int update_all(void *l)
{
	return update_to(l, PAGES);
}

static int read_all(void *args)
{
	return __tracker_read(args);
}

/* Holds a READ while the tracker covers less; it covers @pages when READ continues */
static void read_beside(struct __test_metadata *_metadata, struct logged *l,
			__u64 pages)
{
	struct read_args args = logged_args(l, l->tracker);
	struct side read;
	struct hold hold;

	soft_provider(&l->env.edu[0], PROVIDER_LIVE);
	ASSERT_EQ(0, __logged_start(l));
	env_store(&l->env, 0, AT(3));
	hold_open(&hold);
	args.flags = 0;
	args.data = hold.page;
	side_start(&read, read_all, &args);
	hold_wait(&hold);
	ASSERT_EQ(0, update_to(l, 8));
	env_store(&l->env, 0, AT(9));
	ASSERT_EQ(0, update_to(l, pages));
	hold_release(&hold);
	EXPECT_EQ(-ESTALE, side_end(&read));
	EXPECT_EQ(ESTALE, args.out_error);
	EXPECT_EQ(0, args.out_length);
	EXPECT_EQ(1 << 3, *(unsigned char *)hold.page);
	hold_close(&hold);
}

/* UPDATE during a READ: pages that are no longer tracked are not reported as clean */
TEST_F(soft_ranges, read_of_less)
{
	read_beside(_metadata, &self->l, 8);
}

/* The same for pages that were written while they were not tracked */
TEST_F(soft_ranges, read_of_less_for_a_while)
{
	read_beside(_metadata, &self->l, PAGES);
}

/*
 * What may have been written while the provider was stopped is dirty for readers as
 * soon as the provider is started again, not only once UPDATE is done.
 */
TEST_F(soft_ranges, read_of_a_gap)
{
	struct logged *l = &self->l;
	struct read_args args = logged_args(l, l->tracker);
	struct side update, read;

	if (!break_kernel(1U << BREAK_GAP))
		SKIP(return, "no CONFIG_IOMMUFD_DIRTY_BREAK");
	soft_provider(self->edu, PROVIDER_BUSY);
	ASSERT_EQ(0, __logged_start(l));
	side_start(&update, update_all, l);
	EXPECT_FALSE(side_wait(&update));
	side_start(&read, read_all, &args);
	side_wait(&read);
	break_kernel(0);
	EXPECT_EQ(0, side_end(&update));
	EXPECT_EQ(0, side_end(&read));
	EXPECT_EQ(PAGES, args.out_pages);
}

/* The provider is removed while the device writes and a tracker is read */
TEST_F(soft_ranges, gone_while_it_writes)
{
	struct storm storm = {
		.iova = IOVA,
		.length = SIZE,
		.seed = random_u64(),
		.threads = 3,
	};
	struct logged *l = &self->l;
	struct consumer a;
	unsigned int i;

	for (i = 0; i < ROUNDS; i++) {
		consumer_open(&a, l->env.fd, self->edu->dev_id, l->mem, IOVA, PAGES);
		/* the copy of the consumer starts as zeroes, too */
		device_start(l->env.fd, a.tracker, IOVA, SIZE);
		mem_fill(l->mem, 0, SIZE);
		storm.seed = random_u64();
		storm.limit = 200;
		storm_start(self->edu, &storm);
		EXPECT_EQ(0, __consumer_read(&a, 0, NULL));
		soft_provider(self->edu, PROVIDER_NONE);
		/* writes are no longer reported, so stop the device at once */
		storm_stop(self->edu);
		EXPECT_EQ(0, consumer_missed(&a));
		object_destroy(l->env.fd, a.tracker);
		consumer_close(&a);
		soft_provider(self->edu, PROVIDER_PLAIN);
	}
}

TEST_HARNESS_MAIN
