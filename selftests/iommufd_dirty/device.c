// SPDX-License-Identifier: GPL-2.0-only
/*
 * Trackers of a device, fed by its migration driver alone: what INFO says, that
 * READ and SCAN report exactly what the device wrote, several of them, together
 * with VFIO's own DMA logging, and with the tracker of an IOAS: two independent
 * providers that have to agree.
 */
#include <errno.h>
#include <kselftest_harness.h>
#include <linux/vfio.h>

#include "lib.h"

#define IOVA	0x40000000ULL
#define PAGES	256
#define SIZE	(PAGES * SZ_4K)
#define AT(page) (IOVA + (page) * SZ_4K)

FIXTURE(device)
{
	struct env env;
	__u32 tracker;
	__u64 *mem;
	unsigned char got[PAGES / 8];
	unsigned char want[PAGES / 8];
};

FIXTURE_SETUP(device)
{
	const char *reason;

	if (getenv("DIRTY_DEVICES") || !edu_count())
		SKIP(return, "needs a PCI edu device");
	edu_set_driver("edu_vfio_pci");
	reason = env_open(&self->env, 1);
	if (reason)
		SKIP(return, "%s", reason);
	self->mem = mem_alloc(SIZE);
	ioas_map(self->env.fd, self->env.ioas, self->mem, SIZE, IOVA);
	self->tracker = tracker_alloc(self->env.fd, self->env.edu[0].dev_id);
}

FIXTURE_TEARDOWN(device)
{
	if (!self->mem)
		return;
	env_close(&self->env);
	mem_free(self->mem, SIZE);
}

/* The device writes to a page; the model knows */
static void write_page(FIXTURE_DATA(device) * self, unsigned int page)
{
	env_store(&self->env, 0, AT(page));
	bitmap_set(self->want, page);
}

static struct read_args args_of(FIXTURE_DATA(device) * self, __u32 tracker)
{
	memset(self->got, 0, sizeof(self->got));
	return (struct read_args) {
		.fd = self->env.fd,
		.tracker = tracker,
		.iova = IOVA,
		.length = SIZE,
		.page_size = SZ_4K,
		.data = self->got,
	};
}

/* READ reports what is in the model, which is empty then */
static bool reads_exactly(FIXTURE_DATA(device) * self, __u32 tracker)
{
	struct read_args args = args_of(self, tracker);
	bool equal;

	tracker_read(&args);
	equal = !memcmp(self->got, self->want, sizeof(self->got)) &&
		args.out_pages == bitmap_count(self->want, PAGES);
	memset(self->want, 0, sizeof(self->want));
	return equal;
}

static struct iommu_dirty_tracker_info info_of(FIXTURE_DATA(device) * self,
					       __u32 tracker,
					       struct iommu_dirty_member *member)
{
	struct iommu_dirty_tracker_info info = {
		.tracker_id = tracker,
		.num_members = 1,
		.members = (uintptr_t)member,
		.member_len = sizeof(*member),
	};

	check(__tracker_info(self->env.fd, &info));
	return info;
}

TEST_F(device, info)
{
	struct iommu_dirty_tracker_info info;
	struct iommu_dirty_member member;
	__u32 quiesces = mig_capable(self->env.edu[0].fd) ?
				 IOMMU_DIRTY_MEMBER_QUIESCES : 0;

	info = info_of(self, self->tracker, &member);
	EXPECT_EQ(IOMMU_DIRTY_STATE_STOPPED, info.out_state);
	EXPECT_EQ(1, info.num_members);
	EXPECT_EQ(self->env.edu[0].dev_id, info.out_target_id);
	EXPECT_EQ(256, info.out_max_ranges);
	EXPECT_EQ(0, info.out_tracked_page_size);
	EXPECT_EQ(IOMMU_DIRTY_MEMBER_DEVICE, member.type);
	EXPECT_EQ(self->env.edu[0].dev_id, member.id);
	EXPECT_EQ(IOMMU_DIRTY_REASON_OK, member.reason);
	EXPECT_EQ(quiesces, member.flags);

	device_start(self->env.fd, self->tracker, IOVA, SIZE);
	info = info_of(self, self->tracker, &member);
	EXPECT_EQ(IOMMU_DIRTY_STATE_RUNNING, info.out_state);
	EXPECT_EQ(1, info.out_num_ranges);
	EXPECT_EQ(SZ_4K, info.out_tracked_page_size);
	EXPECT_EQ(quiesces | IOMMU_DIRTY_MEMBER_TRACKED, member.flags);
	tracker_stop(self->env.fd, self->tracker);
	info = info_of(self, self->tracker, &member);
	EXPECT_EQ(IOMMU_DIRTY_STATE_STOPPED, info.out_state);
	EXPECT_EQ(0, info.out_num_ranges);
}

/* Of a device whose driver logs nothing there is a tracker too, to say so */
TEST_F(device, no_provider)
{
	struct iommu_dirty_run range = { .iova = IOVA, .length = SIZE };
	struct iommu_dirty_tracker_start start = {
		.size = sizeof(start),
		.num_ranges = 1,
		.ranges = (uintptr_t)&range,
		.page_size = SZ_4K,
	};
	struct iommu_dirty_member member;
	struct edu plain;

	if (edu_count() < 2)
		SKIP(return, "needs two PCI edu devices");
	edu_set_driver("vfio-pci");
	edu_open(&plain, 1, self->env.fd);
	start.tracker_id = tracker_alloc(self->env.fd, plain.dev_id);
	info_of(self, start.tracker_id, &member);
	EXPECT_EQ(IOMMU_DIRTY_REASON_NO_DRIVER, member.reason);
	EXPECT_EQ(-EOPNOTSUPP, __iommufd_ioctl(self->env.fd,
					       IOMMU_DIRTY_TRACKER_START, &start));
	EXPECT_EQ(IOMMU_DIRTY_MEMBER_DEVICE, start.out_type);
	EXPECT_EQ(plain.dev_id, start.out_id);
	EXPECT_EQ(IOMMU_DIRTY_REASON_NO_DRIVER, start.out_reason);
	edu_close(&plain);
}

/* Once, exactly, by READ and by SCAN; and what was written before not at all */
TEST_F(device, exact)
{
	struct read_args args;
	unsigned int i;

	env_load(&self->env, 0);
	env_store(&self->env, 0, AT(9));
	device_start(self->env.fd, self->tracker, IOVA, SIZE);
	EXPECT_TRUE(reads_exactly(self, self->tracker));
	for (i = 0; i < 40; i++)
		write_page(self, random_below(PAGES));
	/* reads of the device are not writes */
	edu_dma_from(&self->env.edu[0], IOVA, 0, 64);
	args = args_of(self, self->tracker);
	args.flags = IOMMU_DIRTY_READ_NO_CLEAR;
	tracker_read(&args);
	EXPECT_EQ(0, memcmp(self->got, self->want, sizeof(self->got)));
	EXPECT_TRUE(reads_exactly(self, self->tracker));
	EXPECT_TRUE(reads_exactly(self, self->tracker));

	for (i = 0; i < 40; i++)
		write_page(self, random_below(PAGES));
	args = args_of(self, self->tracker);
	tracker_scan(&args, 3);
	EXPECT_EQ(0, memcmp(self->got, self->want, sizeof(self->got)));
	memset(self->want, 0, sizeof(self->want));
	EXPECT_TRUE(reads_exactly(self, self->tracker));
}

/* Parts of the range, at odd places, in any order; each page once */
TEST_F(device, parts)
{
	unsigned int i;

	device_start(self->env.fd, self->tracker, IOVA, SIZE);
	env_load(&self->env, 0);
	for (i = 0; i < PAGES; i++)
		write_page(self, i);
	for (i = 0; i < 200; i++) {
		__u64 page = random_below(PAGES);
		__u64 num = 1 + random_below(PAGES - page);
		unsigned char part[PAGES / 8] = {};
		struct read_args args = {
			.fd = self->env.fd,
			.tracker = self->tracker,
			.iova = AT(page),
			.length = num * SZ_4K,
			.page_size = SZ_4K,
			.data = part,
		};
		__u64 j, dirty = 0;

		tracker_read(&args);
		for (j = 0; j < num; j++) {
			bool want = bitmap_test(self->want, page + j);

			dirty += want;
			EXPECT_EQ(want, bitmap_test(part, j));
			self->want[(page + j) / 8] &= ~(1 << (page + j) % 8);
		}
		EXPECT_EQ(dirty, args.out_pages);
	}
	EXPECT_TRUE(reads_exactly(self, self->tracker));
}

/* What the device tracks by is coarser: both halves of such a page are reported */
TEST_F(device, coarse)
{
	struct iommu_dirty_run range = { .iova = AT(3), .length = 1 };
	__u64 page_size = SZ_64K;
	__u32 num = 1;

	ASSERT_EQ(0, __device_start(self->env.fd, self->tracker, &range, &num,
				    &page_size));
	EXPECT_EQ(SZ_64K, page_size);
	EXPECT_EQ(IOVA, range.iova);
	EXPECT_EQ(SZ_64K, range.length);
	env_load(&self->env, 0);
	env_store(&self->env, 0, AT(15));
	env_store(&self->env, 0, AT(16));
	memset(self->want, 0xff, 2);
	EXPECT_TRUE(reads_exactly(self, self->tracker));
}

/* Any order, overlaps, and more ranges than the device has room for */
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
	ASSERT_EQ(0, __device_start(self->env.fd, self->tracker, ranges, &num,
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
	/* merged across gaps, not widened at will */
	EXPECT_GE((39 * 6 + 2) * SZ_4K, covered);

	env_load(&self->env, 0);
	for (i = 0; i < 40; i++)
		write_page(self, i * 6 + random_below(2));
	EXPECT_TRUE(reads_exactly(self, self->tracker));
}

static int start_with(FIXTURE_DATA(device) * self, __u64 iova, __u64 length,
		      __u32 num, __u64 page_size)
{
	struct iommu_dirty_run range = { .iova = iova, .length = length };

	return __device_start(self->env.fd, self->tracker, &range, &num,
			      &page_size);
}

TEST_F(device, bad_arguments)
{
	struct iommu_dirty_run range = { .iova = IOVA, .length = SIZE };
	struct read_args args = args_of(self, self->tracker);
	__u64 page_size = SZ_4K, unmapped;
	__u32 num = 1;

	EXPECT_EQ(-EINVAL, __tracker_start(self->env.fd, self->tracker, NULL));
	EXPECT_EQ(-EINVAL, start_with(self, IOVA, SIZE, 0, SZ_4K));
	EXPECT_EQ(-EINVAL, start_with(self, IOVA, SIZE, 65537, SZ_4K));
	EXPECT_EQ(-EINVAL, start_with(self, IOVA, SIZE, 1, 0));
	EXPECT_EQ(-EINVAL, start_with(self, IOVA, SIZE, 1, 2048));
	EXPECT_EQ(-EINVAL, start_with(self, IOVA, SIZE, 1, SZ_4K + 1));
	EXPECT_EQ(-EINVAL, start_with(self, IOVA, 0, 1, SZ_4K));
	EXPECT_EQ(-EOVERFLOW, start_with(self, ~0ULL, 2, 1, SZ_4K));
	EXPECT_EQ(-EOVERFLOW, start_with(self, ~0ULL, 1, 1, SZ_4K));
	EXPECT_EQ(-E2BIG, start_with(self, 0, 1ULL << 62, 1, SZ_4K));
	EXPECT_EQ(-EFAULT, __device_start(self->env.fd, self->tracker, NULL,
					  &num, &page_size));
	EXPECT_EQ(-EOPNOTSUPP,
		  __tracker_start_flags(self->env.fd, self->tracker,
					IOMMU_DIRTY_START_DEGRADED, NULL));
	/* of an IOAS */
	EXPECT_EQ(-EINVAL, __device_start(self->env.fd, self->env.tracker,
					  &range, &num, &page_size));
	num = 1;
	page_size = SZ_4K;
	EXPECT_EQ(-EOPNOTSUPP, __device_update(self->env.fd, self->env.tracker,
					       0, &range, &num, &page_size));
	EXPECT_EQ(-ENODATA, __device_update(self->env.fd, self->tracker, 0,
					    &range, &num, &page_size));
	EXPECT_EQ(-EOPNOTSUPP, __device_update(self->env.fd, self->tracker, 2,
					       &range, &num, &page_size));
	EXPECT_EQ(-EOPNOTSUPP, __tracker_unmap(&args, &unmapped));
	EXPECT_EQ(-ENODATA, __tracker_read(&args));
	device_start(self->env.fd, self->tracker, IOVA, SIZE);
	EXPECT_EQ(-EALREADY, start_with(self, IOVA, SIZE, 1, SZ_4K));
}

/* Each tracker gets every page; the end of one changes nothing for the other */
TEST_F(device, several)
{
	__u32 second = tracker_alloc(self->env.fd, self->env.edu[0].dev_id);
	struct iommu_dirty_run range = { .iova = IOVA + SIZE, .length = 1 };
	unsigned char want[PAGES / 8];
	__u64 page_size = SZ_4K;
	__u32 num = 1;

	env_load(&self->env, 0);
	device_start(self->env.fd, self->tracker, IOVA, SIZE);
	write_page(self, 1);
	/* not for the second one, which was not running */
	EXPECT_EQ(-EBUSY, __device_start(self->env.fd, second, &range, &num,
					 &page_size));
	device_start(self->env.fd, second, IOVA, SIZE);
	EXPECT_TRUE(reads_exactly(self, self->tracker));
	EXPECT_TRUE(reads_exactly(self, second));

	write_page(self, 5);
	write_page(self, 200);
	memcpy(want, self->want, sizeof(want));
	EXPECT_TRUE(reads_exactly(self, self->tracker));
	write_page(self, 6);
	bitmap_set(want, 6);
	tracker_stop(self->env.fd, self->tracker);
	memcpy(self->want, want, sizeof(want));
	EXPECT_TRUE(reads_exactly(self, second));
	write_page(self, 7);
	object_destroy(self->env.fd, self->tracker);
	EXPECT_TRUE(reads_exactly(self, second));
}

/* The device logs for the user or for trackers, not for both */
TEST_F(device, user_logging)
{
	int fd = self->env.edu[0].fd;
	unsigned char *bad = mem_alloc(SZ_4K);

	env_load(&self->env, 0);
	mem_free(bad, SZ_4K);
	ASSERT_EQ(0, __log_start(fd, IOVA, SIZE, SZ_4K));
	EXPECT_EQ(-EBUSY, start_with(self, IOVA, SIZE, 1, SZ_4K));
	write_page(self, 77);
	EXPECT_EQ(0, __log_report(fd, IOVA, SIZE, SZ_4K, self->got));
	EXPECT_EQ(0, memcmp(self->got, self->want, sizeof(self->got)));
	memset(self->want, 0, sizeof(self->want));
	/* a bitmap that cannot be written is no longer taken for a clean one */
	env_store(&self->env, 0, AT(3));
	EXPECT_EQ(-EFAULT, __log_report(fd, IOVA, SIZE, SZ_4K, bad));
	EXPECT_EQ(0, __log_stop(fd));

	device_start(self->env.fd, self->tracker, IOVA, SIZE);
	write_page(self, 78);
	EXPECT_EQ(-EBUSY, __log_start(fd, IOVA, SIZE, SZ_4K));
	EXPECT_EQ(-EBUSY, __log_stop(fd));
	EXPECT_EQ(-EBUSY, __log_report(fd, IOVA, SIZE, SZ_4K, self->got));
	EXPECT_TRUE(reads_exactly(self, self->tracker));
	tracker_stop(self->env.fd, self->tracker);
	EXPECT_EQ(0, __log_start(fd, IOVA, SIZE, SZ_4K));
	EXPECT_EQ(0, __log_stop(fd));
}

/* After a failed READ the pages are still dirty */
TEST_F(device, bad_bitmap)
{
	unsigned char *bad = mem_alloc(SZ_4K);
	struct read_args args = args_of(self, self->tracker);

	mem_free(bad, SZ_4K);
	env_load(&self->env, 0);
	device_start(self->env.fd, self->tracker, IOVA, SIZE);
	write_page(self, 12);
	args.data = bad;
	EXPECT_EQ(-EFAULT, __tracker_read(&args));
	EXPECT_EQ(0, args.out_length);
	EXPECT_TRUE(reads_exactly(self, self->tracker));
}

static __u64 read_both(FIXTURE_DATA(device) * self, void *bitmap,
		       struct iommu_dirty_read_tracker *entries)
{
	struct iommu_dirty_tracker_read cmd = {
		.size = sizeof(cmd),
		.trackers = (uintptr_t)entries,
		.num_trackers = 2,
		.tracker_len = sizeof(entries[0]),
		.iova = IOVA,
		.length = SIZE,
		.page_size = SZ_4K,
		.data = (uintptr_t)bitmap,
	};

	check(__iommufd_ioctl(self->env.fd, IOMMU_DIRTY_TRACKER_READ, &cmd));
	return cmd.out_pages;
}

/*
 * The driver of the device and the IO page tables know nothing of each other, and
 * after random traffic they say the same; together, in one READ, too.
 */
TEST_F(device, agrees_with_page_tables)
{
	struct iommu_dirty_read_tracker entries[2] = {
		{ .tracker_id = self->env.tracker },
		{ .tracker_id = self->tracker },
	};
	unsigned char bits[PAGES / 8];
	unsigned int round, i;

	tracker_start(self->env.fd, self->env.tracker);
	device_start(self->env.fd, self->tracker, IOVA, SIZE);
	for (round = 0; round < 20; round++) {
		unsigned char want[PAGES / 8];
		__u64 added;

		env_load(&self->env, 0);
		for (i = random_below(60); i; i--)
			write_page(self, random_below(PAGES));
		memcpy(want, self->want, sizeof(want));
		if (round % 2) {
			EXPECT_TRUE(reads_exactly(self, self->env.tracker));
			memcpy(self->want, want, sizeof(want));
			EXPECT_TRUE(reads_exactly(self, self->tracker));
			continue;
		}
		memset(bits, 0, sizeof(bits));
		added = read_both(self, bits, entries);
		EXPECT_EQ(0, memcmp(want, bits, sizeof(bits)));
		EXPECT_EQ(bitmap_count(want, PAGES), added);
		EXPECT_EQ(added, entries[0].out_pages + entries[1].out_pages);
		/* the second one has found nothing new */
		EXPECT_EQ(0, entries[1].out_pages);
		memset(self->want, 0, sizeof(self->want));
	}
}

TEST_HARNESS_MAIN
