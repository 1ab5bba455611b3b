// SPDX-License-Identifier: GPL-2.0-only
/*
 * The user of a device logs its DMA (VFIO_DEVICE_FEATURE_DMA_LOGGING_START) while trackers
 * of the device run. They share what the driver logs, and each gets every page that the
 * device writes. The user, who knows nothing of trackers, gets exactly these pages.
 */
#include <errno.h>
#include <fcntl.h>
#include <kselftest_harness.h>
#include <linux/vfio.h>
#include <string.h>
#include <unistd.h>

#include "lib.h"

#define IOVA	LOGGED_IOVA
#define PAGES	LOGGED_PAGES
#define SIZE	LOGGED_SIZE
#define AT(page) LOGGED_AT(page)

FIXTURE(shared)
{
	struct logged l;
	int fd;				/* of the device */
	__u32 passive;
	unsigned char user[PAGES / 8];	/* what the user must get */
};

FIXTURE_SETUP(shared)
{
	OPEN_OR_SKIP(return, logged_open(&self->l));
	self->fd = self->l.env.edu[0].fd;
	self->passive = tracker_alloc_passive(self->l.env.fd, self->l.env.edu[0].dev_id);
}

FIXTURE_TEARDOWN(shared)
{
	logged_close(&self->l);
}

/* The user logs @num pages from @first on */
static int __user_start(struct _test_data_shared *self, unsigned int first, __u64 num,
			__u64 *page_size)
{
	const struct log_range range = { .iova = AT(first), .length = num * SZ_4K };

	return __log_start(self->fd, &range, 1, page_size);
}

static void user_start(struct _test_data_shared *self, unsigned int first, __u64 num)
{
	__u64 page_size = SZ_4K;

	check(__user_start(self, first, num, &page_size));
	if (page_size != SZ_4K)
		fatal("the user asked for 4 KiB and got %#llx", page_size);
}

/* The user gets exactly what its model has. Empties the model */
static bool user_exact(struct _test_data_shared *self)
{
	unsigned char got[PAGES / 8] = {};
	bool equal;

	check(__log_report(self->fd, IOVA, SIZE, SZ_4K, got));
	equal = !memcmp(got, self->user, sizeof(got));
	if (!equal)
		lib_note("the user got %llu pages of %llu", bitmap_count(got, PAGES),
			 bitmap_count(self->user, PAGES));
	memset(self->user, 0, sizeof(self->user));
	return equal;
}

static bool exact(struct _test_data_shared *self)
{
	return logged_exact(&self->l, self->l.tracker);
}

/* The device writes to a page, which is in both models */
static void store(struct _test_data_shared *self, unsigned int page)
{
	logged_write(&self->l, page);
	bitmap_set(self->user, page);
}

/* The device writes to a page that only the user logs */
static void store_for_user(struct _test_data_shared *self, unsigned int page)
{
	env_store(&self->l.env, 0, AT(page));
	bitmap_set(self->user, page);
}

static int start_pages(struct _test_data_shared *self, __u32 tracker, unsigned int first,
		       __u64 num_pages)
{
	struct iommu_dirty_run range = { .iova = AT(first), .length = num_pages * SZ_4K };
	__u64 page_size = SZ_4K;
	__u32 num = 1;

	return __device_start(self->l.env.fd, tracker, &range, &num, &page_size);
}

static struct iommu_dirty_tracker_info info_of(struct _test_data_shared *self, __u32 tracker)
{
	struct iommu_dirty_member member;

	return logged_info(&self->l, tracker, &member);
}

/* A tracker starts within what the user logs, and covers all of that */
TEST_F(shared, user_first)
{
	struct logged *l = &self->l;
	struct iommu_dirty_run range = { .iova = AT(32), .length = 32 * SZ_4K };
	__u64 page_size = SZ_4K;
	__u32 num = 1;

	user_start(self, 0, 128);
	store_for_user(self, 5);
	ASSERT_EQ(0, __device_start(l->env.fd, l->tracker, &range, &num, &page_size));
	EXPECT_EQ(AT(0), range.iova);
	EXPECT_EQ(128 * SZ_4K, range.length);
	store(self, 40);
	store(self, 100);
	EXPECT_TRUE(exact(self));
	EXPECT_TRUE(user_exact(self));
	store(self, 41);
	EXPECT_TRUE(user_exact(self));
	store(self, 42);
	EXPECT_TRUE(exact(self));
	EXPECT_TRUE(exact(self));
	EXPECT_TRUE(user_exact(self));
	EXPECT_TRUE(user_exact(self));
}

/* Random writes, READs and REPORTs, by two trackers and the user */
TEST_F(shared, random)
{
	struct logged *l = &self->l;
	unsigned char passive[PAGES / 8] = {}, want[PAGES / 8];
	unsigned int round, page;

	ASSERT_EQ(0, start_pages(self, self->passive, 0, PAGES));
	user_start(self, 0, PAGES);
	ASSERT_EQ(0, __logged_start(l));
	for (round = 0; round < 200; round++) {
		switch (random_below(6)) {
		case 0:
			ASSERT_TRUE(exact(self));
			break;
		case 1:
			ASSERT_TRUE(user_exact(self));
			break;
		case 2:
			memcpy(want, l->want, sizeof(want));
			memcpy(l->want, passive, sizeof(want));
			ASSERT_TRUE(logged_exact(l, self->passive));
			memcpy(l->want, want, sizeof(want));
			memset(passive, 0, sizeof(passive));
			break;
		default:
			page = random_below(PAGES);
			store(self, page);
			bitmap_set(passive, page);
		}
	}
}

/* The user logs part of what a tracker covers: neither notices */
TEST_F(shared, tracker_first)
{
	struct logged *l = &self->l;

	ASSERT_EQ(0, start_pages(self, l->tracker, 0, 128));
	logged_write(l, 20);
	user_start(self, 16, 32);
	EXPECT_TRUE(exact(self));
	store(self, 21);
	/* Not for the user, who did not ask for it */
	logged_write(l, 60);
	EXPECT_TRUE(exact(self));
	EXPECT_TRUE(user_exact(self));
	logged_write(l, 61);
	store(self, 47);
	EXPECT_TRUE(user_exact(self));
	EXPECT_TRUE(exact(self));
	EXPECT_EQ(0, info_of(self, l->tracker).out_flags);
}

/*
 * The user logs more than a tracker covers. The driver must start again, so everything is
 * dirty for the tracker, once; the user gets exactly its pages.
 */
TEST_F(shared, user_beyond)
{
	struct logged *l = &self->l;
	struct read_args args;

	ASSERT_EQ(0, start_pages(self, l->tracker, 0, 64));
	logged_write(l, 3);
	user_start(self, 32, 96);
	store(self, 33);
	store(self, 127);
	EXPECT_TRUE(user_exact(self));
	logged_dirty(l, 0, 128);
	EXPECT_TRUE(exact(self));
	store(self, 40);
	store(self, 80);
	logged_write(l, 2);
	EXPECT_TRUE(exact(self));
	EXPECT_TRUE(user_exact(self));
	/* The tracker still covers only what it asked for */
	args = logged_args(l, l->tracker);
	args.flags = 0;
	EXPECT_EQ(-ERANGE, __tracker_read(&args));
	EXPECT_EQ(64 * SZ_4K, args.out_length);
}

/* Not if the device starts no DMA meanwhile */
TEST_F(shared, user_beyond_quiescent)
{
	struct logged *l = &self->l;

	if (!mig_capable(self->fd))
		SKIP(return, "the edu device cannot be migrated");
	ASSERT_EQ(0, start_pages(self, l->tracker, 0, 64));
	logged_write(l, 3);
	mig_set(self->fd, VFIO_DEVICE_STATE_STOP);
	user_start(self, 32, 96);
	mig_set(self->fd, VFIO_DEVICE_STATE_RUNNING);
	store(self, 33);
	EXPECT_TRUE(user_exact(self));
	EXPECT_TRUE(exact(self));
}

/* The tracker stops. The driver logs more than the user asked for, who does not notice */
TEST_F(shared, stopped_wider)
{
	struct logged *l = &self->l;

	ASSERT_EQ(0, start_pages(self, l->tracker, 0, 128));
	user_start(self, 16, 32);
	logged_write(l, 60);
	store(self, 20);
	EXPECT_TRUE(exact(self));
	tracker_stop(l->env.fd, l->tracker);
	store_for_user(self, 21);
	env_store(&l->env, 0, AT(61));
	EXPECT_TRUE(user_exact(self));
	EXPECT_TRUE(user_exact(self));
	EXPECT_EQ(0, __log_stop(self->fd));
	user_start(self, 16, 48);
	store_for_user(self, 60);
	EXPECT_TRUE(user_exact(self));
}

/* A tracker cannot make the driver start again while the user logs */
TEST_F(shared, tracker_beyond)
{
	struct logged *l = &self->l;

	user_start(self, 0, 64);
	store_for_user(self, 5);
	EXPECT_EQ(-EBUSY, start_pages(self, l->tracker, 32, 64));
	EXPECT_EQ(IOMMU_DIRTY_STATE_STOPPED, info_of(self, l->tracker).out_state);
	store_for_user(self, 6);
	env_store(&l->env, 0, AT(70));
	EXPECT_TRUE(user_exact(self));
	if (!mig_capable(self->fd))
		SKIP(return, "the edu device cannot be migrated");
	store_for_user(self, 7);
	mig_set(self->fd, VFIO_DEVICE_STATE_STOP);
	EXPECT_EQ(0, start_pages(self, l->tracker, 32, 64));
	mig_set(self->fd, VFIO_DEVICE_STATE_RUNNING);
	store(self, 40);
	logged_write(l, 90);
	EXPECT_TRUE(user_exact(self));
	EXPECT_TRUE(exact(self));
	/* An UPDATE cannot either, but it can keep to what is tracked */
	EXPECT_EQ(-EBUSY, __logged_update(l, 0, AT(100), SZ_4K));
	EXPECT_EQ(-EBUSY, __logged_update(l, IOMMU_DIRTY_UPDATE_GAP_DIRTY, AT(100), SZ_4K));
	store(self, 41);
	EXPECT_TRUE(exact(self));
	EXPECT_TRUE(user_exact(self));
}

/* A passive tracker starts all the same. What the user does not log is always dirty */
TEST_F(shared, passive_beyond)
{
	struct logged *l = &self->l;
	struct iommu_dirty_run ranges[2] = {
		{ .iova = AT(16), .length = 16 * SZ_4K },
		{ .iova = AT(100), .length = 16 * SZ_4K },
	};
	struct iommu_dirty_tracker_info info;
	__u64 page_size = SZ_4K;
	unsigned int i;
	__u32 num = 2;

	user_start(self, 0, 64);
	store_for_user(self, 5);
	ASSERT_EQ(0, __device_start(l->env.fd, self->passive, ranges, &num, &page_size));
	ASSERT_EQ(1, num);
	EXPECT_EQ(AT(0), ranges[0].iova);
	EXPECT_EQ(64 * SZ_4K, ranges[0].length);
	info = info_of(self, self->passive);
	EXPECT_EQ(IOMMU_DIRTY_TRACKER_PASSIVE | IOMMU_DIRTY_TRACKER_DEGRADED, info.out_flags);
	EXPECT_EQ(1, info.out_num_ranges);
	for (i = 0; i < 2; i++) {
		store(self, 10 + i);
		env_store(&l->env, 0, AT(101));
		EXPECT_TRUE(user_exact(self));
		logged_dirty(l, 64, PAGES);
		EXPECT_TRUE(logged_exact(l, self->passive));
	}
}

/* Nothing of what it asks for is logged: it is blind, and does not trouble the user */
TEST_F(shared, passive_blind)
{
	struct logged *l = &self->l;

	user_start(self, 0, 64);
	store_for_user(self, 5);
	ASSERT_EQ(0, start_pages(self, self->passive, 128, 64));
	EXPECT_EQ(IOMMU_DIRTY_TRACKER_PASSIVE | IOMMU_DIRTY_TRACKER_DEGRADED |
		  IOMMU_DIRTY_TRACKER_BLIND, info_of(self, self->passive).out_flags);
	store_for_user(self, 6);
	EXPECT_TRUE(user_exact(self));
	logged_dirty(l, 0, PAGES);
	EXPECT_TRUE(logged_exact(l, self->passive));
	/* The user stops and logs more: the blind tracker is not in the way */
	EXPECT_EQ(0, __log_stop(self->fd));
	user_start(self, 64, 64);
	store_for_user(self, 70);
	EXPECT_TRUE(user_exact(self));
	logged_dirty(l, 0, PAGES);
	EXPECT_TRUE(logged_exact(l, self->passive));
}

/* A passive tracker is no reason for a tracker to fail, which is one for it */
TEST_F(shared, passive_makes_room)
{
	struct logged *l = &self->l;

	ASSERT_EQ(0, start_pages(self, self->passive, 0, 64));
	ASSERT_EQ(0, start_pages(self, l->tracker, 32, 64));
	logged_write(l, 50);
	EXPECT_TRUE(logged_exact(l, l->tracker));
	/* The driver was started again: all is dirty for it, once */
	logged_dirty(l, 0, PAGES);
	EXPECT_TRUE(logged_exact(l, self->passive));
	logged_write(l, 51);
	logged_dirty(l, 64, PAGES);
	EXPECT_TRUE(logged_exact(l, self->passive));
}

/* Who stops does not disturb the other, who keeps what it has not got yet */
TEST_F(shared, stop_one)
{
	struct logged *l = &self->l;

	ASSERT_EQ(0, __logged_start(l));
	user_start(self, 0, PAGES);
	store(self, 1);
	EXPECT_TRUE(exact(self));
	store(self, 2);
	tracker_stop(l->env.fd, l->tracker);
	memset(l->want, 0, sizeof(l->want));
	store_for_user(self, 3);
	/* Page 1 has been harvested, page 2 has not */
	EXPECT_TRUE(user_exact(self));
	store_for_user(self, 4);
	EXPECT_TRUE(user_exact(self));
	EXPECT_TRUE(user_exact(self));

	ASSERT_EQ(0, __logged_start(l));
	store(self, 5);
	EXPECT_TRUE(user_exact(self));
	store(self, 6);
	EXPECT_EQ(0, __log_stop(self->fd));
	logged_write(l, 7);
	EXPECT_TRUE(exact(self));
	EXPECT_EQ(-EINVAL, __log_report(self->fd, IOVA, SIZE, SZ_4K, l->got));
	/* What the user has not got is discarded */
	memset(self->user, 0, sizeof(self->user));
	user_start(self, 0, PAGES);
	EXPECT_TRUE(user_exact(self));
	store(self, 8);
	EXPECT_TRUE(user_exact(self));
	EXPECT_TRUE(exact(self));
}

/* The user gets the page size that it asks for, whatever trackers have asked for */
static void check_page_size(struct __test_metadata *_metadata, struct _test_data_shared *self,
			    __u32 tracker)
{
	struct logged *l = &self->l;
	struct iommu_dirty_run range = { .iova = AT(0), .length = SZ_2M };
	__u64 page_size = SZ_2M;
	__u32 num = 1;

	ASSERT_EQ(0, __device_start(l->env.fd, tracker, &range, &num, &page_size));
	EXPECT_EQ(SZ_2M, page_size);
	user_start(self, 0, 512);
	store_for_user(self, 5);
	EXPECT_TRUE(user_exact(self));
	/* The driver was started again */
	logged_dirty(l, 0, PAGES);
	EXPECT_TRUE(logged_exact(l, tracker));
	EXPECT_EQ(SZ_4K, info_of(self, tracker).out_tracked_page_size);
	store(self, 6);
	EXPECT_TRUE(logged_exact(l, tracker));
	EXPECT_TRUE(user_exact(self));
	tracker_stop(l->env.fd, tracker);
	EXPECT_EQ(0, __log_stop(self->fd));
}

TEST_F(shared, page_sizes)
{
	check_page_size(_metadata, self, self->l.tracker);
	check_page_size(_metadata, self, self->passive);
}

/* A tracker gets smaller pages than it asks for, if that is what the user logs by */
TEST_F(shared, finer_pages)
{
	struct logged *l = &self->l;
	struct iommu_dirty_run range = { .iova = AT(0), .length = SZ_2M };
	__u64 page_size = SZ_2M;
	__u32 num = 1;

	user_start(self, 0, 512);
	ASSERT_EQ(0, __device_start(l->env.fd, self->passive, &range, &num, &page_size));
	EXPECT_EQ(SZ_4K, page_size);
	store(self, 7);
	EXPECT_TRUE(logged_exact(l, self->passive));
	EXPECT_TRUE(user_exact(self));
}

/* The file of the device is closed while both log: the tracker has lost nothing */
TEST_F(shared, closed)
{
	struct logged *l = &self->l;

	user_start(self, 0, PAGES);
	ASSERT_EQ(0, __logged_start(l));
	store(self, 1);
	EXPECT_TRUE(user_exact(self));
	store(self, 2);
	edu_close(&l->env.edu[0]);
	l->env.num_edu = 0;
	EXPECT_TRUE(exact(self));
	EXPECT_TRUE(exact(self));
	tracker_stop(l->env.fd, l->tracker);
	/* A tracker that never ran has kept nothing; the next user starts afresh */
	edu_open(&l->env.edu[0], 0, l->env.fd);
	l->env.num_edu = 1;
	edu_attach(&l->env.edu[0], l->env.ioas);
	env_load(&l->env, 0);
	self->fd = l->env.edu[0].fd;
	memset(self->user, 0, sizeof(self->user));
	user_start(self, 0, PAGES);
	EXPECT_TRUE(user_exact(self));
	store_for_user(self, 9);
	EXPECT_TRUE(user_exact(self));
}

/* A tracker with a file keeps the pages of a device that has been closed, too */
TEST_F(shared, closed_file)
{
	struct logged *l = &self->l;
	struct iommu_dirty_run range = { .iova = IOVA, .length = SIZE };
	int file = tracker_file(l->env.fd, l->env.edu[0].dev_id, 0);
	__u64 page_size = SZ_4K;
	struct read_args args;
	__u32 num = 1;

	user_start(self, 0, PAGES);
	ASSERT_EQ(0, __device_start(file, 0, &range, &num, &page_size));
	EXPECT_EQ(1, object_listed(l->env.fd, l->env.edu[0].dev_id).num_trackers);
	store(self, 1);
	EXPECT_TRUE(user_exact(self));
	store(self, 200);
	edu_close(&l->env.edu[0]);
	l->env.num_edu = 0;
	close(l->env.fd);
	l->env.fd = check(open("/dev/null", O_RDONLY | O_CLOEXEC));
	args = logged_args(l, 0);
	args.fd = file;
	args.flags = 0;
	EXPECT_EQ(2, tracker_read(&args));
	EXPECT_EQ(0, memcmp(l->got, l->want, sizeof(l->got)));
	close(file);
}

/* LIST tells who logs */
TEST_F(shared, listed)
{
	struct logged *l = &self->l;
	struct iommu_dirty_object object;
	__u32 id = l->env.edu[0].dev_id;

	EXPECT_EQ(IOMMU_DIRTY_STATE_STOPPED, object_listed(l->env.fd, id).state);
	user_start(self, 0, PAGES);
	object = object_listed(l->env.fd, id);
	EXPECT_EQ(IOMMU_DIRTY_STATE_RUNNING, object.state);
	EXPECT_EQ(0, object.num_trackers);
	ASSERT_EQ(0, __logged_start(l));
	ASSERT_EQ(0, start_pages(self, self->passive, 0, PAGES));
	object = object_listed(l->env.fd, id);
	EXPECT_EQ(IOMMU_DIRTY_STATE_RUNNING, object.state);
	EXPECT_EQ(2, object.num_trackers);
	EXPECT_EQ(0, __log_stop(self->fd));
	object = object_listed(l->env.fd, id);
	EXPECT_EQ(IOMMU_DIRTY_STATE_STOPPED, object.state);
	EXPECT_EQ(2, object.num_trackers);
}

/* The errors of the driver for a user who is alone, before and after a tracker ran */
static void check_alone(struct __test_metadata *_metadata, struct _test_data_shared *self)
{
	__u64 page_size = SZ_4K, odd = 3 * SZ_4K, half = SZ_4K / 2;
	const struct log_range range = { .iova = 0, .length = 3ULL << 30 };
	unsigned char got[PAGES / 8];

	EXPECT_EQ(-EINVAL, __log_report(self->fd, IOVA, SIZE, SZ_4K, got));
	EXPECT_EQ(0, __log_stop(self->fd));
	page_size = 0;
	EXPECT_EQ(-EINVAL, __user_start(self, 0, PAGES, &page_size));
	EXPECT_EQ(-EINVAL, __log_start(self->fd, &range, 1, &odd));
	page_size = SZ_4K;
	EXPECT_EQ(-E2BIG, __user_start(self, 0, 1ULL << 40, &page_size));
	EXPECT_EQ(-EINVAL, __log_report(self->fd, IOVA, SIZE, SZ_4K, got));
	EXPECT_EQ(0, __user_start(self, 0, PAGES, &half));
	EXPECT_EQ(SZ_4K, half);
	EXPECT_EQ(-EBUSY, __user_start(self, 0, PAGES, &page_size));
	store_for_user(self, 5);
	EXPECT_TRUE(user_exact(self));
	EXPECT_EQ(0, __log_stop(self->fd));
	EXPECT_EQ(0, __log_stop(self->fd));
	EXPECT_EQ(-EINVAL, __log_report(self->fd, IOVA, SIZE, SZ_4K, got));
}

TEST_F(shared, alone)
{
	check_alone(_metadata, self);
	ASSERT_EQ(0, __logged_start(&self->l));
	tracker_stop(self->l.env.fd, self->l.tracker);
	check_alone(_metadata, self);
}

/* Errors of the user while a tracker runs change nothing */
TEST_F(shared, errors)
{
	struct logged *l = &self->l;
	__u64 page_size = SZ_4K, odd = 3 * SZ_4K;
	const struct log_range range = { .iova = 0, .length = 3ULL << 30 };
	unsigned char *bad = mem_alloc(SZ_4K);

	mem_free(bad, SZ_4K);
	ASSERT_EQ(0, __logged_start(l));
	logged_write(l, 1);
	EXPECT_EQ(-EINVAL, __log_report(self->fd, IOVA, SIZE, SZ_4K, l->got));
	EXPECT_EQ(0, __log_stop(self->fd));
	page_size = 0;
	EXPECT_EQ(-EINVAL, __user_start(self, 0, PAGES, &page_size));
	EXPECT_EQ(-EINVAL, __log_start(self->fd, &range, 1, &odd));
	logged_write(l, 2);
	EXPECT_TRUE(exact(self));
	user_start(self, 0, PAGES);
	page_size = SZ_4K;
	EXPECT_EQ(-EINVAL, __user_start(self, 0, PAGES, &page_size));
	/* A bitmap that cannot be written is an error, not a clean result */
	store(self, 3);
	EXPECT_EQ(-EFAULT, __log_report(self->fd, IOVA, SIZE, SZ_4K, bad));
	EXPECT_TRUE(exact(self));
	store(self, 4);
	EXPECT_TRUE(exact(self));
}

TEST_HARNESS_MAIN
