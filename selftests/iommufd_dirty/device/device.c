// SPDX-License-Identifier: GPL-2.0-only
/*
 * Device trackers, fed only by the device's migration driver: INFO, exact results of
 * READ and SCAN, several trackers of one device, and a device tracker together with
 * an IOAS tracker. The last two track independently and must agree.
 */
#include <errno.h>
#include <kselftest_harness.h>
#include <linux/vfio.h>

#include "lib.h"

#define IOVA	LOGGED_IOVA
#define PAGES	LOGGED_PAGES
#define SIZE	LOGGED_SIZE
#define AT(page) LOGGED_AT(page)

FIXTURE(device)
{
	struct logged l;
	bool has_quirks;
};

FIXTURE_SETUP(device)
{
	OPEN_OR_SKIP(return, logged_open(&self->l));
}

FIXTURE_TEARDOWN(device)
{
	if (self->has_quirks)
		logged_reopen(&self->l, 0);
	logged_close(&self->l);
}

TEST_F(device, info)
{
	struct iommu_dirty_tracker_info info;
	struct iommu_dirty_member member;
	__u32 quiesces = mig_capable(self->l.env.edu[0].fd) ?
				 IOMMU_DIRTY_MEMBER_QUIESCES |
				 IOMMU_DIRTY_MEMBER_QUIESCES_P2P : 0;

	info = logged_info(&self->l, self->l.tracker, &member);
	EXPECT_EQ(IOMMU_DIRTY_STATE_STOPPED, info.out_state);
	EXPECT_EQ(1, info.num_members);
	EXPECT_EQ(self->l.env.edu[0].dev_id, info.out_target_id);
	EXPECT_EQ(256, info.out_max_ranges);
	EXPECT_EQ(0, info.out_tracked_page_size);
	EXPECT_EQ(IOMMU_DIRTY_MEMBER_DEVICE, member.type);
	EXPECT_EQ(self->l.env.edu[0].dev_id, member.id);
	EXPECT_EQ(IOMMU_DIRTY_REASON_OK, member.reason);
	EXPECT_EQ(quiesces, member.flags);

	device_start(self->l.env.fd, self->l.tracker, IOVA, SIZE);
	info = logged_info(&self->l, self->l.tracker, &member);
	EXPECT_EQ(IOMMU_DIRTY_STATE_RUNNING, info.out_state);
	EXPECT_EQ(1, info.out_num_ranges);
	EXPECT_EQ(SZ_4K, info.out_tracked_page_size);
	EXPECT_EQ(quiesces | IOMMU_DIRTY_MEMBER_TRACKED, member.flags);
	tracker_stop(self->l.env.fd, self->l.tracker);
	info = logged_info(&self->l, self->l.tracker, &member);
	EXPECT_EQ(IOMMU_DIRTY_STATE_STOPPED, info.out_state);
	EXPECT_EQ(0, info.out_num_ranges);
}

/* READ and SCAN report each write exactly once, and none from before START */
TEST_F(device, exact)
{
	struct read_args args;
	unsigned int i;

	env_store(&self->l.env, 0, AT(9));
	device_start(self->l.env.fd, self->l.tracker, IOVA, SIZE);
	EXPECT_TRUE(logged_exact(&self->l, self->l.tracker));
	for (i = 0; i < 40; i++)
		logged_write(&self->l, random_below(PAGES));
	/* DMA reads make nothing dirty */
	edu_dma_from(&self->l.env.edu[0], IOVA, 0, 64);
	args = logged_args(&self->l, self->l.tracker);
	args.flags = IOMMU_DIRTY_READ_NO_CLEAR;
	tracker_read(&args);
	EXPECT_EQ(0, memcmp(self->l.got, self->l.want, sizeof(self->l.got)));
	EXPECT_TRUE(logged_exact(&self->l, self->l.tracker));
	EXPECT_TRUE(logged_exact(&self->l, self->l.tracker));

	for (i = 0; i < 40; i++)
		logged_write(&self->l, random_below(PAGES));
	args = logged_args(&self->l, self->l.tracker);
	tracker_scan(&args, 3);
	EXPECT_EQ(0, memcmp(self->l.got, self->l.want, sizeof(self->l.got)));
	memset(self->l.want, 0, sizeof(self->l.want));
	EXPECT_TRUE(logged_exact(&self->l, self->l.tracker));
}

/* Random parts of the range, in any order; each page is reported once */
TEST_F(device, parts)
{
	unsigned int i;

	device_start(self->l.env.fd, self->l.tracker, IOVA, SIZE);
	for (i = 0; i < PAGES; i++)
		logged_write(&self->l, i);
	for (i = 0; i < 200; i++) {
		__u64 page = random_below(PAGES);
		__u64 num = 1 + random_below(PAGES - page);
		unsigned char part[PAGES / 8] = {};
		struct read_args args = {
			.fd = self->l.env.fd,
			.tracker = self->l.tracker,
			.iova = AT(page),
			.length = num * SZ_4K,
			.page_size = SZ_4K,
			.data = part,
		};
		__u64 j, dirty = 0;

		tracker_read(&args);
		for (j = 0; j < num; j++) {
			bool want = bitmap_test(self->l.want, page + j);

			dirty += want;
			EXPECT_EQ(want, bitmap_test(part, j));
			self->l.want[(page + j) / 8] &= ~(1 << (page + j) % 8);
		}
		EXPECT_EQ(dirty, args.out_pages);
	}
	EXPECT_TRUE(logged_exact(&self->l, self->l.tracker));
}

/* The device tracks larger pages: a write makes all of a 64 KiB page dirty */
TEST_F(device, coarse)
{
	struct iommu_dirty_run range = { .iova = AT(3), .length = 1 };
	__u64 page_size = SZ_64K;
	__u32 num = 1;

	ASSERT_EQ(0, __device_start(self->l.env.fd, self->l.tracker, &range, &num,
				    &page_size));
	EXPECT_EQ(SZ_64K, page_size);
	EXPECT_EQ(IOVA, range.iova);
	EXPECT_EQ(SZ_64K, range.length);
	env_store(&self->l.env, 0, AT(15));
	env_store(&self->l.env, 0, AT(16));
	memset(self->l.want, 0xff, 2);
	EXPECT_TRUE(logged_exact(&self->l, self->l.tracker));
}

/* Unordered, overlapping, and more ranges than the device supports */
TEST_F(device, many_ranges)
{
	struct iommu_dirty_run ranges[41], tracked;
	__u64 page_size = SZ_4K, covered = 0;
	__u32 num = 41, i, j;

	for (i = 0; i < 40; i++) {
		ranges[i].iova = AT((i * 7) % 40 * 6);
		ranges[i].length = SZ_4K + 1;
	}
	ranges[40] = ranges[5];
	ASSERT_EQ(0, __device_start(self->l.env.fd, self->l.tracker, ranges, &num,
				    &page_size));
	ASSERT_GE(8, num);
	for (i = 0; i < num; i++) {
		tracked = ranges[i];
		covered += tracked.length;
		EXPECT_EQ(0, (tracked.iova | tracked.length) % SZ_4K);
		if (i)
			EXPECT_GT(tracked.iova,
				  ranges[i - 1].iova + ranges[i - 1].length);
	}
	for (i = 0; i < 40; i++) {
		for (j = 0; j < num; j++)
			if (ranges[j].iova <= AT(i * 6) &&
			    AT(i * 6 + 2) <= ranges[j].iova + ranges[j].length)
				break;
		EXPECT_NE(num, j);
	}
	/* Merged across gaps, not widened further */
	EXPECT_GE((39 * 6 + 2) * SZ_4K, covered);

	for (i = 0; i < 40; i++)
		logged_write(&self->l, i * 6 + random_below(2));
	EXPECT_TRUE(logged_exact(&self->l, self->l.tracker));
}

/*
 * One range more than the device supports, and too far apart to track all as one: only
 * the closest two are merged. After that INFO reports how many the device supports.
 */
TEST_F(device, one_range_too_many)
{
	struct iommu_dirty_run ranges[9];
	struct iommu_dirty_member member;
	__u64 page_size = SZ_4K;
	__u32 num = 9, i;

	for (i = 0; i < 8; i++)
		ranges[i] = (struct iommu_dirty_run){ (__u64)i << 40, SZ_1M };
	ranges[8] = (struct iommu_dirty_run){ (7ULL << 40) + 2 * SZ_1M, SZ_1M };
	ASSERT_EQ(0, __device_start(self->l.env.fd, self->l.tracker, ranges, &num,
				    &page_size));
	ASSERT_EQ(8, num);
	for (i = 0; i < 8; i++) {
		EXPECT_EQ((__u64)i << 40, ranges[i].iova);
		EXPECT_EQ(i < 7 ? SZ_1M : 3 * SZ_1M, ranges[i].length);
	}
	EXPECT_EQ(8, logged_info(&self->l, self->l.tracker, &member).out_max_ranges);
}

/* A driver that logs in words of bits, and does not define partial words */
TEST_F(device, words)
{
	struct logged *l = &self->l;
	struct iommu_dirty_run ranges[2] = {
		{ .iova = AT(70), .length = SZ_4K },
		{ .iova = AT(140), .length = 60 * SZ_4K },
	};
	__u64 page_size = SZ_4K;
	__u32 num = 2;

	self->has_quirks = true;
	logged_reopen(l, EDU_QUIRK_WORDS);
	ASSERT_EQ(0, __device_start(l->env.fd, l->tracker, ranges, &num, &page_size));
	EXPECT_EQ(1, num);
	EXPECT_EQ(AT(64), ranges[0].iova);
	EXPECT_EQ(192 * SZ_4K, ranges[0].length);
	logged_write(l, 64);
	logged_write(l, 255);
	env_store(&l->env, 0, AT(63));
	EXPECT_TRUE(logged_exact(l, l->tracker));
}

/* A range that is too large is -E2BIG, whatever error the driver returns */
TEST_F(device, not_supported)
{
	struct logged *l = &self->l;
	struct iommu_dirty_run range = { .iova = 0, .length = 1ULL << 62 };
	__u64 page_size = SZ_4K;
	__u32 num = 1;

	self->has_quirks = true;
	logged_reopen(l, EDU_QUIRK_NOTSUPP);
	EXPECT_EQ(-E2BIG, __device_start(l->env.fd, l->tracker, &range, &num,
					 &page_size));
	device_start(l->env.fd, l->tracker, IOVA, SIZE);
	logged_write(l, 1);
	EXPECT_TRUE(logged_exact(l, l->tracker));
}

/* Mappings change within the tracked range without UPDATE, as with a vIOMMU */
TEST_F(device, whole_aperture)
{
	struct logged *l = &self->l;
	__u64 *mem = mem_alloc(SZ_4K);
	unsigned char bit;
	struct read_args args = {
		.fd = l->env.fd,
		.tracker = l->tracker,
		.length = SZ_4K,
		.page_size = SZ_4K,
		.data = &bit,
	};
	unsigned int i;

	device_start(l->env.fd, l->tracker, 0, 256 * SZ_1G);
	for (i = 1; i < 40; i++) {
		__u64 iova = i * 5 * SZ_1G + i * SZ_4K;

		ioas_map(l->env.fd, l->env.ioas, mem, SZ_4K, iova);
		env_store(&l->env, 0, iova);
		/* Unmap before the READ */
		if (i % 2)
			ioas_unmap(l->env.fd, l->env.ioas, iova, SZ_4K);
		args.iova = iova;
		bit = 0;
		EXPECT_EQ(1, tracker_read(&args));
		EXPECT_EQ(1, bit);
		EXPECT_EQ(0, tracker_read(&args));
		if (i % 2 == 0)
			ioas_unmap(l->env.fd, l->env.ioas, iova, SZ_4K);
	}
	EXPECT_TRUE(logged_exact(l, l->tracker));
	mem_free(mem, SZ_4K);
}

/* Each tracker reports every page; stopping one does not affect the other */
TEST_F(device, several)
{
	__u32 second = tracker_alloc(self->l.env.fd, self->l.env.edu[0].dev_id);
	unsigned char want[PAGES / 8];

	device_start(self->l.env.fd, self->l.tracker, IOVA, SIZE);
	logged_write(&self->l, 1);
	/* Page 1 is not for the second tracker, which was not running */
	device_start(self->l.env.fd, second, IOVA, SIZE);
	EXPECT_TRUE(logged_exact(&self->l, self->l.tracker));
	EXPECT_TRUE(logged_exact(&self->l, second));

	logged_write(&self->l, 5);
	logged_write(&self->l, 200);
	memcpy(want, self->l.want, sizeof(want));
	EXPECT_TRUE(logged_exact(&self->l, self->l.tracker));
	logged_write(&self->l, 6);
	bitmap_set(want, 6);
	tracker_stop(self->l.env.fd, self->l.tracker);
	memcpy(self->l.want, want, sizeof(want));
	EXPECT_TRUE(logged_exact(&self->l, second));
	logged_write(&self->l, 7);
	object_destroy(self->l.env.fd, self->l.tracker);
	EXPECT_TRUE(logged_exact(&self->l, second));
}

/*
 * The second one needs more than is tracked. The driver starts again, so everything is
 * dirty for the first one, once, and only for that one.
 */
TEST_F(device, several_beyond)
{
	__u32 second = tracker_alloc(self->l.env.fd, self->l.env.edu[0].dev_id);
	struct logged *l = &self->l;

	device_start(l->env.fd, l->tracker, IOVA, SIZE / 2);
	logged_write(l, 1);
	device_start(l->env.fd, second, IOVA, SIZE);
	memset(l->want, 0, sizeof(l->want));
	EXPECT_TRUE(logged_exact(l, second));
	logged_dirty(l, 0, PAGES);
	EXPECT_TRUE(logged_exact(l, l->tracker));
	logged_write(l, PAGES - 1);
	EXPECT_TRUE(logged_exact(l, second));
	logged_write(l, 3);
	EXPECT_TRUE(logged_exact(l, second));
	bitmap_set(l->want, 3);
	bitmap_set(l->want, PAGES - 1);
	EXPECT_TRUE(logged_exact(l, l->tracker));
}

static struct iommu_dirty_tracker_read both_args(void *bitmap,
						 struct iommu_dirty_read_tracker *entries)
{
	return (struct iommu_dirty_tracker_read) {
		.size = sizeof(struct iommu_dirty_tracker_read),
		.trackers = (uintptr_t)entries,
		.num_trackers = 2,
		.tracker_len = sizeof(entries[0]),
		.iova = IOVA,
		.length = SIZE,
		.page_size = SZ_4K,
		.data = (uintptr_t)bitmap,
	};
}

static __u64 read_both(FIXTURE_DATA(device) * self, void *bitmap,
		       struct iommu_dirty_read_tracker *entries)
{
	struct iommu_dirty_tracker_read cmd = both_args(bitmap, entries);

	check(__iommufd_ioctl(self->l.env.fd, IOMMU_DIRTY_TRACKER_READ, &cmd));
	return cmd.out_pages;
}

/* READ of all pages reports the first @pages pages, then fails */
static void check_ends(struct __test_metadata *_metadata, struct logged *l,
		       __u32 tracker, __u64 pages)
{
	struct read_args args = logged_args(l, tracker);

	args.flags = 0;
	EXPECT_EQ(-ERANGE, __tracker_read(&args));
	EXPECT_EQ(pages * SZ_4K, args.out_length);
	EXPECT_EQ(ERANGE, args.out_error);
	EXPECT_EQ(0, memcmp(l->got, l->want, sizeof(l->got)));
	EXPECT_EQ(bitmap_count(l->want, PAGES), args.out_pages);
	memset(l->want, 0, sizeof(l->want));
}

/* Pages that a tracker does not cover never count as clean */
TEST_F(device, not_covered)
{
	struct logged *l = &self->l;
	struct iommu_dirty_run runs[3];
	struct read_args args;
	struct scan_args scan;

	device_start(l->env.fd, l->tracker, AT(0), 16 * SZ_4K);
	logged_write(l, 3);
	env_store(&l->env, 0, AT(100));
	check_ends(_metadata, l, l->tracker, 16);
	check_ends(_metadata, l, l->tracker, 16);
	args = logged_args(l, l->tracker);
	args.flags = 0;
	args.iova = AT(16);
	args.length = SZ_4K;
	EXPECT_EQ(-ERANGE, __tracker_read(&args));
	EXPECT_EQ(0, args.out_length);
	args.iova = AT(15);
	EXPECT_EQ(0, tracker_read(&args));

	logged_write(l, 5);
	logged_write(l, 15);
	scan = (struct scan_args) {
		.fd = l->env.fd,
		.tracker = l->tracker,
		.iova = IOVA,
		.length = SIZE,
		.page_size = SZ_4K,
		.runs = runs,
		.num_runs = 1,
	};
	/* A full array ends the SCAN before -ERANGE would */
	EXPECT_EQ(0, __tracker_scan(&scan));
	EXPECT_EQ(15 * SZ_4K, scan.out_length);
	scan.num_runs = 3;
	EXPECT_EQ(-ERANGE, __tracker_scan(&scan));
	EXPECT_EQ(16 * SZ_4K, scan.out_length);
	ASSERT_EQ(1, scan.num_runs);
	EXPECT_EQ(AT(15), runs[0].iova);
	EXPECT_EQ(SZ_4K, runs[0].length);
	/* With IOMMU_DIRTY_READ_SPARSE the call succeeds */
	memset(l->want, 0, sizeof(l->want));
	logged_write(l, 9);
	EXPECT_TRUE(logged_exact(l, l->tracker));
}

/* Of several trackers, the one whose coverage ends first has the error */
TEST_F(device, not_covered_by_one)
{
	struct iommu_dirty_read_tracker entries[2] = {
		{ .tracker_id = self->l.env.tracker },
		{ .tracker_id = self->l.tracker },
	};
	unsigned char bits[PAGES / 8] = {};
	struct iommu_dirty_tracker_read cmd = both_args(bits, entries);
	__u32 fd = self->l.env.fd;

	tracker_start(fd, self->l.env.tracker);
	device_start(fd, self->l.tracker, IOVA, SIZE / 2);
	env_store(&self->l.env, 0, AT(PAGES - 1));
	EXPECT_EQ(-ERANGE, __iommufd_ioctl(fd, IOMMU_DIRTY_TRACKER_READ, &cmd));
	EXPECT_EQ(SIZE / 2, cmd.out_length);
	EXPECT_EQ(0, entries[0].out_error);
	EXPECT_EQ(ERANGE, entries[1].out_error);
	cmd.flags = IOMMU_DIRTY_READ_SPARSE;
	EXPECT_EQ(0, __iommufd_ioctl(fd, IOMMU_DIRTY_TRACKER_READ, &cmd));
	EXPECT_EQ(SIZE, cmd.out_length);
	EXPECT_EQ(1, cmd.out_pages);
	EXPECT_EQ(0, entries[1].out_error);
}

/* In degraded mode pages that are not covered are always dirty */
TEST_F(device, not_covered_degraded)
{
	struct logged *l = &self->l;
	struct iommu_dirty_run ranges[2] = {
		{ .iova = AT(8), .length = 16 * SZ_4K },
		{ .iova = AT(40), .length = 24 * SZ_4K },
	};
	struct iommu_dirty_member member;
	__u64 page_size = SZ_4K;
	struct read_args args;
	unsigned int i, page;
	__u32 num = 2;

	ASSERT_EQ(0, __device_start_flags(l->env.fd, l->tracker,
					  IOMMU_DIRTY_START_DEGRADED, ranges, &num,
					  &page_size));
	EXPECT_EQ(2, num);
	EXPECT_EQ(IOMMU_DIRTY_TRACKER_DEGRADED,
		  logged_info(l, l->tracker, &member).out_flags);
	for (i = 0; i < 4; i++) {
		logged_write(l, 8 + i);
		logged_write(l, 63 - i);
		for (page = 0; page < PAGES; page++)
			if (page < 8 || (page >= 24 && page < 40) || page >= 64)
				bitmap_set(l->want, page);
		args = logged_args(l, l->tracker);
		args.flags = 0;
		if (i % 2)
			tracker_scan(&args, 3);
		else
			tracker_read(&args);
		EXPECT_EQ(0, memcmp(l->got, l->want, sizeof(l->got)));
		EXPECT_EQ(bitmap_count(l->want, PAGES), args.out_pages);
		memset(l->want, 0, sizeof(l->want));
	}
}

/* An uncovered range takes no longer if it is larger, alone and beside an IOAS tracker */
TEST_F(device, not_covered_far)
{
	struct logged *l = &self->l;
	__u32 ioas = tracker_alloc(l->env.fd, l->env.ioas);
	struct iommu_dirty_read_tracker entries[2] = {
		{ .tracker_id = l->tracker },
		{ .tracker_id = ioas },
	};
	struct iommu_dirty_run range = { .iova = IOVA, .length = SIZE }, runs[4];
	struct iommu_dirty_tracker_scan scan = {
		.size = sizeof(scan),
		.trackers = (uintptr_t)entries,
		.tracker_len = sizeof(entries[0]),
		.iova = SZ_4K,
		.page_size = SZ_4K,
		.runs = (uintptr_t)runs,
	};
	struct read_args read = {
		.fd = l->env.fd,
		.tracker = l->tracker,
		.page_size = 1ULL << 45,
		.length = 1ULL << 63,
	};
	unsigned char bitmap[(1 << 18) / 8] = {};
	__u64 page_size = SZ_4K;
	__u32 num = 1;

	tracker_start(l->env.fd, ioas);
	ASSERT_EQ(0, __device_start_flags(l->env.fd, l->tracker,
					  IOMMU_DIRTY_START_DEGRADED, &range, &num,
					  &page_size));
	for (scan.num_trackers = 1; scan.num_trackers <= 2; scan.num_trackers++) {
		logged_write(l, 8);
		scan.length = -scan.iova;
		scan.num_runs = ARRAY_SIZE(runs);
		ASSERT_EQ(0, __iommufd_ioctl(l->env.fd, IOMMU_DIRTY_TRACKER_SCAN,
					     &scan));
		EXPECT_EQ(-scan.iova, scan.out_length);
		ASSERT_EQ(3, scan.num_runs);
		EXPECT_EQ(scan.iova, runs[0].iova);
		EXPECT_EQ(IOVA - scan.iova, runs[0].length);
		EXPECT_EQ(AT(8), runs[1].iova);
		EXPECT_EQ(SZ_4K, runs[1].length);
		EXPECT_EQ(IOVA + SIZE, runs[2].iova);
		EXPECT_EQ(-(IOVA + SIZE), runs[2].length);
	}
	read.data = bitmap;
	EXPECT_EQ(1 << 18, tracker_read(&read));
}

/* Ranges tracked for another tracker are covered until its UPDATE */
TEST_F(device, not_covered_any_more)
{
	struct logged *l = &self->l;
	__u32 other = tracker_alloc(l->env.fd, l->env.edu[0].dev_id), num = 2;
	struct iommu_dirty_run ranges[2] = {
		{ .iova = AT(4), .length = 4 * SZ_4K },
		{ .iova = AT(12), .length = 4 * SZ_4K },
	};
	__u64 page_size = SZ_4K;

	if (!mig_capable(l->env.edu[0].fd))
		SKIP(return, "the edu device cannot be migrated");
	device_start(l->env.fd, l->tracker, IOVA, 32 * SZ_4K);
	ASSERT_EQ(0, __device_start(l->env.fd, other, ranges, &num, &page_size));
	EXPECT_EQ(1, num);
	logged_write(l, 10);
	check_ends(_metadata, l, other, 32);
	mig_set(l->env.edu[0].fd, VFIO_DEVICE_STATE_STOP);
	device_update(l->env.fd, l->tracker, AT(0), 8 * SZ_4K);
	mig_set(l->env.edu[0].fd, VFIO_DEVICE_STATE_RUNNING);
	logged_write(l, 6);
	env_store(&l->env, 0, AT(10));
	check_ends(_metadata, l, other, 8);
	logged_write(l, 12);
	env_store(&l->env, 0, AT(11));
	EXPECT_TRUE(logged_exact(l, other));
	/* The tracker that dropped ranges loses none of their pages */
	bitmap_set(l->want, 6);
	check_ends(_metadata, l, l->tracker, 8);
	bitmap_set(l->want, 10);
	bitmap_set(l->want, 12);
	EXPECT_TRUE(logged_exact(l, l->tracker));
}

/*
 * The device's driver and the IO page tables track independently. After random
 * traffic both report the same pages, also together in one READ.
 */
TEST_F(device, agrees_with_page_tables)
{
	struct iommu_dirty_read_tracker entries[2] = {
		{ .tracker_id = self->l.env.tracker },
		{ .tracker_id = self->l.tracker },
	};
	unsigned char bits[PAGES / 8];
	unsigned int round, i;

	tracker_start(self->l.env.fd, self->l.env.tracker);
	device_start(self->l.env.fd, self->l.tracker, IOVA, SIZE);
	for (round = 0; round < 20; round++) {
		unsigned char want[PAGES / 8];
		__u64 added;

		env_load(&self->l.env, 0);
		for (i = random_below(60); i; i--)
			logged_write(&self->l, random_below(PAGES));
		memcpy(want, self->l.want, sizeof(want));
		if (round % 2) {
			EXPECT_TRUE(logged_exact(&self->l, self->l.env.tracker));
			memcpy(self->l.want, want, sizeof(want));
			EXPECT_TRUE(logged_exact(&self->l, self->l.tracker));
			continue;
		}
		memset(bits, 0, sizeof(bits));
		added = read_both(self, bits, entries);
		EXPECT_EQ(0, memcmp(want, bits, sizeof(bits)));
		EXPECT_EQ(bitmap_count(want, PAGES), added);
		EXPECT_EQ(added, entries[0].out_pages + entries[1].out_pages);
		/* The second tracker adds nothing */
		EXPECT_EQ(0, entries[1].out_pages);
		memset(self->l.want, 0, sizeof(self->l.want));
	}
}

/* MARK of pages that the tracker covers, and of one that it does not */
TEST_F(device, mark)
{
	struct logged *l = &self->l;
	struct iommu_dirty_run runs[2] = {
		{ .iova = AT(10), .length = 3 * SZ_4K },
		{ .iova = AT(PAGES), .length = SZ_4K },
	};
	struct read_args args;

	EXPECT_EQ(-ENODATA, __tracker_mark_runs(l->env.fd, l->tracker, runs, 2));
	ASSERT_EQ(0, __logged_start(l));
	EXPECT_TRUE(logged_exact(l, l->tracker));
	ASSERT_EQ(0, __tracker_mark_runs(l->env.fd, l->tracker, runs, 2));
	logged_dirty(l, 10, 13);
	logged_write(l, 20);
	EXPECT_TRUE(logged_exact(l, l->tracker));
	EXPECT_TRUE(logged_exact(l, l->tracker));
	args = logged_args(l, l->tracker);
	args.iova = AT(PAGES);
	args.length = SZ_4K;
	args.flags = 0;
	EXPECT_EQ(-ERANGE, __tracker_read(&args));
	args.flags = IOMMU_DIRTY_READ_SPARSE;
	EXPECT_EQ(1, tracker_read(&args));
}

TEST_HARNESS_MAIN
