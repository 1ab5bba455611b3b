// SPDX-License-Identifier: GPL-2.0-only
/*
 * A provider that fails at each of its ops with each error, that marks what it was
 * not asked for, and that goes while it is used: whatever it does, what is reported
 * is known to the bit, and nothing that the device wrote is missed.
 */
#include <errno.h>
#include <kselftest_harness.h>
#include <pthread.h>

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
	const char *reason = logged_open_soft(&self->l, PROVIDER_PLAIN);

	if (reason)
		SKIP(return, "%s", reason);
	self->edu = &self->l.env.edu[0];
}

FIXTURE_TEARDOWN(soft_provider)
{
	if (self->edu)
		logged_close(&self->l);
}

static void fault(struct edu *edu, __u64 op, __u64 error, __u64 skip, __u64 count)
{
	soft_faults(edu, (struct soft_faults) {
		.op = op,
		.error = error,
		.skip = skip,
		.count = count,
	});
}

/* What a driver may return, and what the user gets */
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

static void dirty_all(struct logged *l, unsigned int first, unsigned int end)
{
	for (; first < end; first++)
		bitmap_set(l->want, first);
}

TEST_F(soft_provider, start_fails)
{
	struct logged *l = &self->l;
	struct iommu_dirty_member member;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(errors); i++) {
		fault(self->edu, FAULT_START, errors[i].error, 0, 1);
		EXPECT_EQ(-errors[i].start, __logged_start(l));
		EXPECT_EQ(IOMMU_DIRTY_STATE_STOPPED,
			  logged_info(l, l->tracker, &member).out_state);
		EXPECT_EQ(0, __logged_start(l));
		logged_write(l, i);
		EXPECT_TRUE(logged_exact(l, l->tracker));
		tracker_stop(l->env.fd, l->tracker);
	}
}

/* No more trackers of a device can run than one READ takes */
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

/* A tracker for which nothing is tracked does not keep others from what they need */
TEST_F(soft_provider, beside_blind)
{
	struct logged *l = &self->l;
	struct iommu_dirty_run range = { .iova = IOVA, .length = SIZE };
	__u32 other = tracker_alloc(l->env.fd, self->edu->dev_id), num = 1;
	struct iommu_dirty_tracker_info info;
	struct iommu_dirty_member member;
	__u64 page_size = SZ_4K;

	fault(self->edu, FAULT_START, EOPNOTSUPP, 0, 1);
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

/* Nor does what it has asked for count when another one asks for something else */
TEST_F(soft_provider, update_beside_blind)
{
	struct logged *l = &self->l;
	struct iommu_dirty_run range = { .iova = IOVA, .length = SIZE };
	__u32 other = tracker_alloc(l->env.fd, self->edu->dev_id), num = 1;
	__u64 page_size = SZ_4K;

	fault(self->edu, FAULT_START, EOPNOTSUPP, 0, 1);
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

/* It is stopped all the same */
TEST_F(soft_provider, stop_fails)
{
	struct logged *l = &self->l;
	struct iommu_dirty_member member;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(errors); i++) {
		ASSERT_EQ(0, __logged_start(l));
		fault(self->edu, FAULT_STOP, errors[i].error, 0, 1);
		EXPECT_EQ(-EIO, __tracker_stop(l->env.fd, l->tracker));
		EXPECT_EQ(IOMMU_DIRTY_STATE_STOPPED,
			  logged_info(l, l->tracker, &member).out_state);
	}
}

/*
 * The log that fails has forgotten what it was asked for. So all of that is dirty
 * for the next READ, once, and for all trackers.
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
		fault(self->edu, FAULT_READ, errors[i].error, 0, 1);
		EXPECT_EQ(-errors[i].read, __tracker_read(&args));
		EXPECT_EQ(0, args.out_length);
		EXPECT_EQ(0, args.out_pages);
		EXPECT_EQ(IOMMU_DIRTY_TRACKER_BLIND,
			  logged_info(l, l->tracker, &member).out_flags);
		dirty_all(l, 0, PAGES);
		EXPECT_TRUE(logged_exact(l, l->tracker));
		dirty_all(l, 0, PAGES);
		EXPECT_TRUE(logged_exact(l, other));
		EXPECT_TRUE(logged_exact(l, l->tracker));
		EXPECT_TRUE(logged_exact(l, other));
		tracker_stop(l->env.fd, l->tracker);
		tracker_stop(l->env.fd, other);
	}
}

/* A log that is broken for good: an error once, then everything is dirty */
TEST_F(soft_provider, read_fails_for_good)
{
	struct logged *l = &self->l;
	struct iommu_dirty_member member;
	struct read_args args;
	unsigned int i;

	ASSERT_EQ(0, __logged_start(l));
	logged_write(l, 7);
	fault(self->edu, FAULT_READ, EIO, 0, 1000);
	args = logged_args(l, l->tracker);
	EXPECT_EQ(-EIO, __tracker_read(&args));
	for (i = 0; i < 3; i++) {
		dirty_all(l, 0, PAGES);
		EXPECT_TRUE(logged_exact(l, l->tracker));
	}
	args = logged_args(l, l->tracker);
	EXPECT_EQ(PAGES, tracker_scan(&args, 1));
	/* An UPDATE starts it anew */
	EXPECT_EQ(0, __logged_update(l, 0, IOVA, SIZE));
	EXPECT_EQ(0, logged_info(l, l->tracker, &member).out_flags);
	soft_faults(self->edu, (struct soft_faults) {});
	dirty_all(l, 0, PAGES);
	EXPECT_TRUE(logged_exact(l, l->tracker));
	logged_write(l, 8);
	EXPECT_TRUE(logged_exact(l, l->tracker));
}

/* Of two ranges the second fails: the first one is reported, and only once */
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
	fault(self->edu, FAULT_READ, EIO, 1, 1);
	args = logged_args(l, l->tracker);
	EXPECT_EQ(-EIO, __tracker_read(&args));
	EXPECT_EQ(1, args.out_pages);
	EXPECT_EQ(0, memcmp(l->got, l->want, sizeof(l->got)));
	memset(l->want, 0, sizeof(l->want));
	dirty_all(l, 128, 192);
	EXPECT_TRUE(logged_exact(l, l->tracker));
}

/* The part of the range that was not asked for stays what it is */
TEST_F(soft_provider, part_fails)
{
	struct logged *l = &self->l;
	struct read_args args;

	ASSERT_EQ(0, __logged_start(l));
	logged_write(l, 200);
	fault(self->edu, FAULT_READ, EIO, 0, 1);
	args = logged_args(l, l->tracker);
	args.iova = AT(70);
	args.length = 3 * SZ_4K;
	EXPECT_EQ(-EIO, __tracker_read(&args));
	/* the driver was asked for 64 pages */
	dirty_all(l, 64, 128);
	EXPECT_TRUE(logged_exact(l, l->tracker));
}

/* What is marked outside of the window is kept until it is asked for */
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

/* Stopped for an UPDATE, it does not start with the new ranges: the old ones do */
TEST_F(soft_provider, update_fails)
{
	struct logged *l = &self->l;
	struct iommu_dirty_member member;
	unsigned int i;

	ASSERT_EQ(0, __logged_start(l));
	for (i = 0; i < ARRAY_SIZE(errors); i++) {
		int want = errors[i].start;

		logged_write(l, i);
		fault(self->edu, FAULT_START, errors[i].error, 0, 1);
		EXPECT_EQ(want == ENXIO ? -EIO : -want, __logged_update(l, 0, IOVA, SIZE));
		EXPECT_EQ(0, logged_info(l, l->tracker, &member).out_flags);
		logged_write(l, i + 20);
		EXPECT_TRUE(logged_exact(l, l->tracker));
	}
}

/* Nor do the old ones: everything is dirty, each time, until an UPDATE succeeds */
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
	fault(self->edu, FAULT_START, EIO, 0, 3);
	EXPECT_EQ(-EIO, __logged_update(l, 0, IOVA, SIZE));
	/* Another tracker would not be one either */
	EXPECT_EQ(-EIO, __device_start(l->env.fd, other, &range, &num, &page_size));
	for (i = 0; i < 3; i++) {
		info = logged_info(l, l->tracker, &member);
		EXPECT_EQ(IOMMU_DIRTY_TRACKER_BLIND, info.out_flags);
		EXPECT_EQ(0, member.flags & IOMMU_DIRTY_MEMBER_TRACKED);
		env_store(&l->env, 0, AT(i));
		dirty_all(l, 0, PAGES);
		EXPECT_TRUE(logged_exact(l, l->tracker));
	}
	/* the third failure; a fourth, of a task that is killed; then it works */
	EXPECT_EQ(-EIO, __logged_update(l, 0, IOVA, SIZE));
	fault(self->edu, FAULT_START, EINTR, 0, 1);
	EXPECT_EQ(-EINTR, __logged_update(l, 0, IOVA, SIZE));
	ASSERT_EQ(0, __logged_update(l, 0, IOVA, SIZE));
	EXPECT_EQ(0, logged_info(l, l->tracker, &member).out_flags);
	dirty_all(l, 0, PAGES);
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
		fault(self->edu, FAULT_UPDATE, errors[i].error, 0, 1);
		EXPECT_EQ(want == ENXIO ? -EIO : -want, __logged_update(l, 0, IOVA, SIZE));
		logged_write(l, i + 20);
		EXPECT_TRUE(logged_exact(l, l->tracker));
	}
}

/*
 * The driver goes, and comes back, while trackers run. In between nobody knows what
 * the device writes, and afterwards it is not tracked before that is asked for.
 */
TEST_F(soft_provider, unregistered)
{
	struct logged *l = &self->l;
	struct iommu_dirty_tracker_info info;
	struct iommu_dirty_member member;
	unsigned int i;

	ASSERT_EQ(0, __logged_start(l));
	logged_write(l, 33);
	soft_provider(self->edu, PROVIDER_NONE);
	EXPECT_EQ(-ENODEV, __logged_update(l, 0, IOVA, SIZE));
	for (i = 0; i < 4; i++) {
		info = logged_info(l, l->tracker, &member);
		EXPECT_EQ(IOMMU_DIRTY_TRACKER_BLIND, info.out_flags);
		EXPECT_EQ(0, member.flags & IOMMU_DIRTY_MEMBER_TRACKED);
		EXPECT_EQ(i < 2 ? IOMMU_DIRTY_REASON_NO_DRIVER : IOMMU_DIRTY_REASON_OK,
			  member.reason);
		env_store(&l->env, 0, AT(i));
		dirty_all(l, 0, PAGES);
		EXPECT_TRUE(logged_exact(l, l->tracker));
		if (i == 1)
			soft_provider(self->edu, PROVIDER_PLAIN);
	}
	EXPECT_EQ(0, __logged_update(l, 0, IOVA, SIZE));
	EXPECT_EQ(0, logged_info(l, l->tracker, &member).out_flags);
	dirty_all(l, 0, PAGES);
	EXPECT_TRUE(logged_exact(l, l->tracker));
	logged_write(l, 34);
	EXPECT_TRUE(logged_exact(l, l->tracker));
	/* a STOP with nobody there, and a START */
	soft_provider(self->edu, PROVIDER_NONE);
	tracker_stop(l->env.fd, l->tracker);
	EXPECT_EQ(-ENXIO, __logged_start(l));
	soft_provider(self->edu, PROVIDER_PLAIN);
	ASSERT_EQ(0, __logged_start(l));
	logged_write(l, 35);
	EXPECT_TRUE(logged_exact(l, l->tracker));
}

/* A provider that cannot tell whether the device writes, when it goes */
TEST_F(soft_provider, unregistered_busy)
{
	struct logged *l = &self->l;

	soft_provider(self->edu, PROVIDER_BUSY);
	ASSERT_EQ(0, __logged_start(l));
	EXPECT_EQ(-EBUSY, __logged_update(l, 0, IOVA, SIZE));
	EXPECT_EQ(0, __logged_update(l, IOMMU_DIRTY_UPDATE_GAP_DIRTY, IOVA, SIZE));
	dirty_all(l, 0, PAGES);
	EXPECT_TRUE(logged_exact(l, l->tracker));
	soft_provider(self->edu, PROVIDER_NONE);
	dirty_all(l, 0, PAGES);
	EXPECT_TRUE(logged_exact(l, l->tracker));
}

/* The device writes once more, after all was kept and before it is held */
TEST_F(soft_provider, last_write)
{
	struct logged *l = &self->l;

	ASSERT_EQ(0, __logged_start(l));
	logged_write(l, 12);
	EXPECT_TRUE(logged_exact(l, l->tracker));
	fault(self->edu, FAULT_HOLD, EIO, 0, 1);
	EXPECT_EQ(0, __logged_update(l, 0, IOVA, SIZE));
	bitmap_set(l->want, 12);
	EXPECT_TRUE(logged_exact(l, l->tracker));
	EXPECT_TRUE(logged_exact(l, l->tracker));
}

/* It may have written while it was held, as one that is reset then: all is dirty */
TEST_F(soft_provider, not_held)
{
	struct logged *l = &self->l;

	ASSERT_EQ(0, __logged_start(l));
	fault(self->edu, FAULT_RELEASE, EIO, 0, 1);
	EXPECT_EQ(0, __logged_update(l, 0, IOVA, SIZE / 2));
	dirty_all(l, 0, PAGES);
	EXPECT_TRUE(logged_exact(l, l->tracker));
	logged_write(l, 3);
	EXPECT_TRUE(logged_exact(l, l->tracker));
}

/* It has written without one, and is not bound any more when that is asked for */
TEST_F(soft_provider, unregistered_closed)
{
	struct logged *l = &self->l;

	ASSERT_EQ(0, __logged_start(l));
	soft_provider(self->edu, PROVIDER_NONE);
	dirty_all(l, 0, PAGES);
	EXPECT_TRUE(logged_exact(l, l->tracker));
	env_store(&l->env, 0, AT(5));
	edu_close(&l->env.edu[0]);
	l->env.num_edu = 0;
	dirty_all(l, 0, PAGES);
	EXPECT_TRUE(logged_exact(l, l->tracker));
	EXPECT_TRUE(logged_exact(l, l->tracker));
}

struct reading {
	struct logged *l;
	bool stop;
	int error;
};

static void *reading_run(void *arg)
{
	struct reading *reading = arg;
	unsigned char bitmap[PAGES / 8];
	struct read_args args = {
		.fd = reading->l->env.fd,
		.tracker = reading->l->tracker,
		.iova = IOVA,
		.length = SIZE,
		.page_size = SZ_4K,
		.data = bitmap,
	};

	while (!__atomic_load_n(&reading->stop, __ATOMIC_ACQUIRE)) {
		int rc = __tracker_read(&args);

		if (rc)
			reading->error = rc;
	}
	return NULL;
}

/* Who reads meanwhile gets no error, and asks nobody who has gone */
TEST_F(soft_provider, read_while_it_goes)
{
	struct reading reading = { .l = &self->l };
	pthread_t threads[2];
	unsigned int i;

	ASSERT_EQ(0, __logged_start(&self->l));
	for (i = 0; i < ARRAY_SIZE(threads); i++)
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, reading_run, &reading));
	for (i = 0; i < 300; i++) {
		soft_provider(self->edu, PROVIDER_NONE);
		soft_provider(self->edu, PROVIDER_PLAIN);
		EXPECT_EQ(0, __logged_update(&self->l, 0, IOVA, SIZE));
	}
	__atomic_store_n(&reading.stop, true, __ATOMIC_RELEASE);
	for (i = 0; i < ARRAY_SIZE(threads); i++)
		pthread_join(threads[i], NULL);
	EXPECT_EQ(0, reading.error);
}

/*
 * One tracker wants larger pages than another one: both get the smaller ones, until it
 * is alone. A driver that changes its ranges live keeps them
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
		dirty_all(l, live ? 130 : 128, live ? 131 : 144);
		EXPECT_TRUE(logged_exact(l, other));
		tracker_stop(l->env.fd, other);
	}
}

/* Closed, so that the device is not bound any more */
static void close_with(FIXTURE_DATA(soft_provider) * self, unsigned int provider)
{
	struct logged *l = &self->l;

	soft_provider(self->edu, provider);
	check(__logged_start(l));
	logged_write(l, 44);
	edu_close(&l->env.edu[0]);
	l->env.num_edu = 0;
}

TEST_F(soft_provider, closed)
{
	close_with(self, PROVIDER_PLAIN);
	EXPECT_TRUE(logged_exact(&self->l, self->l.tracker));
	EXPECT_TRUE(logged_exact(&self->l, self->l.tracker));
}

/*
 * One that takes its time, so much that nobody can wait for all of it: what is not known
 * by then is dirty, and nothing else.
 */
TEST_F(soft_provider, closed_slow)
{
	const __u64 length = 128 * SZ_1G;
	struct logged *l = &self->l;
	struct iommu_dirty_run range = { .iova = IOVA, .length = length }, runs[3];
	struct scan_args scan = {
		.fd = l->env.fd,
		.tracker = l->tracker,
		.iova = IOVA,
		.length = length,
		.page_size = SZ_4K,
		.runs = runs,
		.num_runs = 3,
	};
	__u64 page_size = SZ_4K;
	__u32 num = 1;

	ASSERT_EQ(0, __device_start(l->env.fd, l->tracker, &range, &num, &page_size));
	env_store(&l->env, 0, AT(3));
	/* 25 seconds for the windows of 1 GiB, one by one */
	soft_faults(self->edu, (struct soft_faults) { .slow = 200000 });
	edu_close(&l->env.edu[0]);
	l->env.num_edu = 0;
	ASSERT_EQ(0, __tracker_scan(&scan));
	ASSERT_EQ(2, scan.num_runs);
	EXPECT_EQ(AT(3), runs[0].iova);
	EXPECT_EQ(SZ_4K, runs[0].length);
	EXPECT_LT(AT(PAGES), runs[1].iova);
	EXPECT_EQ(IOVA + length, runs[1].iova + runs[1].length);
	scan.num_runs = 3;
	EXPECT_EQ(0, __tracker_scan(&scan));
	EXPECT_EQ(0, scan.num_runs);
}

static int update_half(void *arg)
{
	struct logged *l = arg;
	struct iommu_dirty_run range = { .iova = IOVA, .length = 64 * SZ_1G };
	__u64 page_size = SZ_4K;
	__u32 num = 1;

	return __device_update(l->env.fd, l->tracker, IOMMU_DIRTY_UPDATE_GAP_DIRTY, &range,
			       &num, &page_size);
}

/* An UPDATE that takes its time gives up: who closes the device does not wait for it */
TEST_F(soft_provider, closed_during_update)
{
	struct logged *l = &self->l;
	struct iommu_dirty_run range = { .iova = IOVA, .length = 128 * SZ_1G };
	struct read_args args = logged_args(l, l->tracker);
	__u64 page_size = SZ_4K;
	struct side update;
	__u32 num = 1;

	ASSERT_EQ(0, __device_start(l->env.fd, l->tracker, &range, &num, &page_size));
	env_store(&l->env, 0, AT(3));
	soft_faults(self->edu, (struct soft_faults) { .slow = 200000 });
	side_start(&update, update_half, l);
	EXPECT_FALSE(side_wait(&update));
	edu_close(&l->env.edu[0]);
	l->env.num_edu = 0;
	EXPECT_EQ(-ENODEV, side_end(&update));
	EXPECT_EQ(1, tracker_read(&args));
	EXPECT_TRUE(bitmap_test(l->got, 3));
}

/* One whose device writes while it is being held, and then one that was not held */
TEST_F(soft_provider, closed_last_write)
{
	struct logged *l = &self->l;

	ASSERT_EQ(0, __logged_start(l));
	logged_write(l, 12);
	EXPECT_TRUE(logged_exact(l, l->tracker));
	fault(self->edu, FAULT_HOLD, EIO, 0, 1);
	edu_close(&l->env.edu[0]);
	l->env.num_edu = 0;
	bitmap_set(l->want, 12);
	EXPECT_TRUE(logged_exact(l, l->tracker));
	EXPECT_TRUE(logged_exact(l, l->tracker));
}

TEST_F(soft_provider, closed_not_held)
{
	struct logged *l = &self->l;

	ASSERT_EQ(0, __logged_start(l));
	fault(self->edu, FAULT_RELEASE, EIO, 0, 1);
	edu_close(&l->env.edu[0]);
	l->env.num_edu = 0;
	dirty_all(l, 0, PAGES);
	EXPECT_TRUE(logged_exact(l, l->tracker));
	EXPECT_TRUE(logged_exact(l, l->tracker));
}

/* One that cannot tell whether the device writes: all is dirty, once */
TEST_F(soft_provider, closed_busy)
{
	close_with(self, PROVIDER_BUSY);
	dirty_all(&self->l, 0, PAGES);
	EXPECT_TRUE(logged_exact(&self->l, self->l.tracker));
	EXPECT_TRUE(logged_exact(&self->l, self->l.tracker));
}

TEST_HARNESS_MAIN
