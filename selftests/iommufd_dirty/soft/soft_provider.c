// SPDX-License-Identifier: GPL-2.0-only
/*
 * A provider whose ops fail with any error, or that marks more than it was queried for.
 * Each test knows to the bit what must be reported; no write of the device may be missed.
 * soft_gone.c has the tests of a provider that is unregistered while it is used.
 */
#include <errno.h>
#include <kselftest_harness.h>

#include "lib.h"

#define IOVA	LOGGED_IOVA
#define PAGES	LOGGED_PAGES
#define SIZE	LOGGED_SIZE
#define AT(page) LOGGED_AT(page)

FIXTURE(soft_provider)
{
	struct logged l;
	struct edu *edu;
};

FIXTURE_SETUP(soft_provider)
{
	OPEN_OR_SKIP(return, logged_open_soft(&self->l, PROVIDER_PLAIN));
	self->edu = &self->l.env.edu[0];
}

FIXTURE_TEARDOWN(soft_provider)
{
	if (self->edu)
		logged_close(&self->l);
}

/* The errno of a provider, and those that START and READ return for it */
static const struct {
	int error;
	int start;
	int read;
} errors[] = {
	{ EPERM, EIO, EIO }, { ENOENT, EIO, EIO }, { EINTR, EINTR, EINTR },
	{ EIO, EIO, EIO }, { ENOMEM, ENOMEM, ENOMEM }, { EFAULT, EIO, EFAULT },
	{ EBUSY, EBUSY, EIO }, { ENODEV, EIO, EIO }, { EINVAL, EIO, EIO },
	{ E2BIG, E2BIG, EIO }, { EFBIG, E2BIG, EIO }, { EOVERFLOW, EOVERFLOW, EIO },
	{ EOPNOTSUPP, ENXIO, EIO }, { ETIMEDOUT, EIO, EIO },
	{ ENODATA, EIO, EIO }, { ENOTTY, EIO, EIO }, { ENXIO, EIO, EIO },
};

TEST_F(soft_provider, start_fails)
{
	struct logged *l = &self->l;
	struct iommu_dirty_member member;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(errors); i++) {
		soft_fail_once(self->edu, FAULT_START, errors[i].error);
		EXPECT_EQ(-errors[i].start, __logged_start(l));
		EXPECT_EQ(IOMMU_DIRTY_STATE_STOPPED,
			  logged_info(l, l->tracker, &member).out_state);
		EXPECT_EQ(0, __logged_start(l));
		logged_write(l, i);
		EXPECT_TRUE(logged_exact(l, l->tracker));
		tracker_stop(l->env.fd, l->tracker);
	}
}

/* At most as many trackers of a device can run as one READ takes */
TEST_F(soft_provider, limit)
{
	struct logged *l = &self->l;
	__u32 other[64] = {}, i;

	ASSERT_EQ(0, __logged_start(l));
	for (i = 0; i < 64; i++) {
		struct iommu_dirty_run range = { .iova = IOVA, .length = SIZE };
		__u64 page_size = SZ_4K;
		__u32 num = 1;

		other[i] = tracker_alloc(l->env.fd, self->edu->dev_id);
		EXPECT_EQ(i < 63 ? 0 : -EUSERS,
			  __device_start(l->env.fd, other[i], &range, &num, &page_size));
	}
	tracker_stop(l->env.fd, l->tracker);
	device_start(l->env.fd, other[63], IOVA, SIZE);
	EXPECT_EQ(-EUSERS, __logged_start(l));
}

/* A blind tracker does not constrain what other trackers get */
TEST_F(soft_provider, beside_blind)
{
	struct logged *l = &self->l;
	struct iommu_dirty_run range = { .iova = IOVA, .length = SIZE };
	__u32 other = tracker_alloc(l->env.fd, self->edu->dev_id), num = 1;
	struct iommu_dirty_tracker_info info;
	struct iommu_dirty_member member;
	__u64 page_size = SZ_4K;

	soft_fail_once(self->edu, FAULT_START, EOPNOTSUPP);
	ASSERT_EQ(0, __device_start_flags(l->env.fd, l->tracker,
					  IOMMU_DIRTY_START_DEGRADED, &range, &num,
					  &page_size));
	device_start(l->env.fd, other, IOVA, SIZE / 2);
	info = logged_info(l, other, &member);
	EXPECT_EQ(1, info.out_num_ranges);
	EXPECT_EQ(0, info.out_flags);
	info = logged_info(l, l->tracker, &member);
	EXPECT_EQ(0, info.out_num_ranges);
	EXPECT_EQ(0, info.out_tracked_page_size);
	EXPECT_EQ(IOMMU_DIRTY_TRACKER_DEGRADED | IOMMU_DIRTY_TRACKER_BLIND, info.out_flags);
	tracker_stop(l->env.fd, other);
	device_start(l->env.fd, other, IOVA + SIZE / 2, SIZE / 2);
	logged_write(l, PAGES - 1);
	EXPECT_TRUE(logged_exact(l, other));
	memset(l->want, 0xff, sizeof(l->want));
	EXPECT_TRUE(logged_exact(l, l->tracker));
}

/* Its ranges and page size do not count when another tracker is updated */
TEST_F(soft_provider, update_beside_blind)
{
	struct logged *l = &self->l;
	struct iommu_dirty_run range = { .iova = IOVA, .length = SIZE };
	__u32 other = tracker_alloc(l->env.fd, self->edu->dev_id), num = 1;
	__u64 page_size = SZ_4K;

	soft_fail_once(self->edu, FAULT_START, EOPNOTSUPP);
	ASSERT_EQ(0, __device_start_flags(l->env.fd, l->tracker,
					  IOMMU_DIRTY_START_DEGRADED, &range, &num,
					  &page_size));
	soft_faults(self->edu, (struct soft_faults) { .max_span = SIZE / 2 });
	range.length = SIZE / 2;
	num = 1;
	page_size = SZ_4K;
	ASSERT_EQ(0, __device_start(l->env.fd, other, &range, &num, &page_size));
	range.iova += SIZE / 2;
	page_size = SZ_64K;
	EXPECT_EQ(0, __device_update(l->env.fd, other, 0, &range, &num, &page_size));
	EXPECT_EQ(SZ_64K, page_size);
	EXPECT_EQ(IOVA + SIZE / 2, range.iova);
	EXPECT_EQ(SIZE / 2, range.length);
}

/* A STOP that fails still stops the tracker */
TEST_F(soft_provider, stop_fails)
{
	struct logged *l = &self->l;
	struct iommu_dirty_member member;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(errors); i++) {
		ASSERT_EQ(0, __logged_start(l));
		soft_fail_once(self->edu, FAULT_STOP, errors[i].error);
		EXPECT_EQ(-EIO, __tracker_stop(l->env.fd, l->tracker));
		EXPECT_EQ(IOMMU_DIRTY_STATE_STOPPED,
			  logged_info(l, l->tracker, &member).out_state);
	}
}

/*
 * A failed report may have cleared what it was queried for. So the next READ of each
 * tracker reports all of that as dirty, once.
 */
TEST_F(soft_provider, read_fails)
{
	struct logged *l = &self->l;
	__u32 other = tracker_alloc(l->env.fd, self->edu->dev_id);
	struct iommu_dirty_member member;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(errors); i++) {
		struct read_args args = logged_args(l, l->tracker);

		ASSERT_EQ(0, __logged_start(l));
		device_start(l->env.fd, other, IOVA, SIZE);
		EXPECT_EQ(0, logged_info(l, l->tracker, &member).out_flags);
		logged_write(l, i);
		soft_fail_once(self->edu, FAULT_READ, errors[i].error);
		EXPECT_EQ(-errors[i].read, __tracker_read(&args));
		EXPECT_EQ(0, args.out_length);
		EXPECT_EQ(0, args.out_pages);
		EXPECT_EQ(IOMMU_DIRTY_TRACKER_BLIND,
			  logged_info(l, l->tracker, &member).out_flags);
		logged_dirty(l, 0, PAGES);
		EXPECT_TRUE(logged_exact(l, l->tracker));
		logged_dirty(l, 0, PAGES);
		EXPECT_TRUE(logged_exact(l, other));
		EXPECT_TRUE(logged_exact(l, l->tracker));
		EXPECT_TRUE(logged_exact(l, other));
		tracker_stop(l->env.fd, l->tracker);
		tracker_stop(l->env.fd, other);
	}
}

/* A provider that always fails: one error, then every READ reports everything */
TEST_F(soft_provider, read_fails_for_good)
{
	struct logged *l = &self->l;
	struct iommu_dirty_member member;
	struct read_args args;
	unsigned int i;

	ASSERT_EQ(0, __logged_start(l));
	logged_write(l, 7);
	soft_faults(self->edu, (struct soft_faults) {
		.op = FAULT_READ,
		.error = EIO,
		.count = 1000,
	});
	args = logged_args(l, l->tracker);
	EXPECT_EQ(-EIO, __tracker_read(&args));
	for (i = 0; i < 3; i++) {
		logged_dirty(l, 0, PAGES);
		EXPECT_TRUE(logged_exact(l, l->tracker));
	}
	args = logged_args(l, l->tracker);
	EXPECT_EQ(PAGES, tracker_scan(&args, 1));
	/* UPDATE restarts it */
	EXPECT_EQ(0, __logged_update(l, 0, IOVA, SIZE));
	EXPECT_EQ(0, logged_info(l, l->tracker, &member).out_flags);
	soft_faults(self->edu, (struct soft_faults) {});
	logged_dirty(l, 0, PAGES);
	EXPECT_TRUE(logged_exact(l, l->tracker));
	logged_write(l, 8);
	EXPECT_TRUE(logged_exact(l, l->tracker));
}

/* The second of two ranges fails: the first one is reported, and only once */
TEST_F(soft_provider, second_range_fails)
{
	struct logged *l = &self->l;
	struct iommu_dirty_run ranges[2] = {
		{ .iova = AT(0), .length = 64 * SZ_4K },
		{ .iova = AT(128), .length = 64 * SZ_4K },
	};
	__u64 page_size = SZ_4K;
	struct read_args args;
	__u32 num = 2;

	ASSERT_EQ(0, __device_start(l->env.fd, l->tracker, ranges, &num,
				    &page_size));
	logged_write(l, 5);
	env_store(&l->env, 0, AT(130));
	soft_faults(self->edu, (struct soft_faults) {
		.op = FAULT_READ,
		.error = EIO,
		.skip = 1,
		.count = 1,
	});
	args = logged_args(l, l->tracker);
	EXPECT_EQ(-EIO, __tracker_read(&args));
	EXPECT_EQ(1, args.out_pages);
	EXPECT_EQ(0, memcmp(l->got, l->want, sizeof(l->got)));
	memset(l->want, 0, sizeof(l->want));
	logged_dirty(l, 128, 192);
	EXPECT_TRUE(logged_exact(l, l->tracker));
}

/* The provider keeps the part of the range that it was not queried for */
TEST_F(soft_provider, part_fails)
{
	struct logged *l = &self->l;
	struct read_args args;

	ASSERT_EQ(0, __logged_start(l));
	logged_write(l, 200);
	soft_fail_once(self->edu, FAULT_READ, EIO);
	args = logged_args(l, l->tracker);
	args.iova = AT(70);
	args.length = 3 * SZ_4K;
	EXPECT_EQ(-EIO, __tracker_read(&args));
	/* the provider was queried for 64 pages */
	logged_dirty(l, 64, 128);
	EXPECT_TRUE(logged_exact(l, l->tracker));
}

/* Marks outside the window are kept until they are read */
TEST_F(soft_provider, marks_elsewhere)
{
	struct logged *l = &self->l;
	struct read_args args;

	ASSERT_EQ(0, __logged_start(l));
	soft_faults(self->edu, (struct soft_faults) { .stray = AT(201) });
	logged_write(l, 3);
	args = logged_args(l, l->tracker);
	args.length = 64 * SZ_4K;
	tracker_read(&args);
	EXPECT_EQ(0, memcmp(l->got, l->want, sizeof(l->got)));
	memset(l->want, 0, sizeof(l->want));
	soft_faults(self->edu, (struct soft_faults) { .stray = AT(2) });
	args = logged_args(l, l->tracker);
	args.iova = AT(64);
	args.length = 64 * SZ_4K;
	tracker_read(&args);
	EXPECT_EQ(0, args.out_pages);
	soft_faults(self->edu, (struct soft_faults) {});
	bitmap_set(l->want, 2);
	bitmap_set(l->want, 201);
	EXPECT_TRUE(logged_exact(l, l->tracker));
}

/* UPDATE stops the provider, which then does not start with the new ranges but the old */
TEST_F(soft_provider, update_fails)
{
	struct logged *l = &self->l;
	struct iommu_dirty_member member;
	unsigned int i;

	ASSERT_EQ(0, __logged_start(l));
	for (i = 0; i < ARRAY_SIZE(errors); i++) {
		int want = errors[i].start;

		logged_write(l, i);
		soft_fail_once(self->edu, FAULT_START, errors[i].error);
		EXPECT_EQ(want == ENXIO ? -EIO : -want, __logged_update(l, 0, IOVA, SIZE));
		EXPECT_EQ(0, logged_info(l, l->tracker, &member).out_flags);
		logged_write(l, i + 20);
		EXPECT_TRUE(logged_exact(l, l->tracker));
	}
}

/* It does not start with the old ranges either: all is dirty until an UPDATE succeeds */
TEST_F(soft_provider, update_fails_twice)
{
	struct logged *l = &self->l;
	struct iommu_dirty_run range = { .iova = IOVA, .length = SIZE };
	__u32 other = tracker_alloc(l->env.fd, self->edu->dev_id), num = 1;
	__u64 page_size = SZ_4K;
	struct iommu_dirty_tracker_info info;
	struct iommu_dirty_member member;
	unsigned int i;

	ASSERT_EQ(0, __logged_start(l));
	logged_write(l, 9);
	soft_faults(self->edu, (struct soft_faults) {
		.op = FAULT_START,
		.error = EIO,
		.count = 3,
	});
	EXPECT_EQ(-EIO, __logged_update(l, 0, IOVA, SIZE));
	/* Another tracker cannot start either */
	EXPECT_EQ(-EIO, __device_start(l->env.fd, other, &range, &num, &page_size));
	for (i = 0; i < 3; i++) {
		info = logged_info(l, l->tracker, &member);
		EXPECT_EQ(IOMMU_DIRTY_TRACKER_BLIND, info.out_flags);
		EXPECT_EQ(0, member.flags & IOMMU_DIRTY_MEMBER_TRACKED);
		env_store(&l->env, 0, AT(i));
		logged_dirty(l, 0, PAGES);
		EXPECT_TRUE(logged_exact(l, l->tracker));
	}
	/* a third failure, a fourth one as if the task was killed, then success */
	EXPECT_EQ(-EIO, __logged_update(l, 0, IOVA, SIZE));
	soft_fail_once(self->edu, FAULT_START, EINTR);
	EXPECT_EQ(-EINTR, __logged_update(l, 0, IOVA, SIZE));
	ASSERT_EQ(0, __logged_update(l, 0, IOVA, SIZE));
	EXPECT_EQ(0, logged_info(l, l->tracker, &member).out_flags);
	logged_dirty(l, 0, PAGES);
	EXPECT_TRUE(logged_exact(l, l->tracker));
	logged_write(l, 9);
	EXPECT_TRUE(logged_exact(l, l->tracker));
	tracker_stop(l->env.fd, l->tracker);
	ASSERT_EQ(0, __logged_start(l));
	EXPECT_TRUE(logged_exact(l, l->tracker));
}

TEST_F(soft_provider, live_update_fails)
{
	struct logged *l = &self->l;
	unsigned int i;

	soft_provider(self->edu, PROVIDER_LIVE);
	ASSERT_EQ(0, __logged_start(l));
	for (i = 0; i < ARRAY_SIZE(errors); i++) {
		int want = errors[i].start;

		logged_write(l, i);
		soft_fail_once(self->edu, FAULT_UPDATE, errors[i].error);
		EXPECT_EQ(want == ENXIO ? -EIO : -want, __logged_update(l, 0, IOVA, SIZE));
		logged_write(l, i + 20);
		EXPECT_TRUE(logged_exact(l, l->tracker));
	}
}

/* The device writes once more between the last harvest and hold() */
TEST_F(soft_provider, last_write)
{
	struct logged *l = &self->l;

	ASSERT_EQ(0, __logged_start(l));
	logged_write(l, 12);
	EXPECT_TRUE(logged_exact(l, l->tracker));
	soft_fail_once(self->edu, FAULT_HOLD, EIO);
	EXPECT_EQ(0, __logged_update(l, 0, IOVA, SIZE));
	bitmap_set(l->want, 12);
	EXPECT_TRUE(logged_exact(l, l->tracker));
	EXPECT_TRUE(logged_exact(l, l->tracker));
}

/* The device may have written while it was held, as after a reset: all is dirty */
TEST_F(soft_provider, not_held)
{
	struct logged *l = &self->l;

	ASSERT_EQ(0, __logged_start(l));
	soft_fail_once(self->edu, FAULT_RELEASE, EIO);
	EXPECT_EQ(0, __logged_update(l, 0, IOVA, SIZE / 2));
	logged_dirty(l, 0, PAGES);
	EXPECT_TRUE(logged_exact(l, l->tracker));
	logged_write(l, 3);
	EXPECT_TRUE(logged_exact(l, l->tracker));
}

/*
 * One tracker asks for larger pages than another one: both get the smaller ones. Once it
 * is alone, UPDATE gives it the larger ones, unless the provider updates live.
 */
TEST_F(soft_provider, larger_pages)
{
	struct logged *l = &self->l;
	struct iommu_dirty_run small = { .iova = AT(19), .length = 18 * SZ_4K };
	struct iommu_dirty_run large = { .iova = AT(19), .length = SZ_4K };
	__u32 other = tracker_alloc(l->env.fd, self->edu->dev_id), num = 1;
	__u64 page_size = SZ_4K;
	unsigned int live;

	for (live = 0; live < 2; live++) {
		small.iova = AT(19);
		small.length = 18 * SZ_4K;
		large = (struct iommu_dirty_run){ .iova = AT(19), .length = SZ_4K };
		soft_provider(self->edu, live ? PROVIDER_LIVE : PROVIDER_PLAIN);
		page_size = SZ_4K;
		ASSERT_EQ(0, __device_start(l->env.fd, l->tracker, &small, &num, &page_size));
		ASSERT_EQ(0, __device_start(l->env.fd, other, &large, &num, &page_size));
		large = (struct iommu_dirty_run){ .iova = AT(128), .length = 16 * SZ_4K };
		page_size = 16 * SZ_4K;
		EXPECT_EQ(0, __device_update(l->env.fd, other, 0, &large, &num, &page_size));
		EXPECT_EQ(SZ_4K, page_size);
		logged_write(l, 36);
		logged_write(l, 130);
		EXPECT_TRUE(logged_exact(l, l->tracker));
		tracker_stop(l->env.fd, l->tracker);
		page_size = 16 * SZ_4K;
		EXPECT_EQ(0, __device_update(l->env.fd, other, 0, &large, &num, &page_size));
		EXPECT_EQ(live ? SZ_4K : 16 * SZ_4K, page_size);
		tracker_read(&(struct read_args) {
			.fd = l->env.fd,
			.tracker = other,
			.flags = IOMMU_DIRTY_READ_SPARSE,
			.iova = IOVA,
			.length = SIZE,
			.page_size = SZ_4K,
			.data = l->got,
		});
		env_store(&l->env, 0, AT(130));
		logged_dirty(l, live ? 130 : 128, live ? 131 : 144);
		EXPECT_TRUE(logged_exact(l, other));
		tracker_stop(l->env.fd, other);
	}
}

TEST_HARNESS_MAIN
