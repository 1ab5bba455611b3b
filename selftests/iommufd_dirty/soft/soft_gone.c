// SPDX-License-Identifier: GPL-2.0-only
/*
 * A provider that is unregistered while trackers of the device run, with the device
 * still open or because it is closed. What was dirty before is reported exactly; what
 * the device may have written without a provider is reported as dirty.
 */
#include <errno.h>
#include <kselftest_harness.h>
#include <pthread.h>

#include "lib.h"

#define IOVA	LOGGED_IOVA
#define PAGES	LOGGED_PAGES
#define SIZE	LOGGED_SIZE
#define AT(page) LOGGED_AT(page)

FIXTURE(soft_gone)
{
	struct logged l;
	struct edu *edu;
};

FIXTURE_SETUP(soft_gone)
{
	OPEN_OR_SKIP(return, logged_open_soft(&self->l, PROVIDER_PLAIN));
	self->edu = &self->l.env.edu[0];
}

FIXTURE_TEARDOWN(soft_gone)
{
	if (self->edu)
		logged_close(&self->l);
}

/*
 * The provider is unregistered, and registered again, while trackers run. In between
 * nobody knows what the device writes. Afterwards it is not tracked until an UPDATE.
 */
TEST_F(soft_gone, unregistered)
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
		logged_dirty(l, 0, PAGES);
		EXPECT_TRUE(logged_exact(l, l->tracker));
		if (i == 1)
			soft_provider(self->edu, PROVIDER_PLAIN);
	}
	EXPECT_EQ(0, __logged_update(l, 0, IOVA, SIZE));
	EXPECT_EQ(0, logged_info(l, l->tracker, &member).out_flags);
	logged_dirty(l, 0, PAGES);
	EXPECT_TRUE(logged_exact(l, l->tracker));
	logged_write(l, 34);
	EXPECT_TRUE(logged_exact(l, l->tracker));
	/* STOP and START without a provider */
	soft_provider(self->edu, PROVIDER_NONE);
	tracker_stop(l->env.fd, l->tracker);
	EXPECT_EQ(-ENXIO, __logged_start(l));
	soft_provider(self->edu, PROVIDER_PLAIN);
	ASSERT_EQ(0, __logged_start(l));
	logged_write(l, 35);
	EXPECT_TRUE(logged_exact(l, l->tracker));
}

/* A provider that cannot hold the device: all is dirty when it is unregistered */
TEST_F(soft_gone, unregistered_busy)
{
	struct logged *l = &self->l;

	soft_provider(self->edu, PROVIDER_BUSY);
	ASSERT_EQ(0, __logged_start(l));
	EXPECT_EQ(-EBUSY, __logged_update(l, 0, IOVA, SIZE));
	EXPECT_EQ(0, __logged_update(l, IOMMU_DIRTY_UPDATE_GAP_DIRTY, IOVA, SIZE));
	logged_dirty(l, 0, PAGES);
	EXPECT_TRUE(logged_exact(l, l->tracker));
	soft_provider(self->edu, PROVIDER_NONE);
	logged_dirty(l, 0, PAGES);
	EXPECT_TRUE(logged_exact(l, l->tracker));
}

/* The device writes without a provider, then it is unbound, then READ */
TEST_F(soft_gone, unregistered_closed)
{
	struct logged *l = &self->l;

	ASSERT_EQ(0, __logged_start(l));
	soft_provider(self->edu, PROVIDER_NONE);
	logged_dirty(l, 0, PAGES);
	EXPECT_TRUE(logged_exact(l, l->tracker));
	env_store(&l->env, 0, AT(5));
	edu_close(&l->env.edu[0]);
	l->env.num_edu = 0;
	logged_dirty(l, 0, PAGES);
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

/* Concurrent READs get no error and do not call a provider that was unregistered */
TEST_F(soft_gone, read_while_it_goes)
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

/* Unbinds a device that has written; its VFIO driver unregisters the provider */
static void close_with(FIXTURE_DATA(soft_gone) * self, unsigned int provider)
{
	struct logged *l = &self->l;

	soft_provider(self->edu, provider);
	check(__logged_start(l));
	logged_write(l, 44);
	edu_close(&l->env.edu[0]);
	l->env.num_edu = 0;
}

TEST_F(soft_gone, closed)
{
	close_with(self, PROVIDER_PLAIN);
	EXPECT_TRUE(logged_exact(&self->l, self->l.tracker));
	EXPECT_TRUE(logged_exact(&self->l, self->l.tracker));
}

/*
 * A provider that is too slow to report everything before it is unregistered: what it has
 * not reported is dirty, and nothing else.
 */
TEST_F(soft_gone, closed_slow)
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
	/* 128 windows of 1 GiB would take 25 seconds */
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

/* Closing the device does not wait for a slow UPDATE, which gives up */
TEST_F(soft_gone, closed_during_update)
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

/* The device writes while hold() runs */
TEST_F(soft_gone, closed_last_write)
{
	struct logged *l = &self->l;

	ASSERT_EQ(0, __logged_start(l));
	logged_write(l, 12);
	EXPECT_TRUE(logged_exact(l, l->tracker));
	soft_fail_once(self->edu, FAULT_HOLD, EIO);
	edu_close(&l->env.edu[0]);
	l->env.num_edu = 0;
	bitmap_set(l->want, 12);
	EXPECT_TRUE(logged_exact(l, l->tracker));
	EXPECT_TRUE(logged_exact(l, l->tracker));
}

/* The device may have written while it was held */
TEST_F(soft_gone, closed_not_held)
{
	struct logged *l = &self->l;

	ASSERT_EQ(0, __logged_start(l));
	soft_fail_once(self->edu, FAULT_RELEASE, EIO);
	edu_close(&l->env.edu[0]);
	l->env.num_edu = 0;
	logged_dirty(l, 0, PAGES);
	EXPECT_TRUE(logged_exact(l, l->tracker));
	EXPECT_TRUE(logged_exact(l, l->tracker));
}

/* The provider cannot hold the device: all is dirty, once */
TEST_F(soft_gone, closed_busy)
{
	close_with(self, PROVIDER_BUSY);
	logged_dirty(&self->l, 0, PAGES);
	EXPECT_TRUE(logged_exact(&self->l, self->l.tracker));
	EXPECT_TRUE(logged_exact(&self->l, self->l.tracker));
}

TEST_HARNESS_MAIN
